import { isAbsolute } from 'node:path';
import { git, type WorkTree } from './command.ts';

/**
 * For each of these paths, which are relative to the build context, the file whose rule ignores it: one of the checkout, of
 * this clone alone, or of its user.
 */
export async function ignoreFiles(
  tree: WorkTree,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  if (paths.length === 0) {
    return files;
  }
  // The command knows no literal paths, and with ./ before it no path is anything else.
  const above = `./${tree.prefix}`;
  const input = paths.map((path) => `${above}${path === '.' ? '' : path}\0`).join('');
  const args = ['check-ignore', '-z', '--verbose', '--stdin'];
  const answer = await git(tree, args, { input, answers: [1], hasMagicPaths: true });
  const fields = (answer ?? '').split('\0');
  for (let index = 0; index + 3 < fields.length; index += 4) {
    const [file = '', , , path = ''] = fields.slice(index, index + 4);
    files.set(path === above ? '.' : path.slice(above.length), shownName(file));
  }
  return files;
}

function shownName(file: string): string {
  if (/(^|\/)info\/exclude$/.test(file)) {
    return '.git/info/exclude';
  }
  return isAbsolute(file) ? 'core.excludesFile' : file;
}
