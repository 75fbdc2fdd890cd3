import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyFile } from '../../src/sidecar/file.ts';
import { readSidecar } from '../../src/sidecar/verify.ts';
import { isAzuriteInstalled } from '../doubles/results-service/azurite.ts';
import type { StepResult } from '../doubles/runner/runner.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';

/** Debian's, which has BuildKit built in; the legacy builder knows one platform. */
const BUILDKIT_DOCKER = '/usr/bin/docker';

const ONLY_RESULTS = [expect.stringMatching(/^temp claude-bottle-pack-/)];

function stagesOf({ log }: StepResult): string[] {
  return [...log.matchAll(/^(\w+) +\d+\.\d s/gm)].map(([, stage]) => stage ?? '');
}

/** A docker that writes down how it is called, and does what the real one does. */
async function watchedDocker({ dir }: ActionJob) {
  return await fakeDocker(dir, 'never', 'true');
}

async function changeDockerfile({ workspace }: ActionJob, line: string): Promise<void> {
  await fs.appendFile(join(workspace, 'context/Dockerfile'), `${line}\n`);
}

describe.each(['fs', 'azurite'] as const)('the action, with blobs in %s', (blobStore) => {
  const it = test.skipIf(blobStore === 'azurite' && !isAzuriteInstalled());

  it('packs and uploads, and then takes the sidecar by its image ID, and by its inputs key without any build', async () => {
    const cold = await actionJob({ blobStore });
    const first = await cold.run();
    expect(first.outcome, first.log).toBe('success');
    expect(first.outputs).toMatchObject({ 'cache-hit': 'false', 'cache-match': 'none' });
    expect(stagesOf(first)).toEqual([
      ...['inputs', 'restore', 'build', 'restore', 'flatten', 'pack', 'verify', 'save', 'upload'],
    ]);
    expect(await cold.left()).toEqual(ONLY_RESULTS);
    await expectUploaded(cold, first);

    cold.results.startRun();
    const warm = await actionJob({ results: cold.results });
    // Another inputs key, the same image.
    await changeDockerfile(warm, '# a comment');
    const second = await warm.run();
    expect(second.outputs).toMatchObject({ 'cache-hit': 'true', 'cache-match': 'image' });
    expect(stagesOf(second)).toEqual(['inputs', 'restore', 'build', 'restore', 'confirm', 'save']);
    expect(second.outputs['sidecar-sha256']).toBe(first.outputs['sidecar-sha256']);
    expect(second.outputs['inputs-key']).not.toBe(first.outputs['inputs-key']);

    cold.results.startRun();
    const same = await actionJob({ results: cold.results });
    await changeDockerfile(same, '# a comment');
    const docker = await watchedDocker(same);
    const third = await same.run({ env: docker.env });
    expect(third.outputs).toMatchObject({ 'cache-hit': 'true', 'cache-match': 'inputs' });
    expect(stagesOf(third)).toEqual(['inputs', 'restore', 'confirm']);
    expect(await docker.calls()).toEqual([]);
    expect(third.outputs['sidecar-sha256']).toBe(first.outputs['sidecar-sha256']);
    expect(third.summary).toContain('Up to date: nothing was packed');
    expect(await same.left()).toEqual(ONLY_RESULTS);
  });
});

describe('the action', () => {
  test('packs an image that is there, without a build', async () => {
    const job = await actionJob();
    await job.run({ inputs: { upload: 'false' } });
    const docker = await watchedDocker(job);
    const result = await job.run({
      inputs: { context: '.', image: 'claude-bottle:linux-amd64', cache: 'false' },
      env: docker.env,
    });
    expect(result.outputs).toMatchObject({ 'cache-match': 'none', 'inputs-key': '' });
    expect((await docker.calls()).filter((call) => call.startsWith('build'))).toEqual([]);
    const [artifact] = job.results.artifacts();
    expect(artifact?.name).toBe(`smolmachine-linux-amd64-${result.outputs.id16}.smolmachine`);
  });

  test('neither saves nor uploads a sidecar that fails its smoke test, and takes one that has passed it', async () => {
    const failed = await actionJob();
    const result = await failed.run({ inputs: { 'smoke-test': 'echo broken; exit 3' } });
    expect(result.outcome).toBe('failure');
    expect(result.outputs['error-code']).toBe('smoke-test-failed');
    expect(result.log).toContain('the smoke test "echo broken; exit 3" failed (exit code 3)');
    expect(failed.results.artifacts()).toEqual([]);
    expect(failed.results.cacheEntries()).toEqual([]);

    const inputs = { 'smoke-test': 'echo whole', 'smoke-test-output': 'whole' };
    const job = await actionJob();
    expect((await job.run({ inputs })).outputs['cache-match']).toBe('none');
    job.results.startRun();
    expect((await job.run({ inputs })).outputs['cache-match']).toBe('inputs');
    job.results.startRun();
    expect((await job.run({ inputs: { 'smoke-test': 'true' } })).outputs['cache-match']).toBe('none');
    expect((await job.run({ inputs: { 'smoke-test-output': 'x' } })).log).toContain('without smoke-test');
  });

  test('packs through a registry container, with the size of machine that is asked for', async () => {
    const job = await actionJob();
    const { buildRegistryImage } = await import('../helpers/registry-image.ts');
    const result = await job.run({
      inputs: { hop: 'container', 'registry-image': await buildRegistryImage(), cpus: '2', mem: '2048' },
    });
    expect(result.outcome, result.log).toBe('success');
    const { manifest } = await readSidecar(result.outputs['sidecar-path'] ?? '');
    expect(manifest).toMatchObject({ cpus: 2, mem: 2048 });
    expect(await job.left()).toEqual(ONLY_RESULTS);
    expect(result.outputs['sidecar-path']).toMatch(/-cpus-2-mem-2048\.smolmachine$/);
    // A machine of another size is another sidecar.
    const other = await (await actionJob({ results: job.results })).run({ inputs: { upload: 'false' } });
    expect(other.outputs['cache-match']).toBe('none');
  });

  test('takes a container that another run is removing for removed', async () => {
    const job = await actionJob();
    const says = 'Error response from daemon: removal of container x is already in progress';
    const { env } = await fakeDocker(
      job.dir,
      'container?rm?*|image?rm?*|network?rm?*',
      `docker "$@"; echo '${says}' >&2; exit 1`,
    );
    const result = await job.run({ env, inputs: { upload: 'false' } });
    expect(result.outcome, result.log).toBe('success');
    expect(result.annotations.map(({ title }) => title)).toEqual(['KVM not checked']);
  });

  test('keeps its cache where RUNNER_TEMP has a blank or a quotation mark in its name', async () => {
    const job = await actionJob();
    const temp = join(job.dir, 'it\'s "temp"');
    const first = await job.run({ temp, inputs: { upload: 'false' } });
    expect(first.outputs['cache-match'], first.log).toBe('none');
    expect(first.annotations.map(({ title }) => title)).toEqual(['KVM not checked']);
    const second = await job.run({ temp, inputs: { upload: 'false', restore: 'true' } });
    expect(second.outputs['cache-match'], second.log).toBe('inputs');
    expect(second.outputs['sidecar-path']).toContain(temp);
    expect((await fs.readdir(temp)).filter((name) => !name.startsWith('claude-bottle-pack-'))).toEqual([]);
  });

  test('does not take what another build of smolvm has packed, whatever version that says', async () => {
    const job = await actionJob();
    await job.run({ inputs: { upload: 'false' } });
    const wrapper = join(job.dir, 'smolvm');
    await fs.writeFile(wrapper, `#!/bin/sh\nexec '${join(DOUBLE_DIR, 'smolvm')}' "$@"\n`, { mode: 0o755 });
    const result = await job.run({ inputs: { upload: 'false', 'smolvm-path': wrapper } });
    expect(result.outputs['cache-match']).toBe('none');
  });

  test('tells what is done when a later platform fails', async () => {
    const job = await actionJob();
    const docker = await fakeDocker(job.dir, '*--platform?linux/arm64*', 'echo no emulation today; exit 1');
    const result = await job.run({ inputs: { platforms: 'linux/amd64, linux/arm64' }, env: docker.env });
    expect(result.outcome).toBe('failure');
    expect(result.outputs).toMatchObject({ 'error-code': 'build-failed', 'cache-match': 'none' });
    expect(JSON.parse(result.outputs.results ?? '')).toMatchObject([{ platform: 'linux/amd64' }]);
    expect(result.summary).toContain('| linux/amd64 |');
    expect(result.summary).toContain('build-failed');
    expect(await job.left()).toEqual(ONLY_RESULTS);
  });

  test.skipIf(!existsSync(BUILDKIT_DOCKER))('packs for several platforms in one step', async () => {
    // It runs nothing of another platform, so it needs no emulation.
    const job = await actionJob({ dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    const bin = join(job.dir, 'bin');
    await fs.mkdir(bin);
    await fs.symlink(BUILDKIT_DOCKER, join(bin, 'docker'));
    const env = { PATH: `${bin}:${process.env.PATH}`, DOCKER_BUILDKIT: '1' };
    const packed = await job.run({ inputs: { platforms: 'linux/arm64,linux/amd64' }, env });
    expect(packed.outcome, packed.log).toBe('success');
    expect(JSON.parse(packed.outputs.results ?? '')).toMatchObject([
      { platform: 'linux/arm64' },
      { platform: 'linux/amd64' },
    ]);
    expect(job.results.artifacts().map(({ name }) => name.replace(/-[0-9a-f]{16}/, ''))).toEqual([
      'smolmachine-linux-arm64.smolmachine',
      'smolmachine-linux-arm64.smolmachine.json',
      'smolmachine-linux-arm64.smolmachine.frames',
      'smolmachine-linux-amd64.smolmachine',
      'smolmachine-linux-amd64.smolmachine.json',
      'smolmachine-linux-amd64.smolmachine.frames',
    ]);
    const { manifest } = await readSidecar(packed.outputs['sidecar-path'] ?? '');
    expect(manifest.platform).toBe('linux/arm64');
  });
});

describe('what a build prints', () => {
  test('is shown, and nothing of it is obeyed', async () => {
    const commands = [
      '::set-output name=sidecar-path::/evil',
      '#7 0.2 ##[set-output name=sidecar-path;]/evil',
      'x ##[save-state name=container;]evil',
      '::save-state name=container::evil',
      '::add-mask::sha256',
      '::add-path::/evil',
      '::stop-commands::a',
      '::error::forged',
      '\\033[2J\\r::error::forged',
    ];
    const prints = commands.map(
      (command) => `RUN ["/bin/busybox", "printf", "${command.replaceAll('\\', '\\\\')}\\\\n"]`,
    );
    const job = await actionJob({
      dockerfile: ['FROM scratch', 'COPY bin /bin', 'ARG NOW', ...prints, ''].join('\n'),
    });
    const result = await job.run({ inputs: { 'build-args': `NOW=${job.dir}` } });
    expect(result.outcome, result.log).toBe('success');
    expect(result.rawLog).toContain('##[set-output name=sidecar-path;]/evil');
    expect(result.outputs['sidecar-path']).toContain(job.temp);
    expect(result.state).toEqual({});
    expect(result.masks).not.toContain('sha256');
    expect(result.addedPath).toEqual([]);
    expect(result.annotations.map(({ message }) => message)).not.toContain('forged');
    expect(new Set(result.commands.map(({ name }) => name))).toEqual(
      new Set(['stop-commands', 'group', 'endgroup', 'warning', 'add-mask']),
    );
    expect(result.rawLog).not.toContain('\x1b');
  });
});

describe('what fails', () => {
  test.each([
    [{ cache: 'maybe' }, 'usage', 'auto, true, false'],
    [{ context: '' }, 'usage', 'context'],
    [{ context: '../..' }, 'usage', 'out of the workspace'],
    [{ 'build-args': '--network=host' }, 'usage', 'build-args'],
    [{ target: 'x --network host' }, 'usage', 'target'],
    [{ image: 'a:1' }, 'usage', 'not both'],
    [{ context: 'context', file: 'no-such-file' }, 'usage', 'no-such-file'],
  ])('%j: before docker is called', async (inputs: Record<string, string>, code, text) => {
    const job = await actionJob();
    const docker = await watchedDocker(job);
    const result = await job.run({ inputs, env: docker.env, noPost: true });
    expect(result.outcome).toBe('failure');
    expect(result.outputs).toEqual({ 'error-code': code });
    expect(result.annotations).toEqual([
      expect.objectContaining({ level: 'error', title: `claude-bottle-pack: ${code}` }),
    ]);
    expect(result.annotations[0]?.message).toContain(text);
    expect(result.summary).toContain('**Try:**');
    expect(await docker.calls()).toEqual([]);
    expect(await job.left()).toEqual([]);
  });

  test.each([
    ['macOS', { RUNNER_OS: 'macOS' }, 'kvm-unavailable', 'ubuntu-latest'],
    ['no docker', { PATH: '/nonexistent' }, 'docker-missing', 'install Docker'],
    ['no daemon', { DOCKER_HOST: 'unix:///nonexistent.sock' }, 'docker-unreachable', 'start Docker'],
    ['no daemon over SSH', { DOCKER_HOST: 'ssh://127.0.0.1:9' }, 'docker-unreachable', 'start Docker'],
  ])('%s: with one thing to do', async (_, env: Record<string, string>, code, hint) => {
    const job = await actionJob();
    const nodeOnly = join(import.meta.dirname, '../../node_modules/node/bin');
    const PATH = env.PATH && nodeOnly;
    const result = await job.run({ env: { ...env, ...(PATH && { PATH }) } });
    expect(result.outputs).toEqual({ 'error-code': code });
    expect(result.annotations.find(({ level }) => level === 'error')?.message).toContain(hint);
    expect(result.post?.exitCode).toBe(0);
  });

  test('a build that fails shows its step, its last lines and no stack', async () => {
    const dockerfile =
      'FROM scratch\nCOPY bin /bin\nARG NOW\nRUN ["/bin/busybox", "sh", "-c", "echo \'##[error]no\'; exit 3"]\n';
    const job = await actionJob({ dockerfile });
    const result = await job.run({ inputs: { 'build-args': `NOW=${job.dir}` } });
    expect(result.outputs).toEqual({ 'error-code': 'build-failed' });
    expect(result.annotations.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(result.log).toMatch(/ {2}\| .*##\[error\]no/);
    expect(result.log).not.toMatch(/\n\s+at /);
    expect(await job.left()).toEqual([]);
  });

  test('a build that hangs is ended by timeout-minutes', async () => {
    const dockerfile = 'FROM scratch\nCOPY bin /bin\nARG NOW\nRUN ["/bin/busybox", "sleep", "300"]\n';
    const job = await actionJob({ dockerfile });
    const result = await job.run({ inputs: { 'build-args': `NOW=${job.dir}`, 'timeout-minutes': '1' } });
    expect(result.outputs).toEqual({ 'error-code': 'timed-out' });
    expect(result.main.durationMs).toBeLessThan(75_000);
    expect(await job.left()).toEqual([]);
  });
});

/** Sidecar and pack record are artifacts of this run, found by key and platform, and are what was verified. */
async function expectUploaded({ dir, results }: ActionJob, { outputs }: StepResult): Promise<void> {
  const name = `smolmachine-linux-amd64-${outputs['inputs-key']?.slice(0, 16)}.smolmachine`;
  const file = join(dir, 'downloaded');
  await fs.writeFile(file, await results.readArtifact(name));
  await fs.writeFile(`${file}.json`, await results.readArtifact(`${name}.json`));
  expect(hash('sha256', await fs.readFile(file))).toBe(outputs['sidecar-sha256']);
  expect(outputs['artifact-digest']).toBe(`sha256:${outputs['sidecar-sha256']}`);
  const { record } = await verifyFile(file, { deep: true });
  expect(record?.image.id).toBe(outputs['image-id']);
  expect(record?.inputs?.key).toBe(outputs['inputs-key']);
  expect(record?.source).toMatchObject({
    repository: 'octo-org/octo-repo',
    event: 'push',
    ref: 'refs/heads/main',
  });
}
