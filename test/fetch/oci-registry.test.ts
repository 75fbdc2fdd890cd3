import { createHash } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ociSource } from '../../src/fetch/oci-registry.ts';
import type { Offer, Wanted } from '../../src/fetch/source.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { PACK_RECORD_ANNOTATION } from '../../src/identity/oci-names.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { recordOf } from './published.ts';

const KEY = parseInputsKey('ab'.repeat(32));
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const CONFIG = { mediaType: 'application/json', digest: `sha256:${'0'.repeat(64)}`, size: 2 };

/** A source that looks into a registry with these manifests, named by tag or digest. */
async function openSource(manifests: Record<string, unknown>, otherStatus = (_url: string) => 404) {
  vi.stubEnv('DOCKER_CONFIG', await tempDir());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const { host } = await startServer(({ url = '' }, response) => {
    const manifest = manifests[/\/manifests\/(.+)$/.exec(url)?.[1] ?? ''];
    response.writeHead(manifest === undefined ? otherStatus(url) : 200).end(JSON.stringify(manifest));
  });
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const reference = `${host}/owner/agent:tag`;
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: 'ghcr.test',
    credential: undefined,
    token: undefined,
  };
  const tools = { http, github, signal, onWarning: () => {} };
  return { reference, given: ociSource(reference, tools), own: ociSource(undefined, tools) };
}

function wanted(repository?: string): Wanted {
  return {
    key: KEY,
    platform: 'linux/arm64',
    repository,
    serverUrl: 'https://github.com',
    history: async () => [],
    tags: async () => [],
  };
}

function digestOf(manifest: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(manifest)).digest('hex')}`;
}

function entry(manifest: unknown, platform: string, more: object = {}) {
  const [os, architecture] = platform.split('/');
  return { mediaType: 'a', digest: digestOf(manifest), size: 1, platform: { os, architecture }, ...more };
}

const EMPTY = { schemaVersion: 2, config: CONFIG, layers: [] };
const WITHOUT_RECORD = {
  ...EMPTY,
  layers: [{ mediaType: SIDECAR_TYPE, digest: `sha256:${'1'.repeat(64)}`, size: 1 }],
};

test.each([401, 403])('a signature that is refused with %i is said to be one', async (status) => {
  const record = { ...recordOf(Buffer.from('sidecar')), platform: 'linux/arm64' };
  const manifest = {
    ...EMPTY,
    layers: [{ mediaType: SIDECAR_TYPE, digest: `sha256:${record.sidecar.sha256}`, size: 7 }],
    annotations: { [PACK_RECORD_ANNOTATION]: JSON.stringify(record) },
  };
  const { given } = await openSource({ tag: manifest }, (url) =>
    url.includes('/referrers/') ? status : 404,
  );
  const offer = await given.find(wanted());
  expect(await failureOf((offer as Offer).bundles())).toMatchObject({
    code: 'authentication',
    message: expect.stringMatching(
      new RegExp(`signature of the sidecar cannot be read: .*answered ${status}`),
    ),
    hint: expect.stringContaining('--provenance off'),
  });
});

test('only entries that can be sidecars count, and only names that are platforms are shown', async () => {
  const { reference, given } = await openSource({
    tag: {
      schemaVersion: 2,
      manifests: [
        entry(EMPTY, 'linux/arm64', { artifactType: 'application/vnd.example.signature' }),
        entry(EMPTY, 'linux/arm64', { digest: `sha512:${'0'.repeat(128)}` }),
        entry(EMPTY, 'unknown/unknown'),
        entry(EMPTY, 'windows/\u001b[31mred'),
        { mediaType: 'a', digest: digestOf(EMPTY), size: 1 },
        entry(EMPTY, 'linux/amd64'),
        entry(EMPTY, 'linux/amd64'),
        entry(EMPTY, 'windows/amd64'),
      ],
    },
  });
  expect(await given.find(wanted())).toEqual({
    skipped: `${reference} has no linux/arm64, only linux/amd64, windows/amd64`,
  });
});

test('an index without any platform says so', async () => {
  const { reference, given } = await openSource({ tag: { schemaVersion: 2, manifests: [] } });
  expect(await given.find(wanted())).toEqual({
    skipped: `${reference} has no linux/arm64, and nothing else`,
  });
});

test('the entry for the platform is found behind an artifact that stands for it', async () => {
  const record = { ...recordOf(Buffer.from('sidecar')), platform: 'linux/arm64' };
  const sidecar = {
    ...EMPTY,
    layers: [{ mediaType: SIDECAR_TYPE, digest: `sha256:${record.sidecar.sha256}`, size: 7 }],
    annotations: { [PACK_RECORD_ANNOTATION]: JSON.stringify(record) },
  };
  const { given } = await openSource({
    [digestOf(sidecar)]: sidecar,
    tag: {
      schemaVersion: 2,
      manifests: [
        entry(EMPTY, 'linux/arm64', { artifactType: 'application/vnd.example.signature' }),
        entry(sidecar, 'linux/arm64', { artifactType: SIDECAR_TYPE }),
      ],
    },
  });
  expect(await given.find(wanted())).toMatchObject({ record });
});

const NESTED = { schemaVersion: 2, manifests: [] };

test.each([
  [
    'an ordinary image',
    { ...EMPTY, layers: [{ ...CONFIG, mediaType: 'application/vnd.oci.image.layer.v1.tar' }] },
  ],
  ['an image without layers', EMPTY],
  ['an artifact of another type', { ...WITHOUT_RECORD, artifactType: 'application/vnd.example' }],
  [
    'a sidecar with another kind of digest',
    { ...EMPTY, layers: [{ mediaType: SIDECAR_TYPE, digest: 'md5:0', size: 1 }] },
  ],
  ['an index in an index', { schemaVersion: 2, manifests: [entry(NESTED, 'linux/arm64')] }],
])('%s holds no sidecar', async (_, manifest) => {
  const { reference, given } = await openSource({ tag: manifest, [digestOf(NESTED)]: NESTED });
  expect(await given.find(wanted())).toEqual({ skipped: `${reference} holds no sidecar` });
});

test('without a repository, or with a name that no registry takes, nothing is asked', async () => {
  const { own } = await openSource({});
  expect(own.name).toBe('OCI registry ghcr.test');
  expect(await own.find({ ...wanted(), noRepository: 'no remote' })).toMatchObject({ skipped: 'no remote' });
  expect(await own.find(wanted('owner/.github'))).toEqual({
    skipped:
      'no registry takes the name ghcr.test/owner/.github/smolmachine; name another place with --from oci:HOST/NAME',
  });
  expect(await own.nearest?.(wanted('owner/.github'))).toBeUndefined();
});

test('an entry whose manifest is gone, or is another, is not passed over', async () => {
  const index = { schemaVersion: 2, manifests: [entry(EMPTY, 'linux/arm64')] };
  const { reference, given } = await openSource({ tag: index });
  expect(await given.find(wanted())).toEqual({ skipped: `there is no ${reference}` });
  const swapped = await openSource({ tag: index, [digestOf(EMPTY)]: WITHOUT_RECORD });
  expect(await failureOf(swapped.given.find(wanted()))).toMatchObject({ code: 'sidecar-damaged' });
});
