import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { withLock } from '../../src/host/lock.ts';
import { type ImageId, id16, parseImageId } from '../../src/identity/image-id.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { copySidecar, verifyFile } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { installPacked } from '../../src/store/install.ts';
import { bindName } from '../../src/store/name.ts';
import { findForImage, verifyNamed } from '../../src/store/read.ts';
import { Store } from '../../src/store/store.ts';
import { sweepStore } from '../../src/store/sweep.ts';
import { failureOf } from '../helpers/failure.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { storedAs, watchedStore } from './sample-store.ts';

const IMAGE_ID = parseImageId(`sha256:${'1234567890abcdef'.repeat(4)}`);
const SAME_ID16 = parseImageId(`sha256:${'1234567890abcdef'}${'0'.repeat(48)}`);

async function install(store: Store, imageId: ImageId = IMAGE_ID): Promise<PackRecord> {
  return await store.withTemp(async (dir) => {
    const path = join(dir, 'sidecar');
    const { layerDigest } = await writeSample(path);
    const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
    const record: PackRecord = {
      version: 1,
      platform: 'linux/amd64',
      image: { id: imageId, layers: [], runtimeConfigSha256: '0'.repeat(64) },
      flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
      sidecar: { sha256, sizeBytes, crc32 },
      smolvm: { version: '1.9.3' },
      hop: 'embedded',
      packedAt: '2026-11-23T00:00:00.000Z',
    };
    await installPacked(store, imageId, path, record);
    return record;
  });
}

async function find(store: Store, imageId: ImageId = IMAGE_ID) {
  return await findForImage(store, imageId, { origin: { kind: 'none' } }, { platform: 'linux/amd64' });
}

async function everyFile(dir: string): Promise<string[]> {
  const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
}

test('an installed sidecar is found, verified, read-only, and leaves nothing else behind', async () => {
  const dir = join(await tempDir(), 'a b', 'store');
  const { store, warnings } = await watchedStore(dir);
  const record = await install(store);
  const found = await find(store);

  expect(warnings).toEqual([]);
  expect(found?.record).toEqual(record);
  expect(found?.path).toBe(join(dir, '1234567890abcdef.smolmachine.smolmachine'));
  const stat = await fs.stat(found?.path ?? '');
  expect(stat.mode & 0o777).toBe(0o444);
  expect((await fs.stat(dir)).mode & 0o777).toBe(0o700);
  const object = join(dir, '.pack/objects/sha256', record.sidecar.sha256);
  expect((await fs.stat(object)).ino, 'one copy on disk').toBe(stat.ino);
  expect((await everyFile(dir)).map((path) => path.slice(dir.length + 1)).sort()).toEqual([
    '.pack/CACHEDIR.TAG',
    `.pack/catalog/${record.sidecar.sha256}.json`,
    `.pack/objects/sha256/${record.sidecar.sha256}`,
    '1234567890abcdef.smolmachine.smolmachine',
  ]);
});

test('looking into a store that is not there makes nothing', async () => {
  const dir = join(await tempDir(), 'none');
  const store = await Store.open(dir);
  expect(await find(store)).toBeUndefined();
  expect(await store.list()).toEqual([]);
  await expect(fs.stat(dir)).rejects.toThrow('ENOENT');
});

test('a damaged sidecar goes to quarantine with the reason and counts as none', async () => {
  const dir = join(await tempDir(), 'store');
  const { store, warnings } = await watchedStore(dir);
  await install(store);
  const path = store.pathFor(id16(IMAGE_ID));
  const bytes = await fs.readFile(path);
  bytes.writeUInt8(bytes.readUInt8(99) ^ 1, 99);
  await fs.rm(path);
  await fs.writeFile(path, bytes);

  expect(await find(store)).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('CRC-32')]);
  expect(await store.list()).toEqual([]);
  const [kept = ''] = await fs.readdir(join(dir, '.pack/quarantine'));
  expect((await fs.readFile(join(dir, '.pack/quarantine', kept))).equals(bytes)).toBe(true);

  await install(store);
  expect(await find(store)).toBeDefined();
});

test('a truncated sidecar, as a killed smolvm leaves it, is not a hit', async () => {
  const store = await Store.open(join(await tempDir(), 'store'));
  await install(store);
  const path = store.pathFor(id16(IMAGE_ID));
  const bytes = await fs.readFile(path);
  await fs.rm(path);
  await fs.writeFile(path, bytes.subarray(0, 700));
  expect(await find(store)).toBeUndefined();
});

test('a sidecar for another image with the same 16 digits is not a hit', async () => {
  const store = await Store.open(join(await tempDir(), 'store'));
  await install(store, SAME_ID16);
  expect(await find(store)).toBeUndefined();
  expect(await find(store, SAME_ID16), 'it stays that of the other one').toBeDefined();
});

test('a sidecar that claude-bottle itself has put there is a hit without a record', async () => {
  const dir = join(await tempDir(), 'store');
  await fs.mkdir(dir, { mode: 0o700 });
  const store = await Store.open(dir);
  await writeSample(store.pathFor(id16(IMAGE_ID)));
  const found = await find(store);
  expect(found?.report.manifest.digest).toBe(SAMPLE_CONFIG_DIGEST);
  expect(found?.record).toBeUndefined();
});

test('installing replaces a link, a directory and an open file without writing through them', async () => {
  const dir = join(await tempDir(), 'store');
  const store = await Store.open(dir);
  await install(store);
  const path = store.pathFor(id16(IMAGE_ID));
  const reader = await fs.open(path, 'r');
  const before = await reader.readFile();
  await install(store);
  expect((await reader.read(Buffer.alloc(before.length), 0, before.length, 0)).bytesRead).toBe(before.length);
  await reader.close();

  const victim = join(await tempDir(), 'victim');
  await fs.writeFile(victim, 'precious');
  await fs.rm(path);
  await fs.symlink(victim, path);
  await install(store);
  expect(await fs.readFile(victim, 'utf8')).toBe('precious');
  expect((await fs.lstat(path)).isFile()).toBe(true);

  await fs.rm(path);
  await fs.mkdir(path);
  await install(store);
  expect(await find(store)).toBeDefined();
});

test('who waits for another one to change the store can be stopped', async () => {
  const store = await Store.open(join(await tempDir(), 'store'));
  const record = await install(store);
  const names = { path: join(store.dir, '.pack/locks/names'), quarantine: fs.rmdir };
  await withLock(names, { purpose: 'a test' }, async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const binding = bindName(store, SAME_ID16, storedAs(store, record), { proof: 'inputs', signal });
    const path = join(await tempDir(), 'sidecar');
    const installing = installPacked(store, SAME_ID16, path, record, { signal });
    setTimeout(() => stop.abort(new InterruptedError('SIGINT')), 50);
    for (const { status, reason } of (await Promise.allSettled([
      binding,
      installing,
    ])) as PromiseRejectedResult[]) {
      expect([status, reason]).toEqual(['rejected', expect.any(InterruptedError)]);
    }
  });
});

test('a store that others could change is refused', async () => {
  const dir = await tempDir();
  await fs.mkdir(join(dir, 'open'));
  await fs.chmod(join(dir, 'open'), 0o777);
  await fs.symlink(join(dir, 'open'), join(dir, 'link'));
  await fs.writeFile(join(dir, 'file'), '');
  for (const name of ['open', 'link', 'file']) {
    expect(await failureOf(Store.open(join(dir, name))), name).toMatchObject({
      code: 'store-unsafe',
      exitCode: 78,
    });
  }
});

test('a store below a directory in which everybody may rename it is refused', async () => {
  const dir = await tempDir();
  for (const [name, mode] of [
    ['open', 0o777],
    ['sticky', 0o1777],
  ] as const) {
    await fs.mkdir(join(dir, name, 'private/store'), { recursive: true, mode: 0o700 });
    await fs.chmod(join(dir, name), mode);
  }
  for (const path of ['open/private/store', 'open/private/none/store', 'open/store']) {
    expect(await failureOf(Store.open(join(dir, path))), path).toMatchObject({
      code: 'store-unsafe',
      message: expect.stringContaining(join(dir, 'open')),
    });
  }
  expect((await Store.open(join(dir, 'sticky/private/store'))).dir).toBe(join(dir, 'sticky/private/store'));
});

test('a copied sidecar carries its record and verifies against it', async () => {
  const dir = await tempDir();
  const store = await Store.open(join(dir, 'store'));
  const record = await install(store);
  const found = await find(store);
  const target = join(dir, 'exported');
  if (found !== undefined) {
    await copySidecar(found, target, { signal: new AbortController().signal });
  }
  const bytes = await fs.readFile(target);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(record.sidecar.sha256);
  expect((await verifyFile(target, {})).record).toEqual(record);
  expect((await fs.readdir(dir)).sort()).toEqual(['exported', 'exported.json', 'store']);

  await writeSample(target, ({ manifest }) => ({ manifest: { ...manifest, created: 'later' } }));
  expect((await failureOf(verifyFile(target, {}))).message).toContain('SHA-256');
});

test('a sweep removes what no name refers to any more, and its record, but nothing else', async () => {
  const dir = join(await tempDir(), 'store');
  const store = await Store.open(dir);
  const kept = await install(store);
  const OTHER = parseImageId(`sha256:${'fedcba9876543210'.repeat(4)}`);
  await store.withTemp(async (temp) => {
    const path = join(temp, 'sidecar');
    await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, created: 'another time' } }));
    const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
    await installPacked(store, OTHER, path, {
      ...kept,
      image: { ...kept.image, id: OTHER },
      sidecar: { sha256, sizeBytes, crc32 },
    });
  });
  await fs.rm(store.pathFor(id16(OTHER)));
  await sweepStore(store);
  expect(await fs.readdir(join(dir, '.pack/objects/sha256'))).toEqual([kept.sidecar.sha256]);
  expect(await fs.readdir(join(dir, '.pack/catalog'))).toEqual([`${kept.sidecar.sha256}.json`]);
  expect((await find(store))?.record).toEqual(kept);
});

test('a sidecar that was copied to the name of another image is not taken for its own', async () => {
  const store = await Store.open(join(await tempDir(), 'store'));
  await install(store);
  const wrong = parseImageId(`sha256:${'a'.repeat(64)}`);
  await fs.copyFile(store.pathFor(id16(IMAGE_ID)), store.pathFor(id16(wrong)));
  expect((await failureOf(verifyNamed(store, id16(wrong), {}))).message).toContain('was never bound');
  expect(await find(store, wrong)).toBeUndefined();
});
