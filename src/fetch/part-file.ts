import { EventEmitter, once } from 'node:events';
import { constants, readSync, writevSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { BottleError, fileError } from '../errors.ts';

const DATA = 'data';
const JOURNAL = 'journal';
const READ_CHUNK_BYTES = 1024 * 1024;
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

const headerSchema = z.object({ sizeBytes: z.number(), sha256: z.string(), etag: z.string() });

export interface Range {
  readonly start: number;
  /** The position of the first byte that is not in it. */
  readonly end: number;
}

interface Wanted {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * A file of a known size on its way to being complete: `data`, and beside it `journal`, which says which parts are
 * there. The journal has a header, and a line `start length` for each range, added when its bytes are written: a
 * process can be killed at any moment. (When the machine goes down, a line may be there without its bytes. That is
 * left to the SHA-256 to find.)
 */
export class PartFile {
  readonly path: string;
  readonly #wanted: Wanted;
  readonly #data: fs.FileHandle;
  readonly #journal: fs.FileHandle;
  readonly #events = new EventEmitter();
  /** In their order, with gaps between them. */
  readonly #ranges: Range[] = [];
  /** Of all ranges together. */
  #doneBytes = 0;
  #etag: string | undefined;
  /** Something here is from a server. */
  #hasBegun = false;

  /** Takes up what an earlier process has left in `dir`, if it is of the same content and can be resumed. */
  static async open(dir: string, wanted: Wanted): Promise<PartFile> {
    const path = join(dir, DATA);
    return await explained(path, async () => {
      const data = await fs.open(path, OPEN_FLAGS, 0o600);
      const journal = await fs.open(join(dir, JOURNAL), OPEN_FLAGS | constants.O_APPEND, 0o600);
      const part = new PartFile(path, wanted, data, journal);
      await part.#readJournal();
      return part;
    });
  }

  private constructor(path: string, wanted: Wanted, data: fs.FileHandle, journal: fs.FileHandle) {
    this.path = path;
    this.#wanted = { sizeBytes: wanted.sizeBytes, sha256: wanted.sha256 };
    this.#data = data;
    this.#journal = journal;
  }

  get sizeBytes(): number {
    return this.#wanted.sizeBytes;
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** What lies between the ranges that are there. */
  get missing(): Range[] {
    const missing: Range[] = [];
    let position = 0;
    for (const { start, end } of [...this.#ranges, { start: this.sizeBytes, end: this.sizeBytes }]) {
      if (start > position) {
        missing.push({ start: position, end: start });
      }
      position = end;
    }
    return missing;
  }

  /** The ETag of the file on the server; undefined before its first answer, and for a file without a strong one. */
  get etag(): string | undefined {
    return this.#etag;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Whether what is there can be completed, or has to be received again. */
  get canResume(): boolean {
    return !this.#hasBegun || this.#etag !== undefined;
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    this.#ranges.length = 0;
    this.#doneBytes = 0;
    this.#etag = undefined;
    this.#hasBegun = false;
    await explained(this.path, async () => {
      await this.#journal.truncate(0);
      await this.#data.truncate(0);
    });
  }

  /**
   * What a server sends from now on is from the file with this ETag, and goes with what is there already. Without an
   * ETag nothing outlives this process.
   */
  async begin(etag: string | undefined): Promise<void> {
    this.#etag = etag;
    this.#hasBegun = true;
    if (etag !== undefined) {
      const lines = this.#ranges.map(({ start, end }) => `${start} ${end - start}`);
      const header = JSON.stringify({ ...this.#wanted, etag });
      await explained(this.path, async () => this.#append([header, ...lines].join('\n')));
    }
  }

  /**
   * Without the thread pool: into the page cache it takes a fraction of the time that the way there and back does, and
   * while the disk is slower than the network, the connections have to wait anyway.
   */
  write(chunks: readonly Buffer[], position: number): void {
    try {
      const length = writeAll(this.#data.fd, chunks, position);
      if (this.#etag !== undefined) {
        this.#append(`${position} ${length}`);
      }
      this.#add({ start: position, end: position + length });
    } catch (error) {
      throw writeError(this.path, error);
    }
    this.#events.emit('written');
  }

  /** The file's bytes from its beginning: those that are there, and then the others as they come. */
  async *follow(signal: AbortSignal): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (let position = 0; position < this.#wanted.sizeBytes; ) {
      signal.throwIfAborted();
      const [first] = this.#ranges;
      const length = first?.start === 0 ? Math.min(first.end - position, buffer.length) : 0;
      if (length > 0) {
        const bytesRead = readSync(this.#data.fd, buffer, 0, length, position);
        if (bytesRead === 0) {
          throw new BottleError('io', `${this.path} ended while it was read, at byte ${position}`);
        }
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } else {
        await once(this.#events, 'written', { signal });
      }
    }
  }

  async remove(): Promise<void> {
    await this.clear();
    for (const path of [this.path, join(dirname(this.path), JOURNAL)]) {
      await fs.rm(path, { force: true });
    }
  }

  async close(): Promise<void> {
    await this.#journal.close();
    await this.#data.close();
  }

  /** Keeps what stands before the first line that is not whole. */
  async #readJournal(): Promise<void> {
    const text = await this.#journal.readFile('latin1');
    const [header = '', ...lines] = text.split('\n').slice(0, -1);
    const { sizeBytes, sha256 } = this.#wanted;
    const found = parseHeader(header);
    if (found === undefined || found.sizeBytes !== sizeBytes || found.sha256 !== sha256) {
      await this.clear();
      return;
    }
    const dataBytes = (await this.#data.stat()).size;
    let keptBytes = header.length + 1;
    for (const line of lines) {
      const range = parseLine(line);
      if (range === undefined || range.end > Math.min(dataBytes, sizeBytes)) {
        break;
      }
      this.#add(range);
      keptBytes += line.length + 1;
    }
    this.#etag = found.etag;
    this.#hasBegun = true;
    await this.#journal.truncate(keptBytes);
  }

  /** Together with those that it meets. There can be hundreds of thousands, so that only its neighbors are looked at. */
  #add(added: Range): void {
    const ranges = this.#ranges;
    let first = 0;
    for (let end = ranges.length; first < end; ) {
      const middle = (first + end) >> 1;
      if ((ranges[middle] as Range).end < added.start) {
        first = middle + 1;
      } else {
        end = middle;
      }
    }
    let { start, end } = added;
    let last = first;
    for (let met = ranges[last]; met !== undefined && met.start <= end; met = ranges[last]) {
      start = Math.min(start, met.start);
      end = Math.max(end, met.end);
      this.#doneBytes -= met.end - met.start;
      last += 1;
    }
    ranges.splice(first, last - first, { start, end });
    this.#doneBytes += end - start;
  }

  #append(line: string): void {
    writeAll(this.#journal.fd, [Buffer.from(`${line}\n`)], undefined);
  }
}

function parseHeader(line: string): z.infer<typeof headerSchema> | undefined {
  try {
    return headerSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function parseLine(line: string): Range | undefined {
  const [, start, length] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
  return start === undefined ? undefined : { start: Number(start), end: Number(start) + Number(length) };
}

/** A disk that is nearly full takes a part of the bytes, and fails with the rest. */
function writeAll(file: number, chunks: readonly Buffer[], position: number | undefined): number {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let rest = chunks;
  for (let written = 0; written < length; ) {
    const bytesWritten = writevSync(file, rest, position === undefined ? undefined : position + written);
    written += bytesWritten;
    if (written < length) {
      rest = [Buffer.concat(rest).subarray(bytesWritten)];
    }
  }
  return length;
}

async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): BottleError {
  return fileError(`cannot write ${path}`, error);
}
