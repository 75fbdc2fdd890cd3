import { execFileSync, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { readBuildInputs } from '../src/context/build-inputs.ts';
import { PACK_RECORD_VERSION, type PackRecord } from '../src/identity/pack-record.ts';
import { formatRecord, framesPathOf, recordPathOf } from '../src/sidecar/file.ts';
import { formatFrameIndex } from '../src/sidecar/frame-index.ts';
import { verifySidecar } from '../src/sidecar/verify.ts';
import { SidecarWriter } from '../src/sidecar/write.ts';
import { readTar } from '../src/tar/read.ts';
import { setup as build } from '../test/helpers/build.ts';
import { SAMPLE_CONFIG_DIGEST, sampleParts } from '../test/helpers/sample-sidecar.ts';
import { median, round } from './measure.ts';
import { startNginx } from './nginx.ts';

/**
 * `claude-bottle fetch --no-bind` of a new sidecar where the store has the one before it, against the same with an
 * empty store, from nginx with 20 MB/s for each connection. The image is an agent's: files of this machine, a binary
 * of more than 100 MB (Node), and a prompt. One update changes a line of the prompt, the other one the binary.
 */
const ROUNDS = 3;
const SYSTEM_BYTES = 500_000_000;
const CLI = join(import.meta.dirname, '../dist/cli.mjs');
/** Moves the blocks of a binary, so that its content is new and compresses as before. */
const MOVED_BLOCK_BYTES = 50_021;

build();
const dir = await fs.mkdtemp('/var/tmp/claude-bottle-bench-');
const nginx = await startNginx(dir);
try {
  // nginx serves as another user.
  await fs.chmod(dir, 0o755);
  const binary = await fs.readFile(process.execPath);
  const newBinary = moved(binary);
  const systemTar = await writeSystemTar();
  const prompt = Array.from({ length: 400 }, (_, line) => `${line}: be helpful\n`);
  const changedPrompt = prompt.with(200, 'be brief\n');
  const old = await publish('old', systemTar, { binary, prompt: prompt.join('') });
  const oneLine = await publish('one-line', systemTar, { binary, prompt: changedPrompt.join('') });
  const replaced = await publish('binary', systemTar, { binary: newBinary, prompt: prompt.join('') });
  const line = { full: [] as Run[], update: [] as Run[] };
  const whole = { full: [] as Run[], update: [] as Run[] };
  for (let count = 1; count <= ROUNDS; count += 1) {
    for (const [version, runs] of [
      [oneLine, line],
      [replaced, whole],
    ] as const) {
      runs.full.push(await fetchInto(await emptyStore(), version));
      runs.update.push(await fetchInto(await storeWith(old), version));
      const [full, update] = [runs.full.at(-1), runs.update.at(-1)].map(show);
      console.error(`${version.name}, round ${count}: whole ${full}, update ${update}`);
    }
  }
  const newBinaryBytes = zstdCompressSync(newBinary).length;
  console.log(
    JSON.stringify({
      bench: 'update',
      n: ROUNDS,
      imageBytes: oneLine.imageBytes,
      fileBytes: oneLine.sizeBytes,
      oneLineBytes: ratio(line.update, oneLine.sizeBytes),
      binaryBytes: median(whole.update.map(({ sentBytes }) => sentBytes)),
      newBinaryBytes,
      binaryOverhead: ratio(whole.update, newBinaryBytes),
      oneLineSeconds: seconds(line.update),
      binarySeconds: seconds(whole.update),
      fullSeconds: seconds([...line.full, ...whole.full]),
      oneLineSpeedup: round(seconds(line.full) / seconds(line.update)),
      binarySpeedup: round(seconds(whole.full) / seconds(whole.update)),
    }),
  );
} finally {
  await nginx.stop();
  await fs.rm(dir, { recursive: true, force: true });
}

interface Run {
  readonly seconds: number;
  readonly sentBytes: number;
}

function show(run: Run | undefined): string {
  return `${run?.seconds.toFixed(2)} s and ${((run?.sentBytes ?? 0) / 1e6).toFixed(1)} MB`;
}

function seconds(runs: readonly Run[]): number {
  return round(median(runs.map((run) => run.seconds)));
}

function ratio(runs: readonly Run[], bytes: number): number {
  return round(median(runs.map(({ sentBytes }) => sentBytes)) / bytes);
}

interface Version {
  readonly name: string;
  readonly context: string;
  readonly url: string;
  readonly sizeBytes: number;
  readonly imageBytes: number;
}

async function fetchInto(store: string, { context, url }: Version): Promise<Run> {
  // What the disk has left to do for earlier runs must not slow down this one.
  execFileSync('sync');
  const sentBefore = await nginx.sentBytes();
  const args = ['fetch', '--quiet', '--no-bind', '--context', context, '--platform', 'linux/amd64'];
  const before = performance.now();
  const child = spawn(process.execPath, [CLI, ...args, '--store', store, '--from', url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [exitCode] = await once(child, 'exit');
  const seconds = (performance.now() - before) / 1000;
  if (exitCode !== 0) {
    throw new Error(`fetch ended with exit code ${exitCode}`);
  }
  await fs.rm(store, { recursive: true });
  return { seconds, sentBytes: (await nginx.sentBytes()) - sentBefore };
}

async function emptyStore(): Promise<string> {
  return join(await fs.mkdtemp(join(dir, 'store-')), 'f');
}

/** A copy of a store that has fetched a version, made once. */
async function storeWith(version: Version): Promise<string> {
  const seed = join(dir, `seed-${version.name}`);
  if ((await fs.stat(seed).catch(() => undefined)) === undefined) {
    const args = ['fetch', '--quiet', '--no-bind', '--context', version.context, '--platform', 'linux/amd64'];
    const url = version.url.replace('/throttled', '');
    execFileSync(process.execPath, [CLI, ...args, '--store', seed, '--from', url], { stdio: 'inherit' });
  }
  const store = await emptyStore();
  execFileSync('cp', ['--archive', seed, store]);
  return store;
}

interface Content {
  readonly binary: Buffer;
  readonly prompt: string;
}

/** Publishes a sidecar of an image, with its pack record and frame index. */
async function publish(name: string, systemTar: string, { binary, prompt }: Content): Promise<Version> {
  const root = join(dir, `root-${name}`);
  await fs.mkdir(join(root, 'opt/agent'), { recursive: true });
  await fs.writeFile(join(root, 'opt/agent/agent'), binary, { mode: 0o755 });
  await fs.writeFile(join(root, 'opt/agent/prompt.md'), prompt);
  const layer = join(dir, `${name}.tar`);
  const fixed = ['--sort=name', '--owner=0', '--group=0', '--mtime=@1'];
  await fs.copyFile(systemTar, layer);
  execFileSync('tar', ['--append', '--file', layer, ...fixed, '--directory', root, './opt']);
  const path = join(dir, `${name}.smolmachine`);
  const writer = await SidecarWriter.create(path);
  const { manifest } = await sampleParts(await fs.mkdtemp(join(dir, 'parts-')));
  const written = await writer.addTar(readTar(createReadStream(layer)), (digest) => {
    return `layers/${digest.replace('sha256:', '')}.tar`;
  });
  const { frames, hashed } = await writer.finish({
    ...manifest,
    assets: {
      ...manifest.assets,
      layers: [{ digest: written.digest, path: written.path, size: written.sizeBytes }],
    },
  });
  await writer.close();
  await fs.chmod(path, 0o644);
  await fs.rm(layer);
  await fs.rm(root, { recursive: true });
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path, {}, { hashed });
  const context = join(dir, `context-${name}`);
  await fs.mkdir(context);
  await fs.writeFile(join(context, 'Dockerfile'), `FROM scratch\nLABEL version=${name}\n`);
  const { record: inputs } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
  const index = formatFrameIndex(frames);
  const record: PackRecord = {
    version: PACK_RECORD_VERSION,
    platform: 'linux/amd64',
    image: {
      id: `sha256:${sha256}`,
      layers: [written.digest],
      runtimeConfigSha256: '0'.repeat(64),
    },
    flattened: {
      configDigest: SAMPLE_CONFIG_DIGEST,
      layerDigest: written.digest,
      layerSizeBytes: written.sizeBytes,
    },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    frames: { sha256: hash('sha256', index), sizeBytes: index.length },
    packedAt: new Date().toISOString(),
    inputs,
  };
  await fs.writeFile(recordPathOf(path), formatRecord(record));
  await fs.writeFile(framesPathOf(path), index);
  const url = `${nginx.url}/throttled/${name}.smolmachine`;
  return { name, context, url, sizeBytes, imageBytes: written.sizeBytes };
}

/** The first files of this machine's /usr, in the order of their names. */
async function writeSystemTar(): Promise<string> {
  const list = execFileSync('find', ['usr', '-xdev', '-type', 'f', '-readable', '-printf', '%s %p\\0'], {
    cwd: '/',
    maxBuffer: 1 << 30,
  });
  const files = list
    .toString('utf8')
    .split('\0')
    .filter(Boolean)
    .map((line) => ({ sizeBytes: Number.parseInt(line, 10), path: line.slice(line.indexOf(' ') + 1) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  let totalBytes = 0;
  const chosen = files.filter(({ sizeBytes }) => {
    totalBytes += sizeBytes;
    return totalBytes <= SYSTEM_BYTES;
  });
  const names = join(dir, 'names');
  await fs.writeFile(names, chosen.map(({ path }) => `./${path}\0`).join(''));
  const tar = join(dir, 'system.tar');
  execFileSync('tar', ['--create', '--file', tar, '--directory', '/', '--null', '--files-from', names]);
  return tar;
}

function moved(binary: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let start = 0; start < binary.length; start += MOVED_BLOCK_BYTES) {
    blocks.push(binary.subarray(start, start + MOVED_BLOCK_BYTES));
  }
  // Neighbors in the file become far apart, as far as a frame can see.
  const [even, odd] = [0, 1].map((rest) => blocks.filter((_, index) => index % 2 === rest));
  return Buffer.concat([...(odd ?? []), ...(even ?? [])]);
}
