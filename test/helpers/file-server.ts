import { Readable } from 'node:stream';
import { type LoopbackServer, startServer } from './loopback-server.ts';

const CHUNK_BYTES = 64 * 1024;

export interface FileServer extends LoopbackServer {
  /** By path, such as /a.smolmachine. */
  readonly files: Map<string, Buffer>;
  /** How many bytes of a file it has sent so far. */
  sentBytes(path: string): number;
}

/** A web server of the test's own, with ranges and strong ETags. */
export async function serveFiles(): Promise<FileServer> {
  const files = new Map<string, Buffer>();
  const sent = new Map<string, number>();
  const server = await startServer(({ url = '', headers }, response) => {
    const bytes = files.get(url);
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    const [range, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const part = bytes.subarray(start, last ? Number(last) + 1 : undefined);
    sent.set(url, (sent.get(url) ?? 0) + part.length);
    response.writeHead(range === undefined ? 200 : 206, {
      etag: `"${url}"`,
      'accept-ranges': 'bytes',
      'content-length': part.length,
      ...(range !== undefined && {
        'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}`,
      }),
    });
    // A client that is killed ends the response early.
    Readable.from(chunksOf(part))
      .on('error', () => {})
      .pipe(response);
  });
  return { ...server, files, sentBytes: (path) => sent.get(path) ?? 0 };
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    yield bytes.subarray(start, start + CHUNK_BYTES);
  }
}
