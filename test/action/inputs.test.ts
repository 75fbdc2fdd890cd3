import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { readInputs } from '../../src/action/inputs.ts';
import { BottleError } from '../../src/errors.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** As in action.yml. */
const DEFAULTS: Record<string, string> = {
  context: '.',
  platforms: 'linux/amd64',
  packer: 'smolvm',
  hop: 'embedded',
  'kvm-check': 'true',
  cache: 'auto',
  restore: 'false',
  upload: 'true',
  'artifact-name': 'smolmachine',
  'timeout-minutes': '60',
  'release-draft': 'false',
  attest: 'auto',
  'secret-scan': 'fail',
};

let workspace: string;
let outside: string;

beforeEach(async () => {
  const dir = await fs.realpath(await tempDir());
  workspace = join(dir, 'workspace');
  outside = join(dir, 'outside');
  await fs.mkdir(join(workspace, 'agent'), { recursive: true });
  await fs.mkdir(outside);
  await fs.writeFile(join(workspace, 'agent/Dockerfile'), 'FROM scratch\n');
  await fs.writeFile(join(outside, 'Dockerfile'), 'FROM scratch\n');
});

async function read(inputs: Record<string, string>) {
  return await readInputs((name) => (inputs[name] ?? DEFAULTS[name] ?? '').trim(), workspace);
}

async function refusal(inputs: Record<string, string>): Promise<BottleError> {
  const error = await read(inputs).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof BottleError)) {
    throw new Error(`not refused: ${JSON.stringify(inputs)} (${error})`);
  }
  expect(error.code).toBe('usage');
  expect(error.hint).toBeTruthy();
  return error;
}

describe('inputs that are given', () => {
  test('are read into one object', async () => {
    const inputs = await read({
      context: 'agent',
      file: 'agent/Dockerfile',
      target: 'runtime',
      'build-args': 'VERSION=2\n\n  NAME=a b=c  \n',
      platforms: 'linux/arm64, linux/amd64\nlinux/arm64',
      cpus: '4',
      mem: '8192',
      'timeout-minutes': '30',
      'retention-days': '7',
    });
    expect(inputs).toMatchObject({
      source: {
        context: join(workspace, 'agent'),
        file: join(workspace, 'agent/Dockerfile'),
        target: 'runtime',
        buildArgs: ['VERSION=2', 'NAME=a b=c'],
        secrets: [],
      },
      platforms: ['linux/arm64', 'linux/amd64'],
      packer: 'smolvm',
      hop: { kind: 'embedded' },
      cache: 'auto',
      upload: true,
      cpus: 4,
      memMib: 8192,
      timeoutMs: 30 * 60_000,
      retentionDays: 7,
    });
  });

  test('may hold secrets of several lines', async () => {
    const { source } = await read({
      secrets: 'token=abc\n"key=-----BEGIN\nline ""two""\n-----END"\nlast=x=y',
    });
    expect(source).toHaveProperty('secrets', [
      { id: 'token', value: 'abc' },
      { id: 'key', value: '-----BEGIN\nline "two"\n-----END' },
      { id: 'last', value: 'x=y' },
    ]);
  });

  test('say where to publish, and of what a release is made', async () => {
    expect((await read({ platforms: 'linux/arm64' })).publish).toEqual({
      channels: [],
      ociRef: undefined,
      tokenHosts: [],
      releaseTag: undefined,
      releaseDraft: false,
      releasePlatforms: ['linux/arm64'],
      attest: 'auto',
      secretScan: 'fail',
    });
    const { publish } = await read({
      publish: 'release,\noci',
      'oci-ref': 'registry.example:5000/team/agent',
      'release-tag': 'agent/v1.2.0-rc.1+2',
      'release-platforms': 'linux/amd64, linux/arm64',
    });
    expect(publish).toMatchObject({
      channels: ['release', 'oci'],
      ociRef: { registry: 'registry.example:5000', repository: 'team/agent' },
      releaseTag: 'agent/v1.2.0-rc.1+2',
      releasePlatforms: ['linux/amd64', 'linux/arm64'],
    });
  });

  test.each(['@acme/agent@1.2.0', 'v1#b', 'é-1', "it's", '$(id)'])(
    'name a tag as git takes it: %s',
    async (tag) => {
      expect((await read({ 'release-tag': tag })).publish.releaseTag).toBe(tag);
    },
  );

  test('name a tag as github.ref does', async () => {
    expect((await read({ 'release-tag': 'refs/tags/v1.2.0' })).publish.releaseTag).toBe('v1.2.0');
  });

  test('may name an image instead of something to build', async () => {
    expect((await read({ image: 'ghcr.io/me/agent:1' })).source).toEqual({ image: 'ghcr.io/me/agent:1' });
  });
});

describe('inputs that cannot be', () => {
  test('the file as the context has it is told how the workspace has it', async () => {
    const { message, hint } = await refusal({ context: 'agent', file: 'Dockerfile' });
    expect(message).toBe('the input file names Dockerfile, which does not exist');
    expect(hint).toBe('name it as it is in the workspace: agent/Dockerfile');
  });

  test.each([
    ['cache', 'yes', 'auto, true, false'],
    ['cache', '', 'auto, true, false'],
    ['upload', 'TRUE', 'true, false'],
    ['hop', 'direct', 'embedded, container'],
    ['platforms', 'linux/riscv64', 'linux/amd64, linux/arm64'],
    ['platforms', ',', 'linux/amd64, linux/arm64'],
    ['cpus', '0', '1 to 255'],
    ['cpus', '1e2', '1 to 255'],
    ['mem', '63', '64 to 1048576'],
    ['timeout-minutes', '1441', '1 to 1440'],
    ['retention-days', '-1', '1 to 400'],
    ['smolvm-version', 'latest', '1.32.2'],
    ['smolvm-sha256', 'ABC', '64 hex'],
    ['smolvm-path', '/no/such/smolvm', 'executable'],
    ['artifact-name', '../x', 'letters'],
    ['publish', 'oci, npm', 'oci, release'],
    ['attest', 'yes', 'auto, required, off'],
    ['secret-scan', 'off', 'fail, warn'],
    ['release-draft', '1', 'true, false'],
    ['release-platforms', ',', 'linux/amd64, linux/arm64'],
    ['release-platforms', 'linux/arm64', 'all platforms'],
    ['release-tag', 'v1..2', 'v1.2.0'],
    ['release-tag', 'v1/', 'v1.2.0'],
    ['release-tag', 'a b', 'as git takes it'],
    ['release-tag', '-x', 'as git takes it'],
    ['release-tag', 'v1\u001b[31m', 'as git takes it'],
    ['context', 'a'.repeat(256), '255 bytes'],
    ['file', `agent/${'é'.repeat(200)}`, '255 bytes'],
    ['oci-ref', 'acme/agent', 'HOST/NAME'],
    ['oci-ref', 'ghcr.io/Acme/agent', 'lower case'],
    ['oci-ref', 'ghcr.io/acme/agent:1', 'tags of its own'],
  ])('%s: %j is refused with what is allowed', async (name, value, allowed) => {
    const error = await refusal({ [name]: value });
    expect(error.message).toContain(name);
    expect(error.hint).toContain(allowed);
  });

  test('the context must be there', async () => {
    expect((await refusal({ context: '' })).message).toContain('context is empty');
    expect((await refusal({ context: 'agnet' })).message).toContain('agnet');
    expect((await refusal({ context: 'agent/Dockerfile' })).message).toContain('not a directory');
  });

  test.each([
    [{ image: 'a:1', context: 'agent' }, 'context'],
    [{ image: 'a:1', target: 'x' }, 'target'],
    [{ image: 'a:1', secrets: 'a=b' }, 'secrets'],
    [{ image: 'a:1', publish: 'oci' }, 'publish'],
    [{ 'registry-image': 'registry:2' }, 'registry-image'],
    [{ 'smolvm-path': '/bin/sh', 'smolvm-version': '1.9.3' }, 'smolvm-version'],
    [{ 'smolvm-path': '/bin/sh', 'smolvm-sha256': 'a'.repeat(64) }, 'smolvm-sha256'],
  ])('%j are refused together', async (inputs: Record<string, string>, named) => {
    expect((await refusal(inputs)).message).toContain(named);
  });

  const hostile = [
    '-x',
    '--network=host',
    'a\nb',
    'a\0b',
    'a;b',
    '$(id)',
    '`id`',
    'a b',
    "a'b",
    'a"b',
    '\x1b[31m',
    'é',
  ];
  test.each([
    'target',
    'image',
    'registry-image',
    'artifact-name',
    'smolvm-version',
    'smolvm-sha256',
    'cpus',
    'publish',
    'oci-ref',
  ])('a hostile %s is refused', async (name) => {
    for (const value of hostile) {
      await refusal({ [name]: value, ...(name === 'registry-image' && { hop: 'container' }) });
    }
  });

  test.each(['context', 'file'])('a %s that docker could take for an option is refused', async (name) => {
    await refusal({ [name]: '-x' });
    await refusal({ [name]: 'a\nb' });
    await refusal({ [name]: 'a'.repeat(2000) });
  });

  test.each(['--build-arg', 'NAME', '1A=x', 'A B=x', 'A=\x1b[0m', `A=${'x'.repeat(5000)}`])(
    'the build argument %j is refused',
    async (line) => {
      await refusal({ 'build-args': line });
    },
  );

  test.each(['image', 'oci-ref'])('an input %s of 100 kB is not quoted whole', async (name) => {
    const { message } = await refusal({ [name]: 'A'.repeat(100_000) });
    expect(message).toMatch(new RegExp(`the input ${name}: .*"A+…"`));
    expect(message.length).toBeLessThan(500);
  });

  test('a secret that cannot be read is not shown', async () => {
    const error = await refusal({ secrets: 'token=fine\nhunter2' });
    expect(JSON.stringify([error.message, error.hint])).not.toContain('hunter2');
    expect(error.message).toContain('entry 2');
  });

  test('a context or Dockerfile outside of the workspace is refused, also behind a link', async () => {
    await fs.symlink(outside, join(workspace, 'link'));
    await fs.symlink(join(outside, 'Dockerfile'), join(workspace, 'Dockerfile'));
    for (const inputs of [
      { context: '..' },
      { context: outside },
      { context: 'link' },
      { context: 'link/../../outside' },
      { file: 'Dockerfile' },
      { file: '../outside/Dockerfile' },
    ]) {
      expect((await refusal(inputs)).message).toContain('out of the workspace');
    }
  });
});
