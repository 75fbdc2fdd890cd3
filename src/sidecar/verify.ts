import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as zlib from 'node:zlib';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { isDigest } from '../identity/image-id.ts';
import { GUEST_PLATFORMS, type GuestPlatform } from '../identity/platform.ts';
import { counted } from '../identity/shown-text.ts';
import { damaged, decodeFooter, FOOTER_BYTES, hasFooterMagic, shortened } from './footer.ts';
import { isFrameMagic } from './frame-reader.ts';
import { parseManifest, type SidecarManifest } from './manifest.ts';
import type { ExpectedSidecar, FileHash, SidecarContents, SidecarReport, VerifyOptions } from './report.ts';

const READ_CHUNK_BYTES = 1024 * 1024;
const MAX_CPUS = 255;
const MAX_MEM_MIB = 1024 * 1024;
const MAGIC_BYTES = 4;

/**
 * Checks a sidecar from end to end through one open file. smolvm itself checks next to nothing of this when it makes
 * a machine from the file, so what passes here is what gets booted.
 * @throws BottleError `sidecar-damaged` or `sidecar-refused`, naming the check, with expected and found
 */
export async function verifySidecar(
  path: string,
  expected: ExpectedSidecar = {},
  options: VerifyOptions = {},
): Promise<SidecarReport> {
  return await withSidecar(path, async (file) => {
    const contents = await readContents(file, path);
    requirePolicy(contents.manifest, expected.platform);
    const { sha256, crc32 } = options.hashed ?? (await hashFile(file, contents, options));
    requireCrc(contents.footer.crc32, crc32);
    requireEqual('SHA-256', expected.sha256, sha256);
    requireIdentity(contents.manifest, expected);
    const members = options.deep
      ? await (await import('./assets.ts')).checkAssets(file, contents, options)
      : undefined;
    return { ...contents, sha256, crc32: hex32(crc32), members };
  });
}

/** Reads footer and manifest only. */
export async function readSidecar(path: string): Promise<SidecarContents> {
  return await withSidecar(path, (file) => readContents(file, path));
}

async function withSidecar<T>(path: string, use: (file: fs.FileHandle) => Promise<T>): Promise<T> {
  const file = await openSidecar(path);
  try {
    return await use(file);
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError(`cannot read ${path}`, error) : error;
  } finally {
    await file.close();
  }
}

/** Follows no link and waits for no pipe. */
export async function openSidecar(path: string): Promise<fs.FileHandle> {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ELOOP', 'EMLINK')) {
      throw damaged('file', `${path} is a symbolic link`, error);
    }
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw new BottleError('not-found', `there is no file ${path}`, {
        hint: 'check the path, or name an image ID that claude-bottle ls shows',
        cause: error,
      });
    }
    if (hasErrno(error, 'ENXIO', 'EISDIR')) {
      throw damaged('file', `${path} is not a regular file`, error);
    }
    throw fileError(`cannot read ${path}`, error);
  }
}

async function readContents(file: fs.FileHandle, path: string): Promise<SidecarContents> {
  const stat = await file.stat();
  if (!stat.isFile()) {
    throw damaged('file', `${path} is not a regular file`);
  }
  const isZstd = stat.size >= MAGIC_BYTES && isFrameMagic(await readAt(file, 0, MAGIC_BYTES));
  const end = await readAt(file, Math.max(0, stat.size - FOOTER_BYTES), Math.min(stat.size, FOOTER_BYTES));
  if (!isZstd && !hasFooterMagic(end)) {
    throw new BottleError('sidecar-damaged', `${path} is not a .smolmachine file`, {
      hint: 'check the path',
    });
  }
  if (stat.size < FOOTER_BYTES) {
    throw damaged('file', `${path} has ${counted(stat.size, 'byte')}, the footer alone has ${FOOTER_BYTES}`);
  }
  const footer = decodeFooter(end, stat.size);
  await requireZstd(file);
  const manifest = parseManifest(await readAt(file, footer.assetsBytes, footer.manifestBytes));
  return { path, sizeBytes: stat.size, footer, manifest };
}

async function readAt(file: fs.FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) {
    throw damaged('file', `it ended while it was read, at byte ${position + bytesRead}`);
  }
  return bytes;
}

async function requireZstd(file: fs.FileHandle): Promise<void> {
  const magic = await readAt(file, 0, MAGIC_BYTES);
  if (!isFrameMagic(magic)) {
    throw damaged('assets', `they begin with ${magic.toString('hex')}, a zstd frame with 28b52ffd`);
  }
}

/** What a packed manifest may ask of the machine it starts: smolvm would grant more than claude-bottle means to. */
function requirePolicy(manifest: SidecarManifest, expectedPlatform: GuestPlatform | undefined): void {
  const { cpus, mem, mode = 'container', network, gpu, cuda, secret_refs: secretRefs = [] } = manifest;
  const { checkpoint = null } = manifest;
  const { workspace_seed: seed = null, overlay_template: overlay = null } = manifest.assets;
  const layers = manifest.assets.layers.length;
  const platforms: readonly string[] = expectedPlatform ? [expectedPlatform] : GUEST_PLATFORMS;
  const rules: ReadonlyArray<readonly [field: string, found: unknown, ok: boolean, expected: string]> = [
    ['mode', mode, mode === 'container', '"container"'],
    ['digest', manifest.digest, isDigest(manifest.digest), 'sha256:<64 hex digits>, of an image config'],
    ['checkpoint', checkpoint, checkpoint === null, 'none'],
    ['assets.workspace_seed', seed, seed === null, 'none'],
    ['assets.overlay_template', overlay, overlay === null, 'none'],
    ['secret_refs', secretRefs, Object.keys(secretRefs).length === 0, 'none'],
    ['network', network, network !== true, 'false'],
    ['gpu', gpu, gpu !== true, 'false'],
    ['cuda', cuda, cuda !== true, 'false'],
    ['platform', manifest.platform, platforms.includes(manifest.platform), platforms.join(' or ')],
    ['the number of assets.layers', layers, layers === 1, '1'],
    ['cpus', cpus, cpus >= 1 && cpus <= MAX_CPUS, `1 to ${MAX_CPUS}`],
    ['mem', mem, mem >= 1 && mem <= MAX_MEM_MIB, `1 to ${MAX_MEM_MIB} MiB`],
  ];
  for (const [field, found, ok, expected] of rules) {
    if (!ok) {
      throw new BottleError(
        'sidecar-refused',
        `refused sidecar, policy: ${field} is ${shortened(JSON.stringify(found))}, expected ${expected}`,
        { hint: 'do not start it; pack your own image' },
      );
    }
  }
}

/** The two checksums of a sidecar whose size is known, from its bytes in their order. */
export class SidecarHash {
  readonly #sha256 = createHash('sha256');
  readonly #footerStart: number;
  #crc32 = 0;
  #doneBytes = 0;

  constructor(sizeBytes: number) {
    this.#footerStart = sizeBytes - FOOTER_BYTES;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  update(bytes: Buffer): void {
    this.#sha256.update(bytes);
    if (this.#doneBytes < this.#footerStart) {
      this.#crc32 = zlib.crc32(bytes.subarray(0, this.#footerStart - this.#doneBytes), this.#crc32);
    }
    this.#doneBytes += bytes.length;
  }

  digest(): FileHash {
    return { sha256: this.#sha256.digest('hex'), crc32: this.#crc32 };
  }
}

async function hashFile(
  file: fs.FileHandle,
  { sizeBytes }: SidecarContents,
  { signal, onBytes }: VerifyOptions,
): Promise<FileHash> {
  const hash = new SidecarHash(sizeBytes);
  const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
  while (hash.doneBytes < sizeBytes) {
    signal?.throwIfAborted();
    const length = Math.min(chunk.length, sizeBytes - hash.doneBytes);
    const { bytesRead } = await file.read(chunk, 0, length, hash.doneBytes);
    if (bytesRead === 0) {
      throw damaged('file', `it ended while it was read, at byte ${hash.doneBytes}`);
    }
    hash.update(chunk.subarray(0, bytesRead));
    onBytes?.(hash.doneBytes);
  }
  return hash.digest();
}

function requireCrc(expected: number, found: number): void {
  if (found !== expected) {
    throw damaged('CRC-32', `the content has ${hex32(found)}, the footer says ${hex32(expected)}`);
  }
}

function requireIdentity({ digest, assets }: SidecarManifest, expected: ExpectedSidecar): void {
  requireEqual('digest of the image config', expected.configDigest, digest);
  requireEqual('digest of the layer', expected.layerDigest, assets.layers[0]?.digest ?? 'none');
}

function requireEqual(what: string, expected: string | number | undefined, found: string | number): void {
  if (expected !== undefined && found !== expected) {
    throw damaged('identity', `the ${what} is ${found}, expected ${expected}`);
  }
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
