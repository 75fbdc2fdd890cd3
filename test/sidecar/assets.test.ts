import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { frameContents } from '../../src/sidecar/frame-reader.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { sparseHeader } from '../../src/tar/gnu.ts';
import type { TarEntry } from '../../src/tar/read.ts';
import { END_OF_ARCHIVE } from '../../src/tar/write.ts';
import {
  type AssetsMember,
  type Extent,
  joinSidecar,
  writeAssets,
} from '../doubles/smolvm/sidecar-writer.ts';
import { failureOf } from '../helpers/failure.ts';
import { writeLayerSidecar } from '../helpers/guest-sidecar.ts';
import { type Sample, tar, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const deep = { deep: true };

async function writeWith(change: (sample: Sample) => AssetsMember[]): Promise<string> {
  const path = join(await tempDir(), 'sidecar');
  await writeSample(path, (sample) => ({ members: change(sample) }));
  return path;
}

function replaceAgent(type: AssetsMember['type']): (all: AssetsMember[]) => AssetsMember[] {
  return (all) =>
    all.map((member) => (member.path === 'agent-rootfs.tar' ? { path: member.path, type } : member));
}

const badMembers: Array<
  [what: string, message: string, change: (members: AssetsMember[]) => AssetsMember[]]
> = [
  [
    'an absolute path',
    '/etc/passwd',
    (all) => [...all, { path: '/etc/passwd', type: 'file', source: Buffer.from('x') }],
  ],
  [
    'a path upwards',
    '../evil',
    (all) => [...all, { path: '../evil', type: 'file', source: Buffer.from('x') }],
  ],
  [
    'a foreign name',
    'lib/evil.so',
    (all) => [...all, { path: 'lib/evil.so', type: 'file', source: Buffer.from('x') }],
  ],
  ['a member twice', 'there twice', (all) => [...all, ...all.slice(0, 1)]],
  ['a missing layer', 'which is not there', (all) => all.filter(({ path }) => !path.startsWith('layers/'))],
  [
    'a link in place of the layer',
    'is a symlink',
    (all) =>
      all.map((member) =>
        member.path.startsWith('layers/')
          ? { path: member.path, type: 'symlink', linkPath: '/etc/shadow' }
          : member,
      ),
  ],
  [
    'a layer of another size',
    'the manifest says',
    (all) =>
      all.map((member) =>
        member.path.startsWith('layers/') ? { ...member, source: Buffer.alloc(512) } : member,
      ),
  ],
  [
    'storage larger than declared',
    'storage.ext4',
    (all) => all.map((member) => (member.type === 'sparse' ? { ...member, sizeBytes: 2 ** 40 } : member)),
  ],
  [
    'storage smaller than declared',
    'storage.ext4',
    (all) => all.map((member) => (member.type === 'sparse' ? { ...member, sizeBytes: 8192 } : member)),
  ],
  ['a device', 'is a character-device', replaceAgent('character')],
  ['a hard link', 'is a hardlink', replaceAgent('hardlink')],
  [
    'data behind the end of the archive',
    'behind the end marker',
    (all) => [
      ...all,
      { path: 'end', type: 'raw', source: Buffer.concat([Buffer.alloc(1024), Buffer.from('x')]) },
    ],
  ],
];

test.each(badMembers)(
  'refuses %s in the assets, though footer and checksum are right',
  async (_what, message, change) => {
    const path = await writeWith(({ members }) => change(members));
    await verifySidecar(path);
    const error = await failureOf(verifySidecar(path, {}, deep));
    expect(error.code).toBe('sidecar-damaged');
    expect(error.message).toContain(message);
  },
);

test('accepts storage that smolvm could not write sparse', async () => {
  const path = await writeWith(({ members }) =>
    members.map((member) =>
      member.type === 'sparse'
        ? { path: member.path, type: 'zeros', sizeBytes: member.sizeBytes ?? 0 }
        : member,
    ),
  );
  expect((await verifySidecar(path, {}, deep)).members).toHaveLength(4);
});

test('looks into a layer that was written sparse', async () => {
  const holes = Buffer.alloc(4 * 1024 * 1024);
  const layers: Array<[entry: string, failure: string | undefined]> = [
    ['fine', undefined],
    ['../evil', 'leads out of the layer'],
  ];
  for (const [name, failure] of layers) {
    const dir = await tempDir();
    const layer = await tarOf(join(dir, 'inner'), [
      { path: 'zeros', type: 'file', source: holes },
      { path: name, type: 'file', source: Buffer.from('x') },
    ]);
    const path = join(dir, 'sidecar');
    await writeSample(
      path,
      withLayer(layer, [
        { offset: 0, bytes: layer.subarray(0, 512) },
        { offset: 512 + holes.length, bytes: layer.subarray(512 + holes.length) },
      ]),
    );
    const verified = verifySidecar(path, {}, deep);
    if (failure === undefined) {
      const sha256 = createHash('sha256').update(layer).digest('hex');
      expect((await verified).members?.[2]).toMatchObject({ entries: 2, sha256 });
    } else {
      expect((await failureOf(verified)).message).toContain(failure);
    }
  }
});

test('accepts a layer whose bytes have another digest than the manifest: smolvm makes its own tar of it', async () => {
  const dir = await tempDir();
  const layer = await tarOf(join(dir, 'inner'), [{ path: 'fine', type: 'file', source: Buffer.from('x') }]);
  const path = join(dir, 'sidecar');
  const { layerDigest } = await writeSample(path, withLayer(layer));
  const { members } = await verifySidecar(path, { layerDigest }, deep);
  expect(members?.[2]?.sha256).not.toBe(layerDigest.slice('sha256:'.length));
});

test.each([
  ['../evil', undefined],
  ['/etc/passwd', undefined],
  ['inner', '../../outer'],
])('refuses a layer whose entry leads out of it: %s %s', async (name, linkPath) => {
  const dir = await tempDir();
  const inner = join(dir, 'inner');
  const layer: AssetsMember =
    linkPath === undefined
      ? { path: name, type: 'file', source: Buffer.from('x') }
      : { path: name, type: 'hardlink', linkPath };
  const layerTar = await tarOf(inner, [layer]);
  const path = join(dir, 'sidecar');
  await writeSample(path, withLayer(layerTar));
  expect((await failureOf(verifySidecar(path, {}, deep))).message).toContain('leads out of the layer');
});

/** Puts another layer in, with its true size in the manifest and, given extents, as a sparse file. */
function withLayer(layerTar: Buffer, extents?: Extent[]) {
  return ({ members, manifest }: Sample) => {
    const layers = manifest.assets.layers.map((layer) => ({ ...layer, size: layerTar.length }));
    const content: Partial<AssetsMember> = extents
      ? { type: 'sparse', extents, sizeBytes: layerTar.length }
      : { source: layerTar };
    return {
      members: members.map((member) => {
        const { source: _, ...rest } = member;
        return member.path === layers[0]?.path ? { ...rest, ...content } : member;
      }),
      manifest: { ...manifest, assets: { ...manifest.assets, layers } },
    };
  };
}

async function tarOf(path: string, members: AssetsMember[]): Promise<Buffer> {
  await writeAssets(members, path);
  return zstdDecompressSync(await fs.readFile(path));
}

test('stops at a bomb within bounded memory', async () => {
  const path = await writeWith(({ members }) => [
    ...members.filter(({ type }) => type !== 'sparse'),
    { path: 'storage.ext4', type: 'zeros', sizeBytes: 2 * 1024 ** 3 },
  ]);
  expect((await fs.stat(path)).size).toBeLessThan(1024 * 1024);
  const before = process.memoryUsage().rss;
  const error = await failureOf(verifySidecar(path, {}, deep));
  expect(error.message).toContain('storage.ext4 has 2147483648 bytes');
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
});

test('stops at endless zeros behind the end of the archive', async () => {
  const path = await writeWith(({ members }) => [
    ...members,
    { path: 'end', type: 'raw', source: Buffer.alloc(400 * 1024 * 1024) },
  ]);
  expect((await failureOf(verifySidecar(path, {}, deep))).message).toContain('unpack to more than');
});

/** A frame without content, with four bytes that a reader skips. */
const SKIPPABLE = Buffer.from('5f2a4d180400000061626364', 'hex');

test('reads frames cut anywhere, empty frames, checksums and skippable frames as one stream', async () => {
  const dir = await tempDir();
  const path = join(dir, 'sidecar');
  const { manifest } = await writeSample(path);
  const whole = await verifySidecar(path, {}, deep);
  const tar = zstdDecompressSync((await fs.readFile(path)).subarray(0, whole.footer.assetsBytes));
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const frames = Array.from({ length: Math.ceil(tar.length / 7001) }, (_, index) =>
    zstdCompressSync(tar.subarray(index * 7001, (index + 1) * 7001), index % 2 === 0 ? { params } : {}),
  );
  frames.splice(2, 0, SKIPPABLE, zstdCompressSync(Buffer.alloc(0)));
  await fs.writeFile(join(dir, 'assets'), Buffer.concat([SKIPPABLE, ...frames, SKIPPABLE]));
  await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
  expect((await verifySidecar(path, {}, deep)).members).toEqual(whole.members);
});

test('names the links for which smolvm would refuse the sidecar', async () => {
  const dir = await tempDir();
  const root = join(dir, 'links');
  await fs.mkdir(join(root, 'etc'), { recursive: true });
  await fs.symlink('../../bin/sh', join(root, 'etc/deep'));
  await fs.symlink('/', join(root, 'etc/root'));
  await fs.symlink('/bin/sh', join(root, 'etc/good'));
  const source = tar(root);
  const path = join(dir, 'sidecar');
  await writeSample(path, ({ members, manifest }) => ({
    members: members.map((member) => (member.path.startsWith('layers/') ? { ...member, source } : member)),
    manifest: {
      ...manifest,
      assets: {
        ...manifest.assets,
        layers: manifest.assets.layers.map((layer) => ({ ...layer, size: source.length })),
      },
    },
  }));
  const layer = (await verifySidecar(path, {}, deep)).members?.find(({ entries }) => entries !== undefined);
  expect(layer).toMatchObject({
    hasDigest: false,
    refusedLinks: ['etc/deep -> ../../bin/sh', 'etc/root -> /'],
  });
});

test('refuses a zstd stream that is cut or goes on after its end, or no zstd stream at all', async () => {
  const dir = await tempDir();
  const path = join(dir, 'sidecar');
  const { manifest } = await writeSample(path);
  const assetsBytes = (await verifySidecar(path)).footer.assetsBytes;
  const assets = (await fs.readFile(path)).subarray(0, assetsBytes);

  await fs.writeFile(join(dir, 'assets'), assets.subarray(0, -20));
  await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
  await verifySidecar(path);
  expect((await failureOf(verifySidecar(path, {}, deep))).code).toBe('sidecar-damaged');

  const surpluses: Array<[what: string, surplus: Buffer]> = [
    ['do not begin a zstd frame', Buffer.from('surplus!')],
    ['data behind the end marker', zstdCompressSync(Buffer.from('another frame'))],
  ];
  for (const [message, surplus] of surpluses) {
    await fs.writeFile(join(dir, 'assets'), Buffer.concat([assets, surplus]));
    await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
    expect((await failureOf(verifySidecar(path, {}, deep))).message).toContain(message);
  }

  await fs.writeFile(join(dir, 'assets'), Buffer.alloc(1000, 'x'));
  await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
  expect((await failureOf(verifySidecar(path))).message).toContain('a zstd frame with 28b52ffd');
});

test('stops when it is told to', async () => {
  const path = await writeWith(({ members }) => members);
  const abort = new AbortController();
  // Called last when the file is hashed; the assets come next.
  const onBytes = () => abort.abort(new Error('enough'));
  await expect(verifySidecar(path, {}, { ...deep, signal: abort.signal, onBytes })).rejects.toThrow('enough');
});

test('stops when it is told to in frames without content, and in a hole', async () => {
  const stop = new AbortController();
  const emptyFrame = zstdCompressSync(Buffer.of());
  const endless = async function* () {
    for (;;) {
      yield emptyFrame;
      stop.abort(new Error('stopped'));
    }
  };
  await expect(frameContents(endless(), stop.signal).next()).rejects.toThrow('stopped');

  const path = join(await tempDir(), 'sidecar');
  await writeLayerSidecar(path, [sparseHeader('hole', [], 100 * 2 ** 30), END_OF_ARCHIVE]);
  const reading = new AbortController();
  const onEntry = async (_: TarEntry, content: AsyncIterable<Buffer>) => {
    for await (const chunk of content) {
      reading.abort(new Error(`stopped after ${chunk.length} bytes`));
    }
  };
  const work = verifySidecar(path, {}, { ...deep, signal: reading.signal, onEntry });
  await expect(work).rejects.toThrow('stopped after');
});

test('does not begin with what declares more than smolvm unpacks', async () => {
  const path = join(await tempDir(), 'sidecar');
  await writeSample(path, ({ manifest }) => ({
    manifest: {
      ...manifest,
      assets: { ...manifest.assets, storage_template: { path: 'storage.ext4', size: 2 ** 40 } },
    },
  }));
  expect((await failureOf(verifySidecar(path, {}, deep))).message).toContain('the manifest declares');
});
