import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { runtimeConfig } from '../docker/image.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { type Digest, id16 } from '../identity/image-id.ts';
import { counted } from '../identity/shown-text.ts';
import { warningsTo } from '../progress.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { SidecarWriter, type WrittenMember } from '../sidecar/write.ts';
import { tarEntryHeader } from '../tar/gnu.ts';
import { TarError, type TarPart } from '../tar/read.ts';
import { createdTime, describeImage, exportImage, type FlatImage, type FlatLayer } from './flatten.ts';
import {
  filesIn,
  layerWarnings,
  type PackedSidecar,
  type PackSubject,
  packRecord,
  sidecarImageName,
} from './pack.ts';
import { addAgentRootfs, addStorageTemplate, type SmolvmParts } from './smolvm-parts.ts';
import { WalkOrder } from './walk-order.ts';

/**
 * What the manifest names as the smolvm that packed. From 1.16.2 on, a host unpacks the layer itself, with all owners;
 * this is the newest version whose reader has been tested.
 */
export const DIRECT_SMOLVM_VERSION = '1.32.2';
/** What smolvm takes where nothing is said. */
const DEFAULT_CPUS = 4;
const DEFAULT_MEM_MIB = 8192;

export interface DirectOptions extends PackSubject {
  /** An installed smolvm's parts, for `smolvm pack run`; a machine is made and started without them. */
  readonly parts: SmolvmParts | undefined;
}

/** Image -> one layer -> frames, in one stream: without smolvm, a virtual machine or a registry. */
export async function packDirect(options: DirectOptions): Promise<PackedSidecar> {
  const { image, platform, parts, signal, onProgress } = options;
  const path = join(options.outDir, `${id16(image.id)}.smolmachine`);
  onProgress({
    type: 'start',
    stage: 'pack',
    detail: `${counted(image.layers.length, 'layer')}${image.layers.length === 1 ? '' : ' into one'}`,
  });
  const writers: SidecarWriter[] = [];
  try {
    const exported = await exportImage(
      { ...options, onWarning: warningsTo(onProgress) },
      async (layerParts, totalBytes) => {
        await writers.pop()?.close();
        await fs.rm(path, { force: true });
        await requireFreeBytes(options.outDir, totalBytes, 'the sidecar');
        const writer = await SidecarWriter.create(path);
        writers.push(writer);
        const agent = parts && (await addAgentRootfs(writer, parts));
        const layer = await writer.addTar(canonicalParts(layerParts, options), layerName, (doneBytes) =>
          onProgress({ type: 'bytes', stage: 'pack', doneBytes, totalBytes, isEstimate: true }),
        );
        return { writer, agent, layer };
      },
    );
    const { writer, agent, layer } = exported.value;
    const template = parts?.storageTemplate;
    const storage = template === undefined ? undefined : await addStorageTemplate(writer, template);
    const flat = describeImage(options, layer);
    const written = await writer.finish(directManifest(options, flat, { agent, layer, storage }));
    onProgress({ type: 'done', stage: 'pack', sizeBytes: written.sizeBytes, detail: filesIn(exported) });
    const expected = { platform, configDigest: flat.configDigest, layerDigest: layer.digest };
    const { frames, hashed } = written;
    for (const message of layerWarnings(exported.findings, 'direct')) {
      onProgress({ type: 'warning', message });
    }
    const report = await verifySidecar(path, expected, { signal, hashed });
    const packed = { report, frames, smolvmVersion: DIRECT_SMOLVM_VERSION, parts: parts?.version };
    return { report, record: { ...packRecord(options, flat, packed), packer: 'direct' }, frames };
  } finally {
    await writers.pop()?.close();
  }
}

function layerName(digest: Digest): string {
  return `layers/${digest.replace('sha256:', '')}.tar`;
}

/** With headers that depend on nothing but what an entry is. */
async function* canonicalParts(
  parts: AsyncIterable<TarPart>,
  { latestSeconds = Number.POSITIVE_INFINITY, onProgress }: DirectOptions,
): AsyncGenerator<TarPart> {
  const order = new WalkOrder();
  for await (const part of parts) {
    if (part.kind === 'body') {
      yield part;
      continue;
    }
    const { entry } = part;
    if (entry.type === 'sparse') {
      throw new TarError(`the engine exports ${entry.path} as a sparse file`);
    }
    if (!order.follows(entry.pathBytes)) {
      warningsTo(onProgress)(
        `the engine does not export ${entry.path} in order, so the same image may give other bytes`,
      );
    }
    const mtimeSeconds = Math.min(entry.mtimeSeconds, latestSeconds);
    yield { kind: 'header', entry, raw: tarEntryHeader({ ...entry, type: entry.type, mtimeSeconds }) };
  }
}

interface Members {
  readonly agent: { readonly path: string; readonly sizeBytes: number } | undefined;
  readonly layer: WrittenMember;
  readonly storage: { readonly path: string; readonly sizeBytes: number } | undefined;
}

/** The keys that every smolvm from 1.9 on asks for, in its order. */
function directManifest(
  options: DirectOptions,
  flat: FlatImage<FlatLayer>,
  { agent, layer, storage }: Members,
): object {
  const { image, platform, cpus = DEFAULT_CPUS, memMib = DEFAULT_MEM_MIB } = options;
  const { Entrypoint, Cmd, Env, WorkingDir, User } = runtimeConfig(image);
  const asset = ({ path, sizeBytes }: { path: string; sizeBytes: number }) => ({ path, size: sizeBytes });
  return {
    mode: 'container',
    image: sidecarImageName(flat.manifestDigest),
    digest: flat.configDigest,
    platform,
    ...(Entrypoint !== undefined && { entrypoint: Entrypoint }),
    ...(Cmd !== undefined && { cmd: Cmd }),
    ...(Env !== undefined && { env: Env }),
    ...(WorkingDir !== undefined && { workdir: WorkingDir }),
    ...(User !== undefined && { user: User }),
    cpus,
    mem: memMib,
    image_size: layer.sizeBytes,
    network: false,
    gpu: false,
    cuda: false,
    host_platform: platform,
    created: createdTime(options),
    smolvm_version: DIRECT_SMOLVM_VERSION,
    assets: {
      libraries: [],
      agent_rootfs: asset(agent ?? { path: 'agent-rootfs.tar', sizeBytes: 0 }),
      layers: [{ digest: layer.digest, ...asset(layer) }],
      ...(storage && { storage_template: asset(storage) }),
    },
  };
}
