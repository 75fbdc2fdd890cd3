import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { readBuildInputs } from '../../src/context/build-inputs.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli, startCli } from '../helpers/cli.ts';
import { fixedEngine } from '../helpers/fixed-engine.ts';
import { type HostileCheckout, hostileCheckout, nestedBareCheckout } from '../helpers/hostile-checkout.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** Every verb that is about a checkout. What they end with is not the question here, but none may end with a bug. */
async function runEveryVerb({ dir }: Pick<HostileCheckout, 'dir'>, sidecar: string): Promise<string[]> {
  const home = await tempDir();
  const env = {
    HOME: home,
    GH_TOKEN: 'ghp_secret',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    DOCKER_HOST: 'tcp://127.0.0.1:1',
  };
  const context = ['--context', dir];
  const against = ['--against', `${sidecar}.json`];
  const from = ['--from', `file:${sidecar}`];
  const commands = [
    ['key', ...context],
    ['key', ...context, '--explain', ...against],
    ['fetch', ...context, ...from, '--no-bind'],
    ['fetch', ...context, '--from', 'release:v1', '--no-bind'],
    ['fetch', ...context, '--no-bind', '--dry-run'],
    ['lock', ...context, ...from],
    ['pack', ...context, '--no-kvm-check'],
    ['bind', ...context],
    ['path', ...context],
    ['verify', ...context, sidecar],
    ['export', ...context, '--out', join(home, 'out')],
    ['doctor'],
  ];
  const results = await Promise.all(commands.map((command) => runCli(command, env)));
  return results.flatMap(({ exitCode, stderr }, index) =>
    exitCode === 70 ? `${commands[index]?.[0]}: ${stderr}` : [],
  );
}

test('no verb has a program run that the checkout chose', { timeout: 300_000 }, async () => {
  const other = await publishFile(await sampleCheckout());
  const record = JSON.parse(await fs.readFile(`${other.path}.json`, 'utf8'));
  for (const hostile of [await hostileCheckout(), await nestedBareCheckout()]) {
    record.source.commit = await hostile.git('-c', 'core.fsmonitor=false', 'rev-parse', 'HEAD');
    await fs.writeFile(`${other.path}.json`, JSON.stringify(record));
    expect(await hostile.ran()).toEqual([]);
    expect(await runEveryVerb(hostile, other.path)).toEqual([]);
    expect(await hostile.ran()).toEqual([]);
  }
});

test('the same checkouts do run their programs when git is asked as usual', async () => {
  const plain = (dir: string, ...args: string[]) => spawnSync('git', ['-C', dir, ...args]);
  const { dir, ran } = await hostileCheckout();
  plain(dir, 'status');
  plain(dir, 'log', '-1');
  plain(dir, 'diff', 'HEAD');
  plain(dir, 'cat-file', '-p', 'HEAD:README.md');
  plain(dir, 'ls-remote', 'ssh://nowhere.invalid/x');
  const marks = await ran();
  const needed = ['fsmonitor', 'ext', 'process', 'sshCommand', '--keyid-format=long'];
  expect(needed.filter((name) => !marks.some((mark) => mark.endsWith(name)))).toEqual([]);
  const nested = await nestedBareCheckout();
  plain(nested.dir, 'log', '-p');
  expect(await nested.ran()).not.toEqual([]);
});

test('no docker build has buildx ask git about the checkout', { timeout: 240_000 }, async () => {
  const usual = await nestedWorkTree();
  const engine = await buildxEngine();
  spawnSync('docker', ['build', usual.dir], { env: { ...process.env, ...engine.env } });
  expect(await usual.ran(), 'what buildx does by itself').not.toEqual([]);

  const { dir, ran } = await nestedWorkTree();
  const { path } = await publishFile({ ...(await sampleCheckout()), inputs: () => inputsOf(dir) });
  const checkout = ['--context', dir, '--repo', 'acme/tools'];
  const settings = { HOME: await tempDir(), BUILDX_GIT_LABELS: 'full', BUILDX_GIT_CHECK_DIRTY: '1' };
  const commands = [
    ['fetch', ...checkout, '--from', `file:${path}`],
    ['bind', ...checkout],
    ['exec', ...checkout, '--', 'true'],
    ['pack', '--context', dir, '--no-kvm-check'],
  ];
  for (const command of commands) {
    const { exitCode, stderr } = await runCli(command, { ...engine.env, ...settings });
    expect(exitCode, stderr).toBe(0);
  }
  expect(await engine.builds()).toBe(1 + commands.length);
  expect(await ran()).toEqual([]);
});

/** A directory in a nested bare repository that calls itself a work tree, and whose commit a promisor would have to bring. */
async function nestedWorkTree(): Promise<HostileCheckout> {
  const nested = await nestedBareCheckout();
  const head = spawnSync('git', ['--git-dir', nested.dir, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
  const hash = head.stdout.trim();
  await fs.rm(join(nested.dir, 'objects', hash.slice(0, 2), hash.slice(2)));
  await fs.appendFile(join(nested.dir, 'config'), '[core]\n  bare = false\n  worktree = .\n');
  const dir = join(nested.dir, 'agent');
  await fs.mkdir(dir);
  for (const name of ['Dockerfile', 'agent.txt']) {
    await fs.rename(join(nested.dir, name), join(dir, name));
  }
  expect(await nested.ran()).toEqual([]);
  return { ...nested, dir };
}

/** A `docker` that does at the beginning of a build what buildx does: it asks git which commit the context is of. */
async function buildxEngine() {
  const engine = await fixedEngine(`sha256:${'1'.repeat(64)}`);
  const bin = await tempDir();
  const log = join(bin, 'builds');
  const lines = [
    '#!/bin/sh',
    `PATH='${engine.env.PATH}'`,
    'for context; do :; done',
    `[ "$1" = build ] && echo "$context" >> '${log}'`,
    'if [ "$1" = build ] && { [ "$BUILDX_GIT_INFO" != false ] || [ -n "$BUILDX_GIT_LABELS" ]; }; then',
    '  git -C "$context" -c log.showSignature=false show --format=%H HEAD --quiet',
    '  [ -n "$BUILDX_GIT_CHECK_DIRTY" ] && git -C "$context" status --porcelain --ignored',
    'fi >/dev/null 2>&1',
    'exec docker "$@"',
  ];
  await fs.writeFile(join(bin, 'docker'), `${lines.join('\n')}\n`, { mode: 0o755 });
  return {
    env: { ...engine.env, PATH: [bin, engine.env.PATH].join(delimiter) },
    builds: async () => (await fs.readFile(log, 'utf8')).split('\n').length - 1,
  };
}

async function inputsOf(context: string) {
  const { record } = await readBuildInputs({ context, buildArgs: [], platform: 'linux/amd64' });
  return record;
}

test('a program in the checkout is not run because PATH has the working directory', {
  timeout: 240_000,
}, async () => {
  const checkout = await sampleCheckout();
  const marks = await tempDir();
  for (const name of ['git', 'docker', 'smolvm', 'gh', 'ssh', 'ps']) {
    const script = `#!/bin/sh\n: > '${marks}/${name}'\nexit 1\n`;
    await fs.writeFile(join(checkout.dir, name), script, { mode: 0o755 });
  }
  await checkout.git('remote', 'set-url', 'origin', 'git@work:acme/tools.git');
  const { path } = await publishFile(checkout);
  const tools = await tempDir();
  await fs.symlink('/usr/bin/git', join(tools, 'git'));
  // With a blank entry, a dot and a relative directory; and as nothing but the working directory.
  for (const PATH of [['', '.', './', '../checkout', tools].join(delimiter), '.', '']) {
    const env = {
      HOME: await tempDir(),
      GH_TOKEN: '',
      GITHUB_TOKEN: '',
      HTTPS_PROXY: 'http://127.0.0.1:9',
      PATH,
    };
    for (const command of [
      ['key', '--explain'],
      ['fetch', '--from', `file:${path}`],
      ['fetch', '--dry-run'],
      ['pack', '--no-kvm-check'],
      ['bind'],
      ['path'],
      ['doctor'],
    ]) {
      const { exitCode, stderr } = await runCli(command, env, checkout.dir);
      expect(exitCode, stderr).not.toBe(70);
    }
  }
  expect(await fs.readdir(marks)).toEqual([]);
});

test('a signal ends key while git is busy with the patterns of the checkout', {
  timeout: 240_000,
}, async () => {
  const { dir, commit } = await sampleCheckout('FROM scratch\nCOPY . /\n');
  const deep = join(dir, 'a/'.repeat(60));
  await fs.mkdir(deep, { recursive: true });
  await fs.writeFile(join(deep, 'file'), '');
  await commit();
  await fs.writeFile(join(dir, '.gitattributes'), `${'**/a/'.repeat(12)}b filter=lfs\n`);
  const { process: child, ended } = startCli(['key', '--context', dir], { HOME: await tempDir() });
  const isAsked = () => gitChildren(child.pid).some((line) => line.includes('attr:filter=lfs'));
  let result: CliResult | undefined;
  void ended.then((found) => {
    result = found;
  });
  await vi.waitUntil(() => result !== undefined || isAsked(), { timeout: 120_000 });
  child.kill('SIGTERM');
  // Long before the minute that git is waited for. A git that matches such patterns well may be done already.
  const stopped = ended.then(({ exitCode }) => exitCode);
  const code = await Promise.race([stopped, sleep(30_000, 'still busy')]);
  expect([143, result?.exitCode]).toContain(code);
});

/** The command lines of the git processes that a process has started. */
function gitChildren(pid: number | undefined): string[] {
  const { stdout } = spawnSync('ps', ['--ppid', String(pid), '-o', 'args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.startsWith('git '));
}

test('no other part of the product starts git', async () => {
  const root = join(import.meta.dirname, '../../src');
  const files = await fs.readdir(root, { recursive: true });
  const starters: string[] = [];
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const text = await fs.readFile(join(root, file), 'utf8');
    if (
      /['"`](?:\/usr\/bin\/)?git['"`]\s*,\s*\[/.test(text) ||
      /\b(?:exec|spawn)\w*\(\s*['"`]git\b/.test(text)
    ) {
      starters.push(file);
    }
  }
  expect(starters).toEqual(['git/command.ts']);
});
