import type { InputsKey } from './inputs-key.ts';
import type { PackRecord } from './pack-record.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from './platform.ts';

/** The layout of `smolvm pack push`. Source: smolvm, crates/smolvm-registry/src/lib.rs and push.rs. */
export const SIDECAR_MEDIA_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
export const SIDECAR_CONFIG_MEDIA_TYPE = 'application/vnd.smolmachines.machine.config.v1+json';
/** The type of the frame index, a layer behind the sidecar's, because smolvm takes the first layer of the sidecar's type. */
export const FRAMES_MEDIA_TYPE = 'application/vnd.claude-bottle.frames.v1+json';
export const PACK_MODE_ANNOTATION = 'com.smolmachines.pack.mode';

/** On the manifest name and tag; on the layer the file's name, without which `oras pull` leaves the layer out. */
export const TITLE_ANNOTATION = 'org.opencontainers.image.title';
/** The pack record as JSON, on a platform's manifest, which saves the request for a referrer. */
export const PACK_RECORD_ANNOTATION = 'dev.claude-bottle.pack-record';

/** https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md */
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const ANY_BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle[.+]/;

/** Shorter than a registry's 128, for the platform behind it. */
const VERSION_TAG = /^\w[\w.-]{0,111}$/;

/** Registries refuse capitals, which GitHub's names may have. */
export function registryRepository(repository: string): string {
  return `${repository.toLowerCase()}/smolmachine`;
}

export function keyTag(key: InputsKey): string {
  return `k-${key.slice(0, 32)}`;
}

export function commitTag(commit: string): string {
  return `sha-${commit}`;
}

/** The tag of one platform, made of the tag of all: `k-…-linux-arm64`. */
export function platformTag(tag: string, platform: GuestPlatform): string {
  return `${tag}-${platform.replace('/', '-')}`;
}

/** The tags that the platforms of one workflow run share: its commit, and the Git tag that it runs for. */
export function sharedTags({
  commit,
  ref,
}: Pick<NonNullable<PackRecord['source']>, 'commit' | 'ref'>): string[] {
  const version = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
  return [commitTag(commit), ...(version !== undefined && isVersionTag(version) ? [version] : [])];
}

/** Whether a Git tag can be one of the registry that is not taken for something else. */
function isVersionTag(tag: string): boolean {
  return VERSION_TAG.test(tag) && !/^(k-|sha-|sha256-)/.test(tag) && tag === withoutPlatform(tag);
}

function withoutPlatform(tag: string): string {
  const suffix = GUEST_PLATFORMS.map((platform) => platformTag('', platform)).find((end) =>
    tag.endsWith(end),
  );
  return suffix === undefined ? tag : tag.slice(0, -suffix.length);
}

export function isBundleType(type: string): boolean {
  return ANY_BUNDLE_TYPE.test(type);
}
