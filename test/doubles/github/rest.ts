import type { IncomingHttpHeaders } from 'node:http';
import { type Answer, json, redirect, segmentsOf } from './answer.ts';
import type { Artifact, Asset, Release, Repository, Run } from './repository.ts';

export interface Token {
  /** Private ones; the public ones are everyone's. */
  readonly reads: readonly Repository[];
  /** As `contents: write` does. */
  readonly writes: readonly Repository[];
  /** The organization of the repositories wants it authorized first. */
  readonly ssoPage?: string | undefined;
}

export interface RestState {
  readonly repositories: readonly Repository[];
  readonly tokens: ReadonlyMap<string, Token>;
  /** Makes a signed URL. */
  link(content: Buffer, contentType: string, fileName: string): string;
  /** Where the assets of a release are uploaded. */
  uploadUrl(repository: Repository, release: Release): string;
}

export interface Question {
  readonly repository: Repository;
  readonly isAnonymous: boolean;
  readonly mayWrite: boolean;
  readonly accept: string;
  readonly query: URLSearchParams;
  /** After `repos/<owner>/<name>/`. */
  readonly path: readonly string[];
}

export const NOT_FOUND = json({ message: 'Not Found', status: '404' }, 404);

/** Whom and what a request is about, or why it is not answered. */
export function readQuestion(
  { tokens, repositories }: Pick<RestState, 'tokens' | 'repositories'>,
  url: URL,
  { authorization, accept = '' }: IncomingHttpHeaders,
): Question | Answer {
  const token = authorization === undefined ? undefined : tokens.get(authorization.replace('Bearer ', ''));
  if (authorization !== undefined && token === undefined) {
    return json({ message: 'Bad credentials', status: '401' }, 401);
  }
  const [root, ...segments] = segmentsOf(url);
  const path = segments.slice(root === 'repositories' ? 1 : 2);
  const name = segments.slice(0, -path.length || undefined).join('/');
  const repository = repositories.find(
    ({ id, fullName }) => name === (root === 'repositories' ? String(id) : fullName),
  );
  const moved = repositories.find(({ formerName }) => formerName === name);
  if (root === 'repos' && repository === undefined && moved !== undefined) {
    const place = new URL(`/${['repositories', moved.id, ...path].join('/')}${url.search}`, url);
    return json({ message: 'Moved Permanently', url: place.href }, 301, { location: place.href });
  }
  if (!['repos', 'repositories'].includes(root ?? '') || repository === undefined) {
    return NOT_FOUND;
  }
  if (token?.ssoPage !== undefined) {
    return json({ message: 'Resource protected by organization SAML enforcement.' }, 403, {
      'x-github-sso': `required; url=${token.ssoPage}`,
    });
  }
  const mayWrite = token?.writes.includes(repository) ?? false;
  if (repository.isPrivate && !mayWrite && !token?.reads.includes(repository)) {
    return NOT_FOUND;
  }
  const isAnonymous = token === undefined;
  return { repository, isAnonymous, mayWrite, accept, query: url.searchParams, path };
}

/** https://docs.github.com/rest, as far as README.md says. */
export function answerQuestion(state: RestState, question: Question): Answer {
  const { repository, path } = question;
  const [room, ...rest] = path;
  switch (room) {
    case undefined:
      return json({
        id: repository.id,
        full_name: repository.fullName,
        private: repository.isPrivate,
        default_branch: repository.defaultBranch,
      });
    case 'releases':
      return answerReleases(state, question, rest);
    case 'actions':
      return answerActions(state, question, rest);
    case 'git':
      return answerGit(question, rest);
  }
  return NOT_FOUND;
}

function answerReleases(state: RestState, question: Question, path: readonly string[]): Answer {
  const { repository, accept, mayWrite, query } = question;
  const shown = repository.releases.filter(({ draft }) => mayWrite || !draft);
  const asJson = (release: Release) => releaseJson(release, state.uploadUrl(repository, release));
  const [what, name = ''] = path;
  if (what === undefined) {
    return json(pageOf(shown.toReversed(), query).map(asJson));
  }
  if (what === 'latest') {
    return found(repository.latestRelease, asJson);
  }
  if (what === 'tags') {
    return found(
      repository.releases.find(({ tag, draft }) => tag === name && !draft),
      asJson,
    );
  }
  if (what === 'assets') {
    const asset = shown.flatMap(({ assets }) => assets).find(({ id }) => String(id) === name);
    return asset !== undefined && accept === 'application/octet-stream'
      ? redirect(state.link(asset.content, 'application/octet-stream', asset.name))
      : found(asset, assetJson);
  }
  const release = shown.find(({ id }) => String(id) === what);
  return name === 'assets' && release !== undefined
    ? json(pageOf(release.assets, query).map(assetJson))
    : found(release, asJson);
}

function answerActions(state: RestState, question: Question, path: readonly string[]): Answer {
  const { repository, isAnonymous, query } = question;
  const [what, id = '', more] = path;
  if (what === 'artifacts' && path.length === 1) {
    return artifactList(repository.artifacts, repository, query);
  }
  if (what === 'artifacts' && more === 'zip') {
    if (isAnonymous) {
      return json({ message: 'Requires authentication', status: '401' }, 401);
    }
    const artifact = repository.artifacts.find((each) => String(each.id) === id);
    if (artifact?.expired) {
      return json({ message: 'Artifact has expired', status: '410' }, 410);
    }
    return artifact === undefined
      ? NOT_FOUND
      : redirect(state.link(artifact.stored, artifact.contentType, artifact.fileName));
  }
  const run = repository.runs.find((each) => String(each.id) === id);
  if (what !== 'runs' || run === undefined) {
    return NOT_FOUND;
  }
  return more === 'artifacts'
    ? artifactList(
        repository.artifacts.filter((each) => each.run === run),
        repository,
        query,
      )
    : json(runJson(run, repository));
}

function answerGit(
  { repository }: Question,
  [what, kind = '', tag = '', ...rest]: readonly string[],
): Answer {
  if (what === 'tags') {
    return found(repository.objectOf(kind), (object) => ({ sha: kind, object }));
  }
  return what === 'ref' && kind === 'tags' && rest.length === 0
    ? found(repository.objectOf(tag), (object) => ({ ref: `refs/tags/${tag}`, object }))
    : NOT_FOUND;
}

function artifactList(
  artifacts: readonly Artifact[],
  repository: Repository,
  query: URLSearchParams,
): Answer {
  const name = query.get('name');
  const matching = artifacts.filter((each) => name === null || each.name === name).toReversed();
  return json({
    total_count: matching.length,
    artifacts: pageOf(matching, query).map((each) => artifactJson(each, repository)),
  });
}

function pageOf<T>(all: readonly T[], query: URLSearchParams): readonly T[] {
  const size = Number(query.get('per_page') ?? 30);
  const start = (Number(query.get('page') ?? 1) - 1) * size;
  return all.slice(start, start + size);
}

function found<T>(value: T | undefined, asJson: (value: T) => unknown): Answer {
  return value === undefined ? NOT_FOUND : json(asJson(value));
}

export function releaseJson(
  { id, tag, draft, prerelease, immutable, assets }: Release,
  uploadUrl: string,
): Record<string, unknown> {
  return {
    id,
    tag_name: tag,
    draft,
    prerelease,
    immutable,
    upload_url: `${uploadUrl}{?name,label}`,
    html_url: `${new URL(uploadUrl).origin}/releases/${draft ? 'untagged' : 'tag'}/${tag}`,
    assets: assets.map(assetJson),
  };
}

export function assetJson({ id, name, state, digest, content }: Asset) {
  return { id, name, state, digest, size: content.length, content_type: 'application/octet-stream' };
}

function artifactJson(
  { id, name, stored, digest, expired, expiresAt, run }: Artifact,
  repository: Repository,
) {
  return {
    id,
    name,
    size_in_bytes: stored.length,
    digest,
    expired,
    expires_at: expiresAt,
    workflow_run: {
      id: run.id,
      repository_id: repository.id,
      head_repository_id: run.headRepository?.id ?? null,
      head_branch: run.headBranch,
      head_sha: run.headSha,
    },
  };
}

function runJson(run: Run, { id, fullName }: Repository) {
  const head = run.headRepository;
  return {
    id: run.id,
    event: run.event,
    status: run.status,
    conclusion: run.conclusion,
    head_branch: run.headBranch,
    head_sha: run.headSha,
    repository: { id, full_name: fullName },
    head_repository: head === undefined ? null : { id: head.id, full_name: head.fullName },
  };
}
