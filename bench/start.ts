import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBuildInputs } from '../src/context/build-inputs.ts';
import type { Digest } from '../src/identity/image-id.ts';
import { PACK_RECORD_VERSION, type PackRecord } from '../src/identity/pack-record.ts';
import { formatRecord } from '../src/sidecar/file.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../test/helpers/sample-sidecar.ts';
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

/** Arguments that name a build context and a store that has its sidecar. */
async function fetchedCheckout(dir: string, sidecar: string, layerDigest: Digest): Promise<string[]> {
  const context = join(dir, 'context');
  await fs.mkdir(context);
  await fs.writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY agent.txt /\n');
  await fs.writeFile(join(context, 'agent.txt'), 'agent\n');
  const build = ['--context', context, '--platform', 'linux/amd64'];
  const { sha256, sizeBytes, crc32 } = await verifySidecar(sidecar);
  const { record: inputs } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
  const record: PackRecord = {
    version: PACK_RECORD_VERSION,
    platform: 'linux/amd64',
    image: { id: `sha256:${'1'.repeat(64)}`, layers: [layerDigest], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: new Date().toISOString(),
    inputs,
  };
  await fs.writeFile(`${sidecar}.json`, formatRecord(record));
  const place = [...build, '--store', join(dir, 'store')];
  seconds([CLI, 'fetch', ...place, '--from', `file:${sidecar}`, '--no-bind']);
  return place;
}

const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-bench-'));
try {
  const sidecar = join(dir, 'sidecar');
  const { layerDigest } = await writeSample(sidecar);
  const commands = {
    node: ['-e', '0'],
    version: [CLI, '--version'],
    inspect: [CLI, 'inspect', sidecar],
    path: [CLI, 'path', ...(await fetchedCheckout(dir, sidecar, layerDigest))],
  };
  const times = {
    node: [] as number[],
    version: [] as number[],
    inspect: [] as number[],
    path: [] as number[],
  };
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
      pathSeconds: round(median(times.path)),
      version: round(median(times.version) / median(times.node)),
      inspect: round(median(times.inspect) / median(times.node)),
      path: round(median(times.path) / median(times.node)),
    }),
  );
} finally {
  await fs.rm(dir, { recursive: true, force: true });
}
