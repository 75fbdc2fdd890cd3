import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { type GitHubSite, readApi, repositoryPath } from '../remote/github.ts';
import type { HttpClient } from '../remote/http.ts';
import { HttpError, unlessMissing } from '../remote/http-error.ts';
import { decodeSnappy } from './snappy.ts';

const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;

const answerSchema = z.object({
  attestations: z.array(
    z.object({
      bundle: z.nullish(z.record(z.string(), z.unknown())),
      /** Good for a short while, for whoever has it. */
      bundle_url: z.nullish(z.string()),
      initiator: z.nullish(z.string()),
    }),
  ),
});

export interface AttestationsOptions {
  readonly http: HttpClient;
  readonly site: GitHubSite;
  /** `owner/name` */
  readonly repository: string;
  /** 64 hex digits. */
  readonly sha256: string;
}

/**
 * The bundles that GitHub keeps for a file; none is an empty list. Public repositories need no token.
 * https://docs.github.com/rest/repos/repos#list-attestations
 */
export async function attestationBundles({
  http,
  site,
  repository,
  sha256,
}: AttestationsOptions): Promise<Buffer[]> {
  const path = `repos/${repositoryPath(repository, 'attestations', `sha256:${sha256}`)}?per_page=100`;
  const answer = await unlessMissing(readApi(http, site, path, answerSchema));
  const bundles: Buffer[] = [];
  for (const { bundle, bundle_url: url, initiator } of answer?.attestations ?? []) {
    // GitHub signs each release by itself: that says what is in it, not who built it.
    if (initiator === 'github') {
      continue;
    }
    if (bundle) {
      bundles.push(Buffer.from(JSON.stringify(bundle)));
    } else if (url) {
      bundles.push(await readBundle(http, url));
    }
  }
  return bundles;
}

/** Without the token: the address is of a storage, and grants access by itself. */
async function readBundle(http: HttpClient, url: string): Promise<Buffer> {
  try {
    const { bytes } = await http.read({ url }, MAX_BUNDLE_BYTES);
    return decodeSnappy(bytes, MAX_BUNDLE_BYTES);
  } catch (error) {
    if (error instanceof HttpError && error.code === 'network-failed') {
      throw error;
    }
    // That there is an attestation is known: it must not count as none because somebody keeps it from us.
    if (error instanceof HttpError || (error instanceof BottleError && error.exitCode === 65)) {
      throw new BottleError(
        'not-trusted',
        `no provenance: the attestation cannot be read (${error.message})`,
        {
          hint: 'try again in a minute',
          cause: error,
        },
      );
    }
    throw error;
  }
}
