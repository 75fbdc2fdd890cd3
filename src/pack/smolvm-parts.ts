import { createReadStream, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import type { SidecarWriter, WrittenPart } from '../sidecar/write.ts';
import { sparseHeader, tarEntryHeader } from '../tar/gnu.ts';
import { paddingAfter } from '../tar/write.ts';
import type { Smolvm } from './smolvm.ts';

/** What smolvm leaves in its agent's root file system when it has used it. */
const USED_MARK = /^\.smolvm-ready/;
const STORAGE_MEMBER = 'storage.ext4';
const AGENT_MEMBER = 'agent-rootfs.tar';
const READ_CHUNK_BYTES = 1024 * 1024;
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(READ_CHUNK_BYTES);
/** A fresh ext4 holds some megabytes that are not zero, whatever its size. */
const MAX_TEMPLATE_DATA_BYTES = 64 * 1024 * 1024;

/**
 * The parts of an installed smolvm that go into a sidecar, for `smolvm pack run`: what its release ships, byte for byte,
 * and so the same on every machine.
 */
export interface SmolvmParts {
  readonly version: string;
  readonly agentRootfs: string;
  /** As releases ship it, compressed with zstd. One that is not compressed may have been made on this machine. */
  readonly storageTemplate: string | undefined;
}

/** Finds the parts beside the executable, as a release lays them out; undefined without an agent. */
export async function findSmolvmParts({
  path,
  version,
}: Pick<Smolvm, 'path' | 'version'>): Promise<SmolvmParts | undefined> {
  const dir = dirname(await fs.realpath(path));
  const agentRootfs = join(dir, 'agent-rootfs');
  const template = join(dir, 'storage-template.ext4.zst');
  if (!(await isThere(agentRootfs))) {
    return undefined;
  }
  return { version, agentRootfs, storageTemplate: (await isThere(template)) ? template : undefined };
}

async function isThere(path: string): Promise<boolean> {
  return await fs.access(path).then(
    () => true,
    () => false,
  );
}

/** The directory as a tar in which nothing depends on who installed smolvm, and when. */
export async function addAgentRootfs(writer: SidecarWriter, { agentRootfs }: SmolvmParts) {
  try {
    return await writer.addTar(directoryEntries(agentRootfs, ''), () => AGENT_MEMBER);
  } catch (error) {
    throw readError(agentRootfs, error);
  }
}

async function* directoryEntries(root: string, path: string): AsyncGenerator<WrittenPart> {
  const names = (await fs.readdir(join(root, path))).filter((name) => !USED_MARK.test(name));
  names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  for (const name of names) {
    const inner = path === '' ? name : `${path}/${name}`;
    const full = join(root, inner);
    const stat = await fs.lstat(full);
    const header = { pathBytes: Buffer.from(inner), mode: modeOf(stat), sizeBytes: 0 };
    if (stat.isDirectory()) {
      yield headerPart({ ...header, type: 'directory' });
      yield* directoryEntries(root, inner);
    } else if (stat.isSymbolicLink()) {
      const linkPathBytes = await fs.readlink(full, 'buffer');
      yield headerPart({ ...header, type: 'symlink', mode: 0o777, linkPathBytes });
    } else if (stat.isFile()) {
      const content = await fs.readFile(full);
      yield headerPart({ ...header, type: 'file', sizeBytes: content.length });
      yield { kind: 'body', chunk: content };
      yield { kind: 'body', chunk: paddingAfter(content.length) };
    }
  }
}

/** Others may what the owner may, but for writing: what the umask has left of it differs between machines. */
function modeOf({ mode }: Stats): number {
  return (mode & 0o700) | ((mode & 0o500) >> 3) | ((mode & 0o500) >> 6);
}

function headerPart(header: Parameters<typeof tarEntryHeader>[0]): WrittenPart {
  return { kind: 'header', entry: header, raw: tarEntryHeader(header) };
}

/** The template as a sparse file. */
export async function addStorageTemplate(writer: SidecarWriter, storageTemplate: string) {
  const { extents, sizeBytes, data } = await readSparse(storageTemplate);
  const header = sparseHeader(STORAGE_MEMBER, extents, sizeBytes);
  await writer.addFile(STORAGE_MEMBER, header, data);
  return { path: STORAGE_MEMBER, sizeBytes };
}

interface SparseContent {
  readonly extents: ReadonlyArray<{ readonly offset: number; readonly sizeBytes: number }>;
  readonly sizeBytes: number;
  readonly data: readonly Buffer[];
}

async function readSparse(path: string): Promise<SparseContent> {
  const extents: Array<{ offset: number; sizeBytes: number }> = [];
  const data: Buffer[] = [];
  let [sizeBytes, dataBytes] = [0, 0];
  try {
    for await (const block of blocksOf(openTemplate(path))) {
      if (!ZEROS.subarray(0, block.length).equals(block)) {
        const last = extents.at(-1);
        if (last !== undefined && last.offset + last.sizeBytes === sizeBytes) {
          last.sizeBytes += block.length;
        } else {
          extents.push({ offset: sizeBytes, sizeBytes: block.length });
        }
        data.push(Buffer.from(block));
        dataBytes += block.length;
      }
      sizeBytes += block.length;
      if (dataBytes > MAX_TEMPLATE_DATA_BYTES) {
        throw new BottleError('smolvm-unsupported', `${path} is not an empty disk`, {
          hint: 'install smolvm again',
        });
      }
    }
  } catch (error) {
    throw readError(path, error);
  }
  return { extents, sizeBytes, data };
}

function openTemplate(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: READ_CHUNK_BYTES });
  const decoder = createZstdDecompress({ chunkSize: READ_CHUNK_BYTES });
  file.on('error', (error) => decoder.destroy(error));
  return file.pipe(decoder);
}

/** Pieces that are whole blocks; a long run of zeros is one piece. */
async function* blocksOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.length - (bytes.length % BLOCK_BYTES);
    rest = bytes.subarray(end);
    const whole = bytes.subarray(0, end);
    if (whole.length <= ZEROS.length && ZEROS.subarray(0, whole.length).equals(whole)) {
      yield whole;
      continue;
    }
    for (let at = 0; at < end; at += BLOCK_BYTES) {
      yield bytes.subarray(at, at + BLOCK_BYTES);
    }
  }
  if (rest.length > 0) {
    yield rest;
  }
}

function readError(path: string, error: unknown): unknown {
  return error instanceof BottleError || hasErrno(error, 'ABORT_ERR')
    ? error
    : fileError(`cannot read ${path}, a part of the installed smolvm`, error);
}
