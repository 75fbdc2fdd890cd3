import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { requireFreeBytes } from '../../src/host/disk.ts';
import { id16 } from '../../src/identity/image-id.ts';
import { HERE } from '../../src/identity/origin.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { installPacked } from '../../src/store/install.ts';
import { pruneStore } from '../../src/store/prune.ts';
import { findHits, listSidecars, verifyNamed } from '../../src/store/read.ts';
import type { Store } from '../../src/store/store.ts';
import { sweepStore } from '../../src/store/sweep.ts';
import { touchUsed } from '../../src/store/used.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import {
  bind,
  emptyStore,
  filesOf,
  find as findForStranger,
  imageId,
  installSample,
  KEY,
  makeSample,
  resultOf,
  startStoreChild,
  storedAs,
} from './sample-store.ts';

const CI = imageId('ci');
const LOCAL = imageId('local');
const DAY_MS = 24 * 60 * 60_000;
const isRoot = process.getuid?.() === 0;

/** Mounts a RAM disk at `dir` until the test is over. */
async function mountRamDisk(context: TestContext, dir: string, options: string): Promise<void> {
  await fs.mkdir(dir, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { stdio: 'pipe' });
  } catch {
    context.skip('needs to be allowed to mount');
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', dir]));
}

const find = (store: Store) => findForStranger(store, CI);
const hits = (store: Store) => findHits(store, { key: KEY, platform: 'linux/amd64' }, { origin: HERE });

test('a read-only store gives what it has; everything else says that it cannot write', async (context) => {
  const dir = await tempDir();
  await mountRamDisk(context, dir, 'size=8m');
  const store = await emptyStore(dir);
  const record = await installSample(store, { id: CI });
  execFileSync('mount', ['-o', 'remount,ro', dir]);

  expect((await find(store))?.record).toEqual(record);
  expect((await hits(store))[0]?.record).toEqual(record);
  expect(await listSidecars(store)).toHaveLength(1);
  await touchUsed(store, record.sidecar.sha256);
  await sweepStore(store);
  const limits = { olderThanMs: 0, keep: 0, now: new Date(Date.now() + DAY_MS) };
  expect((await pruneStore(store, { ...limits, dryRun: true })).removed).toHaveLength(1);
  for (const work of [
    () => store.withDownload('d'.repeat(64), {}, async () => {}),
    () => store.withTemp(async () => {}),
    () => bind(store, LOCAL, record),
    () => pruneStore(store, limits),
    () => store.quarantine(store.pathFor(id16(CI))),
    async () => (await emptyStore(join(dir, 'not there yet'))).withTemp(async () => {}),
  ]) {
    expect(await failureOf(work()), String(work)).toMatchObject({ code: 'cannot-write', exitCode: 73 });
  }
});

test('a disk without inodes or space is named as such, and no name appears', async (context) => {
  const dir = await tempDir();
  await mountRamDisk(context, dir, 'size=80m,nr_inodes=40');
  const store = await emptyStore(dir);
  await expect(requireFreeBytes(dir, 1, 'a sidecar')).resolves.toBeUndefined();
  const tooMuch = await failureOf(requireFreeBytes(dir, 1e9, 'a sidecar'));
  expect(tooMuch.message).toMatch(/^1\.1 GB needed in .* for a sidecar, 83\.9 MB free$/);
  await store.withTemp(async (temp) => {
    const { path, record } = await makeSample(temp, { id: CI });
    for (let count = 0; count < 40; count += 1) {
      await fs.writeFile(join(dir, `fill-${count}`), '').catch(() => {});
    }
    const error = await failureOf(requireFreeBytes(dir, 1, 'a sidecar'));
    expect(error).toMatchObject({ code: 'cannot-write' });
    expect(error.message).toMatch(/^no inodes left in .* for a sidecar, though 83\.\d MB are free$/);
    expect(await failureOf(installPacked(store, CI, path, record))).toMatchObject({ code: 'cannot-write' });
  });
  expect(await store.list()).toEqual([]);
});

test('a store over two file systems names a sidecar by copying it', async (context) => {
  const store = await emptyStore();
  await mountRamDisk(context, join(store.dir, '.pack'), 'size=8m,mode=700');
  await fs.chmod(store.dir, 0o700);
  const record = await installSample(store, { id: CI });
  expect(await bind(store, LOCAL, record)).toMatchObject({ outcome: 'bound' });
  for (const id of [CI, LOCAL]) {
    await verifySidecar(store.pathFor(id16(id)), { sha256: record.sidecar.sha256 });
  }
  await sweepStore(store);
  expect((await find(store))?.record).toEqual(record);
});

test.each([0o000, 0o077])('with umask %o files are 0444 and directories 0700, exactly', async (umask) => {
  const store = await emptyStore();
  const dir = await tempDir();
  const { path, record } = await makeSample(dir, { id: CI });
  const body = `
    await store.withDownload(data.record.sidecar.sha256, {}, async (dir) => {
      await fs.copyFile(data.path, dir + '/part');
      await installPacked(store, data.record.image.id, dir + '/part', data.record);
    });
    await touchUsed(store, data.stored.sha256);
    return await bindName(store, data.local, data.stored, { proof: 'inputs' });`;
  const child = startStoreChild(store.dir, body, {
    data: { path, record, stored: storedAs(store, record), local: LOCAL },
    umask,
  });
  expect(await resultOf(child)).toMatchObject({ outcome: 'bound' });
  const entries = await fs.readdir(store.dir, { recursive: true });
  const modes = new Map<string, number>();
  for (const entry of [...entries, '.']) {
    const stat = await fs.lstat(join(store.dir, entry));
    modes.set(entry, stat.mode & (stat.isDirectory() ? 0o40777 : 0o777));
  }
  const wrong = [...modes].filter(([, mode]) => mode !== 0o444 && mode !== 0o40700);
  expect(wrong).toEqual([]);
  expect([...modes.values()].filter((mode) => mode === 0o444)).toHaveLength(6);
});

test.skipIf(!isRoot)('without HOME and without an entry for the user there is no default store', async () => {
  // A user without an entry may not be allowed to read this checkout.
  const dir = await tempDir();
  await fs.chmod(dir, 0o755);
  const files = ['store/location', 'host/home', 'identity/origin', 'identity/shown-text', 'errors'].map(
    (name) => `src/${name}.ts`,
  );
  for (const file of files) {
    await fs.mkdir(join(dir, file, '..'), { recursive: true });
    await fs.copyFile(file, join(dir, file));
  }
  const node = join(dir, 'node');
  await fs.copyFile(process.execPath, node);
  await fs.chmod(node, 0o755);
  const script = `
    import { storeDir } from ${JSON.stringify(join(dir, 'src/store/location.ts'))};
    try { storeDir(undefined) } catch ({ code, message }) { console.log(code, message) }`;
  const output = execFileSync(node, ['--input-type=module', '--eval', script], {
    cwd: dir,
    uid: 64_321,
    gid: 64_321,
    env: {},
    encoding: 'utf8',
  });
  expect(output).toBe('store-unsafe this user has no home directory, so there is no default store\n');
});

test('a place where no store can be is an error, not a wait', async () => {
  const dir = await tempDir();
  await fs.symlink('/nonexistent', join(dir, 'dangling'));
  for (const parent of ['/proc/nothing', join(dir, 'dangling')]) {
    const store = await emptyStore(parent);
    expect((await failureOf(store.withTemp(async () => {}))).message).toContain(
      `cannot make the store ${parent}`,
    );
  }
});

test('a store whose private directory is a link elsewhere is not written to', async () => {
  const store = await emptyStore();
  const elsewhere = await tempDir();
  await fs.mkdir(store.dir, { mode: 0o700 });
  await fs.symlink(elsewhere, join(store.dir, '.pack'));
  expect(await failureOf(installSample(store, { id: CI }))).toMatchObject({ code: 'store-unsafe' });
  expect(await store.list()).toEqual([]);
});

test('a store that was copied without its hard links keeps its records and its names', async () => {
  const original = await emptyStore();
  const record = await installSample(original, { id: CI });
  await bind(original, LOCAL, record);
  const parent = await tempDir();
  execFileSync('cp', ['-r', '--preserve=mode', original.dir, parent]);
  const store = await emptyStore(parent);
  await sweepStore(store);
  expect((await find(store))?.record).toEqual(record);
  const [listed, ...others] = await listSidecars(store);
  expect(others).toEqual([]);
  expect(listed?.names.map(({ proof }) => proof).sort()).toEqual(['inputs', 'packed']);
});

test.skipIf(!isRoot)('a store of another user is refused', async () => {
  const store = await emptyStore();
  await fs.mkdir(store.dir, { mode: 0o700 });
  await fs.chown(store.dir, 65_534, 65_534);
  expect(await failureOf(emptyStore(join(store.dir, '..')))).toMatchObject({
    code: 'store-unsafe',
    message: expect.stringContaining('belongs to uid 65534'),
  });
});

test.each([
  ['spaces and quotes', `it's "a b"\n$HOME`],
  ['other scripts', '日本語 ünï'],
  ['200 characters', 'x'.repeat(200)],
])('a store in a directory named with %s works', async (_, name) => {
  const parent = join(await tempDir(), name);
  await fs.mkdir(parent);
  const store = await emptyStore(parent);
  const record = await installSample(store, { id: CI });
  expect(await bind(store, LOCAL, record)).toMatchObject({ outcome: 'bound' });
  expect((await find(store))?.record).toEqual(record);
});

interface Killable {
  readonly setUp: (store: Store) => Promise<unknown>;
  readonly body: string;
  /** Runs it again, and returns what must be there then. */
  readonly finish: (store: Store, data: unknown) => Promise<unknown>;
}

const limits = { olderThanMs: 30 * DAY_MS, keep: 0 };
const later = Date.now() + 31 * DAY_MS;

const KILLABLE: Record<string, Killable> = {
  'an installation over an older sidecar': {
    async setUp(store) {
      await installSample(store, { id: CI, created: 'older' });
      return await makeSample(await tempDir(), { id: CI });
    },
    body: `return await store.withTemp(async (dir) => {
      await fs.copyFile(data.path, dir + '/sidecar');
      return await installPacked(store, data.record.image.id, dir + '/sidecar', data.record);
    });`,
    async finish(store) {
      const record = await installSample(store, { id: CI });
      expect((await find(store))?.record).toEqual(record);
      return [record.sidecar.sha256];
    },
  },
  'a binding of a free name': {
    async setUp(store) {
      const record = await installSample(store, { id: CI });
      return { record, stored: storedAs(store, record), local: LOCAL };
    },
    body: `return await bindName(store, data.local, data.stored, { proof: 'inputs' });`,
    async finish(store, data) {
      const { record } = data as { record: Parameters<typeof bind>[2] };
      await bind(store, LOCAL, record);
      return [record.sidecar.sha256];
    },
  },
  'a binding over another one': {
    async setUp(store) {
      const older = await installSample(store, { id: imageId('older'), created: 'older' });
      await bind(store, LOCAL, older);
      const record = await installSample(store, { id: CI });
      return { record, stored: storedAs(store, record), local: LOCAL };
    },
    body: `return await bindName(store, data.local, data.stored, { proof: 'inputs' });`,
    async finish(store, data) {
      const { record } = data as { record: Parameters<typeof bind>[2] };
      await bind(store, LOCAL, record);
      expect((await verifyNamed(store, id16(LOCAL), {})).report.sha256).toBe(record.sidecar.sha256);
      return undefined;
    },
  },
  'a prune': {
    async setUp(store) {
      await bind(store, LOCAL, await installSample(store, { id: CI }));
      await installSample(store, { id: imageId('older'), created: 'older' });
      return { limits, later };
    },
    body: `return await pruneStore(store, { ...data.limits, now: new Date(data.later) });`,
    async finish(store) {
      await pruneStore(store, { ...limits, now: new Date(later) });
      return [];
    },
  },
};

test.each(Object.entries(KILLABLE))(
  '%s that is killed at any moment leaves no bad file under a name, and can be done again',
  { timeout: 15 * 60_000 },
  async (_, { setUp, body, finish }) => {
    let killAt = 0;
    let isDone = false;
    const next = async () => {
      while (!isDone) {
        killAt += 1;
        const at = killAt;
        const store = await emptyStore();
        const data = await setUp(store);
        const { signal } = await startStoreChild(store.dir, body, { data, killAt: at }).ended;
        isDone ||= signal === null;
        for (const id of await store.list()) {
          await verifySidecar(store.pathFor(id), { platform: 'linux/amd64' });
        }
        const sha256s = await finish(store, data);
        await sweepStore(store);
        const left = await filesOf(store);
        expect(
          left.filter((path) => /^\.pack\/(tmp|locks|parts)/.test(path)),
          `at ${at}`,
        ).toEqual([]);
        if (Array.isArray(sha256s)) {
          const objects = left.filter((path) => path.startsWith('.pack/objects'));
          expect(objects, `at ${at}`).toEqual(sha256s.map((sha256) => `.pack/objects/sha256/${sha256}`));
        }
      }
    };
    await Promise.all([next(), next(), next()]);
    expect(killAt).toBeGreaterThan(8);
  },
);

test.each([
  ['EDQUOT', 'cannot-write'],
  ['EIO', 'io'],
])('a file that cannot be finished because of %s ends with %s, and gets no name', async (errno, code) => {
  const store = await emptyStore();
  const { path, record } = await makeSample(await tempDir(), { id: CI });
  const body = `
    const open = nodeFs.promises.open;
    nodeFs.promises.open = async (...args) => {
      const file = await open(...args);
      file.sync = async () => { throw Object.assign(new Error(data.errno), { code: data.errno }); };
      return file;
    };
    syncBuiltinESMExports();
    return await store.withTemp(async (dir) => {
      await fs.copyFile(data.path, dir + '/sidecar');
      return await installPacked(store, data.record.image.id, dir + '/sidecar', data.record);
    });`;
  const child = startStoreChild(store.dir, body, { data: { path, record, errno } });
  expect(await resultOf(child)).toMatchObject({ code, message: expect.stringContaining(errno) });
  expect(await store.list()).toEqual([]);
  expect(await filesOf(store)).toEqual([]);
});

test('a process that is killed while it remembers who signs leaves a lock that a sweep removes', async () => {
  const store = await emptyStore();
  await installSample(store, { id: CI });
  const data = {
    trustMemory: join(import.meta.dirname, '../../src/trust/trust-memory.ts'),
    identity: {
      repositoryId: '1',
      ownerId: '2',
      ref: 'refs/heads/main',
      runUri: 'https://github.com/acme/tools/actions/runs/1/attempts/1',
    },
  };
  const body = `
    nodeFs.promises.rename = async () => process.kill(process.pid, 'SIGKILL');
    syncBuiltinESMExports();
    const { remember } = await import(data.trustMemory);
    const origin = { kind: 'repository', serverUrl: 'https://github.com', repository: 'acme/tools' };
    await remember({ layout: store.layout, origin }, data.identity);
  `;
  expect((await startStoreChild(store.dir, body, { data }).ended).signal).toBe('SIGKILL');
  const locked = async () =>
    (await filesOf(store)).filter((path) => /^\.pack\/(locks\/|trust\/.*lock)/.test(path));
  expect(await locked()).toHaveLength(1);
  await sweepStore(store);
  expect(await locked()).toEqual([]);
});
