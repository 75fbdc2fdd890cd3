import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import {
  type ChildOptions,
  endNotedChild,
  endProcess,
  endProcessesIn,
  noteChild,
  readChild,
  runChild,
} from '../host/child.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { isOlder } from '../identity/version.ts';

const PROBE_TIMEOUT_MS = 30_000;

const MINIMUM_VERSION = '1.1.3';
const RECOMMENDED_VERSION = '1.8.3';
/** These releases were built against a newer glibc than the rest (smolvm issue 636). */
const NEEDS_GLIBC_2_39 = ['1.2.0', '1.6.0', '1.6.1'];
/** What 1.8.3 and later allow anyway; before, from 1.6.0 on, 4 GiB without this variable. */
const EXPORT_CAP = '64GiB';

export interface Smolvm {
  readonly path: string;
  readonly version: string;
  /** The long options of its `pack create`. */
  readonly flags: ReadonlySet<string>;
}

/** Finds smolvm on PATH (or takes `path`) and asks for its version and options. */
export async function findSmolvm(path?: string): Promise<Smolvm> {
  const executable = path ?? (await findOnPath('smolvm'));
  if (executable === undefined) {
    throw new BottleError('smolvm-missing', 'smolvm is not on PATH', {
      hint: `install smolvm ${RECOMMENDED_VERSION} or later (https://github.com/smol-machines/smolvm/releases)`,
    });
  }
  const versionText = await probe(executable, ['--version']);
  const version = /^smolvm (\d+\.\d+\.\d+)/m.exec(versionText)?.[1];
  if (version === undefined) {
    throw new BottleError(
      'smolvm-unsupported',
      `${executable} --version answered ${JSON.stringify(versionText.slice(0, 200))}, not "smolvm X.Y.Z"`,
      { hint: 'put the real smolvm first on PATH' },
    );
  }
  const help = await probe(executable, ['pack', 'create', '--help']);
  return { path: executable, version, flags: new Set(help.match(/--[a-z][a-z-]+/g)) };
}

async function probe(executable: string, args: string[]): Promise<string> {
  try {
    const result = await readChild(executable, args, { timeoutMs: PROBE_TIMEOUT_MS });
    if (result.exitCode === 0) {
      return result.stdout;
    }
    throw new BottleError('smolvm-unsupported', `${executable} ${args.join(' ')} failed`, {
      hint: 'run it by hand; smolvm may be too old, or its libraries missing',
      details: result.tail,
    });
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) {
      throw new BottleError('smolvm-missing', `cannot run ${executable}`, {
        hint: 'install smolvm, or make that file executable',
        cause: error,
      });
    }
    throw error;
  }
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(dir, name);
    const isExecutable = await fs.access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (dir !== '' && isExecutable) {
      return candidate;
    }
  }
  return undefined;
}

export interface VersionVerdict {
  readonly refusal?: string;
  readonly warning?: string;
}

/**
 * What is known of a smolvm version.
 * @param glibc the machine's glibc, undefined where there is none (macOS, musl)
 */
export function judgeVersion(version: string, glibc: string | undefined): VersionVerdict {
  if (isOlder(version, MINIMUM_VERSION)) {
    return {
      refusal: `smolvm ${version} is older than ${MINIMUM_VERSION}: it loses deletions and file owners of image layers`,
    };
  }
  if (NEEDS_GLIBC_2_39.includes(version) && glibc !== undefined && isOlder(glibc, '2.39')) {
    return { refusal: `smolvm ${version} needs glibc 2.39, this machine has ${glibc}` };
  }
  if (isOlder(version, RECOMMENDED_VERSION)) {
    return {
      warning: `smolvm ${version} is older than ${RECOMMENDED_VERSION}: images over 4 GiB may fail to pack, and its packs may lose file owners`,
    };
  }
  return {};
}

export function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}

/** @throws BottleError `smolvm-unsupported` for a version that cannot pack correctly on this machine */
export function requireSupported(smolvm: Smolvm, onWarning: (message: string) => void): void {
  const { refusal, warning } = judgeVersion(smolvm.version, glibcVersion());
  if (refusal !== undefined) {
    throw new BottleError('smolvm-unsupported', refusal, {
      hint: `install smolvm ${RECOMMENDED_VERSION} or later`,
    });
  }
  if (warning !== undefined) {
    onWarning(warning);
  }
}

export const KVM_DEVICE = '/dev/kvm';
export const KVM_RULE = 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"';
export const KVM_RULE_FILE = '/etc/udev/rules.d/99-kvm4all.rules';
const UDEV_LINE =
  `echo '${KVM_RULE}' | sudo tee ${KVM_RULE_FILE} && sudo udevadm control --reload-rules` +
  ' && sudo udevadm trigger --name-match=kvm';

/**
 * smolvm starts a builder VM: on Linux through /dev/kvm, on macOS through the Hypervisor framework.
 * @throws BottleError `kvm-unavailable`
 */
export async function requireVirtualization(kvmDevice = KVM_DEVICE): Promise<void> {
  if (process.platform === 'darwin') {
    const hv = await readChild('sysctl', ['-n', 'kern.hv_support'], { timeoutMs: PROBE_TIMEOUT_MS });
    if (hv.stdout.trim() !== '1') {
      throw new BottleError('kvm-unavailable', 'this Mac offers no Hypervisor framework (kern.hv_support)', {
        hint: 'pack on a Mac that is not itself a virtual machine, and bring the file here',
      });
    }
    return;
  }
  try {
    const device = await fs.open(kvmDevice, constants.O_RDWR);
    await device.close();
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM')) {
      throw new BottleError('kvm-unavailable', `this user may not open ${kvmDevice}`, {
        hint: `allow it: ${UDEV_LINE}`,
        cause: error,
      });
    }
    throw new BottleError('kvm-unavailable', `this machine has no usable ${kvmDevice}`, {
      hint: 'pack on a machine with KVM (GitHub: ubuntu-latest x64), and bring the file here',
      cause: error,
    });
  }
}

export interface PackCreateOptions extends Pick<ChildOptions, 'signal' | 'timeoutMs' | 'onLine'> {
  /** `localhost:<port>/<repository>@sha256:<digest>` */
  readonly reference: string;
  /** The sidecar will be `<output>.smolmachine`; must not end in `.smolmachine` itself, which 1.7.0 refuses. */
  readonly output: string;
  readonly platform: GuestPlatform;
  readonly cpus?: number | undefined;
  readonly memMib?: number | undefined;
  /** A private directory with a short path for everything that smolvm writes beside its output. */
  readonly scratch: string;
}

export function packCreateArgs(smolvm: Smolvm, options: PackCreateOptions): string[] {
  const whereKnown = (flag: string, value: string) => (smolvm.flags.has(flag) ? [flag, value] : []);
  const { cpus, memMib } = options;
  return [
    ...['pack', 'create', '--image', options.reference, '--output', options.output],
    ...whereKnown('--oci-platform', options.platform),
    ...whereKnown('--staging-dir', join(options.scratch, 'staging')),
    ...(cpus === undefined ? [] : ['--cpus', String(cpus)]),
    ...(memMib === undefined ? [] : ['--mem', String(memMib)]),
  ];
}

/** smolvm's environment: all it writes stays in `scratch`, and its guest reaches the loopback of this host. */
export function packCreateEnv(env: NodeJS.ProcessEnv, scratch: string): NodeJS.ProcessEnv {
  const {
    // Either of these moves the builder to another network, where `localhost` is the guest itself.
    SMOLVM_PUBLISH_ADDR: _publish,
    SMOLVM_GUEST_HOST_SERVICE: _service,
    // These move smolvm's files out of the private directories.
    SMOLVM_DATA_DIR: _data,
    SMOLVM_PACK_STAGING: _staging,
    ...rest
  } = env;
  return {
    SMOLVM_FILE_TRANSFER_MAX_BYTES: EXPORT_CAP,
    ...rest,
    TMPDIR: join(scratch, 'tmp'),
    XDG_CACHE_HOME: scratch,
  };
}

/**
 * Runs `smolvm pack create` and returns the sidecar. Its exit code says that it wrote one, not that the file is
 * good: verify it.
 */
export async function packCreate(
  smolvm: Smolvm,
  options: PackCreateOptions,
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const { scratch } = options;
  // smolvm looks for its own parts below the working directory first.
  const cwd = join(scratch, 'cwd');
  try {
    for (const dir of [cwd, join(scratch, 'tmp'), join(scratch, 'staging')]) {
      await fs.mkdir(dir, { mode: 0o700 });
    }
  } catch (error) {
    throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
  }
  try {
    const result = await runChild(smolvm.path, packCreateArgs(smolvm, options), {
      cwd,
      env: packCreateEnv(process.env, scratch),
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
      timeoutHint: 'give it more time (timeout), or look for what it waits for',
      onSpawn: noteChild(scratch),
    });
    if (result.exitCode !== 0) {
      const ending =
        result.exitCode === undefined ? `ended by ${result.signal}` : `exit code ${result.exitCode}`;
      throw new BottleError('pack-failed', `smolvm pack create failed (${ending})`, {
        hint: packHint(result.tail),
        details: result.tail,
      });
    }
  } finally {
    await reapPackCreate(scratch);
  }
  const path = `${options.output}.smolmachine`;
  const sizeBytes = (await fs.stat(path).catch(() => undefined))?.size;
  if (!sizeBytes) {
    const what = sizeBytes === 0 ? 'its sidecar is empty' : 'it has written no sidecar';
    throw new BottleError('pack-failed', `smolvm pack create ended with exit code 0, but ${what}: ${path}`, {
      hint: `try smolvm ${RECOMMENDED_VERSION} or later`,
    });
  }
  // The stub is an executable around the sidecar, of no use to claude-bottle.
  await fs.rm(options.output, { force: true });
  return { path, sizeBytes };
}

function packHint(lines: readonly string[]): string {
  const text = lines.join('\n');
  if (/no space left|disk full|ENOSPC/i.test(text)) {
    return 'free some disk space, or name a larger disk with TMPDIR';
  }
  if (/kvm permission denied/i.test(text)) {
    return `allow this user to open ${KVM_DEVICE}: ${UDEV_LINE}`;
  }
  if (/kvm not available/i.test(text)) {
    return 'pack on a machine with KVM, and bring the file here';
  }
  if (/exceeding the \d+ byte cap/.test(text)) {
    return `install smolvm ${RECOMMENDED_VERSION} or later, which packs images over 4 GiB`;
  }
  return 'see what smolvm says above; `claude-bottle doctor` checks the machine';
}

/**
 * Ends what a `smolvm pack create` in `scratch` has left running: smolvm has no signal handlers, so its builder VM,
 * a child with a session of its own, outlives it. A process is known by `scratch` in its arguments or environment:
 * its pid alone may by now be another's.
 */
export async function reapPackCreate(scratch: string): Promise<void> {
  await endNotedChild(scratch);
  const vms = join(scratch, 'smolvm', 'vms');
  const names = await fs.readdir(vms).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) {
      return [];
    }
    throw fileError(`cannot read ${vms}`, error);
  });
  for (const name of names) {
    const pid = Number((await readIfThere(join(vms, name, 'agent.pid')))?.split('\n')[0]);
    if (Number.isInteger(pid) && pid > 1 && (await describeProcess(pid)).includes(scratch)) {
      await endProcess(pid);
    }
  }
  // A smolvm that was killed between starting its VM and noting the VM's pid.
  if (process.platform === 'linux') {
    await endProcessesIn(scratch);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await fs.readFile(path, 'utf8').catch(() => undefined);
}

async function describeProcess(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const [args, env] = await Promise.all(
      ['cmdline', 'environ'].map((name) => readIfThere(`/proc/${pid}/${name}`)),
    );
    return `${args}${env}`;
  }
  return (await readChild('ps', ['eww', '-o', 'command=', '-p', String(pid)])).stdout;
}
