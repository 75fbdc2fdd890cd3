import { createHash } from 'node:crypto';
import type { TarEntry, TarType } from '../tar/read.ts';
import { damaged } from './footer.ts';
import type { VerifyOptions } from './report.ts';

/** The most for all names and link targets together. A million files have about a tenth of it. */
const MAX_NAME_BYTES = 512 * 1024 * 1024;

/** What a guest has under one path. */
export interface GuestFile {
  /** From the root of the guest, without a slash in front. */
  readonly path: string;
  /** A further name of a file is that file; a sparse file is a file. */
  readonly type: Exclude<TarType, 'hardlink' | 'sparse'>;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** The target of a link, or the numbers of a device, as in `1:3`. */
  readonly target?: string;
  /** The hash of a file, 64 hex digits. */
  readonly sha256?: string;
}

/** By their paths as bytes, each byte one character, because names need not be UTF-8. */
export type GuestFiles = ReadonlyMap<string, GuestFile>;

/**
 * Collects what a guest has, for `verifySidecar` with `deep`. A file costs some hundred bytes, and next to nothing where
 * `base`, which it is going to be compared with, has the same one.
 */
export function collectGuestFiles(base: GuestFiles = new Map()): {
  readonly files: GuestFiles;
  readonly onEntry: NonNullable<VerifyOptions['onEntry']>;
} {
  const files = new Map<string, GuestFile>();
  let nameBytes = 0;
  return {
    files,
    async onEntry(entry, content) {
      nameBytes += entry.pathBytes.length + entry.linkPathBytes.length;
      if (nameBytes > MAX_NAME_BYTES) {
        throw damaged(
          'layer',
          `its names have more than ${MAX_NAME_BYTES} bytes, which is too much to compare`,
        );
      }
      const key = entry.pathBytes.toString('latin1');
      const path = key === '' || key === '.' ? '/' : key === entry.path ? key : entry.path;
      const first = entry.type === 'hardlink' ? files.get(linkedPath(entry)) : undefined;
      const file = { ...(first ?? (await describeEntry(path, entry, content))), path };
      const same = base.get(key);
      files.set(key, same !== undefined && differentAspects(same, file).length === 0 ? same : file);
    },
  };
}

function linkedPath({ linkPathBytes }: TarEntry): string {
  return linkPathBytes.toString('latin1').replace(/^(\.\/)+/, '');
}

async function describeEntry(
  path: string,
  entry: TarEntry,
  content: AsyncIterable<Buffer>,
): Promise<GuestFile> {
  const { mode, uid, gid, mtimeSeconds, realSizeBytes, linkPath, deviceMajor, deviceMinor } = entry;
  const common = { path, mode: mode & 0o7777, uid, gid, mtimeSeconds, sizeBytes: realSizeBytes };
  switch (entry.type) {
    case 'file':
    case 'sparse': {
      const hash = createHash('sha256');
      for await (const chunk of content) {
        hash.update(chunk);
      }
      return { ...common, type: 'file', sha256: hash.digest('hex') };
    }
    case 'hardlink':
      return { ...common, type: 'file', target: linkPath };
    case 'symlink':
      return { ...common, type: 'symlink', target: linkPath };
    case 'character-device':
    case 'block-device':
      return { ...common, type: entry.type, target: `${deviceMajor}:${deviceMinor}` };
    default:
      return { ...common, type: entry.type };
  }
}

const ASPECTS = ['type', 'mode', 'owner', 'size', 'target', 'content', 'time'] as const;
export type Aspect = (typeof ASPECTS)[number];

export interface ChangedFile {
  readonly path: string;
  readonly aspects: readonly Aspect[];
  readonly from: GuestFile;
  readonly to: GuestFile;
}

/** Each list in the order of the paths. */
export interface GuestDifferences {
  readonly added: readonly GuestFile[];
  readonly removed: readonly GuestFile[];
  readonly changed: readonly ChangedFile[];
}

/** Which files differ between two guests. */
export function compareGuests(from: GuestFiles, to: GuestFiles): GuestDifferences {
  const added: GuestFile[] = [];
  const changed: ChangedFile[] = [];
  for (const [key, file] of to) {
    const before = from.get(key);
    const aspects = before === undefined ? [] : differentAspects(before, file);
    if (before === undefined) {
      added.push(file);
    } else if (aspects.length > 0) {
      changed.push({ path: file.path, aspects, from: before, to: file });
    }
  }
  const removed = [...from].filter(([key]) => !to.has(key)).map(([, file]) => file);
  return { added: added.sort(byPath), removed: removed.sort(byPath), changed: changed.sort(byPath) };
}

function differentAspects(from: GuestFile, to: GuestFile): Aspect[] {
  const isDifferent: Record<Aspect, boolean> = {
    type: from.type !== to.type,
    mode: from.mode !== to.mode,
    owner: !Object.is(from.uid, to.uid) || !Object.is(from.gid, to.gid),
    size: from.sizeBytes !== to.sizeBytes,
    target: from.target !== to.target,
    content: from.sha256 !== to.sha256,
    time: !Object.is(from.mtimeSeconds, to.mtimeSeconds),
  };
  return ASPECTS.filter((aspect) => isDifferent[aspect]);
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : 1;
}
