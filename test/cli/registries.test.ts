import * as fs from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { type Gate, startSidecarRegistry } from '../helpers/sidecar-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const BASIC = `Basic ${Buffer.from('user:pass:word').toString('base64')}`;
const AUTH = BASIC.slice('Basic '.length);

/** A registry behind a gate, and `fetch` from it with logins in a home directory of its own. */
async function bench(gate: Gate) {
  const home = await tempDir();
  const checkout = await sampleCheckout();
  const registry = await startSidecarRegistry(await publishFile(checkout), gate);
  const write = async (path: string, content: unknown, mode = 0o600) => {
    await fs.mkdir(dirname(join(home, path)), { recursive: true });
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await fs.writeFile(join(home, path), text.replaceAll('HOST', registry.host), { mode });
  };
  const environment = {
    HOME: home,
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    DOCKER_CONFIG: '',
    DOCKER_AUTH_CONFIG: '',
    REGISTRY_AUTH_FILE: '',
    XDG_RUNTIME_DIR: join(home, 'runtime'),
    XDG_CONFIG_HOME: '',
    HTTPS_PROXY: 'http://127.0.0.1:9',
  };
  const fetch = async (env: NodeJS.ProcessEnv = {}, ...args: string[]): Promise<CliResult> => {
    const { exitCode, stdout, stderr } = await runCli(
      [
        ...['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--no-bind'],
        ...['--from', `oci:${registry.host}/acme/tools`, ...args],
      ],
      { ...environment, ...env },
    );
    return { exitCode, stdout, stderr: stderr.replaceAll(registry.host, 'HOST') };
  };
  return { home, registry, write, fetch };
}

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers).end();
  return true;
}

/** Wants the login itself. */
const basicGate: Gate = ({ headers }, response) =>
  headers.authorization !== BASIC && answer(response, 401, { 'www-authenticate': 'Basic realm="registry"' });

describe('a login', () => {
  const login = { auth: AUTH };

  test.each<[string, Record<string, unknown>, NodeJS.ProcessEnv]>([
    [
      'whose helper has an empty name',
      { credHelpers: { HOST: '' }, credsStore: 'gone', auths: { HOST: login } },
      {},
    ],
    ['whose store is not installed', { credsStore: 'osxkeychain', auths: { HOST: login } }, {}],
    ['under a key with a slash', { auths: { 'HOST/': login } }, {}],
    ['under a key with a path', { auths: { 'http://HOST/v2/': login } }, {}],
  ])('%s is found in the file of docker', async (_, config, env) => {
    const { write, fetch } = await bench(basicGate);
    await write('.docker/config.json', config);
    const { exitCode, stderr } = await fetch(env);
    expect(exitCode, stderr).toBe(0);
  });

  test.each<[string, string, string, NodeJS.ProcessEnv]>([
    ['XDG_RUNTIME_DIR', 'runtime/containers/auth.json', 'HOST', {}],
    ['the home directory', '.config/containers/auth.json', 'HOST/acme', {}],
  ])('of podman is found by %s', async (_, path, key, env) => {
    const { write, fetch } = await bench(basicGate);
    await write(path, { auths: { [key]: login } });
    const { exitCode, stderr } = await fetch(env);
    expect(exitCode, stderr).toBe(0);
  });

  test('is found in the file of REGISTRY_AUTH_FILE, and a file that is not there is told', async () => {
    const { home, write, fetch } = await bench(basicGate);
    await write('auth.json', { auths: { HOST: login } });
    expect(await fetch({ REGISTRY_AUTH_FILE: join(home, 'auth.json') })).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await fetch({
      HOME: await tempDir(),
      REGISTRY_AUTH_FILE: join(home, 'other.json'),
    });
    expect(exitCode, stderr).toBe(77);
    expect(stderr).toMatch(/no login for HOST from \S+other\.json: ENOENT/);
  });

  test('is found in DOCKER_AUTH_CONFIG', async () => {
    const { registry, fetch } = await bench(basicGate);
    const config = JSON.stringify({ auths: { [registry.host]: login } });
    expect(await fetch({ DOCKER_AUTH_CONFIG: config })).toMatchObject({ exitCode: 0 });
  });

  test('of a helper that fails is told with the words of the helper, and without a secret', async () => {
    const { home, write, fetch } = await bench(basicGate);
    await write('.docker/config.json', { credHelpers: { HOST: 'test' } });
    const env = { PATH: [home, process.env.PATH].join(delimiter) };
    for (const [script, words] of [
      ['echo "error getting credentials: gpg: decryption failed: No secret key"; exit 1', /No secret key/],
      ['echo "pass: not initialized" >&2; exit 1', /exit code 1: pass: not initialized/],
      [`echo '{"Secret":"secret"}'; exit 1`, /get ended with exit code 1\n/],
    ] as const) {
      await write('docker-credential-test', `#!/bin/sh\n${script}\n`, 0o755);
      const { exitCode, stderr } = await fetch(env);
      expect(exitCode, stderr).toBe(77);
      expect(stderr).toMatch(words);
      expect(stderr).not.toContain('"secret"');
      expect(stderr).toMatch(/try: docker login HOST/);
    }
  });
});

/** Hands out tokens at /token to each client that `may` have one, and wants one everywhere else; `parameters` stand in the challenge. */
function tokenGate(may: (url: URL, request: IncomingMessage) => number, parameters = 'service="s"'): Gate {
  return (request, response) => {
    const { host, authorization } = request.headers;
    const url = new URL(request.url ?? '', `http://${host}`);
    if (url.pathname === '/token') {
      const status = may(url, request);
      response.writeHead(status).end(status === 200 ? '{"token":"good"}' : '{}');
      return true;
    }
    const challenge = `Bearer realm="http://${host}/token",${parameters}`;
    return authorization !== 'Bearer good' && answer(response, 401, { 'www-authenticate': challenge });
  };
}

describe('a challenge', () => {
  test('with an unquoted realm and blanks leads to the token', async () => {
    const tokens = tokenGate(() => 200);
    const { fetch } = await bench((request, response) => {
      const set = response.writeHead.bind(response);
      response.writeHead = ((status: number, headers: Record<string, string> = {}) =>
        set(
          status,
          status === 401
            ? { 'www-authenticate': `Bearer realm = http://${request.headers.host}/token` }
            : headers,
        )) as typeof response.writeHead;
      return tokens(request, response);
    });
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(0);
  });

  test('that is not supported is named', async () => {
    const { fetch } = await bench((_, response) =>
      answer(response, 401, { 'www-authenticate': 'Negotiate, NTLM' }),
    );
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(77);
    expect(stderr).toMatch(/it wants a login by negotiate or ntlm, which is not supported/);
  });

  test('for a mirror, which knows the repository by another name, is answered for that name', async () => {
    const scope = 'repository:mirror/of/tools:pull';
    const { registry, fetch } = await bench(
      tokenGate(({ searchParams }) => (searchParams.get('scope') === scope ? 200 : 403), `scope="${scope}"`),
    );
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(0);
    const asked = registry.requests.filter(({ path }) => path.startsWith('/token'));
    expect(asked.map(({ path }) => new URL(path, 'http://x').searchParams.get('scope'))).toEqual([
      'repository:acme/tools:pull',
      scope,
    ]);
  });

  test('that leads to another host gets the login only by an option, which the message names', async () => {
    const tokens = await startServer(({ headers }, response) =>
      response.writeHead(headers.authorization === BASIC ? 200 : 401).end('{"token":"good"}'),
    );
    const { write, fetch } = await bench(
      ({ headers }, response) =>
        headers.authorization !== 'Bearer good' &&
        answer(response, 401, {
          'www-authenticate': `Bearer realm="http://localhost:${tokens.port}/token",service="s"`,
        }),
    );
    await write('.docker/config.json', { auths: { HOST: { auth: AUTH } } });
    const option = `--allow-token-host localhost:${tokens.port}`;
    const refused = await fetch();
    expect(refused.exitCode, refused.stderr).toBe(77);
    expect(refused.stderr).toContain(`try: if that is its token server, allow it: ${option}`);
    const allowed = await fetch({}, ...option.split(' '));
    expect(allowed.exitCode, allowed.stderr).toBe(0);
  });

  test('is public for someone whose kept token has expired', async () => {
    const { write, fetch } = await bench(tokenGate((_, { method }) => (method === 'POST' ? 400 : 200)));
    await write('.docker/config.json', { auths: { HOST: { identitytoken: 'old' } } });
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toMatch(/a login for HOST is not used: http:\/\/HOST\/token answered 400/);
    expect(stderr).not.toContain('old');
  });
});

describe('a registry that tells its login at its root only', () => {
  test.each([
    [401, 'Basic realm="r"'],
    [403, 'Basic realm="r"'],
    [404, 'Basic realm="r"'],
  ])('and answers %i to nobody is asked with the login that is kept', async (status, challenge) => {
    const { write, registry, fetch } = await bench(({ url, headers }, response) => {
      if (headers.authorization === BASIC) {
        return false;
      }
      return url === '/v2/'
        ? answer(response, 401, { 'www-authenticate': challenge })
        : answer(response, status);
    });
    const nobody = await fetch();
    expect(nobody.exitCode, nobody.stderr).toBe(status === 404 ? 66 : 77);
    await write('.docker/config.json', { auths: { HOST: { auth: AUTH } } });
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(0);
    const roots = registry.requests.filter(({ path }) => path === '/v2/');
    expect(roots).toHaveLength(2);
  });
});

describe('a registry', () => {
  test('whose link to the storage expires in the middle is asked for another one', async () => {
    const storage = await startServer((_, response) => {
      response.writeHead(403, { 'content-type': 'text/plain' }).end('Request has expired');
    });
    let links = 0;
    const { fetch } = await bench(({ url = '' }, response) => {
      links += url.includes('/blobs/') ? 1 : 0;
      const location = `http://${storage.host}/expired`;
      return url.includes('/blobs/') && links === 1 && answer(response, 307, { location });
    });
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(0);
    expect(links).toBe(2);
    expect(stderr).toMatch(/answered 403: Request has expired; trying again/);
  });

  test('that wants to be left alone for an hour ends with 75 and says who is asked less often', async () => {
    const { fetch } = await bench((_, response) => answer(response, 429, { 'retry-after': '3600' }));
    const { exitCode, stderr } = await fetch();
    expect(exitCode, stderr).toBe(75);
    expect(stderr).toMatch(/come back in 60 minutes/);
    expect(stderr).toMatch(/try: try again then; .*a registry: docker login/);
  });

  test.each([
    ['in capitals', 'oci:LocalHost'],
    ['with the slashes that helm writes', 'oci://localhost'],
  ])('is the same %s', async (_, place) => {
    const { write, registry, fetch } = await bench(basicGate);
    await write('.docker/config.json', { auths: { [`localhost:${registry.port}`]: { auth: AUTH } } });
    const { exitCode, stderr } = await fetch({}, '--from', `${place}:${registry.port}/acme/tools`);
    expect(exitCode, stderr).toBe(0);
  });
});
