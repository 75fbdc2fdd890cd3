import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSample } from '../test/helpers/sample-sidecar.ts';
import { median, round } from './measure.ts';

/** How long the committed CLI takes to start, against Node doing nothing. Runs are interleaved. */
const ROUNDS = 40;
const CLI = join(import.meta.dirname, '../dist/cli.mjs');

function seconds(args: readonly string[]): number {
  const before = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`node ${args.join(' ')} ended with exit code ${status}: ${stderr}`);
  }
  return (performance.now() - before) / 1000;
}

const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-bench-'));
try {
  const sidecar = join(dir, 'sidecar');
  await writeSample(sidecar);
  const commands = { node: ['-e', '0'], version: [CLI, '--version'], inspect: [CLI, 'inspect', sidecar] };
  const times = { node: [] as number[], version: [] as number[], inspect: [] as number[] };
  for (let index = -2; index < ROUNDS; index += 1) {
    for (const [name, args] of Object.entries(commands) as Array<[keyof typeof times, string[]]>) {
      const time = seconds(args);
      if (index >= 0) {
        times[name].push(time);
      }
    }
  }
  console.log(
    JSON.stringify({
      bench: 'start',
      n: ROUNDS,
      nodeSeconds: round(median(times.node)),
      versionSeconds: round(median(times.version)),
      inspectSeconds: round(median(times.inspect)),
      version: round(median(times.version) / median(times.node)),
      inspect: round(median(times.inspect) / median(times.node)),
    }),
  );
} finally {
  await fs.rm(dir, { recursive: true, force: true });
}
