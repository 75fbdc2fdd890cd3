import { createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { fileError, hasErrno } from '../errors.ts';
import type { FileHash } from '../sidecar/report.ts';
import { SidecarHash } from '../sidecar/verify.ts';
import type { FileSpan } from './source.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/** Less than the span where the file ends before. */
export async function readSpan(file: fs.FileHandle, { offset, sizeBytes }: FileSpan): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    const { bytesRead } = await file.read(bytes, readBytes, sizeBytes - readBytes, offset + readBytes);
    if (bytesRead === 0) {
      break;
    }
    readBytes += bytesRead;
  }
  return bytes.subarray(0, readBytes);
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onBytes: (doneBytes: number) => void;
}

/**
 * Into a new file; nothing is left of it when that fails or is stopped.
 * @returns the checksums of what has been written, as those of a sidecar
 */
export async function copySpan(
  path: string,
  { offset, sizeBytes }: FileSpan,
  target: string,
  { signal, onBytes }: CopyOptions,
): Promise<FileHash> {
  const hash = new SidecarHash(sizeBytes);
  async function* hashedChunks(file: fs.FileHandle): AsyncGenerator<Buffer> {
    while (hash.doneBytes < sizeBytes) {
      const nextBytes = Math.min(READ_CHUNK_BYTES, sizeBytes - hash.doneBytes);
      const chunk = await readSpan(file, { offset: offset + hash.doneBytes, sizeBytes: nextBytes });
      if (chunk.length === 0) {
        return;
      }
      hash.update(chunk);
      yield chunk;
      onBytes(hash.doneBytes);
    }
  }
  try {
    const file = await fs.open(path, 'r');
    try {
      const copy = createWriteStream(target, { flags: 'wx', mode: 0o600 });
      await pipeline(hashedChunks(file), copy, { signal });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) {
      await fs.rm(target, { force: true });
    }
    signal.throwIfAborted();
    throw fileError(`cannot copy from ${path}`, error);
  }
  return hash.digest();
}
