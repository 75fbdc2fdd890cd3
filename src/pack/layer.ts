import { linkInsideRoot } from '../sidecar/links.ts';
import { readTar, type TarEntry, type TarPart } from '../tar/read.ts';
import { changedHeader } from '../tar/write.ts';
import { type EngineTraces, isTracked, type OwnEntry, type OwnPaths } from './own-paths.ts';

const CAPABILITY_KEY = 'SCHILY.xattr.security.capability';
/** How GNU tar, BSD tar and Go write extended attributes and access control lists. */
const ATTRIBUTE_KEY = /^(?:SCHILY\.(?:xattr|acl)|LIBARCHIVE\.xattr)\.(?<name>.+)$/;
const MAX_EXAMPLES = 5;

/** Paths of one kind: how many there are, and the first few. */
export interface Found {
  count: number;
  readonly examples: string[];
}

/** What passed through a `LayerFilter`. */
export interface LayerFindings {
  /** Files, directories and so on that a file system needs an inode for. */
  readonly inodes: number;
  readonly capabilities: Found;
  /** Extended attributes and access control lists, which no sidecar has. */
  readonly attributes: Found;
  /** Devices and FIFOs. */
  readonly specialFiles: Found;
  /** Links that smolvm would refuse, with what they say now. */
  readonly changedLinks: Found;
}

/**
 * Turns the tar of a container into the layer of its image, in constant memory and one pass: entries pass through byte
 * for byte, but for what the engine has added to the container, and for links that smolvm refuses.
 */
export class LayerFilter {
  readonly findings = {
    inodes: 0,
    capabilities: found(),
    attributes: found(),
    specialFiles: found(),
    changedLinks: found(),
  } satisfies LayerFindings;
  readonly #traces: EngineTraces;
  readonly #own: OwnPaths | undefined;
  readonly #imageSeconds: number;
  /** Own entries that follow at the end: the target of a hard link comes first. */
  readonly #deferred: OwnEntry[] = [];

  /** @param own what the image has where the engine puts something else; without it, that is told by names and times */
  constructor(traces: EngineTraces, imageSeconds: number, own?: OwnPaths) {
    this.#traces = traces;
    this.#imageSeconds = imageSeconds;
    this.#own = own;
  }

  /** Without the end marker. */
  async *apply(container: AsyncIterable<Buffer>): AsyncGenerator<TarPart> {
    let isDropped = false;
    for await (const part of readTar(container)) {
      if (part.kind === 'body') {
        if (!isDropped) {
          yield part;
        }
        continue;
      }
      const { entry, raw } = part;
      const isReplaced = this.#own !== undefined && isTracked(entry.path);
      isDropped = isReplaced || this.#traces.isStub(entry);
      if (isReplaced) {
        yield* this.#ownEntry(entry.path);
      } else if (!isDropped) {
        yield this.#passed(entry, raw);
      }
    }
    for (const { entry, raw } of this.#deferred) {
      yield this.#passed(entry, raw);
    }
  }

  *#ownEntry(path: string): Generator<TarPart> {
    const own = this.#own?.get(path);
    if (own?.entry.type === 'hardlink') {
      this.#deferred.push(own);
    } else if (own !== undefined) {
      yield this.#passed(own.entry, own.raw);
      yield { kind: 'body', chunk: own.content };
    }
  }

  /** The entry as it goes into the layer. */
  #passed(entry: TarEntry, raw: Buffer): TarPart {
    const { path, type, linkPath } = entry;
    if (type !== 'hardlink') {
      this.findings.inodes += 1;
    }
    this.#noteAttributes(entry);
    if (['fifo', 'character-device', 'block-device'].includes(type)) {
      add(this.findings.specialFiles, path);
    }
    if (type === 'symlink') {
      const inside = linkInsideRoot(path, linkPath);
      if (inside !== undefined) {
        add(this.findings.changedLinks, `${path} -> ${inside}`);
        const changed = { ...entry, linkPath: inside, linkPathBytes: Buffer.from(inside) };
        return { kind: 'header', entry: changed, raw: changedHeader(entry, raw, { linkPath: inside }) };
      }
    }
    if (type === 'directory' && entry.mtimeSeconds > this.#imageSeconds) {
      // The engine has made it for what is in it, or has put something into it; the image's own time is not known.
      const mtimeSeconds = this.#imageSeconds;
      return {
        kind: 'header',
        entry: { ...entry, mtimeSeconds },
        raw: changedHeader(entry, raw, { mtimeSeconds }),
      };
    }
    return { kind: 'header', entry, raw };
  }

  #noteAttributes({ path, pax }: TarEntry): void {
    for (const key of pax.keys()) {
      const name = ATTRIBUTE_KEY.exec(key)?.groups?.name;
      if (key === CAPABILITY_KEY) {
        add(this.findings.capabilities, path);
      } else if (name !== undefined) {
        add(this.findings.attributes, `${path} (${name})`);
      }
    }
  }
}

function found(): Found {
  return { count: 0, examples: [] };
}

function add(kind: Found, path: string): void {
  kind.count += 1;
  if (kind.examples.length < MAX_EXAMPLES) {
    kind.examples.push(path);
  }
}
