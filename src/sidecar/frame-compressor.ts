import { once } from 'node:events';
import * as zlib from 'node:zlib';
import { MAX_FRAME_BYTES, MAX_FRAME_CONTENT_BYTES } from './frame-index.ts';

/** Part of the canonical form (docs/sidecar-format.md), as in frames.ts. */
const ZSTD_LEVEL = 3;
const OUTPUT_BUFFER_BYTES = 8 * 1024 * 1024;

/**
 * Compresses one frame after the other, each with the size of its content and without a checksum: the bytes that
 * ZSTD_compress2 gives for the whole content. Its memory serves many frames, because memory that is allocated
 * for each frame is garbage that has to be collected.
 */
export class FrameCompressor {
  /** The caller fills it with the content of the next frame. */
  readonly content = Buffer.allocUnsafeSlow(MAX_FRAME_CONTENT_BYTES);
  #stream: zlib.ZstdCompress | undefined;
  /** What is left of the stream's buffer for output. */
  #roomBytes = 0;

  async compress(contentBytes: number): Promise<Buffer> {
    const stream = this.#streamWithRoom();
    const compressed = once(stream, 'data');
    stream.write(this.content.subarray(0, contentBytes));
    const [frame] = (await compressed) as [Buffer];
    this.#roomBytes -= frame.length;
    return frame;
  }

  close(): void {
    this.#stream?.destroy();
  }

  /** There must be room for all of a frame, because zstd gives other bytes for a frame that it gives in pieces. */
  #streamWithRoom(): zlib.ZstdCompress {
    if (this.#stream !== undefined && this.#roomBytes > MAX_FRAME_BYTES) {
      return this.#stream;
    }
    this.close();
    this.#roomBytes = OUTPUT_BUFFER_BYTES;
    this.#stream = zlib.createZstdCompress({
      chunkSize: OUTPUT_BUFFER_BYTES,
      // Each write is a frame.
      flush: zlib.constants.ZSTD_e_end,
      params: {
        [zlib.constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
        [zlib.constants.ZSTD_c_checksumFlag]: 0,
        [zlib.constants.ZSTD_c_contentSizeFlag]: 1,
      },
    });
    return this.#stream;
  }
}
