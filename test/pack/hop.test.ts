import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { type Digest, id16 } from '../../src/identity/image-id.ts';
import type { FlatImage } from '../../src/pack/flatten.ts';
import { withEmbeddedHop } from '../../src/pack/hop.ts';

const MIB = 1024 * 1024;
/** More than the socket buffers of both ends hold, so that a client that does not read stalls its download. */
const LAYER_BYTES = 32 * MIB;
const CLIENT_TIMEOUT_MS = 60_000;
const ABSENT = `sha256:${'0'.repeat(64)}`;
const hasIpv6 =
  existsSync('/proc/net/if_inet6') && readFileSync('/proc/net/if_inet6', 'latin1').includes(' lo');
const onLinux = test.skipIf(process.platform !== 'linux');
const run = promisify(execFile);

let dir: string;
let image: FlatImage;
let layer: Buffer;

beforeAll(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), 'hop-test-'));
  const rootfs = join(dir, 'rootfs');
  await fs.mkdir(rootfs);
  await fs.writeFile(join(rootfs, 'greeting'), 'hello\n');
  await fs.writeFile(join(rootfs, 'random'), randomBytes(LAYER_BYTES));
  const path = join(dir, 'layer.tar');
  await run('tar', ['--create', '--file', path, '--directory', rootfs, 'greeting', 'random']);
  layer = await fs.readFile(path);
  const digest = sha256(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: [digest] },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: sha256(config),
        size: config.length,
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: layer.length }],
    }),
  );
  image = {
    manifest,
    manifestDigest: sha256(manifest),
    config,
    configDigest: sha256(config),
    layer: { path, digest, sizeBytes: layer.length },
  };
});

afterAll(async () => {
  await fs.rm(dir, { recursive: true });
});

describe('what it serves', () => {
  test('names the image by the digest of its manifest on localhost', async () => {
    await withEmbeddedHop(image, async (reference) => {
      expect(reference).toMatch(/^localhost:\d+\/claude-bottle@sha256:[0-9a-f]{64}$/);
      expect(reference.split('@')[1]).toBe(image.manifestDigest);
    });
  });

  test.each(['/v2/', '/v2'])('answers %s as a registry of version 2', async (path) => {
    await withPort(async (port) => {
      const response = await fetch(url(port, path));
      expect(response.status).toBe(200);
      expect(response.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    });
  });

  test.each<[string, () => [path: string, digest: Digest, bytes: Buffer, mediaType: string]]>([
    [
      'manifest',
      () => [
        `manifests/${image.manifestDigest}`,
        image.manifestDigest,
        image.manifest,
        'application/vnd.oci.image.manifest.v1+json',
      ],
    ],
    [
      'manifest by its tag',
      () => [
        `manifests/${id16(image.configDigest)}`,
        image.manifestDigest,
        image.manifest,
        'application/vnd.oci.image.manifest.v1+json',
      ],
    ],
    [
      'config',
      () => [`blobs/${image.configDigest}`, image.configDigest, image.config, 'application/octet-stream'],
    ],
    ['layer', () => [`blobs/${image.layer.digest}`, image.layer.digest, layer, 'application/octet-stream']],
  ])('gives the %s for GET and only its description for HEAD', async (_name, content) => {
    const [path, digest, bytes, mediaType] = content();
    await withPort(async (port) => {
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(url(port, `/v2/claude-bottle/${path}`), { method });
        expect(response.status).toBe(200);
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'accept-ranges': 'bytes',
          'content-length': String(bytes.length),
          'content-type': mediaType,
          'docker-content-digest': digest,
          'docker-distribution-api-version': 'registry/2.0',
          etag: `"${digest}"`,
        });
        const body = Buffer.from(await response.arrayBuffer());
        expect(body.equals(method === 'GET' ? bytes : Buffer.alloc(0))).toBe(true);
      }
    });
  });

  test('gives several clients the whole layer at once', async () => {
    await withPort(async (port) => {
      const bodies = await Promise.all(
        [1, 2, 3].map(async () => Buffer.from(await (await fetch(layerUrl(port))).arrayBuffer())),
      );
      expect(bodies.map(sha256)).toEqual(Array(3).fill(image.layer.digest));
    });
  });

  test('ignores a query', async () => {
    await withPort(async (port) => {
      const response = await fetch(`${layerUrl(port)}?ns=docker.io`, { method: 'HEAD' });
      expect(response.status).toBe(200);
    });
  });
});

describe('what it refuses', () => {
  test.each<[string, number, string]>([
    ['/v2/claude-bottle/manifests/latest', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/claude-bottle/manifests/${ABSENT}`, 404, 'MANIFEST_UNKNOWN'],
    ['/v2/claude-bottle/manifests/sha256:abc', 400, 'DIGEST_INVALID'],
    [`/v2/claude-bottle/blobs/${ABSENT}`, 404, 'BLOB_UNKNOWN'],
    ['/v2/claude-bottle/blobs/latest', 400, 'DIGEST_INVALID'],
    [`/v2/claude-bottle/blobs/${ABSENT.toUpperCase()}`, 400, 'DIGEST_INVALID'],
    [`/v2/claude-bottle/blobs/md5:${'0'.repeat(32)}`, 400, 'DIGEST_INVALID'],
    [`/v2/other/blobs/${ABSENT}`, 404, 'NAME_UNKNOWN'],
    [`/v2/claude-bottle/other/manifests/${ABSENT}`, 404, 'NAME_UNKNOWN'],
    ['/v2/claude-bottle/tags/list', 404, 'UNSUPPORTED'],
    ['/v2/_catalog', 404, 'UNSUPPORTED'],
    ['/', 404, 'UNSUPPORTED'],
    ['/v2/claude-bottle/blobs/../../../../../../etc/passwd', 404, 'UNSUPPORTED'],
    ['/v2/claude-bottle/blobs/..%2F..%2F..%2Fetc%2Fpasswd', 400, 'DIGEST_INVALID'],
    ['/v2/../../etc/manifests/passwd', 404, 'NAME_UNKNOWN'],
    ['//etc/passwd', 404, 'UNSUPPORTED'],
  ])('answers %s with %i %s', async (path, status, code) => {
    await withPort(async (port) => {
      const response = await request(port, path);
      expect(response.statusCode).toBe(status);
      expect(response.headers['content-type']).toBe('application/json');
      expect(JSON.parse(await text(response))).toEqual({
        errors: [{ code, message: expect.any(String) }],
      });
    });
  });

  test('serves a manifest and a blob only as what they are', async () => {
    await withPort(async (port) => {
      const asBlob = await fetch(url(port, `/v2/claude-bottle/blobs/${image.manifestDigest}`));
      expect(asBlob.status).toBe(404);
      const asManifest = await fetch(url(port, `/v2/claude-bottle/manifests/${image.configDigest}`));
      expect(asManifest.status).toBe(404);
    });
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s changes nothing', async (method) => {
    await withPort(async (port) => {
      const manifestUrl = url(port, `/v2/claude-bottle/manifests/${image.manifestDigest}`);
      const response = await fetch(manifestUrl, {
        method,
        ...(method !== 'OPTIONS' && { body: 'another image' }),
      });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toMatchObject({ errors: [{ code: 'UNSUPPORTED' }] });
      expect(await (await fetch(manifestUrl)).text()).toBe(image.manifest.toString());
    });
  });

  onLinux('listens on 127.0.0.1 and ::1, where localhost is looked for first, and nowhere else', async () => {
    await withPort(async (port) => {
      // All of 127.0.0.0/8 is this machine: a wildcard listener would answer here too.
      const [error] = await once(connect({ host: '127.0.0.2', port }), 'error');
      expect(error).toHaveProperty('code', 'ECONNREFUSED');
      for (const host of hasIpv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']) {
        expect((await fetch(`http://${host}:${port}/v2/`)).status, host).toBe(200);
      }
    });
  });

  test.skipIf(process.platform !== 'linux' || process.getuid?.() !== 0)(
    'answers no other user than ours and those of VMs',
    async () => {
      await withPort(async (port) => {
        const status = async (uid: number, host: string) => {
          const ask = `fetch('http://${host}:${port}/v2/').then((r) => r.status, () => 'none').then(console.log)`;
          const { stdout } = await run('setpriv', [
            ...['--reuid', String(uid), '--regid', String(uid), '--clear-groups'],
            ...[process.execPath, '--eval', ask],
          ]);
          return stdout.trim();
        };
        for (const host of hasIpv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']) {
          expect(await status(0, host)).toBe('200');
          expect(await status(2_000_003, host), 'as which smolvm starts a VM').toBe('200');
          expect(await status(65_534, host)).toBe('none');
          expect(await status(1000, host)).toBe('none');
        }
      });
    },
  );
});

describe('ranges', () => {
  const size = () => layer.length;
  test.each<[string, () => [start: number, end: number]]>([
    ['bytes=0-0', () => [0, 0]],
    ['bytes=5-9', () => [5, 9]],
    ['Bytes=5-9', () => [5, 9]],
    ['bytes=1048570-1048590', () => [1048570, 1048590]],
    ['bytes=33000000-', () => [33000000, size() - 1]],
    ['bytes=33000000-99999999999', () => [33000000, size() - 1]],
    ['bytes=-10', () => [size() - 10, size() - 1]],
    ['bytes=-99999999999', () => [0, size() - 1]],
  ])('gives the part that %s asks for', async (range, expected) => {
    const [start, end] = expected();
    await withPort(async (port) => {
      const response = await fetch(layerUrl(port), { headers: { range } });
      expect(response.status).toBe(206);
      expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end}/${size()}`);
      expect(response.headers.get('content-length')).toBe(String(end - start + 1));
      const body = Buffer.from(await response.arrayBuffer());
      expect(body.equals(layer.subarray(start, end + 1))).toBe(true);
    });
  });

  test.each(['bytes=99999999999-', `bytes=${'9'.repeat(30)}-`, 'bytes=-0'])(
    'answers %s with 416 and the size',
    async (range) => {
      await withPort(async (port) => {
        const response = await fetch(layerUrl(port), { headers: { range } });
        expect(response.status).toBe(416);
        expect(response.headers.get('content-range')).toBe(`bytes */${size()}`);
        expect(await response.json()).toMatchObject({ errors: [{ code: 'RANGE_INVALID' }] });
      });
    },
  );

  test.each(['bytes=-', 'bytes=9-5', 'bytes=0-1,4-5', 'bytes=a-b', 'lines=0-1', '0-1'])(
    'answers %s with the whole',
    async (range) => {
      await withPort(async (port) => {
        const response = await fetch(configUrl(port), { headers: { range } });
        expect(response.status).toBe(200);
        expect(await response.text()).toBe(image.config.toString());
      });
    },
  );

  test.each<[string, () => string, number]>([
    ['the same content', () => `"${image.configDigest}"`, 206],
    ['other content', () => `"${ABSENT}"`, 200],
    ['weakly the same content', () => `W/"${image.configDigest}"`, 200],
    ['an age', () => new Date().toUTCString(), 200],
  ])('resumes on condition of %s', async (_name, ifRange, status) => {
    await withPort(async (port) => {
      const response = await fetch(configUrl(port), {
        headers: { range: 'bytes=1-3', 'if-range': ifRange() },
      });
      expect(response.status).toBe(status);
      const expected = status === 206 ? image.config.subarray(1, 4) : image.config;
      expect(await response.text()).toBe(expected.toString());
    });
  });

  test('HEAD has no range', async () => {
    await withPort(async (port) => {
      const response = await fetch(layerUrl(port), { method: 'HEAD', headers: { range: 'bytes=0-1' } });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-length')).toBe(String(size()));
    });
  });
});

describe('clients that misbehave', () => {
  test.each<[string, (port: number) => Promise<unknown>]>([
    ['a TLS handshake', (port) => untilClosed(connectTls({ host: '127.0.0.1', port }))],
    ['random bytes', (port) => exchange(port, randomBytes(4096))],
    ['a proxy request', (port) => exchange(port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['half a request and a reset', (port) => resetAfter(port, 'GET /v2/ HT')],
    ['half a request and a half-closed connection', (port) => exchange(port, 'GET /v2/ HT', { end: true })],
    ['a reset in the middle of the layer', (port) => resetAfter(port, getLayer())],
  ])('survives %s', async (_name, misbehave) => {
    await withPort(async (port) => {
      await misbehave(port);
      expect((await fetch(url(port, '/v2/'))).status).toBe(200);
    });
  });

  test('refuses a header of more than 16 KiB', async () => {
    await withPort(async (port) => {
      const answer = await exchange(
        port,
        `GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`,
      );
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 431 /);
    });
  });

  test('answers pipelined requests in their order', async () => {
    await withPort(async (port) => {
      const close = 'Connection: close\r\n';
      const answers = await exchange(
        port,
        rawGet('/v2/') +
          rawGet(`/v2/claude-bottle/blobs/${image.configDigest}`) +
          rawGet(`/v2/claude-bottle/blobs/${image.layer.digest}`, 'Range: bytes=0-99\r\n') +
          rawGet('/v2/claude-bottle/manifests/latest', close),
      );
      expect(answers.toString('latin1').match(/HTTP\/1\.1 \d+/g)).toEqual([
        'HTTP/1.1 200',
        'HTTP/1.1 200',
        'HTTP/1.1 206',
        'HTTP/1.1 404',
      ]);
      expect(answers.includes(image.config)).toBe(true);
      expect(answers.includes(layer.subarray(0, 100))).toBe(true);
    });
  });

  test('holds little of the layer for clients that do not read it', async () => {
    await withPort(async (port) => {
      const before = heldBytes();
      const stalled = await Promise.all(Array.from({ length: 8 }, () => stall(port, getLayer().repeat(20))));
      await (await fetch(layerUrl(port))).body?.pipeTo(new WritableStream());
      const held = heldBytes() - before;
      for (const socket of stalled) {
        socket.destroy();
      }
      // 8 clients with 20 requests each ask for 160 layers.
      expect(held).toBeLessThan(4 * LAYER_BYTES);
    });
  });

  onLinux('closes the layer when its client leaves, also before its turn', async () => {
    await withPort(async (port) => {
      const stalled = await stall(port, getLayer().repeat(20));
      expect(await openLayerFiles()).toBe(1);
      stalled.destroy();
      await expect.poll(openLayerFiles).toBe(0);
    });
  });

  onLinux('has no file open after 1000 requests', async () => {
    await withPort(async (port) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const path = `/v2/claude-bottle/blobs/${image.layer.digest}`;
      const fetchPart = async (index: number) =>
        await buffer(await request(port, path, { agent, headers: { range: `bytes=${index}-${index + 9}` } }));
      await fetchPart(0);
      const before = (await fs.readdir('/proc/self/fd')).length;
      for (let index = 0; index < 1000; index += 1) {
        expect(await fetchPart(index)).toHaveLength(10);
      }
      await expect.poll(async () => (await fs.readdir('/proc/self/fd')).length).toBeLessThanOrEqual(before);
      expect(await openLayerFiles()).toBe(0);
      agent.destroy();
    });
  });

  test('drops connections beyond the 64th until others have gone', async () => {
    await withPort(async (port) => {
      const idle = await Promise.all(Array.from({ length: 64 }, () => stall(port, rawGet('/v2/'))));
      expect(await exchange(port, rawGet('/v2/'))).toHaveLength(0);
      for (const socket of idle) {
        socket.destroy();
      }
      await expect
        .poll(async () => (await exchange(port, rawGet('/v2/', 'Connection: close\r\n'))).toString())
        .toMatch(/^HTTP\/1\.1 200 /);
    });
  });

  test('ends the connection when the layer cannot be read', async () => {
    const path = join(dir, 'gone.tar');
    await withPort(
      async (port) => {
        const answer = await exchange(port, getLayer());
        expect(answer.length).toBeLessThan(layer.length);
        expect(answer.toString()).not.toContain(path);
      },
      { ...image, layer: { ...image.layer, path } },
    );
  });
});

describe('its end', () => {
  test('comes with the end of its use, whatever the connections are doing', async () => {
    const sockets: Socket[] = [];
    const result = await withPort(async (port) => {
      sockets.push(await stall(port, getLayer()));
      sockets.push(await stall(port, rawGet('/v2/')));
      sockets.push(await connected(port, 'GET /v2/ HT'));
      sockets.push(await connected(port, ''));
      return port;
    });
    await Promise.all(sockets.map(untilClosed));
    await expectRefused(result);
  });

  test('comes with a failed use, whose error is passed on', async () => {
    const failure = new Error('smolvm was stopped');
    let usedPort = 0;
    const failing = withPort(async (port) => {
      usedPort = port;
      await stall(port, getLayer());
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    await expectRefused(usedPort);
  });

  onLinux('leaves no layer open', async () => {
    await withPort(async (port) => {
      await stall(port, getLayer());
      expect(await openLayerFiles()).toBe(1);
    });
    await expect.poll(openLayerFiles).toBe(0);
  });

  test(
    'lets the process exit while clients are connected',
    async () => {
      const script = `
        import { once } from 'node:events';
        import { withEmbeddedHop } from ${JSON.stringify(new URL('../../src/pack/hop.ts', import.meta.url).href)};
        const [image] = process.argv.slice(1).map((text) => JSON.parse(text));
        image.manifest = image.config = Buffer.from('{}');
        await withEmbeddedHop(image, async (reference) => {
          process.stdout.write(reference);
          await once(process.stdin.resume(), 'end');
        });
      `;
      const args = ['--input-type=module', '--eval', script, JSON.stringify(image)];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const [reference] = await once(child.stdout, 'data');
      const sockets = [
        await stall(portOf(String(reference)), getLayer()),
        await stall(portOf(String(reference)), rawGet('/v2/')),
      ];
      child.stdin.end();
      expect(await once(child, 'exit')).toEqual([0, null]);
      await Promise.all(sockets.map(untilClosed));
    },
    CLIENT_TIMEOUT_MS,
  );
});

describe('real clients', () => {
  test(
    'crane reads the manifest, the config and the layer as the guest does',
    async (context) => {
      requireTool(context, 'crane', 'version');
      await withEmbeddedHop(image, async (reference) => {
        const repository = reference.split('@')[0];
        expect((await crane('manifest', reference)).equals(image.manifest)).toBe(true);
        expect((await crane('config', reference)).equals(image.config)).toBe(true);
        expect((await crane('blob', `${repository}@${image.layer.digest}`)).equals(layer)).toBe(true);
        expect((await crane('digest', reference)).toString().trim()).toBe(image.manifestDigest);
      });
    },
    CLIENT_TIMEOUT_MS,
  );

  test(
    'crane pulls the image with its bytes and digests',
    async (context) => {
      requireTool(context, 'crane', 'version');
      const layout = join(dir, 'crane');
      await withEmbeddedHop(image, (reference) => crane('pull', '--format', 'oci', reference, layout));
      await expectLayout(layout);
    },
    CLIENT_TIMEOUT_MS,
  );

  test(
    'skopeo copies the image with its bytes and digests',
    async (context) => {
      requireTool(context, 'skopeo', '--version');
      const layout = join(dir, 'skopeo');
      await withEmbeddedHop(image, (reference) =>
        run('skopeo', [
          ...['--insecure-policy', 'copy', '--preserve-digests', '--src-tls-verify=false'],
          ...[`docker://${reference}`, `oci:${layout}`],
        ]),
      );
      await expectLayout(layout);
    },
    CLIENT_TIMEOUT_MS,
  );
});

function sha256(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function portOf(reference: string): number {
  return Number(/:(\d+)\//.exec(reference)?.[1]);
}

async function withPort<T>(use: (port: number) => Promise<T>, served = image): Promise<T> {
  return await withEmbeddedHop(served, (reference) => use(portOf(reference)));
}

function url(port: number, path: string): string {
  return `http://127.0.0.1:${port}${path}`;
}

function layerUrl(port: number): string {
  return url(port, `/v2/claude-bottle/blobs/${image.layer.digest}`);
}

function configUrl(port: number): string {
  return url(port, `/v2/claude-bottle/blobs/${image.configDigest}`);
}

/** `fetch` would resolve `..` before it asks. */
async function request(
  port: number,
  path: string,
  options: { agent?: Agent; headers?: Record<string, string> } = {},
): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, ...options }, resolve).on('error', reject);
  });
}

function rawGet(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

function getLayer(): string {
  return rawGet(`/v2/claude-bottle/blobs/${image.layer.digest}`);
}

async function connected(port: number, bytes: string | Buffer): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

/** Sends the bytes and gives everything that comes back until the server closes. */
async function exchange(
  port: number,
  bytes: string | Buffer,
  { end = false }: { end?: boolean } = {},
): Promise<Buffer> {
  const socket = await connected(port, bytes);
  if (end) {
    socket.end();
  }
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

async function resetAfter(port: number, bytes: string): Promise<void> {
  const socket = await stall(port, rawGet('/v2/') + bytes);
  socket.resetAndDestroy();
  await once(socket, 'close');
}

/** Sends the bytes, waits for the first of the answer and then reads no more. */
async function stall(port: number, bytes: string): Promise<Socket> {
  const socket = await connected(port, bytes);
  await once(socket, 'readable');
  return socket;
}

async function untilClosed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  if (!socket.closed) {
    await new Promise((resolve) => socket.once('close', resolve));
  }
}

async function expectRefused(port: number): Promise<void> {
  await expect(once(connect({ host: '127.0.0.1', port }), 'connect')).rejects.toHaveProperty(
    'code',
    'ECONNREFUSED',
  );
}

async function openLayerFiles(): Promise<number> {
  const names = await fs.readdir('/proc/self/fd');
  const targets = await Promise.all(
    names.map((name) => fs.readlink(`/proc/self/fd/${name}`).catch(() => '')),
  );
  return targets.filter((target) => target === image.layer.path).length;
}

/** Of buffers in use: what waits for the garbage collector does not count. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}

function requireTool(context: TestContext, tool: string, versionArg: string): void {
  context.skip(spawnSync(tool, [versionArg]).error !== undefined, `${tool} is not on PATH`);
}

async function crane(...args: string[]): Promise<Buffer> {
  const { stdout } = await run('crane', args, { encoding: 'buffer', maxBuffer: 2 * LAYER_BYTES });
  return stdout;
}

/** An OCI layout directory names each blob by its digest. */
async function expectLayout(layout: string): Promise<void> {
  const index = JSON.parse(await fs.readFile(join(layout, 'index.json'), 'utf8'));
  expect(index.manifests.map(({ digest }: { digest: string }) => digest)).toEqual([image.manifestDigest]);
  for (const [digest, bytes] of [
    [image.manifestDigest, image.manifest],
    [image.configDigest, image.config],
    [image.layer.digest, layer],
  ] as const) {
    const blob = await fs.readFile(join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)));
    expect(blob.equals(bytes)).toBe(true);
  }
}
