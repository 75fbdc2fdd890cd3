import { BottleError } from '../errors.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { quoted } from '../identity/shown-text.ts';
import type { GitHubSite } from '../remote/github.ts';
import type { ByteRange, HttpAnswer, HttpClient } from '../remote/http.ts';

/** What a source is asked for. */
export interface Wanted {
  readonly key: InputsKey;
  readonly platform: GuestPlatform;
  /** `owner/name`; undefined outside of a checkout of a repository with a remote. */
  readonly repository: string | undefined;
  /** The message for a directory without a repository. */
  readonly noRepository?: string;
  /** The GitHub server of that repository. */
  readonly serverUrl: string;
  /** Full hashes of the commits whose records are near this checkout, the nearest first. */
  readonly history: () => Promise<readonly string[]>;
  /** Tags that point at the checked-out commit. */
  readonly tags: () => Promise<readonly string[]>;
}

export interface SourceTools {
  readonly http: HttpClient;
  readonly github: GitHubSite;
}

/** A sidecar that somewhere else has, and the pack record that says what it is. Nothing of it is verified yet. */
export interface Offer {
  readonly record: PackRecord;
  /** False when nobody has published a record, and this one is made of what the sidecar says of itself. */
  readonly hasRecord?: boolean;
  readonly content: RemoteFile | LocalFile;
  /** What `--from` takes to get exactly this one again. */
  readonly address: string;
  /** The Sigstore bundles that are published beside it. */
  readonly bundles: () => Promise<readonly Buffer[]>;
  /** Reads the frame index that is published beside it, up to the given number of bytes; its content is not checked. */
  readonly frameIndex: (maxBytes: number) => Promise<Buffer>;
}

export interface RemoteFile {
  readonly kind: 'remote';
  readonly sizeBytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
  /**
   * Asks for the whole, or with `range` for a part of it: 206, or 200 when the server sends the whole anyway.
   * Each call starts from the first address, since the later ones can be valid for a minute only.
   */
  open(range?: ByteRange): Promise<HttpAnswer>;
}

/** A file on this machine. */
export interface LocalFile {
  readonly kind: 'local';
  readonly path: string;
  readonly sizeBytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

export function withoutRepository({ noRepository }: Wanted): Skipped {
  return {
    skipped: noRepository ?? 'it is not known which repository is meant',
    hint: 'claude-bottle fetch --repo OWNER/NAME',
  };
}

/** Why a source has nothing, and what may change that. */
export interface Skipped {
  readonly skipped: string;
  readonly hint?: string;
}

/**
 * A source that fails (no network, no permission) throws a BottleError: `not-found`, `authentication` and
 * `network-failed` lead on to the next source, everything else ends the search.
 */
export interface Source {
  /** As the user reads it: "OCI registry ghcr.io/owner/repo/smolmachine:k-…". */
  readonly name: string;
  find(wanted: Wanted): Promise<Offer | Skipped>;
  /** The record of the published sidecar nearest to this checkout, to explain a miss. */
  nearest?(wanted: Wanted): Promise<PackRecord | undefined>;
}

/** `--from`: where to look, and nowhere else. */
export type SourceAddress =
  | { readonly kind: 'oci'; readonly reference: string }
  | { readonly kind: 'release'; readonly tag: string }
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'https'; readonly url: string };

export function parseSourceAddress(text: string): SourceAddress {
  const [, scheme = '', rest = ''] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
  switch (scheme) {
    case 'oci':
      // As helm and others write it.
      return { kind: 'oci', reference: rest.replace(/^\/\//, '') };
    case 'release':
      return { kind: 'release', tag: rest };
    case 'run':
      if (/^\d{1,20}$/.test(rest)) {
        return { kind: 'run', runId: rest };
      }
      break;
    case 'file':
      return { kind: 'file', path: rest };
    case 'https':
    case 'http':
      return { kind: 'https', url: text };
  }
  const guess = guessedSource(text);
  const meant = guess === undefined ? '' : ` (did you mean ${guess}?)`;
  throw new BottleError('usage', `unknown source ${quoted(text)}${meant}`, {
    hint: 'use oci:REFERENCE, release:TAG, run:ID, file:PATH or https://…',
  });
}

/** The source that an address without a scheme most likely means. */
function guessedSource(text: string): string | undefined {
  if (/\.smolmachine$|^[./~]/.test(text)) {
    return `file:${text}`;
  }
  if (/^\d{6,}$/.test(text)) {
    return `run:${text}`;
  }
  if (/^v?\d+(\.\d+)*$/.test(text)) {
    return `release:${text}`;
  }
  return /^[\w.-]+(:\d+)?(\/[\w.-]+)+(:[\w.-]+)?$/.test(text) ? `oci:${text}` : undefined;
}
