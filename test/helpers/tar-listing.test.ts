import { execFileSync } from 'node:child_process';
import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diffListings, type EntryFacts, listTar } from './tar-listing.ts';

let directory: string;
let tree: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tar-listing-'));
  tree = join(directory, 'tree');
  await mkdir(join(tree, 'bin'), { recursive: true });
  await writeFile(join(tree, 'bin/tool'), 'tool');
  await link(join(tree, 'bin/tool'), join(tree, 'bin/alias'));
  await symlink('tool', join(tree, 'bin/symlink'));
  await writeFile(join(tree, 'bin/größe'), '');
  await chmod(join(tree, 'bin/größe'), 0o644);
});

afterEach(() => rm(directory, { recursive: true }));

async function listTree(...order: string[]): Promise<Map<string, EntryFacts>> {
  const tarPath = join(directory, 'tree.tar');
  execFileSync('tar', ['-c', '--format=pax', '-f', tarPath, '-C', tree, ...order]);
  return await listTar(tarPath);
}

test('a tar that names the other hard link first lists the same', async () => {
  const toolFirst = await listTree('./bin/tool', './bin/alias');
  expect(diffListings(toolFirst, await listTree('./bin/alias', './bin/tool'))).toEqual([]);
  expect(toolFirst.get('bin/tool')?.links).toEqual(['bin/alias', 'bin/tool']);
});

test('a copy in the place of a hard link is a difference', async () => {
  const linked = await listTree('.');
  await rm(join(tree, 'bin/alias'));
  await writeFile(join(tree, 'bin/alias'), 'tool');
  expect(diffListings(linked, await listTree('.'))).toEqual([
    '"bin/alias": links ["bin/alias","bin/tool"] in the first, none in the second',
    '"bin/tool": links ["bin/alias","bin/tool"] in the first, none in the second',
  ]);
});

test('a difference in mode, type, content or presence is named with its path', async () => {
  const before = await listTree('.');
  await chmod(join(tree, 'bin/größe'), 0o4755);
  await truncate(join(tree, 'bin/tool'), 0);
  await rm(join(tree, 'bin/symlink'));
  await mkdir(join(tree, 'bin/symlink'));
  await writeFile(join(tree, 'new'), '');
  const lines = diffListings(before, await listTree('.'));
  expect(lines).toContain('"bin/größe": mode 0644 in the first, 04755 in the second');
  expect(lines).toContain('"bin/tool": size 4 in the first, 0 in the second');
  expect(lines).toContain('"bin/symlink": type "symlink" in the first, "directory" in the second');
  expect(lines).toContain('"new": only in the second');
});
