import { type Digest, id16 } from '../identity/image-id.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { ReleaseResult } from '../publish/github-release.ts';
import type { RegistryPublished } from '../publish/oci-registry.ts';
import type { WorkflowArtifact } from '../publish/workflow-artifact.ts';
import { bundlePathOf, type PackedSidecar } from '../sidecar/file.ts';
import type { StageTime } from './log.ts';

export interface UploadedSidecar extends WorkflowArtifact {
  readonly url: string;
  /** The workflow run that uploaded it, which is an earlier one when its artifact still lasts. */
  readonly runId: string;
  /** ISO 8601, when GitHub told. */
  readonly expiresAt: string | undefined;
}

/** What the action has done for one platform. */
export interface PackedPlatform {
  readonly platform: GuestPlatform;
  readonly cacheMatch: 'none' | 'inputs' | 'image';
  /** Why it was a hit or a miss, and what became of it: for the summary. */
  readonly cacheNotes: readonly string[];
  /** Undefined when the sidecar stayed in the runner cache, because no step asked for the file. */
  readonly path: string | undefined;
  readonly recordPath: string;
  readonly record: PackRecord;
  /** The Sigstore bundle and who signed it; undefined where nobody did. */
  readonly bundle: Buffer | undefined;
  readonly signer: string | undefined;
  readonly artifact: UploadedSidecar | undefined;
  readonly stages: readonly StageTime[];
}

/** A publishing job packs everything itself, so each of its sidecars has its file here. */
export type PackedHere = PackedPlatform & PackedSidecar;

export function hasFile(result: PackedPlatform): result is PackedHere {
  return result.path !== undefined;
}

/** The places where everyone can fetch; an absent one has nothing of this run, or not everything. */
export interface Published {
  /** `isDefault`: where `claude-bottle fetch` looks by itself. */
  readonly registry?: RegistryPublished & { readonly isDefault: boolean };
  readonly release?: ReleaseResult & { readonly tag: string };
}

/**
 * The outputs of action.yml but for `error-code`. Each has a narrow alphabet, without $, backticks, apostrophes and newlines,
 * so that a workflow may write '${{ }}' in a script; the directory in the two paths is the runner's.
 */
export function outputsOf(
  results: readonly PackedPlatform[],
  published: Published = {},
): Record<string, string> {
  const all = results.map((result) => ({ platform: result.platform, ...outputsOfOne(result, published) }));
  const [first] = results;
  return first === undefined
    ? {}
    : {
        ...outputsOfOne(first, published),
        'release-url': plainUrl(published.release?.url),
        results: JSON.stringify(all),
      };
}

function outputsOfOne(result: PackedPlatform, { registry }: Published): Record<string, string> {
  const { record, artifact } = result;
  return {
    'image-id': record.image.id,
    id16: id16(record.image.id as Digest),
    'inputs-key': record.inputs?.key ?? '',
    'cache-hit': String(result.cacheMatch !== 'none'),
    'cache-match': result.cacheMatch,
    'sidecar-path': result.path ?? '',
    'sidecar-sha256': record.sidecar.sha256,
    'sidecar-size': String(record.sidecar.sizeBytes),
    'record-path': result.recordPath,
    'bundle-path': hasFile(result) && result.bundle !== undefined ? bundlePathOf(result.path) : '',
    'artifact-id': artifact === undefined ? '' : String(artifact.id),
    'artifact-url': artifact?.url ?? '',
    'artifact-digest': artifact?.digest ?? '',
    'oci-digest': registry?.sidecars.find(({ platform }) => platform === result.platform)?.digest ?? '',
    'smolvm-version': record.smolvm.version,
  };
}

/** The page of an artifact on GitHub. */
export function artifactUrl(
  { serverUrl, repository }: { readonly serverUrl: string; readonly repository: string },
  runId: string,
  id: number,
): string {
  return `${serverUrl}/${repository}/actions/runs/${runId}/artifacts/${id}`;
}

/** A tag, and with it the address of its release, may have characters that a shell obeys. */
function plainUrl(url = ''): string {
  return url.replaceAll(/[^\w./:%~-]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}
