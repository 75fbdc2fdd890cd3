import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type ImageId, id16, parseImageId } from '../../src/identity/image-id.ts';
import { HERE, type Origin } from '../../src/identity/origin.ts';
import { installPacked } from '../../src/store/install.ts';
import { bindName } from '../../src/store/name.ts';
import { verifyNamed } from '../../src/store/read.ts';
import { sweepStore } from '../../src/store/sweep.ts';
import { failureOf } from '../helpers/failure.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import {
  bytesWithAFlip,
  fetchAgain,
  fetchSample,
  filesOf,
  find,
  imageId,
  makeSample,
  watchedStore,
} from './sample-store.ts';

const CI = imageId('c1');
const LOCAL = imageId('10ca1');
const ACME: Origin = { kind: 'repository', serverUrl: 'https://github.com', repository: 'acme/tools' };
const FORK: Origin = { kind: 'repository', serverUrl: 'https://github.com', repository: 'mallory/tools' };

async function storeWithSample() {
  const { store, warnings } = await watchedStore(join(await tempDir(), 'store'));
  const stored = await fetchSample(store, ACME, { id: CI });
  const bind = async (id: ImageId = LOCAL, what = stored, replace?: boolean) =>
    await bindName(store, id, what, { proof: 'inputs', replace });
  return { store, warnings, stored, bind, local: store.pathFor(id16(LOCAL)) };
}

test('a bound name is the same file, and is found for that image alone', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  expect(await store.list(), 'a sidecar that was fetched has no name').toEqual([]);
  expect(await bind()).toEqual({ path: local, outcome: 'bound' });
  expect((await fs.stat(local)).ino).toBe((await fs.stat(stored.path)).ino);
  const { content, given } = await verifyNamed(store, id16(LOCAL), {});
  expect(content?.sha256).toBe(stored.sha256);
  expect(given).toMatchObject({ imageId: LOCAL, origin: ACME, proof: 'inputs' });
  expect(await bind()).toMatchObject({ outcome: 'already-bound' });
  const twin = parseImageId(`sha256:${id16(LOCAL)}${'f'.repeat(48)}`);
  expect(await find(store, twin)).toBeUndefined();
});

test('a file that has a name is not touched when another name is given', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  await bind();
  const before = await fs.stat(local, { bigint: true });
  const other = imageId('other');
  expect(await bind(other)).toMatchObject({ outcome: 'bound' });
  expect((await fs.stat(local, { bigint: true })).ctimeNs, 'smolvm may be reading it').toBe(before.ctimeNs);
  expect((await verifyNamed(store, id16(other), {})).report.sha256).toBe(stored.sha256);
});

test('what this process has hashed is not read again, unless it has changed since', async () => {
  const { store, stored } = await storeWithSample();
  // Some clocks of file systems tick every few milliseconds only.
  await sleep(50);
  let readBytes = 0;
  const bindReading = async (id: ImageId) => {
    readBytes = 0;
    const onBytes = (doneBytes: number) => {
      readBytes = doneBytes;
    };
    return await bindName(store, id, stored, { proof: 'inputs', onBytes });
  };
  await bindReading(LOCAL);
  expect(readBytes).toBe(stored.sizeBytes);
  await sleep(50);
  await bindReading(imageId('second'));
  expect(readBytes, 'the link has changed it').toBe(stored.sizeBytes);
  await bindReading(imageId('third'));
  expect(readBytes).toBe(0);
  const damaged = await bytesWithAFlip(stored.path);
  await fs.chmod(stored.path, 0o644);
  await fs.writeFile(stored.path, damaged);
  expect((await failureOf(bindReading(imageId('damaged')))).code).toBe('not-found');
  expect(await fs.readdir(join(store.dir, '.pack/objects/sha256'))).toEqual([]);
  expect(await store.list(), 'its link went with it').not.toContain(id16(LOCAL));
});

test('nothing is left behind by installing, binding, and binding again', async () => {
  const { store, stored, bind } = await storeWithSample();
  await bind();
  await bind();
  await sweepStore(store);
  const key = stored.record.inputs?.key;
  expect(await filesOf(store)).toEqual([
    expect.stringMatching(
      new RegExp(`^\\.pack/by-key/${key}\\.amd64/[0-9a-f]{64}\\.u\\.\\d+\\.\\d+\\.${stored.sha256}$`),
    ),
    `.pack/catalog/${stored.sha256}.json`,
    `.pack/objects/sha256/${stored.sha256}`,
    `${id16(LOCAL)}.smolmachine.smolmachine`,
  ]);
});

test('a name that was bound for the same origin gets the new one, and readers keep the old', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  await bind();
  const reader = await fs.open(local, 'r');
  const newer = await fetchSample(store, ACME, { id: imageId('c2'), created: '2026-11-24T00:00:00Z' });
  expect(await bind(LOCAL, newer)).toMatchObject({ outcome: 'bound' });
  expect((await verifyNamed(store, id16(LOCAL), {})).report.sha256).toBe(newer.sha256);
  expect((await reader.readFile()).length).toBe(stored.sizeBytes);
  await reader.close();
});

test('a name of another origin is kept, in either order, until the user says otherwise', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  const theirs = await fetchSample(store, FORK, { id: CI, created: 'by a fork' });
  await bind();
  expect(await bind(LOCAL, theirs)).toEqual({ path: local, outcome: 'kept', keptOrigin: ACME });
  expect(await bind(LOCAL, theirs, true)).toMatchObject({ outcome: 'bound' });
  expect(await bind(LOCAL, stored)).toEqual({ path: local, outcome: 'kept', keptOrigin: FORK });
});

test('the same bytes of two origins are not a conflict', async () => {
  const { store, stored, bind } = await storeWithSample();
  const theirs = await fetchAgain(store, stored, FORK);
  await bind();
  expect(await bind(LOCAL, theirs)).toMatchObject({ outcome: 'already-bound' });
});

test('what was packed here and what claude-bottle itself has packed stays', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  await writeSample(local, ({ manifest }) => ({ manifest: { ...manifest, created: 'by claude-bottle' } }));
  const before = await fs.stat(local);
  expect(await bind()).toEqual({ path: local, outcome: 'kept', keptOrigin: HERE });
  expect((await fs.stat(local)).ino).toBe(before.ino);
  expect(await find(store, LOCAL)).toMatchObject({ content: undefined });

  const own = imageId('own');
  await store.withTemp(async (dir) => {
    const { path, record } = await makeSample(dir, { id: own, created: 'packed here' });
    await installPacked(store, own, path, record);
  });
  expect(await bind(own, stored)).toMatchObject({ outcome: 'kept', keptOrigin: HERE });
});

test.each([
  [
    'a truncated file',
    'is not a .smolmachine file',
    async (path: string) => void (await fs.writeFile(path, 'SMOL')),
  ],
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
  const { store, warnings, stored, bind, local } = await storeWithSample();
  await make(local);
  expect(await bind()).toMatchObject({ outcome: 'bound' });
  expect(warnings).toEqual([expect.stringContaining(reason)]);
  expect((await verifyNamed(store, id16(LOCAL), {})).report.sha256).toBe(stored.sha256);
  expect(await fs.readdir(join(store.dir, '.pack/quarantine'))).toHaveLength(1);
});

test('an image that is packed here takes its name, and it is said whose it was', async () => {
  const { store, warnings, bind } = await storeWithSample();
  await bind();
  await store.withTemp(async (dir) => {
    const { path, record } = await makeSample(dir, { id: LOCAL, created: 'packed here' });
    await installPacked(store, LOCAL, path, record);
  });
  expect(warnings).toEqual([expect.stringContaining('github.com/acme/tools')]);
  expect((await verifyNamed(store, id16(LOCAL), {})).given).toMatchObject({ origin: HERE, proof: 'packed' });
});

test('where a file can have no more links, the bound name is a verified copy', async (context) => {
  const { store, stored, bind, local } = await storeWithSample();
  try {
    execFileSync('chattr', ['+i', stored.path], { stdio: 'pipe' });
  } catch {
    context.skip('needs root and a file system with immutable files');
  }
  onTestFinished(() => void execFileSync('chattr', ['-i', stored.path]));
  expect(await bind()).toMatchObject({ outcome: 'bound' });
  execFileSync('chattr', ['-i', stored.path]);
  const stat = await fs.stat(local);
  expect([stat.nlink, stat.mode & 0o777]).toEqual([1, 0o444]);
  expect((await verifyNamed(store, id16(LOCAL), {})).report.sha256).toBe(stored.sha256);
  expect((await fs.readdir(store.dir)).sort()).toEqual(['.pack', `${id16(LOCAL)}.smolmachine.smolmachine`]);
});

test('several processes may bind the same name at once', async () => {
  const { bind } = await storeWithSample();
  const results = await Promise.all(Array.from({ length: 8 }, () => bind()));
  expect(results.filter(({ outcome }) => outcome === 'bound')).toHaveLength(1);
  expect(results.filter(({ outcome }) => outcome === 'already-bound')).toHaveLength(7);
});

test('a sweep removes a sidecar whose names the user has removed, and not one that never had any', async () => {
  const { store, stored, bind, local } = await storeWithSample();
  const unnamed = await fetchSample(store, ACME, { id: CI, created: 'never bound' });
  await bind();
  await fs.rm(local);
  await sweepStore(store);
  expect(await fs.readdir(join(store.dir, '.pack/objects/sha256'))).toEqual([unnamed.sha256]);
  expect(await fs.readdir(join(store.dir, '.pack/catalog'))).toEqual([`${unnamed.sha256}.json`]);
  expect(stored.sha256).not.toBe(unnamed.sha256);
});
