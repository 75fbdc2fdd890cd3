import { execFile, spawn } from 'node:child_process';
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as http from 'node:http';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { type LoopbackServer, startServer } from './loopback-server.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

const MISSING_TOOLS = ['docker-registry', 'openssl', 'skopeo'].filter((tool) => !isOnPath(tool));
/** For test.skipIf. */
export const LACKS_REGISTRY = MISSING_TOOLS.length > 0;
if (LACKS_REGISTRY) {
  console.error(`${MISSING_TOOLS.join(', ')} not installed: tests with a real registry are skipped.`);
}

/** May read and write. */
export const PUBLISHER = { username: 'publisher', password: 'push-and-pull' };
/** bcrypt of that password; `htpasswd` is in a package of its own. */
const PUBLISHER_BCRYPT = '$2b$04$hYpBGO4pcFMcuvOi4W0vv.6SbV7QbSUeBxDIFUJ61J.quHt2yP0bm';
const SERVICE = 'test-registry';
const ISSUER = 'test-token-server';
const TOKEN_LIFE_S = 300;

export interface RegistryServer extends LoopbackServer {
  /** In all answers until now, without their headers. */
  sentBytes(): number;
}

export interface DockerRegistry extends RegistryServer {
  readonly tokens: TokenServer | undefined;
}

export interface DockerRegistryOptions {
  /** `registry` is that of distribution 3. */
  readonly program?: 'docker-registry' | 'registry';
  /** `basic` asks everyone for the publisher's name and password, `token` sends them to a token server. */
  readonly auth?: 'basic' | 'token';
  /** How the registry names the token server's host. */
  readonly tokenHost?: string;
  /** Whether the token server lets everyone read. */
  readonly isPublic?: boolean;
  /** How many requests to the registry a token is good for. */
  readonly usesPerToken?: number;
  /** How long a request is on its way. */
  readonly delayMs?: (request: http.IncomingMessage) => number;
  /** A status that is the answer instead. */
  readonly fault?: (request: http.IncomingMessage) => number | undefined;
  /** Whether it acknowledges the subject of a manifest as if it listed referrers, which it does not do. */
  readonly acknowledgesSubject?: boolean;
}

/** Debian's docker-registry, or a newer one, with a directory of its own, ended after the test. */
export async function startDockerRegistry({
  program = 'docker-registry',
  auth,
  tokenHost = '127.0.0.1',
  isPublic = false,
  ...faults
}: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const dir = await tempDir();
  const tokens = auth === 'token' ? await startTokenServer(dir, isPublic) : undefined;
  await fs.writeFile(join(dir, 'htpasswd'), `${PUBLISHER.username}:${PUBLISHER_BCRYPT}\n`);
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(dir, 'registry') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    auth:
      tokens !== undefined
        ? {
            token: {
              realm: `http://${tokenHost}:${tokens.port}/token`,
              service: SERVICE,
              issuer: ISSUER,
              rootcertbundle: tokens.certificatePath,
            },
          }
        : auth === 'basic'
          ? { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } }
          : undefined,
  };
  // JSON is YAML too.
  await fs.writeFile(join(dir, 'config.yml'), JSON.stringify(config));
  const port = await startRegistryProcess(program, ['serve', join(dir, 'config.yml')]);
  return { ...(await startRecorder(port, faults)), tokens };
}

export const LACKS_REFERRERS_REGISTRY = !isOnPath('oci-registry');
if (LACKS_REFERRERS_REGISTRY) {
  console.error(
    'oci-registry not built (test/servers/oci-registry): tests with the referrers API are skipped.',
  );
}

/** A registry with the referrers API, in memory, ended after the test. */
export async function startReferrersRegistry(): Promise<RegistryServer> {
  return await startRecorder(await startRegistryProcess('oci-registry', []));
}

/** The one of go-containerregistry, in memory, ended after the test. */
export async function startCraneRegistry(): Promise<RegistryServer> {
  const args = ['registry', 'serve', '--address', '127.0.0.1:0'];
  return await startRecorder(await startRegistryProcess('crane', args));
}

/** @returns its port */
async function startRegistryProcess(command: string, args: readonly string[]): Promise<number> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  return await portOf(createInterface(child.stderr));
}

/** From its log; everything after that is read too, or the pipe would fill. */
async function portOf(log: NodeJS.EventEmitter): Promise<number> {
  const lines: string[] = [];
  return await new Promise((resolve, reject) => {
    log.on('line', (line: string) => {
      lines.push(line);
      const port = /(?:listening on 127\.0\.0\.1:|serving on port )(\d+)/.exec(line)?.[1];
      if (port !== undefined) {
        resolve(Number(port));
      }
    });
    log.once('close', () => reject(new Error(`the registry ended:\n${lines.slice(-5).join('\n')}`)));
  });
}

/** Stands before the registry, whose own log has no headers, and makes what seldom happens happen. */
async function startRecorder(
  port: number,
  {
    usesPerToken = Number.POSITIVE_INFINITY,
    delayMs = () => 0,
    fault = () => undefined,
    acknowledgesSubject = false,
  }: Pick<DockerRegistryOptions, 'usesPerToken' | 'delayMs' | 'fault' | 'acknowledgesSubject'> = {},
): Promise<RegistryServer> {
  const uses = new Map<string, number>();
  let sentBytes = 0;
  const server = await startServer(async (request, response) => {
    const { method, url } = request;
    const { authorization = '', 'content-length': _, ...others } = request.headers;
    const used = (uses.get(authorization) ?? 0) + 1;
    uses.set(authorization, used);
    const isExpired = authorization !== '' && used > usesPerToken;
    // Without it the registry itself says where to get another one, and it need not see the body for that.
    const headers = isExpired ? others : request.headers;
    await sleep(delayMs(request));
    const status = fault(request);
    if (status !== undefined) {
      request.resume().once('end', () => response.writeHead(status).end());
      return;
    }
    const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      const isManifest = method === 'PUT' && /\/manifests\//.test(url ?? '');
      const subject = acknowledgesSubject && isManifest && { 'oci-subject': `sha256:${'0'.repeat(64)}` };
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...subject });
      answer.on('data', ({ length }: Buffer) => {
        sentBytes += length;
      });
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    if (isExpired) {
      request.resume();
      onward.end();
    } else {
      request.pipe(onward);
    }
  });
  return { ...server, sentBytes: () => sentBytes };
}

export interface TokenServer extends LoopbackServer {
  readonly certificatePath: string;
}

/** https://distribution.github.io/distribution/spec/auth/jwt/. Like ghcr.io's it does not look at the user name. */
async function startTokenServer(dir: string, isPublic: boolean): Promise<TokenServer> {
  const [keyPath, certificatePath] = [join(dir, 'token.key'), join(dir, 'token.crt')];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${ISSUER}`, '-keyout', keyPath, '-out', certificatePath],
  ]);
  const key = createPrivateKey(await fs.readFile(keyPath));
  const certificate = new X509Certificate(await fs.readFile(certificatePath)).raw.toString('base64');
  const server = await startServer(({ url = '', headers }, response) => {
    const isPublisher = passwordOf(headers.authorization) === PUBLISHER.password;
    if (headers.authorization !== undefined && !isPublisher) {
      response
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return;
    }
    const { searchParams } = new URL(url, 'http://token');
    const access = searchParams.getAll('scope').map((scope) => {
      const [type, name, actions = ''] = scope.split(':');
      const granted = actions.split(',').filter((action) => isPublisher || (isPublic && action === 'pull'));
      return { type, name, actions: granted };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      sub: '',
      aud: searchParams.get('service'),
      exp: now + TOKEN_LIFE_S,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const header = { typ: 'JWT', alg: 'ES256', x5c: [certificate] };
    const unsigned = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
    const signature = sign('sha256', Buffer.from(unsigned.join('.')), { key, dsaEncoding: 'ieee-p1363' });
    const token = [...unsigned, signature.toString('base64url')].join('.');
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }));
  });
  return { ...server, certificatePath };
}

export function basicOf({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function passwordOf(authorization = ''): string | undefined {
  const [, credential = ''] = /^Basic (.+)$/.exec(authorization) ?? [];
  return /:(.*)$/.exec(Buffer.from(credential, 'base64').toString('utf8'))?.[1];
}

export function isOnPath(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, tool)));
}
