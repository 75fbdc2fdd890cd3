import { lstat, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { buildImage } from '../docker/build.ts';
import { guestPlatformOf, type Image, inspectImage } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { id16 } from '../identity/image-id.ts';
import { parseImageReference } from '../identity/image-reference.ts';
import type { InputsRecord } from '../identity/inputs-key.ts';
import { HERE, type Origin } from '../identity/origin.ts';
import { type GuestPlatform, hostGuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { counted } from '../identity/shown-text.ts';
import { packDirect } from '../pack/direct.ts';
import {
  type Hop,
  type PackedSidecar,
  type PackSubject,
  packImage,
  sourceDateEpoch,
  sweepKilledRuns,
} from '../pack/pack.ts';
import { REGISTRY_IMAGE } from '../pack/registry-container.ts';
import { requireOwnPlatform, runSmokeTest, type SmokeTest } from '../pack/smoke-test.ts';
import { findSmolvm, requireSupported, type Smolvm } from '../pack/smolvm.ts';
import { findSmolvmParts, type SmolvmParts } from '../pack/smolvm-parts.ts';
import { memoryWarning, requireVirtualization } from '../pack/virtualization.ts';
import { warningsTo } from '../progress.ts';
import { copySidecar, type VerifiedSidecar } from '../sidecar/file.ts';
import { installPacked } from '../store/install.ts';
import { storeDir } from '../store/location.ts';
import { findForImage } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { sweepStore } from '../store/sweep.ts';
import { imageName, platformOf, readInputs, warnAboutOnlyHere } from './build-options.ts';
import { checkoutOrigin } from './checkout-origin.ts';
import type { PackOptions } from './flags/pack.ts';
import type { Output } from './output.ts';

export interface PackCommandOptions extends PackOptions {
  /** Further arguments for docker build. */
  readonly extraArgs: readonly string[];
}

/** The whole of `claude-bottle pack`: build, look into the store, pack, install. */
export async function runPack(
  options: PackCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { onProgress } = output;
  const { name, wanted, hop, smokeTest } = await parseOptions(options);
  const store = await Store.open(storeDir(options.store), onProgress);
  await sweepStore(store);
  await sweepKilledRuns(signal, onProgress);

  const inputs = await describeInputs(options, wanted ?? hostGuestPlatform(), output, signal);
  const image = options.build ? await build(name, options, output, signal) : await inspectImage(name, signal);
  const platform = guestPlatformOf(image, wanted, options.build);
  if (smokeTest !== undefined) {
    requireOwnPlatform(platform);
  }
  const hit = options.force ? undefined : await findInStore(store, image, platform, options, output, signal);
  if (hit !== undefined && smokeTest !== undefined) {
    const smolvm = await preflight(options.kvmCheck, warningsTo(onProgress));
    await runSmokeTest(hit.path, smokeTest, { smolvm, timeoutMs: limitOf(options), signal, onProgress });
  }
  const stored =
    hit ??
    (await packIntoStore(store, { ...options, image, platform, hop, inputs, smokeTest }, output, signal));
  if (options.out !== undefined) {
    await copySidecar(stored, resolve(options.out), { signal });
  }

  const { report, record } = stored;
  output.result(
    {
      status: hit === undefined ? 'packed' : 'hit',
      imageId: image.id,
      id16: id16(image.id),
      platform,
      path: stored.path,
      sizeBytes: report.sizeBytes,
      sha256: report.sha256,
      ...(options.out !== undefined && { out: resolve(options.out) }),
      record,
    },
    [options.out === undefined ? stored.path : resolve(options.out)],
  );
  return 0;
}

/** Everything that can be wrong with the options is found before any work. */
export async function parseOptions(options: PackCommandOptions) {
  const buildOnly = {
    '--file': options.file,
    '--target': options.target,
    '--build-arg': options.buildArg[0],
    '--secret': options.secret[0],
    'docker build arguments': options.extraArgs[0],
  };
  const [ignored] = Object.entries(buildOnly).find(([, value]) => value !== undefined) ?? [];
  if (!options.build && ignored !== undefined) {
    throw new BottleError('usage', `${ignored} has no meaning with --no-build`, {
      hint: 'leave out one of the two',
    });
  }
  if (options.extraArgs.some((argument) => /^--iidfile(=|$)/.test(argument))) {
    throw new BottleError('usage', '--iidfile is set by claude-bottle pack', {
      hint: 'leave it out; --json gives the image ID',
    });
  }
  if (options.build) {
    await requireDirectory('build context', options.context);
  }
  if (options.out !== undefined) {
    await requireDirectory('directory of --out', dirname(resolve(options.out)));
    const target = await lstat(options.out).catch(() => undefined);
    if (target?.isDirectory()) {
      throw new BottleError('usage', `--out ${JSON.stringify(options.out)} is a directory`, {
        hint: 'name a file in it',
      });
    }
  }
  if (options.smokeTestOutput !== undefined && options.smokeTest === undefined) {
    throw new BottleError('usage', '--smoke-test-output has no meaning without --smoke-test', {
      hint: 'add --smoke-test with the command that prints it',
    });
  }
  const hop: Hop =
    options.hop === 'embedded'
      ? { kind: 'embedded' }
      : { kind: 'container', registryImage: parseImageReference(options.registryImage ?? REGISTRY_IMAGE) };
  return {
    name: imageName(options.image),
    wanted: options.platform === undefined ? undefined : parseGuestPlatform(options.platform),
    hop,
    smokeTest:
      options.smokeTest === undefined
        ? undefined
        : { command: options.smokeTest, output: options.smokeTestOutput },
  };
}

/** For the pack record, by which `path` and `fetch` find the sidecar; what the key cannot see has none. */
export async function describeInputs(
  options: PackCommandOptions,
  platform: GuestPlatform,
  output: Output,
  signal: AbortSignal,
): Promise<InputsRecord | undefined> {
  if (!options.build || options.extraArgs.length > 0) {
    return undefined;
  }
  try {
    const inputs = await readInputs(options, platform, output, signal);
    await warnAboutOnlyHere(options.context, inputs, output, signal);
    return inputs.record;
  } catch (error) {
    if (!(error instanceof BottleError)) {
      throw error;
    }
    warningsTo(output.onProgress)(`packing without an inputs key: ${error.message}`);
    return undefined;
  }
}

async function requireDirectory(what: string, dir: string): Promise<void> {
  const found = await stat(resolve(dir)).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new BottleError('usage', `the ${what} ${JSON.stringify(dir)} is not a directory`, {
      hint: 'check the path',
    });
  }
}

export async function build(
  image: string,
  options: PackCommandOptions,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<Image> {
  onProgress({ type: 'start', stage: 'build', detail: image });
  const built = await buildImage(
    {
      ...options,
      image,
      platform: platformOf(options),
      buildArgs: options.buildArg,
      secrets: options.secret,
    },
    { signal, onLine: (line) => onProgress({ type: 'output', stage: 'build', line }) },
  );
  onProgress({ type: 'done', stage: 'build', detail: `${image} (${id16(built.id)})` });
  return built;
}

async function findInStore(
  store: Store,
  image: Image,
  platform: GuestPlatform,
  options: PackCommandOptions,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<VerifiedSidecar | undefined> {
  const { packer, cpus, mem } = options;
  onProgress({ type: 'start', stage: 'store' });
  const missed = () => {
    onProgress({ type: 'done', stage: 'store', isSilent: true });
    return undefined;
  };
  const found = await findForImage(
    store,
    image.id,
    { origin: await originIfKnown(options) },
    {
      platform,
      signal,
      onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'store', doneBytes }),
    },
  );
  if (found !== undefined) {
    const { manifest, sizeBytes } = found.report;
    if ((cpus ?? manifest.cpus) !== manifest.cpus || (mem ?? manifest.mem) !== manifest.mem) {
      const message = `the sidecar in the store is for ${counted(manifest.cpus, 'CPU')} and ${manifest.mem} MiB; packing again`;
      onProgress({ type: 'warning', message });
      return missed();
    }
    if (packer === 'direct' && found.record?.packer !== 'direct') {
      onProgress({ type: 'warning', message: 'the sidecar in the store is of packer smolvm; packing again' });
      return missed();
    }
    onProgress({ type: 'done', stage: 'store', sizeBytes, detail: 'in the store, nothing to pack' });
  }
  return found ?? missed();
}

/** The limit for each run of smolvm. */
export function limitOf({ timeout }: Pick<PackCommandOptions, 'timeout'>): number {
  return timeout * 60_000;
}

/** A directory that git refuses can be packed, too; then only a sidecar that was packed here is a hit. */
async function originIfKnown(options: PackCommandOptions): Promise<Origin> {
  try {
    return await checkoutOrigin(options);
  } catch (error) {
    if (error instanceof BottleError) {
      return HERE;
    }
    throw error;
  }
}

interface PackIntoStoreOptions
  extends Pick<PackCommandOptions, 'packer' | 'cpus' | 'mem' | 'timeout' | 'kvmCheck'> {
  readonly image: Image;
  readonly platform: GuestPlatform;
  readonly hop: Hop;
  readonly inputs: InputsRecord | undefined;
  readonly smokeTest: SmokeTest | undefined;
}

async function packIntoStore(
  store: Store,
  options: PackIntoStoreOptions,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<VerifiedSidecar> {
  const { image, platform, inputs, smokeTest, cpus, mem } = options;
  const onWarning = warningsTo(onProgress);
  const pack = await preparePacker(options, onWarning);
  if (platform !== hostGuestPlatform()) {
    onWarning(`packing for ${platform}: the sidecar starts on such hosts only, not on this one`);
  }
  return await store.withTemp(async (outDir) => {
    const subject = {
      image,
      platform,
      cpus,
      memMib: mem,
      latestSeconds: sourceDateEpoch(process.env),
      outDir,
      signal,
      onProgress,
    };
    const { report, record: packed } = await pack(subject);
    if (smokeTest !== undefined) {
      const timeoutMs = limitOf(options);
      const smolvm = await preflight(options.kvmCheck, onWarning);
      await runSmokeTest(report.path, smokeTest, { smolvm, timeoutMs, signal, onProgress });
    }
    const record = { ...packed, ...(inputs && { inputs }) };
    signal.throwIfAborted();
    onProgress({ type: 'start', stage: 'install' });
    const { name } = await installPacked(store, image.id, report.path, record, { signal });
    const { sizeBytes, sha256 } = record.sidecar;
    onProgress({ type: 'done', stage: 'install', sizeBytes, detail: `sha256 ${sha256}` });
    return { path: name, report, record };
  });
}

/** Finds what the packer needs before anything is made. */
async function preparePacker(
  { packer, hop, kvmCheck, ...limits }: PackIntoStoreOptions,
  onWarning: (message: string) => void,
): Promise<(subject: PackSubject) => Promise<PackedSidecar>> {
  if (packer === 'direct') {
    const parts = await installedParts();
    if (parts === undefined) {
      onWarning(
        'no smolvm with an agent is installed here, so the sidecar has none: `smolvm machine create` takes it, `smolvm pack run` does not',
      );
    }
    return (subject) => packDirect({ ...subject, parts });
  }
  const smolvm = await preflight(kvmCheck, onWarning);
  return (subject) => packImage({ ...subject, hop, smolvm, timeoutMs: limitOf(limits) });
}

export async function installedParts(): Promise<SmolvmParts | undefined> {
  try {
    return await findSmolvmParts(await findSmolvm());
  } catch (error) {
    if (error instanceof BottleError && error.code === 'smolvm-missing') {
      return undefined;
    }
    throw error;
  }
}

export async function preflight(kvmCheck: boolean, onWarning: (message: string) => void): Promise<Smolvm> {
  const smolvm = await findSmolvm();
  requireSupported(smolvm);
  if (kvmCheck) {
    await requireVirtualization();
    const warning = memoryWarning();
    if (warning !== undefined) {
      onWarning(warning);
    }
  } else {
    onWarning('--no-kvm-check: not looking whether smolvm can start a virtual machine here');
  }
  return smolvm;
}
