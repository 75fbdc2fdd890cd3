import { BottleError } from '../errors.ts';
import { type Digest, isDigest } from '../identity/image-id.ts';
import {
  commitTag,
  isBundleType,
  keyTag,
  registryRepository,
  SIDECAR_MEDIA_TYPE,
} from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { HttpError } from '../remote/http-error.ts';
import { OciRepository, type RegistryTools } from '../remote/oci.ts';
import { isIndex, type OciDescriptor, type OciIndex } from '../remote/oci-manifest.ts';
import {
  formatName,
  type OciReference,
  type OciRepositoryName,
  parseOciReference,
} from '../remote/oci-reference.ts';
import { MAX_BUNDLE_BYTES } from '../sidecar/file.ts';
import { refusedBundle } from './bundle.ts';
import { describePushed } from './pushed-sidecar.ts';
import { damagedRecord } from './record.ts';
import { readSidecarImage, type SidecarImage } from './sidecar-image.ts';
import { type Offer, type Skipped, type Source, type Wanted, withoutRepository } from './source.ts';

const MAX_SHOWN_PLATFORMS = 8;
const MAX_BUNDLES = 10;

/**
 * Sidecars in an OCI registry, in the layout of `smolvm pack push`. Without a reference they are in the package that
 * belongs to this repository; without a tag or digest it is the tag for the inputs key.
 */
export function ociSource(reference: string | undefined, tools: RegistryTools): Source {
  const { registryHost } = tools.github;
  const given = reference === undefined ? undefined : parseOciReference(reference);
  const opened = new Map<string, OciRepository>();
  const open = (place: OciReference): OciRepository => {
    const name = formatName(place);
    const repository = opened.get(name) ?? new OciRepository(place, tools);
    opened.set(name, repository);
    return repository;
  };
  return {
    name: `OCI registry ${reference ?? registryHost}`,
    find: async (wanted) => {
      const place = given ?? defaultPlace(registryHost, wanted);
      if ('skipped' in place) {
        return place;
      }
      const tagOrDigest = place.digest ?? place.tag ?? keyTag(wanted.key);
      const offer = findOffer(open(place), tagOrDigest, wanted.platform, given !== undefined);
      return given === undefined ? await offer.catch(orUnpublished) : await offer;
    },
    nearest: async (wanted) => {
      const place = given ?? defaultPlace(registryHost, wanted);
      return 'skipped' in place ? undefined : await findNearest(open(place), wanted);
    },
  };
}

/** To those who may not know, ghcr.io refuses what is not there as it refuses what is private. */
function orUnpublished(error: unknown): Skipped {
  if (error instanceof HttpError && error.code === 'authentication') {
    return { skipped: `nothing is published there, or it is private (${error.message}): ${error.hint}` };
  }
  throw error;
}

function defaultPlace(registryHost: string, wanted: Wanted): OciReference | Skipped {
  const { repository } = wanted;
  if (repository === undefined) {
    return withoutRepository(wanted);
  }
  const name = `${registryHost}/${registryRepository(repository)}`;
  try {
    return parseOciReference(name);
  } catch {
    return { skipped: `no registry takes the name ${name}; name another place with --from oci:HOST/NAME` };
  }
}

async function findOffer(
  repository: OciRepository,
  tagOrDigest: string,
  platform: GuestPlatform,
  isNamed: boolean,
): Promise<Offer | Skipped> {
  try {
    const found = await readImage(repository, tagOrDigest, platform);
    if ('skipped' in found) {
      return found;
    }
    const address = addressOf(repository.name, found.digest);
    if (found.record === undefined && !isNamed) {
      return { skipped: `${addressOf(repository.name, tagOrDigest)} has no pack record` };
    }
    const record = found.record ?? (await describePushed(repository, found, platform, address));
    return offerOf({ ...found, record, hasRecord: found.record !== undefined }, repository);
  } catch (error) {
    if (error instanceof BottleError && error.code === 'not-found') {
      return { skipped: `there is no ${addressOf(repository.name, tagOrDigest)}` };
    }
    throw error;
  }
}

/** An explanation is not worth a failure; an interruption is. */
async function findNearest(
  repository: OciRepository,
  { history, platform }: Wanted,
): Promise<PackRecord | undefined> {
  try {
    const { tags } = await repository.listTags();
    const published = new Set(tags);
    const tag = (await history()).map(commitTag).find((name) => published.has(name));
    const found = tag === undefined ? undefined : await readImage(repository, tag, platform);
    return found === undefined || 'skipped' in found ? undefined : found.record;
  } catch (error) {
    if (error instanceof BottleError) {
      return undefined;
    }
    throw error;
  }
}

interface FoundImage extends SidecarImage {
  readonly digest: Digest;
}

/** By way of the index, where there is one; what stands alone is judged by its record. */
async function readImage(
  repository: OciRepository,
  tagOrDigest: string,
  platform: GuestPlatform,
): Promise<FoundImage | Skipped> {
  const address = addressOf(repository.name, tagOrDigest);
  let manifest = await repository.getManifest(tagOrDigest);
  if (isIndex(manifest.content)) {
    const entry = entryFor(manifest.content, platform);
    if (entry === undefined) {
      return { skipped: `${address} has no ${platform}, ${othersIn(manifest.content)}` };
    }
    manifest = await repository.getManifest(entry.digest);
  }
  const { digest, content } = manifest;
  if (isIndex(content)) {
    return { skipped: `${address} holds no sidecar` };
  }
  const image = readSidecarImage(content, address);
  if ('skipped' in image) {
    return image;
  }
  const { record } = image;
  if (record !== undefined && record.platform !== platform) {
    return { skipped: `${address} is for ${record.platform}, not ${platform}` };
  }
  return { digest, ...image };
}

/** The first one for the platform, like smolvm; attestations and signatures stand in an index as artifacts of their own. */
function entryFor(index: OciIndex, platform: GuestPlatform): OciDescriptor | undefined {
  return sidecarEntries(index).find((entry) => platformOf(entry) === platform);
}

/** The end of the sentence "<address> has no <platform>, …". */
function othersIn(index: OciIndex): string {
  const platforms = sidecarEntries(index)
    .map(platformOf)
    .filter((platform) => /^[a-z0-9]+\/[a-z0-9]+$/.test(platform) && platform !== 'unknown/unknown');
  const shown = [...new Set(platforms)].slice(0, MAX_SHOWN_PLATFORMS);
  return shown.length === 0 ? 'and nothing else' : `only ${shown.join(', ')}`;
}

function sidecarEntries({ manifests }: OciIndex): OciDescriptor[] {
  return manifests.filter(
    ({ artifactType = SIDECAR_MEDIA_TYPE, digest }) =>
      artifactType === SIDECAR_MEDIA_TYPE && isDigest(digest),
  );
}

function platformOf({ platform }: OciDescriptor): string {
  return platform === undefined ? '' : `${platform.os}/${platform.architecture}`;
}

function offerOf(
  {
    digest,
    layer,
    record,
    hasRecord,
  }: FoundImage & { readonly record: PackRecord; readonly hasRecord: boolean },
  repository: OciRepository,
): Offer {
  const address = addressOf(repository.name, digest);
  const { sha256, sizeBytes } = record.sidecar;
  return {
    record,
    hasRecord,
    content: {
      kind: 'remote',
      sizeBytes,
      sha256,
      open: async (range) => await repository.openBlob(layer.digest, range),
    },
    address: `oci:${address}`,
    bundles: async () => await readBundles(repository, digest),
    frameIndex: async (maxBytes) => await repository.readBlob(`sha256:${record.frames?.sha256}`, maxBytes),
  };
}

/** The bundles of a platform's manifest, as cosign and gh attach them. */
async function readBundles(repository: OciRepository, subject: Digest): Promise<Buffer[]> {
  const listed = await repository.listReferrers(subject).catch((error: unknown) => {
    throw refusedBundle(error);
  });
  const referrers = listed.filter(({ artifactType = '' }) => isBundleType(artifactType));
  const bundles: Buffer[] = [];
  for (const { digest } of referrers.slice(0, MAX_BUNDLES)) {
    bundles.push(await readBundle(repository, digest));
  }
  return bundles;
}

async function readBundle(repository: OciRepository, digest: string): Promise<Buffer> {
  const address = `${formatName(repository.name)}@${digest}`;
  try {
    const { content } = await repository.getManifest(digest);
    const layer = isIndex(content)
      ? undefined
      : content.layers.find(({ mediaType }) => isBundleType(mediaType));
    if (layer === undefined || !isDigest(layer.digest)) {
      throw damagedRecord(`${address} holds no bundle`);
    }
    return await repository.readBlob(layer.digest, MAX_BUNDLE_BYTES);
  } catch (error) {
    // That there is one is known: it must not count as none because it cannot be had.
    if (error instanceof BottleError && ['not-found', 'sidecar-damaged'].includes(error.code)) {
      throw new BottleError('not-trusted', `no provenance: ${address} cannot be read (${error.message})`, {
        hint: 'publish the sidecar again',
        cause: error,
      });
    }
    throw refusedBundle(error);
  }
}

function addressOf(name: OciRepositoryName, tagOrDigest: string): string {
  return `${formatName(name)}${isDigest(tagOrDigest) ? '@' : ':'}${tagOrDigest}`;
}
