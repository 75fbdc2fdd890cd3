import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../errors.ts';
import { type Digest, type Id16, id16, isDigest } from '../identity/image-id.ts';
import type { InputsKey } from '../identity/inputs-key.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { namesIn } from './directory.ts';
import { type StoreLayout, sidecarName } from './location.ts';

// On the way to the path of a sidecar every millisecond counts, so nothing here loads zod: what the lookup uses of a
// pack record is checked by hand. Whoever goes on to use a record reads it with `readRecord`.

/** A sidecar that the store has for an inputs key. Its bytes are not verified. */
export interface Kept {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** That it was packed from; `path` may have another's name. */
  readonly imageId: Digest;
  /** All names that it has, `path` first. */
  readonly names: ReadonlyArray<{ readonly id16: Id16; readonly path: string }>;
  readonly packedAt: string;
  readonly recordPath: string;
}

/** Those that are there with the size that their records say, the newest first. */
export async function listKept(
  layout: StoreLayout,
  key: InputsKey,
  platform: GuestPlatform,
): Promise<Kept[]> {
  try {
    const found: Kept[] = [];
    for (const summary of await summariesOf(layout, key, platform)) {
      const names = await namesOf(layout, summary);
      const [first] = names;
      if (first !== undefined) {
        found.push({ path: first.path, names, ...summary });
      }
    }
    return found.sort((a, b) => Date.parse(b.packedAt) - Date.parse(a.packedAt));
  } catch (error) {
    throw fileError(`cannot read the store ${layout.dir}`, error);
  }
}

/** For `claude-bottle path`, which has no need of the record. */
export async function findKept(
  layout: StoreLayout,
  key: InputsKey,
  platform: GuestPlatform,
): Promise<Kept | undefined> {
  const [newest] = await listKept(layout, key, platform);
  return newest;
}

type Summary = Pick<Kept, 'sha256' | 'sizeBytes' | 'imageId' | 'packedAt' | 'recordPath'>;

async function summariesOf(layout: StoreLayout, key: InputsKey, platform: GuestPlatform): Promise<Summary[]> {
  const found: Summary[] = [];
  for (const name of await namesIn(layout.records)) {
    const recordPath = join(layout.records, name);
    const record = await readIfNames(recordPath, key);
    const { image, sidecar, packedAt } = record ?? {};
    if (
      record?.inputs?.key === key &&
      record.platform === platform &&
      typeof image?.id === 'string' &&
      isDigest(image.id) &&
      typeof sidecar?.sha256 === 'string' &&
      name === `${sidecar.sha256}.json` &&
      typeof sidecar.sizeBytes === 'number' &&
      typeof packedAt === 'string'
    ) {
      const { sha256, sizeBytes } = sidecar;
      found.push({ sha256, sizeBytes, imageId: image.id, packedAt, recordPath });
    }
  }
  return found;
}

interface Unchecked {
  readonly platform?: unknown;
  readonly packedAt?: unknown;
  readonly inputs?: { readonly key?: unknown };
  readonly image?: { readonly id?: unknown };
  readonly sidecar?: { readonly sha256?: unknown; readonly sizeBytes?: unknown };
  readonly imageId?: unknown;
  readonly sha256?: unknown;
}

/** Undefined unless the JSON mentions `text`: most need not be parsed. */
async function readIfNames(path: string, text: string): Promise<Unchecked | undefined> {
  try {
    const json = await fs.readFile(path, 'utf8');
    return json.includes(text) ? (JSON.parse(json) ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

async function namesOf(layout: StoreLayout, { sha256, sizeBytes, imageId }: Summary) {
  const object = await fs.lstat(join(layout.objects, sha256)).catch(() => undefined);
  const ids = new Set([id16(imageId)]);
  for (const name of await namesIn(layout.bindings)) {
    const binding = await readIfNames(join(layout.bindings, name), sha256);
    if (binding?.sha256 === sha256 && typeof binding.imageId === 'string' && isDigest(binding.imageId)) {
      ids.add(id16(binding.imageId));
    }
  }
  const names: Array<{ id16: Id16; path: string }> = [];
  for (const id of ids) {
    const path = join(layout.dir, sidecarName(id));
    const stat = await fs.lstat(path).catch(() => undefined);
    // A file that is linked to something else than this object is another content of the same size.
    const isAnother = object !== undefined && stat?.ino !== object.ino && stat?.nlink !== 1;
    if (stat?.isFile() && stat.size === sizeBytes && !isAnother) {
      names.push({ id16: id, path });
    }
  }
  return names;
}
