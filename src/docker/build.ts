import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { BottleError, hasErrno } from '../errors.ts';
import { type ChildOptions, type ChildResult, noteChild, runChild } from '../host/child.ts';
import { scratchParent, withPrivateDir } from '../host/private-dir.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { dockerEnvironment, ending, engineError, spawnDocker } from './command.ts';
import { type Image, inspectIfThere } from './image.ts';

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
  /** Always named: DOCKER_DEFAULT_PLATFORM or the builder would decide it otherwise. */
  readonly platform: GuestPlatform;
  /** Builds as a plain `docker build` of the user would, and so gets the image ID that this gets. */
  readonly keepsAttestations?: boolean;
  /** Further arguments for `docker build`, as they are. */
  readonly extraArgs?: readonly string[];
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
    ...['--platform', options.platform],
    ...pairs('--build-arg', options.buildArgs),
    ...pairs('--secret', options.secrets),
    ...(options.extraArgs ?? []),
    '--',
    options.context,
  ];
}

/**
 * Builds an image and returns what was built, never the image that another build has moved the tag to since.
 * @throws BottleError `build-failed` with the step and the last 20 lines
 */
export async function buildImage(
  options: BuildOptions,
  { signal, onLine }: Pick<ChildOptions, 'signal' | 'onLine'>,
): Promise<Image> {
  return await withPrivateDir(scratchParent(), async (dir) => {
    const run = async (more: readonly string[]) => {
      const iidFile = join(dir, 'image-id');
      const extraArgs = [...(options.extraArgs ?? []), ...more];
      const step = new BuildStep();
      const result = await spawnDocker(() =>
        runChild('docker', dockerBuildArgs({ ...options, extraArgs }, iidFile), {
          signal,
          onSpawn: noteChild(dir),
          // Without it every fully cached build has a new image ID in the containerd image store: the attestation
          // in the index carries the time of the build.
          env: dockerEnvironment({
            ...options.env,
            ...(!options.keepsAttestations && { BUILDX_NO_DEFAULT_ATTESTATIONS: '1' }),
          }),
          onLine: (line) => {
            step.read(line);
            onLine?.(line);
          },
        }),
      );
      if (result.exitCode !== 0) {
        throw (await engineError(result.tail)) ?? buildError(result, step);
      }
      return await readImageId(iidFile);
    };
    const writtenId = await run([]);
    const built = await findBuilt(writtenId, options.image);
    if (built !== undefined) {
      return built;
    }
    // A builder of another driver than docker keeps what it builds, unless it is told to hand it over. The builders that do
    // not know the option keep nothing.
    const loadedId = await run(['--load']).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new BottleError(
        'build-failed',
        `docker build made ${writtenId}, and the engine does not have it`,
        {
          hint: 'run it again if another build moved the tag during this one; otherwise choose a builder of this engine: unset BUILDX_BUILDER, or docker buildx use default',
          cause: error,
        },
      );
    });
    return await requireLoaded(loadedId, options.image);
  });
}

/** Docker from a snap has a /tmp of its own, and writes the file there. */
async function readImageId(iidFile: string): Promise<string> {
  try {
    return (await fs.readFile(iidFile, 'utf8')).trim();
  } catch (error) {
    throw hasErrno(error, 'ENOENT')
      ? new BottleError('build-failed', `docker build has succeeded, and did not write ${iidFile}`, {
          hint: 'point TMPDIR to a directory that the docker command can write to; from a snap it cannot use /tmp',
          cause: error,
        })
      : error;
  }
}

/**
 * With the containerd image store and without attestations, buildx writes the digest of the config, and the engine
 * finds no image by that (docker/buildx pull request 3952). Then the tag leads to the image, if it is still ours.
 */
async function findBuilt(writtenId: string, tag: string): Promise<Image | undefined> {
  const built = (await inspectIfThere(writtenId)) ?? (await inspectIfThere(tag));
  const ids: readonly unknown[] = [built?.id, built?.configDigest];
  return ids.includes(writtenId) ? built : undefined;
}

/** The containerd image store gives an image that is handed over an ID of its own, and does not tell its config's. */
async function requireLoaded(writtenId: string, tag: string): Promise<Image> {
  const built = await findBuilt(writtenId, tag);
  const loaded = built ?? (await inspectIfThere(tag));
  if (loaded !== undefined && (loaded === built || loaded.configDigest === undefined)) {
    return loaded;
  }
  const found = loaded === undefined ? 'the engine does not have it' : `${tag} is ${loaded.id}`;
  throw new BottleError('build-failed', `docker build --load made ${writtenId}, and ${found}`, {
    hint: 'run it again if another build moved the tag during this one; otherwise unset BUILDX_BUILDER',
  });
}

/** Follows the build output of both builders: "Step 2/5 : RUN …" and "#7 [stage 2/5] RUN …". */
class BuildStep {
  #latest: string | undefined;

  read(line: string): void {
    const match =
      /^Step (?<count>\d+\/\d+) : (?<instruction>.*)/.exec(line) ??
      /^ > \[(?<count>[^\]]*\d\/\d+)\] (?<instruction>.*):$/.exec(line);
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
  // The context and the Dockerfile have been read before.
  const isUnseen = result.tail.some((line) =>
    /unable to prepare context: .*(not found|no such file)|failed to read dockerfile: .*no such file/i.test(
      line,
    ),
  );
  return new BottleError('build-failed', `docker build failed${step} (${ending(result)})`, {
    hint: needsBuildKit
      ? 'install the buildx component of the Docker client, because this build needs BuildKit'
      : isForeign
        ? 'register QEMU first (docker/setup-qemu-action), or build on a machine of that architecture; the build ran a program for another one'
        : isUnseen
          ? 'build in a directory that the docker command can read; from a snap it reads the home directory alone, and nothing hidden in it'
          : 'fix the Dockerfile or the build context; the last lines of the build are shown above',
    details: result.tail,
  });
}
