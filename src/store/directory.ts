import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrno } from '../errors.ts';

/** Node's own way, `recursive`, answers ENOENT where the file system is read-only. */
export async function makeDirectory(path: string): Promise<void> {
  const isMade = await makeInParent(path);
  if (!isMade) {
    await makeDirectory(dirname(path));
    await fs.mkdir(path, { mode: 0o700 }).catch(ignoreExisting);
  }
}

/** False when there is nothing to make it in. */
async function makeInParent(path: string): Promise<boolean> {
  try {
    await fs.mkdir(path, { mode: 0o700 }).catch(ignoreExisting);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

export function ignoreExisting(error: unknown): void {
  if (!hasErrno(error, 'EEXIST')) {
    throw error;
  }
}

/** The names in a directory that may be missing. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.readdir(dir);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
}
