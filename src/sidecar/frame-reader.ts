import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { damaged } from './footer.ts';

/** https://datatracker.ietf.org/doc/html/rfc8878#section-3.1 */
const ZSTD_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

const CHUNK_BYTES = 256 * 1024;
/** smolvm writes with level 3, whose window is 2 MiB; a frame that asks for more memory is not its own. */
const MAX_WINDOW_LOG = 24;

/** Whether these four bytes can begin a sidecar's assets. */
export function isFrameMagic(bytes: Buffer): boolean {
  const magic = bytes.readUInt32LE();
  return magic === ZSTD_MAGIC || isSkippable(magic);
}

function isSkippable(magic: number): boolean {
  return (magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC;
}

/**
 * The content of all zstd frames in `source`, one after the other, as smolvm's own reader gives it; skippable frames
 * have none. Node's decoder ends with the first frame, so that each one has a decoder of its own.
 * @throws BottleError `sidecar-damaged` for a frame that cannot be decoded, and when something else follows one
 */
export async function* frameContents(
  source: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const bytes = new ByteReader(source);
  for (;;) {
    // Of frames without content, a reader of the content hears nothing.
    signal?.throwIfAborted();
    const magic = await bytes.takeOrEnd(4);
    if (magic === undefined) {
      return;
    }
    const number = magic.readUInt32LE();
    if (isSkippable(number)) {
      for await (const _ of bytes.pass((await bytes.take(4)).readUInt32LE())) {
        // Nobody needs what is in it.
      }
    } else if (number === ZSTD_MAGIC) {
      yield* decoded(frameBytes(magic, bytes));
    } else {
      throw damaged('assets', `the bytes at ${bytes.position - 4} do not begin a zstd frame`);
    }
  }
}

async function* decoded(frame: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = zlib.createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [zlib.constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  });
  const input = Readable.from(frame);
  input.on('error', (error) => decoder.destroy(error));
  input.pipe(decoder);
  try {
    yield* decoder as AsyncIterable<Buffer>;
  } catch (error) {
    const isDecoders =
      error instanceof Error && 'code' in error && /^(ZSTD|ERR_ZSTD|Z_)/.test(String(error.code));
    throw isDecoders ? damaged('assets', `not a whole zstd stream (${error.message})`, error) : error;
  } finally {
    input.destroy();
    decoder.destroy();
  }
}

/** The bytes of one frame, whose end only its blocks tell. */
async function* frameBytes(magic: Buffer, bytes: ByteReader): AsyncGenerator<Buffer> {
  yield magic;
  const descriptor = await bytes.take(1);
  yield descriptor;
  const flags = descriptor[0] ?? 0;
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSizeBytes = CONTENT_SIZE_BYTES[(flags >> 6) as 0 | 1 | 2 | 3] || (isSingleSegment ? 1 : 0);
  const dictionaryIdBytes = DICTIONARY_ID_BYTES[(flags & 3) as 0 | 1 | 2 | 3];
  yield await bytes.take((isSingleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes);
  for (let isLast = false; !isLast; ) {
    const header = await bytes.take(3);
    yield header;
    const block = header.readUIntLE(0, 3);
    isLast = (block & 1) === 1;
    const type = (block >> 1) & 3;
    if (type === RESERVED_BLOCK) {
      throw damaged('assets', `a zstd block of a reserved type at byte ${bytes.position - 3}`);
    }
    yield* bytes.pass(type === RLE_BLOCK ? 1 : block >> 3);
  }
  yield await bytes.take((flags & 4) === 0 ? 0 : CHECKSUM_BYTES);
}

class ByteReader {
  position = 0;
  readonly #chunks: AsyncIterator<Buffer>;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async takeOrEnd(length: number): Promise<Buffer | undefined> {
    return (await this.#fill()) ? await this.take(length) : undefined;
  }

  async take(length: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.pass(length)) {
      chunks.push(chunk);
    }
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }

  async *pass(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (!(await this.#fill())) {
        throw damaged('assets', `not a whole zstd stream (it ends at byte ${this.position})`);
      }
      const chunk = this.#buffered.subarray(0, left);
      this.#buffered = this.#buffered.subarray(chunk.length);
      this.position += chunk.length;
      left -= chunk.length;
      yield chunk;
    }
  }

  async #fill(): Promise<boolean> {
    while (this.#buffered.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) {
        return false;
      }
      this.#buffered = next.value;
    }
    return true;
  }
}
