import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BottleError, fileError, hasErrno, isDamage } from '../errors.ts';
import { sweepPrivateDirs, withPrivateDir } from '../host/private-dir.ts';
import { type Digest, type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import { type PackRecord, packRecordSchema } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import {
  type ExpectedSidecar,
  type SidecarReport,
  type VerifyOptions,
  verifySidecar,
} from '../sidecar/verify.ts';
import { id16OfName, sidecarName } from './location.ts';

/** https://bford.info/cachedir/ */
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n';
const MAX_RECORD_BYTES = 1024 * 1024;

export interface StoredSidecar {
  readonly path: string;
  readonly report: SidecarReport;
  /** Undefined for a sidecar that something else than this project has put there. */
  readonly record: PackRecord | undefined;
}

/**
 * The local directory of sidecars. Its top level has the names that claude-bottle looks for and nothing else;
 * what is ours is in `.pack/`: `objects/sha256/<hex>` with a hard link to each sidecar, `records/<hex>.json`,
 * `tmp/`, `quarantine/`.
 */
export class Store {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /**
   * Looks at the directory and makes nothing: it need not exist.
   * @throws BottleError `store-unsafe` when others could change what is in it
   */
  static async open(dir: string): Promise<Store> {
    try {
      await requirePrivate(dir);
    } catch (error) {
      if (error instanceof BottleError) {
        throw error;
      }
      if (!hasErrno(error, 'ENOENT')) {
        throw fileError(`cannot open the store ${dir}`, error);
      }
    }
    return new Store(dir);
  }

  pathFor(id: Id16): string {
    return join(this.dir, sidecarName(id));
  }

  async list(): Promise<Id16[]> {
    const names = await fs.readdir(this.dir).catch((error: unknown) => {
      if (hasErrno(error, 'ENOENT')) {
        return [];
      }
      throw fileError(`cannot read the store ${this.dir}`, error);
    });
    return names.map(id16OfName).filter((id) => id !== undefined);
  }

  /**
   * The sidecar for an image, verified; a file that is damaged or not for this image goes to quarantine and
   * counts as none. `onQuarantine` hears why.
   */
  async find(
    imageId: ImageId,
    { platform, onQuarantine, ...options }: FindOptions,
  ): Promise<StoredSidecar | undefined> {
    const path = this.pathFor(id16(imageId));
    try {
      const found = await this.verify(path, { ...options, platform });
      const actual = found.record?.image.id;
      if (actual !== undefined && actual !== imageId) {
        throw otherImage(path, actual);
      }
      return found;
    } catch (error) {
      if (error instanceof BottleError && error.code === 'not-found') {
        return undefined;
      }
      if (!isDamage(error)) {
        throw error;
      }
      onQuarantine(error.message, await this.quarantine(path));
      return undefined;
    }
  }

  /** Verifies one file of the store and finds its pack record. */
  async verify(
    path: string,
    options: VerifyOptions & { platform?: GuestPlatform } = {},
  ): Promise<StoredSidecar> {
    const { platform, ...rest } = options;
    const report = await verifySidecar(path, platform === undefined ? {} : { platform }, rest);
    const record = await readRecord(join(this.#records, `${report.sha256}.json`));
    const packedFrom = record?.image.id as ImageId | undefined;
    if (packedFrom !== undefined && this.pathFor(id16(packedFrom)) !== path) {
      throw otherImage(path, packedFrom);
    }
    return { path, report, record };
  }

  /** Removes what killed runs have left half-made, and what no name refers to any more. */
  async sweep(onWarning: (message: string) => void): Promise<void> {
    await sweepPrivateDirs(this.#tmp, { onWarning });
    const objects = await fs.readdir(this.#objects).catch(() => []);
    for (const sha256 of objects) {
      const object = join(this.#objects, sha256);
      const stat = await fs.lstat(object).catch(() => undefined);
      if (stat?.nlink === 1) {
        await fs.rm(object, { force: true });
        await fs.rm(join(this.#records, `${sha256}.json`), { force: true });
      }
    }
  }

  /** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
  async withTemp<T>(use: (dir: string) => Promise<T>): Promise<T> {
    await this.#prepare();
    return await withPrivateDir(this.#tmp, use);
  }

  /**
   * Moves a verified file into the store, under its own SHA-256 and then, by a hard link, under the name for the
   * image. Everything is on disk before a name appears; a file already under the name keeps its bytes for whoever
   * has it open. The object never has fewer than two links, or a sweep would take it for unused.
   */
  async install(imageId: ImageId, temp: string, record: PackRecord): Promise<string> {
    const { sha256 } = record.sidecar;
    const object = join(this.#objects, sha256);
    const path = this.pathFor(id16(imageId));
    try {
      await fs.chmod(temp, 0o444);
      await syncFile(temp);
      const recordTemp = `${temp}.json`;
      await fs.writeFile(recordTemp, formatRecord(record), { mode: 0o444 });
      await syncFile(recordTemp);
      await fs.rename(recordTemp, join(this.#records, `${sha256}.json`));
      await fs.rm(object, { force: true });
      await fs.link(temp, object);
      await this.#makeWay(path);
      await fs.rename(temp, path);
      for (const dir of [this.#records, this.#objects, this.dir]) {
        await syncDirectory(dir);
      }
    } catch (error) {
      throw fileError(`cannot install ${path}`, error);
    }
    return path;
  }

  async quarantine(path: string): Promise<string> {
    const name = path.slice(this.dir.length + 1);
    const target = join(this.#quarantine, `${name}.${randomBytes(4).toString('hex')}`);
    try {
      await fs.mkdir(this.#quarantine, { recursive: true, mode: 0o700 });
      await fs.rename(path, target);
    } catch (error) {
      throw fileError(`cannot move ${path} to quarantine`, error);
    }
    return target;
  }

  async #prepare(): Promise<void> {
    try {
      for (const dir of [this.dir, this.#ours(), this.#objects, this.#records, this.#tmp]) {
        await fs.mkdir(dir, { recursive: true, mode: 0o700 });
      }
      const tag = this.#ours('CACHEDIR.TAG');
      await fs.writeFile(tag, CACHEDIR_TAG, { flag: 'wx' }).catch((error: unknown) => {
        if (!hasErrno(error, 'EEXIST')) {
          throw error;
        }
      });
    } catch (error) {
      throw fileError(`cannot make the store ${this.dir}`, error);
    }
    await requirePrivate(this.dir);
  }

  /** A rename replaces a file or a link, but not a directory. */
  async #makeWay(path: string): Promise<void> {
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat?.isDirectory()) {
      await this.quarantine(path);
    }
  }

  #ours(...names: string[]): string {
    return join(this.dir, '.pack', ...names);
  }

  get #objects(): string {
    return this.#ours('objects', 'sha256');
  }

  get #records(): string {
    return this.#ours('records');
  }

  get #tmp(): string {
    return this.#ours('tmp');
  }

  get #quarantine(): string {
    return this.#ours('quarantine');
  }
}

export interface FindOptions extends VerifyOptions {
  readonly platform: GuestPlatform;
  readonly onQuarantine: (reason: string, movedTo: string) => void;
}

function otherImage(path: string, actual: string): BottleError {
  return new BottleError('sidecar-refused', `${path} is for another image, ${actual}`, {
    hint: 'pack the image again',
  });
}

/** Verifies a file outside the store, against the pack record beside it (`<file>.json`) where there is one. */
export async function verifyFile(path: string, options: VerifyOptions): Promise<StoredSidecar> {
  const record = await readRecord(`${path}.json`);
  const report = await verifySidecar(path, record === undefined ? {} : expectedOf(record), options);
  return { path, report, record };
}

function expectedOf(record: PackRecord): ExpectedSidecar {
  return {
    platform: record.platform,
    configDigest: record.flattened.configDigest as Digest,
    sha256: record.sidecar.sha256,
  };
}

/** Undefined when there is none that can be read. */
export async function readRecord(path: string): Promise<PackRecord | undefined> {
  try {
    const { size } = await fs.stat(path);
    const record: unknown =
      size <= MAX_RECORD_BYTES ? JSON.parse(await fs.readFile(path, 'utf8')) : undefined;
    return packRecordSchema.safeParse(record).data;
  } catch {
    return undefined;
  }
}

/** Copies a sidecar of the store, with its pack record beside it as `<file>.json`. */
export async function exportSidecar(stored: StoredSidecar, target: string): Promise<void> {
  const temp = join(dirname(target), `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    await fs.copyFile(stored.path, temp, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const { sha256 } = await verifySidecar(temp, { sha256: stored.report.sha256 });
    await syncFile(temp);
    await fs.rm(`${target}.json`, { force: true });
    await fs.rename(temp, target);
    if (stored.record !== undefined && stored.record.sidecar.sha256 === sha256) {
      await fs.writeFile(`${target}.json`, formatRecord(stored.record));
    }
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
  } finally {
    await fs.rm(temp, { force: true });
  }
}

export function formatRecord(record: PackRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** The store decides what a VM runs, so nobody else may write to it; a symbolic link is somebody else's decision. */
async function requirePrivate(dir: string): Promise<void> {
  const stat = await fs.lstat(dir);
  const uid = process.getuid?.() ?? stat.uid;
  const fault = !stat.isDirectory()
    ? 'is not a directory'
    : stat.uid !== uid
      ? `belongs to uid ${stat.uid}, not ${uid}`
      : (stat.mode & 0o022) !== 0
        ? `is writable for others (mode ${(stat.mode & 0o777).toString(8)})`
        : undefined;
  if (fault !== undefined) {
    throw new BottleError('store-unsafe', `the store ${dir} ${fault}`, {
      hint: `make it a directory of your own (chmod 700 ${dir}), or name another one with --store`,
    });
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await fs.open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Some file systems cannot sync a directory; then the rename is as durable as they make it. */
async function syncDirectory(path: string): Promise<void> {
  const dir = await fs.open(path, 'r');
  try {
    await dir.sync();
  } catch (error) {
    if (!hasErrno(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR')) {
      throw error;
    }
  } finally {
    await dir.close();
  }
}
