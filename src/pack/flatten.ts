import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, createContainer, exportContainer, removeContainer } from '../docker/container.ts';
import { type Image, runtimeConfig } from '../docker/image.ts';
import { fileError } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { thisOwner } from '../host/owner.ts';
import type { Digest } from '../identity/image-id.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { readTar, type TarEntry } from '../tar/read.ts';
import { END_OF_ARCHIVE } from '../tar/write.ts';

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
export const MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_MEDIA_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/** The guest tars the layer once more with busybox, which knows neither extended attributes nor larger numbers. */
const CAPABILITY_KEY = 'SCHILY.xattr.security.capability';
const MAX_OWNER_ID = 0o7777777;
const MAX_LOSSY_PATHS = 5;

const SPOOL_CHUNK_BYTES = 1024 * 1024;

/** An image of one uncompressed layer, with the exact bytes of its config and manifest. */
export interface FlatImage {
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  readonly config: Buffer;
  readonly configDigest: Digest;
  readonly layer: { readonly path: string; readonly digest: Digest; readonly sizeBytes: number };
}

export interface Flattened {
  readonly flat: FlatImage;
  /** Some paths of what smolvm does not keep: file capabilities, and owners beyond an old tar's seven octal digits. */
  readonly lossyPaths: readonly string[];
}

export interface FlattenOptions {
  readonly image: Image;
  readonly platform: GuestPlatform;
  /** Where the layer is written. */
  readonly layerPath: string;
  readonly signal: AbortSignal;
  /** The total is about what it will be. */
  readonly onBytes: (doneBytes: number, totalBytes: number) => void;
  readonly onWarning: (message: string) => void;
}

/**
 * Turns an image into one with a single layer, the file system that a container of it starts with. Entries pass
 * through byte for byte in constant memory; only what the engine adds to every container is left out.
 */
export async function flattenImage(options: FlattenOptions): Promise<Flattened> {
  const { image, platform, layerPath, signal } = options;
  const name = `cbp-flatten-${randomBytes(8).toString('hex')}`;
  try {
    await secondAfter(image);
    const container = await createContainer(image.id, { name, owner: thisOwner(), platform });
    await requireFreeBytes(dirname(layerPath), container.sizeBytes, 'the flattened image');
    const spool = await LayerSpool.create(layerPath, (doneBytes) =>
      options.onBytes(doneBytes, container.sizeBytes),
    );
    try {
      const isStub = stubTest(container, image);
      let lossyPaths: string[] = [];
      await exportContainer(
        name,
        async (tar) => {
          lossyPaths = await copyEntries(tar, isStub, spool);
        },
        { signal },
      );
      const layer = { path: layerPath, ...(await spool.finish()) };
      return { flat: describeImage(image, layer), lossyPaths };
    } finally {
      await spool.close();
    }
  } finally {
    const failure = await removeContainer(name);
    if (failure !== undefined) {
      options.onWarning(failure);
    }
  }
}

/** Returns some paths of what smolvm does not keep. */
async function copyEntries(
  tar: Readable,
  isStub: (entry: TarEntry) => boolean,
  spool: LayerSpool,
): Promise<string[]> {
  const lossyPaths: string[] = [];
  let isDropped = false;
  for await (const part of readTar(tar)) {
    if (part.kind === 'header') {
      isDropped = isStub(part.entry);
      if (isLossy(part.entry) && lossyPaths.length < MAX_LOSSY_PATHS) {
        lossyPaths.push(part.entry.path);
      }
    }
    if (!isDropped) {
      await spool.write(part.kind === 'header' ? part.raw : part.chunk);
    }
  }
  await spool.write(END_OF_ARCHIVE);
  return lossyPaths;
}

function isLossy({ pax, uid, gid }: TarEntry): boolean {
  return pax.has(CAPABILITY_KEY) || uid > MAX_OWNER_ID || gid > MAX_OWNER_ID;
}

/** Times in a tar are whole seconds: what the container gets must not be as old as what the image has. */
async function secondAfter(image: Image): Promise<void> {
  const waitMs = (imageSeconds(image) + 1) * 1000 - Date.now();
  if (waitMs > 0 && waitMs <= 1000) {
    await sleep(waitMs);
  }
}

function imageSeconds(image: Image): number {
  return Math.floor(Date.parse(image.created ?? '') / 1000) || 0;
}

/**
 * `docker create` puts mount points into every container (moby, daemon/initlayer): it replaces these files, so
 * that neither `docker run` nor `docker export` shows what the image has there, and makes these directories where
 * the image has none. A directory of the image's own is told by its age.
 */
const STUB_FILES = ['.dockerenv', 'dev/console', 'etc/hostname', 'etc/hosts', 'etc/resolv.conf'];
const STUB_LINK = { path: 'etc/mtab', linkPath: '/proc/mounts' };
const STUB_DIRECTORIES = ['dev/pts', 'dev/shm', 'proc', 'sys'];

function stubTest(container: Container, image: Image): (entry: TarEntry) => boolean {
  const isNew = ({ mtimeSeconds }: TarEntry) =>
    mtimeSeconds >= container.createdSeconds && mtimeSeconds > imageSeconds(image);
  return (entry) => {
    switch (entry.type) {
      case 'file':
        return STUB_FILES.includes(entry.path) && entry.sizeBytes === 0;
      case 'symlink':
        return entry.path === STUB_LINK.path && entry.linkPath === STUB_LINK.linkPath;
      case 'directory':
        return STUB_DIRECTORIES.includes(entry.path) && isNew(entry);
      default:
        return false;
    }
  };
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md */
function describeImage(image: Image, layer: FlatImage['layer']): FlatImage {
  const config = Buffer.from(
    JSON.stringify({
      created: image.created,
      author: image.author,
      architecture: image.architecture,
      variant: image.variant,
      os: image.os,
      config: runtimeConfig(image),
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
      history: [
        { created: image.created, created_by: 'claude-bottle pack', comment: `flattened ${image.id}` },
      ],
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_MEDIA_TYPE,
      config: { mediaType: CONFIG_MEDIA_TYPE, digest: sha256(config), size: config.length },
      layers: [{ mediaType: LAYER_MEDIA_TYPE, digest: layer.digest, size: layer.sizeBytes }],
    }),
  );
  return { manifest, manifestDigest: sha256(manifest), config, configDigest: sha256(config), layer };
}

function sha256(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function writeError(path: string, error: unknown): Error {
  return fileError(`cannot write the image's layer to ${path}`, error);
}

/** Gathers small writes into big ones and hashes on the way. */
class LayerSpool {
  readonly #file: fs.FileHandle;
  readonly #path: string;
  readonly #onBytes: (doneBytes: number) => void;
  readonly #hash = createHash('sha256');
  readonly #chunk = Buffer.allocUnsafe(SPOOL_CHUNK_BYTES);
  #filled = 0;
  #sizeBytes = 0;

  private constructor(file: fs.FileHandle, path: string, onBytes: (doneBytes: number) => void) {
    this.#file = file;
    this.#path = path;
    this.#onBytes = onBytes;
  }

  static async create(path: string, onBytes: (doneBytes: number) => void): Promise<LayerSpool> {
    try {
      return new LayerSpool(await fs.open(path, 'wx', 0o600), path, onBytes);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  async write(bytes: Buffer): Promise<void> {
    let offset = 0;
    while (offset < bytes.length) {
      const copied = bytes.copy(this.#chunk, this.#filled, offset);
      this.#filled += copied;
      offset += copied;
      if (this.#filled === this.#chunk.length) {
        await this.#flush();
      }
    }
  }

  async finish(): Promise<{ digest: Digest; sizeBytes: number }> {
    await this.#flush();
    return { digest: `sha256:${this.#hash.digest('hex')}`, sizeBytes: this.#sizeBytes };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = this.#chunk.subarray(0, this.#filled);
    this.#hash.update(bytes);
    try {
      await this.#file.writeFile(bytes);
    } catch (error) {
      throw writeError(this.#path, error);
    }
    this.#sizeBytes += bytes.length;
    this.#filled = 0;
    this.#onBytes(this.#sizeBytes);
  }
}
