import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
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
import { counted } from '../identity/shown-text.ts';
import { packFailure, plainLine } from './pack-failure.ts';
import { NEWEST_TESTED_VERSION, type Smolvm, smolvmEnv } from './smolvm.ts';

const GIB = 1024 ** 3;
/** The size of the builder VM's disk; versions without `--storage` have no other. */
export const DEFAULT_STORAGE_GIB = 20;
/** The layer as it comes, unpacked, and some room for the guest itself. */
const STORAGE_FACTOR = 3;
/** A smolvm disk is made from an ext4 of 512 MiB with 32,768 inodes, which the guest grows with resize2fs. */
export const INODES_PER_GIB = 65_536;
const MAX_START_LOG_BYTES = 16 * 1024;

/** What the guest has to hold. */
export interface LayerSize {
  readonly sizeBytes: number;
  /** Files, directories and so on. */
  readonly inodes: number;
}

export interface PackCreateOptions extends Pick<ChildOptions, 'signal' | 'timeoutMs' | 'onLine'> {
  /** `localhost:<port>/<repository>@sha256:<digest>` */
  readonly reference: string;
  /** The sidecar will be `<output>.smolmachine`; smolvm refuses a name that ends in `.smolmachine` itself. */
  readonly output: string;
  readonly platform: GuestPlatform;
  readonly layer: LayerSize;
  readonly cpus?: number | undefined;
  readonly memMib?: number | undefined;
  /** A private directory with a short path for everything that smolvm writes beside its output. */
  readonly scratch: string;
}

export function packCreateArgs(smolvm: Smolvm, options: PackCreateOptions): string[] {
  const whereKnown = (flag: string, value: string) => (smolvm.flags.has(flag) ? [flag, value] : []);
  const { cpus, memMib, scratch } = options;
  return [
    ...['pack', 'create', '--image', options.reference, '--output', options.output],
    ...['--oci-platform', options.platform, '--staging-dir', join(scratch, 'staging')],
    ...whereKnown('--state-dir', scratch),
    ...whereKnown('--error-format', 'json'),
    ...whereKnown('--storage', String(storageGib(options.layer))),
    ...(cpus === undefined ? [] : ['--cpus', String(cpus)]),
    ...(memMib === undefined ? [] : ['--mem', String(memMib)]),
  ];
}

/** The size of the builder VM's disk that a layer needs. */
export function storageGib({ sizeBytes, inodes }: LayerSize): number {
  const forBytes = Math.ceil((STORAGE_FACTOR * sizeBytes) / GIB) + 1;
  return Math.max(DEFAULT_STORAGE_GIB, forBytes, gibForInodes(inodes));
}

/** With some room for the guest itself. */
export function gibForInodes(inodes: number): number {
  return Math.ceil(inodes / INODES_PER_GIB) + 1;
}

/** A sentence when the disk of this smolvm's builder VM may be too small for the layer. */
export function storageWarning(smolvm: Smolvm, layer: LayerSize): string | undefined {
  if (smolvm.flags.has('--storage') || storageGib(layer) <= DEFAULT_STORAGE_GIB) {
    return undefined;
  }
  const inodes = DEFAULT_STORAGE_GIB * INODES_PER_GIB;
  return (
    `the image has ${counted(layer.inodes, 'file', layer.inodes.toLocaleString('en'))} in ${(layer.sizeBytes / GIB).toFixed(1)} GiB; the builder VM ` +
    `of smolvm ${smolvm.version} has ${inodes.toLocaleString('en')} inodes and ${DEFAULT_STORAGE_GIB} GiB, and only newer versions have more`
  );
}

/**
 * smolvm's environment: all it writes stays in `scratch`, where `--state-dir` keeps it too, and its guest reaches the
 * loopback of this host, which versions from 1.13.0 on deny otherwise.
 */
export function packCreateEnv(env: NodeJS.ProcessEnv, scratch: string): NodeJS.ProcessEnv {
  return {
    ...smolvmEnv(env),
    SMOLVM_ALLOW_HOST_LOOPBACK: '1',
    TMPDIR: join(scratch, 'tmp'),
    XDG_CACHE_HOME: join(scratch, '.cache'),
    XDG_DATA_HOME: join(scratch, '.local/share'),
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
  const { scratch, onLine } = options;
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
      ...(onLine && { onLine: (line: string) => onLine(plainLine(line)) }),
      timeoutHint: 'give it more time (timeout), or look for what it waits for',
      onSpawn: noteChild(scratch),
    });
    if (result.exitCode !== 0) {
      throw packFailure(result, await startErrors(scratch));
    }
  } finally {
    await reapPackCreate(scratch);
  }
  const path = `${options.output}.smolmachine`;
  const sizeBytes = (await fs.stat(path).catch(() => undefined))?.size;
  if (!sizeBytes) {
    const what = sizeBytes === 0 ? 'its sidecar is empty' : 'it has written no sidecar';
    throw new BottleError('pack-failed', `smolvm pack create ended with exit code 0, but ${what}: ${path}`, {
      hint: `try smolvm ${NEWEST_TESTED_VERSION}`,
    });
  }
  // The stub is an executable around the sidecar, of no use to claude-bottle.
  await fs.rm(options.output, { force: true });
  return { path, sizeBytes };
}

function vmsDir(scratch: string): string {
  return join(scratch, '.cache/smolvm/vms');
}

/** What a VM's own process says of a start that failed: smolvm passes on only the end of it. */
async function startErrors(scratch: string): Promise<string[]> {
  const vms = await fs.readdir(vmsDir(scratch)).catch(() => []);
  const logs = vms.map((name) => readIfThere(join(vmsDir(scratch), name, 'agent-startup-error.log')));
  return (await Promise.all(logs)).flatMap((text = '') =>
    stripVTControlCharacters(text.slice(0, MAX_START_LOG_BYTES))
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  );
}

/**
 * Ends what a `smolvm pack create` in `scratch` has left running: smolvm has no signal handlers, so its builder VM,
 * a child with a process group of its own, outlives it. A process is known by `scratch` in its arguments or
 * environment: its pid alone may by now be another's.
 */
export async function reapPackCreate(scratch: string): Promise<void> {
  await endNotedChild(scratch);
  const vms = vmsDir(scratch);
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
