import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdCompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { REAL_VERSIONS, realSmolvm } from '../../scripts/real-smolvm.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { busyboxContext, run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CLI = join(import.meta.dirname, '../../src/cli/main.ts');
const DOCKERFILE = `FROM scratch
COPY bin /bin
RUN ["/bin/sh", "-c", "busybox mkdir -p /etc /home/agent && busybox chown 3000000:3000001 /home/agent && busybox ln /bin/busybox /bin/second"]
RUN ["/bin/sh", "-c", "busybox dd if=/dev/urandom of=/data bs=1024 count=3000 2>/dev/null"]
USER 3000000
ENTRYPOINT ["/bin/sh"]
`;

const TEMPLATE = Buffer.alloc(4 << 20).fill('superblock', 1024, 9000);

interface Packed {
  readonly path: string;
  readonly sha256: string;
}

async function packDirect(root: string, args: readonly string[], path = process.env.PATH): Promise<Packed> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [CLI, 'pack', '--json', '--packer', 'direct', '--store', join(root, 'store'), ...args],
    { cwd: root, env: { ...process.env, PATH: path } },
  );
  return JSON.parse(stdout);
}

test('packs the same bytes of one checkout in two directories, whatever the times of its files', async () => {
  const [first, second] = [await tempDir(), await tempDir()];
  const image = ['--image', 'claude-bottle-test/direct:1'];
  const contexts = [];
  for (const [dir, seconds] of [
    [first, 1_000_000_000],
    [second, 1_500_000_000],
  ] as const) {
    const context = await busyboxContext(dir, DOCKERFILE);
    await fs.utimes(join(context, 'bin/busybox'), seconds, seconds);
    contexts.push(context);
  }
  const packed = [
    await packDirect(first, [...image, '--context', contexts[0] ?? '']),
    await packDirect(second, [...image, '--context', contexts[1] ?? '']),
  ];
  expect(packed[1]?.sha256).toBe(packed[0]?.sha256);
  const { manifest, members } = await verifySidecar(packed[0]?.path ?? '', {}, { deep: true });
  expect(manifest.user).toBe('3000000');
  expect(members?.[0]).toMatchObject({ path: manifest.assets.layers[0]?.path, hasDigest: true });
});

test('packs in a container that shares programs and the socket of the engine with the machine, and no directory', async () => {
  const dir = await tempDir();
  const tag = 'claude-bottle-test/job-container:1';
  await run('docker', [
    'build',
    '--quiet',
    '--tag',
    tag,
    await busyboxContext(dir, 'FROM scratch\nCOPY bin /bin\n'),
  ]);
  const root = join(import.meta.dirname, '../..');
  const programs = ['/usr', '/lib', '/lib64', '/etc/alternatives', root, dirname(process.execPath)];
  const socket = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock';
  const cli = `${process.execPath} ${root}/dist/cli.mjs`;
  const script = `set -e
    cd /job
    busybox cp -r /bin bin
    printf 'FROM scratch\\nCOPY bin /bin\\n' > Dockerfile
    printf 'agent.smolmachine*\\n' > .dockerignore
    ${cli} pack --packer direct --image ${tag} --out agent.smolmachine
    ${cli} pack --image ${tag} --reproduce agent.smolmachine --store /job/.other
    busybox ls -A /tmp /var/tmp`;
  const { stdout } = await run('docker', [
    ...['run', '--rm', '--env', 'HOME=/tmp/home', '--env', 'PATH=/bin:/usr/bin'],
    ...programs.filter(existsSync).flatMap((path) => ['--volume', `${path}:${path}:ro`]),
    ...['--volume', `${socket}:/var/run/docker.sock`],
    ...['--tmpfs', '/tmp', '--tmpfs', '/var/tmp', '--tmpfs', '/job'],
    ...[tag, '/bin/sh', '-c', script],
  ]);
  expect(stdout).toMatch(/^\/job\/agent\.smolmachine\n✓ the same bytes: sha256 [0-9a-f]{12}\n/);
  expect(stdout.split('\n').slice(2)).toEqual(['/tmp:', 'home', '', '/var/tmp:', '']);
});

test('packs the same bytes with two installations of one smolvm, whatever each machine has made of its own', async () => {
  const dir = await tempDir();
  const context = await busyboxContext(dir, DOCKERFILE);
  await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/direct:1', context]);
  const image = ['--no-build', '--image', 'claude-bottle-test/direct:1', '--force'];
  const pack = async (smolvm: string) => await packDirect(dir, image, `${smolvm}:${process.env.PATH}`);
  const fresh = await pack(await installRelease(0o022));
  const used = await installRelease(0o077);
  await fs.writeFile(join(used, 'agent-rootfs/.smolvm-ready.0123456789abcdef'), '');
  await run('mkfs.ext4', ['-q', '-F', join(used, 'storage-template.ext4'), '8M']);
  expect((await pack(used)).sha256).toBe(fresh.sha256);
  const { manifest, members } = await verifySidecar(fresh.path, {}, { deep: true });
  expect(manifest.assets.storage_template).toEqual({ path: 'storage.ext4', size: TEMPLATE.length });
  expect(members?.map(({ path }) => path)).toEqual([
    ...['agent-rootfs.tar', manifest.assets.layers[0]?.path, 'storage.ext4'],
  ]);
  const other = await installRelease(0o022, 'another agent');
  expect((await pack(other)).sha256).not.toBe(fresh.sha256);
});

test.each([
  ['a time', '2020-01-01T00:00:00.5Z'],
  ['no time', undefined],
])(
  'packs the same bytes of an image with %s, whenever an engine has made the directories that its layers do not name',
  async (_, created) => {
    const dir = await tempDir();
    const tag = `claude-bottle-test/no-directories:${created === undefined ? 'without' : 'with'}-time`;
    const archive = await imageWithoutDirectories(dir, tag, created);
    onTestFinished(async () => void (await run('docker', ['image', 'rm', '--force', tag])));
    const shas = new Set<string>();
    for (let round = 0; round < 2; round += 1) {
      await run('docker', ['image', 'rm', '--force', tag]);
      await run('docker', ['image', 'load', '--input', archive]);
      const packed = await packDirect(dir, ['--no-build', '--image', tag, '--force']);
      shas.add(packed.sha256);
      const { manifest } = await verifySidecar(packed.path);
      expect(manifest.created).toBe(`${created?.slice(0, 19) ?? '1970-01-01T00:00:00'}.000Z`);
      // Times in a layer are whole seconds.
      await sleep(1100);
    }
    expect(shas.size).toBe(1);
  },
);

/** As some builders make it: a layer of files, without an entry for the directories that they are in. */
async function imageWithoutDirectories(dir: string, tag: string, created?: string): Promise<string> {
  const image = join(dir, 'image');
  await fs.mkdir(join(image, 'tree/srv/agent'), { recursive: true });
  for (const name of ['run', 'data']) {
    // The engine keeps a layer that another image has, too.
    await fs.writeFile(join(image, 'tree/srv/agent', name), randomUUID());
  }
  await run('tar', [
    ...['--create', '--file', join(image, 'layer.tar'), '--mtime=@0', '--owner=0', '--group=0'],
    ...['--directory', join(image, 'tree'), 'srv/agent/data', 'srv/agent/run'],
  ]);
  const layer = createHash('sha256')
    .update(await fs.readFile(join(image, 'layer.tar')))
    .digest('hex');
  const config = {
    ...(created && { created }),
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/srv/agent/run'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [tag], Layers: ['layer.tar'] }];
  await fs.writeFile(join(image, 'config.json'), JSON.stringify(config));
  await fs.writeFile(join(image, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(dir, 'image.tar');
  const files = ['config.json', 'manifest.json', 'layer.tar'];
  await run('tar', ['--create', '--file', archive, '--directory', image, ...files]);
  return archive;
}

/** What a smolvm of one release looks like on a machine whose umask was `umask`. */
async function installRelease(umask: number, agent = 'agent'): Promise<string> {
  const dir = await tempDir();
  await fs.mkdir(join(dir, 'agent-rootfs/bin'), { recursive: true });
  const script = '#!/bin/sh\n[ "$1" = --version ] && echo "smolvm 1.32.2"; exit 0\n';
  for (const [name, content, mode] of [
    ['smolvm', script, 0o755],
    ['agent-rootfs/bin/agent', agent, 0o755],
    ['agent-rootfs/hosts', '127.0.0.1 localhost', 0o644],
    ['storage-template.ext4.zst', zstdCompressSync(TEMPLATE), 0o644],
  ] as const) {
    await fs.writeFile(join(dir, name), content);
    await fs.chmod(join(dir, name), mode & ~umask);
  }
  await fs.chmod(join(dir, 'agent-rootfs/bin'), 0o755 & ~umask);
  return dir;
}

test.each(REAL_VERSIONS)(
  'makes a sidecar that smolvm %s takes, with and without its agent',
  async (version) => {
    const dir = await tempDir();
    const context = await busyboxContext(dir, DOCKERFILE);
    await run('docker', ['build', '--quiet', '--tag', 'claude-bottle-test/direct:1', context]);
    const smolvm = await realSmolvm(version);
    const image = ['--no-build', '--image', 'claude-bottle-test/direct:1', '--force'];
    for (const path of [process.env.PATH, `${smolvm}:${process.env.PATH}`]) {
      const packed = await packDirect(dir, image, path);
      const home = await tempDir();
      const env = {
        ...process.env,
        HOME: home,
        XDG_CACHE_HOME: join(home, 'c'),
        XDG_DATA_HOME: join(home, 'd'),
      };
      const create = ['machine', 'create', '--name', 'agent', '--from', packed.path];
      await promisify(execFile)(join(smolvm, 'smolvm'), create, { env });
    }
  },
);
