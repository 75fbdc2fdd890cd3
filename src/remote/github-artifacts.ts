import * as z from 'zod/mini';
import { shownText } from '../identity/shown-schema.ts';
import { type GitHubSite, readApi, repositoryPath } from './github.ts';
import type { HttpClient } from './http.ts';

const PAGE_SIZE = 100;
const MAX_PAGES = 5;

const artifactSchema = z.object({
  id: z.int(),
  name: shownText,
  size_in_bytes: z.int(),
  expired: z.boolean(),
  created_at: z.nullish(shownText),
  expires_at: z.nullish(shownText),
  /** The digest of what is stored. Artifacts from before 2025 have none. */
  digest: z.nullish(z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/))),
  workflow_run: z.nullish(
    z.object({
      id: z.int(),
      repository_id: z.nullish(z.int()),
      head_repository_id: z.nullish(z.int()),
    }),
  ),
});
const artifactsSchema = z.object({ artifacts: z.array(artifactSchema) });

/** A workflow artifact as the REST API lists it. */
export type ListedArtifact = z.infer<typeof artifactSchema>;

export interface ArtifactFilter {
  /** Only the artifacts of this workflow run; otherwise those of all runs, also of pull requests from forks. */
  readonly runId?: string;
  readonly name?: string;
  readonly maxPages?: number;
}

/**
 * Lists workflow artifacts, in the API's order: the newest first.
 * https://docs.github.com/rest/actions/artifacts
 */
export async function listArtifacts(
  { http, github }: { readonly http: HttpClient; readonly github: GitHubSite },
  repository: string,
  { runId, name, maxPages = MAX_PAGES }: ArtifactFilter,
): Promise<ListedArtifact[]> {
  const segments = runId === undefined ? ['artifacts'] : ['runs', runId, 'artifacts'];
  const path = repositoryPath(repository, 'actions', ...segments);
  const artifacts: ListedArtifact[] = [];
  for (let page = 1; page <= maxPages; page += 1) {
    const query = new URLSearchParams({
      per_page: String(PAGE_SIZE),
      page: String(page),
      ...(name !== undefined && { name }),
    });
    const answer = await readApi(http, github, `repos/${path}?${query}`, artifactsSchema);
    artifacts.push(...answer.artifacts);
    if (answer.artifacts.length < PAGE_SIZE) {
      break;
    }
  }
  return artifacts;
}
