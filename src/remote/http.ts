import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import packageJson from '../../package.json' with { type: 'json' };
import { BottleError } from '../errors.ts';
import { parseJson } from '../identity/json.ts';
import { counted } from '../identity/shown-text.ts';
import { newAgent, systemTrust } from './agent.ts';
import {
  askedWaitMs,
  bodyError,
  HttpError,
  isExpiredRedirect,
  isUnknownIssuer,
  isUnreachable,
  mayPass,
  networkError,
  SilenceError,
  SlownessError,
} from './http-error.ts';
import { proxyFor } from './proxy.ts';
import { checkedUrl, isLoopback, redacted } from './url.ts';

const IDLE_TIMEOUT_MS = 30_000;
/** For the whole of a short text, and for the head of every answer. */
const SHORT_TIMEOUT_MS = 120_000;
/** What git and curl users know as a lowest rate: fewer bytes than this over half a minute are a broken connection. */
const LOWEST_BYTES_PER_SECOND = 1000;
const RATE_WINDOW_MS = 30_000;
const MAX_REDIRECTS = 5;
const RETRIES = 5;
/** Without a network, the user shall soon know. */
const UNREACHED_RETRIES = 1;
const SLOW_RETRIES = 2;
const EXPIRED_RETRIES = 1;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 60_000;
const MAX_ERROR_BODY_BYTES = 64 * 1024;
const REDIRECTS = [301, 302, 303, 307, 308];

/** A login for a server. It is sent to this origin (scheme, host and port) and to no other. */
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
  /** Statuses that are not a failure. */
  readonly expected?: readonly number[];
}

/** A body that is too large for memory. Each attempt opens it again. */
export interface StreamedBody {
  readonly sizeBytes: number;
  readonly open: () => Readable;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end, after redirects. */
  readonly url: string;
  /** The caller reads it to its end, or destroys it. */
  readonly body: IncomingMessage;
}

export interface WholeAnswer {
  readonly answer: Omit<HttpAnswer, 'body'>;
  readonly bytes: Buffer;
}

export interface HttpClientOptions {
  readonly signal: AbortSignal;
  /** Told of each failure that is going to be tried again. */
  readonly onRetry?: (message: string) => void;
  /** Without a byte. */
  readonly idleTimeoutMs?: number;
  /** For a connection and the head of an answer, and for a body that is read whole. */
  readonly shortTimeoutMs?: number;
  /** The time over which the lowest rate of a body is measured. */
  readonly rateWindowMs?: number;
  /** Before the first retry; each further one waits about twice as long. */
  readonly firstRetryMs?: number;
}

/**
 * Requests with everything that a source needs: proxies from the environment, redirects that drop credentials, limits
 * of time and of slowness, and retries of failures that may pass. `close` ends the connections that are kept open.
 */
export class HttpClient {
  readonly #options: Required<HttpClientOptions>;
  readonly #signal: AbortSignal;
  /** Any server: then there is a network. */
  #hasAnswered = false;
  /** By protocol, proxy and trust. Those in use stay when the trust grows. */
  readonly #agents = new Map<string, http.Agent>();
  /** Undefined for the authorities of Node alone. */
  #trust: SecureContext | undefined;

  constructor(options: HttpClientOptions) {
    this.#options = {
      onRetry: () => {},
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      shortTimeoutMs: SHORT_TIMEOUT_MS,
      rateWindowMs: RATE_WINDOW_MS,
      firstRetryMs: FIRST_RETRY_MS,
      ...options,
    };
    this.#signal = options.signal;
  }

  close(): void {
    for (const agent of this.#agents.values()) {
      agent.destroy();
    }
  }

  /**
   * One request, with the redirects that follow from it and without retries.
   * @throws HttpError for a status that is not expected, BottleError `network-failed` when there is no answer
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const asked = checkedUrl(request.url);
    let url = asked;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await this.#sendTrusting(url, request);
      const { status, headers } = answer;
      const { expected = [200] } = request;
      if (expected.includes(status)) {
        return answer;
      }
      const isRedirect = REDIRECTS.includes(status) && ['GET', 'HEAD'].includes(request.method ?? 'GET');
      if (!isRedirect || headers.location === undefined) {
        const body = await this.#textOf(answer);
        throw new HttpError({
          url: url.href,
          status,
          headers,
          body,
          isRedirected: url.origin !== asked.origin,
        });
      }
      answer.body.destroy();
      url = redirectTarget(headers.location, url);
    }
    throw refusedRedirect(`${redacted(request.url)} redirects more than ${MAX_REDIRECTS} times`);
  }

  /** The whole body, with retries. */
  async read(request: HttpRequest, maxBytes: number): Promise<WholeAnswer> {
    return await this.retry(() => this.readOnce(request, maxBytes));
  }

  /** The whole body, without retries. */
  async readOnce(request: HttpRequest, maxBytes: number): Promise<WholeAnswer> {
    const { body, ...answer } = await this.send(request);
    return { answer, bytes: await this.#bytesOf({ body, ...answer }, maxBytes) };
  }

  /** The whole body as JSON, with retries. It is `unknown` until a schema has accepted it. */
  async readJson(request: HttpRequest, maxBytes: number): Promise<unknown> {
    const { answer, bytes } = await this.read(request, maxBytes);
    try {
      return parseJson(bytes.toString('utf8'));
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
   *   retries starts again
   * @throws BottleError `try-later` when the server asks for a longer wait
   */
  async retry<T>(attempt: () => Promise<T>, hasProgressed: () => boolean = () => false): Promise<T> {
    for (let failures = 0; ; ) {
      this.#signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        this.#signal.throwIfAborted();
        const hasGoneOn = hasProgressed() && !(error instanceof SlownessError);
        failures = hasGoneOn ? 1 : failures + 1;
        if (!mayPass(error) || failures > this.#retriesFor(error)) {
          throw error;
        }
        const waitMs = Math.max(askedWaitMs(error), this.#backoffMs(failures));
        this.#options.onRetry(error.message);
        // An abort ends the wait; it is thrown above.
        await sleep(waitMs, undefined, { signal: this.#signal }).catch(() => {});
      }
    }
  }

  #retriesFor(error: BottleError): number {
    if (isExpiredRedirect(error)) {
      return EXPIRED_RETRIES;
    }
    if (error instanceof SlownessError) {
      return SLOW_RETRIES;
    }
    return isUnreachable(error) && !this.#hasAnswered ? UNREACHED_RETRIES : RETRIES;
  }

  /** Random, so that many clients that a server has lost at once do not come back at once. */
  #backoffMs(failures: number): number {
    const longestMs = Math.min(this.#options.firstRetryMs * 2 ** (failures - 1), MAX_RETRY_MS);
    return longestMs * (0.5 + Math.random() / 2);
  }

  /** A company puts the authorities of its own where git and docker look, and Node does not: it is slow to read. */
  async #sendTrusting(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#sendOnce(url, request);
    } catch (error) {
      if (this.#trust !== undefined || !isUnknownIssuer(error)) {
        throw error;
      }
      this.#trust = systemTrust();
      return await this.#sendOnce(url, request);
    }
  }

  async #sendOnce(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    this.#signal.throwIfAborted();
    const { method = 'GET', credential, body } = request;
    const headers: Record<string, string> = {
      'user-agent': `claude-bottle-pack/${packageJson.version}`,
      // A body that is compressed on the way has neither the size nor the hash that was promised.
      'accept-encoding': 'identity',
      ...request.headers,
      ...(body && { 'content-length': String('open' in body ? body.sizeBytes : body.length) }),
      ...(credential?.origin === url.origin && { authorization: credential.authorization }),
    };
    const proxy = proxyFor(url, process.env);
    const { idleTimeoutMs, shortTimeoutMs } = this.#options;
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const sent = (url.protocol === 'https:' ? https : http).request(url, {
        method,
        headers,
        agent: this.#agentFor(url, proxy),
        timeout: idleTimeoutMs,
      });
      // A body that has begun to arrive is ended with this error, or its reader would hear of an "aborted" connection only.
      let answer: IncomingMessage | undefined;
      const breakOff = (reason: Error) => (answer ?? sent).destroy(reason);
      const abort = () => breakOff(this.#signal.reason);
      const reasonOf = (error: unknown) =>
        this.#signal.aborted
          ? this.#signal.reason
          : error instanceof BottleError
            ? error
            : networkError(url.href, error, proxy);
      let headTimer: NodeJS.Timeout | undefined;
      this.#signal.addEventListener('abort', abort);
      sent.once('close', () => {
        clearTimeout(headTimer);
        this.#signal.removeEventListener('abort', abort);
      });
      sent.once('timeout', () =>
        breakOff(reasonOf(new SilenceError(`no byte in ${idleTimeoutMs / 1000} s`))),
      );
      sent.once('error', (error) => reject(reasonOf(error)));
      const awaitHead = () => {
        clearTimeout(headTimer);
        const slowness = `no whole answer in ${shortTimeoutMs / 1000} s`;
        headTimer = setTimeout(() => breakOff(new SlownessError(url.href, proxy, slowness)), shortTimeoutMs);
      };
      const isStreamed = body !== undefined && 'open' in body;
      if (!isStreamed) {
        // A server, or a proxy before it, can let the connection itself come into being byte by byte.
        awaitHead();
      }
      sent.once('finish', () => {
        if (answer === undefined) {
          awaitHead();
        }
      });
      sent.once('response', (received) => {
        clearTimeout(headTimer);
        this.#hasAnswered = true;
        answer = received.on('error', () => {});
        this.#requireRate(received, (what) => breakOff(new SlownessError(url.href, proxy, what)));
        const { statusCode: status = 0, headers: receivedHeaders } = received;
        resolve({ status, headers: receivedHeaders, url: url.href, body: received });
      });
      if (isStreamed) {
        // What ends it early is the request's error, or an answer that comes before all is sent.
        pipeline(body.open(), sent).catch((error: unknown) => reject(reasonOf(error)));
      } else {
        sent.end(body);
      }
    });
  }

  #agentFor(url: URL, proxy: URL | undefined): http.Agent {
    const key = [url.protocol, proxy?.href, this.#trust && 'system'].join(' ');
    const agent = this.#agents.get(key) ?? newAgent(url, proxy, this.#trust);
    this.#agents.set(key, agent);
    return agent;
  }

  /** A reader that takes its time is not the server's fault: then bytes wait in the body. */
  #requireRate(body: IncomingMessage, breakOff: (what: string) => void): void {
    const { rateWindowMs } = this.#options;
    const { socket } = body;
    const leastBytes = (LOWEST_BYTES_PER_SECOND * rateWindowMs) / 1000;
    let bytesBefore = socket.bytesRead;
    const timer = setInterval(() => {
      const bytes = socket.bytesRead - bytesBefore;
      bytesBefore = socket.bytesRead;
      if (bytes < leastBytes && body.readableLength === 0 && !body.complete) {
        breakOff(`${counted(bytes, 'byte')} in ${rateWindowMs / 1000} s`);
      }
    }, rateWindowMs).unref();
    body.once('close', () => clearInterval(timer));
  }

  async #textOf(answer: HttpAnswer): Promise<string> {
    return await this.#bytesOf(answer, MAX_ERROR_BODY_BYTES).then(
      (bytes) => bytes.toString('utf8'),
      () => '',
    );
  }

  /** @throws BottleError `sidecar-damaged` for a body that is too long, SlownessError for one that takes too long */
  async #bytesOf({ body, url }: HttpAnswer, maxBytes: number): Promise<Buffer> {
    const { shortTimeoutMs } = this.#options;
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    const timer = setTimeout(
      () => body.destroy(new SlownessError(url, undefined, `no whole answer in ${shortTimeoutMs / 1000} s`)),
      shortTimeoutMs,
    );
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) {
          const message = `${redacted(url)} answered with more than ${maxBytes} bytes`;
          throw new BottleError('sidecar-damaged', message, {
            hint: 'check the address: a short text is expected there',
          });
        }
        chunks.push(chunk);
      }
    } catch (error) {
      throw bodyError(error, url);
    } finally {
      clearTimeout(timer);
    }
    return Buffer.concat(chunks);
  }
}

/** Part of a file, if it is still the file that the rest is from. */
export interface ByteRange {
  readonly start: number;
  /** The position of the first byte that is not wanted. */
  readonly end: number;
  /** A strong ETag: the part is only good if the file is still this one (If-Range). Undefined for the first part. */
  readonly etag: string | undefined;
}

/** https://datatracker.ietf.org/doc/html/rfc9110#field.if-range */
export function rangeHeaders({ start, end, etag }: ByteRange): Record<string, string> {
  return { range: `bytes=${start}-${end - 1}`, ...(etag !== undefined && { 'if-range': etag }) };
}

/** @throws BottleError `network-failed` for a target that is not followed */
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
