import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod/mini';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { withLock } from '../host/lock.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import { type Identity, requireEqual } from './policy.ts';

const MAX_MEMORY_BYTES = 1024 * 1024;
/** The runs seen last are kept. */
const MAX_RUNS = 1000;
/** Changing it takes a moment. */
const CHANGE_LIMIT_MS = 2 * 60_000;

const digits = z.string().check(z.regex(/^\d{1,20}$/));
const runSchema = z.object({ id: digits, attempt: z.int().check(z.positive()) });

const memorySchema = z.object({
  version: z.literal(1),
  repository: z.string(),
  repositoryId: digits,
  ownerId: digits,
  /** The newest run seen, by inputs key and ref. */
  runs: z.record(z.string(), runSchema),
});

type Run = z.infer<typeof runSchema>;

/** What is known of a repository since its provenance was first verified here. That there is one says: it signs. */
export type TrustMemory = z.infer<typeof memorySchema>;

export interface MemoryPlace {
  /** `.pack/trust` of the store. */
  readonly dir: string;
  /** A directory on the same file system, for files in the making. */
  readonly tmp: string;
  /** Where what killed processes have left locked is swept. */
  readonly locks: string;
  readonly serverUrl: string;
  /** `owner/name` */
  readonly repository: string;
}

/**
 * Undefined when nothing is known.
 * @throws BottleError `not-trusted` when it cannot be read: as one that is new, the repository need not have signed
 */
export async function readMemory(place: MemoryPlace): Promise<TrustMemory | undefined> {
  const path = memoryPath(place);
  try {
    const { size } = await fs.stat(path);
    const json: unknown = size <= MAX_MEMORY_BYTES ? JSON.parse(await fs.readFile(path, 'utf8')) : undefined;
    return memorySchema.parse(json);
  } catch (cause) {
    if (hasErrno(cause, 'ENOENT')) {
      return undefined;
    }
    throw new BottleError(
      'not-trusted',
      `what is remembered of ${place.repository} and who signs for it cannot be read: ${path}`,
      { hint: `delete it and ${place.repository} is new here again`, cause },
    );
  }
}

/**
 * To be called when a sidecar has passed all checks.
 * @throws BottleError `not-trusted` when another repository was pinned under the name meanwhile
 */
export async function remember(
  place: MemoryPlace,
  identity: Identity,
  key: InputsKey | undefined,
): Promise<void> {
  const path = memoryPath(place);
  try {
    for (const dir of [place.dir, place.tmp, place.locks]) {
      await fs.mkdir(dir, { recursive: true, mode: 0o700 });
    }
    await withLock(
      // Nobody makes a directory there: an empty one goes, any other is an error.
      { path: join(place.locks, `trust-${basename(path)}`), quarantine: fs.rmdir },
      { purpose: path, limitMs: CHANGE_LIMIT_MS },
      async () => await writeMemory(path, place.tmp, extended(place, await readMemory(place), identity, key)),
    );
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot write ${path}`, error);
  }
}

function extended(
  { repository }: MemoryPlace,
  known: TrustMemory | undefined,
  identity: Identity,
  key: InputsKey | undefined,
): TrustMemory {
  const { repositoryId, ownerId, ref } = identity;
  requireEqual('repository ID', known?.repositoryId ?? repositoryId, repositoryId);
  requireEqual('owner ID', known?.ownerId ?? ownerId, ownerId);
  const run = runOf(identity);
  const { [runKey(key, ref)]: seen, ...others } = known?.runs ?? {};
  const newest = seen !== undefined && isOlder(run, seen) ? seen : run;
  const runs = Object.fromEntries([...Object.entries(others), [runKey(key, ref), newest]].slice(-MAX_RUNS));
  return { version: 1, repository, repositoryId, ownerId, runs };
}

async function writeMemory(path: string, tmp: string, memory: TrustMemory): Promise<void> {
  await withPrivateDir(tmp, async (dir) => {
    const temp = join(dir, 'memory.json');
    await fs.writeFile(temp, `${JSON.stringify(memory, undefined, 2)}\n`, { mode: 0o600, flush: true });
    await fs.rename(temp, path);
  });
}

/**
 * A rollback is an older run for the same inputs key and ref than one seen before. Another commit that is checked out
 * on purpose has another key, and whoever names a commit or has a lock file has said what he wants.
 */
export function requireNotOlder(
  memory: TrustMemory | undefined,
  identity: Identity,
  key: InputsKey | undefined,
  { allowOlder }: { allowOlder: boolean },
): void {
  const seen = memory?.runs[runKey(key, identity.ref)];
  const run = runOf(identity);
  if (seen !== undefined && isOlder(run, seen) && !allowOlder) {
    throw new BottleError(
      'not-trusted',
      `rollback: it is from run ${run.id}, attempt ${run.attempt}; run ${seen.id}, attempt ${seen.attempt}, was seen before for the same inputs and ${identity.ref}`,
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

/** Those of which something has passed all checks before. */
export function acceptedBranches(memory: TrustMemory | undefined): string[] {
  return Object.keys(memory?.runs ?? {}).flatMap((key) => / refs\/heads\/(.+)$/.exec(key)?.[1] ?? []);
}

function runKey(key: InputsKey | undefined, ref: string): string {
  return `${key ?? 'no-key'} ${ref}`;
}

/** GitHub's names differ in case only on paper. */
function memoryPath({ dir, serverUrl, repository }: MemoryPlace): string {
  const { host } = new URL(serverUrl);
  const hash = createHash('sha256').update(`${host}/${repository}`.toLowerCase()).digest('hex');
  return join(dir, `${hash}.json`);
}
