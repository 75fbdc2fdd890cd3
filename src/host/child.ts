import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { isAlive, ownerOf, pidOf } from './owner.ts';

const TAIL_LINES = 20;
const MAX_LINE_CHARS = 4096;
const MAX_STDOUT_BYTES = 32 * 1024 * 1024;
const TERM_GRACE_MS = 2_000;
const END_POLL_MS = 50;
const CHILD_FILE = 'child.owner';

export interface ChildOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly timeoutHint?: string;
  readonly cwd?: string;
  /** The whole environment; without it the child has ours. */
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | AsyncIterable<Buffer>;
  /** Each line of standard error, and of standard output unless that is collected or streamed. */
  readonly onLine?: (line: string) => void;
  readonly onSpawn?: (pid: number) => void;
}

export interface ChildResult {
  /** Undefined when a signal ended the child. */
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The last 20 lines of what `onLine` saw. */
  readonly tail: readonly string[];
}

/**
 * Runs a command (never a shell) in a process group of its own, so that all of it can be ended. An aborted
 * `signal` ends the group, SIGTERM first, and rejects with the signal's reason once the child is gone.
 * @throws ENOENT and the like as they come from the system; the caller knows which tool is missing
 * @throws BottleError `timed-out`
 */
export async function runChild(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const child = start(command, args, options);
  child.lines.read(child.stdout);
  return await child.ended;
}

/** Like `runChild`, with the standard output as text. */
export async function readChild(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<ChildResult & { readonly stdout: string }> {
  const child = start(command, args, options);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= MAX_STDOUT_BYTES) {
      chunks.push(chunk);
    }
  });
  const result = await child.ended;
  return { ...result, stdout: Buffer.concat(chunks).toString('utf8') };
}

/** Like `runChild`, with the standard output handed to `consume` while the child runs. */
export async function streamChild(
  command: string,
  args: readonly string[],
  consume: (stdout: Readable) => Promise<void>,
  options: ChildOptions = {},
): Promise<ChildResult> {
  const child = start(command, args, options);
  try {
    await consume(child.stdout);
  } catch (error) {
    const hasEnded = child.stdout.readableEnded;
    child.end();
    // When the child was stopped or failed, that is the cause and the broken stream its effect. But a child that
    // we ended may have an exit code of its own making for that: docker exits with 143.
    const result = await child.ended;
    if (hasEnded && result.exitCode !== undefined && result.exitCode !== 0) {
      return result;
    }
    throw error;
  }
  return await child.ended;
}

/** For `onSpawn`: notes the child in a private directory, so that it can be ended when this process is killed. */
export function noteChild(dir: string): (pid: number) => void {
  return (pid) => {
    notedDirs.add(dir);
    try {
      writeFileSync(join(dir, CHILD_FILE), ownerOf(pid));
    } catch (error) {
      throw fileError(`cannot note a process in ${dir}`, error);
    }
  };
}

/** Ends the process group of the child that was noted in `dir`, if it still runs. */
export async function endNotedChild(dir: string): Promise<void> {
  const owner = await readFile(join(dir, CHILD_FILE), 'utf8').catch(() => undefined);
  if (owner !== undefined && isAlive(owner)) {
    await endProcess(-pidOf(owner));
  }
}

/** Ends every process on this Linux machine that was started with `dir` in its environment. */
export async function endProcessesIn(dir: string): Promise<void> {
  const pids = (await readdir('/proc'))
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  // Read at once, because a cancelled step has seconds, and one by one a busy machine takes one of them.
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.includes(dir) ? [pid] : [];
    }),
  );
  await Promise.all(found.flat().map(endProcess));
}

/** Process groups of children that run. */
const runningGroups = new Set<number>();
/** Directories of children that may leave processes of their own behind. */
const notedDirs = new Set<string>();

/**
 * Ends at once whatever a child of ours is or has started, for a process that cannot wait any longer. Files stay for
 * the next run to remove.
 */
export function killChildrenNow(): void {
  for (const pid of runningGroups) {
    killGroup(pid, 'SIGKILL');
  }
  for (const pid of notedDirs.size === 0 ? [] : pidsNow()) {
    const environment = environmentNow(pid);
    if ([...notedDirs].some((dir) => environment.includes(dir))) {
      kill(pid, 'SIGKILL');
    }
  }
}

function pidsNow(): number[] {
  const names =
    process.platform === 'linux'
      ? readdirSync('/proc')
      : execFileSync('/bin/ps', ['-axo', 'pid='], { encoding: 'utf8' }).split('\n');
  return names.map(Number).filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid);
}

function environmentNow(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/environ`, 'utf8')
      : execFileSync('/bin/ps', ['eww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** SIGTERM, and SIGKILL two seconds later. A negative pid means the process group, as for kill(2). */
export async function endProcess(pid: number): Promise<void> {
  const owner = ownerOf(Math.abs(pid));
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadline = Date.now() + TERM_GRACE_MS;
    kill(pid, signal);
    while (isAlive(owner) && Date.now() < deadline) {
      await sleep(END_POLL_MS);
    }
  }
}

interface RunningChild {
  readonly stdout: Readable;
  readonly lines: LineReader;
  readonly ended: Promise<ChildResult>;
  end(): void;
}

function start(command: string, args: readonly string[], options: ChildOptions): RunningChild {
  const { signal, timeoutMs } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: searchedEnvironment(options.env ?? process.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  if (child.pid !== undefined) {
    runningGroups.add(child.pid);
    try {
      options.onSpawn?.(child.pid);
    } catch (error) {
      killGroup(child.pid, 'SIGKILL');
      throw error;
    }
  }
  pipeline(options.input ?? [], child.stdin).catch((error: unknown) => {
    // A child that does not read all of its input is judged by its exit code; half an input is our own fault.
    if (!hasErrno(error, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE')) {
      killGroup(child.pid, 'SIGTERM');
    }
  });
  const lines = new LineReader(options.onLine);
  lines.read(child.stderr);

  let killTimer: NodeJS.Timeout | undefined;
  const end = () => {
    killGroup(child.pid, 'SIGTERM');
    killTimer ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), TERM_GRACE_MS);
    // A grandchild in a session of its own survives this and may hold the pipes, so 'close' would not come.
    child.once('exit', () => {
      child.stdout.destroy();
      child.stderr.destroy();
    });
  };
  let timedOut = false;
  const timeout =
    timeoutMs &&
    setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
  signal?.addEventListener('abort', end, { once: true });

  const ended = new Promise<ChildResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, childSignal) => {
      if (signal?.aborted) {
        reject(signal.reason);
      } else if (timedOut) {
        const what = `${command} ${args[0] ?? ''} took longer than ${(timeoutMs ?? 0) / 1000} s`;
        const hint = options.timeoutHint ?? 'look for what it waits for, and try again';
        reject(new BottleError('timed-out', what, { hint, details: lines.finish() }));
      } else {
        resolve({ exitCode: code ?? undefined, signal: childSignal ?? undefined, tail: lines.finish() });
      }
    });
  }).finally(() => {
    runningGroups.delete(child.pid ?? 0);
    clearTimeout(timeout);
    if (killTimer !== undefined) {
      clearTimeout(killTimer);
      // The child has heeded SIGTERM; others of its group may not have.
      killGroup(child.pid, 'SIGKILL');
    }
    signal?.removeEventListener('abort', end);
  });
  // A caller that streams the output looks at `ended` only after it; until then a rejection is not unhandled.
  ended.catch(() => {});
  return { stdout: child.stdout, lines, ended, end };
}

/** The directories that programs are looked for in: a relative one, or an empty one, would be one of the checkout. */
export function programDirs({ PATH = '' }: NodeJS.ProcessEnv): string[] {
  return PATH.split(delimiter).filter(isAbsolute);
}

/** An empty PATH means the working directory, and without one the system has a PATH of its own. */
function searchedEnvironment({ PATH, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const dirs = programDirs({ PATH });
  return dirs.length === 0 ? env : { ...env, PATH: dirs.join(delimiter) };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid !== undefined) {
    kill(-pid, signal);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended already
  }
}

/**
 * Cuts output into lines. Text that more text follows behind a carriage return is progress, soon overwritten: passed on, not
 * kept. A carriage return before a line feed or at the very end overwrites nothing.
 */
class LineReader {
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #partial = new Map<Readable, string>();
  readonly tail: string[] = [];

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  read(stream: Readable): void {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const segments = ((this.#partial.get(stream) ?? '') + text).split(/(?<=\n)|(?<=\r)(?=[^\r\n])/);
      const last = segments.at(-1) ?? '';
      // A carriage return at the end of a chunk may be the first half of a line's end.
      const isPartial = !last.endsWith('\n') && last.length <= MAX_LINE_CHARS;
      this.#partial.set(stream, isPartial ? last : '');
      for (const segment of isPartial ? segments.slice(0, -1) : segments) {
        this.#add(segment, { isOverwritten: segment.endsWith('\r') });
      }
    });
  }

  finish(): readonly string[] {
    for (const rest of this.#partial.values()) {
      this.#add(rest, { isOverwritten: false });
    }
    this.#partial.clear();
    return this.tail;
  }

  #add(segment: string, { isOverwritten }: { isOverwritten: boolean }): void {
    const line = printable(segment).slice(0, MAX_LINE_CHARS).trimEnd();
    if (line === '') {
      return;
    }
    if (!isOverwritten) {
      this.tail.push(line);
      if (this.tail.length > TAIL_LINES) {
        this.tail.shift();
      }
    }
    this.#onLine?.(line);
  }
}

/** Without escape sequences and control characters: a child's output must not steer our user's terminal. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[^\P{Cc}\t]/gu, '');
}
