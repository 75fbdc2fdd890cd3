import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { requireFreeBytes } from '../host/disk.ts';
import { expectedOf } from '../sidecar/file.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { type DownloadOptions, download } from './download.ts';
import { readOfferedFrames } from './offered-frames.ts';
import type { Offer } from './source.ts';

export interface ReceiveOptions extends Omit<DownloadOptions, 'reuse'> {
  /** Paths of good sidecars of the same origin, the newest first: what they have of the file is not asked for. */
  readonly bases: readonly string[];
}

/**
 * Brings a sidecar into `dir` and checks all of it.
 * @returns its path
 */
export async function receive(offer: Offer, { bases, ...options }: ReceiveOptions): Promise<string> {
  const { content, record } = offer;
  const neededBytes = content.sizeBytes - (await bytesIn(options.dir));
  await requireFreeBytes(options.dir, Math.max(0, neededBytes), 'the sidecar');
  const reuse = record.frames && { bases, frames: () => readOfferedFrames(offer) };
  const { path, hashed } = await download(content, { ...options, reuse });
  await verifySidecar(path, expectedOf(record), { hashed });
  return path;
}

/** The file that a stopped run left. It has holes, so its size says nothing. */
async function bytesIn(dir: string): Promise<number> {
  const names = await fs.readdir(dir);
  const stats = await Promise.all(names.map((name) => fs.stat(join(dir, name))));
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}
