import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './small-image.ts';

const OWNER_FILTER = 'label=dev.claude-bottle.pack.owner';

/** All that a run with this TMPDIR and store has left on the engine, on disk and running, as readable lines. */
export async function leftovers({ tmp, store }: { tmp: string; store: string }): Promise<string[]> {
  const docker = async (kind: string, ...args: string[]) => {
    const { stdout } = await run('docker', args);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `${kind} ${line}`);
  };
  const files = async (kind: string, dir: string) =>
    (await fs.readdir(dir).catch(() => [])).map((name) => `${kind} ${name}`);
  const images = await docker('image', 'image', 'ls', '--format', '{{.Repository}}:{{.Tag}}');
  return [
    ...(await docker(
      'container',
      'container',
      'ls',
      '--all',
      '--filter',
      OWNER_FILTER,
      '--format',
      '{{.Names}}',
    )),
    ...(await docker('network', 'network', 'ls', '--filter', OWNER_FILTER, '--format', '{{.Name}}')),
    ...(await docker('volume', 'volume', 'ls', '--quiet')),
    ...images.filter((line) => /^image (cbp-|localhost:)/.test(line)),
    ...(await files('scratch', tmp)),
    ...(await files('store temp', join(store, '.pack/tmp'))),
    ...(await processesWith(`TMPDIR=${tmp}`)),
  ];
}

/** Every process with that in its environment: what we start inherits it, and so does what that starts. */
export async function processesWith(variable: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await fs.readdir('/proc')) {
    const read = (name: string) => fs.readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    if (/^\d+$/.test(pid) && (await read('environ')).includes(variable)) {
      found.push(`process ${pid} ${(await read('cmdline')).replaceAll('\0', ' ')}`);
    }
  }
  return found;
}

/** Waits for what the engine does in its own time, such as removing the container of a cancelled build. */
export async function waitUntil(
  isDone: () => Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isDone())) {
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
