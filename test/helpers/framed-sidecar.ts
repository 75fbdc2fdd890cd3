import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';
import { encodeFooter } from '../doubles/smolvm/sidecar-writer.ts';
import { sampleParts } from './sample-sidecar.ts';

export interface FramedSidecar {
  readonly bytes: Buffer;
  /** The frame index as it is published. */
  readonly index: Buffer;
  readonly frames: ReadonlyArray<{ readonly offset: number; readonly sizeBytes: number }>;
}

/**
 * A sidecar in frames, with the seek table of the zstd seekable format behind them, and its frame index. What the
 * frames hold is not a tar. It shares no code with src/.
 */
export async function framedSidecar(contents: readonly Buffer[]): Promise<FramedSidecar> {
  const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  const { manifest } = await sampleParts(dir);
  await fs.rm(dir, { recursive: true });
  const compressed = contents.map((content) => zstdCompressSync(content));
  const table = Buffer.alloc(8 + 8 * contents.length + 9);
  table.writeUInt32LE(0x184d2a5e, 0);
  table.writeUInt32LE(table.length - 8, 4);
  for (const [position, frame] of compressed.entries()) {
    table.writeUInt32LE(frame.length, 8 + 8 * position);
    table.writeUInt32LE(contents[position]?.length ?? 0, 12 + 8 * position);
  }
  table.writeUInt32LE(contents.length, table.length - 9);
  table.writeUInt32LE(0x8f92eab1, table.length - 4);
  const assets = Buffer.concat([...compressed, table]);
  const json = Buffer.from(JSON.stringify(manifest));
  const body = Buffer.concat([assets, json]);
  const footer = encodeFooter({ assetsSize: assets.length, manifestSize: json.length, crc32: crc32(body) });
  let offset = 0;
  const frames = compressed.map(({ length: sizeBytes }) => {
    offset += sizeBytes;
    return { offset: offset - sizeBytes, sizeBytes };
  });
  const rows = compressed.map((frame, position) => [
    frame.length,
    contents[position]?.length,
    createHash('sha256').update(frame).digest('hex'),
  ]);
  const index = Buffer.from(`${JSON.stringify({ version: 1, frames: rows })}\n`);
  return { bytes: Buffer.concat([body, footer]), index, frames };
}
