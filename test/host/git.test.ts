import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { changedSince, historyOf, originOf, parseRemote, tagsAtHead } from '../../src/host/git.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { tempDir } from '../helpers/temp-dir.ts';

test.each([
  ['https://github.com/acme/tools.git', 'github.com', 'acme/tools'],
  ['https://me:secret@github.com/acme/tools', 'github.com', 'acme/tools'],
  ['https://GHES.example.org:8443/acme/tools/', 'ghes.example.org', 'acme/tools'],
  ['git@github.com:acme/tools.git', 'github.com', 'acme/tools'],
  ['github.com:acme/tools', 'github.com', 'acme/tools'],
  ['ssh://git@ssh.github.com:443/acme/tools.git', 'github.com', 'acme/tools'],
])('the remote %s is %s %s', (url, host, repository) => {
  expect(parseRemote(url)).toEqual({ host, repository });
});

test.each([
  '/srv/git/tools.git',
  '../tools',
  'file:///srv/acme/tools',
  'https://host/tools',
  'https://host/a/b/c',
  '',
])('the remote %j names no repository', (url) => {
  expect(parseRemote(url)).toBeUndefined();
});

test('a checkout knows its origin, its history and the tags of its commit', async () => {
  const checkout = await sampleCheckout();
  const first = await checkout.git('rev-parse', 'HEAD');
  await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
  const second = await checkout.commit();
  await checkout.git('tag', 'v1');
  expect(await originOf(checkout.dir)).toEqual({ host: 'github.com', repository: 'acme/tools' });
  expect(await historyOf(checkout.dir)).toEqual([second, first]);
  expect(await tagsAtHead(checkout.dir)).toEqual(['v1']);
});

test('what has changed since a commit is told with odd names, deletions and new files', async () => {
  const checkout = await sampleCheckout();
  const commit = await checkout.git('rev-parse', 'HEAD');
  await fs.rm(join(checkout.dir, 'README.md'));
  await fs.writeFile(join(checkout.dir, 'a "b"\n é'), 'new');
  await fs.chmod(join(checkout.dir, 'agent.txt'), 0o755);
  expect(await changedSince(checkout.dir, commit)).toEqual([
    { path: 'README.md', isGone: true },
    { path: 'agent.txt', isGone: false },
    { path: 'a "b"\n é', isGone: false },
  ]);
  expect(await changedSince(checkout.dir, 'f'.repeat(40))).toBeUndefined();
});

test('outside of a repository there is nothing to know', async () => {
  const dir = await tempDir();
  expect([await originOf(dir), await historyOf(dir), await tagsAtHead(dir)]).toEqual([undefined, [], []]);
});

test('a repository cannot have a program of its own run', async () => {
  const checkout = await sampleCheckout();
  const mark = join(checkout.dir, '..', 'ran');
  await checkout.git('config', 'core.fsmonitor', `touch ${mark}`);
  await changedSince(checkout.dir, 'HEAD');
  await expect(fs.stat(mark)).rejects.toThrow(/ENOENT/);
});
