import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { BottleError } from '../errors.ts';
import type { Id16 } from '../identity/image-id.ts';

const SIDECAR_SUFFIX = '.smolmachine.smolmachine';

/** Where claude-bottle looks: fixed below the home directory, it knows no XDG_CACHE_HOME. */
function defaultStoreDir(): string {
  const home = homedir();
  if (home === '' || home === '/nonexistent') {
    throw new BottleError(
      'store-unsafe',
      `no home directory (${JSON.stringify(home)}), so no default store`,
      {
        hint: 'set HOME, or name a directory with --store',
      },
    );
  }
  return join(home, '.cache', 'claude-bottle', 'smolmachines');
}

export function storeDir(option: string | undefined): string {
  return resolve(option || defaultStoreDir());
}

/** `smolvm pack create -o <id16>.smolmachine` once wrote this name, and claude-bottle still looks for it. */
export function sidecarName(id: Id16): string {
  return id + SIDECAR_SUFFIX;
}

export function id16OfName(name: string): Id16 | undefined {
  const id = name.slice(0, 16);
  return /^[0-9a-f]{16}$/.test(id) && name === sidecarName(id as Id16) ? (id as Id16) : undefined;
}
