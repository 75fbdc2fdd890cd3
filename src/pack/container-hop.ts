import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { loadImage, pushImage, removeImage, tagImage } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { type Digest, id16, isDigest } from '../identity/image-id.ts';
import { END_OF_ARCHIVE, paddingAfter, tarHeader } from '../tar/write.ts';
import { type FlatImage, MANIFEST_MEDIA_TYPE } from './flatten.ts';
import { withRegistryContainer } from './registry-container.ts';

const DOCKER_MANIFEST_MEDIA_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
const TAGS_FILE = 'docker-tags';
const MANIFEST_TIMEOUT_MS = 30_000;

export interface ContainerHopOptions {
  readonly registryImage: string;
  /** Where the tags are noted before they are made. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
  readonly onWarning: (message: string) => void;
}

/** What the registry serves: compressing a layer for the push has changed its digest. */
export interface Served {
  /** `localhost:<port>/claude-bottle@sha256:…` */
  readonly reference: string;
  readonly layerDigest: Digest;
}

/** The hop as claude-bottle has it: the image is pushed to a registry container that lives while `use` runs. */
export async function withContainerHop<T>(
  image: FlatImage,
  options: ContainerHopOptions,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const { scratch, signal, onLine } = options;
  // Loaded under a name of its own first, so that the registry, open to every local user, lives no longer than
  // the push and the pull.
  const loaded = `cbp-flat:${randomBytes(8).toString('hex')}`;
  try {
    await noteTag(scratch, loaded);
    await loadImage(imageArchive(image, loaded), { signal, onLine });
    return await withRegistryContainer({ ...options, image: options.registryImage }, async (port) => {
      const repository = `localhost:${port}/claude-bottle`;
      const tag = `${repository}:${id16(image.configDigest)}`;
      await noteTag(scratch, tag);
      await tagImage(loaded, tag);
      const digest = await pushImage(tag, { signal, onLine });
      const layerDigest = await pushedLayer(port, digest, image, signal);
      return await use({ reference: `${repository}@${digest}`, layerDigest });
    });
  } finally {
    await removeNotedTags(scratch, options.onWarning);
  }
}

/** The format of `docker save`, which every engine loads: manifest.json names the config and the layers. */
async function* imageArchive({ layer, config }: FlatImage, tag: string): AsyncGenerator<Buffer> {
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: [tag], Layers: ['layer.tar'] }]);
  yield smallEntry('manifest.json', Buffer.from(manifest));
  yield smallEntry('config.json', config);
  yield tarHeader('layer.tar', layer.sizeBytes);
  yield* createReadStream(layer.path) as AsyncIterable<Buffer>;
  yield paddingAfter(layer.sizeBytes);
  yield END_OF_ARCHIVE;
}

function smallEntry(path: string, bytes: Buffer): Buffer {
  return Buffer.concat([tarHeader(path, bytes.length), bytes, paddingAfter(bytes.length)]);
}

const pushedManifest = z.object({
  config: z.object({ digest: z.string() }),
  layers: z.array(z.object({ digest: z.string().check(z.refine(isDigest)) })).check(z.length(1)),
});

/** Reads the manifest back by its digest: any local user could have pushed to that registry. */
async function pushedLayer(
  port: number,
  digest: Digest,
  image: FlatImage,
  signal: AbortSignal,
): Promise<Digest> {
  const body = await fetchManifest(`http://127.0.0.1:${port}/v2/claude-bottle/manifests/${digest}`, signal);
  const actual = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const manifest = actual === digest ? pushedManifest.safeParse(JSON.parse(body.toString())).data : undefined;
  const layer = manifest?.layers[0];
  if (layer === undefined || manifest?.config.digest !== image.configDigest) {
    throw new BottleError(
      'registry-failed',
      `the registry serves another image than was pushed: expected the config ${image.configDigest}, got ${manifest?.config.digest ?? `a manifest with the digest ${actual}`}`,
      { hint: 'use hop embedded; something else writes to this registry' },
    );
  }
  return layer.digest as Digest;
}

async function fetchManifest(url: string, signal: AbortSignal): Promise<Buffer> {
  try {
    const response = await fetch(url, {
      headers: { accept: `${MANIFEST_MEDIA_TYPE}, ${DOCKER_MANIFEST_MEDIA_TYPE}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(MANIFEST_TIMEOUT_MS)]),
    });
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    signal.throwIfAborted();
    throw new BottleError('registry-failed', `the registry stopped answering: ${url}`, {
      hint: 'try again, or use hop embedded, which needs no container',
      cause: error,
    });
  }
}

async function noteTag(scratch: string, tag: string): Promise<void> {
  await fs.appendFile(join(scratch, TAGS_FILE), `${tag}\n`);
}

/** Removes the image tags that a hop in `scratch` has made, also one that was killed. */
export async function removeNotedTags(scratch: string, onWarning: (message: string) => void): Promise<void> {
  const path = join(scratch, TAGS_FILE);
  const noted = await fs.readFile(path, 'utf8').catch(() => '');
  for (const tag of noted.split('\n').filter((line) => line !== '')) {
    const failure = await removeImage(tag);
    if (failure !== undefined) {
      onWarning(failure);
    }
  }
  await fs.rm(path, { force: true });
}
