import { BottleError, isDamage } from '../errors.ts';
import type { TrustOptions } from '../fetch/trust.ts';
import { type GitRemote, originOf } from '../git/remote.ts';
import { formatBytes } from '../host/disk.ts';
import { parseId16 } from '../identity/image-id.ts';
import { githubSite } from '../remote/github.ts';
import { readBundle, verifyFile } from '../sidecar/file.ts';
import type { AssetsMember, VerifyOptions } from '../sidecar/report.ts';
import { storeDir } from '../store/location.ts';
import { Store, type StoredSidecar } from '../store/store.ts';
import { acceptedBranches, readMemory } from '../trust/trust-memory.ts';
import type { Provenance } from '../trust/verify.ts';
import type { VerifyCommandOptions } from './flags/verify.ts';
import type { Output } from './output.ts';
import { trustOf } from './trust-options.ts';

interface Verdict {
  readonly path: string;
  /** The exit code for this file alone. */
  readonly exit: number;
  readonly sha256?: string;
  readonly sizeBytes?: number;
  readonly imageId?: string;
  readonly members?: readonly AssetsMember[];
  /** Who packed it, proved by the bundle that is beside it; null where there is none, and need not be. */
  readonly provenance?: Provenance | null;
  readonly error?: string;
  readonly quarantinedAs?: string;
}

/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; ends as the first that is not good. */
export async function runVerify(
  fileOrId: string | undefined,
  options: VerifyCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { all, deep, store: dir } = options;
  if ((fileOrId === undefined) === (all === undefined)) {
    throw new BottleError('usage', 'verify takes either a file, an image ID, or --all', {
      hint: 'claude-bottle verify --all checks the whole store',
    });
  }
  const checks: VerifyOptions = {
    deep,
    signal,
    onBytes: (doneBytes) => output.onProgress({ type: 'bytes', stage: 'verify', doneBytes }),
  };
  const standard = await readStandard(options);
  const id = fileOrId === undefined ? undefined : parseId16(fileOrId);
  if (fileOrId !== undefined && id === undefined) {
    const stored = await verifyFile(fileOrId, checks);
    const bundle = await readBundle(fileOrId);
    const repository = options.repo ?? standard.origin?.repository;
    const verdict = await judged(stored, { bundle, repository }, standard);
    report(output, verdict, [verdict]);
    return 0;
  }
  const store = await Store.open(storeDir(dir));
  const verdicts: Verdict[] = [];
  for (const entry of id === undefined ? await store.list() : [id]) {
    verdicts.push(await verifyStored(store, store.pathFor(entry), checks, options.repo, standard));
  }
  report(output, all ? verdicts : verdicts[0], verdicts);
  return verdicts.find(({ exit }) => exit !== 0)?.exit ?? 0;
}

/** What is the same for all sidecars. */
interface Standard {
  readonly trust: TrustOptions;
  readonly origin: GitRemote | undefined;
  readonly serverUrl: string;
}

async function readStandard(options: VerifyCommandOptions): Promise<Standard> {
  const trust = await trustOf(options);
  const origin = await originOf(options.context);
  const { serverUrl } = await githubSite({
    serverUrl: options.githubUrl,
    remoteHost: origin?.host,
    env: process.env,
  });
  return { trust, origin, serverUrl };
}

async function verifyStored(
  store: Store,
  path: string,
  checks: VerifyOptions,
  repo: string | undefined,
  standard: Standard,
): Promise<Verdict> {
  try {
    const stored = await store.verify(path, checks);
    const bundle = await store.readBundle(stored.report.sha256);
    const repository = repo ?? stored.record?.source?.repository;
    return await judged(stored, { bundle, repository, trustPlace: store.trustPlace }, standard);
  } catch (error) {
    if (isDamage(error)) {
      // Where nothing can be moved, it is damaged all the same.
      const quarantinedAs = await store.quarantine(path).catch(() => undefined);
      return { path, exit: 65, error: error.message, ...(quarantinedAs && { quarantinedAs }) };
    }
    if (error instanceof BottleError) {
      return { path, exit: error.exitCode, error: error.message };
    }
    throw error;
  }
}

interface Evidence {
  readonly bundle: Buffer | undefined;
  /** Whose it must be: of `--repo`, else of the checkout; of what is in the store, what its own record says. */
  readonly repository: string | undefined;
  /** What is remembered of the repository no record can choose: its ID, its owner's, and that it signs. */
  readonly trustPlace?: Store['trustPlace'];
}

/** @throws BottleError `not-trusted` */
async function judged(
  stored: StoredSidecar,
  { bundle, repository, trustPlace }: Evidence,
  { trust, serverUrl }: Standard,
): Promise<Verdict> {
  const verdict = verdictOf(stored);
  const { provenance: mode, trustedRoot: trustedRootPath } = trust;
  if (mode === 'off') {
    return verdict;
  }
  const memory =
    trustPlace && repository !== undefined
      ? await readMemory({ ...trustPlace, serverUrl, repository })
      : undefined;
  if (mode === 'auto' && bundle === undefined && memory === undefined) {
    return verdict;
  }
  const { path, record } = stored;
  if (record === undefined || repository === undefined) {
    throw new BottleError('not-trusted', `${path}: whose it must be, or its pack record, is not known`, {
      hint: 'name the repository with --repo OWNER/NAME, and put the record beside the file',
    });
  }
  const { decideProvenance } = await import('../trust/decide.ts');
  const verified = await decideProvenance({
    mode,
    bundles: bundle === undefined ? [] : [bundle],
    record,
    policy: {
      ...trust,
      serverUrl,
      repository,
      // It need not be the checkout's repository, which has other branches.
      branches: [...trust.branches, ...acceptedBranches(memory)],
    },
    memory,
    allowOlder: true,
    trustedRootPath,
  });
  return { ...verdict, provenance: verified?.provenance ?? null };
}

function verdictOf({ path, report: { sha256, sizeBytes, members }, record }: StoredSidecar): Verdict {
  return {
    path,
    exit: 0,
    sha256,
    sizeBytes,
    ...(record && { imageId: record.image.id }),
    ...(members && { members }),
  };
}

function report(output: Output, value: unknown, verdicts: readonly Verdict[]): void {
  output.result(
    value,
    verdicts.length === 0
      ? ['the store has no sidecars']
      : verdicts.map(({ path, exit, sha256, sizeBytes, members, provenance, error, quarantinedAs }) => {
          if (exit === 0) {
            const signer = provenance ? `  signed by ${provenance.signer}` : '';
            warnOfLinks(output, path, members);
            return `ok       ${path}  ${formatBytes(sizeBytes ?? 0)}  sha256:${sha256}${signer}`;
          }
          return quarantinedAs === undefined
            ? `failed   ${path}  ${error}`
            : `damaged  ${path}  ${error}; moved to ${quarantinedAs}`;
        }),
  );
}

/** Links that are no damage, but for which no machine can be made from the sidecar. */
function warnOfLinks(output: Output, path: string, members: readonly AssetsMember[] = []): void {
  const links = members.flatMap(({ refusedLinks = [] }) => refusedLinks);
  if (links.length > 0) {
    const message = `${path}: smolvm refuses this sidecar for links that lead above the root or are the root: ${links.join(', ')}`;
    output.onProgress({ type: 'warning', message });
  }
}
