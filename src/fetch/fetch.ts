import { BottleError, type ErrorCode } from '../errors.ts';
import { type Origin, originOfCheckout, UNKNOWN } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { describeRef, describeSigner } from '../identity/signer.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import { expectedOf } from '../sidecar/file.ts';
import { installSidecar, type NewInstallation } from '../store/install.ts';
import { objectPath } from '../store/location.ts';
import {
  contentsOf,
  findHits,
  findUnknown,
  hasBytes,
  readBundle,
  type StoredSidecar,
  verifyStored,
} from '../store/read.ts';
import type { Store } from '../store/store.ts';
import { touchUsed } from '../store/used.ts';
import { type Evidence, judge, rememberSigner, type TrustOptions, type Verified } from '../trust/judge.ts';
import type { Provenance } from '../trust/verify.ts';
import type { Explanation } from './explain-miss.ts';
import { keyLine, type Miss, missError, PACK_HINT } from './miss.ts';
import { confirmOtherName } from './other-name.ts';
import { type Demands, requireWanted } from './policy.ts';
import { receive } from './receive.ts';
import type { Offer, Source, SourceTools, Wanted } from './source.ts';

/** Failures of one source that leave the next one its chance. */
const PASSABLE: readonly ErrorCode[] = ['not-found', 'authentication', 'network-failed', 'try-later'];

export interface FindOptions {
  readonly wanted: Wanted;
  readonly demands: Demands;
  /** In the order in which they are asked. */
  readonly sources: readonly Source[];
  readonly tools: SourceTools;
  /** Says what differs between this checkout and what is published. */
  readonly explainMiss: (nearest: PackRecord | undefined) => Promise<Explanation>;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface FetchOptions extends FindOptions {
  readonly store: Store;
  readonly trust: TrustOptions;
  /** Ask no source. */
  readonly offline: boolean;
  /** Only find out what would be fetched. */
  readonly dryRun: boolean;
  /** Looks at a record before anything is downloaded: can this machine use the sidecar? */
  readonly requireUsable: (record: PackRecord) => Promise<void>;
  /** Something is going to be downloaded: time for what can be done beside it. */
  readonly onDownload: () => void;
}

export interface SkippedSource {
  readonly source: string;
  readonly reason: string;
}

export interface FoundOffer {
  readonly offer: Offer;
  readonly source: Source;
  /** What `judge` is asked about it. */
  readonly evidence: Evidence;
  readonly skipped: readonly SkippedSource[];
}

/** The source of what was there already. */
export const STORE = 'the store';

export interface FetchResult {
  /** `available` is what a dry run finds. */
  readonly status: 'hit' | 'fetched' | 'available';
  readonly record: PackRecord;
  /** In the store; undefined when it is only available. */
  readonly stored: StoredSidecar | undefined;
  /** `STORE`, or the source's name. */
  readonly source: string;
  readonly address: string | undefined;
  readonly skipped: readonly SkippedSource[];
  /** Who packed it, where that was proved just now. */
  readonly provenance: Provenance | undefined;
}

/**
 * 1. The store has one of the checkout's own origin, or one that was packed here.
 * 2. Else the first source that has one: its record is compared with what is wanted and can be used here.
 * 3. Its origin is judged by its signature.
 * 4. Its bytes are downloaded, as far as the store does not have them, and verified.
 * 5. It is installed with its origin, and the store remembers that this origin signs.
 * It has no name then; `bindSidecar` gives it one.
 */
export async function fetchSidecar(options: FetchOptions): Promise<FetchResult> {
  const { store, wanted } = options;
  const hit = (await findInStore(options)) ?? (await adoptSigned(options));
  if (hit !== undefined) {
    const none = { address: undefined, skipped: [], provenance: undefined };
    return { status: 'hit', record: hit.record, stored: hit, source: STORE, ...none };
  }
  if (options.offline) {
    throw new BottleError(
      'not-found',
      'the store has no sidecar for this checkout, and --offline asks nobody else',
      {
        hint: ['claude-bottle fetch  # without --offline', PACK_HINT],
        details: [keyLine(wanted)],
      },
    );
  }
  const { offer, source, evidence, skipped } = await findOffer(options);
  const { record, address } = offer;
  await options.requireUsable(record);
  const verified = await judge(evidence, originOf(wanted), options.trust, store.layout);
  if (offer.hasRecord === false) {
    warningsTo(options.onProgress)(
      `${address} was pushed without a pack record and is not signed: only its own checksums are verified`,
    );
  } else {
    saySigner(verified, options);
  }
  const found = { record, source: source.name, address, skipped, provenance: verified?.provenance };
  if (options.dryRun) {
    return { status: 'available', stored: undefined, ...found };
  }
  const obtained = await obtain(offer, verified, options);
  if (verified !== undefined) {
    await rememberSigner(store.layout, originOf(wanted), evidence, verified);
  }
  return { ...found, ...obtained };
}

function saySigner(verified: Verified | undefined, { trust, onProgress }: FetchOptions): void {
  if (verified !== undefined) {
    const { signer, ref } = verified.provenance;
    const detail = `by ${describeSigner(signer)}, run for ${describeRef(ref)}`;
    onProgress({ type: 'done', stage: 'sign', detail });
  } else if (trust.provenance === 'auto') {
    onProgress({ type: 'note', message: 'Not signed: nothing proves which workflow packed it.' });
  }
}

function originOf({ serverUrl, repository }: Wanted): Origin {
  return originOfCheckout(serverUrl, repository);
}

/**
 * Reads it from end to end: that a file is there says nothing. A damaged one is skipped for the next. A dry run only
 * looks: what it found damaged would have to be moved.
 */
async function findInStore(options: FetchOptions): Promise<StoredSidecar | undefined> {
  const { store, wanted, demands, trust } = options;
  const allowed = { origin: originOf(wanted), unsigned: trust.provenance === 'off' };
  for (const stored of await findHits(store, wanted, allowed)) {
    if (satisfies(stored, demands) && (await isSignedAsAsked(stored, options))) {
      if (options.dryRun || (await isGood(stored, options))) {
        return stored;
      }
    }
  }
  return undefined;
}

async function isGood(stored: StoredSidecar, { store, signal, onProgress }: FetchOptions): Promise<boolean> {
  const { sha256, sizeBytes } = stored;
  onProgress({ type: 'start', stage: 'store' });
  const report = await verifyStored(store, stored, {
    signal,
    onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'store', doneBytes, totalBytes: sizeBytes }),
  });
  if (report === undefined) {
    onProgress({ type: 'done', stage: 'store', isSilent: true });
    return false;
  }
  await touchUsed(store, sha256);
  onProgress({ type: 'done', stage: 'store', sizeBytes, detail: 'in the store, nothing to download' });
  return true;
}

/** Only `required` asks for a signature of what is in the store: it may have come before the repository signed. */
async function isSignedAsAsked(stored: StoredSidecar, options: FetchOptions): Promise<boolean> {
  const { store, wanted, trust } = options;
  if (trust.provenance !== 'required') {
    return true;
  }
  const bundle = stored.signer && (await readBundle(store, stored.sha256, stored.origin));
  if (!bundle) {
    return false;
  }
  const evidence = { record: stored.record, bundles: async () => [bundle] };
  await judge(evidence, originOf(wanted), { ...trust, allowOlder: true }, store.layout);
  return true;
}

/** A sidecar of unknown origin that is signed says itself whose it is. */
async function adoptSigned(options: FetchOptions): Promise<StoredSidecar | undefined> {
  const { store, wanted, demands, trust, signal } = options;
  if (trust.provenance === 'off' || options.dryRun) {
    return undefined;
  }
  for (const stored of await findUnknown(store, wanted)) {
    const { record, sha256 } = stored;
    const bundle = await readBundle(store, sha256, UNKNOWN);
    if (satisfies(stored, demands) && bundle !== undefined) {
      const evidence = { record, bundles: async () => [bundle] };
      const verified = await judge(evidence, originOf(wanted), trust, store.layout).catch(orUndefined);
      if (verified !== undefined && (await isGood(stored, options))) {
        const origin = provenOrigin(originOf(wanted), verified);
        const signer = verified.provenance.signer;
        const adopted = await installSidecar(
          store,
          undefined,
          { origin, record, signer, bundle },
          { signal },
        );
        await rememberSigner(store.layout, origin, evidence, verified);
        return adopted;
      }
    }
  }
  return undefined;
}

function orUndefined(error: unknown): undefined {
  if (!(error instanceof BottleError)) {
    throw error;
  }
}

function provenOrigin(origin: Origin, verified: Verified | undefined): Origin {
  return origin.kind === 'repository' && verified !== undefined
    ? { ...origin, repositoryId: verified.provenance.repositoryId }
    : origin;
}

function satisfies({ record: { sidecar, source } }: StoredSidecar, { sha256, commit }: Demands): boolean {
  return (
    (sha256 === undefined || sha256 === sidecar.sha256) && (commit === undefined || commit === source?.commit)
  );
}

/** @throws BottleError that says why each source has nothing, and what differs from the nearest published record */
export async function findOffer(options: FindOptions): Promise<FoundOffer> {
  const { wanted, demands, sources, tools, onProgress } = options;
  const misses: Miss[] = [];
  const answered: Source[] = [];
  let refused: PackRecord | undefined;
  for (const source of sources) {
    onProgress({ type: 'start', stage: 'find', detail: source.name });
    try {
      const found = await source.find(wanted);
      answered.push(source);
      if (!('skipped' in found)) {
        refused ??= found.record.platform === wanted.platform ? found.record : undefined;
        const otherName = await confirmOtherName(found.record, wanted, tools);
        requireWanted(found, wanted, demands, otherName);
        onProgress({ type: 'done', stage: 'find', ...describeOffer(found, source) });
        const { record, bundles } = found;
        const skipped = misses.map(({ source: name, reason }) => ({ source: name, reason }));
        return { offer: found, source, evidence: { record, bundles, otherName }, skipped };
      }
      misses.push({ source: source.name, reason: found.skipped, hint: found.hint });
    } catch (error) {
      if (!(error instanceof BottleError) || !PASSABLE.includes(error.code)) {
        throw error;
      }
      misses.push({ source: source.name, reason: error.message, hint: error.hints[0], failure: error });
    }
  }
  const nearest = refused ?? (await nearestRecord({ ...options, sources: answered }));
  throw missError(wanted, misses, await options.explainMiss(nearest));
}

function describeOffer({ address, record }: Offer, { name }: Source) {
  const [, place = name] = /^oci:(.*?)(?:@sha256:|$)/.exec(address) ?? [];
  const commit = record.source === undefined ? '' : `, commit ${record.source.commit}`;
  return { detail: `${place}${commit}`, sizeBytes: record.sidecar.sizeBytes };
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

/** One process downloads; another that waited for it finds the bytes in the store. */
async function obtain(
  offer: Offer,
  verified: Verified | undefined,
  options: FetchOptions,
): Promise<{ readonly status: 'hit' | 'fetched'; readonly stored: StoredSidecar }> {
  const { store, signal, onProgress } = options;
  const { record, address } = offer;
  const { sha256, sizeBytes } = record.sidecar;
  const installation = {
    origin: provenOrigin(originOf(options.wanted), verified),
    record,
    signer: verified?.provenance.signer,
    bundle: verified?.bundle,
    address,
  };
  return await store.withDownload(sha256, { signal, onWait: warningsTo(onProgress) }, async (dir) => {
    const isThere = await hasBytes(store, sha256, { signal });
    if (isThere) {
      await store.verify(objectPath(store.layout, sha256), expectedOf(record), { signal });
    }
    if (!isThere) {
      options.onDownload();
    }
    const bases = isThere ? [] : await basesFor(store, installation);
    const { http } = options.tools;
    const received = isThere ? undefined : await receive(offer, { signal, http, onProgress, dir, bases });
    signal.throwIfAborted();
    onProgress({ type: 'start', stage: 'install' });
    const stored = await installSidecar(store, received, installation, { signal });
    await touchUsed(store, sha256);
    onProgress({ type: 'done', stage: 'install', sizeBytes, detail: `sha256 ${sha256}` });
    return { status: isThere ? 'hit' : 'fetched', stored };
  });
}

/** What a download can copy frames from. */
async function basesFor(store: Store, { origin, record }: NewInstallation): Promise<string[]> {
  return (await contentsOf(store, origin, record.platform)).map(({ path }) => path);
}
