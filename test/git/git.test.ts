import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { changedSince, historyOf, originOf, parseRemote, tagsAtHead } from '../../src/git/git.ts';
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

test('a remote that git writes anew (insteadOf) is the one that git asks', async () => {
  const { dir, git } = await sampleCheckout();
  await git('config', 'url.https://github.com/.insteadOf', 'gh:');
  await git('remote', 'set-url', 'origin', 'gh:acme/agent.git');
  expect(await originOf(dir)).toEqual({ host: 'github.com', repository: 'acme/agent' });
});

test.each([
  ['git@work:acme/tools.git', 'github.com'],
  ['ssh://git@github.com-work/acme/tools', 'github.com'],
  ['git@ghes.example.org:acme/tools.git', 'ghes.example.org'],
  // No ssh, so no alias of it.
  ['https://work/acme/tools.git', 'work'],
  // Not a name for ssh, which would read options out of it.
  ['-Fwork:acme/tools.git', '-fwork'],
])('the remote %s is at %s, as ssh knows it', async (url, host) => {
  const { dir, git } = await sampleCheckout();
  await git('remote', 'set-url', 'origin', '--', url);
  await sshDouble('work', 'github.com-work');
  expect(await originOf(dir)).toEqual({ host, repository: 'acme/tools' });
});

/** Stands in for ssh with a configuration, which the real one reads from the home directory of its user alone. */
async function sshDouble(...aliases: string[]): Promise<void> {
  const bin = await tempDir();
  const script = `#!/bin/sh
[ "$1 $2 $#" = "-G -- 3" ] || exit 255
case $3 in
  ${aliases.join('|')}) echo 'user git'; echo 'hostname ssh.github.com' ;;
  *) echo "hostname $3" ;;
esac
`;
  await fs.writeFile(join(bin, 'ssh'), script, { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
}

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
