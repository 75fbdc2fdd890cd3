import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Fault, twirpFault } from '../doubles/results-service/fault.ts';
import type { ResultsService, ServiceRequest } from '../doubles/results-service/service.ts';
import type { StepOptions, StepResult } from '../doubles/runner/runner.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';
import { buildSmallImage } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const run = promisify(execFile);

/** Of what the action saves, as @actions/cache makes it where there is zstd. */
const CACHE_VERSION = hash('sha256', 'claude-bottle-pack|zstd-without-long|1.0');

/** Packed as it is, so that there is one entry and no build. */
let image: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  image = await buildSmallImage(dir, 'claude-bottle-test:cache-faults');
  await fs.rm(dir, { recursive: true });
});

interface Entry {
  /** Without the run that has saved it. */
  readonly base: string;
  /** As an earlier run has saved it. */
  readonly key: string;
  readonly sidecar: Buffer;
  readonly record: { smolvm: object; image: object; sidecar: object };
}

let packed: Promise<Entry> | undefined;

/** What a run of the action puts into the cache for the image. */
async function packedEntry(): Promise<Entry> {
  packed ??= (async () => {
    const job = await actionJob();
    const { outputs, log } = await packImage(job);
    const [entry] = job.results.cacheEntries();
    if (entry === undefined) {
      throw new Error(log);
    }
    expect(entry.version).toBe(CACHE_VERSION);
    const base = entry.key.replace(/-run-\d+-\d+$/, '');
    return {
      base,
      key: `${base}-run-1-1`,
      sidecar: await fs.readFile(outputs['sidecar-path'] ?? ''),
      record: JSON.parse(await fs.readFile(outputs['record-path'] ?? '', 'utf8')),
    };
  })();
  return await packed;
}

async function packImage(job: ActionJob, options: Partial<StepOptions> = {}): Promise<StepResult> {
  const inputs = { context: '.', image, upload: 'false', ...options.inputs };
  return await job.run({ ...options, inputs });
}

/** An archive such as @actions/cache makes of `claude-bottle-pack/`, with what `fill` puts there. */
async function archiveOf(fill: (entry: string) => Promise<unknown>): Promise<Buffer> {
  const dir = await tempDir();
  const path = join(dir, 'claude-bottle-pack');
  await fs.mkdir(path);
  await fill(path);
  const archive = join(dir, 'cache.tzst');
  await run('tar', [
    ...['--posix', '-cf', archive, '-P', '-C', dir, '--use-compress-program', 'zstd'],
    'claude-bottle-pack',
  ]);
  return await fs.readFile(archive);
}

async function fillWith(dir: string, sidecar: Buffer, record: object | string): Promise<void> {
  await fs.writeFile(join(dir, 'sidecar.smolmachine'), sidecar);
  const text = typeof record === 'string' ? record : JSON.stringify(record);
  await fs.writeFile(join(dir, 'sidecar.smolmachine.json'), text);
}

/** Saves an entry in the way of the toolkit, as any job of the repository could. */
async function putCache({ env }: ResultsService, key: string, archive: Buffer): Promise<void> {
  const call = async (method: string, message: object) => {
    const url = `${env.ACTIONS_RESULTS_URL}twirp/github.actions.results.api.v1.CacheService/${method}`;
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${env.ACTIONS_RUNTIME_TOKEN}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ key, version: CACHE_VERSION, ...message }),
    });
    return (await answer.json()) as { ok: boolean; signed_upload_url: string };
  };
  const { signed_upload_url } = await call('CreateCacheEntry', {});
  await fetch(signed_upload_url, {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: new Uint8Array(archive),
  });
  expect(await call('FinalizeCacheEntryUpload', { size_bytes: String(archive.length) })).toMatchObject({
    ok: true,
  });
}

/** A job in whose cache there is what a former run has saved. */
async function jobWithEntry(): Promise<ActionJob> {
  const { key, sidecar, record } = await packedEntry();
  const job = await actionJob();
  await putCache(job.results, key, await archiveOf((dir) => fillWith(dir, sidecar, record)));
  forget(job);
  return job;
}

/** Of the entry that a run of this job saves. */
function ownKey({ results }: ActionJob, { base }: Entry): string {
  return `${base}-run-${results.runId}-1`;
}

function forget({ results }: ActionJob): void {
  (results.requests as ServiceRequest[]).length = 0;
}

/** Methods of the cache service and of its blobs, in order. */
function cacheCalls({ results }: ActionJob): string[] {
  return results.requests.filter(({ service }) => service !== 'artifact').map(({ method }) => method);
}

/** What the runner shows beside the log, but for what every run with the double has. */
function shown({ annotations }: StepResult): string[] {
  return annotations
    .filter(({ title }) => title !== 'KVM not checked')
    .map(({ level, title, message }) => `${level}: ${title}: ${message}`);
}

async function expectPacked(job: ActionJob, result: StepResult): Promise<void> {
  expect(result.outcome, result.log).toBe('success');
  expect(result.outputs).toMatchObject({ 'cache-hit': 'false', 'cache-match': 'none', 'image-id': image });
  const sidecar = await fs.readFile(result.outputs['sidecar-path'] ?? '');
  expect(hash('sha256', sidecar)).toBe(result.outputs['sidecar-sha256']);
  expect(result.groups.map(({ name }) => name)).toContain('Pack');
  await expectClean(job, result);
}

async function expectClean(job: ActionJob, result: StepResult): Promise<void> {
  expect(result.log).not.toMatch(/^ +at /m);
  expect(await job.left()).toEqual([expect.stringMatching(/^temp claude-bottle-pack-/)]);
}

/** The first request that matches. */
function once(matches: (request: ServiceRequest) => boolean, fault: Fault): ResultsService['fault'] {
  let isOver = false;
  return (request) => {
    if (isOver || !matches(request)) {
      return undefined;
    }
    isOver = true;
    return fault;
  };
}

const isLookUp = ({ method }: ServiceRequest) => method === 'GetCacheEntryDownloadURL';
const isDownload = ({ service, method }: ServiceRequest) => service === 'blob' && method === 'GET';

describe('a runner cache that fails', () => {
  test('once is asked again', async () => {
    const job = await jobWithEntry();
    job.results.fault = once(isLookUp, twirpFault(500, 'internal', 'no'));
    const result = await packImage(job);
    expect(result.outcome, result.log).toBe('success');
    expect(result.outputs).toMatchObject({ 'cache-hit': 'true', 'cache-match': 'image' });
    expect(shown(result)).toEqual([]);
    await expectClean(job, result);
  });

  test.each<[string, ResultsService['fault'], RegExp[], boolean]>([
    [
      'denies the lookup',
      (request) => (isLookUp(request) ? twirpFault(403, 'permission_denied', 'no read') : undefined),
      [/^warning: .*the runner cache cannot be used, going on without it: .*no read/],
      false,
    ],
    [
      'refuses the download',
      (request) => (isDownload(request) ? { kind: 'status', status: 403, body: 'no' } : undefined),
      // The link has expired: nothing is known of the entry.
      [
        /^warning: .*the runner cache's entry .* was not unpacked, going on without it: .*If every run says so/,
      ],
      true,
    ],
    [
      'cuts the download',
      (request) => (isDownload(request) ? { kind: 'cut', afterBytes: 1000 } : undefined),
      [/^warning: .*the runner cache cannot be used, going on without it: /],
      false,
    ],
  ])('and %s is only a warning', async (_, fault, messages, saves) => {
    const job = await jobWithEntry();
    job.results.fault = fault;
    const result = await packImage(job);
    await expectPacked(job, result);
    expect(shown(result)).toEqual(messages.map((message) => expect.stringMatching(message)));
    expect(cacheCalls(job).includes('CreateCacheEntry')).toBe(saves);
  });

  test.each<[string, Record<string, string>]>([
    ['cannot be reached', { ACTIONS_RESULTS_URL: 'http://127.0.0.1:9/' }],
    ['gives us no token', { ACTIONS_RUNTIME_TOKEN: '' }],
  ])('and %s is only a warning', async (_, env) => {
    const job = await actionJob();
    const result = await packImage(job, { env });
    await expectPacked(job, result);
    expect(shown(result)).toEqual([
      expect.stringMatching(/^warning: .*the runner cache cannot be used, going on without it: /),
    ]);
  });
});

describe('an entry of the runner cache', () => {
  test.each<[string, (entry: Entry) => Promise<Buffer>, RegExp]>([
    ['that is not an archive', async () => Buffer.from('not an archive'), /tar/],
    [
      'with a sidecar that has one wrong bit',
      async ({ sidecar, record }) => {
        const flipped = Buffer.from(sidecar);
        flipped[sidecar.length >> 1] = (flipped[sidecar.length >> 1] ?? 0) ^ 1;
        return await archiveOf((dir) => fillWith(dir, flipped, record));
      },
      /damaged sidecar/,
    ],
    [
      'with a sidecar of another image',
      async ({ sidecar, record }) => {
        const other = { ...record, image: { ...record.image, id: `sha256:${'0'.repeat(64)}` } };
        return await archiveOf((dir) => fillWith(dir, sidecar, other));
      },
      /its pack record has image sha256:0{64}, not sha256:/,
    ],
    [
      'with a sidecar that its pack record does not know',
      async ({ sidecar, record }) => {
        const other = { ...record, sidecar: { ...record.sidecar, sha256: '0'.repeat(64) } };
        return await archiveOf((dir) => fillWith(dir, sidecar, other));
      },
      /0{64}/,
    ],
    [
      'with a sidecar of other layers',
      async ({ sidecar, record }) => {
        const other = { ...record, image: { ...record.image, layers: [`sha256:${'0'.repeat(64)}`] } };
        return await archiveOf((dir) => fillWith(dir, sidecar, other));
      },
      /its pack record has layers sha256:0{64}, not sha256:/,
    ],
    [
      'with a sidecar of another runtime config',
      async ({ sidecar, record }) => {
        const other = { ...record, image: { ...record.image, runtimeConfigSha256: '0'.repeat(64) } };
        return await archiveOf((dir) => fillWith(dir, sidecar, other));
      },
      /its pack record has runtime config 0{64}, not [0-9a-f]{64}/,
    ],
    [
      'packed by another smolvm',
      async ({ sidecar, record }) => {
        const other = { ...record, smolvm: { ...record.smolvm, version: '1.9.2' } };
        return await archiveOf((dir) => fillWith(dir, sidecar, other));
      },
      /its pack record has smolvm version 1\.9\.2, not 1\.32\.2/,
    ],
    [
      'with a pack record that says nothing',
      async ({ sidecar }) => await archiveOf((dir) => fillWith(dir, sidecar, '{"__proto__":{"image":1}}')),
      /no readable pack record/,
    ],
    [
      'without a pack record',
      async ({ sidecar }) =>
        await archiveOf((dir) => fs.writeFile(join(dir, 'sidecar.smolmachine'), sidecar)),
      /sidecar\.smolmachine\.json in it is not a plain file/,
    ],
    [
      'whose sidecar is a link',
      async ({ sidecar, record }) =>
        await archiveOf(async (dir) => {
          await fillWith(dir, sidecar, record);
          await fs.rm(join(dir, 'sidecar.smolmachine'));
          await fs.symlink('/etc/hostname', join(dir, 'sidecar.smolmachine'));
        }),
      /sidecar\.smolmachine in it is not a plain file/,
    ],
    [
      'whose sidecar is a directory',
      async ({ record }) =>
        await archiveOf(async (dir) => {
          await fs.mkdir(join(dir, 'sidecar.smolmachine'));
          await fs.writeFile(join(dir, 'sidecar.smolmachine.json'), JSON.stringify(record));
        }),
      /sidecar\.smolmachine in it is not a plain file/,
    ],
    [
      'that is a link itself',
      async () =>
        await archiveOf(async (dir) => {
          await fs.rmdir(dir);
          await fs.symlink('/etc', dir);
        }),
      /is not a plain file/,
    ],
  ])('%s is not used: the image is packed and saved again', async (_, archive, reason) => {
    const entry = await packedEntry();
    const job = await actionJob();
    await putCache(job.results, entry.key, await archive(entry));
    const result = await packImage(job);
    await expectPacked(job, result);
    expect(shown(result)).toEqual([expect.stringMatching(/^warning: /)]);
    expect(shown(result)[0]).toMatch(reason);
    expect(shown(result)[0]).toContain(entry.base);
    expect(job.results.cacheEntries().map(({ key }) => key)).toEqual([entry.key, ownKey(job, entry)]);
    expect(await fs.readFile(result.outputs['record-path'] ?? '', 'utf8')).toContain(image);
  });

  test.each(['-evil', '-run-evil', '-run-1-1-evil', '-run-1'])(
    'whose key has %s behind the one asked for is not used',
    async (end) => {
      const entry = await packedEntry();
      const job = await actionJob();
      const archive = await archiveOf((dir) => fillWith(dir, entry.sidecar, entry.record));
      await putCache(job.results, entry.base + end, archive);
      const result = await packImage(job);
      await expectPacked(job, result);
      expect(shown(result)).toEqual([]);
      expect(job.results.cacheEntries().map(({ key }) => key)).toEqual([
        entry.base + end,
        ownKey(job, entry),
      ]);
    },
  );
});

describe('a job that attests or releases', () => {
  test.each<[string, Partial<StepOptions>, RegExp]>([
    [
      'may ask for an OIDC token',
      { env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:9/' } },
      /can sign/,
    ],
    ['runs for a tag', { ref: 'refs/tags/v1.0.0' }, /for a release/],
    ['runs for a release', { event: { name: 'release', payload: {} } }, /for a release/],
  ])('since it %s asks the cache for nothing', async (_, options, reason) => {
    const job = await jobWithEntry();
    const result = await packImage(job, options);
    await expectPacked(job, result);
    expect(cacheCalls(job)).toEqual([]);
    expect(shown(result)).toEqual([]);
    expect(result.summary).toMatch(reason);
  });

  test('asks it if cache is true', async () => {
    const job = await jobWithEntry();
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:9/' };
    const result = await packImage(job, { env, ref: 'refs/tags/v1.0.0', inputs: { cache: 'true' } });
    expect(result.outputs).toMatchObject({ 'cache-match': 'image' });
  });
});

describe('a cache that may not be written to', () => {
  const isCreate = ({ method }: ServiceRequest) => method === 'CreateCacheEntry';
  const exists = twirpFault(409, 'already_exists', 'cache entry already exists');

  test.each<[string, (job: ActionJob) => Partial<StepOptions> | undefined, RegExp]>([
    [
      'for this run',
      ({ results }) => {
        results.readOnlyCache = true;
        return undefined;
      },
      /cache write denied/,
    ],
    ['by its mode', () => ({ env: { ACTIONS_CACHE_MODE: 'read' } }), /did not take it/],
    [
      'since someone else seems to write the entry',
      ({ results }) => {
        results.fault = (request) => (isCreate(request) ? exists : undefined);
        return undefined;
      },
      /did not take it/,
    ],
    [
      'to its end',
      ({ results }) => {
        results.fault = ({ method }) =>
          method === 'FinalizeCacheEntryUpload'
            ? { kind: 'status', status: 200, body: { ok: false, message: 'quota exceeded' } }
            : undefined;
        return undefined;
      },
      /quota exceeded/,
    ],
  ])('%s is a notice', async (_, spoil, reason) => {
    const job = await actionJob();
    const result = await packImage(job, spoil(job));
    await expectPacked(job, result);
    expect(shown(result)).toEqual([expect.stringMatching(/^notice: Runner cache: not saved: /)]);
    expect(shown(result)[0]).toMatch(reason);
    expect(job.results.cacheEntries()).toEqual([]);
  });

  test('since another job of the same run has written the entry first is not mentioned', async () => {
    const entry = await packedEntry();
    const archive = await archiveOf((dir) => fillWith(dir, entry.sidecar, entry.record));
    const job = await actionJob();
    // The first lookup is the restore, the second that of the save.
    let lookUps = 0;
    job.results.fault = (request) => {
      if (isLookUp(request)) {
        lookUps += 1;
        return lookUps <= 2 ? { kind: 'transform', answer: () => ({ ok: false }) } : undefined;
      }
      return undefined;
    };
    await putCache(job.results, ownKey(job, entry), archive);
    forget(job);
    const result = await packImage(job);
    await expectPacked(job, result);
    expect(shown(result)).toEqual([]);
    expect(result.summary).toContain('already there');
    expect(cacheCalls(job)).toEqual([
      ...['GetCacheEntryDownloadURL', 'GetCacheEntryDownloadURL', 'CreateCacheEntry'],
      'GetCacheEntryDownloadURL',
    ]);
  });

  test.each(['pull_request', 'pull_request_target', 'issue_comment', 'workflow_run'])(
    'as in a run by %s is only read from',
    async (name) => {
      const job = await actionJob();
      const repo = { id: 1 };
      const payload = { pull_request: { head: { repo }, base: { repo } } };
      const result = await packImage(job, { event: { name, payload } });
      await expectPacked(job, result);
      expect(cacheCalls(job)).toEqual(['GetCacheEntryDownloadURL']);
      expect(shown(result)).toEqual([]);
      expect(result.summary).toContain('may build code from outside of the branch');
    },
  );
});

test('a build that the runner cache knows already is not saved again', async () => {
  const job = await actionJob();
  const first = await job.run({ inputs: { upload: 'false' } });
  expect(first.outcome, first.log).toBe('success');
  expect(job.results.cacheEntries()).toHaveLength(2);

  forget(job);
  const second = await job.run({ inputs: { upload: 'false' } });
  expect(second.outputs).toMatchObject({
    'cache-match': 'inputs',
    'sidecar-sha256': first.outputs['sidecar-sha256'],
  });
  // The pack record is brought, and of the sidecar no more is asked than whether it is there.
  expect(cacheCalls(job)).toEqual(['GetCacheEntryDownloadURL', 'GET', 'GetCacheEntryDownloadURL']);
  expect(second.groups.map(({ name }) => name)).toEqual(['Restore']);

  forget(job);
  const [, inputsEntry] = job.results.cacheEntries();
  job.results.startRun();
  await job.results.overwriteCache(
    inputsEntry?.key ?? '',
    await archiveOf((dir) => fillWith(dir, Buffer.of(), '{}')),
  );
  const third = await job.run({ inputs: { upload: 'false' } });
  expect(third.outputs).toMatchObject({
    'cache-match': 'image',
    'sidecar-sha256': first.outputs['sidecar-sha256'],
  });
  expect(shown(third)).toEqual([expect.stringMatching(/^warning: .*it is not for these inputs/)]);
  expect(shown(third)[0]).toContain(inputsEntry?.key);
  // Only the entry that is not usable is saved again, and the next run finds the new one.
  expect(cacheCalls(job).filter((method) => method === 'CreateCacheEntry')).toHaveLength(1);
  const fourth = await job.run({ inputs: { upload: 'false' } });
  expect(fourth.outputs).toMatchObject({ 'cache-match': 'inputs' });
  expect(shown(fourth)).toEqual([]);
});

test('a sidecar that is not usable is fetched once, and complained about once', async () => {
  const job = await actionJob();
  const first = await job.run({ inputs: { upload: 'false' } });
  expect(first.outcome, first.log).toBe('success');
  const [imageEntry] = job.results.cacheEntries();
  const key = imageEntry?.key ?? '';
  job.results.startRun();
  await job.results.overwriteCache(key, await archiveOf((dir) => fillWith(dir, Buffer.of(1), '{}')));
  forget(job);
  const second = await job.run({ inputs: { upload: 'false', restore: 'true' } });
  expect(second.outcome, second.log).toBe('success');
  expect(second.outputs).toMatchObject({ 'cache-match': 'none' });
  expect(shown(second)).toEqual([expect.stringContaining(key)]);
  const downloads = job.results.requests.filter((request) => isDownload(request) && request.subject === key);
  expect(downloads).toHaveLength(1);

  job.results.startRun();
  const third = await job.run({ inputs: { upload: 'false', restore: 'true' } });
  expect(third.outputs, third.log).toMatchObject({
    'cache-match': 'inputs',
    'sidecar-sha256': second.outputs['sidecar-sha256'],
  });
  expect(shown(third)).toEqual([]);
});

test.each<[string, (record: Entry['record']) => object]>([
  ['smolvm version that is code', ({ smolvm }) => ({ smolvm: { ...smolvm, version: '1.32.2$(id)' } })],
  ['smolvm version that leads out', ({ smolvm }) => ({ smolvm: { ...smolvm, version: '/../../evil' } })],
  ['platform', () => ({ platform: 'linux/arm64' })],
  ['machine size', ({ smolvm }) => ({ smolvm: { ...smolvm, cpus: 99 } })],
])('a pack record under the inputs key with another %s is not believed', async (_, change) => {
  const job = await actionJob();
  const first = await job.run({ inputs: { upload: 'false' } });
  const [, inputsEntry] = job.results.cacheEntries();
  const record = JSON.parse(await fs.readFile(first.outputs['record-path'] ?? '', 'utf8'));
  const forged = { ...record, ...change(record) };
  job.results.startRun();
  const archive = await archiveOf((dir) => fillWith(dir, Buffer.of(), forged));
  await job.results.overwriteCache(inputsEntry?.key ?? '', archive);
  const second = await job.run({ inputs: { upload: 'false' } });
  expect(second.outcome, second.log).toBe('success');
  expect(second.outputs).toMatchObject({
    'cache-match': 'image',
    'smolvm-version': record.smolvm.version,
    'sidecar-sha256': first.outputs['sidecar-sha256'],
  });
  expect(shown(second)).toEqual([expect.stringMatching(/^warning: .*its pack record has /)]);
});
