import { BottleError } from '../errors.ts';
import { quoted } from './shown-text.ts';

/** Distribution's reference grammar, loosely; what matters here is that it cannot be read as an option. */
const REFERENCE = /^[A-Za-z0-9][\w./:@-]{0,511}$/;

export function parseImageReference(text: string): string {
  if (!REFERENCE.test(text)) {
    throw new BottleError('usage', `not an image name: ${quoted(text)}`, {
      hint: 'use a name such as claude-bottle:latest or ghcr.io/owner/image@sha256:…',
    });
  }
  return text;
}
