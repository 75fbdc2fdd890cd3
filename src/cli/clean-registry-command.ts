import { BottleError } from '../errors.ts';
import { historyOf, isShallow } from '../host/git.ts';
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
    const history = await wholeHistory(context);
    const place = new OciRepository({ registry, repository }, tools, options.delete ? 'delete' : 'pull');
    const isGitHubs = registry === tools.github.registryHost;
    if (isGitHubs && tools.github.token === undefined) {
      tools.onWarning('without a token (GH_TOKEN) manifests that have no tag are not seen');
    }
    const { versions, remove } =
      isGitHubs && tools.github.token !== undefined
        ? await readPackageVersions(repository, tools)
        : { versions: [], remove: removeByRegistry(place) };
    const { removed, keptTags } = await cleanRepository(place, {
      history,
      keepCommits,
      keepSince: new Date(Date.now() - olderThan),
      versions,
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

async function wholeHistory(context: string): Promise<string[]> {
  const history = await historyOf(context, MAX_COMMITS);
  if (history.length === 0) {
    throw new BottleError('usage', `${context} is no checkout, so its commits are not known`, {
      hint: 'run it in a checkout with its whole history (fetch-depth: 0)',
    });
  }
  if (await isShallow(context)) {
    throw new BottleError(
      'usage',
      `${context} is a shallow clone of ${history.length} commits: what the others need would be removed`,
      { hint: 'get its whole history: git fetch --unshallow, or fetch-depth: 0 of actions/checkout' },
    );
  }
  return history;
}

function defaultReference(registryHost: string, repository: string | undefined): string {
  if (repository === undefined) {
    throw new BottleError('usage', 'it is not known which repository this is a checkout of', {
      hint: 'name the place: claude-bottle clean-registry HOST/NAME',
    });
  }
  return `${registryHost}/${registryRepository(repository)}`;
}
