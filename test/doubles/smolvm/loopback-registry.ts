import { createHash } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

export interface TestImage {
  readonly configDigest: string;
  readonly layerDigests: readonly string[];
  readonly manifestDigest: string;
  /** By digest. */
  readonly contents: ReadonlyMap<string, Buffer>;
}

/** @param layers as the registry has them, compressed or not */
export function makeImage(
  layers: readonly Buffer[],
  { architecture = 'amd64', config = {} }: { architecture?: string; config?: object } = {},
): TestImage {
  const contents = new Map<string, Buffer>();
  const add = (bytes: Buffer) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    contents.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const layerDescriptors = layers.map((layer) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ...add(layer),
  }));
  const imageConfig = { architecture, os: 'linux', config, rootfs: { type: 'layers', diff_ids: [] } };
  const configDescriptor = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...add(Buffer.from(JSON.stringify(imageConfig))),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    config: configDescriptor,
    layers: layerDescriptors,
  };
  const { digest: manifestDigest } = add(Buffer.from(JSON.stringify(manifest)));
  return {
    configDigest: configDescriptor.digest,
    layerDigests: layerDescriptors.map(({ digest }) => digest),
    manifestDigest,
    contents,
  };
}

/** An index of images, with an attestation first, as BuildKit pushes it. */
export function makeIndex(images: Readonly<Record<string, TestImage>>): Buffer {
  const entry = (platform: string, digest: string, size: number) => {
    const [os, architecture] = platform.split('/');
    return { mediaType: IMAGE_TYPE, digest, size, platform: { os, architecture } };
  };
  const manifests = Object.entries(images).map(([platform, { manifestDigest, contents }]) =>
    entry(platform, manifestDigest, contents.get(manifestDigest)?.length ?? 0),
  );
  const attestation = entry('unknown/unknown', `sha256:${'0'.repeat(64)}`, 2);
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [attestation, ...manifests] }),
  );
}

export interface Reply {
  readonly status?: number;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: Buffer | string;
}

export interface ServeOptions {
  /** What the tag `test` is; without it, the first image. */
  readonly index?: Buffer;
  /** Answers instead of the registry where it returns something. */
  readonly intercept?: (path: string) => Reply | undefined;
}

export interface LoopbackRegistry {
  /** `localhost:<port>/some/image:test` */
  readonly reference: string;
  /** `<connection> <method> <path>` of each request, `<connection> tls` for a try with TLS. */
  readonly requests: readonly string[];
  readonly headers: readonly http.IncomingHttpHeaders[];
}

/** Serves images on loopback until the test ends, and keeps a record of what it was asked. */
export async function serveImages(
  images: readonly TestImage[],
  { index, intercept }: ServeOptions = {},
): Promise<LoopbackRegistry> {
  const requests: string[] = [];
  const headers: http.IncomingHttpHeaders[] = [];
  const contents = new Map(images.flatMap((image) => [...image.contents]));
  const connections = new Map<unknown, number>();
  const connectionOf = (socket: unknown) => connections.get(socket) ?? 0;
  const tagged = (): Reply =>
    index === undefined
      ? { headers: { 'Content-Type': IMAGE_TYPE }, body: contents.get(images[0]?.manifestDigest ?? '') ?? '' }
      : { headers: { 'Content-Type': INDEX_TYPE }, body: index };
  const answer = (path: string): Reply => {
    if (path === '/v2/') {
      return { body: '{}' };
    }
    if (path === '/v2/some/image/manifests/test') {
      return tagged();
    }
    const bytes = contents.get(path.split('/').at(-1) ?? '');
    const type = path.includes('/manifests/') ? IMAGE_TYPE : 'application/octet-stream';
    return bytes ? { headers: { 'Content-Type': type }, body: bytes } : { status: 404 };
  };

  const server = http.createServer(async (request, response) => {
    await text(request);
    const path = request.url ?? '';
    requests.push(`${connectionOf(request.socket)} ${request.method} ${path}`);
    headers.push(request.headers);
    const { status = 200, headers: fields = {}, body = '' } = intercept?.(path) ?? answer(path);
    response.writeHead(status, { ...fields, 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
  server.on('connection', (socket) => connections.set(socket, connections.size + 1));
  server.on('clientError', (_, socket) => {
    requests.push(`${connectionOf(socket)} tls`);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { reference: `localhost:${port}/some/image:test`, requests, headers };
}
