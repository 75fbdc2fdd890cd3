import { z } from 'zod';
import type { BlobStore } from './blob-store.ts';
import { int64, parseMessage, TwirpError, type TwirpMethod } from './twirp.ts';

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly version: string;
  readonly blob: string;
  /** Undefined as long as the entry is only reserved. */
  sizeBytes?: number;
}

export interface CacheEntry {
  readonly key: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** The archive on disk, to be written over; empty with Azurite. */
  readonly path: string;
}

const text = z.string().min(1);
const CreateRequest = z.strictObject({ key: text.max(512), version: text });
const FinalizeRequest = z.strictObject({ key: text, version: text, size_bytes: int64 });
const LookUpRequest = z.strictObject({
  key: text,
  restore_keys: z.array(z.string()).max(9).default([]),
  version: text,
});

/** `github.actions.results.api.v1.CacheService`, for one repository and one branch. */
export class CacheService {
  /** As GitHub makes the tokens of runs that untrusted people can trigger. */
  readOnly = false;
  readonly #blobs: BlobStore;
  readonly #baseUrl: string;
  readonly #entries: Entry[] = [];

  constructor(blobs: BlobStore, baseUrl: string) {
    this.#blobs = blobs;
    this.#baseUrl = baseUrl;
  }

  readonly methods: Readonly<Record<string, TwirpMethod>> = {
    CreateCacheEntry: (message) => this.#create(message),
    FinalizeCacheEntryUpload: (message) => this.#finalize(message),
    GetCacheEntryDownloadURL: (message) => this.#lookUp(message),
  };

  /** Oldest first; without those that are only reserved. */
  entries(): CacheEntry[] {
    return this.#entries.flatMap(({ key, version, sizeBytes, blob }) =>
      sizeBytes === undefined ? [] : [{ key, version, sizeBytes, path: this.#blobs.path(blob) }],
    );
  }

  keyOf(blob: string): string | undefined {
    return this.#entries.find((entry) => entry.blob === blob)?.key;
  }

  blobOf(key: string): string | undefined {
    return this.#entries.findLast((entry) => entry.key === key)?.blob;
  }

  #create(message: unknown): object {
    const { key, version } = parseMessage(CreateRequest, message);
    if (this.readOnly) {
      return { ok: false, message: 'cache write denied: the token of this run is read-only' };
    }
    if (this.#find(key, version) !== undefined) {
      throw new TwirpError(
        'already_exists',
        `cache entry with the same key ${key} and version already exists`,
      );
    }
    const id = this.#entries.length + 1;
    const entry = { id, key, version, blob: `cache-${id}` };
    this.#entries.push(entry);
    return { ok: true, signed_upload_url: `${this.#baseUrl}${this.#blobs.sign(entry.blob, 'cw')}` };
  }

  async #finalize(message: unknown): Promise<object> {
    const { key, version, size_bytes } = parseMessage(FinalizeRequest, message);
    const entry = this.#find(key, version);
    if (entry === undefined) {
      throw new TwirpError('not_found', `no cache entry is reserved for ${key}`);
    }
    const blob = await this.#blobs.inspect(entry.blob);
    if (blob?.sizeBytes !== size_bytes) {
      return { ok: false, message: `the archive has ${blob?.sizeBytes ?? 0} bytes, not ${size_bytes}` };
    }
    entry.sizeBytes = size_bytes;
    return { ok: true, entry_id: String(entry.id) };
  }

  /** Each key exactly, else the newest entry that begins with it; GitHub does so with the first key too. */
  #lookUp(message: unknown): object {
    const { key, restore_keys, version } = parseMessage(LookUpRequest, message);
    const complete = this.#entries.filter(
      (entry) => entry.version === version && entry.sizeBytes !== undefined,
    );
    for (const wanted of [key, ...restore_keys]) {
      const entry =
        complete.find((candidate) => candidate.key === wanted) ??
        complete.findLast((candidate) => candidate.key.startsWith(wanted));
      if (entry !== undefined) {
        const signed_download_url = `${this.#baseUrl}${this.#blobs.sign(entry.blob, 'r')}`;
        return { ok: true, signed_download_url, matched_key: entry.key };
      }
    }
    return { ok: false };
  }

  #find(key: string, version: string): Entry | undefined {
    return this.#entries.find((entry) => entry.key === key && entry.version === version);
  }
}
