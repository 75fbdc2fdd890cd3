import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ownerOf, thisOwner } from '../../src/host/owner.ts';
import { HERE } from '../../src/identity/origin.ts';
import { installSidecar } from '../../src/store/install.ts';
import { findHits, hasBytes } from '../../src/store/read.ts';
import type { Store } from '../../src/store/store.ts';
import { sweepStore } from '../../src/store/sweep.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import {
  emptyStore,
  filesOf,
  find,
  imageId,
  KEY,
  makeSample,
  resultOf,
  type StoreChild,
  startStoreChild,
} from './sample-store.ts';

const SHA = 'd'.repeat(64);
const WEEK_MS = 7 * 24 * 60 * 60_000;

const partsOf = async (store: { dir: string }) => await fs.readdir(join(store.dir, '.pack/parts'));

test('a failed download is left for the next run to resume, a good one leaves nothing', async () => {
  const store = await emptyStore();
  const failed = store.withDownload(SHA, {}, async (dir) => {
    expect((await fs.stat(dir)).mode & 0o777).toBe(0o700);
    await fs.writeFile(join(dir, 'part'), 'half');
    throw new Error('connection lost');
  });
  await expect(failed).rejects.toThrow('connection lost');
  expect(await partsOf(store)).toHaveLength(1);
  const resumed = await store.withDownload(SHA, {}, async (dir) => {
    expect(await partsOf(store)).toHaveLength(1);
    return await fs.readFile(join(dir, 'part'), 'utf8');
  });
  expect(resumed).toBe('half');
  expect(await filesOf(store)).toEqual([]);
  expect(await partsOf(store)).toEqual([]);
});

test('a download of a process that was killed is resumed; that of a living one is not', async () => {
  const store = await emptyStore();
  const body = `await store.withDownload(data, {}, async (dir) => {
    await fs.writeFile(dir + '/part', 'by a child');
    console.log('writing');
    await sleep(60_000);
  })`;
  const child = startStoreChild(store.dir, body, { data: SHA });
  await child.firstOutput();
  const waits: string[] = [];
  const waiting = store.withDownload(
    SHA,
    { limitMs: 400, onWait: (message) => waits.push(message) },
    async () => {},
  );
  expect(await failureOf(waiting)).toMatchObject({ code: 'try-later', exitCode: 75 });
  expect(waits).toEqual([expect.stringContaining(`process ${child.pid}`)]);

  // Even when its lock is lost, its part is its own.
  await fs.rm(join(store.dir, '.pack/locks', SHA));
  await store.withDownload(SHA, {}, async (dir) => expect(await fs.readdir(dir)).toEqual([]));
  child.kill();
  await child.ended;
  const resumed = await store.withDownload(SHA, {}, (dir) => fs.readFile(join(dir, 'part'), 'utf8'));
  expect(resumed).toBe('by a child');
  expect(await partsOf(store)).toEqual([]);
});

test('an aborted signal ends the wait at once', async () => {
  const store = await emptyStore();
  const interruption = new AbortController();
  await store.withDownload(SHA, {}, async () => {
    const waiting = store.withDownload(SHA, { signal: interruption.signal }, async () => {});
    setTimeout(() => interruption.abort(new Error('stopped by the user')), 50);
    await expect(waiting).rejects.toThrow('stopped by the user');
  });
});

test('a sweep removes parts that nobody has taken for a week, by no clock that has jumped', async () => {
  const store = await emptyStore();
  await store.withDownload(SHA, {}, async () => {});
  const parts = join(store.dir, '.pack/parts');
  const old = (Date.now() - WEEK_MS - 60_000) / 1000;
  const times: Array<[name: string, mtime: number]> = [
    [`${SHA}.released-00000001`, old],
    [`${SHA}.${ownerOf(1).replace(/\d+$/, '1')}`, old],
    [`${SHA}.released-00000002`, Date.now() / 1000],
    [`${SHA}.released-00000003`, Date.now() / 1000 + 1e6],
    [`${SHA}.${thisOwner()}`, old],
    [`${SHA}.00000000-11111111-1-1`, old],
    ['foreign', old],
  ];
  for (const [name, mtime] of times) {
    await fs.mkdir(join(parts, name));
    await fs.writeFile(join(parts, name, 'part'), '');
    await fs.utimes(join(parts, name), mtime, mtime);
  }
  await fs.symlink('/etc', join(parts, `${SHA}.released-00000004`));
  await sweepStore(store);
  expect((await partsOf(store)).sort()).toEqual(
    [...times.slice(2).map(([name]) => name), `${SHA}.released-00000004`].sort(),
  );
  expect(await fs.readdir('/etc')).not.toEqual([]);
});

test('what was downloaded whole by a process that was killed before it was listed is kept for the next run', async () => {
  for (const isTaken of [true, false]) {
    const store = await emptyStore();
    const { path, record } = await makeSample(await tempDir(), { id: imageId('ci') });
    const { sha256 } = record.sidecar;
    const body = `
      const { rename } = nodeFs.promises;
      nodeFs.promises.rename = async (from, to) =>
        to.includes('/catalog/') ? process.kill(process.pid, 'SIGKILL') : await rename(from, to);
      syncBuiltinESMExports();
      await store.withDownload(data.record.sidecar.sha256, {}, async (dir) => {
        await fs.copyFile(data.path, dir + '/data');
        await installSidecar(store, dir + '/data', { origin: { kind: 'none' }, record: data.record });
      });`;
    const { signal } = await startStoreChild(store.dir, body, { data: { path, record } }).ended;
    expect(signal).toBe('SIGKILL');
    await sweepStore(store);
    expect(await filesOf(store)).toContain(`.pack/objects/sha256/${sha256}`);
    if (isTaken) {
      await store.withDownload(sha256, {}, async () => {
        expect(await hasBytes(store, sha256, {})).toBe(true);
        await installSidecar(store, undefined, { origin: { kind: 'none' }, record });
      });
    } else {
      const old = (Date.now() - WEEK_MS - 60_000) / 1000;
      const parts = join(store.dir, '.pack/parts');
      await Promise.all((await partsOf(store)).map((name) => fs.utimes(join(parts, name), old, old)));
    }
    await sweepStore(store);
    expect(await partsOf(store)).toEqual([]);
    const objects = (await filesOf(store)).filter((name) => name.includes('objects'));
    expect(objects).toEqual(isTaken ? [`.pack/objects/sha256/${sha256}`] : []);
  }
});

const INSTALL = `
  const build = { key: data.key, platform: 'linux/amd64' };
  const kept = async () => (await findHits(store, build, { origin: { kind: 'none' } }))[0];
  console.log('started');
  if (await kept()) return 'hit';
  return await store.withDownload(data.record.sidecar.sha256, {}, async (dir) => {
    const arrived = await kept();
    if (arrived) return (await verifyStored(store, arrived, {})) ? 'hit' : 'lost';
    await fs.appendFile(data.log, 'download\\n');
    const bytes = await fs.readFile(data.source);
    const file = await fs.open(dir + '/part', 'w');
    for (let start = 0; start < bytes.length; start += 512) {
      await file.write(bytes.subarray(start, start + 512), 0, undefined, start);
      await sleep(data.pauseMs);
    }
    await file.close();
    await installPacked(store, data.record.image.id, dir + '/part', data.record);
    return 'downloaded';
  });`;

async function hasHit(store: Store): Promise<boolean> {
  const build = { key: KEY, platform: 'linux/amd64' } as const;
  return (await findHits(store, build, { origin: HERE })).length > 0;
}

async function sampleData() {
  const dir = await tempDir();
  const { path, record } = await makeSample(dir, { id: imageId('c1') });
  const log = join(dir, 'log');
  await fs.writeFile(log, '');
  const downloads = async () => (await fs.readFile(log, 'utf8')).split('\n').length - 1;
  return { record, downloads, data: { source: path, record, log, key: KEY, pauseMs: 1 } };
}

test('of twelve processes that want the same content one downloads it, and all have it', async () => {
  const store = await emptyStore();
  const { data, downloads } = await sampleData();
  const children = Array.from({ length: 12 }, () => startStoreChild(store.dir, INSTALL, { data }));
  const results = await Promise.all(children.map(resultOf));
  expect(results.filter((result) => result === 'downloaded')).toHaveLength(1);
  expect(results.filter((result) => result === 'hit')).toHaveLength(11);
  expect(await downloads()).toBe(1);
});

test('of twelve processes half are killed while they work: the others have it, and nothing is left', async () => {
  const store = await emptyStore();
  const { record, data, downloads } = await sampleData();
  const slow = { data: { ...data, pauseMs: 200 } };
  const children = Array.from({ length: 12 }, () => startStoreChild(store.dir, INSTALL, slow));
  // The holder of the lock is killed repeatedly, at another moment each time, because its death is the one that matters.
  const lock = join(store.dir, '.pack/locks', record.sidecar.sha256);
  const killed = new Set<StoreChild>();
  while (killed.size < 6 && !(await hasHit(store))) {
    const holder = await fs.readlink(lock).catch(() => '');
    const child = children.find(({ pid }) => pid === Number(holder.split('-')[2]));
    if (child !== undefined && !killed.has(child)) {
      await sleep(killed.size * 70);
      child.kill();
      await child.ended;
      killed.add(child);
    }
  }
  const survivors = children.filter((child) => !killed.has(child));
  const results = await Promise.all(survivors.map(resultOf));
  expect(killed.size).toBe(6);
  expect(results.filter((result) => result === 'downloaded')).toHaveLength(1);
  expect(results.filter((result) => result === 'hit')).toHaveLength(5);
  expect(await downloads()).toBeLessThanOrEqual(7);
  expect((await find(store, imageId('c1')))?.record).toEqual(record);

  await sweepStore(store);
  expect(await partsOf(store)).toEqual([]);
  expect(await fs.readdir(join(store.dir, '.pack/tmp'))).toEqual([]);
  expect(await fs.readdir(join(store.dir, '.pack/locks'))).toEqual([]);
});

test('without any locking several download, each into a part of its own, and nothing is damaged', async () => {
  const store = await emptyStore();
  const { record, data, downloads } = await sampleData();
  await store.withDownload(SHA, {}, async () => {});
  const locks = join(store.dir, '.pack/locks');
  const unlock = setInterval(async () => {
    for (const name of await fs.readdir(locks)) {
      await fs.rm(join(locks, name), { force: true });
    }
  }, 5);
  // Longer than it takes all of them to start.
  const slow = { data: { ...data, pauseMs: 1500 } };
  const children = Array.from({ length: 6 }, () => startStoreChild(store.dir, INSTALL, slow));
  const results = await Promise.all(children.map(resultOf)).finally(() => clearInterval(unlock));
  expect(results.filter((result) => result !== 'downloaded' && result !== 'hit')).toEqual([]);
  expect(await downloads()).toBeGreaterThan(1);
  expect((await find(store, imageId('c1')))?.record).toEqual(record);
  expect(await partsOf(store)).toEqual([]);
});
