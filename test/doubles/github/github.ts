import { randomBytes } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Answer, send } from './answer.ts';
import { answerChange, answerUpload, bodyOf, type UploadFault } from './changes.ts';
import { answerPages } from './pages.ts';
import { type Release, Repository, type RepositoryOptions } from './repository.ts';
import { answerQuestion, readQuestion, type Token } from './rest.ts';
import { Storage } from './storage.ts';

const UPLOADS = '/api/uploads';

export interface GitHubRequest {
  readonly server: 'web' | 'api' | 'uploads' | 'storage';
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface GitHub {
  /** For GITHUB_SERVER_URL and GITHUB_API_URL: two origins, and the signed links lead to a third. */
  readonly env: { readonly GITHUB_SERVER_URL: string; readonly GITHUB_API_URL: string };
  readonly requests: readonly GitHubRequest[];
  /** Asked for every request first. */
  fault: ((request: GitHubRequest) => Answer | undefined) | undefined;
  /** Asked for every asset that is uploaded. */
  uploadFault: ((name: string) => UploadFault | undefined) | undefined;
  /** What is uploaded gets a digest. */
  hasDigests: boolean;
  /** Named as the place for uploads instead of the right one. */
  uploadOrigin: string | undefined;
  /** The web pages send everyone to a form. */
  wantsLogin: boolean;
  addRepository(fullName: string, options?: RepositoryOptions): Repository;
  addToken(token?: Partial<Token>): string;
  /** The signed links that were given out so far are worth nothing any more. */
  expireLinks(): void;
  close(): Promise<void>;
}

/**
 * GitHub's web server, REST API and storage on three loopback ports; README.md says which parts. Assets are uploaded
 * to the web server's, as on an Enterprise Server.
 */
export async function startGitHub(): Promise<GitHub> {
  const repositories: Repository[] = [];
  const tokens = new Map<string, Token>();
  const requests: GitHubRequest[] = [];
  const storage = new Storage();
  let lastId = 1000;
  const nextId = () => {
    lastId += 1;
    return lastId;
  };

  const serve = async (
    server: GitHubRequest['server'],
    handle: (url: URL, request: IncomingMessage, response: ServerResponse) => void,
  ) => {
    const listener = createServer((request, response) => {
      const { method = '', url = '', headers } = request;
      const isUpload = server === 'web' && url.startsWith(UPLOADS);
      const seen = { server: isUpload ? 'uploads' : server, method, url, headers } as const;
      requests.push(seen);
      const fault = github.fault?.(seen);
      if (fault !== undefined) {
        send(response, fault);
      } else if (isUpload) {
        const place = new URL(url.slice(UPLOADS.length), `http://${headers.host}`);
        const { uploadFault: faultOf = () => undefined, hasDigests } = github;
        void answerUpload({ ...state, faultOf, hasDigests }, place, request, response);
      } else {
        handle(new URL(url, `http://${headers.host}`), request, response);
      }
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return { listener, origin: `http://127.0.0.1:${(listener.address() as AddressInfo).port}` };
  };

  const blobs = await serve('storage', (url, request, response) => storage.answer(request, response, url));
  const state = {
    repositories,
    tokens,
    link: (content: Buffer, contentType: string, fileName: string) =>
      blobs.origin + storage.link(content, contentType, fileName),
    uploadUrl: ({ fullName }: Repository, { id }: Release) =>
      `${github.uploadOrigin ?? web.origin}${UPLOADS}/repos/${fullName}/releases/${id}/assets`,
  };
  const api = await serve('api', async (url, request, response) => {
    const { method = '', headers } = request;
    const body = await bodyOf(request);
    const question = readQuestion(state, url, headers);
    if (body !== undefined) {
      send(
        response,
        'status' in question
          ? question
          : method === 'GET'
            ? answerQuestion(state, question)
            : answerChange(state, question, method, body),
      );
    }
  });
  const web = await serve('web', (url, _, response) => {
    const { wantsLogin } = github;
    send(response, answerPages({ ...state, serverUrl: web.origin, wantsLogin }, url));
  });

  const github: GitHub = {
    env: { GITHUB_SERVER_URL: web.origin, GITHUB_API_URL: api.origin },
    requests,
    fault: undefined,
    uploadFault: undefined,
    hasDigests: true,
    uploadOrigin: undefined,
    wantsLogin: false,
    addRepository: (fullName, options = {}) => {
      const repository = new Repository(fullName, options, nextId);
      repositories.push(repository);
      return repository;
    },
    addToken: ({ reads = [], writes = [], ssoPage } = {}) => {
      const token = `ghp_${randomBytes(18).toString('hex')}`;
      tokens.set(token, { reads, writes, ssoPage });
      return token;
    },
    expireLinks: () => storage.expireLinks(),
    close: async () => {
      await Promise.all([web, api, blobs].map(({ listener }) => closeServer(listener)));
    },
  };
  return github;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
