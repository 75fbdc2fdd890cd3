import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { median, round } from './measure.ts';

/**
 * How long `claude-bottle key` of the committed CLI takes for a git checkout, against hashing what git tracks with
 * sha256sum. Both read from the page cache; runs are interleaved.
 */
const ROUNDS = 20;
const FILES = 5000;
const TOTAL_BYTES = 100e6;
/** One sigma of the logarithm of sizes: most files have a few kB, some one or more MB, as in a source tree. */
const SIZE_SPREAD = 1.6;
const CLI = join(import.meta.dirname, '../dist/cli.mjs');

async function makeCheckout(dir: string): Promise<void> {
  const weights = Array.from({ length: FILES }, (_, index) =>
    Math.exp(SIZE_SPREAD * normal((index + 0.5) / FILES)),
  );
  const sum = weights.reduce((a, b) => a + b);
  for (const [index, weight] of weights.entries()) {
    // Sizes come in ascending order; a step that shares no factor with the number of files mixes them.
    const path = join(dir, pathOf((index * 1787) % FILES));
    await fs.mkdir(dirname(path), { recursive: true });
    await fs.writeFile(path, randomBytes(Math.round((weight / sum) * TOTAL_BYTES)));
  }
  await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  await fs.writeFile(join(dir, '.dockerignore'), '.git\n');
  for (const args of [
    ['init', '--quiet'],
    ['add', '--all'],
  ]) {
    execFileSync('git', args, { cwd: dir });
  }
}

/** Some 600 directories, up to four deep. */
function pathOf(index: number): string {
  const module = index % 25;
  const part = Math.floor(index / 25) % 23;
  const kind = ['src', 'src/lib', 'test', 'test/data/sample'][part % 4];
  return `packages/module-${module}/${kind}/part-${part}/file-${index}.ts`;
}

/** The standard normal distribution's value that the share `p` of all are below; Tukey's lambda, near enough. */
function normal(p: number): number {
  return (p ** 0.135 - (1 - p) ** 0.135) / 0.1975;
}

function seconds(command: string, args: readonly string[], dir: string): number {
  const before = performance.now();
  const { status, stderr } = spawnSync(command, args, {
    cwd: dir,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with exit code ${status}: ${stderr}`);
  }
  return (performance.now() - before) / 1000;
}

const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-bench-'));
try {
  await makeCheckout(dir);
  const times = { ours: [] as number[], git: [] as number[] };
  for (let index = -2; index < ROUNDS; index += 1) {
    const ours = seconds(process.execPath, [CLI, 'key'], dir);
    const git = seconds('sh', ['-c', 'git ls-files -z | xargs -0 sha256sum > /dev/null'], dir);
    if (index >= 0) {
      times.ours.push(ours);
      times.git.push(git);
    }
  }
  const [oursSeconds, gitSeconds] = [median(times.ours), median(times.git)];
  console.log(
    JSON.stringify({
      bench: 'key',
      n: ROUNDS,
      oursSeconds: round(oursSeconds),
      gitSeconds: round(gitSeconds),
      ratio: round(gitSeconds / oursSeconds),
    }),
  );
} finally {
  await fs.rm(dir, { recursive: true, force: true });
}
