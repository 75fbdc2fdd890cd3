import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, json, send } from './answer.ts';
import { digestOf, type Release } from './repository.ts';
import { assetJson, NOT_FOUND, type Question, type RestState, readQuestion, releaseJson } from './rest.ts';

/** https://docs.github.com/repositories/releasing-projects-on-github/about-releases#storage-and-bandwidth-quotas */
const MAX_ASSET_BYTES = 2 ** 31 - 1;

const FORBIDDEN = json({ message: 'Resource not accessible by integration', status: '403' }, 403);

/** What goes wrong with the upload of an asset. */
export type UploadFault =
  /** The connection breaks off in the middle; the asset stays there, half made. */
  | 'cut'
  /** The asset is stored, and the connection breaks off before the answer. */
  | 'lost-answer'
  /** All is said to be well, and the asset stays half made. */
  | 'starter'
  /** Other bytes are stored. */
  | 'corrupt';

/** POST, PATCH and DELETE of releases and their assets. */
export function answerChange(
  state: Pick<RestState, 'uploadUrl'>,
  { repository, mayWrite, path }: Question,
  method: string,
  body: Buffer,
): Answer {
  const [room, what, name] = path;
  if (room !== 'releases') {
    return NOT_FOUND;
  }
  if (!mayWrite) {
    return FORBIDDEN;
  }
  const answer = (release: Release, status: number) =>
    json(releaseJson(release, state.uploadUrl(repository, release)), status);
  const sent = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  if (method === 'POST' && what === undefined) {
    const taken = repository.releases.some(({ tag, draft }) => tag === sent.tag_name && !draft);
    return taken
      ? invalid({ resource: 'Release', code: 'already_exists', field: 'tag_name' })
      : answer(repository.createRelease(sent.tag_name, sent.draft === true), 201);
  }
  if (method === 'PATCH') {
    const release = repository.releases.find(({ id }) => String(id) === what);
    if (release === undefined) {
      return NOT_FOUND;
    }
    if (sent.draft === false && release.draft) {
      release.draft = false;
      release.immutable = repository.hasImmutableReleases;
    }
    return answer(release, 200);
  }
  if (method === 'DELETE' && what === 'assets') {
    const release = repository.releases.find(({ assets }) => assets.some(({ id }) => String(id) === name));
    return release === undefined ? NOT_FOUND : deleteAsset(release, name);
  }
  if (method === 'DELETE') {
    const index = repository.releases.findIndex(({ id }) => String(id) === what);
    if (index < 0) {
      return NOT_FOUND;
    }
    repository.releases.splice(index, 1);
    return { status: 204 };
  }
  return NOT_FOUND;
}

function deleteAsset({ assets, immutable }: Release, asset: string | undefined): Answer {
  if (immutable) {
    return json({ message: 'Cannot delete asset from an immutable release' }, 422);
  }
  assets.splice(
    assets.findIndex(({ id }) => String(id) === asset),
    1,
  );
  return { status: 204 };
}

function invalid(error: Readonly<Record<string, string>>): Answer {
  return json({ message: 'Validation Failed', errors: [error] }, 422);
}

export interface UploadState extends Pick<RestState, 'tokens' | 'repositories'> {
  readonly faultOf: (name: string) => UploadFault | undefined;
  /** An old server has no digests. */
  readonly hasDigests: boolean;
}

/** https://docs.github.com/rest/releases/assets#upload-a-release-asset */
export async function answerUpload(
  state: UploadState,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const question = readQuestion(state, url, request.headers);
  const name = url.searchParams.get('name') ?? '';
  const release = 'status' in question ? undefined : releaseOf(question);
  const refusal =
    'status' in question
      ? question
      : !question.mayWrite
        ? FORBIDDEN
        : release === undefined
          ? NOT_FOUND
          : refusalOf(release, name, Number(request.headers['content-length']));
  if (refusal !== undefined || 'status' in question || release === undefined) {
    send(response, refusal ?? NOT_FOUND);
    return;
  }
  // A request forgets its connection when it is read to its end.
  const { socket } = request;
  const fault = state.faultOf(name);
  const asset = question.repository.addAsset(release, name);
  const content = await bodyOf(
    request,
    fault === 'cut' ? Number(request.headers['content-length']) / 2 : Infinity,
  );
  if (content === undefined || fault === 'cut') {
    socket.destroy();
    return;
  }
  if (fault !== 'starter') {
    asset.content = fault === 'corrupt' ? Buffer.from(content.map((byte) => byte ^ 1)) : content;
    asset.digest = state.hasDigests ? digestOf(asset.content) : null;
    asset.state = 'uploaded';
  }
  if (fault === 'lost-answer') {
    socket.destroy();
  } else {
    send(response, json(assetJson(asset), 201));
  }
}

function releaseOf({ repository, path }: Question): Release | undefined {
  const [room, release, what] = path;
  return room === 'releases' && what === 'assets'
    ? repository.releases.find(({ id }) => String(id) === release)
    : undefined;
}

function refusalOf(release: Release, name: string, sizeBytes: number): Answer | undefined {
  if (release.immutable) {
    return json({ message: 'Cannot upload assets to an immutable release.' }, 422);
  }
  if (release.assets.some((asset) => asset.name === name)) {
    return invalid({ resource: 'ReleaseAsset', code: 'already_exists', field: 'name' });
  }
  return sizeBytes > MAX_ASSET_BYTES
    ? invalid({ resource: 'ReleaseAsset', code: 'custom', field: 'size' })
    : undefined;
}

/** Undefined when it breaks off; no more than `limitBytes` of it, and a little. */
export async function bodyOf(request: IncomingMessage, limitBytes = Infinity): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes >= limitBytes) {
        break;
      }
    }
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}
