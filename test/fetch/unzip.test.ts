import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { extractOnly, unzipOnly } from '../../src/fetch/unzip.ts';
import { writeZip, type ZipEntry } from '../doubles/github/zip.ts';
import { startResultsService } from '../doubles/results-service/service.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CONTENT = randomBytes(100_000);

let dir: string;
let target: string;

beforeEach(async () => {
  dir = await tempDir();
  target = join(dir, 'out', 'target');
  await fs.mkdir(join(dir, 'out'));
});

async function extract(
  zip: Buffer,
  options: Partial<Parameters<typeof extractOnly>[2]> = {},
): Promise<Buffer> {
  const path = join(dir, 'artifact.zip');
  await fs.writeFile(path, zip);
  await extractOnly(path, target, { sizeBytes: CONTENT.length, ...options });
  return await fs.readFile(target);
}

/** By this process since its start, as far as the system counts. */
async function writtenBytes(): Promise<number> {
  const counters = await fs.readFile('/proc/self/io', 'utf8').catch(() => '');
  return Number(/wchar: (\d+)/.exec(counters)?.[1] ?? 0);
}

describe('extractOnly', () => {
  it.each([false, true])('writes the entry to the path that it is given (deflated: %s)', async (deflate) => {
    const zip = writeZip([{ name: 'any.smolmachine', content: CONTENT, deflate }]);
    expect(await extract(zip)).toEqual(CONTENT);
    expect(await fs.readdir(join(dir, 'out'))).toEqual(['target']);
  });

  it('reads what the toolkit uploads', async () => {
    const service = await startResultsService({ dir: join(dir, 'blobs') });
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    onTestFinished(async () => {
      stdout.mockRestore();
      vi.unstubAllEnvs();
      await service.close();
    });
    for (const [name, value] of Object.entries({ ...service.env, NO_PROXY: '127.0.0.1' })) {
      vi.stubEnv(name, value);
    }
    const file = join(dir, 'a.smolmachine');
    await fs.writeFile(file, CONTENT);
    await new DefaultArtifactClient().uploadArtifact('zipped', [file], dir);
    expect(await extract(await service.readArtifact('zipped'))).toEqual(CONTENT);
  });

  it.each<[string, readonly ZipEntry[], RegExp]>([
    [
      'leaves the directory',
      [{ name: '../target', content: CONTENT }],
      /invalid relative path: \.\.\/target/,
    ],
    ['leaves it by a backslash', [{ name: '..\\target', content: CONTENT }], /invalid relative path/],
    ['is absolute', [{ name: '/tmp/target', content: CONTENT }], /absolute path: \/tmp\/target/],
    ['is a symbolic link', [{ name: 'a', content: CONTENT, mode: 0o120777 }], /"a" is not a plain file/],
    ['is a device', [{ name: 'a', content: CONTENT, mode: 0o020644 }], /"a" is not a plain file/],
    ['is a directory', [{ name: 'a/', content: Buffer.alloc(0) }], /"a\/" is not a plain file/],
    [
      'has a neighbour',
      [
        { name: 'a', content: CONTENT },
        { name: 'b', content: CONTENT },
      ],
      /2 entries, expected 1/,
    ],
    ['does not exist', [], /0 entries, expected 1/],
    ['is smaller', [{ name: 'a', content: CONTENT.subarray(1) }], /99999 bytes, expected 100000/],
    [
      'is larger',
      [{ name: 'a', content: Buffer.alloc(100_001), deflate: true }],
      /100001 bytes, expected 100000/,
    ],
  ])('refuses a zip whose entry %s', async (_, entries, message) => {
    expect(await failureOf(extract(writeZip(entries)))).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringMatching(message),
    });
    expect(await fs.readdir(join(dir, 'out'))).toEqual([]);
  });

  it('stops at the size that it was promised, and leaves nothing', async () => {
    const content = Buffer.alloc(64 << 20);
    const zip = writeZip([{ name: 'a', content, deflate: true, claimedBytes: CONTENT.length }]);
    const before = await writtenBytes();
    const error = await failureOf(extract(zip));
    expect((await writtenBytes()) - before).toBeLessThan(8 << 20);
    expect(error).toMatchObject({
      code: 'sidecar-damaged',
      message: expect.stringMatching(/too many bytes/),
    });
    expect(await fs.readdir(join(dir, 'out'))).toEqual([]);
  });

  it.each([
    ['ends too early', Buffer.alloc(10)],
    ['is no zip', randomBytes(1000)],
    ['is a zip that was cut', writeZip([{ name: 'a', content: CONTENT }]).subarray(0, 50_000)],
  ])('refuses a file that %s', async (_, bytes) => {
    expect((await failureOf(extract(bytes))).code).toBe('sidecar-damaged');
  });

  it('writes over nothing and through no link', async () => {
    const victim = join(dir, 'victim');
    await fs.writeFile(victim, 'precious');
    await fs.symlink(victim, target);
    const zip = writeZip([{ name: 'a', content: CONTENT }]);
    expect((await failureOf(extract(zip))).code).toBe('io');
    expect(await fs.readFile(victim, 'utf8')).toBe('precious');
    expect(await fs.readlink(target)).toBe(victim);
  });

  it('ends with the reason it was stopped for', async () => {
    const reason = new Error('enough');
    const zip = writeZip([{ name: 'a', content: CONTENT }]);
    await expect(extract(zip, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await fs.readdir(join(dir, 'out'))).toEqual([]);
  });
});

describe('unzipOnly', () => {
  it('gives the content of the only entry', async () => {
    const zip = writeZip([{ name: 'a.json', content: CONTENT, deflate: true }]);
    expect(await unzipOnly(zip, CONTENT.length)).toEqual(CONTENT);
  });

  it('refuses more than it may give, whatever the zip says of it', async () => {
    const content = Buffer.alloc(8 << 20);
    for (const claimedBytes of [content.length, 1000]) {
      const zip = writeZip([{ name: 'a.json', content, deflate: true, claimedBytes }]);
      expect((await failureOf(unzipOnly(zip, 1 << 20))).code).toBe('sidecar-damaged');
    }
  });
});
