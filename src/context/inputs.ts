import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BottleError, hasErrno } from '../errors.ts';
import { type ContextEntry, entriesSha256, type InputsKey, inputsKey } from '../identity/inputs-key.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { readDockerfile } from './dockerfile.ts';
import { Dockerignore } from './dockerignore.ts';
import { readEntries } from './entries.ts';

export interface InputsOptions {
  readonly context: string;
  /** Relative to the working directory, as docker takes it. */
  readonly file?: string | undefined;
  readonly target?: string | undefined;
  /** `KEY=VALUE`, or `KEY` for the value in the environment. */
  readonly buildArgs: readonly string[];
  readonly platform: GuestPlatform;
  readonly signal?: AbortSignal | undefined;
}

export interface Inputs {
  readonly key: InputsKey;
  readonly entriesSha256: string;
  readonly entries: readonly ContextEntry[];
  /** Whether the key covers only what the Dockerfile can see, or the whole context. */
  readonly narrowed: boolean;
  /** Why not. */
  readonly reasons: readonly string[];
}

/**
 * Reads what goes into `docker build`. The same inputs have the same key on every machine.
 * @throws BottleError `not-found` when there is no context or no Dockerfile, `io` when something cannot be read
 */
export async function readInputs(options: InputsOptions): Promise<Inputs> {
  const { context, target, platform, signal } = options;
  await assertDirectory(context);
  const dockerfile = await findDockerfile(options);
  const buildArgs = buildArgValues(options.buildArgs);
  const ignore = await readIgnore(context, dockerfile.path);
  const view = readDockerfile(dockerfile.bytes.toString(), { target, buildArgs, platform });

  const wanted = view.reasons.length === 0 ? view.sources : undefined;
  const seen = await readEntries({ context, ignore, sources: wanted, signal });
  const reasons = [...view.reasons, ...seen.reasons];
  const { entries } =
    seen.reasons.length === 0 ? seen : await readEntries({ context, ignore, sources: undefined, signal });

  const entriesDigest = entriesSha256(entries);
  const key = inputsKey({
    platform,
    dockerfileSha256: createHash('sha256').update(dockerfile.bytes).digest('hex'),
    target,
    buildArgs,
    entriesSha256: entriesDigest,
  });
  return { key, entriesSha256: entriesDigest, entries, narrowed: reasons.length === 0, reasons };
}

async function assertDirectory(context: string): Promise<void> {
  const stats = await fs.stat(context).catch(() => undefined);
  if (!stats?.isDirectory()) {
    throw new BottleError('not-found', `no build context: ${context} is not a directory`, {
      hint: 'name the directory of the build context with --context',
    });
  }
}

interface Dockerfile {
  readonly path: string;
  readonly bytes: Buffer;
}

async function findDockerfile({ context, file }: InputsOptions): Promise<Dockerfile> {
  // Without --file, docker also takes the name in small letters.
  const paths =
    file === undefined ? [join(context, 'Dockerfile'), join(context, 'dockerfile')] : [resolve(file)];
  for (const path of paths) {
    const bytes = await readIfThere(path);
    if (bytes !== undefined) {
      return { path, bytes };
    }
  }
  throw new BottleError('not-found', `no Dockerfile: ${paths[0]} is not there`, {
    hint: 'name it with --file',
  });
}

/** The ignore file beside the Dockerfile and named after it comes before the one of the context. */
async function readIgnore(context: string, dockerfilePath: string): Promise<Dockerignore> {
  for (const path of [`${dockerfilePath}.dockerignore`, join(context, '.dockerignore')]) {
    const bytes = await readIfThere(path);
    if (bytes !== undefined) {
      return new Dockerignore(bytes.toString(), basename(path));
    }
  }
  return new Dockerignore('');
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new BottleError('io', `cannot read ${path}: ${reason}`, {
      hint: 'make it a readable file',
      cause: error,
    });
  }
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
