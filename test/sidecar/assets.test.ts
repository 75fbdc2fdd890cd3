import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { type AssetsMember, joinSidecar, writeAssets } from '../doubles/smolvm/sidecar-writer.ts';
import { failureOf } from '../helpers/failure.ts';
import { type Sample, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const deep = { deep: true };

async function writeWith(change: (sample: Sample) => AssetsMember[]): Promise<string> {
  const path = join(await tempDir(), 'sidecar');
  await writeSample(path, (sample) => ({ members: change(sample) }));
  return path;
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
  await writeSample(path, ({ members, manifest }) => {
    const [{ digest = '', path: layerPath = '' } = {}] = manifest.assets.layers;
    return {
      members: members.map((member) =>
        member.path === layerPath ? { ...member, source: layerTar } : member,
      ),
      manifest: {
        ...manifest,
        assets: { ...manifest.assets, layers: [{ digest, path: layerPath, size: layerTar.length }] },
      },
    };
  });
  expect((await failureOf(verifySidecar(path, {}, deep))).message).toContain('leads out of the layer');
});

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

test('refuses a zstd stream that is cut, or no zstd stream at all', async () => {
  const dir = await tempDir();
  const path = join(dir, 'sidecar');
  const { manifest } = await writeSample(path);
  const assetsBytes = (await verifySidecar(path)).footer.assetsBytes;
  const assets = (await fs.readFile(path)).subarray(0, assetsBytes);

  await fs.writeFile(join(dir, 'assets'), assets.subarray(0, -20));
  await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
  await verifySidecar(path);
  expect((await failureOf(verifySidecar(path, {}, deep))).code).toBe('sidecar-damaged');

  await fs.writeFile(join(dir, 'assets'), Buffer.alloc(1000, 'x'));
  await joinSidecar(path, { assetsPath: join(dir, 'assets'), manifest });
  expect((await failureOf(verifySidecar(path))).message).toContain('a zstd frame with 28b52ffd');
});
