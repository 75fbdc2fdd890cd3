import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Names one process for good, `<host>-<boot>-<pid>-<start time>`: a later process with the same pid is another
 * owner, and so is one on another host or after a restart. Only `[0-9a-z-]`, fit for a label or a file name.
 */
export type Owner = string;

export function ownerOf(pid: number): Owner {
  return `${HOST.id}-${HOST.boot()}-${pid}-${startTime(pid) ?? 'gone'}`;
}

export function thisOwner(): Owner {
  return ownerOf(process.pid);
}

/** False only when the process is known to have ended; owners on other hosts count as alive. */
export function isAlive(owner: Owner): boolean {
  const [host, boot, pid, start] = owner.split('-');
  if (host !== HOST.id || pid === undefined || start === undefined) {
    return true;
  }
  return boot === HOST.boot() && startTime(Number(pid)) === start;
}

export function pidOf(owner: Owner): number {
  return Number(owner.split('-')[2]);
}

const HOST = {
  id: shortHash(hostname() + pidNamespace()),
  bootHash: undefined as string | undefined,
  boot(): string {
    this.bootHash ??= shortHash(bootId());
    return this.bootHash;
  },
};

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Containers with the host's name have pids of their own; what they own counts as another host's. */
function pidNamespace(): string {
  return process.platform === 'linux' ? readlinkSync('/proc/self/ns/pid') : '';
}

function bootId(): string {
  return process.platform === 'linux'
    ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
    : (outputOf('/usr/sbin/sysctl', ['-n', 'kern.boottime']) ?? '');
}

/** An opaque text that differs between processes that had the same pid; undefined when there is none now. */
function startTime(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const started = outputOf('/bin/ps', ['-o', 'lstart=', '-p', String(pid)])?.trim();
    return started ? shortHash(started) : undefined;
  }
  try {
    // proc(5): the command in parentheses may hold spaces; state is the first field after it, starttime the 20th.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function outputOf(command: string, args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}
