import type * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { readChild } from '../host/child.ts';
import { parseJson as parseJsonText } from '../identity/json.ts';
import type { Credential, HttpClient, HttpRequest } from './http.ts';
import { HttpError } from './http-error.ts';
import { type ServerOptions, serverOf } from './server-url.ts';
import { checkedUrl, redacted } from './url.ts';

/** https://docs.github.com/rest/about-the-rest-api/api-versions */
const API_VERSION = '2022-11-28';
/** A release of a thousand assets has about 2 MB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const GH_TIMEOUT_MS = 5_000;
const DEFAULT_HOST = 'github.com';
/** For other hosts than the one that is asked about, and what would change how gh answers. */
const NOT_FOR_GH = /^(GH|GITHUB)_((ENTERPRISE_)?TOKEN|HOST|DEBUG|FORCE_TTY)$/;

const API_HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': API_VERSION };

/** One GitHub: github.com or an Enterprise Server. */
export interface GitHubSite {
  /** Without a slash at its end: https://github.com. */
  readonly serverUrl: string;
  /** https://api.github.com, or <server>/api/v3. */
  readonly apiUrl: string;
  /** Host of its container registry: ghcr.io, or containers.<host>. */
  readonly registryHost: string;
  /** For the API alone; undefined without a token. */
  readonly credential: Credential | undefined;
  /** The bare token, for the container registry that belongs to it. */
  readonly token: string | undefined;
  /** Guessed from the checkout's remote, which may not be on a GitHub server. */
  readonly isGuess?: boolean;
}

export interface SiteOptions extends ServerOptions {
  readonly token?: string | undefined;
}

export async function githubSite({
  serverUrl,
  remoteHost,
  token: givenToken,
  env,
}: SiteOptions): Promise<GitHubSite> {
  const { server, isChosen } = serverOf({ serverUrl, remoteHost, env });
  const isGuess = !isChosen;
  if (givenToken && isGuess) {
    throw new BottleError('usage', `--token for ${server.host}, which only the checkout's remote names`, {
      hint: `if it is for that server, name it: --github-url ${server.origin}`,
    });
  }
  const apiUrl = apiUrlOf(server, env);
  const token = requireHeaderText(
    givenToken || (isGuess ? '' : tokenOfEnvironment(server, env)) || (await tokenOfGh(server.host, env)),
  );
  return {
    serverUrl: server.origin,
    apiUrl,
    registryHost: server.hostname === DEFAULT_HOST ? 'ghcr.io' : `containers.${server.hostname}`,
    credential: token === undefined ? undefined : credentialFor(new URL(apiUrl).origin, token),
    token,
    isGuess,
  };
}

function credentialFor(origin: string, token: string): Credential {
  return { origin, authorization: `Bearer ${token}` };
}

function apiUrlOf(server: URL, env: NodeJS.ProcessEnv): string {
  const serverOfEnvironment = env.GITHUB_SERVER_URL || `https://${DEFAULT_HOST}`;
  if (env.GITHUB_API_URL && checkedUrl(serverOfEnvironment).origin === server.origin) {
    return checkedUrl(env.GITHUB_API_URL).href.replace(/\/+$/, '');
  }
  return isGitHubsOwn(server) ? `https://api.${server.host}` : `${server.origin}/api/v3`;
}

/** Run by GitHub: github.com, or a subdomain of ghe.com (data residency). */
function isGitHubsOwn({ hostname }: URL): boolean {
  return hostname === DEFAULT_HOST || hostname.endsWith('.ghe.com');
}

/**
 * As gh reads them: GH_TOKEN is for GitHub's own hosts, GH_ENTERPRISE_TOKEN for other servers. On a runner of such a server
 * GITHUB_TOKEN is its token. None of them is for a host that only the checkout names, *.ghe.com included: the person who
 * made the checkout would choose who gets the token.
 */
function tokenOfEnvironment(server: URL, env: NodeJS.ProcessEnv): string | undefined {
  const tokens = [env.GH_TOKEN, env.GITHUB_TOKEN];
  const ofServer = [env.GH_ENTERPRISE_TOKEN, env.GITHUB_ENTERPRISE_TOKEN];
  if (isGitHubsOwn(server)) {
    return tokens.find(Boolean);
  }
  const isRunners = URL.parse(env.GITHUB_SERVER_URL ?? '')?.origin === server.origin;
  return [...ofServer, ...(isRunners ? tokens : [])].find(Boolean);
}

/**
 * The login of gh for this host, which it keeps in the system's keyring or in a file. It is asked without the tokens of the
 * environment, which it would print for any host, only where it is found on PATH, and not in the checkout, of which it
 * may ask git.
 */
async function tokenOfGh(host: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (!env.PATH) {
    return undefined;
  }
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_FOR_GH.test(name)));
  try {
    const asked = await readChild('gh', ['auth', 'token', '--hostname', host], {
      cwd: '/',
      env: { ...rest, GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1' },
      timeoutMs: GH_TIMEOUT_MS,
    });
    return asked.exitCode === 0 ? asked.stdout : undefined;
  } catch {
    return undefined;
  }
}

/** A token with a line break would be another header; its value is in no message. */
function requireHeaderText(token: string | undefined): string | undefined {
  const trimmed = token?.trim();
  if (trimmed !== undefined && !/^[\x21-\x7e]*$/.test(trimmed)) {
    throw new BottleError('authentication', 'the GitHub token has characters that no token has', {
      hint: 'export GH_TOKEN=$(gh auth token)',
    });
  }
  return trimmed || undefined;
}

/**
 * The path of `owner/name` in URLs of the site, with what follows it.
 * @throws BottleError `usage`
 */
export function repositoryPath(repository: string, ...segments: readonly string[]): string {
  if (!/^[^/]+\/[^/]+$/.test(repository)) {
    throw new BottleError('usage', `not a repository: ${JSON.stringify(repository)}`, {
      hint: 'use owner/name',
    });
  }
  return [...repository.split('/'), ...segments].map(pathSegment).join('/');
}

/** Encoding leaves dots alone, and a URL drops the segment before `..`. Half a character cannot be encoded at all. */
function pathSegment(text: string): string {
  if (text === '.' || text === '..' || !text.isWellFormed()) {
    throw new BottleError('usage', `not a name on GitHub: ${JSON.stringify(text)}`, {
      hint: 'check the name',
    });
  }
  return encodeURIComponent(text);
}

export function apiRequest({ apiUrl, credential }: GitHubSite, path: string): HttpRequest {
  return { url: `${apiUrl}/${path}`, headers: API_HEADERS, credential };
}

/**
 * The content of an asset of a release.
 * https://docs.github.com/rest/releases/assets#get-a-release-asset
 */
export function assetRequest(site: GitHubSite, repository: string, id: number): HttpRequest {
  const path = repositoryPath(repository, 'releases', 'assets', String(id));
  const request = apiRequest(site, `repos/${path}`);
  return { ...request, headers: { ...request.headers, accept: 'application/octet-stream' } };
}

/**
 * An asset for a release, without its body. The address comes with the release, and receives no token unless
 * it is this GitHub's own.
 * https://docs.github.com/rest/releases/assets#upload-a-release-asset
 */
export function uploadRequest(
  { serverUrl, token }: GitHubSite,
  uploadUrl: string,
  name: string,
): HttpRequest {
  const origin = uploadOrigin(new URL(serverUrl));
  const url = URL.parse(uploadUrl.split('{', 1)[0] ?? '');
  if (url?.origin !== origin) {
    const where = url === null ? 'nowhere' : redacted(url.href);
    throw new BottleError('not-trusted', `the release takes its files at ${where}, not at ${origin}`, {
      hint: 'check GITHUB_SERVER_URL and GITHUB_API_URL',
    });
  }
  url.search = new URLSearchParams({ name }).toString();
  return {
    url: url.href,
    method: 'POST',
    headers: { ...API_HEADERS, 'content-type': 'application/octet-stream' },
    credential: token === undefined ? undefined : credentialFor(origin, token),
    expected: [201],
  };
}

/** An Enterprise Server takes uploads below /api/uploads. */
function uploadOrigin(server: URL): string {
  return isGitHubsOwn(server) ? `https://uploads.${server.host}` : server.origin;
}

/** One question to the REST API, with retries. */
export async function readApi<T>(
  http: HttpClient,
  site: GitHubSite,
  path: string,
  schema: z.ZodMiniType<T>,
): Promise<T> {
  const answer = await http.readJson(apiRequest(site, path), MAX_ANSWER_BYTES).catch((error: unknown) => {
    throw loginError(error, site) ?? error;
  });
  return parseAnswer(answer, `${site.apiUrl}/${path}`, schema);
}

/**
 * One request to the REST API, without retries: for what must not be done twice unseen.
 * @param schema of the JSON in the answer; of undefined where there is none
 */
export async function sendApi<T>(
  http: HttpClient,
  site: GitHubSite,
  request: HttpRequest,
  schema: z.ZodMiniType<T>,
): Promise<T> {
  const { answer, bytes } = await http.readOnce(request, MAX_ANSWER_BYTES).catch((error: unknown) => {
    throw loginError(error, site) ?? error;
  });
  return parseAnswer(parseJson(bytes.toString('utf8')), redacted(answer.url), schema);
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? undefined : parseJsonText(text);
  } catch {
    return text;
  }
}

function parseAnswer<T>(answer: unknown, url: string, schema: z.ZodMiniType<T>): T {
  const { success, data, error } = schema.safeParse(answer);
  if (!success) {
    const field = error.issues[0]?.path.join('.') || 'it';
    throw new BottleError('network-failed', `unexpected response from ${url}: ${field} is not valid`, {
      hint: 'check the address of the GitHub server',
    });
  }
  return data;
}

/** An organization with single sign-on wants each token authorized once, on the page that the header names. */
function loginError(error: unknown, { serverUrl, token }: GitHubSite): BottleError | undefined {
  if (error instanceof HttpError && error.status === 401 && token !== undefined) {
    return error.explained(': the token has expired, was revoked, or is not for this server', {
      hint: 'make a new token (GH_TOKEN, or gh auth login); a public repository needs none: unset GH_TOKEN',
    });
  }
  const header =
    error instanceof HttpError && error.status === 403 ? error.headers['x-github-sso'] : undefined;
  if (typeof header !== 'string') {
    return undefined;
  }
  const page = URL.parse(/\burl=(\S+)/.exec(header)?.[1] ?? '');
  const where = page?.origin === serverUrl ? page.href : `${serverUrl}/settings/tokens (Configure SSO)`;
  return new BottleError('authentication', 'the organization wants the token authorized for single sign-on', {
    hint: `authorize it at ${where}`,
    cause: error,
  });
}
