import { createHash } from 'node:crypto';
import type * as fs from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import type { PackRecord } from '../identity/pack-record.ts';
import { counted } from '../identity/shown-text.ts';
import { damaged } from './footer.ts';
import {
  damagedIndex,
  type Frame,
  type FrameParts,
  formatFrameIndex,
  indexOf,
  parseFrameIndex,
  readSeekTable,
  SEEKABLE_MAGIC,
} from './frame-index.ts';
import type { SidecarContents } from './report.ts';
import { openSidecar } from './verify.ts';

/** Statements about a sidecar's frames from outside of its own seek table. */
export interface FrameClaims {
  readonly record: Pick<PackRecord, 'frames'> | undefined;
  /** The frame index beside the sidecar. */
  readonly index?: Buffer | undefined;
}

/**
 * Unpacks each frame by itself and compares what is there with the seek table, with the frame index, and with the digest
 * in the pack record.
 * @throws BottleError `sidecar-damaged` that names the first difference
 */
export async function checkFrames(
  { path, footer: { assetsBytes } }: SidecarContents,
  { record, index }: FrameClaims,
  signal?: AbortSignal,
): Promise<void> {
  const file = await openSidecar(path);
  try {
    const sizes = await readSeekTable(file, assetsBytes);
    if (sizes === undefined) {
      const end = Buffer.alloc(4);
      await file.read(end, 0, end.length, Math.max(0, assetsBytes - end.length));
      if (end.readUInt32LE() === SEEKABLE_MAGIC) {
        throw damaged('seek table', 'its sizes do not add up to those of the assets');
      }
      if (record?.frames !== undefined || index !== undefined) {
        throw damagedIndex('the sidecar has a frame index and no seek table');
      }
      return;
    }
    const found = indexOf(await readFrames(file, sizes, signal));
    const made = formatFrameIndex(found);
    if (index !== undefined && !made.equals(index)) {
      throw damagedIndex(`the one beside the sidecar is wrong: ${difference(found.frames, index)}`);
    }
    const sha256 = createHash('sha256').update(made).digest('hex');
    if (record?.frames !== undefined && record.frames.sha256 !== sha256) {
      throw damagedIndex(
        `that of the sidecar has the SHA-256 ${sha256}, and its pack record says ${record.frames.sha256}`,
      );
    }
  } finally {
    await file.close();
  }
}

async function readFrames(
  file: fs.FileHandle,
  sizes: ReadonlyArray<Omit<FrameParts, 'sha256'>>,
  signal: AbortSignal | undefined,
): Promise<FrameParts[]> {
  const frames: FrameParts[] = [];
  let offset = 0;
  for (const { sizeBytes, contentBytes } of sizes) {
    signal?.throwIfAborted();
    const bytes = Buffer.allocUnsafe(sizeBytes);
    await file.read(bytes, 0, sizeBytes, offset);
    const foundBytes = unpackedBytes(bytes, contentBytes);
    if (foundBytes !== contentBytes) {
      const found = foundBytes === undefined ? 'there is no such frame' : `it has ${foundBytes}`;
      throw damaged(
        'seek table',
        `frame ${frames.length} at byte ${offset} should have ${counted(contentBytes, 'byte')} of content, and ${found}`,
      );
    }
    frames.push({ sizeBytes, contentBytes, sha256: createHash('sha256').update(bytes).digest('hex') });
    offset += sizeBytes;
  }
  return frames;
}

/** Undefined for what is not a frame, or has more content than it should have. */
function unpackedBytes(frame: Buffer, contentBytes: number): number | undefined {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: contentBytes }).length;
  } catch {
    return undefined;
  }
}

/** The first one between the frames that are there and an index. */
function difference(found: readonly Frame[], index: Buffer): string {
  const { frames: said } = parseFrameIndex(index);
  const position = found.findIndex((frame, at) => {
    const other = said[at];
    return (
      other?.sizeBytes !== frame.sizeBytes ||
      other.contentBytes !== frame.contentBytes ||
      other.sha256 !== frame.sha256
    );
  });
  if (position < 0 || said[position] === undefined) {
    return `it lists ${counted(said.length, 'frame')}, and the sidecar has ${found.length}`;
  }
  return `frame ${position} is ${describe(found[position])}, and the index says ${describe(said[position])}`;
}

function describe(frame: Frame | undefined): string {
  return `${counted(frame?.sizeBytes ?? 0, 'byte')} with the SHA-256 ${frame?.sha256}`;
}
