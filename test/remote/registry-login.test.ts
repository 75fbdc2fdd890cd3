import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { findLogins } from '../../src/remote/registry-login.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const LOGIN = { username: 'user', password: 'pass:word' };
const AUTH = Buffer.from('user:pass:word').toString('base64');

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await tempDir();
  path = join(dir, 'config.json');
  vi.stubEnv('DOCKER_CONFIG', dir);
  vi.stubEnv('DOCKER_AUTH_CONFIG', '');
  vi.stubEnv('REGISTRY_AUTH_FILE', '');
  vi.stubEnv('XDG_RUNTIME_DIR', join(dir, 'runtime'));
  vi.stubEnv('XDG_CONFIG_HOME', join(dir, 'config'));
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

async function findAll(registry: string, options: { helperTimeoutMs?: number } = {}) {
  const warnings: string[] = [];
  const { signal } = new AbortController();
  const onWarning = (message: string) => warnings.push(message);
  const name = { registry, repository: 'owner/agent' };
  return { logins: await findLogins(name, { signal, onWarning, ...options }), warnings };
}

async function find(registry: string, options: { helperTimeoutMs?: number } = {}) {
  const { logins, warnings } = await findAll(registry, options);
  expect(logins.length).toBeLessThanOrEqual(1);
  return { login: logins[0], warnings };
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
  ['ghcr.io', { 'https://ghcr.io': { auth: AUTH } }],
  ['ghcr.io', { 'http://ghcr.io/': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io/': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io/v2/': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io/v2': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io/owner': { auth: AUTH } }],
  ['ghcr.io', { 'https://GHCR.io': { auth: AUTH } }],
  ['ghcr.io', { 'https://ghcr.io/any/path/': { auth: AUTH } }],
  ['ghcr.io', { 'ghcr.io': { ...LOGIN, auth: null, email: null } }],
  ['ghcr.io', { 'ghcr.io': { auth: Buffer.from('user:pass:word\0\0').toString('base64') } }],
  ['docker.io', { 'https://index.docker.io/v1/': { auth: AUTH } }],
  ['docker.io', { 'https://index.docker.io/v2/': { auth: AUTH } }],
  ['docker.io', { 'index.docker.io': { auth: AUTH } }],
  ['docker.io', { 'registry-1.docker.io': { auth: AUTH } }],
  ['docker.io', { 'docker.io': { auth: AUTH } }],
])('a login for %s is found in %j', async (registry, auths) => {
  await writeConfig({ auths, detachKeys: 'ctrl-e', HttpHeaders: {} });
  expect(await find(registry)).toEqual({ login: LOGIN, warnings: [] });
});

test.each([
  ['ghcr.io', 'ghcr.io.example'],
  ['ghcr.io', 'my.ghcr.io'],
  ['ghcr.io', 'https://example.test/ghcr.io'],
  ['ghcr.io', 'https://ghcr.io@example.test/'],
  ['ghcr.io', 'ghcr.io:443'],
  ['127.0.0.1:5000', '127.0.0.1'],
  ['ghcr.io', ''],
])('a login for %s is not that for %s', async (registry, key) => {
  await writeConfig({ auths: { [key]: { auth: AUTH } } });
  expect(await find(registry)).toEqual({ login: undefined, warnings: [] });
});

test.each([{}, { auth: '' }, { auth: 'no base64 of a pair' }, { username: 'user' }])(
  'an entry without a login, %j, is skipped',
  async (entry) => {
    await writeConfig({ auths: { 'ghcr.io': entry } });
    expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
  },
);

test.each(['{', '[]', '{"auths": 1}'])('a file with %j in it is a warning that names it', async (content) => {
  await writeConfig(content);
  expect(await find('ghcr.io')).toEqual({
    login: undefined,
    warnings: [`no login for ghcr.io from ${path}: it is not a file of logins as docker and podman write it`],
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

test('a login that the helper does not have is not a failure', async () => {
  await writeHelper('echo "credentials not found in native keychain"; exit 1');
  await writeConfig({ credsStore: 'test' });
  expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
});

test.each([
  ['is missing', undefined, 'docker-credential-test is not installed'],
  ['fails', `echo '{"Secret": "secret"}'; exit 2`, 'docker-credential-test get ended with exit code 2'],
  [
    'fails with a reason',
    'echo "error: no keychain"; exit 2',
    'docker-credential-test get ended with exit code 2: error: no keychain',
  ],
  ['is killed', 'kill -9 $$', 'docker-credential-test get ended with SIGKILL'],
  [
    'answers with no JSON',
    'echo secret',
    'docker-credential-test get did not answer with a user name and a secret',
  ],
  ['hangs', 'sleep 60', 'docker-credential-test get took longer than 0.2 s'],
])('a helper that %s is a warning without a secret', async (_, script, reason) => {
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

test('an interruption ends the helper and is not a warning', async () => {
  const abort = new AbortController();
  await writeHelper(`touch '${dir}/started'; sleep 60`);
  await writeConfig({ credsStore: 'test' });
  const warnings: string[] = [];
  const finding = findLogins(
    { registry: 'ghcr.io', repository: 'owner/agent' },
    { signal: abort.signal, onWarning: (line) => warnings.push(line) },
  );
  await vi.waitFor(() => fs.access(join(dir, 'started')));
  abort.abort(new InterruptedError('SIGINT'));
  await expect(finding).rejects.toThrow('stopped by SIGINT');
  expect(warnings).toEqual([]);
});

describe('the login in the file counts', () => {
  const auths = { 'ghcr.io': { auth: AUTH } };

  test.each([
    ['for a registry whose helper has an empty name', { credHelpers: { 'ghcr.io': '' }, credsStore: 'gone' }],
    ['when the store is not installed', { credsStore: 'gone' }],
    ['when the helper of the registry is not installed', { credHelpers: { 'ghcr.io': 'gone' } }],
    ['when the store does not have it', { credsStore: 'test' }],
    ['when the store has an empty secret', { credsStore: 'empty' }],
    ['when fields are null', { credHelpers: null, credsStore: null }],
  ])('%s', async (_, config) => {
    await writeHelper('echo "credentials not found in native keychain"; exit 1');
    const empty = '#!/bin/sh\necho \'{"Username":"","Secret":""}\'\n';
    await fs.writeFile(join(dir, 'docker-credential-empty'), empty, { mode: 0o755 });
    await writeConfig({ auths, ...config });
    expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
  });
});

test('of several ways to write a host, the host itself counts', async () => {
  const other = { username: 'other', password: 'other' };
  await writeConfig({
    auths: { 'https://ghcr.io/v1/': other, 'ghcr.io': LOGIN, 'ghcr.io/elsewhere': other },
  });
  expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
});

test('an entry that cannot be read leaves the others alone', async () => {
  await writeConfig({ auths: { 'a.test': 'text', 'b.test': 1, 'ghcr.io': LOGIN, 'c.test': null } });
  expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
});

test('a token for the registry itself is found', async () => {
  await writeConfig({ auths: { 'ghcr.io': { registrytoken: 'token' } } });
  expect(await find('ghcr.io')).toEqual({ login: { registryToken: 'token' }, warnings: [] });
});

test("a helper has the environment of its user, without what is the job's", async () => {
  vi.stubEnv('AWS_PROFILE', 'mine');
  vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'secret');
  await writeHelper(
    'printf \'{"Username":"%s","Secret":"%s"}\' "$AWS_PROFILE" "none$ACTIONS_ID_TOKEN_REQUEST_TOKEN"',
  );
  await writeConfig({ credsStore: 'test' });
  expect(await find('ghcr.io')).toEqual({ login: { username: 'mine', password: 'none' }, warnings: [] });
});

describe("podman's logins", () => {
  const files = {
    REGISTRY_AUTH_FILE: 'auth-file',
    XDG_RUNTIME_DIR: 'runtime/containers/auth.json',
    XDG_CONFIG_HOME: 'config/containers/auth.json',
  };

  async function writeAuths(name: string, auths: unknown): Promise<void> {
    await fs.mkdir(join(dir, name, '..'), { recursive: true });
    await fs.writeFile(join(dir, name), JSON.stringify({ auths }));
  }

  test.each(Object.entries(files))('are found by %s', async (variable, name) => {
    if (variable === 'REGISTRY_AUTH_FILE') {
      vi.stubEnv(variable, join(dir, name));
    }
    await writeAuths(name, { 'ghcr.io': { auth: AUTH } });
    expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
  });

  test('are in one file only when REGISTRY_AUTH_FILE names it', async () => {
    vi.stubEnv('REGISTRY_AUTH_FILE', join(dir, files.REGISTRY_AUTH_FILE));
    await writeAuths(files.REGISTRY_AUTH_FILE, {});
    await writeAuths(files.XDG_RUNTIME_DIR, { 'ghcr.io': { auth: AUTH } });
    expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
  });

  test.each([
    ['ghcr.io/owner/agent', LOGIN],
    ['ghcr.io/owner', LOGIN],
    ['ghcr.io', LOGIN],
    ['ghcr.io/own', undefined],
    ['ghcr.io/other', undefined],
    ['ghcr.io/owner/agent/more', undefined],
  ])('for %s are for what is below it', async (key, login) => {
    await writeAuths(files.XDG_RUNTIME_DIR, { [key]: { auth: AUTH } });
    expect(await find('ghcr.io')).toEqual({ login, warnings: [] });
  });

  test('with the longest path come first', async () => {
    const other = { username: 'other', password: 'other' };
    await writeAuths(files.XDG_RUNTIME_DIR, { 'ghcr.io': other, 'ghcr.io/owner': LOGIN, 'ghcr.io/x': other });
    expect(await find('ghcr.io')).toEqual({ login: LOGIN, warnings: [] });
  });

  test("that cannot be read are a warning, and Docker's are found", async () => {
    const path = join(dir, files.XDG_RUNTIME_DIR);
    await fs.mkdir(path, { recursive: true });
    await writeConfig({ auths: { 'ghcr.io': { auth: AUTH } } });
    expect(await find('ghcr.io')).toEqual({
      login: LOGIN,
      warnings: [expect.stringContaining(`no login for ghcr.io from ${path}: EISDIR`)],
    });
  });

  test('come after those of docker: of DOCKER_AUTH_CONFIG, then of the file', async () => {
    const login = (name: string) => ({ username: name, password: name });
    vi.stubEnv('DOCKER_AUTH_CONFIG', JSON.stringify({ auths: { 'ghcr.io': login('variable') } }));
    await writeConfig({ auths: { 'ghcr.io': login('file') } });
    await writeAuths(files.XDG_RUNTIME_DIR, { 'ghcr.io': login('podman') });
    await writeAuths(files.XDG_CONFIG_HOME, { 'ghcr.io': login('file') });
    expect(await findAll('ghcr.io')).toEqual({
      logins: ['variable', 'file', 'podman'].map(login),
      warnings: [],
    });
  });

  test('in DOCKER_AUTH_CONFIG that is not JSON are a warning that does not quote it', async () => {
    vi.stubEnv('DOCKER_AUTH_CONFIG', 'secret');
    const { warnings } = await find('ghcr.io');
    expect(warnings).toEqual([
      expect.stringContaining('from DOCKER_AUTH_CONFIG: it is not a file of logins'),
    ]);
    expect(warnings.join()).not.toContain('secret');
  });
});

test('without a home directory and without variables there is no login and no failure', async () => {
  for (const variable of ['DOCKER_CONFIG', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR']) {
    vi.stubEnv(variable, '');
  }
  vi.stubEnv('HOME', '/nonexistent');
  expect(await find('ghcr.io')).toEqual({ login: undefined, warnings: [] });
});
