import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { withLock } from '../host/lock.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import { describeOrigin, originId, type RepositoryOrigin } from '../identity/origin.ts';
import type { StoreLayout } from '../store/location.ts';
import { type Identity, requireEqual } from './policy.ts';

const MAX_MEMORY_BYTES = 1024 * 1024;
/** The runs seen last are kept. */
const MAX_RUNS = 1000;
const MAX_BRANCHES = 100;
/** Changing it takes a moment. */
const CHANGE_LIMIT_MS = 2 * 60_000;

const digits = z.string().check(z.regex(/^\d{1,20}$/));
const runSchema = z.object({ id: digits, attempt: z.int().check(z.positive()) });

const memorySchema = z.object({
  version: z.literal(2),
  repository: z.string(),
  repositoryId: digits,
  /** Absent where only sidecars from before a transfer were seen. */
  ownerId: z.optional(digits),
  /** The newest run seen, by inputs key: over all refs, or an old tag would pass for a new branch. */
  runs: z.record(z.string(), runSchema),
  /** The branches that a sidecar was accepted from. */
  branches: z.array(z.string()),
});

/** As version 0.1 wrote it: each run had its ref behind the key. */
const oldMemorySchema = z.object({
  ...memorySchema.shape,
  version: z.literal(1),
  branches: z.optional(z.never()),
});

type Run = z.infer<typeof runSchema>;

/** What is known of a repository since its provenance was first verified here. If it exists, the repository signs. */
export type TrustMemory = z.infer<typeof memorySchema>;

/** Where what is known of a repository is kept. */
export interface MemoryPlace {
  readonly layout: Pick<StoreLayout, 'trust' | 'tmp' | 'locks'>;
  readonly origin: RepositoryOrigin;
}

/**
 * Undefined when nothing is known.
 * @throws BottleError `not-trusted` when it cannot be read: otherwise the repository would count as one that has
 * never signed
 */
export async function readMemory(place: MemoryPlace): Promise<TrustMemory | undefined> {
  const path = memoryPath(place);
  try {
    const { size } = await fs.stat(path);
    const json: unknown = size <= MAX_MEMORY_BYTES ? JSON.parse(await fs.readFile(path, 'utf8')) : undefined;
    const old = oldMemorySchema.safeParse(json).data;
    return old === undefined ? memorySchema.parse(json) : renewed(old);
  } catch (cause) {
    if (hasErrno(cause, 'ENOENT')) {
      return undefined;
    }
    const name = describeOrigin(place.origin);
    throw new BottleError('not-trusted', `cannot read what is known of the signer of ${name}: ${path}`, {
      hint: `delete that file, and ${name} counts as a repository that has never signed`,
      cause,
    });
  }
}

function renewed({ runs: old, ...memory }: z.infer<typeof oldMemorySchema>): TrustMemory {
  const runs: Record<string, Run> = {};
  const branches = new Set<string>();
  for (const [keyAndRef, run] of Object.entries(old)) {
    const [key = '', ref = ''] = keyAndRef.split(' ', 2);
    const seen = runs[key];
    runs[key] = seen === undefined || isOlder(seen, run) ? run : seen;
    branches.add(branchOf(ref) ?? '');
  }
  branches.delete('');
  return { ...memory, version: 2, runs, branches: [...branches] };
}

/**
 * To be called when a sidecar has passed all checks.
 * @param isFormerOwner it was signed under another name of the repository, which may have had another owner then
 * @throws BottleError `not-trusted` when another repository was pinned under the name in between
 */
export async function remember(
  place: MemoryPlace,
  identity: Identity,
  key: InputsKey | undefined,
  { isFormerOwner = false }: { isFormerOwner?: boolean } = {},
): Promise<void> {
  const path = memoryPath(place);
  const { trust, tmp, locks } = place.layout;
  try {
    for (const dir of [trust, tmp, locks]) {
      await fs.mkdir(dir, { recursive: true, mode: 0o700 });
    }
    await withLock(
      // Nobody makes a directory there: an empty one goes, any other is an error.
      { path: join(locks, `trust-${originId(place.origin)}`), quarantine: fs.rmdir },
      { purpose: path, limitMs: CHANGE_LIMIT_MS },
      async () =>
        await writeMemory(path, tmp, extended(place, await readMemory(place), identity, key, isFormerOwner)),
    );
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot write ${path}`, error);
  }
}

function extended(
  { origin: { repository } }: MemoryPlace,
  known: TrustMemory | undefined,
  identity: Identity,
  key: InputsKey | undefined,
  isFormerOwner: boolean,
): TrustMemory {
  const { repositoryId, ref } = identity;
  const ownerId = known?.ownerId ?? (isFormerOwner ? undefined : identity.ownerId);
  requireEqual('repository ID', known?.repositoryId ?? repositoryId, repositoryId);
  const run = runOf(identity);
  const { [runKey(key)]: seen, ...others } = known?.runs ?? {};
  const newest = seen !== undefined && isOlder(run, seen) ? seen : run;
  const runs = Object.fromEntries([...Object.entries(others), [runKey(key), newest]].slice(-MAX_RUNS));
  const branch = branchOf(ref);
  const branches = [...new Set([...(known?.branches ?? []), ...(branch === undefined ? [] : [branch])])];
  return {
    version: 2,
    repository,
    repositoryId,
    ...(ownerId !== undefined && { ownerId }),
    runs,
    branches: branches.slice(-MAX_BRANCHES),
  };
}

async function writeMemory(path: string, tmp: string, memory: TrustMemory): Promise<void> {
  await withPrivateDir(tmp, async (dir) => {
    const temp = join(dir, 'memory.json');
    await fs.writeFile(temp, `${JSON.stringify(memory, undefined, 2)}\n`, { mode: 0o600, flush: true });
    await fs.rename(temp, path);
  });
}

/**
 * A rollback is an older run for the same inputs key than one seen before, of whatever ref. A commit that is checked
 * out on purpose has another key.
 */
export function requireNotOlder(
  memory: TrustMemory | undefined,
  identity: Identity,
  key: InputsKey | undefined,
  { allowOlder }: { allowOlder: boolean },
): void {
  const seen = memory?.runs[runKey(key)];
  const run = runOf(identity);
  if (seen !== undefined && isOlder(run, seen) && !allowOlder) {
    throw new BottleError(
      'not-trusted',
      `rollback: it is from run ${run.id}, attempt ${run.attempt}; run ${seen.id}, attempt ${seen.attempt}, was seen before for the same inputs`,
      { hint: 'if you want the older one, use --allow-older' },
    );
  }
}

function isOlder(run: Run, than: Run): boolean {
  return run.id === than.id ? run.attempt < than.attempt : BigInt(run.id) < BigInt(than.id);
}

/** GitHub counts runs up, over all repositories. */
function runOf({ runUri }: Identity): Run {
  const [, id, attempt] = /\/actions\/runs\/(\d{1,20})\/attempts\/(\d{1,9})$/.exec(runUri) ?? [];
  if (id === undefined || Number(attempt) < 1) {
    throw new BottleError('not-trusted', `provenance without a workflow run: ${JSON.stringify(runUri)}`, {
      hint: 'do not use the sidecar',
    });
  }
  return { id, attempt: Number(attempt) };
}

function branchOf(ref: string): string | undefined {
  return /^refs\/heads\/(.+)$/.exec(ref)?.[1];
}

function runKey(key: InputsKey | undefined): string {
  return key ?? 'no-key';
}

function memoryPath({ layout: { trust }, origin }: MemoryPlace): string {
  return join(trust, `${originId(origin)}.json`);
}
