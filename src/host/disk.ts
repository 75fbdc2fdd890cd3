import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { BottleError, fileError } from '../errors.ts';

const SPARE_BYTES = 64 * 1024 * 1024;

export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statFileSystem(dir);
  return bavail * bsize;
}

/**
 * Asks for some spare room on top of `bytes`, and for room for one more file.
 * @param purpose completes "… needed in DIR for"
 */
export async function requireFreeBytes(dir: string, bytes: number, purpose: string): Promise<void> {
  const neededBytes = bytes + SPARE_BYTES;
  const { bavail, bsize, files, ffree } = await statFileSystem(dir);
  const free = bavail * bsize;
  if (free < neededBytes) {
    throw new BottleError(
      'cannot-write',
      `${formatBytes(neededBytes)} needed in ${dir} for ${purpose}, ${formatBytes(free)} free`,
      { hint: `free some disk space in ${dir}, or use a directory on another disk` },
    );
  }
  // File systems that make inodes as they need them report 0 of 0.
  if (files > 0 && ffree === 0) {
    throw new BottleError(
      'cannot-write',
      `no inodes left in ${dir} for ${purpose}, though ${formatBytes(free)} are free`,
      { hint: `remove some files there, however small, or use a directory on another disk` },
    );
  }
}

async function statFileSystem(dir: string): Promise<StatsFs> {
  try {
    return await statfs(dir);
  } catch (error) {
    throw fileError(`cannot look at ${dir}`, error);
  }
}

/** Decimal units, as disks and registries count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
