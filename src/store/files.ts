import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import { syncFile } from '../host/sync.ts';

/** What link(2) says where there are no hard links, or no more of them. */
const NO_LINK = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK'];

/** The file appears whole or not at all, read-only whatever the umask. `tmp` is on its file system. */
export async function writeWhole(tmp: string, path: string, text: string): Promise<void> {
  await withPrivateDir(tmp, async (dir) => {
    const temp = join(dir, 'file');
    await writeReadOnly(temp, text);
    await fs.rename(temp, path);
  });
}

export async function writeReadOnly(path: string, text: string): Promise<void> {
  const file = await fs.open(path, 'wx', 0o444);
  try {
    await file.writeFile(text);
    await file.chmod(0o444);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Names one state of a file: writing, linking or replacing it gives another one, since nobody can set its ctime. Undefined
 * when it is not there.
 */
export async function stampOf(path: string): Promise<string | undefined> {
  const stat = await fs.lstat(path, { bigint: true }).catch(() => undefined);
  return stat && `${stat.dev}:${stat.ino} ${stat.size} ${stat.ctimeNs}`;
}

/** Whether it could be done; where the file system has no hard links it cannot. */
export async function tryLink(existing: string, path: string): Promise<boolean> {
  try {
    await fs.link(existing, path);
    return true;
  } catch (error) {
    if (hasErrno(error, ...NO_LINK)) {
      return false;
    }
    throw error;
  }
}

export async function copyReadOnly(source: string, target: string): Promise<void> {
  await fs.copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await fs.chmod(target, 0o444);
  await syncFile(target);
}
