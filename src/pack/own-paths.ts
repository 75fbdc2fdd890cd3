import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Container } from '../docker/container.ts';
import { type Image, saveImage } from '../docker/image.ts';
import { contentOf, readTar, type TarEntry, type TarPart } from '../tar/read.ts';

/**
 * What `docker create` puts into every container (moby, daemon/initlayer): it replaces files by these, so that neither
 * `docker run` nor `docker export` shows what the image has there, and makes directories where the image has none.
 */
const STUB_FILES = ['.dockerenv', 'dev/console', 'etc/hostname', 'etc/hosts', 'etc/resolv.conf'];
const STUB_LINK = { path: 'etc/mtab', linkPath: '/proc/mounts' };
const STUB_DIRECTORIES = ['dev/pts', 'dev/shm', 'proc', 'sys'];
/** The engine changes their times, and puts directories in the place of links. */
const PARENTS = ['dev', 'etc'];

/** Files of an image that no container shows. */
export const HIDDEN_FILES = [...STUB_FILES, STUB_LINK.path].filter((path) => path.startsWith('etc/'));
const TRACKED = new Set([...STUB_FILES, STUB_LINK.path, ...STUB_DIRECTORIES, ...PARENTS]);
const MAX_OWN_BYTES = 1024 * 1024;

/** An entry as the image has it, padding included. */
export interface OwnEntry {
  readonly entry: TarEntry;
  readonly raw: Buffer;
  readonly content: Buffer;
}

/** The tracked paths that the image itself has. */
export type OwnPaths = ReadonlyMap<string, OwnEntry>;

export function isTracked(path: string): boolean {
  return TRACKED.has(path);
}

/** Tells what the engine has made in a container from what is the image's, by names and times. */
export class EngineTraces {
  /** Directories that the engine has made or touched, and that hold nothing of the image's. */
  readonly #suspects = new Set<string>();
  readonly #container: Container;
  readonly #imageSeconds: number;

  constructor(container: Container, image: Image) {
    this.#container = container;
    this.#imageSeconds = imageSeconds(image);
  }

  /** Paths where the image may have something else than a directory, or nothing at all. */
  get suspects(): string[] {
    return [...this.#suspects];
  }

  isStub(entry: TarEntry): boolean {
    const { path, type } = entry;
    if (type === 'file' && STUB_FILES.includes(path)) {
      return entry.sizeBytes === 0;
    }
    if (type === 'symlink' && path === STUB_LINK.path) {
      return entry.linkPath === STUB_LINK.linkPath;
    }
    const [top = ''] = path.split('/', 1);
    const isTop =
      path === top && type === 'directory' && (PARENTS.includes(top) || STUB_DIRECTORIES.includes(top));
    if (isTop && this.isNew(entry)) {
      this.#suspects.add(top);
    }
    if (type === 'directory' && STUB_DIRECTORIES.includes(path)) {
      return this.isNew(entry);
    }
    if (path !== top) {
      this.#suspects.delete(top);
    }
    return false;
  }

  /** Times in a tar are whole seconds. */
  isNew({ mtimeSeconds }: TarEntry): boolean {
    return mtimeSeconds >= this.#container.createdSeconds && mtimeSeconds > this.#imageSeconds;
  }
}

/** Older engines say that an image without a time was made in the year 1. */
export function imageSeconds(image: Image): number {
  return Math.max(0, Math.floor(Date.parse(image.created ?? '') / 1000) || 0);
}

/** Reads what an image itself has at the tracked paths, from all its layers. */
export async function readOwnPaths(image: Image, signal: AbortSignal): Promise<OwnPaths> {
  // Docker refuses to save it: "empty export".
  if (image.layers.length === 0) {
    return new Map();
  }
  const archive = new ImageArchive();
  await saveImage(image.id, async (tar) => await archive.read(tar), { signal });
  return archive.merged();
}

interface LayerTraces {
  readonly entries: Map<string, OwnEntry>;
  /** Paths that this layer deletes. */
  readonly deleted: Set<string>;
  /** Directories whose older content this layer hides. */
  readonly opaque: Set<string>;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** `docker save`'s format: layers as tars, compressed or not, and manifest.json, which orders them. */
class ImageArchive {
  readonly #layers = new Map<string, LayerTraces>();
  /** An older engine writes a layer that it has already written as a link. */
  readonly #links = new Map<string, string>();
  #order: readonly string[] = [];

  async read(archive: AsyncIterable<Buffer>): Promise<void> {
    const parts = readTar(archive);
    for await (const part of parts) {
      if (part.kind !== 'header') {
        continue;
      }
      const { path, type, linkPath } = part.entry;
      if (path === 'manifest.json') {
        const bytes = await buffer(contentOf(part.entry, parts));
        this.#order = (JSON.parse(bytes.toString()) as Array<{ Layers: string[] }>)[0]?.Layers ?? [];
      } else if (type === 'symlink') {
        this.#links.set(path, linkPath.replace(/^\.\.\//, ''));
      } else if (type === 'file') {
        const tar = await layerTar(contentOf(part.entry, parts));
        if (tar !== undefined) {
          this.#layers.set(path, await readLayer(tar));
        }
      }
    }
  }

  merged(): OwnPaths {
    const merged = new Map<string, OwnEntry>();
    const removeBelow = (dir: string) => {
      for (const path of [...merged.keys()].filter((key) => dir === '' || key.startsWith(`${dir}/`))) {
        merged.delete(path);
      }
    };
    for (const name of this.#order) {
      const layer = this.#layers.get(this.#links.get(name) ?? name);
      for (const dir of layer?.opaque ?? []) {
        removeBelow(dir);
      }
      for (const path of layer?.deleted ?? []) {
        merged.delete(path);
        removeBelow(path);
      }
      for (const [path, own] of layer?.entries ?? []) {
        if (own.entry.type !== 'directory') {
          removeBelow(path);
        }
        merged.set(path, own);
      }
    }
    return merged;
  }
}

async function readLayer(tar: AsyncIterable<Buffer>): Promise<LayerTraces> {
  const traces: LayerTraces = { entries: new Map(), deleted: new Set(), opaque: new Set() };
  const parts = readTar(tar);
  for await (const part of parts) {
    if (part.kind !== 'header') {
      continue;
    }
    const { path } = part.entry;
    const slash = path.lastIndexOf('/');
    const [dir, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    if (name === OPAQUE) {
      traces.opaque.add(dir);
    } else if (name.startsWith(WHITEOUT)) {
      const deleted = name.slice(WHITEOUT.length);
      traces.deleted.add(dir === '' ? deleted : `${dir}/${deleted}`);
    } else if (isTracked(path) && part.entry.sizeBytes <= MAX_OWN_BYTES) {
      traces.entries.set(path, {
        entry: part.entry,
        raw: part.raw,
        content: await bodyOf(part.entry, parts),
      });
    }
  }
  return traces;
}

async function bodyOf({ sizeBytes }: TarEntry, parts: AsyncIterator<TarPart>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const wanted = Math.ceil(sizeBytes / 512) * 512;
  for (let left = wanted; left > 0; ) {
    const { value, done } = await parts.next();
    if (done || value.kind !== 'body') {
      break;
    }
    chunks.push(value.chunk);
    left -= value.chunk.length;
  }
  return Buffer.concat(chunks);
}

/** The tar in a file of an image archive; undefined for the files that are JSON or text. */
async function layerTar(content: AsyncGenerator<Buffer>): Promise<AsyncIterable<Buffer> | undefined> {
  const { value: first } = await content.next();
  const magic = first?.toString('hex', 0, 4) ?? '';
  const whole = async function* () {
    yield first as Buffer;
    yield* content;
  };
  if (magic.startsWith('1f8b')) {
    return decoded(whole(), createGunzip());
  }
  if (magic === '28b52ffd') {
    return decoded(whole(), createZstdDecompress());
  }
  const isTar = first !== undefined && (first.toString('latin1', 257, 262) === 'ustar' || isEmptyTar(first));
  return isTar ? whole() : undefined;
}

function isEmptyTar(first: Buffer): boolean {
  return first.length >= 512 && first.subarray(0, 512).every((byte) => byte === 0);
}

function decoded(source: AsyncIterable<Buffer>, decoder: Duplex): AsyncIterable<Buffer> {
  const readable = Readable.from(source);
  readable.on('error', (error) => decoder.destroy(error));
  return readable.pipe(decoder);
}
