import type { Image } from '../docker/image.ts';
import { endProcessesIn } from '../host/child.ts';
import { scratchParent, withPrivateDir } from '../host/private-dir.ts';
import type { ImageId } from '../identity/image-id.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { packDirect } from '../pack/direct.ts';
import { packImage, sourceDateEpoch } from '../pack/pack.ts';
import { runSmokeTest } from '../pack/smoke-test.ts';
import { warningsTo } from '../progress.ts';
import type { PackedSidecar } from '../sidecar/file.ts';
import { describeInputs, obtainImage } from './image.ts';
import type { ActionInputs } from './inputs.ts';
import { requireLinuxRunner } from './kvm.ts';
import { hasFile, type PackedPlatform } from './outputs.ts';
import {
  attest,
  type PublishPlan,
  type PublishServices,
  planPublication,
  publish,
  scanForSecrets,
} from './publish.ts';
import { keepResult } from './results.ts';
import {
  type CacheOptions,
  type CacheTrouble,
  hasSidecar,
  imageCacheKey,
  inputsCacheKey,
  machineSize,
  type PackSettings,
  restoreRecord,
  restoreSidecar,
  saveSidecar,
} from './runner-cache.ts';
import { type SmolvmSetup, setUpSmolvmOnce } from './smolvm.ts';
import { DEFAULT_SMOLVM_VERSION } from './smolvm-release.ts';
import { confirmEarlierUpload, requireUploadService, upload } from './upload.ts';

export interface RunServices extends PublishServices {
  /** Told of each platform that is done. */
  readonly onResult: (result: PackedPlatform) => Promise<void>;
}

/**
 * Packs for one platform after the other, and publishes all of them at the end. Whole sidecars stay on the runner,
 * whatever fails afterwards.
 */
export async function run(inputs: ActionInputs, services: RunServices): Promise<void> {
  requireLinuxRunner();
  const plan = await planPublication(inputs, services);
  const smolvm = setUpSmolvmOnce(inputs, services);
  const cacheTrouble: CacheTrouble = { entries: new Set(), service: undefined };
  const packed: PackedPlatform[] = [];
  for (const platform of inputs.platforms) {
    const result = await runFor(platform, { inputs, plan, services, smolvm, cacheTrouble });
    packed.push(result);
    await services.onResult(result);
  }
  if (plan !== undefined) {
    await publish(plan, packed.filter(hasFile), services);
  }
}

/** The part that all platforms share. */
interface Run {
  readonly inputs: ActionInputs;
  /** Undefined when nothing is published. */
  readonly plan: PublishPlan | undefined;
  readonly services: RunServices;
  readonly smolvm: SmolvmSetup;
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

/** A sidecar that the runner cache has; its file is here only when something wants it. */
interface Restored {
  readonly path: string | undefined;
  readonly record: PackRecord;
}

async function runFor(platform: GuestPlatform, run: Run): Promise<PackedPlatform> {
  const { inputs, services, smolvm } = run;
  const { job, log, signal } = services;
  const { cpus, memMib, smokeTest } = inputs;
  const settings = { platform, smolvm: await smolvm.identify(), cpus, memMib, smokeTest };
  return await withPrivateDir(
    workParent(job),
    async (dir) => {
      const cache = {
        dir,
        run: `${job.runId}-${job.runAttempt}`,
        signal,
        onWarning: warningsTo(log.onProgress),
        trouble: run.cacheTrouble,
      };
      const result = await packPlatform({ ...run, platform, settings, cache, cacheNotes: [] });
      return { ...result, stages: log.takeTimes() };
    },
    endProcessesIn,
  );
}

/** The cache toolkit hands paths to tar in one string, so a blank or a quotation mark in RUNNER_TEMP would break it. */
function workParent({ tempDir }: RunServices['job']): string {
  const isPlain = (path: string) => /^[\w./@+:,=-]+$/.test(path);
  return [tempDir, scratchParent()].find(isPlain) ?? '/var/tmp';
}

type Result = Omit<PackedPlatform, 'stages'>;

/**
 * Takes the sidecar from the runner cache by the inputs key, or builds; takes it by the image ID, or packs. What was
 * packed here is saved, signed and uploaded. A sidecar from the cache stays the work of the run that packed it.
 */
async function packPlatform(run: PlatformRun): Promise<Result> {
  const { inputs, platform, services, smolvm } = run;
  const buildInputs = await describeInputs(inputs.source, platform, services);
  const known = await takeByInputs(run, buildInputs?.key as InputsKey | undefined);
  if (known !== undefined) {
    return known;
  }
  await requireUploadService(inputs, services);
  await smolvm.prepare();
  const image = await obtainImage(inputs.source, platform, services);
  if (run.plan !== undefined) {
    await scanForSecrets(run.plan, image, services);
  }
  return (await takeByImage(run, image, buildInputs)) ?? (await packNow(run, image, buildInputs));
}

/** Moves no sidecar, unless the input `restore` asks for its file. */
async function takeByInputs(run: PlatformRun, key: InputsKey | undefined): Promise<Result | undefined> {
  const { settings, cache, services } = run;
  if (key === undefined) {
    return undefined;
  }
  const inputsEntry = inputsCacheKey(key, settings);
  const found = await look(run, 'these inputs', inputsEntry, async () => {
    const record = await restoreRecord(services.toolkit, key, settings, cache);
    if (record === undefined) {
      return undefined;
    }
    const sidecar = await takeSidecar(run, record.image.id as ImageId);
    if (sidecar === undefined) {
      // From now on these inputs lead to the sidecar that this run packs, or finds by the image.
      cache.trouble.entries.add(inputsEntry);
    }
    return sidecar && { path: sidecar.path, record: { ...record, ...sidecar.record, inputs: record.inputs } };
  });
  const judged =
    found?.path === undefined
      ? [inputsEntry]
      : [inputsEntry, imageCacheKey(found.record.image.id as ImageId, settings)];
  return found && (await takeRestored(run, found, 'inputs', judged));
}

/** By the image that the inputs have made: no more than the knowledge that it is there, unless its file is wanted. */
async function takeSidecar(
  { inputs, settings, cache, services: { toolkit } }: PlatformRun,
  id: ImageId,
): Promise<Partial<PackedSidecar> | undefined> {
  if (inputs.restore) {
    return await restoreSidecar(toolkit, { id }, settings, cache);
  }
  return (await hasSidecar(toolkit, id, settings, cache)) ? {} : undefined;
}

async function takeByImage(
  run: PlatformRun,
  image: Image,
  buildInputs: PackRecord['inputs'],
): Promise<Result | undefined> {
  const { settings, cache, services, cacheNotes } = run;
  const key = imageCacheKey(image.id, settings);
  const found = await look(run, 'this image', key, async () => {
    return await restoreSidecar(services.toolkit, image, settings, cache);
  });
  if (found === undefined) {
    return undefined;
  }
  // This run has seen that these inputs make this image; who packed it stays as it was.
  const restored = { ...found, record: { ...found.record, inputs: buildInputs } };
  const taken = await takeRestored(run, restored, 'image', [key]);
  if (taken !== undefined) {
    cacheNotes.push(await save(run, { ...restored, path: taken.path ?? found.path }));
  }
  return taken;
}

/**
 * Undefined when developers could not fetch it any more, so that it has to be packed again.
 * @param keys of the entries that it comes from, which are of no use then
 */
async function takeRestored(
  run: PlatformRun,
  { path, record }: Restored,
  cacheMatch: 'inputs' | 'image',
  keys: readonly string[],
): Promise<Result | undefined> {
  const { platform, services, cacheNotes, inputs, cache } = run;
  const name = fileName(inputs, platform, record);
  const upload = await confirmEarlierUpload(record, name, inputs, services);
  if (upload.kind === 'gone') {
    cacheNotes.push(`packed again, because ${upload.reason}`);
    for (const key of keys) {
      cache.trouble.entries.add(key);
    }
    return undefined;
  }
  const kept = await keepResult(services.job, name, path, record);
  const artifact = await upload.offer(kept.recordPath);
  const unsigned = { bundle: undefined, signer: undefined };
  return { platform, cacheMatch, cacheNotes, record, ...kept, ...unsigned, artifact };
}

async function packNow(run: PlatformRun, image: Image, buildInputs: PackRecord['inputs']): Promise<Result> {
  const { plan, inputs, platform, services, cacheNotes } = run;
  const packed = await pack(run, image);
  const record = { ...packed.record, inputs: buildInputs, source: services.job.source };
  const kept = await keepResult(services.job, fileName(inputs, platform, record), packed.path, record);
  const sidecar = { record, ...kept };
  cacheNotes.push(await save(run, sidecar));
  const signed = plan && (await attest(plan, sidecar, services));
  const artifact = await upload({ ...sidecar, bundle: signed?.bundle }, inputs, services);
  return {
    platform,
    cacheMatch: 'none',
    cacheNotes,
    ...sidecar,
    bundle: signed?.bundle,
    signer: signed?.signer,
    artifact,
  };
}

async function look<T extends Restored>(
  { services, cacheNotes }: PlatformRun,
  what: string,
  key: string,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { trust, log } = services;
  if (!trust.restore.allowed) {
    cacheNotes.push(`not used, because ${trust.restore.reason}`);
    return undefined;
  }
  log.onProgress({ type: 'start', stage: 'restore', detail: key });
  const found = await find();
  const note = `cache ${found ? 'hit' : 'miss'} for ${what}`;
  cacheNotes.push(note);
  const size = found?.path === undefined ? undefined : { sizeBytes: found.record.sidecar.sizeBytes };
  log.onProgress({ type: 'done', stage: 'restore', detail: note, ...size });
  return found;
}

async function pack(
  { inputs, services, smolvm, platform, cache }: PlatformRun,
  image: Image,
): Promise<PackedSidecar> {
  const { hop, cpus, memMib, timeoutMs, smokeTest } = inputs;
  const { signal } = services;
  const { onProgress } = services.log;
  const latestSeconds = sourceDateEpoch(process.env);
  const subject = { image, platform, cpus, memMib, latestSeconds, outDir: cache.dir, signal, onProgress };
  const prepared = await smolvm.prepare();
  if (prepared === undefined) {
    const { report, record } = await packDirect({ ...subject, parts: undefined });
    return { path: report.path, record };
  }
  const { report, record } = await packImage({ ...subject, hop, timeoutMs, smolvm: prepared });
  if (smokeTest !== undefined) {
    await runSmokeTest(report.path, smokeTest, { smolvm: prepared, timeoutMs, signal, onProgress });
  }
  return { path: report.path, record };
}

/**
 * Also the artifact's name: `fetch` finds it by the first two parts and the key. What else makes it another sidecar
 * follows, so that the jobs of a matrix do not use one name twice.
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

async function save({ services, settings, cache }: PlatformRun, sidecar: PackedSidecar): Promise<string> {
  const { trust, log, toolkit } = services;
  if (!trust.save.allowed) {
    const isSaid = !trust.restore.allowed && trust.restore.reason === trust.save.reason;
    return isSaid ? 'not saved' : `not saved, because ${trust.save.reason}`;
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
