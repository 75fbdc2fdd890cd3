import * as z from 'zod/mini';
import type { Digest } from '../identity/image-id.ts';
import { parseJson } from '../identity/json.ts';
import {
  BUNDLE_TYPE,
  FRAMES_MEDIA_TYPE,
  PACK_MODE_ANNOTATION,
  PACK_RECORD_ANNOTATION,
  SIDECAR_CONFIG_MEDIA_TYPE,
  SIDECAR_MEDIA_TYPE,
  TITLE_ANNOTATION,
} from '../identity/oci-names.ts';
import { type PackRecord, readableRecord } from '../identity/pack-record.ts';
import { FRAMES_SUFFIX } from '../identity/published-name.ts';
import {
  digestOf,
  IMAGE_TYPE,
  INDEX_TYPE,
  type OciDescriptor,
  type OciImage,
  type OciIndex,
  prettyJson,
} from './oci-manifest.ts';

/** https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor */
const EMPTY_CONFIG = Buffer.from('{}');
const EMPTY_CONFIG_TYPE = 'application/vnd.oci.empty.v1+json';
/** Which cosign looks at before it reads a bundle. */
const BUNDLE_CONTENT_ANNOTATION = 'dev.sigstore.bundle.content';
const PREDICATE_TYPE_ANNOTATION = 'dev.sigstore.bundle.predicateType';

/** A manifest, and the blobs that it names and that are not files of their own. */
export interface Published {
  /** As an index lists it. */
  readonly descriptor: OciDescriptor & { readonly digest: Digest };
  readonly manifest: Buffer;
  readonly blobs: readonly Buffer[];
}

export interface SidecarToPublish {
  readonly record: PackRecord;
  /** What the sidecar says of itself. */
  readonly config: unknown;
  readonly mode: string;
  /** The name of the sidecar's file for `oras pull`. */
  readonly fileName: string;
  /** NAME:TAG */
  readonly title: string;
  /** The frame index. */
  readonly frames?: Buffer | undefined;
}

/** In the layout of `smolvm pack push`: the sidecar is the first layer, its own manifest the config. */
export function sidecarManifest(sidecar: SidecarToPublish): Published {
  const { record, config, mode, fileName, title, frames } = sidecar;
  const configBytes = prettyJson(config);
  const { sha256, sizeBytes } = record.sidecar;
  const titled = (name: string) => ({ annotations: { [TITLE_ANNOTATION]: name } });
  const [os = '', architecture = ''] = record.platform.split('/');
  const manifest = prettyJson({
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    artifactType: SIDECAR_MEDIA_TYPE,
    config: descriptorOf(SIDECAR_CONFIG_MEDIA_TYPE, configBytes),
    layers: [
      {
        mediaType: SIDECAR_MEDIA_TYPE,
        digest: `sha256:${sha256}`,
        size: sizeBytes,
        ...titled(fileName),
      },
      ...(frames === undefined
        ? []
        : [{ ...descriptorOf(FRAMES_MEDIA_TYPE, frames), ...titled(fileName + FRAMES_SUFFIX) }]),
    ],
    annotations: {
      [TITLE_ANNOTATION]: title,
      [PACK_MODE_ANNOTATION]: mode,
      [PACK_RECORD_ANNOTATION]: JSON.stringify(record),
    },
  });
  const descriptor = { ...descriptorOf(IMAGE_TYPE, manifest), platform: { os, architecture } };
  return { descriptor, manifest, blobs: [configBytes, ...(frames === undefined ? [] : [frames])] };
}

/** The record in a published manifest; undefined where it has no readable one. */
export function recordOf({ annotations }: OciIndex | OciImage): PackRecord | undefined {
  const text = (annotations as Record<string, string> | undefined)?.[PACK_RECORD_ANNOTATION];
  return readableRecord(text ?? '');
}

/** As cosign and gh attach it: an artifact of its own whose subject is the sidecar's manifest. */
export function bundleManifest(subject: OciDescriptor, bundle: Buffer): Published {
  const predicateType = predicateTypeOf(bundle);
  const annotations = {
    [BUNDLE_CONTENT_ANNOTATION]: 'dsse-envelope',
    ...(predicateType !== undefined && { [PREDICATE_TYPE_ANNOTATION]: predicateType }),
  };
  return referrer(subject, BUNDLE_TYPE, { bytes: bundle, annotations });
}

/**
 * The smallest manifests of the types that publishing uses, always with the same bytes: a sidecar's, a signature's and an
 * index. Whether a registry takes them shows only when they are put.
 */
export function typeProbes(): readonly Published[] {
  const manifest = prettyJson({
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    artifactType: SIDECAR_MEDIA_TYPE,
    config: descriptorOf(SIDECAR_CONFIG_MEDIA_TYPE, EMPTY_CONFIG),
    layers: [descriptorOf(SIDECAR_MEDIA_TYPE, EMPTY_CONFIG), descriptorOf(FRAMES_MEDIA_TYPE, EMPTY_CONFIG)],
    annotations: { [TITLE_ANNOTATION]: 'claude-bottle-pack: no sidecar, only a probe of the types' },
  });
  const descriptor = descriptorOf(IMAGE_TYPE, manifest);
  const sidecar = { descriptor, manifest, blobs: [EMPTY_CONFIG] };
  return [sidecar, bundleManifest(descriptor, EMPTY_CONFIG), indexOf([descriptor])];
}

/** Content of `type` that belongs to `subject`. */
function referrer(
  { mediaType, digest, size }: OciDescriptor,
  type: string,
  content: {
    readonly bytes: Buffer;
    readonly annotations?: Readonly<Record<string, string>>;
  },
): Published {
  const { bytes, annotations } = content;
  const manifest = prettyJson({
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    artifactType: type,
    config: descriptorOf(EMPTY_CONFIG_TYPE, EMPTY_CONFIG),
    layers: [descriptorOf(type, bytes)],
    subject: { mediaType, digest, size },
    annotations,
  });
  const descriptor = {
    ...descriptorOf(IMAGE_TYPE, manifest),
    artifactType: type,
    ...(annotations && { annotations }),
  };
  return { descriptor, manifest, blobs: [EMPTY_CONFIG, bytes] };
}

export function indexOf(manifests: readonly OciDescriptor[]): Published {
  const manifest = prettyJson({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
  return { descriptor: descriptorOf(INDEX_TYPE, manifest), manifest, blobs: [] };
}

function descriptorOf(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

const bundleSchema = z.object({ dsseEnvelope: z.object({ payload: z.string() }) });
const statementSchema = z.object({ predicateType: z.string() });

/** Undefined when the bundle is unlike those that this project makes; fetching judges it. */
function predicateTypeOf(bundle: Buffer): string | undefined {
  try {
    const { dsseEnvelope } = bundleSchema.parse(parseJson(bundle.toString('utf8')));
    const statement = parseJson(Buffer.from(dsseEnvelope.payload, 'base64').toString('utf8'));
    return statementSchema.parse(statement).predicateType;
  } catch {
    return undefined;
  }
}
