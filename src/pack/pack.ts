import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type Image, runtimeConfig } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { scratchParent, sweepPrivateDirs, withPrivateDir } from '../host/private-dir.ts';
import { type Digest, id16 } from '../identity/image-id.ts';
import { PACK_RECORD_VERSION, type PackRecord, runtimeConfigSha256 } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { counted } from '../identity/shown-text.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import { type FrameIndex, formatFrameIndex } from '../sidecar/frame-index.ts';
import { FORMAT_VERSION, ZSTD_VERSION } from '../sidecar/frames.ts';
import { reframeSidecar } from '../sidecar/reframe.ts';
import type { SidecarReport } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { removeNotedTags, type Served, withContainerHop } from './container-hop.ts';
import { createdTime, type FlatImage, type FlatLayer, type Flattened, flattenImage } from './flatten.ts';
import { withEmbeddedHop } from './hop.ts';
import type { Found, LayerFindings } from './layer.ts';
import {
  DEFAULT_STORAGE_GIB,
  gibForInodes,
  INODES_PER_GIB,
  type LayerSize,
  packCreate,
  reapPackCreate,
  storageWarning,
} from './pack-create.ts';
import { sweepContainers } from './registry-container.ts';
import type { Smolvm } from './smolvm.ts';

/**
 * What smolvm writes while it packs a one-layer image, in sizes of that layer: the layer and its export on the
 * builder VM's disk, the staged copy, the compressed assets twice.
 */
const PACK_SPACE_FACTOR = 3;
/** More than a disk of 2 GiB has. */
const MANY_INODES = 2 * INODES_PER_GIB;

export type Hop =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'container'; readonly registryImage: string };

/** What is packed, by any packer. */
export interface PackSubject {
  readonly image: Image;
  readonly platform: GuestPlatform;
  readonly cpus?: number | undefined;
  readonly memMib?: number | undefined;
  /** In seconds since 1970 (SOURCE_DATE_EPOCH): the sidecar is dated no later than that. */
  readonly latestSeconds?: number | undefined;
  /** A private directory for the sidecar, on the file system where it is going to stay. */
  readonly outDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface PackOptions extends PackSubject {
  readonly hop: Hop;
  readonly smolvm: Smolvm;
  /** For each run of smolvm. */
  readonly timeoutMs: number;
}

export interface PackedSidecar {
  readonly report: SidecarReport;
  readonly record: PackRecord;
  readonly frames: FrameIndex;
}

/** Image -> one layer -> registry on loopback -> `smolvm pack create` -> verified sidecar in `outDir`. */
export async function packImage(options: PackOptions): Promise<PackedSidecar> {
  const { onProgress } = options;
  return await withPrivateDir(
    scratchParent(),
    async (scratch) => {
      const { flat, findings } = await flatten(options, scratch);
      const layer = { sizeBytes: flat.layer.sizeBytes, inodes: findings.inodes };
      warnOfLimits(options, layer);
      const packSpace = PACK_SPACE_FACTOR * flat.layer.sizeBytes;
      await requireFreeBytes(scratch, packSpace, 'smolvm pack create');
      await requireFreeBytes(options.outDir, flat.layer.sizeBytes, 'the sidecar');

      const packed = await withHop(flat, options, scratch, async (served) => ({
        path: await pack(served.reference, layer, options, scratch),
        layerDigest: served.layerDigest,
      }));

      return await finishSidecar(packed, flat, options);
    },
    (scratch) => clearScratch(scratch, onProgress),
  );
}

/** Verifies what smolvm has written, and writes it in frames. */
async function finishSidecar(
  packed: { readonly path: string; readonly layerDigest: Digest },
  flat: FlatImage,
  options: PackOptions,
): Promise<PackedSidecar> {
  const { platform, signal, onProgress } = options;
  const { configDigest, manifestDigest } = flat;
  const expected = { platform, configDigest, layerDigest: packed.layerDigest };
  const { size: totalBytes } = await fs.stat(packed.path);
  const onBytes = (doneBytes: number) =>
    onProgress({ type: 'bytes', stage: 'verify', doneBytes, totalBytes });
  onProgress({ type: 'start', stage: 'verify' });
  const original = await verifySidecar(packed.path, expected, { signal, onBytes });
  const path = join(options.outDir, `${id16(options.image.id)}.smolmachine`);
  const changes = { image: sidecarImageName(manifestDigest), created: createdTime(options) };
  const { hashed, frames } = await reframeSidecar(original, path, { changes, signal, onBytes });
  await fs.rm(packed.path);
  const report = await verifySidecar(path, expected, { signal, hashed });
  onProgress({ type: 'done', stage: 'verify', sizeBytes: report.sizeBytes });
  const record = packRecord(options, flat, { report, frames, smolvmVersion: options.smolvm.version });
  return { report, frames, record: { ...record, packer: 'smolvm', hop: options.hop.kind } };
}

/** The value of SOURCE_DATE_EPOCH: https://reproducible-builds.org/specs/source-date-epoch/ */
export function sourceDateEpoch({ SOURCE_DATE_EPOCH: value }: NodeJS.ProcessEnv): number | undefined {
  if (value === undefined || value === '') {
    return undefined;
  }
  if (!/^\d{1,11}$/.test(value)) {
    throw new BottleError('usage', `SOURCE_DATE_EPOCH is ${JSON.stringify(value)}, not a number of seconds`, {
      hint: 'set it to seconds since 1970, or unset it',
    });
  }
  return Number(value);
}

/** The image's name in a manifest: without the port of a registry that is gone. */
export function sidecarImageName(manifestDigest: Digest): string {
  return `localhost/claude-bottle@${manifestDigest}`;
}

/** Removes what killed runs have left, on the Docker engine and on disk, and ends what they have left running. */
export async function sweepKilledRuns(signal: AbortSignal, onProgress: OnProgress): Promise<void> {
  await sweepContainers(signal, warningsTo(onProgress));
  await sweepScratch(onProgress);
}

/** Removes the working directories of killed runs, and ends what still works in them. */
export async function sweepScratch(onProgress: OnProgress): Promise<void> {
  await sweepPrivateDirs(scratchParent(), {
    beforeRemove: (scratch) => clearScratch(scratch, onProgress),
    onWarning: warningsTo(onProgress),
  });
}

async function clearScratch(scratch: string, onProgress: OnProgress): Promise<void> {
  await reapPackCreate(scratch);
  await removeNotedTags(scratch, warningsTo(onProgress));
}

async function flatten(options: PackOptions, scratch: string): Promise<Flattened> {
  const { image, onProgress } = options;
  onProgress({
    type: 'start',
    stage: 'flatten',
    detail: `${counted(image.layers.length, 'layer')}${image.layers.length === 1 ? '' : ' into one'}`,
  });
  const flattened = await flattenImage({
    image,
    platform: options.platform,
    latestSeconds: options.latestSeconds,
    layerPath: join(scratch, 'layer.tar'),
    signal: options.signal,
    onBytes: (doneBytes, totalBytes) =>
      onProgress({ type: 'bytes', stage: 'flatten', doneBytes, totalBytes, isEstimate: true }),
    onWarning: warningsTo(onProgress),
  });
  const { flat, findings } = flattened;
  onProgress({ type: 'done', stage: 'flatten', sizeBytes: flat.layer.sizeBytes, detail: filesIn(flattened) });
  for (const message of layerWarnings(findings, 'smolvm')) {
    onProgress({ type: 'warning', message });
  }
  return flattened;
}

/** How many files a layer has, and which it lacks. */
export function filesIn({ findings, leftOut }: Omit<Flattened, 'flat'>): string {
  const without = leftOut.length === 0 ? '' : `, without ${leftOut.join(', ')}, which Docker hides`;
  return `${counted(findings.inodes, 'file', findings.inodes.toLocaleString('en'))}${without}`;
}

/** What `smolvm pack create` does not keep, or what no machine gets, in every tested version, and what a machine needs. */
export function layerWarnings(
  { inodes, capabilities, attributes, specialFiles, changedLinks }: LayerFindings,
  packer: 'smolvm' | 'direct',
): string[] {
  const listed = ({ count, examples }: Found) =>
    `${examples.join(', ')}${count > examples.length ? ` and ${count - examples.length} more` : ''}`;
  return [
    ...inodeWarning(inodes),
    ...(attributes.count > 0
      ? [
          `a sidecar has no extended attributes and no access control lists: ${listed(attributes)} will be missing`,
        ]
      : []),
    ...(capabilities.count > 0 ? [`smolvm does not keep file capabilities: ${listed(capabilities)}`] : []),
    ...(specialFiles.count > 0 && packer === 'smolvm'
      ? [`smolvm turns devices and FIFOs into empty files: ${listed(specialFiles)}`]
      : []),
    ...(changedLinks.count > 0
      ? [
          `smolvm refuses links that lead above the root or are the root: changed to the same place inside it: ${listed(changedLinks)}`,
        ]
      : []),
  ];
}

/** A disk that has room for the bytes of an image may have too few inodes for its files. */
function inodeWarning(inodes: number): string[] {
  if (inodes <= MANY_INODES) {
    return [];
  }
  const [files, perGib, usual] = [inodes, INODES_PER_GIB, DEFAULT_STORAGE_GIB * INODES_PER_GIB].map((count) =>
    count.toLocaleString('en'),
  );
  return [
    `the image has ${files} files: a guest that unpacks them needs a disk of ${gibForInodes(inodes)} GiB or more, ` +
      `because smolvm's disks have ${perGib} inodes for each GiB (${usual} with the default of ${DEFAULT_STORAGE_GIB} GiB)`,
  ];
}

function warnOfLimits({ smolvm, onProgress }: PackOptions, layer: LayerSize): void {
  const message = storageWarning(smolvm, layer);
  if (message !== undefined) {
    onProgress({ type: 'warning', message });
  }
}

async function withHop<T>(
  flat: FlatImage,
  options: PackOptions,
  scratch: string,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const { hop, signal, onProgress } = options;
  if (hop.kind === 'embedded') {
    return await withEmbeddedHop(flat, (reference) => use({ reference, layerDigest: flat.layer.digest }));
  }
  onProgress({ type: 'start', stage: 'push', detail: 'into a registry container' });
  return await withContainerHop(
    flat,
    {
      registryImage: hop.registryImage,
      scratch,
      signal,
      onLine: (line) => onProgress({ type: 'output', stage: 'push', line }),
      onWarning: warningsTo(onProgress),
    },
    async (served) => {
      onProgress({ type: 'done', stage: 'push' });
      return await use(served);
    },
  );
}

async function pack(
  reference: string,
  layer: LayerSize,
  options: PackOptions,
  scratch: string,
): Promise<string> {
  const { smolvm, onProgress } = options;
  onProgress({ type: 'start', stage: 'pack', detail: `smolvm ${smolvm.version}` });
  const { path, sizeBytes } = await packCreate(smolvm, {
    reference,
    output: join(options.outDir, `smolvm-${id16(options.image.id)}`),
    platform: options.platform,
    layer,
    cpus: options.cpus,
    memMib: options.memMib,
    scratch,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    onLine: (line) => onProgress({ type: 'output', stage: 'pack', line }),
  });
  onProgress({ type: 'done', stage: 'pack', sizeBytes });
  return path;
}

interface PackedParts {
  readonly report: SidecarReport;
  readonly frames: FrameIndex;
  readonly smolvmVersion: string;
  /** The version of the smolvm whose parts are in the sidecar. */
  readonly parts?: string | undefined;
}

export function packRecord(
  { image, platform, cpus, memMib, latestSeconds }: PackSubject,
  flat: FlatImage<FlatLayer>,
  { report, frames, smolvmVersion, parts }: PackedParts,
): PackRecord {
  const index = formatFrameIndex(frames);
  return {
    version: PACK_RECORD_VERSION,
    platform,
    image: {
      id: image.id,
      ...(image.configDigest && { configDigest: image.configDigest }),
      ...(image.manifestDigest && { manifestDigest: image.manifestDigest }),
      layers: [...image.layers],
      runtimeConfigSha256: runtimeConfigSha256(runtimeConfig(image)),
    },
    flattened: {
      configDigest: flat.configDigest,
      layerDigest: flat.layer.digest,
      layerSizeBytes: flat.layer.sizeBytes,
    },
    sidecar: { sha256: report.sha256, sizeBytes: report.sizeBytes, crc32: report.crc32 },
    smolvm: {
      version: smolvmVersion,
      ...(cpus !== undefined && { cpus }),
      ...(memMib !== undefined && { memMib }),
    },
    format: {
      version: FORMAT_VERSION,
      zstd: ZSTD_VERSION,
      ...(latestSeconds !== undefined && { latestSeconds }),
      ...(parts !== undefined && { parts }),
    },
    frames: { sha256: hash('sha256', index), sizeBytes: index.length },
    packedAt: new Date().toISOString(),
  };
}
