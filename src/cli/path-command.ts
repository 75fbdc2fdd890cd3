import { readBuildInputs } from '../context/build-inputs.ts';
import { BottleError } from '../errors.ts';
import { findKept } from '../store/kept.ts';
import { openStoreDir, storeDir } from '../store/location.ts';
import { platformOf } from './build-options.ts';
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
  const { record } = await readBuildInputs({ context, file, target, buildArgs, platform, signal });
  const kept = await findKept(await openStoreDir(storeDir(options.store)), record.key, platform);
  if (kept === undefined) {
    throw new BottleError(
      'not-found',
      `no sidecar in the store for ${platform} and the inputs key ${record.key}`,
      {
        hint: 'get it with claude-bottle fetch, or pack it with claude-bottle pack',
      },
    );
  }
  const { path, sha256, sizeBytes } = kept;
  output.result({ key: record.key, platform, path, sha256, sizeBytes }, [path]);
  return 0;
}
