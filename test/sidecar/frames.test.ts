import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  type FrameIndex,
  formatFrameIndex,
  indexOf,
  parseFrameIndex,
  readFrameIndex,
  seekTable,
} from '../../src/sidecar/frame-index.ts';
import { FrameWriter } from '../../src/sidecar/frames.ts';
import { tempDir } from '../helpers/temp-dir.ts';

interface Entry {
  readonly path: string;
  readonly content: Buffer;
}

describe('frames', () => {
  test('unpack to what was written, however it arrived', async () => {
    const entries = [...smallEntries(400), { path: 'bin/agent', content: noise(9_000_000, 'agent') }];
    const whole = await writeFrames(entries, 1 << 20);
    const dribbled = await writeFrames(entries, 1013);
    expect(dribbled.bytes.equals(whole.bytes)).toBe(true);
    expect(unpack(whole).equals(Buffer.concat(entries.map(({ content }) => content)))).toBe(true);
    expect(whole.index.frames.length).toBeGreaterThan(8);
  });

  test('change in one place where the content changes in one place', async () => {
    const before = [...smallEntries(800), { path: 'bin/agent', content: noise(12_000_000, 'agent') }];
    const after = before.map((entry, position) =>
      position === 300
        ? { ...entry, content: Buffer.concat([entry.content, Buffer.from('one line')]) }
        : entry,
    );
    const [old, fresh] = [await writeFrames(before), await writeFrames(after)];
    expect(newFrames(old.index, fresh.index).length).toBeLessThanOrEqual(2);
  });

  test('find their places again behind bytes that were put into a large file', async () => {
    const content = noise(16_000_000, 'agent');
    const changed = Buffer.concat([
      content.subarray(0, 5_000_000),
      noise(777, 'new'),
      content.subarray(5_000_000),
    ]);
    const old = await writeFrames([{ path: 'bin/agent', content }]);
    const fresh = await writeFrames([{ path: 'bin/agent', content: changed }]);
    expect(newFrames(old.index, fresh.index).length).toBeLessThanOrEqual(2);
  });

  test('hold content that never suggests a cut', async () => {
    const entries = [{ path: 'zeros', content: Buffer.alloc(20_000_000) }];
    expect(unpack(await writeFrames(entries)).equals(Buffer.alloc(20_000_000))).toBe(true);
  });

  test('are what zstd makes of their content at once, with its size', async () => {
    const { bytes, index } = await writeFrames([
      ...smallEntries(400),
      { path: 'text', content: Buffer.from(noise(12_000_000, 'text').toString('hex')) },
    ]);
    for (const { offset, sizeBytes, contentBytes } of index.frames) {
      const frame = bytes.subarray(offset, offset + sizeBytes);
      const options = {
        chunkSize: 2 * contentBytes + 1024,
        params: { [constants.ZSTD_c_compressionLevel]: 3 },
      };
      expect(frame.equals(zstdCompressSync(zstdDecompressSync(frame), options))).toBe(true);
    }
    expect(Math.max(...index.frames.map(({ contentBytes }) => contentBytes))).toBeGreaterThan(2 ** 21);
  });

  test('have an index that is made again from the file', async () => {
    const { bytes, index } = await writeFrames([{ path: 'agent', content: noise(5_000_000, 'agent') }]);
    const dir = await tempDir();
    const path = join(dir, 'assets');
    const assets = Buffer.concat([bytes, seekTable(index)]);
    await fs.writeFile(path, Buffer.concat([assets, Buffer.from('what follows the assets')]));
    const file = await fs.open(path);
    try {
      expect(await readFrameIndex(file, assets.length)).toEqual(index);
      expect(await readFrameIndex(file, assets.length - 1)).toBeUndefined();
      expect(await readFrameIndex(file, 3)).toBeUndefined();
    } finally {
      await file.close();
    }
  });
});

describe('a frame index', () => {
  const frame = { sizeBytes: 300, contentBytes: 512, sha256: 'a'.repeat(64) };

  test('is read as it was written', () => {
    const index = indexOf([frame, { ...frame, sizeBytes: 200 }]);
    expect(parseFrameIndex(formatFrameIndex(index))).toEqual(index);
    expect(index.frames[1]?.offset).toBe(300);
    expect(index.framesBytes).toBe(500);
  });

  test.each([
    ['no JSON', 'frames'],
    ['null', 'null\n'],
    ['a list', '[]\n'],
    ['another version', '{"version":2,"frames":[]}\n'],
    ['a missing newline', '{"version":1,"frames":[]}'],
    ['a second reading', '{"version":2,"version":1,"frames":[]}\n'],
    ['an unknown key', '{"version":1,"frames":[],"more":1}\n'],
    ['a frame of no bytes', row(0, 512)],
    ['a frame of negative size', row(-1, 512)],
    ['a frame with a fraction', row(1.5, 512)],
    ['a frame that is too large', row(1e9, 512)],
    ['a frame with too much content', row(300, 2 ** 22 + 1)],
    ['a frame with a digest in capitals', row(300, 512, 'A'.repeat(64))],
    ['a frame that is an object', '{"version":1,"frames":[{"0":300}]}\n'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseFrameIndex(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'sidecar-damaged', message: expect.stringContaining('frame index') }),
    );
  });

  function row(sizeBytes: number, contentBytes: number, sha256 = frame.sha256): string {
    return `{"version":1,"frames":[[${sizeBytes},${contentBytes},"${sha256}"]]}\n`;
  }
});

async function writeFrames(
  entries: readonly Entry[],
  chunkBytes = 65_536,
): Promise<{ bytes: Buffer; index: FrameIndex }> {
  const dir = await tempDir();
  const path = join(dir, 'frames');
  const file = await fs.open(path, 'w');
  try {
    const writer = new FrameWriter(file, path);
    for (const { path: name, content } of entries) {
      await writer.beginEntry(Buffer.from(name), content.length);
      for (let at = 0; at < content.length; at += chunkBytes) {
        await writer.write(content.subarray(at, at + chunkBytes));
      }
    }
    const index = indexOf(await writer.flush());
    return { bytes: await fs.readFile(path), index };
  } finally {
    await file.close();
  }
}

function unpack({ bytes, index }: { bytes: Buffer; index: FrameIndex }): Buffer {
  const contents = index.frames.map(({ offset, sizeBytes, contentBytes, sha256 }) => {
    const frame = bytes.subarray(offset, offset + sizeBytes);
    expect(createHash('sha256').update(frame).digest('hex')).toBe(sha256);
    const content = zstdDecompressSync(frame);
    expect(content.length).toBe(contentBytes);
    return content;
  });
  expect(index.framesBytes).toBe(bytes.length);
  return Buffer.concat(contents);
}

function newFrames(old: FrameIndex, fresh: FrameIndex) {
  const had = new Set(old.frames.map(({ sha256 }) => sha256));
  return fresh.frames.filter(({ sha256 }) => !had.has(sha256));
}

/** Files of 1 to 60 kB. */
function smallEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `usr/lib/node_modules/package-${index % 40}/file-${index}.js`,
    content: noise(1000 + ((index * 7919) % 59_000), `file ${index}`),
  }));
}

/** The same for the same seed. */
function noise(sizeBytes: number, seed: string): Buffer {
  return createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();
}
