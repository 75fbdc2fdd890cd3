import { BottleError } from '../errors.ts';
import type { HttpClient, HttpRequest } from '../remote/http.ts';
import { HttpError, unlessMissing } from '../remote/http-error.ts';
import { MAX_BUNDLE_BYTES } from '../sidecar/file.ts';

/** The Sigstore bundle that is published beside a sidecar, if there is one. */
export async function readBundles(http: HttpClient, request: HttpRequest): Promise<Buffer[]> {
  const found = await unlessMissing(http.read(request, MAX_BUNDLE_BYTES)).catch((error: unknown) => {
    throw refusedBundle(error);
  });
  return found === undefined ? [] : [found.bytes];
}

/** A reader who may see the record and not its signature cannot tell an unsigned sidecar from a hidden signature. */
export function refusedBundle(error: unknown): unknown {
  return error instanceof HttpError && error.code === 'authentication'
    ? new BottleError('authentication', `the signature of the sidecar cannot be read: ${error.message}`, {
        hint: 'make the bundle readable for everyone who may read the sidecar (some servers answer 403 for a missing file), or skip the check with --provenance off',
        cause: error,
      })
    : error;
}
