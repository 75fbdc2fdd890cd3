import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { type BindResult, bindSidecar, REPLACE_HINT } from '../fetch/bind.ts';
import { type Checkout, differencesFrom, explainMiss } from '../fetch/explain-miss.ts';
import { type FetchResult, fetchSidecar, STORE } from '../fetch/fetch.ts';
import { LOCK_FILE, readLockFile, requireLocked } from '../fetch/lock-file.ts';
import type { Demands } from '../fetch/policy.ts';
import { parseSourceAddress } from '../fetch/source.ts';
import { formatBytes } from '../host/disk.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import { originOfCheckout } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type GuestPlatform, hostGuestPlatform } from '../identity/platform.ts';
import { isOlder } from '../identity/version.ts';
import { findSmolvm, requireSupported } from '../pack/smolvm.ts';
import { warningsTo } from '../progress.ts';
import { isDefaultStore, storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import { sweepStore } from '../store/sweep.ts';
import { BuildBeside, explainUnlinked } from './build-beside.ts';
import { imageName, platformOf, readInputs, requireImageOfKey } from './build-options.ts';
import type { FetchOptions } from './flags/fetch.ts';
import type { Output } from './output.ts';
import { openSources } from './sources.ts';
import { trustOf } from './trust-options.ts';

export interface FetchCommandOptions extends FetchOptions {
  /** Further arguments for the docker build that binds. */
  readonly extraArgs?: readonly string[];
  /** The bound sidecar is started at once. */
  readonly isStarted?: boolean;
}

export interface FetchedAndBound {
  readonly platform: GuestPlatform;
  readonly key: InputsKey;
  readonly result: FetchResult;
  /** Undefined where nothing is bound: a dry run, `--no-bind`, another machine's platform. */
  readonly bound: BindResult | undefined;
}

/** `claude-bottle fetch`: the prebuilt sidecar of this checkout, verified, where claude-bottle looks for it. */
export async function runFetch(
  options: FetchCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { platform, key, result, bound } = await fetchAndBind(options, output, signal);
  await sayUnread(options.from, result, output);
  const { status, record, source, address, skipped, provenance } = result;
  const path = bound === undefined || bound.outcome === 'kept' ? result.stored?.path : bound.path;
  const isFound = bound !== undefined && (await isFile(bound.path));
  if (bound !== undefined && !isFound) {
    throw new BottleError('io', `${bound.path} was written, but has disappeared`, {
      hint: 'look for what cleans up that directory, and fetch again',
    });
  }
  const { sha256, sizeBytes } = record.sidecar;
  const isSeen = isDefaultStore(storeDir(options.store));
  output.result(
    {
      status,
      platform,
      key,
      source,
      address: address ?? null,
      skipped,
      sha256,
      sizeBytes,
      path: path ?? null,
      bound: bound ?? null,
      nextStart: isFound && isSeen ? 'hit' : 'unknown',
      provenance: provenance ?? null,
      record,
    },
    options.printPath ? [path ?? ''] : answerOf(result, bound, { isSeen, isDry: options.dryRun ?? false }),
    { isExact: options.printPath ?? false },
  );
  return 0;
}

/**
 * What it means for the user; the steps that led there are on standard error.
 * @param isSeen whether claude-bottle looks into this store
 */
function answerOf(
  result: FetchResult,
  bound: BindResult | undefined,
  { isSeen, isDry }: { isSeen: boolean; isDry: boolean },
): string[] {
  const { status, record, source, stored } = result;
  const size = formatBytes(record.sidecar.sizeBytes);
  if (status === 'available') {
    return [`Not downloaded yet: ${size} from ${source}.`];
  }
  const path = bound === undefined || bound.outcome === 'kept' ? stored?.path : bound.path;
  const paths = path === undefined ? [] : [path];
  if (isDry) {
    return [`Already in the store (${size}), nothing to download.`, ...paths];
  }
  if (bound === undefined) {
    return [`In the store (${size}), but not linked to an image: claude-bottle bind does that.`, ...paths];
  }
  if (bound.outcome === 'kept') {
    return [
      `In the store, but not linked: your image ${bound.id16} keeps its sidecar of ${bound.keptOrigin}.`,
      `try: ${REPLACE_HINT}`,
      ...paths,
    ];
  }
  return isSeen
    ? ['Ready: the next claude-bottle start uses this sidecar and packs nothing.', ...paths]
    : [
        'Linked, but claude-bottle does not look here, only in ~/.cache/claude-bottle/smolmachines.',
        ...paths,
      ];
}

/** What claude-bottle checks before it packs. */
async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Fetches the sidecar into the store and gives it the name that claude-bottle looks for. */
export async function fetchAndBind(
  options: FetchCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<FetchedAndBound> {
  const { onProgress } = output;
  const { context, offline = false, dryRun = false } = options;
  const onWarning = warningsTo(onProgress);
  const platform = platformOf(options);
  const image = imageName(options.image);
  requireImageOfKey(options.extraArgs);
  const demands = parseDemands(options);
  const inputs = await readInputs(options, platform, output, signal);
  const { key } = inputs.record;
  const locked = options.locked && requireLocked(await readLockFile(join(context, LOCK_FILE)), platform, key);
  const from = locked?.address ?? options.from;

  const store = await Store.open(storeDir(options.store), onProgress);
  if (!dryRun) {
    await sweepStore(store);
  }
  const { tools, sources, aboutRemotes, isSearch, forBuild } = await openSources(
    context,
    options,
    { address: from, isLocked: locked !== undefined },
    output,
    signal,
  );
  const wanted = forBuild({ key, platform });
  const trust = await trustOf(options);
  const build = { build: { ...options, image, buildArgs: options.buildArg }, platform, signal, onProgress };
  const isBound = options.bind && !dryRun && isForThisMachine(platform, output);
  const beside = isBound ? new BuildBeside(build) : undefined;
  try {
    const result = await fetchSidecar({
      store,
      wanted,
      demands: { ...demands, ...locked },
      sources,
      offline,
      dryRun,
      tools,
      trust,
      requireUsable: (record) => requireUsable(record, onWarning),
      onDownload: () => beside?.start(),
      explainMiss: (nearest) => explainMiss(nearest, inputs, { platform, context, isSearch, aboutRemotes }),
      signal,
      onProgress,
    });
    const { stored } = result;
    await warnOfOtherInputs(result.record, inputs, { platform, context }, onWarning);
    if (beside === undefined || stored === undefined) {
      return { platform, key, result, bound: undefined };
    }
    const origin = originOfCheckout(wanted.serverUrl, wanted.repository);
    const binding = bindSidecar({
      ...build,
      store,
      stored,
      inputs: inputs.record,
      origin,
      required: trust.provenance === 'required',
      isStarted: options.isStarted,
      prove: options.prove ?? false,
      image: beside.image,
    });
    return { platform, key, result, bound: await binding.catch(explainUnlinked) };
  } finally {
    tools.http.close();
    await beside?.end();
  }
}

/** A file that the user has named is not passed over without a word. */
async function sayUnread(from: string | undefined, { source }: FetchResult, output: Output): Promise<void> {
  const address = from === undefined ? undefined : parseSourceAddress(from);
  if (address?.kind !== 'file' || source !== STORE) {
    return;
  }
  if (!(await isFile(address.path))) {
    throw new BottleError('not-found', `there is no file ${address.path}`, { hint: 'check the path' });
  }
  output.note(`already in the store, so ${from} was not read`);
}

/** A sidecar that is only stored may be one of other inputs. */
async function warnOfOtherInputs(
  record: PackRecord,
  inputs: BuildInputs,
  checkout: Checkout,
  onWarning: (message: string) => void,
): Promise<void> {
  if (record.inputs !== undefined && record.inputs.key !== inputs.record.key) {
    const [first = 'another key', ...others] = await differencesFrom(record, inputs, checkout);
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    onWarning(`packed from other inputs than this checkout has: ${first}${more}`);
  }
}

/** @throws BottleError `usage` */
function parseDemands({ sha256, commit, bind, prove, locked, from }: FetchCommandOptions): Demands {
  requireHex('--sha256', sha256, /^[0-9a-f]{64}$/, 'the 64 hex digits of the sidecar');
  requireHex('--commit', commit, /^([0-9a-f]{40}|[0-9a-f]{64})$/, 'the full hash: git rev-parse HEAD');
  if (from !== undefined) {
    parseSourceAddress(from);
  }
  const conflict =
    locked && (from ?? sha256 ?? commit) !== undefined
      ? '--locked takes source, hash and commit from the lock file'
      : prove && !bind
        ? '--prove has no meaning with --no-bind'
        : undefined;
  if (conflict !== undefined) {
    throw new BottleError('usage', conflict, { hint: 'leave out one of the two' });
  }
  const knownSource = (from ?? locked) === undefined;
  return { sha256, commit, sameInputs: bind, knownSource, takesWithoutRecord: from !== undefined };
}

function requireHex(option: string, value: string | undefined, pattern: RegExp, hint: string): void {
  if (value !== undefined && !pattern.test(value)) {
    throw new BottleError('usage', `not a value for ${option}: ${JSON.stringify(value)}`, {
      hint: `use ${hint}`,
    });
  }
}

function isForThisMachine(platform: GuestPlatform, output: Output): boolean {
  const isOurs = platform === hostGuestPlatform();
  if (!isOurs) {
    output.note(`not bound: this machine builds and starts ${hostGuestPlatform()}, not ${platform}`);
  }
  return isOurs;
}

/** smolvm need not be here to fetch; if it is, it must be able to use what comes. */
async function requireUsable(record: PackRecord, onWarning: (message: string) => void): Promise<void> {
  const smolvm = await findSmolvm().catch(() => undefined);
  if (smolvm === undefined) {
    return;
  }
  requireSupported(smolvm);
  if (isOlder(smolvm.version, record.smolvm.version)) {
    onWarning(
      `packed with smolvm ${record.smolvm.version}, and ${smolvm.version} is installed: update it if a start fails`,
    );
  }
}
