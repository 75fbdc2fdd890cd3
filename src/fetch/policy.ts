import { BottleError } from '../errors.ts';
import { shellWord } from '../identity/shown-text.ts';
import type { ConfirmedName } from '../trust/judge.ts';
import type { Offer, Wanted } from './source.ts';

/** What the user insists on, beyond what a record must say anyway. */
export interface Demands {
  /** 64 hex digits. */
  readonly sha256?: string | undefined;
  /** A full commit hash. */
  readonly commit?: string | undefined;
  readonly sizeBytes?: number | undefined;
  /** Whether only a sidecar for exactly these inputs will do; it need not be one that is only stored. */
  readonly sameInputs: boolean;
  /** Whether only a sidecar that says where it was packed will do: one that was searched for, at no address of the user's. */
  readonly knownSource: boolean;
  /** Also a sidecar without a pack record, since the user has named it: its image decides whether it is bound. */
  readonly takesWithoutRecord?: boolean;
}

/**
 * Decides on the record alone, before any byte of the sidecar is asked for.
 * @throws BottleError `not-found` for another platform or other inputs, `not-trusted` for what is not what it must be
 */
export function requireWanted(
  { record, address, hasRecord = true }: Offer,
  wanted: Wanted,
  demands: Demands,
  otherName?: ConfirmedName,
): void {
  const { inputs, source } = record;
  if (record.platform !== wanted.platform) {
    throw new BottleError('not-found', `${address} is for ${record.platform}, not for ${wanted.platform}`, {
      hint: `claude-bottle fetch --platform ${record.platform}`,
    });
  }
  if (!hasRecord && demands.takesWithoutRecord !== true) {
    throw new BottleError('not-found', `${address} has no pack record`, {
      hint: `claude-bottle fetch --from ${shellWord(address)}  # if you know who packed it`,
    });
  }
  if (hasRecord && demands.sameInputs && inputs?.key !== wanted.key) {
    throw new BottleError(
      'not-found',
      `${address} was packed from other inputs: key ${inputs?.key ?? 'unknown'}, this checkout has ${wanted.key}`,
      { hint: 'check out the commit that it was packed from, or store it as it is with --no-bind' },
    );
  }
  requireEqual(address, 'SHA-256', demands.sha256, record.sidecar.sha256);
  requireEqual(address, 'size', demands.sizeBytes, record.sidecar.sizeBytes);
  requireEqual(address, 'commit', demands.commit, source?.commit);
  if (source !== undefined) {
    const expected = (otherName?.repository ?? wanted.repository)?.toLowerCase();
    const hint = renameHint(source.repository);
    requireEqual(address, 'repository', expected, source.repository.toLowerCase(), hint);
    requireEqual(address, 'server', source.server && wanted.serverUrl, source.server);
  } else if (demands.knownSource) {
    throw new BottleError('not-trusted', `${address} does not say which repository it was packed for`, {
      hint: `claude-bottle fetch --from ${shellWord(address)}  # if you know who packed it`,
    });
  }
}

const HINT = 'find out why before you use it; its pack record says where it comes from';

/** The name is from the record, and may be made to be pasted into a shell. */
function renameHint(repository: string): string {
  return /^[\w.-]+\/[\w.-]+$/.test(repository) && !repository.startsWith('-')
    ? `claude-bottle fetch --repo ${repository}  # if this checkout's repository has that name now`
    : HINT;
}

function requireEqual(
  address: string,
  what: string,
  expected: string | number | undefined,
  found: string | number | undefined,
  hint = HINT,
): void {
  if (expected !== undefined && found !== expected) {
    throw new BottleError(
      'not-trusted',
      `${address}: the ${what} is ${found ?? 'not known'}, expected ${expected}`,
      { hint },
    );
  }
}
