import * as fs from 'node:fs/promises';
import { BottleError, fileError } from '../errors.ts';
import type { PartFile } from './part-file.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/** Copies what is missing of a file from another path on this machine. */
export async function copyMissing(
  path: string,
  part: PartFile,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (doneBytes: number) => void },
): Promise<void> {
  const file = await fs.open(path, 'r').catch((error: unknown) => {
    throw fileError(`cannot copy from ${path}`, error);
  });
  try {
    const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (const { start, end } of part.missing) {
      for (let position = start; position < end; ) {
        signal.throwIfAborted();
        const length = Math.min(chunk.length, end - position);
        const { bytesRead } = await file.read(chunk, 0, length, position);
        if (bytesRead === 0) {
          throw new BottleError('io', `${path} ended while it was copied, at byte ${position}`);
        }
        part.write([chunk.subarray(0, bytesRead)], position);
        position += bytesRead;
        onBytes(part.doneBytes);
      }
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError(`cannot copy from ${path}`, error) : error;
  } finally {
    await file.close();
  }
}
