import { execFileSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { unknownKeys } from '../../src/sidecar/manifest.ts';
import { readSidecar, verifySidecar } from '../../src/sidecar/verify.ts';
import type { FooterFields } from '../doubles/smolvm/sidecar-writer.ts';
import { failureOf } from '../helpers/failure.ts';
import { SAMPLE_CONFIG_DIGEST, type Sample, writeSample } from '../helpers/sample-sidecar.ts';
import { tempDir } from '../helpers/temp-dir.ts';

function withLayer(change: Partial<{ digest: string; path: string; size: number }>) {
  return ({ manifest }: Sample) => {
    const layers = manifest.assets.layers.map((layer) => ({ ...layer, ...change }));
    return { manifest: { ...manifest, assets: { ...manifest.assets, layers } } };
  };
}

describe('a good sidecar', () => {
  test('verifies against everything that is known of it', async () => {
    const path = join(await tempDir(), 'good');
    const { layerDigest } = await writeSample(path);
    const bytes = await fs.readFile(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');

    const report = await verifySidecar(
      path,
      {
        platform: 'linux/amd64',
        configDigest: SAMPLE_CONFIG_DIGEST,
        layerDigest,
        sha256,
      },
      { deep: true },
    );

    expect(report).toMatchObject({ sha256, sizeBytes: bytes.length, manifest: { smolvm_version: '1.9.3' } });
    expect(
      report.members?.map(({ path, sizeBytes }) => [path.replace(/[0-9a-f]{64}/, 'X'), sizeBytes]),
    ).toEqual([
      ['agent-rootfs.tar', 10_240],
      ['layers', 0],
      ['layers/X.tar', expect.any(Number)],
      ['storage.ext4', 4 * 1024 * 1024],
    ]);
    expect(report.members?.[2]).toMatchObject({ entries: 4, sha256: layerDigest.slice('sha256:'.length) });
  });

  test('is not read again for the checksums that were made while it was written', async () => {
    const path = join(await tempDir(), 'good');
    await writeSample(path);
    const { sha256, crc32 } = await verifySidecar(path);
    const hashed = { sha256, crc32: Number.parseInt(crc32, 16) };
    const onBytes = vi.fn();
    expect(await verifySidecar(path, { sha256 }, { hashed, onBytes })).toMatchObject({ sha256, crc32 });
    expect(onBytes).not.toHaveBeenCalled();
    const wrong = verifySidecar(path, { sha256 }, { hashed: { ...hashed, crc32: 1 } });
    expect((await failureOf(wrong)).message).toContain('CRC-32');
  });

  test('keeps and names the keys of a newer smolvm', async () => {
    const path = join(await tempDir(), 'new');
    await writeSample(path, ({ manifest }) => ({
      manifest: { ...manifest, from_the_future: 1, assets: { ...manifest.assets, delta: 2 } },
    }));
    const { manifest } = await verifySidecar(path);
    expect(manifest).toMatchObject({ from_the_future: 1, assets: { delta: 2 } });
    expect(unknownKeys(manifest)).toEqual(['from_the_future', 'assets.delta']);
    expect((await readSidecar(path)).manifest).toEqual(manifest);
  });

  test('reports the bytes it has read and stops when it is told to', async () => {
    const path = join(await tempDir(), 'good');
    await writeSample(path);
    const seen: number[] = [];
    await verifySidecar(path, {}, { onBytes: (bytes) => seen.push(bytes) });
    expect(seen.at(-1)).toBe((await fs.stat(path)).size);
    const reason = new Error('enough');
    await expect(verifySidecar(path, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('damage', () => {
  const footers: Array<[field: string, footer: Partial<FooterFields>]> = [
    ['magic', { magic: 'SMOLPACL' }],
    ['version', { version: 3 }],
    ['stub_size', { stubSize: 1 }],
    ['assets_offset', { assetsOffset: 64 }],
    ['manifest_offset', { manifestOffset: 10 }],
    ['manifest_size', { manifestSize: 16 * 1024 * 1024 + 1 }],
    ['describes a file of', { manifestSize: 12 }],
    ['describes a file of', { manifestSize: 0 }],
    ['describes a file of', { assetsSize: 2n ** 64n - 1n, manifestOffset: 2n ** 64n - 1n }],
    ['reserved', { reserved: Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]) }],
  ];
  test.each(footers)('of the footer is named: %s', async (field, footer) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, () => ({ footer }));
    const error = await failureOf(verifySidecar(path));
    expect(error).toMatchObject({ code: 'sidecar-damaged', exitCode: 65 });
    expect(error.message).toContain(field);
  });

  test('of the checksum is found', async () => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, () => ({ crc32: 0x1234_5678 }));
    expect((await failureOf(verifySidecar(path))).message).toContain('the footer says 12345678');
  });

  test.each([1, 63, 64, 'half'] as const)('by truncation is found: %s bytes less', async (missing) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path);
    const { size } = await fs.stat(path);
    await fs.truncate(path, missing === 'half' ? size >> 1 : size - missing);
    expect((await failureOf(verifySidecar(path))).exitCode).toBe(65);
  });

  test('by a byte too many, or a gap before the footer, is found', async () => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path);
    const good = await fs.readFile(path);
    await fs.appendFile(path, 'x');
    expect((await failureOf(verifySidecar(path))).exitCode).toBe(65);
    await fs.writeFile(path, Buffer.concat([good.subarray(0, -64), Buffer.alloc(512), good.subarray(-64)]));
    expect((await failureOf(verifySidecar(path))).message).toContain('describes a file of');
  });

  test.each(['assets', 'manifest'] as const)('of one bit of the %s is found', async (region) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path);
    const { assetsBytes } = (await readSidecar(path)).footer;
    const bad = await fs.readFile(path);
    // In the manifest, inside the value of `image`: still JSON, and still a name.
    const offset = region === 'assets' ? assetsBytes >> 1 : bad.indexOf('claude-bottle', assetsBytes);
    bad.writeUInt8(bad.readUInt8(offset) ^ 1, offset);
    await fs.writeFile(path, bad);
    expect((await failureOf(verifySidecar(path))).message).toContain('CRC-32');
  });

  test('of any single byte is found', async () => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path);
    const good = await fs.readFile(path);
    for (let round = 0; round < 500; round += 1) {
      const offset = round < 128 ? good.length - 1 - round : randomInt(good.length);
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(offset) ^ (1 << randomInt(8)), offset);
      await fs.writeFile(path, bad);
      const error = await failureOf(verifySidecar(path));
      expect(error.exitCode, `byte ${offset}`).toBe(65);
    }
  });

  test.each([0, 1, 63])('is what a file of %s bytes is', async (size) => {
    const path = join(await tempDir(), 'short');
    await fs.writeFile(path, Buffer.alloc(size));
    expect(await failureOf(verifySidecar(path))).toMatchObject({
      code: 'sidecar-damaged',
      message: `${path} is not a .smolmachine file`,
      hint: 'check the path',
    });
  });

  test('is what the beginning of a sidecar is', async () => {
    const path = join(await tempDir(), 'short');
    await writeSample(path);
    await fs.truncate(path, 63);
    expect((await failureOf(verifySidecar(path))).message).toContain('has 63 bytes, the footer alone has 64');
  });

  test('is what a link, a directory or a pipe in its place is, and the pipe is not waited for', async () => {
    const dir = await tempDir();
    await writeSample(join(dir, 'good'));
    await fs.symlink(join(dir, 'good'), join(dir, 'link'));
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    await fs.mkdir(join(dir, 'directory'));
    for (const name of ['link', 'pipe', 'directory']) {
      expect((await failureOf(verifySidecar(join(dir, name)))).code, name).toBe('sidecar-damaged');
    }
    expect((await failureOf(verifySidecar(join(dir, 'nothing')))).code).toBe('not-found');
  });
});

describe('a manifest', () => {
  const without = (key: string, manifest: object) =>
    Object.fromEntries(Object.entries(manifest).filter(([name]) => name !== key));

  test.each(['image', 'digest', 'platform', 'cpus', 'mem', 'assets'])('without %s is damage', async (key) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => ({ manifest: without(key, manifest) }));
    const error = await failureOf(verifySidecar(path));
    expect(error.code).toBe('sidecar-damaged');
    expect(error.message).toContain(key);
  });

  test.each([
    ['not JSON', Buffer.from('{"image": ')],
    ['not JSON', Buffer.from([0xff, 0xfe])],
    ['not JSON', Buffer.from('\ufeff{}')],
    ['not JSON', Buffer.alloc(4 * 1024 * 1024, '[')],
    ['the whole', Buffer.from('[]')],
  ])('that is %s is damage (%#)', async (message, manifest) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, () => ({ manifest }));
    expect((await failureOf(verifySidecar(path))).message).toContain(message);
  });

  test.each([
    ['cpus', 1.5],
    ['cpus', '4'],
    ['mem', 1e300],
    ['network', 'true'],
    ['env', 'PATH=/'],
    ['digest', 'sha256:cccc'],
    ['assets', { libraries: [], agent_rootfs: { path: 'a', size: -1 }, layers: [] }],
    ['assets', { libraries: [], agent_rootfs: { path: '/a', size: 1 }, layers: [] }],
  ])('with %s %j is damage', async (key, value) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, [key]: value } }));
    const error = await failureOf(verifySidecar(path));
    expect(error.code).toBe('sidecar-damaged');
    expect(error.message).toContain(key);
  });

  test.each([
    ['mode', 'vm'],
    ['network', true],
    ['gpu', true],
    ['cuda', true],
    ['cpus', 0],
    ['cpus', 256],
    ['mem', -1],
    ['mem', 1024 * 1024 + 1],
    ['secret_refs', [{ name: 'TOKEN' }]],
    ['secret_refs', { TOKEN: { env: 'GH_TOKEN' } }],
    ['platform', 'windows/amd64'],
    ['digest', 'packed'],
    ['checkpoint', { host_mounts: ['/home'] }],
  ])('with %s %j is refused', async (key, value) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => ({ manifest: { ...manifest, [key]: value } }));
    const error = await failureOf(verifySidecar(path));
    expect(error).toMatchObject({ code: 'sidecar-refused', exitCode: 65 });
    expect(error.message).toContain(key);
  });

  test.each(['workspace_seed', 'overlay_template'])('with assets.%s is refused', async (key) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => ({
      manifest: { ...manifest, assets: { ...manifest.assets, [key]: { path: 'x.tar', size: 1 } } },
    }));
    const error = await failureOf(verifySidecar(path));
    expect(error).toMatchObject({
      code: 'sidecar-refused',
      message: expect.stringContaining(`assets.${key}`),
    });
  });

  test('cannot write escape sequences or whole pages into a message', async () => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => ({
      manifest: { ...manifest, platform: `\u001b[2J\u009b2J${'x'.repeat(100_000)}` },
    }));
    const { message } = await failureOf(verifySidecar(path));
    expect(message).toContain('platform is');
    expect(message).not.toMatch(/\p{Cc}/u);
    expect(message.length).toBeLessThan(500);
  });

  test.each(['../evil', '/etc/passwd', 'layers/../../evil', 'layers\\evil', ''])(
    'that puts its layer at %j is damage',
    async (layerPath) => {
      const path = join(await tempDir(), 'bad');
      await writeSample(path, withLayer({ path: layerPath }));
      expect((await failureOf(verifySidecar(path))).message).toContain('assets.layers.0.path');
    },
  );

  test.each([0, 2])('of %s layers is refused: smolvm makes one of what it packs', async (count) => {
    const path = join(await tempDir(), 'bad');
    await writeSample(path, ({ manifest }) => {
      const layers = Array.from({ length: count }).flatMap(() => manifest.assets.layers);
      return { manifest: { ...manifest, assets: { ...manifest.assets, layers } } };
    });
    const error = await failureOf(verifySidecar(path));
    expect(error.code).toBe('sidecar-refused');
    expect(error.message).toContain(`the number of assets.layers is ${count}, expected 1`);
  });

  test.each([
    { configDigest: `sha256:${'d'.repeat(64)}` as const },
    { layerDigest: `sha256:${'d'.repeat(64)}` as const },
    { sha256: 'd'.repeat(64) },
  ])('or a file other than the expected one is damage: %j', async (expected) => {
    const path = join(await tempDir(), 'other');
    await writeSample(path);
    const error = await failureOf(verifySidecar(path, expected));
    expect(error.code).toBe('sidecar-damaged');
    expect(error.message).toContain(`expected ${Object.values(expected)[0]}`);
  });

  test('of another platform than the expected one is refused', async () => {
    const path = join(await tempDir(), 'other');
    await writeSample(path);
    const error = await failureOf(verifySidecar(path, { platform: 'linux/arm64' }));
    expect(error.code).toBe('sidecar-refused');
    expect(error.message).toContain('platform is "linux/amd64", expected linux/arm64');
  });

  test('with __proto__ in it changes nothing', async () => {
    const path = join(await tempDir(), 'proto');
    await writeSample(path, ({ manifest }) => ({
      manifest: Buffer.from(JSON.stringify(manifest).replace('{', '{"__proto__":{"gpu":true,"polluted":1},')),
    }));
    await verifySidecar(path);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
