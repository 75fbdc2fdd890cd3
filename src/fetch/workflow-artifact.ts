import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { BUNDLE_SUFFIX, FRAMES_SUFFIX, publishedName } from '../identity/published-name.ts';
import { shownText } from '../identity/shown-schema.ts';
import { counted } from '../identity/shown-text.ts';
import { apiRequest, readApi, repositoryPath } from '../remote/github.ts';
import {
  type ListedArtifact as Artifact,
  type ArtifactFilter,
  listArtifacts,
} from '../remote/github-artifacts.ts';
import type { HttpRequest } from '../remote/http.ts';
import { unlessMissing } from '../remote/http-error.ts';
import { MAX_BUNDLE_BYTES, MAX_RECORD_BYTES } from '../sidecar/file.ts';
import { recordSha256 } from '../trust/record-digest.ts';
import { damagedRecord, parseRecord } from './record.ts';
import { remoteFile } from './remote-file.ts';
import {
  type Offer,
  type RemoteFile,
  type Skipped,
  type Source,
  type SourceTools,
  type Wanted,
  withoutRepository,
} from './source.ts';

/** Events that people without write access cannot cause. */
const TRUSTED_EVENTS = ['push', 'release', 'workflow_dispatch', 'schedule'];
/** Each costs one question. */
const MAX_RUNS = 10;
const MAX_REASONS = 3;

const runSchema = z.object({
  id: z.int(),
  event: shownText,
  status: z.nullish(shownText),
  conclusion: z.nullish(shownText),
  head_branch: z.nullish(shownText),
  head_sha: z.nullish(z.string()),
  /** None when the fork has been deleted. */
  head_repository: z.nullish(z.object({ id: z.int(), full_name: shownText })),
});

/** A tag leads to its commit, or, with a message of its own, to an object that does. */
const gitObjectSchema = z.object({ object: z.object({ type: z.string(), sha: z.string() }) });

const repositorySchema = z.object({ id: z.int(), default_branch: shownText });

type Run = z.infer<typeof runSchema>;
type Repository = z.infer<typeof repositorySchema> & { readonly name: string };

/**
 * Artifacts of workflow runs, which GitHub gives to nobody without a token. Its listing mixes the runs of everyone's
 * pull requests with the repository's own, so each run is looked at before anything of it is downloaded.
 */
export function artifactSource(runId: string | undefined, tools: SourceTools): Source {
  return {
    name: runId === undefined ? 'workflow artifact' : `workflow run ${runId}`,
    find: async (wanted) => {
      if (wanted.repository === undefined) {
        return withoutRepository(wanted);
      }
      if (tools.github.credential === undefined) {
        return withoutToken(runId);
      }
      const search = new Search(await findRepository(wanted.repository, tools), wanted, tools);
      return runId === undefined ? await search.byName() : await search.inRun(runId);
    },
  };
}

/** @throws BottleError `authentication` for a run that the user has named */
function withoutToken(runId: string | undefined): Skipped {
  if (runId === undefined) {
    const hint = 'gh auth login  # workflow artifacts may have it';
    return { skipped: 'needs a GitHub token (GH_TOKEN), even in a public repository', hint };
  }
  throw new BottleError(
    'authentication',
    'workflow artifacts need a GitHub token, even in public repositories',
    { hint: 'gh auth login  # or set GH_TOKEN' },
  );
}

async function findRepository(name: string, { http, github }: SourceTools): Promise<Repository> {
  const path = `repos/${repositoryPath(name)}`;
  const found = await unlessMissing(readApi(http, github, path, repositorySchema));
  if (found === undefined) {
    throw new BottleError('not-found', `there is no repository ${name}, or the token may not read it`, {
      hint: 'set GH_TOKEN to a token with access to it',
    });
  }
  return { ...found, name };
}

class Search {
  readonly #repository: Repository;
  readonly #wanted: Wanted;
  readonly #tools: SourceTools;

  constructor(repository: Repository, wanted: Wanted, tools: SourceTools) {
    this.#repository = repository;
    this.#wanted = wanted;
    this.#tools = tools;
  }

  /** The newest artifact of the name that may be trusted. */
  async byName(): Promise<Offer | Skipped> {
    const { platform, key } = this.#wanted;
    const name = publishedName(platform, key);
    const sidecars = newestFirst(await this.#list({ name, maxPages: 1 }));
    const found = await this.#newestOffer(sidecars, (run, artifact) => this.#offer(run, artifact));
    if (!Array.isArray(found)) {
      return found;
    }
    const seen = new Set(sidecars.map(({ workflow_run: run }) => run?.id));
    const records = newestFirst(await this.#list({ name: `${name}.json`, maxPages: 1 }));
    const alone = records.filter(({ workflow_run: run }) => !seen.has(run?.id));
    const elsewhere = await this.#newestOffer(alone, (run, record) => this.#offerOf(run, record));
    return Array.isArray(elsewhere) ? { skipped: notFound(name, [...found, ...elsewhere]) } : elsewhere;
  }

  /** The first of these that may be trusted, or why none of them can be used. */
  async #newestOffer(
    artifacts: readonly Artifact[],
    offerFrom: (run: Run, artifact: Artifact) => Promise<Offer | string>,
  ): Promise<Offer | string[]> {
    const reasons: string[] = [];
    let runs = 0;
    for (const artifact of artifacts) {
      const fault = listedFault(artifact);
      if (fault !== undefined) {
        reasons.push(fault);
        continue;
      }
      if (runs === MAX_RUNS) {
        reasons.push('older ones were not looked at');
        break;
      }
      runs += 1;
      const run = await this.#findRun(String(artifact.workflow_run?.id));
      const offer = (await this.#distrust(run)) ?? (await offerFrom(run, artifact));
      if (typeof offer !== 'string') {
        return offer;
      }
      reasons.push(offer);
    }
    return reasons;
  }

  /** @throws BottleError `not-trusted` */
  async inRun(runId: string): Promise<Offer | Skipped> {
    const run = await this.#findRun(runId);
    const distrust = await this.#distrust(run);
    if (distrust !== undefined) {
      throw new BottleError('not-trusted', `refused the artifacts of workflow run ${runId}: ${distrust}`, {
        hint: 'use a successful run of this repository on its default branch or on a tag',
      });
    }
    const { platform, key } = this.#wanted;
    const stem = `-${platform.replace('/', '-')}-${key.slice(0, 16)}`;
    const artifacts = await this.#list({ runId });
    const matching = artifacts
      .filter(({ name }) => name.includes(stem) && /\.smolmachine(\.json)?$/.test(name))
      // A name with something after the key is of a sidecar that was packed in another way than usual.
      .toSorted((a, b) => a.name.length - b.name.length || b.id - a.id);
    const reasons: string[] = [];
    for (const artifact of matching) {
      const isRecord = artifact.name.endsWith('.json');
      const offer =
        listedExpiry(artifact) ??
        (await (isRecord ? this.#offerOf(run, artifact) : this.#offer(run, artifact)));
      if (typeof offer !== 'string') {
        return offer;
      }
      reasons.push(offer);
    }
    return { skipped: notFound(`*${stem}*.smolmachine`, reasons) };
  }

  /** Why nothing of this run is to be used. */
  async #distrust(run: Run): Promise<string | undefined> {
    const { id, event, status, conclusion, head_branch: branch, head_repository: head } = run;
    const { id: repositoryId, default_branch: defaultBranch } = this.#repository;
    if (head?.id !== repositoryId) {
      return `run ${id} is of a fork (${head?.full_name ?? 'deleted'})`;
    }
    if (!TRUSTED_EVENTS.includes(event)) {
      return `run ${id} was started by ${event}`;
    }
    if (status !== 'completed') {
      return `run ${id} has not ended (${status})`;
    }
    if (conclusion !== 'success') {
      return `run ${id} ended with ${conclusion}`;
    }
    const isTrustedRef =
      event === 'release' ||
      branch === defaultBranch ||
      (event === 'push' && (await this.#isTagAt(branch, run.head_sha)));
    return isTrustedRef
      ? undefined
      : `run ${id} is of ${branch}, neither ${defaultBranch} nor a tag that was pushed`;
  }

  /**
   * A run names the branch or the tag that it ran for, and does not say which of them it is. A branch can have the name
   * of a tag, but what is pushed to it is another commit than the tag's.
   */
  async #isTagAt(name: string | null | undefined, commit: string | null | undefined): Promise<boolean> {
    if (!name || !commit) {
      return false;
    }
    const ref = await unlessMissing(this.#read(['git', 'ref', 'tags', name], gitObjectSchema));
    const object =
      ref?.object.type === 'tag'
        ? (await this.#read(['git', 'tags', ref.object.sha], gitObjectSchema)).object
        : ref?.object;
    return object?.type === 'commit' && object.sha === commit;
  }

  /** Or why there is none. */
  async #offer(run: Run, artifact: Artifact): Promise<Offer | string> {
    const name = `${artifact.name}.json`;
    const recordArtifact = await this.#beside(run, name);
    if (recordArtifact === undefined) {
      return `run ${run.id} has no ${name} beside it`;
    }
    const record = await this.#readRecord(recordArtifact);
    this.#requireSource(record, run);
    const content = this.#content(artifact, record);
    const bundles = async () => {
      const bundle = await this.#beside(run, artifact.name + BUNDLE_SUFFIX);
      return bundle === undefined ? [] : [await this.#readText(bundle, MAX_BUNDLE_BYTES)];
    };
    const frameIndex = async (maxBytes: number) => {
      const index = await this.#beside(run, artifact.name + FRAMES_SUFFIX);
      if (index === undefined) {
        throw new BottleError('not-found', `run ${run.id} has no ${artifact.name}${FRAMES_SUFFIX}`);
      }
      return await this.#readText(index, maxBytes);
    };
    return { record, content, address: `run:${run.id}`, bundles, frameIndex };
  }

  /**
   * A pack record without a sidecar beside it: its run has built an image that an earlier run had packed from other
   * inputs. Both runs must be trusted, and the earlier run must say the same of the sidecar.
   */
  async #offerOf(run: Run, recordArtifact: Artifact): Promise<Offer | string> {
    const record = await this.#readRecord(recordArtifact);
    const packedIn = record.source?.runId;
    if (packedIn === undefined || packedIn === String(run.id)) {
      return `run ${run.id} has the pack record alone`;
    }
    const packer = await unlessMissing(this.#findRun(packedIn));
    if (packer === undefined) {
      return `run ${packedIn}, which packed it, has been deleted`;
    }
    const distrust = await this.#distrust(packer);
    if (distrust !== undefined) {
      return distrust;
    }
    const isContent = ({ digest, expired }: Artifact) =>
      !expired && digest === `sha256:${record.sidecar.sha256}`;
    const artifact = (await this.#list({ runId: packedIn })).find(isContent);
    if (artifact === undefined) {
      return `run ${packedIn}, which packed it, no longer offers it`;
    }
    const packed = await this.#offer(packer, artifact);
    if (typeof packed === 'string') {
      return packed;
    }
    const withoutInputs = (one: PackRecord) => recordSha256({ ...one, inputs: undefined });
    if (withoutInputs(packed.record) !== withoutInputs(record)) {
      throw new BottleError(
        'not-trusted',
        `the pack record in workflow run ${run.id} differs from that of run ${packedIn}, which packed the sidecar`,
        { hint: 'do not use it; run the workflow again, or pack your own: claude-bottle pack' },
      );
    }
    // Signed was the record of the earlier run, which names other inputs.
    return { ...packed, record, bundles: async () => [] };
  }

  async #readRecord(artifact: Artifact): Promise<PackRecord> {
    const text = await this.#readText(artifact, MAX_RECORD_BYTES);
    return parseRecord(text, `the artifact ${artifact.name}`);
  }

  async #beside(run: Run, name: string): Promise<Artifact | undefined> {
    const artifacts = await this.#list({ runId: String(run.id), name, maxPages: 1 });
    return newestFirst(artifacts).find(({ expired }) => !expired);
  }

  async #readText(artifact: Artifact, maxBytes: number): Promise<Buffer> {
    const { bytes } = await this.#tools.http.read(this.#downloadRequest(artifact), maxBytes);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (artifact.digest && artifact.digest !== digest) {
      throw damagedRecord(`the artifact ${artifact.name} arrived as ${digest}, expected ${artifact.digest}`);
    }
    return bytes;
  }

  /** The action writes its run into the record of what it has packed. */
  #requireSource({ source }: PackRecord, run: Run): void {
    const repositoryId = String(this.#repository.id);
    const fault =
      source?.runId !== String(run.id)
        ? `of run ${source?.runId ?? 'none'}`
        : source.repositoryId !== undefined && source.repositoryId !== repositoryId
          ? `of repository ${source.repositoryId}, not ${repositoryId}`
          : undefined;
    if (fault !== undefined) {
      throw new BottleError('not-trusted', `the pack record in workflow run ${run.id} says it is ${fault}`, {
        hint: 'do not use it; run the workflow again, or pack your own: claude-bottle pack',
      });
    }
  }

  #content(artifact: Artifact, { sidecar }: PackRecord): RemoteFile {
    const { name, digest, size_in_bytes: sizeBytes } = artifact;
    if ((digest && digest !== `sha256:${sidecar.sha256}`) || sizeBytes !== sidecar.sizeBytes) {
      throw damagedRecord(
        `the artifact ${name} is ${digest} (${counted(sizeBytes, 'byte')}), and its pack record says ` +
          `sha256:${sidecar.sha256} (${counted(sidecar.sizeBytes, 'byte')})`,
      );
    }
    return remoteFile(this.#tools.http, this.#downloadRequest(artifact), sidecar);
  }

  /** Serves a file that was uploaded as it is too: https://docs.github.com/rest/actions/artifacts#download-an-artifact */
  #downloadRequest({ id }: Artifact): HttpRequest {
    const path = repositoryPath(this.#repository.name, 'actions', 'artifacts', String(id), 'zip');
    return apiRequest(this.#tools.github, `repos/${path}`);
  }

  async #findRun(runId: string): Promise<Run> {
    return await this.#read(['actions', 'runs', runId], runSchema);
  }

  async #list(filter: ArtifactFilter): Promise<Artifact[]> {
    return await listArtifacts(this.#tools, this.#repository.name, filter);
  }

  async #read<T>(segments: readonly string[], schema: z.ZodMiniType<T>, query = ''): Promise<T> {
    const { http, github } = this.#tools;
    return await readApi(
      http,
      github,
      `repos/${repositoryPath(this.#repository.name, ...segments)}${query}`,
      schema,
    );
  }
}

/** The reasons against an artifact that the listing itself gives, which saves a question. */
function listedFault(artifact: Artifact): string | undefined {
  const { workflow_run: run } = artifact;
  if (run === undefined || run === null) {
    return 'one has no workflow run';
  }
  return run.head_repository_id !== run.repository_id ? `run ${run.id} is of a fork` : listedExpiry(artifact);
}

function listedExpiry({ expired, expires_at: expiry, workflow_run: run }: Artifact): string | undefined {
  return expired ? `the one of run ${run?.id} expired on ${expiry?.slice(0, 10)}` : undefined;
}

/** Numbers go up. */
function newestFirst(artifacts: readonly Artifact[]): Artifact[] {
  return artifacts.toSorted((a, b) => b.id - a.id);
}

function notFound(name: string, reasons: readonly string[]): string {
  if (reasons.length === 0) {
    return `there is no artifact ${name}`;
  }
  const more = reasons.length - MAX_REASONS;
  const shown = reasons.slice(0, MAX_REASONS).join('; ');
  return `no artifact ${name} can be used: ${shown}${more > 0 ? `; and ${more} more` : ''}`;
}
