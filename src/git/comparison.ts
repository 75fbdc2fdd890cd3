import { createHash } from 'node:crypto';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContextEntry, FileEntry } from '../identity/inputs-key.ts';
import { git, itemsOf, type WorkTree } from './command.ts';
import { headOf } from './history.ts';
import { ignoreFiles } from './ignore-files.ts';
import {
  blobOf,
  isLfsPointer,
  lfsPointerOf,
  otherLineEndings,
  readWorkingFile,
  reconverted,
} from './working-file.ts';

/** Why a name in a build context is not what another clone of the commit has. */
export type Cause =
  | 'git-directory'
  | 'ignored'
  | 'untracked'
  | 'empty-directory'
  | 'lfs-pointer'
  | 'line-endings'
  | 'execute-bit'
  | 'special-bits'
  | 'symlink-as-file'
  | 'converted'
  | 'hidden-change'
  | 'changed'
  | 'added'
  | 'committed-since'
  | 'sparse'
  | 'submodule'
  | 'deleted';

export interface Difference {
  /** POSIX, relative to the build context; of ignored and untracked files the directory that is so as a whole. */
  readonly path: string;
  readonly cause: Cause;
  /** Entries of the build that this stands for. */
  readonly count: number;
  /** The setting or the rule behind it. */
  readonly detail?: string | undefined;
}

/** The part of a build's inputs that is compared. */
export interface ComparedInputs {
  readonly context: string;
  readonly entries: readonly ContextEntry[];
  /** Whether a file of that path would be part of the build. */
  readonly covers: (path: string) => boolean;
  readonly signal?: AbortSignal | undefined;
}

interface TreeEntry {
  readonly mode: string;
  readonly hash: string;
  /** As git has it; keys are in Unicode NFC. */
  readonly path: string;
}

/** By paths relative to the build context. */
type Tree = ReadonlyMap<string, TreeEntry>;

/** Undefined when the clone does not have the commit. */
export async function readTree(tree: WorkTree, commit: string): Promise<Tree | undefined> {
  const args = ['cat-file', '--batch-check=%(objecttype)'];
  const type = await git(tree, args, { answers: [128], input: `${commit}^{commit}\n` });
  if (type?.trim() !== 'commit') {
    return undefined;
  }
  const pathspec = tree.prefix === '' ? [] : [tree.prefix];
  const listing = await git(tree, ['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...pathspec], {
    answers: [128],
  });
  if (listing === undefined) {
    return undefined;
  }
  return new Map(
    itemsOf(listing).map((item) => {
      const tab = item.indexOf('\t');
      const [mode = '', , hash = ''] = item.slice(0, tab).split(' ');
      const path = item.slice(tab + 1 + tree.prefix.length);
      return [path.normalize('NFC'), { mode, hash, path }];
    }),
  );
}

/** A working tree beside the commit that is checked out in it. */
export class Comparison {
  readonly #tree: WorkTree;
  readonly #inputs: ComparedInputs;
  readonly #head: Tree;
  /** What `git ls-files -v` says of each name of the index: H, S for skip-worktree, small letters for assume-unchanged. */
  readonly #index: ReadonlyMap<string, string>;
  readonly #untracked: ReadonlySet<string>;
  readonly #ignored: ReadonlySet<string>;

  private constructor(
    tree: WorkTree,
    inputs: ComparedInputs,
    found: {
      head: Tree;
      index: ReadonlyMap<string, string>;
      untracked: ReadonlySet<string>;
      ignored: ReadonlySet<string>;
    },
  ) {
    this.#tree = tree;
    this.#inputs = inputs;
    this.#head = found.head;
    this.#index = found.index;
    this.#untracked = found.untracked;
    this.#ignored = found.ignored;
  }

  static async open(tree: WorkTree, inputs: ComparedInputs): Promise<Comparison> {
    const pathspec = ['--', ...(tree.prefix === '' ? [] : [tree.prefix])];
    const names = async (...args: string[]) =>
      itemsOf(await git(tree, ['ls-files', '-z', ...args, ...pathspec]));
    const relative = (path: string) => path.slice(tree.prefix.length).normalize('NFC');
    const others = ['--others', '--directory', '--exclude-standard'];
    const [commit, index, untracked, ignored] = await Promise.all([
      headOf(tree),
      names('-v'),
      names(...others),
      names(...others, '--ignored'),
    ]);
    return new Comparison(tree, inputs, {
      head: (commit === undefined ? undefined : await readTree(tree, commit)) ?? new Map(),
      index: new Map(index.map((line) => [relative(line.slice(2)), line.charAt(0)])),
      untracked: new Set(untracked.map(relative)),
      ignored: new Set(ignored.map(relative)),
    });
  }

  /** Entries of the build that git does not have, by the directory that it does not have. */
  async strangers(): Promise<Difference[]> {
    const found = new Map<string, { cause: Cause; count: number }>();
    const inUse = new Set(
      this.#inputs.entries.flatMap(({ type, path }) => (type === 'directory' ? [] : ancestorsOf(path))),
    );
    for (const { type, path } of this.#inputs.entries) {
      const root = this.#strangeRoot(path);
      if (root === undefined) {
        continue;
      }
      const isEmpty = type === 'directory' && root.path === path && !inUse.has(path);
      const cause = isEmpty && root.cause === 'untracked' ? 'empty-directory' : root.cause;
      const earlier = found.get(root.path);
      const count = (earlier?.count ?? 0) + (type === 'directory' && !isEmpty ? 0 : 1);
      found.set(root.path, { cause: earlier?.cause ?? cause, count });
    }
    const rules = await ignoreFiles(
      this.#tree,
      [...found].flatMap(([path, { cause }]) => (cause === 'ignored' ? path : [])),
    );
    return [...found].map(([path, { cause, count }]) => ({
      path,
      cause,
      count: Math.max(count, 1),
      detail: rules.get(path),
    }));
  }

  #strangeRoot(path: string): { path: string; cause: Cause } | undefined {
    if (this.#untracked.has('') || this.#ignored.has('')) {
      return { path: '.', cause: this.#ignored.has('') ? 'ignored' : 'untracked' };
    }
    const names = path.split('/');
    for (let length = 1; length <= names.length; length += 1) {
      const root = names.slice(0, length).join('/');
      if (names[length - 1] === '.git') {
        return { path: root, cause: 'git-directory' };
      }
      // A directory has a slash at its end; one of another repository is listed as such.
      for (const listed of [root, `${root}/`]) {
        if (this.#ignored.has(listed)) {
          return { path: root, cause: 'ignored' };
        }
        if (this.#untracked.has(listed)) {
          return { path: root, cause: 'untracked' };
        }
      }
    }
    return undefined;
  }

  /** Pointers in the place of what Git LFS keeps. */
  async pointers(): Promise<Difference[]> {
    const listed = itemsOf(
      await git(this.#tree, ['ls-files', '-z', '--', ':(attr:filter=lfs)'], { hasMagicPaths: true }),
    );
    const { prefix, top } = this.#tree;
    const files = new Set(this.#inputs.entries.flatMap(({ type, path }) => (type === 'file' ? path : [])));
    const pointers: Difference[] = [];
    for (const name of listed) {
      const path = name.slice(prefix.length).normalize('NFC');
      const isCompared = name.startsWith(prefix) && files.has(path);
      const size = isCompared ? (await lstat(join(top, name)).catch(() => undefined))?.size : undefined;
      const file =
        size !== undefined && size <= 1024 ? await readWorkingFile(join(top, name), 'sha1') : undefined;
      if (file !== undefined && isLfsPointer(file)) {
        pointers.push({ path, cause: 'lfs-pointer', count: 1 });
      }
    }
    return pointers;
  }

  /** Those that the build takes something of. */
  submodules(): TreeEntry[] {
    const inUse = new Set(this.#inputs.entries.flatMap(({ path }) => ancestorsOf(path)));
    return [...this.#head].flatMap(([path, entry]) =>
      entry.mode === GITLINK && inUse.has(path) ? { ...entry, path } : [],
    );
  }

  /** Files of the commit that a build here would take, and that are not here. */
  leftOut(): Difference[] {
    const { entries, covers } = this.#inputs;
    const here = new Set(
      entries.flatMap(({ path, type }) => (type === 'directory' ? ancestorsOf(path) : path)),
    );
    for (const { path } of entries) {
      for (const above of ancestorsOf(path)) {
        here.add(above);
      }
    }
    const gone: Difference[] = [];
    for (const [path, { mode }] of this.#head) {
      if (here.has(path) || this.#strangeRoot(path) !== undefined || !covers(path)) {
        continue;
      }
      const cause =
        mode === GITLINK ? 'submodule' : this.#index.get(path)?.toUpperCase() === 'S' ? 'sparse' : 'deleted';
      gone.push({ path, cause, count: 1 });
    }
    return gone;
  }

  /** Entries that are not what the checked-out commit has. What Git LFS has put in their place is noted. */
  async contents(lfsPointers: Map<string, string>): Promise<Difference[]> {
    const differences: Difference[] = [];
    for (const entry of this.#inputs.entries) {
      if (entry.type === 'directory' || this.#strangeRoot(entry.path) !== undefined) {
        continue;
      }
      const difference = await this.#compare(entry, lfsPointers);
      if (difference !== undefined) {
        differences.push({ count: 1, path: entry.path, ...difference });
      }
    }
    return differences;
  }

  async #compare(
    entry: Exclude<ContextEntry, { type: 'directory' }>,
    lfsPointers: Map<string, string>,
  ): Promise<Pick<Difference, 'cause' | 'detail'> | undefined> {
    const committed = this.#head.get(entry.path);
    if (committed === undefined) {
      const isInSubmodule = ancestorsOf(entry.path).some((path) => this.#head.get(path)?.mode === GITLINK);
      return isInSubmodule ? undefined : { cause: 'added' };
    }
    const algorithm = algorithmOf(committed.hash);
    if (entry.type === 'symlink') {
      const target = await readlink(this.#absolute(committed)).catch(() => entry.linkTarget);
      const isSame = committed.mode === SYMLINK && blobOf(target, algorithm) === committed.hash;
      return isSame ? undefined : { cause: this.#changeOf(entry.path) };
    }
    const different = await this.#compareFile(entry, committed, lfsPointers);
    if (different !== undefined) {
      return different;
    }
    if (entry.specialBits !== undefined) {
      return { cause: 'special-bits', detail: entry.specialBits.join(', ') };
    }
    if (entry.executable === (committed.mode === EXECUTABLE)) {
      return undefined;
    }
    const fileMode = await this.#setting('core.fileMode');
    const ignores = fileMode === 'false' ? ', and git does not look because of core.fileMode=false' : '';
    return { cause: 'execute-bit', detail: (entry.executable ? 'set here' : 'not set here') + ignores };
  }

  async #compareFile(
    entry: FileEntry,
    committed: TreeEntry,
    lfsPointers: Map<string, string>,
  ): Promise<Pick<Difference, 'cause' | 'detail'> | undefined> {
    const algorithm = algorithmOf(committed.hash);
    const file = await readWorkingFile(this.#absolute(committed), algorithm);
    if (file === undefined) {
      return { cause: 'changed' };
    }
    if (file.blob === committed.hash) {
      return committed.mode === SYMLINK
        ? { cause: 'symlink-as-file' }
        : isLfsPointer(file)
          ? { cause: 'lfs-pointer' }
          : undefined;
    }
    const attributes = await this.#attributes(committed);
    if (attributes.get('filter') === 'lfs' && blobOf(lfsPointerOf(file), algorithm) === committed.hash) {
      lfsPointers.set(entry.path, createHash('sha256').update(lfsPointerOf(file)).digest('hex'));
      return undefined;
    }
    if (otherLineEndings(file).some((bytes) => blobOf(bytes, algorithm) === committed.hash)) {
      return await this.#lineEndings(attributes);
    }
    if (reconverted(file, attributes).some((bytes) => blobOf(bytes, algorithm) === committed.hash)) {
      return undefined;
    }
    const converter = ['filter', 'ident', 'working-tree-encoding'].find((name) => isOn(attributes.get(name)));
    return converter !== undefined && attributes.get('filter') !== 'lfs'
      ? { cause: 'converted', detail: `${converter}=${attributes.get(converter)}` }
      : { cause: this.#changeOf(entry.path) };
  }

  /** Line endings that .gitattributes asks for are the same in every clone. */
  async #lineEndings(
    attributes: ReadonlyMap<string, string>,
  ): Promise<Pick<Difference, 'cause' | 'detail'> | undefined> {
    if (attributes.get('eol') === 'crlf') {
      return undefined;
    }
    for (const name of ['core.autocrlf', 'core.eol']) {
      const value = await this.#setting(name);
      if (value !== undefined && value !== 'false') {
        return { cause: 'line-endings', detail: `${name}=${value}` };
      }
    }
    return { cause: 'line-endings' };
  }

  async #setting(name: string): Promise<string | undefined> {
    return (await git(this.#tree, ['config', '--get', name], { answers: [1] }))?.trim();
  }

  async #attributes({ path }: TreeEntry): Promise<ReadonlyMap<string, string>> {
    const names = ['filter', 'ident', 'working-tree-encoding', 'eol'];
    const args = ['check-attr', '-z', ...names, '--', this.#tree.prefix + path];
    const fields = (await git(this.#tree, args))?.split('\0') ?? [];
    return new Map(names.map((name, index) => [name, fields[index * 3 + 2] ?? 'unspecified']));
  }

  /** A change that git itself would not show. */
  #changeOf(path: string): Cause {
    const flag = this.#index.get(path);
    return flag !== undefined && (flag === 'S' || flag !== flag.toUpperCase()) ? 'hidden-change' : 'changed';
  }

  /** Files that the checked-out commit has in another form than `there`. */
  committedSince(there: Tree): Difference[] {
    const paths = [...new Set([...this.#head.keys(), ...there.keys()])];
    return paths
      .filter((path) => {
        const [here, earlier] = [this.#head.get(path), there.get(path)];
        return (here?.hash !== earlier?.hash || here?.mode !== earlier?.mode) && this.#inputs.covers(path);
      })
      .map((path) => ({ path, cause: 'committed-since', count: 1 }));
  }

  #absolute({ path }: TreeEntry): string {
    return join(this.#tree.top, this.#tree.prefix, path);
  }
}

const GITLINK = '160000';
const SYMLINK = '120000';
const EXECUTABLE = '100755';

function algorithmOf(hash: string): string {
  return hash.length === 64 ? 'sha256' : 'sha1';
}

export function isOn(attribute: string | undefined): boolean {
  return attribute !== undefined && !['unspecified', 'unset'].includes(attribute);
}

/** The directories above a path. */
export function ancestorsOf(path: string): string[] {
  const names = path.split('/');
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join('/'));
}
