import type { BuildInputs } from '../context/build-inputs.ts';
import { changedSince } from '../git/git.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';

const MAX_LISTED_FILES = 10;

export interface Checkout {
  readonly platform: GuestPlatform;
  readonly context: string;
}

/** For a user who got nothing: the server, the nearest sidecar that is published, and what differs from it here. */
export async function explainMiss(
  nearest: PackRecord | undefined,
  inputs: BuildInputs,
  checkout: Checkout,
  aboutServer: readonly string[],
): Promise<string[]> {
  if (nearest === undefined) {
    return [...aboutServer];
  }
  const { source, platform } = nearest;
  const commit = source === undefined ? '' : ` of commit ${source.commit.slice(0, 12)}`;
  const differences = await differencesFrom(nearest, inputs, checkout);
  return [
    ...aboutServer,
    `the nearest that is published is ${platform}${commit}; what differs from it here:`,
    ...(differences.length > 0 ? differences : ['nothing: it should have been found']).map(
      (line) => `- ${line}`,
    ),
  ];
}

/** What makes the key of a checkout another one than a record's; nothing when they are equal. */
export async function differencesFrom(
  { inputs: there, platform, source }: PackRecord,
  { record: here, entries }: BuildInputs,
  checkout: Checkout,
): Promise<string[]> {
  if (there === undefined) {
    return ['it was packed from an image, not from inputs'];
  }
  return [
    ...(platform === checkout.platform ? [] : [`the platform: ${checkout.platform} here, ${platform} there`]),
    ...(there.dockerfileSha256 === here.dockerfileSha256 ? [] : ['the Dockerfile']),
    ...(there.target === here.target
      ? []
      : [`the target: ${here.target ?? 'none'} here, ${there.target ?? 'none'} there`]),
    ...(there.buildArgsSha256 === here.buildArgsSha256 ? [] : ['the build arguments']),
    ...(there.entriesSha256 === here.entriesSha256
      ? []
      : await differingFiles(source?.commit, entries, checkout.context)),
  ];
}

/** The record has one hash for all files; git knows which have changed since its commit. */
async function differingFiles(
  commit: string | undefined,
  entries: BuildInputs['entries'],
  context: string,
): Promise<string[]> {
  const changed = commit === undefined ? undefined : await changedSince(context, commit);
  if (changed === undefined) {
    return ['files in the build context (which ones cannot be told without its commit)'];
  }
  const seen = new Set(entries.map(({ path }) => path));
  const inBuild = changed.filter(({ path, isGone }) => isGone || seen.has(path.normalize('NFC')));
  const rest = inBuild.length - MAX_LISTED_FILES;
  return inBuild.length === 0
    ? ['files in the build context that git does not follow']
    : [
        ...inBuild
          .slice(0, MAX_LISTED_FILES)
          .map(({ path, isGone }) => (isGone ? `${path} (deleted)` : path)),
        ...(rest > 0 ? [`${rest} more files`] : []),
      ];
}
