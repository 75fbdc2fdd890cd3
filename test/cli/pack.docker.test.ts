import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { engineFacts } from '../../src/docker/command.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { bench } from '../helpers/bench.ts';
import { DOUBLE_DIR, runCli } from '../helpers/cli.ts';
import { waitUntil } from '../helpers/leftovers.ts';
import { buildBrokenRegistryImage, buildRegistryImage } from '../helpers/registry-image.ts';
import { BUSYBOX_DOCKERFILE, buildSmallImage, busyboxContext, run } from '../helpers/small-image.ts';

const IMAGE = 'claude-bottle-test/small:1';
let imageId: string;
let registryImage: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  imageId = await buildSmallImage(dir, IMAGE);
  registryImage = await buildRegistryImage();
  await fs.rm(dir, { recursive: true });
});

const packSmall = ['--no-build', '--image', IMAGE] as const;

describe('pack', () => {
  test.each([
    ['embedded', []],
    ['container', ['--hop', 'container', '--registry-image']],
  ])('through the %s hop puts a verified sidecar where claude-bottle looks', async (hop, args) => {
    const { store, pack, left } = await bench();
    const more = args.length === 0 ? [] : [...args, registryImage];
    const result = await pack([...packSmall, '--json', ...more]);
    expect(result.exitCode, result.stderr).toBe(0);
    const report = JSON.parse(result.stdout);
    const path = join(store, `${imageId.slice(7, 23)}.smolmachine.smolmachine`);
    expect(report).toMatchObject({
      status: 'packed',
      imageId,
      path,
      record: { hop, image: { id: imageId } },
    });
    const verified = await verifySidecar(path, { sha256: report.sha256 }, { deep: true });
    expect(verified.manifest).toMatchObject({
      digest: report.record.flattened.configDigest,
      platform: 'linux/amd64',
      env: expect.arrayContaining(['GREETING=hello "you"']),
      entrypoint: ['/bin/sh', '-c'],
      cmd: ['echo hi'],
      workdir: '/work',
    });
    expect(await left()).toEqual([]);
  });

  test('is a hit the second time, without smolvm and without a registry', async () => {
    const { store, pack } = await bench();
    await pack(packSmall);
    const smolvmFails = { SMOLVM_DOUBLE_FAULT: 'exit-1' };
    const hit = await pack(
      [...packSmall, '--json', '--hop', 'container', '--registry-image', 'no/such'],
      smolvmFails,
    );
    expect(hit.exitCode, hit.stderr).toBe(0);
    expect(JSON.parse(hit.stdout)).toMatchObject({ status: 'hit', imageId });
    const forced = await pack([...packSmall, '--force'], smolvmFails);
    expect(forced.exitCode).toBe(1);
    expect((await fs.readdir(store)).filter((name) => !name.startsWith('.'))).toHaveLength(1);
  });

  test('packs again for other CPUs or memory than the stored sidecar has, and says so', async () => {
    const { pack } = await bench();
    await pack(packSmall);
    const again = await pack([...packSmall, '--cpus', '2', '--mem', '1024', '--json']);
    expect(again.stderr).toMatch(
      /warning: the sidecar in the store is for \d+ CPUs and \d+ MiB; packing again/,
    );
    const { path, status } = JSON.parse(again.stdout);
    expect([status, (await verifySidecar(path)).manifest]).toMatchObject(['packed', { cpus: 2, mem: 1024 }]);
    expect(JSON.parse((await pack([...packSmall, '--cpus', '2', '--json'])).stdout).status).toBe('hit');
  });

  test('stores only what passes its smoke test, and tests what is stored', async () => {
    const { store, pack, left } = await bench();
    const refused = await pack([...packSmall, '--smoke-test', 'echo wrong; exit 3']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('error: the smoke test "echo wrong; exit 3" failed (exit code 3)');
    expect(refused.stderr).toContain('  | wrong');
    expect((await fs.readdir(store)).filter((name) => !name.startsWith('.'))).toEqual([]);

    const passed = await pack([
      ...packSmall,
      '--json',
      '--smoke-test',
      'echo right',
      '--smoke-test-output',
      'right',
    ]);
    expect(passed.exitCode, passed.stderr).toBe(0);
    expect(JSON.parse(passed.stdout).status).toBe('packed');
    expect((await pack([...packSmall, '--smoke-test', 'exit 4'])).stderr).toContain('failed (exit code 4)');
    expect(await left()).toEqual([]);
  });

  test('outlives the reader of its output, and leaves nothing', async () => {
    const { tmp, store, left } = await bench();
    const script =
      'node dist/cli.mjs pack --no-kvm-check --no-build --image "$1" --store "$2" 2>&1 | head -n 1';
    const env = { ...process.env, TMPDIR: tmp, PATH: `${DOUBLE_DIR}:${process.env.PATH}` };
    await run('sh', ['-c', script, 'sh', IMAGE, store], { env });
    await waitUntil(async () => (await left()).length === 0, 'nothing left');
    await verifySidecar(join(store, `${imageId.slice(7, 23)}.smolmachine.smolmachine`));
  });

  test('quarantines a damaged sidecar, says so, and packs again', async () => {
    const { store, pack } = await bench();
    const path = join(store, `${imageId.slice(7, 23)}.smolmachine.smolmachine`);
    await pack(packSmall);
    const whole = await fs.readFile(path);
    await fs.rm(path);
    await fs.writeFile(path, whole.subarray(0, whole.length / 2));
    const again = await pack([...packSmall, '--json']);
    expect(again.exitCode, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ status: 'packed', path });
    expect(again.stderr).toMatch(/warning: damaged sidecar, footer: .*; moved to .*quarantine/);
    await verifySidecar(path);
    expect(await fs.readdir(join(store, '.pack/quarantine'))).toHaveLength(1);
  });

  test('builds first, with target, build arguments and further docker arguments', async () => {
    const { dir, pack, store } = await bench();
    const context = await busyboxContext(
      dir,
      `FROM scratch AS first\nCOPY bin /bin\nARG WHO\nENV WHO=$WHO\nFROM first AS second\nENV SECOND=yes\n`,
    );
    const tag = 'claude-bottle-test/built:1';
    const result = await pack([
      ...['--context', context, '--image', tag, '--target', 'first', '--build-arg', 'WHO=a b; $(id)'],
      ...['--out', join(dir, 'copy'), '--json', '--', '--label', 'extra=1'],
    ]);
    expect(result.exitCode, result.stderr).toBe(0);
    const inspected = JSON.parse((await run('docker', ['image', 'inspect', tag])).stdout)[0];
    expect(JSON.parse(result.stdout).imageId).toBe(inspected.Id);
    expect(inspected.Config).toMatchObject({ Labels: { extra: '1' } });
    const { manifest } = await verifySidecar(join(dir, 'copy'));
    expect(manifest.env).toContain('WHO=a b; $(id)');
    expect(manifest.env?.join()).not.toContain('SECOND');
    const copied = await runCli(['verify', join(dir, 'copy'), '--deep', '--json'], {
      CLAUDE_BOTTLE_STORE: store,
    });
    expect(JSON.parse(copied.stdout)).toMatchObject({ exit: 0, imageId: inspected.Id });
  });

  test('of one tag by two at once packs for each what it built itself', async () => {
    const { store } = await engineFacts();
    const [one, two] = [await bench(), await bench()];
    const packed = await Promise.all(
      [one, two].map(async ({ dir, pack }, index) => {
        const context = await busyboxContext(dir, `${BUSYBOX_DOCKERFILE}ENV BUILD=${index}\n`);
        return await pack(['--context', context, '--image', 'claude-bottle-test/raced:1', '--json']);
      }),
    );
    expect(packed.map(({ exitCode }) => exitCode)).toContain(0);
    for (const [index, result] of packed.entries()) {
      if (store === 'containerd' && result.exitCode !== 0) {
        // This store drops an image that another build takes the tag from.
        expect(result.stderr).toMatch(
          /docker build made sha256:\S+, but|the Docker engine has no image sha256:/,
        );
        continue;
      }
      expect(result.exitCode, result.stderr).toBe(0);
      const { manifest } = await verifySidecar(JSON.parse(result.stdout).path);
      expect(manifest.env).toContain(`BUILD=${index}`);
    }
  });

  test('takes every entry of an image with an empty layer and a name that is not UTF-8', async () => {
    const { dir, pack, left } = await bench();
    const odd = String.raw`RUN ["/bin/sh", "-c", "busybox touch \"$(busybox printf '/a\\377')\""]`;
    const empty = 'RUN ["/bin/sh", "-c", ":"]';
    const context = await busyboxContext(dir, `FROM scratch\nCOPY bin /bin\n${odd}\n${empty}\n`);
    const image = ['--context', context, '--image', 'claude-bottle-test/odd:1', '--packer', 'direct'];
    const result = await pack([...image, '--json']);
    expect(result.exitCode, result.stderr).toBe(0);
    const { members } = await verifySidecar(JSON.parse(result.stdout).path, {}, { deep: true });
    // bin, bin/busybox, bin/sh, and the odd one.
    expect(members?.find((member) => member.entries !== undefined)).toMatchObject({ entries: 4 });
    expect(await left()).toEqual([]);
  });

  test('takes the name of the image from CLAUDE_BOTTLE_IMAGE', async () => {
    const { pack } = await bench();
    const result = await pack(['--no-build'], { CLAUDE_BOTTLE_IMAGE: 'claude-bottle-test/never-built:1' });
    expect(result.exitCode).toBe(66);
    expect(result.stderr).toContain('the Docker engine has no image claude-bottle-test/never-built:1');
  });
});

describe('what Docker refuses is told with a hint, and nothing is left', () => {
  test.each([
    [
      'a daemon that is down',
      { DOCKER_HOST: 'unix:///nonexistent' },
      69,
      'cannot reach the Docker daemon',
      'DOCKER_HOST',
    ],
    ['no docker command', { PATH: '/nonexistent' }, 78, 'docker command is not on PATH', 'install Docker'],
  ])('%s', async (_what, env, exitCode, message, hint) => {
    const { pack } = await bench();
    const result = await pack(packSmall, env);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toMatch(
      new RegExp(`^claude-bottle: error: .*${message}.*\\n  try: .*${hint}`, 'm'),
    );
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('a socket that this user may not open', async () => {
    const { dir } = await bench();
    const script = ['dist/cli.mjs', 'pack', '--no-build', '--image', IMAGE, '--store', '/var/tmp/none'];
    const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    await fs.chmod(dir, 0o755);
    // Node and the project must be readable for nobody; the socket is not.
    const result = await run('setpriv', [...asNobody, process.execPath, ...script], {
      env: { ...process.env, HOME: '/nonexistent', TMPDIR: '/var/tmp' },
    }).catch((error: { code: number; stderr: string }) => error);
    expect(result).toMatchObject({ code: 77 });
    expect(result.stderr).toMatch(/this user may not use the Docker daemon.*\n {2}try: .*docker group/);
  });

  test('a build that fails, with the step and the end of its output', async () => {
    const { dir, pack, left } = await bench();
    const context = await busyboxContext(
      dir,
      'FROM scratch\nCOPY bin /bin\nRUN ["/bin/sh", "-c", "for i in `/bin/busybox seq 1 50`; do echo line $i; done; exit 3"]\n',
    );
    const result = await pack(['--context', context, '--image', 'claude-bottle-test/fails:1', '--json']);
    expect(result.exitCode).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ code: 'build-failed', exit: 1 });
    expect(result.stderr).toMatch(/docker build failed at step (3\/3|2\/2), RUN /);
    expect(result.stderr.match(/^ {2}\| /gm)?.length).toBe(20);
    // BuildKit puts a time before what a step prints.
    expect(result.stderr).toMatch(/\| ([\d.]+ )?line 50$/m);
    expect(await left()).toEqual([]);
  });

  test('a context that is not there', async () => {
    const { pack } = await bench();
    expect(await pack(['--context', '/no/such'])).toMatchObject({ exitCode: 64 });
  });
});

describe('what the registry container does wrong is told, and nothing is left', () => {
  test.each([
    ['exits', 'the registry container ended at once', 'no space left on device'],
    ['missing', 'cannot pull claude-bottle-test/no-such-registry:1', 'registry-image'],
  ] as const)('it %s', async (fault, message, more) => {
    const { pack, left } = await bench();
    const image =
      fault === 'missing' ? 'claude-bottle-test/no-such-registry:1' : await buildBrokenRegistryImage(fault);
    const result = await pack([...packSmall, '--hop', 'container', '--registry-image', image]);
    expect(result.exitCode, result.stderr).toBe(1);
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(more);
    expect(await left()).toEqual([]);
  });
});

describe('what smolvm does wrong is told, and nothing is left', () => {
  test.each([
    ['no-kvm', 1, 'KVM'],
    ['kvm-permission', 1, '/dev/kvm'],
    ['exit-1', 1, 'smolvm pack create failed (exit code 1)'],
    ['segfault', 1, 'ended by SIGSEGV'],
    ['no-output', 1, 'it has written no sidecar'],
    ['only-stub', 1, 'it has written no sidecar'],
    ['empty-output', 1, 'its sidecar is empty'],
    ['die-after-stub', 1, 'ended by SIGKILL'],
    ['die-mid-sidecar', 1, 'ended by SIGKILL'],
    ['enospc', 1, 'free some disk space'],
    ['cap', 1, 'raise the cap (SMOLVM_FILE_TRANSFER_MAX_BYTES=128GiB)'],
    ['corrupt-sidecar', 65, 'CRC-32'],
  ])('%s', async (fault, exitCode, message) => {
    const { store, pack, left } = await bench();
    const result = await pack(packSmall, { SMOLVM_DOUBLE_FAULT: fault });
    expect(result.exitCode, result.stderr).toBe(exitCode);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect((await fs.readdir(store)).filter((name) => name !== '.pack')).toEqual([]);
    expect(await left()).toEqual([]);
  });

  test.each([
    ['1.8.3', 78, 'older than 1.9.0'],
    ['0.9.0-beta', 78, 'older than 1.9.0'],
    ['garbage', 78, 'not "smolvm X.Y.Z"'],
    ['1.9.1', 0, ''],
    ['1.13.1', 0, ''],
    ['1.22.2', 0, ''],
    ['1.32.2', 0, ''],
  ])('version %s', async (version, exitCode, message) => {
    const { pack } = await bench();
    const result = await pack(packSmall, { SMOLVM_DOUBLE_VERSION: version });
    expect(result.exitCode, result.stderr).toBe(exitCode);
    expect(result.stderr).toContain(message);
  });

  test('a smolvm that is not there', async () => {
    const { dir, pack } = await bench();
    const { stdout: docker } = await run('which', ['docker']);
    await fs.symlink(docker.trim(), join(dir, 'docker'));
    const result = await pack(packSmall, { PATH: dir });
    expect(result.exitCode).toBe(78);
    expect(result.stderr).toMatch(/smolvm is not on PATH\n {2}try: install smolvm/);
  });
});
