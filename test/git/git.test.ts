import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { differencesSince } from '../../src/git/differences.ts';
import { historyOf, tagsAtHead } from '../../src/git/history.ts';
import { originOf, parseRemote, whyNoOrigin } from '../../src/git/remote.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

test.each([
  ['https://github.com/acme/tools.git', 'github.com', 'acme/tools'],
  ['https://me:secret@github.com/acme/tools', 'github.com', 'acme/tools'],
  ['https://GHES.example.org:8443/acme/tools/', 'ghes.example.org', 'acme/tools'],
  ['git@github.com:acme/tools.git', 'github.com', 'acme/tools'],
  ['github.com:acme/tools', 'github.com', 'acme/tools'],
  ['ssh://git@ssh.github.com:443/acme/tools.git', 'github.com', 'acme/tools'],
  ['git@github.com:/acme/tools', 'github.com', 'acme/tools'],
  ['org-12@GitHub.com:acme/tools.git/', 'github.com', 'acme/tools'],
  ['[git@github.com:22]:acme/tools.git', 'github.com', 'acme/tools'],
  ['[github.com]:acme/tools', 'github.com', 'acme/tools'],
  ['git+ssh://git@github.com/acme/tools.git', 'github.com', 'acme/tools'],
  ['ssh+git://git@github.com:22/acme/tools', 'github.com', 'acme/tools'],
  ['ssh://github.com/acme/tools', 'github.com', 'acme/tools'],
  ['git://github.com/acme/tools.git', 'github.com', 'acme/tools'],
  ['https://www.github.com/acme/tools.git', 'github.com', 'acme/tools'],
  ['https://github.com./acme/tools', 'github.com', 'acme/tools'],
  ['https://github.com//acme//tools.git/', 'github.com', 'acme/tools'],
  ['https://me@example.org:token@github.com:443/acme/tools', 'github.com', 'acme/tools'],
  ['https://github.com/acme/to%6Fls.git', 'github.com', 'acme/tools'],
])('the remote %s is %s %s', (url, host, repository) => {
  expect(parseRemote(url)).toEqual({ host, repository });
});

test.each([
  '/srv/git/tools.git',
  '../tools',
  'file:///srv/acme/tools',
  'https://host/tools',
  'https://host/a/b/c',
  'https://host/a/..',
  'https:///a/b',
  'ext::sh -c touch% x',
  'foo::https://github.com/a/b',
  'ftp://github.com/a/b',
  'github.com/acme/tools',
  './odd:acme/tools',
  'https://host/a/b%2Fc',
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

test('a remote that git rewrites (insteadOf) is the one that git asks', async () => {
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

test('outside of a repository there is nothing to know', async () => {
  const dir = await tempDir();
  expect([await originOf(dir), await historyOf(dir), await tagsAtHead(dir)]).toEqual([undefined, [], []]);
});

test('the only remote counts under whatever name, and of several only origin', async () => {
  const { dir, git } = await sampleCheckout();
  await git('remote', 'rename', 'origin', 'upstream');
  expect(await originOf(dir)).toEqual({ host: 'github.com', repository: 'acme/tools' });
  await git('remote', 'add', 'fork', 'https://github.com/me/tools');
  expect(await originOf(dir)).toBeUndefined();
  expect(await whyNoOrigin(dir)).toMatch(/2 remotes \(fork, upstream\), and none is called origin/);
  await git('remote', 'add', 'origin', '/srv/tools.git');
  expect(await whyNoOrigin(dir)).toMatch(/the remote origin .* is not a repository on a GitHub server/);
});

test('what git pushes to is not where it fetches from', async () => {
  const { dir, git } = await sampleCheckout();
  await git('config', 'url.https://github.com/fork/.pushInsteadOf', 'git@github.com:acme/');
  expect(await originOf(dir)).toEqual({ host: 'github.com', repository: 'acme/tools' });
});

test('tags may have every character that git allows', async () => {
  const { dir, git } = await sampleCheckout();
  const tags = ['@acme/agent@1.2.0', 'v1#b', 'é-1', 'a,b', "it's", '%41', '$(x)'];
  for (const tag of tags) {
    await git('tag', tag);
  }
  expect((await tagsAtHead(dir)).toSorted()).toEqual(tags.toSorted());
});

test('of a linked working tree, a subdirectory and a link into one the checkout is known', async () => {
  const { dir, git } = await sampleCheckout();
  const linked = join(await tempDir(), 'linked');
  await git('worktree', 'add', '--quiet', linked);
  await fs.mkdir(join(linked, 'sub'));
  const link = join(await tempDir(), 'link');
  await fs.symlink(join(linked, 'sub'), link);
  for (const place of [dir, linked, join(linked, 'sub'), link]) {
    expect(await originOf(place)).toEqual({ host: 'github.com', repository: 'acme/tools' });
    expect(await historyOf(place)).toHaveLength(1);
  }
});

test.each([
  [
    'a gitdir that is gone',
    async (dir: string) => {
      await fs.rename(join(dir, '.git'), join(dir, 'moved'));
      await fs.writeFile(join(dir, '.git'), 'gitdir: /nowhere/at/all\n');
    },
  ],
  ['settings that cannot be read', (dir: string) => fs.appendFile(join(dir, '.git/config'), '[broken\n')],
  [
    'a format that is not known',
    (dir: string) => fs.appendFile(join(dir, '.git/config'), '[core]\nrepositoryformatversion = 9\n'),
  ],
  ['no HEAD', (dir: string) => fs.rm(join(dir, '.git/HEAD'))],
])('%s is told from no remote', async (_, breakIt) => {
  const { dir } = await sampleCheckout();
  await breakIt(dir);
  for (const ask of [originOf, tagsAtHead, historyOf]) {
    expect(await failureOf(ask(dir))).toMatchObject({
      code: 'git-failed',
      message: expect.stringContaining(`git refuses the checkout ${dir}: `),
    });
  }
});

test('a checkout before its first commit has neither history nor tags', async () => {
  const { dir, git } = await sampleCheckout();
  await git('checkout', '--quiet', '--orphan', 'fresh');
  expect([await historyOf(dir), await tagsAtHead(dir)]).toEqual([[], []]);
  expect(await originOf(dir)).toMatchObject({ repository: 'acme/tools' });
});

test('a commit that this clone does not have is told from one without differences', async () => {
  const { dir } = await sampleCheckout();
  const inputs = { context: dir, entries: [], covers: () => false };
  expect(await differencesSince('f'.repeat(40), inputs)).toMatchObject({ knowsCommit: false });
  const outside = { ...inputs, context: await tempDir() };
  expect(await differencesSince('f'.repeat(40), outside)).toBeUndefined();
});
