import type { Readable } from 'node:stream';
import { type ChildOptions, streamChild } from '../host/child.ts';
import type { ImageId } from '../identity/image-id.ts';
import { assertSuccess, cleanUp, docker, dockerEnvironment, spawnDocker } from './command.ts';

/** Our containers and networks carry their owner (host/owner.ts) under this label, so that a sweep finds them. */
export const OWNER_LABEL = 'dev.claude-bottle.pack.owner';

export interface Container {
  /** When the engine made it, in seconds since 1970, rounded down. */
  readonly createdSeconds: number;
  /** The size of its unpacked file system. An image's own size counts compressed layers with the containerd image store. */
  readonly sizeBytes: number;
}

/** A container that never runs, only to be exported. */
export async function createContainer(
  image: ImageId,
  { name, owner, platform }: { name: string; owner: string; platform: string },
): Promise<Container> {
  await docker([
    ...['container', 'create', '--pull', 'never', '--name', name, '--label', `${OWNER_LABEL}=${owner}`],
    ...['--network', 'none', '--platform', platform, image],
    // An image may have no command of its own, and create insists on one.
    'never-run',
  ]);
  const format = '{{.Created}} {{.SizeRootFs}}';
  const answer = await docker(['container', 'inspect', '--size', '--format', format, name]);
  const [created = '', size = ''] = answer.trim().split(' ');
  return {
    createdSeconds: Math.floor(Date.parse(created) / 1000),
    sizeBytes: Number(size),
  };
}

/** Streams the file system of a container as a tar. */
export async function exportContainer(
  container: string,
  consume: (tar: Readable) => Promise<void>,
  options: ChildOptions,
): Promise<void> {
  const args = ['container', 'export', container];
  const result = await spawnDocker(() =>
    streamChild('docker', args, consume, { ...options, env: dockerEnvironment() }),
  );
  await assertSuccess(args, result);
}

/**
 * Removes what is there of the named containers, their anonymous volumes included. Cleaning up must neither
 * hang nor hide the error that led to it: it is bounded, and it returns what went wrong as a sentence.
 */
export async function removeContainer(name: string): Promise<string | undefined> {
  return await cleanUp(['container', 'rm', '--force', '--volumes', name]);
}

export async function removeNetwork(name: string): Promise<string | undefined> {
  return await cleanUp(['network', 'rm', name]);
}

/** The names of our containers or networks, with their owners. */
export async function listOwned(
  kind: 'container' | 'network',
  signal: AbortSignal,
): Promise<Array<{ readonly id: string; readonly owner: string }>> {
  const all = kind === 'container' ? ['--all'] : [];
  const format = `{{.ID}} {{.Label "${OWNER_LABEL}"}}`;
  const stdout = await docker([kind, 'ls', ...all, '--filter', `label=${OWNER_LABEL}`, '--format', format], {
    signal,
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', owner = ''] = line.split(' ');
      return { id, owner };
    });
}
