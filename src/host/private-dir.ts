import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { isAlive, type Owner, thisOwner } from './owner.ts';

const PREFIX = 'cbp-';
const OWNER_SUFFIX = '.owner';

/** Sizes are those of whole images, and /tmp is often a RAM disk: /var/tmp is where the FHS puts large files. */
export function scratchParent(): string {
  return resolve(process.env.TMPDIR || (process.platform === 'linux' ? '/var/tmp' : tmpdir()));
}

/** Runs before a directory is removed, so that what still works in it is ended first. */
export type BeforeRemove = (dir: string) => Promise<void>;

/**
 * Runs `use` with a new directory of mode 0700 in `parent` and removes it afterwards, whatever happens. When the
 * process is killed, a later `sweepPrivateDirs` removes it: the owner stands in a symbolic link beside the
 * directory, made before it, because a link appears together with its text.
 */
export async function withPrivateDir<T>(
  parent: string,
  use: (dir: string) => Promise<T>,
  beforeRemove?: BeforeRemove,
): Promise<T> {
  // Short: smolvm puts a Unix socket below, and a socket's path has about 100 bytes.
  const dir = join(parent, PREFIX + randomBytes(4).toString('hex'));
  try {
    await fs.symlink(thisOwner(), dir + OWNER_SUFFIX);
    await fs.mkdir(dir, { mode: 0o700 });
  } catch (error) {
    await fs.rm(dir + OWNER_SUFFIX, { force: true }).catch(() => {});
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw new BottleError('cannot-write', `there is no directory ${parent} for working files`, {
        hint: 'make it, or name another one by its absolute path with TMPDIR',
        cause: error,
      });
    }
    throw fileError(`cannot make a working directory in ${parent}`, error);
  }
  try {
    return await use(dir);
  } finally {
    // A directory that cannot be removed must not hide how the work went; the next sweep reports it.
    await removeOwned(dir, beforeRemove).catch(() => {});
  }
}

/** Removes the private directories in `parent` whose owner has ended. */
export async function sweepPrivateDirs(
  parent: string,
  { beforeRemove, onWarning }: { beforeRemove?: BeforeRemove; onWarning: (message: string) => void },
): Promise<void> {
  for (const dir of await abandonedDirs(parent)) {
    await removeOwned(dir, beforeRemove).catch((error: Error) =>
      onWarning(`cannot remove ${dir}, which a stopped run has left: ${error.message}`),
    );
  }
}

export async function hasAbandonedDirs(parent: string): Promise<boolean> {
  return (await abandonedDirs(parent)).length > 0;
}

/** The private directories in `parent` whose owner has ended. */
async function abandonedDirs(parent: string): Promise<string[]> {
  const links = (await namesIn(parent))
    .filter((name) => name.startsWith(PREFIX) && name.endsWith(OWNER_SUFFIX))
    .map((name) => join(parent, name));
  const owners = await Promise.all(links.map(ownOwner));
  return links
    .filter((_, index) => {
      const owner = owners[index];
      return owner !== undefined && !isAlive(owner);
    })
    .map((link) => link.slice(0, -OWNER_SUFFIX.length));
}

async function namesIn(parent: string): Promise<string[]> {
  try {
    return await fs.readdir(parent);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return [];
    }
    throw fileError(`cannot read ${parent}`, error);
  }
}

/** The parent may be shared by users, like /var/tmp: what is not ours is not touched. */
async function ownOwner(link: string): Promise<Owner | undefined> {
  try {
    const stat = await fs.lstat(link);
    return stat.isSymbolicLink() && stat.uid === process.getuid?.() ? await fs.readlink(link) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where the directory of a link is gone, another user may have made one of the same name: its content would say which
 * processes to end and which images to remove. Of such a directory only our link is removed.
 */
async function removeOwned(dir: string, beforeRemove: BeforeRemove | undefined): Promise<void> {
  if (await isOwn(dir)) {
    await beforeRemove?.(dir);
    await fs.rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
  await fs.rm(dir + OWNER_SUFFIX, { force: true });
}

/** smolvm lets others search it (mode 0701), for the user that its virtual machine runs as; writing is what matters. */
async function isOwn(dir: string): Promise<boolean> {
  const stat = await fs.lstat(dir).catch(() => undefined);
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}
