import { releaseSource } from '../fetch/github-release.ts';
import { requireLockable } from '../fetch/lock-file.ts';
import { ociSource } from '../fetch/oci-registry.ts';
import { fileSource, urlSource } from '../fetch/plain-file.ts';
import { parseSourceAddress, type Source, type SourceAddress, type Wanted } from '../fetch/source.ts';
import { artifactSource } from '../fetch/workflow-artifact.ts';
import { historyOf, tagsAtHead } from '../git/history.ts';
import { originOf, otherRemotes, whyNoOrigin } from '../git/remote.ts';
import { warningsTo } from '../progress.ts';
import { githubSite } from '../remote/github.ts';
import { HttpClient } from '../remote/http.ts';
import type { RegistryTools } from '../remote/oci.ts';
import { parseOciReference } from '../remote/oci-reference.ts';
import { requireRepository, unlessNamed } from './checkout-origin.ts';
import type { FetchOptions } from './flags/fetch.ts';
import type { Output } from './output.ts';

/** What every command has that asks the sources. */
export type SourceCommandOptions = Pick<FetchOptions, 'from' | 'repo' | 'githubUrl' | 'token'> &
  Partial<Pick<FetchOptions, 'allowTokenHost'>>;

export interface OpenSources {
  readonly tools: RegistryTools;
  /** The repository of `--repo`, or of the checkout's remote: `owner/name`. */
  readonly repositoryName: string | undefined;
  /** In the order in which they are asked. */
  readonly sources: readonly Source[];
  /** What to know of the checkout's remotes when the sources have nothing. */
  readonly aboutRemotes: () => Promise<readonly string[]>;
  /** The sidecar is looked for, and not named. */
  readonly isSearch: boolean;
  /** Whose sidecars are wanted: of `--repo`, or of the checkout's remote. */
  readonly forBuild: (build: Pick<Wanted, 'key' | 'platform'>) => Wanted;
}

export interface Where {
  /** As `--from` or a lock file names it. */
  readonly address: string | undefined;
  /** Only what a lock file may name. */
  readonly isLocked?: boolean;
}

/** The sources that a checkout has, or the one that an address names. */
export async function openSources(
  context: string,
  { repo, githubUrl, token, allowTokenHost = [] }: SourceCommandOptions,
  { address, isLocked = false }: Where,
  { onProgress }: Output,
  signal: AbortSignal,
): Promise<OpenSources> {
  const given = requireRepository(repo);
  const origin = await unlessNamed(given, originOf(context));
  const github = await githubSite({
    serverUrl: githubUrl,
    remoteHost: origin?.host,
    token,
    env: process.env,
  });
  const onWarning = warningsTo(onProgress);
  const http = new HttpClient({ signal, onRetry: (message) => onWarning(`${message}; trying again`) });
  const tools = { http, github, signal, onWarning, tokenHosts: allowTokenHost };
  const repositoryName = given ?? origin?.repository;
  const noRepository = repositoryName === undefined ? await whyNoOrigin(context) : undefined;
  const place = { repository: repositoryName, github };
  const from =
    address === undefined
      ? undefined
      : isLocked
        ? requireLockable(address, place)
        : parseSourceAddress(address);
  return {
    tools,
    repositoryName,
    sources:
      from === undefined
        ? [
            ociSource(undefined, tools),
            releaseSource(undefined, tools),
            ...(isLocked ? [] : [artifactSource(undefined, tools)]),
          ]
        : [sourceAt(from, tools)],
    isSearch: from === undefined || (from.kind === 'oci' && !namesOne(from.reference)),
    aboutRemotes: async () => [
      ...(from === undefined && github.isGuess
        ? [`the checkout's remote names ${github.serverUrl}; if another one is meant: --github-url URL`]
        : []),
      ...(from === undefined && given === undefined ? await otherRemotes(context) : []).map(
        (other) => `the remote ${other.name} was not asked; if it is meant: --repo ${other.repository}`,
      ),
    ],
    forBuild: (build) => ({
      ...build,
      repository: repositoryName,
      ...(noRepository !== undefined && { noRepository }),
      serverUrl: github.serverUrl,
      history: async () => (await unlessNamed(given, historyOf(context))) ?? [],
      tags: async () => (await unlessNamed(given, tagsAtHead(context))) ?? [],
    }),
  };
}

function namesOne(reference: string): boolean {
  const { tag, digest } = parseOciReference(reference);
  return (tag ?? digest) !== undefined;
}

function sourceAt(address: SourceAddress, tools: RegistryTools): Source {
  switch (address.kind) {
    case 'oci':
      return ociSource(address.reference, tools);
    case 'release':
      return releaseSource(address.tag, tools);
    case 'run':
      return artifactSource(address.runId, tools);
    case 'https':
      return urlSource(address.url, tools);
    case 'file':
      return fileSource(address.path);
  }
}
