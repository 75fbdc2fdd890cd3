import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { thisOwner } from '../../src/host/owner.ts';
import { type ImageId, id16 } from '../../src/identity/image-id.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { type PruneOptions, pruneStore } from '../../src/store/prune.ts';
import type { Store } from '../../src/store/store.ts';
import { sweepStore } from '../../src/store/sweep.ts';
import { touchUsed } from '../../src/store/used.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { bind, emptyStore, fetchSample, filesOf, imageId, installSample } from './sample-store.ts';

const DAY_MS = 24 * 60 * 60_000;
const MONTH = { olderThanMs: 30 * DAY_MS };

const A = imageId('a');
const B = imageId('b');
const C = imageId('c');
const LOCAL = imageId('10ca1');

/** Says when it was used, as the store would have then. */
async function setUsed(store: Store, { sidecar }: PackRecord, usedAt: unknown): Promise<void> {
  const path = join(store.dir, '.pack/catalog', `${sidecar.sha256}.json`);
  const content = JSON.parse(await fs.readFile(path, 'utf8'));
  await fs.rm(path, { force: true });
  await fs.writeFile(path, JSON.stringify({ ...content, usedAt }));
}

const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();

/** Three sidecars, used 100, 50 and 0 days ago; the first has a second name. */
async function threeSidecars() {
  const store = await emptyStore();
  const records: PackRecord[] = [];
  for (const [id, days] of [
    [A, 100],
    [B, 50],
    [C, 0],
  ] as Array<[ImageId, number]>) {
    const record = await installSample(store, { id, created: `for ${id}` });
    await setUsed(store, record, daysAgo(days));
    records.push(record);
  }
  const [a, b, c] = records as [PackRecord, PackRecord, PackRecord];
  await bind(store, LOCAL, a);
  return { store, a, b, c };
}

/** What a prune does, told by a dry run and by the real one, which must agree. */
async function prune(store: Store, limits: PruneOptions) {
  const options = { now: new Date(), ...limits };
  const before = await filesOf(store);
  const told = await pruneStore(store, { ...options, dryRun: true });
  expect(await filesOf(store), 'a dry run changes nothing').toEqual(before);
  const done = await pruneStore(store, options);
  expect(done).toEqual(told);
  const names = (paths: readonly string[]) => paths.map((path) => path.slice(store.dir.length + 1, -24));
  return {
    removed: done.removed.flatMap(({ paths }) => names(paths)).sort(),
    kept: Object.fromEntries(
      done.kept.flatMap(({ paths, reason }) => names(paths).map((name) => [name, reason])),
    ),
    result: done,
  };
}

test('what was not used for longer than asked goes with all its names, and nothing of it stays', async () => {
  const { store, a, b, c } = await threeSidecars();
  const { removed, kept, result } = await prune(store, MONTH);
  expect(removed).toEqual([id16(A), id16(B), id16(LOCAL)].sort());
  expect(kept).toEqual({ [id16(C)]: 'within-limits' });
  expect(result.freedBytes, 'the second name is a copy').toBe(2 * a.sidecar.sizeBytes + b.sidecar.sizeBytes);
  const { sha256 } = c.sidecar;
  expect(await filesOf(store)).toEqual([
    expect.stringMatching(new RegExp(`^\\.pack/by-key/.*\\.${sha256}$`)),
    `.pack/catalog/${sha256}.json`,
    `.pack/objects/sha256/${sha256}`,
    `${id16(C)}.smolmachine.smolmachine`,
  ]);
});

test('of too many bytes the least recently used go first, each counted once', async () => {
  const { store, a, b, c } = await threeSidecars();
  const maxBytes = b.sidecar.sizeBytes + c.sidecar.sizeBytes;
  expect((await prune(store, { maxBytes: maxBytes + 2 * a.sidecar.sizeBytes })).removed).toEqual([]);
  const { removed, result } = await prune(store, { maxBytes });
  expect(removed).toEqual([id16(A), id16(LOCAL)].sort());
  expect(result.removed[0]?.reason).toBe('over-limit');
});

test('a use now keeps a sidecar, and the most recently used stay whatever is asked', async () => {
  const { store, a } = await threeSidecars();
  await touchUsed(store, a.sidecar.sha256);
  expect((await prune(store, MONTH)).removed).toEqual([id16(B)]);
  const { removed, kept } = await prune(store, { maxBytes: 0, keep: 2 });
  expect(removed).toEqual([]);
  expect(kept).toEqual({ [id16(A)]: 'newest', [id16(LOCAL)]: 'newest', [id16(C)]: 'newest' });
  expect((await prune(store, { maxBytes: 0 })).removed).toHaveLength(1);
  expect((await prune(store, { maxBytes: 0, keep: 0 })).kept).toEqual({});
});

test('without limits nothing goes', async () => {
  const { store } = await threeSidecars();
  expect((await prune(store, {})).removed).toEqual([]);
});

test('no time that a file has, and none in the future, removes anything', async () => {
  const { store, a, b } = await threeSidecars();
  await setUsed(store, a, daysAgo(-400));
  await setUsed(store, b, daysAgo(-1));
  for (const date of ['1970-01-02', '2099-01-01']) {
    for (const name of await filesOf(store)) {
      execFileSync('touch', ['-d', date, join(store.dir, name)]);
    }
    expect((await prune(store, { ...MONTH, keep: 0 })).removed, date).toEqual([]);
  }
  const clockSetBack = new Date('2020-01-01');
  expect((await prune(store, { ...MONTH, keep: 0, now: clockSetBack })).removed).toEqual([]);
});

test('each origin keeps its most recently used sidecar: none can push out those of another', async () => {
  const store = await emptyStore();
  const origin = (repository: string) =>
    ({ kind: 'repository', serverUrl: 'https://github.com', repository }) as const;
  const ours = await fetchSample(store, origin('acme/tools'), { id: A });
  await setUsed(store, ours.record, daysAgo(100));
  for (const created of ['1', '2', '3']) {
    await fetchSample(store, origin('mallory/tools'), { id: B, created });
  }
  const { removed, kept } = await pruneStore(store, { maxBytes: 0 });
  expect(removed).toHaveLength(2);
  expect(kept.find(({ sha256 }) => sha256 === ours.sha256)).toMatchObject({ reason: 'newest' });
});

test('without a note of its use, a sidecar is as old as its installation', async () => {
  const store = await emptyStore();
  await installSample(store, { id: A });
  expect((await prune(store, { ...MONTH, keep: 0 })).removed).toEqual([]);
  const later = new Date(Date.now() + 31 * DAY_MS);
  expect((await prune(store, { ...MONTH, keep: 0, now: later })).removed).toEqual([id16(A)]);
});

test('what is being downloaded stays, and lies there again when the process has ended', async () => {
  const { store, a } = await threeSidecars();
  const lock = join(store.dir, '.pack/locks', a.sidecar.sha256);
  await fs.symlink(thisOwner(), lock);
  expect((await prune(store, MONTH)).kept).toMatchObject({ [id16(A)]: 'busy' });
  await fs.rm(lock);
  await fs.symlink(thisOwner().replace(/\d+$/, '1'), lock);
  expect((await prune(store, MONTH)).removed).toContain(id16(A));
});

/** A data directory of smolvm for this process. */
async function machineDir(): Promise<string> {
  const { XDG_DATA_HOME } = process.env;
  onTestFinished(() => {
    if (XDG_DATA_HOME === undefined) {
      delete process.env.XDG_DATA_HOME;
    } else {
      process.env.XDG_DATA_HOME = XDG_DATA_HOME;
    }
  });
  process.env.XDG_DATA_HOME = await tempDir();
  const dir = join(process.env.XDG_DATA_HOME, 'smolvm/server');
  await fs.mkdir(dir, { recursive: true });
  return dir;
}

test('a sidecar that a database of smolvm mentions by its name or its hash stays', async () => {
  const { store, b } = await threeSidecars();
  const text = `${store.pathFor(id16(LOCAL))} /x/.pack/objects/sha256/${b.sidecar.sha256}`;
  await fs.writeFile(join(await machineDir(), 'smolvm.db-wal'), text);
  expect((await prune(store, MONTH)).kept).toMatchObject({
    [id16(A)]: 'machine',
    [id16(LOCAL)]: 'machine',
    [id16(B)]: 'machine',
  });
});

test.each([
  ['cut at any place by a page', 4070],
  ['not cut', 10],
])('a record of a machine that is %s is seen', async (_, start) => {
  const { store } = await threeSidecars();
  const path = join(await machineDir(), 'smolvm.redb');
  for (let offset = start; offset < start + 60; offset += 3) {
    const name = Buffer.from(`"${store.pathFor(id16(A))}"`);
    const pages = Buffer.alloc(3 * 4096);
    const cut = Math.min(name.length, Math.max(0, 4096 - offset));
    name.copy(pages, offset, 0, cut);
    name.copy(pages, 8192 + 4, cut);
    await fs.writeFile(path, pages);
    const { kept } = await pruneStore(store, { ...MONTH, dryRun: true });
    expect(
      kept.map(({ reason }) => reason),
      `at ${offset}`,
    ).toContain('machine');
  }
});

test('what is not a sidecar of ours or of claude-bottle is not touched', async () => {
  const { store } = await threeSidecars();
  const outside = join(await tempDir(), 'outside');
  await fs.writeFile(outside, 'precious');
  const id = id16(imageId('1111'));
  const foreign = ['notes.txt', `${id}.smolmachine`, `${id}.smolmachine.smolmachine.bak`];
  for (const name of foreign) {
    await fs.writeFile(join(store.dir, name), 'precious');
  }
  await fs.symlink(outside, store.pathFor(id));
  await fs.mkdir(store.pathFor(id16(imageId('2222'))));
  const part = join(store.dir, '.pack/parts', `${'d'.repeat(64)}.${thisOwner()}`);
  await fs.mkdir(part);
  await fs.writeFile(join(part, 'part'), 'half');
  await fs.utimes(part, 1, 1);
  const later = new Date(Date.now() + 365 * DAY_MS);
  await prune(store, { olderThanMs: 0, keep: 0, now: later });
  await sweepStore(store);
  expect(await filesOf(store)).toEqual(
    [`.pack/parts/${'d'.repeat(64)}.${thisOwner()}/part`, ...foreign, `${id}.smolmachine.smolmachine`].sort(),
  );
  expect(await fs.readFile(outside, 'utf8')).toBe('precious');
});

test('a sidecar that claude-bottle has packed goes when nothing has read or changed it for so long', async () => {
  const store = await emptyStore();
  await installSample(store, { id: A });
  const path = store.pathFor(id16(B));
  const packed = join(await tempDir(), 'sidecar');
  await writeSample(packed);
  await fs.copyFile(packed, path);
  execFileSync('touch', ['-d', '1970-01-02', path]);
  expect((await prune(store, { ...MONTH, keep: 0 })).removed).toEqual([]);
  const later = new Date(Date.now() + 31 * DAY_MS);
  expect((await prune(store, { ...MONTH, keep: 0, now: later })).removed).toEqual([id16(A), id16(B)].sort());
  expect(await filesOf(store)).toEqual([]);
});

test('a sidecar that is being read can go, and is read to its end', async () => {
  const { store, a } = await threeSidecars();
  const reader = await fs.open(store.pathFor(id16(A)));
  expect((await prune(store, MONTH)).removed).toContain(id16(A));
  expect((await reader.readFile()).length).toBe(a.sidecar.sizeBytes);
  await reader.close();
});

test('the quarantine is emptied of what is a week old', async () => {
  const { store } = await threeSidecars();
  const moved = await store.quarantine(store.pathFor(id16(B)));
  execFileSync('touch', ['-d', '1970-01-02', moved]);
  expect((await prune(store, {})).result.quarantineRemoved).toEqual([]);
  const later = new Date(Date.now() + 8 * DAY_MS);
  expect((await prune(store, { now: later })).result.quarantineRemoved).toEqual([moved]);
  await expect(fs.lstat(moved)).rejects.toThrow('ENOENT');
});

test('two prunes at once remove each thing once, and neither fails', async () => {
  const { store } = await threeSidecars();
  const results = await Promise.all([1, 2, 3].map(() => pruneStore(store, MONTH)));
  expect(results.flatMap(({ removed }) => removed)).toHaveLength(2);
  expect(await store.list()).toEqual([id16(C)]);
});

test('a store that is not there is pruned of nothing, and not made', async () => {
  const store = await emptyStore();
  expect(await pruneStore(store, MONTH)).toEqual({
    removed: [],
    kept: [],
    freedBytes: 0,
    quarantineRemoved: [],
  });
  await expect(fs.lstat(store.dir)).rejects.toThrow('ENOENT');
});
