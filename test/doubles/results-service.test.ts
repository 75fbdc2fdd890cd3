import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { restoreCache, saveCache } from '@actions/cache';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { tempDir } from '../helpers/temp-dir.ts';
import { isAzuriteInstalled, startAzurite } from './results-service/azurite.ts';
import { EXPIRED_SIGNATURE, type Fault, twirpFault } from './results-service/fault.ts';
import { type ResultsService, startResultsService } from './results-service/service.ts';

const MEBIBYTE = 1 << 20;

let service: ResultsService;
let dir: string;
let file: string;
let content: Buffer;
/** What the toolkit prints. */
let log: string;

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function start(store: 'fs' | 'azurite'): Promise<void> {
  dir = await tempDir();
  const blobDir = join(dir, 'blobs');
  const azurite = store === 'azurite' ? await startAzurite(blobDir) : undefined;
  service = await startResultsService({ dir: blobDir, blobStore: azurite ?? 'fs' });
  log = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    log += text;
    return true;
  });
  onTestFinished(async () => {
    stdout.mockRestore();
    vi.unstubAllEnvs();
    await service.close();
    await azurite?.close();
  });
  useRun();
  file = join(dir, 'work', 'demo.smolmachine');
  await fs.mkdir(join(dir, 'work'));
  await write(randomBytes(MEBIBYTE));
}

async function write(bytes: Buffer): Promise<void> {
  content = bytes;
  await fs.writeFile(file, content);
}

/** Gives the toolkit in this process the environment of the service's current run. */
function useRun(): void {
  const env = {
    ...service.env,
    RUNNER_TEMP: join(dir, 'temp'),
    GITHUB_WORKSPACE: join(dir, 'work'),
    GITHUB_SERVER_URL: 'https://github.com',
    NO_PROXY: '127.0.0.1',
  };
  for (const [name, value] of Object.entries(env)) {
    vi.stubEnv(name, value);
  }
}

async function uploadRaw() {
  return await new DefaultArtifactClient().uploadArtifact('ignored', [file], dir, { skipArchive: true });
}

function seen(...methods: string[]): number {
  return service.requests.filter(({ method }) => methods.includes(method)).length;
}

describe.each(['fs', 'azurite'] as const)('the toolkit, with blobs in %s', (store) => {
  const it = test.skipIf(store === 'azurite' && !isAzuriteInstalled());

  it('restores what it saved, in a later run too', async () => {
    await start(store);
    expect(await restoreCache([file], 'key-1')).toBeUndefined();
    expect(await saveCache([file], 'key-1')).toBeGreaterThan(0);
    expect(service.cacheEntries()).toMatchObject([{ key: 'key-1' }]);
    service.startRun();
    useRun();
    await fs.rm(file);
    expect(await restoreCache([file], 'key-1', [], { lookupOnly: true })).toBe('key-1');
    await expect(fs.access(file)).rejects.toThrow();
    expect(await restoreCache([file], 'key-1')).toBe('key-1');
    expect(sha256(await fs.readFile(file))).toBe(sha256(content));
  });

  it('is given the newest entry that begins with the key it asks for', async () => {
    await start(store);
    for (const key of ['key-1', 'key-2', 'other']) {
      await saveCache([file], key);
    }
    expect(await restoreCache([file], 'key', [], { lookupOnly: true })).toBe('key-2');
    expect(await restoreCache([file], 'none', ['oth'], { lookupOnly: true })).toBe('other');
  });

  it('cannot save a key twice', async () => {
    await start(store);
    await saveCache([file], 'key-1');
    const uploads = seen('PUT');
    expect(await saveCache([file], 'key-1')).toBe(-1);
    expect(seen('PUT')).toBe(uploads);
    expect(log).toContain('another job may be creating this cache');
  });

  it('takes a damaged archive for a miss', async () => {
    await start(store);
    await saveCache([file], 'key-1');
    await service.overwriteCache('key-1', Buffer.from('no archive'));
    expect(await restoreCache([file], 'key-1')).toBeUndefined();
    expect(log).toContain('::warning::Failed to restore');
  });

  it('uploads a file as it is, in several blocks, and downloads the same', async () => {
    await start(store);
    await write(randomBytes(20 * MEBIBYTE + 1));
    const { id = 0, ...uploaded } = await uploadRaw();
    expect(uploaded).toEqual({ size: content.length, digest: sha256(content) });
    expect(service.artifacts()).toMatchObject([
      {
        id,
        name: 'demo.smolmachine',
        sizeBytes: content.length,
        digest: `sha256:${sha256(content)}`,
        mimeType: 'application/octet-stream',
      },
    ]);
    expect(service.requests.filter(({ comp }) => comp === 'block')).toHaveLength(3);
    expect(sha256(await service.readArtifact('demo.smolmachine'))).toBe(sha256(content));
    const path = join(dir, 'download');
    const expectedHash = `sha256:${sha256(content)}`;
    const downloaded = await new DefaultArtifactClient().downloadArtifact(id, { path, expectedHash });
    expect(downloaded.digestMismatch).toBe(false);
    expect(sha256(await fs.readFile(join(path, 'demo.smolmachine')))).toBe(sha256(content));
  });

  it('uploads a zip, finds, unpacks and deletes it', async () => {
    await start(store);
    const client = new DefaultArtifactClient();
    const { id = 0, digest } = await client.uploadArtifact('zipped', [file], dir, { retentionDays: 3 });
    expect(await client.listArtifacts()).toMatchObject({
      artifacts: [{ id, name: 'zipped', digest: `sha256:${digest}` }],
    });
    const [stored] = service.artifacts();
    expect(stored?.mimeType).toBe('application/zip');
    const days = (Date.parse(stored?.expiresAt ?? '') - Date.now()) / 86_400_000;
    expect(days).toBeCloseTo(3, 0);
    const path = join(dir, 'download');
    await client.downloadArtifact((await client.getArtifact('zipped')).artifact.id, { path });
    expect(sha256(await fs.readFile(join(path, 'work', 'demo.smolmachine')))).toBe(sha256(content));
    expect(await client.deleteArtifact('zipped')).toEqual({ id });
    expect(service.artifacts()).toEqual([]);
    expect((await client.uploadArtifact('zipped', [file], dir)).id).toBeGreaterThan(id);
  });

  it('cannot replace an artifact of the same run, and does not see one of another run', async () => {
    await start(store);
    await uploadRaw();
    await expect(uploadRaw()).rejects.toThrow('(409) Conflict: an artifact with this name already exists');
    service.startJob();
    useRun();
    expect((await new DefaultArtifactClient().listArtifacts()).artifacts).toHaveLength(1);
    service.startRun();
    useRun();
    expect((await new DefaultArtifactClient().listArtifacts()).artifacts).toEqual([]);
    await uploadRaw();
    expect(service.artifacts()).toHaveLength(2);
  });

  it('reports an artifact that was replaced behind its back', async () => {
    await start(store);
    const { id = 0, digest } = await uploadRaw();
    await service.overwriteArtifact('demo.smolmachine', Buffer.from('other'));
    const options = { path: join(dir, 'download'), expectedHash: `sha256:${digest}` };
    const { digestMismatch } = await new DefaultArtifactClient().downloadArtifact(id, options);
    expect(digestMismatch).toBe(true);
  });

  it('tries the upload of a block again after the connection broke', async () => {
    await start(store);
    await write(randomBytes(9 * MEBIBYTE));
    let isFirst = true;
    service.fault = ({ comp }) => {
      const fault: Fault | undefined =
        comp === 'block' && isFirst ? { kind: 'cut', afterBytes: 100_000 } : undefined;
      isFirst &&= comp !== 'block';
      return fault;
    };
    expect(await uploadRaw()).toMatchObject({ digest: sha256(content) });
    expect(service.requests.filter(({ comp }) => comp === 'block').map(({ status }) => status)).toEqual([
      undefined,
      201,
      201,
    ]);
  });
});

describe('the toolkit under faults', () => {
  beforeEach(async () => await start('fs'));

  const onMethod =
    (name: string, fault: Fault) =>
    ({ method }: { readonly method: string }) =>
      method === name ? fault : undefined;

  test.each<[string, string, Fault]>([
    ['409', 'CreateCacheEntry', twirpFault(409, 'already_exists', 'already there')],
    ['429', 'CreateCacheEntry', twirpFault(429, 'resource_exhausted', 'too many')],
    ['a reset', 'CreateCacheEntry', { kind: 'reset' }],
    ['an expired signature', 'PUT', EXPIRED_SIGNATURE],
    [
      'a refusal at the end',
      'FinalizeCacheEntryUpload',
      { kind: 'transform', answer: () => ({ ok: false }) },
    ],
  ])('saves nothing with %s', async (_, method, fault) => {
    service.fault = onMethod(method, fault);
    expect(await saveCache([file], 'key-1')).toBe(-1);
  });

  test('saves nothing with a read-only token, and says so', async () => {
    service.readOnlyCache = true;
    expect(await saveCache([file], 'key-1')).toBe(-1);
    expect(log).toContain('cache write denied:');
  });

  test('believes the service when it names another key', async () => {
    await saveCache([file], 'key-1');
    service.fault = onMethod('GetCacheEntryDownloadURL', {
      kind: 'transform',
      answer: (answer) => ({ ...answer, matched_key: 'key-9' }),
    });
    expect(await restoreCache([file], 'key-1')).toBe('key-9');
  });

  test('restores nothing when the download is cut', async () => {
    await saveCache([file], 'key-1');
    service.fault = onMethod('GET', { kind: 'cut', afterBytes: 1000 });
    expect(await restoreCache([file], 'key-1')).toBeUndefined();
    expect(service.requests.at(-1)).toMatchObject({ method: 'GET', subject: 'key-1', status: 200 });
  });

  test('fails an upload whose last answer is lost, with the artifact in place', async () => {
    service.fault = onMethod('FinalizeArtifact', { kind: 'lost-answer' });
    await expect(uploadRaw()).rejects.toThrow('ECONNRESET');
    expect(service.artifacts()).toHaveLength(1);
  });

  test('passes on another digest that the service lists', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    await uploadRaw();
    service.fault = onMethod('ListArtifacts', {
      kind: 'transform',
      answer: ({ artifacts }) => ({
        artifacts: (artifacts as object[]).map((artifact) => ({ ...artifact, digest })),
      }),
    });
    expect((await new DefaultArtifactClient().listArtifacts()).artifacts).toMatchObject([{ digest }]);
  });

  test('takes as long as the service lets it', async () => {
    service.fault = onMethod('PUT', { kind: 'slow', bytesPerSecond: 2 * MEBIBYTE });
    const startedAt = performance.now();
    await uploadRaw();
    expect(performance.now() - startedAt).toBeGreaterThan(450);
  });

  test('waits for an answer that never comes', async () => {
    service.fault = () => ({ kind: 'hang' });
    const url = `${service.env.ACTIONS_RESULTS_URL}any`;
    await expect(fetch(url, { signal: AbortSignal.timeout(300) })).rejects.toThrow('timeout');
    expect(service.requests).toMatchObject([{ status: undefined }]);
  });
});

test('the REST API tells when an artifact expires', async () => {
  await start('fs');
  const { id = 0 } = await uploadRaw();
  const ask = async (artifactId: number, headers = {}) =>
    await fetch(`${service.apiUrl}/repos/o/r/actions/artifacts/${artifactId}`, { headers });
  const headers = { authorization: 'Bearer any' };
  const answer = (await (await ask(id, headers)).json()) as { name: string; expires_at: string };
  expect(answer.name).toBe('demo.smolmachine');
  expect((Date.parse(answer.expires_at) - Date.now()) / 86_400_000).toBeCloseTo(90, 0);
  expect([(await ask(id)).status, (await ask(id + 1, headers)).status]).toEqual([401, 404]);
});

describe('the service is strict', () => {
  const ids = () => {
    const [, claims = ''] = service.runtimeToken.split('.');
    const [, run = '', job = ''] = JSON.parse(Buffer.from(claims, 'base64url').toString())
      .scp.split(' ')
      .at(-1)
      .split(':');
    return { workflow_run_backend_id: run, workflow_job_run_backend_id: job };
  };

  async function call(name: 'Cache' | 'Artifact', method: string, message: object, token?: string) {
    const url = `${service.env.ACTIONS_RESULTS_URL}twirp/github.actions.results.api.v1.${name}Service/${method}`;
    const headers = {
      authorization: `Bearer ${token ?? service.runtimeToken}`,
      'content-type': 'application/json',
    };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
    return { status: response.status, answer: (await response.json()) as Record<string, string> };
  }

  async function put(url: string, body: string, parameters: Record<string, string> = {}): Promise<number> {
    const target = new URL(url);
    for (const [name, value] of Object.entries(parameters)) {
      target.searchParams.set(name, value);
    }
    const headers = { 'x-ms-blob-type': 'BlockBlob' };
    return (await fetch(target, { method: 'PUT', headers, body })).status;
  }

  const entry = { key: 'key-1', version: 'v' };
  const artifact = () => ({ ...ids(), name: 'a.bin', version: 7, mime_type: 'application/octet-stream' });

  beforeEach(async () => await start('fs'));

  test.each<[string, object]>([
    ['a field in camelCase', { ...entry, sizeBytes: '1' }],
    ['a missing field', { key: 'key-1' }],
    ['a key that is too long', { key: 'k'.repeat(513), version: 'v' }],
  ])('about messages: %s', async (_, message) => {
    expect(await call('Cache', 'CreateCacheEntry', message)).toMatchObject({
      status: 400,
      answer: { code: 'malformed' },
    });
  });

  test('about int64, which is text', async () => {
    await call('Cache', 'CreateCacheEntry', entry);
    expect((await call('Cache', 'FinalizeCacheEntryUpload', { ...entry, size_bytes: 3 })).status).toBe(400);
  });

  test('about tokens', async () => {
    expect((await call('Cache', 'CreateCacheEntry', entry, 'a.b.c')).status).toBe(401);
    const ofFormerRun = artifact();
    service.startRun();
    expect((await call('Artifact', 'CreateArtifact', ofFormerRun)).status).toBe(403);
  });

  test('about sizes and hashes', async () => {
    const cache = await call('Cache', 'CreateCacheEntry', entry);
    await put(cache.answer.signed_upload_url ?? '', 'abc');
    expect(
      (await call('Cache', 'FinalizeCacheEntryUpload', { ...entry, size_bytes: '4' })).answer,
    ).toMatchObject({
      ok: false,
    });
    const { answer } = await call('Artifact', 'CreateArtifact', artifact());
    await put(answer.signed_upload_url ?? '', 'abc');
    const end = { ...ids(), name: 'a.bin', size: '3' };
    const wrong = `sha256:${sha256(Buffer.from('abd'))}`;
    expect((await call('Artifact', 'FinalizeArtifact', { ...end, hash: wrong })).status).toBe(400);
    expect((await call('Artifact', 'FinalizeArtifact', end)).status).toBe(400);
    const right = `sha256:${sha256(Buffer.from('abc'))}`;
    expect((await call('Artifact', 'FinalizeArtifact', { ...end, hash: right })).status).toBe(200);
    expect((await call('Artifact', 'FinalizeArtifact', { ...end, hash: right })).status).toBe(409);
  });

  test('about signed URLs: what for, and for which blob', async () => {
    const { answer } = await call('Cache', 'CreateCacheEntry', entry);
    const url = answer.signed_upload_url ?? '';
    expect(await put(url, 'abc', { sig: 'AAAA' })).toBe(403);
    expect(await put(url.replace('cache-1', 'cache-2'), 'abc')).toBe(403);
    expect(await put(url, 'abc')).toBe(201);
    expect((await fetch(url)).status).toBe(403);
    await call('Cache', 'FinalizeCacheEntryUpload', { ...entry, size_bytes: '3' });
    const found = await call('Cache', 'GetCacheEntryDownloadURL', entry);
    const download = found.answer.signed_download_url ?? '';
    expect(await (await fetch(download, { headers: { range: 'bytes=1-' } })).text()).toBe('bc');
    expect(await put(download, 'abd')).toBe(403);
    expect(service.requests.some(({ url: logged }) => logged.includes('sig='))).toBe(false);
  });

  test('about block lists: the order of the list counts, and every block must be there', async () => {
    const { answer } = await call('Artifact', 'CreateArtifact', artifact());
    const url = answer.signed_upload_url ?? '';
    const block = (id: string) => ({ comp: 'block', blockid: btoa(id) });
    expect(await put(url, 'world', block('2'))).toBe(201);
    expect(await put(url, 'hello ', block('1'))).toBe(201);
    expect(await put(url, 'x', block('long'))).toBe(400);
    const commit = async (...blocks: string[]) => {
      const list = blocks.map((id) => `<Latest>${btoa(id)}</Latest>`).join('');
      return await put(url, `<?xml version="1.0"?><BlockList>${list}</BlockList>`, { comp: 'blocklist' });
    };
    expect(await commit('1', '3')).toBe(400);
    expect(await commit('1', '2')).toBe(201);
    expect((await service.readArtifact('a.bin')).toString()).toBe('hello world');
  });
});
