import { stat } from 'node:fs/promises';
import { BottleError, isDamage } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { type Digest, type Id16, id16 } from '../identity/image-id.ts';
import { describeOrigin, HERE, isSameOrigin, type Origin } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { describeSigner } from '../identity/signer.ts';
import { checkFrames } from '../sidecar/check-frames.ts';
import { readBundle as readBundleBeside, verifyFile } from '../sidecar/file.ts';
import type { SidecarReport, VerifyOptions } from '../sidecar/report.ts';
import { knowsSigner } from '../store/by-key.ts';
import { storeDir } from '../store/location.ts';
import { removeName } from '../store/name.ts';
import { type NamedSidecar, readBundle, unnamedContents, verifyNamed, verifyUnnamed } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { judge, type TrustOptions } from '../trust/judge.ts';
import { readMemory } from '../trust/trust-memory.ts';
import type { Provenance } from '../trust/verify.ts';
import { checkoutOrigin } from './checkout-origin.ts';
import type { VerifyCommandOptions } from './flags/verify.ts';
import type { Output } from './output.ts';
import { findId } from './stored-id.ts';
import { SIGNS, shortHashes } from './style.ts';
import { trustOf } from './trust-options.ts';

interface Verdict {
  readonly path: string;
  /** The exit code for this file alone. */
  readonly exit: number;
  readonly sha256?: string;
  readonly sizeBytes?: number;
  readonly imageId?: string;
  /** Who a sidecar of the store came from. */
  readonly origin?: string;
  readonly members?: unknown;
  /** Who packed it, proved by the bundle that is beside it; null where there is none, and need not be. */
  readonly provenance?: Provenance | null;
  readonly error?: string;
  readonly quarantinedAs?: string;
  /** The sidecar stays in the store without its name, because its repository signs and this one is not signed. */
  readonly nameRemoved?: true;
}

/** A verdict with the name that the user knows: a path, an image ID, or the SHA-256 of a sidecar without a name. */
type Labeled = readonly [name: string, verdict: Verdict];

/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; ends as the first that is not good. */
export async function runVerify(
  fileOrId: string | undefined,
  options: VerifyCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { all, deep, store: dir } = options;
  if (fileOrId !== undefined && all !== undefined) {
    throw new BottleError('usage', `verify takes ${fileOrId} or --all, not both`, {
      hint: 'leave out --all to check one sidecar',
    });
  }
  const checksOf = (path: string) => checksWithProgress(path, { deep, signal }, output);
  const trust = { ...(await trustOf(options)), allowOlder: true };
  const store = await Store.open(storeDir(dir), output.onProgress);
  const judging = { store, trust, checks: { deep, signal } };
  const id = fileOrId === undefined ? undefined : await findId(store, fileOrId);
  if (fileOrId !== undefined && id === undefined) {
    const checks = await checksOf(fileOrId);
    const verdict = await verifyOutside(fileOrId, await checkoutOrigin(options), checks, judging);
    report(output, verdict, [[fileOrId, verdict]]);
    return 0;
  }
  const demanded = options.repo === undefined ? undefined : await checkoutOrigin(options);
  const verdicts: Labeled[] = [];
  for (const entry of id === undefined ? await store.list() : [id]) {
    const path = store.pathFor(entry);
    const checks = await checksOf(path);
    const verify = () => verifyNamed(store, entry, checks);
    verdicts.push([shortHashes(entry), await verifyInStore(path, verify, demanded, judging)]);
  }
  for (const { path, sha256 } of id === undefined ? await unnamedContents(store) : []) {
    const checks = await checksOf(path);
    const verify = () => verifyUnnamed(store, path, sha256, checks);
    verdicts.push([shortHashes(sha256), await verifyInStore(path, verify, demanded, judging)]);
  }
  const values = verdicts.map(([, verdict]) => verdict);
  report(output, id === undefined ? values : values[0], verdicts);
  return values.find(({ exit }) => exit !== 0)?.exit ?? 0;
}

async function checksWithProgress(
  path: string,
  options: VerifyOptions,
  { onProgress }: Output,
): Promise<VerifyOptions> {
  const totalBytes = (await stat(path).catch(() => undefined))?.size;
  const total = totalBytes === undefined ? {} : { totalBytes };
  onProgress({ type: 'start', stage: 'verify' });
  const onBytes = (doneBytes: number) => onProgress({ type: 'bytes', stage: 'verify', doneBytes, ...total });
  return { ...options, onBytes };
}

interface Judging {
  readonly store: Store;
  readonly trust: TrustOptions;
  readonly checks: Pick<VerifyOptions, 'deep' | 'signal'>;
}

/** A file counts as one of the checkout's repository, or of `--repo`: if that one signs, so must the file be signed. */
async function verifyOutside(
  file: string,
  origin: Origin,
  checks: VerifyOptions,
  { store, trust }: Judging,
): Promise<Verdict> {
  const { path, report, record } = await verifyFile(file, checks);
  const bundle = await readBundleBeside(file);
  const bundles = async () => (bundle === undefined ? [] : [bundle]);
  const verified = await judge({ record, bundles }, origin, trust, store.layout);
  return { ...verdictOf(path, report, record), provenance: verified?.provenance ?? null };
}

/** A sidecar of the store is judged by the origin that it was installed with, or by `--repo`. */
async function verifyInStore(
  path: string,
  verify: () => Promise<NamedSidecar>,
  demanded: Origin | undefined,
  judging: Judging,
): Promise<Verdict> {
  const { store } = judging;
  try {
    return await judgeStored(await verify(), demanded, judging);
  } catch (error) {
    if (isDamage(error)) {
      // It is damaged even where nothing can be moved.
      const quarantinedAs = await store.quarantine(path).catch(() => undefined);
      return { path, exit: 65, error: error.message, ...(quarantinedAs && { quarantinedAs }) };
    }
    if (error instanceof BottleError) {
      return { path, exit: error.exitCode, error: error.message };
    }
    throw error;
  }
}

async function judgeStored(
  { path, report, content, given }: NamedSidecar,
  demanded: Origin | undefined,
  { store, trust, checks }: Judging,
): Promise<Verdict> {
  const { layout } = store;
  const own = given?.origin ?? content?.installations[0]?.origin ?? HERE;
  const origin = demanded ?? own;
  const installation = content?.installations.find(({ origin: each }) => isSameOrigin(each, own));
  const verdict = {
    ...verdictOf(path, report, installation?.record),
    ...(given && { imageId: given.imageId }),
    origin: content === undefined ? 'packed by claude-bottle' : describeOrigin(own),
  };
  if (checks.deep) {
    const problem = await problemOfFrames(report, installation?.record, checks.signal);
    if (problem !== undefined) {
      return { ...verdict, exit: problem.exitCode, error: problem.message };
    }
  }
  if (trust.provenance === 'auto' && origin.kind !== 'repository') {
    return { ...verdict, provenance: null };
  }
  const bundle = await readBundle(store, report.sha256, own);
  const evidence = {
    record: installation?.record,
    bundles: async () => (bundle === undefined ? [] : [bundle]),
  };
  try {
    // It need not be of the checkout's repository, which has other branches.
    const isAsked = trust.provenance !== 'off' && origin.kind === 'repository';
    const known = isAsked ? await readMemory({ layout, origin }) : undefined;
    const branches = [...trust.branches, ...(known?.branches ?? [])];
    const verified = await judge(evidence, origin, { ...trust, branches }, layout);
    return { ...verdict, provenance: verified?.provenance ?? null };
  } catch (error) {
    if (!(error instanceof BottleError)) {
      throw error;
    }
    const isUnsigned = bundle === undefined && demanded === undefined && (await knowsSigner(layout, origin));
    const nameRemoved =
      isUnsigned && given !== undefined && (await tryRemoveName(store, id16(given.imageId as Digest)));
    return { ...verdict, exit: error.exitCode, error: error.message, ...(nameRemoved && { nameRemoved }) };
  }
}

/** The sidecar is what its SHA-256 says, so that it stays where it is. */
async function problemOfFrames(
  sidecar: SidecarReport,
  record: PackRecord | undefined,
  signal: AbortSignal | undefined,
): Promise<BottleError | undefined> {
  try {
    await checkFrames(sidecar, { record }, signal);
    return undefined;
  } catch (error) {
    if (isDamage(error)) {
      return error;
    }
    throw error;
  }
}

/** The verdict stands even where nothing can be changed. */
async function tryRemoveName(store: Store, id: Id16): Promise<true | undefined> {
  try {
    await removeName(store, id);
    return true;
  } catch (error) {
    if (error instanceof BottleError) {
      return undefined;
    }
    throw error;
  }
}

function verdictOf(
  path: string,
  { sha256, sizeBytes, members }: SidecarReport,
  record: PackRecord | undefined,
): Verdict {
  return {
    path,
    exit: 0,
    sha256,
    sizeBytes,
    ...(record && { imageId: record.image.id }),
    ...(members && { members }),
  };
}

function report(output: Output, value: unknown, verdicts: readonly Labeled[]): void {
  const bad = verdicts.filter(([, { exit }]) => exit !== 0).length;
  const sum = bad === 0 ? 'All are good.' : `${bad} of ${verdicts.length} are not good.`;
  output.result(value, [
    ...verdicts.map((each) => lineOf(each, output)),
    ...(verdicts.length === 0 ? ['the store has no sidecars'] : verdicts.length === 1 ? [] : [sum]),
  ]);
}

function lineOf([name, verdict]: Labeled, { digest }: Output): string {
  const { exit, sha256 = '', sizeBytes = 0, origin, provenance, error, quarantinedAs, nameRemoved } = verdict;
  if (exit === 0) {
    const signer = provenance ? `signed by ${describeSigner(provenance.signer)}` : 'not signed';
    const hash = `sha256 ${digest(sha256)}`;
    return [`${SIGNS.ok} ${name}`, formatBytes(sizeBytes), hash, signer, origin ?? []].flat().join('  ');
  }
  const consequence =
    quarantinedAs !== undefined
      ? `; moved to ${quarantinedAs}`
      : nameRemoved
        ? '; it has no name any more'
        : '';
  return `${SIGNS.fail} ${name}  ${error}${consequence}`;
}
