import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 250;
const TERM_GRACE_MS = 20_000;
const END_POLL_MS = 50;
const LOG_TAIL_LINES = 15;
/** As the shell reports a process that a signal ended: 128 + the signal's number. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Engines of this process. */
let started = 0;

export interface PrivateEngine {
  /** For DOCKER_HOST. */
  host: string;
  stop(): void;
}

/**
 * Starts a dockerd with a directory, a socket and a bridge of its own, so that it meets no other engine's, and
 * waits until `answers` says that it is there. It ends with this process, however that ends.
 */
export async function startPrivateEngine(
  answers: (host: string) => Promise<boolean>,
): Promise<PrivateEngine> {
  const directory = await mkdtemp('/var/tmp/claude-bottle-dockerd-');
  const host = `unix://${join(directory, 'docker.sock')}`;
  const logPath = join(directory, 'dockerd.log');
  const number = started;
  started += 1;
  const bridge = `cbtest${process.pid}-${number}`;
  console.error(`Starting a private Docker engine in ${directory}.`);

  let child: ChildProcess | undefined;
  const stop = onceOnly(() => {
    process.removeListener('exit', stop);
    endEngine({ pid: child?.pid, directory, bridge });
  });
  process.once('exit', stop);
  for (const [signal, exitCode] of Object.entries(EXIT_CODES)) {
    process.once(signal, () => process.exit(exitCode));
  }
  try {
    createBridge(bridge, number);
    child = spawnEngine({ host, directory, bridge, logPath });
    await Promise.race([rejectOnEnd(child, logPath), waitUntil(() => answers(host), logPath)]);
  } catch (error) {
    stop();
    throw error;
  }
  return { host, stop };
}

interface EngineOptions {
  host: string;
  directory: string;
  bridge: string;
  logPath: string;
}

function spawnEngine({ host, directory, bridge, logPath }: EngineOptions): ChildProcess {
  const log = openSync(logPath, 'a');
  // setpriv: even a SIGKILL of this process ends the engine.
  const args = [
    ...['--pdeathsig', 'TERM', 'dockerd', '--host', host, '--bridge', bridge],
    ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')],
    ...['--pidfile', join(directory, 'dockerd.pid'), '--storage-driver', 'overlay2'],
  ];
  // Its own process group: a Ctrl-C in the terminal must reach us first, or the tests lose the engine under them.
  const child = spawn('setpriv', args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

function rejectOnEnd(child: ChildProcess, logPath: string): Promise<never> {
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      if (existsSync(logPath)) {
        reject(new Error(`dockerd ended: ${logTail(logPath)}`));
      }
    });
  });
  // Nobody listens any more once the engine is ready.
  ended.catch(() => {});
  return ended;
}

/** dockerd makes only docker0 by itself, and that one may be another engine's. */
function createBridge(name: string, number: number): void {
  const address = `10.${213 + number}.${process.pid % 256}.1/24`;
  for (const args of [
    ['link', 'add', 'name', name, 'type', 'bridge'],
    ['address', 'add', address, 'dev', name],
    ['link', 'set', name, 'up'],
  ]) {
    const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
    if (status !== 0) {
      throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
    }
  }
}

async function waitUntil(isReady: () => Promise<boolean>, logPath: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await isReady())) {
    if (Date.now() > deadline) {
      throw new Error(`dockerd is not ready after ${READY_TIMEOUT_MS / 1000} s: ${logTail(logPath)}`);
    }
    await sleep(READY_POLL_MS);
  }
}

/** Without promises, so that it also runs while this process exits. */
function endEngine({
  pid,
  directory,
  bridge,
}: {
  pid: number | undefined;
  directory: string;
  bridge: string;
}) {
  if (pid !== undefined) {
    // A killed dockerd leaves its containerd behind, which names itself in the exec-root.
    for (const ended of [pid, readPid(join(directory, 'exec/containerd/containerd.pid'))]) {
      endProcess(ended);
    }
  }
  for (const mountPoint of mountPointsBelow(directory)) {
    spawnSync('umount', ['--lazy', mountPoint]);
  }
  spawnSync('ip', ['link', 'delete', bridge]);
  rmSync(directory, { recursive: true, force: true });
}

function endProcess(pid: number | undefined): void {
  if (pid === undefined) {
    return;
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadline = Date.now() + TERM_GRACE_MS;
    if (isRunning(pid)) {
      process.kill(pid, signal);
    }
    while (isRunning(pid) && Date.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, END_POLL_MS);
    }
  }
}

/** A zombie counts as ended: nobody reaps our child while this thread waits. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function readPid(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

/** Innermost first. */
function mountPointsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountPoint) => mountPoint.startsWith(`${directory}/`))
    .reverse();
}

function logTail(logPath: string): string {
  return readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}

function onceOnly(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) {
      isDone = true;
      act();
    }
  };
}
