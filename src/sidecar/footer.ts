import { BottleError } from '../errors.ts';
import { counted, shown } from '../identity/shown-text.ts';

/**
 * A sidecar is `<assets><manifest><footer>`: a zstd stream of a GNU tar, JSON, and these 64 bytes, little endian.
 * Source of the format: smolvm, crates/smolvm-pack/src/format.rs.
 */
export const FOOTER_BYTES = 64;
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;
const MAGIC = 'SMOLPACK';
const VERSION = 1;
const MAX_PROBLEM_CHARS = 300;

export interface SidecarFooter {
  readonly assetsBytes: number;
  readonly manifestBytes: number;
  /** CRC-32 (IEEE) of everything before the footer. */
  readonly crc32: number;
}

export function hasFooterMagic(footer: Buffer): boolean {
  return footer.toString('latin1', 0, MAGIC.length) === MAGIC;
}

/** Stricter than smolvm, which accepts gaps and ignores most fields; every smolvm writes them like this. */
export function decodeFooter(footer: Buffer, fileBytes: number): SidecarFooter {
  if (!hasFooterMagic(footer)) {
    throw damaged(
      'footer',
      `magic is ${footer.toString('hex', 0, 8)}, not "${MAGIC}", because the file was cut off or is not a sidecar`,
    );
  }
  requireField('version', VERSION, footer.readUInt32LE(8));
  requireField('stub_size', 0, u64(footer, 12));
  requireField('assets_offset', 0, u64(footer, 20));
  const assetsBytes = u64(footer, 28);
  requireField('manifest_offset', assetsBytes, u64(footer, 36));
  const manifestBytes = u64(footer, 44);
  if (manifestBytes > MAX_MANIFEST_BYTES) {
    throw damaged('footer', `manifest_size is ${manifestBytes}, the most is ${MAX_MANIFEST_BYTES}`);
  }
  requireField('reserved', 0, u64(footer, 56));
  const total = assetsBytes + manifestBytes + FOOTER_BYTES;
  if (total !== fileBytes) {
    throw damaged('footer', `it describes a file of ${counted(total, 'byte')}, this one has ${fileBytes}`);
  }
  return { assetsBytes, manifestBytes, crc32: footer.readUInt32LE(52) };
}

export function encodeFooter({ assetsBytes, manifestBytes, crc32 }: SidecarFooter): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.write(MAGIC, 'latin1');
  footer.writeUInt32LE(VERSION, 8);
  footer.writeBigUInt64LE(BigInt(assetsBytes), 28);
  footer.writeBigUInt64LE(BigInt(assetsBytes), 36);
  footer.writeBigUInt64LE(BigInt(manifestBytes), 44);
  footer.writeUInt32LE(crc32, 52);
  return footer;
}

/** @param check the part of the sidecar that is not as it must be */
export function damaged(check: string, problem: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', `damaged sidecar, ${check}: ${shortened(problem)}`, {
    hint: 'fetch or pack it again',
    cause,
  });
}

/** Text that quotes a sidecar, no longer than a message should be. */
export function shortened(text: string): string {
  return shown(text).slice(0, MAX_PROBLEM_CHARS);
}

function requireField(field: string, expected: string | number, found: string | number): void {
  if (found !== expected) {
    throw damaged('footer', `${field} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  }
}

/** Sizes beyond 2^53 lose their last digits here and then fail the comparison with the file's size. */
function u64(footer: Buffer, offset: number): number {
  return Number(footer.readBigUInt64LE(offset));
}
