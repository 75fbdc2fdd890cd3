import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BottleError, fileError, hasErrno, isDamage } from '../errors.ts';
import { type LockPlace, type WaitOptions, withLock } from '../host/lock.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import type { Id16 } from '../identity/image-id.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import type { ExpectedSidecar, FileHash, SidecarReport, VerifyOptions } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { makeDirectory, namesIn } from './directory.ts';
import { stampOf, writeReadOnly } from './files.ts';
import { id16OfName, openStoreDir, requirePrivate, type StoreLayout, sidecarName } from './location.ts';
import { withPart } from './parts.ts';

/** https://bford.info/cachedir/ */
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n';
/** A change takes moves and links; where there are no hard links, it takes a copy. */
const CHANGE_LIMIT_MS = 2 * 60_000;

/**
 * The local directory of sidecars (`StoreLayout` says what is where). Nothing in it is trusted because it is there:
 * bytes are verified before they are used, and files appear by link or rename. Names, sidecars and the catalog are
 * changed under one lock that is held for moments only, so that they agree.
 */
export class Store {
  readonly layout: StoreLayout;
  readonly warn: (message: string) => void;
  /** What was hashed in this process, and the state of the file at that time. */
  readonly #hashes = new Map<string, { readonly state: string; readonly hashed: FileHash }>();

  private constructor(layout: StoreLayout, onProgress: OnProgress) {
    this.layout = layout;
    this.warn = warningsTo(onProgress);
  }

  /**
   * Looks at the directory and makes nothing: it need not exist. `onProgress` hears what is moved to quarantine.
   * @throws BottleError `store-unsafe` when others could change what is in it
   */
  static async open(dir: string, onProgress: OnProgress = () => {}): Promise<Store> {
    return new Store(await openStoreDir(dir), onProgress);
  }

  get dir(): string {
    return this.layout.dir;
  }

  /** The name that claude-bottle looks for. */
  pathFor(id: Id16): string {
    return join(this.dir, sidecarName(id));
  }

  async list(): Promise<Id16[]> {
    try {
      return (await namesIn(this.dir)).map(id16OfName).filter((id) => id !== undefined);
    } catch (error) {
      throw fileError(`cannot read the store ${this.dir}`, error);
    }
  }

  /** Verifies a file of the store. This process hashes it once, unless the file changes. */
  async verify(path: string, expected: ExpectedSidecar, options: VerifyOptions): Promise<SidecarReport> {
    const state = await stampOf(path);
    const known = this.#hashes.get(path);
    const isKnown = known !== undefined && known.state === state;
    const report = await verifySidecar(path, expected, {
      ...options,
      ...(isKnown && { hashed: known.hashed }),
    });
    if (state !== undefined && !isKnown && state === (await stampOf(path))) {
      const { sha256, crc32 } = report;
      this.#hashes.set(path, { state, hashed: { sha256, crc32: Number.parseInt(crc32, 16) } });
    }
    return report;
  }

  /** Runs `find`; a file that is damaged goes to quarantine and counts as missing. */
  async orQuarantine<T>(path: string, find: () => Promise<T>): Promise<T | undefined> {
    try {
      return await find();
    } catch (error) {
      if (error instanceof BottleError && error.code === 'not-found') {
        return undefined;
      }
      if (!isDamage(error)) {
        throw error;
      }
      await this.quarantineIfThere(path, error.message);
      return undefined;
    }
  }

  async quarantine(path: string): Promise<string> {
    const { quarantine } = this.layout;
    const target = join(quarantine, `${basename(path)}.${randomBytes(4).toString('hex')}`);
    try {
      await makeDirectory(quarantine);
      await fs.rename(path, target);
    } catch (error) {
      throw fileError(`cannot move ${path} to quarantine`, error);
    }
    return target;
  }

  /** Several processes may find the same fault at once, and claude-bottle may be removing the file. */
  async quarantineIfThere(path: string, reason: string | undefined): Promise<void> {
    try {
      const movedTo = await this.quarantine(path);
      if (reason !== undefined) {
        this.warn(`${reason}; moved to ${movedTo}`);
      }
    } catch (error) {
      if (!(error instanceof BottleError && hasErrno(error.cause, 'ENOENT'))) {
        throw error;
      }
    }
  }

  /** Runs a change of names, sidecars and the catalog, one process at a time. */
  async changing<T>(action: string, change: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await withLock(
        this.lockPlace('names'),
        { purpose: `the store ${this.dir}`, limitMs: CHANGE_LIMIT_MS, signal },
        change,
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof BottleError ? error : fileError(action, error);
    }
  }

  lockPlace(name: string): LockPlace {
    return {
      path: join(this.layout.locks, name),
      quarantine: (path) => this.quarantineIfThere(path, undefined),
    };
  }

  /** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
  async withTemp<T>(use: (dir: string) => Promise<T>): Promise<T> {
    await this.prepare();
    return await withPrivateDir(this.layout.tmp, use);
  }

  /**
   * Runs `use` with a directory for the download of one sidecar. One process at a time works on a sidecar; it finds
   * what an earlier one left there when it was stopped. A process that has waited looks into the store again first.
   * @throws BottleError `try-later` when another one takes longer than `limitMs`
   */
  async withDownload<T>(
    sha256: string,
    options: Omit<WaitOptions, 'purpose'>,
    use: (dir: string) => Promise<T>,
  ): Promise<T> {
    await this.prepare();
    const purpose = `the download of sha256:${sha256}`;
    return await withLock(this.lockPlace(sha256), { ...options, purpose }, async () => {
      options.signal?.throwIfAborted();
      return await withPart(this.layout, sha256, use);
    });
  }

  /** Makes the directories of the store. */
  async prepare(): Promise<void> {
    const { dir, ours, objects, catalog, byKey, parts, locks, tmp } = this.layout;
    try {
      for (const each of [dir, ours, objects, catalog, byKey, parts, locks, tmp]) {
        await makeDirectory(each);
      }
      await writeReadOnly(join(ours, 'CACHEDIR.TAG'), CACHEDIR_TAG).catch((error: unknown) => {
        if (!hasErrno(error, 'EEXIST')) {
          throw error;
        }
      });
    } catch (error) {
      throw fileError(`cannot make the store ${dir}`, error);
    }
    await requirePrivate(dir);
    await requirePrivate(ours);
  }
}
