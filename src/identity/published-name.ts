import type { InputsKey } from './inputs-key.ts';
import type { PackRecord } from './pack-record.ts';
import type { GuestPlatform } from './platform.ts';

/** A Sigstore bundle is published beside its sidecar under the name with this behind it. */
export const BUNDLE_SUFFIX = '.sigstore.json';

/** And so is its frame index. */
export const FRAMES_SUFFIX = '.frames';

/** Names of published sidecars: those of the action's workflow artifacts, and of a release's assets. */
export function publishedName(platform: GuestPlatform, key: InputsKey): string {
  return sidecarName(platform, key);
}

/** The same for any sidecar: one that was packed without its inputs has the image's ID in its name. */
export function publishedNameOf({ platform, inputs, image }: PackRecord): string {
  return sidecarName(platform, inputs?.key ?? image.id.replace('sha256:', ''));
}

function sidecarName(platform: GuestPlatform, hex: string): string {
  return `smolmachine-${platform.replace('/', '-')}-${hex.slice(0, 16)}.smolmachine`;
}

/** A sidecar of that name, its bundle, frame index or record: the sidecar's name, and what is behind it. */
export const PUBLISHED_FILE =
  /^(smolmachine-linux-(?:amd64|arm64)-[0-9a-f]{16}\.smolmachine)(\.sigstore\.json|\.frames|\.json)?$/;
