import { BottleError } from '../errors.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { Origin, RepositoryOrigin } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type Policy, requireEqual } from './policy.ts';
import { recordSha256 } from './record-digest.ts';
import { type MemoryPlace, readMemory, remember, requireNotOlder, type TrustMemory } from './trust-memory.ts';
import type { Provenance } from './verify.ts';

export const PROVENANCE_MODES = ['auto', 'required', 'off'] as const;
/** `auto`: a signature is verified where there is one, and required of a repository that has signed before. */
export type ProvenanceMode = (typeof PROVENANCE_MODES)[number];

/** How far a signature is asked for, and whose. */
export interface TrustOptions {
  readonly provenance: ProvenanceMode;
  readonly allowOlder: boolean;
  /** A file of trust roots, instead of the built-in ones. */
  readonly trustedRoot?: string | undefined;
  /** `owner/name/.github/workflows/file.yml`, with `@` and a ref if it must be of that one */
  readonly signerWorkflow?: string | undefined;
  readonly allowSelfHosted: boolean;
  /** Beside tags, the branches that a sidecar may have been packed for. */
  readonly branches: readonly string[];
}

/** What a sidecar has to show for itself. */
export interface Evidence {
  /** Undefined where it is missing, so that a signature cannot be verified. */
  readonly record: PackRecord | undefined;
  /** The Sigstore bundles that are beside it; one good one is enough. */
  readonly bundles: () => Promise<readonly Buffer[]>;
  /** Another name of the same repository, as GitHub confirms: it was renamed or transferred. */
  readonly otherName?: ConfirmedName | undefined;
}

export interface ConfirmedName {
  /** `owner/name` */
  readonly repository: string;
  readonly repositoryId: string;
}

export interface Verified {
  readonly provenance: Provenance;
  readonly bundle: Buffer;
}

/**
 * Decides on the record and the SHA-256 in it, before any byte of the sidecar is asked for. Every command that asks
 * whether a sidecar is an origin's own asks here.
 * @returns who has signed it, and the bundle that proves it; undefined where nobody has and nobody needs to
 * @throws BottleError `not-trusted`
 */
export async function judge(
  evidence: Evidence,
  origin: Origin,
  trust: TrustOptions,
  layout: MemoryPlace['layout'],
): Promise<Verified | undefined> {
  if (trust.provenance === 'off') {
    return undefined;
  }
  const bundles = await evidence.bundles();
  if (origin.kind !== 'repository') {
    return requireUnsigned(trust, bundles);
  }
  const memory = await readMemory({ layout, origin });
  if (bundles.length === 0) {
    if (trust.provenance === 'auto' && memory === undefined) {
      return undefined;
    }
    throw noProvenance(origin, memory);
  }
  const { record } = evidence;
  if (record === undefined) {
    throw new BottleError('not-trusted', 'cannot verify the signature: the pack record is missing', {
      hint: 'put the record beside the file: FILE.json',
    });
  }
  return await verifyAny(bundles, record, policyFor(origin, memory, evidence.otherName, trust), {
    memory,
    trust,
  });
}

/** Call this when the sidecar itself has passed all checks. From then on its repository has to sign. */
export async function rememberSigner(
  layout: MemoryPlace['layout'],
  origin: Origin,
  { record, otherName }: Omit<Evidence, 'bundles'>,
  { provenance }: Verified,
): Promise<void> {
  if (origin.kind === 'repository') {
    const key = record?.inputs?.key as InputsKey | undefined;
    await remember({ layout, origin }, provenance, key, { isFormerOwner: otherName !== undefined });
  }
}

/** A signature names the repository that made it, so the repository that must have signed has to be known, too. */
function requireUnsigned({ provenance }: TrustOptions, bundles: readonly Buffer[]): undefined {
  if (bundles.length > 0 || provenance === 'required') {
    const problem = bundles.length > 0 ? 'cannot verify the signature' : 'no provenance, and one is required';
    throw new BottleError('not-trusted', `${problem}: the repository that must have signed is unknown`, {
      hint: 'name the repository: --repo OWNER/NAME',
    });
  }
  return undefined;
}

/** The IDs of the first signature stay valid, because a name can be given up and taken by someone else. */
function policyFor(
  { serverUrl, repository }: RepositoryOrigin,
  memory: TrustMemory | undefined,
  otherName: ConfirmedName | undefined,
  { signerWorkflow, allowSelfHosted, branches }: TrustOptions,
): Policy {
  const pinned = memory && { repositoryId: memory.repositoryId };
  // A repository that was transferred has another owner, so that only its own ID says that it is the same.
  const owner = memory && otherName === undefined && { ownerId: memory.ownerId };
  return {
    serverUrl,
    repository,
    signerWorkflow,
    allowSelfHosted,
    branches,
    ...otherName,
    ...pinned,
    ...owner,
  };
}

async function verifyAny(
  bundles: readonly Buffer[],
  record: PackRecord,
  policy: Policy,
  { memory, trust }: { memory: TrustMemory | undefined; trust: TrustOptions },
): Promise<Verified> {
  const { verifyProvenance } = await import('./verify.ts');
  const { builtInRoots, readRoots } = await import('./roots.ts');
  const { trustedRoot, allowOlder } = trust;
  const roots = trustedRoot === undefined ? builtInRoots() : await readRoots(trustedRoot);
  const hashes = { fileSha256: record.sidecar.sha256, recordSha256: recordSha256(record) };
  const failures: unknown[] = [];
  for (const bundle of bundles) {
    try {
      const provenance = verifyProvenance(bundle, { ...hashes, policy, roots });
      // A commit that the user asks for has been compared with the record already.
      requireEqual('commit of the pack record', provenance.commit, record.source?.commit);
      requireNotOlder(memory, provenance, record.inputs?.key as InputsKey | undefined, { allowOlder });
      return { provenance, bundle };
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

function noProvenance({ repository }: RepositoryOrigin, memory: TrustMemory | undefined): BottleError {
  const reason =
    memory === undefined ? 'one is required' : `${repository} has published with provenance before`;
  return new BottleError('not-trusted', `no provenance, and ${reason}`, {
    hint: 'ask the publisher to sign it; --provenance off accepts it without a signature',
  });
}
