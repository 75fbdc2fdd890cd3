import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { totalmem } from 'node:os';
import { BottleError, hasErrno } from '../errors.ts';
import { readChild } from '../host/child.ts';

const PROBE_TIMEOUT_MS = 30_000;

export const KVM_DEVICE = '/dev/kvm';
export const KVM_RULE = 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"';
export const KVM_RULE_FILE = '/etc/udev/rules.d/99-kvm4all.rules';
/** A command line that opens the KVM device to everyone, now and after a restart. */
export const OPEN_KVM =
  `echo '${KVM_RULE}' | sudo tee ${KVM_RULE_FILE} && sudo udevadm control --reload-rules` +
  ' && sudo udevadm trigger --name-match=kvm';

/** smolvm, run as root, gives each VM a user ID of its own, from this one up. */
export const FIRST_VM_UID = 2_000_000;
const OTHERS_READ_WRITE = 0o006;

/** smolvm gives the machine in which it packs this much; no option changes that. */
const BUILDER_MEMORY_GIB = 8;
const GIB = 1024 ** 3;

/** `closed-to-vm`: we may open the device, but the user that smolvm starts its VM as may not. */
export type KvmState = 'open' | 'closed' | 'closed-to-vm' | 'missing';

export async function kvmState(device = KVM_DEVICE): Promise<KvmState> {
  try {
    const file = await fs.open(device, constants.O_RDWR);
    try {
      const { mode } = await file.stat();
      const dropsRoot = process.getuid?.() === 0 && process.env.SMOLVM_VM_UID_DROP !== 'off';
      return dropsRoot && (mode & OTHERS_READ_WRITE) !== OTHERS_READ_WRITE ? 'closed-to-vm' : 'open';
    } finally {
      await file.close();
    }
  } catch (error) {
    return hasErrno(error, 'EACCES', 'EPERM') ? 'closed' : 'missing';
  }
}

/**
 * smolvm packs in a virtual machine: on Linux through /dev/kvm, on macOS through the Hypervisor framework.
 * @throws BottleError `kvm-unavailable`
 */
export async function requireVirtualization(kvmDevice = KVM_DEVICE): Promise<void> {
  if (process.platform === 'darwin') {
    const hv = await readChild('sysctl', ['-n', 'kern.hv_support'], { timeoutMs: PROBE_TIMEOUT_MS });
    if (hv.stdout.trim() !== '1') {
      throw new BottleError('kvm-unavailable', 'this Mac offers no Hypervisor framework (kern.hv_support)', {
        hint: 'pack without a virtual machine (--packer direct), or on a Mac that is not itself one',
      });
    }
    return;
  }
  const state = await kvmState(kvmDevice);
  if (state !== 'open') {
    throw kvmError(state, kvmDevice);
  }
}

export function kvmError(state: Exclude<KvmState, 'open'>, device: string): BottleError {
  switch (state) {
    case 'closed':
      return new BottleError('kvm-unavailable', `this user may not open ${device}`, {
        hint: OPEN_KVM,
      });
    case 'closed-to-vm':
      return new BottleError(
        'kvm-unavailable',
        `${device} is open to root only, and smolvm, run as root, starts its VM as uid ${FIRST_VM_UID} or above`,
        { hint: `chmod o+rw ${device}` },
      );
    case 'missing':
      return new BottleError('kvm-unavailable', `this machine has no usable ${device}`, {
        hint: 'pack without a virtual machine (packer: direct), or on a machine with KVM (GitHub: ubuntu-latest x64)',
      });
  }
}

/** What this process may use: the machine's memory, or the limit of its container. */
export function memoryBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

/** A sentence when there is less memory than smolvm's builder machine may take; it often works anyway. */
export function memoryWarning(bytes = memoryBytes()): string | undefined {
  return bytes < BUILDER_MEMORY_GIB * GIB
    ? `smolvm packs in a virtual machine of ${BUILDER_MEMORY_GIB} GiB, and ${(bytes / GIB).toFixed(1)} GiB of memory are here: a pack can end with "agent did not become ready"`
    : undefined;
}
