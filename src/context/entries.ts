import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import type { ContextEntry, FileEntry, SpecialBit } from '../identity/inputs-key.ts';
import type { ContextSource } from './dockerfile.ts';
import type { Dockerignore, IgnoreMatches } from './dockerignore.ts';
import { parseGlob } from './glob.ts';

const CHUNK_BYTES = 256 * 1024;
const TURN_MS = 20;
const SPECIAL_BITS: readonly (readonly [number, SpecialBit])[] = [
  [0o4000, 'setuid'],
  [0o2000, 'setgid'],
  [0o1000, 'sticky'],
];

export interface ReadEntriesOptions {
  readonly context: string;
  readonly ignore: Dockerignore;
  /** What to look for; undefined is all that is there. */
  readonly sources: readonly ContextSource[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FoundEntries {
  readonly entries: readonly ContextEntry[];
  /** Sources that lead through symlinks: what they mean is not followed here. */
  readonly reasons: readonly string[];
}

/**
 * The entries of a build context that a build can see, in the order of their paths. Sockets, devices and FIFOs are
 * left out. Where there are reasons against narrowing, there are no entries.
 * @throws BottleError `io` for what cannot be read, and for entries that change during the reading
 */
export async function readEntries(options: ReadEntriesOptions): Promise<FoundEntries> {
  const turns = new Turns(options.signal);
  const walk = new Walk(options, turns);
  await walk.directory('', false, undefined);
  if (walk.reasons.size > 0) {
    return { entries: [], reasons: [...walk.reasons] };
  }
  const found = walk.found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { entries: await readAll(found, options.context, turns), reasons: [] };
}

/**
 * Directories and files are read without the thread pool, which costs more than the reading itself where they are
 * many and small; signals get their turn in between.
 */
class Turns {
  readonly #signal: AbortSignal | undefined;
  #endMs = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  isOver(): boolean {
    return performance.now() > this.#endMs;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.throwIfAborted();
    this.#endMs = performance.now() + TURN_MS;
  }

  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }
}

/** A name in the context, not yet read. */
interface Found {
  readonly path: string;
  readonly type: ContextEntry['type'];
}

/** A name, and what the sources and the ignore file say to it. */
interface Seen extends Found {
  readonly isCovered: boolean;
  readonly isIgnored: boolean;
  readonly matches: IgnoreMatches;
}

/** Whether a file of a path would be an entry if it were there: what the walk below finds out on its way. */
export function coverage({ ignore, sources }: ReadEntriesOptions): (path: string) => boolean {
  const matchers = matchersOf(sources);
  return (path) => {
    const names = path.split('/');
    let isIgnored = false;
    let matches: IgnoreMatches | undefined;
    for (let length = 1; length <= names.length; length += 1) {
      ({ isIgnored, matches } = ignore.match(names.slice(0, length).join('/'), matches));
    }
    return !isIgnored && matchers.some((source) => source.covers(names));
  };
}

function matchersOf(sources: ReadEntriesOptions['sources']): SourceMatcher[] {
  return (sources ?? [{ instruction: '', path: '', isGlob: false }]).map(
    (source) => new SourceMatcher(source),
  );
}

class Walk {
  readonly found: Found[] = [];
  readonly reasons = new Set<string>();
  readonly #context: string;
  readonly #ignore: Dockerignore;
  readonly #sources: readonly SourceMatcher[];
  readonly #turns: Turns;

  constructor({ context, ignore, sources }: ReadEntriesOptions, turns: Turns) {
    this.#context = context;
    this.#ignore = ignore;
    this.#sources = matchersOf(sources);
    this.#turns = turns;
  }

  /** Whether the engine would get something of what is in there. */
  async directory(path: string, isCovered: boolean, ignored: IgnoreMatches | undefined): Promise<boolean> {
    let isSent = false;
    for (const entry of readNames(join(this.#context, path), path)) {
      if (this.#turns.isOver()) {
        await this.#turns.next();
      }
      const type = typeOf(entry);
      if (type === undefined) {
        continue;
      }
      const seen = this.#look(path === '' ? entry.name : `${path}/${entry.name}`, type, isCovered, ignored);
      isSent = (type === 'directory' ? await this.#visitDirectory(seen) : this.#visit(seen)) || isSent;
    }
    return isSent;
  }

  #look(
    path: string,
    type: ContextEntry['type'],
    isParentCovered: boolean,
    parentIgnored: IgnoreMatches | undefined,
  ): Seen {
    const isCovered = isParentCovered || this.#sources.some((source) => source.covers(path.split('/')));
    return { path, type, isCovered, ...this.#ignore.match(path, parentIgnored) };
  }

  #visit({ path, type, isCovered, isIgnored }: Seen): boolean {
    if (isIgnored) {
      return false;
    }
    if (type === 'symlink') {
      const names = path.split('/');
      for (const source of this.#sources) {
        // A link in a source stays a link; one that a source is named by is followed.
        if (source.leadsThrough(names) && !source.covers(names.slice(0, -1))) {
          this.reasons.add(`${source.instruction}: ${path} is a symlink`);
        }
      }
    }
    if (isCovered) {
      this.found.push({ path, type });
    }
    return true;
  }

  /** The engine gets an ignored directory when something in it is excepted. */
  async #visitDirectory({ path, isCovered, isIgnored, matches }: Seen): Promise<boolean> {
    const isWanted = isCovered || this.#sources.some((source) => source.leadsThrough(path.split('/')));
    const isOpened = isWanted && (!isIgnored || this.#ignore.mayKeepInside(path));
    const isSent = (isOpened && (await this.directory(path, isCovered, matches))) || !isIgnored;
    if (isSent && isCovered) {
      this.found.push({ path, type: 'directory' });
    }
    return isSent;
  }
}

/** A source of COPY, ADD or a bind mount, compared directory by directory. */
class SourceMatcher {
  readonly instruction: string;
  readonly #segments: readonly ((name: string) => boolean)[];

  constructor({ instruction, path, isGlob }: ContextSource) {
    this.instruction = instruction;
    this.#segments = path === '' ? [] : path.split('/').map((segment) => segmentMatcher(segment, isGlob));
  }

  /** The path comes as its names; none are the context itself. */
  covers(names: readonly string[]): boolean {
    return names.length >= this.#segments.length && this.#agrees(names);
  }

  /** Whether the path is the source or on the way to it. */
  leadsThrough(names: readonly string[]): boolean {
    return names.length <= this.#segments.length && this.#agrees(names);
  }

  #agrees(names: readonly string[]): boolean {
    return this.#segments.every((matches, index) => {
      const name = names[index];
      return name === undefined || matches(name);
    });
  }
}

function segmentMatcher(segment: string, isGlob: boolean): (name: string) => boolean {
  // Go knows no `**` in file names: it is two stars.
  const glob = isGlob ? parseGlob(segment.replaceAll(/\*+/g, '*')) : undefined;
  return glob === undefined ? (name) => name === segment : (name) => glob.matches(name);
}

function typeOf(entry: Dirent): ContextEntry['type'] | undefined {
  if (entry.isDirectory()) {
    return 'directory';
  }
  return entry.isSymbolicLink() ? 'symlink' : entry.isFile() ? 'file' : undefined;
}

function readNames(directory: string, path: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    throw readError(path === '' ? directory : path, error);
  }
}

async function readAll(found: readonly Found[], context: string, turns: Turns): Promise<ContextEntry[]> {
  const entries: ContextEntry[] = [];
  const reader = new FileReader(turns);
  // Paths are in order already, and join would look at every letter of them.
  const prefix = join(context, '_').slice(0, -1);
  for (const { path, type } of found) {
    if (turns.isOver()) {
      await turns.next();
    }
    const absolute = prefix + path;
    const name = path.normalize('NFC');
    try {
      if (type === 'file') {
        entries.push({ type, path: name, ...(await reader.read(absolute)) });
      } else if (type === 'symlink') {
        entries.push({ type, path: name, linkTarget: readlinkSync(absolute) });
      } else {
        entries.push({ type, path: name });
      }
    } catch (error) {
      turns.throwIfAborted();
      throw error instanceof BottleError ? error : readError(path, error);
    }
  }
  return entries;
}

class FileReader {
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  readonly #turns: Turns;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  async read(path: string): Promise<Omit<FileEntry, 'type' | 'path'>> {
    // A file that has become a FIFO must not be waited for.
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) {
        throw changedError(path);
      }
      const executable = (stats.mode & 0o111) !== 0;
      const specialBits = SPECIAL_BITS.flatMap(([bit, name]) => ((stats.mode & bit) === 0 ? [] : name));
      const bytesRead = readSync(file, this.#buffer);
      const sha256 =
        bytesRead === stats.size
          ? hash('sha256', this.#buffer.subarray(0, bytesRead))
          : await this.#hashOn(file, bytesRead);
      return { executable, ...(specialBits.length > 0 && { specialBits }), sha256 };
    } finally {
      closeSync(file);
    }
  }

  /** The first bytes are in the buffer. */
  async #hashOn(file: number, firstBytes: number): Promise<string> {
    const sum = createHash('sha256');
    let bytesRead = firstBytes;
    while (bytesRead > 0) {
      sum.update(this.#buffer.subarray(0, bytesRead));
      if (this.#turns.isOver()) {
        await this.#turns.next();
      }
      bytesRead = readSync(file, this.#buffer);
    }
    return sum.digest('hex');
  }
}

function readError(path: string, error: unknown): BottleError {
  if (path.includes('\uFFFD')) {
    const directory = posix.dirname(path);
    const isTop = directory === '.';
    const place = isTop ? 'the build context' : `the directory ${directory}`;
    return new BottleError('io', `${place} holds a name that is not UTF-8: ${posix.basename(path)}`, {
      hint: isTop ? 'rename it' : `rename it, or list ${directory} in .dockerignore`,
      cause: error,
    });
  }
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'EISDIR')) {
    return changedError(path, error);
  }
  if (hasErrno(error, 'ENAMETOOLONG')) {
    return fileError('cannot read the build context', error);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new BottleError('io', `cannot read ${path}: ${reason}`, {
    hint: 'make it readable for this user, or list it in .dockerignore',
    cause: error,
  });
}

function changedError(path: string, cause?: unknown): BottleError {
  return new BottleError('io', `${path} changed while the build context was read`, {
    hint: 'try again when nothing writes to the build context',
    cause,
  });
}
