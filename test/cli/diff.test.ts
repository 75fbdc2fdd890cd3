import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { differenceLines } from '../../src/cli/differences.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { collectGuestFiles, compareGuests } from '../../src/sidecar/guest-files.ts';
import { sparseHeader } from '../../src/tar/gnu.ts';
import type { TarEntry } from '../../src/tar/read.ts';
import { END_OF_ARCHIVE } from '../../src/tar/write.ts';
import { runCli } from '../helpers/cli.ts';
import { writeGuestSidecar, writeLayerSidecar } from '../helpers/guest-sidecar.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { emptyStore, imageId, installSample, makeSample } from '../store/sample-store.ts';

const TIME = new Date('2026-01-01T00:00:00Z');

/** Two guests that begin as the same one. */
async function twoGuests(change: (root: string) => Promise<unknown>, settings: object = {}) {
  const dir = await tempDir();
  const [root, from, to] = [join(dir, 'root'), join(dir, 'from.smolmachine'), join(dir, 'to.smolmachine')];
  await fs.mkdir(join(root, 'etc'), { recursive: true });
  for (const name of ['motd', 'hosts', 'passwd', 'old']) {
    await fs.writeFile(join(root, 'etc', name), `${name}\n`);
  }
  await fs.writeFile(join(root, 'agent'), noise('agent'));
  await fs.link(join(root, 'agent'), join(root, 'second'));
  await fs.symlink('motd', join(root, 'etc/issue'));
  await fs.writeFile(join(root, 'tail'), noise('tail'));
  await setTimes(root);
  await writeGuestSidecar(from, root);
  await change(root);
  await writeGuestSidecar(to, root, settings);
  const diff = async (...args: string[]) =>
    await runCli(['diff', ...args, from, to], { CLAUDE_BOTTLE_STORE: join(dir, 'store') });
  return { dir, from, to, diff };
}

/** 3 MB that no compression makes smaller, and whose frames end at the same places in each run. */
function noise(seed: string): Buffer {
  return createHash('shake256', { outputLength: 3_000_000 }).update(seed).digest();
}

async function setTimes(root: string): Promise<void> {
  for (const name of (await fs.readdir(root, { recursive: true })).sort().reverse()) {
    await fs.lutimes(join(root, name), TIME, TIME);
  }
  await fs.utimes(root, TIME, TIME);
}

test('names what was added, removed and changed, and what the update fetches', async () => {
  const { diff, to } = await twoGuests(
    async (root) => {
      await fs.rm(join(root, 'etc/old'));
      await fs.writeFile(join(root, 'etc/new'), 'new\n');
      await fs.chmod(join(root, 'etc/passwd'), 0o600);
      await fs.writeFile(join(root, 'etc/hosts'), 'HOSTS\n');
      await fs.rm(join(root, 'etc/issue'));
      await fs.symlink('hosts', join(root, 'etc/issue'));
      await fs.rm(join(root, 'etc/motd'));
      await fs.mkdir(join(root, 'etc/motd'));
      await fs.appendFile(join(root, 'agent'), 'one more line\n');
      await setTimes(root);
    },
    { env: ['A=1'], cpus: 2 },
  );
  const { stdout, stderr, exitCode } = await diff();
  expect(exitCode, stderr).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(
    /^1 file added, 1 removed, 6 changed; the update fetches \d.* MB of 6\.0 MB \(\d+\.\d %\)$/,
  );
  expect(lines.slice(1).toSorted()).toEqual(
    [
      'changed',
      '  agent  3.0 MB -> 3.0 MB, other content',
      '  second  3.0 MB -> 3.0 MB, other content',
      '  etc/hosts  other content',
      '  etc/motd  file -> directory, mode 0644 -> 0755, 5 B -> 0 B',
      '  etc/passwd  mode 0644 -> 0600',
      '  etc/issue  target motd -> hosts',
      'added',
      '  etc/new  4 B',
      'removed',
      '  etc/old  4 B',
      'settings',
      '  env  null -> ["A=1"]',
      '  cpus  4 -> 2',
    ].toSorted(),
  );
  const report = JSON.parse((await diff('--json')).stdout);
  expect(report).toMatchObject({
    isSame: false,
    to: { path: to, sizeBytes: (await fs.stat(to)).size },
    added: [{ path: 'etc/new', type: 'file', mode: 0o644, sizeBytes: 4 }],
    removed: [{ path: 'etc/old' }],
    settings: [
      { name: 'env', from: null, to: ['A=1'] },
      { name: 'cpus', from: 4, to: 2 },
    ],
  });
  expect(report.changed.find(({ path }: { path: string }) => path === 'etc/issue')).toMatchObject({
    aspects: ['target'],
    from: { target: 'motd' },
    to: { target: 'hosts' },
  });
  // The frames of `tail` are in both, those of the changed end of `agent` are not.
  expect(report.fetchBytes).toBeGreaterThan(0);
  expect(report.fetchBytes).toBeLessThan(0.6 * report.to.sizeBytes);
});

test('counts files of which only the time differs, and lists them with --json', async () => {
  const { diff } = await twoGuests(async (root) => {
    await fs.utimes(join(root, 'etc/motd'), TIME, new Date('2026-02-02T00:00:00Z'));
  });
  const lines = (await diff()).stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^the same files; the update fetches /);
  expect(lines.slice(1)).toEqual(['1 more with another time only']);
  const report = JSON.parse((await diff('--json')).stdout);
  expect(report.changed).toMatchObject([
    { path: 'etc/motd', aspects: ['time'], to: { mtimeSeconds: 1_769_990_400 } },
  ]);
});

test('refuses a sidecar whose files have more bytes than any machine, in a few', async () => {
  const { from, to, diff } = await twoGuests(async () => {});
  await writeLayerSidecar(to, [sparseHeader('hole', [], 2 ** 47), END_OF_ARCHIVE]);
  expect(await diff()).toMatchObject({
    exitCode: 65,
    stderr: expect.stringContaining('damaged sidecar, layer'),
  });
  await fs.rename(to, from);
  expect((await diff()).exitCode).toBe(65);
});

test('says that two sidecars are the same bytes', async () => {
  const { diff } = await twoGuests(async () => {});
  const { stdout } = await diff();
  expect(stdout).toMatch(/^the same bytes: sha256 [0-9a-f]{12}\n$/);
  expect(JSON.parse((await diff('--json')).stdout)).toMatchObject({
    isSame: true,
    fetchBytes: 0,
    changed: [],
  });
});

test('lists the largest of many files, and says how many more there are', async () => {
  const { diff } = await twoGuests(async (root) => {
    for (let index = 0; index < 30; index += 1) {
      await fs.writeFile(join(root, `file-${index}`), Buffer.alloc(1000 + index));
    }
    await setTimes(root);
  });
  const { stdout } = await diff();
  expect(stdout).toContain('30 files added; ');
  expect(stdout).toContain('added\n  file-29  1.0 kB\n');
  expect(stdout).not.toContain('file-9 ');
  expect(stdout).toContain('  ... and 10 more, --json lists all\n');
  expect(JSON.parse((await diff('--json')).stdout).added).toHaveLength(30);
});

test('takes pack records and image IDs of the store, and counts a sidecar in one frame as fetched whole', async () => {
  const store = await emptyStore();
  const id = imageId('agent');
  const env = { CLAUDE_BOTTLE_STORE: store.dir };
  await installSample(store, { id });
  const dir = await tempDir();
  const { path, record } = await makeSample(dir, { id, created: '2026-11-24T11:11:16Z' });
  await fs.writeFile(`${path}.json`, formatRecord(record));
  const result = await runCli(['diff', '--json', id.slice(7, 23), `${path}.json`], env);
  expect(result.exitCode, result.stderr).toBe(0);
  const report = JSON.parse(result.stdout);
  expect(report).toMatchObject({ settings: [{ name: 'created' }], fetchBytes: record.sidecar.sizeBytes });
  expect(report.to.path).toBe(path);

  await fs.rm(path);
  const gone = await runCli(['diff', id, `${path}.json`], env);
  expect([gone.exitCode, gone.stderr]).toEqual([
    66,
    expect.stringContaining(`the sidecar of ${path}.json is neither beside it nor in the store`),
  ]);
});

test.each([
  ['sha256:'.padEnd(71, '0'), 66, 'the store has no sidecar for the image sha256:0'],
  ['no-such-file', 66, 'there is no file no-such-file, and it is not an image ID'],
  ['/proc/self/cmdline', 65, 'is not a .smolmachine file'],
])('ends with its code for %s', async (name, exitCode, message) => {
  const path = join(await tempDir(), 'a.smolmachine');
  await writeSample(path);
  const result = await runCli(['diff', path, name], { CLAUDE_BOTTLE_STORE: join(path, '../store') });
  expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(message)]);
  expect(result.stdout).toBe('');
});

test('shows a time that no calendar has as it is in the tar', () => {
  const file = {
    path: 'a',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
  } as const;
  const [from, to] = [new Map([['a', file]]), new Map([['a', { ...file, mtimeSeconds: 2 ** 60 }]])];
  expect(differenceLines({ ...compareGuests(from, to), settings: [] })).toEqual([
    'changed',
    '  a  time 1970-01-01T00:00:00Z -> 1152921504606847000 s',
  ]);
});

test('refuses a layer whose names alone would fill the memory', async () => {
  const { onEntry } = collectGuestFiles();
  const pathBytes = Buffer.alloc(512 * 1024 * 1024);
  const entry = { pathBytes, linkPathBytes: Buffer.of(1) } as TarEntry;
  const failure = await onEntry(entry, Readable.from([])).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'sidecar-damaged', message: expect.stringContaining('its names') });
});
