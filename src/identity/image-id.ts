import { BottleError } from '../errors.ts';

/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

/** What `docker image inspect` calls `.Id`: claude-bottle's key. */
export type ImageId = Digest & { readonly __brand: 'ImageId' };

/** The first 16 hex digits of an image ID, the name under which claude-bottle looks for a sidecar. */
export type Id16 = string & { readonly __brand: 'Id16' };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

export function parseImageId(text: string): ImageId {
  if (!isDigest(text)) {
    throw new BottleError('docker-failed', `not an image ID: ${JSON.stringify(text)}`, {
      hint: 'check that docker image inspect prints an Id of sha256: and 64 hex digits',
    });
  }
  return text as ImageId;
}

export function id16(digest: Digest): Id16 {
  return digest.slice('sha256:'.length, 'sha256:'.length + 16) as Id16;
}

/** Accepts an image ID, its 64 hex digits, or an id16. */
export function parseId16(text: string): Id16 | undefined {
  const hex = text.replace(/^sha256:/, '');
  return /^([0-9a-f]{16}|[0-9a-f]{64})$/.test(hex) ? (hex.slice(0, 16) as Id16) : undefined;
}
