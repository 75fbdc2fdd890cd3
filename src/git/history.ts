import { findWorkTree, git, linesOf, type WorkTree } from './command.ts';
import { remoteName } from './remote.ts';

const HISTORY_COMMITS = 200;

/** As of the last clone or `git remote set-head`; undefined where the clone does not know it. */
export async function defaultBranchOf(dir: string): Promise<string | undefined> {
  const tree = await findWorkTree(dir);
  const remote = tree && (await remoteName(tree));
  if (tree === undefined || remote === undefined) {
    return undefined;
  }
  const head = `refs/remotes/${remote}/HEAD`;
  const ref = (await git(tree, ['symbolic-ref', '--quiet', head], { answers: [1] }))?.trim();
  const prefix = `refs/remotes/${remote}/`;
  return ref?.startsWith(prefix) ? ref.slice(prefix.length) : undefined;
}

/** Full hashes of the checked-out commit and of those before it, the newest first. */
export async function historyOf(dir: string): Promise<string[]> {
  const tree = await findWorkTree(dir);
  const head = tree && (await headOf(tree));
  return tree === undefined || head === undefined
    ? []
    : linesOf(await git(tree, ['rev-list', `--max-count=${HISTORY_COMMITS}`, head, '--']));
}

/** Undefined before the first commit. */
export async function headOf(tree: WorkTree): Promise<string | undefined> {
  return (await git(tree, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], { answers: [1] }))?.trim();
}

/**
 * Whether another clone can have the checked-out commit: a branch of a remote or a tag has it. Undefined where there is
 * no commit, and in a clone that knows no branch of a remote.
 */
export async function isPushed(dir: string): Promise<boolean | undefined> {
  const tree = await findWorkTree(dir);
  const head = tree && (await headOf(tree));
  if (tree === undefined || head === undefined) {
    return undefined;
  }
  const refs = async (...args: string[]) =>
    linesOf(await git(tree, ['for-each-ref', '--count=1', '--format=%(refname)', ...args]));
  if ((await refs('refs/remotes')).length === 0) {
    return undefined;
  }
  return (await refs(`--contains=${head}`, 'refs/remotes', 'refs/tags')).length > 0;
}

/** The tags of the checked-out commit, the newest first. */
export async function tagsAtHead(dir: string): Promise<string[]> {
  const tree = await findWorkTree(dir);
  const head = tree && (await headOf(tree));
  if (tree === undefined || head === undefined) {
    return [];
  }
  const format = ['--sort=-version:refname', '--sort=-creatordate', '--format=%(refname:strip=2)'];
  return linesOf(await git(tree, ['for-each-ref', `--points-at=${head}`, ...format, 'refs/tags']));
}
