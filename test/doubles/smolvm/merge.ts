import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import type { PulledLayer } from './pull.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Makes one tar of several layers, by default with the mistakes of smolvm's guest (src/cli/pack.rs): it runs busybox
 * `cp -a layer/. merged/ || true` for each layer, so that deleted files come back and a change of type is lost.
 */
export async function mergeLayers(
  layers: readonly PulledLayer[],
  { dir, tarPath, merge }: { dir: string; tarPath: string; merge: 'cp' | 'exact' },
): Promise<void> {
  const merged = join(dir, 'merged');
  await fs.mkdir(merged);
  if (!isRoot()) {
    note('not root: the merged layer loses owners and device nodes');
  }
  for (const [index, layer] of layers.entries()) {
    const layerDir = join(dir, `layer-${index}`);
    await fs.mkdir(layerDir);
    await run('tar', ['-xpf', layer.tarPath, '--numeric-owner', '-C', layerDir], { mayFail: !isRoot() });
    if (merge === 'exact') {
      await overlay(layerDir, merged);
    } else {
      await removeWhiteouts(layerDir);
      await copyLayer(layerDir, merged);
    }
    await fs.rm(layerDir, { recursive: true });
  }
  await run('tar', ['-cf', tarPath, '--numeric-owner', '-C', merged, '.']);
}

/** In its own directory a layer's whiteout has nothing to remove, and the older layers never hear of it. */
async function removeWhiteouts(layerDir: string): Promise<void> {
  for (const entry of await fs.readdir(layerDir, { recursive: true, withFileTypes: true })) {
    if (entry.name.startsWith(WHITEOUT)) {
      await fs.rm(join(entry.parentPath, entry.name));
    }
  }
}

async function copyLayer(layerDir: string, merged: string): Promise<void> {
  const args = ['-a', `${layerDir}/.`, `${merged}/`];
  try {
    await run('busybox', ['cp', ...args], { mayFail: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw error;
    }
    note("no busybox here; this machine's cp replaces older symlinks, which the guest's does not");
    await run('cp', args, { mayFail: true });
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
