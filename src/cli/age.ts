const UNITS = [
  ['d', 24 * 60 * 60 * 1000],
  ['h', 60 * 60 * 1000],
  ['min', 60 * 1000],
] as const;

/** "3 d"; what is in the future by this machine's clock is "now". */
export function formatAge(ageMs: number): string {
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(ageMs / unitMs);
    if (count >= 1) {
      return `${count} ${unit}`;
    }
  }
  return 'now';
}
