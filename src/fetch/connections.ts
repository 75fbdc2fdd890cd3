import type { IncomingHttpHeaders } from 'node:http';
import { BottleError } from '../errors.ts';
import type { ByteRange, HttpAnswer } from '../remote/http.ts';
import { bodyError, HttpError } from '../remote/http-error.ts';
import { redacted } from '../remote/url.ts';
import type { PartFile } from './part-file.ts';
import { cutSegments } from './segments.ts';

const MAX_CONNECTIONS = 4;
/** A smaller file comes in one piece: opening connections would take as long as it takes. */
const PARALLEL_BYTES = 32 * 1024 * 1024;
/** A connection that has brought this much is opened again at once when it breaks off. */
const GOOD_RUN_BYTES = 256 * 1024;
/** Received and not yet written, in all connections together: a kill loses these bytes. */
const HELD_BYTES = 256 * 1024;

export interface ConnectionsOptions {
  readonly part: PartFile;
  readonly open: (range?: ByteRange) => Promise<HttpAnswer>;
  /** Without ranges, the file comes whole. */
  readonly mayUseRanges: boolean;
  readonly onBytes: (doneBytes: number) => void;
}

/** The server has answered a request for a range with something else. The whole file may be fine. */
export class UnusableRangeError extends Error {}

/** A range that one connection receives. Everything before `position` is written. */
interface Segment {
  position: number;
  readonly end: number;
}

interface Opened {
  readonly segment: Segment;
  readonly answer: HttpAnswer;
}

/**
 * Receives what is missing of a file: a list of segments, and a few connections that take one after the other from it.
 * A segment that one connection fails to get is left to the others; when all have failed, the last failure is thrown.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #part: PartFile;
  readonly #stop = new AbortController();
  #queue: Segment[] = [];
  #failure: unknown;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#part = options.part;
  }

  async receiveMissing(): Promise<void> {
    const { missing, sizeBytes, doneBytes } = this.#part;
    if (missing.length === 0) {
      return;
    }
    const comesWhole = !this.#options.mayUseRanges || (doneBytes === 0 && sizeBytes < PARALLEL_BYTES);
    if (!comesWhole) {
      this.#queue = cutSegments(missing).map(({ start, end }) => ({ position: start, end }));
    }
    // The first answer tells which file the server has, and whether it knows ranges.
    const first = await this.#openFirst(this.#queue.shift());
    const others = this.#queue.slice(0, MAX_CONNECTIONS - 1);
    await Promise.all([this.#work(first), ...others.map(() => this.#work())]);
    if (this.#part.doneBytes < sizeBytes) {
      throw this.#failure ?? this.#stop.signal.reason;
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  async #work(opened?: Opened): Promise<void> {
    let answer = opened?.answer;
    for (let segment = opened?.segment ?? this.#queue.shift(); segment; segment = this.#queue.shift()) {
      const { position } = segment;
      try {
        await this.#receive(segment, answer ?? (await this.#openRange(segment)));
      } catch (error) {
        if (!isOfOneConnection(error)) {
          this.#stop.abort(error);
          throw error;
        }
        if (this.#stop.signal.aborted) {
          return;
        }
        this.#failure = error;
        this.#queue.unshift(segment);
        if (segment.position - position < GOOD_RUN_BYTES || this.#part.etag === undefined) {
          return;
        }
      }
      answer = undefined;
    }
  }

  /** Without a segment, it asks for the whole file; and where nothing is there yet, the whole file is a fine answer. */
  async #openFirst(segment: Segment | undefined): Promise<Opened> {
    const { part } = this.#options;
    const answer =
      segment === undefined ? await this.#options.open() : await this.#askForRange(segment, part.etag);
    try {
      if (segment !== undefined && (answer.status !== 200 || part.doneBytes > 0)) {
        requireRange(answer, segment, part);
        if (part.etag === undefined) {
          await part.begin(requireStrongEtag(answer));
        }
        return { segment, answer };
      }
      requireWhole(answer, part.sizeBytes);
      await part.begin(strongEtag(answer.headers));
    } catch (error) {
      answer.body.destroy();
      throw error;
    }
    this.#queue = [];
    return { segment: { position: 0, end: part.sizeBytes }, answer };
  }

  async #openRange(segment: Segment): Promise<HttpAnswer> {
    const answer = await this.#askForRange(segment, this.#part.etag);
    try {
      requireRange(answer, segment, this.#part);
    } catch (error) {
      answer.body.destroy();
      throw error;
    }
    return answer;
  }

  async #askForRange({ position, end }: Segment, etag: string | undefined): Promise<HttpAnswer> {
    return await this.#options.open({ start: position, end, etag }).catch((error: unknown) => {
      throw error instanceof HttpError && error.status === 416
        ? new UnusableRangeError(error.message)
        : error;
    });
  }

  async #receive(segment: Segment, { body, url }: HttpAnswer): Promise<void> {
    const { position: start, end } = segment;
    const destroy = () => body.destroy();
    this.#stop.signal.addEventListener('abort', destroy);
    let batch: Buffer[] = [];
    let batchBytes = 0;
    const flush = () => {
      this.#part.write(batch, segment.position);
      segment.position += batchBytes;
      batch = [];
      batchBytes = 0;
      this.#options.onBytes(this.#part.doneBytes);
    };
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        if (segment.position + batchBytes + chunk.length > end) {
          throw damaged(`${redacted(url)} sends more than the ${end - start} bytes that were asked for`);
        }
        batch.push(chunk);
        batchBytes += chunk.length;
        if (batchBytes >= HELD_BYTES / MAX_CONNECTIONS) {
          flush();
        }
      }
    } catch (error) {
      throw bodyError(error, url);
    } finally {
      this.#stop.signal.removeEventListener('abort', destroy);
      if (batchBytes > 0) {
        flush();
      }
    }
    if (segment.position < end) {
      throw bodyError(new Error(`it ended at byte ${segment.position} of ${end}`), url);
    }
  }
}

/** Another connection, or another way to the same file, may do better. */
function isOfOneConnection(error: unknown): boolean {
  return (
    error instanceof UnusableRangeError ||
    (error instanceof BottleError &&
      ['network-failed', 'authentication', 'not-found', 'try-later'].includes(error.code))
  );
}

function requireWhole({ status, headers, url }: HttpAnswer, sizeBytes: number): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  const type = headers['content-type'] ?? '';
  const length = headers['content-length'];
  if (status !== 200 || encoding !== 'identity' || type.startsWith('text/html')) {
    throw new BottleError(
      'network-failed',
      `${redacted(url)} answered ${status} with ${type || 'something'} (${encoding}), not with the file`,
      { hint: 'check that no proxy answers in its place' },
    );
  }
  if (length !== undefined && Number(length) !== sizeBytes) {
    throw damaged(`${redacted(url)} has ${length} bytes, expected ${sizeBytes}`);
  }
}

function requireRange(
  { status, headers, url }: HttpAnswer,
  { position, end }: Segment,
  { etag, sizeBytes }: PartFile,
): void {
  const expected = `bytes ${position}-${end - 1}/${sizeBytes}`;
  const { 'content-range': range, 'content-encoding': encoding = 'identity' } = headers;
  const problem =
    status !== 206
      ? `the answer to a range is ${status}`
      : range !== expected || encoding !== 'identity'
        ? `the range is "${range}" (${encoding}), expected "${expected}"`
        : etag !== undefined && (headers.etag ?? etag) !== etag
          ? `the ETag is ${headers.etag}, expected ${etag}`
          : undefined;
  if (problem !== undefined) {
    throw new UnusableRangeError(`${redacted(url)}: ${problem}`);
  }
}

function requireStrongEtag({ headers, url }: HttpAnswer): string {
  const etag = strongEtag(headers);
  if (etag === undefined) {
    throw new UnusableRangeError(`${redacted(url)}: it gives no strong ETag`);
  }
  return etag;
}

/** https://datatracker.ietf.org/doc/html/rfc9110#field.etag: the bytes are the same as long as it is. */
function strongEtag({ etag }: IncomingHttpHeaders): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
}

export function damaged(problem: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', `damaged download: ${problem}`, {
    hint: 'try another source; if it happens again, the published file is damaged',
    cause,
  });
}
