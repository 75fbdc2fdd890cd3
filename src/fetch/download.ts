import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isDamage } from '../errors.ts';
import type { ByteRange, HttpClient } from '../remote/http.ts';
import type { FileHash } from '../sidecar/report.ts';
import { SidecarHash } from '../sidecar/verify.ts';
import { Connections, damaged, UnusableRangeError } from './connections.ts';
import { PartFile } from './part-file.ts';
import type { RemoteFile } from './source.ts';

/** At 1 GB from loopback 126 MB resident instead of 179. */
const COLLECT_BYTES = 16 * 1024 * 1024;

export interface DownloadOptions {
  /** Private, this process's alone, and kept for the next one when this one is interrupted. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly http: HttpClient;
  /** Of the whole file, those from an earlier run included. */
  readonly onBytes: (doneBytes: number) => void;
  readonly onWarning: (message: string) => void;
}

export interface Download {
  readonly path: string;
  readonly hashed: FileHash;
}

/**
 * Gets a file whose size and SHA-256 are known. What is there stays in `dir` after an interruption, and the next
 * run goes on from it where the server allows that; what is not the promised file is deleted.
 * @throws BottleError `sidecar-damaged`, `cannot-write`, `network-failed` and what else a server answers
 */
export async function download(file: RemoteFile, options: DownloadOptions): Promise<Download> {
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

/**
 * What a socket has read is garbage a moment later, and V8 lets a hundred megabytes of it pile up: the buffers are not in
 * its heap. A collection of new objects takes about a millisecond.
 */
function minorCollector(): (doneBytes: number) => void {
  setFlagsFromString('--expose-gc');
  const collect: NodeJS.GCFunction = runInNewContext('gc');
  let collectedAt = 0;
  return (doneBytes) => {
    if (doneBytes - collectedAt >= COLLECT_BYTES) {
      collectedAt = doneBytes;
      collect({ type: 'minor' });
    }
  };
}

class Transfer {
  readonly #file: RemoteFile;
  readonly #part: PartFile;
  readonly #options: DownloadOptions;
  /** Some of what is there is from an earlier run. */
  #isResumed: boolean;
  #usedRanges = false;
  #trustsRanges = true;

  constructor(file: RemoteFile, part: PartFile, options: DownloadOptions) {
    this.#file = file;
    this.#part = part;
    this.#options = options;
    this.#isResumed = part.doneBytes > 0;
  }

  async run(): Promise<FileHash> {
    const { sha256: expected } = this.#file;
    let hashed = await this.#receive();
    if (hashed.sha256 !== expected && (this.#isResumed || this.#usedRanges)) {
      this.#options.onWarning('the parts that were downloaded do not make up the file; starting over');
      this.#trustsRanges = false;
      hashed = await this.#receive();
    }
    if (hashed.sha256 !== expected) {
      throw damaged(`its SHA-256 is ${hashed.sha256}, expected ${expected}`);
    }
    return hashed;
  }

  async #receive(): Promise<FileHash> {
    let mostBytes = this.#part.doneBytes;
    const hasProgressed = () => {
      const { doneBytes } = this.#part;
      const progressed = doneBytes > mostBytes;
      mostBytes = Math.max(mostBytes, doneBytes);
      return progressed;
    };
    return await this.#options.http.retry(() => this.#attempt(), hasProgressed);
  }

  async #attempt(): Promise<FileHash> {
    if (!this.#trustsRanges || this.#part.etag === undefined) {
      await this.#startOver();
    }
    try {
      return await this.#receiveAndHash();
    } catch (error) {
      if (!(error instanceof UnusableRangeError)) {
        throw error;
      }
      this.#options.onWarning(`cannot go on with what is there, ${error.message}; starting over`);
      // Another file than in an earlier run says nothing about the server's ranges.
      this.#trustsRanges = this.#isResumed;
      await this.#startOver();
      return await this.#attempt();
    }
  }

  async #startOver(): Promise<void> {
    await this.#part.clear();
    this.#isResumed = false;
  }

  async #receiveAndHash(): Promise<FileHash> {
    const stop = new AbortController();
    const hashing = this.#hash(AbortSignal.any([stop.signal, this.#options.signal]));
    const collect = minorCollector();
    const connections = new Connections({
      part: this.#part,
      open: (range) => this.#open(range),
      mayUseRanges: this.#trustsRanges,
      onBytes: (doneBytes) => {
        collect(doneBytes);
        this.#options.onBytes(doneBytes);
      },
    });
    const work = [hashing, connections.receiveMissing()];
    try {
      await Promise.all(work);
      return await hashing;
    } finally {
      stop.abort();
      connections.stop();
      await Promise.allSettled(work);
    }
  }

  /** Reads back what was written: one way for what comes in its order, in parallel, and from an earlier run. */
  async #hash(signal: AbortSignal): Promise<FileHash> {
    const hash = new SidecarHash(this.#file.sizeBytes);
    for await (const bytes of this.#part.follow(signal)) {
      hash.update(bytes);
    }
    return hash.digest();
  }

  async #open(range: ByteRange | undefined) {
    this.#usedRanges ||= range !== undefined;
    return await this.#file.open(range);
  }
}
