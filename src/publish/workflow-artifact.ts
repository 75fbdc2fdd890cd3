import { basename, dirname } from 'node:path';
import { ArtifactNotFoundError, DefaultArtifactClient } from '@actions/artifact';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';

const EXPIRY_TIMEOUT_MS = 10_000;

const artifactSchema = z.object({ expires_at: z.iso.datetime() });

export interface ArtifactUpload {
  /** The file is the artifact, and its base name the artifact's name: nothing is zipped. */
  readonly path: string;
  /** 64 hex digits, of the file as it was verified. */
  readonly sha256: string;
  readonly retentionDays?: number | undefined;
  /** Whether an artifact of that name may be replaced: one from an earlier attempt of this job. */
  readonly replace: boolean;
}

export interface WorkflowArtifact {
  readonly id: number;
  readonly name: string;
  readonly digest: Digest;
}

/**
 * Uploads one file as a workflow artifact, and makes sure that GitHub has what was verified.
 * @throws BottleError `upload-failed`; then there is no artifact of that name with other content from us
 */
export async function uploadWorkflowArtifact(upload: ArtifactUpload): Promise<WorkflowArtifact> {
  const client = new DefaultArtifactClient();
  const name = basename(upload.path);
  const existing = await findArtifact(client, name);
  if (existing?.digest === `sha256:${upload.sha256}`) {
    return { id: existing.id, name, digest: existing.digest };
  }
  if (existing !== undefined) {
    if (!upload.replace) {
      throw new BottleError('upload-failed', `this run has another artifact named ${name} already`, {
        hint: 'give the steps or jobs that pack different things an artifact-name each',
      });
    }
    await client.deleteArtifact(name);
  }
  const { id, digest } = await send(client, name, upload);
  const stored = await findArtifact(client, name);
  const found = [digest && `sha256:${digest}`, stored?.digest].find(
    (each) => each !== `sha256:${upload.sha256}`,
  );
  if (id === undefined || found !== undefined || stored?.digest === undefined) {
    await client.deleteArtifact(name).catch(() => {});
    throw new BottleError(
      'upload-failed',
      `the artifact ${name} arrived as ${found ?? 'nothing'}, not as sha256:${upload.sha256}; it was deleted`,
      {
        hint: 'run the job again; if it happens again, another step or job tampers with the file or the artifact',
      },
    );
  }
  return { id, name, digest: stored.digest as Digest };
}

/**
 * Asks whether this job can have artifacts at all.
 * @throws BottleError `upload-failed`
 */
export async function requireArtifactService(): Promise<void> {
  await findArtifact(new DefaultArtifactClient(), 'claude-bottle-pack');
}

async function send(client: DefaultArtifactClient, name: string, { path, retentionDays }: ArtifactUpload) {
  try {
    return await client.uploadArtifact(name, [path], dirname(path), {
      skipArchive: true,
      ...(retentionDays !== undefined && { retentionDays }),
    });
  } catch (error) {
    throw uploadError(name, path, error);
  }
}

function uploadError(name: string, path: string, error: unknown): BottleError {
  const reason = reasonOf(error);
  const hint = /insufficient usage|quota/i.test(reason)
    ? 'delete old artifacts, or shorten retention-days'
    : // Nothing was found under that name before: another job is at it, or an upload was broken off.
      reason.includes('(409)')
      ? 'give this step another artifact-name, or start a new run instead of running the job again'
      : `run the job again; until this one ends the file is at ${path}`;
  return new BottleError('upload-failed', `cannot upload the artifact ${name}: ${reason}`, {
    hint,
    cause: error,
  });
}

async function findArtifact(client: DefaultArtifactClient, name: string) {
  try {
    const { artifact } = await client.getArtifact(name);
    return { id: artifact.id, digest: artifact.digest as Digest | undefined };
  } catch (error) {
    if (error instanceof ArtifactNotFoundError) {
      return undefined;
    }
    const reason = reasonOf(error);
    throw new BottleError('upload-failed', `cannot look for the artifact ${name}: ${reason}`, {
      hint: /env variable|GHES/.test(reason)
        ? 'set upload to false: there is no service for such artifacts here'
        : 'run the job again',
      cause: error,
    });
  }
}

/** The first line, because the toolkit adds paragraphs of advice; the status, where a refusal has no words. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  if (line.trim() !== '') {
    return line;
  }
  const status = (error as { readonly statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? `the storage answered ${status}` : 'the storage gave no reason';
}

/**
 * When GitHub is going to delete an artifact (ISO 8601), as far as `token` may ask (`actions: read`).
 * https://docs.github.com/rest/actions/artifacts#get-an-artifact
 */
export async function artifactExpiry(
  id: number,
  {
    apiUrl,
    repository,
    token,
    signal,
  }: { apiUrl: string; repository: string; token: string; signal: AbortSignal },
): Promise<string | undefined> {
  try {
    const answer = await fetch(`${apiUrl}/repos/${repository}/actions/artifacts/${id}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(EXPIRY_TIMEOUT_MS)]),
    });
    return answer.ok ? artifactSchema.safeParse(await answer.json()).data?.expires_at : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
