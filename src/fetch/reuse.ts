import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { type Frame, MAX_FRAME_BYTES, readSeekTable } from '../sidecar/frame-index.ts';
import { readSidecar } from '../sidecar/verify.ts';
import type { PartFile } from './part-file.ts';

export interface Reuse {
  /** Paths of good sidecars of the same origin, the newest first. */
  readonly bases: readonly string[];
  /** Reads the frame index of the wanted file. */
  readonly frames: () => Promise<readonly Frame[]>;
}

const { subtle } = globalThis.crypto;

/** Older sidecars have little that newer ones lack. */
const MAX_BASES = 8;

/**
 * Copies the frames that other sidecars on this machine have into a file on its way. A frame counts by the SHA-256 of
 * what was read, so that a base may have changed, may be damaged, or may disappear while it is read. The frame index
 * is asked for only where there is a base with frames.
 * @throws what reading the frame index throws
 */
export async function reuseFrames(
  part: PartFile,
  { bases, frames }: Reuse,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (doneBytes: number) => void },
): Promise<void> {
  const opened = await openBases(bases.slice(0, MAX_BASES));
  try {
    if (opened.length === 0) {
      return;
    }
    const wanted = Map.groupBy(await frames(), ({ sha256 }) => sha256);
    const sizes = new Set([...wanted.values()].map(([frame]) => frame?.sizeBytes ?? 0));
    for (const base of opened) {
      for await (const bytes of framesOf(base, sizes)) {
        signal.throwIfAborted();
        // On the thread pool, while this thread hashes what it has written.
        const sha256 = Buffer.from(await subtle.digest('SHA-256', bytes)).toString('hex');
        for (const { offset } of wanted.get(sha256) ?? []) {
          part.write([bytes], offset);
          onBytes(part.doneBytes);
          // A small frame can be in the file very often: signals are answered in between.
          await setImmediate();
          signal.throwIfAborted();
        }
        wanted.delete(sha256);
        if (wanted.size === 0) {
          return;
        }
      }
    }
  } finally {
    await Promise.all(opened.map(({ file }) => file.close()));
  }
}

interface Base {
  readonly file: fs.FileHandle;
  /** The sizes of its frames, one after the other from its first byte on. */
  readonly sizes: readonly number[];
}

async function openBases(paths: readonly string[]): Promise<Base[]> {
  const bases: Base[] = [];
  for (const path of paths) {
    const base = await openBase(path).catch(() => undefined);
    if (base !== undefined) {
      bases.push(base);
    }
  }
  return bases;
}

async function openBase(path: string): Promise<Base | undefined> {
  const { footer } = await readSidecar(path);
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const table = await readSeekTable(file, footer.assetsBytes).catch(() => undefined);
  if (table === undefined) {
    await file.close();
    return undefined;
  }
  return { file, sizes: table.map(({ sizeBytes }) => sizeBytes) };
}

/**
 * The readable frames with these sizes; a frame of another size cannot be one that is wanted. Each frame is valid until
 * the next one is read, because all are read into the same memory.
 */
async function* framesOf({ file, sizes }: Base, wantedSizes: ReadonlySet<number>): AsyncGenerator<Buffer> {
  const memory = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES);
  let offset = 0;
  for (const sizeBytes of sizes) {
    if (wantedSizes.has(sizeBytes)) {
      const { bytesRead } = await file.read(memory, 0, sizeBytes, offset).catch(() => ({ bytesRead: 0 }));
      if (bytesRead === sizeBytes) {
        yield memory.subarray(0, sizeBytes);
      }
    }
    offset += sizeBytes;
  }
}
