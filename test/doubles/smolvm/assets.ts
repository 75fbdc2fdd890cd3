import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { attempt } from './failures.ts';
import { delayStage, FAULT, isSince } from './knobs.ts';
import { repackLayer } from './layer.ts';
import type { Asset, Assets } from './manifest.ts';
import type { PulledImage } from './pull.ts';
import type { AssetsMember } from './sidecar-writer.ts';

const GIB = 1024 ** 3;
const UNITS: Readonly<Record<string, number>> = { GiB: GIB, MiB: 1024 ** 2, KiB: 1024 };
const STORAGE_TEMPLATE_BYTES = 512 * 1024 * 1024;
const SUPERBLOCK_BYTES = 4096;

export interface CollectedAssets {
  readonly assets: Assets;
  readonly members: readonly AssetsMember[];
  readonly libraries: readonly AssetsMember[];
}

/** Fills the staging directory with what goes into a sidecar and its stub. */
export async function collectAssets(
  image: PulledImage,
  { staging, diskDir }: { staging: string; diskDir: string },
): Promise<CollectedAssets> {
  process.stdout.write('Collecting runtime libraries...\n');
  const libraries: AssetsMember[] = ['lib/libkrun.so.1', 'lib/libkrunfw.so.5'].map((path) => ({
    path,
    type: 'file',
    source: Buffer.from(`${path}: not a library, a test double\n`),
  }));
  process.stdout.write('Collecting agent rootfs...\n');
  const agentRootfs = await makeAgentRootfs(staging);
  process.stdout.write('Creating storage template...\n');
  await delayStage();
  const layer = await exportLayer(image, { staging, diskDir });
  const storage = { path: 'storage.ext4', size: STORAGE_TEMPLATE_BYTES };
  return {
    assets: {
      libraries: libraries.map(({ path, source }) => ({ path, size: source?.length ?? 0 })),
      agent_rootfs: agentRootfs.asset,
      layers: [layer.asset],
      storage_template: storage,
    },
    members: [
      { path: agentRootfs.asset.path, type: 'file', source: agentRootfs.tarPath },
      { path: 'layers', type: 'directory' },
      { path: layer.asset.path, type: 'file', source: layer.tarPath },
      { path: storage.path, type: 'sparse', source: randomBytes(SUPERBLOCK_BYTES), sizeBytes: storage.size },
    ],
    libraries,
  };
}

/** Its size is what smolvm measured in the directory, not that of the tar. */
async function makeAgentRootfs(staging: string): Promise<{ asset: Asset; tarPath: string }> {
  const files = { 'sbin/smolvm-agent': 'not an agent, a test double\n', 'etc/alpine-release': '3.19.9\n' };
  const dir = join(staging, 'agent-rootfs');
  for (const [path, text] of Object.entries(files)) {
    await fs.mkdir(join(dir, path, '..'), { recursive: true });
    await fs.writeFile(join(dir, path), text);
  }
  const tarPath = join(staging, 'agent-rootfs.tar');
  await run('tar', ['-cf', tarPath, '-C', dir, '.']);
  return { asset: { path: 'agent-rootfs.tar', size: Object.values(files).join('').length }, tarPath };
}

/** The layer keeps the digest that it had in the registry, although its bytes are others. */
async function exportLayer(
  { layers }: PulledImage,
  { staging, diskDir }: { staging: string; diskDir: string },
): Promise<{ asset: Assets['layers'][number]; tarPath: string }> {
  const [layer] = layers;
  if (layer === undefined || layers.length > 1) {
    throw new Error(
      `smolvm-double: an image of ${layers.length} layers is beyond this double, only one is not`,
    );
  }
  const { digest } = layer;
  const guestPath = join(diskDir, 'exported.tar');
  await attempt('export layer', () => repackLayer(layer, diskDir, guestPath));
  const hex = digest.replace('sha256:', '').slice(0, isSince('1.3.4') ? 64 : 12);
  process.stdout.write(`\r  Layer 1/1: ${digest.slice(0, 19)}... `);
  const tarPath = join(staging, 'layers', `${hex}.tar`);
  const { size } = await fs.stat(guestPath);
  await attempt('export layer', async () => {
    requireBelowCap(FAULT === 'cap' ? 4 * GIB + 1 : size, FAULT === 'cap' ? 4 * GIB : capBytes());
    await fs.mkdir(join(staging, 'layers'));
    await fs.copyFile(guestPath, tarPath);
  });
  process.stdout.write(`${Math.ceil(size / 1e6)} MB done\n`);
  return { asset: { digest, path: `layers/${hex}.tar`, size }, tarPath };
}

function requireBelowCap(size: number, cap: number): void {
  if (size > cap) {
    throw new Error(`guest streamed ${size} bytes, exceeding the ${cap} byte cap`);
  }
}

function capBytes(): number {
  const given = /^(\d+)(GiB|MiB|KiB)?$/.exec(process.env.SMOLVM_FILE_TRANSFER_MAX_BYTES ?? '');
  if (given && isSince('1.6.0')) {
    return Number(given[1]) * (UNITS[given[2] ?? ''] ?? 1);
  }
  return (isSince('1.8.3') ? 64 : 4) * GIB;
}
