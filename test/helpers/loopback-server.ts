import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly authorization: string | undefined;
}

export interface LoopbackServer {
  readonly port: number;
  /** 127.0.0.1 and the port. */
  readonly host: string;
  /** All that came, in order. */
  readonly requests: SeenRequest[];
}

/** A server of the test's own, closed after it. */
export async function startServer(answer: http.RequestListener): Promise<LoopbackServer> {
  const requests: SeenRequest[] = [];
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, path: url, authorization: headers.authorization });
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { port, host: `127.0.0.1:${port}`, requests };
}
