import * as http from 'node:http';
import type { PackCreateArguments } from './arguments.ts';
import { type ImageReference, parseImageReference } from './image-reference.ts';
import { isSince } from './knobs.ts';

const OCI_TYPES = ['application/vnd.oci.image.index.v1+json', 'application/vnd.oci.image.manifest.v1+json'];
const DOCKER_TYPES = [
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/**
 * Asks for the manifest from the host, to size the disk of the machine, unless its size is given. It obeys HTTP_PROXY
 * also for localhost, and goes on when it fails.
 */
export async function probeManifest({ image, storageGib }: PackCreateArguments): Promise<void> {
  if (!isSince('1.20.0') || storageGib !== undefined) {
    return;
  }
  try {
    await getManifest(parseImageReference(image));
  } catch (error) {
    process.stderr.write(
      `WARN image size probe failed; using the pack VM storage floor image=${image} error=${error}\n`,
    );
  }
}

async function getManifest({ registry, repository, version }: ImageReference): Promise<void> {
  const target = `http://${registry}/v2/${repository}/manifests/${version}`;
  const proxy = process.env.HTTP_PROXY || process.env.http_proxy;
  const url = new URL(proxy || target);
  const accept = (isSince('1.31.0') ? [...OCI_TYPES, ...DOCKER_TYPES] : OCI_TYPES).join(', ');
  await new Promise<void>((resolve, reject) => {
    const options = { host: url.hostname, port: url.port, path: proxy ? target : url.pathname };
    const request = http.get({ ...options, headers: { accept, host: registry } }, (response) => {
      response.resume().on('end', resolve).on('error', reject);
    });
    request.on('error', reject);
  });
}
