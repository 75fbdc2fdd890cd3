import * as fs from 'node:fs/promises';
import { hasErrno } from '../errors.ts';

export async function syncFile(path: string): Promise<void> {
  const file = await fs.open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Some file systems cannot sync a directory; then the rename is as durable as they make it. */
export async function syncDirectory(path: string): Promise<void> {
  const dir = await fs.open(path, 'r');
  try {
    await dir.sync();
  } catch (error) {
    if (!hasErrno(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR')) {
      throw error;
    }
  } finally {
    await dir.close();
  }
}
