import * as z from 'zod/mini';
import type { Digest } from '../identity/image-id.ts';
import { apiRequest, type GitHubSite, readApi } from './github.ts';
import type { HttpClient } from './http.ts';
import type { RemoveManifest } from './oci-cleaner.ts';

const PER_PAGE = 100;
const MAX_PAGES = 200;

const ownerSchema = z.object({ type: z.string() });
const versionsSchema = z.array(z.object({ id: z.int(), name: z.string() }));

/**
 * Removes from ghcr.io, which has no other way to: a package's version is a manifest, and its name the digest. The token
 * needs `packages: write`, and the package must grant this repository the role Admin.
 * https://docs.github.com/rest/packages/packages#delete-a-package-version-for-an-organization
 * @param name as in ghcr.io/<name>: the owner, and the package's name behind it
 */
export async function removeByPackagesApi(
  name: string,
  { http, github }: { readonly http: HttpClient; readonly github: GitHubSite },
): Promise<RemoveManifest> {
  const [owner = '', ...rest] = name.split('/');
  const { type } = await readApi(http, github, `users/${encodeURIComponent(owner)}`, ownerSchema);
  const kind = type === 'Organization' ? 'orgs' : 'users';
  const path = `${kind}/${encodeURIComponent(owner)}/packages/container/${encodeURIComponent(rest.join('/'))}/versions`;
  const ids = new Map<string, number>();
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const query = `?per_page=${PER_PAGE}&page=${page}`;
    const versions = await readApi(http, github, path + query, versionsSchema);
    for (const { id, name: digest } of versions) {
      ids.set(digest, id);
    }
    if (versions.length < PER_PAGE) {
      break;
    }
  }
  return async ({ digest }: { digest: Digest }) => {
    const id = ids.get(digest);
    if (id !== undefined) {
      const request = {
        ...apiRequest(github, `${path}/${id}`),
        method: 'DELETE',
        expected: [204, 404],
      } as const;
      const { body } = await http.retry(() => http.send(request));
      body.resume();
    }
  };
}
