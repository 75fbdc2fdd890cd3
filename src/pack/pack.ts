import { join } from 'node:path';
import { type Image, runtimeConfig } from '../docker/image.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { scratchParent, sweepPrivateDirs, withPrivateDir } from '../host/private-dir.ts';
import { id16 } from '../identity/image-id.ts';
import { PACK_RECORD_VERSION, type PackRecord, runtimeConfigSha256 } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { type OnProgress, warningsTo } from '../progress.ts';
import type { SidecarReport } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { removeNotedTags, type Served, withContainerHop } from './container-hop.ts';
import { type FlatImage, type Flattened, flattenImage } from './flatten.ts';
import { withEmbeddedHop } from './hop.ts';
import type { Found, LayerFindings } from './layer.ts';
import { type LayerSize, packCreate, reapPackCreate, storageWarning } from './pack-create.ts';
import { sweepContainers } from './registry-container.ts';
import type { Smolvm } from './smolvm.ts';

/**
 * What smolvm writes while it packs a one-layer image, in sizes of that layer: the layer and its export on the
 * builder VM's disk, the staged copy, the compressed assets twice.
 */
const PACK_SPACE_FACTOR = 3;

export type Hop =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'container'; readonly registryImage: string };

export interface PackOptions {
  readonly image: Image;
  readonly platform: GuestPlatform;
  readonly hop: Hop;
  readonly smolvm: Smolvm;
  readonly cpus?: number | undefined;
  readonly memMib?: number | undefined;
  /** For each run of smolvm. */
  readonly timeoutMs: number;
  /** A private directory for the sidecar, on the file system where it is going to stay. */
  readonly outDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface PackedSidecar {
  readonly report: SidecarReport;
  readonly record: PackRecord;
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

      onProgress({ type: 'start', stage: 'verify' });
      const report = await verifySidecar(
        packed.path,
        { platform: options.platform, configDigest: flat.configDigest, layerDigest: packed.layerDigest },
        {
          signal: options.signal,
          onBytes: (doneBytes) => onProgress({ type: 'bytes', stage: 'verify', doneBytes }),
        },
      );
      onProgress({ type: 'done', stage: 'verify', sizeBytes: report.sizeBytes });
      return { report, record: packRecord(options, flat, report) };
    },
    (scratch) => clearScratch(scratch, onProgress),
  );
}

/** Removes what killed runs have left, on the Docker engine and on disk, and ends what they have left running. */
export async function sweepKilledRuns(signal: AbortSignal, onProgress: OnProgress): Promise<void> {
  const onWarning = warningsTo(onProgress);
  await sweepContainers(signal, onWarning);
  await sweepPrivateDirs(scratchParent(), {
    beforeRemove: (scratch) => clearScratch(scratch, onProgress),
    onWarning,
  });
}

async function clearScratch(scratch: string, onProgress: OnProgress): Promise<void> {
  await reapPackCreate(scratch);
  await removeNotedTags(scratch, warningsTo(onProgress));
}

async function flatten(options: PackOptions, scratch: string): Promise<Flattened> {
  const { image, onProgress } = options;
  onProgress({ type: 'start', stage: 'flatten', detail: `${image.layers.length} layers into one` });
  const flattened = await flattenImage({
    image,
    platform: options.platform,
    layerPath: join(scratch, 'layer.tar'),
    signal: options.signal,
    onBytes: (doneBytes, totalBytes) =>
      onProgress({ type: 'bytes', stage: 'flatten', doneBytes, totalBytes, isEstimate: true }),
    onWarning: warningsTo(onProgress),
  });
  const { flat, findings, leftOut } = flattened;
  const without = leftOut.length === 0 ? '' : `, without ${leftOut.join(', ')}, which Docker hides`;
  const detail = `${findings.inodes.toLocaleString('en')} files${without}`;
  onProgress({ type: 'done', stage: 'flatten', sizeBytes: flat.layer.sizeBytes, detail });
  for (const message of lossWarnings(findings)) {
    onProgress({ type: 'warning', message });
  }
  return flattened;
}

/** What `smolvm pack create` does not keep, in every tested version. */
function lossWarnings({ capabilities, specialFiles, changedLinks }: LayerFindings): string[] {
  const listed = ({ count, examples }: Found) =>
    `${examples.join(', ')}${count > examples.length ? ` and ${count - examples.length} more` : ''}`;
  return [
    ...(capabilities.count > 0 ? [`smolvm does not keep file capabilities: ${listed(capabilities)}`] : []),
    ...(specialFiles.count > 0
      ? [`smolvm turns devices and FIFOs into empty files: ${listed(specialFiles)}`]
      : []),
    ...(changedLinks.count > 0
      ? [
          `smolvm refuses links that lead above the root or are the root: changed to the same place inside it: ${listed(changedLinks)}`,
        ]
      : []),
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
    output: join(options.outDir, id16(options.image.id)),
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

function packRecord(options: PackOptions, flat: FlatImage, report: SidecarReport): PackRecord {
  const { image, smolvm, cpus, memMib } = options;
  return {
    version: PACK_RECORD_VERSION,
    platform: options.platform,
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
      version: smolvm.version,
      ...(cpus !== undefined && { cpus }),
      ...(memMib !== undefined && { memMib }),
    },
    hop: options.hop.kind,
    packedAt: new Date().toISOString(),
  };
}
