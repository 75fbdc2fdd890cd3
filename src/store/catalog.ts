import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type Digest, type Id16, id16, isDigest } from '../identity/image-id.ts';
import { isSameOrigin, type Origin, originId } from '../identity/origin.ts';
import { packRecordSchema } from '../identity/pack-record.ts';
import { addToIndex, type IndexEntry, removeFromIndex } from './by-key.ts';
import { makeDirectory, namesIn } from './directory.ts';
import { writeWhole } from './files.ts';
import { id16OfName, objectPath, type StoreLayout } from './location.ts';

const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const time = z.iso.datetime();

const originSchema: z.ZodMiniType<Origin> = z.union([
  z.object({ kind: z.enum(['here', 'none', 'unknown']) }),
  z.object({
    kind: z.literal('repository'),
    serverUrl: z.url(),
    repository: z.string(),
    repositoryId: z.optional(z.string()),
  }),
]) as z.ZodMiniType<Origin>;

const installationSchema = z.object({
  origin: originSchema,
  record: packRecordSchema,
  /** The workflow that has signed it; absent where nobody has. */
  signer: z.optional(z.string()),
  /** Where it was fetched from. */
  address: z.optional(z.string()),
  installedAt: time,
});

const nameSchema = z.object({
  /** The image that was built or packed here: the name has only its first 16 digits. */
  imageId: z.string().check(z.refine(isDigest)),
  /** Whose sidecar the name was given to; the same bytes may have several origins. */
  origin: originSchema,
  /** How the image is known to be the right one: it was packed, or its inputs or also its content are equal. */
  proof: z.enum(['packed', 'inputs', 'content']),
  namedAt: time,
});

const contentSchema = z.object({
  version: z.literal(1),
  sha256,
  sizeBytes: z.int().check(z.nonnegative()),
  /** Everyone who has brought these bytes, with their own record of them. */
  installations: z.array(installationSchema),
  names: z.array(nameSchema),
  usedAt: z.optional(time),
});

/** One sidecar of the store: its bytes are what its SHA-256 says, and everything else was written down by us. */
export type Content = z.infer<typeof contentSchema>;
export type Installation = z.infer<typeof installationSchema>;
export type GivenName = z.infer<typeof nameSchema>;

/** Undefined when the catalog has no such sidecar, or nothing that can be read. */
export async function readContent(layout: StoreLayout, sha256: string): Promise<Content | undefined> {
  try {
    const { data } = contentSchema.safeParse(
      JSON.parse(await fs.readFile(contentPath(layout, sha256), 'utf8')),
    );
    return data?.sha256 === sha256 ? data : undefined;
  } catch {
    return undefined;
  }
}

export async function readCatalog(layout: StoreLayout): Promise<Content[]> {
  const contents: Content[] = [];
  for (const name of (await namesIn(layout.catalog)).sort()) {
    const content = await readContent(layout, name.replace(/\.json$/, ''));
    if (content !== undefined) {
      contents.push(content);
    }
  }
  return contents;
}

/** Writes it down and indexes it. Only to be called in a change of the store. */
export async function writeContent(layout: StoreLayout, content: Content): Promise<void> {
  await makeDirectory(layout.catalog);
  const text = `${JSON.stringify(content, undefined, 2)}\n`;
  await writeWhole(layout.tmp, contentPath(layout, content.sha256), text);
  await indexContent(layout, content);
}

/** Makes the index say what the catalog says of a sidecar. */
export async function indexContent(layout: StoreLayout, content: Content): Promise<void> {
  for (const { build, entry } of indexEntriesOf(content)) {
    const isOlder = (each: IndexEntry) => each.sha256 === entry.sha256 && each.origin === entry.origin;
    await removeFromIndex(layout, build, (each) => isOlder(each) && !isEqual(each, entry));
    await addToIndex(layout, build, entry);
  }
}

function isEqual(one: IndexEntry, other: IndexEntry): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What `path` and the lookup by key read. */
export function indexEntriesOf({ sha256, sizeBytes, installations }: Content) {
  return installations.flatMap(({ record, origin, signer, installedAt }) => {
    const entry: IndexEntry = {
      origin: originId(origin),
      isSigned: signer !== undefined,
      installedMs: Date.parse(installedAt),
      sizeBytes,
      sha256,
    };
    return record.inputs === undefined
      ? []
      : [{ build: { key: record.inputs.key, platform: record.platform }, entry }];
  });
}

export function contentPath({ catalog }: StoreLayout, sha256: string): string {
  return join(catalog, `${sha256}.json`);
}

/**
 * With the installation in the place of an earlier one of the same origin and inputs, or of one whose inputs were not
 * known. A signed sidecar does not become unsigned again, because the bytes are the same.
 */
export function withInstallation(content: Content, installation: Installation): Content {
  const isSame = ({ origin, record }: Installation) =>
    isSameOrigin(origin, installation.origin) &&
    [undefined, installation.record.inputs?.key].includes(record.inputs?.key);
  const earlier = content.installations.find(isSame);
  if (earlier?.signer !== undefined && installation.signer === undefined) {
    return content;
  }
  const others = content.installations.filter((each) => !isSame(each));
  return { ...content, installations: [...others, installation] };
}

export function withName(content: Content, name: GivenName): Content {
  const id = id16(name.imageId as Digest);
  const others = content.names.filter(({ imageId }) => id16(imageId as Digest) !== id);
  return { ...content, names: [...others, name] };
}

export function givenName(content: Content, id: Id16): GivenName | undefined {
  return content.names.find(({ imageId }) => id16(imageId as Digest) === id);
}

/** A sidecar of the store with the names that it has now. */
export interface Listed {
  /** Undefined for a sidecar that something else than this project has put there. */
  readonly content: Content | undefined;
  readonly names: readonly LiveName[];
  /** The file in `objects`; undefined when it is gone. */
  readonly object: Stats | undefined;
}

export interface LiveName {
  readonly id16: Id16;
  readonly path: string;
  /** Undefined when nothing is written down about it. */
  readonly given: GivenName | undefined;
  readonly stat: Stats;
}

/** Everything in the store. Files are told apart by their inodes and sizes; nothing is hashed. */
export async function listStore(layout: StoreLayout): Promise<Listed[]> {
  const known: Array<{ content: Content; object: Stats | undefined; names: LiveName[] }> = [];
  for (const content of await readCatalog(layout)) {
    known.push({ content, object: await statFile(objectPath(layout, content.sha256)), names: [] });
  }
  const foreign = new Map<string, { content: undefined; object: undefined; names: LiveName[] }>();
  for (const { id, path, stat } of await readNames(layout)) {
    const isCopy = ({ content }: { content: Content }) =>
      stat.nlink === 1 && content.sizeBytes === stat.size && givenName(content, id) !== undefined;
    const owner =
      known.find(({ object }) => object !== undefined && fileKey(object) === fileKey(stat)) ??
      known.filter(isCopy).sort((a, b) => namedMs(b.content, id) - namedMs(a.content, id))[0];
    if (owner !== undefined) {
      owner.names.push({ id16: id, path, given: givenName(owner.content, id), stat });
    } else {
      const found = foreign.get(fileKey(stat)) ?? { content: undefined, object: undefined, names: [] };
      found.names.push({ id16: id, path, given: undefined, stat });
      foreign.set(fileKey(stat), found);
    }
  }
  return [...known, ...foreign.values()];
}

function namedMs(content: Content, id: Id16): number {
  return Date.parse(givenName(content, id)?.namedAt ?? '') || 0;
}

/** Names one file on this machine. */
export function fileKey({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

async function readNames({ dir }: StoreLayout) {
  const names: Array<{ id: Id16; path: string; stat: Stats }> = [];
  for (const name of (await namesIn(dir)).sort()) {
    const id = id16OfName(name);
    const path = join(dir, name);
    const stat = id && (await statFile(path));
    if (id !== undefined && stat !== undefined) {
      names.push({ id, path, stat });
    }
  }
  return names;
}

/** Undefined for everything that is not a regular file. */
export async function statFile(path: string): Promise<Stats | undefined> {
  const stat = await fs.lstat(path).catch(() => undefined);
  return stat?.isFile() ? stat : undefined;
}
