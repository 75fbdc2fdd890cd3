import { lstat, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { homeDir } from '../host/home.ts';
import type { Id16 } from '../identity/image-id.ts';
import { type Origin, originId } from '../identity/origin.ts';
import { shellWord } from '../identity/shown-text.ts';

const SIDECAR_SUFFIX = '.smolmachine.smolmachine';

/** Where claude-bottle looks: fixed below the home directory, it knows no XDG_CACHE_HOME. */
function defaultStoreDir(): string | undefined {
  const home = homeDir();
  return home === undefined ? undefined : join(home, '.cache', 'claude-bottle', 'smolmachines');
}

/** @throws BottleError `store-unsafe` without a home directory, unless the user names a store */
export function storeDir(option: string | undefined): string {
  // No shell has read it where it comes from a variable or a workflow.
  const dir = option?.replace(/^~(?=\/|$)/, () => homeDir() ?? '~') || defaultStoreDir();
  if (dir === undefined) {
    throw new BottleError('store-unsafe', 'this user has no home directory, so there is no default store', {
      hint: 'set HOME, or name a directory with --store',
    });
  }
  return resolve(dir);
}

/** Whether claude-bottle looks there. */
export function isDefaultStore(dir: string): boolean {
  return dir === defaultStoreDir();
}

/** `smolvm pack create -o <id16>.smolmachine` once wrote this name, and claude-bottle still looks for it. */
export function sidecarName(id: Id16): string {
  return id + SIDECAR_SUFFIX;
}

export function id16OfName(name: string): Id16 | undefined {
  const id = name.slice(0, 16);
  return /^[0-9a-f]{16}$/.test(id) && name === sidecarName(id as Id16) ? (id as Id16) : undefined;
}

/**
 * The top level of the store has the names that claude-bottle looks for and nothing else; what is ours is in
 * `.pack/`.
 */
export interface StoreLayout {
  readonly dir: string;
  readonly ours: string;
  /** `<sha256>`: each sidecar. The first name of a sidecar is a hard link to it. */
  readonly objects: string;
  /** `<sha256>.json`: where each sidecar came from and which names it has (`catalog.ts`). */
  readonly catalog: string;
  /** `<key>.<arch>/`: the sidecars for an inputs key (`by-key.ts`). */
  readonly byKey: string;
  /** `<sha256>.<origin>.sigstore.json`: the Sigstore bundles that were verified. */
  readonly bundles: string;
  /** `<origin>.json`: what is known of the repositories that sign. */
  readonly trust: string;
  /** `<sha256>.<owner>/`: downloads. */
  readonly parts: string;
  readonly locks: string;
  readonly tmp: string;
  readonly quarantine: string;
}

export function layoutOf(dir: string): StoreLayout {
  const ours = join(dir, '.pack');
  return {
    dir,
    ours,
    objects: join(ours, 'objects', 'sha256'),
    catalog: join(ours, 'catalog'),
    byKey: join(ours, 'by-key'),
    bundles: join(ours, 'bundles'),
    trust: join(ours, 'trust'),
    parts: join(ours, 'parts'),
    locks: join(ours, 'locks'),
    tmp: join(ours, 'tmp'),
    quarantine: join(ours, 'quarantine'),
  };
}

export function objectPath({ objects }: StoreLayout, sha256: string): string {
  return join(objects, sha256);
}

export function bundlePath({ bundles }: StoreLayout, sha256: string, origin: Origin): string {
  return join(bundles, `${sha256}.${originId(origin)}.sigstore.json`);
}

/**
 * Looks at the directory and makes nothing: it need not exist.
 * @throws BottleError `store-unsafe` when others could change what is in it
 */
export async function openStoreDir(name: string): Promise<StoreLayout> {
  const dir = await withoutOwnLink(name);
  try {
    await requirePrivate(dir);
  } catch (error) {
    if (error instanceof BottleError) {
      throw error;
    }
    if (!hasErrno(error, 'ENOENT')) {
      throw fileError(`cannot open the store ${dir}`, error);
    }
  }
  await requireGuarded(dir);
  return layoutOf(dir);
}

/** Where everybody may rename what is there, everybody can put another directory in the place of the store. */
async function requireGuarded(dir: string): Promise<void> {
  const parent = await realpath(dirname(dir)).catch(() => undefined);
  if (parent === undefined) {
    return dir === dirname(dir) ? undefined : await requireGuarded(dirname(dir));
  }
  const parents = parent.split('/').map((_, index, names) => names.slice(0, index + 1).join('/') || '/');
  const modes = await Promise.all(parents.map(modeOf));
  const open = parents.find((_, index) => ((modes[index] ?? 0) & 0o1002) === 0o002);
  if (open !== undefined) {
    throw new BottleError(
      'store-unsafe',
      `the store ${dir} is below ${open}, where everybody may rename it`,
      {
        hint: `let others not write there (chmod o-w ${open}), or name another store with --store`,
      },
    );
  }
}

async function modeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ mode }) => mode,
    () => 0,
  );
}

/** The user's own link, to a larger disk, is followed; its target is judged as the store itself would be. */
async function withoutOwnLink(name: string): Promise<string> {
  const stat = await lstat(name).catch(() => undefined);
  const isOwnLink = stat?.isSymbolicLink() === true && stat.uid === process.getuid?.();
  return isOwnLink ? await realpath(name).catch(() => name) : name;
}

/** The store decides what a VM runs, so nobody else may write to it; another user's link is another user's decision. */
export async function requirePrivate(dir: string): Promise<void> {
  const stat = await lstat(dir);
  const uid = process.getuid?.() ?? stat.uid;
  const unsafe = (fault: string, hint: string) =>
    new BottleError('store-unsafe', `the store ${dir} ${fault}`, { hint });
  if (!stat.isDirectory()) {
    throw unsafe('is not a directory', 'name a directory with --store');
  }
  if (stat.uid !== uid) {
    throw unsafe(`belongs to uid ${stat.uid}, not ${uid}`, 'name a directory of your own with --store');
  }
  if ((stat.mode & 0o022) !== 0) {
    throw unsafe(
      `is writable for others (mode ${(stat.mode & 0o777).toString(8)})`,
      `chmod 700 ${shellWord(dir)}`,
    );
  }
}
