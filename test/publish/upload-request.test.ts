import { expect, it } from 'vitest';
import { githubSite, uploadRequest } from '../../src/remote/github.ts';
import { failureOf } from '../helpers/failure.ts';

async function site(serverUrl: string) {
  return await githubSite({ serverUrl, token: 'secret', env: { GH_CONFIG_DIR: '/nonexistent' } });
}

it.each([
  ['https://github.com', 'https://uploads.github.com'],
  ['https://acme.ghe.com', 'https://uploads.acme.ghe.com'],
  ['https://ghe.example', 'https://ghe.example'],
])('files for a release of %s go to %s, and the token with them', async (serverUrl, origin) => {
  const address = `${origin}/api/uploads/repos/acme/tools/releases/7/assets`;
  expect(uploadRequest(await site(serverUrl), `${address}{?name,label}`, 'a&b.json')).toMatchObject({
    url: `${address}?name=a%26b.json`,
    method: 'POST',
    credential: { origin, authorization: 'Bearer secret' },
  });
});

it.each([
  ['https://github.com', 'https://uploads.github.com.evil.example/x'],
  ['https://github.com', 'https://uploads.github.com@evil.example/x'],
  ['https://github.com', 'http://uploads.github.com/x'],
  ['https://github.com', 'https://uploads.github.com:444/x'],
  ['https://github.com', 'https://github.com/x'],
  ['https://ghe.example', 'https://uploads.github.com/x'],
  ['https://github.com', 'x'],
])('files for a release of %s do not go to %s', async (serverUrl, uploadUrl) => {
  const github = await site(serverUrl);
  const error = await failureOf((async () => uploadRequest(github, uploadUrl, 'a'))());
  expect(error.code).toBe('not-trusted');
});
