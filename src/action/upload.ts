import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import type { PackRecord } from '../identity/pack-record.ts';
import {
  artifactExpiry,
  requireArtifactService,
  uploadWorkflowArtifact,
  type WorkflowArtifact,
} from '../publish/workflow-artifact.ts';
import {
  bundlePathOf,
  formatRecord,
  framesPathOf,
  makeFrameIndex,
  type PackedSidecar,
  recordPathOf,
} from '../sidecar/file.ts';
import { findEarlierUpload } from './earlier-upload.ts';
import type { ActionInputs } from './inputs.ts';
import type { Job } from './job.ts';
import type { RunnerLog } from './log.ts';
import { artifactUrl, type UploadedSidecar } from './outputs.ts';
import type { Toolkit, ToolkitAnswer } from './toolkit.ts';
import type { Trust } from './trust.ts';

export interface UploadServices {
  readonly job: Job;
  readonly trust: Trust;
  readonly log: RunnerLog;
  readonly toolkit: Toolkit;
  readonly signal: AbortSignal;
}

/** Asked before the long work, because an upload that cannot work would waste all of it. */
export async function requireUploadService(
  { upload }: ActionInputs,
  { trust, toolkit, signal }: UploadServices,
): Promise<void> {
  if (upload && trust.upload.allowed) {
    await toolkit.call(() => requireArtifactService(), { signal });
  }
}

/** Uploads a sidecar that this run has packed, with its pack record and its bundle. */
export async function upload(
  sidecar: PackedSidecar,
  inputs: ActionInputs,
  services: UploadServices,
): Promise<UploadedSidecar | undefined> {
  const { job, trust, log, signal } = services;
  if (!inputs.upload) {
    return undefined;
  }
  if (!trust.upload.allowed) {
    log.notice('Not uploaded', `${trust.upload.reason}; the sidecar stays on this runner`);
    return undefined;
  }
  const { path, record, bundle } = sidecar;
  const { sha256, sizeBytes } = record.sidecar;
  log.onProgress({ type: 'start', stage: 'upload', detail: path });
  const { value: artifact, complaints } = await send(path, sha256, inputs, services);
  // For example when the repository limits retention-days; the files beside it would say the same.
  for (const complaint of complaints) {
    log.warning('Upload', complaint);
  }
  await send(recordPathOf(path), hash('sha256', formatRecord(record)), inputs, services);
  const frames = await makeFrameIndex(sidecar);
  if (frames !== undefined) {
    await fs.writeFile(framesPathOf(path), frames);
    await send(framesPathOf(path), hash('sha256', frames), inputs, services);
  }
  if (bundle !== undefined) {
    await send(bundlePathOf(path), hash('sha256', bundle), inputs, services);
  }
  const { githubToken: token } = inputs;
  const expiresAt = token && (await artifactExpiry(artifact.id, { ...job, token, signal }));
  log.onProgress({ type: 'done', stage: 'upload', detail: artifact.name, sizeBytes });
  const { runId } = job;
  return { ...artifact, url: artifactUrl(job, runId, artifact.id), runId, expiresAt };
}

export type ConfirmedUpload =
  | { readonly kind: 'gone'; readonly reason: string }
  | {
      readonly kind: 'confirmed';
      /** Makes it known under this run's inputs where it is not, by its pack record alone. */
      offer(recordPath: string): Promise<UploadedSidecar | undefined>;
    };

/**
 * A sidecar from the runner cache is never uploaded as the work of this run, because anyone who can write the cache
 * decides what is in it. The artifact of the run that packed it has to be there still; where that cannot be asked, nothing
 * is uploaded.
 */
export async function confirmEarlierUpload(
  record: PackRecord,
  name: string,
  inputs: ActionInputs,
  services: UploadServices,
): Promise<ConfirmedUpload> {
  const { trust, log } = services;
  if (!inputs.upload || !trust.upload.allowed) {
    return { kind: 'confirmed', offer: async () => undefined };
  }
  log.onProgress({ type: 'start', stage: 'confirm', detail: name });
  const earlier = await findEarlierUpload(record, name, inputs.githubToken, services);
  if (earlier.kind === 'there') {
    const { artifact, hasRecord } = earlier;
    const until = artifact.expiresAt === undefined ? '' : `, until ${artifact.expiresAt.slice(0, 10)}`;
    log.onProgress({
      type: 'done',
      stage: 'confirm',
      detail: `uploaded by workflow run ${artifact.runId}${until}`,
    });
    return {
      kind: 'confirmed',
      offer: async (recordPath) => {
        if (!hasRecord) {
          await send(recordPath, hash('sha256', formatRecord(record)), inputs, services);
        }
        return artifact;
      },
    };
  }
  log.onProgress({ type: 'done', stage: 'confirm', detail: earlier.reason });
  if (earlier.kind === 'gone') {
    return { kind: 'gone', reason: earlier.reason };
  }
  log.notice(
    'Artifact not confirmed',
    `the sidecar is in the runner cache, but this job cannot see whether its artifact still exists: ${earlier.reason}. ${earlier.hint}`,
  );
  return { kind: 'confirmed', offer: async () => undefined };
}

async function send(
  path: string,
  sha256: string,
  { retentionDays }: ActionInputs,
  { job, toolkit, signal }: UploadServices,
): Promise<ToolkitAnswer<WorkflowArtifact>> {
  const request = { path, sha256, retentionDays, replace: job.runAttempt > 1 };
  return await toolkit.call(() => uploadWorkflowArtifact(request), { signal });
}
