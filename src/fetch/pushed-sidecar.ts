import { BottleError } from '../errors.ts';
import { isDigest } from '../identity/image-id.ts';
import { PACK_RECORD_VERSION, type PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { counted, shellWord } from '../identity/shown-text.ts';
import { bodyError } from '../remote/http-error.ts';
import type { OciRepository } from '../remote/oci.ts';
import { decodeFooter, FOOTER_BYTES, MAX_MANIFEST_BYTES } from '../sidecar/footer.ts';
import { parseManifest, type SidecarManifest } from '../sidecar/manifest.ts';
import { damagedRecord } from './record.ts';
import type { SidecarImage } from './sidecar-image.ts';

/** No hash at all: nothing is known of the image that it was packed from but the digest of its config. */
const UNKNOWN_SHA256 = '0'.repeat(64);

/**
 * The record of a sidecar that someone has pushed with `smolvm pack push`, made of what the sidecar says of itself. That
 * it does say so is verified when it has been downloaded.
 * @throws BottleError `sidecar-damaged`, or `not-found` when it is for another platform
 */
export async function describePushed(
  repository: OciRepository,
  { layer, configDigest: config }: SidecarImage,
  platform: GuestPlatform,
  address: string,
): Promise<PackRecord> {
  const bytes = await repository.readBlob(config, MAX_MANIFEST_BYTES);
  const manifest = readManifest(bytes, address);
  const {
    digest: configDigest,
    assets,
    created = '',
    smolvm_version: version = '0.0.0',
    cpus,
    mem,
  } = manifest;
  const [packedLayer] = assets.layers;
  if (!isDigest(configDigest) || packedLayer === undefined) {
    throw damagedRecord(`${address} does not say from which image it was packed`);
  }
  if (manifest.platform !== platform) {
    throw new BottleError('not-found', `${address} is for ${manifest.platform}, not ${platform}`, {
      hint: `claude-bottle fetch --platform ${shellWord(manifest.platform)}`,
    });
  }
  const { crc32 } = decodeFooter(await readEnd(repository, layer, address), layer.sizeBytes);
  const createdMs = Date.parse(created);
  return {
    version: PACK_RECORD_VERSION,
    platform,
    image: { id: configDigest, configDigest, layers: [], runtimeConfigSha256: UNKNOWN_SHA256 },
    flattened: {
      configDigest,
      layerDigest: packedLayer.digest,
      layerSizeBytes: packedLayer.size,
    },
    sidecar: {
      sha256: layer.digest.replace('sha256:', ''),
      sizeBytes: layer.sizeBytes,
      crc32: crc32.toString(16).padStart(8, '0'),
    },
    smolvm: { version, cpus, memMib: mem },
    packer: 'smolvm',
    packedAt: new Date(Number.isNaN(createdMs) ? 0 : createdMs).toISOString(),
  };
}

function readManifest(bytes: Buffer, address: string): SidecarManifest {
  try {
    return parseManifest(bytes);
  } catch (error) {
    const reason = error instanceof BottleError ? error.message : String(error);
    throw damagedRecord(
      `${address} has no pack record, and does not describe itself: ${reason}`,
      undefined,
      error,
    );
  }
}

/** The footer. A registry that knows no ranges sends everything before it too. */
async function readEnd(
  repository: OciRepository,
  { digest, sizeBytes }: SidecarImage['layer'],
  address: string,
): Promise<Buffer> {
  const start = Math.max(0, sizeBytes - FOOTER_BYTES);
  const { status, body, url } = await repository.openBlob(digest, {
    start,
    end: sizeBytes,
    etag: undefined,
  });
  let leftBytes = status === 206 ? sizeBytes - start : sizeBytes;
  let end = Buffer.alloc(0);
  try {
    for await (const chunk of body) {
      leftBytes -= chunk.length;
      if (leftBytes < 0) {
        throw damagedRecord(`${address} has more bytes than its manifest says`);
      }
      end = Buffer.concat([end, chunk]).subarray(-FOOTER_BYTES);
    }
  } catch (error) {
    throw bodyError(error, url);
  }
  if (end.length < FOOTER_BYTES) {
    throw damagedRecord(`${address} ends after ${counted(end.length, 'byte')}, and is not a sidecar`);
  }
  return end;
}
