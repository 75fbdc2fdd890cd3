import { createReadStream, existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { createZstdDecompress } from 'node:zlib';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { type ChildOptions, type ChildResult, readChild } from '../host/child.ts';

const PIP_TIMEOUT_MS = 10 * 60_000;
const UNPACK_TIMEOUT_MS = 5 * 60_000;
const TEMPLATES = ['storage-template.ext4', 'overlay-template.ext4'];
/** smolvm grows it to the size that a machine asks for. */
const TEMPLATE_BYTES = 512 * 1024 * 1024;
/** pip needs nothing else of ours, and the rest holds secrets of the job. */
const PIP_ENV =
  /^(PATH|HOME|LANG|LC_\w+|PIP_\w+|PYENV\w*|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|XDG_\w+|LD_LIBRARY_PATH)$/i;

/** As the wrapper of a release does it: the files beside it are used, wherever the directory is. */
const WRAPPER = `#!/bin/sh
dir=$(dirname "$(readlink -f "$0")")
export SMOLVM_AGENT_ROOTFS="\${SMOLVM_AGENT_ROOTFS:-$dir/agent-rootfs}" SMOLVM_LIB_DIR="\${SMOLVM_LIB_DIR:-$dir/lib}"
export LD_LIBRARY_PATH="$dir/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$dir/smolvm-bin" "$@"
`;

export interface SmolvmWheel {
  /** X.Y.Z */
  readonly version: string;
  /** The hash of the wheel for this platform, 64 hex digits. */
  readonly sha256: string;
}

/**
 * Turns smolvm's wheel of the Python package index into a directory like an unpacked release: `smolvm`, `smolvm-bin`,
 * `lib/`, `agent-rootfs/`, and in newer ones compressed disk templates. pip downloads it and checks its hash before anything is unpacked.
 * @param dir an empty directory
 * @throws BottleError `smolvm-missing`, `smolvm-untrusted`, `smolvm-unsupported`, `network-failed`
 */
export async function unpackWheel(
  wheel: SmolvmWheel,
  dir: string,
  options: Pick<ChildOptions, 'signal'> = {},
): Promise<void> {
  const work = join(dir, 'wheel');
  try {
    const path = await downloadWheel(wheel, work, options);
    await python(['-m', 'zipfile', '-e', path, work], { ...options, cwd: dir, timeoutMs: UNPACK_TIMEOUT_MS });
    await layOut(join(work, 'smol'), dir, options);
  } catch (error) {
    throw error instanceof Error && 'syscall' in error
      ? fileError(`cannot unpack the wheel of smolvm ${wheel.version}`, error)
      : error;
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

async function downloadWheel(
  { version, sha256 }: SmolvmWheel,
  work: string,
  options: Pick<ChildOptions, 'signal'>,
): Promise<string> {
  await fs.mkdir(work);
  const requirements = join(work, 'requirements.txt');
  await fs.writeFile(requirements, `smolmachines==${version} --hash=sha256:${sha256}\n`);
  const result = await readPython(
    [
      ...['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--require-hashes'],
      ...['--no-input', '--progress-bar', 'off', '--dest', work, '--requirement', requirements],
    ],
    { ...options, cwd: work, timeoutMs: PIP_TIMEOUT_MS },
  );
  const name = (await fs.readdir(work)).find((file) => file.endsWith('.whl'));
  if (result.exitCode !== 0 || name === undefined) {
    throw pipError({ version, sha256 }, result);
  }
  return join(work, name);
}

function pipError({ version, sha256 }: SmolvmWheel, { tail }: ChildResult): BottleError {
  const text = tail.join('\n');
  const what = `cannot download smolvm ${version} with pip`;
  const reason = tail.findLast((line) => line.startsWith('ERROR: '))?.slice('ERROR: '.length);
  const details = tail;
  if (/No module named pip/.test(text)) {
    return new BottleError('smolvm-missing', `${what}: python3 has no pip`, {
      hint: 'install pip (Debian: apt-get install python3-pip), or set smolvm-path',
    });
  }
  if (/DO NOT MATCH THE HASHES/.test(text)) {
    const found = /Got +([0-9a-f]{64})/.exec(text)?.[1] ?? 'another hash';
    return new BottleError(
      'smolvm-untrusted',
      `the package index serves smolvm ${version} with the SHA-256 ${found}, expected ${sha256}`,
      { hint: 'do not use that file; look at which index pip is configured for' },
    );
  }
  if (/Retrying|ConnectionError|ReadTimeout|ConnectTimeout/.test(text)) {
    return new BottleError('network-failed', `${what}: the package index is not reachable`, {
      hint: 'run the job again; a runner without a package index needs smolvm installed and smolvm-path set',
      details,
    });
  }
  if (/No matching distribution/.test(text)) {
    return new BottleError('smolvm-unsupported', `${what}: the package index has none for this machine`, {
      hint: 'it needs Python 3.9 or later and glibc 2.28 or later; otherwise install smolvm and set smolvm-path',
      details,
    });
  }
  return new BottleError('network-failed', `${what}: ${reason ?? 'pip failed'}`, {
    hint: 'run the job again, or install smolvm and set smolvm-path',
    details,
  });
}

async function layOut(wheel: string, dir: string, options: Pick<ChildOptions, 'signal'>): Promise<void> {
  await fs.writeFile(join(dir, 'smolvm'), WRAPPER, { mode: 0o755 });
  await fs.rename(join(wheel, 'smol-vmm'), join(dir, 'smolvm-bin'));
  await fs.chmod(join(dir, 'smolvm-bin'), 0o755);
  await fs.mkdir(join(dir, 'lib'));
  const names = await fs.readdir(wheel);
  for (const name of names.filter((file) => /^lib\w+\.(so|dylib)/.test(file))) {
    await fs.rename(join(wheel, name), join(dir, 'lib', name));
  }
  for (const name of TEMPLATES.map((file) => `${file}.zst`).filter((file) => names.includes(file))) {
    await fs.rename(join(wheel, name), join(dir, name));
  }
  await unpackAgent(wheel, names, join(dir, 'agent-rootfs'), options);
}

/** A zstd stream in newer wheels, a plain tar in older ones. */
async function unpackAgent(
  wheel: string,
  names: readonly string[],
  dir: string,
  options: Pick<ChildOptions, 'signal'>,
): Promise<void> {
  await fs.mkdir(dir);
  const isCompressed = names.includes('agent-rootfs.tar.zst');
  const archive = createReadStream(join(wheel, isCompressed ? 'agent-rootfs.tar.zst' : 'agent-rootfs.tar'));
  const result = await readChild('tar', ['-x', '-p', '-C', dir], {
    ...options,
    timeoutMs: UNPACK_TIMEOUT_MS,
    input: isCompressed ? archive.pipe(createZstdDecompress()) : archive,
  });
  requireSuccess('tar', result);
}

/**
 * Puts disk templates of 512 MiB beside smolvm, where there are none: it would expand its compressed ones of 20 and
 * 10 GiB first, which takes half a minute on a fresh runner. Without mkfs.ext4 it has to.
 */
export async function makeTemplates(dir: string, options: Pick<ChildOptions, 'signal'> = {}): Promise<void> {
  for (const name of TEMPLATES) {
    const path = join(dir, name);
    if (existsSync(path)) {
      continue;
    }
    const unfinished = `${path}.${process.pid}`;
    try {
      await fs.writeFile(unfinished, '');
      await fs.truncate(unfinished, TEMPLATE_BYTES);
      const args = ['-q', '-F', '-m', '0', '-L', 'smolvm', unfinished];
      requireSuccess('mkfs.ext4', await readChild('mkfs.ext4', args, { ...options, env: withSbin() }));
      await fs.rename(unfinished, path);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT') || !existsSync(`${path}.zst`)) {
        throw error;
      }
    } finally {
      await fs.rm(unfinished, { force: true });
    }
  }
}

/** Where Debian keeps mkfs.ext4, and an ordinary user's PATH may not lead. */
function withSbin(): NodeJS.ProcessEnv {
  return { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
}

/** With -m, Python takes modules from the working directory first: that must not be the workspace. */
type PythonOptions = ChildOptions & Required<Pick<ChildOptions, 'cwd'>>;

async function python(args: readonly string[], options: PythonOptions): Promise<void> {
  requireSuccess('python3', await readPython(args, options));
}

async function readPython(args: readonly string[], options: PythonOptions): Promise<ChildResult> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => PIP_ENV.test(name)));
  try {
    return await readChild('python3', args, { ...options, env });
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new BottleError('smolvm-missing', 'cannot install smolvm: python3 is not on PATH', {
        hint: 'install Python 3 with pip, or set smolvm-path',
        cause: error,
      });
    }
    throw error;
  }
}

function requireSuccess(command: string, { exitCode, signal, tail }: ChildResult): void {
  if (exitCode !== 0) {
    throw new BottleError('io', `${command} failed (${exitCode ?? signal})`, {
      hint: 'look for a full disk, or install smolvm and set smolvm-path',
      details: tail,
    });
  }
}
