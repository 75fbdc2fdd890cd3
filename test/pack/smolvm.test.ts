import { describe, expect, test } from 'vitest';
import {
  type PackCreateOptions,
  packCreateArgs,
  packCreateEnv,
  storageGib,
  storageWarning,
} from '../../src/pack/pack-create.ts';
import { packFailure } from '../../src/pack/pack-failure.ts';
import { type Smolvm, versionNote, versionRefusal } from '../../src/pack/smolvm.ts';
import { memoryWarning } from '../../src/pack/virtualization.ts';

const GIB = 1024 ** 3;

describe('a version of smolvm', () => {
  test.each(['0.9.9', '1.1.2', '1.8.3'])('%s is refused as too old', (version) => {
    expect(versionRefusal(version)).toContain('older than 1.9.0');
  });

  test.each([
    ['1.9.1', 'tested'],
    ['1.32.2', 'tested'],
    ['1.9.0', /^between tested versions \(1\.9\.1, /],
    ['1.20.0', /^between tested versions/],
    ['1.33.0', /^newer than 1\.32\.2/],
    ['2.0.0', /^newer than/],
  ])('%s is not refused, and is said to be %s', (version, note) => {
    expect(versionRefusal(version)).toBeUndefined();
    expect(versionNote(version)).toMatch(note);
  });
});

const smolvm = (...flags: string[]): Smolvm => ({
  path: '/opt/smolvm',
  version: '1.17.0',
  flags: new Set(flags),
});

const options: PackCreateOptions = {
  reference: 'localhost:1234/claude-bottle@sha256:abc',
  output: '/store/0123456789abcdef',
  platform: 'linux/arm64',
  layer: { sizeBytes: 1e9, inodes: 20_000 },
  scratch: '/var/tmp/cbp-1',
};

describe('pack create', () => {
  test('gets the options that the installed version has', () => {
    const base = [
      ...['pack', 'create', '--image', options.reference, '--output', options.output],
      ...['--oci-platform', 'linux/arm64', '--staging-dir', '/var/tmp/cbp-1/staging'],
    ];
    expect(packCreateArgs(smolvm(), options)).toEqual(base);
    expect(
      packCreateArgs(smolvm('--storage', '--error-format', '--state-dir'), {
        ...options,
        cpus: 2,
        memMib: 512,
      }),
    ).toEqual([
      ...base,
      ...['--state-dir', '/var/tmp/cbp-1', '--error-format', 'json', '--storage', '20'],
      ...['--cpus', '2', '--mem', '512'],
    ]);
  });

  test('gets a decided environment: private directories, this loopback, no proxy and no secret', () => {
    const dropped = {
      SMOLVM_EGRESS_FLOOR: 'strict',
      SMOLVM_EGRESS_ALLOW_PRIVATE: '1',
      SMOLVM_PUBLISH_ADDR: '1.2.3.4',
      SMOLVM_GUEST_HOST_SERVICE: 'x',
      SMOLVM_DATA_DIR: '/data',
      SMOLVM_PACK_STAGING: '/staging',
      ...Object.fromEntries(
        ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [
          [name, 'http://proxy:3128'],
          [name.toLowerCase(), 'http://proxy:3128'],
        ]),
      ),
      GITHUB_TOKEN: 'ghs_x',
      INPUT_GITHUB_TOKEN: 'ghs_x',
      AWS_SECRET_ACCESS_KEY: 'x',
    };
    const passed = { PATH: '/bin', HOME: '/home/me', SMOLVM_AGENT_ROOTFS: '/opt/agent', RUST_LOG: 'debug' };
    const env = packCreateEnv(
      { ...passed, ...dropped, SMOLVM_ALLOW_HOST_LOOPBACK: '0', TMPDIR: '/else', XDG_CACHE_HOME: '/else' },
      '/var/tmp/cbp-1',
    );
    expect(env).toEqual({
      ...passed,
      SMOLVM_ALLOW_HOST_LOOPBACK: '1',
      TMPDIR: '/var/tmp/cbp-1/tmp',
      XDG_CACHE_HOME: '/var/tmp/cbp-1/.cache',
      XDG_DATA_HOME: '/var/tmp/cbp-1/.local/share',
    });
  });

  test('gets a disk that holds the bytes and the files of the layer', () => {
    expect(storageGib({ sizeBytes: 1e9, inodes: 100_000 })).toBe(20);
    expect(storageGib({ sizeBytes: 30 * GIB, inodes: 100_000 })).toBe(91);
    expect(storageGib({ sizeBytes: 1e9, inodes: 1_900_000 })).toBe(30);
  });

  test('is warned of where the disk cannot be made larger, with both numbers', () => {
    const large = { sizeBytes: 1e9, inodes: 1_900_000 };
    expect(storageWarning(smolvm(), large)).toMatch(/1,900,000 files .* 1,310,720 inodes/);
    expect(storageWarning(smolvm('--storage'), large)).toBeUndefined();
    expect(storageWarning(smolvm(), options.layer)).toBeUndefined();
  });
});

/** What real smolvm versions print, and a part of the hint. */
describe('a failure of pack create', () => {
  const failure = (lines: readonly string[], startLines: readonly string[] = []) =>
    packFailure({ exitCode: 1, signal: undefined, tail: lines }, startLines);

  test.each([
    [
      'the loopback of the host is denied',
      'Error: agent operation failed: pull image: crane manifest failed: Error: fetching manifest localhost:40847/claude-bottle: Get "https://localhost:40847/v2/": dial tcp [::1]:40847: connect: permission denied',
      'it keeps its guest from the loopback of this host, where the image is served',
      /use smolvm 1\.32\.2/,
    ],
    [
      'the machine does not boot',
      'Error: agent operation failed: wait for agent: agent did not become ready within 30 seconds: no boot progress for 30 seconds',
      'its virtual machine did not start in time',
      /8 GiB of memory/,
    ],
    [
      'KVM is closed to the user of the VM',
      'Error: agent operation failed: monitor agent: Then log out and log back in for the change to take effect.); libkrun detail: build microVM: Internal error while starting microVM: KvmContext(KvmOpen(Error(13))) (boot process exited (code 1) before the agent was ready)',
      'the user that it starts its virtual machine as may not open /dev/kvm',
      /chmod o\+rw \/dev\/kvm/,
    ],
    [
      'KVM is closed to this user',
      'Error: kvm permission denied: Cannot access /dev/kvm (permission denied).',
      'this user may not open /dev/kvm',
      /sudo tee .*udevadm/,
    ],
    [
      'there is no KVM',
      'Error: kvm not available: KVM not available. Ensure KVM kernel module is loaded.',
      'KVM is not available here',
      /--packer direct/,
    ],
    [
      'the device is not KVM',
      'Error: agent operation failed: monitor agent: libkrun detail: build microVM: Internal error while starting microVM: KvmContext(KvmApiVersion(-1)) (boot process exited (code 1) before the agent was ready)',
      'the device /dev/kvm is not KVM',
      /--packer direct/,
    ],
    [
      'the disk of the guest is full',
      'Error: agent operation failed: pull image: crane blob failed: write /storage/layers/x.tar: no space left on device',
      'the disk of its builder VM is full, by bytes or by the number of files',
      /make the image smaller/,
    ],
    [
      'the disk of the host is full',
      'Error: agent operation failed: pack: No space left on device (os error 28)',
      'no space is left on this machine',
      /free some disk space/,
    ],
    [
      'the layer is over the cap',
      'Error: agent operation failed: export layer: guest streamed 4294967297 bytes, exceeding the 4294967296 byte cap',
      'the image is larger than it lets through',
      /SMOLVM_FILE_TRANSFER_MAX_BYTES/,
    ],
  ])('says what helps when %s', (_case, line, reason, hint) => {
    const error = failure(['Starting agent VM...', line]);
    expect(error.message).toBe(`smolvm pack create failed (exit code 1): ${reason}`);
    expect(error.details).toContain(line);
    expect(error.hint).toMatch(hint);
    const asJson = JSON.stringify({ error: { code: 'SMOLVM_ERROR', message: line.replace(/^Error: /, '') } });
    expect(failure([asJson])).toMatchObject({ message: error.message, hint: error.hint, details: [line] });
  });

  test('that is not known is told in the last words of smolvm', () => {
    const error = failure(['Starting agent VM...', 'Error: agent operation failed: something new']);
    expect(error.message).toBe(
      'smolvm pack create failed (exit code 1): agent operation failed: something new',
    );
    expect(error.hint).toContain('claude-bottle doctor');
  });

  test('is explained by what the VM itself has written', () => {
    const error = failure(
      [
        'Error: agent operation failed: monitor agent: boot process exited (code 1) before the agent was ready',
      ],
      ['Error: start vm: KVM inaccessible to the VM process after privilege drop'],
    );
    expect(error.hint).toContain('chmod o+rw');
    expect(error.details).toHaveLength(2);
  });
});

test('a machine with less memory than the builder VM is named with both sizes', () => {
  expect(memoryWarning(4 * GIB)).toMatch(/machine of 8 GiB, and 4\.0 GiB of memory are here/);
  expect(memoryWarning(16 * GIB)).toBeUndefined();
});
