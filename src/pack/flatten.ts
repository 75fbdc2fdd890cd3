import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContainer, exportContainer, removeContainer } from '../docker/container.ts';
import { type Image, runtimeConfig } from '../docker/image.ts';
import { fileError } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { thisOwner } from '../host/owner.ts';
import type { Digest } from '../identity/image-id.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { TarPart } from '../tar/read.ts';
import { END_OF_ARCHIVE } from '../tar/write.ts';
import { LayerFilter, type LayerFindings } from './layer.ts';
import { EngineTraces, HIDDEN_FILES, imageSeconds, type OwnPaths, readOwnPaths } from './own-paths.ts';

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
export const MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_MEDIA_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar';

const SPOOL_CHUNK_BYTES = 1024 * 1024;

export interface FlatLayer {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface StoredLayer extends FlatLayer {
  readonly path: string;
}

/** An image of one uncompressed layer, with the exact bytes of its config and manifest. */
export interface FlatImage<Layer extends FlatLayer = StoredLayer> {
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  readonly config: Buffer;
  readonly configDigest: Digest;
  readonly layer: Layer;
}

export interface Flattened {
  readonly flat: FlatImage;
  readonly findings: LayerFindings;
  /** Files that every container hides; whether the image has its own is not known, and none is in the layer. */
  readonly leftOut: readonly string[];
}

export interface ExportOptions {
  readonly image: Image;
  readonly platform: GuestPlatform;
  /** In seconds since 1970 (SOURCE_DATE_EPOCH): the image is described as no later than that. */
  readonly latestSeconds?: number | undefined;
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
}

export interface FlattenOptions extends ExportOptions {
  /** Where the layer is written. */
  readonly layerPath: string;
  /** The total is about what it will be. */
  readonly onBytes: (doneBytes: number, totalBytes: number) => void;
}

/** Turns an image into one with a single layer, the file system that a container of it starts with. */
export async function flattenImage(options: FlattenOptions): Promise<Flattened> {
  const { layerPath: path, onBytes } = options;
  const { value, ...found } = await exportImage(options, async (parts, sizeBytes) => {
    await fs.rm(path, { force: true });
    await requireFreeBytes(dirname(path), sizeBytes, 'the flattened image');
    const spool = await LayerSpool.create(path, (doneBytes) => onBytes(doneBytes, sizeBytes));
    try {
      for await (const part of parts) {
        await spool.write(part.kind === 'header' ? part.raw : part.chunk);
      }
      await spool.write(END_OF_ARCHIVE);
      return await spool.finish();
    } finally {
      await spool.close();
    }
  });
  return { flat: describeImage(options, { path, ...value }), ...found };
}

export interface Exported<T> extends Omit<Flattened, 'flat'> {
  readonly value: T;
}

/**
 * Gives the file system that a container of an image starts with to `consume`, as parts of a tar.
 * @param consume is called once more where the engine hides what the image has; what it did before is void. It also
 *   gets about how many bytes there will be.
 */
export async function exportImage<T>(
  { image, platform, signal, onWarning }: ExportOptions,
  consume: (parts: AsyncIterable<TarPart>, sizeBytes: number) => Promise<T>,
): Promise<Exported<T>> {
  const name = `cbp-flatten-${randomBytes(8).toString('hex')}`;
  try {
    await secondAfter(image);
    const container = await createContainer(image.id, { name, owner: thisOwner(), platform });
    const traces = new EngineTraces(container, image);
    const pass = async (own?: OwnPaths) => {
      const filter = new LayerFilter(traces, imageSeconds(image), own);
      const values: T[] = [];
      await exportContainer(
        name,
        async (tar) => {
          values.push(await consume(filter.apply(tar), container.sizeBytes));
        },
        { signal },
      );
      return { value: values[0] as T, findings: filter.findings };
    };
    const first = await pass();
    if (traces.suspects.length === 0) {
      return { ...first, leftOut: HIDDEN_FILES };
    }
    // The engine may have put directories in the place of the image's links: only its layers tell.
    return { ...(await pass(await readOwnPaths(image, signal))), leftOut: [] };
  } finally {
    const failure = await removeContainer(name);
    if (failure !== undefined) {
      onWarning(failure);
    }
  }
}

/** Times in a tar are whole seconds: what the container gets must not be as old as what the image has. */
async function secondAfter(image: Image): Promise<void> {
  const waitMs = (imageSeconds(image) + 1) * 1000 - Date.now();
  if (waitMs > 0 && waitMs <= 1000) {
    await sleep(waitMs);
  }
}

/** When the image was made, in whole seconds, which every engine gives alike. */
export function createdTime({
  image,
  latestSeconds = Number.POSITIVE_INFINITY,
}: Pick<ExportOptions, 'image' | 'latestSeconds'>): string {
  return new Date(Math.min(imageSeconds(image), latestSeconds) * 1000).toISOString();
}

/**
 * Says nothing that differs between engines which have the same image.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function describeImage<Layer extends FlatLayer>(
  options: Pick<ExportOptions, 'image' | 'latestSeconds'>,
  layer: Layer,
): FlatImage<Layer> {
  const { image } = options;
  const created = createdTime(options);
  const config = Buffer.from(
    JSON.stringify({
      created,
      author: image.author,
      architecture: image.architecture,
      variant: image.variant,
      os: image.os,
      config: runtimeConfig(image),
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
      history: [{ created, created_by: 'claude-bottle pack', comment: 'flattened' }],
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
      return new LayerSpool(await fs.open(path, 'w', 0o600), path, onBytes);
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
