import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { pack as packTar } from 'tar-stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readSidecar, verifySidecar } from '../../src/sidecar/verify.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { makeImage, makeIndex, serveImages } from './smolvm/loopback-registry.ts';

const DOUBLE = fileURLToPath(new URL('./smolvm/smolvm', import.meta.url));

interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One pack with directories of its own. */
interface Packing {
  readonly output: string;
  readonly sidecar: string;
  readonly scratch: string;
  readonly child: ChildProcess;
  readonly ended: Promise<Run>;
}

describe('the smolvm double', () => {
  test('says on standard error that it is a double, and its version as smolvm does', async () => {
    const run = await runDouble(['--version'], { SMOLVM_DOUBLE_VERSION: '1.8.3' });
    expect(run).toMatchObject({ code: 0, stdout: 'smolvm 1.8.3\n' });
    expect(run.stderr).toMatch(/^smolvm-double: .*test double.*\n$/);
  });

  test.each([
    ['1.17.0', false],
    ['1.22.2', true],
  ])('shows --storage in the help of %s: %s, and hidden options never', async (version, isShown) => {
    const { stdout } = await runDouble(['pack', 'create', '--help'], { SMOLVM_DOUBLE_VERSION: version });
    expect(stdout.includes('--storage')).toBe(isShown);
    expect(stdout).not.toContain('--rootfs-dir');
  });

  test.each([
    [['--image', 'a/b'], '--output <PATH>'],
    [['-o', 'x'], '--image <IMAGE>'],
    [['-I', 'a/b', '-o', 'x', '--network'], "unexpected argument '--network'"],
    [['-I', 'a/b', '-o', 'x', '--cpus=256'], "invalid value '256'"],
    [['-I', 'a/b', '-o'], "a value is required for '--output <PATH>'"],
  ])('refuses %j as wrong usage', async (args, problem) => {
    const run = await runDouble(['pack', 'create', ...args]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(problem);
  });

  test('refuses an output named .smolmachine before any request', async () => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
    const output = join(await tempDir(), 'x.smolmachine');
    const args = ['pack', 'create', '--image', registry.reference, '--output', output];
    const refused = await runDouble(args);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Error: config operation failed: pack create: --output names the');
    expect(registry.requests).toEqual([]);
  });
});

describe.each([
  ['its own client', 'own'],
  ['crane', 'crane'],
])('the smolvm double, pulling with %s', (_name, client) => {
  const env = { SMOLVM_DOUBLE_CLIENT: client };
  const pullTest = test.skipIf(client === 'crane' && !isOnPath('crane'));

  pullTest('asks for manifest, config and layer on a connection each, after a try with TLS', async () => {
    const image = makeImage([await tar({ a: 'a' })]);
    const registry = await serveImages([image]);
    expect((await pack(registry.reference, { env })).code).toBe(0);
    const root = '/v2/some/image';
    const [layer] = image.layerDigests;
    const manifest = `GET ${root}/manifests/test`;
    expect(registry.requests).toEqual([
      ...['1 tls', '2 GET /v2/', `2 ${manifest}`],
      ...['3 tls', '4 GET /v2/', `4 ${manifest}`, `4 GET ${root}/blobs/${image.configDigest}`],
      ...['5 tls', '6 GET /v2/', `6 GET ${root}/blobs/${layer}`],
    ]);
    expect(registry.headers[1]).toMatchObject({
      'accept-encoding': 'gzip',
      'user-agent': 'crane/v0.19.0 go-containerregistry/v0.19.0',
      accept: expect.stringContaining('application/vnd.oci.image.index.v1+json'),
    });
  });

  pullTest('takes the platform asked for from an index', async () => {
    const images = {
      'linux/amd64': makeImage([await tar({ a: 'a' })]),
      'linux/arm64': makeImage([await tar({ a: 'a' })], { architecture: 'arm64' }),
    };
    const registry = await serveImages(Object.values(images), { index: makeIndex(images) });
    const packed = await pack(registry.reference, { env, args: ['--oci-platform', 'linux/arm64'] });
    expect((await readSidecar(packed.sidecar)).manifest).toMatchObject({
      platform: 'linux/arm64',
      digest: images['linux/arm64'].configDigest,
    });

    const missing = await pack(registry.reference, { env, args: ['--oci-platform=linux/riscv64'] });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('no child with platform linux/riscv64 in index');
  });

  pullTest('follows a redirect to a layer', async () => {
    const layer = await tar({ a: 'a' });
    const image = makeImage([layer]);
    const registry = await serveImages([image], {
      intercept: (path) =>
        path.includes(`/blobs/${image.layerDigests[0]}`)
          ? { status: 307, headers: { Location: '/elsewhere' } }
          : path === '/elsewhere'
            ? { body: layer }
            : undefined,
    });
    expect(await listLayer((await pack(registry.reference, { env })).sidecar)).toEqual(['./', './a']);
  });

  pullTest.each([
    ['no /v2/', '/v2/', { status: 404 }],
    ['no manifest', '/manifests/', { status: 404 }],
    ['a demand for authentication', '/v2/', { status: 401, headers: { 'WWW-Authenticate': 'Basic' } }],
    ['other bytes than the digest says', '/blobs/', { body: 'something else' }],
  ])('fails on %s, after "done."', async (_, where, reply) => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])], {
      intercept: (path) => (path.includes(where) ? reply : undefined),
    });
    const packed = await pack(registry.reference, { env });
    expect(packed.code).toBe(1);
    expect(packed.stderr).toMatch(/\.\.\. done\.\nError: agent operation failed: pull image: \S/);
    await expect(fs.stat(packed.sidecar)).rejects.toThrow('ENOENT');
  });
});

describe('the smolvm double, packing', () => {
  test('describes the image and its single layer in the manifest', async () => {
    const layer = await tar({ 'etc/': null, 'etc/motd': 'hello\n' });
    const config = { Entrypoint: ['/bin/sh'], Cmd: [], Env: ['A=b'], WorkingDir: '/srv' };
    const image = makeImage([gzipSync(layer)], { config });
    const registry = await serveImages([image]);
    const packed = await pack(registry.reference, { args: ['--cpus', '2', '--mem=1024'] });
    const report = await verifySidecar(packed.sidecar, {}, { deep: true });
    const { manifest } = report;
    expect(manifest).toMatchObject({
      image: registry.reference,
      digest: image.configDigest,
      platform: 'linux/amd64',
      host_platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z$/),
      smolvm_version: '1.9.3',
      ...{ cpus: 2, mem: 1024, entrypoint: ['/bin/sh'], env: ['A=b'], workdir: '/srv' },
    });
    expect(manifest).not.toHaveProperty('cmd');
    const exported = await layerOf(packed.sidecar);
    expect(manifest.assets.layers[0]).toMatchObject({
      digest: image.layerDigests[0],
      size: exported.length,
    });
    const hex = image.layerDigests[0]?.slice(7);
    expect(report.members?.map(({ path }) => path)).toEqual([
      ...['agent-rootfs.tar', 'layers', `layers/${hex}.tar`, 'storage.ext4'],
    ]);
    expect((await fs.stat(packed.output)).mode & 0o777).toBe(0o755);
    expect((await fs.readFile(packed.output)).subarray(-32).toString('latin1', 0, 8)).toBe('SMOLLIBS');
    expect(packed.stdout).toContain('\r⠋ Assembling packed binary\x1b[K');
  });

  test('unpacks the layer and packs it again: nothing of these is lost but the bytes are others', async () => {
    const files = { 'etc/': null, 'etc/motd': 'hello\n', link: '-> etc/motd' };
    const layer = await tar(files);
    const registry = await serveImages([makeImage([layer])]);
    const packed = await pack(registry.reference);
    expect(await listLayer(packed.sidecar)).toEqual(['./', './etc/', './etc/motd', './link -> etc/motd']);
    expect(await layerOf(packed.sidecar)).not.toEqual(layer);
  });

  test('never writes the same bytes twice', async () => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
    const [first, second] = [await pack(registry.reference), await pack(registry.reference)];
    expect(await fs.readFile(first.sidecar)).not.toEqual(await fs.readFile(second.sidecar));
  });

  test('unpacks zstd layers since 1.5.0, and no layer that is not a tar', async () => {
    const layer = await tar({ a: 'a' });
    const zstd = await serveImages([makeImage([zstdCompressSync(layer)])]);
    expect(await listLayer((await pack(zstd.reference)).sidecar)).toEqual(['./', './a']);
    const before = await pack(zstd.reference, { env: { SMOLVM_DOUBLE_VERSION: '1.4.0' } });
    const noTar = await serveImages([makeImage([Buffer.alloc(2048, 'no tar')])]);
    for (const { code, stderr } of [before, await pack(noTar.reference)]) {
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('crane blob failed') });
    }
  });

  test('panics on an image without layers', async () => {
    const registry = await serveImages([makeImage([])]);
    expect(await pack(registry.reference)).toMatchObject({
      code: 101,
      stderr: expect.stringContaining('panicked'),
    });
  });

  test.each(['SMOLVM_PUBLISH_ADDR', 'SMOLVM_GUEST_HOST_SERVICE'])(
    'cannot reach localhost with %s',
    async (name) => {
      const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
      const packed = await pack(registry.reference, { env: { [name]: '1' } });
      expect(packed.code).toBe(1);
      expect(packed.stderr).toContain('connect: connection refused');
      expect(registry.requests).toEqual([]);
    },
  );

  test('says no such host of registries beyond this machine', async () => {
    const packed = await pack('localhost/claude-bottle:test');
    expect(packed.code).toBe(1);
    expect(packed.stderr).toContain('lookup index.docker.io: no such host');
  });
});

describe('the smolvm double, ending early', () => {
  test('leaves nothing behind after success or an error', async () => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
    expect(await leftBehind((await pack(registry.reference)).scratch)).toEqual([]);
    const failed = await pack(registry.reference, { env: { SMOLVM_DOUBLE_FAULT: 'enospc' } });
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('No space left on device') });
    expect(await leftBehind(failed.scratch)).toEqual([]);
  });

  test.skipIf(process.platform !== 'linux').each(['SIGTERM', 'SIGINT'] as const)(
    'dies of %s at once and leaves its VM and files',
    async (signal) => {
      const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
      const packing = await startPack(registry.reference, { env: { SMOLVM_DOUBLE_STAGE_DELAY_MS: '1000' } });
      await untilPrinted(packing.child, 'Creating storage template...');
      packing.child.kill(signal);
      expect((await packing.ended).signal).toBe(signal);
      expect(await leftBehind(packing.scratch)).toEqual([
        expect.stringMatching(/^smolvm\/pack-staging-/),
        expect.stringMatching(/^smolvm\/vms\/[0-9a-f]{16}$/),
      ]);
      const [pid = 0] = await builderPids(packing.scratch);
      expect((await commandLine(pid)).split('\0').slice(0, 3)).toEqual([
        'smolvm-bin',
        '_boot-vm',
        expect.stringMatching(/^\/.*\/boot-config\.json$/),
      ]);
      const session = (await fs.readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[3];
      expect(session).toBe(String(pid));
      const vm = join(
        packing.scratch,
        'smolvm/vms',
        (await fs.readdir(join(packing.scratch, 'smolvm/vms')))[0] ?? '',
      );
      expect(await fs.readFile(join(vm, 'name'), 'utf8')).toMatch(
        new RegExp(`^pack-${packing.child.pid}-\\d+$`),
      );
    },
  );

  test.each([
    ['no-kvm', 'Error: kvm not available'],
    ['kvm-permission', 'Error: kvm permission denied'],
    ['exit-1', 'Error: agent operation failed'],
    ['slow-layer', '600 seconds'],
    ['cap', 'guest streamed 4294967297 bytes, exceeding the 4294967296 byte cap'],
  ])('fails with %s', async (fault, message) => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
    const packed = await pack(registry.reference, { env: { SMOLVM_DOUBLE_FAULT: fault } });
    expect(packed).toMatchObject({ code: 1, stderr: expect.stringContaining(message) });
    await expect(fs.stat(packed.sidecar)).rejects.toThrow('ENOENT');
  });

  test.each([
    ['segfault', { signal: 'SIGSEGV' }, { stub: false, sidecar: 'none' }],
    ['die-after-stub', { signal: 'SIGKILL' }, { stub: true, sidecar: 'none' }],
    ['die-mid-sidecar', { signal: 'SIGKILL' }, { stub: true, sidecar: 'damaged' }],
    ['corrupt-sidecar', { code: 0 }, { stub: true, sidecar: 'damaged' }],
    ['empty-output', { code: 0 }, { stub: true, sidecar: 'damaged' }],
    ['only-stub', { code: 0 }, { stub: true, sidecar: 'none' }],
    ['no-output', { code: 0 }, { stub: false, sidecar: 'none' }],
  ])('writes what %s says', async (fault, ending, files) => {
    const registry = await serveImages([makeImage([await tar({ a: 'a' })])]);
    const packed = await pack(registry.reference, { env: { SMOLVM_DOUBLE_FAULT: fault } });
    expect(packed).toMatchObject(ending);
    expect({ stub: existsSync(packed.output), sidecar: await stateOf(packed.sidecar) }).toEqual(files);
  });

  test('hangs until it is ended', async () => {
    const packing = await startPack('localhost:1/a', { env: { SMOLVM_DOUBLE_FAULT: 'hang' } });
    await untilPrinted(packing.child, 'Pulling image', 'stderr');
    packing.child.kill('SIGTERM');
    expect((await packing.ended).signal).toBe('SIGTERM');
  });

  test('knows no fault by a wrong name', async () => {
    const run = await runDouble(['--version'], { SMOLVM_DOUBLE_FAULT: 'no-such-fault' });
    expect(run.code).not.toBe(0);
  });
});

async function startPack(
  reference: string,
  { args = [], env = {} }: { args?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Packing> {
  const dir = await tempDir();
  const scratch = join(dir, 'scratch');
  await fs.mkdir(join(scratch, 'tmp'), { recursive: true });
  const output = join(dir, 'packed');
  const child = spawn(DOUBLE, ['pack', 'create', '-I', reference, '-o', output, ...args], {
    cwd: scratch,
    env: {
      ...process.env,
      SMOLVM_DOUBLE_VERSION: '1.9.3',
      XDG_CACHE_HOME: scratch,
      XDG_DATA_HOME: join(scratch, 'data'),
      TMPDIR: join(scratch, 'tmp'),
      ...env,
    },
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await endBuilders(scratch);
  });
  return { output, sidecar: `${output}.smolmachine`, scratch, child, ended: resultOf(child) };
}

async function pack(...args: Parameters<typeof startPack>): Promise<Packing & Run> {
  const packing = await startPack(...args);
  return { ...packing, ...(await packing.ended) };
}

async function runDouble(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const scratch = await tempDir();
  return await resultOf(
    spawn(DOUBLE, args, { env: { ...process.env, XDG_CACHE_HOME: scratch, TMPDIR: scratch, ...env } }),
  );
}

async function resultOf(child: ChildProcess): Promise<Run> {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}

async function builderPids(scratch: string): Promise<number[]> {
  const vms = join(scratch, 'smolvm', 'vms');
  const names = await fs.readdir(vms).catch(() => []);
  const files = names.map((name) => fs.readFile(join(vms, name, 'agent.pid'), 'utf8').catch(() => ''));
  return (await Promise.all(files)).flatMap((text) => Number(text.split('\n')[0]) || []);
}

async function endBuilders(scratch: string): Promise<void> {
  for (const pid of await builderPids(scratch)) {
    if ((await commandLine(pid)).includes('_boot-vm')) {
      process.kill(pid, 'SIGKILL');
    }
  }
}

async function commandLine(pid: number): Promise<string> {
  return await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

/** Files by path; `null` is a directory, `-> x` a link to x. */
async function tar(files: Readonly<Record<string, string | null>>): Promise<Buffer> {
  const archive = packTar();
  for (const [name, content] of Object.entries(files)) {
    if (content === null) {
      archive.entry({ name, type: 'directory', mode: 0o755 });
    } else if (content.startsWith('-> ')) {
      archive.entry({ name, type: 'symlink', linkname: content.slice(3) });
    } else {
      archive.entry({ name }, content);
    }
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

async function layerOf(sidecar: string): Promise<Buffer> {
  const { footer, manifest } = await readSidecar(sidecar);
  const dir = await tempDir();
  const archive = join(dir, 'assets.tar');
  const assets = (await fs.readFile(sidecar)).subarray(0, footer.assetsBytes);
  await fs.writeFile(archive, zstdDecompressSync(assets));
  execFileSync('tar', ['-xf', archive, '-C', dir]);
  return await fs.readFile(join(dir, manifest.assets.layers[0]?.path ?? ''));
}

/** As `tar -t` lists it, sorted, links with their targets. */
async function listLayer(sidecar: string): Promise<string[]> {
  const listing = execFileSync('tar', ['-tvf', '-'], { input: await layerOf(sidecar), encoding: 'utf8' });
  return listing
    .trim()
    .split('\n')
    .map((line) => line.replace(/^.*? \.\//, './'))
    .sort();
}

/** VM directories, staging directories and temporary ones. */
async function leftBehind(scratch: string): Promise<string[]> {
  const names = await Promise.all(
    ['smolvm', 'smolvm/vms', 'tmp'].map(async (dir) =>
      (await fs.readdir(join(scratch, dir)).catch(() => [])).map((name) => `${dir}/${name}`),
    ),
  );
  return names
    .flat()
    .filter((path) => path !== 'smolvm/vms')
    .sort();
}

async function stateOf(sidecar: string): Promise<'none' | 'damaged' | 'good'> {
  if (!existsSync(sidecar)) {
    return 'none';
  }
  const error = await verifySidecar(sidecar, {}, { deep: true }).catch((reason: unknown) => reason);
  return error instanceof Error ? 'damaged' : 'good';
}

async function untilPrinted(
  child: ChildProcess,
  text: string,
  name: 'stdout' | 'stderr' = 'stdout',
): Promise<void> {
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.on('close', () => reject(new Error(`ended without ${JSON.stringify(text)}: ${printed}`)));
    child[name]?.on('data', (chunk: string) => {
      printed += chunk;
      if (printed.includes(text)) {
        resolve();
      }
    });
  });
}

function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, command)));
}
