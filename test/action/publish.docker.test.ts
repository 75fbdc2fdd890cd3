import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Release } from '../doubles/github/repository.ts';
import type { StepResult } from '../doubles/runner/runner.ts';
import { basicOf, LACKS_REGISTRY, PUBLISHER } from '../helpers/docker-registry.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { run } from '../helpers/small-image.ts';
import {
  COMMIT,
  hasBuildKit,
  PACKAGE,
  type PublishBed,
  REPOSITORY,
  startPublishBed,
  TAG,
  withBuildKit,
} from './publish-bed.ts';

const ONLY_RESULTS = [expect.stringMatching(/^temp claude-bottle-pack-/)];

function assetNames(release: Release | undefined): string[] {
  return (release?.assets ?? []).map(({ name }) => name.replace(/[0-9a-f]{16}/, 'KEY')).sort();
}

/** What was changed in public, in order: "POST api.github.com releases". */
function changes({ requests }: PublishBed): string[] {
  return requests.filter((request) => /^(POST|PUT|PATCH|DELETE) /.test(request) && !/\/token/.test(request));
}

/** Without the requests that only try what is allowed, before the build. No tag leads to what they leave. */
function lastingChanges(bed: PublishBed): string[] {
  const passing = /generate-notes|^(POST|PUT) .*\/blobs\/uploads|^PUT .*\/manifests\/sha256:|^DELETE /;
  return changes(bed).filter((request) => !passing.test(request));
}

function messages({ annotations }: StepResult, level: string): string {
  return annotations
    .filter((annotation) => annotation.level === level)
    .map(({ title, message }) => `${title}: ${message}`)
    .join('\n');
}

describe.skipIf(LACKS_REGISTRY)('a job that publishes', () => {
  test('brings its sidecar to both places, signed, where developers get it; once published it stays', async () => {
    const bed = await startPublishBed();
    const job = await bed.job();
    const { outcome, outputs, summary, log, annotations } = await job.publish();
    expect(outcome, log).toBe('success');
    expect(annotations.filter(({ title }) => title !== 'KVM not checked')).toEqual([]);
    const name = 'smolmachine-linux-amd64-KEY.smolmachine';
    const files = [name, `${name}.json`, `${name}.frames`, `${name}.sigstore.json`];
    const [release, ...others] = bed.repository.releases;
    expect(others).toEqual([]);
    expect(release?.draft).toBe(false);
    expect(assetNames(release)).toEqual(['SHA256SUMS-linux-amd64', ...files.toSorted()]);
    expect(job.results.artifacts().map(({ name }) => name.replace(/[0-9a-f]{16}/, 'KEY'))).toEqual(files);
    expect(JSON.parse(await fs.readFile(outputs['bundle-path'] ?? '', 'utf8'))).toHaveProperty(
      'dsseEnvelope',
    );
    expect(outputs['release-url']).toContain(TAG);
    for (const text of [
      outputs['oci-digest'],
      `<code>${REPOSITORY}</code> pack.yml`,
      '\nnpx claude-bottle-pack fetch\n',
    ]) {
      expect(summary).toContain(text);
    }
    expect(await job.left()).toEqual(ONLY_RESULTS);

    for (const [from, address] of [
      [`oci:${PACKAGE}`, `oci:${PACKAGE}@${outputs['oci-digest']}`],
      [`release:${TAG}`, `release:${TAG}`],
    ] as const) {
      const { exitCode, stdout, stderr } = await bed.fetch(job, '--from', from);
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        address,
        sha256: outputs['sidecar-sha256'],
        provenance: { repository: `https://github.com/${REPOSITORY}`, commit: COMMIT },
      });
    }

    // It is packed again, and is another file: a release that is out is not changed.
    const before = assetDigests(release);
    const again = await (await bed.job()).publish({ env: { GITHUB_RUN_ATTEMPT: '2' } });
    expect(again.outputs['error-code']).toBe('upload-failed');
    expect(messages(again, 'error')).toMatch(/published release has other content.*\n?.*new tag/s);
    expect(assetDigests(bed.repository.releases[0])).toEqual(before);
    expect(again.outputs['oci-digest']).toMatch(/^sha256:/);
    expect(again.outputs['release-url']).toBe('');
    expect(again.summary).toContain(again.outputs['oci-digest'] ?? 'no digest');
  });

  test.skipIf(!hasBuildKit)(
    'for one platform beside a job for the other makes one release and one index with them',
    async () => {
      const bed = await startPublishBed();
      bed.repository.hasImmutableReleases = true;
      const jobs = await Promise.all(
        ['linux/amd64', 'linux/arm64'].map(async (platforms) => ({
          platforms,
          job: await bed.job({ dockerfile: 'FROM scratch\nCOPY bin /bin\n' }),
        })),
      );
      const results = await Promise.all(
        jobs.map(async ({ job, platforms }) =>
          job.publish({
            inputs: { platforms, 'release-platforms': 'linux/amd64, linux/arm64' },
            env: await withBuildKit(job),
          }),
        ),
      );
      for (const { outcome, log } of results) {
        expect(outcome, log).toBe('success');
      }
      const [release, ...others] = bed.repository.releases;
      expect(others).toEqual([]);
      expect(release).toMatchObject({ draft: false, immutable: true });
      expect(assetNames(release)).toHaveLength(10);
      for (const [index, { job, platforms }] of jobs.entries()) {
        for (const from of [`oci:${PACKAGE}:${TAG}`, `release:${TAG}`]) {
          const { exitCode, stdout, stderr } = await bed.fetch(job, '--from', from, '--platform', platforms);
          expect(exitCode, stderr).toBe(0);
          expect(JSON.parse(stdout).sha256).toBe(results[index]?.outputs['sidecar-sha256']);
        }
      }
    },
  );

  test.each([
    ['SIGINT', { sigintMs: 7_500, sigtermMs: 2_500 }],
    ['SIGKILL', { sigintMs: 0, sigtermMs: 0 }],
  ])(
    'and gets %s between two files leaves a draft, which the next attempt completes',
    async (signal, cancelTimings) => {
      const bed = await startPublishBed();
      const job = await bed.job();
      let onUpload = () => {};
      const cancelWhen = new Promise<void>((resolve) => {
        onUpload = resolve;
      });
      bed.github.fault = ({ server, url }) => {
        if (server === 'uploads' && url.endsWith('.smolmachine.json')) {
          onUpload();
          return { status: 503 };
        }
        return undefined;
      };
      const killed = await job.publish({ cancelWhen, cancelTimings });
      expect(killed.main.killedBy).toBe(signal);
      expect(killed.post?.exitCode).toBe(0);
      if (signal === 'SIGINT') {
        // What is done by then is told.
        expect(killed.outputs).toMatchObject({
          'error-code': 'cancelled',
          'oci-digest': expect.stringMatching(/^sha256:/),
          'release-url': '',
        });
      }
      expect(await job.left()).toEqual(ONLY_RESULTS);
      expect(bed.repository.releases).toMatchObject([{ draft: true }]);
      expect(assetNames(bed.repository.releases[0])).toHaveLength(3);

      bed.github.fault = undefined;
      const again = await (await bed.job()).publish({ env: { GITHUB_RUN_ATTEMPT: '2' } });
      expect(again.outcome, again.log).toBe('success');
      expect(bed.repository.releases).toMatchObject([{ draft: false }]);
      const { exitCode, stdout, stderr } = await bed.fetch(job, '--from', `release:${TAG}`);
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(stdout).sha256).toBe(again.outputs['sidecar-sha256']);
    },
  );

  test('to a registry of its own uses the login there, and says that it is private', async () => {
    const bed = await startPublishBed({ isPublic: false });
    const job = await bed.job();
    const { host, tokens } = bed.registry;
    const config = join(job.dir, 'home/.docker/config.json');
    await fs.mkdir(dirname(config), { recursive: true });
    const auth = basicOf(PUBLISHER).replace('Basic ', '');
    await fs.writeFile(config, JSON.stringify({ auths: { [host]: { auth } } }));
    const result = await job.publish({
      inputs: { publish: 'oci', 'oci-ref': `${host}/team/agent`, attest: 'off' },
    });
    expect(result.outcome, result.log).toBe('success');
    expect(result.outputs['bundle-path']).toBe('');
    expect(result.summary).toContain(`npx claude-bottle-pack fetch --from oci:${host}/team/agent`);
    expect(messages(result, 'warning')).toContain(`${host}/team/agent is published and private`);
    const told = new Set(tokens?.requests.map(({ authorization }) => authorization));
    expect(told).toEqual(new Set([undefined, basicOf(PUBLISHER)]));
    expect(changes(bed)).toEqual([]);
  });

  test('of a public repository signs in the public log, also on a schedule, whose event says nothing', async () => {
    const bed = await startPublishBed();
    const job = await bed.job();
    const result = await job.publish({
      ref: 'refs/heads/main',
      event: { name: 'schedule', payload: { schedule: '0 3 * * 1' } },
      inputs: { publish: 'oci', upload: 'false' },
    });
    expect(result.outcome, result.log).toBe('success');
    expect(bed.sigstore.requests).toContain('rekor.sigstore.dev /api/v1/log/entries');
  });

  test('publishes nothing that came from the runner cache, not even with cache: true', async () => {
    const bed = await startPublishBed();
    const unsigned = { permissions: { idToken: 'none' } } as const;
    const first = await bed.job(unsigned);
    const main = { ref: 'refs/heads/main', inputs: { publish: '' } };
    expect((await first.publish(main)).outcome).toBe('success');
    const job = await bed.job({ results: first.results });
    const result = await job.publish({ inputs: { publish: 'oci', cache: 'true', upload: 'false' } });
    // Saving looks up whether the key is taken; an entry itself is asked for with GET.
    const downloads = first.results.requests.filter(
      ({ service, method }) => service === 'blob' && method === 'GET',
    );
    expect(result.outputs, result.log).toMatchObject({ 'cache-hit': 'false', 'cache-match': 'none' });
    expect(result.outputs['bundle-path']).toMatch(/\.sigstore\.json$/);
    expect(result.outputs['oci-digest']).toMatch(/^sha256:/);
    expect(downloads).toEqual([]);
  });
});

describe.skipIf(LACKS_REGISTRY)('before anything is built', () => {
  test.each([
    ['contents: write', { contents: 'read' }, {}, 'authentication'],
    ['packages: write', { packages: 'read' }, {}, 'authentication'],
    ['id-token: write', { idToken: 'none' }, { attest: 'required' }, 'authentication'],
    ['github-token', {}, { 'github-token': '' }, 'authentication'],
    [`no tag v2`, {}, { 'release-tag': 'v2' }, 'not-found'],
    ['on commit', {}, { 'release-tag': 'v1' }, 'not-trusted'],
  ] as const)('%s is missed', async (text, permissions, inputs, code) => {
    const bed = await startPublishBed();
    bed.repository.moveTag('v1', 'f'.repeat(40));
    const job = await bed.job({ permissions });
    const docker = await fakeDocker(job.dir, 'never', 'true');
    const result = await job.publish({ inputs, env: docker.env, noPost: true });
    expect(result.outputs).toEqual({ 'error-code': code });
    expect(messages(result, 'error')).toContain(text);
    expect(await docker.calls()).toEqual([]);
    expect(lastingChanges(bed)).toEqual([]);
    expect(await job.left()).toEqual([]);
  });

  test('a registry that takes images only is found out', async () => {
    const bed = await startPublishBed({
      fault: ({ method, url = '' }) => (method === 'PUT' && url.includes('/manifests/') ? 400 : undefined),
    });
    const job = await bed.job();
    const docker = await fakeDocker(job.dir, 'never', 'true');
    const result = await job.publish({ inputs: { publish: 'oci' }, env: docker.env, noPost: true });
    expect(result.outputs).toEqual({ 'error-code': 'upload-failed' });
    expect(messages(result, 'error')).toMatch(/does not take sidecars: .* answered 400.*oci-ref/s);
    expect(await docker.calls()).toEqual([]);
  });

  test('a repository whose name no registry takes is told to name another place', async () => {
    const bed = await startPublishBed();
    bed.github.addRepository('acme/.github').moveTag(TAG, COMMIT);
    const job = await bed.job();
    const docker = await fakeDocker(job.dir, 'never', 'true');
    const inputs = { publish: 'oci' };
    const result = await job.publish({ repository: 'acme/.github', inputs, env: docker.env, noPost: true });
    expect(result.outputs).toEqual({ 'error-code': 'usage' });
    expect(messages(result, 'error')).toMatch(
      /no registry takes the name ghcr\.io\/acme\/\.github\/smolmachine.*oci-ref/s,
    );
    expect(await docker.calls()).toEqual([]);
  });

  test('a release without a tag is refused', async () => {
    const bed = await startPublishBed();
    const job = await bed.job();
    const result = await job.publish({ ref: 'refs/heads/main' });
    expect(result.outputs).toEqual({ 'error-code': 'usage' });
    expect(messages(result, 'error')).toContain('refs/heads/main');
    expect(bed.requests).toEqual([]);
  });
});

describe.skipIf(LACKS_REGISTRY)('nothing is published', () => {
  test('by a pull request from a fork, which packs and succeeds', async () => {
    const bed = await startPublishBed();
    const job = await bed.job({ permissions: { contents: 'read', packages: 'read', idToken: 'none' } });
    const result = await job.publish({
      ref: 'refs/pull/7/merge',
      event: {
        name: 'pull_request',
        payload: { pull_request: { head: { repo: { id: 2 } }, base: { repo: { id: 1 } } } },
      },
      inputs: { attest: 'required' },
    });
    expect(result.outcome, result.log).toBe('success');
    expect(messages(result, 'notice')).toContain('Not published: this pull request comes from a fork');
    expect(bed.requests).toEqual([]);
    expect(result.outputs['sidecar-sha256']).toMatch(/^[0-9a-f]{64}$/);
    expect(result.outputs['oci-digest']).toBe('');
    expect(result.summary).not.toContain('Published');
  });

  test('of an image that tells a secret, and the secret is not told again', async () => {
    const bed = await startPublishBed();
    // By an argument: the build itself would print what stands in the Dockerfile.
    const job = await bed.job({
      dockerfile: 'FROM scratch\nCOPY bin /bin\nARG VALUE\nENV GH_TOKEN=$VALUE\n',
    });
    const secret = `ghp_${'aB3dE5gH7j'.repeat(4)}`;
    const inputs = { 'build-args': `VALUE=${secret}`, publish: 'oci' };
    const result = await job.publish({ inputs });
    expect(result.outcome).toBe('failure');
    expect(result.main.exitCode).toBe(1);
    expect(result.outputs).toEqual({ 'error-code': 'secret-found' });
    expect(messages(result, 'error')).toContain('ENV GH_TOKEN');
    expect(`${result.rawLog}${result.summary}`).not.toContain(secret);
    expect(lastingChanges(bed)).toEqual([]);
    expect(await job.left()).toEqual([]);

    const warned = await job.publish({ inputs: { ...inputs, 'secret-scan': 'warn' } });
    expect(warned.outcome, warned.log).toBe('success');
    expect(messages(warned, 'warning')).toContain('ENV GH_TOKEN');
    expect(`${warned.rawLog}${warned.summary}`).not.toContain(secret);
    await run('docker', ['image', 'rm', '--force', 'claude-bottle:linux-amd64']);
  });
});

function assetDigests(release: Release | undefined): Record<string, string | null> {
  return Object.fromEntries((release?.assets ?? []).map(({ name, digest }) => [name, digest]));
}
