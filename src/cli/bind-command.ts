import { BottleError } from '../errors.ts';
import { bindSidecar } from '../fetch/bind.ts';
import { hostGuestPlatform } from '../identity/platform.ts';
import { storeDir } from '../store/location.ts';
import { Store } from '../store/store.ts';
import { imageName, readInputs } from './build-options.ts';
import type { BindOptions } from './flags/bind.ts';
import type { Output } from './output.ts';

export interface BindCommandOptions extends BindOptions {
  /** Further arguments for docker build. */
  readonly extraArgs?: readonly string[];
}

/** `claude-bottle bind`: what fetch does after the download, for a sidecar that is in the store already. */
export async function runBind(
  options: BindCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const platform = hostGuestPlatform();
  const image = imageName(options.image);
  const { record: inputs } = await readInputs(options, platform, output, signal);
  const store = await Store.open(storeDir(options.store));
  const kept = await store.findByKey(inputs.key, platform);
  if (kept === undefined) {
    throw new BottleError(
      'not-found',
      `the store has no sidecar for ${platform} and the inputs key ${inputs.key}`,
      {
        hint: 'claude-bottle fetch gets it and binds it',
      },
    );
  }
  const bound = await bindSidecar({
    store,
    record: kept.record,
    build: { ...options, image, buildArgs: options.buildArg },
    platform,
    prove: options.prove ?? false,
    signal,
    onProgress: output.onProgress,
  });
  output.result({ key: inputs.key, platform, ...bound }, [bound.path]);
  return 0;
}
