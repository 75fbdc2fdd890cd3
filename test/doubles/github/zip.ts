import * as zlib from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  readonly content: Buffer;
  /** Deflate instead of stored. */
  readonly deflate?: boolean;
  /** Unix mode, with the file's type. */
  readonly mode?: number;
  /** What the headers say, where that is a lie. */
  readonly claimedBytes?: number;
}

const LOCAL_HEADER_BYTES = 30;
const CENTRAL_HEADER_BYTES = 46;
const END_BYTES = 22;
const UNIX = 3;
/** 1 January 1980. */
const DOS_DATE = 0x21;

/** A zip, well-formed but for what the entries lie about (APPNOTE 4.3, without zip64). */
export function writeZip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const local = localEntry(entry);
    locals.push(local);
    centrals.push(centralHeader(entry, offset));
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

function localEntry(entry: ZipEntry): Buffer {
  const header = Buffer.alloc(LOCAL_HEADER_BYTES);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header, 4, entry);
  return Buffer.concat([header, Buffer.from(entry.name), dataOf(entry)]);
}

function centralHeader(entry: ZipEntry, offset: number): Buffer {
  const header = Buffer.alloc(CENTRAL_HEADER_BYTES);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE((UNIX << 8) | 20, 4);
  writeCommon(header, 6, entry);
  header.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, Buffer.from(entry.name)]);
}

/** The fields that both headers have in the same order. */
function writeCommon(header: Buffer, at: number, entry: ZipEntry): void {
  const { name, content, deflate, claimedBytes = content.length } = entry;
  header.writeUInt16LE(20, at);
  header.writeUInt16LE(deflate ? 8 : 0, at + 4);
  header.writeUInt16LE(DOS_DATE, at + 8);
  header.writeUInt32LE(zlib.crc32(content), at + 10);
  header.writeUInt32LE(dataOf(entry).length, at + 14);
  header.writeUInt32LE(claimedBytes, at + 18);
  header.writeUInt16LE(Buffer.byteLength(name), at + 22);
}

function dataOf({ content, deflate }: ZipEntry): Buffer {
  return deflate ? zlib.deflateRawSync(content) : content;
}
