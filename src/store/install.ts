import * as fs from 'node:fs/promises';
import { BottleError } from '../errors.ts';
import { syncDirectory, syncFile } from '../host/sync.ts';
import { type ImageId, id16 } from '../identity/image-id.ts';
import { describeOrigin, HERE, type Origin } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { type Content, listStore, readContent, statFile, withInstallation, writeContent } from './catalog.ts';
import { makeDirectory } from './directory.ts';
import { writeWhole } from './files.ts';
import { bundlePath, objectPath } from './location.ts';
import { giveName } from './name.ts';
import type { StoredSidecar } from './read.ts';
import type { Store } from './store.ts';

/** What is written down about a sidecar when it is installed. */
export interface NewInstallation {
  readonly origin: Origin;
  readonly record: PackRecord;
  /** The workflow that has signed it, verified. */
  readonly signer?: string | undefined;
  /** The Sigstore bundle that proves it. */
  readonly bundle?: Buffer | undefined;
  /** Where it was fetched from. */
  readonly address?: string | undefined;
}

interface Waiting {
  /** Heard while it waits for other processes, not in the middle of a change. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts a sidecar into the store. It gets no name: only an image that was built or inspected on this machine gives one.
 * @param file has passed all checks, and is on the store's file system; undefined when the store has the bytes already
 */
export async function installSidecar(
  store: Store,
  file: string | undefined,
  installation: NewInstallation,
  { signal }: Waiting = {},
): Promise<StoredSidecar> {
  const { sha256 } = installation.record.sidecar;
  await store.prepare();
  const put = () => putSidecar(store, file, installation);
  return installedSidecar(store, await store.changing(`cannot install ${sha256}`, put, signal), installation);
}

/** Installs a sidecar that was packed here from `imageId`, under the name of that image. */
export async function installPacked(
  store: Store,
  imageId: ImageId,
  file: string,
  record: PackRecord,
  { signal }: Waiting = {},
): Promise<StoredSidecar & { readonly name: string }> {
  const installation = { origin: HERE, record };
  await store.prepare();
  const change = async () => {
    await warnOfOther(store, imageId);
    const content = await putSidecar(store, file, installation);
    const name = await giveName(store, content, { imageId, origin: HERE, proof: 'packed' });
    return { ...installedSidecar(store, content, installation), name };
  };
  return await store.changing(`cannot install the sidecar of ${imageId}`, change, signal);
}

/** Packing an image is the explicit word that lets its name change hands, but it is not done silently. */
async function warnOfOther(store: Store, imageId: ImageId): Promise<void> {
  const id = id16(imageId);
  const given = (await listStore(store.layout))
    .flatMap(({ names }) => names)
    .find((name) => name.id16 === id)?.given;
  if (given !== undefined && given.origin.kind !== 'here') {
    store.warn(
      `until now ${store.pathFor(id)} was a sidecar of another origin: ${describeOrigin(given.origin)}`,
    );
  }
}

function installedSidecar(
  store: Store,
  { sha256, sizeBytes }: Content,
  { origin, record, signer }: NewInstallation,
): StoredSidecar {
  return { path: objectPath(store.layout, sha256), sha256, sizeBytes, record, origin, signer };
}

/** The bytes first, then what is written down about them: what is cut short is not listed, and a sweep removes it. */
async function putSidecar(
  store: Store,
  file: string | undefined,
  { origin, record, signer, bundle, address }: NewInstallation,
): Promise<Content> {
  const { layout } = store;
  const { sha256, sizeBytes } = record.sidecar;
  const object = objectPath(layout, sha256);
  if (file !== undefined && !(await isThere(store, object, sha256))) {
    await fs.chmod(file, 0o444);
    await syncFile(file);
    await fs.rename(file, object);
    await syncDirectory(layout.objects);
  } else if ((await statFile(object))?.size !== sizeBytes) {
    throw new BottleError('try-later', `${object} has disappeared or changed since it was verified`, {
      hint: 'try again',
    });
  }
  if (bundle !== undefined) {
    await makeDirectory(layout.bundles);
    await writeWhole(layout.tmp, bundlePath(layout, sha256, origin), bundle.toString());
  }
  const known = (await readContent(layout, sha256)) ?? {
    version: 1,
    sha256,
    sizeBytes,
    installations: [],
    names: [],
  };
  const content = withInstallation(known as Content, {
    origin,
    record,
    ...(signer !== undefined && { signer }),
    ...(address !== undefined && { address }),
    installedAt: new Date().toISOString(),
  });
  await writeContent(layout, content);
  await syncDirectory(layout.catalog);
  return content;
}

/** A file whose names may be in use is not replaced by its own bytes. */
async function isThere(store: Store, object: string, sha256: string): Promise<boolean> {
  const report = await store.verify(object, { sha256 }, {}).catch((error: unknown) => {
    if (!(error instanceof BottleError)) {
      throw error;
    }
  });
  return report !== undefined;
}
