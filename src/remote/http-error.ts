import type { IncomingHttpHeaders } from 'node:http';
import { BottleError, type ErrorCode, hasErrno, InterruptedError } from '../errors.ts';
import { counted } from '../identity/shown-text.ts';
import { byWayOf } from './proxy.ts';
import { redacted } from './url.ts';

/** A server that asks for a longer wait is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_QUOTED_CHARS = 200;
/** Plain http is for this machine only. */
const PLAIN_HINT =
  'check what listens at that port; registries on this machine are asked without TLS, unless they are named by its host name';
const LOGIN_LIMIT_HINT =
  'a user who is logged in has a higher limit (GitHub: GH_TOKEN, a registry: docker login)';

export interface ErrorAnswer {
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Its beginning; it can quote anything. */
  readonly body: string;
  /**
   * Another server than the one that was asked sent this, at the end of a redirect. It knows nothing about the login:
   * when it refuses, an address that is valid for a while only has expired.
   */
  readonly isRedirected: boolean;
}

/** A server answered, and not as it should. */
export class HttpError extends BottleError {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly isRedirected: boolean;
  readonly #answer: ErrorAnswer;

  constructor(answer: ErrorAnswer, { addition = '', hint }: { addition?: string; hint?: string } = {}) {
    const { url, status, headers, body, isRedirected } = answer;
    const { code, hint: usualHint } = meaningOf(answer);
    const message = `${redacted(url)} answered ${status}${quotation(headers, body)}${addition}`;
    super(code, message, { hint: hint ?? usualHint });
    this.#answer = answer;
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.isRedirected = isRedirected;
  }

  /** The same error, by someone who knows more about the case. */
  explained(addition: string, { hint }: { hint: string }): HttpError {
    return new HttpError(this.#answer, { addition, hint });
  }
}

function meaningOf({ status, headers, body, isRedirected }: ErrorAnswer): { code: ErrorCode; hint: string } {
  if (isRateLimit(status, headers) || status === 429) {
    return { code: 'network-failed', hint: `wait a little; ${LOGIN_LIMIT_HINT}` };
  }
  if ([401, 403].includes(status)) {
    return isRedirected
      ? {
          code: 'network-failed',
          hint: 'try again: the address that the server redirects to may have expired',
        }
      : { code: 'authentication', hint: 'set GH_TOKEN to a token that may read it' };
  }
  if (status === 404 || status === 410) {
    return {
      code: 'not-found',
      hint: 'check the address; without a token, a private repository looks like a missing one',
    };
  }
  if (status === 400 && /HTTP request (was sent )?to (an )?HTTPS/i.test(body)) {
    return { code: 'network-failed', hint: PLAIN_HINT };
  }
  return {
    code: 'network-failed',
    hint:
      status < 500
        ? 'ask the operator of the server, because the same request will get the same answer'
        : 'try again later',
  };
}

/** Packets that a firewall drops look like this. */
export class SilenceError extends Error {}

/** There was no answer, or it broke off. */
export class ConnectionError extends BottleError {}

/** Bytes come, and so few that waiting for the rest makes no sense. */
export class SlownessError extends ConnectionError {
  constructor(url: string, proxy: URL | undefined, what: string) {
    super('network-failed', `${new URL(url).origin} is too slow${byWayOf(proxy)}: ${what}`, {
      hint: 'try again later; a download goes on where it stopped',
    });
  }
}

export function networkError(url: string, cause: unknown, proxy?: URL): ConnectionError {
  const { origin } = new URL(url);
  const reason = cause instanceof Error ? reasonOf(cause) : String(cause);
  const hint =
    lastingFailureHint(cause) ??
    (url.startsWith('http:')
      ? PLAIN_HINT
      : proxy === undefined
        ? 'check the network; sidecars in the store need none'
        : 'check the network and the proxy (HTTPS_PROXY, NO_PROXY); sidecars in the store need neither');
  const message = `no answer from ${origin}${byWayOf(proxy)}: ${reason}`;
  return new ConnectionError('network-failed', message, { hint, cause });
}

/** Turns the error that a body breaks off with into the one that the user is told. */
export function bodyError(error: unknown, url: string): unknown {
  return error instanceof BottleError || error instanceof InterruptedError ? error : networkError(url, error);
}

/** Undefined for a thing that is not there, or not there for us: GitHub makes no difference. */
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

/** Whether the same request may succeed a little later. */
export function mayPass(error: unknown): error is BottleError {
  if (error instanceof HttpError) {
    const { status, headers } = error;
    return (
      [408, 425, 429, 500, 502, 503, 504].includes(status) ||
      isRateLimit(status, headers) ||
      isExpiredRedirect(error)
    );
  }
  return error instanceof ConnectionError && lastingFailureHint(error.cause) === undefined;
}

/** Asking the first server again gets a new address. */
export function isExpiredRedirect(error: unknown): boolean {
  return error instanceof HttpError && error.isRedirected && [401, 403].includes(error.status);
}

export function isUnreachable(error: unknown): boolean {
  const cause = error instanceof ConnectionError ? error.cause : undefined;
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (
    first instanceof SilenceError ||
    hasErrno(first, 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT')
  );
}

/**
 * How long the server wants to be left alone.
 * @throws BottleError `try-later` when that is longer than a minute
 */
export function askedWaitMs(error: BottleError): number {
  const waitMs = error instanceof HttpError ? retryAfterMs(error.headers) : 0;
  if (waitMs > MAX_RETRY_AFTER_MS) {
    const minutes = Math.ceil(waitMs / 60_000);
    throw new BottleError('try-later', `${error.message}: come back in ${counted(minutes, 'minute')}`, {
      hint: `try again then; ${LOGIN_LIMIT_HINT}`,
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

const UNKNOWN_ISSUER = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

export function isUnknownIssuer(error: unknown): boolean {
  return error instanceof ConnectionError && hasErrno(error.cause, ...UNKNOWN_ISSUER);
}

const WRONG_CLOCK = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/**
 * What to do about a connection that fails in the same way when it is tried again; undefined for other failures.
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
function lastingFailureHint(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error)) {
    return undefined;
  }
  const code = String(error.code);
  if (WRONG_CLOCK.includes(code)) {
    return `check the clock of this machine, which says ${new Date().toISOString()}; if it is right, tell the operator of the server`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return 'check the name of the server: its certificate is for other names';
  }
  if (/ALERT_CERTIFICATE_REQUIRED/.test(code)) {
    return 'use a server that does not ask for a certificate of its clients';
  }
  if (/CERT|LEAF_SIGNATURE/.test(code)) {
    return 'if a proxy of yours signs it, name its certificate in NODE_EXTRA_CA_CERTS';
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return 'check the port: no TLS is spoken there that is understood here, and plain http is for this machine only';
  }
  if (code.startsWith('HPE_')) {
    return 'check the port: the program that answers there does not speak HTTP';
  }
  const [, refusal] = /HTTP\/\S+ (4\d\d)\b/.exec(code === 'ERR_PROXY_TUNNEL' ? error.message : '') ?? [];
  if (refusal === '407') {
    return 'check the login for the proxy in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the server in NO_PROXY';
  }
  return refusal && 'ask the operator of the proxy, or name the server in NO_PROXY to reach it directly';
}

/** For several addresses that were tried, Node reports an AggregateError without a message. */
function reasonOf(error: Error): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  if (hasErrno(first, 'ECONNRESET') || /aborted/.test(first.message)) {
    return 'the connection broke off';
  }
  if (hasErrno(first, 'ENOTFOUND', 'EAI_AGAIN')) {
    return 'its name cannot be resolved';
  }
  // Node quotes the address of the proxy, with the login that is in it.
  const message = first.message.replace(/ via \S+/, '');
  return message || String('code' in first ? first.code : first.name);
}

function quotation(headers: IncomingHttpHeaders, body: string): string {
  if (!/json|text\/plain/.test(headers['content-type'] ?? '')) {
    return '';
  }
  const text = body.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return text === '' ? '' : `: ${text.slice(0, MAX_QUOTED_CHARS)}`;
}
