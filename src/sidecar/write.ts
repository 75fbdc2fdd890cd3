import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { fileError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';
import { fileHeader } from '../tar/gnu.ts';
import type { TarEntry } from '../tar/read.ts';
import { END_OF_ARCHIVE, paddingAfter } from '../tar/write.ts';
import { encodeFooter } from './footer.ts';
import { type FrameIndex, indexOf, seekTable } from './frame-index.ts';
import { FrameWriter } from './frames.ts';
import type { FileHash } from './report.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/** What is written of a part of a tar. */
export type WrittenPart =
  | {
      readonly kind: 'header';
      readonly entry: Pick<TarEntry, 'pathBytes' | 'sizeBytes'>;
      readonly raw: Buffer;
    }
  | { readonly kind: 'body'; readonly chunk: Buffer };

export interface WrittenMember {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

export interface WrittenSidecar {
  readonly sizeBytes: number;
  readonly hashed: FileHash;
  readonly frames: FrameIndex;
}

/**
 * Writes a sidecar in its canonical form (docs/sidecar-format.md): members first, in the order of their names, then
 * `finish`. `close` always.
 */
export class SidecarWriter {
  readonly #file: fs.FileHandle;
  readonly #path: string;
  readonly #frames: FrameWriter;

  private constructor(file: fs.FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
    this.#frames = new FrameWriter(file, path);
  }

  static async create(path: string): Promise<SidecarWriter> {
    try {
      return new SidecarWriter(await fs.open(path, 'w+', 0o600), path);
    } catch (error) {
      throw fileError(`cannot write the sidecar to ${path}`, error);
    }
  }

  /** Bytes of the file so far. */
  get writtenBytes(): number {
    return this.#frames.writtenBytes;
  }

  /**
   * Adds a tar, with an end marker, under a name that its digest may be part of. Its size and digest are known last
   * but stand before it, so that its header has a frame of its own whose size is known first.
   */
  async addTar(
    entries: AsyncIterable<WrittenPart>,
    nameOf: (digest: Digest) => string,
    onBytes?: (doneBytes: number) => void,
  ): Promise<WrittenMember> {
    const frames = this.#frames;
    const headerFrame = await frames.reserve(fileHeader('', 0).length);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    frames.onContent = (content) => {
      hash.update(content);
      sizeBytes += content.length;
      onBytes?.(sizeBytes);
    };
    for await (const part of entries) {
      if (part.kind === 'header') {
        const { pathBytes, sizeBytes: bodyBytes } = part.entry;
        await frames.beginEntry(pathBytes, part.raw.length + bodyBytes);
        await frames.write(part.raw);
      } else {
        await frames.write(part.chunk);
      }
    }
    await frames.write(END_OF_ARCHIVE);
    await frames.flush();
    frames.onContent = undefined;
    const digest: Digest = `sha256:${hash.digest('hex')}`;
    const path = nameOf(digest);
    await frames.fillIn(headerFrame, fileHeader(path, sizeBytes));
    return { path, sizeBytes, digest };
  }

  /** Adds a file as it is, behind a header that describes it. */
  async addFile(
    path: string,
    header: Buffer,
    content: Iterable<Buffer> | AsyncIterable<Buffer>,
  ): Promise<void> {
    const frames = this.#frames;
    await frames.endFrame();
    await frames.beginEntry(Buffer.from(path), Number.MAX_SAFE_INTEGER);
    await frames.write(header);
    let sizeBytes = 0;
    for await (const chunk of content) {
      await frames.write(chunk);
      sizeBytes += chunk.length;
    }
    await frames.write(paddingAfter(sizeBytes));
  }

  /** Ends the assets and writes the manifest and the footer. The checksums are of what is in the file. */
  async finish(manifest: object): Promise<WrittenSidecar> {
    await this.#frames.write(END_OF_ARCHIVE);
    const frames = indexOf(await this.#frames.flush());
    const table = seekTable(frames);
    const json = Buffer.from(JSON.stringify(manifest, null, 2));
    const assetsBytes = frames.framesBytes + table.length;
    await this.#append(Buffer.concat([table, json]), frames.framesBytes);
    const contentBytes = assetsBytes + json.length;
    const { hash, crc } = await this.#hashContent(contentBytes);
    const footer = encodeFooter({ assetsBytes, manifestBytes: json.length, crc32: crc });
    await this.#append(footer, contentBytes);
    const sha256 = hash.update(footer).digest('hex');
    return { sizeBytes: contentBytes + footer.length, hashed: { sha256, crc32: crc }, frames };
  }

  async close(): Promise<void> {
    await this.#frames.abandon();
    await this.#file.close();
  }

  async #append(bytes: Buffer, position: number): Promise<void> {
    try {
      await this.#file.write(bytes, 0, bytes.length, position);
    } catch (error) {
      throw fileError(`cannot write the sidecar to ${this.#path}`, error);
    }
  }

  async #hashContent(sizeBytes: number) {
    const hash = createHash('sha256');
    let crc = 0;
    const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (let position = 0; position < sizeBytes; ) {
      const length = Math.min(chunk.length, sizeBytes - position);
      const { bytesRead } = await this.#file.read(chunk, 0, length, position);
      if (bytesRead === 0) {
        throw fileError(`cannot read ${this.#path}`, new Error(`it ends at byte ${position}`));
      }
      const bytes = chunk.subarray(0, bytesRead);
      hash.update(bytes);
      crc = crc32(bytes, crc);
      position += bytesRead;
    }
    return { hash, crc };
  }
}
