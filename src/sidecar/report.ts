import type { Digest } from '../identity/image-id.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import type { TarEntry } from '../tar/read.ts';
import type { SidecarFooter } from './footer.ts';
import type { SidecarManifest } from './manifest.ts';

export interface ExpectedSidecar {
  readonly platform?: GuestPlatform;
  /** Of the image that was packed. */
  readonly configDigest?: Digest;
  /** Of its only layer, as the registry served it. */
  readonly layerDigest?: Digest;
  /** 64 hex digits, of the whole file. */
  readonly sha256?: string;
}

export interface VerifyOptions {
  /** Also unpack the assets and check every entry. */
  readonly deep?: boolean | undefined;
  /** With `deep`: called for each entry of the layer, in its order. What it leaves of the content is passed over. */
  readonly onEntry?: (entry: TarEntry, content: AsyncIterable<Buffer>) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly onBytes?: (doneBytes: number) => void;
  /** Of a file that was hashed while it was written, and that nobody else can write: it is not read again for that. */
  readonly hashed?: FileHash;
}

export interface FileHash {
  /** 64 hex digits, of the whole file. */
  readonly sha256: string;
  /** Of everything before the footer. */
  readonly crc32: number;
}

/** What a sidecar says of itself: nothing of it is verified yet. */
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
  /** Of a sparse file: its size, not what is stored. */
  readonly sizeBytes: number;
  /** Of a layer: how many files, directories and so on it holds. */
  readonly entries?: number;
  /** Of a layer: 64 hex digits, of the tar. */
  readonly sha256?: string;
  /** Of a layer: whether that is the digest which the manifest gives it. */
  readonly hasDigest?: boolean;
  /** Of a layer: some links for which smolvm refuses to make a machine from this sidecar. */
  readonly refusedLinks?: readonly string[];
}
