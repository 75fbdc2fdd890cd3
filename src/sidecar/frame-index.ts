import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BottleError } from '../errors.ts';
import { parseJson } from '../identity/json.ts';
import { counted } from '../identity/shown-text.ts';
import { damaged } from './footer.ts';

/** The frames of a sidecar's assets, each a zstd frame of its own: docs/sidecar-format.md, "Frames". */
export const FRAME_INDEX_VERSION = 1;
/** The most content of one frame, and the most bytes that zstd makes of it (ZSTD_compressBound). */
export const MAX_FRAME_CONTENT_BYTES = 4 * 1024 * 1024;
export const MAX_FRAME_BYTES = MAX_FRAME_CONTENT_BYTES + MAX_FRAME_CONTENT_BYTES / 256;
/** Enough for a sidecar of 128 GiB, the most that smolvm unpacks. */
export const MAX_FRAME_INDEX_BYTES = 32 * 1024 * 1024;
const READ_CHUNK_BYTES = 1024 * 1024;

export interface Frame {
  /** Where it begins in the sidecar. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** The size of its content. */
  readonly contentBytes: number;
  /** 64 hex digits, of its compressed bytes. */
  readonly sha256: string;
}

/**
 * The frames from the first byte of a sidecar on, without gaps. What follows the last one (seek table, manifest and
 * footer) is not in the index.
 */
export interface FrameIndex {
  readonly frames: readonly Frame[];
  /** Where the last frame ends. */
  readonly framesBytes: number;
}

/** One line of JSON: `{"version":1,"frames":[[sizeBytes,contentBytes,"sha256"],…]}`. */
export function formatFrameIndex({ frames }: FrameIndex): Buffer {
  const rows = frames.map(({ sizeBytes, contentBytes, sha256 }) => [sizeBytes, contentBytes, sha256]);
  return Buffer.from(`${JSON.stringify({ version: FRAME_INDEX_VERSION, frames: rows })}\n`);
}

/**
 * Reads what `formatFrameIndex` writes, to the byte.
 * @throws BottleError `sidecar-damaged`
 */
export function parseFrameIndex(bytes: Buffer): FrameIndex {
  if (bytes.length > MAX_FRAME_INDEX_BYTES) {
    throw damagedIndex(
      `it has ${counted(bytes.length, 'byte')}, and at most ${MAX_FRAME_INDEX_BYTES} are allowed`,
    );
  }
  let json: unknown;
  try {
    json = parseJson(bytes.toString('utf8'));
  } catch (error) {
    throw damagedIndex('it is not JSON', error);
  }
  const { version, frames: rows } = Object(json) as Record<string, unknown>;
  if (version !== FRAME_INDEX_VERSION || !Array.isArray(rows)) {
    throw damagedIndex(`it is not a frame index of version ${FRAME_INDEX_VERSION}`);
  }
  const index = indexOf(rows.map(parseRow));
  if (!formatFrameIndex(index).equals(bytes)) {
    throw damagedIndex('it is not in its canonical form');
  }
  return index;
}

function parseRow(row: unknown, position: number): FrameParts {
  const [sizeBytes, contentBytes, sha256] = Array.isArray(row) ? (row as unknown[]) : [];
  const isSize = (size: unknown, max: number) =>
    Number.isInteger(size) && (size as number) >= 1 && (size as number) <= max;
  if (
    !isSize(sizeBytes, MAX_FRAME_BYTES) ||
    !isSize(contentBytes, MAX_FRAME_CONTENT_BYTES) ||
    !/^[0-9a-f]{64}$/.test(String(sha256))
  ) {
    throw damagedIndex(`frame ${position} is not valid`);
  }
  return { sizeBytes, contentBytes, sha256 } as FrameParts;
}

export type FrameParts = Omit<Frame, 'offset'>;

/** Puts frames one after the other. */
export function indexOf(parts: readonly FrameParts[]): FrameIndex {
  let offset = 0;
  const frames = parts.map((part) => {
    const frame = { offset, ...part };
    offset += part.sizeBytes;
    return frame;
  });
  return { frames, framesBytes: offset };
}

export function damagedIndex(problem: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', `damaged frame index: ${problem}`, {
    hint: 'fetch the sidecar again, or pack the image again',
    cause,
  });
}

/**
 * The seek table of the zstd seekable format, a skippable frame that every zstd decoder passes over:
 * https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
 */
const SKIPPABLE_MAGIC = 0x184d2a5e;
export const SEEKABLE_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER_BYTES = 8;
const SEEK_TABLE_FOOTER_BYTES = 9;
const SEEK_ENTRY_BYTES = 8;

export function seekTable({ frames }: FrameIndex): Buffer {
  const tableBytes = frames.length * SEEK_ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES;
  const table = Buffer.alloc(SKIPPABLE_HEADER_BYTES + tableBytes);
  table.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  table.writeUInt32LE(tableBytes, 4);
  for (const [position, { sizeBytes, contentBytes }] of frames.entries()) {
    const at = SKIPPABLE_HEADER_BYTES + position * SEEK_ENTRY_BYTES;
    table.writeUInt32LE(sizeBytes, at);
    table.writeUInt32LE(contentBytes, at + 4);
  }
  const footer = table.length - SEEK_TABLE_FOOTER_BYTES;
  table.writeUInt32LE(frames.length, footer);
  table.writeUInt32LE(SEEKABLE_MAGIC, footer + 5);
  return table;
}

/**
 * Makes the frame index of a sidecar from its seek table and its bytes, or returns undefined where the sidecar was
 * not written in frames. Nobody's word is taken for a digest.
 */
export async function readFrameIndex(
  file: FileHandle,
  assetsBytes: number,
  signal?: AbortSignal,
): Promise<FrameIndex | undefined> {
  const sizes = await readSeekTable(file, assetsBytes);
  if (sizes === undefined) {
    return undefined;
  }
  const frames: FrameParts[] = [];
  const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
  let position = 0;
  for (const { sizeBytes, contentBytes } of sizes) {
    signal?.throwIfAborted();
    const hash = createHash('sha256');
    for (let left = sizeBytes; left > 0; ) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(left, chunk.length), position);
      if (bytesRead === 0) {
        throw damaged('file', `it ended while it was read, at byte ${position}`);
      }
      hash.update(chunk.subarray(0, bytesRead));
      position += bytesRead;
      left -= bytesRead;
    }
    frames.push({ sizeBytes, contentBytes, sha256: hash.digest('hex') });
  }
  return indexOf(frames);
}

/** The sizes of a sidecar's frames as its seek table lists them, unverified; undefined without such a table. */
export async function readSeekTable(
  file: FileHandle,
  assetsBytes: number,
): Promise<Array<{ sizeBytes: number; contentBytes: number }> | undefined> {
  const footer = await readBefore(file, assetsBytes, SEEK_TABLE_FOOTER_BYTES);
  if (footer?.readUInt32LE(5) !== SEEKABLE_MAGIC || footer[4] !== 0) {
    return undefined;
  }
  const count = footer.readUInt32LE(0);
  const tableBytes = count * SEEK_ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES;
  if (tableBytes > MAX_FRAME_INDEX_BYTES) {
    return undefined;
  }
  const table = await readBefore(file, assetsBytes, SKIPPABLE_HEADER_BYTES + tableBytes);
  if (table?.readUInt32LE(0) !== SKIPPABLE_MAGIC || table.readUInt32LE(4) !== tableBytes) {
    return undefined;
  }
  const sizes = Array.from({ length: count }, (_, position) => {
    const at = SKIPPABLE_HEADER_BYTES + position * SEEK_ENTRY_BYTES;
    return { sizeBytes: table.readUInt32LE(at), contentBytes: table.readUInt32LE(at + 4) };
  });
  const framesBytes = sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const isOurs = sizes.every(
    ({ sizeBytes, contentBytes }) =>
      sizeBytes >= 1 &&
      sizeBytes <= MAX_FRAME_BYTES &&
      contentBytes >= 1 &&
      contentBytes <= MAX_FRAME_CONTENT_BYTES,
  );
  return isOurs && framesBytes + table.length === assetsBytes ? sizes : undefined;
}

async function readBefore(file: FileHandle, end: number, length: number): Promise<Buffer | undefined> {
  if (end < length) {
    return undefined;
  }
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, end - length);
  return bytesRead === length ? bytes : undefined;
}
