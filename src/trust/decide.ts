import { BottleError } from '../errors.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type Policy, requireEqual } from './policy.ts';
import { recordSha256 } from './record-digest.ts';
import { requireNotOlder, type TrustMemory } from './trust-memory.ts';
import type { Provenance } from './verify.ts';

export const PROVENANCE_MODES = ['auto', 'required', 'off'] as const;
/** `auto`: verified where there is one, and required of a repository that has signed before. */
export type ProvenanceMode = (typeof PROVENANCE_MODES)[number];

export interface DecideOptions {
  readonly mode: ProvenanceMode;
  /** All that were found; one good one is enough. */
  readonly bundles: readonly Buffer[];
  readonly record: PackRecord;
  readonly policy: Policy;
  readonly memory: TrustMemory | undefined;
  readonly allowOlder: boolean;
  /** Instead of the roots that are built in. */
  readonly trustedRootPath?: string | undefined;
}

export interface Verified {
  readonly provenance: Provenance;
  readonly bundle: Buffer;
}

/**
 * Decides on the record and the SHA-256 in it, before any byte of the sidecar is asked for.
 * @returns who signed it, and the bundle that proves it; undefined where nobody need have
 * @throws BottleError `not-trusted`
 */
export async function decideProvenance(options: DecideOptions): Promise<Verified | undefined> {
  const { mode, bundles, memory, policy } = options;
  if (mode === 'off') {
    return undefined;
  }
  if (bundles.length === 0) {
    if (mode === 'auto' && memory === undefined) {
      return undefined;
    }
    throw noProvenance(policy.repository, memory);
  }
  const { verifyProvenance } = await import('./verify.ts');
  const { builtInRoots, readRoots } = await import('./roots.ts');
  const { trustedRootPath } = options;
  const roots = trustedRootPath === undefined ? builtInRoots() : await readRoots(trustedRootPath);
  const failures: unknown[] = [];
  for (const bundle of bundles) {
    try {
      const provenance = judge(options, (pinned) =>
        verifyProvenance(bundle, {
          fileSha256: options.record.sidecar.sha256,
          recordSha256: recordSha256(options.record),
          policy: pinned,
          roots,
        }),
      );
      return { provenance, bundle };
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

function judge(
  { record, policy, memory, allowOlder }: DecideOptions,
  verify: (pinned: Policy) => Provenance,
): Provenance {
  const provenance = verify({
    ...policy,
    ...(memory && { repositoryId: memory.repositoryId, ownerId: memory.ownerId }),
  });
  // Whoever asks for a commit has compared it with the record already.
  requireEqual('commit of the pack record', provenance.commit, record.source?.commit);
  requireNotOlder(memory, provenance, record.inputs?.key as InputsKey | undefined, { allowOlder });
  return provenance;
}

function noProvenance(repository: string, memory: TrustMemory | undefined): BottleError {
  const reason =
    memory === undefined ? 'one is required' : `${repository} has published with provenance before`;
  return new BottleError('not-trusted', `no provenance, and ${reason}`, {
    hint: 'ask whoever publishes it; --provenance off takes it without',
  });
}
