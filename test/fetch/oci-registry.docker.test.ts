import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ociSource } from '../../src/fetch/oci-registry.ts';
import type { Offer, RemoteFile, Skipped, Wanted } from '../../src/fetch/source.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import type { GitHubSite } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';
import {
  basicOf,
  type DockerRegistry,
  type DockerRegistryOptions,
  LACKS_REGISTRY,
  PUBLISHER,
  startDockerRegistry,
} from '../helpers/docker-registry.ts';
import { failureOf } from '../helpers/failure.ts';
import { publishSidecars, sampleSidecar, type ToPublish } from '../helpers/oci-publish.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const registryTest = test.skipIf(LACKS_REGISTRY);

const KEY = parseInputsKey('ab'.repeat(32));
const KEY_TAG = `k-${'ab'.repeat(16)}`;
const COMMITS = ['1', '2', '3'].map((digit) => digit.repeat(40));
const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

let dockerConfigDir: string;

beforeEach(async () => {
  dockerConfigDir = await tempDir();
  vi.stubEnv('DOCKER_CONFIG', dockerConfigDir);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

async function writeDockerConfig(config: unknown): Promise<void> {
  await fs.writeFile(join(dockerConfigDir, 'config.json'), JSON.stringify(config));
}

function wantedFor(platform: GuestPlatform): Wanted {
  return {
    key: KEY,
    platform,
    repository: 'Owner/Repo',
    serverUrl: 'https://github.com',
    history: async () => COMMITS,
    tags: async () => [],
  };
}

/** A registry with a sidecar for each platform, and a source that looks there; what the push has asked is forgotten. */
async function publishedRegistry(
  options: DockerRegistryOptions = {},
  change: (sidecars: ToPublish[]) => ToPublish[] = (sidecars) => sidecars,
) {
  const registry = await startDockerRegistry(options);
  const samples = await Promise.all(PLATFORMS.map((platform) => sampleSidecar(platform, KEY)));
  const sidecars = samples.map(({ path, record }) => ({
    path,
    platform: record.platform,
    record: JSON.stringify(record),
  }));
  const repository = `${registry.host}/owner/repo/smolmachine`;
  const published = await publishSidecars(repository, [KEY_TAG, `sha-${COMMITS[1]}`], change(sidecars));
  registry.requests.length = 0;
  registry.tokens?.requests.splice(0);
  return { registry, repository, samples, ...published };
}

function openSource(registry: DockerRegistry, reference?: string, github: Partial<GitHubSite> = {}) {
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const warnings: string[] = [];
  const site = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: registry.host,
  };
  const source = ociSource(reference, {
    http,
    github: { ...site, credential: undefined, token: undefined, ...github },
    signal,
    onWarning: (message) => warnings.push(message),
  });
  return {
    warnings,
    source,
    find: async (platform: GuestPlatform = 'linux/amd64') => await source.find(wantedFor(platform)),
  };
}

function requireOffer(found: Offer | Skipped): Offer & { content: RemoteFile } {
  if ('skipped' in found || found.content.kind !== 'remote') {
    throw new Error(`no offer: ${JSON.stringify(found)}`);
  }
  return { ...found, content: found.content };
}

async function sha256Of({ content }: { content: RemoteFile }): Promise<string> {
  const { body } = await content.open();
  return createHash('sha256')
    .update(await buffer(body))
    .digest('hex');
}

registryTest('a public sidecar is found by the key alone, and nobody is told who asks', async () => {
  const { registry, repository, samples, imageDigests } = await publishedRegistry();
  await writeDockerConfig({ auths: { [registry.host]: { auth: 'dXNlcjpwYXNzd29yZA==' } } });
  const { find, warnings } = openSource(registry, undefined, { token: 'github-token' });

  for (const [index, platform] of PLATFORMS.entries()) {
    const offer = requireOffer(await find(platform));
    expect(offer.record).toEqual(samples[index]?.record);
    expect(offer.address).toBe(`oci:${repository}@${imageDigests[index]}`);
    expect(offer.content).toMatchObject({
      sizeBytes: offer.record.sidecar.sizeBytes,
      sha256: offer.record.sidecar.sha256,
    });
    expect(await sha256Of(offer)).toBe(offer.record.sidecar.sha256);
  }
  // For each platform: the index, the image's manifest, the sidecar.
  expect(registry.requests).toHaveLength(6);
  expect(registry.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  expect(warnings).toEqual([]);
});

registryTest(
  'a reference with a tag or digest is taken as it is, without an index too, and so is the address of an offer',
  async () => {
    const { registry, repository, samples, indexDigest, imageDigests } = await publishedRegistry();
    const references = [
      repository,
      `${repository}:sha-${COMMITS[1]}`,
      `${repository}@${indexDigest}`,
      `${repository}:gone@${indexDigest}`,
      `${repository}:${KEY_TAG}-linux-arm64`,
      `${repository}@${imageDigests[1]}`,
    ];
    for (const reference of references) {
      const { find, source } = openSource(registry, reference);
      expect(source.name).toBe(`OCI registry ${reference}`);
      const { record, address } = requireOffer(await find('linux/arm64'));
      expect(record).toEqual(samples[1]?.record);
      expect(address).toBe(`oci:${repository}@${imageDigests[1]}`);
    }
  },
);

registryTest('a platform that is not there is named, with those that are', async () => {
  const { registry, repository } = await publishedRegistry({}, ([amd64]) => [amd64 as ToPublish]);
  const tag = `${repository}:${KEY_TAG}`;
  expect(await openSource(registry).find('linux/arm64')).toEqual({
    skipped: `${tag} has no linux/arm64, only linux/amd64`,
  });
  expect(await openSource(registry, `${tag}-linux-amd64`).find('linux/arm64')).toEqual({
    skipped: `${tag}-linux-amd64 is for linux/amd64, not linux/arm64`,
  });
});

registryTest('what is not published is skipped with its whole name', async () => {
  const { registry, repository } = await publishedRegistry();
  const missing = [
    `${repository}:other`,
    `${registry.host}/nobody/nothing:tag`,
    `${repository}@sha256:${'0'.repeat(64)}`,
  ];
  for (const reference of missing) {
    expect(await openSource(registry, reference).find()).toEqual({ skipped: `there is no ${reference}` });
  }
});

registryTest('a sidecar pushed by smolvm itself has no pack record, and is skipped', async () => {
  const { registry, repository } = await publishedRegistry({}, (sidecars) =>
    sidecars.map((sidecar) => ({ ...sidecar, record: undefined })),
  );
  expect(await openSource(registry).find()).toEqual({
    skipped: `${repository}:${KEY_TAG} has no pack record`,
  });
});

registryTest.each([
  ['not valid', () => ({ version: 1 }), 'dev.claude-bottle.pack-record of .* is not a valid pack record'],
  [
    'endless',
    (record: PackRecord) => ({ ...record, padding: 'x'.repeat(1024 * 1024) }),
    'has more than 1048576 bytes',
  ],
  [
    "another sidecar's",
    ({ sidecar, ...rest }: PackRecord) => ({ ...rest, sidecar: { ...sidecar, sha256: 'f'.repeat(64) } }),
    'its pack record says sha256:ffff',
  ],
  [
    'of another size',
    ({ sidecar, ...rest }: PackRecord) => ({ ...rest, sidecar: { ...sidecar, sizeBytes: 1 } }),
    'its pack record says .* of 1$',
  ],
])('a pack record that is %s is refused', async (_, change, message) => {
  const { registry } = await publishedRegistry({}, (sidecars) =>
    sidecars.map((sidecar) => ({
      ...sidecar,
      record: JSON.stringify(change(JSON.parse(sidecar.record ?? ''))),
    })),
  );
  expect(await failureOf(openSource(registry).find())).toMatchObject({
    code: 'sidecar-damaged',
    message: expect.stringMatching(message),
  });
});

registryTest(
  'a part of a sidecar is read by its range, and the whole when the file has changed',
  async () => {
    const { registry, samples } = await publishedRegistry();
    const { content } = requireOffer(await openSource(registry).find());
    const bytes = await fs.readFile(samples[0]?.path ?? '');
    const { headers, body } = await content.open();
    const etag = headers.etag ?? '';
    await buffer(body);

    const part = await content.open({ start: 100, end: 200, etag });
    expect(part.status).toBe(206);
    expect(await buffer(part.body)).toEqual(bytes.subarray(100, 200));
    const rest = await content.open({ start: bytes.length - 5, end: bytes.length, etag });
    expect(await buffer(rest.body)).toEqual(bytes.subarray(-5));
    const changed = await content.open({ start: 100, end: 200, etag: '"another"' });
    expect(changed.status).toBe(200);
    expect(await buffer(changed.body)).toEqual(bytes);
  },
);

registryTest('the nearest record is that of the first commit with a tag', async () => {
  const { registry, samples } = await publishedRegistry();
  const { source } = openSource(registry);
  expect(await source.nearest?.(wantedFor('linux/arm64'))).toEqual(samples[1]?.record);
  expect(registry.requests.filter(({ path }) => path.includes('/tags/list'))).toHaveLength(1);

  const stranger = { ...wantedFor('linux/arm64'), history: async () => ['9'.repeat(40)] };
  expect(await source.nearest?.(stranger)).toBeUndefined();
  expect(await source.nearest?.({ ...stranger, repository: 'nobody/nothing' })).toBeUndefined();
});

registryTest(
  'what docker login keeps for the registry is used when it asks, and for no other name of it',
  async () => {
    const { registry, repository } = await publishedRegistry({ auth: 'basic' });
    await writeDockerConfig({
      auths: { [registry.host]: { auth: Buffer.from('publisher:push-and-pull').toString('base64') } },
    });
    const offer = requireOffer(await openSource(registry, repository).find());
    expect(await sha256Of(offer)).toBe(offer.record.sidecar.sha256);
    // It is asked for a credential once, and then knows the way.
    expect(registry.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      ...Array(3).fill(basicOf(PUBLISHER)),
    ]);

    registry.requests.length = 0;
    const alias = repository.replace('127.0.0.1', 'localhost');
    expect(await failureOf(openSource(registry, alias).find())).toMatchObject({
      code: 'authentication',
      exitCode: 77,
    });
    expect(registry.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  },
);

registryTest('a credential helper is asked for a login, and one that fails is a warning', async () => {
  const { registry, repository } = await publishedRegistry({ auth: 'basic' });
  const bin = await tempDir();
  vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
  const helper = join(bin, 'docker-credential-test');
  const answer = JSON.stringify({
    ServerURL: registry.host,
    Username: PUBLISHER.username,
    Secret: PUBLISHER.password,
  });
  await fs.writeFile(helper, `#!/bin/sh\ntest "$1 $(cat)" = 'get ${registry.host}' && echo '${answer}'\n`, {
    mode: 0o755,
  });
  await writeDockerConfig({ credHelpers: { [registry.host]: 'test' } });
  requireOffer(await openSource(registry, repository).find());

  await fs.writeFile(helper, '#!/bin/sh\nexit 1\n');
  const { find, warnings } = openSource(registry, repository);
  expect(await failureOf(find())).toMatchObject({ code: 'authentication' });
  expect(warnings).toEqual([expect.stringContaining('docker-credential-test get ended with exit code 1')]);
});

registryTest(
  'a registry with tokens gives one to everyone for what is public, and it is asked for once',
  async () => {
    const { registry } = await publishedRegistry({ auth: 'token', isPublic: true });
    const offer = requireOffer(await openSource(registry).find());
    expect(await sha256Of(offer)).toBe(offer.record.sidecar.sha256);
    expect(registry.tokens?.requests).toEqual([
      {
        method: 'GET',
        path: '/token?service=test-registry&scope=repository%3Aowner%2Frepo%2Fsmolmachine%3Apull',
        authorization: undefined,
      },
    ]);
  },
);

registryTest(
  'a private repository is read with the login of docker, or with the GitHub token on GitHub',
  async () => {
    const { registry, repository } = await publishedRegistry({ auth: 'token' });
    const login = { auths: { [registry.host]: { ...PUBLISHER } } };
    await writeDockerConfig(login);
    requireOffer(await openSource(registry).find());
    expect(registry.tokens?.requests.splice(0).map(({ authorization }) => authorization)).toEqual([
      basicOf(PUBLISHER),
    ]);

    await writeDockerConfig({});
    const token = PUBLISHER.password;
    requireOffer(await openSource(registry, repository, { token }).find());
    expect(registry.tokens?.requests.splice(0).map(({ authorization }) => authorization)).toEqual([
      undefined,
      basicOf({ username: 'token', password: token }),
    ]);

    const elsewhere = openSource(registry, repository, { token, registryHost: 'ghcr.test' });
    expect(await failureOf(elsewhere.find())).toMatchObject({ code: 'authentication', exitCode: 77 });
    expect(registry.tokens?.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  },
);

registryTest('a refused login does not stop the fetch of a public sidecar', async () => {
  const { registry } = await publishedRegistry({ auth: 'token', isPublic: true });
  await writeDockerConfig({ auths: { [registry.host]: { username: 'expired', password: 'expired' } } });
  requireOffer(await openSource(registry).find());
});

registryTest(
  'in the repository of the checkout, a refusal means that nothing is published for us',
  async () => {
    const { registry } = await publishedRegistry({ auth: 'token' });
    expect(await openSource(registry).find()).toEqual({
      skipped: expect.stringMatching(/^nothing is published there, or it is private \(.*\): set GH_TOKEN /),
    });
  },
);

registryTest('a token server on another host is asked without the login', async () => {
  const { registry } = await publishedRegistry({ auth: 'token', isPublic: true, tokenHost: 'localhost' });
  await writeDockerConfig({ auths: { [registry.host]: { ...PUBLISHER } } });
  const { find, warnings } = openSource(registry, undefined, { token: 'github-token' });
  requireOffer(await find());
  expect(registry.tokens?.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  expect(warnings).toEqual([]);
});
