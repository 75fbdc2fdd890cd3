import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { shownText } from '../identity/shown-schema.ts';
import { apiRequest, assetRequest, type GitHubSite, repositoryPath, sendApi } from '../remote/github.ts';
import type { HttpClient, HttpRequest } from '../remote/http.ts';
import { bodyError, HttpError, unlessMissing } from '../remote/http-error.ts';

/** With the assets of each release in it, a page of more could get too large. */
const RELEASES_PER_PAGE = 30;
const ASSETS_PER_PAGE = 100;
/** GitHub gives out no more than 10 000 entries of a list. */
const MAX_PAGES = 100;

export interface ReleasePlace {
  readonly http: HttpClient;
  readonly github: GitHubSite;
  /** `owner/name` */
  readonly repository: string;
  readonly tag: string;
  /** The commit that the sidecars were packed from; the tag must be there. */
  readonly commit: string;
}

const objectSchema = z.object({ object: z.object({ type: z.string(), sha: shownText }) });
export const releaseSchema = z.object({
  id: z.int(),
  tag_name: z.string(),
  draft: z.boolean(),
  /** Absent on older servers. */
  immutable: z.optional(z.boolean()),
  upload_url: z.string(),
  html_url: shownText,
});

export type Release = z.infer<typeof releaseSchema>;

export const assetSchema = z.object({
  id: z.int(),
  name: z.string(),
  /** `starter` while it is being uploaded, and permanently when the upload broke off. */
  state: z.string(),
  size: z.int(),
  /** None on older servers. */
  digest: z.nullish(shownText),
});

export type Asset = z.infer<typeof assetSchema>;

/**
 * To be asked also before the long work of building and packing.
 * @throws BottleError `not-found` without such a tag, `not-trusted` when it is on another commit
 */
export async function requireTagAt({ tag, commit, ...place }: ReleasePlace): Promise<void> {
  const { http, github, repository } = place;
  const ask = async (...path: readonly string[]) =>
    await http.retry(() =>
      sendApi(http, github, apiRequest(github, pathOf(repository, 'git', ...path)), objectSchema),
    );
  let object = (await unlessMissing(ask('ref', 'tags', tag)))?.object;
  // An annotated tag is an object of its own, and may even point at another one.
  while (object?.type === 'tag') {
    object = (await ask('tags', object.sha)).object;
  }
  if (object === undefined) {
    throw new BottleError('not-found', `${repository} has no tag ${tag}`, {
      hint: 'push the tag first; what is private looks like missing to a token that may not read it',
    });
  }
  if (object.sha !== commit) {
    throw new BottleError(
      'not-trusted',
      `the tag ${tag} is on commit ${object.sha}, and the sidecars were packed from ${commit}`,
      {
        hint: 'run the workflow for the tag (on: push: tags, or on: release), or name the tag of this commit',
      },
    );
  }
}

/** All releases of the repository, drafts included: asked for by its tag, GitHub does not know a draft. */
export async function listReleases(place: ReleasePlace): Promise<Release[]> {
  return await listPages(place, [], releaseSchema, RELEASES_PER_PAGE);
}

export async function listAssets({ id }: Release, place: ReleasePlace): Promise<Asset[]> {
  return await listPages(place, [String(id), 'assets'], assetSchema, ASSETS_PER_PAGE);
}

export async function deleteAsset({ id }: Asset, place: ReleasePlace): Promise<void> {
  await deleteFromReleases(['assets', String(id)], place);
}

/** A thing that is gone already is fine. */
export async function deleteFromReleases(path: readonly string[], place: ReleasePlace): Promise<void> {
  await unlessMissing(changeReleases(place, 'DELETE', path, undefined, z.undefined()));
}

async function listPages<T>(
  place: ReleasePlace,
  path: readonly string[],
  schema: z.ZodMiniType<T>,
  perPage: number,
): Promise<T[]> {
  const all: T[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const query = `?per_page=${perPage}&page=${page}`;
    const entries = await askReleases(place, path, z.array(schema), query);
    all.push(...entries);
    if (entries.length < perPage) {
      break;
    }
  }
  return all;
}

export async function askReleases<T>(
  { http, github, repository }: ReleasePlace,
  path: readonly string[],
  schema: z.ZodMiniType<T>,
  query = '',
): Promise<T> {
  const request = apiRequest(github, pathOf(repository, 'releases', ...path) + query);
  return await sendApi(http, github, request, schema);
}

export async function changeReleases<T>(
  { http, github, repository }: ReleasePlace,
  method: 'POST' | 'PATCH' | 'DELETE',
  path: readonly string[],
  content: unknown,
  schema: z.ZodMiniType<T>,
): Promise<T> {
  const request: HttpRequest = {
    ...apiRequest(github, pathOf(repository, 'releases', ...path)),
    method,
    ...(content !== undefined && { body: Buffer.from(JSON.stringify(content)) }),
    expected: [200, 201, 204],
  };
  return await sendApi(http, github, request, schema);
}

function pathOf(repository: string, ...path: readonly string[]): string {
  return `repos/${repositoryPath(repository, ...path)}`;
}

/** The meaning of GitHub's answers for a job that publishes. */
export function releaseError(error: unknown, { repository, tag }: ReleasePlace): unknown {
  if (!(error instanceof HttpError)) {
    return error;
  }
  const { status, body } = error;
  if (/secondary rate limit/i.test(body)) {
    return new BottleError('try-later', `GitHub asks for fewer requests: ${error.message}`, {
      hint: 'wait some minutes, then run the job again; it goes on where it has stopped',
      cause: error,
    });
  }
  if (status === 404 || (status === 403 && /not accessible by/i.test(body))) {
    return new BottleError('authentication', `this job cannot write releases of ${repository}`, {
      hint: 'add permissions: contents: write to the job',
      permission: 'contents: write',
      cause: error,
    });
  }
  if (status === 422) {
    const hint = /immutable/i.test(body)
      ? 'an immutable release, and the name of its tag, can never be changed or used again: make a new tag'
      : 'look at the release on GitHub, and run the job again';
    return new BottleError('upload-failed', `GitHub refuses the release ${tag}: ${error.message}`, {
      hint,
      cause: error,
    });
  }
  return error;
}

/** The digest of an asset's content, where the server does not tell it. */
export async function digestOfContent({ id }: Asset, place: ReleasePlace): Promise<string> {
  const { body, url } = await place.http.send(assetRequest(place.github, place.repository, id));
  const sha256 = createHash('sha256');
  try {
    for await (const chunk of body) {
      sha256.update(chunk);
    }
  } catch (error) {
    throw bodyError(error, url);
  }
  return `sha256:${sha256.digest('hex')}`;
}
