import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { expect, test } from 'vitest';
import { id16 } from '../../src/identity/image-id.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { FOOTER_BYTES } from '../../src/sidecar/footer.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { findKept } from '../../src/store/kept.ts';
import { openStoreDir } from '../../src/store/location.ts';
import type { Store } from '../../src/store/store.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { bind, bytesWithAFlip, emptyStore, imageId, installSample, KEY } from './sample-store.ts';

const CI = imageId('c1');
const LOCAL = imageId('10ca1');
const CRC_OFFSET = 52;
const OTHER_KEY = parseInputsKey('f'.repeat(64));

test('the newest sidecar with the inputs key is found, under whichever name it still has', async () => {
  const store = await emptyStore();
  expect(await store.findByKey(KEY, 'linux/amd64'), 'no store yet').toBeUndefined();
  await installSample(store, { id: CI, packedAt: '2026-11-23T10:00:00Z' });
  const newer = await installSample(store, {
    id: imageId('c2'),
    created: 'later',
    packedAt: '2026-11-23T10:00:00.500Z',
  });
  await installSample(store, {
    id: imageId('c3'),
    created: 'another key',
    key: OTHER_KEY,
    packedAt: '2026-11-24T00:00:00Z',
  });
  const own = store.pathFor(id16(imageId('c2')));
  expect(await store.findByKey(KEY, 'linux/amd64')).toMatchObject({ path: own, record: newer });
  expect(await store.findByKey(KEY, 'linux/arm64')).toBeUndefined();

  await bind(store, LOCAL, newer);
  await fs.rm(own);
  const kept = await store.findByKey(KEY, 'linux/amd64');
  expect(kept).toMatchObject({ path: store.pathFor(id16(LOCAL)), sha256: newer.sidecar.sha256 });
  expect(await findKept(await openStoreDir(store.dir), KEY, 'linux/amd64')).toMatchObject({
    path: kept?.path,
  });

  await fs.rm(store.pathFor(id16(LOCAL)));
  expect((await store.findByKey(KEY, 'linux/amd64'))?.path, 'the older one').toBe(store.pathFor(id16(CI)));
});

test('a name that another sidecar of the same size has taken is not read as this one, and stays', async () => {
  const store = await emptyStore();
  const first = await installSample(store, { id: CI });
  await bind(store, LOCAL, first);
  const second = await installTwin(store, first);
  expect(second.sidecar.sizeBytes).toBe(first.sidecar.sizeBytes);
  const kept = await store.findByKey(KEY, 'linux/amd64');
  expect(kept?.names.map(({ path }) => path)).toEqual([store.pathFor(id16(LOCAL))]);
  expect(await bind(store, LOCAL, first)).toMatchObject({ outcome: 'already-bound', quarantined: [] });
  expect((await store.verify(store.pathFor(id16(CI)))).record).toEqual(second);
});

/** Another sidecar of the same image and size, from other inputs. */
async function installTwin(store: Store, first: PackRecord): Promise<PackRecord> {
  return await store.withTemp(async (dir) => {
    const path = join(dir, 'sidecar');
    const bytes = await fs.readFile(store.pathFor(id16(CI)));
    const footer = bytes.length - FOOTER_BYTES;
    const created = '"created": "';
    bytes.write('2027', bytes.indexOf(created) + created.length);
    bytes.writeUInt32LE(zlib.crc32(bytes.subarray(0, footer)), footer + CRC_OFFSET);
    await fs.writeFile(path, bytes);
    const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
    const inputs = first.inputs && { ...first.inputs, key: OTHER_KEY };
    const record = { ...first, sidecar: { sha256, sizeBytes, crc32 }, inputs } as PackRecord;
    await store.install(CI, path, record);
    return record;
  });
}

test.each([
  ['a truncated file', async (path: string) => await fs.writeFile(path, 'short')],
  ['a link', async (path: string) => await fs.symlink('/etc/passwd', path)],
  ['a directory', async (path: string) => await fs.mkdir(path)],
])('%s under the name is not taken for the sidecar', async (_, make) => {
  const store = await emptyStore();
  await installSample(store, { id: CI });
  const path = store.pathFor(id16(CI));
  await fs.rm(path);
  await make(path);
  expect(await store.findByKey(KEY, 'linux/amd64')).toBeUndefined();
});

test.each([
  ['no JSON', () => `{ "${KEY}"`],
  ['null', () => 'null'],
  ['an array that holds the key', () => JSON.stringify([KEY])],
  [
    'a record that is not valid as a whole',
    (record: object) => JSON.stringify({ ...record, smolvm: undefined }),
  ],
  ['a record of a later version', (record: object) => JSON.stringify({ ...record, version: 2 })],
  [
    'a record of another file',
    (record: object) => JSON.stringify({ ...record, sidecar: { sha256: '0'.repeat(64) } }),
  ],
])('%s in place of a pack record is no hit and no failure', async (_, spoil) => {
  const store = await emptyStore();
  const record = await installSample(store, { id: CI });
  const path = join(store.dir, '.pack/records', `${record.sidecar.sha256}.json`);
  await fs.rm(path);
  await fs.writeFile(path, spoil(record));
  expect(await store.findByKey(KEY, 'linux/amd64')).toBeUndefined();
});

test('what was found is verified on demand: damaged, it goes to quarantine and the next one is found', async () => {
  const store = await emptyStore();
  const older = await installSample(store, { id: CI, packedAt: '2026-11-22T00:00:00Z' });
  await installSample(store, { id: imageId('c2'), created: 'later' });
  const path = store.pathFor(id16(imageId('c2')));
  const bytes = await bytesWithAFlip(path);
  await fs.rm(path);
  await fs.writeFile(path, bytes);

  const reasons: string[] = [];
  const options = {
    platform: 'linux/amd64' as const,
    onQuarantine: (reason: string) => reasons.push(reason),
  };
  const kept = await store.findByKey(KEY, 'linux/amd64');
  expect(kept?.path).toBe(path);
  expect(kept && (await store.verifyKept(kept, options))).toBeUndefined();
  expect(reasons).toEqual([expect.stringContaining('CRC-32')]);
  const next = await store.findByKey(KEY, 'linux/amd64');
  expect(next && (await store.verifyKept(next, options))?.record).toEqual(older);
});

test('the list says of each content what it is and which names it has', async () => {
  const store = await emptyStore();
  expect(await store.listSidecars()).toEqual([]);
  const record = await installSample(store, { id: CI });
  await bind(store, LOCAL, record);
  const foreign = store.pathFor(id16(imageId('f0')));
  await writeSample(foreign, ({ manifest }) => ({ manifest: { ...manifest, created: 'foreign' } }));
  await fs.rm(join(store.dir, 'root'), { recursive: true });
  await fs.symlink('/etc/passwd', store.pathFor(id16(imageId('1111'))));

  const list = await store.listSidecars();
  expect(JSON.parse(JSON.stringify(list))).toEqual(list);
  expect(list.find(({ sha256 }) => sha256 === undefined)).toEqual({
    id16: id16(imageId('f0')),
    sizeBytes: (await fs.stat(foreign)).size,
    installedAt: expect.any(String),
    names: [{ id16: id16(imageId('f0')), path: foreign, kind: 'other' }],
    shared: true,
  });
  expect(list.filter(({ sha256 }) => sha256 !== undefined)).toEqual([
    {
      id16: id16(CI),
      imageId: CI,
      key: KEY,
      platform: 'linux/amd64',
      sha256: record.sidecar.sha256,
      sizeBytes: record.sidecar.sizeBytes,
      packedAt: record.packedAt,
      installedAt: expect.any(String),
      names: [
        { id16: id16(CI), path: store.pathFor(id16(CI)), kind: 'own', imageId: CI },
        {
          id16: id16(LOCAL),
          path: store.pathFor(id16(LOCAL)),
          kind: 'bound',
          imageId: LOCAL,
          proof: 'inputs',
          boundAt: expect.any(String),
        },
      ],
      shared: true,
    },
  ]);
});
