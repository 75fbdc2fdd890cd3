import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { prepareTestBed } from '../scripts/test-bed.ts';
import { inspectImage } from '../src/docker/image.ts';
import { flattenImage } from '../src/pack/flatten.ts';
import { withEmbeddedHop } from '../src/pack/hop.ts';
import { ensureDebianImage } from '../test/helpers/debian-image.ts';
import { buildRegistryImage } from '../test/helpers/registry-image.ts';
import { run } from '../test/helpers/small-image.ts';
import { type Cost, measure, median, round } from './measure.ts';

/**
 * The registry hop, from an image on the engine to the last byte in the puller's hands, two ways on one image:
 *  - seed: registry container, docker tag, docker push of the image as it is, pull, remove (what claude-bottle does);
 *  - embedded: flatten, serve from this process, pull.
 * The puller is crane, one request after the other, as in smolvm's guest. Runs are interleaved.
 */
const ROUNDS = 3;

async function seedHop(image: string, registryImage: string): Promise<void> {
  const name = `cbp-bench-${process.pid}`;
  await run('docker', ['run', '-d', '--name', name, '-p', '127.0.0.1::5000', registryImage]);
  try {
    const port = (await run('docker', ['port', name, '5000'])).stdout.trim().split(':').at(-1);
    const reference = `localhost:${port}/claude-bottle:bench`;
    await run('docker', ['tag', image, reference]);
    try {
      await run('docker', ['push', reference], { maxBuffer: 64e6 });
      await pull(reference);
    } finally {
      await run('docker', ['image', 'rm', reference]);
    }
  } finally {
    await run('docker', ['rm', '-f', '-v', name]);
  }
}

async function embeddedHop(imageName: string, dir: string): Promise<void> {
  const layerPath = join(dir, 'layer.tar');
  try {
    const { flat } = await flattenImage({
      image: await inspectImage(imageName),
      platform: 'linux/amd64',
      layerPath,
      signal: new AbortController().signal,
      onBytes: () => {},
      onWarning: (message) => console.error(message),
    });
    await withEmbeddedHop(flat, pull);
  } finally {
    await fs.rm(layerPath, { force: true });
  }
}

async function pull(reference: string): Promise<void> {
  const manifest = JSON.parse((await run('crane', ['manifest', reference])).stdout);
  await run('crane', ['config', reference]);
  const repository = reference.replace(/(@|:[^/]*$).*/, '');
  for (const { digest } of manifest.layers) {
    const crane = spawn('crane', ['blob', `${repository}@${digest}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [exitCode] = await once(crane, 'exit');
    if (exitCode !== 0) {
      throw new Error(`crane blob ${digest} ended with exit code ${exitCode}`);
    }
  }
}

const bed = await prepareTestBed();
try {
  if (!bed.docker) {
    throw new Error(bed.reason);
  }
  Object.assign(process.env, bed.env);
  const image = await ensureDebianImage();
  const registryImage = await buildRegistryImage();
  const { layers } = await inspectImage(image);
  const { stdout: imageBytes } = await run('docker', ['image', 'inspect', '--format', '{{.Size}}', image]);
  const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
  const seed: Cost[] = [];
  const embedded: Cost[] = [];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      seed.push(await measure(() => seedHop(image, registryImage)));
      embedded.push(await measure(() => embeddedHop(image, dir)));
      console.error(`round ${round + 1}: seed ${show(seed.at(-1))}, embedded ${show(embedded.at(-1))}`);
    }
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
  const wall = (costs: Cost[]) => median(costs.map(({ wallSeconds }) => wallSeconds));
  const cpu = (costs: Cost[]) => median(costs.map(({ cpuSeconds }) => cpuSeconds));
  console.log(
    JSON.stringify({
      bench: 'hop',
      n: ROUNDS,
      imageBytes: Number(imageBytes),
      layers: layers.length,
      seedWallSeconds: round(wall(seed)),
      seedCpuSeconds: round(cpu(seed)),
      embeddedWallSeconds: round(wall(embedded)),
      embeddedCpuSeconds: round(cpu(embedded)),
      ratio: round(wall(seed) / wall(embedded)),
      cpuRatio: round(cpu(seed) / cpu(embedded)),
      rssMb: round(process.resourceUsage().maxRSS / 1000),
    }),
  );
} finally {
  await bed.stop();
}

function show(cost: Cost | undefined): string {
  return `${cost?.wallSeconds.toFixed(1)} s (${cost?.cpuSeconds.toFixed(1)} s CPU)`;
}
