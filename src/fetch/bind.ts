import { type BuildOptions, buildImage } from '../docker/build.ts';
import { engineFacts } from '../docker/command.ts';
import { guestPlatformOf, type Image, runtimeConfig } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import { type PackRecord, runtimeConfigSha256 } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { type OnProgress, quarantinesTo } from '../progress.ts';
import type { Store } from '../store/store.ts';

export interface BindOptions {
  readonly store: Store;
  /** Of a sidecar in the store that was packed from the same inputs. */
  readonly record: PackRecord;
  /** Its state when it had just been verified. */
  readonly verified?: string | undefined;
  readonly build: Pick<BuildOptions, 'image' | 'context' | 'file' | 'target' | 'buildArgs' | 'extraArgs'>;
  readonly platform: GuestPlatform;
  /** Also demand that the local image has the layers and the runtime config of the one that was packed. */
  readonly prove: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface BindResult {
  readonly imageId: ImageId;
  readonly id16: Id16;
  /** What claude-bottle looks for. */
  readonly path: string;
  /** `kept`: claude-bottle has packed this image itself, and its sidecar stays. */
  readonly outcome: 'bound' | 'already-bound' | 'kept';
  readonly proof: 'inputs' | 'content';
}

/**
 * Gives the sidecar the name that claude-bottle looks for: it builds the image, and takes the ID that this engine
 * gives it, which is not the one that CI's engine gave.
 * @throws BottleError `image-id-unstable` when the next build of the same inputs gets another ID
 */
export async function bindSidecar(options: BindOptions): Promise<BindResult> {
  const { store, record, verified, prove, signal, onProgress } = options;
  const image = await buildAsClaudeBottle(options);
  guestPlatformOf(image, options.platform, true);
  if (prove) {
    requireSameContent(image, record);
  }
  const proof = prove ? 'content' : 'inputs';
  const { path, outcome } = await store.bind(image.id, record, {
    proof,
    verified,
    signal,
    onQuarantine: quarantinesTo(onProgress),
  });
  return { imageId: image.id, id16: id16(image.id), path, outcome, proof };
}

/**
 * The ID is only worth something if claude-bottle's next build gets it too. With the containerd image store the default
 * attestations carry the time of the build, so that even a fully cached one has another ID; a second build shows it.
 */
async function buildAsClaudeBottle(options: BindOptions): Promise<Image> {
  const { signal } = options;
  const first = await build(options);
  const { store } = await engineFacts(signal);
  const image = store === 'classic' ? first : await build(options);
  if (image.id !== first.id) {
    throw new BottleError(
      'image-id-unstable',
      `the engine gives every build of ${options.build.image} another image ID (${id16(first.id)}, then ${id16(image.id)}), so claude-bottle never finds a sidecar`,
      {
        hint: 'export BUILDX_NO_DEFAULT_ATTESTATIONS=1 wherever claude-bottle runs, or start it with: claude-bottle exec -- COMMAND',
      },
    );
  }
  return image;
}

async function build({ build: options, platform, signal, onProgress }: BindOptions): Promise<Image> {
  onProgress({ type: 'start', stage: 'build', detail: options.image });
  const image = await buildImage(
    { ...options, platform, keepsAttestations: true },
    { signal, onLine: (line) => onProgress({ type: 'output', stage: 'build', line }) },
  );
  onProgress({ type: 'done', stage: 'build', detail: `${options.image} ${id16(image.id)}` });
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
