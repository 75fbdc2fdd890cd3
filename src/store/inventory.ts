import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, type Id16, id16 } from '../identity/image-id.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { readRecord } from '../sidecar/file.ts';
import { namesIn } from './directory.ts';
import { type Binding, readBindings } from './ledger.ts';
import { id16OfName, type StoreLayout } from './location.ts';

/** One content, with all the names that it has at the top level of the store. */
export interface Content {
  /** Undefined for what something else than this project has put there. */
  readonly sha256: string | undefined;
  readonly record: PackRecord | undefined;
  readonly names: readonly StoredName[];
  readonly sizeBytes: number;
  /** Undefined where there are no hard links. */
  readonly object: { readonly path: string; readonly stat: Stats } | undefined;
  readonly installedAt: Date | undefined;
}

export interface StoredName {
  readonly id16: Id16;
  readonly path: string;
  /** `own` is the image that the record says it was packed from; `bound` is in the ledger. */
  readonly kind: 'own' | 'bound' | 'other';
  readonly binding: Binding | undefined;
  readonly stat: Stats;
}

/** Tells contents apart by their inodes and sizes; hashes nothing. */
export async function listContents(layout: StoreLayout): Promise<Content[]> {
  const bindings = await readBindings(layout);
  const known = await readKnown(layout);
  const byFile = new Map<string, Known>();
  for (const content of known.values()) {
    if (content.object !== undefined) {
      byFile.set(fileKey(content.object.stat), content);
    }
  }
  const foreign = new Map<string, Known>();
  for (const { id, path, stat } of await readNames(layout)) {
    const binding = bindings.get(id);
    const fits = (content: Known | undefined) => content?.record?.sidecar.sizeBytes === stat.size;
    const bound = binding && known.get(binding.sha256);
    const own = () => newest([...known.values()].filter((each) => ownId(each) === id && fits(each)));
    const content =
      byFile.get(fileKey(stat)) ??
      (fits(bound) ? bound : undefined) ??
      own() ??
      emplace(foreign, fileKey(stat), () => newKnown(undefined));
    const isBound = binding !== undefined && binding.sha256 === content.sha256;
    const kind = ownId(content) === id ? 'own' : isBound ? 'bound' : 'other';
    content.names.push({ id16: id, path, kind, binding: isBound ? binding : undefined, stat });
  }
  return [...known.values(), ...foreign.values()].map((content) => ({
    ...content,
    names: content.names.sort((a, b) => RANK[a.kind] - RANK[b.kind] || (a.path < b.path ? -1 : 1)),
    sizeBytes: content.names[0]?.stat.size ?? content.object?.stat.size ?? 0,
  }));
}

/** Names one file on this machine. */
export function fileKey({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

const RANK = { own: 0, bound: 1, other: 2 };

interface Known extends Omit<Content, 'names' | 'sizeBytes'> {
  record: PackRecord | undefined;
  object: Content['object'];
  installedAt: Date | undefined;
  readonly names: StoredName[];
}

function newKnown(sha256: string | undefined): Known {
  return { sha256, record: undefined, names: [], object: undefined, installedAt: undefined };
}

/** Copying a store without its hard links leaves names that only their sizes tell apart. */
function newest(contents: readonly Known[]): Known | undefined {
  const time = ({ installedAt }: Known) => installedAt?.getTime() ?? 0;
  return contents.toSorted((a, b) => time(b) - time(a))[0];
}

function ownId({ record }: Known): Id16 | undefined {
  return record && id16(record.image.id as Digest);
}

async function readKnown({ objects, records }: StoreLayout): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  for (const sha256 of (await namesIn(objects)).filter(isSha256)) {
    const path = join(objects, sha256);
    const stat = await statFile(path);
    if (stat !== undefined) {
      emplace(known, sha256, newKnown).object = { path, stat };
    }
  }
  for (const name of await namesIn(records)) {
    const sha256 = name.slice(0, -'.json'.length);
    const path = join(records, name);
    const record = isSha256(sha256) ? await readRecord(path) : undefined;
    if (record?.sidecar.sha256 === sha256) {
      const content = emplace(known, sha256, newKnown);
      content.record = record;
      // ctime: the time of a file's content can be set by anybody, and is by copying
      content.installedAt = (await statFile(path))?.ctime;
    }
  }
  return known;
}

async function readNames({ dir }: StoreLayout) {
  const names: Array<{ id: Id16; path: string; stat: Stats }> = [];
  for (const name of await namesIn(dir)) {
    const id = id16OfName(name);
    const path = join(dir, name);
    const stat = id && (await statFile(path));
    if (id !== undefined && stat !== undefined) {
      names.push({ id, path, stat });
    }
  }
  return names;
}

/** Undefined for whatever is not a regular file. */
async function statFile(path: string): Promise<Stats | undefined> {
  const stat = await fs.lstat(path).catch(() => undefined);
  return stat?.isFile() ? stat : undefined;
}

function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function emplace<K, V>(map: Map<K, V>, key: K, make: (key: K) => V): V {
  const value = map.get(key) ?? make(key);
  map.set(key, value);
  return value;
}
