import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';
import { platformTag, SIDECAR_MEDIA_TYPE } from '../identity/oci-names.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from '../identity/platform.ts';
import type { OciRepository } from '../remote/oci.ts';
import {
  digestOf,
  IMAGE_TYPE,
  INDEX_TYPE,
  isIndex,
  type OciDescriptor,
  type OciIndex,
  prettyJson,
} from '../remote/oci-manifest.ts';
import { formatName } from '../remote/oci-reference.ts';

const MAX_TRIES = 25;
const MAX_PAUSE_MS = 400;

/**
 * Makes the index under `tag` hold what the platforms' own tags (`<tag>-linux-<arch>`) point at, and keeps what else
 * is in it.
 *
 * Registries do not compare before they write (no If-Match), and several jobs may write one index at once. So nobody
 * trusts a write: each reads the platforms' tags, which nobody else writes, and the index again after it, and stops
 * when they agree. The last writer has read all tags that were set before, and a job that sets one later writes later.
 */
export async function updatePlatformIndex(place: OciRepository, tag: string): Promise<Digest> {
  return await updateIndex(place, tag, async (existing) => {
    const entries = GUEST_PLATFORMS.map((platform) => platformEntry(place, tag, platform, existing));
    return (await Promise.all(entries)).filter((entry) => entry !== undefined);
  });
}

/** Adds one descriptor, such as a referrer, to the index under `tag`. */
export async function addToIndex(
  place: OciRepository,
  tag: string,
  descriptor: OciDescriptor,
): Promise<void> {
  await updateIndex(place, tag, async () => [
    { descriptor, replaces: ({ digest }) => digest === descriptor.digest },
  ]);
}

interface IndexEntry {
  readonly descriptor: OciDescriptor;
  readonly replaces: (other: OciDescriptor) => boolean;
}

/** @param readEntries what must be in it */
async function updateIndex(
  place: OciRepository,
  tag: string,
  readEntries: (existing: readonly OciDescriptor[]) => Promise<readonly IndexEntry[]>,
): Promise<Digest> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const found = await place.findManifest(tag);
    // As smolvm does, with a tag that points at one manifest.
    const existing = found !== undefined && isIndex(found.content) ? found.content : emptyIndex();
    const entries = await readEntries(existing.manifests);
    if (found !== undefined && entries.every((entry) => isContained(entry, existing))) {
      return found.digest;
    }
    if (tries > 1) {
      await sleep(Math.random() * MAX_PAUSE_MS);
    }
    await putIndex(place, tag, existing, entries);
  }
  throw new BottleError(
    'try-later',
    `${formatName(place.name)}:${tag} was changed by others ${MAX_TRIES} times in a row`,
    { hint: 'run the job again when the others have ended' },
  );
}

function emptyIndex(): OciIndex {
  return { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] };
}

function isContained({ descriptor, replaces }: IndexEntry, { manifests }: OciIndex): boolean {
  const [first, ...more] = manifests.filter(replaces);
  return first?.digest === descriptor.digest && more.length === 0;
}

async function putIndex(
  place: OciRepository,
  tag: string,
  existing: OciIndex,
  entries: readonly IndexEntry[],
): Promise<Digest> {
  const kept = existing.manifests.filter((other) => !entries.some(({ replaces }) => replaces(other)));
  const bytes = prettyJson({
    ...existing,
    manifests: [...kept, ...entries.map(({ descriptor }) => descriptor)],
  });
  await place.putManifest(tag, bytes, INDEX_TYPE);
  return digestOf(bytes);
}

/** Undefined when the platform's tag is not there, or points at something else than a sidecar. */
async function platformEntry(
  place: OciRepository,
  tag: string,
  platform: GuestPlatform,
  existing: readonly OciDescriptor[],
): Promise<IndexEntry | undefined> {
  const replaces = (other: OciDescriptor) => isSidecarFor(platform, other);
  const name = platformTag(tag, platform);
  const digest = await place.findDigest(name);
  const known = existing.find((other) => replaces(other) && other.digest === digest);
  if (digest === undefined || known !== undefined) {
    return known && { descriptor: known, replaces };
  }
  const { content, sizeBytes } = await place.getManifest(digest);
  if (isIndex(content) || !content.layers.some(({ mediaType }) => mediaType === SIDECAR_MEDIA_TYPE)) {
    return undefined;
  }
  const [os = '', architecture = ''] = platform.split('/');
  const descriptor = { mediaType: IMAGE_TYPE, digest, size: sizeBytes, platform: { os, architecture } };
  return { descriptor, replaces };
}

function isSidecarFor(platform: GuestPlatform, { artifactType, platform: found }: OciDescriptor): boolean {
  return (
    (artifactType ?? SIDECAR_MEDIA_TYPE) === SIDECAR_MEDIA_TYPE &&
    `${found?.os}/${found?.architecture}` === platform
  );
}
