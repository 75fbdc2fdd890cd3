import { BottleError } from '../errors.ts';

export const ATTEST_MODES = ['auto', 'required', 'off'] as const;
/** `auto`: attested where the job may; `required`: the job fails where it may not, and GitHub keeps a copy. */
export type AttestMode = (typeof ATTEST_MODES)[number];

/** What a job needs; GitHub gives neither to a pull request from a fork. */
const PERMISSIONS = 'id-token: write and attestations: write (beside contents: read)';

/**
 * Whether this job is going to attest; to be asked before anything is built.
 * @param env with ACTIONS_ID_TOKEN_REQUEST_URL, which only a job with `id-token: write` has
 * @throws BottleError `authentication` when it must and may not
 */
export function requireAttestPermissions(env: NodeJS.ProcessEnv, mode: AttestMode): boolean {
  if (mode === 'off') {
    return false;
  }
  const may = Boolean(env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN);
  if (!may && mode === 'required') {
    throw new BottleError('authentication', 'this job may not attest: it has no permission id-token: write', {
      hint: `give the job the permissions ${PERMISSIONS}, or set attest to off`,
    });
  }
  return may;
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
}

export interface Attestation {
  /** For the file `<sidecar>.sigstore.json`. */
  readonly bundle: string;
  /** Where GitHub keeps it; undefined where it does not. */
  readonly id: string | undefined;
}

/**
 * Signs who packed a sidecar, with the run's own identity. Which Sigstore does it follows from the repository: what is
 * signed for a public one is public for ever, so a private one is never sent there.
 */
export async function attestSidecar({ subjects, token, mode }: AttestOptions): Promise<Attestation> {
  try {
    // 2 MB that most runs have no use for.
    const { attestProvenance } = await import('@actions/attest');
    const { bundle, attestationID: id } = await attestProvenance({
      subjects: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
      token,
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
        ? 'GitHub keeps no attestations for this repository: set attest to auto, the bundle is published all the same'
        : isRefused
          ? `give the job the permissions ${PERMISSIONS}`
          : 'run the job again; Sigstore or GitHub may be out of order for a while',
      cause,
    },
  );
}
