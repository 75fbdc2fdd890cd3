import { createHash, hash } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { isAlive, thisOwner } from '../host/owner.ts';
import { readSmallFile } from '../host/small-file.ts';
import { syncDirectory } from '../host/sync.ts';
import type { Digest } from '../identity/image-id.ts';
import { type PackRecord, packRecordSchema, readableRecord } from '../identity/pack-record.ts';
import { BUNDLE_SUFFIX, FRAMES_SUFFIX } from '../identity/published-name.ts';
import { checkFrames } from './check-frames.ts';
import { type FrameIndex, formatFrameIndex, MAX_FRAME_INDEX_BYTES, readFrameIndex } from './frame-index.ts';
import type { ExpectedSidecar, SidecarContents, SidecarReport, VerifyOptions } from './report.ts';
import { openSidecar, readSidecar, verifySidecar } from './verify.ts';

/** The most that is read of a pack record, and of a bundle. */
export const MAX_RECORD_BYTES = 1024 * 1024;
export const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;
const READ_CHUNK_BYTES = 256 * 1024;
/** Read into by turns: more than are on their way at once. New ones would be garbage that is not collected before 64 MB. */
const READ_BUFFERS = 32;

/** A sidecar on this machine, and what belongs to it. */
export interface SidecarFile {
  readonly path: string;
  /** Undefined for a sidecar that something else than this project wrote. */
  readonly record: PackRecord | undefined;
  /** What verifying the file found. */
  readonly report?: SidecarReport | undefined;
  /** The Sigstore bundle that signs the file and its record. */
  readonly bundle?: Buffer | undefined;
}

/** A sidecar that this project packed. */
export interface PackedSidecar extends SidecarFile {
  readonly record: PackRecord;
}

/** A sidecar whose bytes have passed all checks. */
export interface VerifiedSidecar extends SidecarFile {
  readonly report: SidecarReport;
}

/** Where the pack record of a sidecar is, beside it. */
export function recordPathOf(path: string): string {
  return `${path}.json`;
}

/** Where the Sigstore bundle of a sidecar is, beside it. */
export function bundlePathOf(path: string): string {
  return path + BUNDLE_SUFFIX;
}

/** Where the frame index of a sidecar is, beside it. */
export function framesPathOf(path: string): string {
  return path + FRAMES_SUFFIX;
}

/** Undefined when there is no record that can be read. */
export async function readRecord(path: string): Promise<PackRecord | undefined> {
  const json = await readSmallFile(path, MAX_RECORD_BYTES).catch(() => undefined);
  return json && readableRecord(json.toString());
}

/** The same text for equal records, wherever they come from: its SHA-256 tells whether a record is published already. */
export function formatRecord(record: PackRecord): string {
  return `${JSON.stringify(packRecordSchema.parse(record), undefined, 2)}\n`;
}

/** The Sigstore bundle beside a sidecar; undefined when the sidecar has no bundle. */
export async function readBundle(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(bundlePathOf(path), MAX_BUNDLE_BYTES);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw hasErrno(error, 'EINVAL', 'EFBIG')
      ? new BottleError(
          'sidecar-damaged',
          `${bundlePathOf(path)} is not a regular file of at most ${MAX_BUNDLE_BYTES} bytes`,
          { hint: 'remove it, and the sidecar counts as one that is not signed' },
        )
      : fileError(`cannot read ${bundlePathOf(path)}`, error);
  }
}

/**
 * Makes the frame index of a sidecar from its bytes.
 * @returns undefined for a sidecar whose record names none
 * @throws BottleError `sidecar-damaged` when it is not the one that the record names
 */
export async function makeFrameIndex({ path, record }: PackedSidecar): Promise<Buffer | undefined> {
  if (record.frames === undefined) {
    return undefined;
  }
  const index = await frameIndexOf(await readSidecar(path));
  const bytes = index && formatFrameIndex(index);
  if (bytes === undefined || hash('sha256', bytes) !== record.frames.sha256) {
    throw changedSidecar(path, 'other frames');
  }
  return bytes;
}

/** Undefined for a sidecar that was not written in frames. */
export async function frameIndexOf(
  { path, footer }: Pick<SidecarContents, 'path' | 'footer'>,
  signal?: AbortSignal,
): Promise<FrameIndex | undefined> {
  const file = await openSidecar(path);
  try {
    return await readFrameIndex(file, footer.assetsBytes, signal);
  } finally {
    await file.close();
  }
}

/** Verifies a file, against the pack record and, with `deep`, the frame index beside it where there is one. */
export async function verifyFile(path: string, options: VerifyOptions): Promise<VerifiedSidecar> {
  const record = await readRecord(recordPathOf(path));
  const report = await verifySidecar(path, record === undefined ? {} : expectedOf(record), options);
  if (options.deep) {
    await checkFrames(report, { record, index: await readIndexBeside(path) }, options.signal);
  }
  return { path, report, record };
}

async function readIndexBeside(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(framesPathOf(path), MAX_FRAME_INDEX_BYTES);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw fileError(`cannot read ${framesPathOf(path)}`, error);
  }
}

/** What a pack record promises of its sidecar. */
export function expectedOf(record: PackRecord): ExpectedSidecar {
  return {
    platform: record.platform,
    configDigest: record.flattened.configDigest as Digest,
    sha256: record.sidecar.sha256,
  };
}

/**
 * The bytes of a file that was verified before. The last of them come only when all of them have the hash.
 * @throws BottleError `sidecar-damaged` when the file is not the one that was verified
 */
export async function* checkedStream(
  path: string,
  { sha256, sizeBytes }: Pick<SidecarReport, 'sha256' | 'sizeBytes'>,
  onBytes: (doneBytes: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const buffers = Array.from({ length: READ_BUFFERS }, () => Buffer.allocUnsafeSlow(READ_CHUNK_BYTES));
  const file = await fs
    .open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    .catch((error: unknown) => {
      throw fileError(`cannot read ${path}`, error);
    });
  try {
    for (let doneBytes = 0, turn = 0; doneBytes < sizeBytes; turn = (turn + 1) % READ_BUFFERS) {
      const length = Math.min(READ_CHUNK_BYTES, sizeBytes - doneBytes);
      const { bytesRead, buffer } = await file.read(buffers[turn] as Buffer, 0, length);
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      doneBytes += bytesRead;
      const found = doneBytes === sizeBytes || bytesRead === 0 ? hash.digest('hex') : sha256;
      if (found !== sha256) {
        throw changedSidecar(path, `the SHA-256 ${found}, not ${sha256}`);
      }
      yield chunk;
      onBytes(doneBytes);
    }
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot read ${path}`, error);
  } finally {
    await file.close();
  }
}

/** @param difference what the file has now, and what it had */
export function changedSidecar(path: string, difference: string): BottleError {
  return new BottleError(
    'sidecar-damaged',
    `${path} has changed since it was verified: it has ${difference}`,
    { hint: 'pack or fetch it again; something else writes to that file' },
  );
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onBytes?: (doneBytes: number) => void;
}

/**
 * Copies a sidecar with its record, frame index and bundle to `target` and beside it. Everything is on disk before a name appears, and
 * the record's name comes last, so that it is never beside another sidecar.
 */
export async function copySidecar(
  { path, record, report, bundle }: VerifiedSidecar | PackedSidecar,
  target: string,
  { signal, onBytes }: CopyOptions,
): Promise<void> {
  const dir = dirname(target);
  const content = report ?? (record as PackRecord).sidecar;
  const files: Array<readonly [name: string, source: Readable]> = [
    [target, Readable.from(checkedStream(path, content, onBytes))],
  ];
  const frames = record && (await makeFrameIndex({ path, record }));
  if (frames !== undefined) {
    files.push([framesPathOf(target), Readable.from([frames])]);
  }
  if (bundle !== undefined) {
    files.push([bundlePathOf(target), Readable.from([bundle])]);
  }
  if (record !== undefined) {
    files.push([recordPathOf(target), Readable.from([Buffer.from(formatRecord(record))])]);
  }
  try {
    await requireFreeBytes(dir, content.sizeBytes, 'the sidecar');
    for (const [name, source] of files) {
      await removeAbandoned(dir, tempPrefixOf(name));
      await pipeline(source, createWriteStream(tempOf(name), { flags: 'wx', flush: true }), { signal });
    }
    await fs.rm(recordPathOf(target), { force: true });
    await fs.rm(bundlePathOf(target), { force: true });
    await fs.rm(framesPathOf(target), { force: true });
    for (const [name] of files) {
      await fs.rename(tempOf(name), name);
    }
    await syncDirectory(dir);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
  } finally {
    for (const [name] of files) {
      await fs.rm(tempOf(name), { force: true });
    }
  }
}

function tempPrefixOf(path: string): string {
  return `.${basename(path)}.`;
}

function tempOf(path: string): string {
  return join(dirname(path), `${tempPrefixOf(path)}${thisOwner()}.part`);
}

/** Removes what a killed process has left. A private directory would need links, which a USB stick lacks. */
async function removeAbandoned(dir: string, prefix: string): Promise<void> {
  for (const name of await fs.readdir(dir)) {
    const owner = name.startsWith(prefix) && /^([0-9a-z-]+)\.part$/.exec(name.slice(prefix.length))?.[1];
    if (owner && !isAlive(owner)) {
      await fs.rm(join(dir, name), { force: true });
    }
  }
}
