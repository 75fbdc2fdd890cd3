import { BottleError, type ErrorCode } from '../errors.ts';
import type { ImageId } from '../identity/image-id.ts';
import { isSameRepository, type PackRecord } from '../identity/pack-record.ts';
import { type OnProgress, quarantinesTo, warningsTo } from '../progress.ts';
import type { HttpClient } from '../remote/http.ts';
import { stampOf } from '../store/files.ts';
import type { Store } from '../store/store.ts';
import type { Provenance } from '../trust/verify.ts';
import { type Demands, requireWanted } from './policy.ts';
import { receive } from './receive.ts';
import type { Offer, Source, Wanted } from './source.ts';
import type { Judged } from './trust.ts';

/** Failures of one source that leave the next one its chance. */
const PASSABLE: readonly ErrorCode[] = ['not-found', 'authentication', 'network-failed', 'try-later'];

export interface FindOptions {
  readonly wanted: Wanted;
  readonly demands: Demands;
  /** In the order in which they are asked. */
  readonly sources: readonly Source[];
  /** Says what differs between this checkout and what is published. */
  readonly explainMiss: (nearest: PackRecord | undefined) => Promise<readonly string[]>;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface FetchOptions extends FindOptions {
  readonly store: Store;
  /** Ask no source. */
  readonly offline: boolean;
  /** Only find out what would be fetched. */
  readonly dryRun: boolean;
  readonly http: HttpClient;
  /** Looks at a record before anything is downloaded: can this machine use the sidecar? */
  readonly requireUsable: (record: PackRecord) => Promise<void>;
  /** Who packed it. */
  readonly judge: (offer: Offer) => Promise<Judged>;
  /** Whether what is in the store is signed as the user demands. */
  readonly acceptsStored: (record: PackRecord) => Promise<boolean>;
}

export interface SkippedSource {
  readonly source: string;
  readonly reason: string;
}

export interface FoundOffer {
  readonly offer: Offer;
  readonly source: Source;
  readonly skipped: readonly SkippedSource[];
}

export interface FetchResult {
  /** `available` is what a dry run finds. */
  readonly status: 'hit' | 'fetched' | 'available';
  readonly record: PackRecord;
  /** In the store; undefined when it is only available. */
  readonly path: string | undefined;
  /** The state of that file when it had just been verified; undefined in a dry run. */
  readonly verified: string | undefined;
  /** "the store", or the source's name. */
  readonly source: string;
  readonly address: string | undefined;
  readonly skipped: readonly SkippedSource[];
  /** Who packed it, where that was proved just now. */
  readonly provenance: Provenance | undefined;
}

/** Store, else the first source that has it: record, policy, room, bytes, verification, installation. */
export async function fetchSidecar(options: FetchOptions): Promise<FetchResult> {
  const hit = await findInStore(options);
  if (hit !== undefined && (await options.acceptsStored(hit.record))) {
    const none = { address: undefined, skipped: [], provenance: undefined };
    return { status: 'hit', ...hit, source: 'the store', ...none };
  }
  if (options.offline) {
    throw new BottleError('not-found', `the store has no sidecar for the inputs key ${options.wanted.key}`, {
      hint: 'leave out --offline to ask the sources, or pack your own: claude-bottle pack',
    });
  }
  const { offer, source, skipped } = await findOffer(options);
  await options.requireUsable(offer.record);
  const judged = await options.judge(offer);
  const found = {
    record: offer.record,
    source: source.name,
    address: offer.address,
    skipped,
    provenance: judged.verified?.provenance,
  };
  if (options.dryRun) {
    return { status: 'available', path: undefined, verified: undefined, ...found };
  }
  const obtained = await obtain(offer, judged.verified?.bundle, options);
  await judged.remember();
  return { ...found, ...obtained };
}

interface InStore {
  readonly record: PackRecord;
  readonly path: string;
  readonly verified: string | undefined;
}

/**
 * Reads it from end to end: that a file is there says nothing. What is damaged gives way to the next one. A dry run only
 * looks: what it found damaged would have to be moved.
 */
async function findInStore(options: FetchOptions): Promise<InStore | undefined> {
  const { store, wanted, demands, signal, onProgress } = options;
  const { key, platform } = wanted;
  for (;;) {
    const kept = await store.findByKey(key, platform, (record) => satisfies(record, wanted, demands));
    if (kept === undefined) {
      return undefined;
    }
    const { record, path, sha256, sizeBytes } = kept;
    if (options.dryRun) {
      return { record, path, verified: undefined };
    }
    onProgress({ type: 'start', stage: 'store' });
    const verified = await stampOf(path);
    const found = await store.verifyKept(kept, {
      platform,
      signal,
      onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'store', doneBytes, totalBytes: sizeBytes }),
      onQuarantine: quarantinesTo(onProgress),
    });
    if (found !== undefined) {
      await store.touch(sha256);
      onProgress({ type: 'done', stage: 'store', sizeBytes, detail: 'verified, nothing to download' });
      return { record, path, verified };
    }
  }
}

/** What of another repository has the same key was packed by somebody else. */
function satisfies(
  { sidecar, source }: PackRecord,
  { repository }: Wanted,
  { sha256, commit }: Demands,
): boolean {
  return (
    (sha256 === undefined || sha256 === sidecar.sha256) &&
    (commit === undefined || commit === source?.commit) &&
    (repository === undefined || source === undefined || isSameRepository(source.repository, repository))
  );
}

/** @throws BottleError that says why each source has nothing, and what differs from the nearest published record */
export async function findOffer(options: FindOptions): Promise<FoundOffer> {
  const { wanted, demands, sources, onProgress } = options;
  const skipped: SkippedSource[] = [];
  const failures: BottleError[] = [];
  const answered: Source[] = [];
  for (const source of sources) {
    onProgress({ type: 'start', stage: 'find', detail: source.name });
    try {
      const found = await source.find(wanted);
      answered.push(source);
      if (!('skipped' in found)) {
        requireWanted(found, wanted, demands);
        const { sizeBytes } = found.record.sidecar;
        onProgress({ type: 'done', stage: 'find', sizeBytes, detail: source.name });
        return { offer: found, source, skipped };
      }
      skipped.push({ source: source.name, reason: found.skipped });
    } catch (error) {
      if (!(error instanceof BottleError) || !PASSABLE.includes(error.code)) {
        throw error;
      }
      failures.push(error);
      skipped.push({ source: source.name, reason: error.message });
    }
  }
  const explanation = await options.explainMiss(await nearestRecord({ ...options, sources: answered }));
  throw missError(wanted, skipped, failures, explanation);
}

async function nearestRecord({ sources, wanted, signal }: FindOptions): Promise<PackRecord | undefined> {
  for (const source of sources) {
    const record = await source.nearest?.(wanted).catch(() => undefined);
    signal.throwIfAborted();
    if (record !== undefined) {
      return record;
    }
  }
  return undefined;
}

/** A source that could not be asked may have it, so its failure decides the exit code. */
function missError(
  { platform, key }: Wanted,
  skipped: readonly SkippedSource[],
  failures: readonly BottleError[],
  explanation: readonly string[],
): BottleError {
  const failure = (['try-later', 'network-failed', 'authentication'] as const)
    .map((code) => failures.find((each) => each.code === code))
    .find((each) => each !== undefined);
  return new BottleError(
    failure?.code ?? 'not-found',
    `no sidecar for ${platform} and the inputs key ${key}`,
    {
      hint: failure?.hint ?? 'wait for CI to publish this commit, or pack your own: claude-bottle pack',
      details: [...skipped.map(({ source, reason }) => `${source}: ${reason}`), ...explanation],
      cause: failure,
    },
  );
}

/** One process downloads; whoever waited for it finds what it has installed. */
async function obtain(
  offer: Offer,
  bundle: Buffer | undefined,
  options: FetchOptions,
): Promise<InStore & { readonly status: 'hit' | 'fetched' }> {
  const { store, signal, onProgress } = options;
  const { record } = offer;
  const { sha256, sizeBytes } = record.sidecar;
  return await store.withDownload(sha256, { signal, onWait: warningsTo(onProgress) }, async (dir) => {
    const exactly = { ...options.demands, sha256 };
    const arrived = await findInStore({ ...options, demands: exactly });
    if (arrived !== undefined) {
      if (bundle !== undefined) {
        await store.keepBundle(sha256, bundle, signal);
      }
      return { status: 'hit', ...arrived };
    }
    const old = await store.requireReplaceable(record, {
      signal,
      onQuarantine: quarantinesTo(onProgress),
    });
    const received = await receive(offer, { ...options, dir, bases: [] });
    signal.throwIfAborted();
    onProgress({ type: 'start', stage: 'install' });
    const imageId = record.image.id as ImageId;
    const installed = await store.install(imageId, received, record, { bundle, signal });
    await store.touch(sha256);
    if (old !== undefined) {
      warningsTo(onProgress)(
        `until now ${old.path} was another sidecar of the same image, with the SHA-256 ${old.report.sha256}`,
      );
    }
    onProgress({ type: 'done', stage: 'install', sizeBytes, detail: `verified, sha256 ${sha256}` });
    return { status: 'fetched', record, ...installed };
  });
}
