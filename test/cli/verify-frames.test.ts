import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { formatRecord } from '../../src/sidecar/file.ts';
import { formatFrameIndex } from '../../src/sidecar/frame-index.ts';
import { reframeSidecar } from '../../src/sidecar/reframe.ts';
import { readSidecar, verifySidecar } from '../../src/sidecar/verify.ts';
import { type Checkout, publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const FOOTER_BYTES = 64;
const OTHER_SHA256 = '0'.repeat(64);

test('a sidecar in frames is good with its record and its index, and without them', async () => {
  const { path, verify } = await startBed();
  expect(await verify('--deep')).toMatchObject({ exitCode: 0, stderr: '' });
  await fs.rm(`${path}.frames`);
  expect((await verify('--deep')).exitCode).toBe(0);
  await fs.rm(`${path}.json`);
  expect((await verify('--deep')).exitCode).toBe(0);
});

test.each([
  ['another SHA-256 of a frame', /frame 1 is .*, and the index says .* 0{64}/, withSha256],
  ['another size of a frame', /frame 0 is 522 bytes .*, and the index says 523 bytes/, withSize],
  ['a frame too few', /it lists \d+ frames, and the sidecar has \d+/, (rows: Row[]) => rows.slice(0, -1)],
  [
    'a frame too many',
    /it lists \d+ frames, and the sidecar has \d+/,
    (rows: Row[]) => [...rows, [9, 9, OTHER_SHA256] as Row],
  ],
])('an index with %s is wrong, which only --deep sees', async (_, message, change) => {
  const { path, verify } = await startBed();
  const { frames } = JSON.parse(await fs.readFile(`${path}.frames`, 'utf8'));
  await fs.writeFile(`${path}.frames`, `${JSON.stringify({ version: 1, frames: change(frames) })}\n`);
  expect((await verify()).exitCode).toBe(0);
  const { exitCode, stderr } = await verify('--deep');
  expect(exitCode).toBe(65);
  expect(stderr).toContain('damaged frame index');
  expect(stderr).toMatch(message);
});

test('an index that is not JSON is wrong', async () => {
  const { path, verify } = await startBed();
  await fs.writeFile(`${path}.frames`, 'frames');
  expect(await verify('--deep')).toMatchObject({ exitCode: 65, stderr: expect.stringContaining('not JSON') });
});

test('a record that names another index is wrong, beside a file and in the store', async () => {
  const { path, verify, fetch, verifyStore } = await startBed({ indexSha256: OTHER_SHA256 });
  const message = `and its pack record says ${OTHER_SHA256}`;
  expect(await verify('--deep')).toMatchObject({ exitCode: 65, stderr: expect.stringContaining(message) });
  const stored = await fetch(path);
  expect((await verifyStore()).exitCode).toBe(0);
  expect(await verifyStore('--deep')).toMatchObject({
    exitCode: 65,
    stdout: expect.stringContaining(message),
  });
  expect((await fs.stat(stored)).isFile(), 'its bytes are good').toBe(true);
});

test.each([
  ['the content of a frame', 12, 'frame 0 at byte 0 should have 513 bytes of content'],
  ['the size of a frame', 8, 'its sizes do not add up'],
])(
  'a seek table that is wrong in %s is wrong, though all checksums are right',
  async (_, offset, message) => {
    const { path, verify } = await startBed();
    const bytes = await fs.readFile(path);
    const { footer } = await readSidecar(path);
    const rows = bytes.readUInt32LE(footer.assetsBytes - 9);
    const at = footer.assetsBytes - 9 - 8 * rows - 8 + offset;
    bytes.writeUInt32LE(bytes.readUInt32LE(at) + 1, at);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, -FOOTER_BYTES)), bytes.length - FOOTER_BYTES + 52);
    await fs.writeFile(path, bytes);
    await fs.rm(`${path}.json`);
    await fs.rm(`${path}.frames`);
    expect((await verify()).exitCode).toBe(0);
    const { exitCode, stderr } = await verify('--deep');
    expect(exitCode).toBe(65);
    expect(stderr).toContain(`seek table: ${message}`);
  },
);

type Row = [sizeBytes: number, contentBytes: number, sha256: string];

function withSha256(rows: Row[]): Row[] {
  return rows.map(([size, content, sha256], at) => [size, content, at === 1 ? OTHER_SHA256 : sha256]);
}

function withSize(rows: Row[]): Row[] {
  return rows.map(([size, content, sha256], at) => [at === 0 ? size + 1 : size, content, sha256]);
}

/** A sidecar in frames with its record and its index beside it, and an empty store. */
async function startBed({ indexSha256 }: { indexSha256?: string } = {}) {
  const home = await tempDir();
  const checkout: Checkout = await sampleCheckout();
  const path = join(await tempDir(), 'agent.smolmachine');
  const plain = join(dirname(path), 'plain');
  await writeSample(plain);
  const { signal } = new AbortController();
  const { frames } = await reframeSidecar(await readSidecar(plain), path, { changes: {}, signal });
  const index = formatFrameIndex(frames);
  const { sha256, sizeBytes, crc32: crc } = await verifySidecar(path);
  const { record } = await publishFile(checkout);
  const published = {
    ...record,
    sidecar: { sha256, sizeBytes, crc32: crc },
    frames: {
      sha256: indexSha256 ?? createHash('sha256').update(index).digest('hex'),
      sizeBytes: index.length,
    },
  };
  await fs.writeFile(`${path}.json`, formatRecord(published));
  await fs.writeFile(`${path}.frames`, index);
  const env = { HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '' };
  const context = ['--context', checkout.dir];
  return {
    path,
    verify: (...args: string[]) => runCli(['verify', path, '--quiet', ...context, ...args], env),
    verifyStore: (...args: string[]) => runCli(['verify', '--quiet', ...context, ...args], env),
    /** @returns its path in the store */
    fetch: async (file: string): Promise<string> => {
      const args = ['--from', `file:${file}`, '--no-bind', '--json', ...context];
      const result = await runCli(['fetch', ...args], env);
      expect(result.exitCode, result.stderr).toBe(0);
      return JSON.parse(result.stdout).path;
    },
  };
}
