import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Ran {
  readonly command: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Called with the process once it runs. */
  readonly onStart?: (pid: number) => Promise<void>;
}

const TIMEOUT_MS = 300_000;

/** Runs a command to its end and tells how it went. */
export async function run(
  command: string,
  args: readonly string[],
  { uid, onStart, timeoutMs = TIMEOUT_MS, ...options }: RunOptions = {},
): Promise<Ran> {
  const started = performance.now();
  const child = spawn(command, args, {
    ...options,
    ...(uid !== undefined && { uid, gid: uid }),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  if (child.pid !== undefined) {
    await onStart?.(child.pid);
  }
  const [stdout, stderr, [exitCode, signal]] = await ended;
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  return { command: [command, ...args].join(' '), exitCode, signal, stdout, stderr, seconds };
}

/** Runs what the checks need and do not test. */
export async function succeed(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { exitCode, stdout, stderr, command: line } = await run(command, args, options);
  if (exitCode !== 0) {
    throw new Error(
      `${line} ended with exit code ${exitCode}:\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`,
    );
  }
  return stdout;
}
