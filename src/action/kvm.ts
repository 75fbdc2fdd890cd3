import { setTimeout as sleep } from 'node:timers/promises';
import { getExecOutput } from '@actions/exec';
import { BottleError, hasErrno } from '../errors.ts';
import { KVM_DEVICE, KVM_RULE, KVM_RULE_FILE, requireVirtualization } from '../pack/smolvm.ts';

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
 * Sees to it that this user may open the KVM device. GitHub's own x64 Linux runners have it, but only for its group: a
 * udev rule opens it for all. Such a machine is gone after the job; others are their owner's to change.
 * @throws BottleError `kvm-unavailable`
 */
export async function prepareKvm(device = KVM_DEVICE): Promise<void> {
  requireLinuxRunner();
  const failure = await kvmFailure(device);
  if (failure === undefined) {
    return;
  }
  if (!hasErrno(failure.cause, 'EACCES')) {
    throw new BottleError('kvm-unavailable', failure.message, { hint: WHERE_KVM_IS, cause: failure.cause });
  }
  if (process.env.RUNNER_ENVIRONMENT !== 'github-hosted' || !(await canSudo())) {
    throw failure;
  }
  await sudo(['tee', KVM_RULE_FILE], `${KVM_RULE}\n`);
  await sudo(['udevadm', 'control', '--reload-rules']);
  await sudo(['udevadm', 'trigger', '--name-match=kvm']);
  const deadline = Date.now() + UDEV_TIMEOUT_MS;
  while (await kvmFailure(device)) {
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

async function kvmFailure(device: string): Promise<BottleError | undefined> {
  try {
    await requireVirtualization(device);
    return undefined;
  } catch (error) {
    if (error instanceof BottleError) {
      return error;
    }
    throw error;
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
