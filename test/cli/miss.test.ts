import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const PACK = 'claude-bottle pack  # pack it here, takes minutes';

interface Miss {
  readonly code: string;
  readonly exit: number;
  readonly message: string;
  readonly try: readonly string[];
  readonly details: readonly string[];
}

async function fetchIn(dir: string, ...args: string[]): Promise<CliResult> {
  const options = ['--context', dir, '--platform', 'linux/amd64', '--no-bind'];
  return await runCli(['fetch', ...options, ...args], {
    HOME: await tempDir(),
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    HTTPS_PROXY: 'http://127.0.0.1:9',
  });
}

async function missIn(dir: string, ...args: string[]): Promise<Miss> {
  return JSON.parse((await fetchIn(dir, ...args, '--json')).stdout);
}

describe('a miss begins with its cause', () => {
  /** A fetch from a registry that has nothing. */
  async function missed(change: (checkout: Checkout) => Promise<unknown>): Promise<Miss> {
    const registry = await startServer((_, response) => response.writeHead(404).end());
    const checkout = await sampleCheckout();
    await checkout.git('update-ref', 'refs/remotes/origin/main', 'HEAD');
    await change(checkout);
    return await missIn(checkout.dir, '--from', `oci:${registry.host}/acme/tools/smolmachine`);
  }

  test('which is a file that is not committed', async () => {
    const miss = await missed(({ dir }) => fs.writeFile(join(dir, 'agent.txt'), 'changed\n'));
    expect(miss).toMatchObject({
      code: 'not-found',
      exit: 66,
      message: 'agent.txt has changed and is not committed, so nothing is published for this checkout',
      try: ['git stash  # or commit it', PACK],
    });
    expect(miss.details.at(-1)).toMatch(/^inputs key [0-9a-f]{16}, linux\/amd64$/);
  });

  test('which is one of several files', async () => {
    const { message, details } = await missed(async ({ dir }) => {
      await fs.writeFile(join(dir, 'agent.txt'), 'changed\n');
      await fs.appendFile(join(dir, 'Dockerfile'), 'COPY new.txt /\n');
      await fs.writeFile(join(dir, 'new.txt'), 'new\n');
    });
    expect(message).toMatch(/^(agent|new)\.txt .* \(and 1 more\), so nothing is published/);
    expect(details).toContain('- agent.txt has changed and is not committed: git stash  # or commit it');
  });

  test('which is a commit that is not pushed', async () => {
    const miss = await missed(async ({ dir, commit }) => {
      await fs.writeFile(join(dir, 'agent.txt'), 'changed\n');
      await commit();
    });
    expect(miss.message).toMatch(/^commit [0-9a-f]{12} is not pushed, so CI cannot have packed it$/);
    expect(miss.try).toEqual(['git push', PACK]);
  });

  test('which is a commit that CI has not published', async () => {
    const miss = await missed(async () => {});
    expect(miss.message).toMatch(/^nothing is published for commit [0-9a-f]{12} yet$/);
    expect(miss.try).toEqual(['gh run list  # is CI still packing it?', PACK]);
  });

  test('which is a directory without a repository', async () => {
    const dir = await tempDir();
    await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\n');
    expect(await missIn(dir)).toMatchObject({
      exit: 66,
      message: 'this is not a git checkout',
      try: ['claude-bottle fetch --repo OWNER/NAME', PACK],
    });
  });

  test('which is a missing token, for the artifacts of a run', async () => {
    const { dir } = await sampleCheckout();
    expect(await missIn(dir, '--from', 'run:1')).toMatchObject({
      code: 'authentication',
      exit: 77,
      message: 'workflow artifacts need a GitHub token, even in public repositories',
      try: ['gh auth login  # or set GH_TOKEN', PACK],
    });
  });

  test('which is the difference from the sidecar that was named', async () => {
    const checkout = await sampleCheckout();
    const { path } = await publishFile(checkout);
    const args = ['--context', checkout.dir, '--platform', 'linux/amd64', '--from', `file:${path}`];
    const result = await runCli(['fetch', ...args, '--build-arg', 'A=1'], { HOME: await tempDir() });
    expect(result.exitCode).toBe(66);
    expect(result.stderr).toMatch(
      /error: the build arguments are set here, and not set where it was packed, so nothing is published/,
    );
  });
});

test('commands to try stand below each other, with their comments in one column', async () => {
  const { dir } = await sampleCheckout();
  const { stderr } = await fetchIn(dir, '--offline');
  expect(stderr).toMatch(
    /\n {2}try: claude-bottle fetch {2}# without --offline\n {7}claude-bottle pack {3}# pack it here, takes minutes\n$/,
  );
});

test('a name cannot add a line of its own to what is to be tried', async () => {
  const { dir, git } = await sampleCheckout('FROM scratch\nCOPY . /\n');
  await fs.writeFile(join(dir, '.dockerignore'), '.git\n');
  const name = 'x\n       rm -rf $HOME';
  await fs.writeFile(join(dir, name), '');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'a name');
  await fs.rm(join(dir, name));
  const registry = await startServer((_, response) => response.writeHead(404).end());
  const { stderr } = await fetchIn(dir, '--from', `oci:${registry.host}/acme/tools/smolmachine`);
  expect(stderr).toContain('\\u000a       rm -rf');
  expect(stderr).not.toMatch(/^ *rm -rf/m);
});

describe('a source that was named is not passed over in silence', () => {
  test('when the store has the sidecar', async () => {
    const checkout = await sampleCheckout();
    const { path } = await publishFile(checkout);
    const args = ['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--no-bind', '--from'];
    const env = { HOME: await tempDir() };
    expect((await runCli([...args, `file:${path}`], env)).exitCode).toBe(0);
    const again = await runCli([...args, `file:${path}`], env);
    expect(again).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(`so file:${path} was not read`),
    });
    const missing = await runCli([...args, 'file:/no/such/file'], env);
    expect(missing).toMatchObject({
      exitCode: 66,
      stderr: expect.stringContaining('there is no file /no/such/file'),
    });
  });

  test('when it has a sidecar of other inputs', async () => {
    const checkout = await sampleCheckout();
    const { path } = await publishFile(checkout);
    await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
    const { exitCode, stderr } = await fetchIn(checkout.dir, '--from', `file:${path}`);
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toMatch(
      /warning: packed from other inputs than this checkout has: agent\.txt has changed and is not committed/,
    );
  });
});

test.each([
  ['ghcr.io/acme/agent', 'oci:ghcr.io/acme/agent'],
  ['v1.2.0', 'release:v1.2.0'],
  ['16588214931', 'run:16588214931'],
  ['./agent.smolmachine', 'file:./agent.smolmachine'],
])('--from %s is answered with %s, before anything is read', async (text, meant) => {
  expect(await fetchIn('/no/such/directory', '--from', text)).toMatchObject({
    exitCode: 64,
    stderr: expect.stringContaining(`(did you mean ${meant}?)`),
  });
});
