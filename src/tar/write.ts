import type { TarEntry } from './read.ts';

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
/** The name of a pax header, which readers never use as a file's. */
const PAX_HEADER_NAME = 'PaxHeaders';
/** The largest number that eleven octal digits hold. */
const MAX_OCTAL_BYTES = 8 ** 11 - 1;

/** Two zero blocks, the end of an archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * The header of a plain file, owned by root and dated 1970, so that the same content gives the same bytes. It is POSIX
 * ustar, with the size of large files as GNU tar and Go write it:
 * https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export function tarHeader(path: string, sizeBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const fields: ReadonlyArray<readonly [offset: number, text: string]> = [
    [0, path],
    [100, '0000644'],
    [108, '0000000'],
    [116, '0000000'],
    [124, sizeBytes.toString(8).padStart(11, '0')],
    [136, '00000000000'],
    [156, '0'],
    [257, 'ustar\x0000'],
  ];
  for (const [offset, text] of fields) {
    block.write(text, offset, 'latin1');
  }
  if (sizeBytes > MAX_OCTAL_BYTES) {
    block.fill(0, 124, 136);
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  return sealed(block);
}

/**
 * The header of an entry without content, such as a link or a directory, with another target or time: what `raw` says
 * otherwise stays, long names and extended attributes included.
 */
export function changedHeader(
  entry: TarEntry,
  raw: Buffer,
  { linkPath = entry.linkPath, mtimeSeconds }: { linkPath?: string; mtimeSeconds?: number },
): Buffer {
  const records = new Map(entry.pax);
  const block = Buffer.from(raw.subarray(-BLOCK_BYTES));
  if (mtimeSeconds !== undefined) {
    records.delete('mtime');
    block.write(`${mtimeSeconds.toString(8).padStart(11, '0')}\0`, 136, 'latin1');
  }
  // GNU's headers for long names are gone, and a pax record takes their place.
  if (Buffer.byteLength(entry.path) >= NAME_BYTES) {
    records.set('path', entry.path);
  }
  records.delete('linkpath');
  if (Buffer.byteLength(linkPath) > NAME_BYTES) {
    records.set('linkpath', linkPath);
  }
  block.fill(0, 157, 257).set(Buffer.from(linkPath).subarray(0, NAME_BYTES), 157);
  return Buffer.concat([paxHeader(records), sealed(block)]);
}

function paxHeader(records: ReadonlyMap<string, string>): Buffer {
  if (records.size === 0) {
    return Buffer.alloc(0);
  }
  const content = Buffer.concat([...records].map(([key, value]) => paxRecord(key, value)));
  const header = tarHeader(PAX_HEADER_NAME, content.length);
  header.write('x', 156, 'latin1');
  return Buffer.concat([sealed(header), content, paddingAfter(content.length)]);
}

/** The length at the beginning counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length += 1;
  }
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Writes the checksum, which counts its own field as spaces. */
export function sealed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of block) {
    sum += byte;
  }
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The zeros that fill the last block of a file. */
export function paddingAfter(sizeBytes: number): Buffer {
  return Buffer.alloc(-sizeBytes & (BLOCK_BYTES - 1));
}
