import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { isAlive, thisOwner } from '../host/owner.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import { contentPath, statFile } from './catalog.ts';
import { namesIn } from './directory.ts';
import type { StoreLayout } from './location.ts';

const RELEASED = 'released';
const MAX_AGE_MS = 7 * 24 * 60 * 60_000;

/**
 * Runs `use` in the directory of a download: the one that an earlier run has left, or a new one. A directory is taken by
 * renaming it to a name of ours, which works for one process only. It is removed when `use` returns, and left for the
 * next run when it throws.
 */
export async function withPart<T>(
  layout: StoreLayout,
  sha256: string,
  use: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = await takePart(layout, sha256);
  let result: T;
  try {
    result = await use(dir);
  } catch (error) {
    await touchDir(dir).catch(() => {});
    await fs.rename(dir, join(layout.parts, `${sha256}.${RELEASED}-${newNumber()}`)).catch(() => {});
    throw error;
  }
  // What others have left of the same content has no use now either.
  for (const left of [dir, ...(await abandoned(layout)).filter((path) => isOf(path, layout, sha256))]) {
    await removePart(layout, left).catch(() => {});
  }
  return result;
}

/**
 * Removes the parts of what is installed by now, and those that nobody has taken for a week. Those of living owners stay,
 * and those of other machines, of whose processes nothing is known; so does what is from the future: a clock has jumped.
 */
export async function sweepParts(layout: StoreLayout, onWarning: (message: string) => void): Promise<void> {
  for (const path of await abandoned(layout)) {
    const stat = await fs.lstat(path).catch(() => undefined);
    const isOld = stat !== undefined && Date.now() - stat.mtimeMs > MAX_AGE_MS;
    if (isOld || (await statFile(contentPath(layout, sha256OfPart(path)))) !== undefined) {
      await removePart(layout, path).catch((error: Error) =>
        onWarning(`cannot remove ${path}, a download that nobody has gone on with: ${error.message}`),
      );
    }
  }
}

/** What downloads have left that nobody has completed; some of it may be in its place already, and not yet listed. */
export async function startedDownloads(layout: StoreLayout): Promise<Set<string>> {
  return new Set((await abandoned(layout)).map(sha256OfPart));
}

function sha256OfPart(path: string): string {
  return basename(path).slice(0, 64);
}

async function takePart(layout: StoreLayout, sha256: string): Promise<string> {
  const dir = join(layout.parts, `${sha256}.${thisOwner()}-${newNumber()}`);
  for (const path of await abandoned(layout)) {
    if (isOf(path, layout, sha256) && (await renameIfThere(path, dir))) {
      await fs.chmod(dir, 0o700);
      await touchDir(dir);
      return dir;
    }
  }
  await fs.mkdir(dir, { mode: 0o700 });
  return dir;
}

/** Directories of ours that no process works in; what else is there is not touched. */
async function abandoned({ parts }: StoreLayout): Promise<string[]> {
  const found: string[] = [];
  for (const name of await namesIn(parts)) {
    const [, owner] = /^[0-9a-f]{64}\.(.+)$/.exec(name) ?? [];
    if (owner !== undefined && (owner.startsWith(`${RELEASED}-`) || !isAlive(owner))) {
      const path = join(parts, name);
      const stat = await fs.lstat(path).catch(() => undefined);
      if (stat?.isDirectory() && stat.uid === (process.getuid?.() ?? stat.uid)) {
        found.push(path);
      }
    }
  }
  return found;
}

function isOf(path: string, { parts }: StoreLayout, sha256: string): boolean {
  return path.startsWith(join(parts, `${sha256}.`));
}

/** Taken before it is emptied, so that nobody resumes from half of it. */
async function removePart({ tmp }: StoreLayout, path: string): Promise<void> {
  await withPrivateDir(tmp, async (dir) => {
    await renameIfThere(path, join(dir, 'part'));
  });
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await fs.rename(from, to);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

/** A directory's own time does not change when a file in it grows. */
async function touchDir(dir: string): Promise<void> {
  const now = new Date();
  await fs.utimes(dir, now, now);
}

function newNumber(): string {
  return randomBytes(4).toString('hex');
}
