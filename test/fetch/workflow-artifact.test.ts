import { beforeEach, describe, expect, it } from 'vitest';
import type { Offer, RemoteFile, Skipped } from '../../src/fetch/source.ts';
import { artifactSource } from '../../src/fetch/workflow-artifact.ts';
import type { Repository, Run } from '../doubles/github/repository.ts';
import { failureOf } from '../helpers/failure.ts';
import {
  type Bed,
  bytesOf,
  KEY,
  NAME,
  REPOSITORY,
  recordOf,
  recordText,
  SIDECAR,
  sha256,
  startBed,
  WANTED,
} from './published.ts';

let bed: Bed;
let repository: Repository;
let token: string;

beforeEach(async () => {
  bed = await startBed();
  repository = bed.github.addRepository(REPOSITORY);
  token = bed.github.addToken({ reads: [repository] });
});

/** A run with the artifacts that the action uploads. */
function publish(properties: Partial<Omit<Run, 'id'>> = {}, { name = NAME, sidecar = SIDECAR } = {}) {
  const run = repository.addRun(properties);
  return {
    run,
    sidecar: repository.addArtifact(run, name, sidecar),
    record: repository.addArtifact(
      run,
      `${name}.json`,
      recordText(sidecar, { runId: run.id, repositoryId: repository.id }),
    ),
  };
}

async function find(run?: Run, given: string | undefined = token) {
  return await artifactSource(run && String(run.id), await bed.tools(given)).find(WANTED);
}

async function offer(...of: Parameters<typeof find>): Promise<Offer & { content: RemoteFile }> {
  const found = await find(...of);
  expect(found).toHaveProperty('content.kind', 'remote');
  return found as Offer & { content: RemoteFile };
}

async function skipped(...of: Parameters<typeof find>): Promise<string> {
  const found = await find(...of);
  expect(found).toHaveProperty('skipped');
  return (found as Skipped).skipped;
}

function downloads(): string[] {
  return bed.github.requests
    .filter(({ server, url }) => server === 'storage' || url.endsWith('/zip'))
    .map(({ url }) => url);
}

describe('an artifact by its name', () => {
  it('is the newest of the trusted runs, and is downloaded raw', async () => {
    publish();
    const { run } = publish();
    const { record, content, address } = await offer();
    expect(record).toEqual(recordOf(SIDECAR, { runId: run.id, repositoryId: repository.id }));
    expect(content).toMatchObject({ sizeBytes: SIDECAR.length, sha256: sha256(SIDECAR) });
    expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
    expect(address).toBe(`run:${run.id}`);
  });

  it('has its frame index beside it', async () => {
    const { run } = publish();
    const { frameIndex } = await offer();
    expect(await failureOf(frameIndex(5))).toMatchObject({ code: 'not-found' });
    repository.addArtifact(run, `${NAME}.frames`, 'index');
    expect(String(await frameIndex(5))).toBe('index');
  });

  it('of old needs no digest: its record tells what has to arrive', async () => {
    publish().sidecar.digest = null;
    expect((await offer()).content).toMatchObject({ sha256: sha256(SIDECAR) });
  });

  it('is skipped without a token, and nothing is asked', async () => {
    publish();
    const found = await artifactSource(undefined, await bed.tools()).find(WANTED);
    expect(found).toEqual({
      skipped: expect.stringMatching(/needs a GitHub token/),
      hint: expect.stringContaining('gh auth login'),
    });
    expect(bed.github.requests).toEqual([]);
  });

  it('is skipped when there is none', async () => {
    publish({}, { name: NAME.replace('amd64', 'arm64') });
    expect(await skipped()).toBe(`there is no artifact ${NAME}`);
  });

  it('is not one that has expired, and the day is told', async () => {
    const { sidecar, run } = publish();
    sidecar.expired = true;
    expect(await skipped()).toContain(`the one of run ${run.id} expired on 2027-02-01`);
    expect(downloads()).toEqual([]);
  });

  it('is an older one when the newest has expired', async () => {
    const { run } = publish();
    publish().sidecar.expired = true;
    expect((await offer()).address).toBe(`run:${run.id}`);
  });

  it('is not one without its record', async () => {
    const { run } = publish();
    publish().record.expired = true;
    expect((await offer()).address).toBe(`run:${run.id}`);
  });

  it('never comes from a fork, however new its run is', async () => {
    const fork = bed.github.addRepository('mallory/tools');
    const { run } = publish();
    const { run: forked } = publish({ event: 'pull_request', headRepository: fork });
    expect((await offer()).address).toBe(`run:${run.id}`);
    expect(bed.github.requests.map(({ url }) => url).join()).not.toContain(`runs/${forked.id}`);
  });

  it('never comes from a fork that the listing hides', async () => {
    const fork = bed.github.addRepository('mallory/tools');
    const { run } = publish({ headRepository: fork });
    bed.github.fault = ({ url }) => {
      bed.github.fault = url.includes('actions/artifacts?') ? undefined : bed.github.fault;
      return url.includes('actions/artifacts?')
        ? { status: 200, body: JSON.stringify({ artifacts: [listing(run)] }) }
        : undefined;
    };
    expect(await skipped()).toContain(`run ${run.id} is of a fork (mallory/tools)`);
    expect(downloads()).toEqual([]);
  });

  describe('that is a pack record alone', () => {
    const OTHER_NAME = NAME.replace(/[0-9a-f]{16}/, 'f'.repeat(16));

    /** As of a run that has built an image which an earlier run had packed from other inputs. */
    function refer(packer: Run, overrides: object = {}) {
      const run = repository.addRun();
      const text = recordText(SIDECAR, { runId: packer.id, repositoryId: repository.id });
      repository.addArtifact(
        run,
        `${NAME}.json`,
        JSON.stringify({ ...JSON.parse(String(text)), ...overrides }),
      );
      return run;
    }

    it('leads to the sidecar of the run that packed it', async () => {
      const { run } = publish({}, { name: OTHER_NAME });
      refer(run);
      const { content, address, record } = await offer();
      expect((await bytesOf(content)).bytes).toEqual(SIDECAR);
      expect(address).toBe(`run:${run.id}`);
      expect(record.inputs?.key).toBe(KEY);
    });

    it('leads nowhere when that run is not trusted', async () => {
      const { run } = publish({ event: 'pull_request' }, { name: OTHER_NAME });
      refer(run);
      expect(await skipped()).toContain(`run ${run.id} was started by pull_request`);
      expect(downloads().filter((url) => !/json/.test(url)).length).toBeLessThan(2);
    });

    it('leads nowhere when that run no longer offers the sidecar', async () => {
      const { run, sidecar } = publish({}, { name: OTHER_NAME });
      sidecar.expired = true;
      refer(run);
      expect(await skipped()).toContain(`run ${run.id}, which packed it, no longer offers it`);
    });

    it('is refused when it says something else of the sidecar than that run', async () => {
      const { run } = publish({}, { name: OTHER_NAME });
      const forged = refer(run, { packedAt: '2031-01-01T00:00:00Z' });
      expect(await failureOf(find())).toMatchObject({
        code: 'not-trusted',
        message: expect.stringContaining(`workflow run ${forged.id} differs from that of run ${run.id}`),
      });
    });
  });

  it('is not looked for in more runs than a few', async () => {
    for (let index = 0; index < 12; index += 1) {
      publish({ conclusion: 'failure' });
    }
    expect(await skipped()).toMatch(/ended with failure; .*; and 8 more$/);
    const runs = bed.github.requests.filter(({ url }) => /runs\/\d+$/.test(url));
    expect(runs).toHaveLength(10);
  });
});

function listing(run: Run) {
  return {
    id: 1,
    name: NAME,
    size_in_bytes: SIDECAR.length,
    expired: false,
    digest: `sha256:${sha256(SIDECAR)}`,
    workflow_run: { id: run.id, repository_id: repository.id, head_repository_id: repository.id },
  };
}

describe('the run of an artifact', () => {
  it.each<[string, Partial<Run>, RegExp]>([
    [
      'was started by a pull request',
      { event: 'pull_request', headBranch: 'topic' },
      /started by pull_request/,
    ],
    ['was started by another workflow', { event: 'workflow_run' }, /started by workflow_run/],
    ['was started by pull_request_target', { event: 'pull_request_target' }, /by pull_request_target/],
    ['is of another branch', { headBranch: 'topic' }, /of topic, neither main nor a tag/],
    ['is of no branch', { headBranch: null }, /of null, neither main nor a tag/],
    ['was started by hand on a tag', { event: 'workflow_dispatch', headBranch: 'v1' }, /of v1, neither main/],
    ['failed', { conclusion: 'failure' }, /ended with failure/],
    ['has not ended', { status: 'in_progress', conclusion: null }, /has not ended \(in_progress\)/],
  ])('is refused when it %s, with no download', async (_, properties, reason) => {
    repository.tags.add('v1');
    const { run } = publish(properties);
    expect(await skipped()).toMatch(reason);
    const error = await failureOf(find(run));
    expect(error).toMatchObject({ code: 'not-trusted', message: expect.stringMatching(reason) });
    expect(downloads()).toEqual([]);
  });

  it.each([false, true])(
    'is refused when it is of a branch that has the name of a tag, with no download (annotated: %s)',
    async (annotated) => {
      repository.moveTag('v1', 'd'.repeat(40), { annotated });
      const { run } = publish({ headBranch: 'v1' });
      expect(await skipped()).toMatch(/of v1, neither main nor a tag/);
      expect(await failureOf(find(run))).toMatchObject({ code: 'not-trusted' });
      expect(downloads()).toEqual([]);
      repository.moveTag('v1', run.headSha, { annotated });
      expect((await offer(run)).address).toBe(`run:${run.id}`);
    },
  );

  it.each([
    ['a fork', () => bed.github.addRepository('mallory/tools'), 'mallory/tools'],
    ['a fork that is gone', () => undefined, 'deleted'],
  ])('is refused when it is of %s, with no download', async (_, fork, shown) => {
    const { run } = publish({ headRepository: fork() });
    const error = await failureOf(find(run));
    expect(error.code).toBe('not-trusted');
    expect(error.message).toContain(`is of a fork (${shown})`);
    expect(downloads()).toEqual([]);
  });

  it.each<[string, Partial<Run>]>([
    ['a pushed tag', { headBranch: 'release/v1' }],
    ['a release', { event: 'release', headBranch: 'v7' }],
    ['a schedule', { event: 'schedule' }],
    ['a start by hand on the default branch', { event: 'workflow_dispatch' }],
  ])('is trusted for %s', async (_, properties) => {
    repository.tags.add('release/v1');
    const { run } = publish(properties);
    expect((await offer(run)).address).toBe(`run:${run.id}`);
    expect((await offer()).address).toBe(`run:${run.id}`);
  });
});

describe('the artifacts of one run', () => {
  it('are found by platform and key, the one that was packed as usual first', async () => {
    const { run } = publish({}, { name: NAME.replace('smolmachine-', 'my-bottle-') });
    const name = NAME.replace('.smolmachine', '-smolvm-1.8.0.smolmachine');
    const other = Buffer.from('other');
    repository.addArtifact(run, name, other);
    repository.addArtifact(run, `${name}.json`, recordText(other, { runId: run.id }));
    for (let index = 0; index < 100; index += 1) {
      repository.addArtifact(run, `log-${index}`, 'x');
    }
    expect((await offer(run)).record.sidecar.sha256).toBe(sha256(SIDECAR));
  });

  it('are skipped when none is for these inputs, or when it has expired', async () => {
    const other = repository.addRun();
    expect(await skipped(other)).toContain(`no artifact *-linux-amd64-${KEY.slice(0, 16)}*.smolmachine`);
    const { run, sidecar } = publish();
    sidecar.expired = true;
    expect(await skipped(run)).toMatch(/expired on 2027-02-01/);
  });

  it('end with not-found when there is no such run', async () => {
    expect((await failureOf(find({ id: 1 } as Run))).code).toBe('not-found');
  });
});

describe('the record of an artifact', () => {
  it.each([
    ['another run', { runId: 1 }, /says it is of run 1$/],
    ['no run', undefined, /says it is of run none/],
  ])('is refused when it is of %s', async (_, source, message) => {
    const run = repository.addRun();
    repository.addArtifact(run, NAME, SIDECAR);
    repository.addArtifact(run, `${NAME}.json`, recordText(SIDECAR, source));
    expect(await failureOf(find())).toMatchObject({
      code: 'not-trusted',
      message: expect.stringMatching(message),
    });
  });

  it('is refused when it is of another repository', async () => {
    const run = repository.addRun();
    repository.addArtifact(run, NAME, SIDECAR);
    repository.addArtifact(run, `${NAME}.json`, recordText(SIDECAR, { runId: run.id, repositoryId: 7 }));
    expect((await failureOf(find())).message).toContain(`of repository 7, not ${repository.id}`);
  });

  it.each([
    ['not JSON', Buffer.from('<html>'), /not JSON/],
    ['a zip', Buffer.from('PK\x03\x04'), /not JSON/],
  ])('is refused when it is %s', async (_, content, message) => {
    const run = repository.addRun();
    repository.addArtifact(run, NAME, SIDECAR);
    repository.addArtifact(run, `${NAME}.json`, content);
    expect(await failureOf(find())).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringMatching(message),
    });
  });

  it('is refused when it is not what was uploaded', async () => {
    publish().record.digest = `sha256:${'0'.repeat(64)}`;
    expect((await failureOf(find())).message).toMatch(/arrived as sha256:[0-9a-f]{64}, expected sha256:0/);
  });

  it('is refused when the sidecar beside it is another', async () => {
    const { run, sidecar } = publish();
    repository.artifacts.splice(repository.artifacts.indexOf(sidecar), 1);
    repository.addArtifact(run, NAME, Buffer.alloc(SIDECAR.length));
    expect((await failureOf(find())).code).toBe('sidecar-damaged');
  });
});

describe('a download', () => {
  it('asks for a new link each time: one is good for a minute', async () => {
    publish();
    const { content } = await offer();
    const { etag } = await bytesOf(content);
    bed.github.expireLinks();
    expect((await bytesOf(content, { start: 10, end: 20, etag })).bytes).toEqual(SIDECAR.subarray(10, 20));
  });

  it('shows the token to the API alone', async () => {
    publish();
    await bytesOf((await offer()).content);
    const servers = bed.github.requests.map(
      ({ server, headers }) => `${server} ${headers.authorization ?? ''}`,
    );
    expect(new Set(servers)).toEqual(new Set([`api Bearer ${token}`, 'storage ']));
  });
});

describe('the API refuses', () => {
  it('a bad token', async () => {
    const error = await failureOf(find(undefined, 'ghp_wrong'));
    expect(error).toMatchObject({ code: 'authentication', hint: expect.stringContaining('GH_TOKEN') });
    expect(`${error.stack}`).not.toContain('ghp_wrong');
    expect(bed.github.requests).toHaveLength(1);
  });

  it('a token that may not read the repository', async () => {
    bed.github.addRepository('acme/secret', { isPrivate: true });
    const source = artifactSource(undefined, await bed.tools(token));
    const error = await failureOf(source.find({ ...WANTED, repository: 'acme/secret' }));
    expect(error).toMatchObject({ code: 'not-found', hint: expect.stringContaining('GH_TOKEN') });
  });

  it('a token that the organization wants authorized, and the page for it is told', async () => {
    const page = `${bed.github.env.GITHUB_SERVER_URL}/orgs/acme/sso?authorization_request=A1`;
    const error = await failureOf(find(undefined, bed.github.addToken({ ssoPage: page })));
    expect(error).toMatchObject({ code: 'authentication', hint: `authorize it at ${page}` });
  });

  it('the same with a page on another host, which is not told', async () => {
    const error = await failureOf(
      find(undefined, bed.github.addToken({ ssoPage: 'https://phish.example/orgs/acme/sso' })),
    );
    expect(error.hint).toBe(
      `authorize it at ${bed.github.env.GITHUB_SERVER_URL}/settings/tokens (Configure SSO)`,
    );
  });

  it('more questions than its rate limit allows: come back later, when that is long', async () => {
    const reset = Math.ceil(Date.now() / 1000) + 1800;
    bed.github.fault = () => ({
      status: 403,
      headers: {
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': reset,
        'content-type': 'application/json',
      },
      body: '{"message":"API rate limit exceeded"}',
    });
    const error = await failureOf(find());
    expect(error).toMatchObject({
      code: 'try-later',
      message: expect.stringMatching(/come back in 3\d minutes/),
    });
    expect(bed.github.requests).toHaveLength(1);
  });

  it('a question for a moment: it is asked again', async () => {
    publish();
    bed.github.fault = () => {
      bed.github.fault = undefined;
      return { status: 502 };
    };
    expect(await offer()).toBeDefined();
    expect(bed.retries).toHaveLength(1);
  });
});
