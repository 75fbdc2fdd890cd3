import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileError } from '../errors.ts';
import { FrameCompressor } from './frame-compressor.ts';
import type { FrameParts } from './frame-index.ts';

/**
 * What decides where frames end; what they look like is in frame-compressor.ts. Every value is part of the canonical
 * form (docs/sidecar-format.md): with another one, FORMAT_VERSION has to be another one, too.
 */
export const FORMAT_VERSION = 1;
const MIN_FRAME_CONTENT_BYTES = 768 * 1024;
/** How many bytes follow the least ones, on average. */
const CUT_DISTANCE_LOG = 19;
const CUT_DISTANCE_BYTES = 2 ** CUT_DISTANCE_LOG;

/** For each byte value, the number that the rolling hash adds: the first four bytes of the value's SHA-256. */
const GEAR = Uint32Array.from({ length: 256 }, (_, value) =>
  createHash('sha256').update(Uint8Array.of(value)).digest().readUInt32LE(0),
);

/** The version of the library that compresses: another one may give other bytes of the same content. */
export const ZSTD_VERSION = process.versions.zstd ?? 'unknown';

/** Enough for both cores of a small machine to be busy while frames wait to be written, in their order. */
const MAX_FRAMES_IN_FLIGHT = 4;
/** More would take the caches of the processor from each other. */
const MAX_FRAMES_AT_ONCE = Math.min(availableParallelism(), MAX_FRAMES_IN_FLIGHT);

interface FrameInFlight {
  readonly compressor: FrameCompressor;
  readonly contentBytes: number;
  readonly compressed: Promise<Buffer>;
}

/**
 * Compresses a stream into frames that end where the content says, so that a change in one place changes few frames,
 * and writes them one after the other. Several are compressed at once, on the thread pool.
 */
export class FrameWriter {
  /** Gets the content of each frame, before it is compressed. */
  onContent: ((content: Buffer) => void) | undefined;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #frames: FrameParts[] = [];
  readonly #inFlight: FrameInFlight[] = [];
  readonly #idle: FrameCompressor[] = [];
  /** For each of those that are compressed at once, the end of the last one that was begun or waits. */
  readonly #turns: Array<Promise<unknown> | undefined> = [];
  /** Gathers the content of the next frame. */
  #compressor = new FrameCompressor();
  #filledBytes = 0;
  #isRolling = false;
  #hash = 0;
  #position = 0;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Compressed bytes that are written. */
  get writtenBytes(): number {
    return this.#position;
  }

  /**
   * Says that an entry of a tar follows, of `sizeBytes` with its headers. The frame ends here for about one entry
   * in every CUT_DISTANCE_BYTES, chosen by the entry's path: large entries always, small ones in proportion to their
   * size. A large entry may also be cut inside.
   */
  async beginEntry(path: Buffer, sizeBytes: number): Promise<void> {
    this.#isRolling = sizeBytes >= CUT_DISTANCE_BYTES;
    this.#hash = 0;
    if (this.#filledBytes >= MIN_FRAME_CONTENT_BYTES && isChosen(path, sizeBytes)) {
      await this.endFrame();
    }
  }

  async write(bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      const { content } = this.#compressor;
      const room = Math.min(bytes.length - start, content.length - this.#filledBytes);
      const end = this.#isRolling ? this.#findCut(bytes, start, start + room) : start + room;
      const isCut = this.#isRolling && end < 0;
      const stop = isCut ? -end : end;
      bytes.copy(content, this.#filledBytes, start, stop);
      this.#filledBytes += stop - start;
      start = stop;
      if (isCut || this.#filledBytes === content.length) {
        await this.endFrame();
      }
    }
  }

  /** Where the next bytes must begin a frame of their own. */
  async endFrame(): Promise<void> {
    if (this.#filledBytes === 0) {
      return;
    }
    const [compressor, contentBytes] = [this.#compressor, this.#filledBytes];
    const compressed = this.#inTurn(() => compressor.compress(contentBytes));
    this.onContent?.(compressor.content.subarray(0, contentBytes));
    // A failure is thrown where the frame is written; until then it must not count as unhandled.
    compressed.catch(() => {});
    this.#inFlight.push({ compressor, contentBytes, compressed });
    if (this.#inFlight.length >= MAX_FRAMES_IN_FLIGHT) {
      await this.#writeOldest();
    }
    this.#compressor = this.#idle.pop() ?? new FrameCompressor();
    this.#filledBytes = 0;
    this.#hash = 0;
  }

  /**
   * Leaves room for a frame of `contentBytes` that holds them as they are, to be filled in when they are known.
   * @returns where it is, and its position among the frames
   */
  async reserve(contentBytes: number): Promise<number> {
    await this.flush();
    const position = this.#frames.length;
    const sizeBytes = STORED_OVERHEAD_BYTES + contentBytes;
    this.#frames.push({ sizeBytes, contentBytes, sha256: '' });
    this.#position += sizeBytes;
    return position;
  }

  async fillIn(position: number, content: Buffer): Promise<void> {
    const frame = storedFrame(content);
    const offset = this.#frames.slice(0, position).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await this.#writeAt(frame, offset);
    this.#frames[position] = frameOf(frame, content.length);
  }

  /** Ends the last frame and waits until all are written. */
  async flush(): Promise<readonly FrameParts[]> {
    await this.endFrame();
    while (this.#inFlight.length > 0) {
      await this.#writeOldest();
    }
    return this.#frames;
  }

  /** Waits until nothing more is compressed or written, so that the file can be closed. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#inFlight.map(({ compressed }) => compressed));
    for (const compressor of [...this.#inFlight.map((frame) => frame.compressor), ...this.#idle]) {
      compressor.close();
    }
  }

  /** Begins as soon as one of those before it, of which not more than a few may run, has ended. */
  async #inTurn(compress: () => Promise<Buffer>): Promise<Buffer> {
    const turn = (this.#frames.length + this.#inFlight.length) % MAX_FRAMES_AT_ONCE;
    const before = this.#turns[turn];
    const compressed = before === undefined ? compress() : before.then(compress);
    this.#turns[turn] = compressed;
    return await compressed;
  }

  /** Returns the end of what belongs into this frame; negative where the content says so. */
  #findCut(bytes: Buffer, start: number, end: number): number {
    const skipped = MIN_FRAME_CONTENT_BYTES - this.#filledBytes;
    let hash = this.#hash;
    for (let at = skipped > 0 ? start + skipped : start; at < end; at += 1) {
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      if (hash >>> (32 - CUT_DISTANCE_LOG) === 0) {
        return -(at + 1);
      }
    }
    this.#hash = hash;
    return end;
  }

  async #writeOldest(): Promise<void> {
    const oldest = this.#inFlight.shift();
    if (oldest === undefined) {
      return;
    }
    const frame = await oldest.compressed;
    this.#idle.push(oldest.compressor);
    this.#frames.push(frameOf(frame, oldest.contentBytes));
    await this.#writeAt(frame, this.#position);
    this.#position += frame.length;
  }

  async #writeAt(bytes: Buffer, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    } catch (error) {
      throw fileError(`cannot write the sidecar to ${this.#path}`, error);
    }
  }
}

/** FNV-1a of the path, its bits well mixed, against the entry's share of CUT_DISTANCE_BYTES. */
function isChosen(path: Buffer, sizeBytes: number): boolean {
  let hash = 0x811c9dc5;
  for (const byte of path) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0 < sizeBytes * 2 ** (32 - CUT_DISTANCE_LOG);
}

/** Magic number, frame header, block header: https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1 */
const STORED_OVERHEAD_BYTES = 4 + 3 + 3;

/** A frame whose size is known before its content: one raw block of 256 to 65791 bytes. */
function storedFrame(content: Buffer): Buffer {
  const frame = Buffer.alloc(STORED_OVERHEAD_BYTES + content.length);
  frame.writeUInt32LE(0xfd2fb528, 0);
  // A single segment, and two bytes for the size of the content, less 256.
  frame[4] = 0b0110_0000;
  frame.writeUInt16LE(content.length - 256, 5);
  // The last block, raw.
  frame.writeUIntLE((content.length << 3) | 1, 7, 3);
  frame.set(content, STORED_OVERHEAD_BYTES);
  return frame;
}

function frameOf(frame: Buffer, contentBytes: number): FrameParts {
  return {
    sizeBytes: frame.length,
    contentBytes,
    sha256: createHash('sha256').update(frame).digest('hex'),
  };
}
