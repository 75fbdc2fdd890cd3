import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type BuildOptions, dockerBuildArgs } from '../../src/docker/build.ts';
import { runCli } from '../helpers/cli.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const IID_FILE = '/private/image-id';
const PLATFORM = 'linux/amd64';
const ALWAYS = ['build', '--force-rm', '--tag', 'agent:1', '--iidfile', IID_FILE];

describe('the arguments of docker build', () => {
  test.each<[string, Partial<BuildOptions>, string[]]>([
    ['a context alone', {}, ['--platform', PLATFORM]],
    ['a Dockerfile', { file: 'sub/Dockerfile' }, ['--file', 'sub/Dockerfile', '--platform', PLATFORM]],
    ['a stage', { target: 'agent' }, ['--target', 'agent', '--platform', PLATFORM]],
    [
      'build arguments',
      { buildArgs: ['A=1', 'B'] },
      ['--platform', PLATFORM, '--build-arg', 'A=1', '--build-arg', 'B'],
    ],
    ['secrets', { secrets: ['id=t,src=token'] }, ['--platform', PLATFORM, '--secret', 'id=t,src=token']],
    ['further arguments, last', { extraArgs: ['--pull'] }, ['--platform', PLATFORM, '--pull']],
  ])('of %s', (_what, options, expected) => {
    const given = { image: 'agent:1', context: 'dir', platform: PLATFORM, ...options } as const;
    expect(dockerBuildArgs(given, IID_FILE)).toEqual([...ALWAYS, ...expected, '--', 'dir']);
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
      platform: PLATFORM,
      buildArgs: [value],
      secrets: [value],
      context: value,
    } as const;
    expect(dockerBuildArgs(options, IID_FILE)).toEqual([
      ...ALWAYS,
      ...['--file', '--target'].flatMap((flag) => [flag, value]),
      ...['--platform', PLATFORM],
      ...['--build-arg', '--secret'].flatMap((flag) => [flag, value]),
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
    expect(result.stderr).toMatch(/^claude-bottle: error: .*\n {2}try: /);
    expect(result.exitCode, result.stderr).toBe(64);
    expect(await fake.calls()).toEqual([]);
  });
});
