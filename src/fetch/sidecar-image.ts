import { type Digest, isDigest } from '../identity/image-id.ts';
import { PACK_RECORD_ANNOTATION, SIDECAR_MEDIA_TYPE } from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { counted } from '../identity/shown-text.ts';
import type { OciImage } from '../remote/oci-manifest.ts';
import { MAX_RECORD_BYTES } from '../sidecar/file.ts';
import { damagedRecord, parseRecord } from './record.ts';
import type { Skipped } from './source.ts';

/** What an image's manifest says of the sidecar in it. */
export interface SidecarImage {
  readonly layer: { readonly digest: Digest; readonly sizeBytes: number };
  /** The digest of the sidecar's own manifest, where smolvm has pushed it. */
  readonly configDigest: Digest;
  /** Undefined for a sidecar that was pushed without one. */
  readonly record: PackRecord | undefined;
}

/** @throws BottleError `sidecar-damaged` for an invalid record, and for the record of another sidecar */
export function readSidecarImage(image: OciImage, address: string): SidecarImage | Skipped {
  const layer = sidecarLayer(image);
  const { digest: configDigest } = image.config;
  if (layer === undefined || !isDigest(configDigest)) {
    return { skipped: `${address} holds no sidecar` };
  }
  const text = image.annotations?.[PACK_RECORD_ANNOTATION];
  if (text === undefined) {
    return { layer, configDigest, record: undefined };
  }
  const record = readRecord(text, address);
  const { sha256, sizeBytes } = record.sidecar;
  if (layer.digest !== `sha256:${sha256}` || layer.sizeBytes !== sizeBytes) {
    const found = `${layer.digest} of ${counted(layer.sizeBytes, 'byte')}`;
    throw damagedRecord(`${address} is ${found}, and its pack record says sha256:${sha256} of ${sizeBytes}`);
  }
  return { layer, configDigest, record };
}

/** Before 1.6.4 smolvm wrote no artifact type. */
function sidecarLayer({
  artifactType = SIDECAR_MEDIA_TYPE,
  layers,
}: OciImage): SidecarImage['layer'] | undefined {
  const layer = layers.find(({ mediaType }) => mediaType === SIDECAR_MEDIA_TYPE);
  return layer !== undefined && artifactType === SIDECAR_MEDIA_TYPE && isDigest(layer.digest)
    ? { digest: layer.digest, sizeBytes: layer.size }
    : undefined;
}

function readRecord(text: string, address: string): PackRecord {
  const where = `the annotation ${PACK_RECORD_ANNOTATION} of ${address}`;
  if (Buffer.byteLength(text) > MAX_RECORD_BYTES) {
    throw damagedRecord(`${where} has more than ${MAX_RECORD_BYTES} bytes`);
  }
  return parseRecord(text, where);
}
