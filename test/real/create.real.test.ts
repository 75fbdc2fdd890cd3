import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isOlder } from '../../src/identity/version.ts';
import { TESTED_VERSIONS } from '../../src/pack/smolvm.ts';
import { linkInsideRoot } from '../../src/sidecar/links.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { joinSidecar, writeAssets } from '../doubles/smolvm/sidecar-writer.ts';
import { type Sample, sampleParts, tar, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { LACKS_REAL_SMOLVM, REAL_VERSIONS, real, runSmolvm, Table } from './smolvm.ts';

const SKIPPABLE = Buffer.from('5f2a4d180400000061626364', 'hex');
const FRAME_BYTES = 4096;
/** Since this version, smolvm compares the checksum when it makes a machine. */
const CHECKS_CRC = '1.16.1';

const table = new Table();
afterAll(() => {
  console.log(`\nsmolvm machine create --from\n${table}`);
});

interface Case {
  readonly name: string;
  readonly write: (path: string) => Promise<unknown>;
  /** A part of what smolvm says when it refuses it. */
  readonly refusal?: RegExp;
  /** Older versions take it. */
  readonly refusedSince?: string;
  /** Whether `verify --deep` refuses it, too, or names what is wrong with it. */
  readonly ours: 'accepts' | 'refuses' | 'names';
}

const good: Case[] = [
  { name: 'as smolvm writes it', write: (path) => writeSample(path), ours: 'accepts' },
  { name: 'its layer in many frames, others skipped', write: inFrames, ours: 'accepts' },
  {
    name: 'links that were led inside the root',
    write: (path) => withLinks(path, (link, target) => linkInsideRoot(link, target) ?? target),
    ours: 'accepts',
  },
];

const bad: Case[] = [
  {
    name: 'links above the root',
    write: (path) => withLinks(path, (_link, target) => target),
    refusal: /escapes destination directory|aliases the destination root/,
    ours: 'names',
  },
  {
    name: 'another checksum',
    write: (path) => writeSample(path, () => ({ crc32: 0x12345678 })),
    refusal: /checksum mismatch/,
    refusedSince: CHECKS_CRC,
    ours: 'refuses',
  },
  {
    name: 'half of the file',
    write: async (path) => {
      await writeSample(path);
      await fs.truncate(path, Math.floor((await fs.stat(path)).size / 2));
    },
    refusal: /magic|footer|not a .*smolmachine/i,
    ours: 'refuses',
  },
  {
    name: 'footer of version 4',
    write: (path) => writeSample(path, () => ({ footer: { version: 4 } })),
    refusal: /unsupported version|version 4/i,
    ours: 'refuses',
  },
  {
    name: 'secrets',
    write: (path) =>
      writeSample(path, ({ manifest }) => ({
        manifest: { ...manifest, secret_refs: { TOKEN: { from_env: 'HOME' } } },
      })),
    refusal: /secret refs/,
    ours: 'refuses',
  },
];

test.skipIf(LACKS_REAL_SMOLVM)('every version that is said to be tested is tested here', () => {
  expect(REAL_VERSIONS).toEqual(TESTED_VERSIONS);
});

describe.skipIf(LACKS_REAL_SMOLVM).each(REAL_VERSIONS)('smolvm %s', (version) => {
  beforeAll(async () => {
    await real(version);
  });

  test.each(good)('makes a machine from a sidecar $name', async ({ name, write }) => {
    const path = join(await tempDir(), 'agent.smolmachine');
    await write(path);
    const { code, stderr } = await create(version, path);
    expect(code, stderr).toBe(0);
    table.set(name, version, 'ok');
  });

  test.each(bad)('makes none from a sidecar with $name', async ({ name, write, refusal, refusedSince }) => {
    const path = join(await tempDir(), 'agent.smolmachine');
    await write(path);
    const { code, stderr } = await create(version, path);
    const isRefused = refusedSince === undefined || !isOlder(version, refusedSince);
    expect(code, stderr).toBe(isRefused ? 1 : 0);
    if (isRefused) {
      expect(stderr).toMatch(refusal as RegExp);
    }
    table.set(name, version, isRefused ? 'refused' : 'taken');
  });
});

test.each([...good, ...bad])(
  'verify --deep judges a sidecar $name as smolvm does',
  async ({ write, ours }) => {
    const path = join(await tempDir(), 'agent.smolmachine');
    await write(path);
    const report = await verifySidecar(path, {}, { deep: true }).catch(() => undefined);
    expect(report === undefined).toBe(ours === 'refuses');
    const links = report?.members?.flatMap(({ refusedLinks = [] }) => refusedLinks) ?? [];
    expect(links.length > 0).toBe(ours === 'names');
  },
);

async function create(version: (typeof REAL_VERSIONS)[number], path: string) {
  return await runSmolvm(await real(version), ['machine', 'create', '--name', 'test', '--from', path]);
}

async function inFrames(path: string): Promise<void> {
  const { members, manifest } = await sampleParts(await tempDir());
  const assetsPath = `${path}.assets`;
  await writeAssets(members, assetsPath);
  const content = zstdDecompressSync(await fs.readFile(assetsPath));
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const frames = Array.from({ length: Math.ceil(content.length / FRAME_BYTES) }, (_, index) =>
    zstdCompressSync(
      content.subarray(index * FRAME_BYTES, (index + 1) * FRAME_BYTES),
      index % 2 ? { params } : {},
    ),
  );
  await fs.writeFile(
    assetsPath,
    Buffer.concat([SKIPPABLE, ...frames.slice(0, 2), SKIPPABLE, ...frames.slice(2), SKIPPABLE]),
  );
  await joinSidecar(path, { assetsPath, manifest });
}

const LINKS: ReadonlyArray<readonly [path: string, target: string]> = [
  ['etc/deep', '../../../bin/sh'],
  ['etc/root', '/'],
  ['top', '..'],
  ['etc/around', '/etc/../../x'],
];

/** With a layer that holds links. Versions differ in which layers they unpack themselves, by who packed them. */
async function withLinks(path: string, change: (link: string, target: string) => string): Promise<void> {
  const root = join(await tempDir(), 'root');
  await fs.mkdir(join(root, 'etc'), { recursive: true });
  for (const [link, target] of LINKS) {
    await fs.symlink(change(link, target), join(root, link));
  }
  await writeSample(path, (sample) => withLayer(sample, tar(root)));
}

function withLayer({ members, manifest }: Sample, source: Buffer) {
  const layers = manifest.assets.layers.map((layer) => ({ ...layer, size: source.length }));
  return {
    members: members.map((member) => (member.path.startsWith('layers/') ? { ...member, source } : member)),
    manifest: { ...manifest, smolvm_version: '1.32.2', assets: { ...manifest.assets, layers } },
  };
}
