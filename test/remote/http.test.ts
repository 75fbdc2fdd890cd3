import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { HttpClient, type HttpClientOptions, type HttpRequest } from '../../src/remote/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { callInChild } from '../helpers/module-child.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { type Fault, FaultServer } from '../servers/fault-server.ts';

/** Nobody has it but the certificate of the test. */
const NAME = 'registry.example';
const CONTENT = Buffer.from('{"name": "content"}');

describe('a status', () => {
  test.each([
    [400, 69],
    [401, 77],
    [403, 77],
    [404, 66],
    [410, 66],
    [451, 69],
  ])('%i is final, with exit code %i', async (status, exitCode) => {
    const server = await FaultServer.start(CONTENT, { plan: () => ({ kind: 'status', status }) });
    const error = await failureOf(read({ url: server.url }));
    expect(error).toMatchObject({ exitCode, status });
    expect(error.message).toContain(`answered ${status}: no luck`);
    expect(server.requests).toHaveLength(1);
  });

  test.each([408, 425, 429, 500, 502, 503, 504])('%i is asked again', async (status) => {
    const server = await FaultServer.start(CONTENT, {
      plan: ({ index }) => (index < 2 ? { kind: 'status', status } : undefined),
    });
    expect(await read({ url: server.url })).toEqual(CONTENT);
    expect(server.requests).toHaveLength(3);
  });

  test('that stays is an error after six requests, each of which is told', async () => {
    const told: string[] = [];
    const server = await FaultServer.start(CONTENT, { plan: () => ({ kind: 'status', status: 503 }) });
    const work = read({ url: server.url }, { onRetry: (message) => told.push(message) });
    expect(await failureOf(work)).toMatchObject({ exitCode: 69, status: 503 });
    expect(server.requests).toHaveLength(6);
    expect(told).toHaveLength(5);
  });

  test('with control characters in its text is quoted without them, and not at length', async () => {
    const server = http.createServer((_request, response) =>
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`\x1b[31m${'long '.repeat(1000)}`),
    );
    const { message } = await failureOf(read({ url: await listen(server) }));
    expect(message).not.toMatch(/\p{Cc}/u);
    expect(message.length).toBeLessThan(300);
  });
});

describe('a server that asks to be left alone', () => {
  const statusOnce = (status: number, headers: http.OutgoingHttpHeaders) =>
    FaultServer.start(CONTENT, {
      plan: ({ index }) => (index === 0 ? { kind: 'status', status, headers } : undefined),
    });

  test.each<[string, number, () => http.OutgoingHttpHeaders]>([
    ['in seconds', 429, () => ({ 'retry-after': '1' })],
    ['until a date', 503, () => ({ 'retry-after': new Date(Date.now() + 2000).toUTCString() })],
    ['for the rate limit of another kind', 403, () => ({ 'retry-after': '1' })],
    [
      'until its rate limit is reset',
      403,
      () => ({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${Math.ceil(Date.now() / 1000) + 1}` }),
    ],
  ])('for a moment, %s, is left alone so long', async (_title, status, headers) => {
    const server = await statusOnce(status, headers());
    const before = Date.now();
    expect(await read({ url: server.url })).toEqual(CONTENT);
    expect(Date.now() - before).toBeGreaterThanOrEqual(900);
  });

  test.each<[string, () => http.OutgoingHttpHeaders]>([
    ['seconds', () => ({ 'retry-after': '3600' })],
    ['a date', () => ({ 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() })],
  ])('for an hour, in %s, is asked once: try later', async (_title, headers) => {
    const server = await statusOnce(429, headers());
    const error = await failureOf(read({ url: server.url }));
    expect(error).toMatchObject({ code: 'try-later', exitCode: 75 });
    expect(error.message).toMatch(/come back in (59|60) minutes/);
    expect(server.requests).toHaveLength(1);
  });

  test('in words that mean nothing is asked again soon', async () => {
    const server = await statusOnce(503, { 'retry-after': 'soon' });
    expect(await read({ url: server.url })).toEqual(CONTENT);
  });
});

describe('a connection', () => {
  test.each<Fault>([
    { kind: 'closed' },
    { kind: 'hang' },
    { kind: 'reset', afterBytes: 5 },
    { kind: 'truncate', afterBytes: 5 },
    { kind: 'stall', afterBytes: 5 },
  ])('that fails is tried again: $kind', async (fault) => {
    const server = await FaultServer.start(CONTENT, {
      plan: ({ index }) => (index === 0 ? fault : undefined),
    });
    // Long enough for an answer also where the machine is busy.
    expect(await read({ url: server.url }, { idleTimeoutMs: 1000 })).toEqual(CONTENT);
    expect(server.requests).toHaveLength(2);
  });

  test('that goes silent in the middle of a body is told as such', async () => {
    const server = await FaultServer.start(CONTENT, { plan: () => ({ kind: 'stall', afterBytes: 5 }) });
    const { message, exitCode } = await failureOf(read({ url: server.url }, { idleTimeoutMs: 200 }));
    expect(message).toBe(`no answer from ${new URL(server.url).origin}: no byte in 0.2 s`);
    expect(exitCode).toBe(69);
  });

  test('to a port where nobody listens is an error of the network', async () => {
    const server = http.createServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failureOf(read({ url }));
    expect(error).toMatchObject({ code: 'network-failed' });
    expect(error.message).toContain('ECONNREFUSED');
  });

  test.each<Fault>([{ kind: 'hang' }, { kind: 'stall', afterBytes: 5 }])(
    'ends at once with the reason when the user interrupts: $kind',
    async (fault) => {
      const server = await FaultServer.start(CONTENT, { plan: () => fault });
      const controller = new AbortController();
      const work = read({ url: server.url }, { signal: controller.signal });
      await vi.waitFor(() => expect(server.requests).toHaveLength(1));
      controller.abort(new InterruptedError('SIGINT'));
      await expect(work).rejects.toThrow(InterruptedError);
    },
  );

  test('is not waited for after an interruption', async () => {
    const server = await FaultServer.start(CONTENT, { plan: () => ({ kind: 'closed' }) });
    const controller = new AbortController();
    const onRetry = () => controller.abort(new InterruptedError('SIGTERM'));
    const work = read({ url: server.url }, { signal: controller.signal, firstRetryMs: 60_000, onRetry });
    await expect(work).rejects.toThrow(InterruptedError);
  });
});

describe('a body', () => {
  test('that is longer than what is expected there is not read to its end', async () => {
    const server = await FaultServer.start(Buffer.alloc(10_000_000));
    expect(await failureOf(read({ url: server.url }))).toMatchObject({ code: 'sidecar-damaged' });
    expect(server.requests).toHaveLength(1);
  });

  test('that is not JSON is told as such', async () => {
    const server = await FaultServer.start(Buffer.from('<html>'));
    const error = await failureOf(newClient().readJson({ url: server.url }, 1000));
    expect(error).toMatchObject({ code: 'network-failed' });
    expect(error.message).toContain('did not answer with JSON');
  });
});

describe('a redirect', () => {
  const redirectTo = (location: string): Fault => ({ kind: 'redirect', location });

  test('to another port takes no credential along', async () => {
    const target = await FaultServer.start(CONTENT);
    const server = await FaultServer.start(CONTENT, { plan: () => redirectTo(target.url) });
    const credential = { origin: new URL(server.url).origin, authorization: 'Bearer marker' };
    expect(await read({ url: server.url, credential })).toEqual(CONTENT);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer marker');
    expect(target.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('to another name of the same server takes no credential along', async () => {
    const server = await FaultServer.start(CONTENT);
    const { origin, port } = new URL(server.url);
    server.plan = ({ index }) => (index === 0 ? redirectTo(`http://localhost:${port}/file`) : undefined);
    await read({ url: server.url, credential: { origin, authorization: 'Bearer marker' } });
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer marker', undefined]);
  });

  test('to another path of the same origin keeps the credential', async () => {
    const server = await FaultServer.start(CONTENT, {
      plan: ({ index }) => (index === 0 ? redirectTo('/other') : undefined),
    });
    const { origin } = new URL(server.url);
    await read({ url: server.url, credential: { origin, authorization: 'Bearer marker' } });
    expect(server.requests[1]).toMatchObject({
      url: '/other',
      headers: { authorization: 'Bearer marker' },
    });
  });

  test('in a loop is an error, and not tried again', async () => {
    const server = await FaultServer.start(CONTENT, { plan: () => redirectTo('/file') });
    const error = await failureOf(read({ url: server.url }));
    expect(error).toMatchObject({ exitCode: 69 });
    expect(error.message).toContain('more than 5 times');
    expect(server.requests).toHaveLength(6);
  });

  test.each([
    'file:///etc/passwd',
    'http://198.51.100.1/file',
    'ftp://127.0.0.1/file',
    'http://[',
    'data:text/plain,x',
  ])('to %s is refused', async (location) => {
    const server = await FaultServer.start(CONTENT, { plan: () => redirectTo(location) });
    const error = await failureOf(read({ url: server.url }));
    expect(error).toMatchObject({ exitCode: 69 });
    expect(error.message).toContain('refused');
    expect(server.requests).toHaveLength(1);
  });

  test('names no secret of the address in its error', async () => {
    const server = await FaultServer.start(CONTENT, {
      plan: () => redirectTo('http://user:marker@198.51.100.1/file?sig=marker'),
    });
    expect((await failureOf(read({ url: server.url }))).message).not.toContain('marker');
  });
});

test.each(['http://198.51.100.1/file', 'ftp://localhost/file', 'file:///etc/passwd', 'nothing'])(
  '%s is not an address to download from',
  async (url) => {
    expect(await failureOf(read({ url }))).toMatchObject({ code: 'usage' });
  },
);

describe('HTTPS', () => {
  test('is followed from one address to the next, and never back to HTTP', async () => {
    const { url, caFile } = await startHttps((request, response) => {
      response.writeHead(302, { location: 'http://127.0.0.1:9/file' }).end(request.url);
    });
    const result = await readInChild(url, { NODE_EXTRA_CA_CERTS: caFile });
    expect(result).toMatchObject({ code: 'network-failed' });
    expect(result.message).toContain('redirects to http://127.0.0.1:9/file: refused');
  });

  test('with an own certificate works when it is named', async () => {
    const { url, caFile } = await startHttps((_request, response) => response.end(CONTENT));
    expect(await readInChild(url, { NODE_EXTRA_CA_CERTS: caFile })).toEqual({ value: CONTENT.toString() });
  });

  test('is checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
    const { url } = await startHttps((_request, response) => response.end(CONTENT));
    const result = await readInChild(url, { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(result).toMatchObject({ code: 'network-failed', message: expect.stringContaining('self-signed') });
  });

  test('with a certificate that nobody knows fails at once, and says what to do', async () => {
    const { url } = await startHttps((_request, response) => response.end(CONTENT));
    const result = await readInChild(url, {}, 60_000);
    expect(result).toMatchObject({ code: 'network-failed' });
    expect(result.hint).toContain('NODE_EXTRA_CA_CERTS');
  });
});

describe('a proxy', () => {
  /** A server of a name that only the proxy knows. */
  async function startNamed() {
    const { url, caFile } = await startHttps((_request, response) => response.end(CONTENT));
    const named = new URL(url);
    named.hostname = NAME;
    return { url: named.href, caFile, host: named.host };
  }

  test.each(['HTTPS_PROXY', 'https_proxy'])('from %s is asked for a tunnel', async (variable) => {
    const { url, caFile, host } = await startNamed();
    const proxy = await startProxy();
    const env = { [variable]: proxy.url, NODE_EXTRA_CA_CERTS: caFile };
    expect(await readInChild(url, env)).toEqual({ value: CONTENT.toString() });
    expect(proxy.asked).toEqual([host]);
  });

  test('is left out for this machine, with TLS and without', async () => {
    const plain = await FaultServer.start(CONTENT);
    const { url, caFile } = await startHttps((_request, response) => response.end(CONTENT));
    const proxy = await startProxy();
    const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: caFile };
    for (const address of [plain.url, plain.url.replace('127.0.0.1', 'localhost'), url]) {
      expect(await readInChild(address, env)).toEqual({ value: CONTENT.toString() });
    }
    expect(proxy.asked).toEqual([]);
  });

  test.each([
    ['refuses', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'],
    ['never opens the tunnel', ''],
  ])('that %s is named in the error, without its login', async (_, refusal) => {
    const { url, caFile, host } = await startNamed();
    const proxy = await startProxy(refusal);
    const withLogin = proxy.url.replace('//', '//user:marker@');
    const result = await readInChild(url, { HTTPS_PROXY: withLogin, NODE_EXTRA_CA_CERTS: caFile });
    expect(result).toMatchObject({ code: 'network-failed', hint: expect.stringContaining('NO_PROXY') });
    expect(result.message).toContain(`no answer from https://${host} by way of the proxy ${proxy.url}: `);
    expect(result.message).not.toContain('marker');
  });

  test('by SOCKS is refused with its setting', async () => {
    const result = await readInChild('https://registry.example/', { HTTPS_PROXY: 'socks5://127.0.0.1:9' });
    expect(result).toMatchObject({ code: 'usage', message: expect.stringContaining('socks5') });
  });
});

describe('a slow server', () => {
  const limits = { shortTimeoutMs: 300, rateWindowMs: 300, idleTimeoutMs: 60_000 };

  async function startDribbler() {
    let requests = 0;
    const server = http.createServer((_request, response) => {
      requests += 1;
      response.writeHead(200, { 'content-length': 1_000_000 });
      const timer = setInterval(() => response.write('x'), 20);
      response.once('close', () => clearInterval(timer));
    });
    return { url: await listen(server), requests: () => requests };
  }

  test('that sends a short text byte by byte is given up after three tries', async () => {
    const { url, requests } = await startDribbler();
    const error = await failureOf(newClient(limits).read({ url }, 2_000_000));
    expect(error).toMatchObject({ exitCode: 69, message: expect.stringContaining('is too slow') });
    expect(requests()).toBe(3);
  });

  test('that sends a file byte by byte is given up, though it goes on', async () => {
    const { url, requests } = await startDribbler();
    const client = newClient({ ...limits, shortTimeoutMs: 60_000 });
    let bytes = 0;
    const work = client.retry(
      async () => {
        const { body } = await client.send({ url });
        for await (const chunk of body as AsyncIterable<Buffer>) {
          bytes += chunk.length;
        }
      },
      () => true,
    );
    expect(await failureOf(work)).toMatchObject({ message: expect.stringMatching(/too slow: \d+ bytes in/) });
    expect(requests()).toBe(3);
    expect(bytes).toBeGreaterThan(0);
  });

  test('that sends the head of its answer byte by byte is given up', async () => {
    const url = await listen(
      http.createServer(({ socket }) => {
        socket.write('HTTP/1.1 200 OK\r\nx-endless: ');
        const timer = setInterval(() => socket.write('x'), 20);
        socket.once('close', () => clearInterval(timer));
      }),
    );
    expect(await failureOf(newClient(limits).read({ url }, 100))).toMatchObject({
      message: expect.stringContaining('is too slow: no whole answer in 0.3 s'),
    });
  });

  test('that lets a TLS handshake come byte by byte is given up', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.once('data', () => socket.write(Buffer.of(0x16, 3, 3, 0x40, 0)));
      const timer = setInterval(() => socket.write('x'), 20);
      socket.on('error', () => {}).once('close', () => clearInterval(timer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const error = await failureOf(newClient(limits).read({ url }, 100));
    expect(error).toMatchObject({ exitCode: 69, message: expect.stringContaining('is too slow') });
    expect(connections).toBe(3);
  });

  test('is not blamed for a reader that takes its time', async () => {
    const content = Buffer.alloc(4_000_000, 'x');
    const server = await FaultServer.start(content);
    const rateWindowMs = 1000;
    const { body } = await newClient({ rateWindowMs }).send({ url: server.url });
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (bytes === 0) {
        await new Promise((resolve) => setTimeout(resolve, 2.5 * rateWindowMs));
      }
      bytes += chunk.length;
    }
    expect(bytes).toBe(content.length);
  });
});

function newClient(options: Partial<HttpClientOptions> = {}): HttpClient {
  const { signal } = new AbortController();
  const client = new HttpClient({ signal, firstRetryMs: 1, ...options });
  onTestFinished(() => client.close());
  return client;
}

async function read(request: HttpRequest, options: Partial<HttpClientOptions> = {}): Promise<Buffer> {
  return (await newClient(options).read(request, 100_000)).bytes;
}

/** Proxies and certificates are read from the environment when a process starts. */
async function readInChild(url: string, env: NodeJS.ProcessEnv, firstRetryMs = 1) {
  return await callInChild('test/remote/read-url.ts', `readUrl(${JSON.stringify(url)}, ${firstRetryMs})`, {
    env,
  });
}

async function listen(server: http.Server | https.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const scheme = server instanceof https.Server ? 'https' : 'http';
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
}

async function startHttps(answer: http.RequestListener): Promise<{ url: string; caFile: string }> {
  const dir = await tempDir();
  const [caFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=test', '-addext', `subjectAltName=IP:127.0.0.1,DNS:${NAME}`];
  execFileSync('openssl', ['req', ...kind, ...names, '-out', caFile, '-keyout', keyFile], {
    stdio: 'ignore',
  });
  const server = https.createServer({ cert: readFileSync(caFile), key: readFileSync(keyFile) }, answer);
  return { url: await listen(server), caFile };
}

/** Knows every server on this machine, and says what it was asked for. `refusal` is its answer to CONNECT, and may be empty. */
async function startProxy(refusal?: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end(CONTENT);
  });
  server.on('connect', (request, socket: Socket) => {
    asked.push(request.url ?? '');
    onTestFinished(() => void socket.destroy());
    if (refusal !== undefined) {
      socket.write(refusal);
      return;
    }
    const target = connect(Number(new URL(`http://${request.url}`).port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    for (const end of [socket, target]) {
      end.on('error', () => {});
    }
  });
  return { url: (await listen(server)).replace('/file', ''), asked };
}
