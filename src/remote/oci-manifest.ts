import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';
import { parseJson } from '../identity/json.ts';
import { redacted } from './url.ts';

/** https://github.com/opencontainers/image-spec/blob/main/media-types.md */
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
/** The types of manifests, with the names that Docker gave them before. */
export const MANIFEST_TYPES = [
  INDEX_TYPE,
  IMAGE_TYPE,
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/**
 * https://github.com/opencontainers/image-spec/blob/main/descriptor.md. Fields that are not listed are kept: who changes
 * an index must not lose what others have put there.
 */
const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest: z.string(),
  size: z.int().check(z.nonnegative()),
  artifactType: z.optional(z.string()),
  annotations: z.optional(z.record(z.string(), z.string())),
  platform: z.optional(z.looseObject({ os: z.string(), architecture: z.string() })),
});

export type OciDescriptor = z.infer<typeof descriptorSchema>;

const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.optional(z.string()),
  manifests: z.array(descriptorSchema),
  layers: z.optional(z.undefined()),
});

const imageSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.optional(z.string()),
  artifactType: z.optional(z.string()),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  subject: z.optional(descriptorSchema),
  annotations: z.optional(z.record(z.string(), z.string())),
  manifests: z.optional(z.undefined()),
});

/** A document that is an index for one reader and an image for another is refused. */
export const manifestSchema = z.union([indexSchema, imageSchema]);

/** Some registries say null for none. */
export const referrersSchema = z.object({ manifests: z.nullable(z.array(descriptorSchema)) });

export type OciIndex = z.infer<typeof indexSchema>;
export type OciImage = z.infer<typeof imageSchema>;

export function isIndex(content: OciIndex | OciImage): content is OciIndex {
  return content.manifests !== undefined;
}

export function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** As smolvm writes what it pushes. */
export function prettyJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, undefined, 2));
}

export function parseAnswer<T extends z.ZodMiniType>(schema: T, bytes: Buffer, url: string): z.infer<T> {
  let json: unknown;
  try {
    json = parseJson(bytes.toString('utf8'));
  } catch (error) {
    throw unexpectedAnswer(url, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw unexpectedAnswer(url, parsed.error);
  }
  return parsed.data;
}

export function unexpectedAnswer(url: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', `${redacted(url)} did not answer with a valid OCI document`, {
    hint: 'check that the address is right and that no proxy answers in its place, or update claude-bottle',
    cause,
  });
}
