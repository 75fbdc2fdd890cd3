import * as fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { hasErrno } from '../errors.ts';
import { readChild } from '../host/child.ts';

/** A keychain may have to ask its owner first. */
const HELPER_TIMEOUT_MS = 30_000;
/** The key of docker.io, in the file and for the helpers. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
/** https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go */
const NOT_FOUND = 'credentials not found in native keychain';
/** As user name: the secret is an identity token. */
const TOKEN_USERNAME = '<token>';

/** https://github.com/docker/cli/blob/master/cli/config/configfile/file.go */
const configSchema = z.object({
  auths: z.optional(
    z.record(
      z.string(),
      z.object({
        auth: z.optional(z.string()),
        username: z.optional(z.string()),
        password: z.optional(z.string()),
        identitytoken: z.optional(z.string()),
      }),
    ),
  ),
  credHelpers: z.optional(z.record(z.string(), z.string())),
  credsStore: z.optional(z.string()),
});

type DockerConfig = z.infer<typeof configSchema>;

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() });

export type RegistryLogin =
  | { readonly username: string; readonly password: string }
  /** A refresh token, which the registry's token server takes instead. */
  | { readonly identityToken: string };

export interface LoginOptions {
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
  readonly helperTimeoutMs?: number;
}

/**
 * What `docker login` has kept for exactly this registry (`ghcr.io`, `127.0.0.1:5000`). A file or a credential helper
 * that fails is a warning: what is public needs neither.
 */
export async function findDockerLogin(
  registry: string,
  { signal, onWarning, helperTimeoutMs = HELPER_TIMEOUT_MS }: LoginOptions,
): Promise<RegistryLogin | undefined> {
  const path = join(process.env.DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
  try {
    const config = await readConfig(path);
    const server = registry === 'docker.io' ? DOCKER_HUB_KEY : registry;
    const helper = config.credHelpers?.[server] || config.credsStore;
    return helper
      ? await askHelper(helper, server, { signal, timeoutMs: helperTimeoutMs })
      : loginOfFile(config, server);
  } catch (error) {
    signal.throwIfAborted();
    onWarning(`no login for ${registry} from ${path}: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function readConfig(path: string): Promise<DockerConfig> {
  const text = await fs.readFile(path, 'utf8').catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return '{}';
    }
    throw error;
  });
  const { data } = configSchema.safeParse(parseJson(text));
  if (data === undefined) {
    throw new Error('it is not what Docker writes');
  }
  return data;
}

/** Docker once wrote addresses (https://host/v1/) where it now writes hosts. */
function loginOfFile({ auths = {} }: DockerConfig, server: string): RegistryLogin | undefined {
  const key = [server, ...Object.keys(auths)].find(
    (name) => Object.hasOwn(auths, name) && (name === server || URL.parse(name)?.host === server),
  );
  const { auth, username, password, identitytoken } = (key === undefined ? undefined : auths[key]) ?? {};
  if (identitytoken) {
    return { identityToken: identitytoken };
  }
  const [, user, secret] = /^([^:]+):(.+)$/s.exec(Buffer.from(auth ?? '', 'base64').toString('utf8')) ?? [];
  const login = { username: user ?? username, password: secret ?? password };
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
  const { exitCode, signal, stdout } = await readChild(command, ['get'], { ...options, input: server }).catch(
    (error: unknown) => {
      throw hasErrno(error, 'ENOENT') ? new Error(`${command} is not installed`) : error;
    },
  );
  if (exitCode !== 0) {
    if (stdout.trim() === NOT_FOUND) {
      return undefined;
    }
    throw new Error(`${command} get ended with ${signal ?? `exit code ${exitCode}`}`);
  }
  // What it says is a secret: no message quotes it.
  const { data } = helperAnswerSchema.safeParse(parseJson(stdout));
  if (data === undefined) {
    throw new Error(`${command} get did not answer with a user name and a secret`);
  }
  const { Username: username, Secret: password } = data;
  return username === TOKEN_USERNAME ? { identityToken: password } : { username, password };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
