import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import { BottleError, type ErrorCode, hasErrno, InterruptedError } from '../errors.ts';

const IDLE_TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 5;
const RETRIES = 5;
/** Without a network, whoever waits shall soon know. */
const UNREACHED_RETRIES = 1;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 60_000;
/** A server that asks for more is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_ERROR_BODY_BYTES = 64 * 1024;
const MAX_QUOTED_CHARS = 200;
const REDIRECTS = [301, 302, 303, 307, 308];

/** What a server wants to know us by. It is sent to this origin (scheme, host and port) and to no other. */
export interface Credential {
  readonly origin: string;
  /** The value of the Authorization header. */
  readonly authorization: string;
}

export interface HttpRequest {
  readonly url: string;
  /** What changes something is not redirected: a redirect is a status like others then. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | StreamedBody;
  readonly credential?: Credential | undefined;
  /** Statuses that are no failure. */
  readonly expected?: readonly number[];
}

/** A body that is too large for memory. Each attempt opens it anew. */
export interface StreamedBody {
  readonly sizeBytes: number;
  readonly open: () => Readable;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end, after redirects. */
  readonly url: string;
  /** To be read to its end, or destroyed. */
  readonly body: IncomingMessage;
}

/** A server answered, and not with what was asked for. */
export class HttpError extends BottleError {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Its beginning; it can quote anything. */
  readonly body: string;

  constructor(url: string, status: number, headers: IncomingHttpHeaders, body: string) {
    const { code, hint } = meaningOf(status, headers);
    super(code, `${redacted(url)} answered ${status}${quotation(headers, body)}`, { hint });
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

export interface HttpClientOptions {
  readonly signal: AbortSignal;
  /** Told of each failure that is going to be tried again. */
  readonly onRetry?: (message: string) => void;
  /** Without a byte. */
  readonly idleTimeoutMs?: number;
  /** Before the first retry; each further one waits about twice as long. */
  readonly firstRetryMs?: number;
}

/**
 * Requests with what every source needs: proxies from the environment, redirects that drop credentials, time limits
 * for silence, and retries of what may pass. `close` ends the connections that are kept open.
 */
export class HttpClient {
  readonly #signal: AbortSignal;
  readonly #onRetry: (message: string) => void;
  readonly #idleTimeoutMs: number;
  readonly #firstRetryMs: number;
  /** Any server: then there is a network. */
  #hasAnswered = false;
  // HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case; Node itself reads NODE_EXTRA_CA_CERTS.
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, proxyEnv: process.env }),
    'https:': new TunnelAgent({ keepAlive: true, proxyEnv: process.env }),
  };

  constructor({
    signal,
    onRetry = () => {},
    idleTimeoutMs = IDLE_TIMEOUT_MS,
    firstRetryMs = FIRST_RETRY_MS,
  }: HttpClientOptions) {
    this.#signal = signal;
    this.#onRetry = onRetry;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#firstRetryMs = firstRetryMs;
  }

  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  /**
   * One request, with the redirects that follow from it and without retries.
   * @throws HttpError for a status that is not expected, BottleError `network-failed` when there is no answer
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let url = checkedUrl(request.url);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await this.#sendOnce(url, request);
      const { location } = answer.headers;
      const { expected = [200] } = request;
      if (expected.includes(answer.status)) {
        return answer;
      }
      const isRedirect =
        REDIRECTS.includes(answer.status) && ['GET', 'HEAD'].includes(request.method ?? 'GET');
      if (!isRedirect || location === undefined) {
        const body = await textOf(answer.body);
        throw new HttpError(url.href, answer.status, answer.headers, body);
      }
      answer.body.destroy();
      url = redirectTarget(location, url);
    }
    throw refusedRedirect(`${redacted(request.url)} redirects more than ${MAX_REDIRECTS} times`);
  }

  /** The whole body, with retries. */
  async read(
    request: HttpRequest,
    maxBytes: number,
  ): Promise<{ readonly answer: Omit<HttpAnswer, 'body'>; readonly bytes: Buffer }> {
    return await this.retry(async () => {
      const { body, ...answer } = await this.send(request);
      return { answer, bytes: await bytesOf(body, maxBytes, answer.url) };
    });
  }

  /** The whole body as JSON, with retries. It is `unknown` until a schema has accepted it. */
  async readJson(request: HttpRequest, maxBytes: number): Promise<unknown> {
    const { answer, bytes } = await this.read(request, maxBytes);
    try {
      return JSON.parse(bytes.toString('utf8'));
    } catch (error) {
      throw new BottleError('network-failed', `${redacted(answer.url)} did not answer with JSON`, {
        hint: 'check that the address is right and that no proxy answers in its place',
        cause: error,
      });
    }
  }

  /**
   * Runs `attempt` again after failures that may pass: no connection or a broken one, 408, 425, 429, 5xx, and 403
   * for a rate limit. Waits as long as the server asks for, up to a minute.
   * @param hasProgressed tells whether the attempt that failed got further than those before: then the count of
   *   retries begins anew
   * @throws BottleError `try-later` when the server asks for a longer wait
   */
  async retry<T>(attempt: () => Promise<T>, hasProgressed: () => boolean = () => false): Promise<T> {
    for (let failures = 0; ; ) {
      this.#signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        this.#signal.throwIfAborted();
        failures = hasProgressed() ? 1 : failures + 1;
        const retries = isUnreachable(error) && !this.#hasAnswered ? UNREACHED_RETRIES : RETRIES;
        if (!mayPass(error) || failures > retries) {
          throw error;
        }
        const waitMs = Math.max(askedWaitMs(error), this.#backoffMs(failures));
        this.#onRetry(error.message);
        // An abort ends the wait; it is thrown above.
        await sleep(waitMs, undefined, { signal: this.#signal }).catch(() => {});
      }
    }
  }

  /** Random, so that many clients that a server has lost at once do not come back at once. */
  #backoffMs(failures: number): number {
    const longestMs = Math.min(this.#firstRetryMs * 2 ** (failures - 1), MAX_RETRY_MS);
    return longestMs * (0.5 + Math.random() / 2);
  }

  async #sendOnce(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    this.#signal.throwIfAborted();
    const { method = 'GET', credential, body } = request;
    const protocol = url.protocol as 'http:' | 'https:';
    const headers: Record<string, string> = {
      'user-agent': `claude-bottle-pack/${packageJson.version}`,
      // What is compressed on the way has neither the size nor the hash that was promised.
      'accept-encoding': 'identity',
      ...request.headers,
      ...(body && { 'content-length': String('open' in body ? body.sizeBytes : body.length) }),
      ...(credential?.origin === url.origin && { authorization: credential.authorization }),
    };
    const module = protocol === 'https:' ? https : http;
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const sent = module.request(url, {
        method,
        headers,
        agent: this.#agents[protocol],
        timeout: this.#idleTimeoutMs,
      });
      // What has begun to arrive is broken off itself, or its reader would be told of an "aborted" connection only.
      let answer: IncomingMessage | undefined;
      const breakOff = (reason: Error) => (answer ?? sent).destroy(reason);
      const abort = () => breakOff(this.#signal.reason);
      this.#signal.addEventListener('abort', abort);
      sent.once('close', () => this.#signal.removeEventListener('abort', abort));
      sent.once('timeout', () =>
        breakOff(networkError(url.href, new SilenceError(`no byte in ${this.#idleTimeoutMs / 1000} s`))),
      );
      sent.once('error', (error) => reject(this.#reason(error, url)));
      sent.once('response', (received) => {
        this.#hasAnswered = true;
        answer = received.on('error', () => {});
        const { statusCode: status = 0, headers: receivedHeaders } = received;
        resolve({ status, headers: receivedHeaders, url: url.href, body: received });
      });
      if (body !== undefined && 'open' in body) {
        // Whatever ends it early is the request's error, or an answer that comes before all is sent.
        pipeline(body.open(), sent).catch((error: unknown) => reject(this.#reason(error, url)));
      } else {
        sent.end(body);
      }
    });
  }

  /** What a request or a body broke off for. */
  #reason(error: unknown, url: URL): unknown {
    if (this.#signal.aborted) {
      return this.#signal.reason;
    }
    return error instanceof BottleError ? error : networkError(url.href, error);
  }
}

/** When a proxy refuses the tunnel, Node leaves its connection open, and with it this process. Seen with Node 24.21. */
class TunnelAgent extends https.Agent {
  override createConnection(
    options: https.RequestOptions,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    return super.createConnection(options, (error, socket) => {
      if (error !== null) {
        socket?.destroy();
      }
      done?.(error, socket);
    });
  }
}

/** Part of a file, if it is still the file that the rest is from. */
export interface ByteRange {
  readonly start: number;
  /** Of the first byte that is not wanted; undefined is the end of the file. */
  readonly end?: number | undefined;
  /** A strong ETag: the part is only good if the file is still this one (If-Range). */
  readonly etag: string;
}

/** https://datatracker.ietf.org/doc/html/rfc9110#field.if-range */
export function rangeHeaders({ start, end, etag }: ByteRange): Record<string, string> {
  return { range: `bytes=${start}-${end === undefined ? '' : end - 1}`, 'if-range': etag };
}

/** Undefined for what is not there, or not there for us: GitHub makes no difference. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}

/** Turns what a body breaks off with into what the user is told. */
export function bodyError(error: unknown, url: string): unknown {
  return error instanceof BottleError || error instanceof InterruptedError ? error : networkError(url, error);
}

/** Without the parts of an address that grant access to whoever has it. */
export function redacted(url: string): string {
  const parsed = URL.parse(url);
  // What is no http address has no parts that could be told apart: all of it may be a login.
  if (parsed === null || parsed.origin === 'null') {
    return 'an address that is none';
  }
  parsed.username = '';
  parsed.password = '';
  return `${parsed.origin}${parsed.pathname}${parsed.search === '' ? '' : '?…'}`;
}

/** @throws BottleError `usage` for what is neither https, nor http on this machine */
export function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) {
    return url;
  }
  throw new BottleError('usage', `not an address to download from: ${url === null ? text : redacted(text)}`, {
    hint: 'use https://; http:// is for this machine (localhost) only',
  });
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function redirectTarget(location: string, from: URL): URL {
  const target = URL.parse(location, from.href);
  const isAllowed =
    target?.protocol === 'https:' ||
    (target?.protocol === 'http:' && from.protocol === 'http:' && isLoopback(target.hostname));
  if (target === null || !isAllowed) {
    const where = target === null ? 'nowhere' : redacted(target.href);
    throw refusedRedirect(`${redacted(from.href)} redirects to ${where}: refused`);
  }
  return target;
}

function refusedRedirect(message: string): BottleError {
  return new BottleError('network-failed', message, { hint: 'only https is followed; check the address' });
}

/** Whether the same request may succeed a little later. */
function mayPass(error: unknown): error is BottleError {
  if (error instanceof HttpError) {
    const { status, headers } = error;
    return [408, 425, 429, 500, 502, 503, 504].includes(status) || isRateLimit(status, headers);
  }
  return error instanceof ConnectionError && !isCertificateError(error.cause);
}

function isUnreachable(error: unknown): boolean {
  const cause = error instanceof ConnectionError ? error.cause : undefined;
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (
    first instanceof SilenceError ||
    hasErrno(first, 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT')
  );
}

/** How long the server wants to be left alone. */
function askedWaitMs(error: BottleError): number {
  const waitMs = error instanceof HttpError ? retryAfterMs(error.headers) : 0;
  if (waitMs > MAX_RETRY_AFTER_MS) {
    const minutes = Math.ceil(waitMs / 60_000);
    throw new BottleError('try-later', `${error.message}: come back in ${minutes} minutes`, {
      hint: 'try again then; a token (GH_TOKEN) has a rate limit of its own',
      cause: error,
    });
  }
  return waitMs;
}

function isRateLimit(status: number, headers: IncomingHttpHeaders): boolean {
  return status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0');
}

/** https://datatracker.ietf.org/doc/html/rfc9110#field.retry-after, and GitHub's x-ratelimit-reset (seconds since 1970). */
function retryAfterMs(headers: IncomingHttpHeaders): number {
  const { 'retry-after': after } = headers;
  const reset = headers['x-ratelimit-remaining'] === '0' ? headers['x-ratelimit-reset'] : undefined;
  const waitMs =
    after === undefined
      ? Number(reset ?? 0) * 1000 - (reset === undefined ? 0 : Date.now())
      : /^\d+$/.test(after)
        ? Number(after) * 1000
        : Date.parse(after) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : 0;
}

function meaningOf(status: number, headers: IncomingHttpHeaders): { code: ErrorCode; hint: string } {
  if (isRateLimit(status, headers) || status === 429) {
    return { code: 'network-failed', hint: 'wait a little; a token (GH_TOKEN) has a rate limit of its own' };
  }
  if (status === 401 || status === 403) {
    return {
      code: 'authentication',
      hint: 'set GH_TOKEN to a token that may read it, or log in to the registry with docker login',
    };
  }
  if (status === 404 || status === 410) {
    return {
      code: 'not-found',
      hint: 'check the address; what is private looks like missing without a token',
    };
  }
  return { code: 'network-failed', hint: 'try again later' };
}

/** Packets that a firewall drops look like this. */
class SilenceError extends Error {}

/** There was no answer, or it broke off. */
class ConnectionError extends BottleError {}

function networkError(url: string, cause: unknown): ConnectionError {
  const { origin } = new URL(url);
  const reason = cause instanceof Error ? reasonOf(cause) : String(cause);
  const hint = isCertificateError(cause)
    ? 'if a proxy of yours signs it, name its certificate in NODE_EXTRA_CA_CERTS'
    : 'check the network and the proxy (HTTPS_PROXY); what is in the store works offline';
  return new ConnectionError('network-failed', `no answer from ${origin}: ${reason}`, { hint, cause });
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function isCertificateError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /CERT|LEAF_SIGNATURE/.test(String(error.code));
}

/** Of several addresses that were tried, Node reports an AggregateError without a message. */
function reasonOf(error: Error): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  if (hasErrno(first, 'ECONNRESET') || /aborted/.test(first.message)) {
    return 'the connection broke off';
  }
  return first.message || String('code' in first ? first.code : first.name);
}

function quotation(headers: IncomingHttpHeaders, body: string): string {
  if (!/json|text\/plain/.test(headers['content-type'] ?? '')) {
    return '';
  }
  const text = body.replace(/\p{Cc}+/gu, ' ').trim();
  return text === '' ? '' : `: ${text.slice(0, MAX_QUOTED_CHARS)}`;
}

async function textOf(body: IncomingMessage): Promise<string> {
  return await bytesOf(body, MAX_ERROR_BODY_BYTES, '').then(
    (bytes) => bytes.toString('utf8'),
    () => '',
  );
}

async function bytesOf(body: IncomingMessage, maxBytes: number, url: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        throw new BottleError(
          'sidecar-damaged',
          `${redacted(url)} answered with more than ${maxBytes} bytes`,
          {
            hint: 'check the address; what is expected there is a short text',
          },
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw bodyError(error, url);
  }
  return Buffer.concat(chunks);
}
