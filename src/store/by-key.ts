import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { InputsKey } from '../identity/inputs-key.ts';
import { type Origin, originId } from '../identity/origin.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { ignoreExisting, makeDirectory, namesIn } from './directory.ts';
import { objectPath, type StoreLayout } from './location.ts';

// `claude-bottle path` is on a start-up budget, so everything that it asks the store is in this file, in the names of
// empty files: nothing is parsed and nothing here loads zod.

/** What the index says of one installation of a sidecar. */
export interface IndexEntry {
  /** `originId` of where it came from. */
  readonly origin: string;
  readonly isSigned: boolean;
  readonly installedMs: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const ENTRY =
  /^(?<origin>[0-9a-f]{64}|[a-z]+)\.(?<signed>[su])\.(?<installedMs>\d{1,15})\.(?<sizeBytes>\d{1,15})\.(?<sha256>[0-9a-f]{64})$/;

export interface ForBuild {
  readonly key: InputsKey | string;
  readonly platform: GuestPlatform;
}

/** Which installations may be used: the origin of the checkout, or this machine. */
export interface Allowed {
  readonly origin: Origin;
  /** Take unsigned sidecars also of a repository that signs: the user has said so. */
  readonly unsigned?: boolean | undefined;
}

/**
 * The sidecars for a build that its checkout may use, the best first: signed, packed on this machine, the rest; among
 * equals the one that was installed last.
 */
export async function listHits(
  layout: StoreLayout,
  build: ForBuild,
  { origin, unsigned = false }: Allowed,
): Promise<IndexEntry[]> {
  const own = originId(origin);
  const needsSignature = !unsigned && (await knowsSigner(layout, origin));
  return (await readIndex(layout, build))
    .filter(
      (entry) => entry.origin === 'here' || (entry.origin === own && (entry.isSigned || !needsSignature)),
    )
    .sort((a, b) => rankOf(a) - rankOf(b) || b.installedMs - a.installedMs);
}

/** The path of the best sidecar that is there with the size that it must have; its bytes are not verified. */
export async function findPath(
  layout: StoreLayout,
  build: ForBuild,
  allowed: Allowed,
): Promise<(IndexEntry & { readonly path: string }) | undefined> {
  for (const entry of await listHits(layout, build, allowed)) {
    const path = objectPath(layout, entry.sha256);
    const stat = await fs.lstat(path).catch(() => undefined);
    if (stat?.isFile() && stat.size === entry.sizeBytes) {
      return { ...entry, path };
    }
  }
  return undefined;
}

/** Whether this origin has signed before: it is remembered in a file of its name. */
export async function knowsSigner({ trust }: StoreLayout, origin: Origin): Promise<boolean> {
  return (await fs.lstat(join(trust, `${originId(origin)}.json`)).catch(() => undefined)) !== undefined;
}

export async function readIndex(layout: StoreLayout, build: ForBuild): Promise<IndexEntry[]> {
  return (await namesIn(directoryOf(layout, build))).map(parseEntry).filter((entry) => entry !== undefined);
}

export async function addToIndex(layout: StoreLayout, build: ForBuild, entry: IndexEntry): Promise<void> {
  const dir = directoryOf(layout, build);
  await makeDirectory(dir);
  try {
    const file = await fs.open(join(dir, nameOf(entry)), 'wx', 0o444);
    await file.chmod(0o444).finally(() => file.close());
  } catch (error) {
    // An entry that is there is the same one, and only root could open it again.
    ignoreExisting(error);
  }
}

export async function removeFromIndex(
  layout: StoreLayout,
  build: ForBuild,
  isRemoved: (entry: IndexEntry) => boolean,
): Promise<void> {
  const dir = directoryOf(layout, build);
  for (const name of await namesIn(dir)) {
    const entry = parseEntry(name);
    if (entry !== undefined && isRemoved(entry)) {
      await fs.rm(join(dir, name), { force: true });
    }
  }
}

function directoryOf({ byKey }: StoreLayout, { key, platform }: ForBuild): string {
  return join(byKey, `${key}.${platform.replace('linux/', '')}`);
}

function nameOf({ origin, isSigned, installedMs, sizeBytes, sha256 }: IndexEntry): string {
  return [origin, isSigned ? 's' : 'u', installedMs, sizeBytes, sha256].join('.');
}

function parseEntry(name: string): IndexEntry | undefined {
  const { origin, signed, installedMs, sizeBytes, sha256 } = ENTRY.exec(name)?.groups ?? {};
  return origin === undefined || sha256 === undefined
    ? undefined
    : {
        origin,
        isSigned: signed === 's',
        installedMs: Number(installedMs),
        sizeBytes: Number(sizeBytes),
        sha256,
      };
}

function rankOf({ isSigned, origin }: IndexEntry): number {
  return isSigned ? 0 : origin === 'here' ? 1 : 2;
}
