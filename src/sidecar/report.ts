import type { Digest } from '../identity/image-id.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { TarEntry } from '../tar/read.ts';
import type { SidecarFooter } from './footer.ts';
import type { SidecarManifest } from './manifest.ts';

export interface ExpectedSidecar {
  readonly platform?: GuestPlatform;
  /** The digest of the packed image's config. */
  readonly configDigest?: Digest;
  /** The digest of its only layer, as the registry served it. */
  readonly layerDigest?: Digest;
  /** 64 hex digits, of the whole file. */
  readonly sha256?: string;
}

export interface VerifyOptions {
  /** Also unpack the assets and check every entry. */
  readonly deep?: boolean | undefined;
  /** With `deep`: called for each entry of the layer, in its order. The rest of the content that it does not read is skipped. */
  readonly onEntry?: (entry: TarEntry, content: AsyncIterable<Buffer>) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly onBytes?: (doneBytes: number) => void;
  /** The hash of a file that was hashed while it was written, and that nobody else can write, so that it is not read again. */
  readonly hashed?: FileHash;
}

export interface FileHash {
  /** 64 hex digits, of the whole file. */
  readonly sha256: string;
  /** The checksum of everything before the footer. */
  readonly crc32: number;
}

/** What a sidecar says of itself. Nothing of it is verified yet. */
export interface SidecarContents {
  readonly path: string;
  readonly sizeBytes: number;
  readonly footer: SidecarFooter;
  readonly manifest: SidecarManifest;
}

export interface SidecarReport extends SidecarContents {
  /** 64 hex digits. */
  readonly sha256: string;
  /** 8 hex digits. */
  readonly crc32: string;
  /** With `deep` only. */
  readonly members: readonly AssetsMember[] | undefined;
}

export interface AssetsMember {
  readonly path: string;
  /** The size of the file, also of a sparse one. */
  readonly sizeBytes: number;
  /** How many files, directories and so on a layer holds. */
  readonly entries?: number;
  /** The hash of a layer's tar, 64 hex digits. */
  readonly sha256?: string;
  /** Whether a layer's hash is the digest that the manifest gives it. */
  readonly hasDigest?: boolean;
  /** Some links of a layer for which smolvm refuses to make a machine from this sidecar. */
  readonly refusedLinks?: readonly string[];
}
