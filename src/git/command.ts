import { lstat, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { text } from 'node:stream/consumers';
import { BottleError, hasErrno } from '../errors.ts';
import { type ChildResult, streamChild } from '../host/child.ts';
import { shellWord } from '../identity/shown-text.ts';

const TIMEOUT_MS = 60_000;
/** Of GIT_CONFIG_COUNT. */
const MAX_SETTINGS = 1_000;

/** What git and ssh need to find themselves and the settings of their user, who is not the author of a checkout. */
const PASSED_VARIABLES = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_CONFIG_HOME',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
  // The owner that git accepts beside root, and where the git of macOS finds its tools.
  'SUDO_UID',
  'DEVELOPER_DIR',
];

/**
 * No program that a checkout names may run, whatever its `.git` says. Commands that run filters, text converters or
 * signature programs by themselves (diff, status, show, log) are not used at all; this is for the rest.
 */
const SAFE_SETTINGS = [
  'safe.bareRepository=explicit',
  'core.fsmonitor=false',
  'core.untrackedCache=false',
  'core.hooksPath=/dev/null',
  'core.pager=cat',
  'log.showSignature=false',
  'protocol.allow=never',
  'credential.helper=',
].flatMap((setting) => ['-c', setting]);

/** A directory with its `.git`, and a place in it. */
export interface WorkTree {
  /** Absolute, without symbolic links. */
  readonly top: string;
  /** The way from there to the directory that was asked for: '' or POSIX with a slash at its end. */
  readonly prefix: string;
  /** Ends what git is asked about it: patterns of a checkout can keep git busy for days. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The checkout that a directory is in. Git would also take a directory with the right files in it for a repository, and
 * those files can be tracked ones: only a `.git` counts, which no repository can track.
 */
export async function findWorkTree(dir: string, signal?: AbortSignal): Promise<WorkTree | undefined> {
  const start = await realpath(dir).catch(() => undefined);
  for (let top = start; top !== undefined; top = top === dirname(top) ? undefined : dirname(top)) {
    const isThere = await lstat(join(top, '.git')).then(
      () => true,
      () => false,
    );
    if (isThere) {
      const path = relative(top, start ?? top);
      return { top, prefix: path === '' ? '' : `${path.split(sep).join('/')}/`, signal };
    }
  }
  return undefined;
}

export interface GitOptions {
  /** Exit codes beside 0 that are answers; others are refusals. */
  readonly answers?: readonly number[];
  readonly input?: string | undefined;
  /** Paths may be patterns of git's (`:(attr:…)`) and not only names. */
  readonly hasMagicPaths?: boolean;
}

/**
 * Asks git something about a checkout and returns its standard output; undefined when it answers with another exit code
 * than 0.
 * @throws BottleError `git-failed` when there is no git, or it refuses
 */
export async function git(
  { top, signal }: WorkTree,
  args: readonly string[],
  { answers = [], input, hasMagicPaths = false }: GitOptions = {},
): Promise<string | undefined> {
  const literal = hasMagicPaths ? [] : ['--literal-pathspecs'];
  const command = [...SAFE_SETTINGS, '--no-pager', '--no-optional-locks', ...literal, ...args];
  let stdout = '';
  let result: ChildResult;
  try {
    result = await streamChild(
      'git',
      [`--work-tree=${top}`, ...command],
      async (stream) => {
        stdout = await text(stream);
      },
      {
        cwd: top,
        env: gitEnvironment(top),
        signal,
        ...(input !== undefined && { input }),
        timeoutMs: TIMEOUT_MS,
      },
    );
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) {
      throw new BottleError('git-failed', 'this is a git checkout, and the git command is not on PATH', {
        hint: 'install git, or put it on PATH',
        cause: error,
      });
    }
    if (error instanceof BottleError && error.code === 'timed-out') {
      throw new BottleError(
        'git-failed',
        `git gave no answer about the checkout ${top} in ${TIMEOUT_MS / 1000} s`,
        {
          hint: 'look for a slow disk, and for patterns with many stars in .gitattributes and .gitignore',
          cause: error,
        },
      );
    }
    throw error;
  }
  if (result.exitCode === 0) {
    return stdout;
  }
  if (result.exitCode !== undefined && answers.includes(result.exitCode)) {
    return undefined;
  }
  throw refusal(top, result);
}

/** Made of named variables alone: what a hook exports (GIT_DIR and its kin) is of another repository, and tokens are not git's. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const passed = PASSED_VARIABLES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(passed), LC_ALL: 'C' };
}

function gitEnvironment(top: string): NodeJS.ProcessEnv {
  return {
    ...childEnvironment(),
    ...trustedDirectories(process.env),
    // A `.git` that git does not accept must not lead to the repository above it.
    GIT_CEILING_DIRECTORIES: dirname(top),
    GIT_NO_LAZY_FETCH: '1',
    // Unlike protocol.allow it wins over protocol.<name>.allow.
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
}

/**
 * The directories that the environment declares safe, as images of containers do. Other settings of the environment are
 * left out: a hook exports those of its own repository.
 */
function trustedDirectories(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const count = Math.min(Number(env.GIT_CONFIG_COUNT) || 0, MAX_SETTINGS);
  const directories = Array.from({ length: count }, (_, index) =>
    env[`GIT_CONFIG_KEY_${index}`]?.toLowerCase() === 'safe.directory'
      ? env[`GIT_CONFIG_VALUE_${index}`]
      : undefined,
  ).filter((directory) => directory !== undefined);
  return Object.fromEntries([
    ['GIT_CONFIG_COUNT', String(directories.length)],
    ...directories.flatMap((directory, index) => [
      [`GIT_CONFIG_KEY_${index}`, 'safe.directory'],
      [`GIT_CONFIG_VALUE_${index}`, directory],
    ]),
  ]);
}

function refusal(top: string, { tail, exitCode, signal }: ChildResult): BottleError {
  // The line after one that ends in a colon belongs to it. Without an error line, the last line counts.
  const [words, next = ''] = tail.slice(tail.findIndex((line) => /^(?:fatal|error): /.test(line)));
  const reason = words?.replace(/^(?:fatal|error): /, '').replace(/:$/, `: ${next.trim()}`);
  return new BottleError(
    'git-failed',
    `git refuses the checkout ${top}: ${reason ?? `it ended with ${exitCode ?? signal}`}`,
    { hint: remedyFor(reason ?? '', top) },
  );
}

function remedyFor(reason: string, top: string): string {
  if (/dubious ownership|unsafe repository/.test(reason)) {
    return `git config --global --add safe.directory ${shellWord(top)}  # if you trust its owner`;
  }
  if (/unknown repository extension|[Ee]xpected git repo version/.test(reason)) {
    return 'update git: a newer one made this checkout';
  }
  if (/^xcrun: /.test(reason)) {
    return 'xcode-select --install';
  }
  return 'repair the checkout, or clone it again; git rev-parse HEAD in it shows the same';
}

export function linesOf(text: string | undefined): string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** The items of a list that git prints with `-z`. */
export function itemsOf(text: string | undefined): string[] {
  return (text ?? '').split('\0').filter((item) => item !== '');
}
