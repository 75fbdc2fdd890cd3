import * as fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PackCreateArguments } from './arguments.ts';
import { collectAssets } from './assets.ts';
import { type BuilderVm, startBuilderVm } from './builder-vm.ts';
import { attempt, die, Panic, SmolvmError, wait } from './failures.ts';
import { delayStage, FAULT, isSince } from './knobs.ts';
import { hostArchitecture, makeManifest } from './manifest.ts';
import { writeOutputs } from './outputs.ts';
import { probeManifest } from './probe.ts';
import { type PulledImage, pullImage } from './pull.ts';

/** No signal handler anywhere: what kills smolvm leaves all of this behind. */
export async function packCreate(args: PackCreateArguments): Promise<void> {
  refuseSidecarName(args.output);
  process.stdout.write('Starting agent VM...\n');
  const { cacheDir, dataDir } = stateDirectories(args.stateDir);
  const staging = await makeStagingDir(args, cacheDir);
  try {
    await probeManifest(args);
    await makeDatabase(dataDir);
    const vm = await startBuilderVm(cacheDir);
    try {
      await delayStage();
      const image = await pull(args, vm);
      await delayStage();
      const { assets, members, libraries } = await collectAssets(image, { staging, diskDir: vm.diskDir });
      await delayStage();
      const manifest = makeManifest(args, image, assets);
      await attempt('pack', () => writeOutputs(args.output, { members, libraries, manifest, staging }));
    } finally {
      await vm.stop();
    }
  } finally {
    await fs.rm(staging, { recursive: true, force: true });
  }
}

function refuseSidecarName(output: string): void {
  const [, stem] = /^(.*)\.smolmachine$/i.exec(output) ?? [];
  if (stem !== undefined) {
    throw new SmolvmError(
      'config operation failed: pack create: --output names the executable stub, not the .smolmachine sidecar ' +
        `(which is created automatically as '<output>.smolmachine'). Use --output ${stem} instead.`,
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
  return stateDirectories(undefined).cacheDir;
}

function stateDirectories(stateDir: string | undefined): { cacheDir: string; dataDir: string } {
  const { SMOLVM_DATA_DIR: dataHome, XDG_CACHE_HOME: cache, XDG_DATA_HOME: data } = process.env;
  const home = stateDir ?? dataHome;
  return home
    ? { cacheDir: join(home, '.cache'), dataDir: join(home, '.local/share') }
    : { cacheDir: cache || join(homedir(), '.cache'), dataDir: data || join(homedir(), '.local/share') };
}

async function makeStagingDir({ stagingDir }: PackCreateArguments, cacheDir: string): Promise<string> {
  const parent = stagingDir ?? (process.env.SMOLVM_PACK_STAGING || join(cacheDir, 'smolvm'));
  await fs.mkdir(parent, { recursive: true });
  const staging = await fs.mkdtemp(join(parent, 'pack-staging-'));
  if (isSince('1.28.0')) {
    await fs.writeFile(join(staging, '.in-use'), '');
  }
  return staging;
}

async function makeDatabase(dataDir: string): Promise<void> {
  const dir = join(dataDir, 'smolvm/server');
  await fs.mkdir(dir, { recursive: true });
  for (const suffix of isSince('1.20.0') ? ['', '-shm', '-wal'] : ['']) {
    await fs.writeFile(join(dir, `smolvm.db${suffix}`), '');
  }
}
