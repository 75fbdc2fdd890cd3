import { describe, expect, test } from 'vitest';
import {
  judgeVersion,
  type PackCreateOptions,
  packCreateArgs,
  packCreateEnv,
  type Smolvm,
} from '../../src/pack/smolvm.ts';

describe('the version policy', () => {
  test.each([
    ['0.9.9', '2.39', 'refusal', 'older than 1.1.3'],
    ['1.1.2', '2.39', 'refusal', 'older than 1.1.3'],
    ['1.1.3', '2.39', 'warning', 'older than 1.8.3'],
    ['1.2.0', '2.36', 'refusal', 'needs glibc 2.39, this machine has 2.36'],
    ['1.2.0', '2.39', 'warning', 'older than 1.8.3'],
    ['1.6.0', '2.35', 'refusal', 'glibc'],
    ['1.6.1', '2.38', 'refusal', 'glibc'],
    ['1.6.1', undefined, 'warning', 'older than 1.8.3'],
    ['1.6.2', '2.35', 'warning', 'older than 1.8.3'],
    ['1.8.2', '2.36', 'warning', 'older than 1.8.3'],
  ] as const)('of %s with glibc %s is a %s', (version, glibc, kind, text) => {
    expect(judgeVersion(version, glibc)).toEqual({ [kind]: expect.stringContaining(text) });
  });

  test.each(['1.8.3', '1.9.3', '1.10.0', '1.14.5', '2.0.0'])('has nothing against %s', (version) => {
    expect(judgeVersion(version, '2.36')).toEqual({});
  });
});

const smolvm = (...flags: string[]): Smolvm => ({
  path: '/opt/smolvm',
  version: '1.9.3',
  flags: new Set(flags),
});

const options: PackCreateOptions = {
  reference: 'localhost:1234/claude-bottle@sha256:abc',
  output: '/store/0123456789abcdef',
  platform: 'linux/arm64',
  scratch: '/var/tmp/cbp-1',
};

describe('pack create', () => {
  test('gets the options that the installed version has', () => {
    const base = ['pack', 'create', '--image', options.reference, '--output', options.output];
    expect(packCreateArgs(smolvm(), options)).toEqual(base);
    expect(
      packCreateArgs(smolvm('--oci-platform', '--staging-dir'), { ...options, cpus: 2, memMib: 512 }),
    ).toEqual([
      ...base,
      ...['--oci-platform', 'linux/arm64', '--staging-dir', '/var/tmp/cbp-1/staging'],
      ...['--cpus', '2', '--mem', '512'],
    ]);
  });

  test('gets an environment in which all it writes is private and localhost is this host', () => {
    const env = packCreateEnv(
      {
        PATH: '/bin',
        HOME: '/home/me',
        SMOLVM_PUBLISH_ADDR: '1.2.3.4',
        SMOLVM_GUEST_HOST_SERVICE: 'x',
        SMOLVM_DATA_DIR: '/data',
        SMOLVM_PACK_STAGING: '/staging',
        TMPDIR: '/elsewhere',
        XDG_CACHE_HOME: '/elsewhere',
      },
      '/var/tmp/cbp-1',
    );
    expect(env).toEqual({
      PATH: '/bin',
      HOME: '/home/me',
      TMPDIR: '/var/tmp/cbp-1/tmp',
      XDG_CACHE_HOME: '/var/tmp/cbp-1',
      SMOLVM_FILE_TRANSFER_MAX_BYTES: '64GiB',
    });
    const asked = packCreateEnv({ SMOLVM_FILE_TRANSFER_MAX_BYTES: '8GiB' }, '/s');
    expect(asked.SMOLVM_FILE_TRANSFER_MAX_BYTES, 'what the user set').toBe('8GiB');
  });
});
