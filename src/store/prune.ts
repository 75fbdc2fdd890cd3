import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileError } from '../errors.ts';
import { isLocked, tryLock } from '../host/lock.ts';
import { originId } from '../identity/origin.ts';
import { fileKey, type Listed, listStore } from './catalog.ts';
import { namesIn } from './directory.ts';
import type { StoreLayout } from './location.ts';
import { findMentioned } from './machines.ts';
import type { Store } from './store.ts';
import { removeAbandoned, removeContent } from './sweep.ts';

const QUARANTINE_MS = 7 * 24 * 60 * 60_000;
const DEFAULT_KEEP = 1;

export interface PruneOptions {
  /** Remove what was not used for longer. */
  readonly olderThanMs?: number | undefined;
  /** Remove the least recently used until the rest fits. */
  readonly maxBytes?: number | undefined;
  /** How many of the most recently used of each origin always stay; 1 unless told. */
  readonly keep?: number | undefined;
  readonly dryRun?: boolean | undefined;
  readonly now?: Date | undefined;
}

export type RemoveReason = 'old' | 'over-limit';
/** `machine`: smolvm's database mentions it. `busy`: a process downloads it. */
export type KeepReason = 'within-limits' | 'newest' | 'machine' | 'busy';

export interface PrunedSidecar<Reason> {
  readonly sha256: string | undefined;
  readonly paths: readonly string[];
  readonly sizeBytes: number;
  readonly lastUsedAt: string;
  readonly reason: Reason;
}

export interface PruneResult {
  readonly removed: ReadonlyArray<PrunedSidecar<RemoveReason>>;
  readonly kept: ReadonlyArray<PrunedSidecar<KeepReason>>;
  /** The bytes of removed sidecars; a file that a process still has open is freed when it is closed. */
  readonly freedBytes: number;
  /** Files that were in quarantine for a week. */
  readonly quarantineRemoved: readonly string[];
}

/** Removes sidecars that were not used for long, or more than fit, and old entries of the quarantine. */
export async function pruneStore(store: Store, options: PruneOptions): Promise<PruneResult> {
  const isThere = (await fs.lstat(store.dir).catch(() => undefined)) !== undefined;
  if (options.dryRun || !isThere) {
    return await prune(store, { ...options, dryRun: true });
  }
  await store.prepare();
  return await store.changing(`cannot prune the store ${store.dir}`, () => prune(store, options));
}

/** Unless it is a dry run, only to be called in a change of the store. */
async function prune(store: Store, options: PruneOptions): Promise<PruneResult> {
  const { layout } = store;
  try {
    const now = (options.now ?? new Date()).getTime();
    const plan = await planPrune(store, options, now);
    const removed: Array<PrunedSidecar<RemoveReason>> = [];
    const kept = [...plan.kept];
    for (const { listed, ...sidecar } of plan.removed) {
      if (options.dryRun || (await removeUnlessBusy(store, listed))) {
        removed.push(sidecar);
      } else {
        kept.push({ ...sidecar, reason: 'busy' });
      }
    }
    const quarantineRemoved = await quarantinedBefore(layout, now - QUARANTINE_MS);
    if (!options.dryRun) {
      for (const path of quarantineRemoved) {
        await fs.rm(path, { recursive: true, force: true });
      }
      await removeAbandoned(store);
    }
    const freedBytes = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { removed, kept, freedBytes, quarantineRemoved };
  } catch (error) {
    throw fileError(`cannot prune the store ${layout.dir}`, error);
  }
}

async function planPrune(store: Store, options: PruneOptions, now: number) {
  const { olderThanMs = Infinity, maxBytes = Infinity, keep = DEFAULT_KEEP } = options;
  const sidecars = (await listStore(store.layout)).filter(
    ({ object, names }) => object !== undefined || names.length > 0,
  );
  const aged = sidecars.map((listed) => ({ listed, lastUse: lastUse(listed, now) }));
  aged.sort((a, b) => b.lastUse - a.lastUse || (shaOf(a.listed) < shaOf(b.listed) ? -1 : 1));
  const newest = newestOfEachOrigin(
    aged.map(({ listed }) => listed),
    keep,
  );
  let totalBytes = aged.reduce((sum, { listed }) => sum + bytesOf(listed), 0);
  const users = await findUsers(store, sidecars);

  const removed: Array<PrunedSidecar<RemoveReason> & { listed: Listed }> = [];
  const kept: Array<PrunedSidecar<KeepReason>> = [];
  for (const { listed, lastUse } of aged.reverse()) {
    const reason = now - lastUse > olderThanMs ? 'old' : totalBytes > maxBytes ? 'over-limit' : undefined;
    const obstacle =
      reason === undefined ? 'within-limits' : newest.has(listed) ? 'newest' : users.get(listed);
    const sidecar = {
      sha256: listed.content?.sha256,
      paths: pathsOf(store, listed),
      sizeBytes: bytesOf(listed),
      lastUsedAt: new Date(lastUse).toISOString(),
    };
    if (reason !== undefined && obstacle === undefined) {
      totalBytes -= sidecar.sizeBytes;
      removed.push({ ...sidecar, reason, listed });
    } else {
      kept.push({ ...sidecar, reason: obstacle ?? 'within-limits' });
    }
  }
  return { removed, kept };
}

/** The names of a sidecar, or where it is kept when it has none. */
function pathsOf({ layout }: Store, { content, names }: Listed): string[] {
  return names.length > 0 || content === undefined
    ? names.map(({ path }) => path)
    : [join(layout.objects, content.sha256)];
}

function shaOf({ content }: Listed): string {
  return content?.sha256 ?? '';
}

/** One origin cannot push out the sidecars of another one. */
function newestOfEachOrigin(newestFirst: readonly Listed[], keep: number): Set<Listed> {
  const counts = new Map<string, number>();
  const newest = new Set<Listed>();
  for (const listed of newestFirst) {
    const origins = new Set(listed.content?.installations.map(({ origin }) => originId(origin)) ?? ['here']);
    for (const origin of origins) {
      const count = (counts.get(origin) ?? 0) + 1;
      counts.set(origin, count);
      if (count <= keep) {
        newest.add(listed);
      }
    }
  }
  return newest;
}

/** Copies of one sidecar each take their room. */
function bytesOf({ object, names }: Listed): number {
  const stats = [...(object ? [object] : []), ...names.map(({ stat }) => stat)];
  const sizes = new Map(stats.map((stat) => [fileKey(stat), stat.size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/**
 * When it was last used, as the catalog says: the times of a file can be set by anyone, and copying does. A sidecar
 * that is not in the catalog was used when its file was read or changed last. A time in the future counts as now,
 * because a clock has jumped, which is not a reason to remove anything.
 */
function lastUse({ content, names }: Listed, now: number): number {
  const times =
    content === undefined
      ? names.flatMap(({ stat }) => [stat.ctimeMs, Math.min(stat.atimeMs, now)])
      : content.usedAt !== undefined
        ? [Date.parse(content.usedAt)]
        : content.installations.map(({ installedAt }) => Date.parse(installedAt));
  const last = Math.max(...times);
  return Math.min(last, now);
}

async function findUsers(store: Store, sidecars: readonly Listed[]): Promise<Map<Listed, KeepReason>> {
  const users = new Map<Listed, KeepReason>();
  const fileNames = (listed: Listed) => [
    ...pathsOf(store, listed).map((path) => basename(path)),
    ...(listed.content ? [listed.content.sha256] : []),
  ];
  const mentioned = await findMentioned(sidecars.flatMap(fileNames));
  for (const listed of sidecars) {
    if (fileNames(listed).some((name) => mentioned.has(name))) {
      users.set(listed, 'machine');
    } else if (listed.content && (await isLocked(store.lockPlace(listed.content.sha256).path))) {
      users.set(listed, 'busy');
    }
  }
  return users;
}

/** False when a process has begun to download it since. */
async function removeUnlessBusy(store: Store, listed: Listed): Promise<boolean> {
  const lock = listed.content && (await tryLock(store.lockPlace(listed.content.sha256)));
  if (listed.content !== undefined && lock === undefined) {
    return false;
  }
  try {
    await removeContent(store, listed);
    return true;
  } finally {
    await lock?.release();
  }
}

/** By ctime, which the move to quarantine has set. */
async function quarantinedBefore({ quarantine }: StoreLayout, time: number): Promise<string[]> {
  const paths: string[] = [];
  for (const name of (await namesIn(quarantine)).sort()) {
    const path = join(quarantine, name);
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat !== undefined && stat.ctimeMs < time) {
      paths.push(path);
    }
  }
  return paths;
}
