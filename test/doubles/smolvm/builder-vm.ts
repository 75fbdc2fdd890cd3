import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SmolvmError } from './failures.ts';
import { FAULT } from './knobs.ts';

export interface BuilderVm {
  /** Stands for the disks of the VM: everything that is pulled or merged is in here. */
  readonly diskDir: string;
  readonly stop: () => Promise<void>;
}

/**
 * Stands for the builder VM: smolvm's directory for it, and a live `_boot-vm` process in a session of its own, which
 * outlives a smolvm that is killed.
 */
export async function startBuilderVm(cacheDir: string): Promise<BuilderVm> {
  const name = `pack-${process.pid}-${BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)}`;
  const dir = vmDirectory(cacheDir, name);
  const diskDir = join(dir, 'disk');
  await fs.mkdir(diskDir, { recursive: true });
  await openForVmUser(dir);
  for (const [file, content] of [
    ['name', name],
    ['storage.raw', ''],
    ['overlay.raw', ''],
    ['vm.lock', ''],
  ] as const) {
    await fs.writeFile(join(dir, file), content);
  }
  // What it has made so far stays there.
  failToStart();
  const child = await startVm(dir, name);
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const stop = async () => {
    child.ref();
    child.kill('SIGKILL');
    await exited;
    await fs.rm(dir, { recursive: true, force: true });
  };
  return { diskDir, stop };
}

/** The VM may run as another user, so smolvm lets everyone search the directories of its own user above the VM's. */
async function openForVmUser(dir: string): Promise<void> {
  for (let parent = dirname(dir); parent !== dirname(parent); parent = dirname(parent)) {
    const { uid, mode } = await fs.stat(parent);
    if (uid === process.getuid?.() && (mode & 0o001) === 0) {
      await fs.chmod(parent, (mode & 0o7777) | 0o001);
    }
  }
}

/** Where smolvm keeps what belongs to one VM. */
export function vmDirectory(cacheDir: string, name: string): string {
  return join(cacheDir, 'smolvm', 'vms', createHash('sha256').update(name).digest('hex').slice(0, 16));
}

/** Starts the process that stands for a VM, and notes it. */
export async function startVm(dir: string, name: string): Promise<ChildProcess> {
  const configPath = join(dir, 'boot-config.json');
  await fs.writeFile(configPath, JSON.stringify({ name, cpus: 4, mem: 8192 }));

  // Its command line is `smolvm-bin _boot-vm <config>`: Node takes `_boot-vm` for the path of its program.
  const child = spawn(process.execPath, ['_boot-vm', configPath], {
    argv0: 'smolvm-bin',
    cwd: import.meta.dirname,
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  await fs.writeFile(join(dir, 'agent.pid'), `${child.pid}\n${await startTimeOf(child.pid)}`);
  return child;
}

function failToStart(): void {
  switch (FAULT) {
    case 'no-kvm':
      throw new SmolvmError(
        'kvm not available: KVM not available. Ensure KVM kernel module is loaded.\n' +
          'Try: sudo modprobe kvm && sudo modprobe kvm_intel  # (or kvm_amd)',
        'KVM_UNAVAILABLE',
      );
    case 'kvm-permission':
      throw new SmolvmError(
        "kvm permission denied: Cannot access /dev/kvm (permission denied).\nAdd your user to the 'kvm' group:\n\n" +
          'sudo usermod -aG kvm $USER\n\nThen log out and log back in for the change to take effect.',
      );
  }
}

/** Field 22 of proc(5) stat, in clock ticks since boot; the second field may hold spaces. */
async function startTimeOf(pid: number | undefined): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
}
