import { BottleError } from '../errors.ts';
import { counted, shellWord } from '../identity/shown-text.ts';
import type { Cause, ComparedInputs, Difference } from './comparison.ts';
import { onlyHere } from './differences.ts';

/** Something that makes a build another one than elsewhere, and what to do about it. */
export interface Reason {
  readonly what: string;
  /** An instruction, or a command with a `# comment` behind it. */
  readonly remedy?: string;
  /** No fault of this checkout: only the packing of its commit is missing. */
  readonly isCommitted?: boolean;
}

type Words = (difference: Difference) => readonly [what: string, remedy: string];

const WORDS: Readonly<Record<Cause, Words>> = {
  'git-directory': ({ path }) => [
    'is part of the build, and different in every clone',
    `add ${ignoreLine(path)} to .dockerignore`,
  ],
  ignored: ({ path, detail = '.gitignore' }) => [
    `is ignored by git (${detail}), and part of the build`,
    `add ${ignoreLine(path)} to .dockerignore`,
  ],
  untracked: ({ path }) => [
    'is not tracked by git, and part of the build',
    `commit it, or add ${ignoreLine(path)} to .dockerignore`,
  ],
  'empty-directory': ({ path }) => [
    'is an empty directory, which git cannot hold, and part of the build',
    `remove it, or add ${ignoreLine(path)} to .dockerignore`,
  ],
  'lfs-pointer': ({ path }) => [
    'is a pointer of Git LFS, and not the file itself',
    `git lfs pull --include ${shellWord(path)}`,
  ],
  'line-endings': ({ path, detail = 'core.autocrlf or .gitattributes' }) => [
    `has other line endings than in the commit (${detail})`,
    `git config core.autocrlf false && rm -- ${shellWord(path)} && git checkout -- ${shellWord(path)}`,
  ],
  'execute-bit': ({ path, detail = '' }) => [
    `has another execute bit than in the commit (${detail})`,
    `${detail.startsWith('not set') ? 'chmod +x' : 'chmod -x'} ${shellWord(path)}`,
  ],
  'special-bits': ({ path, detail }) => [
    `has mode bits that git cannot hold (${detail})`,
    `chmod ug-s,-t ${shellWord(path)}`,
  ],
  'symlink-as-file': ({ path }) => [
    'is a file here, and a symbolic link in the commit (core.symlinks)',
    `git config core.symlinks true && rm -- ${shellWord(path)} && git checkout -- ${shellWord(path)}`,
  ],
  converted: ({ detail }) => [
    `is converted when it is checked out (${detail} in .gitattributes)`,
    'set up that conversion here as in CI',
  ],
  'hidden-change': ({ path }) => [
    'has changed, and git was told not to look (assume-unchanged or skip-worktree)',
    `git update-index --no-assume-unchanged --no-skip-worktree -- ${shellWord(path)}`,
  ],
  changed: () => ['has changed and is not committed', 'git stash  # or commit it'],
  added: () => ['is new and not committed', 'git stash  # or commit it'],
  deleted: ({ path }) => ['is deleted here', `git checkout -- ${shellWord(path)}`],
  sparse: () => [
    'is left out by the sparse checkout or skip-worktree',
    'git sparse-checkout disable  # or git sparse-checkout add',
  ],
  submodule: ({ path }) => [
    'is a submodule that is not checked out as the commit says',
    `git submodule update --init -- ${shellWord(path)}`,
  ],
  'committed-since': () => ['has changed in a later commit', 'wait for CI to publish the checked-out commit'],
};

/** The name, why it is not the same elsewhere, and what to do. */
export function reasonOf(difference: Difference): Reason {
  const [what, remedy] = WORDS[difference.cause](difference);
  const count = difference.count > 1 ? ` (${difference.count} files)` : '';
  return {
    what: `${difference.path}${count} ${what}`,
    remedy,
    isCommitted: difference.cause === 'committed-since',
  };
}

export function reasonLine({ what, remedy }: Reason): string {
  return remedy === undefined ? what : `${what}: ${remedy}`;
}

const MAX_WARNINGS = 5;

/**
 * For a build context that no other clone can have: what is in it that only this one has. What git refuses to say is one
 * of the lines.
 */
export async function onlyHereLines(inputs: ComparedInputs): Promise<string[]> {
  try {
    const differences = ((await onlyHere(inputs)) ?? []).filter(({ cause }) => cause !== 'deleted');
    const rest = differences.length - MAX_WARNINGS;
    return [
      ...differences.slice(0, MAX_WARNINGS).map((each) => reasonLine(reasonOf(each))),
      ...(rest > 0
        ? [
            `${counted(rest, 'more name')} ${rest === 1 ? 'is' : 'are'} only in this clone: claude-bottle key --explain`,
          ]
        : []),
    ];
  } catch (error) {
    if (error instanceof BottleError && error.code === 'git-failed') {
      return [
        `it is not known which files only this clone has, because ${error.message}; ${error.hint ?? ''}`,
      ];
    }
    throw error;
  }
}

/** As a pattern that means this name alone. */
function ignoreLine(path: string): string {
  return path.replaceAll(/[*?[\\]/g, String.raw`\$&`);
}
