import { BottleError, hasErrno } from '../errors.ts';
import { type ChildOptions, type ChildResult, readChild } from '../host/child.ts';

/** Short commands on the engine end within seconds or not at all. */
const SHORT_TIMEOUT_MS = 60_000;
const CLEAN_UP_TIMEOUT_MS = 5_000;

/**
 * Runs a short docker command and returns its standard output. A `signal` is only for commands that look: what one
 * makes on the engine would otherwise appear after we have cleaned up.
 */
export async function docker(
  args: readonly string[],
  { signal }: Pick<ChildOptions, 'signal'> = {},
): Promise<string> {
  const result = await spawnDocker(() => readChild('docker', args, { timeoutMs: SHORT_TIMEOUT_MS, signal }));
  assertSuccess(args, result);
  return result.stdout;
}

export async function cleanUp(args: string[]): Promise<string | undefined> {
  try {
    const result = await readChild('docker', args, { timeoutMs: CLEAN_UP_TIMEOUT_MS });
    const isGone = result.tail.some((line) => /no such|not found|already in progress/i.test(line));
    return result.exitCode === 0 || isGone ? undefined : `docker ${args.join(' ')}: ${lastLine(result)}`;
  } catch (error) {
    return `docker ${args.join(' ')}: ${error instanceof Error ? error.message : error}`;
  }
}

export async function spawnDocker<T>(spawn: () => Promise<T>): Promise<T> {
  try {
    return await spawn();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new BottleError('docker-missing', 'the docker command is not on PATH', {
        hint: 'install Docker (https://docs.docker.com/engine/install/) or put it on PATH',
        cause: error,
      });
    }
    throw error;
  }
}

export function assertSuccess(args: readonly string[], result: ChildResult): void {
  if (result.exitCode === 0) {
    return;
  }
  const missing = /.*no such image: (?<image>\S+)/is.exec(result.tail.join('\n'))?.groups?.image;
  if (missing !== undefined) {
    throw new BottleError('not-found', `the Docker engine has no image ${missing}`, {
      hint: 'build or pull it first, and check the name',
    });
  }
  throw (
    connectionError(result.tail) ??
    new BottleError('docker-failed', `docker ${args.slice(0, 2).join(' ')} failed (${ending(result)})`, {
      hint: noSpace(result.tail) ? 'free disk space on the Docker engine' : 'see what docker says above',
      details: result.tail,
    })
  );
}

export function connectionError(lines: readonly string[]): BottleError | undefined {
  for (const line of lines) {
    if (/permission denied.*(docker daemon|docker API)|docker\.sock.*permission denied/i.test(line)) {
      return new BottleError('docker-not-permitted', `this user may not use the Docker daemon: ${line}`, {
        hint: 'add the user to the docker group (sudo usermod -aG docker "$USER") and log in again',
      });
    }
    if (/cannot connect to the docker daemon|failed to connect to the docker API/i.test(line)) {
      return new BottleError('docker-unreachable', `cannot reach the Docker daemon: ${line}`, {
        hint: 'start Docker, or point DOCKER_HOST at a running one',
      });
    }
  }
  return undefined;
}

export function noSpace(lines: readonly string[]): boolean {
  return lines.some((line) => /no space left on device/i.test(line));
}

export function ending({ exitCode, signal }: ChildResult): string {
  return exitCode === undefined ? `ended by ${signal}` : `exit code ${exitCode}`;
}

export function lastLine(result: ChildResult): string {
  return result.tail.at(-1) ?? ending(result);
}

export async function engineFacts(
  signal?: AbortSignal,
): Promise<{ version: string; store: 'classic' | 'containerd' }> {
  const answer = await docker(['info', '--format', '{{.ServerVersion}} {{json .DriverStatus}}'], { signal });
  const [version = ''] = answer.split(' ', 1);
  return { version, store: answer.includes('io.containerd.snapshotter') ? 'containerd' : 'classic' };
}
