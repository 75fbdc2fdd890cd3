import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** Nobody answers: what counts is who is asked, and what is said of it. */
async function cli(
  command: string,
  { dir }: Checkout,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
) {
  const home = await tempDir();
  return await runCli([command, '--context', dir, ...args], {
    HOME: home,
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    ...env,
  });
}

const dryRun = async (
  checkout: Checkout,
  env: NodeJS.ProcessEnv = {},
  ...args: string[]
): Promise<CliResult> => await cli('fetch', checkout, ['--dry-run', '--no-bind', ...args], env);

describe.runIf(process.getuid?.() === 0)('a checkout of another user', () => {
  async function foreign(): Promise<Checkout> {
    const checkout = await sampleCheckout();
    await fs.chown(checkout.dir, 12_345, 12_345);
    await fs.chown(join(checkout.dir, '.git'), 12_345, 12_345);
    return checkout;
  }

  test('is trusted where the settings of GIT_CONFIG_GLOBAL say so', async () => {
    const checkout = await foreign();
    const settings = join(await tempDir(), 'settings');
    await fs.writeFile(settings, `[safe]\n\tdirectory = ${checkout.dir}\n`);
    expect((await dryRun(checkout, { GIT_CONFIG_GLOBAL: settings })).exitCode).toBe(69);
    expect((await dryRun(checkout, { GIT_CONFIG_SYSTEM: settings })).exitCode).toBe(69);
    expect((await dryRun(checkout, { GIT_CONFIG_SYSTEM: settings, GIT_CONFIG_NOSYSTEM: '1' })).exitCode).toBe(
      78,
    );
  });

  test('is trusted where the environment says so, and nothing else of those settings counts', async () => {
    const checkout = await foreign();
    const { exitCode, stderr } = await dryRun(checkout, {
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'url.https://github.com/evil/.insteadOf',
      GIT_CONFIG_VALUE_0: 'git@github.com:acme/',
      GIT_CONFIG_KEY_1: 'safe.directory',
      GIT_CONFIG_VALUE_1: '*',
    });
    expect(exitCode, stderr).toBe(69);
    expect(stderr).not.toContain('evil');
  });

  test('is not asked for what --repo names', async () => {
    const checkout = await foreign();
    expect((await dryRun(checkout)).exitCode).toBe(78);
    const { exitCode, stderr } = await dryRun(checkout, {}, '--repo', 'acme/tools');
    expect(exitCode, stderr).toBe(69);
    expect((await cli('path', checkout, ['--repo', 'acme/tools'])).exitCode).toBe(66);
  });
});

test('a worktree whose repository is not there, as in a container, can be named by --repo', async () => {
  const checkout = await sampleCheckout();
  await fs.rm(join(checkout.dir, '.git'), { recursive: true });
  await fs.writeFile(join(checkout.dir, '.git'), 'gitdir: /host/repository/.git/worktrees/agent\n');
  const refused = await dryRun(checkout);
  expect(refused.exitCode, refused.stderr).toBe(78);
  expect(refused.stderr).toMatch(/not a git repository: \/host\/repository/);
  expect((await dryRun(checkout, {}, '--repo', 'acme/tools')).exitCode).toBe(69);
});

test('a checkout that a newer git has made is told from a broken one', async () => {
  const checkout = await sampleCheckout();
  await checkout.git('config', 'core.repositoryFormatVersion', '1');
  await checkout.git('config', 'extensions.notYetKnown', 'true');
  const { exitCode, stderr } = await dryRun(checkout);
  expect(exitCode, stderr).toBe(78);
  expect(stderr).toMatch(/unknown repository extension found: notyetknown\n {2}try: update git/);
});

test('a clone of a fork is told of its other remotes', async () => {
  const checkout = await sampleCheckout();
  await checkout.git('remote', 'set-url', 'origin', 'git@github.com:me/tools.git');
  await checkout.git('remote', 'add', 'upstream', 'https://user:secret@github.com/acme/tools.git');
  const { stderr } = await dryRun(checkout);
  expect(stderr).toMatch(/the remote upstream was not asked; if it is meant: --repo acme\/tools/);
  expect(stderr).not.toContain('secret');
  expect((await dryRun(checkout, {}, '--repo', 'acme/tools')).stderr).not.toContain('upstream');
});

test.each([
  ['/srv/git/tools.git', '/srv/git/tools.git'],
  ['https://user:secret@git.example/group/sub/tools?token=secret', 'https://git.example/group/sub/tools'],
  ['git@git.example:tools', 'git.example:tools'],
])('the remote %s, which is not on a GitHub server, is shown', async (url, shown) => {
  const checkout = await sampleCheckout();
  await checkout.git('remote', 'set-url', 'origin', url);
  const { exitCode, stderr } = await dryRun(checkout);
  expect(exitCode, stderr).toBe(66);
  expect(stderr).toContain(`the remote origin of this checkout (${shown}) is not a repository`);
  expect(stderr).not.toContain('secret');
});

test('the file of the rule that ignores a name is told', async () => {
  const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
  const { dir } = checkout;
  const settings = join(await tempDir(), 'settings');
  await fs.writeFile(`${settings}.ignore`, '.DS_Store\n');
  await fs.writeFile(settings, `[core]\n\texcludesFile = ${settings}.ignore\n`);
  await fs.mkdir(join(dir, 'sub/cache'), { recursive: true });
  await fs.writeFile(join(dir, '.dockerignore'), '.git\n');
  await fs.writeFile(join(dir, 'sub/.gitignore'), 'cache/\n');
  await fs.writeFile(join(dir, 'sub/file'), '');
  await checkout.commit();
  await fs.appendFile(join(dir, '.git/info/exclude'), 'mine\n');
  for (const name of ['.DS_Store', 'mine', 'sub/cache/a']) {
    await fs.writeFile(join(dir, name), '');
  }
  const { stderr } = await cli('key', checkout, [], { GIT_CONFIG_GLOBAL: settings });
  expect(stderr).toContain('.DS_Store is ignored by git (core.excludesFile)');
  expect(stderr).toContain('mine is ignored by git (.git/info/exclude)');
  expect(stderr).toContain('sub/cache is ignored by git (sub/.gitignore)');
});

test('a conversion that git does in every clone is not a difference', async () => {
  const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
  const { dir, git, commit } = checkout;
  await fs.writeFile(join(dir, '.dockerignore'), '.git\n');
  await fs.writeFile(
    join(dir, '.gitattributes'),
    '*.c ident\n*.reg text working-tree-encoding=UTF-16LE-BOM\n',
  );
  await fs.writeFile(join(dir, 'main.c'), '/* $Id$ */\n');
  await fs.writeFile(join(dir, 'keys.reg'), `\uFEFFkeys\n`, 'utf16le');
  await commit();
  const { path } = await publishFile(checkout);
  await fs.rm(join(dir, 'main.c'));
  await git('checkout', '--', 'main.c');
  expect(await fs.readFile(join(dir, 'main.c'), 'utf8')).toMatch(/\$Id: [0-9a-f]+ \$/);
  await fs.writeFile(join(dir, 'README.md'), 'changed\n');
  const { stdout } = await cli('key', checkout, ['--platform', 'linux/amd64', '--against', `${path}.json`]);
  expect(stdout).toContain('README.md has changed');
  expect(stdout).not.toMatch(/main\.c|keys\.reg/);
});

test('a clone of every shape has the same key, and nothing of its own', async () => {
  const origin = await sampleCheckout('FROM scratch\nCOPY . /\n');
  await fs.writeFile(join(origin.dir, '.dockerignore'), '.git\n');
  await fs.mkdir(join(origin.dir, 'sub'));
  await fs.writeFile(join(origin.dir, 'sub/file'), '');
  await origin.commit();
  await origin.git('config', 'uploadpack.allowFilter', 'true');
  const place = await tempDir();
  const clone = async (name: string, ...options: string[]) => {
    await origin.git('clone', '--quiet', ...options, `file://${origin.dir}`, join(place, name));
    return name;
  };
  const names = [
    await clone('shallow', '--depth', '1'),
    await clone('blobless', '--filter=blob:none'),
    await clone('treeless', '--filter=tree:0'),
    await clone('detached'),
    await clone('full-cone', '--sparse'),
    'worktree',
  ];
  await clone('bare', '--bare');
  await origin.git('-C', join(place, 'bare'), 'worktree', 'add', '--quiet', join(place, 'worktree'), 'main');
  await origin.git('-C', join(place, 'detached'), 'checkout', '--quiet', '--detach');
  await origin.git(
    '-C',
    join(place, 'full-cone'),
    'sparse-checkout',
    'set',
    '--cone',
    '--sparse-index',
    'sub',
  );
  const { stdout: key } = await cli('key', origin);
  for (const name of names) {
    const dir = join(place, name);
    expect(await cli('key', { ...origin, dir })).toEqual({ exitCode: 0, stdout: key, stderr: '' });
  }
});
