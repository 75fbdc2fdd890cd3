import { readChild } from '../host/child.ts';
import { childEnvironment, findWorkTree, git, linesOf, type WorkTree } from './command.ts';

const SSH_TIMEOUT_MS = 10_000;
const MAX_NAMED = 5;

/** Where a checkout comes from, as its remote says. */
export interface GitRemote {
  /** Host name, without a port. */
  readonly host: string;
  /** `owner/name` */
  readonly repository: string;
}

/**
 * The remote of the checkout that `dir` is in; undefined when no remote has an owner and a name.
 * @throws BottleError `git-failed` when git refuses the checkout
 */
export async function originOf(dir: string): Promise<GitRemote | undefined> {
  const tree = await findWorkTree(dir);
  const urls = tree === undefined ? undefined : await remoteUrls(tree);
  const url = urls?.get(chosenRemote([...urls.keys()]) ?? '');
  const remote = url === undefined ? undefined : parseRemote(url);
  return remote === undefined || /^(https?|git):/.test(url ?? '') ? remote : await withoutAlias(remote);
}

/** Why a directory has no `originOf`. */
export async function whyNoOrigin(dir: string): Promise<string> {
  const tree = await findWorkTree(dir);
  if (tree === undefined) {
    return 'this is not a git checkout';
  }
  const names = await remoteNames(tree);
  const name = chosenRemote(names);
  if (names.length === 0) {
    return 'this checkout has no remote';
  }
  if (name === undefined) {
    return `this checkout has ${names.length} remotes (${names.slice(0, MAX_NAMED).join(', ')}), and none is called origin`;
  }
  const url = withoutLogin((await remoteUrls(tree)).get(name) ?? '');
  return `the remote ${name} of this checkout (${url}) is not a repository on a GitHub server`;
}

/** The repositories of the remotes that are not the chosen one, as a clone of a fork has one for what it was forked from. */
export async function otherRemotes(dir: string): Promise<Array<{ name: string; repository: string }>> {
  const tree = await findWorkTree(dir);
  const urls = tree === undefined ? new Map<string, string>() : await remoteUrls(tree);
  const chosen = chosenRemote([...urls.keys()]);
  return [...urls].flatMap(([name, url]) => {
    const repository = name === chosen ? undefined : parseRemote(url)?.repository;
    return repository === undefined ? [] : [{ name, repository }];
  });
}

/** `origin`, or the only one; undefined when it cannot be told which is meant. */
export async function remoteName(tree: WorkTree): Promise<string | undefined> {
  return chosenRemote(await remoteNames(tree));
}

async function remoteNames(tree: WorkTree): Promise<string[]> {
  return linesOf(await git(tree, ['remote']));
}

function chosenRemote(names: readonly string[]): string | undefined {
  return names.includes('origin') ? 'origin' : names.length === 1 ? names[0] : undefined;
}

/**
 * Unlike what the settings say, with what `url.<base>.insteadOf` makes of it. One run of git tells the names and the
 * addresses: `path` is on a start-up budget.
 */
async function remoteUrls(tree: WorkTree): Promise<Map<string, string>> {
  const urls = new Map<string, string>();
  for (const line of linesOf(await git(tree, ['remote', '--verbose']))) {
    // A partial clone has its filter in brackets behind it.
    const [, name = '', url = ''] = /^([^\t]+)\t(.*) \(fetch\)(?: \[.*\])?$/.exec(line) ?? [];
    if (!urls.has(name)) {
      urls.set(name, url);
    }
  }
  urls.delete('');
  return urls;
}

function withoutLogin(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)?[^/]*@/, '$1').replace(/\?.*/s, '');
}

/** `Host work` in ~/.ssh/config gives a server a second name, most often github.com for a second login. */
async function withoutAlias(remote: GitRemote): Promise<GitRemote> {
  if (remote.host === 'github.com' || !/^\w[\w.-]*$/.test(remote.host)) {
    return remote;
  }
  const options = { env: childEnvironment(), timeoutMs: SSH_TIMEOUT_MS };
  const config = await readChild('ssh', ['-G', '--', remote.host], options).catch(() => undefined);
  const [, host] = /^hostname (\S+)$/m.exec(config?.exitCode === 0 ? config.stdout : '') ?? [];
  return host === undefined ? remote : { ...remote, host: serverName(host) };
}

const URL_SCHEMES = ['https', 'http', 'ssh', 'git+ssh', 'ssh+git', 'git'];

/**
 * What git makes of an address: a URL, or host:path as scp takes it.
 * https://git-scm.com/docs/git-clone#_git_urls
 */
export function parseRemote(address: string): GitRemote | undefined {
  const [, scheme, rest = ''] = /^([a-z+]+):\/\/(.*)$/s.exec(address) ?? [];
  if (scheme !== undefined) {
    const slash = rest.indexOf('/');
    return URL_SCHEMES.includes(scheme) && slash !== -1
      ? remoteAt(rest.slice(0, slash), percentDecoded(rest.slice(slash)))
      : undefined;
  }
  // Brackets keep a port apart from the path: [git@host:22]:owner/name.
  const [, inBrackets, path = ''] = /^\[([^\]/]*)\]:(?!:)(.*)$/s.exec(address) ?? [];
  if (inBrackets !== undefined) {
    return remoteAt(inBrackets, path);
  }
  const colon = address.indexOf(':');
  const isScp = colon > 0 && !address.slice(0, colon).includes('/') && address[colon + 1] !== ':';
  return isScp ? remoteAt(address.slice(0, colon), address.slice(colon + 1)) : undefined;
}

/** `authority` is [user[:password]@]host[:port]. */
function remoteAt(authority: string, path: string): GitRemote | undefined {
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '');
  const names = path.split('/').filter((name) => name !== '');
  const [owner = '', last = ''] = names;
  const name = last.replace(/\.git$/, '');
  const isName = (text: string) => /^[\w.-]+$/.test(text) && text !== '.' && text !== '..';
  return names.length === 2 && host !== '' && !/[\s[\]:]/.test(host) && isName(owner) && isName(name)
    ? { host: serverName(host), repository: `${owner}/${name}` }
    : undefined;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** GitHub takes ssh on port 443, and browsers, under names of their own. */
function serverName(host: string): string {
  return host
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^(?:ssh|www)\.github\.com$/, 'github.com');
}
