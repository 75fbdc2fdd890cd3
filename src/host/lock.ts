import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { isAlive, pidOf, thisOwner } from './owner.ts';

const POLL_MS = 250;
const REPORT_MS = 10_000;
const HEARTBEAT_MS = 5_000;
/** A holder that cannot be examined counts as dead when it has not touched its lock for this time. */
const SILENCE_MS = 60_000;
/** How long to wait before a second look, so that two processes that found the same dead lock agree on who took it. */
const SETTLE_MS = 100;
const LIMIT_MS = 30 * 60_000;
const TAKEOVER_SUFFIX = '.take';

/**
 * Where a lock is: a symbolic link to its holder, the owner and a number of its own, because a link appears
 * together with its text. Everything must be safe without the lock, because over a network nothing is certain.
 */
export interface LockPlace {
  readonly path: string;
  /** Moves a directory out of the way; everything else is replaced. */
  readonly quarantine: (path: string) => Promise<unknown>;
}

export interface WaitOptions {
  /** Completes "… is busy with". */
  readonly purpose: string;
  readonly signal?: AbortSignal | undefined;
  /** Hears who has the lock, at once and then every ten seconds. */
  readonly onWait?: ((message: string) => void) | undefined;
  readonly limitMs?: number | undefined;
  readonly silenceMs?: number | undefined;
}

export interface Lock {
  release(): Promise<void>;
}

/**
 * @throws BottleError `try-later` at the limit
 * @throws the signal's reason
 */
export async function withLock<T>(place: LockPlace, options: WaitOptions, use: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(place, options);
  try {
    return await use();
  } finally {
    await lock.release();
  }
}

/** Undefined when someone has it, or may have it. */
export async function tryLock(place: LockPlace): Promise<Lock | undefined> {
  const found = await attempt(place, newHolder(), isGone);
  return 'release' in found ? found : undefined;
}

/** Whether `tryLock` would find it taken; writes nothing. */
export async function isLocked(path: string): Promise<boolean> {
  const seen = await look(path);
  return seen !== undefined && !isGone(seen);
}

/** Removes what killed processes have left in a directory of locks. */
export async function sweepLocks(dir: string, quarantine: LockPlace['quarantine']): Promise<void> {
  for (const name of await fs.readdir(dir)) {
    const path = `${dir}/${name}`;
    const seen = await look(path);
    if (seen?.kind === 'link' && isGone(seen)) {
      if (name.endsWith(TAKEOVER_SUFFIX)) {
        await fs.rm(path, { force: true });
      } else {
        await (await tryLock({ path, quarantine }))?.release();
      }
    }
  }
}

async function waitForLock(place: LockPlace, options: WaitOptions): Promise<Lock> {
  const { purpose, signal, onWait, limitMs = LIMIT_MS, silenceMs = SILENCE_MS } = options;
  const holder = newHolder();
  const startMs = performance.now();
  const watch = { version: '', sinceMs: startMs };
  let reportMs = 0;
  for (;;) {
    signal?.throwIfAborted();
    const found = await attempt(place, holder, (seen) => isGone(seen) || isSilent(seen, watch, silenceMs));
    if ('release' in found) {
      return found;
    }
    const waitedMs = performance.now() - startMs;
    if (waitedMs >= limitMs) {
      throw new BottleError(
        'try-later',
        `${holderName(found.text)} is busy with ${purpose}; waited ${Math.round(waitedMs / 1000)} s for it`,
        { hint: 'wait until it has ended, or end it; then try again' },
      );
    }
    if (waitedMs >= reportMs) {
      onWait?.(`waiting for ${holderName(found.text)}, which is busy with ${purpose}`);
      reportMs += REPORT_MS;
    }
    await sleep(Math.min(POLL_MS, limitMs), undefined, signal && { signal }).catch(() => {});
  }
}

interface Seen {
  readonly kind: 'link' | 'directory' | 'file';
  readonly text: string;
  /** Another one whenever the lock was made again or touched; only ever compared with itself. */
  readonly version: string;
}

async function attempt(
  place: LockPlace,
  holder: string,
  isStale: (seen: Seen) => boolean,
): Promise<Lock | Seen> {
  const { path, quarantine } = place;
  try {
    for (;;) {
      if (await makeLink(holder, path)) {
        return hold(path, holder);
      }
      const seen = await look(path);
      if (seen?.kind === 'directory') {
        await quarantine(path);
      } else if (seen !== undefined) {
        if (!isStale(seen)) {
          return seen;
        }
        if (await takeOver(path, holder, seen)) {
          return hold(path, holder);
        }
      }
    }
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot lock ${path}`, error);
  }
}

async function makeLink(holder: string, path: string): Promise<boolean> {
  try {
    await fs.symlink(holder, path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) {
      return false;
    }
    throw error;
  }
}

async function look(path: string): Promise<Seen | undefined> {
  try {
    const stat = await fs.lstat(path, { bigint: true });
    const kind = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file';
    const text = kind === 'link' ? await fs.readlink(path) : '';
    return { kind, text, version: `${stat.ino} ${stat.mtimeNs} ${text}` };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL')) {
      return undefined;
    }
    throw error;
  }
}

/** The last of several that rename over a dead lock has it; the others see that after a moment. */
async function takeOver(path: string, holder: string, stale: Seen): Promise<boolean> {
  const fresh = `${path}.${randomBytes(4).toString('hex')}${TAKEOVER_SUFFIX}`;
  await fs.symlink(holder, fresh);
  try {
    if ((await look(path))?.version !== stale.version) {
      return false;
    }
    await fs.rename(fresh, path);
  } catch (error) {
    if (hasErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) {
      return false;
    }
    throw error;
  } finally {
    await fs.rm(fresh, { force: true });
  }
  await sleep(SETTLE_MS);
  return (await look(path))?.text === holder;
}

function hold(path: string, holder: string): Lock {
  const isOurs = async () => (await fs.readlink(path).catch(() => undefined)) === holder;
  const heartbeat = setInterval(async () => {
    if (await isOurs()) {
      const now = new Date();
      await fs.lutimes(path, now, now).catch(() => {});
    }
  }, HEARTBEAT_MS).unref();
  return {
    async release() {
      clearInterval(heartbeat);
      if (await isOurs()) {
        await fs.rm(path, { force: true }).catch(() => {});
      }
    },
  };
}

/** Two tasks of one process are two holders. */
function newHolder(): string {
  return `${thisOwner()}-${randomBytes(4).toString('hex')}`;
}

function isGone({ kind, text }: Seen): boolean {
  return kind === 'file' || (kind === 'link' && !isAlive(text));
}

/** Measured with our own clock from when we first saw it, so that no clocks are compared. */
function isSilent(seen: Seen, watch: { version: string; sinceMs: number }, silenceMs: number): boolean {
  const nowMs = performance.now();
  if (seen.version !== watch.version) {
    Object.assign(watch, { version: seen.version, sinceMs: nowMs });
  }
  return !isOnThisHost(seen.text) && nowMs - watch.sinceMs >= silenceMs;
}

function isOnThisHost(holder: string): boolean {
  const [host] = thisOwner().split('-');
  return holder.startsWith(`${host}-`) && Number.isInteger(pidOf(holder));
}

function holderName(holder: string): string {
  return isOnThisHost(holder) ? `process ${pidOf(holder)}` : 'a process on another machine';
}
