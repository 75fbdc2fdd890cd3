import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { HERE } from '../../src/identity/origin.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { formatRecord, verifyFile } from '../../src/sidecar/file.ts';
import { readSidecar, verifySidecar } from '../../src/sidecar/verify.ts';
import { installSidecar } from '../../src/store/install.ts';
import { verifyStored } from '../../src/store/read.ts';
import { failureOf } from '../helpers/failure.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { imageId, KEY, watchedStore } from '../store/sample-store.ts';

const FOOTER_BYTES = 64;
/** Each can be written in two ways: more than the 32 bits of the checksum. */
const LETTERS = 48;

interface File {
  readonly path: string;
  readonly record: PackRecord;
}

/** A good sidecar, and one with another command, in the same size and with the same CRC-32. */
async function forgedPair(): Promise<{ good: File; forged: File }> {
  const dir = await tempDir();
  const paths = { good: join(dir, 'good'), forged: join(dir, 'forged') };
  await writeSample(paths.good, ({ manifest }) => ({
    manifest: { ...manifest, created: 'a'.repeat(LETTERS) },
  }));
  const bytes = await fs.readFile(paths.good);
  const content = Buffer.from(bytes.subarray(0, -FOOTER_BYTES));
  const { assetsBytes } = (await readSidecar(paths.good)).footer;
  content.write('/bin/su', content.indexOf('/bin/sh', assetsBytes));
  const letters = content.indexOf('a'.repeat(LETTERS), assetsBytes);
  forge(content, letters, crc32(bytes.subarray(0, -FOOTER_BYTES)));
  await fs.writeFile(paths.forged, Buffer.concat([content, bytes.subarray(-FOOTER_BYTES)]));
  return {
    good: { path: paths.good, record: await recordFor(paths.good, 'good') },
    forged: { path: paths.forged, record: await recordFor(paths.forged, 'forged') },
  };
}

/** CRC-32 is linear: which letters to write large is a system of equations over one bit, solved by elimination. */
function forge(content: Buffer, letters: number, wanted: number): void {
  const before = crc32(content);
  const flip = (index: number) =>
    content.writeUInt8(content.readUInt8(letters + index) ^ 0x20, letters + index);
  const basis = new Map<number, { readonly effect: number; readonly flips: bigint }>();
  const reduce = (effect: number, flips: bigint) => {
    let rest = { effect, flips };
    for (;;) {
      const known = rest.effect === 0 ? undefined : basis.get(Math.clz32(rest.effect));
      if (known === undefined) {
        return rest;
      }
      rest = { effect: rest.effect ^ known.effect, flips: rest.flips ^ known.flips };
    }
  };
  for (let index = 0; index < LETTERS; index += 1) {
    flip(index);
    const rest = reduce(crc32(content) ^ before, 1n << BigInt(index));
    flip(index);
    if (rest.effect !== 0) {
      basis.set(Math.clz32(rest.effect), rest);
    }
  }
  const { effect, flips } = reduce(wanted ^ before, 0n);
  expect(effect, 'letters were too few').toBe(0);
  for (let index = 0; index < LETTERS; index += 1) {
    if ((flips >> BigInt(index)) & 1n) {
      flip(index);
    }
  }
}

async function recordFor(path: string, name: string): Promise<PackRecord> {
  const { sha256, sizeBytes, crc32: crc, manifest } = await verifySidecar(path);
  return {
    version: 1,
    platform: 'linux/amd64',
    image: { id: imageId(name), layers: [], runtimeConfigSha256: '0'.repeat(64) },
    flattened: {
      configDigest: SAMPLE_CONFIG_DIGEST,
      layerDigest: manifest.assets.layers[0]?.digest ?? '',
      layerSizeBytes: 1,
    },
    sidecar: { sha256, sizeBytes, crc32: crc },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: '2026-11-23T00:00:00.000Z',
    inputs: {
      key: KEY,
      dockerfileSha256: '1'.repeat(64),
      buildArgsSha256: '2'.repeat(64),
      entriesSha256: '3'.repeat(64),
      narrowed: true,
    },
  };
}

test('a sidecar that was forged to the CRC-32 of another is told by its SHA-256', async () => {
  const { good, forged } = await forgedPair();
  const report = await verifySidecar(forged.path);
  expect(report).toMatchObject({
    crc32: good.record.sidecar.crc32,
    sizeBytes: good.record.sidecar.sizeBytes,
  });
  expect(report.manifest.entrypoint).toEqual(['/bin/su']);
  const { sha256 } = good.record.sidecar;
  const { code, message } = await failureOf(verifySidecar(forged.path, { sha256 }));
  expect(code).toBe('sidecar-damaged');
  expect(message).toContain(`the SHA-256 is ${forged.record.sidecar.sha256}, expected ${sha256}`);
});

test('it does not pass for the file that a pack record lies beside', async () => {
  const { good, forged } = await forgedPair();
  await fs.writeFile(`${forged.path}.json`, formatRecord(good.record));
  expect((await failureOf(verifyFile(forged.path, {}))).message).toContain('SHA-256');
});

test('both stay apart in the store, and in the place of the other it goes to quarantine', async () => {
  const { good, forged } = await forgedPair();
  const { store, warnings } = await watchedStore(join(await tempDir(), 'store'));
  const install = ({ path, record }: File) =>
    store.withTemp(async (dir) => {
      const temp = join(dir, 'sidecar');
      await fs.copyFile(path, temp);
      return await installSidecar(store, temp, { origin: HERE, record });
    });
  const installed = { good: await install(good), forged: await install(forged) };
  expect(await verifyStored(store, installed.good, {})).toMatchObject(good.record.sidecar);
  expect(await verifyStored(store, installed.forged, {})).toMatchObject(forged.record.sidecar);

  await fs.rm(installed.good.path);
  await fs.copyFile(forged.path, installed.good.path);
  expect(await verifyStored(store, installed.good, {})).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('SHA-256')]);
  await expect(fs.stat(installed.good.path)).rejects.toThrow(/ENOENT/);
});
