import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface BlobRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
}

export interface BlobAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: AsyncIterable<Buffer> | undefined;
}

/** What a download is called and said to be, by the query parameters `rscd` and `rsct` of a signed URL. */
export interface DownloadAs {
  readonly mimeType: string;
  readonly fileName: string;
}

export interface BlobStore {
  /** Path and query of a signed URL: `cw` to create and write, `r` to read. */
  sign(blob: string, permissions: 'cw' | 'r', as?: DownloadAs): string;
  serve(request: BlobRequest): Promise<BlobAnswer>;
  /** Undefined when nothing was committed under that name. */
  inspect(blob: string): Promise<{ readonly sizeBytes: number; readonly sha256: string } | undefined>;
  read(blob: string): Promise<Buffer>;
  overwrite(blob: string, content: Buffer): Promise<void>;
  /** Empty for a store whose blobs are not files. */
  path(blob: string): string;
}

export const ACCOUNT = 'devstoreaccount1';
export const CONTAINER = 'results';
export const API_VERSION = '2026-02-06';
const SIGNATURE_LIFETIME_MS = 60 * 60_000;

/** The blob's name in a path such as `/devstoreaccount1/results/cache-1`. */
export function blobNameOf(url: URL): string | undefined {
  const [, account, container, blob, ...rest] = url.pathname.split('/');
  return account === ACCOUNT && container === CONTAINER && rest.length === 0 ? blob : undefined;
}

function dispositionOf({ fileName }: DownloadAs): string {
  return `attachment; filename="${fileName.replace(/[^\x20-\x7e]|["\\]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(fileName)}`;
}

export async function sha256Of(body: AsyncIterable<Buffer>): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

/** Path and query: a service SAS for one blob (learn.microsoft.com/rest/api/storageservices/create-service-sas). */
export function signBlob(key: Buffer, blob: string, permissions: 'cw' | 'r', as?: DownloadAs): string {
  const query = new URLSearchParams({
    sv: API_VERSION,
    sr: 'b',
    sp: permissions,
    se: new Date(Date.now() + SIGNATURE_LIFETIME_MS).toISOString().replace(/\.\d+/, ''),
    ...(as === undefined ? {} : { rsct: as.mimeType, rscd: dispositionOf(as) }),
  });
  query.set('sig', signature(key, blob, query));
  return `/${ACCOUNT}/${CONTAINER}/${blob}?${query}`;
}

function signature(key: Buffer, blob: string, query: URLSearchParams): string {
  const fields = [
    'sp',
    'st',
    'se',
    '',
    'si',
    'sip',
    'spr',
    'sv',
    'sr',
    'snapshot',
    'ses',
    'rscc',
    'rscd',
    'rsce',
  ];
  const signed = [...fields, 'rscl', 'rsct'].map((field) =>
    field === '' ? `/blob/${ACCOUNT}/${CONTAINER}/${blob}` : (query.get(field) ?? ''),
  );
  return createHmac('sha256', key).update(signed.join('\n')).digest('base64');
}

interface Committed {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

/** The part of Azure Blob Storage's REST API that the toolkit calls, with files for blobs. */
export class FileBlobStore implements BlobStore {
  readonly #dir: string;
  readonly #key = randomBytes(32);
  readonly #committed = new Map<string, Committed>();
  /** Block ID to file, for each blob. */
  readonly #blocks = new Map<string, Map<string, string>>();
  #files = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async in(dir: string): Promise<FileBlobStore> {
    await fs.mkdir(join(dir, 'blobs'), { recursive: true });
    await fs.mkdir(join(dir, 'staged'), { recursive: true });
    return new FileBlobStore(dir);
  }

  path(blob: string): string {
    return join(this.#dir, 'blobs', blob);
  }

  async read(blob: string): Promise<Buffer> {
    return await fs.readFile(this.path(blob));
  }

  async overwrite(blob: string, content: Buffer): Promise<void> {
    await fs.writeFile(this.path(blob), content);
  }

  async inspect(blob: string): Promise<Committed | undefined> {
    return this.#committed.get(blob);
  }

  sign(blob: string, permissions: 'cw' | 'r', as?: DownloadAs): string {
    return signBlob(this.#key, blob, permissions, as);
  }

  async serve(request: BlobRequest): Promise<BlobAnswer> {
    const blob = blobNameOf(request.url);
    if (blob === undefined) {
      return refusal(404, 'ResourceNotFound');
    }
    const needed = request.method === 'PUT' ? 'w' : 'r';
    if (!this.#isSigned(request.url, blob, needed)) {
      return refusal(403, 'AuthenticationFailed');
    }
    const operation = `${request.method} ${request.url.searchParams.get('comp') ?? 'blob'}`;
    switch (operation) {
      case 'PUT blob':
        return await this.#put(blob, request);
      case 'PUT block':
        return await this.#putBlock(blob, request);
      case 'PUT blocklist':
        return await this.#commit(blob, request);
      case 'GET blob':
      case 'HEAD blob':
        return await this.#get(blob, request);
      default:
        return refusal(405, 'UnsupportedHttpVerb');
    }
  }

  async #put(blob: string, request: BlobRequest): Promise<BlobAnswer> {
    if (request.headers['x-ms-blob-type'] !== 'BlockBlob') {
      return refusal(400, 'MissingRequiredHeader');
    }
    const file = await this.#stage(request);
    if (file === undefined) {
      return refusal(400, 'InvalidHeaderValue');
    }
    await this.#join(blob, [file], request);
    return created();
  }

  async #putBlock(blob: string, request: BlobRequest): Promise<BlobAnswer> {
    const id = request.url.searchParams.get('blockid') ?? '';
    const blocks = this.#blocks.get(blob) ?? new Map<string, string>();
    // Before anything is awaited: blocks arrive in parallel.
    this.#blocks.set(blob, blocks);
    const [otherId] = blocks.keys();
    if (
      id === '' ||
      Buffer.from(id, 'base64').toString('base64') !== id ||
      (otherId?.length ?? id.length) !== id.length
    ) {
      return refusal(400, 'InvalidBlobOrBlock');
    }
    const file = await this.#stage(request);
    if (file === undefined) {
      return refusal(400, 'InvalidHeaderValue');
    }
    blocks.set(id, file);
    return created();
  }

  async #commit(blob: string, request: BlobRequest): Promise<BlobAnswer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request.body) {
      chunks.push(chunk);
    }
    const list = Buffer.concat(chunks).toString();
    const ids = [...list.matchAll(/<(?:Latest|Uncommitted)>([^<]*)</g)].map(([, id]) => id ?? '');
    const blocks = this.#blocks.get(blob);
    const files = ids.flatMap((id) => blocks?.get(id) ?? []);
    if (!list.includes('<BlockList') || files.length !== ids.length) {
      return refusal(400, 'InvalidBlockList');
    }
    await this.#join(blob, files, request);
    for (const unused of blocks?.values() ?? []) {
      await fs.rm(unused, { force: true });
    }
    this.#blocks.delete(blob);
    return created();
  }

  /** @returns the file with the body, or nothing when the body is not as long as it should be */
  async #stage(request: BlobRequest): Promise<string | undefined> {
    this.#files += 1;
    const file = join(this.#dir, 'staged', String(this.#files));
    try {
      await pipeline(request.body, createWriteStream(file));
    } catch (error) {
      await fs.rm(file, { force: true });
      throw error;
    }
    return (await fs.stat(file)).size === Number(request.headers['content-length']) ? file : undefined;
  }

  async #join(blob: string, files: readonly string[], { headers }: BlobRequest): Promise<void> {
    const whole = join(this.#dir, 'staged', `${blob}.whole`);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    await pipeline(async function* () {
      for (const file of files) {
        for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
          hash.update(chunk);
          sizeBytes += chunk.length;
          yield chunk;
        }
        await fs.rm(file);
      }
    }, createWriteStream(whole));
    await fs.rename(whole, this.path(blob));
    const contentType = headers['x-ms-blob-content-type'] ?? 'application/octet-stream';
    this.#committed.set(blob, { sizeBytes, sha256: hash.digest('hex'), contentType: String(contentType) });
  }

  async #get(blob: string, { method, url, headers }: BlobRequest): Promise<BlobAnswer> {
    const committed = this.#committed.get(blob);
    if (committed === undefined) {
      return refusal(404, 'BlobNotFound');
    }
    const { size } = await fs.stat(this.path(blob));
    const wanted = /^bytes=(\d+)-(\d*)$/.exec(String(headers['x-ms-range'] ?? headers.range ?? ''));
    const start = Number(wanted?.[1] ?? 0);
    const end = Math.min(wanted?.[2] ? Number(wanted[2]) : size - 1, size - 1);
    if (wanted !== null && start >= size) {
      return refusal(416, 'InvalidRange');
    }
    const disposition = url.searchParams.get('rscd');
    return {
      status: wanted === null ? 200 : 206,
      headers: {
        ...azureHeaders(),
        'accept-ranges': 'bytes',
        'content-length': end - start + 1,
        'content-type': url.searchParams.get('rsct') ?? committed.contentType,
        'x-ms-blob-type': 'BlockBlob',
        ...(wanted === null ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
        ...(disposition === null ? {} : { 'content-disposition': disposition }),
      },
      body: method === 'HEAD' || size === 0 ? undefined : createReadStream(this.path(blob), { start, end }),
    };
  }

  #isSigned(url: URL, blob: string, needed: 'w' | 'r'): boolean {
    const { searchParams } = url;
    const given = Buffer.from(searchParams.get('sig') ?? '');
    const expected = Buffer.from(signature(this.#key, blob, searchParams));
    return (
      given.length === expected.length &&
      timingSafeEqual(given, expected) &&
      (searchParams.get('sp') ?? '').includes(needed) &&
      Date.parse(searchParams.get('se') ?? '') > Date.now()
    );
  }
}

function azureHeaders(): OutgoingHttpHeaders {
  return { 'x-ms-request-id': randomBytes(8).toString('hex'), 'x-ms-version': API_VERSION, etag: '"0x1"' };
}

function created(): BlobAnswer {
  return {
    status: 201,
    headers: { ...azureHeaders(), 'last-modified': new Date().toUTCString(), 'content-length': 0 },
  };
}

function refusal(status: number, code: string): BlobAnswer {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  );
  return {
    status,
    headers: {
      ...azureHeaders(),
      'x-ms-error-code': code,
      'content-type': 'application/xml',
      'content-length': body.length,
    },
    body: (async function* () {
      yield body;
    })(),
  };
}
