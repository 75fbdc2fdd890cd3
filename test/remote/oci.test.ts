import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { parseOciReference } from '../../src/remote/oci-reference.ts';
import { failureOf } from '../helpers/failure.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const EMPTY_INDEX = JSON.stringify({ schemaVersion: 2, manifests: [] });
const BLOB = digestOf('blob');
const LOGIN = { username: 'user', password: 'login-secret' };
const BASIC = `Basic ${Buffer.from('user:login-secret').toString('base64')}`;
const GITHUB_BASIC = `Basic ${Buffer.from('token:github-token').toString('base64')}`;

let dockerConfigDir: string;

beforeEach(async () => {
  dockerConfigDir = await tempDir();
  vi.stubEnv('DOCKER_CONFIG', dockerConfigDir);
  vi.stubEnv('XDG_RUNTIME_DIR', dockerConfigDir);
  vi.stubEnv('XDG_CONFIG_HOME', dockerConfigDir);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

function openRepository(
  registry: string,
  { token, tokenHosts = [] }: { token?: string; tokenHosts?: string[] } = {},
) {
  const { signal } = new AbortController();
  const client = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => client.close());
  return new OciRepository(
    { registry, repository: 'owner/agent' },
    {
      http: client,
      github: {
        serverUrl: 'https://github.test',
        apiUrl: 'https://api.github.test',
        registryHost: registry,
        credential: undefined,
        token,
      },
      signal,
      onWarning: () => {},
      tokenHosts,
    },
  );
}

async function logIn(host: string): Promise<void> {
  await fs.writeFile(join(dockerConfigDir, 'config.json'), JSON.stringify({ auths: { [host]: LOGIN } }));
}

function digestOf(content: string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

describe('references', () => {
  const digest = digestOf('');

  test.each([
    ['ghcr.io/owner/repo/smolmachine', 'ghcr.io', 'owner/repo/smolmachine', undefined, undefined],
    ['ghcr.io/o/r:k-0123_A.b', 'ghcr.io', 'o/r', 'k-0123_A.b', undefined],
    [`127.0.0.1:5000/a@${digest}`, '127.0.0.1:5000', 'a', undefined, digest],
    [`localhost/a.b/c__d/e--f:1@${digest}`, 'localhost', 'a.b/c__d/e--f', '1', digest],
    ['[::1]:5000/a', '[::1]:5000', 'a', undefined, undefined],
    ['GHCR.io/o/r', 'ghcr.io', 'o/r', undefined, undefined],
    ['index.docker.io/o/r', 'docker.io', 'o/r', undefined, undefined],
    ['registry-1.docker.io/o/r', 'docker.io', 'o/r', undefined, undefined],
  ])('%s is understood', (reference, registry, repository, tag, expectedDigest) => {
    expect(parseOciReference(reference)).toEqual({ registry, repository, tag, digest: expectedDigest });
  });

  test.each([
    ['owner/repo', 'a name without a host'],
    ['ghcr.io', 'a host alone'],
    ['ghcr.io/Owner/repo', 'capitals'],
    ['ghcr.io/owner//repo', 'an empty component'],
    ['ghcr.io/../repo', 'dots'],
    ['ghcr.io/owner/repo:', 'an empty tag'],
    ['ghcr.io/owner/repo:a b', 'a space'],
    ['ghcr.io/owner/repo@sha256:0123', 'half a digest'],
    ['user:secret@ghcr.io/owner/repo', 'a login'],
    ['https://ghcr.io/owner/repo', 'a URL'],
    ['ghcr.io:99999/owner/repo', 'an invalid port'],
    [`ghcr.io/${'a/'.repeat(300)}a`, 'endless names'],
    ['ghcr.io/owner/repo\n', 'a line break'],
  ])('%j is refused: %s', (reference) => {
    expect(() => parseOciReference(reference)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test('only a registry on this machine is asked without TLS, and docker.io under the name that answers', async () => {
    const asked = async (registry: string) =>
      (await failureOf(openRepository(registry).getManifest('a'))).message;
    for (const name of ['HTTPS_PROXY', 'https_proxy']) {
      vi.stubEnv(name, 'http://127.0.0.1:1');
    }
    const byProxy = 'by way of the proxy http://127.0.0.1:1:';
    expect(await asked('127.0.0.1:1')).toContain('http://127.0.0.1:1:');
    expect(await asked('registry.test')).toContain(`https://registry.test ${byProxy}`);
    expect(await asked('docker.io')).toContain(`https://registry-1.docker.io ${byProxy}`);
  });
});

describe('manifests', () => {
  test('a registry in trouble is asked again, and given up with its answer', async () => {
    const { host, requests } = await startServer((_, response) => {
      response.writeHead(503, { 'content-type': 'text/plain' }).end('down for maintenance');
    });
    const error = await failureOf(openRepository(host).getManifest('a'));
    expect(error).toMatchObject({ code: 'network-failed', exitCode: 69 });
    expect(error.message).toContain('answered 503: down for maintenance');
    expect(requests).toHaveLength(6);
  });

  test.each([
    ['a login page', '<html>Welcome to the airport</html>'],
    ['nothing', ''],
    ['JSON of another kind', '[]'],
    ['another schema version', JSON.stringify({ schemaVersion: 3, manifests: [] })],
    ['a manifest of Docker schema 1', JSON.stringify({ schemaVersion: 1, fsLayers: [] })],
    [
      'both an index and an image',
      JSON.stringify({
        schemaVersion: 2,
        manifests: [],
        layers: [],
        config: { mediaType: 'a', digest: BLOB, size: 1 },
      }),
    ],
    [
      'an entry of negative size',
      JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'a', digest: BLOB, size: -1 }] }),
    ],
  ])('%s is not a manifest', async (_, content) => {
    const { host, requests } = await startServer((__, response) => response.end(content));
    expect(await failureOf(openRepository(host).getManifest('a'))).toMatchObject({
      code: 'sidecar-damaged',
      exitCode: 65,
      hint: expect.stringContaining('update claude-bottle'),
    });
    expect(requests).toHaveLength(1);
  });

  test('a manifest without end is cut off', async () => {
    const { host } = await startServer((_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(64 * 1024, ' '))) {
          // until the connection is full
        }
      };
      response.on('drain', more);
      more();
    });
    expect(await failureOf(openRepository(host).getManifest('a'))).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringContaining('answered with more than 4194304 bytes'),
    });
  });

  test('bytes that are not those of the digest are refused, wherever the digest came from', async () => {
    const { host } = await startServer((request, response) => {
      const header = request.url?.endsWith('/lying') ? { 'docker-content-digest': digestOf('other') } : {};
      response.writeHead(200, header).end(EMPTY_INDEX);
    });
    const repository = openRepository(host);
    const digest = digestOf(EMPTY_INDEX);
    expect(await repository.getManifest(digest)).toEqual({
      digest,
      sizeBytes: EMPTY_INDEX.length,
      content: JSON.parse(EMPTY_INDEX),
    });
    for (const reference of [digestOf('other'), 'lying']) {
      expect(await failureOf(repository.getManifest(reference))).toMatchObject({
        code: 'sidecar-damaged',
        message: expect.stringContaining(`has the digest ${digest}, not ${digestOf('other')}`),
      });
    }
  });
});

describe('tags', () => {
  test('are read page by page', async () => {
    const { host } = await startServer((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://registry').searchParams.get('last') ?? 0);
      const link = { link: `</v2/owner/agent/tags/list?last=${page + 1}>; rel="next"` };
      response.writeHead(200, page < 2 ? link : {}).end(JSON.stringify({ tags: [`tag-${page}`] }));
    });
    expect(await openRepository(host).listTags()).toEqual({
      tags: ['tag-0', 'tag-1', 'tag-2'],
      isComplete: true,
    });
  });

  test('without end are read no further than the twentieth page', async () => {
    const { host, requests } = await startServer((_, response) => {
      response.writeHead(200, { link: '</v2/owner/agent/tags/list?n=1>; rel="next"' }).end('{"tags":["a"]}');
    });
    expect(await openRepository(host).listTags()).toEqual({ tags: Array(20).fill('a'), isComplete: false });
    expect(requests).toHaveLength(20);
  });

  test('are not looked for on another host', async () => {
    const other = await startServer((_, response) => response.end('{"tags":["theirs"]}'));
    const { host } = await startServer((_, response) => {
      response
        .writeHead(200, { link: `<http://${other.host}/v2/owner/agent/tags/list>; rel="next"` })
        .end('{"tags":["ours"]}');
    });
    expect(await openRepository(host).listTags()).toMatchObject({ tags: ['ours'] });
    expect(other.requests).toEqual([]);
  });

  test.each([
    ['another scheme', '<https://HOST/v2/owner/agent/tags/list?last=a>; rel="next"'],
    ['no host', '</v2/owner/agent/tags/list?last=a>; rel="next"'],
    ['no quotation marks', '</v2/owner/agent/tags/list?last=a>;rel=next'],
    ['a parameter before it', '</v2/owner/agent/tags/list?last=a>; title="page, 2"; REL="next"'],
    ['several relations', '</v2/owner/agent/tags/list?last=a>; rel="last next"'],
    ['another link before it', '</other>; rel="prev", </v2/owner/agent/tags/list?last=a>; rel="next"'],
  ])('are read on by a link with %s', async (_, link) => {
    const { host, requests } = await startServer(({ url = '' }, response) => {
      const headers = { link: link.replace('HOST', host) };
      response.writeHead(200, url.includes('last=') ? {} : headers).end('{"tags":["a"]}');
    });
    expect(await openRepository(host).listTags()).toEqual({ tags: ['a', 'a'], isComplete: true });
    expect(requests).toHaveLength(2);
  });

  test('may be null', async () => {
    const { host } = await startServer((_, response) => response.end('{"name":"owner/agent","tags":null}'));
    expect(await openRepository(host).listTags()).toEqual({ tags: [], isComplete: true });
  });
});

describe('authentication', () => {
  /** Gives out tokens that are good for a number of requests; a blob is always refused when there is none. */
  async function startTokenRegistry(usesPerToken: number) {
    let issued = 0;
    let usesLeft = 0;
    return await startServer((request, response) => {
      if (request.url?.startsWith('/token')) {
        issued += 1;
        usesLeft = usesPerToken;
        response.end(JSON.stringify({ access_token: `token-${issued}` }));
      } else if (request.headers.authorization === `Bearer token-${issued}` && usesLeft > 0) {
        usesLeft -= 1;
        response.end(request.url?.includes('/blobs/') ? 'blob' : EMPTY_INDEX);
      } else {
        const challenge = `Bearer realm="http://${request.headers.host}/token",service="s",scope="repository:*:*"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
    });
  }

  test('a token that expires midway is renewed', async () => {
    const { host, requests } = await startTokenRegistry(2);
    const repository = openRepository(host);
    await repository.getManifest('a');
    await repository.getManifest('a');
    const { body } = await repository.openBlob(BLOB);
    expect(await text(body)).toBe('blob');
    expect(requests.map(({ path, authorization }) => `${path.split('/').at(-1)} ${authorization}`)).toEqual([
      'a undefined',
      'token?service=s&scope=repository%3Aowner%2Fagent%3Apull undefined',
      'a Bearer token-1',
      'a Bearer token-1',
      `${BLOB} Bearer token-1`,
      'token?service=s&scope=repository%3Aowner%2Fagent%3Apull undefined',
      `${BLOB} Bearer token-2`,
    ]);
  });

  test('what was refused once is not tried again when a token expires', async () => {
    const { host, requests } = await startServer((request, response) => {
      const { authorization } = request.headers;
      if (request.url?.startsWith('/token')) {
        response.writeHead(authorization === GITHUB_BASIC ? 200 : 403).end('{"token":"good"}');
      } else if (authorization === 'Bearer good' && !request.url?.endsWith('/expired')) {
        response.end(EMPTY_INDEX);
      } else {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
      }
    });
    await logIn(host);
    const repository = openRepository(host, { token: 'github-token' });
    await repository.getManifest('a');
    await failureOf(repository.getManifest('expired'));
    const asked = requests.filter(({ path }) => path.startsWith('/token'));
    expect(asked.map(({ authorization }) => authorization)).toEqual([
      BASIC,
      undefined,
      GITHUB_BASIC,
      GITHUB_BASIC,
    ]);
  });

  test('a login that was accepted is kept, also when there is nothing', async () => {
    const { host, requests } = await startServer(({ headers }, response) => {
      const isKnown = headers.authorization === BASIC;
      response.writeHead(isKnown ? 404 : 401, { 'www-authenticate': 'Basic realm="r"' }).end();
    });
    await logIn(host);
    const repository = openRepository(host);
    expect(await repository.findManifest('a')).toBeUndefined();
    expect(await repository.findManifest('b')).toBeUndefined();
    expect(requests.map(({ authorization }) => authorization)).toEqual([undefined, BASIC, BASIC]);
  });

  test('tokens that are never accepted end in an error, and not in a loop', async () => {
    const { host, requests } = await startTokenRegistry(0);
    await logIn(host);
    const error = await failureOf(openRepository(host, { token: 'github-token' }).getManifest('a'));
    expect(error).toMatchObject({ code: 'authentication', exitCode: 77 });
    // One without, and one with a token for each: the login, nobody, GitHub.
    expect(requests.filter(({ path }) => path.includes('/manifests/'))).toHaveLength(4);
    expect(`${error.message} ${error.hint}`).not.toMatch(/secret|github-token/);
  });

  test('a registry that refuses without saying how to log in is not asked again', async () => {
    const { host, requests } = await startServer((_, response) => response.writeHead(401).end());
    await logIn(host);
    expect(await failureOf(openRepository(host).getManifest('a'))).toMatchObject({ code: 'authentication' });
    expect(requests).toMatchObject([
      { path: '/v2/owner/agent/manifests/a', authorization: undefined },
      { path: '/v2/', authorization: undefined },
    ]);
  });

  test.each(['http://registry.test/token', 'file:///etc/passwd', 'token', ''])(
    'tokens do not come from %j',
    async (realm) => {
      const { host, requests } = await startServer((_, response) => {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` }).end();
      });
      await logIn(host);
      const error = await failureOf(openRepository(host).getManifest('a'));
      expect(error).toMatchObject({ code: 'authentication', message: expect.stringContaining(': refused') });
      expect(requests).toHaveLength(1);
    },
  );

  test.each([
    ['is not JSON', 'token'],
    ['has no token', '{"expires_in":300}'],
    ['has a token that would be two headers', JSON.stringify({ token: 'a\r\nx-injected: b' })],
  ])('an answer of the token server that %s is refused', async (_, answer) => {
    const { host } = await startServer((request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end(answer);
      } else {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
      }
    });
    expect(await failureOf(openRepository(host).getManifest('a'))).toMatchObject({ code: 'sidecar-damaged' });
  });

  test('of several ways the token is taken, and its realm is not that of another', async () => {
    const { host, requests } = await startServer((request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end('{"token":"good"}');
      } else if (request.headers.authorization === 'Bearer good') {
        response.end(EMPTY_INDEX);
      } else {
        const challenges = `Basic realm="http://registry.test/", bearer service="s", realm="http://${host}/token"`;
        response.writeHead(401, { 'www-authenticate': challenges }).end();
      }
    });
    await openRepository(host).getManifest('a');
    expect(requests.map(({ path }) => path)).toContain(
      '/token?service=s&scope=repository%3Aowner%2Fagent%3Apull',
    );
  });

  test.each([
    ['quotation marks', (realm: string) => `Bearer realm="${realm}",service="s"`],
    ['an unquoted realm', (realm: string) => `Bearer realm=${realm},service=s`],
    ['blanks around the equals sign', (realm: string) => `Bearer realm = "${realm}" , service = "s"`],
    ['escapes and capitals', (realm: string) => `BEARER Realm="${realm.replaceAll('/', '\\/')}",SERVICE="s"`],
    [
      'another challenge before',
      (realm: string) => `Negotiate, Basic realm="x", Bearer realm="${realm}",service="s"`,
    ],
    ['another challenge behind', (realm: string) => `Bearer realm="${realm}",service="s",Basic realm="x"`],
    ['two headers', (realm: string) => ['Basic realm="x"', `Bearer realm="${realm}",service="s"`]],
  ])('a challenge with %s leads to the token', async (_, challenge) => {
    const { host, requests } = await startServer((request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end('{"token":"good"}');
      } else if (request.headers.authorization === 'Bearer good') {
        response.end(EMPTY_INDEX);
      } else {
        response.writeHead(401, { 'www-authenticate': challenge(`http://${host}/token`) }).end();
      }
    });
    await openRepository(host).getManifest('a');
    expect(requests.map(({ path }) => path)[1]).toContain('/token?service=s&');
  });

  test('a login is told to another host than the registry only when the user allows it', async () => {
    const tokens = await startServer((request, response) => {
      response.writeHead(request.headers.authorization === BASIC ? 200 : 401).end('{"token":"good"}');
    });
    const realm = `http://localhost:${tokens.port}/token`;
    const { host } = await startServer((request, response) => {
      const isKnown = request.headers.authorization === 'Bearer good';
      response.writeHead(isKnown ? 200 : 401, { 'www-authenticate': `Bearer realm="${realm}"` });
      response.end(EMPTY_INDEX);
    });
    await logIn(host);
    const error = await failureOf(openRepository(host).getManifest('a'));
    expect(error).toMatchObject({ code: 'authentication', exitCode: 77 });
    expect(error.message).toContain(
      `is not told to localhost:${tokens.port}, where ${host} sends for a token`,
    );
    expect(error.hint).toContain(`--allow-token-host localhost:${tokens.port}`);
    expect(tokens.requests.map(({ authorization }) => authorization)).toEqual([undefined]);

    for (const tokenHosts of [[`localhost:${tokens.port}`], ['localhost']]) {
      await openRepository(host, { tokenHosts }).getManifest('a');
    }
    const other = openRepository(host, { tokenHosts: ['other.example', 'localhost:1'] });
    expect(await failureOf(other.getManifest('a'))).toMatchObject({ code: 'authentication' });
  });

  test('where the address of the token is refused, the login itself is sent if the registry takes it', async () => {
    const { host } = await startServer((request, response) => {
      const isKnown = request.headers.authorization === BASIC;
      const challenge = 'Bearer realm="ftp://elsewhere/token", Basic realm="registry"';
      response.writeHead(isKnown ? 200 : 401, { 'www-authenticate': challenge }).end(EMPTY_INDEX);
    });
    await logIn(host);
    await openRepository(host).getManifest('a');
  });

  test.each([
    ['no login', false, 'Basic realm="r"', /answered 401$/, /log in: docker login HOST$/],
    [
      'a login that is refused',
      true,
      'Basic realm="r"',
      /no login that is known/,
      /may read it: docker login HOST$/,
    ],
    ['an unknown scheme', true, 'Negotiate, Digest qop="auth"', /login by negotiate or digest/, /Basic/],
  ])('a refusal with %s says what to do', async (_, hasLogin, challenge, message, hint) => {
    const { host } = await startServer((_request, response) => {
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    if (hasLogin) {
      await logIn(host);
    }
    const error = await failureOf(openRepository(host).getManifest('a'));
    expect(error.message.replaceAll(host, 'HOST')).toMatch(message);
    expect(error.hint?.replaceAll(host, 'HOST')).toMatch(hint);
  });

  test('neither a redirect nor the challenge of its target gets the login', async () => {
    const storage = await startServer((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="storage"' }).end();
    });
    const { host, requests } = await startServer((request, response) => {
      if (request.headers.authorization === BASIC) {
        response.writeHead(307, { location: `http://${storage.host}/blob` }).end();
      } else {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      }
    });
    await logIn(host);
    expect(await failureOf(openRepository(host).openBlob(BLOB))).toMatchObject({
      code: 'network-failed',
      hint: expect.stringContaining('expired'),
    });
    expect(requests.map(({ authorization }) => authorization)).toEqual([undefined, BASIC]);
    expect(storage.requests).toMatchObject([{ path: '/blob', authorization: undefined }]);
  });
});

describe('a registry that refuses HEAD', () => {
  test.each([400, 403, 404, 405, 406, 415, 500, 501, 502])('with %i is asked with GET', async (status) => {
    const { host } = await startServer(({ method }, response) => {
      response.writeHead(method === 'HEAD' ? status : 200).end(EMPTY_INDEX);
    });
    expect(await openRepository(host).findDigest('a')).toBe(digestOf(EMPTY_INDEX));
  });

  test('by way of a storage whose addresses are for GET only is asked with GET', async () => {
    const storage = await startServer(({ method }, response) => {
      response.writeHead(method === 'GET' ? 200 : 403).end('blob');
    });
    const { host, requests } = await startServer((_, response) => {
      response.writeHead(307, { location: `http://${storage.host}/blob` }).end();
    });
    expect(await openRepository(host).pushBlob(BLOB, Buffer.from('blob'))).toBe(false);
    expect(requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  test('and has nothing is told apart', async () => {
    const { host } = await startServer(({ method }, response) => {
      response.writeHead(method === 'HEAD' ? 405 : 404).end();
    });
    expect(await openRepository(host).findDigest('a')).toBeUndefined();
  });
});

test('a storage address that has expired is asked for once more', async () => {
  const addresses: string[] = [];
  const storage = await startServer(({ url }, response) => {
    response.writeHead(url === '/2' ? 200 : 403).end(url === '/2' ? 'blob' : 'Request has expired');
  });
  const { host } = await startServer((_, response) => {
    addresses.push(`http://${storage.host}/${addresses.length + 1}`);
    response.writeHead(307, { location: addresses.at(-1) }).end();
  });
  expect((await openRepository(host).readBlob(BLOB, 100)).toString()).toBe('blob');
  expect(addresses).toHaveLength(2);
});
