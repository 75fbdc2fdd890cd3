import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contentOf, readTar, type TarEntry, TarError } from '../../src/tar/read.ts';
import { tar } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const LONG_NAME = `${'n'.repeat(120)}/${'ü'.repeat(90)}`;

async function sampleTree(): Promise<string> {
  const dir = await tempDir();
  await fs.mkdir(join(dir, 'n'.repeat(120)));
  await fs.writeFile(join(dir, LONG_NAME), 'long');
  await fs.writeFile(join(dir, 'plain'), Buffer.alloc(1000, 'p'), { mode: 0o640 });
  await fs.link(join(dir, 'plain'), join(dir, 'twin'));
  await fs.symlink('t'.repeat(150), join(dir, 'link'));
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  await fs.writeFile(join(dir, 'empty'), '');
  return dir;
}

/** In pieces of a size that no header is aligned with. */
async function* inPieces(bytes: Buffer, sizeBytes = 700): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += sizeBytes) {
    yield bytes.subarray(offset, offset + sizeBytes);
  }
}

async function entriesOf(bytes: Buffer): Promise<{ entries: TarEntry[]; raw: Buffer }> {
  const entries: TarEntry[] = [];
  const raw: Buffer[] = [];
  for await (const part of readTar(inPieces(bytes))) {
    raw.push(part.kind === 'header' ? part.raw : part.chunk);
    if (part.kind === 'header') {
      entries.push(part.entry);
    }
  }
  return { entries, raw: Buffer.concat(raw) };
}

async function contentsOf(bytes: Buffer): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  const parts = readTar(inPieces(bytes, 100_000));
  for await (const part of parts) {
    if (part.kind === 'header') {
      const chunks: Buffer[] = [];
      for await (const chunk of contentOf(part.entry, parts)) {
        chunks.push(chunk);
      }
      contents.set(part.entry.path, Buffer.concat(chunks));
    }
  }
  return contents;
}

/** With more extents than fit into the header. */
async function sparseTar(sizeBytes: number): Promise<{ bytes: Buffer; path: string }> {
  const dir = await tempDir();
  const path = join(dir, 'sparse');
  const file = await fs.open(path, 'w');
  for (let extent = 0; extent < 40; extent += 1) {
    await file.write('data', extent * 1024 * 1024);
  }
  await file.truncate(sizeBytes);
  await file.close();
  await fs.writeFile(join(dir, 'zz-after'), 'what comes next');
  return { bytes: tar(dir, '--format=gnu', '--sparse'), path };
}

/** A tar of one entry, `change` applied to its header before the checksum is made. */
async function changedTar(
  change: (header: Buffer) => void,
  { name = 'plain', format = 'gnu' } = {},
): Promise<Buffer> {
  const dir = await tempDir();
  await fs.writeFile(join(dir, name), 'x'.repeat(1000));
  const bytes = execFileSync('tar', ['--create', `--format=${format}`, '--directory', dir, name]);
  change(bytes.subarray(0, 512));
  return resealed(bytes);
}

function resealed(bytes: Buffer): Buffer {
  const header = bytes.subarray(0, 512);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

describe('a tar made by GNU tar', () => {
  test.each(['gnu', 'pax'])('in the format %s is read entry by entry', async (format) => {
    const bytes = tar(await sampleTree(), `--format=${format}`, '--owner=3000000', '--group=7');
    const { entries, raw } = await entriesOf(bytes);
    const byPath = new Map(entries.map((entry) => [entry.path, entry]));
    expect(byPath.get(LONG_NAME)).toMatchObject({ type: 'file', sizeBytes: 4, uid: 3_000_000, gid: 7 });
    expect(byPath.get('plain')).toMatchObject({ mode: 0o640, sizeBytes: 1000 });
    expect(byPath.get('twin')).toMatchObject({ type: 'hardlink', sizeBytes: 0 });
    expect(byPath.get('link')).toMatchObject({ type: 'symlink', linkPath: 't'.repeat(150) });
    expect(byPath.get('pipe')?.type).toBe('fifo');
    expect(byPath.get('empty')?.sizeBytes).toBe(0);
    expect(entries).toHaveLength(8);
    expect(raw.equals(bytes.subarray(0, raw.length)), 'every byte before the end marker').toBe(true);
    expect(bytes.subarray(raw.length).every((byte) => byte === 0)).toBe(true);
  });

  test('in the format ustar has its long names put together', async () => {
    const dir = await tempDir();
    const name = `${'d'.repeat(90)}/${'f'.repeat(90)}`;
    await fs.mkdir(join(dir, 'd'.repeat(90)));
    await fs.writeFile(join(dir, name), 'long');
    const { entries } = await entriesOf(tar(dir, '--format=ustar'));
    expect(entries.at(-1)).toMatchObject({ path: name, type: 'file', sizeBytes: 4 });
  });

  test('with a sparse file keeps its real size apart from the stored one', async () => {
    const { bytes } = await sparseTar(1024 ** 3);
    const { entries } = await entriesOf(bytes);
    const sparse = entries.find(({ path }) => path === 'sparse');
    expect(sparse).toMatchObject({ type: 'sparse', realSizeBytes: 1024 ** 3 });
    expect(sparse?.sizeBytes).toBeLessThan(1024 * 1024);
  });

  test('with a sparse file gives back its content, holes and all', async () => {
    const { bytes, path } = await sparseTar(48 * 1024 * 1024 + 5);
    const contents = await contentsOf(bytes);
    expect(contents.get('sparse')?.equals(await fs.readFile(path))).toBe(true);
    expect(contents.get('zz-after')?.toString()).toBe('what comes next');
  });

  test('that is cut anywhere, or damaged in a header, is refused', async () => {
    const bytes = tar(await sampleTree(), '--format=gnu');
    const { raw } = await entriesOf(bytes);
    for (const length of [0, 1, 511, 513, raw.length - 1, raw.length]) {
      await expect(entriesOf(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(TarError);
    }
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(100) ^ 1, 100);
    await expect(entriesOf(damaged)).rejects.toThrow('wrong checksum');
  });
});

test('a tar made by busybox, as smolvm makes its layers, is read entry by entry', async () => {
  const bytes = execFileSync('busybox', ['tar', '-c', '-f', '-', '-C', await sampleTree(), '.']);
  const { entries } = await entriesOf(bytes);
  expect(entries.map(({ path }) => path)).toContain(LONG_NAME);
  expect(entries.filter(({ type }) => type === 'hardlink')).toHaveLength(1);
  expect(entries).toHaveLength(8);
});

describe('a tar that other readers would take for something else', () => {
  const cases: Array<[what: string, message: string, change: (header: Buffer) => void]> = [
    ['a directory with content', 'has 1000 bytes of content', (header) => header.write('5', 156)],
    ['a symlink with content', 'has 1000 bytes of content', (header) => header.write('2', 156)],
    ['a negative size', 'has the size -1', (header) => header.fill(0xff, 124, 136)],
    ['a size beyond 2^53', 'has the size', (header) => header.set([0x80, 0, 0, 0, 0x7f], 124)],
    ['a size that is not a number', 'damaged number', (header) => header.write('9', 124)],
    ['an unknown type', 'unknown tar entry type "V"', (header) => header.write('V', 156)],
    [
      'a giant extension header',
      'extension header of',
      (header) => {
        header.write('7', 124);
        header.write('L', 156);
      },
    ],
    ['a long name of nothing', 'extension header without an entry', (header) => header.write('L', 156)],
    ['a sparse map without content', 'sparse map', (header) => header.write('S', 156)],
  ];
  test.each(cases)('is refused: %s', async (_what, message, change) => {
    const bytes = await changedTar(change);
    await expect(entriesOf(bytes)).rejects.toThrow(TarError);
    await expect(entriesOf(bytes)).rejects.toThrow(message);
  });

  test('is refused: data behind the end marker', async () => {
    const bytes = await changedTar(() => {});
    await expect(entriesOf(Buffer.concat([bytes, bytes]))).rejects.toThrow('behind the end marker');
    const zeros = await entriesOf(Buffer.concat([bytes, Buffer.alloc(1024 * 1024)]));
    expect(zeros.entries).toHaveLength(1);
  });

  test.each([
    ['without its line end', '11 path=etc ', 'damaged pax header'],
    ['longer than the header', '99 path=etc\n', 'damaged pax header'],
    ['without a key', '11 path etc\n', 'damaged pax header'],
    ['with a size that is not decimal', '14 size=0x200\n', 'has the size NaN'],
  ])('is refused: a pax record %s', async (_what, record, message) => {
    const bytes = await changedTar(() => {}, { name: 'n'.repeat(120), format: 'pax' });
    bytes.fill(0, 512, 1024);
    bytes.write(record, 512);
    bytes.write(record.length.toString(8).padStart(11, '0'), 124);
    await expect(entriesOf(resealed(bytes))).rejects.toThrow(message);
  });
});

test('a path of half a million slashes is read without delay', async () => {
  const path = `x${'/'.repeat(500_000)}x`;
  const record = `500015 path=${path}\n`;
  const padded = Buffer.alloc(Math.ceil(record.length / 512) * 512);
  padded.write(record);
  const entry = await changedTar(() => {});
  const extension = await changedTar((header) => {
    header.write('x', 156);
    header.write(record.length.toString(8).padStart(11, '0'), 124);
  });
  const { entries } = await entriesOf(Buffer.concat([extension.subarray(0, 512), padded, entry]));
  expect(entries.map((each) => each.path)).toEqual([path]);
});
