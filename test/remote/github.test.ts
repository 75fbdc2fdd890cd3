import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { githubSite, readApi, repositoryPath, type SiteOptions } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const NO_LOGINS = { GH_CONFIG_DIR: '/nonexistent' };

async function site({ env, ...options }: Partial<SiteOptions> = {}) {
  return await githubSite({ ...options, env: { ...NO_LOGINS, ...env } });
}

describe('the addresses of a GitHub', () => {
  it.each([
    ['https://github.com', 'https://api.github.com', 'ghcr.io'],
    ['https://ghe.example', 'https://ghe.example/api/v3', 'containers.ghe.example'],
    ['https://acme.ghe.com', 'https://api.acme.ghe.com', 'containers.acme.ghe.com'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/api/v3', 'containers.127.0.0.1'],
  ])('follow from %s', async (serverUrl, apiUrl, registryHost) => {
    expect(await site({ serverUrl: `${serverUrl}/` })).toMatchObject({ serverUrl, apiUrl, registryHost });
  });

  it('are those of the user, then of the environment, then of the checkout, then of github.com', async () => {
    const env = { GITHUB_SERVER_URL: 'https://env.example' };
    const serverUrl = 'https://user.example';
    const remoteHost = 'remote.example';
    expect((await site({ serverUrl, remoteHost, env })).serverUrl).toBe('https://user.example');
    expect((await site({ remoteHost, env })).serverUrl).toBe('https://env.example');
    expect((await site({ remoteHost })).serverUrl).toBe('https://remote.example');
    expect((await site()).serverUrl).toBe('https://github.com');
  });

  it('take the API from the environment only together with its server', async () => {
    const env = { GITHUB_SERVER_URL: 'https://env.example', GITHUB_API_URL: 'https://api.env.example/' };
    expect((await site({ env })).apiUrl).toBe('https://api.env.example');
    expect((await site({ env, serverUrl: 'https://github.com' })).apiUrl).toBe('https://api.github.com');
  });

  it.each(['http://github.com', 'ftp://github.com', 'github'])('are refused for %s', async (serverUrl) => {
    expect((await failureOf(site({ serverUrl }))).code).toBe('usage');
  });
});

describe('the token', () => {
  const all = {
    GH_TOKEN: 'gh',
    GITHUB_TOKEN: 'github',
    GH_ENTERPRISE_TOKEN: 'gh-own',
    GITHUB_ENTERPRISE_TOKEN: 'github-own',
  };

  async function tokenAt(serverUrl: string, env: NodeJS.ProcessEnv, token?: string) {
    return (await site({ serverUrl, env, token })).token;
  }

  it('is the given one, else the first that the environment has for github.com', async () => {
    expect(await tokenAt('https://github.com', all, 'given')).toBe('given');
    expect(await tokenAt('https://github.com', all)).toBe('gh');
    expect(await tokenAt('https://github.com', { ...all, GH_TOKEN: '' })).toBe('github');
    expect(await tokenAt('https://github.com', { GH_ENTERPRISE_TOKEN: 'gh-own' })).toBeUndefined();
  });

  it('is that of the own server for an own server', async () => {
    expect(await tokenAt('https://ghe.example', all)).toBe('gh-own');
    expect(await tokenAt('https://ghe.example', { ...all, GH_ENTERPRISE_TOKEN: '' })).toBe('github-own');
    const onRunner = { GITHUB_TOKEN: 'github', GITHUB_SERVER_URL: 'https://ghe.example' };
    expect(await tokenAt('https://ghe.example', onRunner)).toBe('github');
    expect(await tokenAt('https://ghe.example', { GITHUB_TOKEN: 'github', GH_TOKEN: 'gh' })).toBeUndefined();
  });

  it('is not given to a server that only the checkout names', async () => {
    for (const remoteHost of ['elsewhere.example', 'evil.ghe.com']) {
      expect(await site({ remoteHost, env: all })).toMatchObject({ credential: undefined, isGuess: true });
      expect((await site({ remoteHost, env: { ...all, GH_HOST: 'ghe.example' } })).token).toBeUndefined();
    }
    expect((await site({ remoteHost: 'github.com', env: all })).token).toBe('gh');
  });

  it('is given to the server that GH_HOST names', async () => {
    const env = { ...all, GH_HOST: 'acme.ghe.com' };
    expect(await site({ remoteHost: 'acme.ghe.com', env })).toMatchObject({ token: 'gh', isGuess: false });
    expect(await site({ env })).toMatchObject({ token: 'gh', serverUrl: 'https://acme.ghe.com' });
    expect((await site({ remoteHost: 'github.com', env })).serverUrl).toBe('https://github.com');
    expect((await site({ env: { ...all, GH_HOST: 'ghe.example' } })).token).toBe('gh-own');
  });

  it('that is given is refused for such a server, until the user names it', async () => {
    const remoteHost = 'elsewhere.example';
    expect(await failureOf(site({ remoteHost, token: 'given' }))).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('--github-url https://elsewhere.example'),
    });
    const named = { remoteHost, token: 'given', serverUrl: 'https://elsewhere.example' };
    expect((await site(named)).token).toBe('given');
    expect((await site({ remoteHost: 'github.com', token: 'given' })).token).toBe('given');
  });

  it('is bound to the origin of the API', async () => {
    expect((await site({ env: all })).credential).toEqual({
      origin: 'https://api.github.com',
      authorization: 'Bearer gh',
    });
    expect((await site({ serverUrl: 'https://ghe.example', env: all })).credential?.origin).toBe(
      'https://ghe.example',
    );
  });

  it('may have a line break at its end, and nowhere else', async () => {
    expect(await tokenAt('https://github.com', { GH_TOKEN: 'gh\n' })).toBe('gh');
    const error = await failureOf(tokenAt('https://github.com', { GH_TOKEN: 'secret\r\nx-more: y' }));
    expect(error.code).toBe('authentication');
    expect(`${error.stack}`).not.toContain('secret');
  });
});

describe('the login of gh', () => {
  /** A gh that is logged in to ghe.example. */
  async function withGh(script: string): Promise<NodeJS.ProcessEnv> {
    const dir = await tempDir();
    await fs.writeFile(join(dir, 'gh'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return { PATH: `${dir}${delimiter}${process.env.PATH}` };
  }
  const LOGIN = '[ "$*" = "auth token --hostname ghe.example" ] && echo own';

  it('is asked for, also for a server that only the checkout names: the user has logged in there', async () => {
    const env = { ...(await withGh(LOGIN)), GH_TOKEN: 'gh' };
    expect((await site({ remoteHost: 'ghe.example', env })).token).toBe('own');
    expect((await site({ remoteHost: 'other.example', env })).token).toBeUndefined();
    expect((await site({ env })).token).toBe('gh');
  });

  it('is asked for without the tokens of the environment, which gh would print for any host', async () => {
    const env = await withGh('echo "$GH_TOKEN$GITHUB_TOKEN$GH_ENTERPRISE_TOKEN$GITHUB_ENTERPRISE_TOKEN-"');
    const tokens = {
      GH_TOKEN: 'a',
      GITHUB_TOKEN: 'b',
      GH_ENTERPRISE_TOKEN: 'c',
      GITHUB_ENTERPRISE_TOKEN: 'd',
    };
    expect((await site({ remoteHost: 'ghe.example', env: { ...env, ...tokens } })).token).toBe('-');
  });

  it.each(['exit 1', 'echo half; exit 1', 'kill -9 $$', 'exit 0'])(
    'counts as none after: %s',
    async (script) => {
      expect((await site({ env: await withGh(script) })).token).toBeUndefined();
    },
  );
});

describe('paths on GitHub', () => {
  it('have their names encoded', () => {
    expect(repositoryPath('acme/tools', 'releases', 'tags', 'a/b?c#d')).toBe(
      'acme/tools/releases/tags/a%2Fb%3Fc%23d',
    );
  });

  it.each(['acme', 'acme/', 'acme/tools/x', '../tools', 'acme/..'])(
    'are refused for %s',
    async (repository) => {
      expect((await failureOf((async () => repositoryPath(repository))())).code).toBe('usage');
    },
  );

  it('do not climb', async () => {
    expect((await failureOf((async () => repositoryPath('acme/tools', '..'))())).code).toBe('usage');
  });
});

it('refuses an answer that GitHub does not give', async () => {
  const github = await startGitHub();
  const http = new HttpClient({ signal: new AbortController().signal, firstRetryMs: 1 });
  try {
    github.addRepository('acme/tools');
    const schema = z.object({ id: z.string() });
    const error = await failureOf(readApi(http, await site({ env: github.env }), 'repos/acme/tools', schema));
    expect(error).toMatchObject({
      code: 'network-failed',
      message: expect.stringMatching(/^unexpected response from \S+: id is not valid$/),
    });
  } finally {
    http.close();
    await github.close();
  }
});
