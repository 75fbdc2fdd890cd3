import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { hasErrno } from '../errors.ts';
import { readChild } from '../host/child.ts';
import { homeDir } from '../host/home.ts';
import { readableJson } from '../identity/json.ts';
import { canonicalRegistry, formatName, type OciRepositoryName } from './oci-reference.ts';

/** A keychain may have to ask its owner first. */
const HELPER_TIMEOUT_MS = 30_000;
/** The key of docker.io, in Docker's file and for the helpers. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
/** https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go */
const NOT_FOUND = 'credentials not found in native keychain';
const MAX_QUOTED_CHARS = 200;
/** As user name: the secret is an identity token. */
const TOKEN_USERNAME = '<token>';
/** Those of the job and of this program. A helper may well need the rest: some read GITHUB_TOKEN, or a cloud's login. */
const NOT_FOR_HELPERS = /^(ACTIONS|CLAUDE_BOTTLE)_/;

const entrySchema = z.object({
  auth: z.nullish(z.string()),
  username: z.nullish(z.string()),
  password: z.nullish(z.string()),
  identitytoken: z.nullish(z.string()),
  registrytoken: z.nullish(z.string()),
});

/**
 * https://github.com/docker/cli/blob/master/cli/config/configfile/file.go, and the same without credsStore:
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
const configSchema = z.object({
  auths: z.nullish(z.record(z.string(), z.unknown())),
  credHelpers: z.nullish(z.record(z.string(), z.string())),
  credsStore: z.nullish(z.string()),
});

type LoginConfig = z.infer<typeof configSchema>;

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() });

export type RegistryLogin =
  | { readonly username: string; readonly password: string }
  /** A refresh token, which the registry's token server takes instead. */
  | { readonly identityToken: string }
  /** A token that the registry itself takes. */
  | { readonly registryToken: string };

export interface LoginOptions {
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
  readonly helperTimeoutMs?: number;
}

interface LoginFile {
  /** As it is named in a warning. */
  readonly name: string;
  read(): Promise<string | undefined>;
  /** Docker sends the login for `host/some/path` to all of the host; podman only to what is below the path. */
  readonly ignoresPaths: boolean;
}

/**
 * The logins for a repository that docker, podman and their kin have kept, the one to try first in front. A file or a
 * credential helper that fails is a warning: nobody needs a login for a public repository.
 */
export async function findLogins(name: OciRepositoryName, options: LoginOptions): Promise<RegistryLogin[]> {
  const { signal, onWarning } = options;
  const logins: RegistryLogin[] = [];
  for (const file of loginFiles(process.env)) {
    try {
      const text = await file.read();
      const login = text === undefined ? undefined : await loginOf(parseConfig(text), name, file, options);
      if (login !== undefined && !logins.some((known) => JSON.stringify(known) === JSON.stringify(login))) {
        logins.push(login);
      }
    } catch (error) {
      signal.throwIfAborted();
      onWarning(noLogin(name, file, error));
    }
  }
  return logins;
}

/** Where docker looks, then where podman, skopeo and buildah look. */
function loginFiles(env: NodeJS.ProcessEnv): LoginFile[] {
  const home = homeDir();
  const below = (dir: string | undefined, ...path: string[]) => (dir ? join(dir, ...path) : undefined);
  const docker = below(env.DOCKER_CONFIG || below(home, '.docker'), 'config.json');
  // Podman reads nothing else when this is set.
  const named = env.REGISTRY_AUTH_FILE;
  const containers = named
    ? [{ name: named, read: () => fs.readFile(named, 'utf8'), ignoresPaths: false }]
    : [
        below(env.XDG_RUNTIME_DIR || runtimeDir(), 'containers', 'auth.json'),
        below(env.XDG_CONFIG_HOME || below(home, '.config'), 'containers', 'auth.json'),
      ].flatMap((path) => fileAt(path, false));
  return [
    { name: 'DOCKER_AUTH_CONFIG', read: async () => env.DOCKER_AUTH_CONFIG || undefined, ignoresPaths: true },
    ...[docker].flatMap((path) => fileAt(path, true)),
    ...containers,
  ];
}

function fileAt(path: string | undefined, ignoresPaths: boolean): LoginFile[] {
  return path === undefined ? [] : [{ name: path, read: () => readIfThere(path), ignoresPaths }];
}

/** Outside of a session of systemd. */
function runtimeDir(): string | undefined {
  return process.platform === 'linux' ? `/run/containers/${process.getuid?.()}` : undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}

/** An empty file is what `touch` leaves, and what podman accepts. */
function parseConfig(text: string): LoginConfig {
  const { data } = configSchema.safeParse(text.trim() === '' ? {} : readableJson(text));
  if (data === undefined) {
    throw new Error('it is not a file of logins as docker and podman write it');
  }
  return data;
}

async function loginOf(
  config: LoginConfig,
  name: OciRepositoryName,
  file: LoginFile,
  { signal, onWarning, helperTimeoutMs: timeoutMs = HELPER_TIMEOUT_MS }: LoginOptions,
): Promise<RegistryLogin | undefined> {
  const kept = bestEntry(config.auths ?? {}, name, file)
    ?.map(loginOfEntry)
    .find(Boolean);
  // An empty name says that this registry's login is in the file, whatever the others' store is.
  const helper = bestEntry(config.credHelpers ?? {}, name, file)?.[0] ?? config.credsStore;
  if (!helper) {
    return kept;
  }
  const server = name.registry === 'docker.io' ? DOCKER_HUB_KEY : name.registry;
  try {
    return (await askHelper(helper, server, { signal, timeoutMs })) ?? kept;
  } catch (error) {
    signal.throwIfAborted();
    if (kept === undefined) {
      onWarning(noLogin(name, file, error));
    }
    return kept;
  }
}

function noLogin({ registry }: OciRepositoryName, file: LoginFile, error: unknown): string {
  return `no login for ${registry} from ${file.name}: ${error instanceof Error ? error.message : error}`;
}

/**
 * The values whose keys are for the repository, the longest path first. Keys are hosts, hosts with a path, and addresses
 * (https://host/v1/), as docker has written them over the years.
 */
function bestEntry<T>(
  entries: Readonly<Record<string, T>>,
  name: OciRepositoryName,
  { ignoresPaths }: LoginFile,
): T[] | undefined {
  const whole = `${formatName(name)}/`;
  // The host itself comes before the other ways to write it.
  const exact = Object.entries(entries).filter(([key]) => key === name.registry);
  const found = [...exact, ...Object.entries(entries)]
    .map(([key, value]) => ({ place: placeOf(key), value }))
    .filter(({ place }) => place.startsWith(`${name.registry}/`) && (ignoresPaths || whole.startsWith(place)))
    .map(({ place, value }) => ({ length: whole.startsWith(place) ? place.length : 0, value }))
    .sort((one, other) => other.length - one.length);
  return found.length === 0 ? undefined : found.map(({ value }) => value);
}

/** `host/` or `host/path/`. */
function placeOf(key: string): string {
  const [, host = '', path = ''] = /^(?:https?:\/\/)?([^/]+)(?:\/(.*?))?\/*$/s.exec(key) ?? [];
  const registry = canonicalRegistry(host);
  return /^(v[12])?$/.test(path) ? `${registry}/` : `${registry}/${path}/`;
}

function loginOfEntry(entry: unknown): RegistryLogin | undefined {
  const { auth, username, password, identitytoken, registrytoken } = entrySchema.safeParse(entry).data ?? {};
  if (identitytoken) {
    return { identityToken: identitytoken };
  }
  if (registrytoken) {
    return { registryToken: registrytoken };
  }
  const [, user, secret] = /^([^:]+):(.+)$/s.exec(Buffer.from(auth ?? '', 'base64').toString('utf8')) ?? [];
  const login = { username: user ?? username, password: secret?.replace(/\0+$/, '') ?? password };
  return login.username && login.password
    ? { username: login.username, password: login.password }
    : undefined;
}

/** https://github.com/docker/docker-credential-helpers#development: the server on standard input, JSON as answer. */
async function askHelper(
  name: string,
  server: string,
  options: { signal: AbortSignal; timeoutMs: number },
): Promise<RegistryLogin | undefined> {
  const command = `docker-credential-${name}`;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([variable]) => !NOT_FOR_HELPERS.test(variable)),
  );
  // Not in the checkout, of which a helper might take anything.
  const result = await readChild(command, ['get'], { ...options, cwd: '/', env, input: server }).catch(
    (error: unknown) => {
      throw hasErrno(error, 'ENOENT') ? new Error(`${command} is not installed`) : error;
    },
  );
  const { exitCode, signal, stdout, tail } = result;
  if (exitCode !== 0) {
    if (stdout.trim() === NOT_FOUND) {
      return undefined;
    }
    // Where it fails, the reason is on its standard output; but a login must not be quoted.
    const words = [stdout.trim().split('\n', 1)[0] ?? '', ...tail].find((line) => /^[^{}]+$/.test(line));
    const reason = words === undefined ? '' : `: ${words.slice(0, MAX_QUOTED_CHARS)}`;
    throw new Error(`${command} get ended with ${signal ?? `exit code ${exitCode}`}${reason}`);
  }
  // Its output is a secret, so no message quotes it.
  const { data } = helperAnswerSchema.safeParse(readableJson(stdout));
  if (data === undefined) {
    throw new Error(`${command} get did not answer with a user name and a secret`);
  }
  const { Username: username, Secret: password } = data;
  if (password === '') {
    return undefined;
  }
  return username === TOKEN_USERNAME ? { identityToken: password } : { username, password };
}
