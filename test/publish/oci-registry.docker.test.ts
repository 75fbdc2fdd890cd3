import { execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ociSource } from '../../src/fetch/oci-registry.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import type { ProgressEvent } from '../../src/progress.ts';
import { publishToRegistry, type RegistryPublication } from '../../src/publish/oci-registry.ts';
import { HttpClient } from '../../src/remote/http.ts';
import type { PackedSidecar } from '../../src/sidecar/file.ts';
import {
  isOnPath,
  LACKS_REFERRERS_REGISTRY,
  LACKS_REGISTRY,
  PUBLISHER,
  startDockerRegistry,
  startReferrersRegistry,
} from '../helpers/docker-registry.ts';
import { failureOf } from '../helpers/failure.ts';
import type { LoopbackServer } from '../helpers/loopback-server.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const run = promisify(execFile);

const registryTest = test.skipIf(LACKS_REGISTRY);
const clientTest = test.skipIf(LACKS_REGISTRY || !isOnPath('oras') || !isOnPath('crane'));

const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;
const KEYS = {
  'linux/amd64': parseInputsKey('ab'.repeat(32)),
  'linux/arm64': parseInputsKey('cd'.repeat(32)),
};
const COMMIT = '1'.repeat(40);
const TAG = `sha-${COMMIT}`;
const REPOSITORY = 'owner/repo/smolmachine';
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const CONFIG_TYPE = 'application/vnd.smolmachines.machine.config.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE'];

let dockerConfigDir: string;

beforeEach(async () => {
  dockerConfigDir = await tempDir();
  vi.stubEnv('DOCKER_CONFIG', dockerConfigDir);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

async function logIn(host: string, login: Record<string, string> = PUBLISHER): Promise<void> {
  await fs.writeFile(join(dockerConfigDir, 'config.json'), JSON.stringify({ auths: { [host]: login } }));
}

function openTools(host: string) {
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const events: ProgressEvent[] = [];
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: 'https://api.github.test',
    registryHost: host,
    credential: undefined,
    token: undefined,
  };
  return {
    tools: { http, github, signal, onProgress: (event: ProgressEvent) => events.push(event) },
    warnings: () => events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
  };
}

async function publish(host: string, sidecars: readonly PackedSidecar[], tags: readonly string[] = [TAG]) {
  const name = { registry: host, repository: REPOSITORY };
  const publication: RegistryPublication = { name, sidecars, tags };
  const { tools, warnings } = openTools(host);
  return { ...(await publishToRegistry(publication, tools)), warnings: warnings() };
}

async function samples(): Promise<PackedSidecar[]> {
  return await Promise.all(PLATFORMS.map((platform) => sampleSidecar(platform, KEYS[platform])));
}

async function readText(host: string, path: string): Promise<string> {
  const accept = `${INDEX_TYPE}, ${IMAGE_TYPE}`;
  const answer = await fetch(`http://${host}/v2/${REPOSITORY}/${path}`, { headers: { accept } });
  if (!answer.ok) {
    throw new Error(`${path} is ${answer.status}`);
  }
  return await answer.text();
}

async function readJson(host: string, path: string) {
  return JSON.parse(await readText(host, path));
}

async function find(host: string, platform: GuestPlatform, reference?: string) {
  const { tools } = openTools(host);
  const source = ociSource(reference, { ...tools, onWarning: () => {} });
  const found = await source.find({
    key: KEYS[platform],
    platform,
    repository: 'Owner/Repo',
    serverUrl: 'https://github.com',
    history: async () => [],
    tags: async () => [],
  });
  if ('skipped' in found || found.content.kind !== 'remote') {
    throw new Error(`no offer: ${JSON.stringify(found)}`);
  }
  return { ...found, content: found.content };
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function namesOf(requests: LoopbackServer['requests']): string[] {
  return requests.map(
    ({ method, path }) =>
      `${method} ${path.split('?')[0]?.replace(/^\/v2\/owner\/repo\/smolmachine\/(manifests\/)?/, '')}`,
  );
}

registryTest(
  'what is published has the layout of smolvm, a record, and a tag for each way to it',
  async () => {
    const registry = await startDockerRegistry();
    const [amd64, arm64] = await samples();
    const result = await publish(registry.host, [amd64, arm64] as PackedSidecar[], [TAG, 'v1.2']);

    expect(result).toMatchObject({ name: `${registry.host}/${REPOSITORY}`, isPublic: true, warnings: [] });
    const digests = result.sidecars.map(({ digest }) => digest);
    const entries = PLATFORMS.map((platform, index) => ({
      mediaType: IMAGE_TYPE,
      digest: digests[index],
      size: expect.any(Number),
      platform: { os: 'linux', architecture: platform.slice('linux/'.length) },
    }));
    for (const [tag, manifests] of [
      [TAG, entries],
      ['v1.2', entries],
      [`k-${'ab'.repeat(16)}`, entries.slice(0, 1)],
      [`k-${'cd'.repeat(16)}`, entries.slice(1)],
    ] as const) {
      const text = await readText(registry.host, `manifests/${tag}`);
      expect(JSON.parse(text)).toEqual({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
      expect(result.indexes.get(tag)).toBe(`sha256:${sha256(text)}`);
      for (const { digest, size, platform } of JSON.parse(text).manifests) {
        const image = await readText(registry.host, `manifests/${tag}-linux-${platform.architecture}`);
        expect(`sha256:${sha256(image)}`).toBe(digest);
        expect(await readText(registry.host, `manifests/${digest}`)).toHaveLength(image.length);
        expect(size).toBeTypeOf('number');
      }
    }
    const image = await readJson(registry.host, `manifests/${TAG}-linux-arm64`);
    expect(image).toEqual({
      schemaVersion: 2,
      mediaType: IMAGE_TYPE,
      artifactType: SIDECAR_TYPE,
      config: { mediaType: CONFIG_TYPE, digest: expect.any(String), size: expect.any(Number) },
      layers: [
        {
          mediaType: SIDECAR_TYPE,
          digest: `sha256:${arm64?.record.sidecar.sha256}`,
          size: arm64?.record.sidecar.sizeBytes,
          annotations: {
            'org.opencontainers.image.title': `smolmachine-linux-arm64-${'cd'.repeat(8)}.smolmachine`,
          },
        },
      ],
      annotations: {
        'org.opencontainers.image.title': `${REPOSITORY}:k-${'cd'.repeat(16)}`,
        'com.smolmachines.pack.mode': 'container',
        'dev.claude-bottle.pack-record': expect.any(String),
      },
    });
    expect(JSON.parse(image.annotations['dev.claude-bottle.pack-record'])).toEqual(arm64?.record);
    const config = await readText(registry.host, `blobs/${image.config.digest}`);
    expect(config).toHaveLength(image.config.size);
    expect(JSON.parse(config)).toMatchObject({ platform: 'linux/arm64', mode: 'container', cpus: 4 });
  },
);

registryTest('fetch finds what was published, by its key, and gets its bytes', async () => {
  const registry = await startDockerRegistry();
  const sidecars = await samples();
  const { sidecars: published } = await publish(registry.host, sidecars);
  for (const [index, { path, record }] of sidecars.entries()) {
    const offer = await find(registry.host, record.platform);
    expect(offer.record).toEqual(record);
    expect(offer.address).toBe(`oci:${registry.host}/${REPOSITORY}@${published[index]?.digest}`);
    expect(await buffer((await offer.content.open()).body)).toEqual(await fs.readFile(path));
  }
});

clientTest('oras and crane get the sidecar too', async () => {
  const registry = await startDockerRegistry();
  const sidecars = await samples();
  await publish(registry.host, sidecars);
  const reference = `${registry.host}/${REPOSITORY}:${TAG}`;
  for (const { record } of sidecars) {
    const dir = await tempDir();
    await run('oras', ['pull', '--plain-http', '--platform', record.platform, '--output', dir, reference]);
    const name = publishedName(record.platform, parseInputsKey(record.inputs?.key ?? ''));
    expect(await fs.readdir(dir)).toEqual([name]);
    expect(sha256(await fs.readFile(join(dir, name)))).toBe(record.sidecar.sha256);

    const { stdout } = await run('crane', ['manifest', '--platform', record.platform, reference]);
    const [layer] = JSON.parse(stdout).layers;
    const blob = await run('crane', ['blob', `${registry.host}/${REPOSITORY}@${layer.digest}`], {
      encoding: 'buffer',
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(sha256(blob.stdout)).toBe(record.sidecar.sha256);
  }
});

clientTest('fetch reads what oras has pushed in the layout of smolvm, if it has a record', async () => {
  const registry = await startDockerRegistry();
  const { path, record } = await sampleSidecar('linux/amd64', KEYS['linux/amd64']);
  const dir = await tempDir();
  await fs.copyFile(path, join(dir, 'agent'));
  await fs.writeFile(join(dir, 'config'), '{}');
  const push = async (tag: string, ...annotations: string[]) => {
    const reference = `${registry.host}/${REPOSITORY}:${tag}`;
    await run(
      'oras',
      [
        ...['push', '--plain-http', '--artifact-type', SIDECAR_TYPE, '--config', `config:${CONFIG_TYPE}`],
        ...[...annotations, reference, `agent:${SIDECAR_TYPE}`],
      ],
      { cwd: dir },
    );
    return reference;
  };
  const bare = await push('bare');
  await expect(find(registry.host, 'linux/amd64', bare)).rejects.toThrow('has no pack record');
  const ours = await push('ours', '--annotation', `dev.claude-bottle.pack-record=${JSON.stringify(record)}`);
  const offer = await find(registry.host, 'linux/amd64', ours);
  expect(offer.record).toEqual(record);
  expect(await buffer((await offer.content.open()).body)).toEqual(await fs.readFile(path));
  expect(await offer.bundles()).toEqual([]);
});

registryTest('tags do not go back to an older run of the same branch', async () => {
  const registry = await startDockerRegistry();
  const publishAs = async (source: Partial<NonNullable<PackRecord['source']>>) => {
    const { path, record } = await sampleSidecar('linux/amd64', KEYS['linux/amd64']);
    const run = { repository: 'Owner/Repo', commit: COMMIT, ref: 'refs/heads/main', event: 'push' };
    const full = { ...record, source: { ...run, runId: '1000', runAttempt: 1, ...source } };
    const { sidecars, warnings } = await publish(registry.host, [{ path, record: full }]);
    return { sha256: record.sidecar.sha256, tags: sidecars[0]?.tags, warnings };
  };
  const found = async () => (await find(registry.host, 'linux/amd64')).record.sidecar.sha256;
  const key = `k-${KEYS['linux/amd64'].slice(0, 32)}`;
  const newer = await publishAs({});
  const older = await publishAs({ runId: '999', runAttempt: 2 });
  expect(older.tags).toEqual([]);
  expect(older.warnings).toContain(
    `the tag ${key}-linux-amd64 stays at what run 1000 has published: this run is an older one`,
  );
  expect(await found()).toBe(newer.sha256);
  const again = await publishAs({ runAttempt: 2 });
  expect(again).toMatchObject({ tags: [key, TAG], warnings: [] });
  expect(await found()).toBe(again.sha256);
  // Which of two branches is right for a key is not for their numbers to say.
  const other = await publishAs({ runId: '999', ref: 'refs/tags/v1' });
  expect(await found()).toBe(other.sha256);
});

registryTest('what is there already is not sent again', async () => {
  const registry = await startDockerRegistry();
  const sidecars = await samples();
  const first = await publish(registry.host, sidecars);
  expect(first.sidecars.map(({ sentBytes }) => sentBytes)).toEqual(
    sidecars.map(({ record }) => record.sidecar.sizeBytes),
  );
  registry.requests.length = 0;
  const second = await publish(registry.host, sidecars);
  expect(registry.requests.filter(({ method }) => WRITES.includes(method))).toEqual([]);
  expect(second.sidecars).toEqual(first.sidecars.map((sidecar) => ({ ...sidecar, sentBytes: 0 })));
  expect(second.indexes).toEqual(first.indexes);

  registry.requests.length = 0;
  await publish(registry.host, sidecars, ['another']);
  const writes = registry.requests.filter(({ method }) => WRITES.includes(method));
  expect(namesOf(writes)).toEqual(['PUT another-linux-amd64', 'PUT another-linux-arm64', 'PUT another']);
});

registryTest('tags are set only when all that they lead to is there', async () => {
  const registry = await startDockerRegistry();
  await publish(registry.host, [
    { ...(await sampleSidecar('linux/amd64', KEYS['linux/amd64'])), bundle: bundle() },
  ]);
  const puts = registry.requests.filter(({ method }) => method === 'PUT');
  const names = namesOf(puts).map((line) => line.replace(/ (blobs\/uploads\/|sha256:).*/, ' $1'));
  const [blob, manifest] = ['PUT blobs/uploads/', 'PUT sha256:'];
  expect(names).toEqual([
    // The sidecar and its config; the empty config and the bundle.
    ...[blob, blob, manifest, blob, blob, manifest],
    expect.stringMatching(/^PUT sha256-[0-9a-f]{64}$/),
    `PUT k-${'ab'.repeat(16)}-linux-amd64`,
    `PUT ${TAG}-linux-amd64`,
    `PUT k-${'ab'.repeat(16)}`,
    `PUT ${TAG}`,
  ]);
});

function bundle(note = ''): Buffer {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    predicateType: 'https://slsa.dev/provenance/v1',
  };
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return Buffer.from(JSON.stringify({ mediaType: BUNDLE_TYPE, dsseEnvelope: { payload }, note }));
}

const REGISTRIES: ReadonlyArray<[string, boolean, () => Promise<LoopbackServer>]> = [
  ['without the referrers API', LACKS_REGISTRY, startDockerRegistry],
  [
    'that acknowledges a subject and lists no referrers',
    LACKS_REGISTRY,
    () => startDockerRegistry({ acknowledgesSubject: true }),
  ],
  ['with the referrers API', LACKS_REFERRERS_REGISTRY, startReferrersRegistry],
];

for (const [kind, isMissing, start] of REGISTRIES) {
  test.skipIf(isMissing)(`a registry ${kind} keeps the bundle beside the sidecar`, async () => {
    const { host, requests } = await start();
    const [amd64, arm64] = await samples();
    const sidecars = [{ ...amd64, bundle: bundle() }, arm64] as PackedSidecar[];
    const { sidecars: published } = await publish(host, sidecars);
    expect(published.map(({ bundleDigest }) => bundleDigest)).toEqual([expect.any(String), undefined]);

    expect(await (await find(host, 'linux/amd64')).bundles()).toEqual([bundle()]);
    expect(await (await find(host, 'linux/arm64')).bundles()).toEqual([]);
    expect(await readJson(host, `manifests/${published[0]?.bundleDigest}`)).toMatchObject({
      artifactType: BUNDLE_TYPE,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 },
      layers: [{ mediaType: BUNDLE_TYPE, digest: `sha256:${sha256(bundle())}` }],
      subject: { mediaType: IMAGE_TYPE, digest: published[0]?.digest },
      annotations: { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' },
    });

    requests.length = 0;
    await publish(host, sidecars);
    expect(requests.filter(({ method }) => WRITES.includes(method))).toEqual([]);

    const [again] = (await publish(host, [{ ...amd64, bundle: bundle('second') } as PackedSidecar])).sidecars;
    expect(again?.digest).toBe(published[0]?.digest);
    const both = await (await find(host, 'linux/amd64')).bundles();
    expect(both.map(String).sort()).toEqual([bundle(), bundle('second')].map(String).sort());
  });

  test.skipIf(isMissing || !isOnPath('oras'))(`oras finds the bundle in a registry ${kind}`, async () => {
    const { host } = await start();
    const sidecar = { ...(await sampleSidecar('linux/amd64', KEYS['linux/amd64'])), bundle: bundle() };
    const [published] = (await publish(host, [sidecar])).sidecars;
    const reference = `${host}/${REPOSITORY}@${published?.digest}`;
    const { stdout } = await run('oras', ['discover', '--plain-http', '--format', 'json', reference]);
    expect(JSON.parse(stdout)).toMatchObject({
      referrers: [{ digest: published?.bundleDigest, artifactType: BUNDLE_TYPE }],
    });
  });
}

registryTest('a bundle that is listed and cannot be read is not a missing one', async () => {
  const registry = await startDockerRegistry();
  const sidecar = { ...(await sampleSidecar('linux/amd64', KEYS['linux/amd64'])), bundle: bundle() };
  const [published] = (await publish(registry.host, [sidecar])).sidecars;
  const offer = await find(registry.host, 'linux/amd64');
  const place = `http://${registry.host}/v2/${REPOSITORY}/manifests/${published?.bundleDigest}`;
  expect((await fetch(place, { method: 'DELETE' })).status).toBe(202);
  expect(await failureOf(offer.bundles())).toMatchObject({
    code: 'not-trusted',
    message: expect.stringContaining(`${REPOSITORY}@${published?.bundleDigest} cannot be read`),
  });
});

registryTest('what others have put into an index stays there, field by field', async () => {
  const registry = await startDockerRegistry();
  const [amd64, arm64] = (await samples()) as [PackedSidecar, PackedSidecar];
  const { sidecars } = await publish(registry.host, [amd64], ['elsewhere']);
  const other = {
    mediaType: IMAGE_TYPE,
    digest: sidecars[0]?.digest,
    size: 1,
    platform: { os: 'linux', architecture: 'riscv64', variant: 'rva23' },
    annotations: { note: 'kept' },
    urls: ['https://example.test/'],
  };
  const old = { ...other, platform: { os: 'linux', architecture: 'arm64' } };
  await fetch(`http://${registry.host}/v2/${REPOSITORY}/manifests/v1`, {
    method: 'PUT',
    headers: { 'content-type': INDEX_TYPE },
    body: JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX_TYPE,
      annotations: { by: 'someone' },
      manifests: [other, old],
    }),
  });
  const published = await publish(registry.host, [arm64], ['v1']);
  expect(await readJson(registry.host, 'manifests/v1')).toEqual({
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    annotations: { by: 'someone' },
    manifests: [other, expect.objectContaining({ digest: published.sidecars[0]?.digest })],
  });
});

registryTest('two jobs that publish at once both end up in the index, fifty times', async () => {
  // Some writes of an index arrive late, after those of the other job.
  const isIndex = ({ method, url }: IncomingMessage) =>
    method === 'PUT' && /\/manifests\/sha-[0-9a-f]{40}$/.test(url ?? '');
  let seen = 0;
  const delayMs = (request: IncomingMessage) => (isIndex(request) ? (seen++ % 4) * 20 : 0);
  const registry = await startDockerRegistry({ delayMs });
  const children = await Promise.all(
    PLATFORMS.map(async (platform) => {
      const { path, record } = await sampleSidecar(platform, KEYS[platform]);
      await fs.writeFile(`${path}.json`, JSON.stringify(record));
      const child = fork(join(import.meta.dirname, 'push-child.ts'), [registry.host, path]);
      onTestFinished(() => void child.kill());
      await once(child, 'message');
      return child;
    }),
  );
  let collisions = 0;
  for (let round = 0; round < 50; round += 1) {
    const tag = `sha-${String(round).padStart(40, '0')}`;
    const before = registry.requests.length;
    const answers = await Promise.all(
      children.map(async (child, index) => {
        const answer = once(child, 'message');
        // In step, each would see the other's tag before it writes.
        child.send({ tag, delayMs: index === round % 2 ? round : 0 });
        return (await answer)[0];
      }),
    );
    const { manifests } = await readJson(registry.host, `manifests/${tag}`);
    const platforms = manifests.map(
      (entry: { platform: { architecture: string } }) => entry.platform.architecture,
    );
    expect([round, answers, platforms.sort()]).toEqual([
      round,
      Array(2).fill({ digest: expect.any(String) }),
      ['amd64', 'arm64'],
    ]);
    const writes = registry.requests
      .slice(before)
      .filter(({ method, path }) => method === 'PUT' && path.endsWith(`/manifests/${tag}`));
    collisions += writes.length > 2 ? 1 : 0;
  }
  // Or the fifty rounds have proved nothing.
  expect(collisions).toBeGreaterThan(0);
});

registryTest('a token for pushing is asked for once, and again whenever it expires', async () => {
  const registry = await startDockerRegistry({ auth: 'token', usesPerToken: 3 });
  await logIn(registry.host);
  const sidecars = await samples();
  const { isPublic } = await publish(registry.host, sidecars);
  expect(isPublic).toBe(false);
  const scopes = registry.tokens?.requests.map(({ path }) =>
    new URL(path, 'http://tokens').searchParams.get('scope'),
  );
  // The last one asks as anyone.
  expect(scopes?.at(-1)).toBe(`repository:${REPOSITORY}:pull`);
  expect(new Set(scopes?.slice(0, -1))).toEqual(new Set([`repository:${REPOSITORY}:pull,push`]));
  expect(scopes?.length).toBeGreaterThan(5);
  const { stdout } = await run('skopeo', [
    ...['inspect', '--raw', '--tls-verify=false', '--creds', `${PUBLISHER.username}:${PUBLISHER.password}`],
    `docker://${registry.host}/${REPOSITORY}:${TAG}`,
  ]);
  expect(JSON.parse(stdout).manifests).toHaveLength(2);
});

registryTest('a private package is said to be so, with the way to change it', async () => {
  const registry = await startDockerRegistry({ auth: 'token' });
  await logIn(registry.host);
  const { isPublic, warnings } = await publish(registry.host, await samples());
  expect(isPublic).toBe(false);
  expect(warnings).toEqual([
    expect.stringMatching(
      /is published and private.*https:\/\/github\.test\/owner\/repo\/pkgs\/container\/repo%2Fsmolmachine, Package settings, Change visibility$/,
    ),
  ]);
});

registryTest('a login that may only read cannot publish, and the error says what to change', async () => {
  const registry = await startDockerRegistry({ auth: 'token', isPublic: true });
  expect(await failureOf(publish(registry.host, await samples()))).toMatchObject({
    code: 'authentication',
    exitCode: 77,
    message: `this job cannot write to ${registry.host}/${REPOSITORY}`,
    hint: expect.stringContaining('packages: write'),
  });
});

registryTest.each([
  ['a manifest', /\/manifests\/sha256:/],
  ['the tag of a platform', /-linux-amd64$/],
  ['an index', /\/manifests\/v1$/],
])('when %s is refused, the tag leads to what it led to before', async (_, place) => {
  let isRefusing = false;
  const registry = await startDockerRegistry({
    fault: ({ method, url = '' }) => (isRefusing && method === 'PUT' && place.test(url) ? 400 : undefined),
  });
  const [sidecar, other] = await Promise.all(
    ['ab', 'ef'].map((pair) => sampleSidecar('linux/amd64', pair.repeat(32))),
  );
  await publish(registry.host, [sidecar as PackedSidecar], ['v1']);
  const before = await readText(registry.host, 'manifests/v1');
  isRefusing = true;
  expect(await failureOf(publish(registry.host, [other as PackedSidecar], ['v1']))).toMatchObject({
    code: 'upload-failed',
    exitCode: 69,
    message: expect.stringMatching(/^cannot publish to .*smolmachine: .* answered 400/),
  });
  expect(await readText(registry.host, 'manifests/v1')).toBe(before);
});

registryTest('a file that has changed since it was verified is not published', async () => {
  const registry = await startDockerRegistry();
  const sidecar = await sampleSidecar('linux/amd64', KEYS['linux/amd64']);
  const file = await fs.open(sidecar.path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 100);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 100);
  await file.close();
  expect(await failureOf(publish(registry.host, [sidecar]))).toMatchObject({
    code: 'sidecar-damaged',
    exitCode: 65,
    message: expect.stringContaining(
      `${sidecar.path} has changed since it was verified: it has the SHA-256 `,
    ),
  });
  const tags = await fetch(`http://${registry.host}/v2/${REPOSITORY}/tags/list`);
  expect(tags.status).toBe(404);
  const { sha256: promised } = sidecar.record.sidecar;
  const blob = await fetch(`http://${registry.host}/v2/${REPOSITORY}/blobs/sha256:${promised}`);
  expect(blob.status).toBe(404);
});
