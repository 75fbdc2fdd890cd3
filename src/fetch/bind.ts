import { type BuildOptions, buildImage } from '../docker/build.ts';
import { engineFacts } from '../docker/command.ts';
import { guestPlatformOf, type Image, runtimeConfig } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import type { InputsRecord } from '../identity/inputs-key.ts';
import { describeOrigin, type Origin } from '../identity/origin.ts';
import { type PackRecord, runtimeConfigSha256 } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { OnProgress } from '../progress.ts';
import { knowsSigner } from '../store/by-key.ts';
import { installSidecar } from '../store/install.ts';
import { bindName, otherOwners } from '../store/name.ts';
import type { StoredSidecar } from '../store/read.ts';
import type { Store } from '../store/store.ts';

export interface BindOptions {
  readonly store: Store;
  /** It was packed from the same inputs, or its record does not say from which. */
  readonly stored: StoredSidecar;
  /** The inputs of the build. */
  readonly inputs: InputsRecord;
  readonly build: Pick<BuildOptions, 'image' | 'context' | 'file' | 'target' | 'buildArgs' | 'extraArgs'>;
  readonly platform: GuestPlatform;
  /** Also demand that the local image has the layers and the runtime config of the one that was packed. */
  readonly prove: boolean;
  /** Take the name away from a good sidecar of another origin. */
  readonly replace?: boolean | undefined;
  /** The image of a `buildForBinding` that began earlier. */
  readonly image?: Promise<Image | undefined> | undefined;
  /** Whose sidecars the checkout may use. */
  readonly origin: Origin;
  /** Whether it is an error that a sidecar of another origin keeps the name; it is one if the origin signs. */
  readonly required?: boolean | undefined;
  /** The sidecar with the name is started at once, so it must not be one of another origin. */
  readonly isStarted?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface BindResult {
  readonly imageId: ImageId;
  readonly id16: Id16;
  /** What claude-bottle looks for. */
  readonly path: string;
  /** `kept`: a good sidecar of another origin has the name, and stays. */
  readonly outcome: 'bound' | 'already-bound' | 'kept';
  /** Whose sidecar has the name; undefined unless it is another one. */
  readonly keptOrigin?: string;
  readonly proof: 'inputs' | 'content';
}

/**
 * Gives the sidecar the name that claude-bottle looks for: it builds the image, and takes the ID that this engine
 * gives it, which is not the one that CI's engine gave.
 * @throws BottleError `image-id-unstable` when the next build of the same inputs gets another ID, `not-trusted` when a
 * sidecar of another origin keeps the name and that is an error
 */
export async function bindSidecar(options: BindOptions): Promise<BindResult> {
  const { store, prove, replace, signal, onProgress } = options;
  const image = (await options.image) ?? (await buildForBinding(options));
  guestPlatformOf(image, options.platform, true);
  if (prove) {
    requireSameContent(image, options.stored.record);
  }
  const isOfImage = options.stored.record.inputs === undefined;
  const stored = isOfImage ? await withInputs(image, options) : options.stored;
  const proof = prove || isOfImage ? 'content' : 'inputs';
  onProgress({ type: 'start', stage: 'link' });
  const result = await bindName(store, image.id, stored, { proof, replace, signal });
  const { path, outcome } = result;
  if (result.outcome !== 'kept') {
    const because = prove ? ', same layers and config' : '';
    const detail = `to your image ${options.build.image} (${id16(image.id)})${because}`;
    onProgress({ type: 'done', stage: 'link', detail });
    return { imageId: image.id, id16: id16(image.id), path, outcome, proof };
  }
  await requireMayStay(path, result.keptOrigin, options);
  const keptOrigin = describeOrigin(result.keptOrigin);
  return { imageId: image.id, id16: id16(image.id), path, outcome, keptOrigin, proof };
}

/** A sidecar without our record is bound if it was packed from the very image that is built here. */
async function withInputs(
  image: Image,
  { store, stored, inputs, signal }: Pick<BindOptions, 'store' | 'stored' | 'inputs' | 'signal'>,
): Promise<StoredSidecar> {
  const { record } = stored;
  const { configDigest } = record.flattened;
  if (configDigest !== image.configDigest) {
    throw new BottleError(
      'not-trusted',
      `not bound: the sidecar was packed from the image config ${configDigest}, and the one that is built here has ${image.configDigest ?? 'an unknown one'}`,
      { hint: 'claude-bottle bind --adopt  # binds it anyway' },
    );
  }
  return await installSidecar(store, undefined, { ...stored, record: { ...record, inputs } }, { signal });
}

/**
 * For a checkout that did not fetch anything, and whose image is started now: builds the image, and looks at what
 * claude-bottle would find for it.
 * @throws BottleError `not-trusted` when that is a sidecar of another origin
 */
export async function requireNotAnothers(
  options: Omit<BindOptions, 'stored' | 'inputs' | 'prove' | 'replace' | 'required' | 'isStarted'>,
): Promise<void> {
  const { store, origin } = options;
  const owners = await otherOwners(store, origin);
  if (owners.size === 0) {
    return;
  }
  const image = await buildForBinding(options);
  const owner = owners.get(id16(image.id));
  if (owner !== undefined) {
    throw anothersName(store.pathFor(id16(image.id)), owner, PACK_HINT);
  }
}

/** claude-bottle starts what has the name, so a repository that signs must not get the sidecar of another one. */
async function requireMayStay(
  path: string,
  kept: Origin,
  {
    store,
    origin,
    required = false,
    isStarted = false,
  }: Pick<BindOptions, 'store' | 'origin' | 'required' | 'isStarted'>,
): Promise<void> {
  const isAnothers = kept.kind !== 'here';
  if (required || (isAnothers && (isStarted || (await knowsSigner(store.layout, origin))))) {
    throw anothersName(path, kept, REPLACE_HINT);
  }
}

function anothersName(path: string, owner: Origin, hint: string): BottleError {
  return new BottleError(
    'not-trusted',
    `${path} is a good sidecar, but of another origin (${describeOrigin(owner)}), and it stays`,
    { hint },
  );
}

/** What to do when a sidecar of another origin has the name. */
export const REPLACE_HINT = 'claude-bottle bind --replace  # takes its name';
const PACK_HINT = 'claude-bottle pack  # gives the name to a sidecar of your own';

export type BindingBuild = Pick<BindOptions, 'build' | 'platform' | 'signal' | 'onProgress'>;

/**
 * Builds as claude-bottle does. The ID is only worth something if claude-bottle's next build gets it too. With the
 * containerd image store the default attestations carry the time of the build, so that even a fully cached one has
 * another ID; a second build shows it.
 */
export async function buildForBinding(options: BindingBuild): Promise<Image> {
  const { signal } = options;
  const first = await build(options);
  const { store } = await engineFacts(signal);
  const image = store === 'classic' ? first : await build(options);
  if (image.id !== first.id) {
    throw new BottleError(
      'image-id-unstable',
      `the engine gives every build of ${options.build.image} another image ID (${id16(first.id)}, then ${id16(image.id)}), so claude-bottle never finds a sidecar`,
      {
        hint: [
          'export BUILDX_NO_DEFAULT_ATTESTATIONS=1  # wherever claude-bottle runs',
          'claude-bottle exec -- COMMAND  # sets it for that command',
        ],
      },
    );
  }
  return image;
}

async function build({ build: options, platform, signal, onProgress }: BindingBuild): Promise<Image> {
  // Packing is not loaded where nothing is built.
  const { sweepScratch } = await import('../pack/pack.ts');
  await sweepScratch(onProgress);
  onProgress({ type: 'start', stage: 'build', detail: options.image });
  const image = await buildImage(
    { ...options, platform, keepsAttestations: true },
    { signal, onLine: (line) => onProgress({ type: 'output', stage: 'build', line }) },
  );
  onProgress({ type: 'done', stage: 'build', detail: `${options.image} (${id16(image.id)})` });
  return image;
}

function requireSameContent(image: Image, record: PackRecord): void {
  const local = runtimeConfigSha256(runtimeConfig(image));
  const differing =
    image.layers.join() !== record.image.layers.join()
      ? `layers ${image.layers.join(', ')}, expected ${record.image.layers.join(', ')}`
      : local !== record.image.runtimeConfigSha256
        ? `runtime config ${local}, expected ${record.image.runtimeConfigSha256}`
        : undefined;
  if (differing !== undefined) {
    throw new BottleError(
      'not-trusted',
      `not proven: the local image has other content than the one that was packed: ${differing}`,
      {
        hint: 'build with --cache-from the image that CI published, on a cold builder, or bind without --prove: the inputs are equal',
      },
    );
  }
}
