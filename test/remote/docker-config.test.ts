import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { findDockerLogin } from '../../src/remote/docker-config.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const LOGIN = { username: 'user', password: 'pass:word' };
const AUTH = Buffer.from('user:pass:word').toString('base64');

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await tempDir();
  path = join(dir, 'config.json');
  vi.stubEnv('DOCKER_CONFIG', dir);
  vi.stubEnv('PATH', [dir, process.env.PATH].join(delimiter));
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

async function writeConfig(config: unknown): Promise<void> {
  await fs.writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
}

/** A credential helper named `test`, as a shell script. */
async function writeHelper(script: string): Promise<void> {
  await fs.writeFile(join(dir, 'docker-credential-test'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function find(registry: string, options: { helperTimeoutMs?: number } = {}) {
  const warnings: string[] = [];
  const { signal } = new AbortController();
  const onWarning = (message: string) => warnings.push(message);
  const login = await findDockerLogin(registry, { signal, onWarning, ...options });
  return { login, warnings };
}

test('without a file there is no login and no warning', async () => {
  expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
});

test('the file is in the home directory when nothing else is said', async () => {
  vi.stubEnv('DOCKER_CONFIG', '');
  vi.stubEnv('HOME', dir);
  await fs.mkdir(join(dir, '.docker'));
  await fs.writeFile(
    join(dir, '.docker/config.json'),
    JSON.stringify({ auths: { 'ghcr.io': { auth: AUTH } } }),
  );
  expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
});

test.each([
  ['ghcr.io', { 'ghcr.io': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io': LOGIN }],
  ['ghcr.io', { 'https://ghcr.io/v1/': { auth: AUTH } }],
  ['127.0.0.1:5000', { '127.0.0.1:5000': { auth: AUTH } }],
  ['docker.io', { 'https://index.docker.io/v1/': { auth: AUTH } }],
])('a login for %s is found in %j', async (registry, auths) => {
  await writeConfig({ auths, detachKeys: 'ctrl-e', HttpHeaders: {} });
  expect(await find(registry)).toEqual({ login: LOGIN, warnings: [] });
});

test.each([
  ['ghcr.io', 'ghcr.io.example'],
  ['ghcr.io', 'my.ghcr.io'],
  ['ghcr.io', 'https://example.test/ghcr.io'],
  ['ghcr.io', 'https://ghcr.io@example.test/'],
  ['ghcr.io', 'ghcr.io/owner'],
  ['ghcr.io', 'ghcr.io:443'],
  ['127.0.0.1:5000', '127.0.0.1'],
  ['docker.io', 'https://index.docker.io/v2/'],
  ['ghcr.io', ''],
])('a login for %s is not that for %s', async (registry, key) => {
  await writeConfig({ auths: { [key]: { auth: AUTH } } });
  expect(await find(registry)).toEqual({ login: undefined, warnings: [] });
});

test.each([{}, { auth: '' }, { auth: 'no base64 of a pair' }, { username: 'user' }])(
  'an entry without a login, %j, is none',
  async (entry) => {
    await writeConfig({ auths: { 'ghcr.io': entry } });
    expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
  },
);

test.each(['{', '[]', '{"auths": 1}'])('a file with %j in it is a warning that names it', async (content) => {
  await writeConfig(content);
  expect(await find('ghcr.io')).toEqual({
    login: undefined,
    warnings: [`no login for ghcr.io from ${path}: it is not what Docker writes`],
  });
});

test.each([
  ['ghcr.io', { credHelpers: { 'ghcr.io': 'test' }, credsStore: 'other' }, 'ghcr.io'],
  ['ghcr.io', { credsStore: 'test', auths: { 'ghcr.io': {} } }, 'ghcr.io'],
  ['docker.io', { credsStore: 'test' }, 'https://index.docker.io/v1/'],
])('for %s the helper of %j is asked for %s', async (registry, config, server) => {
  await writeHelper(`read -r server || :
printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$server" "$1" "$server"`);
  await writeConfig(config);
  expect(await find(registry)).toEqual({ login: { username: 'get', password: server }, warnings: [] });
});

test('what a helper does not have is no failure', async () => {
  await writeHelper('echo "credentials not found in native keychain"; exit 1');
  await writeConfig({ credsStore: 'test' });
  expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
});

test.each([
  ['is missing', undefined, 'docker-credential-test is not installed'],
  ['fails', 'echo secret; exit 2', 'docker-credential-test get ended with exit code 2'],
  ['is killed', 'kill -9 $$', 'docker-credential-test get ended with SIGKILL'],
  [
    'answers with no JSON',
    'echo secret',
    'docker-credential-test get did not answer with a user name and a secret',
  ],
  ['hangs', 'sleep 60', 'docker-credential-test get took longer than 0.2 s'],
])('a helper that %s is a warning without what it said', async (_, script, reason) => {
  if (script !== undefined) {
    await writeHelper(script);
  }
  await writeConfig({ credsStore: 'test' });
  expect(await find('ghcr.io', { helperTimeoutMs: script === 'sleep 60' ? 200 : 30_000 })).toEqual({
    login: undefined,
    warnings: [`no login for ghcr.io from ${path}: ${reason}`],
  });
});

test('an identity token is found in the file and behind a helper, whatever stands beside it', async () => {
  await writeConfig({ auths: { 'registry.test': { auth: AUTH, identitytoken: 'secret' } } });
  expect(await find('registry.test')).toEqual({ login: { identityToken: 'secret' }, warnings: [] });

  await writeHelper(`echo '{"ServerURL":"registry.test","Username":"<token>","Secret":"kept"}'`);
  await writeConfig({ credsStore: 'test' });
  expect(await find('registry.test')).toEqual({ login: { identityToken: 'kept' }, warnings: [] });
});

test('an interruption ends the helper and is no warning', async () => {
  const abort = new AbortController();
  await writeHelper(`touch '${dir}/started'; sleep 60`);
  await writeConfig({ credsStore: 'test' });
  const warnings: string[] = [];
  const finding = findDockerLogin('ghcr.io', {
    signal: abort.signal,
    onWarning: (line) => warnings.push(line),
  });
  await vi.waitFor(() => fs.access(join(dir, 'started')));
  abort.abort(new InterruptedError('SIGINT'));
  await expect(finding).rejects.toThrow('stopped by SIGINT');
  expect(warnings).toEqual([]);
});
