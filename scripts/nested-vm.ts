import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../src/host/child.ts';
import { installBackport, run } from './debian-packages.ts';

/**
 * A virtual machine in which KVM works, on a machine where it does not: QEMU emulates a processor with SVM, and
 * Debian's own kernel runs on it. Its root is this machine's, read-only over 9p, below an overlay in memory: the
 * guest has the same programs and the same checkout, and may write anywhere without a trace.
 */
const CACHE_DIR = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'claude-bottle-pack-tests/vm',
);

/** QEMU 7.2 boots smolvm's guest, but a program in it dies with SIGSEGV. */
const QEMU_MAJOR = 10;
const QEMU = 'qemu-system-x86_64';
const MEMORY_MIB = 9216;
const BOOT_TRIES = 3;
const BOOT_LIMIT_MS = 120_000;

/**
 * smolvm's limits are in seconds, and an emulated processor that has to wait for others does not meet them. Where
 * Linux groups processes by session, the niceness of the group decides, and that of a process only within it.
 */
const FIRST = 'echo -15 > /proc/self/autogroup; exec nice -n -15 "$0" "$@"';

/** In the order in which they are loaded, as paths below the kernel's module directory. */
const MODULES = [
  ...['drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_pci_modern_dev'],
  ...['drivers/virtio/virtio_pci_legacy_dev', 'drivers/virtio/virtio_pci', 'net/9p/9pnet'],
  ...['net/9p/9pnet_virtio', 'fs/netfs/netfs', 'fs/fscache/fscache', 'fs/9p/9p', 'fs/overlayfs/overlay'],
  ...['virt/lib/irqbypass', 'arch/x86/kvm/kvm', 'drivers/crypto/ccp/ccp', 'arch/x86/kvm/kvm-amd'],
  ...['drivers/net/tun', 'drivers/block/loop', 'net/llc/llc', 'net/802/stp', 'net/bridge/bridge'],
  'drivers/net/veth',
];
const READY_LINE = '== guest is ready';

/** The first process of the guest; `/vm/shared` is the directory of the host that it can write to. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /lower /upper /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module" || echo "cannot load $module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=1048576,cache=loose host /lower
mount -t tmpfs -o size=100% tmpfs /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root
mkdir -p /root/vm/shared /root/vm/scratch
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 shared /root/vm/shared
mount -t tmpfs -o size=100%,mode=0755 tmpfs /root/vm/scratch
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mount -t devtmpfs devtmpfs /root/dev
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm
mount -t devpts devpts /root/dev/pts
mount -t tmpfs tmpfs /root/run
ip link set lo up
chmod 0666 /root/dev/kvm
hostname nested
echo '${READY_LINE}'
chroot /root /bin/sh /vm/shared/run.sh </dev/null 2>&1
echo $? > /root/vm/shared/exit-code
sync
echo o > /proc/sysrq-trigger
sleep 60
`;

export interface NestedRun {
  /** A POSIX shell script, run as root. */
  readonly script: string;
  /** A directory of this machine, \`/vm/shared\` in the guest, for what goes in and comes out. */
  readonly shared: string;
  readonly timeoutMs: number;
}

/** Installs QEMU and builds kernel and initramfs, where they are missing. Needs root on Debian. */
export async function prepareNestedVm(): Promise<void> {
  await installBackport('qemu-system-x86', QEMU_MAJOR);
  await ensureKernel();
  await ensureInitramfs();
}

/**
 * Runs the script in a fresh virtual machine and returns its exit code. A machine that does not come up is started
 * again; the script runs once.
 */
export async function runInNestedVm({ script, shared, timeoutMs }: NestedRun): Promise<number> {
  await fs.writeFile(join(shared, 'run.sh'), script);
  const console = join(shared, 'console.log');
  for (let attempt = 1; ; attempt += 1) {
    const output = await boot(shared, console, timeoutMs);
    const exitCode = await fs.readFile(join(shared, 'exit-code'), 'utf8').catch(() => undefined);
    if (exitCode !== undefined) {
      return Number(exitCode);
    }
    const text = await fs.readFile(console, 'utf8').catch(() => '');
    if (text.includes(READY_LINE) || attempt === BOOT_TRIES) {
      throw new Error(`the nested machine ended early:\n${[...output, text.slice(-4000)].join('\n')}`);
    }
  }
}

/** Returns what QEMU says. */
async function boot(shared: string, console: string, timeoutMs: number): Promise<readonly string[]> {
  const stalled = new AbortController();
  const watch = setTimeout(async () => {
    if (!(await fs.readFile(console, 'utf8').catch(() => '')).includes(READY_LINE)) {
      stalled.abort(new Error(`the nested machine is not up after ${BOOT_LIMIT_MS / 1000} s`));
    }
  }, BOOT_LIMIT_MS);
  try {
    const { tail, exitCode, signal } = await runChild(
      'sh',
      ['-c', FIRST, QEMU, ...qemuArgs(shared, console)],
      {
        timeoutMs,
        signal: stalled.signal,
      },
    );
    return [...tail, `QEMU ended with ${signal ?? `exit code ${exitCode}`}`];
  } catch (error) {
    if (error !== stalled.signal.reason) {
      throw error;
    }
    return [stalled.signal.reason.message];
  } finally {
    clearTimeout(watch);
  }
}

function qemuArgs(shared: string, console: string): string[] {
  const share = (path: string, tag: string, ...options: string[]) => [
    '-virtfs',
    [`local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap`, ...options].join(','),
  ];
  const append = [
    ...['console=ttyS0', 'quiet', 'mitigations=off', 'nopti', 'nokaslr', 'net.ifnames=0', 'clocksource=tsc'],
    ...['tsc=reliable', 'nowatchdog', 'audit=0'],
  ];
  return [
    ...['-accel', 'tcg,thread=multi,tb-size=1024', '-machine', 'q35,vmport=off,hpet=off'],
    ...[
      '-cpu',
      'EPYC,+svm,+npt,-avx,-avx2,-xsavec,-f16c,-fma,-rdrand',
      '-smp',
      '2',
      '-m',
      String(MEMORY_MIB),
    ],
    ...['-display', 'none', '-nodefaults', '-no-reboot', '-device', 'virtio-rng-pci'],
    ...['-kernel', KERNEL, '-initrd', initramfs(), '-append', append.join(' '), '-serial', `file:${console}`],
    ...share('/', 'host', 'readonly=on'),
    ...share(shared, 'shared'),
  ];
}

const KERNEL_DIR = join(CACHE_DIR, 'kernel');
const KERNEL = join(CACHE_DIR, 'vmlinuz');

function initramfs(): string {
  const recipe = createHash('sha256')
    .update(JSON.stringify([INIT, MODULES]))
    .digest('hex');
  return join(CACHE_DIR, `initramfs-${recipe.slice(0, 16)}`);
}

/** The kernel that the metapackage of this Debian means today, unpacked and not installed. */
async function ensureKernel(): Promise<void> {
  if (existsSync(KERNEL)) {
    return;
  }
  await fs.mkdir(CACHE_DIR, { recursive: true });
  const work = await fs.mkdtemp(join(CACHE_DIR, 'unfinished-'));
  try {
    await run('apt-get', ['-q', 'update']);
    const depends = await run('apt-cache', ['depends', '--important', 'linux-image-amd64']);
    const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
    if (name === undefined) {
      throw new Error(`linux-image-amd64 names no kernel:\n${depends}`);
    }
    await run('apt-get', ['-q', 'download', name], { cwd: work });
    const [archive = ''] = (await fs.readdir(work)).filter((file) => file.endsWith('.deb'));
    await run('dpkg', ['-x', join(work, archive), join(work, 'kernel')]);
    const [image = ''] = (await fs.readdir(join(work, 'kernel/boot'))).filter((file) =>
      file.startsWith('vmlinuz'),
    );
    await fs.rm(KERNEL_DIR, { recursive: true, force: true });
    await fs.rename(join(work, 'kernel'), KERNEL_DIR);
    await fs.copyFile(join(KERNEL_DIR, 'boot', image), join(work, 'vmlinuz'));
    await fs.rename(join(work, 'vmlinuz'), KERNEL);
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

async function ensureInitramfs(): Promise<void> {
  if (existsSync(initramfs())) {
    return;
  }
  const work = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-initramfs-'));
  try {
    const modulesDir = join(KERNEL_DIR, 'lib/modules');
    const [version = ''] = await fs.readdir(modulesDir);
    const root = join(work, 'root');
    await fs.mkdir(join(root, 'bin'), { recursive: true });
    await fs.mkdir(join(root, 'modules'));
    await fs.copyFile('/bin/busybox', join(root, 'bin/busybox'));
    await fs.symlink('busybox', join(root, 'bin/sh'));
    await fs.writeFile(join(root, 'init'), INIT, { mode: 0o755 });
    for (const [index, module] of MODULES.entries()) {
      const name = `${String(index).padStart(2, '0')}.ko`;
      await fs.copyFile(join(modulesDir, version, 'kernel', `${module}.ko`), join(root, 'modules', name));
    }
    const archive = join(work, 'initramfs');
    await run('sh', ['-c', 'find . | cpio --quiet -o -H newc | gzip -1 > "$0"', archive], { cwd: root });
    await fs.copyFile(archive, `${initramfs()}.${process.pid}`);
    await fs.rename(`${initramfs()}.${process.pid}`, initramfs());
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}
