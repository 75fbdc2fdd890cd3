import { BottleError } from '../errors.ts';
import type { Digest } from '../identity/image-id.ts';
import { quoted } from '../identity/shown-text.ts';
import { isLoopback } from './url.ts';

/** https://github.com/distribution/distribution/blob/main/docs/content/spec/api.md, and host and port before it. */
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const HOST = '(?:[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])(?::\\d{1,5})?';
const REFERENCE = new RegExp(
  `^(?<registry>${HOST})/(?<repository>${COMPONENT}(?:/${COMPONENT})*)` +
    '(?::(?<tag>\\w[\\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$',
);
const MAX_REFERENCE_CHARS = 512;
const DOCKER_HUB_NAMES = ['index.docker.io', 'registry-1.docker.io'];

export interface OciRepositoryName {
  /** Host and port: ghcr.io, 127.0.0.1:5000. */
  readonly registry: string;
  readonly repository: string;
}

export interface OciReference extends OciRepositoryName {
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** `host[:port]/repository[:tag][@digest]`; the host is never left out. */
export function parseOciReference(text: string): OciReference {
  const parts = text.length <= MAX_REFERENCE_CHARS ? REFERENCE.exec(text)?.groups : undefined;
  const { registry = '', repository = '', tag, digest } = parts ?? {};
  if (!/[.:]|^localhost$/.test(registry) || URL.parse(`https://${registry}`) === null) {
    throw new BottleError('usage', `not a reference to an OCI registry: ${quoted(text)}`, {
      hint: 'use HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:…, the name in lower case',
    });
  }
  return { registry: canonicalRegistry(registry), repository, tag, digest: digest as Digest | undefined };
}

/** Names are not told apart by capitals, and Docker's registry has three. */
export function canonicalRegistry(registry: string): string {
  const name = registry.toLowerCase();
  return DOCKER_HUB_NAMES.includes(name) ? 'docker.io' : name;
}

export function formatName({ registry, repository }: OciRepositoryName): string {
  return `${registry}/${repository}`;
}

export function originOf(registry: string): string {
  const { hostname } = new URL(`https://${registry}`);
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  return new URL(`${isLoopback(hostname) ? 'http' : 'https'}://${host}`).origin;
}
