import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { type DownloadOptions, download } from '../../src/fetch/download.ts';
import { remoteFile } from '../../src/fetch/remote-file.ts';
import { updateCost } from '../../src/fetch/update-cost.ts';
import type { ProgressEvent } from '../../src/progress.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { parseFrameIndex } from '../../src/sidecar/frame-index.ts';
import { readSidecar } from '../../src/sidecar/verify.ts';
import { type FramedSidecar, framedSidecar } from '../helpers/framed-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { type Fault, FaultServer, type FaultServerOptions } from '../servers/fault-server.ts';

const FRAMES = 30;
const FRAME_BYTES = 100_000;
const OLD_CONTENTS = Array.from({ length: FRAMES }, (_, position) => randomBytes(FRAME_BYTES + position));
/** Every length shifts what follows it. */
const NEW_CONTENTS = OLD_CONTENTS.map((content, position) =>
  [0, 14, 15].includes(position) ? randomBytes(FRAME_BYTES + 1000) : content,
);
const OLD = await framedSidecar(OLD_CONTENTS);
const NEW = await framedSidecar(NEW_CONTENTS);
const CHANGED_BYTES = NEW.bytes.length - FRAMES * FRAME_BYTES + 3 * FRAME_BYTES;

test('an update asks for what no older sidecar has, in few ranges', async () => {
  const bed = await startBed();
  await bed.expectNew();
  expect(bed.server.requests).toHaveLength(3);
  expect(bed.server.bytesSent).toBeLessThan(CHANGED_BYTES + 5000);
  expect(bed.warnings).toEqual([]);
  const wanted = join(await tempDir(), 'new.smolmachine');
  await fs.writeFile(wanted, NEW.bytes);
  const told = await updateCost(
    await readSidecar(bed.bases[0] ?? ''),
    await readSidecar(wanted),
    AbortSignal.timeout(60_000),
  );
  expect(told).toBe(bed.server.bytesSent + NEW.index.length);
});

test('an update says how much is here and how much is to go', async () => {
  const bed = await startBed();
  await bed.expectNew();
  const [reuse, transfer] = ['reuse', 'download'].map((stage) =>
    bed.events.findLast((event) => event.type === 'done' && event.stage === stage),
  );
  const fetchedBytes = bed.server.bytesSent;
  expect(reuse).toMatchObject({ sizeBytes: NEW.bytes.length - fetchedBytes });
  expect(transfer).toMatchObject({ sizeBytes: fetchedBytes });
  const lastBytes = bed.events.findLast((event) => event.type === 'bytes' && event.stage === 'download');
  expect(lastBytes).toMatchObject({ doneBytes: fetchedBytes, totalBytes: fetchedBytes });
});

test('several older sidecars complete each other', async () => {
  const half = await framedSidecar([...NEW_CONTENTS.slice(0, 16), randomBytes(50_000)]);
  const bed = await startBed({ bases: [OLD.bytes, half.bytes] });
  await bed.expectNew();
  expect(bed.server.requests).toHaveLength(1);
  expect(bed.server.bytesSent).toBeLessThan(5000);
});

test('a frame that is in the file twice is read once and written twice', async () => {
  const content = randomBytes(300_000);
  const twice = await framedSidecar([content, randomBytes(300_000), content]);
  const bed = await startBed({ wanted: twice, bases: [(await framedSidecar([content])).bytes] });
  await bed.expectNew();
  expect(bed.server.bytesSent).toBeLessThan(310_000);
});

test('many small changes are asked for in a bounded number of ranges', async () => {
  const filler = randomBytes(300_000);
  const changes = () => Array.from({ length: 60 }, () => [randomBytes(3000), filler]).flat();
  const wanted = await framedSidecar(changes());
  const bed = await startBed({ wanted, bases: [(await framedSidecar(changes())).bytes] });
  await bed.expectNew();
  expect(bed.server.requests.length).toBeLessThanOrEqual(64);
  expect(bed.server.bytesSent).toBeLessThan(wanted.bytes.length * 0.6);
});

test.each<[string, () => Promise<Buffer[]>]>([
  ['there is none', async () => []],
  ['it is not a sidecar', async () => [randomBytes(100_000)]],
  ['it is one single frame', async () => [withoutTable(OLD)]],
])('without an older sidecar in frames, the index is not asked for: %s', async (_title, bases) => {
  let asked = 0;
  const bed = await startBed({ bases: await bases() });
  await bed.expectNew({
    frames: async () => {
      asked += 1;
      return [];
    },
  });
  expect(asked).toBe(0);
  expect(bed.server.bytesSent).toBe(NEW.bytes.length);
});

test('of a damaged older sidecar, the frames that are good are used', async () => {
  const damaged = Buffer.from(OLD.bytes);
  damaged.fill(0, 500_000, 520_000);
  const bed = await startBed({ bases: [damaged] });
  await bed.expectNew();
  expect(bed.warnings).toEqual([]);
  expect(bed.server.bytesSent).toBeLessThan(CHANGED_BYTES + 3 * FRAME_BYTES);
});

test('an older sidecar that is pruned before it is read costs nothing but its frames', async () => {
  const bed = await startBed();
  await fs.rm(bed.bases[0] ?? '');
  await bed.expectNew();
  expect(bed.server.bytesSent).toBe(NEW.bytes.length);
  expect(bed.warnings).toEqual([]);
});

test('an older sidecar that is cut off while it is read costs nothing but its frames', async () => {
  const bed = await startBed();
  await bed.expectNew({
    frames: async () => {
      await fs.truncate(bed.bases[0] ?? '', 1_000_000);
      return parseFrameIndex(NEW.index).frames;
    },
  });
  expect(bed.warnings).toEqual([]);
  expect(bed.server.bytesSent).toBeLessThan(NEW.bytes.length);
});

test('an index that cannot be had leads to the plain download, said in one line', async () => {
  const bed = await startBed();
  await bed.expectNew({ frames: () => Promise.reject(new Error('the server answered 404')) });
  expect(bed.warnings).toEqual([
    'the frame index cannot be used, the server answered 404; downloading the whole file',
  ]);
  expect(bed.server.bytesSent).toBe(NEW.bytes.length);
});

test('an index of other frames leads to the whole file, and costs one more download at most', async () => {
  const bed = await startBed();
  const { frames } = parseFrameIndex(OLD.index);
  await bed.expectNew({ frames: async () => frames });
  expect(bed.warnings).toHaveLength(1);
  expect(bed.server.requests.at(-1)?.headers.range).toBeUndefined();
});

test.each<Fault>([
  { kind: 'norange' },
  { kind: 'badrange' },
  { kind: 'wrong-offset' },
  { kind: 'status', status: 416 },
  { kind: 'short', bytes: 100 },
])('a server that lies about ranges leads to the plain download, said in one line: %o', async (fault) => {
  const bed = await startBed({
    plan: ({ headers }) => (headers.range === undefined ? undefined : fault),
  });
  await bed.expectNew();
  expect(bed.warnings).toHaveLength(1);
  expect(bed.server.requests.at(-1)).toMatchObject({ bytesSent: NEW.bytes.length });
});

test.each([
  ['no', undefined],
  ['a weak', 'W/"one"'],
])('a server that gives %s ETag is asked for the whole file', async (_title, etag) => {
  const bed = await startBed({ etag });
  await bed.expectNew();
  expect(bed.warnings).toHaveLength(1);
  expect(bed.server.requests.at(-1)).toMatchObject({ bytesSent: NEW.bytes.length });
});

test('a file that changes on the server in the middle leads to the whole file', async () => {
  const bed = await startBed({ plan: ({ index }) => (index === 1 ? { kind: 'changed' } : undefined) });
  await bed.expectNew();
});

test('a range that breaks off is gone on with where it broke off', async () => {
  const bed = await startBed({
    plan: ({ index }) => (index === 1 ? { kind: 'truncate', afterBytes: 60_000 } : undefined),
  });
  await bed.expectNew();
  expect(bed.server.bytesSent).toBeLessThan(CHANGED_BYTES + 5000);
  expect(bed.warnings).toEqual([]);
});

test('an interrupted update goes on without the index, and asks for nothing twice', async () => {
  const bed = await startBed();
  const controller = new AbortController();
  const work = bed.download({
    signal: controller.signal,
    onProgress: (event) => {
      if (event.type === 'bytes' && event.stage === 'download' && event.doneBytes > 150_000) {
        controller.abort(new InterruptedError('SIGINT'));
      }
    },
  });
  await expect(work).rejects.toThrow(InterruptedError);
  const sentBytes = bed.server.bytesSent;
  await bed.expectNew({ frames: () => Promise.reject(new Error('asked for again')) });
  expect(bed.warnings).toEqual([]);
  expect(bed.server.bytesSent - sentBytes).toBeLessThan(CHANGED_BYTES - 100_000);
});

test('of a file on this machine, only what no older sidecar has is copied', async () => {
  const dir = await tempDir();
  const path = join(dir, 'published');
  // Zeros where the older sidecar has the same frames: what is not read is not noticed.
  const published = Buffer.from(NEW.bytes);
  const shared = NEW.frames[20];
  published.fill(0, shared?.offset, (shared?.offset ?? 0) + (shared?.sizeBytes ?? 0));
  await fs.writeFile(path, published);
  const bed = await startBed({ local: path });
  await bed.expectNew();
  expect(bed.warnings).toEqual([]);
});

test('a file on this machine that is damaged where it is read is refused', async () => {
  const path = join(await tempDir(), 'published');
  const published = Buffer.from(NEW.bytes);
  published.fill(0, 0, 1000);
  await fs.writeFile(path, published);
  const bed = await startBed({ local: path });
  await expect(bed.download()).rejects.toMatchObject({ code: 'sidecar-damaged' });
});

interface Bed {
  readonly server: FaultServer;
  readonly bases: readonly string[];
  readonly events: ProgressEvent[];
  readonly warnings: string[];
  download(options?: Partial<DownloadOptions & DownloadOptions['reuse']>): Promise<void>;
  expectNew(options?: Partial<NonNullable<DownloadOptions['reuse']>>): Promise<void>;
}

/** A server that has a sidecar, and older ones on this machine. */
async function startBed(
  options: FaultServerOptions & { wanted?: FramedSidecar; bases?: readonly Buffer[]; local?: string } = {},
): Promise<Bed> {
  const { wanted = NEW } = options;
  const server = await FaultServer.start(wanted.bytes, options);
  const dir = await tempDir();
  const events: ProgressEvent[] = [];
  const warnings: string[] = [];
  const bases: string[] = [];
  for (const [position, bytes] of (options.bases ?? [OLD.bytes]).entries()) {
    const path = join(await tempDir(), `base-${position}`);
    await fs.writeFile(path, bytes);
    bases.push(path);
  }
  const start = async (
    changed: Partial<DownloadOptions>,
    frames = async () => parseFrameIndex(wanted.index).frames,
  ) => {
    const { signal = new AbortController().signal } = changed;
    const http = new HttpClient({ signal, idleTimeoutMs: 1000, firstRetryMs: 1 });
    onTestFinished(() => http.close());
    const sha256 = createHash('sha256').update(wanted.bytes).digest('hex');
    const facts = { sizeBytes: wanted.bytes.length, sha256 };
    const file =
      options.local === undefined
        ? remoteFile(http, { url: server.url }, facts)
        : { kind: 'local' as const, path: options.local, ...facts };
    const onProgress = (event: ProgressEvent) => {
      events.push(event);
      if (event.type === 'warning') {
        warnings.push(event.message);
      }
    };
    return await download(file, { dir, signal, http, onProgress, reuse: { bases, frames }, ...changed });
  };
  return {
    server,
    bases,
    events,
    warnings,
    download: async (changed = {}) => void (await start(changed)),
    expectNew: async ({ frames } = {}) => {
      const { path } = await start({}, frames);
      expect(wanted.bytes.equals(await fs.readFile(path))).toBe(true);
    },
  };
}

/** The same assets, as far as a seek table can tell. */
function withoutTable({ bytes }: FramedSidecar): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(0, copy.lastIndexOf(Buffer.from('b1ea928f', 'hex')));
  return copy;
}
