import { hash } from 'node:crypto';
import { isSameRepository, type PackRecord } from '../identity/pack-record.ts';
import type { GitHubSite } from '../remote/github.ts';
import { type ArtifactFilter, type ListedArtifact, listArtifacts } from '../remote/github-artifacts.ts';
import type { HttpClient } from '../remote/http.ts';
import { HttpError, unlessMissing } from '../remote/http-error.ts';
import { formatRecord } from '../sidecar/file.ts';
import { jobSite, withHttp } from './github.ts';
import type { Job } from './job.ts';
import type { RunnerLog } from './log.ts';
import { artifactUrl, type UploadedSidecar } from './outputs.ts';

/**
 * An artifact that GitHub deletes sooner than this counts as deleted, because developers need time to fetch it. One that is
 * kept for a day or two has half of its time.
 */
const MIN_REMAINING_MS = 24 * 60 * 60_000;

export type EarlierUpload =
  | { readonly kind: 'there'; readonly artifact: UploadedSidecar; readonly hasRecord: boolean }
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string; readonly hint: string };

/**
 * Asks GitHub whether the run that packed a sidecar still offers it as a workflow artifact: under which name, with the
 * digest in the pack record, and until when. Nothing is downloaded.
 * @param name of the sidecar's artifact, in this run
 */
export async function findEarlierUpload(
  record: PackRecord,
  name: string,
  token: string | undefined,
  services: { readonly job: Job; readonly log: RunnerLog; readonly signal: AbortSignal },
): Promise<EarlierUpload> {
  const { job, signal } = services;
  const { source } = record;
  if (source === undefined || !isSameRepository(source.repository, job.repository)) {
    return { kind: 'gone', reason: 'its pack record does not name a run of this repository' };
  }
  if (token === undefined) {
    return {
      kind: 'unknown',
      reason: 'the input github-token is empty',
      hint: 'Leave it out, so that it is the token of the job',
    };
  }
  const github = await jobSite(job, token);
  try {
    return await withHttp(
      services,
      {},
      async (http) => await find(record, source.runId, name, { http, github, job }),
    );
  } catch (error) {
    signal.throwIfAborted();
    const isRefused = error instanceof HttpError && [401, 403, 404].includes(error.status);
    return {
      kind: 'unknown',
      reason: error instanceof Error ? error.message : String(error),
      hint: isRefused ? 'Add permissions: actions: read' : 'Run the job again',
    };
  }
}

async function find(
  record: PackRecord,
  packedIn: string,
  name: string,
  { job, ...tools }: { readonly http: HttpClient; readonly github: GitHubSite; readonly job: Job },
): Promise<EarlierUpload> {
  const list = async (filter: ArtifactFilter) => await listArtifacts(tools, job.repository, filter);
  const { sha256 } = record.sidecar;
  const content =
    (await list({ name })).find(isOffered(sha256)) ??
    // An image that other inputs have made as well is offered under the name of those.
    (await unlessMissing(list({ runId: packedIn })))?.find(isOffered(sha256));
  if (content === undefined) {
    return { kind: 'gone', reason: `workflow run ${packedIn} no longer offers it as an artifact` };
  }
  const records = await list({ name: `${name}.json` });
  const runId = String(content.workflow_run?.id ?? packedIn);
  return {
    kind: 'there',
    artifact: {
      id: content.id,
      name: content.name,
      digest: `sha256:${sha256}`,
      url: artifactUrl(job, runId, content.id),
      runId,
      expiresAt: content.expires_at ?? undefined,
    },
    hasRecord: records.some(isOffered(hash('sha256', formatRecord(record)))),
  };
}

function isOffered(sha256: string): (artifact: ListedArtifact) => boolean {
  return (artifact) => artifact.digest === `sha256:${sha256}` && lasts(artifact);
}

function lasts({ expired, created_at: createdAt, expires_at: expiresAt }: ListedArtifact): boolean {
  const [created, expires] = [Date.parse(createdAt ?? ''), Date.parse(expiresAt ?? '')];
  const halfMs = Number.isNaN(created) ? MIN_REMAINING_MS : (expires - created) / 2;
  return !expired && !(expires < Date.now() + Math.min(MIN_REMAINING_MS, halfMs));
}
