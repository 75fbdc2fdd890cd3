import { guestPlatformOf, type Image, inspectImage } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import type { InputsRecord } from '../identity/inputs-key.ts';
import type { Packer, PackRecord } from '../identity/pack-record.ts';
import { type GuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { packDirect } from '../pack/direct.ts';
import { imageSeconds } from '../pack/own-paths.ts';
import { type Hop, type PackedSidecar, type PackSubject, packImage, sweepKilledRuns } from '../pack/pack.ts';
import { warningsTo } from '../progress.ts';
import { FORMAT_VERSION, ZSTD_VERSION } from '../sidecar/frames.ts';
import type { VerifyOptions } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { installPacked } from '../store/install.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import { sweepStore } from '../store/sweep.ts';
import {
  compareSidecars,
  countsOf,
  differenceLines,
  readGuest,
  type SidecarDifferences,
} from './differences.ts';
import { type NamedSidecar, readNamed } from './named-sidecar.ts';
import type { CommandContext, Output } from './output.ts';
import {
  build,
  describeInputs,
  installedParts,
  limitOf,
  type PackCommandOptions,
  parseOptions,
  preflight,
} from './pack-command.ts';
import { SIGNS } from './style.ts';

/** Not 65, because nothing is damaged: this checkout, its engine or a tool is another one. */
const NOT_REPRODUCED = 78;

/** How a sidecar was packed, as far as it or its record says. */
interface Recipe {
  readonly name: string;
  readonly packer: Packer;
  readonly platform: GuestPlatform;
  readonly target: string | undefined;
  readonly cpus: number | undefined;
  readonly memMib: number | undefined;
  readonly smolvmVersion: string | undefined;
  /** The version of the smolvm whose agent it has; `any` where that is not known. */
  readonly parts: string | undefined;
  readonly latestSeconds: number | undefined;
  readonly createdSeconds: number | undefined;
  readonly inputs: PackRecord['inputs'];
  readonly sha256: string;
}

/** `claude-bottle pack --reproduce`: packs this checkout as a sidecar was packed, and says what differs. */
export async function runReproduce(
  name: string,
  options: PackCommandOptions,
  { output, signal }: CommandContext,
): Promise<number> {
  const { onProgress } = output;
  const parsed = await parseOptions(options);
  const store = await Store.open(storeDir(options.store), onProgress);
  const original = await readNamed(name, store, { signal });
  const recipe = recipeOf(name, original);
  warnOfOtherTools(original.record, recipe, warningsTo(onProgress));
  const pack = await preparePacker(recipe, parsed.hop, options, output);
  await sweepStore(store);
  await sweepKilledRuns(signal, onProgress);

  const { target = recipe.target } = options;
  const building = { ...options, ...(target !== undefined && { target }), platform: recipe.platform };
  const inputs = await describeInputs(building, recipe.platform, output, signal);
  warnOfOtherInputs(inputs, recipe, warningsTo(onProgress));
  setSourceDateEpoch(recipe);
  const image = options.build
    ? await build(parsed.name, building, output, signal)
    : await inspectImage(parsed.name, signal);
  guestPlatformOf(image, recipe.platform, options.build);

  return await store.withTemp(async (outDir) => {
    const packed = await pack({
      ...recipe,
      image,
      latestSeconds: latestSeconds(recipe, image),
      outDir,
      signal,
      onProgress,
    });
    const { sha256, path } = packed.report;
    const result = {
      packer: recipe.packer,
      platform: recipe.platform,
      imageId: image.id,
      expectedSha256: recipe.sha256,
      sha256,
    };
    if (sha256 === recipe.sha256) {
      const record = { ...packed.record, ...(inputs && { inputs }) };
      await installPacked(store, image.id, path, record, { signal });
      output.result({ status: 'same', ...result }, [
        output.digest(`${SIGNS.ok} the same bytes: sha256 ${sha256}`),
      ]);
      return 0;
    }
    const differences = original.report && (await compare(name, store, path, signal));
    output.result(
      { status: 'different', ...result, ...(differences && { differences }) },
      linesOf(recipe, packed, differences, output.digest),
    );
    return NOT_REPRODUCED;
  });
}

function recipeOf(name: string, { record, report }: NamedSidecar): Recipe {
  const manifest = report?.manifest;
  const created = Date.parse(manifest?.created ?? '') / 1000;
  const known = {
    name,
    createdSeconds: created >= 0 ? Math.floor(created) : undefined,
    sha256: report?.sha256 ?? record?.sidecar.sha256 ?? '',
  };
  if (record !== undefined) {
    return {
      ...known,
      packer: record.packer ?? 'smolvm',
      platform: record.platform,
      target: record.inputs?.target,
      cpus: record.smolvm.cpus,
      memMib: record.smolvm.memMib,
      smolvmVersion: record.smolvm.version,
      parts: record.format?.parts,
      latestSeconds: record.format?.latestSeconds,
      inputs: record.inputs,
    };
  }
  return {
    ...known,
    // smolvm always names the libraries of its release, and we have none to name.
    packer: manifest?.assets.libraries.length === 0 ? 'direct' : 'smolvm',
    platform: parseGuestPlatform(manifest?.platform ?? ''),
    target: undefined,
    cpus: manifest?.cpus,
    memMib: manifest?.mem,
    smolvmVersion: manifest?.smolvm_version,
    parts: manifest?.assets.agent_rootfs.size === 0 ? undefined : 'any',
    latestSeconds: undefined,
    inputs: undefined,
  };
}

function warnOfOtherTools(
  record: PackRecord | undefined,
  { name }: Recipe,
  onWarning: (message: string) => void,
): void {
  const { version = FORMAT_VERSION, zstd = ZSTD_VERSION } = record?.format ?? {};
  if (version !== FORMAT_VERSION || zstd !== ZSTD_VERSION) {
    onWarning(
      `${name} has format ${version} by zstd ${zstd}, and this is format ${FORMAT_VERSION} by zstd ${ZSTD_VERSION}: the same files may give other bytes`,
    );
  }
}

function warnOfOtherInputs(
  inputs: InputsRecord | undefined,
  { name, inputs: expected }: Recipe,
  onWarning: (message: string) => void,
): void {
  if (inputs === undefined || expected === undefined || inputs.key === expected.key) {
    return;
  }
  const others = [
    ...(inputs.dockerfileSha256 === expected.dockerfileSha256 ? [] : ['another Dockerfile']),
    ...(inputs.target === expected.target ? [] : ['another target (--target)']),
    ...(inputs.buildArgsSha256 === expected.buildArgsSha256
      ? []
      : ['other build arguments, which the record does not name (--build-arg)']),
    ...(inputs.entriesSha256 === expected.entriesSha256 ? [] : ['other files']),
  ];
  onWarning(`this checkout is not the one of ${name}: it has ${others.join(', ') || 'another inputs key'}`);
}

async function preparePacker(
  recipe: Recipe,
  hop: Hop,
  options: PackCommandOptions,
  { onProgress }: Output,
): Promise<(subject: PackSubject) => Promise<PackedSidecar>> {
  const { name, packer, parts: wanted, smolvmVersion } = recipe;
  if (packer === 'direct') {
    const parts = wanted === undefined ? undefined : await installedParts();
    if (wanted !== undefined && (parts === undefined || ![parts.version, 'any'].includes(wanted))) {
      throw otherSmolvm(name, `the agent of smolvm ${wanted}`, parts?.version);
    }
    return (subject) => packDirect({ ...subject, parts });
  }
  const smolvm = await preflight(options.kvmCheck, warningsTo(onProgress));
  if (smolvmVersion !== undefined && smolvm.version !== smolvmVersion) {
    throw otherSmolvm(name, `been packed by smolvm ${smolvmVersion}`, smolvm.version);
  }
  return (subject) => packImage({ ...subject, hop, smolvm, timeoutMs: limitOf(options) });
}

function otherSmolvm(name: string, has: string, found: string | undefined): BottleError {
  return new BottleError(
    'smolvm-unsupported',
    `${name} has ${has}, and here is ${found === undefined ? 'none with an agent' : `smolvm ${found}`}`,
    { hint: 'put that version first on PATH' },
  );
}

/** For the build and for us: as it was set for the original, or not at all. */
function setSourceDateEpoch({ latestSeconds }: Recipe): void {
  if (latestSeconds === undefined) {
    delete process.env.SOURCE_DATE_EPOCH;
  } else {
    process.env.SOURCE_DATE_EPOCH = String(latestSeconds);
  }
}

/** An image that was built again is dated as the original was. */
function latestSeconds({ latestSeconds, createdSeconds }: Recipe, image: Image): number | undefined {
  const isNewer = createdSeconds !== undefined && imageSeconds(image) > createdSeconds;
  return latestSeconds ?? (isNewer ? createdSeconds : undefined);
}

async function compare(
  name: string,
  store: Store,
  path: string,
  signal: AbortSignal,
): Promise<SidecarDifferences | undefined> {
  const original = await readGuest({ signal }, (options) => readNamed(name, store, options));
  const verify = async (options: VerifyOptions) => ({ report: await verifySidecar(path, {}, options) });
  const packed = await readGuest({ signal }, verify, original.files);
  return original.report && compareSidecars({ ...original, report: original.report }, packed);
}

function linesOf(
  { name, packer, sha256 }: Recipe,
  { report }: PackedSidecar,
  differences: SidecarDifferences | undefined,
  digest: Output['digest'],
): string[] {
  const bytes = `sha256 ${digest(report.sha256)}, and ${name} has ${digest(sha256)}`;
  if (differences === undefined) {
    return [
      `${SIGNS.fail} other bytes: ${bytes}`,
      'which files differ cannot be said without the sidecar: put it beside its record',
    ];
  }
  const counts = countsOf(differences);
  const isAlike = counts === undefined && differences.settings.length === 0;
  return [
    `${SIGNS.fail} other bytes, ${counts ?? 'the same files'}: ${bytes}`,
    ...differenceLines(differences),
    ...(isAlike && packer === 'direct'
      ? ['what differs is the rest: the agent of smolvm, the labels of the image, or the compression']
      : []),
    ...(packer === 'smolvm'
      ? ['packer smolvm: a virtual machine writes the layer, so its files can be compared, and not its bytes']
      : []),
  ];
}
