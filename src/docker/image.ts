import type { Readable } from 'node:stream';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { type ChildOptions, runChild, streamChild } from '../host/child.ts';
import { type Digest, type ImageId, isDigest, parseImageId } from '../identity/image-id.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from '../identity/platform.ts';
import {
  assertSuccess,
  cleanUp,
  docker,
  dockerEnvironment,
  ending,
  engineError,
  lastLine,
  noSpace,
  podmanError,
  spawnDocker,
} from './command.ts';

/** What an image runs with: the parts of an OCI image config's `config`, and Docker's additions to it. */
export type RuntimeConfig = Readonly<Record<string, unknown>>;

/** What an image config's `config` may hold, by the OCI image specification and Docker's additions to it. */
const RUNTIME_KEYS = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal'],
  ...['ArgsEscaped', 'Healthcheck', 'OnBuild', 'Shell'],
];

export interface Image {
  readonly id: ImageId;
  /** The digest of the image config. With the containerd image store it is known of some images only. */
  readonly configDigest: Digest | undefined;
  /** The digest of the image manifest or index. Unknown with the classic image store until it is pushed. */
  readonly manifestDigest: Digest | undefined;
  /** Digests of the uncompressed layers (diff IDs): the one identity that is equal in both image stores. */
  readonly layers: readonly Digest[];
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly config: RuntimeConfig;
}

const digest = z.string().check(z.refine(isDigest));
const optionalText = z.optional(z.nullable(z.string()));

/** BuildKit notes the config's digest in the descriptor of an image that it exports, though not in an index's. */
const CONFIG_DIGEST_ANNOTATION = 'config.digest';

/** The part of `docker image inspect` that we use; Descriptor is there with the containerd image store only. */
const inspectSchema = z.array(
  z.object({
    Id: z.string(),
    Os: z.string(),
    Architecture: z.string(),
    Variant: optionalText,
    Created: optionalText,
    Author: optionalText,
    Config: z.nullable(z.record(z.string(), z.unknown())),
    RootFS: z.object({ Layers: z.optional(z.nullable(z.array(digest))) }),
    Descriptor: z.optional(
      z.nullable(
        z.object({
          digest,
          annotations: z.optional(z.object({ [CONFIG_DIGEST_ANNOTATION]: z.optional(digest) })),
        }),
      ),
    ),
  }),
);

/** @throws BottleError `not-found` when the engine has no such image */
export async function inspectImage(reference: string, signal?: AbortSignal): Promise<Image> {
  const stdout = await docker(['image', 'inspect', '--', reference], { signal });
  const parsed = inspectSchema.safeParse(parseJson(stdout));
  const found = parsed.data?.[0];
  if (found === undefined || !isDigest(found.Id)) {
    const podman = await podmanError();
    if (podman !== undefined) {
      throw podman;
    }
    throw new BottleError('docker-failed', `docker image inspect ${reference} gave an unexpected answer`, {
      hint: 'run it by hand and compare; the engine may be too old or not Docker',
      cause: parsed.error,
    });
  }
  const id = parseImageId(found.Id);
  const hasContainerdStore = found.Descriptor?.digest === id;
  const annotated = found.Descriptor?.annotations?.[CONFIG_DIGEST_ANNOTATION] as Digest | undefined;
  return {
    id,
    configDigest: hasContainerdStore ? annotated : id,
    manifestDigest: hasContainerdStore ? id : undefined,
    layers: (found.RootFS.Layers ?? []) as Digest[],
    os: found.Os,
    architecture: found.Architecture,
    variant: found.Variant || undefined,
    created: found.Created || undefined,
    author: found.Author || undefined,
    config: found.Config ?? {},
  };
}

/** Undefined when the engine has no such image. */
export async function inspectIfThere(reference: string): Promise<Image | undefined> {
  try {
    return await inspectImage(reference);
  } catch (error) {
    if (error instanceof BottleError && error.code === 'not-found') {
      return undefined;
    }
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws BottleError `usage` when it is not the `wanted` one, or none that a microVM can have */
export function guestPlatformOf(
  image: Image,
  wanted: GuestPlatform | undefined,
  isBuilt: boolean,
): GuestPlatform {
  const found = [image.os, image.architecture, image.variant].filter(Boolean).join('/');
  const platform = GUEST_PLATFORMS.find((known) => known === `${image.os}/${image.architecture}`);
  if (platform === undefined) {
    throw new BottleError('usage', `the image ${image.id} is for ${found}, which no microVM runs`, {
      hint: `build it for ${GUEST_PLATFORMS.join(' or ')}`,
    });
  }
  if (wanted !== undefined && wanted !== platform) {
    throw new BottleError('usage', `the image ${image.id} is for ${platform}, not for ${wanted}`, {
      hint: isBuilt
        ? 'the builder has ignored the platform: install the buildx component of the Docker client'
        : `build it for ${wanted}, or ask for ${platform}`,
    });
  }
  return platform;
}

/** The lines that made an image, the newest first, with build arguments and all. */
export async function imageHistory(id: ImageId, signal?: AbortSignal): Promise<string[]> {
  const format = '{{json .CreatedBy}}';
  const stdout = await docker(['image', 'history', '--no-trunc', '--format', format, id], { signal });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => String(parseJson(line) ?? line));
}

/** The part of the engine's answer that belongs into an image config, without what is empty. */
export function runtimeConfig(image: Image): Record<string, unknown> {
  const isEmpty = (value: unknown) =>
    value === undefined ||
    value === null ||
    value === '' ||
    value === false ||
    Object.keys(value).length === 0;
  return Object.fromEntries(
    RUNTIME_KEYS.map((key) => [key, image.config[key]]).filter(([, value]) => !isEmpty(value)),
  );
}

export async function tagImage(source: string, target: string): Promise<void> {
  await docker(['image', 'tag', source, target]);
}

/** Pushes a tag and returns the digest of the manifest that the registry accepted. */
export async function pushImage(reference: string, options: ChildOptions): Promise<Digest> {
  let pushed: string | undefined;
  const result = await spawnDocker(() =>
    runChild('docker', ['image', 'push', reference], {
      ...options,
      // Our registry has no signatures.
      env: dockerEnvironment({ DOCKER_CONTENT_TRUST: '0' }),
      onLine: (line) => {
        pushed = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(line)?.[1] ?? pushed;
        options.onLine?.(line);
      },
    }),
  );
  if (result.exitCode !== 0 || pushed === undefined || !isDigest(pushed)) {
    throw new BottleError('registry-failed', `docker push ${reference} failed (${ending(result)})`, {
      hint: noSpace(result.tail)
        ? 'free disk space on the Docker engine'
        : 'see what docker says above, or use hop embedded, which needs no push',
      // docker tries five times and counts down the seconds to each, a line for a second.
      details: result.tail.filter((line) => !/: Retrying in \d+ seconds?$/.test(line)),
    });
  }
  return pushed;
}

/** Hands an image archive (`docker save`'s format) to the engine. */
export async function loadImage(archive: AsyncIterable<Buffer>, options: ChildOptions): Promise<void> {
  const args = ['image', 'load', '--quiet'];
  const env = dockerEnvironment();
  const result = await spawnDocker(() => runChild('docker', args, { ...options, env, input: archive }));
  await assertSuccess(args, result);
}

/** Streams an image, all its layers included, as an image archive. */
export async function saveImage(
  id: ImageId,
  consume: (archive: Readable) => Promise<void>,
  options: ChildOptions,
): Promise<void> {
  const args = ['image', 'save', id];
  const env = dockerEnvironment();
  const result = await spawnDocker(() => streamChild('docker', args, consume, { ...options, env }));
  await assertSuccess(args, result);
}

export async function pullImage(reference: string, options: ChildOptions): Promise<void> {
  const result = await spawnDocker(() =>
    runChild('docker', ['image', 'pull', reference], { ...options, env: dockerEnvironment() }),
  );
  if (result.exitCode !== 0) {
    throw (
      (await engineError(result.tail)) ??
      new BottleError('registry-failed', `cannot pull ${reference}: ${lastLine(result)}`, {
        hint: 'check the network, or name an image that the engine has with registry-image',
      })
    );
  }
}

export async function removeImage(reference: string): Promise<string | undefined> {
  return await cleanUp(['image', 'rm', '--force', reference]);
}
