import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { hasErrno } from '../errors.ts';
import { type Digest, id16, isDigest } from '../identity/image-id.ts';
import { UNKNOWN } from '../identity/origin.ts';
import { readableRecord } from '../identity/pack-record.ts';
import { counted } from '../identity/shown-text.ts';
import { type Content, fileKey, type GivenName, readContent, statFile, writeContent } from './catalog.ts';
import { namesIn } from './directory.ts';
import { copyReadOnly, tryLink } from './files.ts';
import { bundlePath, objectPath } from './location.ts';
import type { Store } from './store.ts';

const bindingSchema = z.object({
  imageId: z.string().check(z.refine(isDigest)),
  sha256: z.string(),
  proof: z.enum(['inputs', 'content']),
  boundAt: z.iso.datetime(),
});
const usedSchema = z.object({ usedAt: z.iso.datetime() });

/** Below `.pack/` of a store of version 0.1. */
const OLD = { records: 'records', bindings: 'bindings', used: 'used' } as const;

/**
 * Takes over a store of version 0.1, which believed what pack records say of where a sidecar came from. Every file
 * stays where it is, but its origin is unknown from now on: `fetch` has to verify it, or the user has to adopt it.
 */
export async function takeOverOldStore(store: Store): Promise<void> {
  const old = oldPaths(store);
  if ((await fs.lstat(old.records).catch(() => undefined)) === undefined) {
    return;
  }
  await store.prepare();
  const count = await store.changing(`cannot take over the store ${store.dir}`, async () => {
    const contents = await readOldContents(store);
    for (const content of contents) {
      await writeContent(store.layout, content);
    }
    // The records go last: cut short before that, it is done again.
    for (const dir of [old.used, old.bindings, old.records]) {
      await fs.rm(dir, { recursive: true, force: true });
    }
    return contents.length;
  });
  if (count > 0) {
    store.warn(
      `${store.dir} is from version 0.1, so the origin of its ${counted(count, 'sidecar')} is unknown: ` +
        'claude-bottle fetch verifies the one of a checkout, claude-bottle bind --adopt takes it as it is',
    );
  }
}

function oldPaths({ layout: { ours } }: Store) {
  return { records: join(ours, OLD.records), bindings: join(ours, OLD.bindings), used: join(ours, OLD.used) };
}

async function readOldContents(store: Store): Promise<Content[]> {
  const { layout } = store;
  const old = oldPaths(store);
  const bindings = await readAll(old.bindings, bindingSchema);
  const contents: Content[] = [];
  for (const file of await namesIn(old.records)) {
    const sha256 = file.replace(/\.json$/, '');
    const path = join(old.records, file);
    const record = readableRecord(await fs.readFile(path, 'utf8').catch(() => ''));
    if (record === undefined || record.sidecar.sha256 !== sha256 || (await readContent(layout, sha256))) {
      continue;
    }
    const { sizeBytes } = record.sidecar;
    const wanted: GivenName[] = [
      { imageId: record.image.id, origin: UNKNOWN, proof: 'inputs', namedAt: record.packedAt },
      ...bindings
        .filter((binding) => binding.sha256 === sha256)
        .map(({ imageId, proof, boundAt }) => ({ imageId, origin: UNKNOWN, proof, namedAt: boundAt })),
    ];
    const names = await liveNames(store, sha256, sizeBytes, wanted);
    const [name] = names;
    if (name !== undefined && (await ensureObject(store, sha256, name))) {
      const used = (await readAll(old.used, usedSchema, `${sha256}.json`))[0];
      await moveIfThere(join(layout.bundles, `${sha256}.sigstore.json`), bundlePath(layout, sha256, UNKNOWN));
      contents.push({
        version: 1,
        sha256,
        sizeBytes,
        installations: [{ origin: UNKNOWN, record, installedAt: (await fs.lstat(path)).ctime.toISOString() }],
        names,
        ...used,
      });
    }
  }
  return contents;
}

/** Those of the names that are this very file, or, without hard links, one of its size. */
async function liveNames(
  store: Store,
  sha256: string,
  sizeBytes: number,
  wanted: readonly GivenName[],
): Promise<GivenName[]> {
  const object = await statFile(objectPath(store.layout, sha256));
  const live: GivenName[] = [];
  for (const name of wanted) {
    const stat = await statFile(store.pathFor(id16(name.imageId as Digest)));
    const isSame = stat && object && fileKey(stat) === fileKey(object);
    if (isSame || (stat?.nlink === 1 && stat.size === sizeBytes)) {
      live.push(name);
    }
  }
  return live;
}

/** Where there are no hard links, version 0.1 kept a sidecar under its names alone. */
async function ensureObject(store: Store, sha256: string, { imageId }: GivenName): Promise<boolean> {
  const object = objectPath(store.layout, sha256);
  const name = store.pathFor(id16(imageId as Digest));
  if ((await statFile(object)) === undefined && !(await tryLink(name, object))) {
    await copyReadOnly(name, object);
  }
  return (await statFile(object)) !== undefined;
}

/** The files of a directory that can be read. */
async function readAll<T>(dir: string, schema: z.ZodMiniType<T>, only?: string): Promise<T[]> {
  const values: T[] = [];
  for (const name of only === undefined ? await namesIn(dir) : [only]) {
    try {
      values.push(schema.parse(JSON.parse(await fs.readFile(join(dir, name), 'utf8'))));
    } catch {
      // It says nothing that could be taken over.
    }
  }
  return values;
}

async function moveIfThere(from: string, to: string): Promise<void> {
  await fs.rename(from, to).catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT')) {
      throw error;
    }
  });
}
