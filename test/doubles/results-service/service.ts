import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AzuriteServer, azuriteBlobStore } from './azurite.ts';
import { type BlobStore, blobNameOf, FileBlobStore } from './blob-store.ts';
import { CutError, type Fault, withFault } from './fault.ts';
import { type Scope, TwirpError, type TwirpMethod } from './twirp.ts';
import { type Artifact, ArtifactService } from './twirp-artifact.ts';
import { type CacheEntry, CacheService } from './twirp-cache.ts';

/** One request, also when a fault hit it. */
export interface ServiceRequest {
  readonly service: 'cache' | 'artifact' | 'blob' | 'api';
  /** A Twirp method such as `CreateCacheEntry`, or the HTTP method of another request. */
  readonly method: string;
  /** Path and query, without the signature. */
  readonly url: string;
  /** The message, for Twirp. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** For a blob: the cache key or the artifact's name. */
  readonly subject?: string | undefined;
  /** For a blob: `block` or `blocklist` in an upload by parts. */
  readonly comp?: string | undefined;
  /** Undefined while there is no answer. */
  readonly status: number | undefined;
}

export interface ResultsService {
  /** For a step of the current run. */
  readonly env: Readonly<Record<string, string>>;
  /** For GITHUB_API_URL: the REST API, as far as it speaks of artifacts. */
  readonly apiUrl: string;
  /** For GITHUB_RUN_ID, of the current run. */
  readonly runId: string;
  /** Of the current run and job. */
  readonly runtimeToken: string;
  readonly requests: readonly ServiceRequest[];
  /** Asked for every request before the service does anything. */
  fault: ((request: ServiceRequest) => Fault | undefined) | undefined;
  /** True: the cache can be read and not written, as in a run that untrusted people can trigger. */
  readOnlyCache: boolean;
  cacheEntries(): CacheEntry[];
  artifacts(): Artifact[];
  /** The newest of that name. */
  readArtifact(name: string): Promise<Buffer>;
  readCache(key: string): Promise<Buffer>;
  /** Changes what is stored; what the service says of it (size, digest) stays. */
  overwriteArtifact(name: string, content: Buffer): Promise<void>;
  overwriteCache(key: string, content: Buffer): Promise<void>;
  /** From here on `env` is that of another run: the cache stays, the artifacts of former runs are out of reach. */
  startRun(): void;
  /** From here on `env` is that of another job of the same run. */
  startJob(): void;
  close(): Promise<void>;
}

export interface ResultsServiceOptions {
  /** For the blobs; not removed at the end. */
  readonly dir: string;
  /** Without it, files in `dir`. */
  readonly blobStore?: 'fs' | AzuriteServer;
  readonly readOnlyCache?: boolean;
}

const PACKAGE = 'github.actions.results.api.v1';
const MAX_MESSAGE_BYTES = 1 << 20;
const DEFAULT_RETENTION_MS = 90 * 86_400_000;
const FIRST_RUN = 1_658_821_493;

/** GitHub's results service on a loopback port; README.md says what it models. */
export async function startResultsService(options: ResultsServiceOptions): Promise<ResultsService> {
  const server = createServer({ requestTimeout: 0 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const blobs: BlobStore =
    options.blobStore === undefined || options.blobStore === 'fs'
      ? await FileBlobStore.in(options.dir)
      : azuriteBlobStore(options.blobStore);
  const cache = new CacheService(blobs, baseUrl);
  cache.readOnly = options.readOnlyCache ?? false;
  const artifacts = new ArtifactService(blobs, baseUrl);
  const scopes = new Map<string, Scope>();
  const requests: ServiceRequest[] = [];
  const runs: string[] = [];
  let current = issueToken(randomUUID());

  const service: ResultsService = {
    get env() {
      return {
        ACTIONS_RESULTS_URL: `${baseUrl}/`,
        ACTIONS_RUNTIME_TOKEN: current.token,
        ACTIONS_CACHE_SERVICE_V2: 'True',
      };
    },
    apiUrl: `${baseUrl}/api/v3`,
    get runId() {
      return runNumberOf(current.runId);
    },
    get runtimeToken() {
      return current.token;
    },
    requests,
    fault: undefined,
    get readOnlyCache() {
      return cache.readOnly;
    },
    set readOnlyCache(readOnly) {
      cache.readOnly = readOnly;
    },
    cacheEntries: () => cache.entries(),
    artifacts: () => artifacts.artifacts(),
    readArtifact: async (name) => await blobs.read(known(artifacts.blobOf(name), name)),
    readCache: async (key) => await blobs.read(known(cache.blobOf(key), key)),
    overwriteArtifact: async (name, content) =>
      await blobs.overwrite(known(artifacts.blobOf(name), name), content),
    overwriteCache: async (key, content) => await blobs.overwrite(known(cache.blobOf(key), key), content),
    startRun: () => {
      current = issueToken(randomUUID());
    },
    startJob: () => {
      current = issueToken(current.runId);
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };

  /** The REST API numbers the runs that the tokens name by a UUID. */
  function runNumberOf(runId: string): string {
    if (!runs.includes(runId)) {
      runs.push(runId);
    }
    return String(FIRST_RUN + runs.indexOf(runId));
  }

  function issueToken(runId: string): Scope & { readonly token: string } {
    const scope = { runId, jobId: randomUUID() };
    const claims = {
      scp: `Actions.GenericRead Actions.Results:${runId}:${scope.jobId}`,
      nonce: randomUUID(),
    };
    const parts = [{ typ: 'JWT', alg: 'none' }, claims].map((part) => encode(JSON.stringify(part)));
    const token = [...parts, encode(randomBytes(16))].join('.');
    scopes.set(token, scope);
    return { ...scope, token };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', baseUrl);
    const [, twirp, serviceName, method = ''] = url.pathname.split('/');
    if (twirp === 'twirp' && request.method === 'POST') {
      const name = serviceName === `${PACKAGE}.CacheService` ? 'cache' : 'artifact';
      const methods = {
        [`${PACKAGE}.CacheService`]: cache.methods,
        [`${PACKAGE}.ArtifactService`]: artifacts.methods,
      }[serviceName ?? ''];
      await serveTwirp(request, response, { name, method, run: methods?.[method] });
    } else if (twirp === 'api') {
      await serveApi(request, response, url);
    } else {
      await serveBlob(request, response, url);
    }
  }

  /** https://docs.github.com/rest/actions/artifacts */
  async function serveApi(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const fault = note({
      service: 'api',
      method: request.method ?? '',
      url: `${url.pathname}${url.search}`,
      get status() {
        return statusOf(response);
      },
    });
    if (await fails(fault, request, response)) {
      return;
    }
    if (!request.headers.authorization?.startsWith('Bearer ')) {
      answerJson(response, 401, { message: 'Requires authentication' });
      return;
    }
    const route = /^\/api\/v3\/repos\/[^/]+\/[^/]+\/actions\/(.+)$/.exec(url.pathname)?.[1] ?? '';
    const answer = request.method === 'GET' ? answerOf(route, url.searchParams.get('name')) : undefined;
    if (answer === undefined) {
      answerJson(response, 404, { message: 'Not Found' });
    } else {
      answerJson(response, 200, fault?.kind === 'transform' ? fault.answer(answer) : answer);
    }
  }

  function answerOf(route: string, name: string | null): Record<string, unknown> | undefined {
    const [, runId] = /^runs\/(\d+)\/artifacts$/.exec(route) ?? [];
    if (runId !== undefined || route === 'artifacts') {
      const matching = artifacts
        .artifacts()
        .filter((each) => runId === undefined || runNumberOf(each.runId) === runId)
        .filter((each) => name === null || each.name === name)
        .toReversed();
      return { total_count: matching.length, artifacts: matching.map(artifactJson) };
    }
    const [, id] = /^artifacts\/(\d+)$/.exec(route) ?? [];
    const artifact = artifacts.artifacts().find((each) => String(each.id) === id);
    return artifact && artifactJson(artifact);
  }

  function artifactJson({ id, name, sizeBytes, digest, createdAt, expiresAt, runId }: Artifact) {
    return {
      id,
      name,
      size_in_bytes: sizeBytes,
      digest,
      expired: false,
      created_at: createdAt,
      expires_at: expiresAt ?? new Date(Date.now() + DEFAULT_RETENTION_MS).toISOString(),
      workflow_run: {
        id: Number(runNumberOf(runId)),
        repository_id: 123456789,
        head_repository_id: 123456789,
      },
    };
  }

  async function serveTwirp(
    request: IncomingMessage,
    response: ServerResponse,
    { name, method, run }: { name: 'cache' | 'artifact'; method: string; run: TwirpMethod | undefined },
  ): Promise<void> {
    const text = (await readAll(request)).toString();
    const message = parseJson(text);
    const fault = note({
      service: name,
      method,
      url: request.url ?? '/',
      ...(message === undefined ? {} : { body: message }),
      get status() {
        return statusOf(response);
      },
    });
    if (await fails(fault, request, response)) {
      return;
    }
    let status = 200;
    let answer: Record<string, unknown>;
    try {
      const scope = scopes.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
      if (scope === undefined) {
        throw new TwirpError('unauthenticated', 'the bearer token is not one of this service');
      }
      if (run === undefined) {
        throw new TwirpError('bad_route', `no handler for path ${request.url}`);
      }
      if (request.headers['content-type'] !== 'application/json' || message === undefined) {
        throw new TwirpError('malformed', 'the body is not application/json');
      }
      answer = { ...(await run(message, scope)) };
    } catch (error) {
      if (!(error instanceof TwirpError)) {
        throw error;
      }
      status = error.status;
      answer = { code: error.code, msg: error.message };
    }
    if (fault?.kind === 'lost-answer') {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === 'transform') {
      answer = fault.answer(answer);
    }
    answerJson(response, status, answer);
  }

  async function serveBlob(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const blob = blobNameOf(url) ?? '';
    const { method = '' } = request;
    const fault = note({
      service: 'blob',
      method,
      url: withoutSignature(url),
      subject: cache.keyOf(blob) ?? artifacts.nameOf(blob),
      comp: url.searchParams.get('comp') ?? undefined,
      get status() {
        return statusOf(response);
      },
    });
    if (await fails(fault, request, response)) {
      return;
    }
    const body = method === 'PUT' ? withFault(request, fault) : request;
    const answer = await blobs.serve({ method, url, headers: request.headers, body });
    if (fault?.kind === 'lost-answer') {
      request.socket.destroy();
      return;
    }
    request.resume();
    response.writeHead(answer.status, answer.headers);
    for await (const chunk of withFault(answer.body ?? none(), method === 'GET' ? fault : undefined)) {
      await write(response, chunk);
    }
    response.end();
  }

  function note(request: ServiceRequest): Fault | undefined {
    requests.push(request);
    return service.fault?.(request);
  }

  server.on('request', (request, response) => {
    // Kept: a request whose body was not read to its end loses its socket.
    const { socket } = request;
    serve(request, response).catch((error: unknown) => {
      if (error instanceof CutError) {
        // What was written before still goes out.
        socket.destroySoon();
        return;
      }
      socket.destroy();
      if (!isDisconnect(error)) {
        throw error;
      }
    });
  });
  return service;
}

/** Faults that keep the service from doing anything. */
async function fails(
  fault: Fault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  switch (fault?.kind) {
    case 'status': {
      // An answer before the end of the body would reach the client as a broken pipe.
      request.resume();
      if (!request.readableEnded) {
        await new Promise((resolve) => request.once('end', resolve));
      }
      const isText = typeof fault.body === 'string';
      response
        .writeHead(fault.status, {
          'content-type': isText ? 'text/plain' : 'application/json',
          ...fault.headers,
        })
        .end(isText ? fault.body : JSON.stringify(fault.body ?? {}));
      return true;
    }
    case 'reset':
      request.socket.destroy();
      return true;
    case 'hang':
      return true;
    default:
      return false;
  }
}

function answerJson(response: ServerResponse, status: number, answer: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

/** The client has gone: it was cancelled, or it gave up. */
function isDisconnect(error: unknown): boolean {
  const codes: unknown[] = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'];
  return error instanceof Error && 'code' in error && codes.includes(error.code);
}

function statusOf(response: ServerResponse): number | undefined {
  return response.headersSent ? response.statusCode : undefined;
}

async function* none(): AsyncIterable<Buffer> {}

async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (!response.write(chunk)) {
    await new Promise<void>((resolve) => {
      const done = () => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }
  if (response.destroyed) {
    throw new CutError('the client has gone');
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_MESSAGE_BYTES) {
      throw new CutError('the message is too long');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function withoutSignature(url: URL): string {
  const copy = new URL(url);
  copy.searchParams.delete('sig');
  return `${copy.pathname}${copy.search}`;
}

function encode(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}

function known(blob: string | undefined, name: string): string {
  if (blob === undefined) {
    throw new Error(`the service has nothing named ${name}`);
  }
  return blob;
}
