import { type Digest, id16 } from '../identity/image-id.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { WorkflowArtifact } from '../publish/workflow-artifact.ts';
import type { StageTime } from './log.ts';

export interface UploadedSidecar extends WorkflowArtifact {
  readonly url: string;
  /** ISO 8601, when GitHub told. */
  readonly expiresAt: string | undefined;
}

/** What the action has done for one platform. */
export interface PackedPlatform {
  readonly platform: GuestPlatform;
  readonly cacheMatch: 'none' | 'inputs' | 'image';
  /** Why it was a hit or a miss, and what became of it: for the summary. */
  readonly cacheNotes: readonly string[];
  readonly path: string;
  readonly recordPath: string;
  readonly record: PackRecord;
  readonly artifact: UploadedSidecar | undefined;
  readonly stages: readonly StageTime[];
}

/**
 * The outputs of action.yml but for `error-code`. Each has a narrow alphabet, without $, backticks, apostrophes and newlines,
 * so that a workflow may write '${{ }}' in a script; the directory in the two paths is the runner's.
 */
export function outputsOf(results: readonly PackedPlatform[]): Record<string, string> {
  const all = results.map((result) => ({ platform: result.platform, ...outputsOfOne(result) }));
  const [first] = results;
  return first === undefined ? {} : { ...outputsOfOne(first), results: JSON.stringify(all) };
}

function outputsOfOne(result: PackedPlatform): Record<string, string> {
  const { record, artifact } = result;
  return {
    'image-id': record.image.id,
    id16: id16(record.image.id as Digest),
    'inputs-key': record.inputs?.key ?? '',
    'cache-hit': String(result.cacheMatch !== 'none'),
    'cache-match': result.cacheMatch,
    'sidecar-path': result.path,
    'sidecar-sha256': record.sidecar.sha256,
    'sidecar-size': String(record.sidecar.sizeBytes),
    'record-path': result.recordPath,
    'artifact-id': artifact === undefined ? '' : String(artifact.id),
    'artifact-url': artifact?.url ?? '',
    'artifact-digest': artifact?.digest ?? '',
    'smolvm-version': record.smolvm.version,
  };
}
