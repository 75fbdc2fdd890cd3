import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { findDockerLogin, type RegistryLogin } from './docker-config.ts';
import type { GitHubSite } from './github.ts';
import type { Credential, HttpClient, HttpRequest } from './http.ts';
import { HttpError } from './http-error.ts';
import { parseAnswer, unexpectedAnswer } from './oci-manifest.ts';
import { type OciRepositoryName, originOf } from './oci-reference.ts';
import { isLoopback, redacted } from './url.ts';

const MAX_TOKEN_BYTES = 256 * 1024;
/** With a refresh token, a token server wants to know which program asks. */
const CLIENT_ID = 'claude-bottle-pack';

/** Whose tokens another host gives out; the login is told to that one and to the registry itself. */
const TOKEN_HOSTS: Readonly<Record<string, string>> = {
  'docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

/** What a token is asked for. https://distribution.github.io/distribution/spec/auth/scope/ */
const ACTIONS = { anonymous: 'pull', pull: 'pull', push: 'pull,push' } as const;

/** `anonymous` is `pull` as somebody who has no login sees it. */
export type Access = keyof typeof ACTIONS;

export interface RegistryTools {
  readonly http: HttpClient;
  readonly github: GitHubSite;
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
}

/** Asks a registry without a credential first, and with one when it challenges. */
export class RegistryAuth {
  readonly #name: OciRepositoryName;
  readonly #origin: string;
  readonly #access: Access;
  readonly #tools: RegistryTools;
  /** Those that have not been refused, the next one to try first; undefined is nobody. */
  #logins: readonly (RegistryLogin | undefined)[] | undefined;
  #credential: Credential | undefined;
  #challenge: Challenge = { scheme: 'unknown' };

  constructor(name: OciRepositoryName, access: Access, tools: RegistryTools) {
    this.#name = name;
    this.#origin = originOf(name.registry);
    this.#access = access;
    this.#tools = tools;
  }

  /**
   * Runs `attempt` with the credential that worked last; when it is refused (a token expires) or there is none yet,
   * with a new one for each login in turn. Who may read may be forbidden to write, and then it is the next one's turn.
   */
  async authorized<T>(attempt: (credential: Credential | undefined) => Promise<T>): Promise<T> {
    let refusal: HttpError;
    try {
      return await attempt(this.#credential);
    } catch (error) {
      if (!isRefusal(error)) {
        throw error;
      }
      refusal = error;
    }
    if (refusal.status === 401) {
      this.#challenge = parseChallenge(refusal.headers['www-authenticate'] ?? '');
      this.#logins ??= await this.#findLogins();
    } else {
      this.#logins = this.#logins?.slice(1);
    }
    for (const [index, login] of (this.#logins ?? []).entries()) {
      try {
        const credential = await this.#answer(this.#challenge, login);
        if (credential === undefined) {
          continue;
        }
        const result = await attempt(credential);
        this.#credential = credential;
        this.#logins = this.#logins?.slice(index);
        return result;
      } catch (error) {
        if (!isRefusal(error)) {
          throw error;
        }
        refusal = error;
      }
    }
    throw refusal;
  }

  /**
   * To read, a login that somebody has made for this registry comes before nobody, and the GitHub token is the last
   * resort. To write, nobody comes last: a token that is good for reading only would be given to everybody.
   */
  async #findLogins(): Promise<(RegistryLogin | undefined)[]> {
    if (this.#access === 'anonymous') {
      return [undefined];
    }
    const { registry } = this.#name;
    const { github, signal, onWarning } = this.#tools;
    const docker = await findDockerLogin(registry, { signal, onWarning });
    const isGitHub = github.token !== undefined && registry === github.registryHost;
    // ghcr.io does not look at the user name.
    const own = isGitHub ? [{ username: 'token', password: github.token }] : [];
    return [
      ...(docker === undefined ? [] : [docker]),
      ...(this.#access === 'pull' ? [undefined, ...own] : [...own, undefined]),
    ];
  }

  /** Undefined when there is nothing to answer with. */
  async #answer(challenge: Challenge, login: RegistryLogin | undefined): Promise<Credential | undefined> {
    if (challenge.scheme === 'bearer') {
      const token = await this.#requestToken(challenge, login);
      return token === undefined ? undefined : { origin: this.#origin, authorization: `Bearer ${token}` };
    }
    return challenge.scheme === 'basic' && login !== undefined && 'password' in login
      ? { origin: this.#origin, authorization: basic(login) }
      : undefined;
  }

  async #requestToken(
    { realm, service }: BearerChallenge,
    login: RegistryLogin | undefined,
  ): Promise<string | undefined> {
    const url = this.#tokenUrl(realm);
    if (login !== undefined && !this.#mayKnowLogin(url)) {
      const { registry } = this.#name;
      this.#tools.onWarning(
        `the login for ${registry} is not told to ${url.host}, where ${registry} sends for a token`,
      );
      return undefined;
    }
    const question = {
      ...(service !== undefined && { service }),
      scope: `repository:${this.#name.repository}:${ACTIONS[this.#access]}`,
    };
    const { bytes } = await this.#tools.http.read(tokenRequest(url, question, login), MAX_TOKEN_BYTES);
    const { token, access_token: accessToken } = parseAnswer(tokenSchema, bytes, url.href);
    const found = token ?? accessToken;
    if (found === undefined) {
      throw unexpectedAnswer(url.href);
    }
    return found;
  }

  #tokenUrl(realm: string): URL {
    const url = URL.parse(realm);
    const isPlainAllowed = this.#origin.startsWith('http:') && isLoopback(url?.hostname ?? '');
    if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isPlainAllowed))) {
      throw new BottleError(
        'authentication',
        `${this.#origin} sends for a token to ${redacted(realm)}: refused`,
        { hint: 'tokens come over https; check the address of the registry' },
      );
    }
    return url;
  }

  #mayKnowLogin(url: URL): boolean {
    return url.hostname === new URL(this.#origin).hostname || url.host === TOKEN_HOSTS[this.#name.registry];
  }
}

/** 401 and 403, unless 403 is a rate limit. */
function isRefusal(error: unknown): error is HttpError {
  return error instanceof HttpError && error.code === 'authentication';
}

/**
 * https://distribution.github.io/distribution/spec/auth/token/, and for a refresh token
 * https://distribution.github.io/distribution/spec/auth/oauth/
 */
function tokenRequest(
  url: URL,
  question: Readonly<Record<string, string>>,
  login: RegistryLogin | undefined,
): HttpRequest {
  if (login !== undefined && 'identityToken' in login) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: login.identityToken,
      client_id: CLIENT_ID,
      ...question,
    });
    return {
      url: url.href,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    };
  }
  const asked = new URL(url);
  for (const [name, value] of Object.entries(question)) {
    asked.searchParams.set(name, value);
  }
  return {
    url: asked.href,
    credential: login && { origin: url.origin, authorization: basic(login) },
  };
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

interface BearerChallenge {
  readonly scheme: 'bearer';
  readonly realm: string;
  readonly service: string | undefined;
}

type Challenge = BearerChallenge | { readonly scheme: 'basic' | 'unknown' };

/** https://datatracker.ietf.org/doc/html/rfc9110#section-11.6.1; of several challenges the Bearer one. */
function parseChallenge(header: string): Challenge {
  const [, parameters = ''] = /(?:^|,\s*)bearer\s+(.*)$/is.exec(header) ?? [];
  const [realm, service] = ['realm', 'service'].map(
    (name) => new RegExp(`(?:^|[,\\s])${name}="([^"]*)"`, 'i').exec(parameters)?.[1],
  );
  if (realm !== undefined) {
    return { scheme: 'bearer', realm, service };
  }
  return { scheme: /(?:^|,\s*)basic\b/i.test(header) ? 'basic' : 'unknown' };
}

const token = z.string().check(z.regex(/^[\x21-\x7e]+$/));
const tokenSchema = z.object({ token: z.optional(token), access_token: z.optional(token) });
