import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

/** What goes wrong with one request. Positions count from the first byte of the file. */
export type Fault =
  /** The connection ends, or is reset, or stays open in silence, when this many bytes of the answer are sent. */
  | { readonly kind: 'truncate' | 'reset' | 'stall'; readonly afterBytes: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** No answer at all: the connection stays open, or is closed. */
  | { readonly kind: 'hang' | 'closed' }
  /** One bit of the byte at this position is wrong. */
  | { readonly kind: 'flip'; readonly position: number }
  /** The whole file, whatever range was asked for. */
  | { readonly kind: 'norange' }
  /** A range that begins one byte late: and says so, or says that it is the right one. */
  | { readonly kind: 'badrange' | 'wrong-offset' }
  /** The file is another one now, as its ETag shows; or only the ETag of a range is another one. */
  | { readonly kind: 'changed' | 'other-etag' }
  | { readonly kind: 'gzip' | 'html' }
  /** Fewer or more bytes than the file has; `unsized` does not say how many. */
  | { readonly kind: 'short' | 'long'; readonly bytes: number; readonly unsized?: boolean }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: http.OutgoingHttpHeaders };

export interface SeenRequest {
  /** From 0. */
  readonly index: number;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Of the body; what was given to the connection, whether or not it was read. */
  bytesSent: number;
}

export interface FaultServerOptions {
  /** Chosen for each request; without one the server behaves. */
  readonly plan?: (request: SeenRequest) => Fault | undefined;
  /** A weak one or none makes the file impossible to resume. */
  readonly etag?: string | undefined;
  readonly limits?: { readonly eachBytesPerSecond?: number; readonly totalBytesPerSecond?: number };
}

const PIECE_BYTES = 16 * 1024;

/** One file on a loopback port, and what may go wrong with it. It stops with the test. */
export class FaultServer {
  readonly requests: SeenRequest[] = [];
  readonly url: string;
  /** May be changed at any time, as may the file. */
  plan: (request: SeenRequest) => Fault | undefined;
  content: Buffer;
  etag: string | undefined;
  readonly #limits: NonNullable<FaultServerOptions['limits']>;
  /** When the next byte may leave, with a limit in total. */
  #freeAtMs = 0;
  #sending = 0;
  #mostSending = 0;

  static async start(content: Buffer, options: FaultServerOptions = {}): Promise<FaultServer> {
    const server = http.createServer();
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket));
    onTestFinished(async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FaultServer(server, content, options);
  }

  private constructor(server: http.Server, content: Buffer, options: FaultServerOptions) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
    this.content = content;
    this.plan = options.plan ?? (() => undefined);
    this.etag = 'etag' in options ? options.etag : '"one"';
    this.#limits = options.limits ?? {};
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  get bytesSent(): number {
    return this.requests.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  }

  /** Of answers with a body: how many were on their way at once, at most. */
  get mostAtOnce(): number {
    return this.#mostSending;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { url = '', headers, socket } = request;
    const seen: SeenRequest = { index: this.requests.length, url, headers, bytesSent: 0 };
    this.requests.push(seen);
    const fault = this.plan(seen);
    switch (fault?.kind) {
      case 'hang':
        return;
      case 'closed':
        socket.destroy();
        return;
      case 'redirect':
        response.writeHead(302, { location: fault.location }).end();
        return;
      case 'status':
        response.writeHead(fault.status, { 'content-type': 'text/plain', ...fault.headers }).end('no luck');
        return;
      case 'html':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Log in to the network first');
        return;
      case 'gzip':
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(this.content, { level: 0 }));
        return;
    }
    const { status, answerHeaders, body } = this.#fileAnswer(headers, fault);
    response.writeHead(status, answerHeaders);
    this.#sending += 1;
    this.#mostSending = Math.max(this.#mostSending, this.#sending);
    await this.#send(response, socket, body, seen, fault);
    this.#sending -= 1;
  }

  #fileAnswer(headers: http.IncomingHttpHeaders, fault: Fault | undefined) {
    const size = this.content.length;
    const etag = fault?.kind === 'changed' ? '"another"' : this.etag;
    const [, first = '', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const condition = headers['if-range'];
    const isRange =
      first !== '' && fault?.kind !== 'norange' && (condition === undefined || condition === etag);
    const start = isRange ? Number(first) : 0;
    const end = isRange && last !== '' ? Math.min(Number(last) + 1, size) : size;
    let body = this.content.subarray(start, end);
    let says = start;
    if (isRange && (fault?.kind === 'badrange' || fault?.kind === 'wrong-offset')) {
      body = Buffer.concat([this.content.subarray(start + 1, end), Buffer.alloc(1)]);
      says += fault.kind === 'badrange' ? 1 : 0;
    } else if (fault?.kind === 'short') {
      body = body.subarray(0, fault.bytes);
    } else if (fault?.kind === 'long') {
      body = Buffer.concat([body, Buffer.alloc(fault.bytes)]);
    } else if (fault?.kind === 'flip' && fault.position >= start && fault.position < end) {
      body = Buffer.from(body);
      body[fault.position - start] = (body[fault.position - start] ?? 0) ^ 1;
    }
    const isUnsized = (fault?.kind === 'short' || fault?.kind === 'long') && fault.unsized === true;
    const answerHeaders: http.OutgoingHttpHeaders = {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      ...(etag !== undefined && { etag: isRange && fault?.kind === 'other-etag' ? '"another"' : etag }),
      ...(!isUnsized && { 'content-length': body.length }),
      ...(isRange && { 'content-range': `bytes ${says}-${says + body.length - 1}/${size}` }),
    };
    return { status: isRange ? 206 : 200, answerHeaders, body };
  }

  async #send(
    response: http.ServerResponse,
    socket: Socket,
    body: Buffer,
    seen: SeenRequest,
    fault: Fault | undefined,
  ): Promise<void> {
    const isCut = fault?.kind === 'truncate' || fault?.kind === 'reset' || fault?.kind === 'stall';
    const end = isCut ? Math.min(fault.afterBytes, body.length) : body.length;
    const ownLimit = fault?.kind === 'slow' ? fault.bytesPerSecond : this.#limits.eachBytesPerSecond;
    const startedMs = performance.now();
    while (seen.bytesSent < end && !socket.destroyed) {
      const piece = body.subarray(seen.bytesSent, Math.min(seen.bytesSent + PIECE_BYTES, end));
      seen.bytesSent += piece.length;
      await new Promise<void>((resolve) => {
        socket.once('close', resolve);
        response.write(piece, () => {
          socket.off('close', resolve);
          resolve();
        });
      });
      if (ownLimit !== undefined) {
        const aheadMs = (seen.bytesSent / ownLimit) * 1000 - (performance.now() - startedMs);
        await sleep(Math.max(0, aheadMs));
      }
      await this.#waitForTotal(piece.length);
    }
    if (fault?.kind === 'truncate') {
      socket.end();
    } else if (fault?.kind === 'reset') {
      socket.resetAndDestroy();
    } else if (fault?.kind !== 'stall') {
      response.end();
    }
  }

  async #waitForTotal(bytes: number): Promise<void> {
    const { totalBytesPerSecond } = this.#limits;
    if (totalBytesPerSecond !== undefined) {
      const nowMs = performance.now();
      this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (bytes / totalBytesPerSecond) * 1000;
      await sleep(this.#freeAtMs - nowMs);
    }
  }
}
