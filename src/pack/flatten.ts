import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, createContainer, exportContainer, removeContainer } from '../docker/container.ts';
import { type Image, runtimeConfig } from '../docker/image.ts';
import { fileError } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { thisOwner } from '../host/owner.ts';
import type { Digest } from '../identity/image-id.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { LayerFilter, type LayerFindings } from './layer.ts';
import { EngineTraces, HIDDEN_FILES, imageSeconds, readOwnPaths } from './own-paths.ts';

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
export const MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_MEDIA_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar';

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
  readonly findings: LayerFindings;
  /** Files that every container hides; whether the image has its own is not known, and none is in the layer. */
  readonly leftOut: readonly string[];
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

/** Turns an image into one with a single layer, the file system that a container of it starts with. */
export async function flattenImage(options: FlattenOptions): Promise<Flattened> {
  const { image, platform, layerPath } = options;
  const name = `cbp-flatten-${randomBytes(8).toString('hex')}`;
  try {
    await secondAfter(image);
    const container = await createContainer(image.id, { name, owner: thisOwner(), platform });
    await requireFreeBytes(dirname(layerPath), container.sizeBytes, 'the flattened image');
    const traces = new EngineTraces(container, image);
    const first = await exportLayer(name, container, new LayerFilter(traces, imageSeconds(image)), options);
    if (traces.suspects.length === 0) {
      return { ...described(image, layerPath, first), leftOut: HIDDEN_FILES };
    }
    // The engine may have put directories in the place of the image's links: only its layers tell.
    const own = await readOwnPaths(image, options.signal);
    const second = await exportLayer(
      name,
      container,
      new LayerFilter(traces, imageSeconds(image), own),
      options,
    );
    return { ...described(image, layerPath, second), leftOut: [] };
  } finally {
    const failure = await removeContainer(name);
    if (failure !== undefined) {
      options.onWarning(failure);
    }
  }
}

interface WrittenLayer {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly findings: LayerFindings;
}

async function exportLayer(
  name: string,
  container: Container,
  filter: LayerFilter,
  { layerPath, signal, onBytes }: FlattenOptions,
): Promise<WrittenLayer> {
  const spool = await LayerSpool.create(layerPath, (doneBytes) => onBytes(doneBytes, container.sizeBytes));
  try {
    await exportContainer(
      name,
      async (tar) => {
        for await (const bytes of filter.apply(tar)) {
          await spool.write(bytes);
        }
      },
      { signal },
    );
    return { ...(await spool.finish()), findings: filter.findings };
  } finally {
    await spool.close();
  }
}

function described(image: Image, path: string, { findings, digest, sizeBytes }: WrittenLayer) {
  return { flat: describeImage(image, { path, digest, sizeBytes }), findings };
}

/** Times in a tar are whole seconds: what the container gets must not be as old as what the image has. */
async function secondAfter(image: Image): Promise<void> {
  const waitMs = (imageSeconds(image) + 1) * 1000 - Date.now();
  if (waitMs > 0 && waitMs <= 1000) {
    await sleep(waitMs);
  }
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
