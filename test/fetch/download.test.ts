import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { type Download, type DownloadOptions, download } from '../../src/fetch/download.ts';
import { remoteFile } from '../../src/fetch/remote-file.ts';
import type { ProgressEvent } from '../../src/progress.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import {
  type Fault,
  FaultServer,
  type FaultServerOptions,
  type SeenRequest,
} from '../servers/fault-server.ts';

const CONTENT = randomBytes(3_000_000);
const SHA256 = sha256Of(CONTENT);
const once = (fault: Fault) => ({
  plan: ({ index }: { index: number }) => (index === 0 ? fault : undefined),
});

describe('a download', () => {
  test('gives the file and its checksums', async () => {
    const bed = await startBed();
    const { path, hashed } = await bed.download();
    expect(CONTENT.equals(await fs.readFile(path))).toBe(true);
    expect(hashed).toEqual({ sha256: SHA256, crc32: crc32(CONTENT.subarray(0, -64)) });
    expect(bed.server.requests).toHaveLength(1);
    expect(bed.progress.at(-1)).toBe(CONTENT.length);
  });

  test('makes a file that is private', async () => {
    const bed = await startBed();
    const { path } = await bed.download();
    expect((await fs.stat(path)).mode & 0o777).toBe(0o600);
  });

  test('that is complete already needs no request', async () => {
    const bed = await startBed();
    await bed.download();
    await bed.download();
    expect(bed.server.requests).toHaveLength(1);
  });

  test.each<Fault>([
    { kind: 'truncate', afterBytes: 1_000_000 },
    { kind: 'reset', afterBytes: 1_000_000 },
    { kind: 'stall', afterBytes: 1_000_000 },
  ])('goes on where the connection broke off: $kind', async (fault) => {
    // Slowly: of a connection that breaks, the client loses what it has not read yet.
    const bed = await startBed({ ...once(fault), limits: { eachBytesPerSecond: 6_000_000 } });
    await bed.expectFile();
    const [, second] = bed.server.requests;
    expect(second?.headers['if-range']).toBe('"one"');
    expect(startOf(second?.headers.range)).toBeGreaterThan(500_000);
    expect(bed.warnings).toEqual([]);
  });

  test.each<Fault>([
    { kind: 'hang' },
    { kind: 'closed' },
    { kind: 'status', status: 503 },
    { kind: 'truncate', afterBytes: 0 },
    { kind: 'short', bytes: 1_000_000, unsized: true },
  ])('is tried again: $kind', async (fault) => {
    const bed = await startBed(once(fault));
    await bed.expectFile();
    expect(bed.server.requests).toHaveLength(2);
  });

  test('gets along with a slow server', async () => {
    const bed = await startBed(once({ kind: 'slow', bytesPerSecond: 6_000_000 }));
    await bed.expectFile();
    expect(bed.server.requests).toHaveLength(1);
  });

  test('does not give up on a server that breaks off again and again, as long as something arrives', async () => {
    const bed = await startBed({ plan: () => ({ kind: 'truncate', afterBytes: 200_000 }) });
    await bed.expectFile();
    expect(bed.server.requests.length).toBeGreaterThan(10);
  });

  test('gives up on a server that sends a byte in each connection', async () => {
    const bed = await startBed({ plan: () => ({ kind: 'truncate', afterBytes: 1 }) });
    expect(await failureOf(bed.download())).toMatchObject({ exitCode: 69 });
    expect(bed.server.requests.length).toBeLessThan(10);
  });

  test.each<[Fault, number]>([
    [{ kind: 'closed' }, 6],
    // Who was never heard of is asked once more, and not for minutes.
    [{ kind: 'hang' }, 2],
    [{ kind: 'status', status: 500 }, 6],
  ])(
    'fails in the end with the exit code for the network: %o, after %i requests',
    async (fault, requests) => {
      const bed = await startBed({ plan: () => fault });
      expect(await failureOf(bed.download())).toMatchObject({ exitCode: 69 });
      expect(bed.server.requests).toHaveLength(requests);
    },
  );

  test('from a server that always breaks off and cannot resume fails in the end', async () => {
    const bed = await startBed({
      etag: undefined,
      plan: () => ({ kind: 'truncate', afterBytes: 1_000_000 }),
    });
    expect(await failureOf(bed.download())).toMatchObject({ exitCode: 69 });
    expect(bed.server.requests.length).toBeLessThanOrEqual(7);
    expect(bed.server.requests.every(({ headers }) => headers.range === undefined)).toBe(true);
  });

  test.each([
    ['no', undefined],
    ['a weak', 'W/"one"'],
  ])('starts over when the server gives %s ETag', async (_title, etag) => {
    const bed = await startBed({ etag, ...once({ kind: 'truncate', afterBytes: 1_000_000 }) });
    await bed.expectFile();
    expect(bed.server.requests.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
  });
});

describe('a range', () => {
  const cut: Fault = { kind: 'truncate', afterBytes: 1_000_000 };

  test.each<Fault>([
    { kind: 'norange' },
    { kind: 'badrange' },
    { kind: 'changed' },
    { kind: 'other-etag' },
    { kind: 'status', status: 416 },
  ])('that the server refuses or mistakes leads to the whole file: $kind', async (fault) => {
    const bed = await startBed({ plan: ({ index }) => [cut, fault][index] });
    await bed.expectFile();
    expect(bed.server.requests.map(({ headers }) => headers.range !== undefined)).toEqual([
      false,
      true,
      false,
    ]);
    expect(bed.warnings.join()).toContain('starting over');
  });

  test.each<Fault>([{ kind: 'wrong-offset' }, { kind: 'flip', position: 2_000_000 }])(
    'with wrong bytes is found by the SHA-256, and the whole is fetched once more: $kind',
    async (fault) => {
      const bed = await startBed({ plan: ({ index }) => [cut, fault][index] });
      await bed.expectFile();
      expect(bed.server.requests.at(-1)?.headers.range).toBeUndefined();
      expect(bed.server.requests).toHaveLength(3);
    },
  );

  test('of a file that is always wrong ends', async () => {
    const flip: Fault = { kind: 'flip', position: 2_000_000 };
    const bed = await startBed({ plan: ({ index }) => (index === 0 ? cut : flip) });
    expect(await failureOf(bed.download())).toMatchObject({ code: 'sidecar-damaged' });
    expect(bed.server.requests).toHaveLength(3);
    expect(await fs.readdir(bed.dir)).toEqual([]);
  });
});

describe('what is not the promised file', () => {
  test('is told by its SHA-256, with expected and found, and deleted', async () => {
    const bed = await startBed({ plan: () => ({ kind: 'flip', position: 1234 }) });
    const error = await failureOf(bed.download());
    const found = Buffer.from(CONTENT);
    found[1234] = (found[1234] ?? 0) ^ 1;
    expect(error).toMatchObject({ code: 'sidecar-damaged', exitCode: 65 });
    expect(error.message).toContain(`${sha256Of(found)}, expected ${SHA256}`);
    expect(bed.server.requests).toHaveLength(1);
    expect(await fs.readdir(bed.dir)).toEqual([]);
  });

  test.each<[Fault, number]>([
    [{ kind: 'short', bytes: 2_999_999 }, 65],
    [{ kind: 'long', bytes: 1 }, 65],
    [{ kind: 'long', bytes: 100_000, unsized: true }, 65],
    [{ kind: 'gzip' }, 69],
    [{ kind: 'html' }, 69],
  ])('ends the download: %o', async (fault, exitCode) => {
    const bed = await startBed({ plan: () => fault });
    expect(await failureOf(bed.download())).toMatchObject({ exitCode });
    expect(bed.server.requests).toHaveLength(1);
    expect(bed.progress.at(-1) ?? 0).toBeLessThanOrEqual(CONTENT.length);
    const left = await fs.readFile(join(bed.dir, 'data')).catch(() => Buffer.alloc(0));
    expect(left).toHaveLength(0);
  });
});

describe('an interrupted download', () => {
  /** Stops as soon as this many bytes are there. */
  async function interrupted(bed: Bed, afterBytes: number): Promise<void> {
    const controller = new AbortController();
    const work = bed.download({
      signal: controller.signal,
      onProgress: (event) => {
        if (event.type === 'bytes' && event.doneBytes >= afterBytes) {
          controller.abort(new InterruptedError('SIGINT'));
        }
      },
    });
    await expect(work).rejects.toThrow(InterruptedError);
    bed.server.requests.length = 0;
  }

  test('is resumed by the next one, and counts from what is there', async () => {
    const bed = await startBed();
    await interrupted(bed, 1_000_000);
    await bed.expectFile();
    expect(startOf(bed.server.requests[0]?.headers.range)).toBeGreaterThanOrEqual(1_000_000);
    expect(bed.progress[0]).toBeGreaterThan(1_000_000);
    expect(bed.server.requests).toHaveLength(1);
  });

  test('starts over when the file on the server is another one, and then may resume again', async () => {
    const bed = await startBed();
    await interrupted(bed, 1_000_000);
    bed.server.etag = '"two"';
    bed.server.plan = ({ index }) => (index === 1 ? { kind: 'truncate', afterBytes: 2_000_000 } : undefined);
    await bed.expectFile();
    const ranges = bed.server.requests.map(({ headers }) => headers['if-range']);
    expect(ranges).toEqual(['"one"', undefined, '"two"']);
  });

  test('starts over for other content than the one it was for', async () => {
    const bed = await startBed();
    await interrupted(bed, 1_000_000);
    bed.server.content = randomBytes(3_000_000);
    await bed.expectFile();
    expect(bed.server.requests.map(({ headers }) => headers.range)).toEqual([undefined]);
  });

  test.each<[string, (dir: string) => Promise<void>]>([
    ['a line that a kill has cut', (dir) => fs.appendFile(join(dir, 'journal'), '2000000 9')],
    ['an invalid line', (dir) => fs.appendFile(join(dir, 'journal'), 'rubbish\n')],
    ['a range beyond the file', (dir) => fs.appendFile(join(dir, 'journal'), '2900000 200000\n')],
  ])('is resumed with what the journal has before %s', async (_title, spoil) => {
    const bed = await startBed();
    await interrupted(bed, 1_000_000);
    await spoil(bed.dir);
    await interrupted(bed, 2_000_000);
    await bed.expectFile();
    expect(startOf(bed.server.requests[0]?.headers.range)).toBeGreaterThanOrEqual(2_000_000);
    expect(bed.warnings).toEqual([]);
  });

  test.each<[string, (dir: string) => Promise<void>]>([
    ['without its journal', (dir) => fs.rm(join(dir, 'journal'))],
    ['with an empty journal', (dir) => fs.truncate(join(dir, 'journal'))],
    ['with a header that is cut', (dir) => fs.truncate(join(dir, 'journal'), 20)],
    ['without its data', (dir) => fs.rm(join(dir, 'data'))],
    ['with data that is shorter than the journal says', (dir) => fs.truncate(join(dir, 'data'), 10)],
    [
      'with data that has changed',
      async (dir) => {
        const file = await fs.open(join(dir, 'data'), 'r+');
        await file.write(Buffer.alloc(100), 0, 100, 500_000);
        await file.close();
      },
    ],
  ])('gives the right file %s', async (_title, spoil) => {
    const bed = await startBed();
    await interrupted(bed, 1_000_000);
    await spoil(bed.dir);
    await bed.expectFile();
  });
});

test('a disk that fills up ends it with the exit code for that, and the next run goes on', async ({
  skip,
}) => {
  const bed = await startBed();
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', bed.dir]);
  skip(mount.status !== 0, 'may not mount a small file system');
  onTestFinished(() => void spawnSync('umount', [bed.dir]));
  expect(await failureOf(bed.download())).toMatchObject({ code: 'cannot-write', exitCode: 73 });
  expect(bed.server.requests).toHaveLength(1);
  spawnSync('mount', ['-o', 'remount,size=4m', bed.dir]);
  await bed.expectFile();
  expect(startOf(bed.server.requests[1]?.headers.range)).toBeGreaterThan(1_500_000);
});

describe('a large file', () => {
  const BIG = randomBytes(40_000_000);
  const ranged = ({ headers }: SeenRequest) => headers.range !== undefined;

  test('comes over at most four connections, each with a range of it', async () => {
    const bed = await startBed({ content: BIG, limits: { eachBytesPerSecond: 20_000_000 } });
    await bed.expectFile();
    expect(bed.server.requests.every(ranged)).toBe(true);
    expect(bed.server.mostAtOnce).toBeGreaterThan(1);
    expect(bed.server.mostAtOnce).toBeLessThanOrEqual(4);
    expect(bed.server.requests.length).toBeLessThanOrEqual(16);
    expect(bed.server.bytesSent).toBe(BIG.length);
  });

  test('comes whole, in the first answer, from a server that knows no ranges', async () => {
    const bed = await startBed({ content: BIG, plan: () => ({ kind: 'norange' }) });
    await bed.expectFile();
    expect(bed.server.requests).toHaveLength(1);
    expect(bed.warnings).toEqual([]);
  });

  test.each([
    ['no', undefined],
    ['a weak', 'W/"one"'],
  ])('comes whole from a server that gives %s ETag', async (_title, etag) => {
    const bed = await startBed({ content: BIG, etag });
    await bed.expectFile();
    expect(bed.server.requests.map(ranged)).toEqual([true, false]);
  });

  test.each<Fault>([
    { kind: 'norange' },
    { kind: 'badrange' },
    { kind: 'status', status: 416 },
    { kind: 'status', status: 429, headers: { 'retry-after': '3600' } },
    { kind: 'status', status: 403 },
    { kind: 'closed' },
  ])('is left to the first connection when the others are answered wrongly: %o', async (fault) => {
    const bed = await startBed({
      content: BIG,
      plan: ({ index }) => (index >= 1 && index <= 3 ? fault : undefined),
    });
    await bed.expectFile();
    expect(bed.warnings).toEqual([]);
    expect(bed.server.requests.slice(4).every(ranged)).toBe(true);
  });

  test('comes whole in the end, and right, behind a proxy that mangles ranges', async () => {
    const bed = await startBed({
      content: BIG,
      plan: (request) => (ranged(request) ? { kind: 'wrong-offset' } : undefined),
    });
    await bed.expectFile();
    expect(bed.server.requests.at(-1)).toMatchObject({ bytesSent: BIG.length });
    expect(bed.warnings.join()).toContain('downloading the whole file');
  });

  test('arrives over connections that break off again and again', async () => {
    const bed = await startBed({
      content: BIG,
      plan: ({ index }) => (index % 3 === 1 ? { kind: 'reset', afterBytes: 5_000_000 } : undefined),
    });
    await bed.expectFile();
    expect(bed.warnings).toEqual([]);
  });
});

interface Bed {
  readonly server: FaultServer;
  readonly dir: string;
  readonly warnings: string[];
  readonly progress: number[];
  download(options?: Partial<DownloadOptions>): Promise<Download>;
  /** Downloads, and compares what is there then with what the server has. */
  expectFile(): Promise<void>;
}

async function startBed(options: FaultServerOptions & { content?: Buffer } = {}): Promise<Bed> {
  const server = await FaultServer.start(options.content ?? CONTENT, options);
  const dir = await tempDir();
  const warnings: string[] = [];
  const progress: number[] = [];
  const bed: Bed = {
    server,
    dir,
    warnings,
    progress,
    download: async (changed = {}) => {
      const { signal = new AbortController().signal } = changed;
      const http = new HttpClient({ signal, idleTimeoutMs: 1000, firstRetryMs: 1 });
      onTestFinished(() => http.close());
      progress.length = 0;
      const onProgress = (event: ProgressEvent) => {
        if (event.type === 'bytes' && event.stage === 'download') {
          progress.push(event.doneBytes);
        } else if (event.type === 'warning') {
          warnings.push(event.message);
        }
      };
      const { url, content } = server;
      const facts = { sizeBytes: content.length, sha256: sha256Of(content) };
      const file = remoteFile(http, { url }, facts);
      return await download(file, { dir, signal, http, onProgress, ...changed });
    },
    expectFile: async () => {
      const { path, hashed } = await bed.download();
      expect(hashed.sha256).toBe(sha256Of(server.content));
      expect(sha256Of(await fs.readFile(path))).toBe(hashed.sha256);
    },
  };
  return bed;
}

function startOf(range: string | undefined): number {
  return Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]);
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
