import * as z from 'zod/mini';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { replaceFile } from '../host/replace-file.ts';
import { readSmallFile } from '../host/small-file.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import { readableJson } from '../identity/json.ts';
import { registryRepository } from '../identity/oci-names.ts';
import { isSameRepository } from '../identity/pack-record.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from '../identity/platform.ts';
import { isTagName } from '../identity/ref-name.ts';
import type { GitHubSite } from '../remote/github.ts';
import { formatName, parseOciReference } from '../remote/oci-reference.ts';
import { type Offer, parseSourceAddress, type SourceAddress } from './source.ts';

/** Beside the Dockerfile, in the build context. */
export const LOCK_FILE = 'claude-bottle.lock';
const MAX_LOCK_FILE_BYTES = 64 * 1024;
const LOCK_FILE_VERSION = 1;

const hex64 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

const lockedSchema = z.object({
  /** The commit that the sidecar was packed from. */
  commit: z.optional(z.string().check(z.regex(/^[0-9a-f]{40,64}$/))),
  key: hex64,
  sha256: hex64,
  sizeBytes: z.int().check(z.nonnegative()),
  /** What `fetch --from` takes. */
  address: z.string(),
});

const lockFileSchema = z.object({
  version: z.literal(LOCK_FILE_VERSION),
  platforms: z.partialRecord(z.enum(GUEST_PLATFORMS), lockedSchema),
});

/** The one sidecar of a platform that `fetch --locked` accepts. */
export type Locked = z.infer<typeof lockedSchema>;
export type LockFile = z.infer<typeof lockFileSchema>;

export function lockedOf({ record, address }: Offer, key: InputsKey): Locked {
  const { sha256, sizeBytes } = record.sidecar;
  const commit = record.source?.commit;
  return { ...(commit !== undefined && { commit }), key, sha256, sizeBytes, address };
}

/** @throws BottleError `not-found` when the file does not exist, `sidecar-damaged` when it is not a lock file */
export async function readLockFile(path: string): Promise<LockFile> {
  let text: string;
  try {
    text = (await readSmallFile(path, MAX_LOCK_FILE_BYTES)).toString();
  } catch (error) {
    if (error instanceof BottleError) {
      throw new BottleError('sidecar-damaged', error.message, {
        hint: 'claude-bottle lock  # writes it again',
      });
    }
    if (hasErrno(error, 'ENOENT')) {
      throw new BottleError('not-found', `there is no lock file ${path}`, {
        hint: 'claude-bottle lock',
      });
    }
    if (hasErrno(error, 'EINVAL', 'EFBIG')) {
      throw damagedLockFile(path, `is not a regular file of at most ${MAX_LOCK_FILE_BYTES} bytes`);
    }
    throw fileError(`cannot read ${path}`, error);
  }
  const parsed = lockFileSchema.safeParse(readableJson(text));
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') || 'the whole';
    throw damagedLockFile(
      path,
      `is not a lock file of version ${LOCK_FILE_VERSION}, because ${field} is not valid`,
    );
  }
  return parsed.data;
}

function damagedLockFile(path: string, problem: string): BottleError {
  return new BottleError('sidecar-damaged', `${path} ${problem}`, {
    hint: 'claude-bottle lock  # writes it again',
  });
}

/** @throws BottleError `not-trusted` when this checkout is not what was locked */
export function requireLocked(lockFile: LockFile, platform: GuestPlatform, key: InputsKey): Locked {
  const locked = lockFile.platforms[platform];
  if (locked === undefined) {
    const known = Object.keys(lockFile.platforms).join(', ');
    throw new BottleError(
      'not-found',
      `${LOCK_FILE} has nothing for ${platform}, only for ${known || 'none'}`,
      {
        hint: 'claude-bottle lock  # once that platform is published',
      },
    );
  }
  if (locked.key !== key) {
    throw new BottleError(
      'not-trusted',
      `this checkout has the inputs key ${key}, and ${LOCK_FILE} was written for ${locked.key}`,
      {
        hint: 'undo the local changes to what the Dockerfile can see, or write the lock file again: claude-bottle lock',
      },
    );
  }
  return locked;
}

/**
 * A pull request can change a lock file, so an entry may lead only to what the repository itself has published: its
 * package in the registry of its GitHub server, a release, or the address of a release file.
 * @throws BottleError `not-trusted`
 */
export function requireLockable(
  address: string,
  { repository, github }: { repository: string | undefined; github: GitHubSite },
): SourceAddress {
  const source = addressOf(address);
  if (source === undefined || repository === undefined || !isOwn(source, repository, github)) {
    const place = repository === undefined ? 'a checkout without a repository' : repository;
    throw new BottleError('not-trusted', `${LOCK_FILE} cannot name ${JSON.stringify(address)} for ${place}`, {
      hint: 'lock what the repository itself has published in its registry or a release; --from FILE is for one fetch',
    });
  }
  return source;
}

function addressOf(address: string): SourceAddress | undefined {
  try {
    return parseSourceAddress(address);
  } catch {
    return undefined;
  }
}

function isOwn(source: SourceAddress, repository: string, { serverUrl, registryHost }: GitHubSite): boolean {
  switch (source.kind) {
    case 'release':
      return isTagName(source.tag);
    case 'oci':
      return isOwnPackage(source.reference, `${registryHost}/${registryRepository(repository)}`);
    case 'https':
      return isReleaseFile(URL.parse(source.url), serverUrl, repository);
    default:
      return false;
  }
}

function isOwnPackage(reference: string, name: string): boolean {
  try {
    return formatName(parseOciReference(reference)) === formatName(parseOciReference(name));
  } catch {
    return false;
  }
}

function isReleaseFile(url: URL | null, serverUrl: string, repository: string): boolean {
  const [, owner, name, releases, download, tag, file, ...more] = url?.pathname.split('/') ?? [];
  return (
    url?.protocol === 'https:' &&
    url.origin === serverUrl &&
    `${url.username}${url.password}${url.search}${url.hash}` === '' &&
    isSameRepository(`${owner}/${name}`, repository) &&
    `${releases}/${download}` === 'releases/download' &&
    !/%2f|%5c/i.test(url.pathname) &&
    Boolean(tag && file) &&
    more.length === 0
  );
}

export async function writeLockFile(
  path: string,
  platforms: ReadonlyArray<readonly [GuestPlatform, Locked]>,
): Promise<void> {
  const lockFile: LockFile = { version: LOCK_FILE_VERSION, platforms: Object.fromEntries(platforms) };
  try {
    await replaceFile(path, `${JSON.stringify(lockFile, undefined, 2)}\n`);
  } catch (error) {
    throw fileError(`cannot write ${path}`, error);
  }
}
