import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { isSince } from './knobs.ts';
import type { PulledLayer } from './pull.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

export interface MergeOptions {
  readonly dir: string;
  readonly tarPath: string;
  readonly merge: 'cp' | 'exact';
}

/**
 * Makes one tar of all layers. Even a single one is unpacked and packed again, as smolvm's guest does, so that its
 * bytes are not those that the registry served; several are merged by default with the guest's mistakes.
 */
export async function mergeLayers(
  layers: readonly PulledLayer[],
  { dir, tarPath, merge }: MergeOptions,
): Promise<void> {
  if (!isRoot()) {
    note('not root: the layer loses owners and device nodes');
  }
  const layerDirs = layers.map((_, index) => join(dir, `layer-${index}`));
  for (const [index, layer] of layers.entries()) {
    await unpackLayer(layer, layerDirs[index] ?? '');
  }
  const [only = ''] = layerDirs;
  if (layers.length === 1) {
    await removeWhiteouts(only);
    return await packTar(only, tarPath);
  }
  const merged = join(dir, 'merged');
  await fs.mkdir(merged);
  for (const layerDir of layerDirs) {
    if (merge === 'exact') {
      await overlay(layerDir, merged);
    } else {
      await removeWhiteouts(layerDir);
      await copyLayer(layerDir, merged);
    }
    await fs.rm(layerDir, { recursive: true });
  }
  await packTar(merged, tarPath);
}

async function unpackLayer({ tarPath }: PulledLayer, layerDir: string): Promise<void> {
  await fs.mkdir(layerDir);
  await run('tar', ['-xpf', tarPath, '--numeric-owner', '-C', layerDir], { mayFail: !isRoot() });
  await fs.rm(tarPath);
}

/** The guest's tar is busybox's: no extended attributes, and owners above 2097151 come out wrong. */
async function packTar(dir: string, tarPath: string): Promise<void> {
  await runLikeGuest('tar', ['-cf', tarPath, '-C', dir, '.']);
}

/** In its own directory a layer's whiteout has nothing to remove, and the older layers never hear of it. */
async function removeWhiteouts(layerDir: string): Promise<void> {
  if (!isSince('1.1.0')) {
    return;
  }
  for (const entry of await fs.readdir(layerDir, { recursive: true, withFileTypes: true })) {
    if (entry.name.startsWith(WHITEOUT)) {
      await fs.rm(join(entry.parentPath, entry.name));
    }
  }
}

/** `|| true`, as in the guest: what cannot be copied is lost. */
async function copyLayer(layerDir: string, merged: string): Promise<void> {
  await runLikeGuest('cp', ['-a', `${layerDir}/.`, `${merged}/`], { mayFail: true });
}

async function runLikeGuest(
  applet: string,
  args: readonly string[],
  options?: { mayFail?: boolean },
): Promise<void> {
  try {
    await run('busybox', [applet, ...args], options);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw error;
    }
    note(`no busybox here; this machine's ${applet} makes other mistakes than the guest's`);
    await run(applet, args, options);
  }
}

/** What the layers mean: whiteouts first; then an entry replaces the older one, except a directory, which adds to it. */
async function overlay(layerDir: string, merged: string): Promise<void> {
  const entries = await fs.readdir(layerDir, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.name.startsWith(WHITEOUT))) {
    const removed = name === OPAQUE ? await fs.readdir(merged) : [name.slice(WHITEOUT.length)];
    for (const child of removed) {
      await fs.rm(join(merged, child), { recursive: true, force: true });
    }
  }
  for (const entry of entries.filter(({ name }) => !name.startsWith(WHITEOUT))) {
    const from = join(layerDir, entry.name);
    const to = join(merged, entry.name);
    const isDirectoryThere = (await fs.lstat(to).catch(() => undefined))?.isDirectory() ?? false;
    if (!(entry.isDirectory() && isDirectoryThere)) {
      await fs.rm(to, { recursive: true, force: true });
    }
    if (entry.isDirectory()) {
      await fs.mkdir(to, { recursive: true });
      await overlay(from, to);
    } else {
      await fs.rename(from, to);
    }
  }
  const { uid, gid, mode, atime, mtime } = await fs.lstat(layerDir);
  if (isRoot()) {
    await fs.chown(merged, uid, gid);
  }
  await fs.chmod(merged, mode & 0o7777);
  await fs.utimes(merged, atime, mtime);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function note(text: string): void {
  process.stderr.write(`smolvm-double: ${text}\n`);
}
