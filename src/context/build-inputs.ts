import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { readSmallFile } from '../host/small-file.ts';
import {
  buildArgsSha256,
  type ContextEntry,
  entriesSha256,
  type InputsRecord,
  inputsKey,
} from '../identity/inputs-key.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { readDockerfile } from './dockerfile.ts';
import { Dockerignore } from './dockerignore.ts';
import { coverage, readEntries } from './entries.ts';

/** BuildKit and the engine read both whole too, and no real one is near it. */
const MAX_FILE_BYTES = 1024 * 1024;
/** The limit for a name in a directory, on every file system that we know. */
const MAX_NAME_BYTES = 255;

export interface BuildInputsOptions {
  readonly context: string;
  /** Relative to the working directory, as docker takes it. */
  readonly file?: string | undefined;
  readonly target?: string | undefined;
  /** `KEY=VALUE`, or `KEY` for the value in the environment. */
  readonly buildArgs: readonly string[];
  readonly platform: GuestPlatform;
  readonly signal?: AbortSignal | undefined;
}

export interface BuildInputs {
  /** What a pack record says of them, the key first. */
  readonly record: InputsRecord;
  readonly entries: readonly ContextEntry[];
  /** Why the key covers the whole context, if it does. */
  readonly reasons: readonly string[];
  /** As it was found; the ignore file is undefined when the build has no such file. */
  readonly files: { readonly dockerfile: string; readonly ignore: string | undefined };
  /** Whether a file of that path in the context would be one of the entries. */
  readonly covers: (path: string) => boolean;
}

/**
 * Reads what goes into `docker build`. The same inputs have the same key on every machine.
 *
 * The key cannot see, so that another image can come of the same key:
 * - base images: what a tag in FROM or `--from` stands for by now, and what the image does by ONBUILD
 * - what RUN gets from the network, and what is behind the URLs of ADD
 * - the values of secrets, SSH agents and cache mounts, and what `--build-context` puts in a stage's place
 * - the builder: Dockerfiles are read as BuildKit reads them. In the legacy builder, ENV of a base image wins over
 *   ARG and build args, and so COPY can take another path
 * @throws BottleError `not-found` when there is no context or no Dockerfile, `usage` when the Dockerfile or an
 * ignore file is not a plain file or leads out of the context, `io` when something cannot be read
 */
export async function readBuildInputs(options: BuildInputsOptions): Promise<BuildInputs> {
  const { context, target, platform, signal } = options;
  await assertDirectory(context);
  const dockerfile = await findDockerfile(options);
  const buildArgs = buildArgValues(options.buildArgs);
  const ignore = await readIgnore(context, dockerfile.path);
  const view = readDockerfile(dockerfile.bytes.toString(), { target, buildArgs, platform });

  const wanted = view.reasons.length === 0 ? view.sources : undefined;
  const narrow = { context, ignore: ignore.rules, sources: wanted, signal };
  const whole = { ...narrow, sources: undefined };
  const seen = await readEntries(narrow);
  const reasons = [...view.reasons, ...seen.reasons];
  const { entries } = seen.reasons.length === 0 ? seen : await readEntries(whole);

  const parts = {
    dockerfileSha256: createHash('sha256').update(dockerfile.bytes).digest('hex'),
    ...(target !== undefined && { target }),
    entriesSha256: entriesSha256(entries),
  };
  const record = {
    key: inputsKey({ ...parts, platform, buildArgs }),
    ...parts,
    buildArgsSha256: buildArgsSha256(buildArgs),
    narrowed: reasons.length === 0,
  };
  return {
    record,
    entries,
    reasons,
    files: { dockerfile: dockerfile.path, ignore: ignore.path },
    covers: coverage(reasons.length === 0 ? narrow : whole),
  };
}

async function assertDirectory(context: string): Promise<void> {
  // A directory that was deleted under its users is still there by the name ".", and empty.
  const stats = await fs.stat(resolve(context)).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return undefined;
    }
    throw readError(context, error);
  });
  if (!stats?.isDirectory()) {
    throw new BottleError('not-found', `no build context: ${context} is not a directory`, {
      hint: 'check --context (input: context)',
    });
  }
}

interface Dockerfile {
  readonly path: string;
  readonly bytes: Buffer;
}

async function findDockerfile({ context, file }: BuildInputsOptions): Promise<Dockerfile> {
  // Without a name, docker also takes the name in small letters.
  const paths =
    file === undefined ? [join(context, 'Dockerfile'), join(context, 'dockerfile')] : [resolve(file)];
  for (const path of paths) {
    // A link from outside can have come with a pull request; a file that is named is meant.
    const bytes = await readIfThere(path, file === undefined ? [context] : undefined);
    if (bytes !== undefined) {
      return { path, bytes };
    }
  }
  const inContext = join(context, file ?? '');
  const isInContext =
    file !== undefined && (await fs.stat(inContext).catch(() => undefined))?.isFile() === true;
  throw new BottleError('not-found', `no Dockerfile: ${paths[0]} does not exist`, {
    hint: isInContext
      ? `docker looks for it from the working directory, and not in the context: --file ${inContext}`
      : 'run this in the repository of your agent, or name the Dockerfile with --file (input: file)',
  });
}

/** The ignore file beside the Dockerfile and named after it comes before the one of the context. */
async function readIgnore(
  context: string,
  dockerfilePath: string,
): Promise<{ rules: Dockerignore; path: string | undefined }> {
  const own = `${dockerfilePath}.dockerignore`;
  const isPossible = Buffer.byteLength(basename(own)) <= MAX_NAME_BYTES;
  for (const path of [...(isPossible ? [own] : []), join(context, '.dockerignore')]) {
    const bytes = await readIfThere(path, [context, dirname(dockerfilePath)]);
    if (bytes !== undefined) {
      return { rules: new Dockerignore(bytes.toString(), basename(path)), path };
    }
  }
  return { rules: new Dockerignore(''), path: undefined };
}

/** With `roots`, links must stay inside of one of them; docker refuses a Dockerfile that does not too. */
async function readIfThere(path: string, roots?: readonly string[]): Promise<Buffer | undefined> {
  try {
    const target = await fs.realpath(path);
    if (roots !== undefined && !(await isInside(target, roots))) {
      throw new BottleError('usage', `${path} is a symlink that leads out of the build context`, {
        hint: 'put the file itself there',
      });
    }
    return await readSmallFile(target, MAX_FILE_BYTES);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error instanceof BottleError ? error : readError(path, error);
  }
}

function readError(path: string, error: unknown): BottleError {
  if (hasErrno(error, 'EINVAL', 'EFBIG')) {
    return new BottleError('usage', `${path} is not a regular file of at most ${MAX_FILE_BYTES} bytes`, {
      hint: 'put the file itself there',
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return hasErrno(error, 'ENAMETOOLONG')
    ? fileError(`cannot read ${path}`, error)
    : new BottleError('io', `cannot read ${path}: ${reason}`, {
        hint: 'make it readable for this user',
        cause: error,
      });
}

async function isInside(target: string, roots: readonly string[]): Promise<boolean> {
  const realRoots = await Promise.all(roots.map((root) => fs.realpath(root)));
  return realRoots.some((root) => target.startsWith(root.endsWith('/') ? root : `${root}/`));
}

/** As docker reads `--build-arg`: the last of a name wins, a name without a value in the environment is not set. */
function buildArgValues(buildArgs: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const buildArg of buildArgs) {
    const index = buildArg.indexOf('=');
    const name = index === -1 ? buildArg : buildArg.slice(0, index);
    const value = index === -1 ? process.env[name] : buildArg.slice(index + 1);
    if (value !== undefined) {
      values.set(name, value);
    }
  }
  return values;
}
