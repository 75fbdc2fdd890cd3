import { type Answer, redirect, segmentsOf } from './answer.ts';
import type { Release } from './repository.ts';
import type { RestState } from './rest.ts';

export interface PagesState extends Pick<RestState, 'repositories' | 'link'> {
  readonly serverUrl: string;
  /** Like an Enterprise Server in private mode. */
  readonly wantsLogin: boolean;
}

const NOT_FOUND: Answer = { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not Found' };

/** The release pages of the web server, for someone who has not logged in. */
export function answerPages(state: PagesState, url: URL): Answer {
  const [owner, name, room, ...path] = segmentsOf(url);
  if (owner === 'login') {
    return {
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: '<!DOCTYPE html><title>Sign in</title>',
    };
  }
  if (state.wantsLogin) {
    return redirect(`${state.serverUrl}/login?return_to=${encodeURIComponent(url.href)}`);
  }
  const repository = state.repositories.find(({ fullName }) => fullName === `${owner}/${name}`);
  if (repository === undefined || repository.isPrivate || room !== 'releases') {
    return NOT_FOUND;
  }
  const releases = `${state.serverUrl}/${repository.fullName}/releases`;
  const { latestRelease } = repository;
  const [first, second = '', third = ''] = path;
  if (first === 'latest' && path.length === 1) {
    return redirect(latestRelease ? `${releases}/tag/${encodeURIComponent(latestRelease.tag)}` : releases);
  }
  if (first === 'latest' && second === 'download' && latestRelease !== undefined) {
    return redirect(`${releases}/download/${encodeURIComponent(latestRelease.tag)}/${third}`);
  }
  const release = repository.releases.find(({ tag, draft }) => tag === second && !draft);
  return first === 'download' ? downloadOf(release, third, state) : NOT_FOUND;
}

function downloadOf(release: Release | undefined, name: string, { link }: PagesState): Answer {
  const asset = release?.assets.find((each) => each.name === name && each.state === 'uploaded');
  return asset === undefined ? NOT_FOUND : redirect(link(asset.content, 'application/octet-stream', name));
}
