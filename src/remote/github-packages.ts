import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { type Digest, isDigest } from '../identity/image-id.ts';
import { apiRequest, type GitHubSite, readApi } from './github.ts';
import type { HttpClient } from './http.ts';
import type { RemoveManifest, UntaggedManifest } from './oci-cleaner.ts';

const PER_PAGE = 100;
const MAX_PAGES = 200;

const ownerSchema = z.object({ type: z.string() });
const versionsSchema = z.array(
  z.object({
    id: z.int(),
    name: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    metadata: z.object({ container: z.object({ tags: z.array(z.string()) }) }),
  }),
);

export interface PackageVersions {
  readonly untagged: readonly UntaggedManifest[];
  readonly remove: RemoveManifest;
}

/**
 * What is on ghcr.io, which lists and removes it in this way only: a package's version is a manifest, and its name the
 * digest. The token needs `packages: read`, to remove `packages: write`, and the package must grant this repository the role
 * Admin.
 * https://docs.github.com/rest/packages/packages#delete-a-package-version-for-an-organization
 * @param name as in ghcr.io/<name>: the owner, and the package's name behind it
 */
export async function readPackageVersions(
  name: string,
  { http, github }: { readonly http: HttpClient; readonly github: GitHubSite },
): Promise<PackageVersions> {
  const [owner = '', ...rest] = name.split('/');
  const { type } = await readApi(http, github, `users/${encodeURIComponent(owner)}`, ownerSchema);
  const kind = type === 'Organization' ? 'orgs' : 'users';
  const path = `${kind}/${encodeURIComponent(owner)}/packages/container/${encodeURIComponent(rest.join('/'))}/versions`;
  const ids = new Map<string, number>();
  const untagged: UntaggedManifest[] = [];
  for (let page = 1; ; page += 1) {
    if (page > MAX_PAGES) {
      throw new BottleError(
        'sidecar-damaged',
        `${name} has more than ${ids.size} versions: nothing is removed`,
        {
          hint: 'remove old versions by hand first',
        },
      );
    }
    const query = `?per_page=${PER_PAGE}&page=${page}`;
    const versions = await readApi(http, github, path + query, versionsSchema);
    for (const { id, name: digest, created_at: created, updated_at: updated, metadata } of versions) {
      ids.set(digest, id);
      if (isDigest(digest) && metadata.container.tags.length === 0) {
        untagged.push({ digest, changedAt: new Date(Math.max(Date.parse(created), Date.parse(updated))) });
      }
    }
    if (versions.length < PER_PAGE) {
      break;
    }
  }
  const remove = async ({ digest }: { readonly digest: Digest }) => {
    const id = ids.get(digest);
    if (id === undefined) {
      throw new BottleError('not-found', `${name} has no version ${digest} among its ${ids.size}`, {
        hint: 'something else changes the package; run it again',
      });
    }
    const request = {
      ...apiRequest(github, `${path}/${id}`),
      method: 'DELETE',
      expected: [204, 404],
    } as const;
    const { body } = await http.retry(() => http.send(request));
    body.resume();
  };
  return { untagged, remove };
}
