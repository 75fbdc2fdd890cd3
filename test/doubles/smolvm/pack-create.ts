import * as fs from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PackCreateArguments } from './arguments.ts';
import { collectAssets } from './assets.ts';
import { type BuilderVm, startBuilderVm } from './builder-vm.ts';
import { attempt, die, Panic, SmolvmError, wait } from './failures.ts';
import { delayStage, FAULT, isSince } from './knobs.ts';
import { hostArchitecture, makeManifest } from './manifest.ts';
import { writeOutputs } from './outputs.ts';
import { type PulledImage, pullImage } from './pull.ts';

/** No signal handler anywhere: what kills smolvm leaves all of this behind. */
export async function packCreate(args: PackCreateArguments): Promise<void> {
  refuseSidecarName(args.output);
  process.stdout.write('Starting agent VM...\n');
  const cacheDir = cacheDirectory();
  const vm = await startBuilderVm(cacheDir);
  try {
    await delayStage();
    const image = await pull(args, vm);
    await delayStage();
    const staging = await makeStagingDir(args, cacheDir);
    try {
      const { assets, members, libraries } = await collectAssets(image, { staging, diskDir: vm.diskDir });
      await delayStage();
      const manifest = makeManifest(args, image, assets);
      await attempt('pack', () => writeOutputs(args.output, { members, libraries, manifest, staging }));
    } finally {
      await fs.rm(staging, { recursive: true, force: true });
    }
  } finally {
    await vm.stop();
  }
}

function refuseSidecarName(output: string): void {
  if (isSince('1.7.0') && output.toLowerCase().endsWith('.smolmachine')) {
    throw new SmolvmError(
      'config operation failed: pack create: --output names the executable stub, not the .smolmachine sidecar ' +
        "(which is created automatically as '<output>.smolmachine'). Use --output <stem> instead.",
    );
  }
}

async function pull(args: PackCreateArguments, { diskDir }: BuilderVm): Promise<PulledImage> {
  const progress = `Pulling image ${args.image}...`;
  process.stderr.write(progress);
  const image = await attempt('pull image', async () => {
    try {
      await failPull();
      return await pullImage(args.image, {
        platform: args.ociPlatform ?? `linux/${hostArchitecture()}`,
        dir: diskDir,
        onLayer: (number, total) => process.stderr.write(`\r${progress} layer ${number}/${total}`),
      });
    } finally {
      process.stderr.write(`\r${progress} done.\n`);
    }
  });
  const { layers, sizeBytes } = image;
  process.stdout.write(`Image: ${args.image} (${layers.length} layers, ${sizeBytes} bytes)\n`);
  if (layers.length === 0) {
    throw new Panic('index out of bounds: the len is 0 but the index is 0');
  }
  return image;
}

async function failPull(): Promise<void> {
  switch (FAULT) {
    case 'exit-1':
      throw new Error('the SMOLVM_DOUBLE_FAULT exit-1');
    case 'slow-layer':
      throw new Error('timed out: no progress for 600 seconds');
    case 'segfault':
      return await die('SIGSEGV');
    case 'hang':
      return await wait();
  }
}

export function cacheDirectory(): string {
  const { SMOLVM_DATA_DIR: home, XDG_CACHE_HOME: cache } = process.env;
  return home ? join(home, '.cache') : cache || join(homedir(), '.cache');
}

async function makeStagingDir({ stagingDir }: PackCreateArguments, cacheDir: string): Promise<string> {
  const fromEnvironment = process.env.SMOLVM_PACK_STAGING || join(cacheDir, 'smolvm');
  const parent = stagingDir ?? (isSince('1.2.0') ? fromEnvironment : tmpdir());
  await fs.mkdir(parent, { recursive: true });
  return await fs.mkdtemp(join(parent, 'pack-staging-'));
}
