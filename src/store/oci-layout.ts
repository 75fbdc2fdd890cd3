import { createHash } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BottleError, fileError } from '../errors.ts';
import { requireFreeBytes } from '../host/disk.ts';
import { isAlive, thisOwner } from '../host/owner.ts';
import { syncDirectory } from '../host/sync.ts';
import { END_OF_ARCHIVE, paddingAfter, tarHeader } from '../tar/write.ts';

const READ_CHUNK_BYTES = 1024 * 1024;
/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const OCI_LAYOUT = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

export interface LayoutContent {
  /** index.json: what the layout is entered by. */
  readonly index: Buffer;
  /** What the index leads to. */
  readonly blobs: readonly Buffer[];
  readonly files: readonly LayoutFile[];
}

/** A blob that is a file on this machine. */
export interface LayoutFile {
  readonly path: string;
  /** 64 hex digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface LayoutWriteOptions {
  readonly signal: AbortSignal;
  readonly onBytes: (doneBytes: number) => void;
}

/**
 * Writes an OCI image layout as one tar, the same bytes for the same content. The files are checked while they are
 * copied, and the target appears whole or not at all.
 * @returns its size
 * @throws BottleError `sidecar-damaged` when a file is not what it should be
 */
export async function writeLayout(
  target: string,
  content: LayoutContent,
  { signal, onBytes }: LayoutWriteOptions,
): Promise<number> {
  const dir = dirname(target);
  const prefix = `.${basename(target)}.`;
  const temp = join(dir, `${prefix}${thisOwner()}.part`);
  const totalBytes = content.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  try {
    await removeAbandoned(dir, prefix);
    await requireFreeBytes(dir, totalBytes, 'the archive');
    let doneBytes = 0;
    const source = countBytes(tarOf(content), (count) => {
      doneBytes += count;
      onBytes(doneBytes);
    });
    await pipeline(source, createWriteStream(temp, { flags: 'wx', flush: true }), { signal });
    await fs.rename(temp, target);
    await syncDirectory(dir);
    return doneBytes;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
  } finally {
    await fs.rm(temp, { force: true });
  }
}

/** What a killed run has left. No private directory: on a USB stick there are no links. */
async function removeAbandoned(dir: string, prefix: string): Promise<void> {
  for (const name of await fs.readdir(dir)) {
    const owner = name.startsWith(prefix) && /^([0-9a-z-]+)\.part$/.exec(name.slice(prefix.length))?.[1];
    if (owner && !isAlive(owner)) {
      await fs.rm(join(dir, name), { force: true });
    }
  }
}

async function* countBytes(
  chunks: AsyncIterable<Buffer>,
  onCount: (count: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield chunk;
    onCount(chunk.length);
  }
}

async function* tarOf({ index, blobs, files }: LayoutContent): AsyncGenerator<Buffer> {
  yield* entryOf('oci-layout', OCI_LAYOUT);
  yield* entryOf('index.json', index);
  const bySha256 = new Map(blobs.map((blob) => [createHash('sha256').update(blob).digest('hex'), blob]));
  for (const [sha256, blob] of bySha256) {
    yield* entryOf(`blobs/sha256/${sha256}`, blob);
  }
  for (const [sha256, file] of new Map(files.map((each) => [each.sha256, each]))) {
    yield tarHeader(`blobs/sha256/${sha256}`, file.sizeBytes);
    yield* checkedContent(file);
    yield paddingAfter(file.sizeBytes);
  }
  yield END_OF_ARCHIVE;
}

function* entryOf(path: string, bytes: Buffer): Generator<Buffer> {
  yield Buffer.concat([tarHeader(path, bytes.length), bytes, paddingAfter(bytes.length)]);
}

async function* checkedContent({ path, sha256, sizeBytes }: LayoutFile): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let readBytes = 0;
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const chunks = file.createReadStream({ end: sizeBytes - 1, highWaterMark: READ_CHUNK_BYTES });
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    hash.update(chunk);
    readBytes += chunk.length;
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found !== sha256 || readBytes !== sizeBytes) {
    throw new BottleError(
      'sidecar-damaged',
      `${path} has ${readBytes} bytes with the SHA-256 ${found}, expected ${sizeBytes} with ${sha256}`,
      { hint: 'claude-bottle verify --all moves it away; then fetch it again' },
    );
  }
}
