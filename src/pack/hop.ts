import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasErrno } from '../errors.ts';
import { type Digest, id16, isDigest } from '../identity/image-id.ts';
import { counted } from '../identity/shown-text.ts';
import { type FlatImage, MANIFEST_MEDIA_TYPE } from './flatten.ts';
import { isOwnPeer } from './peer.ts';

const REPOSITORY = 'claude-bottle';
const BLOB_MEDIA_TYPE = 'application/octet-stream';
const READ_CHUNK_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 64;
/** For a request to arrive. Its answer may take as long as the client needs. */
const REQUEST_TIMEOUT_MS = 30_000;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** One blob or manifest, in memory or in a file. */
interface Content {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Reads the bytes from `start` to `end`, both included. */
  readonly open: (start: number, end: number) => Readable;
}

/**
 * Serves one image from inside this process while `use` runs: a read-only OCI registry on a random port of 127.0.0.1
 * and ::1, closed with all its connections afterwards. It answers only processes of our own user and, where we are
 * root, of the users that smolvm starts its VMs as. It has no lists, and its one tag is the id16 of the served image: a
 * web page that rebinds its name to 127.0.0.1 knows neither that nor a digest.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints (end-1 to end-3)
 */
export async function withEmbeddedHop<T>(
  image: FlatImage,
  use: (reference: string) => Promise<T>,
): Promise<T> {
  const { servers, port } = await listen(forOwnPeers(oneByOne(registry(image))));
  try {
    return await use(`localhost:${port}/${REPOSITORY}@${image.manifestDigest}`);
  } finally {
    await Promise.all(servers.map(close));
  }
}

/** `localhost` is ::1 first, where another user could otherwise take our port; many containers have no ::1. */
async function listen(handle: Handler): Promise<{ servers: Server[]; port: number }> {
  for (;;) {
    const v4 = newServer(handle);
    await listenOn(v4, '127.0.0.1', 0);
    const { port } = v4.address() as AddressInfo;
    const v6 = newServer(handle);
    try {
      await listenOn(v6, '::1', port);
      return { servers: [v4, v6], port };
    } catch (error) {
      if (hasErrno(error, 'EADDRNOTAVAIL', 'EAFNOSUPPORT')) {
        return { servers: [v4], port };
      }
      await close(v4);
      if (!hasErrno(error, 'EADDRINUSE')) {
        throw error;
      }
    }
  }
}

function newServer(handle: Handler): Server {
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS },
    handle,
  );
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function listenOn(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host, port });
  await once(server, 'listening');
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

/** A connection is judged once, and one of a stranger ends without an answer. */
function forOwnPeers(handle: Handler): Handler {
  const verdicts = new WeakMap<Socket, Promise<boolean>>();
  return async (request, response) => {
    const { socket } = request;
    const verdict = verdicts.get(socket) ?? isOwnPeer(socket);
    verdicts.set(socket, verdict);
    if (await verdict) {
      handle(request, response);
    } else {
      socket.destroy();
    }
  };
}

/**
 * Node hands over pipelined requests at once and holds what is written ahead of their turn in memory; answers
 * still waiting when the client leaves are never told, and would keep their files open.
 */
function oneByOne(handle: Handler): Handler {
  const lastAnswer = new WeakMap<Socket, Promise<unknown>>();
  return async (request, response) => {
    const { socket } = request;
    const turn = lastAnswer.get(socket);
    lastAnswer.set(socket, new Promise((resolve) => response.once('close', resolve)));
    await turn;
    if (!socket.destroyed) {
      handle(request, response);
    }
  };
}

function registry(image: FlatImage): Handler {
  const { manifest, manifestDigest, config, configDigest, layer } = image;
  const onlyManifest = inMemory(MANIFEST_MEDIA_TYPE, manifestDigest, manifest);
  const manifests = new Map<string, Content>([
    [manifestDigest, onlyManifest],
    [id16(image.configDigest), onlyManifest],
  ]);
  const blobs = new Map<string, Content>([
    [configDigest, inMemory(BLOB_MEDIA_TYPE, configDigest, config)],
    [
      layer.digest,
      {
        mediaType: BLOB_MEDIA_TYPE,
        digest: layer.digest,
        sizeBytes: layer.sizeBytes,
        open: (start, end) => createReadStream(layer.path, { start, end, highWaterMark: READ_CHUNK_BYTES }),
      },
    ],
  ]);

  return (request, response) => {
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      // The body of the request is not going to be read.
      response.setHeader('connection', 'close');
      refuse(response, 405, 'UNSUPPORTED', 'this registry is read-only');
      return;
    }
    const [path = ''] = (request.url ?? '').split('?');
    if (path === '/v2/' || path === '/v2') {
      response.setHeader('content-type', 'application/json');
      response.end('{}');
      return;
    }
    const [, name, kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const isBlob = kind === 'blobs';
    const content = (isBlob ? blobs : manifests).get(reference);
    if (kind === undefined) {
      refuse(response, 404, 'UNSUPPORTED', 'this registry serves manifests and blobs only');
    } else if (name !== REPOSITORY) {
      refuse(response, 404, 'NAME_UNKNOWN', `the only repository here is ${REPOSITORY}`);
    } else if (content !== undefined) {
      serve(request, response, content);
    } else if (!isDigest(reference) && (isBlob || reference.includes(':'))) {
      refuse(response, 400, 'DIGEST_INVALID', 'a digest is sha256: and 64 hex digits');
    } else {
      const code = isBlob ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
      refuse(response, 404, code, 'not a part of the image served here');
    }
  };
}

function inMemory(mediaType: string, digest: Digest, bytes: Buffer): Content {
  const open = (start: number, end: number) => Readable.from([bytes.subarray(start, end + 1)]);
  return { mediaType, digest, sizeBytes: bytes.length, open };
}

function serve(request: IncomingMessage, response: ServerResponse, content: Content): void {
  const { digest, sizeBytes } = content;
  const etag = `"${digest}"`;
  const { range: wanted, 'if-range': ifRange = etag } = request.headers;
  // RFC 9110, 13.1.5 and 14.2: a range is for GET, and for the content that the client means.
  const range = request.method === 'GET' && ifRange === etag ? parseRange(wanted, sizeBytes) : undefined;
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${sizeBytes}`);
    refuse(response, 416, 'RANGE_INVALID', `the content has ${counted(sizeBytes, 'byte')}`);
    return;
  }
  const [start, end] = range ?? [0, sizeBytes - 1];
  if (range !== undefined) {
    response.setHeader('content-range', `bytes ${start}-${end}/${sizeBytes}`);
  }
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': content.mediaType,
    'content-length': end - start + 1,
    'docker-content-digest': digest,
    etag,
    'accept-ranges': 'bytes',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  // Who leaves in the middle has a reason of its own; a file that cannot be read ends the connection, and the
  // client sees too few bytes.
  pipeline(content.open(start, end), response).catch(() => undefined);
}

/** One range of bytes (RFC 9110, 14.1.2); whatever else is asked for is answered with the whole. */
function parseRange(
  header: string | undefined,
  sizeBytes: number,
): readonly [start: number, end: number] | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header ?? '') ?? [];
  if (first === '' && last === '') {
    return undefined;
  }
  if (first === '') {
    return Number(last) === 0 ? 'unsatisfiable' : [Math.max(0, sizeBytes - Number(last)), sizeBytes - 1];
  }
  if (last !== '' && Number(last) < Number(first)) {
    return undefined;
  }
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return Number(first) >= sizeBytes ? 'unsatisfiable' : [Number(first), end];
}

/** https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes */
function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
