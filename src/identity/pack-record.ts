import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import * as z from 'zod/mini';
import { isDigest } from './image-id.ts';
import { parseJson } from './json.ts';
import { GUEST_PLATFORMS } from './platform.ts';
import { shownText } from './shown-schema.ts';

export const PACK_RECORD_VERSION = 1;

/** What can write a sidecar. */
export const PACKERS = ['smolvm', 'direct'] as const;
export type Packer = (typeof PACKERS)[number];

const digest = z.string().check(z.refine(isDigest));
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const sizeBytes = z.int().check(z.nonnegative());

/**
 * The pack record: what is known of one sidecar and of the image that it was packed from. Fields that a later version adds are
 * kept, because the record as a whole is what is signed.
 */
const fieldsSchema = z.looseObject({
  version: z.literal(PACK_RECORD_VERSION),
  platform: z.enum(GUEST_PLATFORMS),
  image: z.looseObject({
    id: digest,
    /** Absent where the engine does not tell: the containerd image store. */
    configDigest: z.optional(digest),
    /** Absent where the image has none: the classic image store. */
    manifestDigest: z.optional(digest),
    layers: z.array(digest),
    /** `runtimeConfigSha256` of the image's environment, command, user and so on. */
    runtimeConfigSha256: sha256,
  }),
  /** The one-layer image that smolvm pulled; a sidecar's manifest names its config. */
  flattened: z.looseObject({ configDigest: digest, layerDigest: digest, layerSizeBytes: sizeBytes }),
  sidecar: z.looseObject({ sha256, sizeBytes, crc32: z.string().check(z.regex(/^[0-9a-f]{8}$/)) }),
  smolvm: z.looseObject({
    version: shownText,
    cpus: z.optional(z.int()),
    memMib: z.optional(z.int()),
  }),
  /** What wrote the sidecar; `smolvm` where it is absent. */
  packer: z.optional(z.enum(PACKERS)),
  /** How packer smolvm got the image. */
  hop: z.optional(z.enum(['embedded', 'container'])),
  /** The canonical form of the sidecar (docs/sidecar-format.md). */
  format: z.optional(
    z.looseObject({
      version: z.int(),
      /** The version of the zstd library: another one may compress the same content to other bytes. */
      zstd: shownText,
      /** SOURCE_DATE_EPOCH: no time in the layer is later. */
      latestSeconds: z.optional(sizeBytes),
      /** The smolvm whose agent and disk template are in a sidecar of packer direct. */
      parts: z.optional(shownText),
    }),
  ),
  /** The frame index, by which only what has changed is fetched. */
  frames: z.optional(z.looseObject({ sha256, sizeBytes })),
  packedAt: z.iso.datetime(),
  /** What went into `docker build`; absent where an image was packed as it was found. */
  inputs: z.optional(
    z.looseObject({
      key: sha256,
      dockerfileSha256: sha256,
      target: z.optional(shownText),
      buildArgsSha256: sha256,
      entriesSha256: sha256,
      /** Whether the key covers only what the Dockerfile can see, or the whole context. */
      narrowed: z.boolean(),
    }),
  ),
  /** The workflow run that published it. */
  source: z.optional(
    z.looseObject({
      /** Absent in records of version 0.1. */
      server: z.optional(shownText),
      repository: shownText,
      repositoryId: z.optional(shownText),
      commit: z.string().check(z.regex(/^[0-9a-f]{40,64}$/)),
      ref: shownText,
      event: shownText,
      runId: z.string().check(z.regex(/^\d{1,20}$/)),
      runAttempt: z.int(),
    }),
  ),
});

export const packRecordSchema = fieldsSchema.check(z.refine(hasCanonicalForm));

/** Without what is not declared here. */
type Declared<T> = T extends string | number | boolean | readonly unknown[] | undefined
  ? T
  : { [Key in keyof T as string extends Key ? never : Key]: Declared<T[Key]> };

export type PackRecord = Declared<z.infer<typeof packRecordSchema>>;

/** Whether it can be signed: half a character, and a number too large for any computer, have no form in RFC 8785. */
function hasCanonicalForm(record: unknown): boolean {
  try {
    canonicalize(record);
    return true;
  } catch {
    return false;
  }
}

/** For where one that cannot be read counts as none; `fetch` says what is wrong with it (`parseRecord`). */
export function readableRecord(json: string): PackRecord | undefined {
  try {
    return packRecordSchema.safeParse(parseJson(json)).data;
  } catch {
    return undefined;
  }
}

/** `owner/name`, case-insensitive as GitHub's names are. */
export function isSameRepository(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Equal for equal runtime configs, whatever the order of their keys (RFC 8785). */
export function runtimeConfigSha256(config: unknown): string {
  return createHash('sha256')
    .update(canonicalize(config) ?? '')
    .digest('hex');
}
