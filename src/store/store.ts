import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BottleError, fileError, hasErrno, isDamage } from '../errors.ts';
import { sweepLocks, tryLock, type WaitOptions, withLock } from '../host/lock.ts';
import { sweepPrivateDirs, withPrivateDir } from '../host/private-dir.ts';
import { syncDirectory, syncFile } from '../host/sync.ts';
import { type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { formatRecord, readRecord, type VerifiedSidecar } from '../sidecar/file.ts';
import type { VerifyOptions } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { makeDirectory } from './directory.ts';
import { copyReadOnly, stampOf, tryLink, writeReadOnly, writeWhole } from './files.ts';
import { type Content, fileKey, listContents } from './inventory.ts';
import { type Kept, listKept } from './kept.ts';
import { type Binding, isBoundTo, readBinding, readBindings, removeBinding, writeBinding } from './ledger.ts';
import { id16OfName, openStoreDir, requirePrivate, type StoreLayout, sidecarName } from './location.ts';
import { sweepParts, withPart } from './parts.ts';
import { type PruneOptions, type PruneResult, pruneStore, removeUnnamed } from './prune.ts';
import { touchUsed } from './used.ts';

/** https://bford.info/cachedir/ */
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n';
/** How often others may change a name while it is being bound. */
const BIND_TRIES = 5;
/** A change takes moves and links; a copy at most, where there are no links. */
const CHANGE_LIMIT_MS = 2 * 60_000;

export interface StoredSidecar extends VerifiedSidecar {
  /** Why it stands under a name that is not of the record's own image. */
  readonly binding?: Binding | undefined;
}

/**
 * The local directory of sidecars (`StoreLayout` says what is where). Nothing in it is trusted because it is there:
 * bytes are verified before they get a name, and names appear by link or rename. Names, objects, records and the
 * ledger are changed under one lock, held for moments only, so that they agree.
 */
export class Store {
  readonly dir: string;
  readonly #layout: StoreLayout;

  private constructor(layout: StoreLayout) {
    this.dir = layout.dir;
    this.#layout = layout;
  }

  /**
   * Looks at the directory and makes nothing: it need not exist.
   * @throws BottleError `store-unsafe` when others could change what is in it
   */
  static async open(dir: string): Promise<Store> {
    return new Store(await openStoreDir(dir));
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

  /** Everything that is known without hashing, for people and machines to read; the last installed first. */
  async listSidecars(): Promise<ListedSidecar[]> {
    try {
      const contents = (await listContents(this.#layout)).filter(({ names }) => names.length > 0);
      return contents.map(listed).sort((a, b) => (a.installedAt > b.installedAt ? -1 : 1));
    } catch (error) {
      throw fileError(`cannot read the store ${this.dir}`, error);
    }
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
    return await this.#orQuarantine(path, onQuarantine, async () => {
      const found = await this.verify(path, { ...options, platform });
      const actual = found.binding?.imageId ?? found.record?.image.id;
      if (actual !== undefined && actual !== imageId) {
        throw otherImage(path, actual);
      }
      return found;
    });
  }

  /**
   * The newest sidecar for an inputs key that `accepts` takes, not verified; `findKept` does it without loading all of
   * this.
   */
  async findByKey(
    key: InputsKey,
    platform: GuestPlatform,
    accepts: (record: PackRecord) => boolean = () => true,
  ): Promise<(Kept & { readonly record: PackRecord }) | undefined> {
    for (const kept of await listKept(this.#layout, key, platform)) {
      const record = await readRecord(kept.recordPath);
      if (record !== undefined && accepts(record)) {
        return { ...kept, record };
      }
    }
    return undefined;
  }

  /** Verifies what `findByKey` has found; when it is damaged it goes to quarantine and counts as none. */
  async verifyKept(
    { path, sha256 }: Kept,
    { platform, onQuarantine, ...options }: FindOptions,
  ): Promise<StoredSidecar | undefined> {
    return await this.#orQuarantine(path, onQuarantine, async () => {
      const found = await this.verify(path, { ...options, platform });
      if (found.report.sha256 !== sha256) {
        throw otherContent(path, found.report.sha256, sha256);
      }
      return found;
    });
  }

  async #orQuarantine<T>(
    path: string,
    onQuarantine: FindOptions['onQuarantine'],
    find: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await find();
    } catch (error) {
      if (isGone(error)) {
        return undefined;
      }
      if (!isDamage(error)) {
        throw error;
      }
      await this.#quarantineIfThere(path, error.message, onQuarantine);
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
    const record = await readRecord(this.#recordPath(report.sha256));
    const packedFrom = record?.image.id as ImageId | undefined;
    if (packedFrom !== undefined && this.pathFor(id16(packedFrom)) === path) {
      return { path, report, record };
    }
    const id = id16OfName(basename(path));
    const binding = id && (await readBinding(this.#layout, id));
    if (binding !== undefined && !isBoundTo(binding, report.sha256)) {
      throw otherContent(path, report.sha256, binding.sha256);
    }
    if (packedFrom !== undefined && binding === undefined) {
      throw otherImage(path, packedFrom);
    }
    return { path, report, record, ...(binding && { binding }) };
  }

  /** For a sidecar that was there before its bundle. */
  async keepBundle(sha256: string, bundle: Buffer, signal: AbortSignal): Promise<void> {
    const write = () => this.#writeBundle(sha256, bundle);
    await this.#changing(`cannot keep the signature of ${sha256}`, write, signal);
  }

  async #writeBundle(sha256: string, bundle: Buffer): Promise<void> {
    await makeDirectory(this.#layout.bundles);
    await writeWhole(this.#layout.tmp, this.#bundlePath(sha256), bundle.toString());
  }

  /** The Sigstore bundle that came with a sidecar and was verified. */
  async readBundle(sha256: string): Promise<Buffer | undefined> {
    try {
      return await fs.readFile(this.#bundlePath(sha256));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) {
        return undefined;
      }
      throw fileError(`cannot read ${this.#bundlePath(sha256)}`, error);
    }
  }

  /** Where a memory of repositories that sign is kept, with a place for files in the making, and for locks. */
  get trustPlace(): { readonly dir: string; readonly tmp: string; readonly locks: string } {
    const { trust: dir, tmp, locks } = this.#layout;
    return { dir, tmp, locks };
  }

  /** Notes that a sidecar is used now, where the store can be written. */
  async touch(sha256: string): Promise<void> {
    await touchUsed(this.#layout, sha256);
  }

  /**
   * Removes what killed runs have left half-made, and what no name refers to any more; nothing at all where the store
   * cannot be written, or is busy.
   */
  async sweep(onWarning: (message: string) => void): Promise<void> {
    const { ours, dir, tmp, locks } = this.#layout;
    try {
      await fs.access(ours, fs.constants.W_OK);
      await makeDirectory(locks);
    } catch {
      return;
    }
    await sweepPrivateDirs(dir, { onWarning });
    await sweepPrivateDirs(tmp, { onWarning });
    await sweepParts(this.#layout, onWarning);
    try {
      await sweepLocks(locks, this.#moveAway);
      const lock = await tryLock(this.#lockPlace('names'));
      if (lock !== undefined) {
        await removeUnnamed(this.#layout).finally(() => lock.release());
      }
    } catch (error) {
      onWarning(`cannot sweep the store ${this.dir}: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
  async withTemp<T>(use: (dir: string) => Promise<T>): Promise<T> {
    await this.#prepare();
    return await withPrivateDir(this.#layout.tmp, use);
  }

  /**
   * Runs `use` with a directory for the download of one content. One process at a time works on a content; it finds
   * what an earlier one has left there when it was stopped. Whoever has waited looks into the store again first.
   * @throws BottleError `try-later` when another one takes longer than `limitMs`
   */
  async withDownload<T>(
    sha256: string,
    options: Omit<WaitOptions, 'purpose'>,
    use: (dir: string) => Promise<T>,
  ): Promise<T> {
    await this.#prepare();
    const purpose = `the download of sha256:${sha256}`;
    return await withLock(this.#lockPlace(sha256), { ...options, purpose }, async () => {
      options.signal?.throwIfAborted();
      return await withPart(this.#layout, sha256, use);
    });
  }

  /**
   * Moves a verified file into the store, under its own SHA-256 and then, by a hard link, under the name for the
   * image. Everything is on disk before a name appears; a file already under the name keeps its bytes for whoever
   * has it open. The object never has fewer than two links, or a sweep would take it for unused.
   */
  async install(
    imageId: ImageId,
    temp: string,
    record: PackRecord,
    { bundle, signal }: InstallOptions = {},
  ): Promise<InstallResult> {
    const { objects, records } = this.#layout;
    const { sha256 } = record.sidecar;
    const object = join(objects, sha256);
    const path = this.pathFor(id16(imageId));
    const change = async () => {
      await fs.chmod(temp, 0o444);
      await syncFile(temp);
      const recordTemp = `${temp}.json`;
      await fs.rm(recordTemp, { force: true });
      await writeReadOnly(recordTemp, formatRecord(record));
      await fs.rename(recordTemp, this.#recordPath(sha256));
      if (bundle !== undefined) {
        await this.#writeBundle(sha256, bundle);
      }
      await fs.rm(object, { force: true });
      await tryLink(temp, object);
      await this.#makeWay(path);
      await fs.rename(temp, path);
      await removeBinding(this.#layout, id16(imageId));
      for (const dir of [records, objects, this.dir]) {
        await syncDirectory(dir);
      }
      return { path, verified: await stampOf(path) };
    };
    return await this.#changing(`cannot install ${path}`, change, signal);
  }

  /**
   * To be asked before something from elsewhere is installed: which image it was packed from only its record says, and it
   * must not drive out what serves somebody else's image, or what was packed here.
   * @returns the good sidecar of the same origin that gives way to it
   * @throws BottleError `not-trusted` when a good sidecar of another origin stands under the name of the record's image
   */
  async requireReplaceable(
    record: PackRecord,
    options: Omit<FindOptions, 'platform'>,
  ): Promise<StoredSidecar | undefined> {
    const { onQuarantine, ...rest } = options;
    const path = this.pathFor(id16(record.image.id as ImageId));
    const there = await this.#orQuarantine(path, onQuarantine, () => this.verify(path, rest));
    if (there !== undefined && !mayGiveWay(there, record)) {
      throw otherOrigin(path, there.record, record);
    }
    const known = await readRecord(this.#recordPath(record.sidecar.sha256));
    const knownPath = known && this.pathFor(id16(known.image.id as ImageId));
    if (knownPath !== undefined && knownPath !== path && (await stampOf(knownPath)) !== undefined) {
      // The same bytes: with this record they would no longer be those of the other image.
      throw otherOrigin(knownPath, known, record);
    }
    return there?.report.sha256 === record.sidecar.sha256 ? undefined : there;
  }

  /**
   * Gives a sidecar of the store a second name, for an image that is as good as the one that it was packed from. A good
   * sidecar that claude-bottle itself has packed for that image stays; so does the old file for whoever has it open.
   * @throws BottleError `not-found` when the store has no good copy of it
   */
  async bind(imageId: ImageId, record: PackRecord, options: BindOptions): Promise<BindResult> {
    await this.#prepare();
    const path = this.pathFor(id16(imageId));
    for (let tries = 1; tries <= BIND_TRIES; tries += 1) {
      const source = await this.#verifiedCopy(record, options);
      const there = await this.#examine(path, source, record, options);
      const outcome = await this.#changing(
        `cannot bind ${path}`,
        () => this.#bindNow(imageId, record, source, there, options),
        options.signal,
      );
      if (outcome !== undefined) {
        return { path, outcome };
      }
    }
    throw new BottleError('try-later', `${path} is changed by something else all the time`, {
      hint: 'let the other run end, then try again',
    });
  }

  /** A path to the content of a record that has just passed all checks. */
  async #verifiedCopy(
    record: PackRecord,
    { onQuarantine, verified, ...options }: BindOptions,
  ): Promise<string> {
    const { sha256, sizeBytes } = record.sidecar;
    const ids = [id16(record.image.id as ImageId)];
    for (const [id, binding] of await readBindings(this.#layout)) {
      if (binding.sha256 === sha256) {
        ids.push(id);
      }
    }
    let damage: BottleError | undefined;
    for (const path of [...ids.map((id) => this.pathFor(id)), join(this.#layout.objects, sha256)]) {
      const stat = await fs.lstat(path).catch(() => undefined);
      if (stat?.isFile() && stat.size === sizeBytes) {
        if (verified !== undefined && verified === (await stampOf(path))) {
          return path;
        }
        try {
          const { sha256: found } = await verifySidecar(path, { platform: record.platform }, options);
          // Another good one of the same size may have taken the name since.
          if (found === sha256) {
            return path;
          }
        } catch (error) {
          if (isDamage(error)) {
            damage = error;
            await this.#quarantineIfThere(path, error.message, onQuarantine);
          } else if (!isGone(error)) {
            throw error;
          }
        }
      }
    }
    const hint = 'fetch it again';
    throw (
      damage ?? new BottleError('not-found', `no file in ${this.dir} has the SHA-256 ${sha256}`, { hint })
    );
  }

  async #examine(
    path: string,
    source: string,
    record: PackRecord,
    { onQuarantine: _, ...options }: BindOptions,
  ): Promise<NameState> {
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat === undefined) {
      return { is: 'free', key: undefined };
    }
    const key = fileKey(stat);
    if (!stat.isFile()) {
      return { is: 'bad', key, reason: `${path} is not a regular file` };
    }
    const sourceStat = await fs.lstat(source).catch(() => undefined);
    if (sourceStat !== undefined && key === fileKey(sourceStat)) {
      return { is: 'same', key };
    }
    try {
      const { sha256 } = await verifySidecar(path, { platform: record.platform }, options);
      if (sha256 === record.sidecar.sha256) {
        return { is: 'same', key };
      }
      const { binding } = await this.verify(path, { ...options, platform: record.platform });
      return { is: binding === undefined ? 'good' : 'replaceable', key, sha256 };
    } catch (error) {
      if (isGone(error)) {
        return { is: 'free', key: undefined };
      }
      if (!isDamage(error)) {
        throw error;
      }
      return { is: 'bad', key, reason: error.message };
    }
  }

  /** Undefined when the name is not as it was examined. */
  async #bindNow(
    imageId: ImageId,
    record: PackRecord,
    source: string,
    there: NameState,
    { proof, onQuarantine }: BindOptions,
  ): Promise<BindResult['outcome'] | undefined> {
    const layout = this.#layout;
    const { sha256 } = record.sidecar;
    const id = id16(imageId);
    const path = this.pathFor(id);
    const stat = await fs.lstat(path).catch(() => undefined);
    if ((stat && fileKey(stat)) !== there.key) {
      return undefined;
    }
    if (there.is === 'good') {
      return 'kept';
    }
    if ((await readRecord(this.#recordPath(sha256))) === undefined) {
      await writeWhole(layout.tmp, this.#recordPath(sha256), formatRecord(record));
    }
    if (there.is === 'bad') {
      await this.#quarantineIfThere(path, there.reason, onQuarantine);
    }
    const old = await readBinding(layout, id);
    const isOwn = record.image.id === imageId;
    if (!isOwn && (old?.sha256 !== sha256 || old.imageId !== imageId)) {
      await writeBinding(layout, {
        imageId,
        sha256,
        ...(record.inputs && { key: record.inputs.key }),
        proof,
        boundAt: new Date().toISOString(),
        ...(there.is === 'replaceable' && { replacedSha256: there.sha256 }),
      });
    }
    if (there.is === 'same') {
      return 'already-bound';
    }
    if (!(await this.#nameCopy(source, path, { replace: there.is === 'replaceable', sha256 }))) {
      return undefined;
    }
    if (isOwn) {
      await removeBinding(layout, id);
    }
    await syncDirectory(this.dir);
    return 'bound';
  }

  /** False when the source is gone, or something has appeared under the name. */
  async #nameCopy(
    source: string,
    path: string,
    { replace, sha256 }: { replace: boolean; sha256: string },
  ): Promise<boolean> {
    try {
      if (!replace && (await tryLink(source, path))) {
        return true;
      }
      await withPrivateDir(this.dir, async (dir) => {
        const temp = join(dir, 'sidecar');
        if (!(await tryLink(source, temp))) {
          await copyReadOnly(source, temp);
          await verifySidecar(temp, { sha256 });
        }
        await fs.rename(temp, path);
      });
      return true;
    } catch (error) {
      if (hasErrno(error, 'EEXIST', 'ENOENT')) {
        return false;
      }
      throw error;
    }
  }

  /** Removes sidecars that were not used for long, or more than fit, and old entries of the quarantine. */
  async prune(options: PruneOptions): Promise<PruneResult> {
    const place = {
      layout: this.#layout,
      lockPath: (sha256: string) => this.#lockPlace(sha256).path,
      quarantine: this.#moveAway,
    };
    if (options.dryRun || !(await this.#exists())) {
      return await pruneStore(place, { ...options, dryRun: true });
    }
    await this.#prepare();
    return await this.#changing(`cannot prune the store ${this.dir}`, () => pruneStore(place, options));
  }

  async quarantine(path: string): Promise<string> {
    const { quarantine } = this.#layout;
    const target = join(quarantine, `${basename(path)}.${randomBytes(4).toString('hex')}`);
    try {
      await makeDirectory(quarantine);
      await fs.rename(path, target);
    } catch (error) {
      throw fileError(`cannot move ${path} to quarantine`, error);
    }
    return target;
  }

  /** Several may find the same fault at once, and claude-bottle may be removing the file. */
  async #quarantineIfThere(
    path: string,
    reason: string,
    onQuarantine: FindOptions['onQuarantine'],
  ): Promise<void> {
    try {
      onQuarantine(reason, await this.quarantine(path));
    } catch (error) {
      if (!(error instanceof BottleError && hasErrno(error.cause, 'ENOENT'))) {
        throw error;
      }
    }
  }

  readonly #moveAway = (path: string): Promise<void> => this.#quarantineIfThere(path, '', () => {});

  /** Runs a change of names, objects, records and ledger, one process at a time. */
  async #changing<T>(action: string, change: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await withLock(
        this.#lockPlace('names'),
        { purpose: `the store ${this.dir}`, limitMs: CHANGE_LIMIT_MS, signal },
        change,
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof BottleError ? error : fileError(action, error);
    }
  }

  async #exists(): Promise<boolean> {
    return (await fs.lstat(this.dir).catch(() => undefined)) !== undefined;
  }

  async #prepare(): Promise<void> {
    const { dir, ours, objects, records, bindings, used, parts, locks, tmp } = this.#layout;
    try {
      for (const each of [dir, ours, objects, records, bindings, used, parts, locks, tmp]) {
        await makeDirectory(each);
      }
      await writeReadOnly(join(ours, 'CACHEDIR.TAG'), CACHEDIR_TAG).catch((error: unknown) => {
        if (!hasErrno(error, 'EEXIST')) {
          throw error;
        }
      });
    } catch (error) {
      throw fileError(`cannot make the store ${this.dir}`, error);
    }
    await requirePrivate(dir);
    await requirePrivate(ours);
  }

  /** A rename replaces a file or a link, but not a directory. */
  async #makeWay(path: string): Promise<void> {
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat?.isDirectory()) {
      await this.quarantine(path);
    }
  }

  #lockPlace(name: string) {
    return { path: join(this.#layout.locks, name), quarantine: this.#moveAway };
  }

  #bundlePath(sha256: string): string {
    return join(this.#layout.bundles, `${sha256}.sigstore.json`);
  }

  #recordPath(sha256: string): string {
    return join(this.#layout.records, `${sha256}.json`);
  }
}

export interface InstallOptions {
  /** The Sigstore bundle of its provenance, verified. */
  readonly bundle?: Buffer | undefined;
  /** Heard while it waits for others, not in the middle of a change. */
  readonly signal?: AbortSignal | undefined;
}

export interface InstallResult {
  readonly path: string;
  readonly verified: BindOptions['verified'];
}

export interface FindOptions extends Omit<VerifyOptions, 'hashed'> {
  readonly platform: GuestPlatform;
  readonly onQuarantine: (reason: string, movedTo: string) => void;
}

export interface BindOptions extends Pick<VerifyOptions, 'signal' | 'onBytes'> {
  /** What is known to be equal: the inputs keys, or also layers and runtime config. */
  readonly proof: Binding['proof'];
  /** `stampOf` the sidecar when it had just been verified: as long as it is that, it is not read again. */
  readonly verified?: string | undefined;
  readonly onQuarantine: (reason: string, movedTo: string) => void;
}

export interface BindResult {
  readonly path: string;
  /** `kept`: a good sidecar that was packed for this very image stands there. */
  readonly outcome: 'bound' | 'already-bound' | 'kept';
}

type NameState = { readonly key: string | undefined } & (
  | { readonly is: 'free' | 'same' }
  | { readonly is: 'good' | 'replaceable'; readonly sha256: string }
  | { readonly is: 'bad'; readonly reason: string }
);

/** Plain JSON. What is only in a pack record is absent for what something else than this project has put there. */
export interface ListedSidecar {
  readonly id16: Id16;
  readonly imageId?: string;
  readonly key?: string;
  readonly platform?: GuestPlatform;
  readonly sha256?: string;
  readonly sizeBytes: number;
  readonly packedAt?: string;
  readonly installedAt: string;
  readonly names: ReadonlyArray<{
    readonly id16: Id16;
    readonly path: string;
    readonly kind: 'own' | 'bound' | 'other';
    readonly imageId?: string;
    readonly proof?: Binding['proof'];
    readonly boundAt?: string;
  }>;
  /** Whether all names are one file, which takes its room once. */
  readonly shared: boolean;
}

/** To a sidecar of the same repository, or, since the bytes stay, to a record where there is none. */
function mayGiveWay(there: StoredSidecar, record: PackRecord): boolean {
  const [theirs, ours] = [there.record, record].map((each) => each?.source?.repository.toLowerCase());
  return there.report.sha256 === record.sidecar.sha256
    ? there.record === undefined || theirs === ours
    : theirs !== undefined && theirs === ours;
}

function otherOrigin(path: string, there: PackRecord | undefined, record: PackRecord): BottleError {
  const theirs = there?.source?.repository;
  const ours = record.source?.repository ?? 'an unknown repository';
  return new BottleError(
    'not-trusted',
    `${path} is a good sidecar ${theirs === undefined ? 'that was not published' : `of ${theirs}`}; one of ${ours} that names ${record.image.id} does not replace it`,
    { hint: `if it may go, delete it first: rm ${path}` },
  );
}

function listed({ sha256, record, names, sizeBytes, installedAt }: Content): ListedSidecar {
  const [first] = names as [Content['names'][number]];
  return {
    id16: record === undefined ? first.id16 : id16(record.image.id as ImageId),
    ...(record && {
      imageId: record.image.id,
      ...(record.inputs && { key: record.inputs.key }),
      platform: record.platform,
      packedAt: record.packedAt,
    }),
    ...(sha256 !== undefined && { sha256 }),
    sizeBytes,
    installedAt: (installedAt ?? first.stat.ctime).toISOString(),
    names: names.map(({ id16, path, kind, binding }) => ({
      id16,
      path,
      kind,
      ...(kind === 'own' && record && { imageId: record.image.id }),
      ...(binding && { imageId: binding.imageId, proof: binding.proof, boundAt: binding.boundAt }),
    })),
    shared: new Set(names.map(({ stat }) => fileKey(stat))).size === 1,
  };
}

function isGone(error: unknown): boolean {
  return error instanceof BottleError && error.code === 'not-found';
}

function otherContent(path: string, sha256: string, expected: string): BottleError {
  return new BottleError(
    'sidecar-damaged',
    `damaged sidecar, identity: ${path} has the SHA-256 ${sha256}, ${expected} was bound to its name`,
    { hint: 'bind it again' },
  );
}

function otherImage(path: string, actual: string): BottleError {
  return new BottleError('sidecar-refused', `${path} is for another image, ${actual}`, {
    hint: 'pack the image again',
  });
}
