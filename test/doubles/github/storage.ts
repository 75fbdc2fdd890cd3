import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

interface Link {
  readonly content: Buffer;
  readonly contentType: string;
  readonly fileName: string;
  isValid: boolean;
}

/** What the signed links lead to: another origin, which wants no Authorization header. */
export class Storage {
  readonly #links = new Map<string, Link>();

  /** A new path and query. */
  link(content: Buffer, contentType: string, fileName: string): string {
    const signature = randomBytes(16).toString('hex');
    this.#links.set(signature, { content, contentType, fileName, isValid: true });
    return `/blob/${encodeURIComponent(fileName)}?sig=${signature}`;
  }

  expireLinks(): void {
    for (const link of this.#links.values()) {
      link.isValid = false;
    }
  }

  answer(request: IncomingMessage, response: ServerResponse, url: URL): void {
    if (request.headers.authorization !== undefined) {
      sendError(response, 400, 'InvalidAuthenticationInfo');
      return;
    }
    const link = this.#links.get(url.searchParams.get('sig') ?? '');
    if (!link?.isValid) {
      sendError(response, 403, 'AuthenticationFailed');
      return;
    }
    const { content, contentType, fileName } = link;
    const etag = `"0x${createHash('sha256').update(content).digest('hex').slice(0, 16)}"`;
    const range = rangeOf(request, content.length, etag);
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const part = range === undefined ? content : content.subarray(range.start, range.end);
    response.writeHead(range === undefined ? 200 : 206, {
      'content-type': contentType,
      'content-disposition': `attachment; filename="${fileName}"`,
      'content-length': part.length,
      'accept-ranges': 'bytes',
      etag,
      ...(range && { 'content-range': `bytes ${range.start}-${range.end - 1}/${content.length}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : part);
  }
}

function rangeOf(
  { headers }: IncomingMessage,
  sizeBytes: number,
  etag: string,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const { 'if-range': ifRange = etag } = headers;
  if (first === undefined || ifRange !== etag) {
    return undefined;
  }
  const start = Number(first);
  return start >= sizeBytes
    ? 'unsatisfiable'
    : { start, end: Math.min(sizeBytes, last ? Number(last) + 1 : sizeBytes) };
}

function sendError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code });
  response.end(`<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`);
}
