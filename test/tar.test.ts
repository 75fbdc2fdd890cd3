import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTar, type TarEntry, TarError } from '../src/tar.ts';
import { tar } from './helpers/sample-sidecar.ts';
import { tempDir } from './helpers/temp-dir.ts';

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

  test('with a sparse file keeps its real size apart from the stored one', async () => {
    const dir = await tempDir();
    const file = await fs.open(join(dir, 'sparse'), 'w');
    for (let extent = 0; extent < 40; extent += 1) {
      await file.write('data', extent * 1024 * 1024);
    }
    await file.truncate(1024 ** 3);
    await file.close();
    const { entries } = await entriesOf(tar(dir, '--format=gnu', '--sparse'));
    const sparse = entries.find(({ path }) => path === 'sparse');
    expect(sparse).toMatchObject({ type: 'sparse', realSizeBytes: 1024 ** 3 });
    expect(sparse?.sizeBytes).toBeLessThan(1024 * 1024);
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
