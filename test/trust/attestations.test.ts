import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BottleError } from '../../src/errors.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { attestationBundles } from '../../src/trust/attestations.ts';
import { decodeSnappy } from '../../src/trust/snappy.ts';
import { failureOf } from '../helpers/failure.ts';
import { startServer } from '../helpers/loopback-server.ts';

const REAL = join(import.meta.dirname, 'real');
const BUNDLE = readFileSync(join(REAL, 'public-good.sigstore.json'));
/** Packed by golang/snappy, which is also what GitHub's own client unpacks with. */
const PACKED = readFileSync(join(REAL, 'public-good.sigstore.json.snappy'));
const SHA256 = 'a'.repeat(64);
const CAP_BYTES = 4 * 1024 * 1024;

type Reply = (response: ServerResponse, request: IncomingMessage) => void;

function json(body: unknown): Reply {
  return (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
}

function status(code: number): Reply {
  return (response) => response.writeHead(code).end();
}

/** GitHub's API and the storage that its answers name, each an origin. */
async function attestations(entries: (storage: string) => unknown, storageReply: Reply = status(404)) {
  const storage = await startServer((request, response) => storageReply(response, request));
  const answer = entries(`http://${storage.host}`);
  const api = await startServer((request, response) =>
    (typeof answer === 'function' ? (answer as Reply) : json({ attestations: answer }))(response, request),
  );
  const http = new HttpClient({ signal: new AbortController().signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const apiUrl = `http://${api.host}`;
  const bundles = attestationBundles({
    http,
    site: {
      serverUrl: 'https://github.com',
      apiUrl,
      registryHost: 'ghcr.io',
      credential: { origin: apiUrl, authorization: 'Bearer secret' },
      token: 'secret',
    },
    repository: 'acme/agents',
    sha256: SHA256,
  });
  return { bundles, api, storage };
}

describe('the attestations that GitHub keeps', () => {
  it('are asked for by the SHA-256 of the file', async () => {
    const { bundles, api } = await attestations(() => []);
    expect(await bundles).toEqual([]);
    expect(api.requests.map(({ path }) => decodeURIComponent(path))).toEqual([
      `/repos/acme/agents/attestations/sha256:${SHA256}?per_page=100`,
    ]);
  });

  it('are none where there are none', async () => {
    const { bundles } = await attestations(() => status(404));
    expect(await bundles).toEqual([]);
  });

  it('are taken from the answer, and from the storage without the token', async () => {
    const bundle = JSON.parse(BUNDLE.toString()) as unknown;
    const { bundles, api, storage } = await attestations(
      (at) => [
        { bundle, repository_id: 1 },
        { bundle: null, bundle_url: `${at}/b.json.sn?sig=x`, initiator: 'user' },
      ],
      (response) => response.end(PACKED),
    );
    const [inline, stored] = await bundles;
    expect(JSON.parse(String(inline))).toEqual(bundle);
    expect(stored).toEqual(BUNDLE);
    expect(api.requests[0]?.authorization).toBe('Bearer secret');
    expect(storage.requests).toMatchObject([{ path: '/b.json.sn?sig=x', authorization: undefined }]);
  });

  it('are not those that GitHub makes of a release by itself', async () => {
    const { bundles, storage } = await attestations((at) => [
      { bundle: null, bundle_url: `${at}/b`, initiator: 'github' },
    ]);
    expect(await bundles).toEqual([]);
    expect(storage.requests).toEqual([]);
  });

  it.each<[string, Reply]>([
    ['does not want to give them out', status(403)],
    ['has them no more', status(404)],
    ['gives out junk', (response) => response.end('junk')],
    ['gives out half', (response) => response.end(PACKED.subarray(0, PACKED.length / 2))],
    ['gives out a bomb', (response) => response.end(bomb(2 ** 32 - 1))],
    ['gives out more than 4 MiB', (response) => response.end(Buffer.alloc(CAP_BYTES + 1))],
  ])('count as distrust, not as none, when the storage %s', async (_, reply) => {
    const { bundles } = await attestations((at) => [{ bundle: null, bundle_url: `${at}/b` }], reply);
    const { exitCode, message } = await failureOf(bundles);
    expect(exitCode).toBe(76);
    expect(message).toContain('no provenance');
  });

  it('are asked for again when the storage is out of order for a moment', async () => {
    let failures = 2;
    const { bundles, storage } = await attestations(
      (at) => [{ bundle: null, bundle_url: `${at}/b` }],
      (response) => {
        failures -= 1;
        response.writeHead(failures >= 0 ? 503 : 200).end(PACKED);
      },
    );
    expect(await bundles).toEqual([BUNDLE]);
    expect(storage.requests).toHaveLength(3);
  });

  it('are not fetched from an address without TLS elsewhere', async () => {
    const { bundles } = await attestations(() => [{ bundle: null, bundle_url: 'http://example.com/b' }]);
    await failureOf(bundles);
  });

  it.each([
    ['no list', json({ attestations: 7 })],
    ['no JSON', (response: ServerResponse) => response.end('<html>')],
  ])('cannot be read from %s', async (_, reply) => {
    const { bundles } = await attestations(() => reply);
    await failureOf(bundles);
  });
});

/** A few bytes that promise many. */
function bomb(length: number): Buffer {
  return Buffer.concat([
    varint(length),
    Buffer.from([0x00, 0x41]),
    Buffer.alloc(9, Buffer.from([0xfe, 1, 0])),
  ]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) {
    bytes.push((left % 128) | 0x80);
  }
  return Buffer.from([...bytes, left]);
}

describe('snappy', () => {
  it.each<[string, number[], string]>([
    ['nothing', [0], ''],
    ['a literal', [3, 2 << 2, 0x61, 0x62, 0x63], 'abc'],
    ['a literal with its length in a byte', [3, 60 << 2, 2, 0x61, 0x62, 0x63], 'abc'],
    ['a literal with its length in four bytes', [3, 63 << 2, 2, 0, 0, 0, 0x61, 0x62, 0x63], 'abc'],
    ['a copy that reaches into itself', [7, 1 << 2, 0x61, 0x62, 0b00000101, 2], 'ababab' + 'a'],
    ['a copy with an offset of two bytes', [4, 1 << 2, 0x61, 0x62, (1 << 2) | 2, 2, 0], 'abab'],
    ['a copy with an offset of four bytes', [4, 1 << 2, 0x61, 0x62, (1 << 2) | 3, 2, 0, 0, 0], 'abab'],
  ])('gives back %s', (_, bytes, text) => {
    expect(decodeSnappy(Buffer.from(bytes), 100).toString()).toBe(text);
  });

  it.each<[string, number[]]>([
    ['nothing at all', []],
    ['a length without an end', [0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a copy from before the beginning', [5, 0, 0x61, 0b00000001, 2]],
    ['a copy from nowhere', [5, 0, 0x61, 0b00000001, 0]],
    ['more than it says', [1, 1 << 2, 0x61, 0x62]],
    ['less than it says', [3, 1 << 2, 0x61, 0x62]],
    ['a literal without its bytes', [3, 2 << 2, 0x61]],
    ['a copy without its offset', [3, 0, 0x61, 2]],
    ['more than is read', [101, 60 << 2, 100, ...Buffer.alloc(101, 'a')]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeSnappy(Buffer.from(bytes), 100)).toThrow(BottleError);
  });

  it('ends for any bytes with a text of the length that they say, or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isReal) => {
        const input = Buffer.from(isReal ? PACKED : bytes);
        if (isReal && bytes.length > 1) {
          input.writeUInt8(bytes[1] ?? 0, ((bytes[0] ?? 0) * 7919) % input.length);
        }
        try {
          expect(decodeSnappy(input, CAP_BYTES).length).toBeLessThanOrEqual(CAP_BYTES);
        } catch (error) {
          expect(error).toMatchObject({ code: 'not-trusted' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
