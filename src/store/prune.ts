import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileError } from '../errors.ts';
import { isLocked, tryLock } from '../host/lock.ts';
import { namesIn } from './directory.ts';
import { type Content, fileKey, listContents } from './inventory.ts';
import { readBindings, removeBinding } from './ledger.ts';
import { id16OfName, type StoreLayout } from './location.ts';
import { findMentioned } from './machines.ts';
import { readUsedMs } from './used.ts';

const QUARANTINE_MS = 7 * 24 * 60 * 60_000;
const DEFAULT_KEEP = 1;

export interface PruneOptions {
  /** Remove what was not used for longer. */
  readonly olderThanMs?: number | undefined;
  /** Remove the least recently used until the rest fits. */
  readonly maxBytes?: number | undefined;
  /** How many of the most recently used stay in any case; 1 unless told. */
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
  /** Of sidecars; what a process still has open is freed when it is closed. */
  readonly freedBytes: number;
  /** What was in quarantine for a week. */
  readonly quarantineRemoved: readonly string[];
}

export interface PrunePlace {
  readonly layout: StoreLayout;
  readonly lockPath: (sha256: string) => string;
  readonly quarantine: (path: string) => Promise<unknown>;
}

/** Without `dryRun`, the caller sees to it that nobody else changes names meanwhile. */
export async function pruneStore(place: PrunePlace, options: PruneOptions): Promise<PruneResult> {
  const { layout } = place;
  try {
    const now = (options.now ?? new Date()).getTime();
    const plan = await planPrune(place, options, now);
    const removed: Array<PrunedSidecar<RemoveReason>> = [];
    const kept = [...plan.kept];
    for (const { content, ...sidecar } of plan.removed) {
      if (options.dryRun || (await removeContent(place, content))) {
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
      await removeUnnamed(layout);
    }
    const freedBytes = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { removed, kept, freedBytes, quarantineRemoved };
  } catch (error) {
    throw fileError(`cannot prune the store ${layout.dir}`, error);
  }
}

async function planPrune(place: PrunePlace, options: PruneOptions, now: number) {
  const { olderThanMs = Infinity, maxBytes = Infinity, keep = DEFAULT_KEEP } = options;
  const contents = (await listContents(place.layout)).filter(({ names }) => names.length > 0);
  const aged = await Promise.all(
    contents.map(async (content) => ({ content, lastUse: await lastUse(place.layout, content, now) })),
  );
  aged.sort(
    (a, b) => b.lastUse - a.lastUse || ((a.content.sha256 ?? '') < (b.content.sha256 ?? '') ? -1 : 1),
  );
  let totalBytes = aged.reduce((sum, { content }) => sum + bytesOf(content), 0);
  const inUse = await findUsers(place, contents, {
    isNeeded: olderThanMs < Infinity || totalBytes > maxBytes,
  });

  const removed: Array<PrunedSidecar<RemoveReason> & { content: Content }> = [];
  const kept: Array<PrunedSidecar<KeepReason>> = [];
  for (const [index, { content, lastUse }] of [...aged.entries()].reverse()) {
    const reason = now - lastUse > olderThanMs ? 'old' : totalBytes > maxBytes ? 'over-limit' : undefined;
    const obstacle = reason === undefined ? 'within-limits' : index < keep ? 'newest' : inUse.get(content);
    const sidecar = {
      sha256: content.sha256,
      paths: content.names.map(({ path }) => path),
      sizeBytes: bytesOf(content),
      lastUsedAt: new Date(lastUse).toISOString(),
    };
    if (reason !== undefined && obstacle === undefined) {
      totalBytes -= sidecar.sizeBytes;
      removed.push({ ...sidecar, reason, content });
    } else {
      kept.push({ ...sidecar, reason: obstacle ?? 'within-limits' });
    }
  }
  return { removed, kept };
}

/** Copies of one content each take their room. */
function bytesOf({ names }: Content): number {
  const sizes = new Map(names.map(({ stat }) => [fileKey(stat), stat.size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/**
 * When it was last used, by the text of a file of ours: the times of a file can be set by anybody, and copying does. Of
 * what we did not install, it is when it was read or changed last (atime, ctime). A time in the future or one that
 * cannot be read counts as now: a clock has jumped, and that is no reason to remove anything.
 */
async function lastUse(layout: StoreLayout, content: Content, now: number): Promise<number> {
  const { sha256, installedAt, names } = content;
  const usedMs = sha256 && (await readUsedMs(layout, sha256));
  const times =
    typeof usedMs === 'number'
      ? [usedMs]
      : installedAt !== undefined
        ? [installedAt.getTime()]
        : names.flatMap(({ stat }) => [stat.ctimeMs, Math.min(stat.atimeMs, now)]);
  const last = Math.max(...times);
  return Number.isNaN(last) || last > now ? now : last;
}

async function findUsers(
  { lockPath }: PrunePlace,
  contents: readonly Content[],
  { isNeeded }: { isNeeded: boolean },
): Promise<Map<Content, KeepReason>> {
  const users = new Map<Content, KeepReason>();
  if (!isNeeded) {
    return users;
  }
  const ids = contents.flatMap(({ names }) => names.map(({ id16 }) => id16));
  const mentioned = await findMentioned(ids);
  for (const content of contents) {
    if (content.names.some(({ id16 }) => mentioned.has(id16))) {
      users.set(content, 'machine');
    } else if (content.sha256 !== undefined && (await isLocked(lockPath(content.sha256)))) {
      users.set(content, 'busy');
    }
  }
  return users;
}

/**
 * Names first: killed half-way, what is left still has its record and goes the next time. False when a process has
 * begun to download it meanwhile.
 */
async function removeContent(place: PrunePlace, content: Content): Promise<boolean> {
  const { layout, lockPath, quarantine } = place;
  const { sha256, names } = content;
  const lock = sha256 && (await tryLock({ path: lockPath(sha256), quarantine }));
  if (sha256 !== undefined && lock === undefined) {
    return false;
  }
  try {
    for (const { path, stat, id16 } of names) {
      const found = await fs.lstat(path).catch(() => undefined);
      if (found !== undefined && fileKey(found) === fileKey(stat)) {
        await fs.rm(path, { force: true });
        await removeBinding(layout, id16);
      }
    }
    if (sha256 !== undefined) {
      await removeOurs(layout, sha256);
    }
    return true;
  } finally {
    if (lock) {
      await lock.release();
    }
  }
}

async function removeOurs({ objects, records, bundles, used }: StoreLayout, sha256: string): Promise<void> {
  await fs.rm(join(objects, sha256), { force: true });
  await fs.rm(join(bundles, `${sha256}.sigstore.json`), { force: true });
  await fs.rm(join(records, `${sha256}.json`), { force: true });
  await fs.rm(join(used, `${sha256}.json`), { force: true });
}

/**
 * Removes the objects, records and entries of the ledger that belong to no name any more. The caller sees to it that
 * nobody installs meanwhile.
 */
export async function removeUnnamed(layout: StoreLayout): Promise<void> {
  const contents = await listContents(layout);
  for (const { sha256, names, object } of contents) {
    // An object with a second link is being installed by an older version, or is linked from elsewhere.
    if (sha256 !== undefined && names.length === 0 && (object?.stat.nlink ?? 1) === 1) {
      await removeOurs(layout, sha256);
    }
  }
  const known = new Set(contents.map(({ sha256 }) => `${sha256}.json`));
  for (const name of await namesIn(layout.used)) {
    if (!known.has(name)) {
      await fs.rm(join(layout.used, name), { force: true });
    }
  }
  const named = new Set((await namesIn(layout.dir)).map(id16OfName));
  for (const id of (await readBindings(layout)).keys()) {
    if (!named.has(id)) {
      await removeBinding(layout, id);
    }
  }
}

/** By ctime, which the move to quarantine has set. */
async function quarantinedBefore({ quarantine }: StoreLayout, time: number): Promise<string[]> {
  const paths: string[] = [];
  for (const name of (await namesIn(quarantine)).sort()) {
    const path = join(quarantine, basename(name));
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat !== undefined && stat.ctimeMs < time) {
      paths.push(path);
    }
  }
  return paths;
}
