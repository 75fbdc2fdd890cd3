import { BottleError } from '../errors.ts';

export const ATTEST_MODES = ['auto', 'required', 'off'] as const;
/** `auto`: attested where the job may; `required`: the job fails where it may not, and GitHub keeps a copy. */
export type AttestMode = (typeof ATTEST_MODES)[number];

/** What a job needs; GitHub gives neither to a pull request from a fork. */
const PERMISSIONS = 'id-token: write and attestations: write (beside contents: read)';

/**
 * Whether this job is going to attest; to be asked before anything is built.
 * @throws BottleError `authentication` when it must and may not
 */
export function requireAttestPermissions(hasIdToken: boolean, mode: AttestMode): boolean {
  if (!hasIdToken && mode === 'required') {
    throw new BottleError('authentication', 'this job may not attest: it has no permission id-token: write', {
      hint: `give the job the permissions ${PERMISSIONS}, or set attest to off`,
    });
  }
  return hasIdToken && mode !== 'off';
}

export interface Subject {
  readonly name: string;
  /** 64 hex digits. */
  readonly sha256: string;
}

export interface AttestOptions {
  /** The sidecar and its pack record (`recordSha256`): `fetch` wants both in one statement. */
  readonly subjects: readonly Subject[];
  readonly token: string;
  readonly mode: Exclude<AttestMode, 'off'>;
  /** A signature for a public repository stays in Sigstore's log permanently; nothing about a private one may go there. */
  readonly isPublicRepository: boolean;
}

export interface Attestation {
  /** For the file `<sidecar>.sigstore.json`. */
  readonly bundle: string;
  /** Where GitHub keeps it; undefined where it does not. */
  readonly id: string | undefined;
}

/** Signs who packed a sidecar, with the run's own identity. */
export async function attestSidecar({
  subjects,
  token,
  mode,
  isPublicRepository,
}: AttestOptions): Promise<Attestation> {
  try {
    // 2 MB that most runs have no use for.
    const { attestProvenance } = await import('@actions/attest');
    const { bundle, attestationID: id } = await attestProvenance({
      subjects: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
      token,
      // The default looks at the event's payload, which for `schedule` does not say whether the repository is public.
      sigstore: isPublicRepository ? 'public-good' : 'github',
      // Private repositories have no such place on every plan, and we ship the bundle beside the sidecar anyway.
      skipWrite: mode === 'auto',
    });
    return { bundle: `${JSON.stringify(bundle)}\n`, id };
  } catch (error) {
    throw attestError(error);
  }
}

function attestError(cause: unknown): BottleError {
  const { message } = cause instanceof Error ? cause : new Error(String(cause));
  const reason = (message.split('\n')[0] ?? '').slice(0, 200);
  const isRefused = /not accessible|Feature not available|upgrade the billing plan|status code 40[13]/i.test(
    reason,
  );
  return new BottleError(
    isRefused ? 'authentication' : 'upload-failed',
    `cannot attest the sidecar: ${reason}`,
    {
      hint: /Feature not available|billing plan/i.test(reason)
        ? 'set attest to auto, because GitHub keeps no attestations for this repository; the bundle is published anyway'
        : isRefused
          ? `give the job the permissions ${PERMISSIONS}`
          : 'run the job again; Sigstore or GitHub may be down for a while',
      cause,
    },
  );
}
