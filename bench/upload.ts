import { fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { startResultsService } from '../test/doubles/results-service/service.ts';
import { median, round } from './measure.ts';
import type { UploadCost } from './upload-client.ts';

/**
 * A file of 512 MB that no compression makes smaller, from the disk to a finished artifact, two ways:
 *  - zip: @actions/artifact as it is by default, which packs into a zip at level 6;
 *  - raw: `uploadWorkflowArtifact`, with its questions before and after.
 * Each in a process of its own, against the double of GitHub's results service in this one. Runs are interleaved. No TLS
 * and no network; the wall time holds what the double does at the end, which joins the blocks and hashes them.
 */
const ROUNDS = 3;
const CHUNK_BYTES = 1 << 20;
const CHUNKS = 512;
const WAYS = ['zip', 'raw'] as const;
const CLIENT = join(import.meta.dirname, 'upload-client.ts');

const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
const service = await startResultsService({ dir: join(dir, 'blobs') });
try {
  const path = join(dir, 'bench.smolmachine');
  const sha256 = await writeRandom(path);
  const costs = { zip: [] as UploadCost[], raw: [] as UploadCost[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const way of WAYS) {
      const cost = await upload([way, path, sha256]);
      costs[way].push(cost);
      console.error(
        `round ${round + 1}: ${way} ${cost.wallSeconds.toFixed(1)} s (${cost.cpuSeconds.toFixed(1)} s CPU)`,
      );
    }
  }
  const middle = (way: (typeof WAYS)[number], key: keyof UploadCost) =>
    median(costs[way].map((cost) => cost[key]));
  console.log(
    JSON.stringify({
      bench: 'upload',
      n: ROUNDS,
      bytes: CHUNKS * CHUNK_BYTES,
      zipWallSeconds: round(middle('zip', 'wallSeconds')),
      zipCpuSeconds: round(middle('zip', 'cpuSeconds')),
      rawWallSeconds: round(middle('raw', 'wallSeconds')),
      rawCpuSeconds: round(middle('raw', 'cpuSeconds')),
      ratio: round(middle('zip', 'wallSeconds') / middle('raw', 'wallSeconds')),
      cpuRatio: round(middle('zip', 'cpuSeconds') / middle('raw', 'cpuSeconds')),
      zipRssMb: round(middle('zip', 'rssMb')),
      rawRssMb: round(middle('raw', 'rssMb')),
    }),
  );
} finally {
  await service.close();
  await fs.rm(dir, { recursive: true, force: true });
}

async function upload(args: string[]): Promise<UploadCost> {
  service.startRun();
  const env = { ...process.env, ...service.env, NO_PROXY: '127.0.0.1' };
  const child = fork(CLIENT, args, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  const [cost] = await Promise.race([
    once(child, 'message'),
    ended.then(([exitCode]) => Promise.reject(new Error(`the upload ended with exit code ${exitCode}`))),
  ]);
  child.disconnect();
  await ended;
  for (const artifact of service.artifacts()) {
    await fs.rm(artifact.path, { force: true });
  }
  return cost;
}

/** @returns its SHA-256 */
async function writeRandom(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await fs.open(path, 'w');
  for (let index = 0; index < CHUNKS; index += 1) {
    const chunk = randomBytes(CHUNK_BYTES);
    hash.update(chunk);
    await file.write(chunk);
  }
  await file.close();
  return hash.digest('hex');
}
