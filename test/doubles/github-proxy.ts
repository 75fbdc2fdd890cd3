import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

/** Where github.com sends those who download a release asset. */
export const ASSET_HOST = 'release-assets.githubusercontent.com';

export interface SeenRequest {
  /** As `https://github.com/...` */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

/**
 * A double of github.com and its asset host for clients that use HTTPS_PROXY: a proxy on loopback that passes nothing
 * on and answers in their place, with a certificate of its own. An asset comes by a redirect to the other host, as
 * GitHub does it. Every other address is refused at CONNECT.
 */
export class GithubProxy {
  /** Release assets by their path on github.com. */
  readonly assets = new Map<string, Buffer>();
  readonly requests: SeenRequest[] = [];
  readonly refused: string[] = [];
  /** What a client process needs to be led here; NODE_EXTRA_CA_CERTS is read when it starts. */
  readonly clientEnv: NodeJS.ProcessEnv;
  readonly #server: http.Server;
  readonly #sockets: ReadonlySet<Socket>;

  /** @param dir for the certificate */
  static async start(dir: string): Promise<GithubProxy> {
    const server = http.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new GithubProxy(server, makeCertificate(dir));
  }

  private constructor(server: http.Server, pem: Certificate) {
    const sockets = new Set<Socket>();
    const site = http.createServer((request, response) => this.#answer(request, response));
    const [cert, key] = [readFileSync(pem.certFile), readFileSync(pem.keyFile)];
    server.on('connect', (request, socket: Socket) => {
      sockets.add(socket.on('error', () => {}));
      if (request.url !== 'github.com:443' && request.url !== `${ASSET_HOST}:443`) {
        this.refused.push(request.url ?? '');
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      site.emit(
        'connection',
        new TLSSocket(socket, { isServer: true, cert, key }).on('error', () => {}),
      );
    });
    const { port } = server.address() as AddressInfo;
    this.clientEnv = { HTTPS_PROXY: `http://127.0.0.1:${port}`, NODE_EXTRA_CA_CERTS: pem.certFile };
    this.#server = server;
    this.#sockets = sockets;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { host } = request.headers;
    const path = request.url ?? '';
    this.requests.push({ url: `https://${host}${path}`, headers: request.headers });
    const asset = this.assets.get(path);
    if (asset === undefined) {
      response.writeHead(404).end('Not Found');
    } else if (host === 'github.com') {
      response.writeHead(302, { location: `https://${ASSET_HOST}${path}` }).end();
    } else {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(asset);
    }
  }
}

interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

function makeCertificate(dir: string): Certificate {
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const names = `subjectAltName=DNS:github.com,DNS:${ASSET_HOST}`;
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const args = ['req', ...kind, '-subj', '/CN=github.com', '-addext', names];
  execFileSync('openssl', [...args, '-out', certFile, '-keyout', keyFile], { stdio: 'ignore' });
  return { certFile, keyFile };
}
