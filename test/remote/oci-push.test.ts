import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { failureOf } from '../helpers/failure.ts';
import { type LoopbackServer, startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const LOGIN = { username: 'user', password: 'login-secret' };
const BASIC = `Basic ${Buffer.from('user:login-secret').toString('base64')}`;
const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const BLOB = randomBytes(3 * 1024 * 1024);
const DIGEST = digestOf(BLOB);

let dockerConfigDir: string;

beforeEach(async () => {
  dockerConfigDir = await tempDir();
  vi.stubEnv('DOCKER_CONFIG', dockerConfigDir);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

function digestOf(content: Buffer): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

async function logIn(host: string, login: Record<string, string> = LOGIN): Promise<void> {
  await fs.writeFile(join(dockerConfigDir, 'config.json'), JSON.stringify({ auths: { [host]: login } }));
}

function openRepository(registry: string, { token }: { token?: string } = {}) {
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: registry,
    credential: undefined,
    token,
  };
  return new OciRepository(
    { registry, repository: 'owner/agent' },
    { http, github, signal, onWarning: () => {} },
    'push',
  );
}

/** A body that counts how often it was opened. */
function streamed(content: Buffer) {
  const opened: Readable[] = [];
  const open = () => {
    const parts = Array.from({ length: 48 }, (_, index) => content.subarray(index << 16, (index + 1) << 16));
    const stream = Readable.from(parts);
    opened.push(stream);
    return stream;
  };
  return { body: { sizeBytes: content.length, open }, opened };
}

type Answers = Partial<
  Record<'HEAD' | 'POST' | 'PUT', (request: IncomingMessage, response: ServerResponse) => void>
>;

/** A double of a registry that has nothing; whatever the test does not answer itself goes well. */
async function startUploads(answers: Answers): Promise<LoopbackServer> {
  let uploads = 0;
  return await startServer((request, response) => {
    const answer = answers[request.method as keyof Answers];
    if (answer !== undefined) {
      answer(request, response);
    } else if (request.method === 'HEAD') {
      response.writeHead(404).end();
    } else if (request.method === 'POST') {
      response.writeHead(202, { location: `/upload/${uploads++}?_state=a%2Bb=` }).end();
    } else {
      request.resume().once('end', () => response.writeHead(201).end());
    }
  });
}

test('a blob goes to where the registry says, in one request of known length, and only when it is missing', async () => {
  const received: Array<Promise<Buffer>> = [];
  let length: string | undefined;
  let hasBlob = false;
  const { host, requests } = await startUploads({
    HEAD: (_, response) => response.writeHead(hasBlob ? 200 : 404).end(),
    POST: (_, response) => response.writeHead(202, { location: `http://${host}/here?_state=a%2Bb=` }).end(),
    PUT: (request, response) => {
      length = request.headers['content-length'];
      received.push(buffer(request).finally(() => response.writeHead(201).end()));
    },
  });
  const repository = openRepository(host);
  expect(await repository.pushBlob(DIGEST, streamed(BLOB).body)).toBe(true);
  expect(digestOf((await received[0]) ?? BLOB.subarray(1))).toBe(DIGEST);
  expect(length).toBe(String(BLOB.length));
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `HEAD /v2/owner/agent/blobs/${DIGEST}`,
    'POST /v2/owner/agent/blobs/uploads/',
    `PUT /here?_state=a%2Bb=&digest=sha256%3A${DIGEST.slice('sha256:'.length)}`,
  ]);
  hasBlob = true;
  expect(await repository.pushBlob(DIGEST, streamed(BLOB).body)).toBe(false);
  expect(requests).toHaveLength(4);
});

test('an upload that breaks off begins again, with an upload of its own', async () => {
  let puts = 0;
  const { host, requests } = await startUploads({
    PUT: (request, response) => {
      puts += 1;
      if (puts === 1) {
        request.once('data', () => request.socket.destroy());
      } else if (puts === 2) {
        request.resume().once('end', () => response.writeHead(503).end());
      } else {
        request.resume().once('end', () => response.writeHead(201).end());
      }
    },
  });
  const { body, opened } = streamed(BLOB);
  await openRepository(host).pushBlob(DIGEST, body);
  const places = requests.filter(({ method }) => method === 'PUT').map(({ path }) => path);
  expect(new Set(places).size).toBe(3);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
});

test.each(['http://127.0.0.1:1/upload', 'https://storage.test/upload', '//storage.test/upload'])(
  'an upload does not go to another origin, %s, and neither does the login',
  async (location) => {
    const { host, requests } = await startUploads({
      HEAD: (request, response) =>
        request.headers.authorization === BASIC
          ? response.writeHead(404).end()
          : response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end(),
      POST: (_, response) => response.writeHead(202, { location }).end(),
    });
    await logIn(host);
    const { body, opened } = streamed(BLOB);
    expect(await failureOf(openRepository(host).pushBlob(DIGEST, body))).toMatchObject({
      code: 'upload-failed',
      message: expect.stringMatching(/wants the upload at http.*: refused, since the registry is http/),
    });
    expect(opened).toEqual([]);
    expect(requests.map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'POST']);
  },
);

test('a place for the upload on another port is another origin', async () => {
  const other = await startServer((_, response) => response.writeHead(201).end());
  const { host } = await startUploads({
    POST: (_, response) => response.writeHead(202, { location: `http://${other.host}/upload` }).end(),
  });
  await logIn(host);
  const error = await failureOf(openRepository(host).pushBlob(DIGEST, BLOB));
  expect(error.message).toContain(`wants the upload at http://${other.host}/upload: refused`);
  expect(other.requests).toEqual([]);
});

test('a registry that does not say where to upload is told on', async () => {
  const { host } = await startUploads({ POST: (_, response) => response.writeHead(202).end() });
  expect(await failureOf(openRepository(host).pushBlob(DIGEST, BLOB))).toMatchObject({
    code: 'upload-failed',
    exitCode: 69,
    message: `http://${host}/v2/owner/agent/blobs/uploads/ answered 202 and did not say where to upload (Location)`,
  });
});

test.each([
  ['after all of it', (request: IncomingMessage, answer: () => void) => request.resume().once('end', answer)],
  ['before any of it', (_: IncomingMessage, answer: () => void) => answer()],
])('413 %s names the size and what to raise, and is not tried again', async (_, when) => {
  const { host, requests } = await startUploads({
    PUT: (request, response) => when(request, () => response.writeHead(413, { connection: 'close' }).end()),
  });
  const { body, opened } = streamed(BLOB);
  expect(await failureOf(openRepository(host).pushBlob(DIGEST, body))).toMatchObject({
    code: 'upload-failed',
    message: expect.stringMatching(/answered 413: it does not take 3145728 bytes at once$/),
    hint: expect.stringContaining('client_max_body_size'),
  });
  expect(requests).toHaveLength(3);
  expect(opened[0]?.destroyed).toBe(true);
});

test('a token that expires in the middle of an upload is renewed once, in the same upload', async () => {
  let issued = 0;
  const { host, requests } = await startServer((request, response) => {
    const { method, url = '', headers } = request;
    const token = Number(headers.authorization?.replace('Bearer token-', '') ?? 0);
    if (url.startsWith('/token')) {
      issued += 1;
      response.end(JSON.stringify({ token: `token-${issued}` }));
    } else if (token < (method === 'PUT' ? 2 : 1)) {
      const challenge = { 'www-authenticate': `Bearer realm="http://${host}/token"`, connection: 'close' };
      // The rest of a body is not read.
      response.writeHead(401, challenge).end();
    } else if (method === 'HEAD') {
      response.writeHead(404).end();
    } else if (method === 'POST') {
      response.writeHead(202, { location: '/upload' }).end();
    } else {
      request.resume().once('end', () => response.writeHead(201).end());
    }
  });
  await logIn(host);
  const { body, opened } = streamed(BLOB);
  await openRepository(host).pushBlob(DIGEST, body);
  expect(requests.map(({ method, path }) => `${method} ${path.split('?')[0]?.split('/')[1]}`)).toEqual([
    ...['HEAD v2', 'GET token', 'HEAD v2', 'POST v2', 'PUT upload', 'GET token', 'PUT upload'],
  ]);
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true, true]);
});

test('a login that may only read ends in an error, and nobody comes after it', async () => {
  const { host, requests } = await startServer((request, response) => {
    if (request.url?.startsWith('/token')) {
      response.end('{"token":"reader"}');
    } else if (request.method === 'HEAD' && request.headers.authorization === 'Bearer reader') {
      response.writeHead(404).end();
    } else {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
    }
  });
  await logIn(host);
  expect(await failureOf(openRepository(host).pushBlob(DIGEST, BLOB))).toMatchObject({
    code: 'authentication',
    exitCode: 77,
  });
  const asked = requests.filter(({ path }) => path.startsWith('/token'));
  expect(asked.map(({ authorization }) => authorization)).toEqual([BASIC, BASIC, undefined]);
  expect(new Set(asked.map(({ path }) => path))).toEqual(
    new Set(['/token?scope=repository%3Aowner%2Fagent%3Apull%2Cpush']),
  );
});

test('a login that is forbidden to write makes room for the GitHub token', async () => {
  const { host, requests } = await startServer((request, response) => {
    const { method, url = '', headers } = request;
    if (url.startsWith('/token')) {
      response.end(JSON.stringify({ token: headers.authorization === BASIC ? 'reader' : 'writer' }));
    } else if (headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
    } else if (method === 'HEAD') {
      response.writeHead(404).end();
    } else if (headers.authorization === 'Bearer reader') {
      response.writeHead(403).end();
    } else if (method === 'POST') {
      response.writeHead(202, { location: '/upload' }).end();
    } else {
      request.resume().once('end', () => response.writeHead(201).end());
    }
  });
  await logIn(host);
  expect(await openRepository(host, { token: 'github-token' }).pushBlob(DIGEST, BLOB)).toBe(true);
  expect(requests.map(({ method, authorization }) => `${method} ${authorization}`)).toEqual([
    'HEAD undefined',
    `GET ${BASIC}`,
    'HEAD Bearer reader',
    'POST Bearer reader',
    `GET Basic ${Buffer.from('token:github-token').toString('base64')}`,
    'POST Bearer writer',
    'PUT Bearer writer',
  ]);
});

test('a registry that does not name the digest of a manifest is asked for the manifest', async () => {
  const manifest = JSON.stringify({ schemaVersion: 2, manifests: [] });
  const { host } = await startServer((request, response) => {
    response.writeHead(request.url?.endsWith('/gone') ? 404 : 200).end(manifest);
  });
  const repository = openRepository(host);
  expect(await repository.findDigest('tag')).toBe(digestOf(Buffer.from(manifest)));
  expect(await repository.findDigest('gone')).toBeUndefined();
});

test('an identity token is changed for an access token, in the body of a request to the realm alone', async () => {
  const forms: string[] = [];
  const { host, requests } = await startServer(async (request, response) => {
    if (request.url?.startsWith('/token')) {
      forms.push(String(await buffer(request)));
      response.end('{"access_token":"good"}');
    } else if (request.headers.authorization === 'Bearer good') {
      request.resume().once('end', () => response.writeHead(201).end());
    } else {
      request.resume();
      response
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="s"` })
        .end();
    }
  });
  await logIn(host, { identitytoken: 'refresh+secret' });
  await openRepository(host).putManifest('tag', Buffer.from('{}'), IMAGE_TYPE);
  expect(Object.fromEntries(new URLSearchParams(forms[0]))).toEqual({
    grant_type: 'refresh_token',
    refresh_token: 'refresh+secret',
    client_id: 'claude-bottle-pack',
    service: 's',
    scope: 'repository:owner/agent:pull,push',
  });
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'PUT /v2/owner/agent/manifests/tag',
    'POST /token',
    'PUT /v2/owner/agent/manifests/tag',
  ]);
});

test('an identity token is not told to another host, nor sent as a password', async () => {
  const stranger = await startServer((_, response) => response.writeHead(403).end());
  const challenges = [`Bearer realm="http://localhost:${stranger.port}/token"`, 'Basic realm="r"'];
  for (const challenge of challenges) {
    const { host, requests } = await startServer((request, response) => {
      request.resume();
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    await logIn(host, { identitytoken: 'refresh-secret' });
    const putting = openRepository(host).putManifest('tag', Buffer.from('{}'), IMAGE_TYPE);
    expect(await failureOf(putting)).toMatchObject({ code: 'authentication' });
    expect(requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  }
  // As nobody, which is all that another host may know.
  expect(stranger.requests).toMatchObject([{ method: 'GET', authorization: undefined }]);
});

test.each([
  ['says that it has no such question', 404, 'text/plain'],
  ['sends to a page for people', 303, 'text/html'],
  ['answers with a page for people', 200, 'text/html'],
])(
  'referrers are read from the tag that stands in for them when the registry %s',
  async (_, status, type) => {
    const entry = { mediaType: IMAGE_TYPE, digest: DIGEST, size: 1, artifactType: 'a/b' };
    const { host } = await startServer((request, response) => {
      if (request.url === `/v2/owner/agent/referrers/${DIGEST}`) {
        response.writeHead(status, { 'content-type': type, location: '/elsewhere' }).end('<html>');
      } else if (request.url === `/v2/owner/agent/manifests/${DIGEST.replace(':', '-')}`) {
        response.end(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
      } else {
        response.writeHead(404).end();
      }
    });
    expect(await openRepository(host).listReferrers(DIGEST)).toEqual([entry]);
    expect(await openRepository(host).listReferrers(digestOf(Buffer.from('other')))).toEqual([]);
  },
);

test('referrers are read page by page', async () => {
  const type = { 'content-type': 'application/vnd.oci.image.index.v1+json; charset=utf-8' };
  const { host } = await startServer((request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://registry').searchParams.get('page') ?? 0);
    const link = { link: `<?page=${page + 1}>; rel="next"` };
    const entry = { mediaType: IMAGE_TYPE, digest: digestOf(Buffer.from([page])), size: page };
    response
      .writeHead(200, page < 2 ? { ...type, ...link } : type)
      .end(JSON.stringify({ schemaVersion: 2, manifests: page === 1 ? null : [entry] }));
  });
  expect((await openRepository(host).listReferrers(DIGEST)).map(({ size }) => size)).toEqual([0, 2]);
});

test('a blob that is not the one of its digest is not read', async () => {
  const { host } = await startServer((_, response) => response.end('other'));
  expect(await failureOf(openRepository(host).readBlob(DIGEST, 1024))).toMatchObject({
    code: 'sidecar-damaged',
    message: expect.stringContaining(`not ${DIGEST}`),
  });
});

test.each([200, 201, 202])('a manifest that is answered with %i is taken', async (status) => {
  const { host } = await startServer((request, response) => {
    request.resume().once('end', () => response.writeHead(status).end());
  });
  const manifest = Buffer.from('{}');
  const { digest } = await openRepository(host).putManifest('a', manifest, IMAGE_TYPE);
  expect(digest).toBe(digestOf(manifest));
});
