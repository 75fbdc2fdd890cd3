import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { readBuildInputs } from '../context/build-inputs.ts';
import { buildImage } from '../docker/build.ts';
import { guestPlatformOf, type Image, inspectImage } from '../docker/image.ts';
import { fileError } from '../errors.ts';
import { onlyHereLines } from '../git/causes.ts';
import { endProcessesIn } from '../host/child.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import type { ImageId } from '../identity/image-id.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type GuestPlatform, hostGuestPlatform } from '../identity/platform.ts';
import { packImage, sweepKilledRuns } from '../pack/pack.ts';
import { findSmolvm, requireSupported, type Smolvm } from '../pack/smolvm.ts';
import { warningsTo } from '../progress.ts';
import { artifactExpiry, uploadWorkflowArtifact } from '../publish/workflow-artifact.ts';
import { formatRecord } from '../store/store.ts';
import type { ActionInputs, BuildSource } from './inputs.ts';
import type { Job } from './job.ts';
import { prepareKvm, requireLinuxRunner } from './kvm.ts';
import type { RunnerLog } from './log.ts';
import type { PackedPlatform, UploadedSidecar } from './outputs.ts';
import {
  attest,
  type PublishPlan,
  type PublishServices,
  planPublication,
  publish,
  scanForSecrets,
} from './publish.ts';
import {
  type CacheOptions,
  type CacheTrouble,
  imageCacheKey,
  inputsCacheKey,
  machineSize,
  type PackSettings,
  restoreRecord,
  restoreSidecar,
  saveSidecar,
} from './runner-cache.ts';
import { DEFAULT_SMOLVM_VERSION, fileSha256, installSmolvm, releaseSha256 } from './smolvm-release.ts';

/** Where programs for other architectures are registered with the kernel, as docker/setup-qemu-action does. */
const BINFMT_DIR = '/proc/sys/fs/binfmt_misc';

export interface RunServices extends PublishServices {
  /** Told of each platform that is done. */
  readonly onResult: (result: PackedPlatform) => Promise<void>;
}

/**
 * Packs for one platform after the other, and publishes all of them at the end. What is whole stays on the runner,
 * whatever fails afterwards.
 */
export async function run(inputs: ActionInputs, services: RunServices): Promise<void> {
  requireLinuxRunner();
  const plan = await planPublication(inputs, services);
  const resultsDir = await makeResultsDir(services.job);
  const tools = lazyTools(inputs, services);
  const cacheTrouble: CacheTrouble = { entries: new Set(), service: undefined };
  const packed: PackedPlatform[] = [];
  try {
    for (const platform of inputs.platforms) {
      const result = await runFor(platform, { inputs, plan, services, tools, resultsDir, cacheTrouble });
      packed.push(result);
      await services.onResult(result);
    }
    if (plan !== undefined) {
      await publish(plan, packed, services);
    }
  } finally {
    await fs.rmdir(resultsDir).catch(() => {});
  }
}

async function makeResultsDir({ tempDir }: Job): Promise<string> {
  try {
    return await fs.mkdtemp(join(tempDir, 'claude-bottle-pack-'));
  } catch (error) {
    throw fileError(`cannot make a directory in RUNNER_TEMP, ${tempDir}`, error);
  }
}

/** What is the same for every platform. */
interface Run {
  readonly inputs: ActionInputs;
  /** Undefined when nothing is published. */
  readonly plan: PublishPlan | undefined;
  readonly services: RunServices;
  readonly tools: Tools;
  readonly resultsDir: string;
  readonly cacheTrouble: CacheTrouble;
}

/** One platform's part of it. */
interface PlatformRun extends Run {
  readonly platform: GuestPlatform;
  readonly settings: PackSettings;
  readonly cache: CacheOptions;
  /** What the runner cache had and took, for the summary. */
  readonly cacheNotes: string[];
}

interface FoundSidecar {
  readonly path: string;
  readonly record: PackRecord;
}

async function runFor(platform: GuestPlatform, run: Run): Promise<PackedPlatform> {
  const { inputs, services, tools } = run;
  const { job, log, signal } = services;
  const { cpus, memMib } = inputs;
  const settings = { platform, smolvm: await tools.identifySmolvm(), cpus, memMib };
  return await withPrivateDir(
    job.tempDir,
    async (dir) => {
      const cache = { dir, signal, onWarning: warningsTo(log.onProgress), trouble: run.cacheTrouble };
      return await packPlatform({ ...run, platform, settings, cache, cacheNotes: [] });
    },
    endProcessesIn,
  );
}

/** Restores by the inputs key, or builds; restores by the image ID, or packs; saves; signs; uploads. */
async function packPlatform(run: PlatformRun): Promise<PackedPlatform> {
  const { plan, platform, services, cacheNotes } = run;
  const buildInputs = await describeInputs(run);
  const { cacheMatch, ...found } =
    (await restoreByInputs(run, buildInputs?.key)) ?? (await buildAndPack(run));

  const record = { ...found.record, inputs: buildInputs, source: services.job.source };
  const sidecar = await keep(run, found.path, record);
  if (cacheMatch !== 'inputs') {
    cacheNotes.push(await save(run, sidecar));
  }
  const signed = plan && (await attest(plan, sidecar, services));
  const artifact = await upload(run, sidecar, signed?.bundlePath);
  const recordPath = recordPathOf(sidecar);
  return {
    platform,
    cacheMatch,
    cacheNotes,
    ...sidecar,
    recordPath,
    bundlePath: signed?.bundlePath,
    signer: signed?.signer,
    artifact,
    stages: services.log.takeTimes(),
  };
}

type Match = Pick<PackedPlatform, 'cacheMatch'>;

async function restoreByInputs(
  run: PlatformRun,
  key: InputsKey | undefined,
): Promise<(FoundSidecar & Match) | undefined> {
  const { settings, cache, services } = run;
  if (key === undefined) {
    return undefined;
  }
  const sidecar = await restore(run, 'these inputs', inputsCacheKey(key, settings), async () => {
    const earlier = await restoreRecord(services.toolkit, key, settings, cache);
    return earlier && (await restoreSidecar(services.toolkit, earlier.image.id as ImageId, settings, cache));
  });
  return sidecar && { ...sidecar, cacheMatch: 'inputs' };
}

async function buildAndPack(run: PlatformRun): Promise<FoundSidecar & Match> {
  const { settings, cache, services } = run;
  const image = await obtainImage(run);
  if (run.plan !== undefined) {
    await scanForSecrets(run.plan, image, services);
  }
  const sidecar = await restore(run, 'this image', imageCacheKey(image.id, settings), async () => {
    return await restoreSidecar(services.toolkit, image.id, settings, cache);
  });
  return sidecar ? { ...sidecar, cacheMatch: 'image' } : { ...(await pack(run, image)), cacheMatch: 'none' };
}

async function restore(
  { services, cacheNotes }: PlatformRun,
  what: string,
  key: string,
  look: () => Promise<FoundSidecar | undefined>,
): Promise<FoundSidecar | undefined> {
  const { trust, log } = services;
  if (!trust.restore.allowed) {
    cacheNotes.push(`not asked for ${what}: ${trust.restore.reason}`);
    return undefined;
  }
  log.onProgress({ type: 'start', stage: 'restore', detail: key });
  const sidecar = await look();
  const note = `${sidecar ? 'has a' : 'no usable'} sidecar for ${what}`;
  cacheNotes.push(note);
  const size = sidecar && { sizeBytes: sidecar.record.sidecar.sizeBytes };
  log.onProgress({ type: 'done', stage: 'restore', detail: note, ...size });
  return sidecar;
}

async function pack(
  { inputs, services, tools, platform, cache }: PlatformRun,
  image: Image,
): Promise<FoundSidecar> {
  const { hop, cpus, memMib, timeoutMs } = inputs;
  const { report, record } = await packImage({
    hop,
    cpus,
    memMib,
    timeoutMs,
    image,
    platform,
    smolvm: await tools.smolvm(),
    outDir: cache.dir,
    signal: services.signal,
    onProgress: services.log.onProgress,
  });
  return { path: report.path, record };
}

/** Moves a whole, verified sidecar to where it stays until the job ends, with its pack record beside it. */
async function keep(
  { inputs, platform, resultsDir }: PlatformRun,
  path: string,
  record: PackRecord,
): Promise<FoundSidecar> {
  const sidecar = { path: join(resultsDir, fileName(inputs, platform, record)), record };
  try {
    await fs.writeFile(recordPathOf(sidecar), formatRecord(record));
    await fs.rename(path, sidecar.path);
  } catch (error) {
    throw fileError(`cannot write ${sidecar.path}`, error);
  }
  return sidecar;
}

/**
 * Also the artifact's name: found by the first two parts and the key; what else makes it another sidecar follows, so that
 * the jobs of a matrix do not meet in one name.
 */
function fileName(inputs: ActionInputs, platform: GuestPlatform, record: PackRecord): string {
  const { smolvm } = record;
  return [
    inputs.artifactName,
    platform.replace('/', '-'),
    (record.inputs?.key ?? record.image.id.replace('sha256:', '')).slice(0, 16),
    ...(smolvm.version === DEFAULT_SMOLVM_VERSION ? [] : [`smolvm-${smolvm.version}`]),
    ...machineSize(smolvm),
  ]
    .join('-')
    .concat('.smolmachine');
}

function recordPathOf({ path }: FoundSidecar): string {
  return `${path}.json`;
}

async function save(run: PlatformRun, sidecar: FoundSidecar): Promise<string> {
  const { services, settings, cache } = run;
  const { trust, log, toolkit } = services;
  if (!trust.save.allowed) {
    return `not saved: ${trust.save.reason}`;
  }
  log.onProgress({ type: 'start', stage: 'save' });
  const outcome = await saveSidecar(toolkit, sidecar, settings, cache);
  const note =
    outcome.kind === 'not-saved' ? `not saved: ${outcome.reason}` : outcome.kind.replaceAll('-', ' ');
  log.onProgress({ type: 'done', stage: 'save', detail: note });
  if (outcome.kind === 'not-saved' && cache.trouble.service === undefined) {
    log.notice('Runner cache', note);
  }
  return note;
}

/** What goes into the build, for the inputs key; undefined where nothing is built. */
async function describeInputs({ platform, inputs, services }: PlatformRun) {
  const { source } = inputs;
  if ('image' in source) {
    return undefined;
  }
  const { log, signal } = services;
  log.onProgress({ type: 'start', stage: 'inputs' });
  const buildInputs = await readBuildInputs({ ...source, platform, signal });
  const { record, entries, reasons } = buildInputs;
  for (const reason of reasons) {
    log.text(`the key covers the whole context: ${reason}`);
  }
  for (const line of await onlyHereLines({ ...source, ...buildInputs })) {
    log.notice('Inputs key', `only in this checkout, so that no other one finds the sidecar: ${line}`);
  }
  const what = record.narrowed ? 'files that the Dockerfile can see' : 'files in the context';
  log.onProgress({ type: 'done', stage: 'inputs', detail: `${record.key}, ${entries.length} ${what}` });
  return record;
}

async function obtainImage({ platform, inputs, services, tools }: PlatformRun): Promise<Image> {
  const { log, signal } = services;
  const { source } = inputs;
  await tools.smolvm();
  if ('image' in source) {
    const image = await inspectImage(source.image, signal);
    guestPlatformOf(image, platform, false);
    return image;
  }
  warnAboutSecrets(source, log);
  await warnAboutEmulation(platform, log);
  const name = `claude-bottle:${platform.replace('/', '-')}`;
  log.onProgress({ type: 'start', stage: 'build', detail: name });
  const image = await buildImage(
    {
      ...source,
      image: name,
      platform: platform === hostGuestPlatform() ? undefined : platform,
      ...secretArgs(source),
    },
    { signal, onLine: (line) => log.onProgress({ type: 'output', stage: 'build', line }) },
  );
  guestPlatformOf(image, platform, true);
  log.onProgress({ type: 'done', stage: 'build', detail: image.id });
  return image;
}

/** The values go by the environment: what stands in a command line every user of the machine can read. */
function secretArgs({ secrets }: BuildSource) {
  const variable = (index: number) => `CLAUDE_BOTTLE_PACK_SECRET_${index}`;
  return {
    secrets: secrets.map(({ id }, index) => `id=${id},env=${variable(index)}`),
    env: Object.fromEntries(secrets.map(({ value }, index) => [variable(index), value])),
  };
}

function warnAboutSecrets({ buildArgs }: BuildSource, log: RunnerLog): void {
  const names = buildArgs.map((buildArg) => buildArg.slice(0, buildArg.indexOf('=')));
  const suspects = names.filter((name) => /(TOKEN|SECRET|PASSW(OR)?D|CREDENTIALS?|_KEY)$/i.test(name));
  if (suspects.length > 0) {
    log.warning(
      'Secret in the image',
      `what build-args give to ${suspects.join(', ')} stays in the image for everyone who gets it: use secrets`,
    );
  }
}

/** No more than a warning: a Dockerfile that only copies, or cross-compiles, needs no emulation. */
async function warnAboutEmulation(platform: GuestPlatform, log: RunnerLog): Promise<void> {
  const handler = platform === 'linux/arm64' ? 'qemu-aarch64' : 'qemu-x86_64';
  if (platform === hostGuestPlatform() || (await isThere(join(BINFMT_DIR, handler)))) {
    return;
  }
  log.warning(
    'No emulation',
    `this runner cannot run programs for ${platform}: if the Dockerfile runs any, add docker/setup-qemu-action before this step`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await fs.access(path).then(
    () => true,
    () => false,
  );
}

async function upload(
  { inputs, services }: PlatformRun,
  sidecar: FoundSidecar,
  bundlePath: string | undefined,
): Promise<UploadedSidecar | undefined> {
  const { job, trust, log, toolkit, signal } = services;
  if (!inputs.upload) {
    return undefined;
  }
  if (!trust.upload.allowed) {
    log.notice('Not uploaded', `${trust.upload.reason}; the sidecar stays on this runner`);
    return undefined;
  }
  log.onProgress({ type: 'start', stage: 'upload', detail: sidecar.path });
  const { retentionDays, githubToken } = inputs;
  const replace = job.runAttempt > 1;
  const send = async (path: string, sha256: string) => {
    const upload = { path, sha256, retentionDays, replace };
    return await toolkit.call(() => uploadWorkflowArtifact(upload), { signal });
  };
  const { sha256, sizeBytes } = sidecar.record.sidecar;
  const { value: artifact, complaints } = await send(sidecar.path, sha256);
  // Such as a limit of the repository on retention-days.
  for (const complaint of complaints) {
    log.warning('Upload', complaint);
  }
  await send(recordPathOf(sidecar), hash('sha256', formatRecord(sidecar.record)));
  if (bundlePath !== undefined) {
    await send(bundlePath, await fileSha256(bundlePath));
  }
  const expiresAt =
    githubToken && (await artifactExpiry(artifact.id, { ...job, token: githubToken, signal }));
  log.onProgress({ type: 'done', stage: 'upload', detail: artifact.name, sizeBytes });
  return {
    ...artifact,
    url: `${job.serverUrl}/${job.repository}/actions/runs/${job.runId}/artifacts/${artifact.id}`,
    expiresAt,
  };
}

/** smolvm, set up when it is first needed: a hit by the inputs key needs neither it nor KVM nor Docker. */
interface Tools {
  identifySmolvm(): Promise<PackSettings['smolvm']>;
  /** Also sees to KVM, and clears away what killed runs have left. */
  smolvm(): Promise<Smolvm>;
}

function lazyTools({ smolvm, kvmCheck }: ActionInputs, { log, signal }: RunServices): Tools {
  const { onProgress } = log;
  const identify = async () =>
    'path' in smolvm
      ? { version: (await findSmolvm(smolvm.path)).version, sha256: await fileSha256(smolvm.path) }
      : { version: smolvm.version, sha256: releaseSha256(smolvm) };
  let identity: ReturnType<typeof identify> | undefined;
  let prepared: Promise<Smolvm> | undefined;
  const prepare = async () => {
    await sweepKilledRuns(signal, onProgress);
    if (kvmCheck) {
      await prepareKvm();
    } else {
      log.warning('KVM not checked', 'kvm-check is false: this is for a smolvm that starts no machine');
    }
    const path = 'path' in smolvm ? smolvm.path : await installSmolvm(smolvm, onProgress);
    const found = await findSmolvm(path);
    requireSupported(found, warningsTo(onProgress));
    return found;
  };
  return {
    identifySmolvm: async () => {
      identity ??= identify();
      return await identity;
    },
    smolvm: async () => {
      prepared ??= prepare();
      return await prepared;
    },
  };
}
