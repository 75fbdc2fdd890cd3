import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type ImageId, parseImageId } from '../../src/identity/image-id.ts';
import { type InputsKey, parseInputsKey } from '../../src/identity/inputs-key.ts';
import { HERE, type Origin } from '../../src/identity/origin.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { installPacked, installSidecar } from '../../src/store/install.ts';
import { objectPath } from '../../src/store/location.ts';
import { type BindResult, bindName } from '../../src/store/name.ts';
import { findForImage, type StoredSidecar } from '../../src/store/read.ts';
import { Store } from '../../src/store/store.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** A child that finds its modules compiled starts in a third of the time. */
const COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/store-children');

export const KEY: InputsKey = parseInputsKey('abc'.padEnd(64, '0'));

/** The same for the same name, and like no other's. */
export function imageId(name: string): ImageId {
  return parseImageId(`sha256:${createHash('sha256').update(name).digest('hex')}`);
}

export async function emptyStore(parent?: string): Promise<Store> {
  return await Store.open(join(parent ?? (await tempDir()), 'store'));
}

export interface SampleOptions {
  /** Of the image that it was packed from. */
  readonly id: ImageId;
  /** Other samples have other bytes. */
  readonly created?: string;
  readonly key?: InputsKey;
  readonly packedAt?: string;
  readonly platform?: GuestPlatform;
}

/** A sidecar file in `dir`, and its record. */
export async function makeSample(dir: string, options: SampleOptions) {
  const { id, created = '2026-11-23T11:11:16Z', key = KEY, packedAt = '2026-11-23T00:00:00.000Z' } = options;
  const { platform = 'linux/amd64' } = options;
  const path = join(dir, 'sidecar');
  const { layerDigest } = await writeSample(path, ({ manifest }) => ({
    manifest: { ...manifest, created, platform },
  }));
  await fs.rm(join(dir, 'root'), { recursive: true });
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const record: PackRecord = {
    version: 1,
    platform,
    image: { id, layers: [], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt,
    inputs: {
      key,
      dockerfileSha256: '1'.repeat(64),
      buildArgsSha256: '2'.repeat(64),
      entriesSha256: '3'.repeat(64),
      narrowed: true,
    },
  };
  return { path, record };
}

/** Packed here from `options.id`, and under the name of that image. */
export async function installSample(store: Store, options: SampleOptions): Promise<PackRecord> {
  return await store.withTemp(async (dir) => {
    const { path, record } = await makeSample(dir, options);
    await installPacked(store, options.id, path, record);
    return record;
  });
}

/** Fetched for that origin, without a name. */
export async function fetchSample(
  store: Store,
  origin: Origin,
  options: SampleOptions & { readonly signer?: string },
): Promise<StoredSidecar> {
  return await store.withTemp(async (dir) => {
    const { path, record } = await makeSample(dir, options);
    return await installSidecar(store, path, { origin, record, signer: options.signer });
  });
}

/** The same bytes, as another origin has brought them. */
export async function fetchAgain(
  store: Store,
  { record }: StoredSidecar,
  origin: Origin,
  key: InputsKey = KEY,
): Promise<StoredSidecar> {
  const inputs = record.inputs && { ...record.inputs, key };
  return await installSidecar(store, undefined, { origin, record: { ...record, ...(inputs && { inputs }) } });
}

/** The sidecar of a record, as one that was packed here. */
export function storedAs(store: Store, record: PackRecord, origin: Origin = HERE): StoredSidecar {
  const { sha256, sizeBytes } = record.sidecar;
  return { path: objectPath(store.layout, sha256), sha256, sizeBytes, record, origin, signer: undefined };
}

export async function bind(store: Store, id: ImageId, record: PackRecord): Promise<BindResult> {
  return await bindName(store, id, storedAs(store, record), { proof: 'inputs' });
}

/** What a checkout of nobody's would find for an image: only what was packed here. */
export async function find(store: Store, id: ImageId) {
  return await findForImage(store, id, { origin: { kind: 'none' } }, { platform: 'linux/amd64' });
}

/** A store in `dir`, and what it has warned of. */
export async function watchedStore(dir: string): Promise<{ store: Store; warnings: string[] }> {
  const warnings: string[] = [];
  const store = await Store.open(dir, (event) => {
    if (event.type === 'warning') {
      warnings.push(event.message);
    }
  });
  return { store, warnings };
}

export async function bytesWithAFlip(path: string): Promise<Buffer> {
  const bytes = await fs.readFile(path);
  bytes.writeUInt8(bytes.readUInt8(99) ^ 1, 99);
  return bytes;
}

/** Every file of ours and at the top level, but for what is the same in every store. */
export async function filesOf(store: Store): Promise<string[]> {
  const entries = await fs.readdir(store.dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && entry.name !== 'CACHEDIR.TAG')
    .map(({ parentPath, name }) => join(parentPath, name).slice(store.dir.length + 1))
    .sort();
}

export interface StoreChild {
  readonly pid: number;
  /** What it has printed, once it has ended. */
  readonly ended: Promise<{
    readonly stdout: string;
    readonly stderr: string;
    readonly signal: string | null;
  }>;
  firstOutput(): Promise<string>;
  kill(): void;
}

function sourceOf(name: string): string {
  return JSON.stringify(join(import.meta.dirname, `../../src/store/${name}.ts`));
}

/**
 * Runs `body` in a process of its own, with `store`, the functions of the store, `fs`, `sleep` and `data`.
 * @param killAt SIGKILL before its so-manieth call that may change a file
 */
export function startStoreChild(
  dir: string,
  body: string,
  { data, killAt, uid, umask }: { data?: unknown; killAt?: number; uid?: number; umask?: number } = {},
): StoreChild {
  const source = `
    import * as fs from 'node:fs/promises';
    import nodeFs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { Store } from ${sourceOf('store')};
    import { installPacked, installSidecar } from ${sourceOf('install')};
    import { bindName } from ${sourceOf('name')};
    import { findHits, verifyStored } from ${sourceOf('read')};
    import { pruneStore } from ${sourceOf('prune')};
    import { touchUsed } from ${sourceOf('used')};
    import { takeOverOldStore } from ${sourceOf('old-store')};
    const data = ${JSON.stringify(data ?? null)};
    ${umask === undefined ? '' : `process.umask(${umask});`}
    const store = await Store.open(${JSON.stringify(dir)});
    let left = ${killAt ?? 0};
    if (left > 0) {
      for (const name of ['chmod', 'copyFile', 'link', 'mkdir', 'open', 'rename', 'rm', 'symlink', 'writeFile']) {
        const call = nodeFs.promises[name];
        nodeFs.promises[name] = (...args) => {
          left -= 1;
          if (left === 0) process.kill(process.pid, 'SIGKILL');
          return call(...args);
        };
      }
      syncBuiltinESMExports();
    }
    const result = await (async () => { ${body} })().catch(({ code, message }) => ({ code, message }));
    console.log(JSON.stringify(result ?? null));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
    ([stdout, stderr, [, signal]]) => ({ stdout, stderr, signal: signal as string | null }),
  );
  return {
    pid: child.pid ?? 0,
    ended,
    async firstOutput() {
      const [output] = await once(child.stdout, 'data');
      return String(output);
    },
    kill: () => child.kill('SIGKILL'),
  };
}

/** The last line that it has printed, as a value. */
export async function resultOf({ ended }: StoreChild): Promise<unknown> {
  const { stdout, stderr } = await ended;
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (last === '') {
    throw new Error(`the child gave no result: ${stderr}`);
  }
  return JSON.parse(last);
}
