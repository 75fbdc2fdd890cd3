import { z } from 'zod';
import type { BlobStore } from './blob-store.ts';
import { int64, parseMessage, type Scope, TwirpError, type TwirpMethod } from './twirp.ts';

interface Entry {
  readonly id: number;
  readonly runId: string;
  readonly jobId: string;
  readonly name: string;
  readonly mimeType: string;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  readonly blob: string;
  /** Undefined until the artifact is finalized. */
  complete?: { readonly sizeBytes: number; readonly digest: string };
}

export interface Artifact {
  readonly id: number;
  /** The run, as the token names it. */
  readonly runId: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** `sha256:` and 64 hex digits, of what was really uploaded. */
  readonly digest: string;
  readonly mimeType: string;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  /** The content on disk, to be written over; empty with Azurite. */
  readonly path: string;
}

const text = z.string().min(1);
const ids = { workflow_run_backend_id: text, workflow_job_run_backend_id: text };
const CreateRequest = z.strictObject({
  ...ids,
  name: text.regex(/^[^":<>|*?\r\n\\/]+$/),
  version: z.literal(7),
  mime_type: text,
  expires_at: z.iso.datetime({ offset: true }).optional(),
});
const FinalizeRequest = z.strictObject({
  ...ids,
  name: text,
  size: int64,
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
});
const ListRequest = z.strictObject({
  ...ids,
  name_filter: text.optional(),
  id_filter: z.string().regex(/^\d+$/).optional(),
});
const NameRequest = z.strictObject({ ...ids, name: text });

/** `github.actions.results.api.v1.ArtifactService`, for all runs of one repository. */
export class ArtifactService {
  readonly #blobs: BlobStore;
  readonly #baseUrl: string;
  #entries: Entry[] = [];
  #created = 0;

  constructor(blobs: BlobStore, baseUrl: string) {
    this.#blobs = blobs;
    this.#baseUrl = baseUrl;
  }

  readonly methods: Readonly<Record<string, TwirpMethod>> = {
    CreateArtifact: (message, scope) => this.#create(message, scope),
    FinalizeArtifact: (message, scope) => this.#finalize(message, scope),
    ListArtifacts: (message, scope) => this.#list(message, scope),
    GetSignedArtifactURL: (message, scope) => this.#sign(message, scope),
    DeleteArtifact: (message, scope) => this.#delete(message, scope),
  };

  /** Oldest first, of all runs; without those that were never finalized. */
  artifacts(): Artifact[] {
    return this.#entries.flatMap(({ complete, blob, jobId: _, ...entry }) =>
      complete === undefined ? [] : [{ ...entry, ...complete, path: this.#blobs.path(blob) }],
    );
  }

  nameOf(blob: string): string | undefined {
    return this.#entries.find((entry) => entry.blob === blob)?.name;
  }

  /** The newest of that name. */
  blobOf(name: string): string | undefined {
    return this.#entries.findLast((entry) => entry.name === name)?.blob;
  }

  #create(message: unknown, scope: Scope): object {
    const request = parseMessage(CreateRequest, message);
    checkScope(request, scope);
    if (this.#entries.some((entry) => entry.runId === scope.runId && entry.name === request.name)) {
      throw new TwirpError('already_exists', 'an artifact with this name already exists on the workflow run');
    }
    this.#created += 1;
    const entry = {
      id: this.#created,
      ...scope,
      name: request.name,
      mimeType: request.mime_type,
      createdAt: new Date().toISOString(),
      expiresAt: request.expires_at,
      blob: `artifact-${this.#created}`,
    };
    this.#entries.push(entry);
    return { ok: true, signed_upload_url: `${this.#baseUrl}${this.#blobs.sign(entry.blob, 'cw')}` };
  }

  async #finalize(message: unknown, scope: Scope): Promise<object> {
    const request = parseMessage(FinalizeRequest, message);
    checkScope(request, scope);
    const entry = this.#find(request.name, scope);
    if (entry.complete !== undefined) {
      throw new TwirpError('already_exists', `artifact ${request.name} is finalized, and immutable`);
    }
    const blob = await this.#blobs.inspect(entry.blob);
    const digest = `sha256:${blob?.sha256}`;
    if (blob?.sizeBytes !== request.size || digest !== request.hash) {
      throw new TwirpError(
        'invalid_argument',
        `the upload has ${blob?.sizeBytes} bytes and ${digest}, not ${request.size} and ${request.hash}`,
      );
    }
    entry.complete = { sizeBytes: blob.sizeBytes, digest };
    return { ok: true, artifact_id: String(entry.id) };
  }

  #list(message: unknown, scope: Scope): object {
    const request = parseMessage(ListRequest, message);
    checkScope(request, scope);
    const artifacts = this.#entries.flatMap((entry) =>
      entry.complete === undefined ||
      entry.runId !== scope.runId ||
      (request.name_filter !== undefined && entry.name !== request.name_filter) ||
      (request.id_filter !== undefined && String(entry.id) !== request.id_filter)
        ? []
        : [
            {
              workflow_run_backend_id: entry.runId,
              workflow_job_run_backend_id: entry.jobId,
              database_id: String(entry.id),
              name: entry.name,
              size: String(entry.complete.sizeBytes),
              created_at: entry.createdAt,
              digest: entry.complete.digest,
            },
          ],
    );
    return { artifacts };
  }

  #sign(message: unknown, scope: Scope): object {
    const request = parseMessage(NameRequest, message);
    checkRun(request, scope);
    const { blob, name, mimeType } = this.#findComplete(request.name, scope);
    const fileName = mimeType === 'application/zip' && !name.endsWith('.zip') ? `${name}.zip` : name;
    return { signed_url: `${this.#baseUrl}${this.#blobs.sign(blob, 'r', { mimeType, fileName })}` };
  }

  #delete(message: unknown, scope: Scope): object {
    const request = parseMessage(NameRequest, message);
    checkRun(request, scope);
    const deleted = this.#findComplete(request.name, scope);
    this.#entries = this.#entries.filter((entry) => entry !== deleted);
    return { ok: true, artifact_id: String(deleted.id) };
  }

  #findComplete(name: string, scope: Scope): Entry {
    const entry = this.#find(name, scope);
    if (entry.complete === undefined) {
      throw new TwirpError('not_found', `artifact ${name} is not finalized`);
    }
    return entry;
  }

  #find(name: string, { runId }: Scope): Entry {
    const entry = this.#entries.find((candidate) => candidate.runId === runId && candidate.name === name);
    if (entry === undefined) {
      throw new TwirpError('not_found', `no artifact ${name} in this run`);
    }
    return entry;
  }
}

interface Ids {
  readonly workflow_run_backend_id: string;
  readonly workflow_job_run_backend_id: string;
}

function checkScope(request: Ids, scope: Scope): void {
  checkRun(request, scope);
  if (request.workflow_job_run_backend_id !== scope.jobId) {
    throw new TwirpError(
      'permission_denied',
      `the token is not for job ${request.workflow_job_run_backend_id}`,
    );
  }
}

/** Artifacts of a run are for all of its jobs. */
function checkRun(request: Ids, scope: Scope): void {
  if (request.workflow_run_backend_id !== scope.runId) {
    throw new TwirpError('permission_denied', `the token is not for run ${request.workflow_run_backend_id}`);
  }
}
