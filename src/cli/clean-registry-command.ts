import { BottleError } from '../errors.ts';
import { historyOf } from '../host/git.ts';
import { commitTag, registryRepository } from '../identity/oci-names.ts';
import { removeByPackagesApi } from '../remote/github-packages.ts';
import { OciRepository } from '../remote/oci.ts';
import { cleanRepository, removeByRegistry } from '../remote/oci-cleaner.ts';
import { formatName, parseOciReference } from '../remote/oci-reference.ts';
import type { Output } from './output.ts';
import { openSources, type SourceCommandOptions } from './sources.ts';

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
    const commits = (await historyOf(context)).slice(0, keepCommits);
    if (commits.length < Math.min(1, keepCommits)) {
      throw new BottleError(
        'usage',
        `${context} is no checkout, so the last ${keepCommits} commits are not known`,
        {
          hint: 'run it in a checkout with its history (fetch-depth: 0)',
        },
      );
    }
    const place = new OciRepository({ registry, repository }, tools, options.delete ? 'delete' : 'pull');
    const isGitHubs = registry === tools.github.registryHost;
    const remove = isGitHubs
      ? () => removeByPackagesApi(repository, tools)
      : async () => removeByRegistry(place);
    const { removed, keptTags } = await cleanRepository(place, {
      keepTags: commits.map(commitTag),
      keepKeys: [],
      keepSince: new Date(Date.now() - olderThan),
      remove: options.delete && (await remove()),
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

function defaultReference(registryHost: string, repository: string | undefined): string {
  if (repository === undefined) {
    throw new BottleError('usage', 'it is not known which repository this is a checkout of', {
      hint: 'name the place: claude-bottle clean-registry HOST/NAME',
    });
  }
  return `${registryHost}/${registryRepository(repository)}`;
}
