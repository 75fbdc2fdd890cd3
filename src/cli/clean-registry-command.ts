import { BottleError } from '../errors.ts';
import { LOCK_FILE } from '../fetch/lock-file.ts';
import { fileAt, historyOf, isShallow, remoteBranches } from '../git/git.ts';
import type { Digest } from '../identity/image-id.ts';
import { registryRepository } from '../identity/oci-names.ts';
import { readPackageVersions } from '../remote/github-packages.ts';
import { OciRepository } from '../remote/oci.ts';
import { cleanRepository, removeByRegistry } from '../remote/oci-cleaner.ts';
import { formatName, parseOciReference } from '../remote/oci-reference.ts';
import type { Output } from './output.ts';
import { openSources, type SourceCommandOptions } from './sources.ts';

/** 41 bytes each. */
const MAX_COMMITS = 500_000;

export interface CleanRegistryCommandOptions extends Omit<SourceCommandOptions, 'from'> {
  readonly context: string;
  readonly keepCommits: number;
  /** Milliseconds. */
  readonly olderThan: number;
  readonly delete?: true;
}

/** `claude-bottle clean-registry`: removes published sidecars that only old commits and keys lead to. */
export async function runCleanRegistry(
  reference: string | undefined,
  options: CleanRegistryCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { context, keepCommits, olderThan } = options;
  const { tools, repositoryName } = await openSources(context, options, undefined, output, signal);
  try {
    const { registry, repository } = parseOciReference(
      reference ?? defaultReference(tools.github.registryHost, repositoryName),
    );
    await requireWholeHistory(context);
    const histories: string[][] = [];
    const keepDigests: Digest[] = [];
    for (const tip of ['HEAD', ...(await remoteBranches(context))]) {
      histories.push(await historyOf(context, MAX_COMMITS, tip));
      keepDigests.push(...(await lockedDigests(context, tip)));
    }
    const place = new OciRepository({ registry, repository }, tools, options.delete ? 'delete' : 'pull');
    const isGitHubs = registry === tools.github.registryHost;
    if (isGitHubs && tools.github.token === undefined) {
      tools.onWarning('without a token (GH_TOKEN) manifests that have no tag are not seen');
    }
    const { untagged, remove } =
      isGitHubs && tools.github.token !== undefined
        ? await readPackageVersions(repository, tools)
        : { untagged: [], remove: removeByRegistry(place) };
    const { removed, keptTags } = await cleanRepository(place, {
      histories,
      keepCommits,
      keepDigests,
      keepSince: new Date(Date.now() - olderThan),
      untagged,
      remove: options.delete && remove,
    });
    const verb = options.delete ? 'removed' : 'would go';
    output.result({ repository: formatName(place.name), dryRun: !options.delete, removed, keptTags }, [
      ...removed.map(({ digest, tags }) => `${verb.padEnd(9)} ${digest}  ${tags.join(', ')}`.trimEnd()),
      `${removed.length} manifests ${options.delete ? 'removed' : 'would be removed (--delete does it)'}, ${keptTags.length} tags kept`,
    ]);
    return 0;
  } finally {
    tools.http.close();
  }
}

/** The lock file of a branch pins a manifest by its digest: whoever has that lock can use no other. */
async function lockedDigests(context: string, tip: string): Promise<Digest[]> {
  const text = (await fileAt(context, tip, LOCK_FILE)) ?? '';
  return [...text.matchAll(/@(sha256:[0-9a-f]{64})"/g)].map(([, digest]) => digest as Digest);
}

async function requireWholeHistory(context: string): Promise<void> {
  const { length } = await historyOf(context);
  if (length === 0) {
    throw new BottleError('usage', `${context} is no checkout, so its commits are not known`, {
      hint: 'run it in a checkout with its whole history (fetch-depth: 0)',
    });
  }
  if (await isShallow(context)) {
    throw new BottleError(
      'usage',
      `${context} is a shallow clone of ${length} commits: what the others need would be removed`,
      { hint: 'get its whole history: git fetch --unshallow, or fetch-depth: 0 of actions/checkout' },
    );
  }
}

function defaultReference(registryHost: string, repository: string | undefined): string {
  if (repository === undefined) {
    throw new BottleError('usage', 'it is not known which repository this is a checkout of', {
      hint: 'name the place: claude-bottle clean-registry HOST/NAME',
    });
  }
  return `${registryHost}/${registryRepository(repository)}`;
}
