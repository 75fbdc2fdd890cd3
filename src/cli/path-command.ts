import { readBuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { findPath } from '../store/by-key.ts';
import { openStoreDir, storeDir } from '../store/location.ts';
import { platformOf } from './build-options.ts';
import { checkoutOrigin } from './checkout-origin.ts';
import type { PathCommandOptions } from './flags/path.ts';
import type { Output } from './output.ts';

/** `claude-bottle path`: for scripts; it looks, and neither asks a source nor reads the sidecar from end to end. */
export async function runPath(
  options: PathCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const platform = platformOf(options);
  const { context, file, target, buildArg: buildArgs } = options;
  const [{ record }, origin, layout] = await Promise.all([
    readBuildInputs({ context, file, target, buildArgs, platform, signal }),
    checkoutOrigin(options),
    openStoreDir(storeDir(options.store)),
  ]);
  const { key } = record;
  const found = await findPath(layout, { key, platform }, { origin });
  if (found === undefined) {
    throw new BottleError('not-found', `the store has no sidecar for this checkout (${platform})`, {
      hint: 'claude-bottle fetch',
      details: [`inputs key ${key}`],
    });
  }
  const { path, sha256, sizeBytes } = found;
  output.result({ key, platform, path, sha256, sizeBytes }, [path], { isExact: true });
  return 0;
}
