import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Digest } from '../../src/identity/image-id.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { publishToRegistry } from '../../src/publish/oci-registry.ts';
import { readPackageVersions } from '../../src/remote/github-packages.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { OciRepository } from '../../src/remote/oci.ts';
import { type CleanOptions, cleanRepository, removeByRegistry } from '../../src/remote/oci-cleaner.ts';
import {
  LACKS_REFERRERS_REGISTRY,
  LACKS_REGISTRY,
  startDockerRegistry,
  startReferrersRegistry,
} from '../helpers/docker-registry.ts';
import { failureOf } from '../helpers/failure.ts';
import { type LoopbackServer, startServer } from '../helpers/loopback-server.ts';
import { sampleSidecar } from '../helpers/oci-publish.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const REPOSITORY = 'owner/repo/smolmachine';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
/** The samples were packed on 2026-11-23. */
const LATER = new Date('2026-12-24');
const EARLIER = new Date('2026-11-22');

beforeEach(async () => {
  vi.stubEnv('DOCKER_CONFIG', await tempDir());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

function openTools(host: string) {
  const { signal } = new AbortController();
  const http = new HttpClient({ signal, firstRetryMs: 1 });
  onTestFinished(() => http.close());
  const github = {
    serverUrl: 'https://github.test',
    apiUrl: `http://${host}`,
    registryHost: host,
    credential: undefined,
    token: undefined,
  };
  return { http, github, signal, onProgress: () => {}, onWarning: () => {} };
}

function repositoryAt(host: string): OciRepository {
  return new OciRepository({ registry: host, repository: REPOSITORY }, openTools(host), 'delete');
}

async function clean(host: string, options: Partial<CleanOptions> = {}) {
  const repository = repositoryAt(host);
  const remove = removeByRegistry(repository);
  return await cleanRepository(repository, {
    histories: [],
    keepCommits: 1,
    keepSince: LATER,
    remove,
    ...options,
  });
}

/** Publishes as a workflow for a commit does, with bundles; the tag of the inputs key comes on top. */
async function publish(
  host: string,
  pair: string,
  platforms: readonly GuestPlatform[],
  commit: string,
  ...versions: string[]
) {
  const run = { repository: 'owner/repo', ref: 'refs/heads/main', event: 'push', runId: '1', runAttempt: 1 };
  const sidecars = await Promise.all(
    platforms.map(async (platform) => {
      const { path, record } = await sampleSidecar(platform, pair.repeat(32));
      const bundle = Buffer.from(JSON.stringify({ commit, platform }));
      return { path, record: { ...record, source: { ...run, commit: commit.repeat(40) } }, bundle };
    }),
  );
  return await publishToRegistry(
    {
      name: { registry: host, repository: REPOSITORY },
      sidecars,
      tags: [sha(commit), ...versions],
    },
    openTools(host),
  );
}

async function tagsOf(host: string): Promise<string[]> {
  return [...(await repositoryAt(host).listTags()).tags].sort();
}

async function put(host: string, tag: string, manifest: unknown): Promise<void> {
  const { status } = await fetch(`http://${host}/v2/${REPOSITORY}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': (manifest as { mediaType: string }).mediaType },
    body: JSON.stringify(manifest),
  });
  expect(status).toBe(201);
}

function sha(digit: string): string {
  return `sha-${digit.repeat(40)}`;
}

/** With those of the platform. */
function tagsFor(tag: string, ...architectures: string[]): string[] {
  return [tag, ...architectures.map((architecture) => `${tag}-linux-${architecture}`)];
}

function keyTag(pair: string): string {
  return `k-${pair.repeat(16)}`;
}

const REGISTRIES: ReadonlyArray<[string, boolean, () => Promise<LoopbackServer>]> = [
  ['without the referrers API', LACKS_REGISTRY, startDockerRegistry],
  ['with the referrers API', LACKS_REFERRERS_REGISTRY, startReferrersRegistry],
];

for (const [kind, isMissing, start] of REGISTRIES) {
  test.skipIf(isMissing)(
    `in a registry ${kind} only what nothing kept leads to is removed, with its bundles`,
    async () => {
      const { host } = await start();
      const both = ['linux/amd64', 'linux/arm64'] as const;
      const old = await publish(host, 'aa', both, '1');
      const kept = await publish(host, 'bb', both, '2');
      const version = await publish(host, 'cc', ['linux/amd64'], '3', 'v1');

      const plan = await clean(host, { histories: [['2'.repeat(40)]], remove: undefined });
      const before = await tagsOf(host);
      const { removed, keptTags } = await clean(host, { histories: [['2'.repeat(40)]] });
      expect(removed).toEqual(plan.removed);
      const indexes = old.indexes.values();
      expect(new Set(removed.map(({ digest }) => digest))).toEqual(
        new Set([
          ...indexes,
          ...old.sidecars.flatMap(({ digest, bundleDigest }) => [digest, bundleDigest]),
          // The fallback tags.
          ...removed.filter(({ tags }) => tags[0]?.startsWith('sha256-')).map(({ digest }) => digest),
        ]),
      );
      const referrers = [...kept.sidecars, ...version.sidecars].map(({ digest }) => digest.replace(':', '-'));
      const left = await tagsOf(host);
      expect(left).toEqual([...keptTags].sort());
      expect(left).toEqual(
        [
          ...tagsFor(keyTag('bb'), 'amd64', 'arm64'),
          ...tagsFor(sha('2'), 'amd64', 'arm64'),
          ...tagsFor(keyTag('cc'), 'amd64'),
          // It leads to what v1 leads to.
          ...tagsFor(sha('3'), 'amd64'),
          ...tagsFor('v1', 'amd64'),
          ...before.filter((tag) => referrers.includes(tag)),
        ].sort(),
      );
      const repository = repositoryAt(host);
      for (const { digest, bundleDigest } of [...kept.sidecars, ...version.sidecars]) {
        expect((await repository.listReferrers(digest)).map((each) => each.digest)).toEqual([bundleDigest]);
        await repository.getManifest(String(bundleDigest));
      }
      for (const { digest, bundleDigest } of old.sidecars) {
        expect(await repository.findDigest(digest)).toBeUndefined();
        expect(await repository.findDigest(String(bundleDigest))).toBeUndefined();
      }
      expect((await clean(host, { histories: [['2'.repeat(40)]] })).removed).toEqual([]);
    },
  );
}

const registryTest = test.skipIf(LACKS_REGISTRY);

registryTest('nothing is removed unless it is asked for', async () => {
  const { host, requests } = await startDockerRegistry();
  await publish(host, 'aa', ['linux/amd64'], '1');
  const before = await tagsOf(host);
  const { removed } = await clean(host, { remove: undefined });
  expect(removed.flatMap(({ tags }) => tags).sort()).toEqual(before);
  expect(await tagsOf(host)).toEqual(before);
  expect(requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
});

registryTest('what is young is kept', async () => {
  const { host } = await startDockerRegistry();
  await publish(host, 'aa', ['linux/amd64'], '1');
  expect((await clean(host, { keepSince: EARLIER })).removed).toEqual([]);
  expect((await clean(host)).removed.length).toBeGreaterThan(0);
  expect(await tagsOf(host)).toEqual([]);
});

registryTest('the tag of a key is kept for each commit that is, though it has moved on', async () => {
  const { host } = await startDockerRegistry();
  const first = await publish(host, 'aa', ['linux/amd64'], '1');
  const second = await publish(host, 'aa', ['linux/amd64'], '2');
  expect(first.sidecars[0]?.digest).not.toBe(second.sidecars[0]?.digest);
  await clean(host, { histories: [['1'.repeat(40)]] });
  expect(await tagsOf(host)).toEqual(expect.arrayContaining([...tagsFor(keyTag('aa'), 'amd64'), sha('1')]));
});

registryTest('what the newest published commit before the kept ones has brought is kept', async () => {
  const { host } = await startDockerRegistry();
  await publish(host, 'aa', ['linux/arm64'], '1');
  await publish(host, 'bb', ['linux/amd64', 'linux/arm64'], '2');
  await publish(host, 'cc', ['linux/amd64'], '3');
  // Two commits that changed nothing that goes into the image, and so were not published.
  const history = ['5', '4', '3', '2', '1'].map((digit) => digit.repeat(40));
  await clean(host, { histories: [history], keepCommits: 2 });
  const left = (await tagsOf(host)).filter((tag) => !tag.startsWith('sha256-'));
  expect(left).toEqual(
    [
      ...tagsFor(keyTag('cc'), 'amd64'),
      ...tagsFor(sha('3'), 'amd64'),
      // The newest of the other platform.
      ...tagsFor(keyTag('bb'), 'amd64', 'arm64'),
      ...tagsFor(sha('2'), 'amd64', 'arm64'),
    ].sort(),
  );
});

registryTest('what each branch needs, and what is pinned, is kept', async () => {
  const { host } = await startDockerRegistry();
  const published = [];
  for (const commit of ['1', '2', '3', '4']) {
    published.push(...(await publish(host, commit === '4' ? 'bb' : 'aa', ['linux/amd64'], commit)).sidecars);
  }
  const [pinned, unused, newest, other] = published.map(({ digest }) => digest as Digest);
  const histories = [['3', '2', '1'].map((digit) => digit.repeat(40)), ['4'.repeat(40)]];
  await clean(host, { histories, keepDigests: pinned === undefined ? [] : [pinned] });
  const repository = repositoryAt(host);
  const isThere = async (digest = '') => (await repository.findDigest(digest)) !== undefined;
  expect(await Promise.all([pinned, unused, newest, other].map(isThere))).toEqual([true, false, true, true]);
  expect(await repository.listReferrers(pinned as Digest)).toHaveLength(1);
});

registryTest('what others have put there is kept, and so is what it leads to', async () => {
  const { host } = await startDockerRegistry();
  const { sidecars } = await publish(host, 'aa', ['linux/amd64'], '1');
  const digest = sidecars[0]?.digest ?? '';
  const { sizeBytes } = await repositoryAt(host).getManifest(digest);
  const entry = { mediaType: IMAGE_TYPE, digest, size: sizeBytes };
  await put(host, 'theirs', { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [entry] });
  await publish(host, 'bb', ['linux/amd64'], '2');
  await clean(host);
  const left = await tagsOf(host);
  expect(left).toEqual(
    [
      'theirs',
      ...tagsFor(keyTag('aa'), 'amd64'),
      ...tagsFor(sha('1'), 'amd64'),
      digest.replace(':', '-'),
    ].sort(),
  );
});

registryTest('what is attached to something without a tag is kept as long as that is there', async () => {
  const { host } = await startDockerRegistry();
  await publish(host, 'aa', ['linux/amd64'], '1');
  const hidden = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [], annotations: { by: 'digest' } };
  await put(host, 'temporary', hidden);
  const repository = repositoryAt(host);
  const { digest } = await repository.getManifest('temporary');
  const attached = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] };
  const name = digest.replace(':', '-');
  await put(host, `${name}.sig`, attached);
  // Moves the only tag away from it.
  await put(host, 'temporary', { ...attached, annotations: { by: 'tag' } });
  await clean(host);
  expect(await tagsOf(host)).toEqual([`${name}.sig`, 'temporary']);
  const planned = await clean(host, { untagged: [{ digest, changedAt: EARLIER }], remove: undefined });
  expect(planned).toMatchObject({
    removed: [{ tags: [`${name}.sig`] }, { digest }],
    keptTags: ['temporary'],
  });
  await repository.deleteManifest(digest, []);
  await clean(host);
  expect(await tagsOf(host)).toEqual(['temporary']);
});

registryTest('a registry that does not let anybody remove says so', async () => {
  const { host } = await startDockerRegistry({
    fault: ({ method }) => (method === 'DELETE' ? 405 : undefined),
  });
  await publish(host, 'aa', ['linux/amd64'], '1');
  expect(await failureOf(clean(host))).toMatchObject({
    code: 'registry-failed',
    message: expect.stringMatching(/smolmachine lets nobody remove anything: .* answered 405/),
    hint: expect.stringContaining('storage.delete.enabled'),
  });
});

registryTest('on GitHub the versions of the package are removed, by their digests', async () => {
  const { host } = await startDockerRegistry();
  await publish(host, 'aa', ['linux/amd64'], '1');
  const { removed } = await clean(host, { remove: undefined });
  // What a re-run has replaced has no tag any more.
  const replaced = { old: `sha256:${'0'.repeat(64)}`, young: `sha256:${'1'.repeat(64)}` };
  // With a tag that the registry lists and cannot show.
  const tagged = `sha256:${'2'.repeat(64)}`;
  const digests = [...removed.map(({ digest }) => digest), replaced.old, replaced.young, tagged];
  const versions = digests.map((name, id) => ({
    id,
    name,
    created_at: '2026-11-23T00:00:00Z',
    updated_at: name === replaced.young ? '2026-12-25T00:00:00Z' : '2026-11-23T00:00:00Z',
    metadata: { container: { tags: name === tagged ? ['theirs'] : [] } },
  }));
  for (const [type, kind] of [
    ['Organization', 'orgs'],
    ['User', 'users'],
  ]) {
    // A double of GitHub's packages API, with a page of other versions before ours.
    const api = await startServer((request, response) => {
      const page = new URL(request.url ?? '', 'http://api').searchParams.get('page');
      const others = Array.from({ length: 100 }, (_, id) => ({
        id: 1000 + id,
        name: `sha256:other-${id}`,
        created_at: '2026-11-23T00:00:00Z',
        updated_at: '2026-11-23T00:00:00Z',
        metadata: { container: { tags: [] } },
      }));
      response.writeHead(request.method === 'DELETE' ? 204 : 200, { 'content-type': 'application/json' });
      response.end(
        request.method === 'DELETE'
          ? ''
          : JSON.stringify(request.url === '/users/owner' ? { type } : page === '1' ? others : versions),
      );
    });
    const listed = await readPackageVersions(REPOSITORY, openTools(api.host));
    const all = await clean(host, listed);
    expect(all.removed).toEqual([...removed, { digest: replaced.old, tags: [] }]);
    const deleted = api.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path);
    expect(deleted).toEqual(
      all.removed.map((_, id) => `/${kind}/owner/packages/container/repo%2Fsmolmachine/versions/${id}`),
    );
  }
  const empty = await startServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(request.url === '/users/owner' ? '{"type":"User"}' : '[]');
  });
  const { remove } = await readPackageVersions(REPOSITORY, openTools(empty.host));
  expect(await failureOf(clean(host, { remove }))).toMatchObject({
    code: 'not-found',
    message: expect.stringContaining(`has no version ${removed[0]?.digest}`),
  });
});
