import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { PackRecord } from '../identity/pack-record.ts';

/**
 * What is signed of a pack record: its content, whatever it is printed like (RFC 8785). It is signed together with the
 * sidecar, or an old sidecar could be passed off for new inputs with a record of someone's own.
 */
export function recordSha256(record: PackRecord): string {
  return createHash('sha256')
    .update(canonicalize(record) ?? '')
    .digest('hex');
}
