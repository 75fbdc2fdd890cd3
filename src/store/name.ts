import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { BottleError, hasErrno, isDamage } from '../errors.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import { syncDirectory } from '../host/sync.ts';
import { type Id16, type ImageId, id16 } from '../identity/image-id.ts';
import { HERE, isSameOrigin, type Origin, UNKNOWN } from '../identity/origin.ts';
import type { VerifyOptions } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import {
  type Content,
  fileKey,
  type GivenName,
  givenName,
  listStore,
  readContent,
  withName,
  writeContent,
} from './catalog.ts';
import { copyReadOnly, tryLink } from './files.ts';
import { objectPath } from './location.ts';
import { type StoredSidecar, verifyStored } from './read.ts';
import type { Store } from './store.ts';

/** How often others may change a name while it is being bound. */
const MAX_TRIES = 5;

export interface BindOptions extends Pick<VerifyOptions, 'signal' | 'onBytes'> {
  readonly proof: 'inputs' | 'content';
  /** Take the name away from another origin: the user has said so. */
  readonly replace?: boolean | undefined;
}

export type BindResult = { readonly path: string } & (
  | { readonly outcome: 'bound' | 'already-bound' }
  /** A good sidecar of another origin has the name. */
  | { readonly outcome: 'kept'; readonly keptOrigin: Origin }
);

/**
 * Gives a sidecar of the store the name of an image that was built or inspected on this machine.
 *
 * The file that has the name now is examined without the lock, because hashing it takes seconds; under the lock it
 * must still be that file, or everything starts again.
 *
 * | The name has                             | Outcome                                      |
 * | ---------------------------------------- | -------------------------------------------- |
 * | nothing                                  | bound                                        |
 * | these bytes                              | already bound, and written down              |
 * | a damaged file, a link, a directory      | moved to quarantine, then bound              |
 * | a good sidecar of the same origin        | replaced; readers keep the old file          |
 * | a good sidecar of another origin         | kept, unless the user wants it to be replaced |
 * @throws BottleError `not-found` when the store has no good copy of the sidecar
 */
export async function bindName(
  store: Store,
  imageId: ImageId,
  stored: StoredSidecar,
  options: BindOptions,
): Promise<BindResult> {
  await store.prepare();
  const path = store.pathFor(id16(imageId));
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    await requireGood(store, stored, options);
    const there = await examine(store, path, stored, options);
    const result = await store.changing(
      `cannot bind ${path}`,
      () => bindNow(store, imageId, stored, there, options),
      options.signal,
    );
    if (result !== undefined) {
      return { path, ...result };
    }
  }
  throw new BottleError('try-later', `another program keeps changing ${path}`, {
    hint: 'let that program end, then try again',
  });
}

async function requireGood(store: Store, stored: StoredSidecar, options: BindOptions): Promise<void> {
  if ((await verifyStored(store, stored, options)) === undefined) {
    throw new BottleError('not-found', `the store has no good copy of ${stored.sha256}`, {
      hint: 'claude-bottle fetch  # fetches it again',
    });
  }
}

type NameState = { readonly key: string | undefined } & (
  | { readonly is: 'free' | 'same' }
  | { readonly is: 'good'; readonly sha256: string }
  | { readonly is: 'bad'; readonly reason: string }
);

async function examine(
  store: Store,
  path: string,
  { path: object, sha256 }: StoredSidecar,
  options: BindOptions,
): Promise<NameState> {
  const stat = await fs.lstat(path).catch(() => undefined);
  if (stat === undefined) {
    return { is: 'free', key: undefined };
  }
  const key = fileKey(stat);
  if (!stat.isFile()) {
    return { is: 'bad', key, reason: `${path} is not a regular file` };
  }
  const objectStat = await fs.lstat(object).catch(() => undefined);
  if (objectStat !== undefined && key === fileKey(objectStat)) {
    return { is: 'same', key };
  }
  try {
    const report = await store.verify(path, {}, options);
    return report.sha256 === sha256 ? { is: 'same', key } : { is: 'good', key, sha256: report.sha256 };
  } catch (error) {
    if (error instanceof BottleError && error.code === 'not-found') {
      return { is: 'free', key: undefined };
    }
    if (!isDamage(error)) {
      throw error;
    }
    return { is: 'bad', key, reason: error.message };
  }
}

type Outcome = { outcome: 'bound' | 'already-bound' } | { outcome: 'kept'; keptOrigin: Origin };

/** Undefined when the name is not as it was examined. */
async function bindNow(
  store: Store,
  imageId: ImageId,
  { sha256, origin }: StoredSidecar,
  there: NameState,
  { proof, replace = false }: BindOptions,
): Promise<Outcome | undefined> {
  const id = id16(imageId);
  const path = store.pathFor(id);
  const stat = await fs.lstat(path).catch(() => undefined);
  const content = await readContent(store.layout, sha256);
  if ((stat && fileKey(stat)) !== there.key || content === undefined) {
    return undefined;
  }
  if (there.is === 'same') {
    const given = givenName(content, id);
    // A sidecar that was packed from this very image stays known as that.
    if (given?.imageId !== imageId || !(given.proof === 'packed' || isSameOrigin(given.origin, origin))) {
      await writeContent(store.layout, withName(content, newName(imageId, origin, proof)));
    }
    return { outcome: 'already-bound' };
  }
  if (there.is === 'good' && !replace) {
    const owner = originOfName(await readContent(store.layout, there.sha256), stat, id, origin);
    if (!isSameOrigin(owner, origin)) {
      return { outcome: 'kept', keptOrigin: owner };
    }
  }
  if (there.is === 'bad') {
    await store.quarantineIfThere(path, there.reason);
  }
  await giveName(store, content, { imageId, origin, proof });
  return { outcome: 'bound' };
}

/**
 * Whose sidecar a good file under a name is. A file that the catalog does not know was packed by claude-bottle itself,
 * unless it has a second link, as only files of ours have.
 */
function originOfName(content: Content | undefined, stat: Stats | undefined, id: Id16, ours: Origin): Origin {
  if (content === undefined) {
    return stat?.nlink === 1 ? HERE : UNKNOWN;
  }
  const { origin = UNKNOWN } = givenName(content, id) ?? {};
  const isOurs = content.installations.some((installation) => isSameOrigin(installation.origin, ours));
  return origin.kind === 'unknown' && isOurs ? ours : origin;
}

/** The names that sidecars of other origins have, and whose they are; no file is read. */
export async function otherOwners({ layout }: Store, ours: Origin): Promise<Map<Id16, Origin>> {
  const owners = (await listStore(layout)).flatMap(({ content, names }) =>
    names.map(({ id16: id, stat }) => [id, originOfName(content, stat, id, ours)] as const),
  );
  return new Map(owners.filter(([, owner]) => owner.kind !== 'here' && !isSameOrigin(owner, ours)));
}

export type NewName = Pick<GivenName, 'origin' | 'proof'> & { readonly imageId: ImageId };

/**
 * Puts the sidecar under the name of the image, in the place of whatever has it. Only to be called in a change of the
 * store. The file appears first: a name that is not written down is bound again, but a sidecar all of whose
 * written names are gone is taken for one that the user has removed.
 * @returns the path of the name
 */
export async function giveName(
  store: Store,
  content: Content,
  { imageId, origin, proof }: NewName,
): Promise<string> {
  const path = store.pathFor(id16(imageId));
  const object = objectPath(store.layout, content.sha256);
  const stat = await fs.lstat(path).catch(() => undefined);
  if (stat?.isDirectory()) {
    await store.quarantineIfThere(path, undefined);
  }
  const { nlink, ...objectStat } = await fs.lstat(object);
  if (stat === undefined || fileKey(stat) !== fileKey(objectStat)) {
    await withPrivateDir(store.dir, async (dir) => {
      const temp = join(dir, 'sidecar');
      // smolvm refuses a file whose metadata change while it reads it, so a file that has a name gets no other link.
      if (nlink > 1 || !(await tryLink(object, temp))) {
        await copyReadOnly(object, temp);
        await verifySidecar(temp, { sha256: content.sha256 });
      }
      await fs.rename(temp, path);
    });
  }
  await writeContent(store.layout, withName(content, newName(imageId, origin, proof)));
  await syncDirectory(store.dir);
  return path;
}

function newName(imageId: ImageId, origin: Origin, proof: GivenName['proof']): GivenName {
  return { imageId, origin, proof, namedAt: new Date().toISOString() };
}

/** Takes a name away from a sidecar, which stays in the store. */
export async function removeName(store: Store, id: Id16, signal?: AbortSignal): Promise<void> {
  const path = store.pathFor(id);
  await store.changing(
    `cannot remove ${path}`,
    async () => {
      await fs.rm(path).catch((error: unknown) => {
        if (!hasErrno(error, 'ENOENT')) {
          throw error;
        }
      });
      await syncDirectory(store.dir);
    },
    signal,
  );
}
