import { join } from 'node:path';
import type { ContextEntry } from '../identity/inputs-key.ts';
import { findWorkTree, git, type WorkTree } from './command.ts';
import {
  ancestorsOf,
  type ComparedInputs,
  Comparison,
  type Difference,
  isOn,
  readTree,
} from './comparison.ts';
import { headOf } from './history.ts';

/**
 * The part of a build context that only this clone has, without a look at the contents of tracked files: ignored and untracked
 * names, `.git`, pointers of Git LFS, and what a sparse checkout leaves out. Undefined outside of a checkout.
 * @throws BottleError `git-failed`
 */
export async function onlyHere(inputs: ComparedInputs): Promise<Difference[] | undefined> {
  const tree = await findWorkTree(inputs.context, inputs.signal);
  if (tree === undefined) {
    return undefined;
  }
  return await withSubmodules(tree, inputs, async (comparison) => [
    ...(await comparison.strangers()),
    ...(await comparison.pointers()),
    ...comparison.leftOut(),
  ]);
}

export interface Compared {
  readonly differences: readonly Difference[];
  readonly knowsCommit: boolean;
  /** The SHA-256 of the pointers that the commit has in the place of files that are here. */
  readonly lfsPointers: ReadonlyMap<string, string>;
}

/**
 * What makes a build context another one than a clone of `commit` has. Undefined outside of a checkout; without a
 * `commit`, or when this clone does not have it, the checked-out commit takes its place.
 * @throws BottleError `git-failed`
 */
export async function differencesSince(
  commit: string | undefined,
  inputs: ComparedInputs,
): Promise<Compared | undefined> {
  const tree = await findWorkTree(inputs.context, inputs.signal);
  if (tree === undefined) {
    return undefined;
  }
  const there = commit === undefined ? undefined : await readTree(tree, commit);
  const lfsPointers = new Map<string, string>();
  const differences = await withSubmodules(tree, inputs, async (comparison, isTop) => [
    ...(await comparison.strangers()),
    ...(await comparison.contents(isTop ? lfsPointers : new Map())),
    ...comparison.leftOut(),
    ...(isTop && there !== undefined ? comparison.committedSince(there) : []),
  ]);
  return { differences, knowsCommit: there !== undefined, lfsPointers };
}

/** The entries that an archive of the repository has: a checkout on a runner without git is one. */
export async function archivedEntries({ context, entries, signal }: ComparedInputs): Promise<ContextEntry[]> {
  const tree = await findWorkTree(context, signal);
  if (tree === undefined) {
    return [...entries];
  }
  const input = entries.map(({ path }) => `${tree.prefix}${path}\0`).join('');
  const fields = (await git(tree, ['check-attr', '-z', '--stdin', 'export-ignore'], { input }))?.split('\0');
  const ignored = new Set(entries.flatMap(({ path }, index) => (isOn(fields?.[index * 3 + 2]) ? path : [])));
  const left = entries.filter(({ path }) => ![path, ...ancestorsOf(path)].some((each) => ignored.has(each)));
  const inUse = new Set(left.flatMap(({ type, path }) => (type === 'directory' ? [] : ancestorsOf(path))));
  return left.filter(({ type, path }) => type !== 'directory' || inUse.has(path));
}

/** Looks at a checkout and at the submodules that are in it, at any depth. */
async function withSubmodules(
  tree: WorkTree,
  inputs: ComparedInputs,
  look: (comparison: Comparison, isTop: boolean) => Promise<Difference[]>,
  isTop = true,
): Promise<Difference[]> {
  const comparison = await Comparison.open(tree, inputs);
  const differences = await look(comparison, isTop);
  for (const { path, hash } of comparison.submodules()) {
    const context = join(inputs.context, path);
    const inside = await findWorkTree(context, tree.signal);
    if (inside === undefined || inside.top === tree.top) {
      continue;
    }
    if ((await headOf(inside)) !== hash) {
      differences.push({ path, cause: 'submodule', count: 1 });
    }
    const entries = inputs.entries
      .filter((entry) => entry.path.startsWith(`${path}/`))
      .map((entry) => ({ ...entry, path: entry.path.slice(path.length + 1) }));
    const covers = (name: string) => inputs.covers(`${path}/${name}`);
    const found = await withSubmodules(inside, { context, entries, covers }, look, false);
    differences.push(...found.map((each) => ({ ...each, path: `${path}/${each.path}` })));
  }
  return differences;
}
