import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import * as http from 'node:http';
import { pipeline } from 'node:stream/promises';
import * as tls from 'node:tls';
import { type ImageReference, loopbackAddress } from './image-reference.ts';

const USER_AGENT = 'crane/v0.19.0 go-containerregistry/v0.19.0';
const INDEX_TYPES = [
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.index.v1+json',
];
const IMAGE_TYPES = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
];
const MAX_REDIRECTS = 10;
/** go-containerregistry gives https this head start over http. */
const TLS_HEAD_START_MS = 300;

export interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
}

/** What smolvm's guest runs crane for; each call is a crane process of its own, with its own connection. */
export interface RegistryClient {
  /** The manifest of the image for `platform`, as bytes. */
  readonly manifest: (image: ImageReference, platform: string) => Promise<Buffer>;
  readonly config: (image: ImageReference, platform: string) => Promise<Buffer>;
  /** Writes one blob to a file. */
  readonly blob: (image: ImageReference, digest: string, path: string, platform: string) => Promise<void>;
}

/** Sends what crane 0.19.0 sends, request by request, for machines without crane. */
export const ownClient: RegistryClient = {
  manifest: (image, platform) => withSession(image, (session) => session.manifest(platform)),
  config: (image, platform) =>
    withSession(image, async (session) => {
      const { config } = JSON.parse((await session.manifest(platform)).toString()) as { config: Descriptor };
      const bytes = await collect(await session.get(`blobs/${config.digest}`));
      if (bytes.length !== config.size) {
        throw new Error(`error verifying size; got ${bytes.length}, want ${config.size}`);
      }
      requireDigest(sha256(bytes), config.digest);
      return bytes;
    }),
  blob: (image, digest, path) =>
    withSession(image, async (session) => {
      const hash = createHash('sha256');
      const body = await session.get(`blobs/${digest}`);
      await pipeline(
        body,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk);
            yield chunk;
          }
        },
        createWriteStream(path),
      );
      requireDigest(`sha256:${hash.digest('hex')}`, digest);
    }),
};

async function withSession<T>(image: ImageReference, use: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session(image);
  try {
    await session.ping();
    return await use(session);
  } finally {
    session.close();
  }
}

class Session {
  readonly #image: ImageReference;
  readonly #address: { host: string; port: number };
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(image: ImageReference) {
    this.#image = image;
    this.#address = loopbackAddress(image);
  }

  close(): void {
    this.#agent.destroy();
  }

  async ping(): Promise<void> {
    await tryTls(this.#address);
    await collect(await this.#request(new URL(`http://${this.#image.registry}/v2/`)));
  }

  async get(path: string, accept?: readonly string[]): Promise<http.IncomingMessage> {
    const { registry, repository } = this.#image;
    return await this.#request(new URL(`http://${registry}/v2/${repository}/${path}`), accept);
  }

  async manifest(platform: string): Promise<Buffer> {
    const { bytes, type } = await this.#manifestAt(this.#image.version);
    if (!INDEX_TYPES.includes(type)) {
      return bytes;
    }
    const { manifests } = JSON.parse(bytes.toString()) as { manifests: Descriptor[] };
    const child = manifests.find((entry) => isFor(platform, entry));
    if (child === undefined) {
      throw new Error(`no child with platform ${platform} in index ${this.#image.text}`);
    }
    return (await this.#manifestAt(child.digest)).bytes;
  }

  async #manifestAt(version: string): Promise<{ bytes: Buffer; type: string }> {
    const response = await this.get(`manifests/${version}`, [...IMAGE_TYPES, ...INDEX_TYPES]);
    const bytes = await collect(response);
    if (version.startsWith('sha256:')) {
      requireDigest(sha256(bytes), version);
    }
    return { bytes, type: response.headers['content-type'] ?? '' };
  }

  async #request(url: URL, accept?: readonly string[], redirects = 0): Promise<http.IncomingMessage> {
    loopbackAddress({ ...this.#image, registry: url.host });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = {
        Host: url.host,
        'User-Agent': USER_AGENT,
        ...(accept === undefined ? {} : { Accept: accept.join(',') }),
        'Accept-Encoding': 'gzip',
      };
      http.get(url, { agent: this.#agent, headers }, resolve).on('error', reject);
    });
    const { statusCode: status = 0, statusMessage, headers } = response;
    if (status >= 300 && status < 400 && headers.location !== undefined && redirects < MAX_REDIRECTS) {
      response.resume();
      return await this.#request(new URL(headers.location, url), accept, redirects + 1);
    }
    if (status !== 200) {
      const body = (await collect(response)).toString().slice(0, 500);
      throw new Error(`GET ${url}: unexpected status code ${status} ${statusMessage}: ${body}`);
    }
    return response;
  }
}

function isFor(wanted: string, { platform }: Descriptor): boolean {
  const [os, architecture, variant = platform?.variant] = wanted.split('/');
  return platform?.os === os && platform?.architecture === architecture && platform?.variant === variant;
}

/** crane tries https first, also on loopback: a plain server sees one connection that begins with a ClientHello. */
async function tryTls(address: { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = tls.connect({ ...address, rejectUnauthorized: false, timeout: TLS_HEAD_START_MS });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('secureConnect', () => socket.destroy());
    socket.on('close', () => resolve());
  });
}

async function collect(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function requireDigest(found: string, wanted: string): void {
  if (found !== wanted) {
    throw new Error(`error verifying sha256 checksum; got "${found}", want "${wanted}"`);
  }
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
