/** `npm run bench`: runs every benchmark, one after the other, and prints one table of their ratios and goals. */
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';

/** Ratios against the baseline that each benchmark describes; `rssMb` is in MB. */
const GOALS: Record<string, Record<string, ['at least' | 'at most', number] | undefined>> = {
  start: { version: ['at most', 2], inspect: ['at most', 2.5], path: ['at most', 2.5] },
  key: { ratio: ['at least', 1] },
  hop: { ratio: ['at least', 1] },
  pack: {
    vsSmolvm: ['at least', 4],
    vsLimit: ['at most', 1.3],
    rssMb: ['at most', 300],
    sizeRatio: ['at most', 1.03],
  },
  // curl neither verifies nor waits for the disk.
  fetch: { single: undefined, throttled: undefined },
  update: {
    oneLineBytes: ['at most', 0.01],
    binaryOverhead: ['at most', 1.1],
    oneLineSpeedup: ['at least', 15],
    binarySpeedup: ['at least', 1.5],
  },
  push: { ratio: ['at least', 1] },
  upload: { ratio: ['at least', 1] },
  warm: { ratio: ['at least', 20] },
};

function verdict(value: number | undefined, goal: readonly [string, number] | undefined): string {
  if (value === undefined || goal === undefined) {
    return value === undefined ? 'NO' : '-';
  }
  const [bound, limit] = goal;
  return (bound === 'at least' ? value >= limit : value <= limit) ? 'yes' : 'NO';
}

function lastLine(text: string): Record<string, number> {
  return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
}

const rows: string[][] = [['benchmark', 'figure', 'measured', 'goal', 'met', 'n', 'load before']];
for (const [name, goals] of Object.entries(GOALS)) {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, `${name}.ts`), '--json'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const figures = status === 0 ? lastLine(stdout) : {};
  for (const [figure, goal] of Object.entries(goals)) {
    const value = figures[figure];
    rows.push([
      name,
      figure,
      `${value ?? 'failed'}`,
      goal?.join(' ') ?? '-',
      verdict(value, goal),
      `${figures.n ?? '-'}`,
      load,
    ]);
  }
}
const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
for (const row of rows) {
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
