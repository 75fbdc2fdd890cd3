import { isDamage } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import type { ByteRange, HttpClient } from '../remote/http.ts';
import type { FileHash } from '../sidecar/report.ts';
import { SidecarHash } from '../sidecar/verify.ts';
import { Connections, damaged, UnusableRangeError } from './connections.ts';
import { copyMissing } from './local-copy.ts';
import { PartFile } from './part-file.ts';
import { type Reuse, reuseFrames } from './reuse.ts';
import type { LocalFile, RemoteFile } from './source.ts';

/** A server that breaks off again and again is asked again as long as a few attempts bring this much. */
const PROGRESS_BYTES = 64 * 1024;

export interface DownloadOptions {
  /** Private, this process's alone, and kept for the next one when this one is interrupted. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly http: HttpClient;
  readonly onProgress: OnProgress;
  /** What this machine may have of the file already. */
  readonly reuse?: Reuse | undefined;
}

export interface Download {
  readonly path: string;
  readonly hashed: FileHash;
}

/**
 * Gets a file whose size and SHA-256 are known. The bytes that arrived stay in `dir` after an interruption, and the next
 * run goes on from it where the server allows that; what is not the promised file is deleted.
 * @throws BottleError `sidecar-damaged`, `cannot-write`, `network-failed` and what else a server answers
 */
export async function download(file: RemoteFile | LocalFile, options: DownloadOptions): Promise<Download> {
  const part = await PartFile.open(options.dir, file);
  try {
    const hashed = await new Transfer(file, part, options).run();
    return { path: part.path, hashed };
  } catch (error) {
    if (isDamage(error)) {
      await part.remove();
    }
    throw error;
  } finally {
    await part.close();
  }
}

class Transfer {
  readonly #file: RemoteFile | LocalFile;
  readonly #stage: 'download' | 'copy';
  readonly #part: PartFile;
  readonly #options: DownloadOptions;
  readonly #warn: (message: string) => void;
  /** Some of what is there is from an earlier run. */
  #isResumed: boolean;
  #usedRanges = false;
  #trustsRanges = true;
  /** From other sidecars. */
  #reusedBytes = 0;
  #hasBegun = false;

  constructor(file: RemoteFile | LocalFile, part: PartFile, options: DownloadOptions) {
    this.#file = file;
    this.#stage = file.kind === 'local' ? 'copy' : 'download';
    this.#part = part;
    this.#options = options;
    this.#warn = warningsTo(options.onProgress);
    this.#isResumed = part.doneBytes > 0;
  }

  async run(): Promise<FileHash> {
    const { onProgress } = this.#options;
    const { sha256: expected, sizeBytes } = this.#file;
    let hashed = await this.#receive();
    if (hashed.sha256 !== expected && (this.#isResumed || this.#usedRanges || this.#reusedBytes > 0)) {
      this.#warn('the parts that are here do not make up the promised file; downloading the whole file');
      this.#trustsRanges = false;
      hashed = await this.#receive();
    }
    if (hashed.sha256 !== expected) {
      throw damaged(`its SHA-256 is ${hashed.sha256}, expected ${expected}`);
    }
    const detail = 'SHA-256 verified';
    onProgress({ type: 'done', stage: this.#stage, sizeBytes: sizeBytes - this.#reusedBytes, detail });
    return hashed;
  }

  /** Before the first byte is received; what is here already is hashed at the same time. */
  async #begin(signal: AbortSignal): Promise<void> {
    const { onProgress } = this.#options;
    await this.#reuseFrames(signal);
    if (this.#isResumed) {
      const there = `${formatBytes(this.#part.doneBytes)} of ${formatBytes(this.#file.sizeBytes)}`;
      onProgress({ type: 'note', message: `Resuming at ${there}.` });
    }
    onProgress({ type: 'start', stage: this.#stage });
  }

  /** The bytes that an earlier run left include those that it copied. */
  async #reuseFrames(signal: AbortSignal): Promise<void> {
    const { reuse, onProgress } = this.#options;
    if (reuse === undefined || this.#part.doneBytes > 0) {
      return;
    }
    const { sizeBytes: totalBytes } = this.#part;
    const frames = async () => {
      onProgress({ type: 'start', stage: 'reuse' });
      return await reuse.frames().catch((error: Error) => {
        signal.throwIfAborted();
        this.#warn(`the frame index cannot be used, ${error.message}; downloading the whole file`);
        return [];
      });
    };
    const onBytes = (doneBytes: number) =>
      onProgress({ type: 'bytes', stage: 'reuse', doneBytes, totalBytes });
    await reuseFrames(this.#part, { ...reuse, frames }, { signal, onBytes });
    this.#reusedBytes = this.#part.doneBytes;
    if (this.#reusedBytes > 0) {
      const detail = `from other sidecars in the store, ${formatBytes(totalBytes - this.#reusedBytes)} to go`;
      onProgress({ type: 'done', stage: 'reuse', sizeBytes: this.#reusedBytes, detail });
    }
  }

  async #receive(): Promise<FileHash> {
    let countedBytes = this.#part.doneBytes;
    const hasProgressed = () => {
      const { doneBytes } = this.#part;
      const progressed = doneBytes >= countedBytes + PROGRESS_BYTES;
      countedBytes = progressed ? doneBytes : countedBytes;
      return progressed;
    };
    return await this.#options.http.retry(() => this.#attempt(), hasProgressed);
  }

  async #attempt(): Promise<FileHash> {
    if (!this.#trustsRanges || !this.#part.canResume) {
      await this.#startOver();
    }
    try {
      return await this.#receiveAndHash();
    } catch (error) {
      if (!(error instanceof UnusableRangeError)) {
        throw error;
      }
      this.#warn(`cannot go on with the parts that are here, ${error.message}; starting over`);
      // Another file than in an earlier run says nothing about the server's ranges.
      this.#trustsRanges = this.#isResumed;
      await this.#startOver();
      return await this.#attempt();
    }
  }

  async #startOver(): Promise<void> {
    await this.#part.clear();
    this.#isResumed = false;
    this.#reusedBytes = 0;
  }

  async #receiveAndHash(): Promise<FileHash> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    const hashing = this.#hash(signal);
    const filling = this.#fill(signal);
    try {
      await Promise.all([hashing, filling]);
      return await hashing;
    } finally {
      stop.abort();
      await Promise.allSettled([hashing, filling]);
    }
  }

  async #fill(signal: AbortSignal): Promise<void> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      await this.#begin(signal);
    }
    const part = this.#part;
    const file = this.#file;
    const onBytes = (doneBytes: number) => this.#report(doneBytes);
    if (file.kind === 'local') {
      await copyMissing(file.path, part, { signal, onBytes });
      return;
    }
    const open = async (range?: ByteRange) => {
      this.#usedRanges ||= range !== undefined;
      return await file.open(range);
    };
    const connections = new Connections({ part, open, mayUseRanges: this.#trustsRanges, onBytes });
    signal.addEventListener('abort', () => connections.stop());
    await connections.receiveMissing();
  }

  #report(doneBytes: number): void {
    this.#options.onProgress({
      type: 'bytes',
      stage: this.#stage,
      doneBytes: doneBytes - this.#reusedBytes,
      totalBytes: this.#part.sizeBytes - this.#reusedBytes,
      isKept: this.#part.canResume,
    });
  }

  /** Reads back what was written: one way for what comes in its order, in parallel, and from an earlier run. */
  async #hash(signal: AbortSignal): Promise<FileHash> {
    const hash = new SidecarHash(this.#file.sizeBytes);
    for await (const bytes of this.#part.follow(signal)) {
      hash.update(bytes);
    }
    return hash.digest();
  }
}
