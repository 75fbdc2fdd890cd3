import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** `claude-bottle doctor` with a docker command that is this script. */
async function doctor(script: string) {
  const dir = await tempDir();
  const docker = await fakeDocker(dir, '*', script);
  const result = await runCli(['doctor', '--store', join(dir, 'store')], { ...docker.env, HOME: dir });
  const lines = result.stdout.split('\n');
  const from = lines.findIndex((line) => line.includes(' docker '));
  const to = lines.findIndex((line, index) => index > from && /^\w/.test(line));
  return { ...result, docker: lines.slice(from, to).join('\n') };
}

describe('an engine that cannot be used is named once, with the words of docker', () => {
  const tunnel = [
    'error during connect: Get "http://docker.example.com/v1.24/info": command [ssh -- box docker system dial-stdio]',
    ' has exited with exit status 255: stderr=ssh: connect to host box port 22: Connection refused',
  ];

  test.each([
    ['LF', `printf '%s\\n' '${tunnel[0]}' '${tunnel[1]}' >&2; exit 1`],
    ['CR LF', `printf '%s\\r\\n' '${tunnel[0]}' '${tunnel[1]}' >&2; exit 1`],
    ['a late LF', `printf '%s\\r\\n%s\\r' '${tunnel[0]}' '${tunnel[1]}' >&2; sleep 0.3; echo >&2; exit 1`],
    ['CR alone', `printf '%s\\r\\n%s\\r' '${tunnel[0]}' '${tunnel[1]}' >&2; exit 1`],
  ])('by ssh, with lines that end in %s', async (_, script) => {
    const { exitCode, docker, stdout } = await doctor(script);
    expect(exitCode).toBe(78);
    expect(docker).toContain('cannot reach the Docker daemon: error during connect');
    expect(docker).toContain('|  has exited with exit status 255: stderr=ssh: connect to host box port 22');
    expect(docker).toContain('try: start Docker, or point DOCKER_HOST');
    expect(stdout.match(/Connection refused/g)).toHaveLength(1);
    expect(stdout).not.toContain('image ID');
  });

  test('in a context that is not there', async () => {
    const { docker, stdout } = await doctor(
      `echo 'Failed to initialize: unable to resolve docker endpoint: context "x": context not found' >&2; exit 1`,
    );
    expect(docker).toContain('docker info failed (exit code 1)');
    expect(docker).toContain('| Failed to initialize');
    expect(docker).toContain('try: choose a context that docker context ls lists, or unset DOCKER_CONTEXT');
    expect(stdout.match(/context not found/g)).toHaveLength(1);
  });

  test('without its certificates', async () => {
    const says = 'unable to resolve docker endpoint: open /root/.docker/ca.pem: no such file or directory';
    const { docker } = await doctor(`echo 'Failed to initialize: ${says}' >&2; exit 1`);
    expect(docker).toMatch(/try: name the directory of the certificates .* DOCKER_CERT_PATH/);
  });

  test('because it is podman', async () => {
    const { exitCode, docker } = await doctor(
      `case "$1" in --version|version) echo 'podman version 4.3.1' ;; *) echo 'Error: template: info:1:2' >&2; exit 125 ;; esac`,
    );
    expect(exitCode).toBe(78);
    expect(docker).toContain('the docker command is podman (podman version 4.3.1)');
    expect(docker).toContain(
      'try: install Docker, and put its docker command before the one of podman on PATH',
    );
  });

  test('though it says nothing', async () => {
    const { docker } = await doctor('exit 3');
    expect(docker).toContain('docker info failed (exit code 3)');
    expect(docker).toContain('try: docker info --format');
  });
});

test('the image of podman is not taken for one of docker', async () => {
  const dir = await tempDir();
  const id = '1'.repeat(64);
  const docker = await fakeDocker(
    dir,
    '*',
    `case "$1" in --version) echo 'podman version 5.0.0' ;; image) echo '[{"Id": "${id}", "Os": "linux"}]' ;; *) exit 0 ;; esac`,
  );
  const args = ['pack', '--no-build', '--context', dir, '--store', join(dir, 'store'), '--no-kvm-check'];
  const { exitCode, stderr } = await runCli(args, { ...docker.env, HOME: dir, TMPDIR: dir });
  expect(exitCode, stderr).toBe(78);
  expect(stderr).toContain('error: the docker command is podman (podman version 5.0.0)');
});

test('a client that lacks the buildx component is told to install it', async () => {
  const dir = await tempDir();
  const says = 'ERROR: BuildKit is enabled but the buildx component is missing or broken.';
  const docker = await fakeDocker(dir, '*', `test "$1" = build || exit 0; echo '${says}' >&2; exit 1`);
  const args = ['pack', '--context', dir, '--store', join(dir, 'store'), '--no-kvm-check'];
  const { exitCode, stderr } = await runCli(args, { ...docker.env, HOME: dir, TMPDIR: dir });
  expect(exitCode, stderr).toBe(1);
  expect(stderr).toContain(`| ${says}`);
  expect(stderr).toContain(
    'try: install the buildx component of the Docker client, because this build needs BuildKit',
  );
});

test.each([
  ['windows', 'amd64', '', 'windows/amd64'],
  ['linux', 'arm', 'v7', 'linux/arm/v7'],
])('an image for %s/%s is named with its platform', async (Os, Architecture, Variant, shown) => {
  const dir = await tempDir();
  const image = { Id: `sha256:${'1'.repeat(64)}`, Os, Architecture, Variant, Config: {}, RootFS: {} };
  const docker = await fakeDocker(dir, '*', `test "$1" = image || exit 0; echo '[${JSON.stringify(image)}]'`);
  const args = ['pack', '--no-build', '--context', dir, '--store', join(dir, 'store'), '--no-kvm-check'];
  const { exitCode, stderr } = await runCli(args, { ...docker.env, HOME: dir, TMPDIR: dir });
  expect(exitCode, stderr).toBe(64);
  expect(stderr).toContain(`is for ${shown}, which no microVM runs`);
  expect(stderr).toContain('try: build it for linux/amd64 or linux/arm64');
});

/** `claude-bottle pack` with a docker command that does this for `build`. */
async function packWith(script: string, env: NodeJS.ProcessEnv = {}) {
  const dir = await tempDir();
  const docker = await fakeDocker(dir, '*', `test "$1" = build || exit 0; ${script}`);
  const args = ['pack', '--context', dir, '--store', join(dir, 'store'), '--no-kvm-check'];
  return await runCli(args, { ...docker.env, HOME: dir, TMPDIR: dir, DOCKER_API_VERSION: '', ...env });
}

describe('a docker command of a snap', () => {
  test('that writes into a /tmp of its own is told from a failed build', async () => {
    const { exitCode, stderr } = await packWith('exit 0');
    expect(exitCode, stderr).toBe(1);
    expect(stderr).toMatch(/docker build has succeeded, and did not write \S+image-id/);
    expect(stderr).toMatch(/try: point TMPDIR to a directory that the docker command can write to/);
  });

  test.each([
    'unable to prepare context: path "/srv/agent" not found',
    'ERROR: failed to solve: failed to read dockerfile: open /tmp/buildkit-mount1/Dockerfile: no such file or directory',
  ])('that does not see the context is told: %s', async (says) => {
    const { exitCode, stderr } = await packWith(`echo '${says}' >&2; exit 1`);
    expect(exitCode, stderr).toBe(1);
    expect(stderr).toContain(`| ${says}`);
    expect(stderr).toMatch(/try: build in a directory that the docker command can read; from a snap/);
  });
});

test.each([
  ['old', {}, 'update the older of the two; docker version shows both'],
  ['new', { DOCKER_API_VERSION: '1.52' }, 'unset DOCKER_API_VERSION'],
])('a client that is too %s for its engine is named once', async (age, env, hint) => {
  const says = `Error response from daemon: client version 1.43 is too ${age}. Minimum supported API version is 1.44`;
  const built = await packWith(`echo '${says}' >&2; exit 1`, env);
  expect(built.exitCode, built.stderr).toBe(78);
  expect(built.stderr).toContain(`error: the docker command does not fit the engine: ${says}`);
  expect(built.stderr).toContain(`try: ${hint}`);
  expect(built.stderr.match(/too (old|new)/g)).toHaveLength(1);
});

test('a platform in the environment does not decide what is built', async () => {
  const dir = await tempDir();
  const docker = await fakeDocker(
    dir,
    '*',
    'test "$1" = build || exit 0; env | grep DOCKER_DEFAULT_PLATFORM >&2; exit 1',
  );
  const args = ['pack', '--context', dir, '--store', join(dir, 'store'), '--platform', 'linux/amd64'];
  const env = { ...docker.env, HOME: dir, TMPDIR: dir, DOCKER_DEFAULT_PLATFORM: 'linux/arm64' };
  const { stderr } = await runCli([...args, '--no-kvm-check'], env);
  expect(stderr).toContain('docker build failed (exit code 1)');
  expect(stderr).not.toContain('DOCKER_DEFAULT_PLATFORM');
  expect(await docker.calls()).toContainEqual(expect.stringMatching(/^build .*--platform linux\/amd64/));
});
