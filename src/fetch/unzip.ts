import { createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, fromBufferPromise, openPromise, type ZipFile } from 'yauzl';
import { BottleError, fileError } from '../errors.ts';

/** APPNOTE 4.4.5: the upper half of a Unix entry's attributes is its mode. */
const FILE_TYPE = 0o170000;
const REGULAR_FILE = 0o100000;

export interface ExtractOptions {
  readonly sizeBytes: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes the only entry of a zip to a new file. Nothing but its content is taken from the zip: no path, no mode, and
 * not a byte more than `sizeBytes`.
 * @throws BottleError `sidecar-damaged`
 */
export async function extractOnly(
  zipPath: string,
  targetPath: string,
  { sizeBytes, signal }: ExtractOptions,
): Promise<void> {
  let isOurs = false;
  try {
    await withOnlyEntry(openPromise(zipPath, { autoClose: false }), async (entry, openEntry) => {
      if (entry.uncompressedSize !== sizeBytes) {
        throw damagedZip(`its entry has ${entry.uncompressedSize} bytes, expected ${sizeBytes}`);
      }
      const target = createWriteStream(targetPath, { flags: 'wx', mode: 0o600 });
      target.once('open', () => {
        isOurs = true;
      });
      await pipeline(await openEntry(), target, { ...(signal && { signal }) });
    });
  } catch (error) {
    if (isOurs) {
      await fs.rm(targetPath, { force: true });
    }
    signal?.throwIfAborted();
    throw isFileFault(error)
      ? fileError(`cannot unpack ${zipPath} to ${targetPath}`, error)
      : zipError(error);
  }
}

/** The only entry of a small zip. */
export async function unzipOnly(zip: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await withOnlyEntry(fromBufferPromise(zip), async (entry, openEntry) => {
      if (entry.uncompressedSize > maxBytes) {
        throw damagedZip(`its entry has ${entry.uncompressedSize} bytes, more than ${maxBytes}`);
      }
      return await buffer(await openEntry());
    });
  } catch (error) {
    throw zipError(error);
  }
}

/** yauzl itself refuses names with `..` or a root, and ends a stream that gives more bytes than its entry says. */
async function withOnlyEntry<T>(
  opening: Promise<ZipFile>,
  use: (entry: Entry, openEntry: () => Promise<Readable>) => Promise<T>,
): Promise<T> {
  const zip = await opening;
  try {
    if (zip.entryCount !== 1) {
      throw damagedZip(`it has ${zip.entryCount} entries, expected 1`);
    }
    for await (const entry of zip.eachEntry()) {
      requirePlainFile(entry);
      return await use(entry, () => zip.openReadStreamPromise(entry));
    }
    throw damagedZip('it has no entry');
  } finally {
    zip.close();
  }
}

function requirePlainFile({ fileName, externalFileAttributes }: Entry): void {
  const type = (externalFileAttributes >>> 16) & FILE_TYPE;
  if (fileName.endsWith('/') || (type !== 0 && type !== REGULAR_FILE)) {
    throw damagedZip(`its entry ${JSON.stringify(fileName)} is not a plain file`);
  }
}

function isFileFault(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function zipError(error: unknown): unknown {
  return error instanceof BottleError
    ? error
    : damagedZip(error instanceof Error ? error.message : String(error), error);
}

function damagedZip(fault: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', `damaged zip: ${fault}`, {
    hint: 'publish the sidecar again, or pack your own: claude-bottle pack',
    cause,
  });
}
