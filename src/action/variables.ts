/** Takes variables out of the environment that docker and smolvm inherit, and returns them. */
export function takeVariables(names: RegExp): Record<string, string> {
  const taken: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (names.test(name) && value !== undefined) {
      taken[name] = value;
      delete process.env[name];
    }
  }
  return taken;
}
