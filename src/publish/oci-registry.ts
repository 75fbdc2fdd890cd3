import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { BottleError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';
import { parseInputsKey } from '../identity/inputs-key.ts';
import { keyTag, platformTag } from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { publishedName } from '../identity/published-name.ts';
import { counted } from '../identity/shown-text.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import type { GitHubSite } from '../remote/github.ts';
import type { HttpClient } from '../remote/http.ts';
import { HttpError } from '../remote/http-error.ts';
import { OciRepository, type RegistryTools, referrersTag } from '../remote/oci.ts';
import { digestOf, IMAGE_TYPE, type OciDescriptor } from '../remote/oci-manifest.ts';
import { formatName, type OciRepositoryName } from '../remote/oci-reference.ts';
import { bundleManifest, recordOf, sidecarManifest } from '../remote/sidecar-manifests.ts';
import { changedSidecar, checkedStream, makeFrameIndex, type PackedSidecar } from '../sidecar/file.ts';
import { readSidecar } from '../sidecar/verify.ts';
import { addToIndex, updatePlatformIndex } from './oci-index.ts';

/** After the last byte a registry moves what it has got to where it stays; for gigabytes that takes a while. */
export const UPLOAD_IDLE_TIMEOUT_MS = 10 * 60_000;

export interface RegistryPublication {
  readonly name: OciRepositoryName;
  readonly sidecars: readonly PackedSidecar[];
  /** For all platforms, beside the one that each has for its inputs key (`sharedTags`). */
  readonly tags: readonly string[];
}

export interface PublishTools {
  /** With UPLOAD_IDLE_TIMEOUT_MS. */
  readonly http: HttpClient;
  readonly github: GitHubSite;
  readonly signal: AbortSignal;
  readonly tokenHosts?: readonly string[];
  readonly onProgress: OnProgress;
}

export interface PublishedSidecar {
  readonly platform: GuestPlatform;
  /** The digest of the platform's manifest. */
  readonly digest: Digest;
  /** Those that lead to it; not those that stay at what a newer run has published. */
  readonly tags: readonly string[];
  /** Undefined without a bundle. */
  readonly bundleDigest: Digest | undefined;
  /** The bytes of the sidecar that were sent; 0 when the registry had it already. */
  readonly sentBytes: number;
}

export interface RegistryPublished {
  /** HOST/NAME */
  readonly name: string;
  readonly sidecars: readonly PublishedSidecar[];
  /** The digest of the index under each tag. */
  readonly indexes: ReadonlyMap<string, Digest>;
  /** Whether it can be read without a login; undefined when that could not be found out. */
  readonly isPublic: boolean | undefined;
}

/**
 * Publishes sidecars in the layout of `smolvm pack push`. Tags are set last, and what is there already is not sent
 * again.
 * @throws BottleError `upload-failed`, `authentication`; the tags are those of before, or whole
 */
export async function publishToRegistry(
  { name, sidecars, tags }: RegistryPublication,
  { onProgress, ...rest }: PublishTools,
): Promise<RegistryPublished> {
  const tools: RegistryTools = { ...rest, onWarning: warningsTo(onProgress) };
  const place = new OciRepository(name, tools, 'push');
  try {
    const pushed: PushedSidecar[] = [];
    for (const sidecar of sidecars) {
      pushed.push(await pushSidecar(place, sidecar, tags, onProgress));
    }
    const published: PublishedSidecar[] = [];
    // A platform's own tags first: the indexes are made from them.
    for (const each of pushed) {
      published.push({ ...each.published, tags: await pushPlatformTags(place, each, tools) });
    }
    const indexes = new Map<string, Digest>();
    for (const tag of new Set(pushed.flatMap(({ published }) => published.tags))) {
      indexes.set(tag, await updatePlatformIndex(place, tag));
    }
    const [tag] = indexes.keys();
    const isPublic = tag === undefined ? undefined : await canAnyoneRead(name, tag, tools);
    return { name: formatName(name), sidecars: published, indexes, isPublic };
  } catch (error) {
    throw error instanceof HttpError ? publishError(error, name, tools.github) : error;
  }
}

interface PushedSidecar {
  readonly published: PublishedSidecar;
  readonly record: PackRecord;
  readonly manifest: Buffer;
}

/** Blobs, manifest, bundle; no tag leads to them yet. */
async function pushSidecar(
  place: OciRepository,
  sidecarFile: PackedSidecar,
  sharedTags: readonly string[],
  onProgress: OnProgress,
): Promise<PushedSidecar> {
  const { path, record, bundle } = sidecarFile;
  const { platform, sidecar } = record;
  const layerDigest: Digest = `sha256:${sidecar.sha256}`;
  const tags = [...(record.inputs ? [keyTag(parseInputsKey(record.inputs.key))] : []), ...sharedTags];
  const described = await describeSidecar(path, record);
  const { sizeBytes } = sidecar;
  const stage = `publish ${platform}`;
  const onBytes = (doneBytes: number) =>
    onProgress({ type: 'bytes', stage, doneBytes, totalBytes: sizeBytes });
  onProgress({ type: 'start', stage, detail: formatName(place.name) });
  const wasSent = await place.pushBlob(layerDigest, {
    sizeBytes,
    open: () => Readable.from(checkedStream(path, sidecar, onBytes), { objectMode: false }),
  });
  const { descriptor, manifest, blobs } = sidecarManifest({
    record,
    ...described,
    fileName: record.inputs ? publishedName(platform, parseInputsKey(record.inputs.key)) : basename(path),
    title: `${place.name.repository}:${tags[0] ?? 'latest'}`,
    frames: await makeFrameIndex(sidecarFile),
  });
  await pushBlobs(place, blobs);
  const { digest } = descriptor;
  if ((await place.findDigest(digest)) === undefined) {
    await place.putManifest(digest, manifest, IMAGE_TYPE);
  }
  const bundleDigest = bundle && (await attachBundle(place, descriptor, bundle));
  const sentBytes = wasSent ? sidecar.sizeBytes : 0;
  onProgress({ type: 'done', stage, sizeBytes: sentBytes, ...(!wasSent && { detail: 'is there already' }) });
  return { published: { platform, digest, tags, bundleDigest, sentBytes }, record, manifest };
}

/** The config of a sidecar's manifest is its own manifest. */
async function describeSidecar(path: string, { platform, sidecar }: PackRecord) {
  const { manifest, sizeBytes } = await readSidecar(path);
  if (manifest.platform !== platform || sizeBytes !== sidecar.sizeBytes) {
    const found = `for ${manifest.platform} with ${counted(sizeBytes, 'byte')}`;
    throw changedSidecar(path, `${found}, not for ${platform} with ${sidecar.sizeBytes}`);
  }
  return { config: manifest, mode: manifest.mode ?? 'container' };
}

async function pushBlobs(place: OciRepository, blobs: readonly Buffer[]): Promise<void> {
  for (const blob of blobs) {
    await place.pushBlob(digestOf(blob), blob);
  }
}

/** As cosign and gh attach it: an artifact of its own whose subject is the manifest. */
async function attachBundle(place: OciRepository, subject: OciDescriptor, bundle: Buffer): Promise<Digest> {
  const { descriptor, manifest, blobs } = bundleManifest(subject, bundle);
  const { digest } = descriptor;
  const subjectDigest = subject.digest as Digest;
  const isListed = async () =>
    (await place.listReferrers(subjectDigest)).some((listed) => listed.digest === digest);
  if (await isListed()) {
    return digest;
  }
  await pushBlobs(place, blobs);
  const { hasReferrersApi } = await place.putManifest(digest, manifest, IMAGE_TYPE);
  // Some registries, ECR among them, acknowledge the subject, but list no referrers.
  if (!hasReferrersApi || !(await isListed())) {
    await addToIndex(place, referrersTag(subjectDigest), descriptor);
  }
  return digest;
}

/** @returns the tags that lead to it now */
async function pushPlatformTags(
  place: OciRepository,
  { published: { platform, digest, tags }, record, manifest }: PushedSidecar,
  { onWarning }: RegistryTools,
): Promise<string[]> {
  const set: string[] = [];
  for (const tag of tags) {
    const name = platformTag(tag, platform);
    const there = await place.findManifest(name);
    const newerRun = there && newerRunOf(recordOf(there.content), record);
    if (newerRun !== undefined) {
      onWarning(`the tag ${name} stays at what run ${newerRun} has published: this run is an older one`);
      continue;
    }
    if (there?.digest !== digest) {
      await place.putManifest(name, manifest, IMAGE_TYPE);
    }
    set.push(tag);
  }
  return set;
}

/**
 * A job that is run again long after it first ran has old content for tags that have moved on; `fetch` would take it for a
 * rollback. GitHub counts runs up.
 */
function newerRunOf(there: PackRecord | undefined, { source }: PackRecord): string | undefined {
  const other = there?.source;
  const isNewer =
    other !== undefined &&
    source !== undefined &&
    other.repository === source.repository &&
    other.ref === source.ref &&
    BigInt(other.runId) > BigInt(source.runId);
  return isNewer ? other.runId : undefined;
}

/** Asked as someone without a login, since most of those who fetch have none. */
async function canAnyoneRead(
  name: OciRepositoryName,
  tag: string,
  tools: RegistryTools,
): Promise<boolean | undefined> {
  try {
    await new OciRepository(name, tools, 'anonymous').getManifest(tag);
    return true;
  } catch (error) {
    if (error instanceof HttpError && [401, 403, 404].includes(error.status)) {
      tools.onWarning(privateWarning(name, tools.github));
      return false;
    }
    if (error instanceof BottleError) {
      tools.onWarning(`whether ${formatName(name)} is public is not known: ${error.message}`);
      return undefined;
    }
    throw error;
  }
}

function privateWarning(name: OciRepositoryName, { registryHost, serverUrl }: GitHubSite): string {
  const what = `${formatName(name)} is published and private: \`claude-bottle fetch\` needs a login for it`;
  if (name.registry !== registryHost) {
    return what;
  }
  const [owner, repository, ...rest] = name.repository.split('/');
  const packageName = encodeURIComponent([repository, ...rest].join('/'));
  const page = `${serverUrl}/${owner}/${repository}/pkgs/container/${packageName}`;
  return `${what}. So is each new package on ${registryHost}, until someone makes it public once: ${page}, Package settings, Change visibility`;
}

/** The meaning of a registry's refusal for a job that publishes. */
export function publishError(
  error: HttpError,
  name: OciRepositoryName,
  { registryHost }: GitHubSite,
): BottleError {
  if (error.code !== 'authentication') {
    return new BottleError('upload-failed', `cannot publish to ${formatName(name)}: ${error.message}`, {
      hint: 'run the job again; what has been sent is not sent again',
      cause: error,
    });
  }
  const message = `this job cannot write to ${formatName(name)}`;
  if (name.registry !== registryHost) {
    return new BottleError('authentication', `${message}: ${error.message}`, {
      hint: error.hints.length > 0 ? error.hints : `log in before this step: docker login ${name.registry}`,
      cause: error,
    });
  }
  return new BottleError('authentication', message, {
    hint: [
      'add permissions: packages: write to the job',
      'if it is there already, the package belongs to another repository; give this one the role Write on the page of the package, under Package settings, Manage Actions access',
    ],
    permission: 'packages: write',
    details: [error.message],
    cause: error,
  });
}
