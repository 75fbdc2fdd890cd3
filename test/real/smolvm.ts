import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { REAL_VERSIONS, realSmolvm } from '../../scripts/real-smolvm.ts';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** The wheels are for one platform. Elsewhere these tests have nothing to run. */
export const LACKS_REAL_SMOLVM = process.platform !== 'linux' || process.arch !== 'x64';
export { REAL_VERSIONS };

export interface Subject {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

export async function real(version: (typeof REAL_VERSIONS)[number]): Promise<Subject> {
  return { command: join(await realSmolvm(version), 'smolvm'), env: {} };
}

export function double(version: string, fault = ''): Subject {
  return {
    command: join(DOUBLE_DIR, 'smolvm'),
    env: {
      SMOLVM_DOUBLE_VERSION: version,
      SMOLVM_DOUBLE_FAULT: fault,
      PATH: `${join(DOUBLE_DIR, '../../../node_modules/.bin')}:${process.env.PATH}`,
    },
  };
}

export interface SmolvmRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What is in its private directories afterwards, without hashes and numbers that differ from run to run. */
  readonly files: readonly string[];
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Runs it where there is no KVM device. */
  readonly withoutKvm?: boolean;
  /** Called with its pid once it runs. */
  readonly onSpawn?: (pid: number) => void;
}

/** As root, a /dev of its own without kvm; on a machine without KVM nothing is needed. */
const HIDE_KVM =
  'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/zero c 1 5 && ' +
  'mknod -m 666 /dev/random c 1 8 && mknod -m 666 /dev/urandom c 1 9 && exec "$@"';
export const CAN_HIDE_KVM = !existsSync('/dev/kvm') || process.getuid?.() === 0;

/** Runs smolvm in directories of its own and an environment without anything of ours. */
export async function runSmolvm(
  { command, env }: Subject,
  args: readonly string[],
  options: RunOptions = {},
): Promise<SmolvmRun> {
  const dir = await tempDir();
  const home = join(dir, 'home');
  await Promise.all(['home', 'cwd', 'tmp'].map((name) => fs.mkdir(join(dir, name))));
  const hides = options.withoutKvm && existsSync('/dev/kvm');
  const [program, ...words] = hides
    ? ['unshare', '--mount', 'sh', '-c', HIDE_KVM, 'sh', command, ...args]
    : [command, ...args];
  const child = spawn(program as string, words, {
    cwd: join(dir, 'cwd'),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_CACHE_HOME: join(home, '.cache'),
      XDG_DATA_HOME: join(home, '.local/share'),
      TMPDIR: join(dir, 'tmp'),
      ...env,
      ...options.env,
    },
  });
  if (child.pid !== undefined) {
    options.onSpawn?.(child.pid);
  }
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const clean = (output: string) => output.replaceAll(dir, 'DIR');
  return { code, signal, stdout: clean(stdout), stderr: clean(stderr), files: await filesIn(dir) };
}

async function filesIn(dir: string): Promise<string[]> {
  const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .map((path) => path.replace(/[0-9a-f]{16}/, 'HASH').replace(/pack-staging-\w+/, 'pack-staging-NAME'))
    .sort();
}

/** One line for each check, one column for each version. */
export class Table {
  readonly #cells = new Map<string, Map<string, string>>();

  set(check: string, version: string, outcome: string): void {
    const row = this.#cells.get(check) ?? new Map();
    this.#cells.set(check, row.set(version, outcome));
  }

  toString(): string {
    const width = Math.max(...[...this.#cells.keys()].map((check) => check.length));
    const line = (name: string, cells: readonly string[]) =>
      `${name.padEnd(width)} ${cells.map((cell) => cell.padEnd(9)).join('')}`.trimEnd();
    return [
      line('', REAL_VERSIONS),
      ...[...this.#cells].map(([check, row]) =>
        line(
          check,
          REAL_VERSIONS.map((version) => row.get(version) ?? 'FAILED'),
        ),
      ),
    ].join('\n');
  }
}
