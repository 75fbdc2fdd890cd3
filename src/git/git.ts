import { hasErrno } from '../errors.ts';
import { readChild } from '../host/child.ts';

const TIMEOUT_MS = 10_000;
const HISTORY_COMMITS = 200;

/** Where a checkout comes from, as its remote says. */
export interface GitRemote {
  /** Host name, without a port. */
  readonly host: string;
  /** `owner/name` */
  readonly repository: string;
}

/** The remote `origin` of the checkout that `dir` is in; undefined where there is none with an owner and a name. */
export async function originOf(dir: string): Promise<GitRemote | undefined> {
  // Unlike `git config`, with what url.<base>.insteadOf makes of it.
  const url = (await git(dir, ['remote', 'get-url', 'origin']))?.trim();
  const remote = url === undefined ? undefined : parseRemote(url);
  return remote === undefined || /^(https?|git):/.test(url ?? '') ? remote : await withoutAlias(remote);
}

/** `Host work` in ~/.ssh/config gives a server a second name, most often github.com for a second login. */
async function withoutAlias(remote: GitRemote): Promise<GitRemote> {
  if (remote.host === 'github.com' || !/^\w[\w.-]*$/.test(remote.host)) {
    return remote;
  }
  const config = await read('ssh', ['-G', '--', remote.host]).catch(() => undefined);
  const [, host] = /^hostname (\S+)$/m.exec(config ?? '') ?? [];
  return host === undefined ? remote : { ...remote, host: serverName(host) };
}

/** https://host/owner/name.git, ssh://git@host:port/owner/name.git or git@host:owner/name.git */
export function parseRemote(url: string): GitRemote | undefined {
  const match =
    /^(?:https?|ssh|git):\/\/(?:[^@/]*@)?(?<host>[^/:]+)(?::\d+)?\/(?<path>.+)$/.exec(url) ??
    /^(?:[^@/:]+@)?(?<host>[^/:]+):(?!\/)(?<path>.+)$/.exec(url);
  const { host, path = '' } = match?.groups ?? {};
  const repository = path.replace(/\/$/, '').replace(/\.git$/, '');
  return host !== undefined && /^[\w.-]+\/[\w.-]+$/.test(repository)
    ? { host: serverName(host), repository }
    : undefined;
}

/** GitHub takes ssh on port 443 under a name of its own. */
function serverName(host: string): string {
  return host.toLowerCase().replace(/^ssh\.github\.com$/, 'github.com');
}

/** As of the last clone or `git remote set-head`; undefined where the clone does not know it. */
export async function defaultBranchOf(dir: string): Promise<string | undefined> {
  const ref = (await git(dir, ['symbolic-ref', '--quiet', 'refs/remotes/origin/HEAD']))?.trim();
  return ref?.replace(/^refs\/remotes\/origin\//, '');
}

/** Full hashes of the commit that is checked out and of those before it, the newest first. */
export async function historyOf(dir: string): Promise<string[]> {
  return linesOf(await git(dir, ['log', '--format=%H', `--max-count=${HISTORY_COMMITS}`, 'HEAD', '--']));
}

export async function tagsAtHead(dir: string): Promise<string[]> {
  return linesOf(await git(dir, ['tag', '--points-at', 'HEAD']));
}

export interface ChangedFile {
  /** POSIX, relative to the directory that was asked for. */
  readonly path: string;
  readonly isGone: boolean;
}

/** Files below `dir` that are not what they were in a commit; undefined when that commit is not known here. */
export async function changedSince(dir: string, commit: string): Promise<ChangedFile[] | undefined> {
  const diff = await git(dir, [
    'diff',
    '--name-status',
    '--no-renames',
    '--relative',
    '-z',
    commit,
    '--',
    '.',
  ]);
  if (diff === undefined) {
    return undefined;
  }
  const untracked = await git(dir, ['ls-files', '--others', '--exclude-standard', '-z', '--', '.']);
  const changed = [...diff.matchAll(/(?<status>[A-Z])\0(?<path>[^\0]+)\0/g)].map(({ groups }) => ({
    path: groups?.path ?? '',
    isGone: groups?.status === 'D',
  }));
  const added = (untracked ?? '').split('\0').filter((path) => path !== '');
  return [...changed, ...added.map((path) => ({ path, isGone: false }))];
}

function linesOf(text: string | undefined): string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** Undefined when git is not there, `dir` is in no repository, or git says no. */
async function git(dir: string, args: readonly string[]): Promise<string | undefined> {
  // A repository may name a program to watch its files; we only look.
  const quiet = ['-c', 'core.fsmonitor=false', '--no-optional-locks'];
  return await read('git', [...quiet, '-C', dir, ...args]);
}

/** Undefined when the command is not there, or fails. */
async function read(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await readChild(command, args, { timeoutMs: TIMEOUT_MS });
    return exitCode === 0 ? stdout : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}
