import * as fs from 'node:fs/promises';
import { fileError } from '../errors.ts';
import { fileHeader, sparseHeader } from '../tar/gnu.ts';
import { contentOf, readTar, type TarEntry, TarError, type TarPart } from '../tar/read.ts';
import { damaged } from './footer.ts';
import { frameContents } from './frame-reader.ts';
import type { SidecarContents } from './report.ts';
import { SidecarWriter, type WrittenSidecar } from './write.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/**
 * Writes a sidecar once more, in frames and in the canonical form. The tars in it keep their entries byte for byte.
 * @param from has been verified
 * @param changes go into the manifest
 */
export async function reframeSidecar(
  { path: from, footer, manifest }: SidecarContents,
  to: string,
  { changes, signal, onBytes }: ReframeOptions,
): Promise<WrittenSidecar> {
  const file = await fs.open(from).catch((error: unknown) => {
    throw fileError(`cannot read ${from}`, error);
  });
  const source = file.createReadStream({ end: footer.assetsBytes - 1, highWaterMark: READ_CHUNK_BYTES });
  const writer = await SidecarWriter.create(to);
  try {
    const sizes = new Map<string, number>();
    const members = readTar(frameContents(source, signal));
    for await (const part of members) {
      signal.throwIfAborted();
      if (part.kind === 'header' && part.entry.type !== 'directory') {
        sizes.set(part.entry.path, await addMember(writer, part.entry, members, onBytes));
      }
    }
    const { agent_rootfs: agent, layers, storage_template: storage } = manifest.assets;
    const resized = <T extends { path: string; size: number }>(asset: T): T => ({
      ...asset,
      size: sizes.get(asset.path) ?? asset.size,
    });
    return await writer.finish({
      ...manifest,
      ...changes,
      assets: {
        ...manifest.assets,
        agent_rootfs: resized(agent),
        layers: layers.map(resized),
        ...(storage && { storage_template: resized(storage) }),
      },
    });
  } catch (error) {
    throw error instanceof TarError ? damaged('assets', error.message, error) : error;
  } finally {
    source.destroy();
    await writer.close();
  }
}

export interface ReframeOptions {
  readonly changes: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly onBytes?: (doneBytes: number) => void;
}

/** @returns the size of the member as it is now */
async function addMember(
  writer: SidecarWriter,
  entry: TarEntry,
  members: AsyncIterator<TarPart>,
  onBytes: ReframeOptions['onBytes'],
): Promise<number> {
  const { path, extents, sizeBytes, realSizeBytes } = entry;
  if (path.endsWith('.tar')) {
    const member = await writer.addTar(readTar(contentOf(entry, members)), () => path, onBytes);
    return member.sizeBytes;
  }
  const header =
    entry.type === 'sparse' ? sparseHeader(path, extents, realSizeBytes) : fileHeader(path, sizeBytes);
  const stored = contentOf({ ...entry, extents: [], realSizeBytes: sizeBytes }, members);
  await writer.addFile(path, header, stored);
  return realSizeBytes;
}
