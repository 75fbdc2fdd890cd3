import { BottleError } from '../errors.ts';
import { counted } from '../identity/shown-text.ts';
import type { Identity } from './policy.ts';

/** Fulcio's extensions, each a DER UTF8String: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md */
const FULCIO = '1.3.6.1.4.1.57264.1';
const EXTENSIONS: Readonly<Record<Exclude<keyof Identity, 'subject'>, number>> = {
  issuer: 8,
  signer: 9,
  runnerEnvironment: 11,
  repository: 12,
  commit: 13,
  ref: 14,
  repositoryId: 15,
  ownerId: 17,
  trigger: 20,
  runUri: 21,
};
const UTF8_STRING = 0x0c;

export interface Extension {
  readonly oid: string;
  readonly value: Buffer;
}

/**
 * Reads who signed out of a certificate that has been verified.
 * @param subjectAltName as node:crypto prints it: all names that it has
 */
export function readIdentity(extensions: readonly Extension[], subjectAltName: string | undefined): Identity {
  const claims = Object.entries(EXTENSIONS).map(([field, number]) => {
    const found = extensions.filter(({ oid }) => oid === `${FULCIO}.${number}`);
    const [extension] = found;
    if (extension === undefined || found.length > 1) {
      throw badCertificate(`has ${counted(found.length, 'extension')} for the ${field}, expected 1`);
    }
    return [field, decodeUtf8String(extension.value, field)];
  });
  const subject = (subjectAltName ?? '').replace(/^URI:/, '');
  return { ...(Object.fromEntries(claims) as Omit<Identity, 'subject'>), subject };
}

/** https://www.itu.int/rec/T-REC-X.690: tag, length in its short or long form, and nothing behind the text. */
function decodeUtf8String(der: Buffer, field: string): string {
  const [tag, first = 0] = der;
  const longBytes = first > 0x7f ? first - 0x80 : 0;
  const bytes = der.subarray(2 + longBytes);
  if (tag !== UTF8_STRING || first === 0x80 || longBytes > 2 || bytes.length === 0) {
    throw badCertificate(`has no text for the ${field}`);
  }
  const length = longBytes === 0 ? first : der.readUIntBE(2, longBytes);
  const text = bytes.toString('utf8');
  if (bytes.length !== length || !/^\P{Cc}+$/u.test(text) || !Buffer.from(text).equals(bytes)) {
    throw badCertificate(`has no text for the ${field}`);
  }
  return text;
}

function badCertificate(problem: string): BottleError {
  return new BottleError('not-trusted', `the provenance's certificate ${problem}`, {
    hint: 'do not use the sidecar, because no GitHub workflow signed it',
  });
}
