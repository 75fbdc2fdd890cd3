import * as z from 'zod/mini';
import { isDigest } from '../identity/image-id.ts';
import { parseJson } from '../identity/json.ts';
import { damaged } from './footer.ts';

const MAX_PROBLEMS = 3;

const sizeBytes = z.int().check(z.nonnegative());
const optional = z.optional;
const digest = z.string().check(z.refine(isDigest, 'not sha256:<64 hex digits>'));
/** Inside the directory that a sidecar is unpacked into, whatever the system. */
const memberPath = z.string().check(z.regex(/^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/));
const asset = z.looseObject({ path: memberPath, size: sizeBytes });

/**
 * smolvm's manifest, required fields and those that later versions added (smolvm, crates/smolvm-pack/src/format.rs).
 * Keys that are not listed are kept: a newer smolvm may have added them.
 */
const manifestSchema = z.looseObject({
  image: z.string(),
  /** The digest of the image config, or `packed` when smolvm packed an archive. */
  digest: z.union([digest, z.literal('packed')]),
  /** The guest's platform, `os/architecture`. */
  platform: z.string(),
  cpus: z.int(),
  /** MiB */
  mem: z.int(),
  entrypoint: optional(z.array(z.string())),
  cmd: optional(z.array(z.string())),
  env: optional(z.array(z.string())),
  workdir: optional(z.nullable(z.string())),
  /** The user of the image, since 1.16. */
  user: optional(z.nullable(z.string())),
  assets: z.looseObject({
    libraries: z.array(asset),
    agent_rootfs: asset,
    layers: z.array(z.looseObject({ digest, path: memberPath, size: sizeBytes })),
    storage_template: optional(z.nullable(asset)),
    overlay_template: optional(z.nullable(asset)),
    /** Files of the machine that was packed. */
    workspace_seed: optional(z.nullable(asset)),
  }),
  mode: optional(z.string()),
  /** The platform of the machine that packed. */
  host_platform: optional(z.string()),
  created: optional(z.string()),
  smolvm_version: optional(z.string()),
  image_size: optional(z.nullable(sizeBytes)),
  network: optional(z.boolean()),
  gpu: optional(z.boolean()),
  cuda: optional(z.boolean()),
  overlay_logical_size: optional(z.nullable(sizeBytes)),
  storage_logical_size: optional(z.nullable(sizeBytes)),
  /** The memory of a running machine, with host directories, ports and keys to attach again. */
  checkpoint: optional(z.unknown()),
  secret_refs: optional(z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())])),
});

export type SidecarManifest = z.infer<typeof manifestSchema>;

export function parseManifest(bytes: Buffer): SidecarManifest {
  let json: unknown;
  try {
    json = parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw damaged('manifest', 'not JSON', error);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues
      .slice(0, MAX_PROBLEMS)
      .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
    throw damaged('manifest', problems.join('; '), parsed.error);
  }
  return parsed.data;
}

/** Keys that this version does not know, for a reader who wants to see them. */
export function unknownKeys(manifest: SidecarManifest): string[] {
  const { shape } = manifestSchema;
  const isUnknown = (known: object) => (key: string) => !Object.hasOwn(known, key);
  return [
    ...Object.keys(manifest).filter(isUnknown(shape)),
    ...Object.keys(manifest.assets)
      .filter(isUnknown(shape.assets.shape))
      .map((key) => `assets.${key}`),
  ];
}
