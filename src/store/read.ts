import * as fs from 'node:fs/promises';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import { describeOrigin, HERE, isSameOrigin, type Origin, originId } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { SidecarReport, VerifyOptions } from '../sidecar/report.ts';
import { type Allowed, type ForBuild, knowsSigner, listHits, readIndex } from './by-key.ts';
import {
  type Content,
  fileKey,
  type GivenName,
  givenName,
  type Installation,
  type Listed,
  listStore,
  readCatalog,
  readContent,
  statFile,
} from './catalog.ts';
import { bundlePath, objectPath } from './location.ts';
import type { Store } from './store.ts';

/** A sidecar of the store, as one origin has brought it. */
export interface StoredSidecar {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly record: PackRecord;
  readonly origin: Origin;
  /** The workflow that has signed it; undefined where nobody has. */
  readonly signer: string | undefined;
}

/** The sidecars for a build that its checkout may use, the best first (`listHits`). They are not verified. */
export async function findHits(store: Store, build: ForBuild, allowed: Allowed): Promise<StoredSidecar[]> {
  try {
    const hits: StoredSidecar[] = [];
    for (const { sha256, origin } of await listHits(store.layout, build, allowed)) {
      hits.push(...(await findInstallations(store, build, sha256, origin)));
    }
    return hits;
  } catch (error) {
    throw fileError(`cannot read the store ${store.dir}`, error);
  }
}

/** The sidecars for a build whose origin is not known, with the bundle that may prove it. */
export async function findUnknown(store: Store, build: ForBuild): Promise<StoredSidecar[]> {
  const entries = (await readIndex(store.layout, build)).filter(({ origin }) => origin === 'unknown');
  return (
    await Promise.all(entries.map(({ sha256 }) => findInstallations(store, build, sha256, 'unknown')))
  ).flat();
}

/** The sidecars that an origin has brought without saying from which inputs they were packed, the newest first. */
export async function findWithoutInputs(
  { layout }: Store,
  { platform }: Pick<ForBuild, 'platform'>,
  origin: Origin,
): Promise<StoredSidecar[]> {
  const found = (await readCatalog(layout)).flatMap((content) =>
    content.installations
      .filter((each) => isSameOrigin(each.origin, origin) && each.record.platform === platform)
      .filter(({ record }) => record.inputs === undefined)
      .map((installation) => ({ content, installation })),
  );
  return found
    .sort((one, other) => newestFirst(one.installation, other.installation))
    .map(({ content, installation }) => storedSidecar(layout, content, installation));
}

async function findInstallations(
  { layout }: Store,
  { key, platform }: ForBuild,
  sha256: string,
  origin: string,
): Promise<StoredSidecar[]> {
  const content = await readContent(layout, sha256);
  const stat = await statFile(objectPath(layout, sha256));
  if (content === undefined || stat?.size !== content.sizeBytes) {
    return [];
  }
  return content.installations
    .filter(({ record }) => record.inputs?.key === key && record.platform === platform)
    .filter((installation) => originId(installation.origin) === origin)
    .map((installation) => storedSidecar(layout, content, installation));
}

export function storedSidecar(
  layout: Store['layout'],
  { sha256, sizeBytes }: Content,
  { record, origin, signer }: Installation,
): StoredSidecar {
  return { path: objectPath(layout, sha256), sha256, sizeBytes, record, origin, signer };
}

/** Whether the store has these bytes, from any origin, because they are good for everyone who knows their hash. */
export async function hasBytes(store: Store, sha256: string, options: VerifyOptions): Promise<boolean> {
  const path = objectPath(store.layout, sha256);
  return (await verifyObject(store, path, sha256, options)) !== undefined;
}

/** Verifies a sidecar of the store; when it is damaged it goes to quarantine and is undefined. */
export async function verifyStored(
  store: Store,
  { path, sha256 }: StoredSidecar,
  options: VerifyOptions,
): Promise<SidecarReport | undefined> {
  return await verifyObject(store, path, sha256, options);
}

/**
 * Only the hash is compared: what a record claims beyond it must not send good bytes to quarantine. The names are the
 * same file, so they go with it.
 */
async function verifyObject(
  store: Store,
  path: string,
  sha256: string,
  options: VerifyOptions,
): Promise<SidecarReport | undefined> {
  const before = await statFile(path);
  const report = await store.orQuarantine(path, () => store.verify(path, { sha256 }, options));
  if (report === undefined && before !== undefined && before.nlink > 1) {
    for (const id of await store.list()) {
      const name = store.pathFor(id);
      const stat = await statFile(name);
      if (stat !== undefined && fileKey(stat) === fileKey(before)) {
        await store.quarantineIfThere(name, undefined);
      }
    }
  }
  return report;
}

export interface NamedSidecar {
  readonly path: string;
  readonly report: SidecarReport;
  /** Undefined for a sidecar that something else than this project has put there. */
  readonly content: Content | undefined;
  readonly given: GivenName | undefined;
}

/**
 * Verifies what is under a name.
 * @throws BottleError `sidecar-damaged`, or `not-trusted` for a sidecar that this name was never given to
 */
export async function verifyNamed(
  store: Store,
  id: Id16,
  { platform, ...options }: VerifyOptions & { platform?: GuestPlatform },
): Promise<NamedSidecar> {
  const path = store.pathFor(id);
  const report = await store.verify(path, platform === undefined ? {} : { platform }, options);
  const content = await readContent(store.layout, report.sha256);
  const given = content && givenName(content, id);
  if (content !== undefined && given === undefined) {
    throw new BottleError(
      'not-trusted',
      `${path} is a sidecar that was never bound to this name: ${report.sha256}`,
      {
        hint: 'claude-bottle bind  # binds it again',
      },
    );
  }
  return { path, report, content, given };
}

/** The sidecars that have no name. */
export async function unnamedContents({ layout }: Store): Promise<Array<{ path: string; sha256: string }>> {
  return (await listStore(layout))
    .filter(({ object, names }) => object !== undefined && names.length === 0)
    .flatMap(({ content }) => (content ? [content] : []))
    .map(({ sha256 }) => ({ path: objectPath(layout, sha256), sha256 }));
}

export async function verifyUnnamed(
  store: Store,
  path: string,
  sha256: string,
  options: VerifyOptions,
): Promise<NamedSidecar> {
  const report = await store.verify(path, { sha256 }, options);
  return { path, report, content: await readContent(store.layout, sha256), given: undefined };
}

/**
 * What claude-bottle finds for an image, verified, if the checkout may use it: packed from this very image here, or
 * bound to it for the checkout's own origin. A damaged file goes to quarantine and is undefined.
 */
export async function findForImage(
  store: Store,
  imageId: ImageId,
  allowed: Allowed,
  options: VerifyOptions & { platform: GuestPlatform },
): Promise<(NamedSidecar & { readonly record: PackRecord | undefined }) | undefined> {
  const id = id16(imageId);
  const found = await store.orQuarantine(store.pathFor(id), async () => {
    try {
      return await verifyNamed(store, id, options);
    } catch (error) {
      if (error instanceof BottleError && error.code === 'not-trusted') {
        return undefined;
      }
      throw error;
    }
  });
  if (found === undefined || found.content === undefined) {
    // Only claude-bottle itself puts a file there that the catalog does not know, and gives it no second link.
    const isItsOwn = found !== undefined && (await statFile(found.path))?.nlink === 1;
    return isItsOwn ? { ...found, record: undefined } : undefined;
  }
  const { given, content } = found;
  if (given?.imageId !== imageId) {
    return undefined;
  }
  const installation = await usableInstallation(store, content, given.origin, allowed);
  return installation && { ...found, record: installation.record };
}

/** The installation by this origin, if a checkout may use it. */
export async function usableInstallation(
  { layout }: Store,
  { installations }: Content,
  origin: Origin,
  { origin: checkout, unsigned = false }: Allowed,
): Promise<Installation | undefined> {
  if (origin.kind !== 'here' && !isSameOrigin(origin, checkout)) {
    return undefined;
  }
  const needsSignature = origin.kind !== 'here' && !unsigned && (await knowsSigner(layout, origin));
  return installations
    .filter((each) => isSameOrigin(each.origin, origin) && (each.signer !== undefined || !needsSignature))
    .sort(newestFirst)[0];
}

/** The sidecars of an origin, or packed here, for one platform; what was installed last comes first. */
export async function contentsOf(
  store: Store,
  origin: Origin,
  platform: GuestPlatform,
): Promise<StoredSidecar[]> {
  const isWanted = ({ origin: from, record }: Installation) =>
    record.platform === platform && (isSameOrigin(from, origin) || isSameOrigin(from, HERE));
  return (await readCatalog(store.layout))
    .flatMap((content) => {
      const installation = content.installations.filter(isWanted).sort(newestFirst)[0];
      return installation === undefined ? [] : [{ content, installation }];
    })
    .sort((one, other) => newestFirst(one.installation, other.installation))
    .map(({ content, installation }) => storedSidecar(store.layout, content, installation));
}

function newestFirst(one: Installation, other: Installation): number {
  return Date.parse(other.installedAt) - Date.parse(one.installedAt);
}

/** The Sigstore bundle that came with a sidecar from this origin and was verified. */
export async function readBundle(store: Store, sha256: string, origin: Origin): Promise<Buffer | undefined> {
  const path = bundlePath(store.layout, sha256, origin);
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw fileError(`cannot read ${path}`, error);
  }
}

/** Plain JSON. The catalog's fields are absent for a sidecar that another program put there. */
export interface ListedSidecar {
  readonly sha256?: string;
  readonly sizeBytes: number;
  readonly origins: ReadonlyArray<{
    /** "github.com/owner/name", "packed here", "no repository" or "unknown". */
    readonly origin: string;
    readonly key?: string;
    readonly platform: GuestPlatform;
    readonly signer?: string;
    /** The commit that it was packed from, as its record says. */
    readonly commit?: string;
    readonly address?: string;
    readonly packedAt: string;
    readonly installedAt: string;
  }>;
  readonly installedAt: string;
  readonly usedAt: string;
  readonly names: ReadonlyArray<{
    readonly id16: Id16;
    readonly path: string;
    /** Absent for a name that claude-bottle itself has given. */
    readonly imageId?: string;
    readonly origin?: string;
    readonly proof?: GivenName['proof'];
    readonly namedAt?: string;
  }>;
}

/** Everything that is known without hashing, for people and machines to read; the last installed first. */
export async function listSidecars(store: Store): Promise<ListedSidecar[]> {
  try {
    const listed = (await listStore(store.layout))
      .filter(({ object, names }) => object !== undefined || names.length > 0)
      .map(describe);
    return listed.sort((a, b) => (a.installedAt > b.installedAt ? -1 : 1));
  } catch (error) {
    throw fileError(`cannot read the store ${store.dir}`, error);
  }
}

function describe({ content, names, object }: Listed): ListedSidecar {
  const installedAt = content?.installations
    .map((each) => each.installedAt)
    .sort()
    .at(-1);
  const stat = names[0]?.stat ?? object;
  return {
    ...(content && { sha256: content.sha256 }),
    sizeBytes: content?.sizeBytes ?? stat?.size ?? 0,
    origins: (content?.installations ?? []).map(({ origin, record, signer, address, installedAt }) => ({
      origin: describeOrigin(origin),
      ...(record.inputs && { key: record.inputs.key }),
      platform: record.platform,
      ...(signer !== undefined && { signer }),
      ...(record.source && { commit: record.source.commit }),
      ...(address !== undefined && { address }),
      packedAt: record.packedAt,
      installedAt,
    })),
    installedAt: installedAt ?? stat?.ctime.toISOString() ?? '',
    usedAt: content?.usedAt ?? installedAt ?? stat?.atime.toISOString() ?? '',
    names: names.map(({ id16, path, given }) => ({
      id16,
      path,
      ...(given && {
        imageId: given.imageId,
        origin: describeOrigin(given.origin),
        proof: given.proof,
        namedAt: given.namedAt,
      }),
    })),
  };
}
