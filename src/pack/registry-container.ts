import { randomBytes } from 'node:crypto';
import { docker, dockerEnvironment } from '../docker/command.ts';
import { listOwned, OWNER_LABEL, removeContainer, removeNetwork } from '../docker/container.ts';
import { inspectIfThere, pullImage } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { readChild } from '../host/child.ts';
import { isAlive, thisOwner } from '../host/owner.ts';

/** registry:2.8.3, the one that claude-bottle uses. */
export const REGISTRY_IMAGE =
  'registry:2.8.3@sha256:a3d8aaa63ed8681a604f1dea0aa03f100d5895b6a58ace528858a7b332415373';

const REGISTRY_PORT = 5000;
const READY_TIMEOUT_MS = 30_000;
const PROBE_TIMEOUT_MS = 2_000;
const PROBE_INTERVAL_MS = 100;
const LOGS_TIMEOUT_MS = 5_000;
const LOG_LINES = 10;

export interface RegistryOptions {
  readonly image: string;
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
}

/**
 * Runs `use` with the host's port of a fresh registry container: published on 127.0.0.1 only, on a network of its
 * own, so that no other container reaches it. Container, volume and network are removed whatever happens.
 */
export async function withRegistryContainer<T>(
  options: RegistryOptions,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const name = `cbp-registry-${randomBytes(8).toString('hex')}`;
  await ensureImage(options);
  const label = `${OWNER_LABEL}=${thisOwner()}`;
  try {
    await docker(['network', 'create', '--driver', 'bridge', '--label', label, name]);
    await docker([
      ...['container', 'run', '--detach', '--pull', 'never', '--name', name, '--label', label],
      ...['--network', name, '--publish', `127.0.0.1::${REGISTRY_PORT}`, options.image],
    ]);
    const port = await publishedPort(name);
    await waitUntilReady(name, port, options.signal);
    return await use(port);
  } catch (error) {
    throw error instanceof BottleError && error.code === 'registry-failed'
      ? await explained(error, name)
      : error;
  } finally {
    for (const failure of [await removeContainer(name), await removeNetwork(name)]) {
      if (failure !== undefined) {
        options.onWarning(`left behind, the next run tries again: ${failure}`);
      }
    }
  }
}

/** Pulling is apart from running, since it takes long and may be stopped half-way. */
async function ensureImage({ image, signal }: RegistryOptions): Promise<void> {
  if ((await inspectIfThere(image)) === undefined) {
    await pullImage(image, { signal });
  }
}

/** Engines before 28 could publish more widely than they were told to (moby issue 45610). */
async function publishedPort(name: string): Promise<number> {
  const format = `{{json (index .NetworkSettings.Ports "${REGISTRY_PORT}/tcp")}}`;
  const answer = await docker(['container', 'inspect', '--format', format, name]);
  const bindings = JSON.parse(answer) as Array<{ HostIp?: string; HostPort?: string }> | null;
  if (bindings === null) {
    throw notReady('ended at once');
  }
  const [binding] = bindings;
  if (bindings.length !== 1 || binding?.HostIp !== '127.0.0.1' || !binding.HostPort) {
    throw new BottleError(
      'registry-failed',
      `the registry is published as ${answer.trim()}, not on 127.0.0.1`,
      {
        hint: 'use hop embedded, or an engine that publishes on 127.0.0.1 only',
      },
    );
  }
  return Number(binding.HostPort);
}

async function waitUntilReady(name: string, port: number, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    const answer = await probe(port);
    if (answer === 'ready') {
      return;
    }
    if (answer === 'other') {
      throw notReady(`does not answer as a registry on port ${port}`);
    }
    const running = await docker(['container', 'inspect', '--format', '{{.State.Running}}', name]);
    if (running.trim() !== 'true') {
      throw notReady('ended at once');
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
  throw notReady(`did not answer on port ${port} within ${READY_TIMEOUT_MS / 1000} s`);
}

async function probe(port: number): Promise<'ready' | 'silent' | 'other'> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/v2/`, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    await response.body?.cancel();
    const isRegistry = response.headers.get('docker-distribution-api-version') === 'registry/2.0';
    return response.status === 200 && isRegistry ? 'ready' : 'other';
  } catch {
    return 'silent';
  }
}

function notReady(what: string): BottleError {
  return new BottleError('registry-failed', `the registry container ${what}`, {
    hint: 'use hop embedded, which needs no container, or another registry-image',
  });
}

/** Adds what the registry itself says, such as that its disk is full: its clients only hear "500". */
async function explained(error: BottleError, name: string): Promise<BottleError> {
  const { stdout, tail } = await readChild(
    'docker',
    ['container', 'logs', '--tail', String(LOG_LINES), name],
    {
      timeoutMs: LOGS_TIMEOUT_MS,
      env: dockerEnvironment(),
    },
  );
  const logs = [...stdout.split('\n'), ...tail].filter((line) => line !== '');
  const isFull = logs.some((line) => line.includes('no space left'));
  return new BottleError(error.code, error.message, {
    ...(error.hint && { hint: isFull ? 'free disk space on the Docker engine' : error.hint }),
    details: [...error.details, ...logs],
    cause: error.cause,
  });
}

/** Removes containers and networks that a run has left: ours by label, and only of owners that have ended. */
export async function sweepContainers(
  signal: AbortSignal,
  onWarning: (message: string) => void,
): Promise<void> {
  for (const [kind, remove] of [
    ['container', removeContainer],
    ['network', removeNetwork],
  ] as const) {
    for (const { id, owner } of await listOwned(kind, signal)) {
      if (owner !== '' && !isAlive(owner)) {
        const failure = await remove(id);
        onWarning(failure ?? `removed the ${kind} ${id} that an earlier run had left`);
      }
    }
  }
}
