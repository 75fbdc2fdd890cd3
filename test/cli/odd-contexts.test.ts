import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const LONG = 'n'.repeat(256);

async function context(dockerfile = 'FROM scratch\nCOPY . /\n'): Promise<string> {
  const dir = await tempDir();
  await fs.writeFile(join(dir, 'Dockerfile'), dockerfile);
  return dir;
}

test.each(['Dockerfile', '.dockerignore', 'Dockerfile.dockerignore'])(
  'a %s that is a link to an endless device is not read',
  async (name) => {
    const dir = await context();
    await fs.rm(join(dir, name), { force: true });
    await fs.symlink('/dev/zero', join(dir, name));
    const { exitCode, stderr } = await runCli(['key', '--context', dir]);
    expect(exitCode, stderr).toBe(64);
    expect(stderr).toMatch(new RegExp(`${name} (is a symlink that leads out|is not a regular file)`));
  },
);

test('an endless or a large Dockerfile that is named is refused', async () => {
  const dir = await context();
  expect(await runCli(['key', '--context', dir, '--file', '/dev/zero'])).toMatchObject({
    exitCode: 64,
    stderr: expect.stringMatching(/\/dev\/zero is not a regular file of at most 1048576 bytes/),
  });
  await fs.writeFile(join(dir, 'Dockerfile'), `FROM scratch\n#${'x'.repeat(2 ** 20)}\n`);
  expect(await runCli(['key', '--context', dir])).toMatchObject({ exitCode: 64 });
});

test('a lock file that is a link to an endless device is not read', async () => {
  const { dir } = await sampleCheckout();
  await fs.symlink('/dev/zero', join(dir, 'claude-bottle.lock'));
  expect(await runCli(['fetch', '--context', dir, '--locked', '--no-bind'])).toMatchObject({
    exitCode: 65,
    stderr: expect.stringMatching(/claude-bottle\.lock is not a regular file of at most 65536 bytes/),
  });
});

test.each<[string, string, number[]]>([
  ['record', '.json', [65, 0]],
  ['signature', '.sigstore.json', [65, 65]],
  ['frame index', '.frames', [0, 0]],
])('a %s beside a sidecar that is a link to an endless device is not read', async (_, suffix, exits) => {
  const checkout = await sampleCheckout();
  const { path } = await publishFile(checkout);
  await fs.rm(path + suffix, { force: true });
  await fs.symlink('/dev/zero', path + suffix);
  const env = { HOME: await tempDir(), GH_TOKEN: '', GITHUB_TOKEN: '' };
  const place = ['--context', checkout.dir];
  const fetch = ['fetch', ...place, '--platform', 'linux/amd64', '--from', `file:${path}`, '--no-bind'];
  for (const [index, args] of [fetch, ['verify', ...place, path]].entries()) {
    const { exitCode, stderr } = await runCli(args, env);
    expect(exitCode, stderr).toBe(exits[index]);
    if (exitCode !== 0) {
      expect(stderr).toContain(`${path}${suffix} is not a regular file of at most`);
    }
  }
});

test.each([
  ['key', '--context', LONG],
  ['key', '--file', LONG],
  ['path', '--context', join(LONG, 'x')],
  ['fetch', '--context', LONG, '--no-bind'],
  ['verify', LONG],
  ['inspect', LONG],
  ['key', '--context', `${'d/'.repeat(3000)}x`],
])('a name that is too long is an error of its user: %s', async (...args: string[]) => {
  const { exitCode, stderr } = await runCli(args);
  expect(exitCode, stderr).toBe(64);
  expect(stderr).toMatch(/too long[\s\S]*try: use names of at most 255 bytes/);
});

test('a Dockerfile whose own ignore file could have no name is built without one', async () => {
  const dir = await context();
  const name = `${'n'.repeat(250)}`;
  await fs.rename(join(dir, 'Dockerfile'), join(dir, name));
  const { exitCode, stderr } = await runCli(['key', '--context', dir, '--file', join(dir, name)]);
  expect(exitCode, stderr).toBe(0);
});

test('a working directory that was deleted is named as the cause', async () => {
  const dir = await tempDir();
  const node = [process.execPath, MAIN].join("' '");
  const script = (args: string) => `mkdir gone && cd gone && rmdir ../gone && '${node}' ${args}`;
  for (const args of ['key', 'path', 'pack', 'fetch --no-bind']) {
    const { status, stderr } = spawnSync('sh', ['-c', script(args)], {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, HOME: dir },
    });
    expect(stderr).toMatch(
      /the working directory has been deleted\n {2}try: change to a directory that exists/,
    );
    expect(status).toBe(66);
  }
});

test.each([
  ['that is missing', '/nowhere/at/all'],
  ['that is relative and missing', 'no/such/directory'],
  ['that is a file', '/etc/passwd'],
])('a TMPDIR %s is named with what to do', async (_, tmp) => {
  const dir = await context();
  const docker = await fakeDocker(dir, '*', 'exit 0');
  const env = { TMPDIR: tmp, HOME: dir, ...docker.env };
  const { exitCode, stderr } = await runCli(['pack', '--context', dir, '--no-kvm-check'], env);
  expect(exitCode, stderr).toBe(73);
  expect(stderr).toMatch(/there is no directory \/.* for working files\n {2}try: make it, .* TMPDIR/);
});

test('odd names of the checkout, of HOME and of TMPDIR are names like others', async () => {
  const checkout = await sampleCheckout();
  const { path } = await publishFile(checkout);
  const odd = join(await tempDir(), `it's "a b"\n$HOME é`);
  await fs.cp(checkout.dir, join(odd, 'checkout'), { recursive: true });
  await fs.mkdir(join(odd, 'tmp'));
  const env = { HOME: odd, TMPDIR: join(odd, 'tmp') };
  const args = ['--context', join(odd, 'checkout'), '--platform', 'linux/amd64'];
  const fetched = await runCli(['fetch', ...args, '--from', `file:${path}`, '--no-bind'], env);
  expect(fetched.exitCode, fetched.stderr).toBe(0);
  expect(await runCli(['path', ...args], env)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await fs.readdir(join(odd, 'tmp'))).toEqual([]);
});

test('two agents of one repository are told apart', async () => {
  const { dir, commit, git } = await sampleCheckout();
  for (const agent of ['one', 'two']) {
    await fs.mkdir(join(dir, 'agents', agent), { recursive: true });
    await fs.writeFile(join(dir, 'agents', agent, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  }
  await fs.writeFile(join(dir, '.gitignore'), '*.log\n');
  await commit();
  await fs.writeFile(join(dir, 'agents/one/a.log'), '');
  await git('rm', '--quiet', '-r', '--cached', 'agents/two');
  const one = await runCli(['key', '--context', join(dir, 'agents/one')]);
  expect(one.stderr.match(/only in this clone: .*/g)).toEqual([
    expect.stringMatching(/: a\.log is ignored by git/),
  ]);
  const two = await runCli(['key', '--context', join(dir, 'agents/two')]);
  expect(two.stderr).toMatch(/only in this clone: .*not tracked by git/);
});

test('a name that is not UTF-8 is told with its place, and may be in what is ignored', async () => {
  const dir = await context();
  await fs.mkdir(join(dir, 'data'));
  await fs.writeFile(Buffer.concat([Buffer.from(`${dir}/data/a`), Buffer.from([0xff])]), '');
  const refused = await runCli(['key', '--context', dir]);
  expect(refused.exitCode).toBe(74);
  expect(refused.stderr).toMatch(
    /the directory data holds a name that is not UTF-8: a\uFFFD\n {2}try: rename it/,
  );
  await fs.writeFile(join(dir, '.dockerignore'), 'data\n');
  expect((await runCli(['key', '--context', dir])).exitCode).toBe(0);
});
