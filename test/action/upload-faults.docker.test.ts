import { hash } from 'node:crypto';
import { appendFileSync, globSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { EXPIRED_SIGNATURE, type Fault, twirpFault } from '../doubles/results-service/fault.ts';
import type { ServiceRequest } from '../doubles/results-service/service.ts';
import type { StepOptions, StepResult } from '../doubles/runner/runner.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { buildSmallImage } from '../helpers/small-image.ts';

/** Packed as it is, so that there is no build. */
let image: string;
/** The artifact with its sidecar. */
let name: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  image = await buildSmallImage(dir, 'claude-bottle-test:upload-faults');
  name = `smolmachine-linux-amd64-${image.slice('sha256:'.length, 'sha256:'.length + 16)}.smolmachine`;
  await fs.rm(dir, { recursive: true });
});

async function packImage(job: ActionJob, options: Partial<StepOptions> = {}): Promise<StepResult> {
  return await job.run({ ...options, inputs: { image, context: '.', cache: 'false', ...options.inputs } });
}

function calls({ results }: ActionJob): string[] {
  return results.requests.map(({ method, subject, body }) =>
    `${method} ${body?.name ?? subject ?? ''}`.trim(),
  );
}

function forget({ results }: ActionJob): void {
  (results.requests as ServiceRequest[]).length = 0;
}

/** What the runner shows beside the log, but for what every run with the double has. */
function shown({ annotations }: StepResult): string[] {
  return annotations
    .filter(({ title }) => title !== 'KVM not checked')
    .map(({ level, title, message }) => `${level}: ${title}: ${message}`);
}

async function expectUploaded(job: ActionJob, result: StepResult): Promise<void> {
  expect(result.outcome, result.log).toBe('success');
  expect(shown(result)).toEqual([]);
  const digest = `sha256:${result.outputs['sidecar-sha256']}`;
  expect(result.outputs['artifact-digest']).toBe(digest);
  const ids = job.results
    .artifacts()
    .map((artifact) => [artifact.name, artifact.digest, String(artifact.id)]);
  expect(ids).toContainEqual([name, digest, result.outputs['artifact-id']]);
  expect(ids.map(([each]) => each).toSorted()).toEqual([name, `${name}.frames`, `${name}.json`]);
  expect(`sha256:${hash('sha256', await job.results.readArtifact(name))}`).toBe(digest);
}

/** One error with one hint; the sidecar is where the log says. */
async function expectFailed(job: ActionJob, result: StepResult, message: RegExp): Promise<string> {
  expect(result.outcome, result.log).toBe('failure');
  expect(result.outputs).toEqual({ 'error-code': 'upload-failed' });
  expect(shown(result)).toEqual([expect.stringMatching(/^error: claude-bottle-pack: upload-failed: /)]);
  const [shownMessage = ''] = shown(result);
  expect(shownMessage).toMatch(message);
  expect(result.summary).toMatch(/troubleshooting\.md#upload-failed/);
  expect(result.log).not.toMatch(/^ +at /m);
  const [sidecar = ''] = sidecars(job);
  expect((await fs.stat(sidecar)).size).toBeGreaterThan(1000);
  expect(result.log).toContain(sidecar);
  expect(await job.left()).toEqual([expect.stringMatching(/^temp claude-bottle-pack-/)]);
  const hint = shownMessage.split('\n').slice(1);
  expect(hint, shownMessage).toHaveLength(1);
  return hint.join();
}

function sidecars({ temp }: ActionJob): string[] {
  return globSync(join(temp, 'claude-bottle-pack-*', name));
}

function onCreate(fault: Fault) {
  return ({ method }: ServiceRequest) => (method === 'CreateArtifact' ? fault : undefined);
}

/** The PUT requests for the sidecar. */
function isUpload({ service, method, subject }: ServiceRequest): boolean {
  return service === 'blob' && method === 'PUT' && subject === name;
}

describe('an artifact of that name that is there already', () => {
  test('is left alone, and the step fails', async () => {
    const job = await actionJob();
    await expectUploaded(job, await packImage(job));
    const before = job.results.artifacts();
    await fs.rm(job.temp, { recursive: true });
    job.results.startJob();
    forget(job);
    const result = await packImage(job);
    const hint = await expectFailed(
      job,
      result,
      /this run has another artifact named smolmachine-linux-amd64-/,
    );
    expect(hint).toContain('artifact-name');
    expect(job.results.artifacts()).toEqual(before);
    // The first asks whether there is a service at all.
    expect(calls(job)).toEqual(['ListArtifacts', 'ListArtifacts']);
  });

  test('is replaced when the job runs again', async () => {
    const job = await actionJob();
    await expectUploaded(job, await packImage(job));
    job.results.startJob();
    forget(job);
    const env = { GITHUB_RUN_ATTEMPT: '2' };
    await expectUploaded(job, await packImage(job, { env }));
    expect(calls(job).filter((call) => /^(Create|Delete)/.test(call))).toEqual([
      ...[`DeleteArtifact ${name}`, `CreateArtifact ${name}`],
      ...[`DeleteArtifact ${name}.json`, `CreateArtifact ${name}.json`],
      ...[`DeleteArtifact ${name}.frames`, `CreateArtifact ${name}.frames`],
    ]);
  });

  test('is taken for ours when it has the same content', async () => {
    const job = await actionJob();
    const inputs = { cache: 'auto', 'github-token': 'job-token' };
    await expectUploaded(job, await packImage(job, { inputs }));
    job.results.startJob();
    forget(job);
    const again = await packImage(job, { inputs });
    expect(again.outputs['cache-match']).toBe('image');
    await expectUploaded(job, again);
    expect(calls(job).filter((call) => /^(Create|Delete|PUT)/.test(call))).toEqual([]);
  });
});

describe('an upload that the service', () => {
  test.each<[string, Fault, RegExp, RegExp]>([
    [
      'refuses for the quota',
      twirpFault(403, 'resource_exhausted', 'insufficient usage to create artifact'),
      /quota/,
      /retention-days/,
    ],
    ['fails at', twirpFault(500, 'internal', 'no database'), /no database/, /run the job again/],
    [
      'finds taken by another job',
      twirpFault(409, 'already_exists', 'name taken'),
      /name taken/,
      /another artifact-name, or start a new run/,
    ],
  ])('%s fails the step', async (_, fault, message, hint) => {
    const job = await actionJob();
    job.results.fault = onCreate(fault);
    const result = await packImage(job);
    expect(await expectFailed(job, result, message)).toMatch(hint);
    expect(job.results.artifacts()).toEqual([]);
  });

  test.each<[string, Record<string, string>, RegExp, string]>([
    ['without a token', { ACTIONS_RUNTIME_TOKEN: '' }, /ACTIONS_RUNTIME_TOKEN/, 'set upload to false'],
    [
      'with a wrong one',
      { ACTIONS_RUNTIME_TOKEN: 'a.b.c' },
      /cannot look for the artifact/,
      'run the job again',
    ],
    ['on another server', { GITHUB_SERVER_URL: 'https://ghe.example.org' }, /GHES/, 'set upload to false'],
  ])('cannot be asked for, %s, fails the step before anything is packed', async (_, env, message, hint) => {
    const job = await actionJob();
    const docker = await fakeDocker(job.dir, 'never', 'true');
    const result = await packImage(job, { env: { ...docker.env, ...env }, noPost: true });
    expect(result.outputs).toEqual({ 'error-code': 'upload-failed' });
    expect(shown(result).join()).toMatch(message);
    expect(shown(result).join()).toContain(hint);
    expect(await docker.calls()).toEqual([]);
    expect(await job.left()).toEqual([]);
  });

  test('refuses without a word fails the step with the status', async () => {
    const job = await actionJob();
    job.results.fault = (request) =>
      isUpload(request) ? { kind: 'status', status: 403, body: '' } : undefined;
    await expectFailed(job, await packImage(job), /cannot upload the artifact .*403/);
  });

  test('fails for the pack record fails the step', async () => {
    const job = await actionJob();
    job.results.fault = ({ method, body }) =>
      method === 'CreateArtifact' && body?.name === `${name}.json`
        ? twirpFault(403, 'permission_denied', 'no')
        : undefined;
    const result = await packImage(job);
    await expectFailed(job, result, /\.smolmachine\.json/);
  });

  test.each<[string, Fault]>([
    ['resets', { kind: 'reset' }],
    ['cuts', { kind: 'cut', afterBytes: 1000 }],
    ['answers 503 to', { kind: 'status', status: 503, body: 'busy' }],
  ])('%s once is sent again', async (_, fault) => {
    const job = await actionJob();
    let isOver = false;
    job.results.fault = (request) => {
      if (isOver || !isUpload(request)) {
        return undefined;
      }
      isOver = true;
      return fault;
    };
    const result = await packImage(job);
    await expectUploaded(job, result);
  });

  test('refuses for an expired signature fails the step soon', async () => {
    const job = await actionJob();
    job.results.fault = (request) => (isUpload(request) ? EXPIRED_SIGNATURE : undefined);
    const result = await packImage(job);
    await expectFailed(job, result, /Signature not valid/);
    expect(calls(job).filter((call) => call.startsWith('PUT'))).toHaveLength(1);
    expect(job.results.artifacts()).toEqual([]);
  });
});

describe('an artifact that is not what was verified', () => {
  test('by the digest that GitHub has is deleted, and the step fails', async () => {
    const job = await actionJob();
    const other = `sha256:${'0'.repeat(64)}`;
    job.results.fault = ({ method }) =>
      method === 'ListArtifacts'
        ? {
            kind: 'transform',
            answer: ({ artifacts }) => ({
              artifacts: (artifacts as object[]).map((artifact) => ({ ...artifact, digest: other })),
            }),
          }
        : undefined;
    const result = await packImage(job);
    await expectFailed(
      job,
      result,
      new RegExp(`arrived as ${other}, not as sha256:[0-9a-f]{64}; it was deleted`),
    );
    expect(calls(job)).toContain(`DeleteArtifact ${name}`);
    expect(job.results.artifacts()).toEqual([]);
  });

  test('since someone has changed the file is deleted, and the step fails', async () => {
    const job = await actionJob();
    job.results.fault = ({ method }) => {
      if (method === 'CreateArtifact') {
        appendFileSync(sidecars(job)[0] ?? '', 'evil');
      }
      return undefined;
    };
    const result = await packImage(job);
    await expectFailed(job, result, /arrived as sha256:[0-9a-f]{64}, not as/);
    expect(job.results.artifacts()).toEqual([]);
  });

  test('since the service has lost its content is not there, and the step fails', async () => {
    const job = await actionJob();
    job.results.fault = (request) =>
      isUpload(request) && request.comp === 'blocklist'
        ? { kind: 'status', status: 201, body: '' }
        : undefined;
    const result = await packImage(job);
    await expectFailed(job, result, /FinalizeArtifact/);
    expect(job.results.artifacts()).toEqual([]);
  });
});

test('days of retention that the repository does not grant are a warning', async () => {
  const job = await actionJob();
  const result = await packImage(job, { inputs: { 'retention-days': '400' } });
  expect(result.outcome, result.log).toBe('success');
  expect(shown(result)).toEqual([expect.stringMatching(/^warning: Upload: .* Using 90 instead/)]);
});

describe('a pull request', () => {
  const from = (id: number) => ({
    event: {
      name: 'pull_request',
      payload: { pull_request: { head: { repo: { id } }, base: { repo: { id: 1 } } } },
    },
    inputs: { cache: 'auto' },
  });

  test('from a fork packs, and neither saves nor uploads', async () => {
    const job = await actionJob();
    const result = await packImage(job, from(2));
    expect(result.outcome, result.log).toBe('success');
    expect(result.outputs).toMatchObject({ 'image-id': image, 'artifact-id': '', 'artifact-url': '' });
    expect(shown(result)).toEqual([
      'notice: Not uploaded: this pull request comes from a fork; the sidecar stays on this runner',
    ]);
    expect(calls(job)).toEqual(['GetCacheEntryDownloadURL']);
    expect(await fs.stat(result.outputs['sidecar-path'] ?? '')).toBeTruthy();
  });

  test('from the repository uploads', async () => {
    const job = await actionJob();
    await expectUploaded(job, await packImage(job, from(1)));
    expect(calls(job).filter((call) => /Cache/.test(call))).toEqual([expect.stringMatching(/^GetCache/)]);
  });
});
