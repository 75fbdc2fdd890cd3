import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { startGitHub } from '../doubles/github/github.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** A fetch from the release of a private repository, beside a gh that does this. */
async function fetchBeside(gh: (token: string, host: string) => string) {
  const github = await startGitHub();
  onTestFinished(() => github.close());
  const repository = github.addRepository('acme/tools', { isPrivate: true });
  const token = github.addToken({ reads: [repository] });
  const checkout = await sampleCheckout();
  const { path, record } = await publishFile(checkout);
  const name = publishedName('linux/amd64', parseInputsKey(record.inputs?.key ?? ''));
  const content = await fs.readFile(path);
  repository.addRelease('v1', { [name]: content, [`${name}.json`]: await fs.readFile(`${path}.json`) });
  const home = await tempDir();
  const { host } = new URL(github.env.GITHUB_SERVER_URL);
  await fs.writeFile(join(home, 'gh'), `#!/bin/sh\n${gh(token, host)}\n`, { mode: 0o755 });
  return await runCli(
    [
      ...['fetch', '--context', checkout.dir, '--platform', 'linux/amd64', '--no-bind'],
      ...['--from', 'release:v1', '--repo', 'acme/tools'],
    ],
    {
      ...github.env,
      HOME: home,
      GH_TOKEN: '',
      GITHUB_TOKEN: '',
      GH_ENTERPRISE_TOKEN: '',
      GITHUB_ENTERPRISE_TOKEN: '',
      PATH: [home, process.env.PATH].join(delimiter),
    },
  );
}

test('the token that gh keeps in the keyring reads a private release', async () => {
  const { exitCode, stderr } = await fetchBeside(
    (token, host) => `test "$*" = "auth token --hostname ${host}" && echo ${token}`,
  );
  expect(exitCode, stderr).toBe(0);
});

test.each([
  ['has no login', 'echo "no oauth token found" >&2; exit 1'],
  ['waits for a keyring that nobody unlocks', 'exec sleep 600'],
])('a gh that %s is as none', async (_, script) => {
  const { exitCode, stderr } = await fetchBeside(() => script);
  expect(exitCode, stderr).toBe(66);
  expect(stderr).toMatch(/for a private repository set GH_TOKEN/);
});

test('gh is asked for the login of the server that GH_HOST names', async () => {
  const dir = await tempDir();
  await fs.writeFile(join(dir, 'gh'), '#!/bin/sh\necho "token-of-$4"\n', { mode: 0o755 });
  const { stdout } = await runCli(['doctor', '--json', '--store', join(dir, 'store')], {
    HOME: dir,
    GH_HOST: 'github.example.com',
    GH_TOKEN: '',
    GITHUB_TOKEN: '',
    GITHUB_SERVER_URL: '',
    PATH: [dir, process.env.PATH].join(delimiter),
  });
  const { findings } = JSON.parse(stdout);
  expect(findings).toContainEqual(
    expect.objectContaining({ name: 'token', detail: 'there is one for https://github.example.com' }),
  );
});
