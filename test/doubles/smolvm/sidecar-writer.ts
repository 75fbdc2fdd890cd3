/**
 * Writes `.smolmachine` sidecars byte for byte as smolvm does, and damaged ones on request. It shares no code with
 * src/, so that the two readings of the format can disagree.
 *
 * Source of the format: smolvm, crates/smolvm-pack (packer.rs: the file and its footer; format.rs: the manifest).
 */
import { createReadStream, createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, crc32, createZstdCompress } from 'node:zlib';

const FOOTER_BYTES = 64;
const FOOTER_MAGIC = 'SMOLPACK';
const FOOTER_VERSION = 1;
const ZSTD_LEVEL = 3;

const BLOCK_BYTES = 512;
const END_OF_TAR = Buffer.alloc(2 * BLOCK_BYTES);
const ZEROS = Buffer.alloc(1024 * 1024);
const HEADER_EXTENTS = 4;
const CONTINUATION_EXTENTS = 21;
const EXTENT_BYTES = 24;
const NAME_BYTES = 100;

/** Type flags of a GNU tar (GNU tar manual, "Basic Tar Format"); `zeros` is a plain file. */
const TYPE_FLAGS = {
  file: '0',
  zeros: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  sparse: 'S',
} as const;

/** A run of bytes of a sparse file; between extents there are holes. `offset` is a multiple of 512. */
export interface Extent {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface AssetsMember {
  readonly path: string;
  /** `raw` is not an entry: its `source` goes into the archive as it is, headers and padding included. */
  readonly type: keyof typeof TYPE_FLAGS | 'raw';
  /** The path of a file, or its bytes; for `sparse`, the bytes at offset 0. */
  readonly source?: string | Buffer;
  /** The logical size of a `sparse` or `zeros` member. */
  readonly sizeBytes?: number;
  /** For `sparse`, instead of `source`. */
  readonly extents?: readonly Extent[];
  readonly linkPath?: string;
  readonly mode?: number;
}

/**
 * Writes the first part of a sidecar: one zstd frame of a GNU tar.
 * @returns its size in bytes
 */
export async function writeAssets(members: readonly AssetsMember[], outPath: string): Promise<number> {
  const zstd = createZstdCompress({
    params: {
      [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
      [constants.ZSTD_c_checksumFlag]: 0,
      // The encoder would write the size of what fits into its first call.
      [constants.ZSTD_c_contentSizeFlag]: 0,
    },
  });
  await Promise.all([pipeline(zstd, createWriteStream(outPath)), feed(zstd, tarBytes(members))]);
  return (await fs.stat(outPath)).size;
}

/** Ends the encoder only when it has taken the last chunk: otherwise Node adds a second, empty frame. */
async function feed(zstd: Transform, chunks: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const chunk of chunks) {
      await new Promise<void>((resolve) => zstd.write(chunk, () => resolve()));
      if (zstd.destroyed) {
        return;
      }
    }
    zstd.end();
  } catch (error) {
    zstd.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function* tarBytes(members: readonly AssetsMember[]): AsyncGenerator<Buffer> {
  for (const member of members) {
    yield* memberBytes(member);
  }
  yield END_OF_TAR;
}

async function* memberBytes(member: AssetsMember): AsyncGenerator<Buffer> {
  if (member.type === 'raw') {
    yield* contentBytes(member.source);
    return;
  }
  yield* longName('K', member.linkPath ?? '');
  const path = member.type === 'directory' ? member.path.replace(/\/*$/, '/') : member.path;
  yield* longName('L', path);
  if (member.type === 'sparse') {
    yield* sparseEntry(path, member);
    return;
  }
  const sizeBytes = member.type === 'zeros' ? (member.sizeBytes ?? 0) : await contentSize(member.source);
  yield seal(header(path, member, sizeBytes));
  yield* member.type === 'zeros' ? zeros(sizeBytes) : contentBytes(member.source);
  yield* zeros(paddingOf(sizeBytes));
}

function* longName(flag: 'K' | 'L', name: string): Generator<Buffer> {
  const bytes = Buffer.from(`${name}\0`);
  if (bytes.length - 1 > NAME_BYTES) {
    const block = header('././@LongLink', { type: 'file' }, bytes.length);
    block.write(flag, 156);
    yield seal(block);
    yield bytes;
    yield* zeros(paddingOf(bytes.length));
  }
}

function* sparseEntry(path: string, member: AssetsMember): Generator<Buffer> {
  const { source, extents = Buffer.isBuffer(source) ? [{ offset: 0, bytes: source }] : [] } = member;
  const last = extents.at(-1);
  const dataEnd = last === undefined ? 0 : last.offset + last.bytes.length;
  const realSize = member.sizeBytes ?? dataEnd;
  // A hole at the end is an empty extent at the end of the file.
  const map = dataEnd < realSize ? [...extents, { offset: realSize, bytes: Buffer.alloc(0) }] : [...extents];
  const dataSize = extents.reduce((sum, extent) => sum + extent.bytes.length, 0);

  const block = header(path, member, dataSize);
  writeExtents(block, 386, map.splice(0, HEADER_EXTENTS));
  block[482] = map.length > 0 ? 1 : 0;
  writeNumber(block, 483, 12, realSize);
  yield seal(block);
  while (map.length > 0) {
    const continuation = Buffer.alloc(BLOCK_BYTES);
    writeExtents(continuation, 0, map.splice(0, CONTINUATION_EXTENTS));
    continuation[504] = map.length > 0 ? 1 : 0;
    yield continuation;
  }
  for (const extent of extents) {
    yield extent.bytes;
  }
  yield* zeros(paddingOf(dataSize));
}

function writeExtents(block: Buffer, at: number, extents: readonly Extent[]): void {
  for (const [index, extent] of extents.entries()) {
    writeNumber(block, at + index * EXTENT_BYTES, 12, extent.offset);
    writeNumber(block, at + index * EXTENT_BYTES + 12, 12, extent.bytes.length);
  }
}

/** A header block without its checksum. Owners and times are those of this run: no two sidecars are alike. */
function header(
  path: string,
  member: Pick<AssetsMember, 'type' | 'mode' | 'linkPath'>,
  sizeBytes: number,
): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const type = member.type === 'raw' ? 'file' : member.type;
  block.set(Buffer.from(path).subarray(0, NAME_BYTES), 0);
  writeNumber(block, 100, 8, member.mode ?? (type === 'directory' ? 0o755 : 0o644));
  writeNumber(block, 108, 8, process.getuid?.() ?? 0);
  writeNumber(block, 116, 8, process.getgid?.() ?? 0);
  writeNumber(block, 124, 12, sizeBytes);
  writeNumber(block, 136, 12, Math.floor(Date.now() / 1000));
  block.write(TYPE_FLAGS[type], 156);
  block.set(Buffer.from(member.linkPath ?? '').subarray(0, NAME_BYTES), 157);
  block.write('ustar  \0', 257, 'latin1');
  return block;
}

/** Octal and NUL; what does not fit goes base-256, big endian, with the top bit set. */
function writeNumber(block: Buffer, at: number, width: number, value: number): void {
  const octal = value.toString(8).padStart(width - 1, '0');
  if (octal.length < width) {
    block.write(`${octal}\0`, at, 'latin1');
  } else {
    block.writeBigUInt64BE(BigInt(value), at + width - 8);
    block[at] = 0x80;
  }
}

function seal(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

async function contentSize(source: string | Buffer | undefined): Promise<number> {
  return typeof source === 'string' ? (await fs.stat(source)).size : (source?.length ?? 0);
}

async function* contentBytes(source: string | Buffer | undefined): AsyncGenerator<Buffer> {
  if (typeof source === 'string') {
    yield* createReadStream(source, { highWaterMark: ZEROS.length });
  } else if (source !== undefined) {
    yield source;
  }
}

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= ZEROS.length) {
    yield ZEROS.subarray(0, left);
  }
}

function paddingOf(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** The 64 bytes at the end of a sidecar, little endian; sizes and offsets are in bytes. */
export interface FooterFields {
  readonly magic: string;
  readonly version: number;
  readonly stubSize: number | bigint;
  readonly assetsOffset: number | bigint;
  readonly assetsSize: number | bigint;
  readonly manifestOffset: number | bigint;
  readonly manifestSize: number | bigint;
  readonly crc32: number;
  /** Eight bytes. */
  readonly reserved: Buffer;
}

export function encodeFooter(
  fields: Partial<FooterFields> & Pick<FooterFields, 'assetsSize' | 'manifestSize' | 'crc32'>,
): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.write(fields.magic ?? FOOTER_MAGIC, 0, 8, 'latin1');
  footer.writeUInt32LE(fields.version ?? FOOTER_VERSION, 8);
  footer.writeBigUInt64LE(BigInt(fields.stubSize ?? 0), 12);
  footer.writeBigUInt64LE(BigInt(fields.assetsOffset ?? 0), 20);
  footer.writeBigUInt64LE(BigInt(fields.assetsSize), 28);
  footer.writeBigUInt64LE(BigInt(fields.manifestOffset ?? fields.assetsSize), 36);
  footer.writeBigUInt64LE(BigInt(fields.manifestSize), 44);
  footer.writeUInt32LE(fields.crc32, 52);
  footer.set(fields.reserved ?? [], 56);
  return footer;
}

export interface SidecarEnding {
  /** An object is written as smolvm writes it: two spaces, no newline at the end. A Buffer is written as it is. */
  readonly manifest: unknown;
  /** Fields that shall differ from the true ones. */
  readonly footer?: Partial<FooterFields>;
  /** Instead of the true checksum. */
  readonly crc32?: number;
}

/** Writes a sidecar as smolvm does: compressed in a temporary directory, then copied in place, not atomically. */
export async function writeSidecar(
  path: string,
  { members, ...ending }: SidecarEnding & { readonly members: readonly AssetsMember[] },
): Promise<void> {
  const dir = await fs.mkdtemp(join(tmpdir(), '.tmp'));
  try {
    const assetsPath = join(dir, 'assets.tar.zst');
    await writeAssets(members, assetsPath);
    await joinSidecar(path, { assetsPath, ...ending });
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

/** Puts compressed assets, manifest and footer together; `path` is truncated and written in place. */
export async function joinSidecar(
  path: string,
  { assetsPath, manifest, footer, crc32: wrongCrc32 }: SidecarEnding & { readonly assetsPath: string },
): Promise<void> {
  const manifestBytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest, null, 2));
  let assetsSize = 0;
  let checksum = 0;
  await pipeline(async function* () {
    for await (const chunk of contentBytes(assetsPath)) {
      assetsSize += chunk.length;
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
    yield manifestBytes;
    yield encodeFooter({
      assetsSize,
      manifestSize: manifestBytes.length,
      crc32: wrongCrc32 ?? crc32(manifestBytes, checksum),
      ...footer,
    });
  }, createWriteStream(path));
}
