import {
  EXTENT_BYTES,
  SPARSE,
  SPARSE_EXTENSION,
  type TarEntry,
  type TarExtent,
  type TarType,
} from './read.ts';
import { paddingAfter, sealed } from './write.ts';

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;

const TYPE_FLAGS: Readonly<Record<Exclude<TarType, 'sparse'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

/** What a header says; the owner is root, and the time 1970, where it does not say. */
export interface TarHeader
  extends Partial<
    Pick<TarEntry, 'linkPathBytes' | 'mode' | 'uid' | 'gid' | 'mtimeSeconds' | 'deviceMajor' | 'deviceMinor'>
  > {
  readonly type: Exclude<TarType, 'sparse'>;
  /** A directory gets its slash here. */
  readonly pathBytes: Buffer;
  readonly sizeBytes: number;
}

/** The header of a plain file that is root's. */
export function fileHeader(path: string, sizeBytes: number): Buffer {
  return tarEntryHeader({ type: 'file', pathBytes: Buffer.from(path), sizeBytes });
}

/**
 * The header blocks of an entry as GNU tar writes them, with entries of their own for long names and base 256 for
 * large numbers: https://www.gnu.org/software/tar/manual/html_node/Standard.html. The same entry always gives the
 * same bytes. There is no pax header,
 * because guests before smolvm 1.16 ignore owners in one.
 */
export function tarEntryHeader(entry: TarHeader): Buffer {
  const { type, pathBytes, linkPathBytes = Buffer.alloc(0) } = entry;
  const name = type === 'directory' ? Buffer.concat([pathBytes, Buffer.from('/')]) : pathBytes;
  const block = headerBlock({ ...entry, name, link: linkPathBytes, typeFlag: TYPE_FLAGS[type] });
  const long = [...longName('K', linkPathBytes), ...longName('L', name)];
  return long.length === 0 ? block : Buffer.concat([...long, block]);
}

/**
 * The header blocks of a sparse file of GNU tar's old format, to be followed by the bytes of its extents. A hole at
 * the end is an empty extent: https://www.gnu.org/software/tar/manual/html_node/Old-GNU-Format.html
 */
export function sparseHeader(path: string, extents: readonly TarExtent[], realSizeBytes: number): Buffer {
  const storedBytes = extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const last = extents.at(-1);
  const map = [...extents];
  if (last === undefined || last.offset + last.sizeBytes < realSizeBytes) {
    map.push({ offset: realSizeBytes, sizeBytes: 0 });
  }
  const block = headerBlock({
    name: Buffer.from(path),
    link: Buffer.alloc(0),
    typeFlag: 'S',
    sizeBytes: storedBytes,
  });
  writeExtents(block, SPARSE.offset, map.splice(0, SPARSE.count));
  writeNumber(block, SPARSE.realSize, 12, realSizeBytes);
  block[SPARSE.isExtended] = map.length > 0 ? 1 : 0;
  sealed(block);
  const blocks = [block];
  while (map.length > 0) {
    const more = Buffer.alloc(BLOCK_BYTES);
    writeExtents(more, SPARSE_EXTENSION.offset, map.splice(0, SPARSE_EXTENSION.count));
    more[SPARSE_EXTENSION.isExtended] = map.length > 0 ? 1 : 0;
    blocks.push(more);
  }
  return Buffer.concat(blocks);
}

function writeExtents(block: Buffer, offset: number, extents: readonly TarExtent[]): void {
  for (const [index, extent] of extents.entries()) {
    writeNumber(block, offset + index * EXTENT_BYTES, 12, extent.offset);
    writeNumber(block, offset + index * EXTENT_BYTES + 12, 12, extent.sizeBytes);
  }
}

/** A name that does not fit into its field with a zero behind it goes before the header. */
function longName(typeFlag: 'K' | 'L', name: Buffer): Buffer[] {
  if (name.length < NAME_BYTES) {
    return [];
  }
  const sizeBytes = name.length + 1;
  const block = headerBlock({
    name: Buffer.from('././@LongLink'),
    link: Buffer.alloc(0),
    typeFlag,
    sizeBytes,
  });
  return [block, name, Buffer.alloc(1), paddingAfter(sizeBytes)];
}

interface HeaderFields extends Omit<TarHeader, 'type' | 'pathBytes' | 'linkPathBytes'> {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly typeFlag: string;
}

function headerBlock({ name, link, typeFlag, sizeBytes, ...fields }: HeaderFields): Buffer {
  const { mode = 0o644, uid = 0, gid = 0, mtimeSeconds = 0, deviceMajor = 0, deviceMinor = 0 } = fields;
  const block = Buffer.alloc(BLOCK_BYTES);
  name.copy(block, 0, 0, NAME_BYTES);
  writeNumber(block, 100, 8, mode & 0o7777);
  writeNumber(block, 108, 8, uid);
  writeNumber(block, 116, 8, gid);
  writeNumber(block, 124, 12, sizeBytes);
  // No reader keeps a time before 1970.
  writeNumber(block, 136, 12, Math.max(0, Math.floor(mtimeSeconds)));
  block.write(typeFlag, 156, 'latin1');
  link.copy(block, 157, 0, NAME_BYTES);
  block.write('ustar  \0', 257, 'latin1');
  if (typeFlag === TYPE_FLAGS['character-device'] || typeFlag === TYPE_FLAGS['block-device']) {
    writeNumber(block, 329, 8, deviceMajor);
    writeNumber(block, 337, 8, deviceMinor);
  }
  return sealed(block);
}

/** Octal digits and a zero; what has too many digits is written big endian, with the top bit set. */
function writeNumber(block: Buffer, offset: number, width: number, value: number): void {
  const digits = value.toString(8);
  if (digits.length < width) {
    block.write(`${digits.padStart(width - 1, '0')}\0`, offset, 'latin1');
    return;
  }
  block[offset] = 0x80;
  block.writeUIntBE(value, offset + width - 6, 6);
}
