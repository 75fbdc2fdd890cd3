import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { prepareTestBed } from '../scripts/test-bed.ts';
import { startResultsService } from '../test/doubles/results-service/service.ts';
import { runStep } from '../test/doubles/runner/runner.ts';
import { setup as build } from '../test/helpers/build.ts';
import { DOUBLE_DIR } from '../test/helpers/cli.ts';
import { ensureDebianImage } from '../test/helpers/debian-image.ts';
import { median, round } from './measure.ts';

/**
 * The committed action on a Debian agent of about 840 MB, cold (an empty runner cache, and no layer of the build cached)
 * and then warm: another run with unchanged inputs, in a fresh workspace, with default inputs. Docker is real; smolvm is the
 * double, which starts no machine; GitHub's services and the runner are doubles too, on the same machine. The wall time is
 * that of the step, main and post. Goal: ratio >= 20.
 */
const ROUNDS = 3;
const ROOT = join(import.meta.dirname, '..');

build();
const bed = await prepareTestBed();
const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
const cold: number[] = [];
const warm: number[] = [];
try {
  if (!bed.docker) {
    throw new Error(bed.reason);
  }
  Object.assign(process.env, bed.env);
  const base = await ensureDebianImage();
  for (let index = 0; index < ROUNDS; index += 1) {
    const blobs = await fs.mkdtemp(join(dir, 'blobs-'));
    const results = await startResultsService({ dir: blobs });
    try {
      // The round is part of the image, so that its build is not cached.
      const dockerfile = `FROM ${base}\nUSER root\nRUN echo ${process.pid}-${index} > /round\n`;
      cold.push(await step(dockerfile, 'none', results));
      results.startRun();
      warm.push(await step(dockerfile, 'inputs', results));
    } finally {
      await results.close();
      await fs.rm(blobs, { recursive: true });
    }
    console.error(`round ${index + 1}: cold ${cold.at(-1)?.toFixed(1)} s, warm ${warm.at(-1)?.toFixed(1)} s`);
  }
  console.log(
    JSON.stringify({
      bench: 'warm',
      n: ROUNDS,
      coldSeconds: round(median(cold)),
      warmSeconds: round(median(warm)),
      ratio: round(median(cold.map((seconds, index) => seconds / (warm[index] ?? Number.NaN)))),
    }),
  );
} finally {
  await fs.rm(dir, { recursive: true, force: true });
  await bed.stop();
}

async function step(
  dockerfile: string,
  expected: 'none' | 'inputs',
  results: Awaited<ReturnType<typeof startResultsService>>,
): Promise<number> {
  const job = await fs.mkdtemp(join(dir, 'job-'));
  const workspace = join(job, 'workspace');
  await fs.mkdir(workspace);
  await fs.writeFile(join(workspace, 'Dockerfile'), dockerfile);
  const before = performance.now();
  const { outcome, outputs, log } = await runStep({
    actionDir: ROOT,
    inputs: {
      'smolvm-path': join(DOUBLE_DIR, 'smolvm'),
      'kvm-check': 'false',
      'github-token': 'job-token',
    },
    workspace,
    temp: join(job, 'temp'),
    toolCache: join(job, 'tools'),
    results,
    env: {
      PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
      TMPDIR: '/var/tmp',
      ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
    },
  });
  const seconds = (performance.now() - before) / 1000;
  if (outcome !== 'success' || outputs['cache-match'] !== expected) {
    throw new Error(`expected a step with cache-match ${expected}, got ${outputs['cache-match']}:\n${log}`);
  }
  if (expected === 'none') {
    execFileSync('docker', ['image', 'rm', '--force', 'claude-bottle:linux-amd64']);
  }
  await fs.rm(job, { recursive: true });
  return seconds;
}
