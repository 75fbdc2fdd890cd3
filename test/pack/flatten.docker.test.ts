import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Image, inspectImage } from '../../src/docker/image.ts';
import { type FlatImage, type Flattened, flattenImage } from '../../src/pack/flatten.ts';
import { frameContents } from '../../src/sidecar/frame-reader.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { readTar } from '../../src/tar/read.ts';
import { buildAgentImage } from '../helpers/agent-image.ts';
import { bench } from '../helpers/bench.ts';
import { ensureDebianImage } from '../helpers/debian-image.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';
import { busyboxContext, run } from '../helpers/small-image.ts';
import { diffListings, type EntryFacts, listContainer, listExport, listTar } from '../helpers/tar-listing.ts';
import { tempDir } from '../helpers/temp-dir.ts';

async function flatten(image: Image, layerPath: string): Promise<FlatImage> {
  return (await flattened(image, layerPath)).flat;
}

async function flattened(image: Image, layerPath: string): Promise<Flattened> {
  return await flattenImage({
    image,
    platform: 'linux/amd64',
    layerPath,
    signal: new AbortController().signal,
    onBytes: () => {},
    onWarning: (message) => {
      throw new Error(message);
    },
  });
}

/** Takes the layer out of a sidecar, for a look at what a VM would start with. */
async function layerOf(sidecar: string, target: string): Promise<string> {
  const { footer, manifest } = await verifySidecar(sidecar, {}, { deep: true });
  const layerPath = manifest.assets.layers[0]?.path;
  const file = await fs.open(sidecar);
  const out = await fs.open(target, 'w');
  try {
    const zstd = file.createReadStream({ end: footer.assetsBytes - 1, autoClose: false });
    let isLayer = false;
    for await (const part of readTar(frameContents(zstd))) {
      if (part.kind === 'header') {
        isLayer = part.entry.path === layerPath;
      } else if (isLayer) {
        await out.write(part.chunk);
      }
    }
  } finally {
    await file.close();
    await out.close();
  }
  return target;
}

// 842 MB go through several programs, which takes long on a busy machine.
describe('the real Debian image', { timeout: 20 * 60_000 }, () => {
  let debian: string;
  let seen: Map<string, EntryFacts>;

  beforeAll(async () => {
    debian = await ensureDebianImage();
    seen = await listContainer(debian);
  });

  test('is what the comparisons below are worth: large, of many layers, with every hard case', async () => {
    const image = await inspectImage(debian);
    expect(image.layers.length).toBeGreaterThanOrEqual(8);
    const all = [...seen.values()];
    expect(all.reduce((sum, { size = 0 }) => sum + size, 0)).toBeGreaterThan(500e6);
    for (const type of ['file', 'directory', 'symlink', 'char', 'block', 'fifo'] as const) {
      expect(
        all.some((facts) => facts.type === type),
        type,
      ).toBe(true);
    }
    expect(all.some(({ capability }) => capability !== undefined)).toBe(true);
    expect(all.some(({ links }) => links !== undefined)).toBe(true);
    expect(all.some(({ mode }) => (mode & 0o4000) !== 0)).toBe(true);
    expect([...seen.keys()].some((path) => path.split('/').some((name) => name.length >= 200))).toBe(true);
  });

  test('flattened has exactly the entries that a container sees, in constant memory', async () => {
    const layerPath = join(await tempDir(), 'layer.tar');
    const before = process.memoryUsage().rss;
    const flat = await flatten(await inspectImage(debian), layerPath);
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
    const listed = await listTar(layerPath);
    expect(diffListings(listed, seen)).toEqual([]);
    for (const stub of [
      '.dockerenv',
      'dev/console',
      'etc/hostname',
      'etc/hosts',
      'etc/resolv.conf',
      'etc/mtab',
    ]) {
      expect(listed.has(stub), stub).toBe(false);
    }
    const config = JSON.parse(flat.config.toString());
    const { Config: original } = JSON.parse((await run('docker', ['image', 'inspect', debian])).stdout)[0];
    for (const key of [
      'Env',
      'Entrypoint',
      'Cmd',
      'WorkingDir',
      'User',
      'Labels',
      'ExposedPorts',
      'Volumes',
      'StopSignal',
    ]) {
      expect(config.config[key], key).toEqual(original[key]);
    }
    expect(config.rootfs.diff_ids).toEqual([flat.layer.digest]);
  });
});

describe('an image of many layers, with one of everything that a copy may lose', () => {
  let image: string;
  let seen: Map<string, EntryFacts>;

  beforeAll(async () => {
    const dir = await fs.mkdtemp(join(tmpdir(), 'agent-image-'));
    try {
      image = await buildAgentImage(dir);
      seen = await listExport(image, join(dir, 'export.tar'));
    } finally {
      await fs.rm(dir, { recursive: true });
    }
  });

  test.each(['embedded', 'container'])(
    'packed through the %s hop is in the sidecar, but for what smolvm itself does not keep',
    async (hop) => {
      const { dir, pack, left } = await bench();
      const out = join(dir, 'sidecar');
      const result = await pack([
        ...['--no-build', '--image', image, '--out', out, '--hop', hop],
        ...(hop === 'container' ? ['--registry-image', await buildRegistryImage()] : []),
      ]);
      expect(result.exitCode, result.stderr).toBe(0);
      expect(await left()).toEqual([]);
      const packed = await listTar(await layerOf(out, join(dir, 'layer.tar')));
      const special = [...seen].filter(([, { type }]) => ['fifo', 'char', 'block'].includes(type));
      expect(special.length).toBeGreaterThan(0);
      for (const [path, { mode, uid, gid }] of special) {
        expect(packed.get(path)).toMatchObject({ type: 'file', size: 0, mode, uid, gid });
      }
      const isSpecial = (line: string) => special.some(([path]) => line.startsWith(JSON.stringify(path)));
      expect(diffListings(packed, seen).filter((line) => !isSpecial(line))).toEqual([]);
    },
  );
});

describe('an image of one file', () => {
  test('gets nothing of what docker create adds', async () => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, 'FROM scratch\nCOPY bin/busybox /busybox\n');
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/one-file:1', context]);
    const layerPath = join(dir, 'layer.tar');
    await flatten(await inspectImage('claude-bottle-test/one-file:1'), layerPath);
    expect([...(await listTar(layerPath)).keys()].sort()).toEqual(['busybox']);
  });

  test('keeps its own empty mount points', async () => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, 'FROM scratch\nCOPY tree /\n');
    for (const name of ['proc', 'sys', 'dev/pts', 'dev/shm']) {
      await fs.mkdir(join(context, 'tree', name), { recursive: true });
      await fs.utimes(join(context, 'tree', name), 1_700_000_000, 1_700_000_000);
    }
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/mount-points:1', context]);
    const layerPath = join(dir, 'layer.tar');
    await flatten(await inspectImage('claude-bottle-test/mount-points:1'), layerPath);
    const paths = [...(await listTar(layerPath)).keys()].sort();
    expect(paths).toEqual(['dev', 'dev/pts', 'dev/shm', 'proc', 'sys']);
  });

  test('keeps links in the place of directories that every container has, and its own files in them', async () => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, 'FROM scratch\nCOPY bin/busybox /busybox\nCOPY tree /\n');
    const tree = join(context, 'tree');
    await fs.mkdir(join(tree, 'usr/etc'), { recursive: true });
    await fs.writeFile(join(tree, 'usr/etc/hosts'), '127.0.0.1 localhost\n');
    await fs.symlink('usr/etc', join(tree, 'etc'));
    await fs.mkdir(join(tree, 'dev'));
    await fs.utimes(join(tree, 'dev'), 1_600_000_000, 1_600_000_000);
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/usr-etc:1', context]);
    const layerPath = join(dir, 'layer.tar');
    await flatten(await inspectImage('claude-bottle-test/usr-etc:1'), layerPath);
    const listed = await listTar(layerPath);
    expect([...listed.keys()].sort()).toEqual(['busybox', 'dev', 'etc', 'usr', 'usr/etc', 'usr/etc/hosts']);
    expect(listed.get('etc')).toMatchObject({ type: 'symlink', target: 'usr/etc' });
  });

  test('keeps its own hosts and mtab where its layers are read', async () => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, 'FROM scratch\nCOPY tree /\n');
    await fs.mkdir(join(context, 'tree/etc'), { recursive: true });
    await fs.writeFile(join(context, 'tree/etc/hosts'), '127.0.0.1 localhost\n');
    await fs.symlink('../proc/mounts', join(context, 'tree/etc/mtab'));
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/own-etc:1', context]);
    const layerPath = join(dir, 'layer.tar');
    await flatten(await inspectImage('claude-bottle-test/own-etc:1'), layerPath);
    const listed = await listTar(layerPath);
    expect(listed.get('etc/hosts')).toMatchObject({ type: 'file', size: 20 });
    expect(listed.get('etc/mtab')).toMatchObject({ type: 'symlink', target: '../proc/mounts' });
  });

  test('has its links that lead above the root changed to the same place inside it', async () => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, 'FROM scratch\nCOPY tree /\n');
    const long = `${'../'.repeat(60)}bin/sh`;
    await fs.mkdir(join(context, 'tree/etc'), { recursive: true });
    await fs.symlink(long, join(context, 'tree/etc/deep'));
    await fs.symlink('/', join(context, 'tree/etc/root'));
    await fs.symlink(`/bin/${'n'.repeat(120)}`, join(context, 'tree/etc/good'));
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/links:1', context]);
    const layerPath = join(dir, 'layer.tar');
    const { findings } = await flattened(await inspectImage('claude-bottle-test/links:1'), layerPath);
    expect(findings.changedLinks).toEqual({
      count: 2,
      examples: ['etc/deep -> ../bin/sh', 'etc/root -> ..'],
    });
    const listed = await listTar(layerPath);
    expect(listed.get('etc/deep')?.target).toBe('../bin/sh');
    expect(listed.get('etc/root')?.target).toBe('..');
    expect(listed.get('etc/good')?.target).toBe(`/bin/${'n'.repeat(120)}`);
    expect(findings.inodes).toBe(listed.size);
  });
});
