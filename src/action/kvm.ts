import * as fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { getExecOutput } from '@actions/exec';
import { BottleError } from '../errors.ts';
import { KVM_DEVICE, KVM_RULE, KVM_RULE_FILE, kvmError, kvmState } from '../pack/virtualization.ts';

/** udev works through its events after `udevadm trigger` has returned. */
const UDEV_TIMEOUT_MS = 5_000;
const UDEV_POLL_MS = 100;

const WHERE_KVM_IS =
  'run the job on ubuntu-latest (x64) without `container:`; `platforms: linux/arm64` is packed there too';

/** @throws BottleError `kvm-unavailable` on macOS and Windows */
export function requireLinuxRunner(): void {
  const os = process.env.RUNNER_OS ?? process.platform;
  if (os.toLowerCase() !== 'linux') {
    throw new BottleError('kvm-unavailable', `this action packs on Linux runners, this one is ${os}`, {
      hint: WHERE_KVM_IS,
    });
  }
}

/**
 * Makes sure that smolvm may open the KVM device. GitHub's own x64 Linux runners have it, but only for its group: a
 * udev rule opens it for all. Such a machine is gone after the job; others are their owner's to change.
 * @throws BottleError `kvm-unavailable`
 */
export async function prepareKvm(device = KVM_DEVICE): Promise<void> {
  requireLinuxRunner();
  const state = await kvmState(device);
  if (state === 'open') {
    return;
  }
  if (state === 'missing') {
    throw new BottleError('kvm-unavailable', kvmError(state, device).message, { hint: WHERE_KVM_IS });
  }
  const isHosted = process.env.RUNNER_ENVIRONMENT === 'github-hosted';
  if (isHosted && state === 'closed-to-vm') {
    await fs.chmod(device, 0o666);
    return;
  }
  if (!isHosted || !(await canSudo())) {
    throw kvmError(state, device);
  }
  await sudo(['tee', KVM_RULE_FILE], `${KVM_RULE}\n`);
  await sudo(['udevadm', 'control', '--reload-rules']);
  await sudo(['udevadm', 'trigger', '--name-match=kvm']);
  const deadline = Date.now() + UDEV_TIMEOUT_MS;
  while ((await kvmState(device)) !== 'open') {
    if (Date.now() > deadline) {
      throw new BottleError(
        'kvm-unavailable',
        `this user may not open ${device}, not even ${UDEV_TIMEOUT_MS / 1000} s after the udev rule was set`,
        { hint: WHERE_KVM_IS },
      );
    }
    await sleep(UDEV_POLL_MS);
  }
}

/** Whether sudo is there and asks for no password. */
async function canSudo(): Promise<boolean> {
  return await getExecOutput('sudo', ['-n', 'true'], { silent: true, ignoreReturnCode: true }).then(
    ({ exitCode }) => exitCode === 0,
    () => false,
  );
}

async function sudo(args: string[], input = ''): Promise<void> {
  const result = await getExecOutput('sudo', ['-n', ...args], {
    input: Buffer.from(input),
    silent: true,
    ignoreReturnCode: true,
  });
  if (result.exitCode !== 0) {
    throw new BottleError('kvm-unavailable', `cannot open KVM for this user: sudo ${args.join(' ')} failed`, {
      hint: WHERE_KVM_IS,
      details: result.stderr.trim().split('\n'),
    });
  }
}
