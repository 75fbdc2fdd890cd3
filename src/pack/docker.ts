import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import * as z from 'zod/mini';
import { BottleError, hasErrno } from '../errors.ts';
import {
  type ChildOptions,
  type ChildResult,
  noteChild,
  readChild,
  runChild,
  streamChild,
} from '../host/child.ts';
import { scratchParent, withPrivateDir } from '../host/private-dir.ts';
import { type Digest, type ImageId, isDigest, parseImageId } from '../identity/image-id.ts';
import { type GuestPlatform, parseGuestPlatform } from '../identity/platform.ts';

/** Our containers and networks carry their owner (host/owner.ts) under this label, so that a sweep finds them. */
export const OWNER_LABEL = 'dev.claude-bottle.pack.owner';

/** Short commands on the engine end within seconds or not at all. */
const SHORT_TIMEOUT_MS = 60_000;
const CLEAN_UP_TIMEOUT_MS = 5_000;

export interface BuildOptions {
  /** The tag for the image. */
  readonly image: string;
  readonly context: string;
  readonly file?: string | undefined;
  readonly target?: string | undefined;
  /** `KEY=VALUE`, or `KEY` for the value in the environment. */
  readonly buildArgs?: readonly string[];
  /** As `docker build --secret` takes them: `id=ID,src=FILE` or `id=ID,env=NAME`. */
  readonly secrets?: readonly string[];
  /** Laid over our own environment: the values of secrets that are named by `env=NAME`. */
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: string | undefined;
  /** Builds as a plain `docker build` of the user would, and so gets the image ID that this gets. */
  readonly keepsAttestations?: boolean;
  /** Further arguments for `docker build`, as they are. */
  readonly extraArgs?: readonly string[];
}

/** What an image runs with: the parts of an OCI image config's `config`, and Docker's additions to it. */
export type RuntimeConfig = Readonly<Record<string, unknown>>;

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

export function dockerBuildArgs(options: BuildOptions, iidFile: string): string[] {
  const pairs = (flag: string, values: readonly string[] = []) => values.flatMap((value) => [flag, value]);
  const optional = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return [
    'build',
    // The legacy builder otherwise leaves the container of a failed or cancelled step behind.
    '--force-rm',
    ...['--tag', options.image],
    ...['--iidfile', iidFile],
    ...optional('--file', options.file),
    ...optional('--target', options.target),
    ...optional('--platform', options.platform),
    ...pairs('--build-arg', options.buildArgs),
    ...pairs('--secret', options.secrets),
    ...(options.extraArgs ?? []),
    '--',
    options.context,
  ];
}

/**
 * Builds an image and returns what was built, never what another build has moved the tag to meanwhile.
 * @throws BottleError `build-failed` with the step and the last 20 lines
 */
export async function buildImage(
  options: BuildOptions,
  { signal, onLine }: Pick<ChildOptions, 'signal' | 'onLine'>,
): Promise<Image> {
  return await withPrivateDir(scratchParent(), async (dir) => {
    const iidFile = join(dir, 'image-id');
    const step = new BuildStep();
    const result = await spawnDocker(() =>
      runChild('docker', dockerBuildArgs(options, iidFile), {
        signal,
        onSpawn: noteChild(dir),
        // Without it every fully cached build has a new image ID in the containerd image store: the attestation
        // in the index carries the time of the build.
        env: {
          ...process.env,
          ...options.env,
          ...(!options.keepsAttestations && { BUILDX_NO_DEFAULT_ATTESTATIONS: '1' }),
        },
        onLine: (line) => {
          step.read(line);
          onLine?.(line);
        },
      }),
    );
    if (result.exitCode !== 0) {
      throw connectionError(result.tail) ?? buildError(result, step);
    }
    return await inspectBuilt((await fs.readFile(iidFile, 'utf8')).trim(), options.image);
  });
}

/**
 * With the containerd image store and without attestations, buildx writes the digest of the config, and the engine
 * finds no image by that (docker/buildx pull request 3952). Then the tag leads to the image, if it is still ours.
 */
async function inspectBuilt(writtenId: string, tag: string): Promise<Image> {
  const built = (await inspectIfThere(writtenId)) ?? (await inspectIfThere(tag));
  if (built === undefined) {
    throw new BottleError('build-failed', `docker build made ${writtenId}, but the engine does not have it`, {
      hint: 'this builder keeps what it builds: unset BUILDX_BUILDER, or have it load what it builds (--load)',
    });
  }
  if (![built.id, built.configDigest].includes(writtenId as Digest)) {
    throw new BottleError('build-failed', `docker build made ${writtenId}, but ${tag} is ${built.id}`, {
      hint: 'run it again if another build moved the tag meanwhile; otherwise update Docker to 28 or newer',
    });
  }
  return built;
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

/** Follows the build output of both builders: "Step 2/5 : RUN …" and "#7 [stage 2/5] RUN …". */
class BuildStep {
  #latest: string | undefined;

  read(line: string): void {
    const match =
      /^Step (?<count>\d+\/\d+) : (?<instruction>.*)/.exec(line) ??
      /^ > \[(?<count>[^\]]*\d+\/\d+)\] (?<instruction>.*):$/.exec(line);
    if (match?.groups !== undefined) {
      this.#latest = `step ${match.groups.count}, ${match.groups.instruction}`;
    }
  }

  toString(): string {
    return this.#latest === undefined ? '' : ` at ${this.#latest}`;
  }
}

function buildError(result: ChildResult, step: BuildStep): BottleError {
  const needsBuildKit = result.tail.some((line) =>
    /unknown flag: --secret|requires BuildKit|buildx component is missing/.test(line),
  );
  const isForeign = result.tail.some((line) => /exec format error/i.test(line));
  return new BottleError('build-failed', `docker build failed${step} (${ending(result)})`, {
    hint: needsBuildKit
      ? 'build secrets need BuildKit: install the buildx component of the Docker client'
      : isForeign
        ? 'a program for another architecture was run: register QEMU first (docker/setup-qemu-action), or build on such a machine'
        : 'mend the Dockerfile or its context; the last lines of the build are above',
    details: result.tail,
  });
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

export async function engineFacts(
  signal?: AbortSignal,
): Promise<{ version: string; store: 'classic' | 'containerd' }> {
  const answer = await docker(['info', '--format', '{{.ServerVersion}} {{json .DriverStatus}}'], { signal });
  const [version = ''] = answer.split(' ', 1);
  return { version, store: answer.includes('io.containerd.snapshotter') ? 'containerd' : 'classic' };
}

/** @throws BottleError `not-found` when the engine has no such image */
export async function inspectImage(reference: string, signal?: AbortSignal): Promise<Image> {
  const stdout = await docker(['image', 'inspect', '--', reference], { signal });
  const parsed = inspectSchema.safeParse(parseJson(stdout));
  const found = parsed.data?.[0];
  if (found === undefined) {
    throw new BottleError('docker-failed', `docker image inspect ${reference} answered something unknown`, {
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

/** @throws BottleError `usage` when it is not the `wanted` one, or none that a microVM can have */
export function guestPlatformOf(
  image: Image,
  wanted: GuestPlatform | undefined,
  isBuilt: boolean,
): GuestPlatform {
  const platform = parseGuestPlatform(`${image.os}/${image.architecture}`);
  if (wanted !== undefined && wanted !== platform) {
    throw new BottleError('usage', `the image ${image.id} is for ${platform}, not for ${wanted}`, {
      hint: isBuilt
        ? 'the builder has ignored the platform: install the buildx component of the Docker client'
        : `build it for ${wanted}, or ask for ${platform}`,
    });
  }
  return platform;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

export async function tagImage(source: string, target: string): Promise<void> {
  await docker(['image', 'tag', source, target]);
}

/** Pushes a tag and returns the digest of the manifest that the registry accepted. */
export async function pushImage(reference: string, options: ChildOptions): Promise<Digest> {
  let pushed: string | undefined;
  const result = await spawnDocker(() =>
    runChild('docker', ['image', 'push', reference], {
      ...options,
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
        : 'look at the lines above; hop embedded needs no push',
      // docker tries five times and counts down the seconds to each, a line for a second.
      details: result.tail.filter((line) => !/: Retrying in \d+ seconds?$/.test(line)),
    });
  }
  return pushed;
}

/** Hands an image archive (`docker save`'s format) to the engine. */
export async function loadImage(archive: AsyncIterable<Buffer>, options: ChildOptions): Promise<void> {
  const args = ['image', 'load', '--quiet'];
  const result = await spawnDocker(() => runChild('docker', args, { ...options, input: archive }));
  assertSuccess(args, result);
}

export async function pullImage(reference: string, options: ChildOptions): Promise<void> {
  const result = await spawnDocker(() => runChild('docker', ['image', 'pull', reference], options));
  if (result.exitCode !== 0) {
    throw (
      connectionError(result.tail) ??
      new BottleError('registry-failed', `cannot pull ${reference}: ${lastLine(result)}`, {
        hint: 'check the network, or name an image that the engine has with registry-image',
      })
    );
  }
}

export interface Container {
  /** When the engine made it, in seconds since 1970, rounded down. */
  readonly createdSeconds: number;
  /** Of its unpacked file system. An image's own size counts compressed layers with the containerd image store. */
  readonly sizeBytes: number;
}

/** A container that never runs, only to be exported. */
export async function createContainer(
  image: ImageId,
  { name, owner, platform }: { name: string; owner: string; platform: string },
): Promise<Container> {
  await docker([
    ...['container', 'create', '--pull', 'never', '--name', name, '--label', `${OWNER_LABEL}=${owner}`],
    ...['--network', 'none', '--platform', platform, image],
    // An image may have no command of its own, and create insists on one.
    'never-run',
  ]);
  const format = '{{.Created}} {{.SizeRootFs}}';
  const answer = await docker(['container', 'inspect', '--size', '--format', format, name]);
  const [created = '', size = ''] = answer.trim().split(' ');
  return {
    createdSeconds: Math.floor(Date.parse(created) / 1000),
    sizeBytes: Number(size),
  };
}

/** Streams the file system of a container as a tar. */
export async function exportContainer(
  container: string,
  consume: (tar: Readable) => Promise<void>,
  options: ChildOptions,
): Promise<void> {
  const args = ['container', 'export', container];
  assertSuccess(args, await spawnDocker(() => streamChild('docker', args, consume, options)));
}

/**
 * Removes what is there of the named containers, their anonymous volumes included. Cleaning up must neither
 * hang nor hide the error that led to it: it is bounded, and it returns what went wrong as a sentence.
 */
export async function removeContainer(name: string): Promise<string | undefined> {
  return await cleanUp(['container', 'rm', '--force', '--volumes', name]);
}

export async function removeNetwork(name: string): Promise<string | undefined> {
  return await cleanUp(['network', 'rm', name]);
}

export async function removeImage(reference: string): Promise<string | undefined> {
  return await cleanUp(['image', 'rm', '--force', reference]);
}

async function cleanUp(args: string[]): Promise<string | undefined> {
  try {
    const result = await readChild('docker', args, { timeoutMs: CLEAN_UP_TIMEOUT_MS });
    const isGone = result.tail.some((line) => /no such|not found/i.test(line));
    return result.exitCode === 0 || isGone ? undefined : `docker ${args.join(' ')}: ${lastLine(result)}`;
  } catch (error) {
    return `docker ${args.join(' ')}: ${error instanceof Error ? error.message : error}`;
  }
}

/** The names of our containers or networks, with their owners. */
export async function listOwned(
  kind: 'container' | 'network',
  signal: AbortSignal,
): Promise<Array<{ readonly id: string; readonly owner: string }>> {
  const all = kind === 'container' ? ['--all'] : [];
  const format = `{{.ID}} {{.Label "${OWNER_LABEL}"}}`;
  const stdout = await docker([kind, 'ls', ...all, '--filter', `label=${OWNER_LABEL}`, '--format', format], {
    signal,
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', owner = ''] = line.split(' ');
      return { id, owner };
    });
}

/**
 * Runs a short docker command and returns its standard output. A `signal` is only for commands that look: what one
 * makes on the engine would otherwise appear after we have cleaned up.
 */
export async function docker(
  args: readonly string[],
  { signal }: Pick<ChildOptions, 'signal'> = {},
): Promise<string> {
  const result = await spawnDocker(() => readChild('docker', args, { timeoutMs: SHORT_TIMEOUT_MS, signal }));
  assertSuccess(args, result);
  return result.stdout;
}

async function spawnDocker<T>(spawn: () => Promise<T>): Promise<T> {
  try {
    return await spawn();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new BottleError('docker-missing', 'the docker command is not on PATH', {
        hint: 'install Docker (https://docs.docker.com/engine/install/) or put it on PATH',
        cause: error,
      });
    }
    throw error;
  }
}

function assertSuccess(args: readonly string[], result: ChildResult): void {
  if (result.exitCode === 0) {
    return;
  }
  const missing = /.*no such image: (?<image>\S+)/is.exec(result.tail.join('\n'))?.groups?.image;
  if (missing !== undefined) {
    throw new BottleError('not-found', `the Docker engine has no image ${missing}`, {
      hint: 'build or pull it first, and check the name',
    });
  }
  throw (
    connectionError(result.tail) ??
    new BottleError('docker-failed', `docker ${args.slice(0, 2).join(' ')} failed (${ending(result)})`, {
      hint: noSpace(result.tail) ? 'free disk space on the Docker engine' : 'see what docker says above',
      details: result.tail,
    })
  );
}

function connectionError(lines: readonly string[]): BottleError | undefined {
  for (const line of lines) {
    if (/permission denied.*(docker daemon|docker API)|docker\.sock.*permission denied/i.test(line)) {
      return new BottleError('docker-not-permitted', `this user may not use the Docker daemon: ${line}`, {
        hint: 'add the user to the docker group (sudo usermod -aG docker "$USER") and log in again',
      });
    }
    if (/cannot connect to the docker daemon|failed to connect to the docker API/i.test(line)) {
      return new BottleError('docker-unreachable', `cannot reach the Docker daemon: ${line}`, {
        hint: 'start Docker, or point DOCKER_HOST at a running one',
      });
    }
  }
  return undefined;
}

function noSpace(lines: readonly string[]): boolean {
  return lines.some((line) => /no space left on device/i.test(line));
}

function ending({ exitCode, signal }: ChildResult): string {
  return exitCode === undefined ? `ended by ${signal}` : `exit code ${exitCode}`;
}

function lastLine(result: ChildResult): string {
  return result.tail.at(-1) ?? ending(result);
}
