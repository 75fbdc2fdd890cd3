import { type BuildInputs, readBuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { parseImageReference } from '../identity/image-reference.ts';
import { type GuestPlatform, hostGuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { warningsTo } from '../progress.ts';
import type { FetchOptions } from './flags/fetch.ts';
import type { Output } from './output.ts';

/** What every command has that speaks of a build. */
export type BuildCommandOptions = Pick<FetchOptions, 'context' | 'file' | 'target' | 'buildArg' | 'platform'>;

export function platformOf({ platform }: Pick<BuildCommandOptions, 'platform'>): GuestPlatform {
  return platform === undefined ? hostGuestPlatform() : parseGuestPlatform(platform);
}

/** The name under which claude-bottle builds its image. */
export function imageName(option: string | undefined): string {
  return parseImageReference(option ?? (process.env.CLAUDE_BOTTLE_IMAGE || 'claude-bottle:latest'));
}

export async function readInputs(
  { context, file, target, buildArg }: BuildCommandOptions,
  platform: GuestPlatform,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<BuildInputs> {
  onProgress({ type: 'start', stage: 'inputs' });
  const inputs = await readBuildInputs({ context, file, target, buildArgs: buildArg, platform, signal });
  const { key, narrowed } = inputs.record;
  const scope = narrowed ? '' : ', the whole context (claude-bottle key --explain says why)';
  onProgress({ type: 'done', stage: 'inputs', detail: `${platform} ${key.slice(0, 16)}${scope}` });
  return inputs;
}

/** With a value of its own in the inputs key, or decided here. */
const HAS_OPTION = /^(--build-arg|--target|--file|--platform)(=|$)|^-f/;
const CHANGES_IMAGE = /^(--build-context|--iidfile|--output)(=|$)|^-o/;

/**
 * A sidecar is found by its inputs key and named after an image, so the image must be the one of that key.
 * @param extraArgs for docker build, from behind `--`
 * @throws BottleError `usage`
 */
export function requireImageOfKey(extraArgs: readonly string[] = []): void {
  for (const argument of extraArgs) {
    const hasOption = HAS_OPTION.test(argument);
    if (hasOption || CHANGES_IMAGE.test(argument)) {
      throw new BottleError(
        'usage',
        `${argument} behind -- would build another image than the inputs key is for`,
        {
          hint: hasOption ? 'put it before the --' : 'leave it out, or pack your own: claude-bottle pack',
        },
      );
    }
  }
}

/** Says what is in the build that no other clone has, so that its key is found nowhere else. */
export async function warnAboutOnlyHere(
  context: string,
  inputs: BuildInputs,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<void> {
  const { onlyHereLines } = await import('../git/causes.ts');
  for (const line of await onlyHereLines({ context, ...inputs, signal })) {
    warningsTo(onProgress)(`only in this clone: ${line}`);
  }
}
