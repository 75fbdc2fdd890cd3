import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ASSET_HOST, GithubProxy } from '../doubles/github-proxy.ts';
import { callInChild, type ModuleResult } from '../helpers/module-child.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const VERSION = '1.9.1';
const PLATFORM = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x86_64';

let dir: string;
let canary: string;
let github: GithubProxy;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  dir = await tempDir();
  await fs.mkdir(join(dir, 'temp'));
  canary = join(dir, 'canary');
  github = await GithubProxy.start(dir);
  onTestFinished(() => github.stop());
  env = {
    ...github.clientEnv,
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: join(dir, 'temp'),
    RUNNER_TOOL_CACHE: join(dir, 'tools'),
    // What a careless client could send along.
    GITHUB_TOKEN: 'ghs_secret',
    INPUT_GITHUB_TOKEN: 'ghs_secret',
  };
});

function assetPath(version: string, platform = PLATFORM): string {
  return `/smol-machines/smolvm/releases/download/v${version}/smolvm-${version}-${platform}.tar.gz`;
}

/** Puts a release on the double, whose smolvm leaves a canary when it runs; returns its hash. */
async function publish(
  version: string,
  { says = version, build = '', platform = PLATFORM } = {},
): Promise<string> {
  const name = `smolvm-${version}-${platform}`;
  const root = join(dir, `release${build}`);
  await fs.mkdir(join(root, name, 'lib'), { recursive: true });
  const script = `#!/bin/sh\n# ${build}\necho ran >> '${canary}'\necho 'smolvm ${says}'\n`;
  await fs.writeFile(join(root, name, 'smolvm'), script, { mode: 0o755 });
  await fs.rm(join(root, name, 'lib/libkrun.so'), { force: true });
  await fs.symlink('libkrun.so.1', join(root, name, 'lib/libkrun.so'));
  const tarball = execFileSync('tar', ['-cz', '-C', root, name]);
  github.assets.set(assetPath(version, platform), tarball);
  return createHash('sha256').update(tarball).digest('hex');
}

async function install(release: { version: string; sha256?: string }, more: NodeJS.ProcessEnv = {}) {
  return await callInChild(
    'src/action/smolvm-release.ts',
    `installSmolvm(${JSON.stringify(release)}, { onProgress: progress })`,
    {
      env: { ...env, ...more },
    },
  );
}

async function expectNothingTrusted(result: ModuleResult): Promise<void> {
  expect(result.value).toBeUndefined();
  expect(existsSync(canary), 'nothing of it was run').toBe(false);
  expect(existsSync(join(dir, 'tools')), 'nothing is in the tool cache').toBe(false);
  expect(await fs.readdir(join(dir, 'temp')).catch(() => []), 'nothing is left of the download').toEqual([]);
}

describe('a release with the right hash', () => {
  test('is downloaded once, through the redirect and without any token, and then taken from the tool cache', async () => {
    const sha256 = await publish(VERSION);
    const first = await install({ version: VERSION, sha256 });
    expect(first).toEqual({ value: expect.stringMatching(/\/smolvm$/) });
    expect(execFileSync(String(first.value), ['--version'], { encoding: 'utf8' })).toBe('smolvm 1.9.1\n');
    expect(await fs.readlink(join(String(first.value), '../lib/libkrun.so'))).toBe('libkrun.so.1');
    expect(github.requests.map(({ url }) => url)).toEqual([
      `https://github.com${assetPath(VERSION)}`,
      `https://${ASSET_HOST}${assetPath(VERSION)}`,
    ]);
    for (const { headers } of github.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(JSON.stringify(headers)).not.toContain('secret');
    }
    expect(await fs.readdir(join(dir, 'temp')), 'the tarball is removed').toEqual([]);

    expect(await install({ version: VERSION, sha256 })).toEqual(first);
    expect(github.requests).toHaveLength(2);
  });

  test('is not taken for another build of the same version', async () => {
    const first = await install({ version: VERSION, sha256: await publish(VERSION, { build: 'a' }) });
    const sha256 = await publish(VERSION, { build: 'b' });
    const second = await install({ version: VERSION, sha256 });
    expect(second.value).not.toBe(first.value);
    expect(await fs.readFile(String(second.value), 'utf8')).toContain('# b');
  });

  test('is refused when its smolvm says another version', async () => {
    const sha256 = await publish(VERSION, { says: '1.8.0' });
    const result = await install({ version: VERSION, sha256 });
    expect(result).toMatchObject({
      code: 'smolvm-unsupported',
      message: expect.stringMatching(/is 1\.9\.1, but .* 1\.8\.0/),
    });
  });
});

describe('what is not the pinned release', () => {
  test('is neither unpacked nor run, and the error shows both hashes', async () => {
    const found = await publish(VERSION);
    const expected = '0'.repeat(64);
    const result = await install({ version: VERSION, sha256: expected });
    expect(result).toMatchObject({ code: 'smolvm-untrusted', message: expect.stringContaining(found) });
    expect(result.message).toContain(expected);
    await expectNothingTrusted(result);
  });

  test('is not even asked for without a known hash', async () => {
    await publish(VERSION);
    const result = await install({ version: VERSION });
    expect(result).toMatchObject({ code: 'usage', hint: expect.stringContaining('smolvm-sha256') });
    expect(result.hint).toContain('v1.9.1/checksums.sha256');
    expect(github.requests).toEqual([]);
  });
});

test('a release that is not an archive is not left half unpacked', async () => {
  const text = Buffer.from('no archive');
  github.assets.set(assetPath(VERSION), text);
  const result = await install({ version: VERSION, sha256: createHash('sha256').update(text).digest('hex') });
  expect(result).toMatchObject({ code: 'io', message: expect.stringContaining(assetPath(VERSION)) });
  await expectNothingTrusted(result);
});

test('a version that was never released is named with its URL, after one request', async () => {
  const result = await install({ version: '9.9.9', sha256: '0'.repeat(64) });
  expect(result).toMatchObject({ code: 'not-found', message: expect.stringContaining(assetPath('9.9.9')) });
  expect(github.requests).toHaveLength(1);
});

test('a network that is down is told from a release that is not there', async () => {
  const sha256 = await publish(VERSION);
  await github.stop();
  const result = await install({ version: VERSION, sha256 });
  expect(result).toMatchObject({
    code: 'network-failed',
    message: expect.stringContaining(assetPath(VERSION)),
  });
  await expectNothingTrusted(result);
});

test.each(['macOS', 'Windows'])('a %s runner is told so before any request', async (os) => {
  const result = await install({ version: VERSION, sha256: await publish(VERSION) }, { RUNNER_OS: os });
  expect(result).toMatchObject({ code: 'kvm-unavailable', message: expect.stringContaining(os) });
  expect(github.requests).toEqual([]);
});
