import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { type GitHub, startGitHub } from '../doubles/github/github.ts';
import type { Repository } from '../doubles/github/repository.ts';
import type { StepOptions, StepResult } from '../doubles/runner/runner.ts';
import { type SigstoreServices, startServices } from '../doubles/sigstore/services.ts';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { type ActionJob, type ActionJobOptions, actionJob } from '../helpers/action-job.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import {
  basicOf,
  type DockerRegistry,
  type DockerRegistryOptions,
  PUBLISHER,
  startDockerRegistry,
} from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { writeRoot } from '../trust/signed.ts';

export const REPOSITORY = 'acme/tools';
export const TAG = 'v1.2.0';
/** Of every run of the double of the runner. */
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const PACKAGE = 'ghcr.io/acme/tools/smolmachine';

const RUN = {
  sub: `repo:${REPOSITORY}:ref:refs/tags/${TAG}`,
  ref: `refs/tags/${TAG}`,
  sha: COMMIT,
  repository: REPOSITORY,
  event_name: 'push',
  job_workflow_ref: `${REPOSITORY}/.github/workflows/pack.yml@refs/tags/${TAG}`,
  workflow_ref: `${REPOSITORY}/.github/workflows/pack.yml@refs/tags/${TAG}`,
  repository_id: '123456789',
  repository_owner_id: '987654',
  runner_environment: 'github-hosted',
  run_id: '1658821493',
  run_attempt: '1',
};

/** Debian's, which has BuildKit built in; the legacy builder knows one platform. */
const BUILDKIT_DOCKER = '/usr/bin/docker';
export const hasBuildKit = existsSync(BUILDKIT_DOCKER);

/** The environment of a job that builds for other platforms than its own. */
export async function withBuildKit({ dir }: ActionJob): Promise<Record<string, string>> {
  const bin = join(dir, 'bin');
  await fs.mkdir(bin);
  await fs.symlink(BUILDKIT_DOCKER, join(bin, 'docker'));
  return { PATH: `${bin}:${process.env.PATH}`, DOCKER_BUILDKIT: '1' };
}

/** What a job may, as its `permissions` say it. */
export interface Permissions {
  readonly contents?: 'read' | 'write';
  readonly packages?: 'read' | 'write';
  readonly idToken?: 'none' | 'write';
}

export interface PublishJob extends ActionJob {
  /** Publishes to both places for the tag, unless the options say something else. */
  publish(options?: Partial<StepOptions>): Promise<StepResult>;
  /** All that is secret of it, by what it is. */
  readonly markers: Readonly<Record<string, string>>;
}

export interface PublishBed {
  readonly github: GitHub;
  readonly repository: Repository;
  readonly registry: DockerRegistry;
  readonly sigstore: SigstoreServices;
  /** `host path` of what went to github.com, ghcr.io and their relatives, with the method before it. */
  readonly requests: readonly string[];
  job(options?: ActionJobOptions & { permissions?: Permissions }): Promise<PublishJob>;
  /** Of a developer's machine that has nothing yet, as its environment. */
  developer(): Promise<Readonly<Record<string, string>>>;
  /** A file of Sigstore trust roots. */
  readonly trustedRoot: string;
  /** `claude-bottle fetch` on a machine that has nothing yet. */
  fetch(job: ActionJob, ...args: readonly string[]): Promise<CliResult>;
}

/**
 * GitHub, its container registry and Sigstore under their real names, with the doubles and a real registry behind them: a
 * proxy on loopback leads those who heed HTTPS_PROXY to them.
 */
export async function startPublishBed(
  registryOptions: Partial<DockerRegistryOptions> = {},
): Promise<PublishBed> {
  const double = new SigstoreDouble();
  const sigstore = await startServices(double, RUN);
  const github = await startGitHub();
  onTestFinished(async () => {
    await sigstore.close();
    await github.close();
  });
  github.uploadOrigin = 'https://uploads.github.com';
  const repository = github.addRepository(REPOSITORY);
  repository.moveTag(TAG, COMMIT);
  const registry = await startDockerRegistry({ auth: 'token', isPublic: true, ...registryOptions });
  const packageWriters = new Set<string>();
  const requests: string[] = [];
  const proxy = await startFront({ github, registry, sigstore, packageWriters, requests, double });
  const dir = await tempDir();
  const ca = join(dir, 'ca.pem');
  await fs.writeFile(ca, sigstore.ca);
  const trustedRoot = await writeRoot(dir, double);
  const network = {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: '127.0.0.1',
    no_proxy: '127.0.0.1',
    NODE_EXTRA_CA_CERTS: ca,
  };
  const developer = async () => {
    const home = await tempDir();
    return {
      ...network,
      HOME: home,
      CLAUDE_BOTTLE_STORE: join(home, 'store'),
      GH_TOKEN: '',
      GITHUB_TOKEN: '',
    };
  };
  return {
    github,
    repository,
    registry,
    sigstore,
    requests,
    job: async ({ permissions = {}, ...options } = {}) => {
      const { contents = 'write', packages = 'write', idToken = 'write' } = permissions;
      const job = await actionJob(options);
      const token = github.addToken(contents === 'write' ? { writes: [repository] } : {});
      if (packages === 'write') {
        packageWriters.add(token);
      }
      const { ACTIONS_ID_TOKEN_REQUEST_URL = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN = '' } = sigstore.env;
      return {
        ...job,
        markers: { 'github-token': token, 'request token': ACTIONS_ID_TOKEN_REQUEST_TOKEN },
        publish: async (more = {}) =>
          await job.run({
            repository: REPOSITORY,
            ref: `refs/tags/${TAG}`,
            githubToken: token,
            event: {
              name: 'push',
              payload: {
                repository: { full_name: REPOSITORY, visibility: 'public', default_branch: 'main' },
              },
            },
            ...more,
            inputs: { publish: 'oci, release', 'github-token': token, ...more.inputs },
            env: {
              ...network,
              GITHUB_SERVER_URL: 'https://github.com',
              GITHUB_API_URL: 'https://api.github.com',
              ...(idToken === 'write' && { ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN }),
              ...more.env,
            },
          }),
      };
    },
    developer,
    trustedRoot,
    fetch: async ({ workspace }, ...args) =>
      await runCli(
        [
          ...['fetch', '--context', join(workspace, 'context'), '--repo', REPOSITORY, '--no-bind', '--json'],
          ...['--provenance', 'required', '--trusted-root', trustedRoot],
          ...args,
        ],
        await developer(),
      ),
  };
}

interface Behind {
  readonly github: GitHub;
  readonly registry: DockerRegistry;
  readonly sigstore: SigstoreServices;
  readonly packageWriters: ReadonlySet<string>;
  readonly requests: string[];
  readonly double: SigstoreDouble;
}

const ASSETS = 'release-assets.githubusercontent.com';

/** @returns the address of the proxy; what it does not know goes on to Sigstore's */
async function startFront(behind: Behind): Promise<string> {
  const { github, registry, requests } = behind;
  const places = new Map([
    ['github.com', portOf(github.env.GITHUB_SERVER_URL)],
    ['uploads.github.com', portOf(github.env.GITHUB_SERVER_URL)],
    ['api.github.com', portOf(github.env.GITHUB_API_URL)],
    ['ghcr.io', registry.port],
    // Known when it is first named.
    [ASSETS, 0],
  ]);
  const { key, cert } = behind.double.tlsCertificate([...places.keys()]);
  const tls = https.createServer({ key, cert }, (request, response) => {
    const { method = '', url = '', headers } = request;
    const host = headers.host ?? '';
    requests.push(`${method} ${host} ${url.replace(/\?.*/, '')}`);
    if (host === 'api.github.com' && url.endsWith('/attestations')) {
      request.resume();
      response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":7}');
      return;
    }
    const isToken = host === 'ghcr.io' && url.startsWith('/token');
    const { authorization, ...others } = headers;
    const login = isToken ? loginOf(authorization, behind.packageWriters) : authorization;
    const onward = http.request({
      host: '127.0.0.1',
      port: isToken ? registry.tokens?.port : places.get(host),
      method,
      path: url,
      headers: {
        ...others,
        'x-forwarded-proto': 'https',
        ...(login !== undefined && { authorization: login }),
      },
    });
    onward.on('response', (answer) => {
      const { location, 'www-authenticate': challenge } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, {
        ...answer.headers,
        ...(location && { location: publicAddress(location, places) }),
        ...(challenge && {
          'www-authenticate': challenge.replace(/http:\/\/127\.0\.0\.1:\d+/, 'https://ghcr.io'),
        }),
      });
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  const tlsPort = await listen(tls);
  const tunnels = new Set<Duplex>();
  const proxy = http.createServer().on('connect', (request, socket) => {
    const [host = ''] = (request.url ?? '').split(':');
    const isOurs = places.has(host);
    const upstream = connect(
      isOurs ? tlsPort : portOf(behind.sigstore.env.HTTPS_PROXY ?? ''),
      '127.0.0.1',
      () => {
        if (isOurs) {
          socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        } else {
          upstream.write(`CONNECT ${request.url} HTTP/1.1\r\nHost: ${request.url}\r\n\r\n`);
        }
        socket.pipe(upstream).pipe(socket);
      },
    );
    tunnels.add(socket);
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
    socket.once('close', () => {
      tunnels.delete(socket);
      upstream.destroy();
    });
  });
  const port = await listen(proxy);
  onTestFinished(async () => {
    for (const tunnel of tunnels) {
      tunnel.destroy();
    }
    for (const server of [tls, proxy]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  });
  return `http://127.0.0.1:${port}`;
}

/** ghcr.io takes the job's token as a password, whatever the user is called. */
function loginOf(authorization: string | undefined, writers: ReadonlySet<string>): string | undefined {
  const [, encoded = ''] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
  const token = Buffer.from(encoded, 'base64')
    .toString('utf8')
    .replace(/^[^:]*:/, '');
  return writers.has(token) ? basicOf(PUBLISHER) : undefined;
}

/** The storage behind release assets has a port that only its links tell. */
function publicAddress(location: string, places: Map<string, number>): string {
  const url = URL.parse(location);
  if (url?.hostname !== '127.0.0.1') {
    return location;
  }
  const known = [...places].find(([, port]) => port === Number(url.port));
  if (known === undefined) {
    places.set(ASSETS, Number(url.port));
  }
  return location.replace(url.origin, `https://${known?.[0] ?? ASSETS}`);
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
