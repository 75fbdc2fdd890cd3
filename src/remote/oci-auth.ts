import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { GitHubSite } from './github.ts';
import type { Credential, HttpClient, HttpRequest } from './http.ts';
import { HttpError } from './http-error.ts';
import { parseAnswer, unexpectedAnswer } from './oci-manifest.ts';
import { type OciRepositoryName, originOf } from './oci-reference.ts';
import { findLogins, type RegistryLogin } from './registry-login.ts';
import { isLoopback, redacted } from './url.ts';

const MAX_TOKEN_BYTES = 256 * 1024;
/** With a refresh token, a token server wants to know which program asks. */
const CLIENT_ID = 'claude-bottle-pack';

/** With 400 a token server refuses a refresh token (RFC 6749), and with 404 or 405 the way to send one. */
const REFUSED_LOGINS = [400, 404, 405];

/** Registries whose tokens another host gives out. A login is told to it and to the registry itself. */
const TOKEN_HOSTS: Readonly<Record<string, string>> = {
  'docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

/** What a token is asked for. https://distribution.github.io/distribution/spec/auth/scope/ */
const ACTIONS = { anonymous: 'pull', pull: 'pull', push: 'pull,push' } as const;

/** `anonymous` is `pull` as someone who has no login sees it. */
export type Access = keyof typeof ACTIONS;

export interface RegistryTools {
  readonly http: HttpClient;
  readonly github: GitHubSite;
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
  /** Hosts besides the registry that may be told a login, because the user says so: `gitlab.example`. */
  readonly tokenHosts?: readonly string[];
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
  #challenges: readonly Challenge[] = [];
  #challengesOfRoot: Promise<readonly Challenge[]> | undefined;
  /** Where the registry sends for a token, though nothing says that it may know the login. */
  #strangeHost: string | undefined;

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
      if (!isRefusal(error) && !(this.#credential === undefined && isMissing(error))) {
        throw error;
      }
      refusal = error;
    }
    const logins = await this.#loginsAfter(refusal);
    for (const [index, login] of logins.entries()) {
      for (const way of this.#ways()) {
        let credential: Credential | undefined;
        try {
          credential = await this.#answer(way, login);
          if (credential === undefined) {
            continue;
          }
          const result = await attempt(credential);
          this.#keep(credential, logins.slice(index));
          return result;
        } catch (error) {
          // A login that gets this answer has been accepted.
          if (credential !== undefined && isMissing(error)) {
            this.#keep(credential, logins.slice(index));
          }
          if (!isRefusal(error)) {
            throw error;
          }
          refusal = error;
        }
      }
    }
    throw isMissing(refusal) ? refusal : this.#explained(refusal, logins);
  }

  #keep(credential: Credential, logins: readonly (RegistryLogin | undefined)[]): void {
    this.#credential = credential;
    this.#logins = logins;
  }

  /** Who is to be tried after a refusal. */
  async #loginsAfter(refusal: HttpError): Promise<readonly (RegistryLogin | undefined)[]> {
    if (this.#credential !== undefined && refusal.status !== 401) {
      this.#logins = this.#logins?.slice(1);
      return this.#logins ?? [];
    }
    const challenges = parseChallenges(refusal.headers['www-authenticate'] ?? '');
    this.#challenges = challenges.length > 0 ? challenges : await this.#askRoot();
    if (this.#challenges.length === 0) {
      return [];
    }
    this.#logins ??= await this.#findLogins();
    return isMissing(refusal) ? this.#logins.filter((login) => login !== undefined) : this.#logins;
  }

  /**
   * Some registries refuse nobody with a bare 401, with 403, or with 404 as if there were nothing, and say at their root only
   * how to log in: docker asks there first.
   */
  async #askRoot(): Promise<readonly Challenge[]> {
    const { http } = this.#tools;
    const ask = async () => {
      const { body, headers } = await http.send({ url: `${this.#origin}/v2/`, expected: [200, 401] });
      body.resume();
      return parseChallenges(headers['www-authenticate'] ?? '');
    };
    this.#challengesOfRoot ??= ask().catch((error: unknown) => {
      this.#tools.signal.throwIfAborted();
      if (error instanceof BottleError) {
        return [];
      }
      throw error;
    });
    return await this.#challengesOfRoot;
  }

  /**
   * To read, a login that someone has made for this registry comes before nobody, and the GitHub token is the last
   * resort. To write, nobody comes last: a token that is good for reading only would be given to everyone.
   */
  async #findLogins(): Promise<(RegistryLogin | undefined)[]> {
    if (this.#access === 'anonymous') {
      return [undefined];
    }
    const { github } = this.#tools;
    const kept = await findLogins(this.#name, this.#tools);
    const isGitHub = github.token !== undefined && this.#name.registry === github.registryHost;
    // ghcr.io does not look at the user name.
    const own = isGitHub ? [{ username: 'token', password: github.token }] : [];
    return [...kept, ...(this.#access === 'pull' ? [undefined, ...own] : [...own, undefined])];
  }

  /**
   * A token in place of the login itself comes first, unless it cannot be had and a login is taken too. It is asked for
   * what this repository needs, and then for what the registry asks for: a mirror may know it by another name.
   */
  #ways(): Way[] {
    const bearer = this.#challenges.filter(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'),
    );
    const basic = this.#challenges.filter(({ scheme }) => scheme === 'basic').slice(0, 1);
    const safe = bearer.filter(({ parameters }) => this.#tokenUrl(parameters) !== undefined);
    const own = `repository:${this.#name.repository}:`;
    const tokens = (basic.length > 0 ? safe : bearer).slice(0, 1).flatMap((challenge) => {
      const asked = challenge.parameters.get('scope');
      const isOther = asked?.startsWith('repository:') && !asked.startsWith(own) && !asked.includes('*');
      return [`${own}${ACTIONS[this.#access]}`, ...(isOther ? [asked] : [])].map((scope) => ({
        challenge,
        scope,
      }));
    });
    return [...tokens, ...basic.map((challenge) => ({ challenge, scope: undefined }))];
  }

  /** Undefined when there is nothing to answer with. */
  async #answer(
    { challenge: { parameters }, scope }: Way,
    login: RegistryLogin | undefined,
  ): Promise<Credential | undefined> {
    const origin = this.#origin;
    if (login !== undefined && 'registryToken' in login) {
      return { origin, authorization: `Bearer ${login.registryToken}` };
    }
    if (scope !== undefined) {
      const token = await this.#requestToken(parameters, scope, login);
      return token === undefined ? undefined : { origin, authorization: `Bearer ${token}` };
    }
    return login !== undefined && 'password' in login ? { origin, authorization: basic(login) } : undefined;
  }

  /** Undefined when the token server may not know the login, or cannot do anything with it. */
  async #requestToken(
    parameters: Challenge['parameters'],
    scope: string,
    login: Exclude<RegistryLogin, { registryToken: string }> | undefined,
  ): Promise<string | undefined> {
    const url = this.#tokenUrl(parameters);
    if (url === undefined) {
      const realm = redacted(parameters.get('realm') ?? '');
      throw new BottleError('authentication', `${this.#origin} sends for a token to ${realm}: refused`, {
        hint: 'check the address of the registry; tokens are taken over https only',
      });
    }
    if (login !== undefined && !this.#mayKnowLogin(url)) {
      this.#strangeHost = url.host;
      return undefined;
    }
    const service = parameters.get('service');
    const request = tokenRequest(url, { ...(service && { service }), scope }, login);
    const { http, onWarning } = this.#tools;
    try {
      const { bytes } = await http.read(request, MAX_TOKEN_BYTES);
      const { token, access_token: accessToken } = parseAnswer(tokenSchema, bytes, url.href);
      const found = token || accessToken;
      if (!found) {
        throw unexpectedAnswer(url.href);
      }
      return found;
    } catch (error) {
      if (login !== undefined && error instanceof HttpError && REFUSED_LOGINS.includes(error.status)) {
        onWarning(`a login for ${this.#name.registry} is not used: ${error.message}`);
        return undefined;
      }
      throw error;
    }
  }

  /** Undefined for an address that would send the login or the token in clear over a network. */
  #tokenUrl(parameters: Challenge['parameters']): URL | undefined {
    const url = URL.parse(parameters.get('realm') ?? '');
    const isPlainAllowed = this.#origin.startsWith('http:') && isLoopback(url?.hostname ?? '');
    return url?.protocol === 'https:' || (url?.protocol === 'http:' && isPlainAllowed) ? url : undefined;
  }

  #mayKnowLogin(url: URL): boolean {
    const { tokenHosts = [] } = this.#tools;
    return (
      url.hostname === new URL(this.#origin).hostname ||
      [TOKEN_HOSTS[this.#name.registry], ...tokenHosts].some(
        (host) => host === url.host || host === url.hostname,
      )
    );
  }

  /** The refusal with the one thing to do about it. */
  #explained(refusal: HttpError, logins: readonly (RegistryLogin | undefined)[]): HttpError {
    const { registry } = this.#name;
    const offered = this.#challenges.map(({ scheme }) => scheme);
    if (refusal.status === 401 && this.#ways().length === 0 && offered.length > 0) {
      return refusal.explained(`; it wants a login by ${offered.join(' or ')}, which is not supported`, {
        hint: 'use a registry that takes a user name and a password (Basic) or a token (Bearer)',
      });
    }
    if (this.#strangeHost !== undefined) {
      const place = `${this.#strangeHost}, where ${registry} sends for a token`;
      return refusal.explained(`; the login for ${registry} is not told to ${place}`, {
        hint: `if that is its token server, allow it: --allow-token-host ${this.#strangeHost} (in the action: allow-token-host)`,
      });
    }
    const login = registry === 'docker.io' ? 'docker login' : `docker login ${registry}`;
    const isGitHub = registry === this.#tools.github.registryHost;
    const purpose = this.#access === 'pull' ? 'read' : 'write to';
    const token = isGitHub ? `set GH_TOKEN to a token that may ${purpose} it, or ` : '';
    return logins.some((each) => each !== undefined)
      ? refusal.explained('; no login that is known here may do that', {
          hint: `${token}log in with an account that may ${purpose} it: ${login}`,
        })
      : refusal.explained('', { hint: isGitHub ? `${token}log in: ${login}` : login });
  }
}

/** A challenge, and what a token is asked for; without a scope it is answered with the login itself. */
interface Way {
  readonly challenge: Challenge;
  readonly scope: string | undefined;
}

function isMissing(error: unknown): error is HttpError {
  return error instanceof HttpError && error.status === 404;
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
  login: Exclude<RegistryLogin, { registryToken: string }> | undefined,
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

const token = z.nullish(z.string().check(z.regex(/^[\x21-\x7e]*$/)));
const tokenSchema = z.object({ token, access_token: token });
