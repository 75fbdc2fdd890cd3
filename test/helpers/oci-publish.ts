import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { readSidecar, verifySidecar } from '../../src/sidecar/verify.ts';
import { PUBLISHER } from './docker-registry.ts';
import { SAMPLE_CONFIG_DIGEST, writeSample } from './sample-sidecar.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const SIDECAR_TYPE = 'application/vnd.smolmachines.smolmachine.v1';
const CONFIG_TYPE = 'application/vnd.smolmachines.machine.config.v1+json';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

export interface SampleSidecar {
  readonly path: string;
  readonly record: PackRecord;
}

/** A small sidecar for a platform, unlike those for others, and its pack record. */
export async function sampleSidecar(platform: GuestPlatform, inputsKey: string): Promise<SampleSidecar> {
  const path = join(await tempDir(), 'agent.smolmachine');
  const { layerDigest } = await writeSample(path, ({ manifest }) => ({
    manifest: { ...manifest, platform },
  }));
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const record: PackRecord = {
    version: 1,
    platform,
    image: { id: `sha256:${'1'.repeat(64)}`, layers: [], runtimeConfigSha256: '0'.repeat(64) },
    flattened: { configDigest: SAMPLE_CONFIG_DIGEST, layerDigest, layerSizeBytes: 1 },
    sidecar: { sha256, sizeBytes, crc32 },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: '2026-11-23T00:00:00.000Z',
    inputs: {
      key: inputsKey,
      dockerfileSha256: '2'.repeat(64),
      buildArgsSha256: '3'.repeat(64),
      entriesSha256: '4'.repeat(64),
      narrowed: true,
    },
  };
  return { path, record };
}

export interface ToPublish {
  readonly path: string;
  readonly platform: GuestPlatform;
  /** The annotation's text; undefined leaves it out. */
  readonly record: string | undefined;
}

export interface Published {
  readonly indexDigest: string;
  readonly imageDigests: readonly string[];
}

/**
 * Publishes sidecars in the layout of `smolvm pack push`, with what this project adds: an index under each of the
 * tags, and under the first of them also `<tag>-linux-<arch>` for each platform. The index begins with an attestation
 * like buildx's. It shares no code with src/remote, and skopeo does the pushing.
 */
export async function publishSidecars(
  repository: string,
  tags: readonly [string, ...string[]],
  sidecars: readonly ToPublish[],
): Promise<Published> {
  const layout = join(await tempDir(), 'layout');
  await fs.mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  const images: Descriptor[] = [];
  for (const sidecar of sidecars) {
    images.push(await addImage(layout, sidecar, `${repository}:${tags[0]}`));
  }
  const manifests = [await addAttestation(layout), ...images];
  const index = await addBlob(layout, INDEX_TYPE, { schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
  const references = [
    ...tags.map((tag) => ({ tag, descriptor: index })),
    ...sidecars.map(({ platform }, position) => ({
      tag: `${tags[0]}-${platform.replace('/', '-')}`,
      descriptor: images[position],
    })),
  ];
  await fs.writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await fs.writeFile(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: references.map(({ tag, descriptor }) => ({
        ...descriptor,
        annotations: { 'org.opencontainers.image.ref.name': tag },
      })),
    }),
  );
  for (const { tag } of references) {
    await run('skopeo', [
      ...['copy', '--all', '--preserve-digests', '--dest-tls-verify=false'],
      ...['--dest-creds', `${PUBLISHER.username}:${PUBLISHER.password}`],
      ...[`oci:${layout}:${tag}`, `docker://${repository}:${tag}`],
    ]);
  }
  return { indexDigest: index.digest, imageDigests: images.map(({ digest }) => digest) };
}

async function addImage(
  layout: string,
  { path, platform, record }: ToPublish,
  title: string,
): Promise<Descriptor> {
  const { manifest } = await readSidecar(path);
  const [os, architecture] = platform.split('/');
  const image = {
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    artifactType: SIDECAR_TYPE,
    config: await addBlob(layout, CONFIG_TYPE, manifest),
    layers: [
      {
        ...(await addBlob(layout, SIDECAR_TYPE, await fs.readFile(path))),
        annotations: { 'org.opencontainers.image.title': basename(path) },
      },
    ],
    annotations: {
      'org.opencontainers.image.title': title,
      'com.smolmachines.pack.mode': 'container',
      ...(record !== undefined && { 'dev.claude-bottle.pack-record': record }),
    },
  };
  return { ...(await addBlob(layout, IMAGE_TYPE, image)), platform: { os, architecture } };
}

async function addAttestation(layout: string): Promise<Descriptor> {
  const image = {
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    config: await addBlob(layout, 'application/vnd.oci.image.config.v1+json', {
      architecture: 'unknown',
      os: 'unknown',
      config: {},
      rootfs: { type: 'layers', diff_ids: [] },
    }),
    layers: [
      await addBlob(layout, 'application/vnd.in-toto+json', { _type: 'https://in-toto.io/Statement/v1' }),
    ],
  };
  return {
    ...(await addBlob(layout, IMAGE_TYPE, image)),
    platform: { architecture: 'unknown', os: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  };
}

async function addBlob(layout: string, mediaType: string, content: unknown): Promise<Descriptor> {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content, undefined, 2));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await fs.writeFile(join(layout, 'blobs/sha256', hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
