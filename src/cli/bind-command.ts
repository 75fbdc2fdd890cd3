import { BottleError } from '../errors.ts';
import { bindSidecar, REPLACE_HINT } from '../fetch/bind.ts';
import type { InputsRecord } from '../identity/inputs-key.ts';
import { describeOrigin, type Origin } from '../identity/origin.ts';
import { hostGuestPlatform } from '../identity/platform.ts';
import { type ForBuild, knowsSigner } from '../store/by-key.ts';
import { installSidecar } from '../store/install.ts';
import { storeDir } from '../store/location.ts';
import { takeOverOldStore } from '../store/old-store.ts';
import { findHits, findUnknown, findWithoutInputs, hasBytes, type StoredSidecar } from '../store/read.ts';
import { Store } from '../store/store.ts';
import { imageName, readInputs, requireImageOfKey } from './build-options.ts';
import { checkoutOrigin } from './checkout-origin.ts';
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
  requireImageOfKey(options.extraArgs);
  const { record: inputs } = await readInputs(options, platform, output, signal);
  const store = await Store.open(storeDir(options.store), output.onProgress);
  await takeOverOldStore(store);
  const origin = await checkoutOrigin(options);
  const build = { key: inputs.key, platform };
  const [hit] = await findHits(store, build, { origin });
  const stored =
    hit ??
    (options.adopt
      ? await adopt(store, build, { origin, inputs, signal })
      : (await findWithoutInputs(store, build, origin))[0]);
  if (stored === undefined) {
    throw await missing(store, build, origin);
  }
  const bound = await bindSidecar({
    store,
    stored,
    inputs,
    origin,
    build: { ...options, image, buildArgs: options.buildArg },
    platform,
    prove: options.prove ?? false,
    replace: options.replace,
    signal,
    onProgress: output.onProgress,
  });
  if (bound.outcome === 'kept') {
    output.note(`${bound.path} is a good sidecar of another origin (${bound.keptOrigin})`);
    output.note(`try: ${REPLACE_HINT}`);
  }
  output.result({ key: inputs.key, platform, ...bound }, [
    bound.outcome === 'kept' ? stored.path : bound.path,
  ]);
  return 0;
}

/** Takes a sidecar of unknown origin or unknown inputs for one of the checkout, because the user says so. */
async function adopt(
  store: Store,
  build: ForBuild,
  { origin, inputs, signal }: { origin: Origin; inputs: InputsRecord; signal: AbortSignal },
): Promise<StoredSidecar | undefined> {
  if (await knowsSigner(store.layout, origin)) {
    throw new BottleError(
      'not-trusted',
      `${describeOrigin(origin)} has published with provenance before, so nothing is adopted for it`,
      { hint: 'claude-bottle fetch  # verifies what is in the store' },
    );
  }
  const found = [...(await findUnknown(store, build)), ...(await findWithoutInputs(store, build, origin))];
  for (const { record, sha256 } of found) {
    if (await hasBytes(store, sha256, { signal })) {
      const adopted = { origin, record: { ...record, inputs }, address: 'adopted' };
      return await installSidecar(store, undefined, adopted, { signal });
    }
  }
  return undefined;
}

async function missing(store: Store, build: ForBuild, origin: Origin): Promise<BottleError> {
  const unknown = await findUnknown(store, build);
  return new BottleError(
    'not-found',
    `the store has no sidecar of ${describeOrigin(origin)} for this checkout (${build.platform})`,
    {
      hint:
        unknown.length === 0
          ? 'claude-bottle fetch'
          : [
              'claude-bottle fetch  # verifies the one of unknown origin that the store has',
              'claude-bottle bind --adopt  # takes it as it is',
            ],
      details: [`inputs key ${build.key}`],
    },
  );
}
