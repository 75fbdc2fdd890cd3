import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { publishError } from '../publish/oci-registry.ts';
import type { ReleasePlace } from '../publish/release-api.ts';
import { apiRequest, repositoryPath, sendApi } from '../remote/github.ts';
import type { Credential } from '../remote/http.ts';
import { HttpError } from '../remote/http-error.ts';
import { OciRepository } from '../remote/oci.ts';
import { RegistryAuth, type RegistryTools } from '../remote/oci-auth.ts';
import { digestOf } from '../remote/oci-manifest.ts';
import { formatName, type OciRepositoryName, originOf } from '../remote/oci-reference.ts';
import { typeProbes } from '../remote/sidecar-manifests.ts';

/** What registries answer that look at the types of a manifest and do not want them. */
const REFUSALS_OF_TYPES = [400, 404, 405, 406, 415, 422, 501];

/**
 * Begins an upload and gives it up again: a registry cannot be asked in another way whether it takes one.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
 * @throws BottleError `authentication`
 */
export async function requirePushAccess(name: OciRepositoryName, tools: RegistryTools): Promise<void> {
  const { http, github } = tools;
  const origin = originOf(name.registry);
  const auth = new RegistryAuth(name, 'push', tools);
  const send = async (method: 'POST' | 'DELETE', url: string, expected: readonly number[]) => {
    const { headers, body } = await auth.authorized((credential: Credential | undefined) =>
      http.send({ method, url, credential, expected }),
    );
    body.resume();
    return headers;
  };
  try {
    const url = `${origin}/v2/${name.repository}/blobs/uploads/`;
    const { location } = await http.retry(() => send('POST', url, [202]));
    const upload = URL.parse(location ?? '', url);
    if (upload?.origin === origin) {
      // The registry would forget it by itself, in a few days.
      await send('DELETE', upload.href, [200, 202, 204]).catch(() => {});
    }
  } catch (error) {
    throw error instanceof HttpError && error.code === 'authentication'
      ? publishError(error, name, github)
      : error;
  }
}

/**
 * Puts manifests of the types that publishing uses, without a tag: some registries take images only. They have the same
 * bytes in every run, so that a registry is left with one of each.
 * @throws BottleError `upload-failed`, `authentication`
 */
export async function requireTypesTaken(name: OciRepositoryName, tools: RegistryTools): Promise<void> {
  const place = new OciRepository(name, tools, 'push');
  for (const { descriptor, manifest, blobs } of typeProbes()) {
    const { digest, mediaType } = descriptor;
    try {
      if ((await place.findDigest(digest)) === undefined) {
        for (const blob of blobs) {
          await place.pushBlob(digestOf(blob), blob);
        }
        await place.putManifest(digest, manifest, mediaType);
      }
    } catch (error) {
      if (!(error instanceof HttpError)) {
        throw error;
      }
      throw REFUSALS_OF_TYPES.includes(error.status)
        ? new BottleError('upload-failed', `${formatName(name)} does not take sidecars: ${error.message}`, {
            hint: 'allow other artifacts than images in its configuration, or publish to another registry (oci-ref)',
            cause: error,
          })
        : publishError(error, name, tools.github);
    }
  }
}

/**
 * Asks for generated release notes, which changes nothing and wants the permission that a release wants.
 * https://docs.github.com/rest/releases/releases#generate-release-notes-content-for-a-release
 * @throws BottleError `authentication`
 */
export async function requireReleaseAccess({ http, github, repository, tag }: ReleasePlace): Promise<void> {
  const request = {
    ...apiRequest(github, `repos/${repositoryPath(repository, 'releases', 'generate-notes')}`),
    method: 'POST',
    body: Buffer.from(JSON.stringify({ tag_name: tag })),
  } as const;
  try {
    await http.retry(() => sendApi(http, github, request, z.unknown()));
  } catch (error) {
    if (!(error instanceof HttpError)) {
      throw error;
    }
    // Whatever else is wrong with it, publishing does not depend on it.
    if (error.status === 401 || (error.status === 403 && /not accessible by/i.test(error.body))) {
      throw new BottleError('authentication', `this job cannot write releases of ${repository}`, {
        hint: 'add permissions: contents: write to the job',
        permission: 'contents: write',
        cause: error,
      });
    }
  }
}
