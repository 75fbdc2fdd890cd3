import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** A larger file is only hashed, and not tried in other forms. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
const POINTER_START = 'version https://git-lfs.github.com/spec/v1\n';
const MAX_POINTER_BYTES = 1024;

/** A file of the working tree, hashed as git hashes its blobs, so that no filter has to run. */
export interface WorkingFile {
  readonly blob: string;
  /** Undefined when the file is large. */
  readonly bytes: Buffer | undefined;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Undefined when it is not a regular file, or cannot be read. */
export async function readWorkingFile(path: string, algorithm: string): Promise<WorkingFile | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await file.stat();
    return stats.isFile() ? await hashFile(file, stats.size, algorithm) : undefined;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

async function hashFile(file: FileHandle, sizeBytes: number, algorithm: string): Promise<WorkingFile> {
  const blob = createHash(algorithm).update(`blob ${sizeBytes}\0`);
  const sha256 = createHash('sha256');
  const chunks: Buffer[] = [];
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    blob.update(chunk);
    sha256.update(chunk);
    if (sizeBytes <= MAX_KEPT_BYTES) {
      chunks.push(chunk);
    }
  }
  return {
    blob: blob.digest('hex'),
    bytes: sizeBytes <= MAX_KEPT_BYTES ? Buffer.concat(chunks) : undefined,
    sizeBytes,
    sha256: sha256.digest('hex'),
  };
}

export function blobOf(bytes: Buffer | string, algorithm: string): string {
  return createHash(algorithm)
    .update(`blob ${Buffer.byteLength(bytes)}\0`)
    .update(bytes)
    .digest('hex');
}

export function isLfsPointer({ bytes, sizeBytes }: WorkingFile): boolean {
  return (
    sizeBytes <= MAX_POINTER_BYTES && bytes?.toString('latin1', 0, POINTER_START.length) === POINTER_START
  );
}

/** What Git LFS commits in a file's place. */
export function lfsPointerOf({ sha256, sizeBytes }: WorkingFile): string {
  return `${POINTER_START}oid sha256:${sha256}\nsize ${sizeBytes}\n`;
}

/** The same text with the other kinds of line endings; none for what is not text. */
export function otherLineEndings({ bytes }: Pick<WorkingFile, 'bytes'>): Buffer[] {
  if (bytes === undefined || bytes.includes(0)) {
    return [];
  }
  const text = bytes.toString('latin1');
  const unix = text.replaceAll('\r\n', '\n');
  return [unix, unix.replaceAll('\n', '\r\n')]
    .filter((form) => form !== text)
    .map((form) => Buffer.from(form, 'latin1'));
}

/** The content that git commits for a file that it converts in the same way in every clone: `ident`, and encodings. */
export function reconverted(
  { bytes }: Pick<WorkingFile, 'bytes'>,
  attributes: ReadonlyMap<string, string>,
): Buffer[] {
  if (bytes === undefined) {
    return [];
  }
  if (attributes.get('ident') === 'set') {
    const text = bytes.toString('latin1');
    return [Buffer.from(text.replaceAll(/\$Id: [^$\n]*\$/g, '$Id$'), 'latin1')];
  }
  const encoding = attributes.get('working-tree-encoding') ?? '';
  try {
    const isBigEndian = /^utf-16$/i.test(encoding) && bytes[0] === 0xfe;
    const label = isBigEndian ? 'utf-16be' : encoding.replace(/-BOM$/i, '');
    const text = new TextDecoder(label, { fatal: true }).decode(bytes);
    return [text, text.replaceAll('\r\n', '\n')].map((form) => Buffer.from(form));
  } catch {
    return [];
  }
}
