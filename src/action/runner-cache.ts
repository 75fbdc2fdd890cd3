import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as cache from '@actions/cache';
import { type Image, runtimeConfig } from '../docker/image.ts';
import type { ImageId } from '../identity/image-id.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import { type PackRecord, runtimeConfigSha256 } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { SmokeTest } from '../pack/smoke-test.ts';
import { type PackedSidecar, readRecord, verifyFile } from '../sidecar/file.ts';
import { tryLink } from '../store/files.ts';
import type { Toolkit } from './toolkit.ts';

/** Goes up when the content of an entry, or the flattening, changes; it is part of every key. */
const FORMAT_VERSION = 1;

/** The one path in an entry: relative, so that runners with other directories find it. */
const ENTRY = 'claude-bottle-pack';
const SIDECAR = 'sidecar.smolmachine';
const RECORD = `${SIDECAR}.json`;

/** Between a key and the run that has saved the entry. */
const RUN = '-run-';

/** How a sidecar is packed, beside its image: another machine size is another sidecar. */
export interface PackSettings {
  readonly platform: GuestPlatform;
  /** With the hash of its release, or of its executable. */
  readonly smolvm: { readonly version: string; readonly sha256: string };
  readonly cpus: number | undefined;
  readonly memMib: number | undefined;
  /** What a machine made from the sidecar has passed. */
  readonly smokeTest: SmokeTest | undefined;
}

/** The entry with a sidecar and its pack record; each run saves its own, and the newest counts. */
export function imageCacheKey(image: ImageId, settings: PackSettings): string {
  return `${prefix('image', settings)}-${image.replace('sha256:', '')}`;
}

/** The entry with a pack record alone: it says which image these inputs have made. */
export function inputsCacheKey(inputs: InputsKey, settings: PackSettings): string {
  return `${prefix('inputs', settings)}-${inputs}`;
}

/** For names: what is said of a machine's size, nothing of what smolvm chooses by itself. */
export function machineSize({
  cpus,
  memMib,
}: {
  cpus?: number | undefined;
  memMib?: number | undefined;
}): string[] {
  return [
    ...(cpus === undefined ? [] : [`cpus-${cpus}`]),
    ...(memMib === undefined ? [] : [`mem-${memMib}`]),
  ];
}

function prefix(kind: string, settings: PackSettings): string {
  const { platform, smolvm, smokeTest } = settings;
  const passed = smokeTest && hash('sha256', JSON.stringify([smokeTest.command, smokeTest.output]));
  return [
    `claude-bottle-pack-v${FORMAT_VERSION}`,
    kind,
    platform.replace('/', '-'),
    `smolvm-${smolvm.version}-${smolvm.sha256.slice(0, 16)}`,
    ...machineSize(settings),
    ...(passed === undefined ? [] : [`smoke-${passed.slice(0, 16)}`]),
  ].join('-');
}

/** What is wrong with the cache, so that it is neither asked nor reported twice: an outage costs half a minute a call. */
export interface CacheTrouble {
  /** Keys whose newest entry is of no use: this run looks for no other one, and saves its own. */
  readonly entries: Set<string>;
  /** Why the service is not asked any more. */
  service: string | undefined;
}

export interface CacheOptions {
  /** A private directory: an entry is made and unpacked in it. */
  readonly dir: string;
  /** The run and its attempt, as in `1658821493-1`. */
  readonly run: string;
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
  readonly trouble: CacheTrouble;
}

/** The image that a sidecar must have been packed from, as far as this engine knows it. */
export type CachedImage = Pick<Image, 'id'> | Image;

/** Whether the cache has the entry; nothing of it is downloaded. */
export async function hasSidecar(
  toolkit: Toolkit,
  image: ImageId,
  settings: PackSettings,
  options: CacheOptions,
): Promise<boolean> {
  const key = imageCacheKey(image, settings);
  return isAsked(key, options) && (await lookUp(toolkit, key, options)).found !== undefined;
}

/** The sidecar under a key, verified and for this image; anything else counts as a miss, with a warning. */
export async function restoreSidecar(
  toolkit: Toolkit,
  image: CachedImage,
  settings: PackSettings,
  options: CacheOptions,
): Promise<PackedSidecar | undefined> {
  const key = imageCacheKey(image.id, settings);
  const entry = await restoreEntry(toolkit, key, [SIDECAR, RECORD], options);
  if (entry === undefined) {
    return undefined;
  }
  try {
    const path = join(options.dir, ENTRY, SIDECAR);
    const { record } = await verifyFile(path, { signal: options.signal });
    const fault = record === undefined ? 'it has no readable pack record' : faultOf(record, image, settings);
    if (record === undefined || fault !== undefined) {
      throw new Error(fault);
    }
    return { path, record };
  } catch (error) {
    options.signal.throwIfAborted();
    await refuse(key, entry, error instanceof Error ? error.message : String(error), options);
    return undefined;
  }
}

/** The image that these inputs have made before, with the pack record from then. */
export async function restoreRecord(
  toolkit: Toolkit,
  inputs: InputsKey,
  settings: PackSettings,
  options: CacheOptions,
): Promise<PackRecord | undefined> {
  const key = inputsCacheKey(inputs, settings);
  const entry = await restoreEntry(toolkit, key, [RECORD], options);
  if (entry === undefined) {
    return undefined;
  }
  const record = await readRecord(join(options.dir, ENTRY, RECORD));
  await discard(options.dir);
  const fault =
    record?.inputs?.key === inputs
      ? faultOf(record, { id: record.image.id as ImageId }, settings)
      : 'it is not for these inputs';
  if (record === undefined || fault !== undefined) {
    await refuse(key, entry, fault ?? '', options);
    return undefined;
  }
  return record;
}

async function refuse(
  key: string,
  entry: string,
  reason: string,
  { dir, onWarning, trouble }: CacheOptions,
): Promise<void> {
  trouble.entries.add(key);
  onWarning(`the runner cache's entry ${entry} is not usable, going on without it: ${reason}`);
  await discard(dir);
}

function faultOf(record: PackRecord, image: CachedImage, settings: PackSettings): string | undefined {
  const { smolvm } = record;
  const differences = {
    image: [record.image.id, image.id],
    ...('layers' in image && {
      layers: [record.image.layers.join(), image.layers.join()],
      'runtime config': [record.image.runtimeConfigSha256, runtimeConfigSha256(runtimeConfig(image))],
    }),
    platform: [record.platform, settings.platform],
    'smolvm version': [smolvm.version, settings.smolvm.version],
    cpus: [smolvm.cpus, settings.cpus],
    mem: [smolvm.memMib, settings.memMib],
  };
  const different = Object.entries(differences).find(([, [found, expected]]) => found !== expected);
  return different && `its pack record has ${different[0]} ${different[1][0]}, not ${different[1][1]}`;
}

export type SaveOutcome =
  | { readonly kind: 'saved' | 'already-there' }
  | { readonly kind: 'not-saved'; readonly reason: string };

/** Saves a sidecar with its pack record, and under the inputs key, where there is one, the record alone. */
export async function saveSidecar(
  toolkit: Toolkit,
  sidecar: { readonly path: string; readonly record: PackRecord },
  settings: PackSettings,
  options: CacheOptions,
): Promise<SaveOutcome> {
  const { record } = sidecar;
  const text = JSON.stringify(record);
  const outcome = await saveEntry(
    toolkit,
    imageCacheKey(record.image.id as ImageId, settings),
    options,
    async (entry) => {
      await linkOrCopy(sidecar.path, join(entry, SIDECAR));
      await fs.writeFile(join(entry, RECORD), text);
    },
  );
  if (record.inputs === undefined || outcome.kind === 'not-saved') {
    return outcome;
  }
  const pointer = await saveEntry(
    toolkit,
    inputsCacheKey(record.inputs.key as InputsKey, settings),
    options,
    async (entry) => {
      await fs.writeFile(join(entry, RECORD), text);
    },
  );
  return pointer.kind === 'not-saved' ? pointer : outcome;
}

/**
 * Restores the newest entry under a key.
 * @returns the whole key of the entry
 */
async function restoreEntry(
  toolkit: Toolkit,
  key: string,
  names: readonly string[],
  options: CacheOptions,
): Promise<string | undefined> {
  const { dir, onWarning, trouble } = options;
  if (!isAsked(key, options)) {
    return undefined;
  }
  const { found, complaints } = await ask(toolkit, key, {}, options);
  const complaint = complaints.join('; ');
  if (/tar"? failed/.test(complaint)) {
    // A link that has expired, a full disk and a runner without zstd look the same to the toolkit.
    trouble.entries.add(key);
    onWarning(
      `the runner cache's entry ${key} was not unpacked, going on without it: ${complaint} If every run says so, ` +
        'check that this runner has zstd and free disk space',
    );
  } else if (complaint !== '') {
    trouble.service = complaint;
    onWarning(`the runner cache cannot be used, going on without it: ${complaint}`);
  }
  if (found === undefined) {
    await discard(dir);
    return undefined;
  }
  const entry = join(dir, ENTRY);
  const isDirectory = (await fs.lstat(entry).catch(() => undefined))?.isDirectory();
  for (const name of names) {
    const stat = isDirectory ? await fs.lstat(join(entry, name)).catch(() => undefined) : undefined;
    if (!stat?.isFile()) {
      await refuse(key, found, `${ENTRY}/${name} in it is not a plain file`, options);
      return undefined;
    }
  }
  return found;
}

/** Under this run's own key, because an entry never changes; not where there is an entry that other runs can use. */
async function saveEntry(
  toolkit: Toolkit,
  key: string,
  options: CacheOptions,
  fill: (entry: string) => Promise<void>,
): Promise<SaveOutcome> {
  const { dir, signal, trouble } = options;
  if (trouble.service !== undefined) {
    return { kind: 'not-saved', reason: trouble.service };
  }
  const isReplaced = trouble.entries.has(key);
  if (!isReplaced) {
    // The toolkit compresses before it asks whether the key is taken.
    const { found, complaints } = await lookUp(toolkit, key, options);
    if (found !== undefined) {
      return { kind: 'already-there' };
    }
    if (complaints.length > 0) {
      return { kind: 'not-saved', reason: complaints.join('; ') };
    }
  }
  await discard(dir);
  const entry = join(dir, ENTRY);
  await fs.mkdir(entry);
  try {
    await fill(entry);
    const { value: id, complaints } = await inDirectory(toolkit, options, () =>
      cache.saveCache([ENTRY], entryKey(key, options)),
    );
    if (id !== -1) {
      return { kind: 'saved' };
    }
    // -1 stands for every failure, also for an entry that another job has saved first.
    if (!isReplaced && (await lookUp(toolkit, key, options)).found !== undefined) {
      return { kind: 'already-there' };
    }
    return {
      kind: 'not-saved',
      reason: complaints.join('; ') || 'the cache service did not take it, the log has its words',
    };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'not-saved', reason: error instanceof Error ? error.message : String(error) };
  } finally {
    await discard(dir);
  }
}

/** The entry is made on another file system when RUNNER_TEMP has a name that the toolkit cannot pass to tar. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  if (!(await tryLink(from, to))) {
    await fs.copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}

function isAsked(key: string, { trouble }: CacheOptions): boolean {
  return trouble.service === undefined && !trouble.entries.has(key);
}

async function lookUp(toolkit: Toolkit, key: string, options: CacheOptions): Promise<Found> {
  return await ask(toolkit, key, { lookupOnly: true }, options);
}

interface Found {
  /** The whole key of the newest entry. */
  readonly found: string | undefined;
  readonly complaints: readonly string[];
}

/** The service takes every key for a prefix, so an entry counts only when nothing but a run follows the key. */
async function ask(
  toolkit: Toolkit,
  key: string,
  how: { readonly lookupOnly?: boolean },
  options: CacheOptions,
): Promise<Found> {
  const { value, complaints } = await inDirectory(toolkit, options, () =>
    cache.restoreCache([ENTRY], entryKey(key, options), [`${key}${RUN}`], how),
  );
  const isOfKey = value?.startsWith(`${key}${RUN}`) && /^\d+-\d+$/.test(value.slice(key.length + RUN.length));
  return { found: isOfKey ? value : undefined, complaints };
}

function entryKey(key: string, { run }: CacheOptions): string {
  return `${key}${RUN}${run}`;
}

async function discard(dir: string): Promise<void> {
  await fs.rm(join(dir, ENTRY), { recursive: true, force: true });
}

/**
 * The toolkit packs paths relative to the workspace and keeps its archive in the runner's temp directory: with both
 * in a directory of ours an entry fits every runner, and what a killed run leaves is in one place.
 */
async function inDirectory<T>(toolkit: Toolkit, { dir, signal }: CacheOptions, run: () => Promise<T>) {
  const before = process.cwd();
  process.chdir(dir);
  try {
    return await toolkit.call(run, { signal, env: { GITHUB_WORKSPACE: dir, RUNNER_TEMP: dir } });
  } finally {
    process.chdir(before);
  }
}
