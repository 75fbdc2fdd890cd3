import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type ImageId, id16, parseImageId } from '../../src/identity/image-id.ts';
import { stampOf } from '../../src/store/files.ts';
import { failureOf } from '../helpers/failure.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { bind, bytesWithAFlip, emptyStore, filesOf, imageId, installSample } from './sample-store.ts';

const CI = imageId('c1');
const LOCAL = imageId('10ca1');

async function storeWithSample() {
  const store = await emptyStore();
  const record = await installSample(store, { id: CI });
  const paths = { own: store.pathFor(id16(CI)), local: store.pathFor(id16(LOCAL)) };
  return { store, record, ...paths };
}

function find(store: Awaited<ReturnType<typeof emptyStore>>, id = LOCAL) {
  return store.find(id, { platform: 'linux/amd64', onQuarantine: (reason) => expect.fail(reason) });
}

test('a bound name is one more name of the same file, and found as its own', async () => {
  const { store, record, own, local } = await storeWithSample();
  expect(await find(store)).toBeUndefined();
  expect(await bind(store, LOCAL, record)).toEqual({ path: local, outcome: 'bound', quarantined: [] });
  expect((await fs.stat(local)).ino).toBe((await fs.stat(own)).ino);
  const found = await find(store);
  expect(found?.record).toEqual(record);
  expect(found?.binding).toMatchObject({
    imageId: LOCAL,
    sha256: record.sidecar.sha256,
    key: record.inputs?.key,
    proof: 'inputs',
  });
  expect((await store.verify(own)).binding).toBeUndefined();
  expect(await bind(store, LOCAL, record)).toMatchObject({ outcome: 'already-bound', quarantined: [] });
  expect(await bind(store, CI, record), 'its own name').toMatchObject({ outcome: 'already-bound' });
});

test('what was just verified is not read again, unless it has changed since', async () => {
  const { store, record, own } = await storeWithSample();
  const verified = await stampOf(own);
  // Some clocks of file systems tick every few milliseconds only.
  await sleep(50);
  let readBytes = 0;
  const bindVerified = async (id: ImageId) => {
    readBytes = 0;
    const onBytes = (doneBytes: number) => {
      readBytes = doneBytes;
    };
    return await store.bind(id, record, { proof: 'inputs', verified, onBytes, onQuarantine: () => {} });
  };
  expect((await bindVerified(LOCAL)).outcome).toBe('bound');
  expect(readBytes).toBe(0);
  expect((await bindVerified(imageId('linked'))).outcome).toBe('bound');
  expect(readBytes, 'the link has changed it').toBe(record.sidecar.sizeBytes);
  const damaged = await bytesWithAFlip(own);
  await fs.chmod(own, 0o644);
  await fs.writeFile(own, damaged);
  expect((await failureOf(bindVerified(imageId('damaged')))).code).toBe('sidecar-damaged');
});

test('nothing is left behind by installing, binding, and binding again', async () => {
  const { store, record } = await storeWithSample();
  await bind(store, LOCAL, record);
  await bind(store, LOCAL, record);
  await store.sweep((message) => expect.fail(message));
  const { sha256 } = record.sidecar;
  expect(await filesOf(store)).toEqual([
    `.pack/bindings/${id16(LOCAL)}.json`,
    `.pack/objects/sha256/${sha256}`,
    `.pack/records/${sha256}.json`,
    `${id16(LOCAL)}.smolmachine.smolmachine`,
    `${id16(CI)}.smolmachine.smolmachine`,
  ]);
});

test('the same bytes without an entry in the ledger get one', async () => {
  const { store, record, own, local } = await storeWithSample();
  await fs.copyFile(own, local);
  expect((await failureOf(store.verify(local))).code).toBe('sidecar-refused');
  expect(await bind(store, LOCAL, record)).toMatchObject({ outcome: 'already-bound', quarantined: [] });
  expect((await store.verify(local)).record).toEqual(record);
});

test('a name that was bound to another sidecar gets the new one, and readers keep the old', async () => {
  const { store, record, local } = await storeWithSample();
  await bind(store, LOCAL, record);
  const reader = await fs.open(local, 'r');
  const newer = await installSample(store, { id: imageId('c2'), created: '2026-11-24T00:00:00Z' });
  expect(await bind(store, LOCAL, newer)).toMatchObject({ outcome: 'bound', quarantined: [] });
  expect((await find(store))?.report.sha256).toBe(newer.sidecar.sha256);
  expect((await reader.stat()).size).toBe(record.sidecar.sizeBytes);
  expect((await reader.readFile()).length).toBe(record.sidecar.sizeBytes);
  await reader.close();
  expect((await store.verify(store.pathFor(id16(CI)))).record, 'the old one, by its own name').toEqual(
    record,
  );
});

test('a good sidecar that claude-bottle has packed itself stays', async () => {
  const { store, record, local } = await storeWithSample();
  await writeSample(local, ({ manifest }) => ({ manifest: { ...manifest, created: 'by claude-bottle' } }));
  const before = await fs.stat(local);
  expect(await bind(store, LOCAL, record)).toEqual({ path: local, outcome: 'kept', quarantined: [] });
  expect((await fs.stat(local)).ino).toBe(before.ino);
  const found = await find(store);
  expect([found?.record, found?.binding]).toEqual([undefined, undefined]);
});

test.each([
  ['a truncated file', 'damaged', async (path: string) => void (await fs.writeFile(path, 'SMOL'))],
  [
    'a sidecar that wants the network',
    'network is true',
    async (path: string) =>
      void (await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, network: true } }))),
  ],
  ['a directory', 'not a regular file', async (path: string) => await fs.mkdir(path)],
  ['a FIFO', 'not a regular file', async (path: string) => void execFileSync('mkfifo', [path])],
  ['a symbolic link', 'not a regular file', async (path: string) => await fs.symlink('/etc/passwd', path)],
  ['a link to nothing', 'not a regular file', async (path: string) => await fs.symlink('/nonexistent', path)],
])('%s under the name goes to quarantine, and the name is bound', async (_, reason, make) => {
  const { store, record, local } = await storeWithSample();
  await make(local);
  const bound = await bind(store, LOCAL, record);
  expect(bound).toMatchObject({ outcome: 'bound', quarantined: [expect.stringContaining(reason)] });
  expect((await find(store))?.record).toEqual(record);
  expect(await fs.readdir(join(store.dir, '.pack/quarantine'))).toHaveLength(1);
});

test('a bound file that has other bytes than the ledger says is damaged, though it may be good', async () => {
  const { store, record, local } = await storeWithSample();
  await bind(store, LOCAL, record);
  await fs.rm(local);
  await writeSample(local, ({ manifest }) => ({ manifest: { ...manifest, created: 'another' } }));
  expect(await failureOf(store.verify(local))).toMatchObject({ code: 'sidecar-damaged', exitCode: 65 });
  expect(await bind(store, LOCAL, record)).toMatchObject({
    outcome: 'bound',
    quarantined: [expect.stringContaining(record.sidecar.sha256)],
  });
});

test('what is bound is verified first: no damaged file gets a second name', async () => {
  const { store, record, own, local } = await storeWithSample();
  const object = join(store.dir, '.pack/objects/sha256', record.sidecar.sha256);
  const bytes = await bytesWithAFlip(own);
  for (const path of [own, object]) {
    await fs.rm(path);
    await fs.writeFile(path, bytes);
  }
  const failed = bind(store, LOCAL, record);
  expect(await failureOf(failed)).toMatchObject({ code: 'sidecar-damaged' });
  await expect(fs.lstat(local)).rejects.toThrow('ENOENT');
  expect(await fs.readdir(join(store.dir, '.pack/quarantine'))).toHaveLength(2);
  expect(await failureOf(bind(store, LOCAL, record))).toMatchObject({ code: 'not-found', exitCode: 66 });
});

test('an image with the same 16 digits is not found under a bound name', async () => {
  const { store, record } = await storeWithSample();
  await bind(store, LOCAL, record);
  const twin = parseImageId(`sha256:${id16(LOCAL)}${'f'.repeat(48)}`);
  const reasons: string[] = [];
  const found = await store.find(twin, {
    platform: 'linux/amd64',
    onQuarantine: (reason) => reasons.push(reason),
  });
  expect(found).toBeUndefined();
  expect(reasons).toEqual([expect.stringContaining(LOCAL)]);
});

test('an installed sidecar takes a name that was bound, and its entry is gone', async () => {
  const { store, record, local } = await storeWithSample();
  await bind(store, LOCAL, record);
  const packed = await installSample(store, { id: LOCAL, created: '2026-11-24T00:00:00Z' });
  const found = await store.verify(local);
  expect([found.record, found.binding]).toEqual([packed, undefined]);
});

test('where a file can have no more links, the bound name is a verified copy', async (context) => {
  const { store, record, own, local } = await storeWithSample();
  try {
    execFileSync('chattr', ['+i', own], { stdio: 'pipe' });
  } catch {
    context.skip('needs root and a file system with immutable files');
  }
  onTestFinished(() => void execFileSync('chattr', ['-i', own]));
  expect(await bind(store, LOCAL, record)).toMatchObject({ outcome: 'bound', quarantined: [] });
  execFileSync('chattr', ['-i', own]);
  const stat = await fs.stat(local);
  expect([stat.nlink, stat.mode & 0o777]).toEqual([1, 0o444]);
  expect((await find(store))?.record).toEqual(record);
  expect((await fs.readdir(store.dir)).sort()).toEqual([
    '.pack',
    `${id16(LOCAL)}.smolmachine.smolmachine`,
    `${id16(CI)}.smolmachine.smolmachine`,
  ]);
});

test('several processes may bind the same name at once', async () => {
  const { store, record, local } = await storeWithSample();
  const results = await Promise.all(Array.from({ length: 8 }, () => bind(store, LOCAL, record)));
  expect(results.filter(({ outcome }) => outcome === 'bound')).toHaveLength(1);
  expect(results.filter(({ outcome }) => outcome === 'already-bound')).toHaveLength(7);
  expect((await store.verify(local)).record).toEqual(record);
});

test('a sweep drops entries of the ledger whose name is gone, and keeps records that a bound name needs', async () => {
  const { store, record, own } = await storeWithSample();
  await bind(store, LOCAL, record);
  await bind(store, imageId('dead'), record);
  await fs.rm(store.pathFor(id16(imageId('dead'))));
  await fs.rm(own);
  await store.sweep((message) => expect.fail(message));
  expect(await fs.readdir(join(store.dir, '.pack/bindings'))).toEqual([`${id16(LOCAL)}.json`]);
  expect((await find(store))?.record).toEqual(record);
});
