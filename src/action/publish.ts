import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as z from 'zod/mini';
import { type Image, imageHistory } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import type { ImageId } from '../identity/image-id.ts';
import { parseInputsKey } from '../identity/inputs-key.ts';
import { registryRepository, sharedTags } from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { publishedName } from '../identity/published-name.ts';
import { warningsTo } from '../progress.ts';
import { type AttestMode, attestSidecar, requireAttestPermissions } from '../publish/attest.ts';
import { publishRelease } from '../publish/github-release.ts';
import { publishToRegistry, UPLOAD_IDLE_TIMEOUT_MS } from '../publish/oci-registry.ts';
import { type ReleasePlace, requireTagAt } from '../publish/release-api.ts';
import { requireNoSecrets } from '../publish/secret-scan.ts';
import { type GitHubSite, readApi, repositoryPath } from '../remote/github.ts';
import type { HttpClient } from '../remote/http.ts';
import { unlessMissing } from '../remote/http-error.ts';
import { type OciRepositoryName, parseOciReference } from '../remote/oci-reference.ts';
import { bundlePathOf, type PackedSidecar } from '../sidecar/file.ts';
import { recordSha256 } from '../trust/record-digest.ts';
import { requirePushAccess, requireReleaseAccess, requireTypesTaken } from './access.ts';
import { jobSite, withHttp } from './github.ts';
import type { ActionInputs } from './inputs.ts';
import type { Job } from './job.ts';
import type { RunnerLog } from './log.ts';
import type { PackedHere, Published } from './outputs.ts';
import type { Toolkit } from './toolkit.ts';
import { defaultBranchOf, type Trust } from './trust.ts';

export interface PublishServices {
  readonly job: Job;
  readonly trust: Trust;
  readonly log: RunnerLog;
  readonly toolkit: Toolkit;
  readonly signal: AbortSignal;
  /** Told of each place as soon as it has everything. */
  readonly onPublished: (published: Published) => void;
}

/** Where to, and how: all that can be known and refused before anything is built. */
export interface PublishPlan {
  readonly github: GitHubSite;
  readonly registry: OciRepositoryName | undefined;
  readonly release: { readonly tag: string; readonly isDraft: boolean } | undefined;
  readonly releasePlatforms: readonly GuestPlatform[];
  /** `off` also where this job may not. */
  readonly attest: AttestMode;
  readonly isPublicRepository: boolean;
  readonly secretScan: 'fail' | 'warn';
  readonly token: string | undefined;
  readonly tokenHosts: readonly string[];
}

/**
 * Undefined when this run publishes nothing.
 * @throws BottleError `authentication` for a missing permission, `usage`, `not-trusted`, `not-found`
 */
export async function planPublication(
  { publish, githubToken: token }: ActionInputs,
  services: PublishServices,
): Promise<PublishPlan | undefined> {
  const { channels, attest, secretScan, releasePlatforms } = publish;
  const { job, trust, log, signal } = services;
  if (channels.length === 0) {
    return undefined;
  }
  if (!trust.publish.allowed) {
    log.notice('Not published', `${trust.publish.reason}`);
    return undefined;
  }
  const release = channels.includes('release')
    ? { tag: publish.releaseTag ?? tagOf(job), isDraft: publish.releaseDraft }
    : undefined;
  if (token === undefined && (release !== undefined || attest === 'required')) {
    const what = release === undefined ? 'attest: required' : 'a release';
    throw new BottleError('authentication', `the input github-token is empty, and ${what} needs it`, {
      hint: 'leave github-token at its default',
    });
  }
  const github = await jobSite(job, token);
  const mayAttest = requireAttestPermissions(job.hasIdToken, attest);
  if (!mayAttest && attest === 'auto') {
    log.notice(
      'Not signed',
      'unsigned, because the job lacks the permission id-token: write: add it to sign',
    );
  }
  const registry = channels.includes('oci')
    ? (publish.ociRef ?? parseDefaultPackage(job, github))
    : undefined;
  warnAboutBranch(job, log);
  return await withHttp(services, {}, async (http) => {
    const plan: PublishPlan = {
      github,
      registry,
      release,
      releasePlatforms,
      attest: mayAttest ? attest : 'off',
      isPublicRepository: mayAttest && (await isPublicRepository(job, github, http)),
      secretScan,
      token,
      tokenHosts: publish.tokenHosts,
    };
    if (release !== undefined) {
      const place = releasePlace(plan, job, release.tag, http);
      await requireTagAt(place);
      await requireReleaseAccess(place);
    }
    if (registry !== undefined) {
      const { tokenHosts } = publish;
      const tools = { http, github, signal, tokenHosts, onWarning: warningsTo(log.onProgress) };
      await requirePushAccess(registry, tools);
      await requireTypesTaken(registry, tools);
    }
    return plan;
  });
}

/** The event does not always tell, and of a run that is repeated it tells how it was then. */
async function isPublicRepository(
  { repository }: Job,
  github: GitHubSite,
  http: HttpClient,
): Promise<boolean> {
  const path = `repos/${repositoryPath(repository)}`;
  const answer = await unlessMissing(readApi(http, github, path, z.object({ private: z.boolean() })));
  return answer?.private === false;
}

function tagOf({ ref }: Job): string {
  const tag = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
  if (tag === undefined) {
    throw new BottleError('usage', `publish: release has no tag: this run is for ${ref}`, {
      hint: 'run the workflow for tags (on: push: tags), set release-tag, or leave publish without release in such runs',
    });
  }
  return tag;
}

/** GitHub allows names (`.github`, `_x`, `x-`) that registries do not. */
function parseDefaultPackage(job: Job, github: GitHubSite): OciRepositoryName {
  const name = defaultPackage(job, github);
  try {
    return parseOciReference(name);
  } catch (error) {
    const message = `no registry takes the name ${name}: each part must begin and end with a letter or a digit`;
    throw new BottleError('usage', message, {
      hint: `name another place with the input oci-ref, such as ${github.registryHost}/OWNER/NAME/smolmachine`,
      cause: error,
    });
  }
}

function defaultPackage({ repository }: Job, { registryHost }: GitHubSite): string {
  return `${registryHost}/${registryRepository(repository)}`;
}

/** It is published anyway; the next run for the default branch sets the key's tag again. */
function warnAboutBranch(job: Job, log: RunnerLog): void {
  const defaultBranch = defaultBranchOf(job);
  if (
    defaultBranch !== undefined &&
    job.ref.startsWith('refs/heads/') &&
    job.ref !== `refs/heads/${defaultBranch}`
  ) {
    const branch = job.ref.replace('refs/heads/', '');
    log.warning(
      'Published from a branch',
      `developers need claude-bottle fetch --branch ${branch} for this sidecar, because fetch accepts signatures made on tags and on ${defaultBranch}`,
    );
  }
}

function releasePlace({ github }: PublishPlan, job: Job, tag: string, http: HttpClient): ReleasePlace {
  return { http, github, repository: job.repository, tag, commit: job.source.commit };
}

/** @throws BottleError `secret-found`, before the long work of packing */
export async function scanForSecrets(
  { secretScan }: PublishPlan,
  { id, config }: Pick<Image, 'config'> & { readonly id: ImageId },
  { log, signal }: PublishServices,
): Promise<void> {
  try {
    requireNoSecrets({ config: { ...config }, history: await imageHistory(id, signal) });
  } catch (error) {
    if (secretScan === 'warn' && error instanceof BottleError && error.code === 'secret-found') {
      log.warning('Secret in the image', `${error.message}; it is published anyway (secret-scan: warn)`);
      return;
    }
    throw error;
  }
}

export interface SignedBundle {
  readonly bundle: Buffer;
  /** The workflow file that signed, with its ref. */
  readonly signer: string | undefined;
}

/**
 * Signs the sidecar and its pack record, and keeps the bundle beside them. Undefined where this job does not sign. What
 * it signs it has packed: a job that publishes restores nothing (`judgeRun`).
 */
export async function attest(
  plan: PublishPlan,
  { path, record }: PackedSidecar,
  { log, toolkit, signal }: PublishServices,
): Promise<SignedBundle | undefined> {
  if (plan.attest === 'off') {
    return undefined;
  }
  const { attest: mode, isPublicRepository, token = '' } = plan;
  const name = nameOf(record);
  const subjects = [
    { name, sha256: record.sidecar.sha256 },
    { name: `${name}.json`, sha256: recordSha256(record) },
  ];
  log.onProgress({ type: 'start', stage: 'attest', detail: name });
  const { value } = await toolkit.call(() => attestSidecar({ subjects, token, mode, isPublicRepository }), {
    signal,
  });
  const bundle = Buffer.from(value.bundle);
  await fs.writeFile(bundlePathOf(path), bundle);
  const signer = signerOf(value.bundle);
  log.onProgress({ type: 'done', stage: 'attest', ...(signer && { detail: `signed by ${signer}` }) });
  return { bundle, signer };
}

function nameOf({ platform, inputs }: PackRecord): string {
  return publishedName(platform, parseInputsKey(inputs?.key ?? ''));
}

const bundleSchema = z.object({
  verificationMaterial: z.object({ certificate: z.object({ rawBytes: z.string() }) }),
});

/** As the certificate has it, for the summary; who fetches checks it. */
function signerOf(bundle: string): string | undefined {
  const { data } = bundleSchema.safeParse(JSON.parse(bundle));
  if (data === undefined) {
    return undefined;
  }
  const { subjectAltName } = new X509Certificate(
    Buffer.from(data.verificationMaterial.certificate.rawBytes, 'base64'),
  );
  return subjectAltName?.replace(/^URI:/, '');
}

/** To the registry first: a release, once it is published, may be immutable. */
export async function publish(
  plan: PublishPlan,
  packed: readonly PackedHere[],
  services: PublishServices,
): Promise<void> {
  await withHttp(services, { idleTimeoutMs: UPLOAD_IDLE_TIMEOUT_MS }, async (http) => {
    if (plan.registry !== undefined) {
      await toRegistry(plan, plan.registry, packed, http, services);
    }
    if (plan.release !== undefined) {
      await toRelease(plan, plan.release, packed, http, services);
    }
  });
}

async function toRegistry(
  plan: PublishPlan,
  registry: OciRepositoryName,
  packed: readonly PackedHere[],
  http: HttpClient,
  { job, log, signal, onPublished }: PublishServices,
): Promise<void> {
  const { github, release, tokenHosts } = plan;
  const { commit, ref } = job.source;
  const published = await publishToRegistry(
    {
      name: registry,
      sidecars: packed,
      tags: sharedTags({ commit, ref: release === undefined ? ref : `refs/tags/${release.tag}` }),
    },
    { http, github, signal, tokenHosts, onProgress: log.onProgress },
  );
  // As text: not each repository can have a package that is named after it (`.github`).
  const isDefault = published.name === defaultPackage(job, github);
  onPublished({ registry: { ...published, isDefault } });
}

async function toRelease(
  plan: PublishPlan,
  { tag, isDraft }: NonNullable<PublishPlan['release']>,
  packed: readonly PackedHere[],
  http: HttpClient,
  { job, log, onPublished }: PublishServices,
): Promise<void> {
  const release = await publishRelease({
    ...releasePlace(plan, job, tag, http),
    sidecars: packed.map(({ path, record, bundle }) => ({ path, name: nameOf(record), record, bundle })),
    publish: !isDraft,
    expectedPlatforms: plan.releasePlatforms,
    onProgress: log.onProgress,
  });
  if (!isDraft && release.missingPlatforms.length > 0) {
    const missing = release.missingPlatforms.join(', ');
    log.notice(
      'Release is a draft',
      `it waits for ${missing}: the job that brings the last one publishes it`,
    );
  }
  onPublished({ release: { ...release, tag } });
}
