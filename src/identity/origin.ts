import { createHash } from 'node:crypto';

/**
 * Who a stored sidecar came from. It is written when the sidecar is installed and never read from a pack record,
 * because anyone can write anything into a record.
 */
export type Origin =
  /** Packed on this machine. */
  | { readonly kind: 'here' }
  | RepositoryOrigin
  /** Fetched for a directory that has no repository. */
  | { readonly kind: 'none' }
  /** Taken over from a store that did not write origins down. */
  | { readonly kind: 'unknown' };

export interface RepositoryOrigin {
  readonly kind: 'repository';
  /** The GitHub server, without a slash at its end: `https://github.com`. */
  readonly serverUrl: string;
  /** `owner/name` */
  readonly repository: string;
  /** Only a verified signature says it. */
  readonly repositoryId?: string | undefined;
}

export const HERE: Origin = { kind: 'here' };
export const UNKNOWN: Origin = { kind: 'unknown' };

/** The origin of what is fetched for a checkout. */
export function originOfCheckout(serverUrl: string, repository: string | undefined): Origin {
  return repository === undefined ? { kind: 'none' } : { kind: 'repository', serverUrl, repository };
}

/** Names an origin in file names. GitHub's names are case-insensitive. */
export function originId(origin: Origin): string {
  return origin.kind === 'repository'
    ? createHash('sha256').update(nameOf(origin).toLowerCase()).digest('hex')
    : origin.kind;
}

export function isSameOrigin(one: Origin, other: Origin): boolean {
  return originId(one) === originId(other);
}

/** For people: "github.com/owner/name". */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'here':
      return 'packed here';
    case 'repository':
      return nameOf(origin);
    case 'none':
      return 'no repository';
    case 'unknown':
      return 'unknown';
  }
}

function nameOf({ serverUrl, repository }: RepositoryOrigin): string {
  return `${new URL(serverUrl).host}/${repository}`;
}
