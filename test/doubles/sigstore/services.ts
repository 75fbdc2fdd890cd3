import { createPublicKey, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { Claims } from './certificates.ts';
import { dsseBody } from './log.ts';
import { newKeys, pem, type SigstoreDouble } from './sigstore.ts';

const OIDC = 'token.actions.githubusercontent.com';
const RUNNER = 'runner.double';
const API = 'api.github.com';
const HOSTS = [
  OIDC,
  RUNNER,
  API,
  'fulcio.sigstore.dev',
  'rekor.sigstore.dev',
  'fulcio.githubapp.com',
  'timestamp.githubapp.com',
];
const REQUEST_TOKEN = 'double-request-token';

/** Of a workflow run, in the words of GitHub's OIDC tokens. */
export type RunClaims = Readonly<Record<string, string>>;

export interface SigstoreServices {
  /** For a child process: where the proxy is, which authority to trust, and what a job with `id-token: write` has. */
  readonly env: Readonly<Record<string, string>>;
  /** What NODE_EXTRA_CA_CERTS has to name. */
  readonly ca: string;
  /** `host path`, in order. */
  readonly requests: readonly string[];
  /** What was sent to be kept. */
  readonly kept: readonly unknown[];
  /** Answers instead of keeping a bundle. */
  refusal: { readonly status: number; readonly message: string } | undefined;
  close(): Promise<void>;
}

/**
 * OIDC service, Fulcio, Rekor, time stamp authority and attestations API, under their real names: a proxy on loopback
 * leads all of them to one TLS server.
 */
export async function startServices(sigstore: SigstoreDouble, run: RunClaims): Promise<SigstoreServices> {
  const oidc = newKeys();
  const requests: string[] = [];
  const kept: unknown[] = [];
  const { key, cert, ca } = sigstore.tlsCertificate(HOSTS);

  const routes: Record<string, (url: URL, request: http.IncomingMessage) => Promise<Answer> | Answer> = {
    [`${OIDC}/.well-known/openid-configuration`]: () => ({ jwks_uri: `https://${OIDC}/.well-known/jwks` }),
    [`${OIDC}/.well-known/jwks`]: () => ({
      keys: [{ ...oidc.publicKey.export({ format: 'jwk' }), kid: 'double', alg: 'ES256', use: 'sig' }],
    }),
    [`${RUNNER}/token`]: (url, { headers }) =>
      headers.authorization === `Bearer ${REQUEST_TOKEN}`
        ? { value: token(run, url.searchParams.get('audience') ?? '') }
        : refused(401, 'no token'),
    'fulcio/api/v2/signingCert': async (url, request) =>
      issue((await json(request)) as CertificateRequest, url.hostname),
    'rekor/api/v1/log/entries': async (_, request) => record((await json(request)) as EntryRequest),
    'timestamp/api/v1/timestamp': async (_, request) => {
      const { artifactHash } = (await json(request)) as { artifactHash: string };
      return sigstore.stamp(Buffer.from(artifactHash, 'base64'), new Date());
    },
    [`${API}/repos/${run.repository}/attestations`]: async (_, request) => {
      kept.push(await json(request));
      return services.refusal === undefined
        ? { id: 7 }
        : refused(services.refusal.status, services.refusal.message);
    },
  };

  function token(claims: RunClaims, audience: string): string {
    const now = Math.floor(Date.now() / 1000);
    const head = { alg: 'ES256', typ: 'JWT', kid: 'double' };
    const body = { ...claims, iss: `https://${OIDC}`, aud: audience, iat: now, nbf: now, exp: now + 300 };
    const text = [head, body]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(text), {
      key: oidc.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `${text}.${signature.toString('base64url')}`;
  }

  /** As Fulcio does: the token is ours, and its holder also has the key. GitHub's own has no certificate log. */
  function issue({ credentials, publicKeyRequest }: CertificateRequest, host: string): Answer {
    const [head = '', body = '', signature = ''] = credentials.oidcIdentityToken.split('.');
    const isOurs = verify(
      'sha256',
      Buffer.from(`${head}.${body}`),
      { key: oidc.publicKey, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as RunClaims;
    const publicKey = createPublicKey(publicKeyRequest.publicKey.content);
    const proof = Buffer.from(publicKeyRequest.proofOfPossession, 'base64');
    if (
      !isOurs ||
      claims.aud !== 'sigstore' ||
      !verify('sha256', Buffer.from(claims.sub ?? ''), publicKey, proof)
    ) {
      return refused(400, 'no certificate for that');
    }
    const certificates = sigstore.issue(publicKey, {
      claims: fulcioClaims(claims),
      issuedAt: new Date(),
      hasSct: host.endsWith('.sigstore.dev'),
    });
    return { signedCertificateEmbeddedSct: { chain: { certificates: certificates.map(pem) } } };
  }

  function record({ spec: { proposedContent } }: EntryRequest): Answer {
    const envelope = JSON.parse(proposedContent.envelope) as Envelope;
    const body = dsseBody({
      json: proposedContent.envelope,
      payload: Buffer.from(envelope.payload, 'base64'),
      signature: envelope.signatures[0]?.sig ?? '',
      verifier: proposedContent.verifiers[0] ?? '',
    });
    return { ['24296fb24b8ad77a'.padEnd(80, '0')]: sigstore.log.add(body, new Date()) };
  }

  const server = https.createServer({ key, cert }, async (request, response) => {
    const url = new URL(request.url ?? '', `https://${request.headers.host}`);
    requests.push(`${url.hostname} ${url.pathname}`);
    const service = url.hostname.replace(/^(fulcio|rekor|timestamp)\..*/, '$1');
    const answer = (await routes[service + url.pathname]?.(url, request)) ?? refused(404, 'Not Found');
    if (Buffer.isBuffer(answer)) {
      response.writeHead(201, { 'content-type': 'application/timestamp-reply' }).end(answer);
      return;
    }
    const { status = request.method === 'POST' ? 201 : 200, ...rest } = answer;
    response.writeHead(Number(status), { 'content-type': 'application/json' }).end(JSON.stringify(rest));
  });
  const port = await listen(server);
  const tunnels = new Set<Duplex>();
  const proxy = http.createServer().on('connect', (request, socket) => {
    const [host = ''] = (request.url ?? '').split(':');
    tunnels.add(socket);
    socket.once('close', () => tunnels.delete(socket));
    if (!HOSTS.includes(host)) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  const proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;

  const services: SigstoreServices = {
    env: {
      https_proxy: proxyUrl,
      HTTPS_PROXY: proxyUrl,
      ACTIONS_ID_TOKEN_REQUEST_URL: `https://${RUNNER}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_API_URL: `https://${API}`,
      GITHUB_REPOSITORY: run.repository ?? '',
    },
    ca,
    requests,
    kept,
    refusal: undefined,
    async close() {
      for (const tunnel of tunnels) {
        tunnel.destroy();
      }
      for (const each of [server, proxy]) {
        each.closeAllConnections();
        each.close();
        await once(each, 'close');
      }
    },
  };
  return services;
}

type Answer = Buffer | Readonly<Record<string, unknown>>;

interface CertificateRequest {
  readonly credentials: { readonly oidcIdentityToken: string };
  readonly publicKeyRequest: {
    readonly publicKey: { readonly content: string };
    readonly proofOfPossession: string;
  };
}

interface EntryRequest {
  readonly spec: {
    readonly proposedContent: { readonly envelope: string; readonly verifiers: readonly string[] };
  };
}

interface Envelope {
  readonly payload: string;
  readonly signatures: ReadonlyArray<{ readonly sig: string }>;
}

function refused(status: number, message: string): Answer {
  return { status, message };
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md#mapping-oidc-token-claims-to-fulcio-oids */
function fulcioClaims(token: RunClaims): Claims {
  const server = 'https://github.com';
  const repository = `${server}/${token.repository}`;
  const text = (name: string) => token[name] ?? '';
  const owner = text('repository').split('/')[0];
  return {
    1: text('iss'),
    2: text('event_name'),
    3: text('sha'),
    4: text('workflow'),
    5: text('repository'),
    6: text('ref'),
    8: text('iss'),
    9: `${server}/${token.job_workflow_ref}`,
    10: text('job_workflow_sha'),
    11: text('runner_environment'),
    12: repository,
    13: text('sha'),
    14: text('ref'),
    15: text('repository_id'),
    16: `${server}/${owner}`,
    17: text('repository_owner_id'),
    18: `${server}/${token.workflow_ref}`,
    19: text('workflow_sha'),
    20: text('event_name'),
    21: `${repository}/actions/runs/${token.run_id}/attempts/${token.run_attempt}`,
    22: text('repository_visibility'),
  };
}
