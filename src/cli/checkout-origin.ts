import { BottleError } from '../errors.ts';
import { originOf } from '../git/remote.ts';
import { type Origin, originOfCheckout } from '../identity/origin.ts';
import { serverOf } from '../remote/server-url.ts';

/** What every command has that looks into the store for a checkout. */
export interface OriginCommandOptions {
  readonly context: string;
  readonly repo?: string;
  readonly githubUrl?: string;
}

/** Whose sidecars a checkout may use: those of `--repo`, else of its remote. */
export async function checkoutOrigin({ context, repo, githubUrl }: OriginCommandOptions): Promise<Origin> {
  const given = requireRepository(repo);
  const remote = await unlessNamed(given, originOf(context));
  const { server } = serverOf({ serverUrl: githubUrl, remoteHost: remote?.host, env: process.env });
  return originOfCheckout(server.origin, given ?? remote?.repository);
}

/** What git says of a checkout; undefined where it refuses to, and the user names the repository. */
export async function unlessNamed<T>(repo: string | undefined, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (repo !== undefined && error instanceof BottleError && error.code === 'git-failed') {
      return undefined;
    }
    throw error;
  }
}

/** @throws BottleError `usage` */
export function requireRepository(repo: string | undefined): string | undefined {
  if (repo !== undefined && !/^[\w.-]+\/[\w.-]+$/.test(repo)) {
    throw new BottleError('usage', `not a repository: ${JSON.stringify(repo)}`, { hint: 'use OWNER/NAME' });
  }
  return repo;
}
