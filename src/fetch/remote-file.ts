import { type HttpClient, type HttpRequest, rangeHeaders } from '../remote/http.ts';
import type { RemoteFile } from './source.ts';

/** A file that one and the same request asks for, from its beginning or from anywhere in it. */
export function remoteFile(
  http: HttpClient,
  request: HttpRequest,
  { sizeBytes, sha256 }: Pick<RemoteFile, 'sizeBytes' | 'sha256'>,
): RemoteFile {
  return {
    kind: 'remote',
    sizeBytes,
    sha256,
    open: async (range) =>
      await http.send({
        ...request,
        headers: { ...request.headers, ...(range && rangeHeaders(range)) },
        expected: range === undefined ? [200] : [200, 206],
      }),
  };
}
