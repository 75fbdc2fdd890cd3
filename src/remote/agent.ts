import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Certificates are always checked: NODE_TLS_REJECT_UNAUTHORIZED is not read. */
export function newAgent(url: URL, proxy: URL | undefined, trust: SecureContext | undefined): http.Agent {
  if (url.protocol === 'http:') {
    return new http.Agent({ keepAlive: true });
  }
  return new TunnelAgent({
    keepAlive: true,
    rejectUnauthorized: true,
    ...(trust && { secureContext: trust }),
    ...(proxy && { proxyEnv: { HTTPS_PROXY: proxy.href } }),
  });
}

/** The authorities that Node trusts, and those that this machine trusts. */
export function systemTrust(): SecureContext {
  return createSecureContext({ ca: [...getCACertificates('default'), ...getCACertificates('system')] });
}

/** When a proxy refuses the tunnel, Node leaves its connection open, and with it this process. Seen with Node 24.21. */
class TunnelAgent extends https.Agent {
  override createConnection(
    options: https.RequestOptions,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    return super.createConnection(options, (error, socket) => {
      if (error !== null) {
        socket?.destroy();
      }
      done?.(error, socket);
    });
  }
}
