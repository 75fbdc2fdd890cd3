import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Bench, bench } from '../helpers/bench.ts';
import { busyboxContext } from '../helpers/small-image.ts';

const DOCKERFILE = `FROM scratch AS base
COPY bin /bin
COPY greeting /etc/greeting
ARG WHO=nobody
RUN ["/bin/sh", "-c", "echo $WHO > /etc/who"]
FROM base AS other
ENTRYPOINT ["/bin/sh"]
`;

interface Place extends Bench {
  readonly context: string;
}

/** A checkout of its own, whose files have other times than those of another one. */
async function checkout(greeting = 'hello'): Promise<Place> {
  const place = await bench();
  const context = await busyboxContext(place.dir, DOCKERFILE);
  await fs.writeFile(join(context, 'greeting'), `${greeting}\n`);
  const time = new Date(Date.now() - Math.random() * 1e9);
  await fs.utimes(join(context, 'greeting'), time, time);
  return { ...place, context };
}

async function packOriginal(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const { dir, context, pack } = await checkout();
  const path = join(dir, 'original.smolmachine');
  const { exitCode, stderr, stdout } = await pack(
    ['--context', context, '--image', 'claude-bottle-test/original:1', '--out', path, '--json', ...args],
    env,
  );
  expect(exitCode, stderr).toBe(0);
  return { path, record: `${path}.json`, sha256: JSON.parse(stdout).sha256 as string };
}

const DIRECT = ['--packer', 'direct'];

async function reproduce({ context, pack }: Place, file: string, ...args: string[]) {
  const image = ['--context', context, '--image', 'claude-bottle-test/reproduced:1'];
  return await pack([...image, '--reproduce', file, ...args]);
}

async function sidecarsIn({ store }: Place): Promise<string[]> {
  const objects = await fs.readdir(join(store, '.pack/objects/sha256')).catch(() => []);
  return [...objects, ...(await fs.readdir(store)).filter((name) => name !== '.pack')];
}

test('another checkout of the same files gives the same bytes, and keeps them', async () => {
  const { path, record, sha256 } = await packOriginal([...DIRECT, '--cpus', '2', '--target', 'base'], {
    SOURCE_DATE_EPOCH: '1700000000',
  });
  const place = await checkout();
  const result = await reproduce(place, path, '--json');
  expect(result.exitCode, result.stderr + result.stdout).toBe(0);
  expect(JSON.parse(result.stdout)).toMatchObject({ status: 'same', packer: 'direct', sha256 });
  expect(await sidecarsIn(place)).toHaveLength(2);

  // The pack record alone says how it was packed, and what has to come out.
  await fs.rm(path);
  const byRecord = await reproduce(await checkout(), record);
  expect(byRecord, byRecord.stderr).toMatchObject({
    exitCode: 0,
    stdout: `✓ the same bytes: sha256 ${sha256.slice(0, 12)}\n`,
  });
});

test('a changed file is named, and nothing is kept', async () => {
  const { path, record, sha256 } = await packOriginal(DIRECT);
  const place = await checkout('good day');
  const result = await reproduce(place, path);
  expect(result.exitCode, result.stderr).toBe(78);
  expect(result.stdout).toMatch(/^✗ other bytes, \d+ files? changed: sha256 [0-9a-f]{12}, and /);
  expect(result.stdout).toMatch(/^ {2}etc\/greeting {2}6 B -> 9 B, other content/m);
  expect(result.stderr).toContain('warning: this checkout is not the one of');
  expect(result.stderr).toContain('it has other files');
  expect(await sidecarsIn(place)).toEqual([]);
  expect(await place.left()).toEqual([]);
  const report = JSON.parse((await reproduce(place, path, '--json')).stdout);
  expect(report).toMatchObject({ status: 'different', expectedSha256: sha256 });
  expect(report.differences.changed.map((file: { path: string }) => file.path)).toContain('etc/greeting');

  await fs.rm(path);
  const byRecord = await reproduce(place, record);
  expect(byRecord.exitCode).toBe(78);
  expect(byRecord.stdout).toContain('which files differ cannot be said without the sidecar');
});

test('a build argument that the record does not name has to be given again', async () => {
  const { path } = await packOriginal([...DIRECT, '--build-arg', 'WHO=me']);
  const without = await reproduce(await checkout(), path);
  expect(without.exitCode).toBe(78);
  expect(without.stderr).toContain('other build arguments');
  expect(without.stdout).toMatch(/^ {2}etc\/who {2}/m);
  const given = await reproduce(await checkout(), path, '--build-arg', 'WHO=me');
  expect(given.exitCode, given.stdout).toBe(0);
});

test('of packer smolvm the files are compared, with the version of smolvm that packed', async () => {
  const { path, record } = await packOriginal();
  const result = await reproduce(await checkout('good day'), path);
  expect(result.exitCode, result.stderr).toBe(78);
  expect(result.stdout).toMatch(/^ {2}etc\/greeting {2}6 B -> 9 B, other content/m);
  expect(result.stdout).toContain('packer smolvm: a virtual machine writes the layer');

  const json = JSON.parse(await fs.readFile(record, 'utf8'));
  await fs.writeFile(record, JSON.stringify({ ...json, smolvm: { ...json.smolvm, version: '1.9.1' } }));
  const place = await checkout();
  const other = await reproduce(place, path);
  expect([other.exitCode, other.stderr]).toEqual([
    78,
    expect.stringContaining('been packed by smolvm 1.9.1, and here is smolvm 1.32.2'),
  ]);
  expect(await place.left()).toEqual([]);
});

test.each([
  ['an option that the sidecar decides', ['--cpus', '2'], 64, 'cannot be used with option'],
  ['a file that is not a sidecar', [], 65, 'is not a .smolmachine file'],
])('%s ends with its code', async (_, args, exitCode, message) => {
  const place = await checkout();
  const result = await reproduce(place, join(place.context, 'bin/busybox'), ...args);
  expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(message)]);
});
