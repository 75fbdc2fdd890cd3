import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../errors.ts';
import type { ByteRange, HttpAnswer } from '../remote/http.ts';
import { bodyError, HttpError } from '../remote/http-error.ts';
import { redacted } from '../remote/url.ts';
import type { PartFile, Range } from './part-file.ts';

const MAX_CONNECTIONS = 8;
/** What is done sooner is not worth the opening of connections. */
const WORTH_MS = 2000;
const WINDOW_MS = 500;
const POLL_MS = 50;
/** By how much the last connections must have raised the rate for more of them. */
const GOOD_GROWTH = 1.25;
/** Of a range that is halved: each half is more than a connection ever holds in memory. */
const MIN_SPLIT_BYTES = 2 * 1024 * 1024;
/** A connection that got so much is opened anew at once when it breaks. */
const GOOD_RUN_BYTES = 256 * 1024;
/** That have come and are not written yet, in all connections: a kill loses them. */
const HELD_BYTES = 256 * 1024;
const MIN_BATCH_BYTES = 32 * 1024;

export interface ConnectionsOptions {
  readonly part: PartFile;
  readonly open: (range?: ByteRange) => Promise<HttpAnswer>;
  /** Otherwise the file comes whole, or not at all. */
  readonly mayUseRanges: boolean;
  readonly onBytes: (doneBytes: number) => void;
}

/** The server has answered to a range with something else. The whole file may be fine. */
export class UnusableRangeError extends Error {}

/** A range that one connection is at work on. */
interface Segment {
  /** Everything before it is written. */
  position: number;
  /** Moves when another connection takes the second half, or gives it back. */
  end: number;
  isFlowing: boolean;
}

/**
 * Receives what is missing of a file over one connection, and over more of them as long as each doubling makes the
 * whole a good part faster. What one connection fails to get is left to the others; when all have failed, the rest
 * is missing and the last failure is thrown.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #part: PartFile;
  readonly #sizeBytes: number;
  readonly #running = new Set<Promise<void>>();
  readonly #segments = new Set<Segment>();
  readonly #stop = new AbortController();
  #failure: unknown;
  #mayGrow: boolean;
  /** Has said so, or has shown it. */
  #hasRanges = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#part = options.part;
    this.#sizeBytes = options.part.sizeBytes;
    this.#mayGrow = options.mayUseRanges;
  }

  async receiveMissing(): Promise<void> {
    this.#connect();
    const growing = this.#grow();
    while (this.#running.size > 0) {
      await Promise.all(this.#running);
    }
    this.#stop.abort();
    await growing;
    const isComplete = this.#part.doneBytes === this.#sizeBytes;
    if (!isComplete || (this.#failure !== undefined && !isOfOneConnection(this.#failure))) {
      throw this.#failure ?? this.#stop.signal.reason;
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  #connect(): void {
    const connection = this.#receiveSegments()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#running.delete(connection));
    this.#running.add(connection);
  }

  #fail(error: unknown): void {
    // Once all are stopped, they fail because of that.
    if (!this.#stop.signal.aborted) {
      this.#failure = error;
      this.#mayGrow = false;
    }
    if (!isOfOneConnection(error)) {
      this.#stop.abort();
    }
  }

  async #receiveSegments(): Promise<void> {
    for (let segment = this.#take(); segment !== undefined; segment = this.#take()) {
      const { position } = segment;
      try {
        await this.#receive(segment);
      } catch (error) {
        if (segment.position - position < GOOD_RUN_BYTES || !isOfOneConnection(error)) {
          throw error;
        }
        this.#failure = error;
      } finally {
        this.#giveBack(segment);
      }
    }
  }

  /** What nobody is at work on, or else the second half of the most that somebody still has to do. */
  #take(): Segment | undefined {
    const [missing] = this.#missing();
    if (missing !== undefined) {
      return this.#canAsk(missing) ? this.#assign(missing) : undefined;
    }
    const [longest] = [...this.#segments].sort((a, b) => lengthOf(b) - lengthOf(a));
    if (longest === undefined || lengthOf(longest) < MIN_SPLIT_BYTES || !this.#canSplit) {
      return undefined;
    }
    const { position, end } = longest;
    longest.end = position + Math.ceil((end - position) / 2);
    return this.#assign({ start: longest.end, end });
  }

  #assign({ start, end }: Range): Segment {
    const segment = { position: start, end, isFlowing: false };
    this.#segments.add(segment);
    return segment;
  }

  /** The connection before it, if it still runs, goes on through it: its answer goes to the end of the file. */
  #giveBack(segment: Segment): void {
    this.#segments.delete(segment);
    const before = [...this.#segments].find(({ end }) => end === segment.position);
    if (before !== undefined) {
      before.end = segment.end;
    }
  }

  #missing(): Range[] {
    const taken = [
      ...this.#part.ranges,
      ...[...this.#segments].map(({ position, end }) => ({ start: position, end })),
    ].sort((a, b) => a.start - b.start);
    const missing: Range[] = [];
    let position = 0;
    for (const { start, end } of [...taken, { start: this.#sizeBytes, end: this.#sizeBytes }]) {
      if (start > position) {
        missing.push({ start: position, end: start });
      }
      position = Math.max(position, end);
    }
    return missing;
  }

  get #canSplit(): boolean {
    return this.#mayGrow && this.#hasRanges && this.#part.etag !== undefined;
  }

  #canAsk(range: Range): boolean {
    return this.#isWhole(range) || (this.#options.mayUseRanges && this.#part.etag !== undefined);
  }

  #isWhole({ start, end }: Range): boolean {
    return start === 0 && end === this.#sizeBytes && this.#part.doneBytes === 0;
  }

  async #receive(segment: Segment): Promise<void> {
    const { position: start, end: askedEnd } = segment;
    const { body, url } = await this.#ask({ start, end: askedEnd });
    const destroy = () => body.destroy();
    this.#stop.signal.addEventListener('abort', destroy);
    let batch: Buffer[] = [];
    let batchBytes = 0;
    const flush = () => {
      this.#part.write(batch, segment.position);
      segment.position += batchBytes;
      segment.isFlowing = true;
      batch = [];
      batchBytes = 0;
      this.#options.onBytes(this.#part.doneBytes);
    };
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const wanted = chunk.subarray(0, segment.end - segment.position - batchBytes);
        const isCut = wanted.length < chunk.length;
        if (isCut && segment.end === askedEnd) {
          throw damaged(`${redacted(url)} sends more than the ${askedEnd - start} bytes that it has to`);
        }
        batch.push(wanted);
        batchBytes += wanted.length;
        const isEnd = segment.position + batchBytes === segment.end;
        if (isEnd || batchBytes >= this.#batchBytes) {
          flush();
        }
        // The end may have moved on meanwhile, but what was cut off is gone.
        if (isCut || (isEnd && segment.end < askedEnd)) {
          return;
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
    if (segment.position < askedEnd) {
      throw bodyError(new Error(`it ended at byte ${segment.position} of ${askedEnd}`), url);
    }
  }

  get #batchBytes(): number {
    return Math.max(HELD_BYTES / this.#running.size, MIN_BATCH_BYTES);
  }

  /** An answer that is not what was asked for goes no further. */
  async #ask(range: Range): Promise<HttpAnswer> {
    const { open, part } = this.#options;
    if (this.#isWhole(range)) {
      const answer = await open();
      const { headers } = answer;
      try {
        requireWhole(answer, this.#sizeBytes);
        await part.begin(strongEtag(headers));
      } catch (error) {
        answer.body.destroy();
        throw error;
      }
      this.#hasRanges = headers['accept-ranges'] === 'bytes';
      return answer;
    }
    const { start, end } = range;
    const etag = part.etag ?? '';
    const answer = await open({ start, etag, ...(end < this.#sizeBytes && { end }) }).catch((error) => {
      throw error instanceof HttpError && error.status === 416
        ? new UnusableRangeError(error.message)
        : error;
    });
    const problem = rangeProblem(answer, { ...range, etag, sizeBytes: this.#sizeBytes });
    if (problem !== undefined) {
      answer.body.destroy();
      throw new UnusableRangeError(`${redacted(answer.url)}: ${problem}`);
    }
    this.#hasRanges = true;
    return answer;
  }

  async #grow(): Promise<void> {
    let rateBefore = 0;
    while (!this.#stop.signal.aborted && this.#running.size < MAX_CONNECTIONS) {
      const bytesPerMs = await this.#measureRate();
      const missingBytes = this.#sizeBytes - this.#part.doneBytes;
      if (bytesPerMs === 0 || missingBytes / bytesPerMs < WORTH_MS || !this.#canSplit) {
        continue;
      }
      if (bytesPerMs < rateBefore * GOOD_GROWTH) {
        return;
      }
      rateBefore = bytesPerMs;
      for (let more = this.#running.size; more > 0; more -= 1) {
        this.#connect();
      }
    }
  }

  /** Once all connections deliver. */
  async #measureRate(): Promise<number> {
    while ([...this.#segments].some(({ isFlowing }) => !isFlowing)) {
      await this.#sleep(POLL_MS);
    }
    const [doneBefore, before] = [this.#part.doneBytes, performance.now()];
    await this.#sleep(WINDOW_MS);
    return (this.#part.doneBytes - doneBefore) / (performance.now() - before);
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}

function lengthOf({ position, end }: Segment): number {
  return end - position;
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

function rangeProblem(
  { status, headers }: HttpAnswer,
  { start, end, etag, sizeBytes }: Range & { readonly etag: string; readonly sizeBytes: number },
): string | undefined {
  const expected = `bytes ${start}-${end - 1}/${sizeBytes}`;
  const { 'content-range': range, 'content-encoding': encoding = 'identity', etag: found = etag } = headers;
  if (status !== 206) {
    return `the answer to a range is ${status}`;
  }
  if (range !== expected || encoding !== 'identity') {
    return `the range is "${range}" (${encoding}), expected "${expected}"`;
  }
  return found === etag ? undefined : `the ETag is ${found}, expected ${etag}`;
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
