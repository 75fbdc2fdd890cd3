import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { type PublishedFile, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

/** A checkout with a sidecar for each platform, of which the first is locked. */
async function world() {
  const checkout = await sampleCheckout();
  const home = await tempDir();
  const path = join(checkout.dir, 'claude-bottle.lock');
  const published = async () => ({
    amd64: await publishFile(checkout, 'linux/amd64'),
    arm64: await publishFile(checkout, 'linux/arm64'),
  });
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const repository = github.addRepository('acme/tools');
  let releases = 0;
  const lock = async ({ path: file, record }: PublishedFile, ...args: string[]) => {
    releases += 1;
    const name = publishedName(record.platform, parseInputsKey(record.inputs?.key ?? ''));
    repository.addRelease(`v${releases}`, {
      [name]: await fs.readFile(file),
      [`${name}.json`]: await fs.readFile(`${file}.json`),
    });
    const command = ['lock', '--context', checkout.dir, '--from', `release:v${releases}`, ...args];
    const result = await runCli(command, { HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '', ...github.env });
    expect(result.exitCode, result.stderr).toBe(0);
    return result;
  };
  const locked = async () => JSON.parse(await fs.readFile(path, 'utf8')).platforms;
  const { amd64, arm64 } = await published();
  await lock(amd64, '--platform', 'linux/amd64');
  return { checkout, path, published, lock, locked, amd64, arm64 };
}

test('what is locked for another platform stays when one is locked again', async () => {
  const { lock, locked, amd64, arm64 } = await world();
  const before = await locked();
  const { stdout } = await lock(arm64, '--platform', 'linux/arm64');
  const after = await locked();
  expect(Object.keys(after)).toEqual(PLATFORMS);
  expect(after['linux/amd64']).toEqual(before['linux/amd64']);
  expect(after['linux/arm64'].sha256).toBe(arm64.record.sidecar.sha256);
  expect(stdout).toContain(amd64.record.sidecar.sha256);
});

test('what a source lacks now stays too', async () => {
  const { lock, locked, arm64 } = await world();
  await lock(arm64);
  expect(Object.keys(await locked())).toEqual(PLATFORMS);
});

test('what was locked for other inputs goes, and that is said', async () => {
  const { checkout, published, lock, locked } = await world();
  await fs.writeFile(join(checkout.dir, 'agent.txt'), 'changed\n');
  const { arm64 } = await published();
  const { stderr } = await lock(arm64, '--platform', 'linux/arm64');
  expect(Object.keys(await locked())).toEqual(['linux/arm64']);
  expect(stderr).toMatch(/no longer locked: linux\/amd64/);
});

test('a lock file that is not valid is replaced, and that is said', async () => {
  const { path, lock, locked, arm64 } = await world();
  await fs.writeFile(path, '<<<<<<< conflict');
  const { stderr } = await lock(arm64, '--platform', 'linux/arm64');
  expect(Object.keys(await locked())).toEqual(['linux/arm64']);
  expect(stderr).toMatch(/is not a lock file of version 1.*writing a new one/);
});
