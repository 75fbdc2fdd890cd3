import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { resolve } from 'node:path';
import * as z from 'zod/mini';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { type Digest, isDigest } from '../identity/image-id.ts';
import { isBundleType } from '../identity/oci-names.ts';
import {
  isIndex,
  MANIFEST_TYPES,
  manifestSchema,
  type OciDescriptor,
  type OciImage,
} from '../remote/oci-manifest.ts';
import { MAX_BUNDLE_BYTES } from '../sidecar/file.ts';
import { printable } from '../sidecar/footer.ts';
import { readTar, type TarEntry, TarError } from '../tar/read.ts';
import { readSpan } from './file-span.ts';
import { readSidecarImage, type SidecarImage } from './sidecar-image.ts';
import type { FileSpan, Offer, Skipped, Source, Wanted } from './source.ts';

/** As for registries. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_BUNDLES = 10;
/** A whole repository with all its tags has thousands. */
const MAX_MANIFESTS = 10_000;
const MAX_ENTRIES = 100_000;
const READ_CHUNK_BYTES = 64 * 1024;
const SKIPPED_BYTES = 16 * 1024 * 1024;

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const layoutSchema = z.object({ imageLayoutVersion: z.literal('1.0.0') });
const LAYOUT_PATH = /^(oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;

/**
 * An OCI image layout in one tar, as `claude-bottle export` and other tools write it. Nothing of it is unpacked but the
 * sidecar.
 */
export function layoutSource(file: string, tools: { readonly signal: AbortSignal }): Source {
  const path = resolve(file);
  const find = (wanted: Wanted) => withLayout(path, tools.signal, (layout) => findOffer(layout, wanted));
  return {
    name: `layout ${path}`,
    find,
    nearest: async (wanted) => {
      const found = await find(wanted);
      return 'skipped' in found ? undefined : found.record;
    },
  };
}

/** The sidecar for these inputs, or else the first for this platform. */
async function findOffer(layout: Layout, wanted: Wanted): Promise<Offer | Skipped> {
  const platforms = new Set<string>();
  const bundles: AttachedBundle[] = [];
  let found: (SidecarImage & { readonly digest: Digest }) | undefined;
  for await (const { digest, image } of imagesIn(layout)) {
    const bundle = bundleIn(image);
    const sidecar = readSidecarImage(image, `${layout.path}@${digest}`);
    if (bundle !== undefined) {
      bundles.push(bundle);
    } else if (!('skipped' in sidecar)) {
      const { platform, inputs } = sidecar.record;
      platforms.add(platform);
      const isExact = inputs?.key === wanted.key && found?.record.inputs?.key !== wanted.key;
      if (platform === wanted.platform && (found === undefined || isExact)) {
        found = { ...sidecar, digest };
      }
    }
  }
  if (found === undefined) {
    const others = platforms.size === 0 ? 'and none for others' : `only for ${[...platforms].join(', ')}`;
    return { skipped: `${layout.path} has no sidecar for ${wanted.platform}, ${others}` };
  }
  const { layer, record, digest } = found;
  const attached: Buffer[] = [];
  for (const { blob } of bundles.filter(({ subject }) => subject === digest).slice(0, MAX_BUNDLES)) {
    attached.push(await layout.read(blob, MAX_BUNDLE_BYTES));
  }
  return {
    record,
    content: { kind: 'local', path: layout.path, span: layout.find(layer.digest, layer.sizeBytes) },
    address: `layout:${layout.path}`,
    bundles: async () => attached,
  };
}

type Blob = Pick<OciDescriptor, 'size'> & { readonly digest: Digest };

interface AttachedBundle {
  readonly subject: Digest;
  readonly blob: Blob;
}

/** As cosign and gh attach it. */
function bundleIn({ subject, artifactType = '', layers }: OciImage): AttachedBundle | undefined {
  const blob = layers.find(({ mediaType }) => isBundleType(mediaType));
  return subject !== undefined && isDigest(subject.digest) && isBundleType(artifactType) && isBlob(blob)
    ? { subject: subject.digest, blob: { digest: blob.digest, size: blob.size } }
    : undefined;
}

function isBlob(descriptor: OciDescriptor | undefined): descriptor is OciDescriptor & Blob {
  return descriptor !== undefined && isDigest(descriptor.digest);
}

/** All that index.json leads to, by way of further indexes or directly. */
async function* imagesIn(
  layout: Layout,
): AsyncGenerator<{ readonly digest: Digest; readonly image: OciImage }> {
  const pending: Blob[] = [];
  const seen = new Set<string>();
  const add = (listed: readonly OciDescriptor[]) => {
    for (const descriptor of listed) {
      if (
        isBlob(descriptor) &&
        MANIFEST_TYPES.includes(descriptor.mediaType) &&
        !seen.has(descriptor.digest)
      ) {
        seen.add(descriptor.digest);
        pending.push({ digest: descriptor.digest, size: descriptor.size });
      }
    }
    if (seen.size > MAX_MANIFESTS) {
      throw damagedLayout(`${layout.path} lists more than ${MAX_MANIFESTS} manifests`);
    }
  };
  add(await layout.readIndex());
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const bytes = await layout.read(next, MAX_MANIFEST_BYTES);
    const content = parseJson(manifestSchema, bytes, `${layout.path}@${next.digest}`);
    if (isIndex(content)) {
      add(content.manifests);
    } else {
      yield { digest: next.digest, image: content };
    }
  }
}

async function withLayout<T>(
  path: string,
  signal: AbortSignal,
  use: (layout: Layout) => Promise<T>,
): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(await Layout.open(file, path, signal));
  } catch (error) {
    if (error instanceof TarError) {
      throw damagedLayout(`${path} is no OCI image layout in a tar: ${printable(error.message)}`, error);
    }
    throw error instanceof Error && 'syscall' in error ? fileError(`cannot read ${path}`, error) : error;
  } finally {
    await file.close();
  }
}

/** Does not wait for a pipe. */
async function openFile(path: string): Promise<fs.FileHandle> {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw hasErrno(error, 'ENOENT', 'ENOTDIR')
      ? new BottleError('not-found', `there is no file ${path}`, { cause: error })
      : fileError(`cannot read ${path}`, error);
  }
}

class Layout {
  readonly path: string;
  readonly #file: fs.FileHandle;
  readonly #spans: ReadonlyMap<string, FileSpan>;

  private constructor(path: string, file: fs.FileHandle, spans: ReadonlyMap<string, FileSpan>) {
    this.path = path;
    this.#file = file;
    this.#spans = spans;
  }

  /** @throws BottleError `sidecar-damaged`, TarError */
  static async open(file: fs.FileHandle, path: string, signal: AbortSignal): Promise<Layout> {
    const stat = await file.stat();
    if (!stat.isFile()) {
      throw new BottleError('usage', `${path} is not a file`, {
        hint: 'of a directory with an OCI image layout, make one: tar -C DIR -cf FILE .',
      });
    }
    const layout = new Layout(path, file, await findSpans(file, { path, sizeBytes: stat.size, signal }));
    parseJson(layoutSchema, await layout.#readFile('oci-layout'), `oci-layout in ${path}`);
    return layout;
  }

  async readIndex(): Promise<readonly OciDescriptor[]> {
    const where = `index.json in ${this.path}`;
    const content = parseJson(manifestSchema, await this.#readFile('index.json'), where);
    if (!isIndex(content)) {
      throw damagedLayout(`${where} is no index`);
    }
    return content.manifests;
  }

  /** Where a blob is, whose content is not verified. */
  find(digest: Digest, sizeBytes: number): FileSpan {
    const span = this.#spans.get(`blobs/sha256/${digest.slice('sha256:'.length)}`);
    if (span === undefined) {
      throw damagedLayout(`${this.path} lacks the blob ${digest}`);
    }
    if (span.sizeBytes !== sizeBytes) {
      throw damagedLayout(
        `the blob ${digest} in ${this.path} has ${span.sizeBytes} bytes, expected ${sizeBytes}`,
      );
    }
    return span;
  }

  /** A blob with the hash that it has to have. */
  async read({ digest, size }: Blob, maxBytes: number): Promise<Buffer> {
    const bytes = await this.#readSpan(this.find(digest, size), maxBytes, `the blob ${digest}`);
    const found = createHash('sha256').update(bytes).digest('hex');
    if (digest !== `sha256:${found}`) {
      throw damagedLayout(`the blob ${digest} in ${this.path} has the SHA-256 ${found}`);
    }
    return bytes;
  }

  async #readFile(name: 'oci-layout' | 'index.json'): Promise<Buffer> {
    const span = this.#spans.get(name);
    if (span === undefined) {
      throw damagedLayout(`${this.path} has no ${name} at its top, so it is no OCI image layout`);
    }
    return await this.#readSpan(span, MAX_MANIFEST_BYTES, name);
  }

  async #readSpan(span: FileSpan, maxBytes: number, what: string): Promise<Buffer> {
    if (span.sizeBytes > maxBytes) {
      throw damagedLayout(`${what} in ${this.path} has ${span.sizeBytes} bytes, more than ${maxBytes} bytes`);
    }
    return await readSpan(this.#file, span);
  }
}

interface Archive {
  readonly path: string;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
}

/** Reads the headers and steps over what is between them. */
async function findSpans(file: fs.FileHandle, archive: Archive): Promise<Map<string, FileSpan>> {
  const spans = new Map<string, FileSpan>();
  const skipped = { toByte: 0 };
  let offset = 0;
  let entries = 0;
  for await (const part of readTar(headerChunks(file, archive, skipped))) {
    if (part.kind === 'body') {
      offset += part.chunk.length;
      continue;
    }
    const { entry, raw } = part;
    offset += raw.length;
    skipped.toByte = offset + entry.sizeBytes;
    entries += 1;
    requirePlain(entry, archive.path);
    if (entries > MAX_ENTRIES) {
      throw damagedLayout(`${archive.path} has more than ${MAX_ENTRIES} entries`);
    }
    if (entry.type === 'file' && LAYOUT_PATH.test(entry.path)) {
      if (spans.has(entry.path)) {
        throw damagedLayout(`${archive.path} holds ${entry.path} twice`);
      }
      spans.set(entry.path, { offset, sizeBytes: entry.sizeBytes });
    }
  }
  return spans;
}

/** The file, with zeros for what is before `skipped.toByte`: the reader of the headers passes that on unseen. */
async function* headerChunks(
  file: fs.FileHandle,
  { sizeBytes, signal }: Archive,
  skipped: { readonly toByte: number },
): AsyncGenerator<Buffer> {
  const zeros = Buffer.alloc(SKIPPED_BYTES);
  for (let position = 0; position < sizeBytes; ) {
    signal.throwIfAborted();
    const leftBytes = sizeBytes - position;
    const canSkip = Math.min(skipped.toByte - position, leftBytes) >= zeros.length;
    const chunk = canSkip
      ? zeros
      : await readSpan(file, { offset: position, sizeBytes: Math.min(READ_CHUNK_BYTES, leftBytes) });
    if (chunk.length === 0) {
      return;
    }
    position += chunk.length;
    yield chunk;
  }
}

/** Other tools would unpack it. */
function requirePlain({ path, type }: TarEntry, archivePath: string): void {
  const fault =
    type !== 'file' && type !== 'directory'
      ? `a ${type}`
      : path.startsWith('/') || path.split('/').includes('..')
        ? 'a path that leads out of it'
        : undefined;
  if (fault !== undefined) {
    throw damagedLayout(`${archivePath} holds ${printable(JSON.stringify(path))}, ${fault}`);
  }
}

function parseJson<T extends z.ZodMiniType>(schema: T, bytes: Buffer, where: string): z.infer<T> {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw damagedLayout(`${where} is not JSON`, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw damagedLayout(`${where} is not what the OCI asks for`, parsed.error);
  }
  return parsed.data;
}

function damagedLayout(message: string, cause?: unknown): BottleError {
  return new BottleError('sidecar-damaged', message, {
    hint: 'copy the file again, or export it again: claude-bottle export',
    cause,
  });
}
