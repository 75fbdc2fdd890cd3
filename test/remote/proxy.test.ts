import { expect, test } from 'vitest';
import { proxyFor } from '../../src/remote/proxy.ts';

const PROXY = 'http://proxy.example:3128/';

function proxied(url: string, env: NodeJS.ProcessEnv): string | undefined {
  return proxyFor(new URL(url), env)?.href;
}

test.each([
  ['https://ghcr.io/', { HTTPS_PROXY: PROXY }, PROXY],
  ['https://ghcr.io/', { https_proxy: PROXY }, PROXY],
  ['https://ghcr.io/', { HTTPS_PROXY: PROXY, https_proxy: 'http://other/' }, PROXY],
  ['https://ghcr.io/', { HTTPS_PROXY: 'proxy.example:3128' }, PROXY],
  ['https://ghcr.io/', { HTTPS_PROXY: '  ' }, undefined],
  ['https://ghcr.io/', { HTTP_PROXY: PROXY, ALL_PROXY: PROXY }, undefined],
  ['https://localhost:5000/', { HTTPS_PROXY: PROXY }, undefined],
  ['https://127.9.9.9/', { HTTPS_PROXY: PROXY }, undefined],
  ['https://[::1]:5000/', { HTTPS_PROXY: PROXY }, undefined],
  ['https://[::ffff:127.0.0.1]/', { HTTPS_PROXY: PROXY }, undefined],
  ['http://127.0.0.1/', { HTTP_PROXY: PROXY, http_proxy: PROXY }, undefined],
])('%s with %j goes by way of %s', (url, env, expected) => {
  expect(proxied(url, env)).toBe(expected);
});

test.each([
  // [NO_PROXY, exempt, not exempt]
  ['*', ['https://ghcr.io/', 'https://10.0.0.1/'], []],
  ['a.example, ghcr.io ,b.example', ['https://ghcr.io/'], ['https://docker.io/']],
  ['ghcr.io', ['https://GHCR.io/', 'https://sub.ghcr.io/', 'https://ghcr.io:8443/'], ['https://myghcr.io/']],
  ['.corp.example', ['https://r.corp.example/', 'https://a.b.corp.example/'], ['https://corp.example/']],
  ['*.corp.example', ['https://r.corp.example/'], ['https://corp.example/', 'https://corp.example.org/']],
  ['r.example:5000', ['https://r.example:5000/', 'https://a.r.example:5000/'], ['https://r.example/']],
  ['r.example:443', ['https://r.example/'], ['https://r.example:5000/']],
  ['.r.example:5000', ['https://a.r.example:5000/'], ['https://r.example:5000/', 'https://a.r.example/']],
  ['10.0.0.0/8', ['https://10.255.0.1:5000/'], ['https://11.0.0.1/', 'https://ten.example/']],
  ['10.0.0.7', ['https://10.0.0.7/'], ['https://10.0.0.70/']],
  ['10.0.0.7:5000', ['https://10.0.0.7:5000/'], ['https://10.0.0.7/']],
  ['fd00::/8', ['https://[fd12::1]/'], ['https://[fe80::1]/', 'https://10.0.0.1/']],
  ['fd00::7', ['https://[fd00::7]:5000/'], ['https://[fd00::8]/']],
  ['[fd00::7]:5000', ['https://[fd00::7]:5000/'], ['https://[fd00::7]/']],
  ['10.0.0.0/99, /8, :80, ,x/y', [], ['https://10.0.0.1/', 'https://x/']],
])('NO_PROXY=%s', (noProxy, exempt, others) => {
  for (const variable of ['NO_PROXY', 'no_proxy']) {
    const env = { HTTPS_PROXY: PROXY, [variable]: noProxy };
    expect(exempt.filter((url) => proxied(url, env) !== undefined)).toEqual([]);
    expect(others.filter((url) => proxied(url, env) === undefined)).toEqual([]);
  }
});
