import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { githubSite } from '../../src/remote/github.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { isOnPath } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const ghTest = test.skipIf(!isOnPath('gh'));

/** The settings of a real gh that is logged in to these hosts. */
async function loggedIn(tokens: Record<string, string>) {
  const dir = await tempDir();
  const hosts = Object.entries(tokens).map(
    ([host, token]) => `${host}:\n  user: me\n  oauth_token: ${token}\n`,
  );
  await fs.writeFile(join(dir, 'hosts.yml'), hosts.join(''), { mode: 0o600 });
  return { PATH: process.env.PATH, HOME: dir, GH_CONFIG_DIR: dir };
}

ghTest(
  'the logins of a real gh are used for their own hosts, behind the tokens of the environment',
  async () => {
    const env = await loggedIn({ 'github.com': 'gho_public', 'ghe.example': 'gho_enterprise' });
    const tokenAt = async (host: string, more: NodeJS.ProcessEnv = {}) =>
      (await githubSite({ remoteHost: host, env: { ...env, ...more } })).token;
    expect(await tokenAt('github.com')).toBe('gho_public');
    expect(await tokenAt('ghe.example')).toBe('gho_enterprise');
    expect(await tokenAt('other.example')).toBeUndefined();
    expect(await tokenAt('github.com', { GH_TOKEN: 'ghp_environment' })).toBe('ghp_environment');
    expect(await tokenAt('ghe.example', { GH_TOKEN: 'ghp_environment' })).toBe('gho_enterprise');
    expect(await tokenAt('other.example', { GH_TOKEN: 'ghp_environment' })).toBeUndefined();
  },
);

ghTest('a fetch asks the API of a server with the login that gh has there', async () => {
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const repository = github.addRepository('acme/tools');
  repository.addRelease('v1', {});
  const token = github.addToken();
  const env = await loggedIn({ [new URL(github.env.GITHUB_SERVER_URL).host]: token });
  const checkout = await sampleCheckout();
  const args = ['--context', checkout.dir, '--repo', 'acme/tools', '--from', 'release:v1', '--no-bind'];
  const { stdout, stderr } = await runCli(['fetch', ...args], {
    ...{ GH_TOKEN: undefined, GITHUB_TOKEN: undefined, ...github.env },
    ...{ HOME: env.HOME, GH_CONFIG_DIR: env.GH_CONFIG_DIR },
  });
  const asked = github.requests.filter(({ server }) => server === 'api');
  expect(asked.length, stderr).toBeGreaterThan(0);
  expect(new Set(asked.map(({ headers }) => headers.authorization))).toEqual(new Set([`Bearer ${token}`]));
  expect(stdout + stderr).not.toContain(token);
});
