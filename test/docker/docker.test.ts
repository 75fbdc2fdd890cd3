import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type BuildOptions, dockerBuildArgs } from '../../src/docker/build.ts';
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const IID_FILE = '/private/image-id';
const ALWAYS = ['build', '--force-rm', '--tag', 'agent:1', '--iidfile', IID_FILE];

describe('the arguments of docker build', () => {
  test.each<[string, Partial<BuildOptions>, string[]]>([
    ['a context alone', {}, []],
    ['a Dockerfile', { file: 'sub/Dockerfile' }, ['--file', 'sub/Dockerfile']],
    ['a stage', { target: 'agent' }, ['--target', 'agent']],
    ['a platform', { platform: 'linux/arm64' }, ['--platform', 'linux/arm64']],
    ['build arguments', { buildArgs: ['A=1', 'B'] }, ['--build-arg', 'A=1', '--build-arg', 'B']],
    ['secrets', { secrets: ['id=t,src=token'] }, ['--secret', 'id=t,src=token']],
    ['further arguments, last', { target: 'a', extraArgs: ['--pull'] }, ['--target', 'a', '--pull']],
  ])('of %s', (_what, options, expected) => {
    const args = dockerBuildArgs({ image: 'agent:1', context: 'dir', ...options }, IID_FILE);
    expect(args).toEqual([...ALWAYS, ...expected, '--', 'dir']);
  });

  test.each([
    'a b',
    'line\nbreak',
    '; reboot',
    '$(id)',
    '`id`',
    '--network=host',
    '-v',
    '',
    '"\'',
    'é\u202e',
  ])('keep the value %j in one argument behind its option', (value) => {
    const options = {
      image: 'agent:1',
      file: value,
      target: value,
      platform: value,
      buildArgs: [value],
      secrets: [value],
      context: value,
    };
    expect(dockerBuildArgs(options, IID_FILE)).toEqual([
      ...ALWAYS,
      ...['--file', '--target', '--platform', '--build-arg', '--secret'].flatMap((flag) => [flag, value]),
      ...['--', value],
    ]);
  });
});

describe('before docker is called', () => {
  test.each([
    ['--image', '-x'],
    ['--image', '--network=host'],
    ['--image', 'a b'],
    ['--image', 'a\nb'],
    ['--image', 'a\u001b[2J'],
    ['--image', 'a;id'],
    ['--image', '$(id)'],
    ['--image', ''],
    ['--image', 'a'.repeat(600)],
    ['--registry-image', '--privileged'],
    ['--platform', 'linux/amd64 --privileged'],
    ['--platform', 'plan9/mips'],
  ])('%s %j is refused', async (option, value) => {
    const dir = await tempDir();
    const fake = await fakeDocker(dir, '*', 'exit 99');
    const result = await runCli(
      ['pack', '--context', dir, '--store', join(dir, 'store'), '--hop=container', `${option}=${value}`],
      { ...fake.env, TMPDIR: dir },
    );
    expect(result.stderr).toMatch(/^claude-bottle: error: .*\n {2}hint: /);
    expect(result.exitCode, result.stderr).toBe(64);
    expect(await fake.calls()).toEqual([]);
  });
});
