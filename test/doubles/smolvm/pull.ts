import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { run } from './command.ts';
import { craneClient, hasCrane } from './crane-client.ts';
import { describeError } from './failures.ts';
import { parseImageReference } from './image-reference.ts';
import { CLIENT, isSince } from './knobs.ts';
import { type Descriptor, ownClient, type RegistryClient } from './registry-client.ts';

const MANIFEST_ATTEMPTS = 3;
const FIRST_RETRY_DELAY_MS = 100;
/** Manifest and config are asked for again on these; layers never are (crates/smolvm-protocol/src/retry.rs). */
const TRANSIENT =
  /connection re(fused|set)|ECONNREFUSED|ECONNRESET|time(d ?out|out)|no such host|\b(429|502|503|504)\b/i;
const GZIP_MAGIC = '1f8b';
const ZSTD_MAGIC = '28b52ffd';

export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly config?: {
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Env?: readonly string[] | null;
    readonly WorkingDir?: string;
    readonly User?: string;
  };
}

export interface PulledLayer {
  readonly digest: string;
  /** The uncompressed layer. */
  readonly tarPath: string;
}

export interface PulledImage {
  readonly config: ImageConfig;
  readonly configDigest: string;
  readonly layers: readonly PulledLayer[];
  /** Of all layers as the registry has them. */
  readonly sizeBytes: number;
}

export interface PullOptions {
  readonly platform: string;
  readonly dir: string;
  readonly onLayer: (number: number, total: number) => void;
}

/** Pulls as the guest does: manifest, config, then each layer, strictly one after the other, nothing from Docker. */
export async function pullImage(
  given: string,
  { platform, dir, onLayer }: PullOptions,
): Promise<PulledImage> {
  const image = parseImageReference(given);
  const client = await chooseClient();
  const manifest = JSON.parse((await retried(() => client.manifest(image, platform))).toString()) as {
    schemaVersion: number;
    config: Descriptor;
    layers: Descriptor[];
  };
  if (manifest.schemaVersion !== 2) {
    throw new Error(`unsupported manifest schemaVersion ${manifest.schemaVersion}`);
  }
  const configBytes = await retried(() => client.config(image, platform));
  const layers: PulledLayer[] = [];
  for (const [index, { digest }] of manifest.layers.entries()) {
    onLayer(index + 1, manifest.layers.length);
    const tarPath = join(dir, `layer-${index}.tar`);
    const blobPath = `${tarPath}.blob`;
    await client.blob(image, digest, blobPath, platform);
    await unpackBlob(blobPath, tarPath);
    await fs.rm(blobPath, { force: true });
    layers.push({ digest, tarPath });
  }
  return {
    config: JSON.parse(configBytes.toString()) as ImageConfig,
    configDigest: `sha256:${createHash('sha256').update(configBytes).digest('hex')}`,
    layers,
    sizeBytes: manifest.layers.reduce((sum, { size }) => sum + size, 0),
  };
}

async function chooseClient(): Promise<RegistryClient> {
  const useCrane = CLIENT === undefined ? await hasCrane() : CLIENT === 'crane';
  return useCrane ? craneClient : ownClient;
}

async function retried<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      if (attempt === MANIFEST_ATTEMPTS || !TRANSIENT.test(String(error))) {
        throw error;
      }
      await setTimeout(FIRST_RETRY_DELAY_MS * 2 ** attempt);
    }
  }
}

/** The media type decides nothing: the first bytes tell gzip and zstd from a plain tar. */
async function unpackBlob(blobPath: string, tarPath: string): Promise<void> {
  const decoder = decoderFor(await firstBytes(blobPath));
  try {
    if (decoder === undefined) {
      await fs.rename(blobPath, tarPath);
    } else {
      await pipeline(createReadStream(blobPath), decoder, createWriteStream(tarPath));
    }
    await run('tar', ['-tf', tarPath]);
  } catch (error) {
    throw new Error(`crane blob failed: ${describeError(error)}`);
  }
}

function decoderFor(magic: string): Duplex | undefined {
  if (magic.startsWith(GZIP_MAGIC)) {
    return createGunzip();
  }
  if (magic !== ZSTD_MAGIC) {
    return undefined;
  }
  if (!isSince('1.5.0')) {
    throw new Error('crane blob failed: invalid tar header');
  }
  return createZstdDecompress();
}

async function firstBytes(path: string): Promise<string> {
  const file = await fs.open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('hex', 0, bytesRead);
  } finally {
    await file.close();
  }
}
