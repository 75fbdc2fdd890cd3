import { sign } from 'node:crypto';
import { type KeyPair, newSerial, sha256 } from './certificates.ts';
import { context, der, generalizedTime, integer, octets, oid, sequence, set } from './der.ts';

const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'));
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const TST_INFO = '1.2.840.113549.1.9.16.1.4';

export interface StampSigner {
  readonly keys: KeyPair;
  readonly issuerName: Buffer;
  readonly serial: Buffer;
}

/** A time stamp response. https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2 */
export function timeStamp(hash: Buffer, time: Date, { keys, issuerName, serial }: StampSigner): Buffer {
  const info = sequence(
    integer(1),
    oid('1.3.6.1.4.1.57264.2'),
    sequence(SHA256, octets(hash)),
    integer(newSerial()),
    generalizedTime(time),
  );
  const attributes = [
    sequence(oid('1.2.840.113549.1.9.3'), set(oid(TST_INFO))),
    sequence(oid('1.2.840.113549.1.9.4'), set(octets(sha256(info)))),
  ];
  const signerInfo = sequence(
    integer(1),
    sequence(issuerName, integer(serial)),
    SHA256,
    der(0xa0, ...attributes),
    ECDSA_SHA256,
    octets(sign('sha256', set(...attributes), keys.privateKey)),
  );
  const signedData = sequence(
    integer(3),
    set(SHA256),
    sequence(oid(TST_INFO), context(0, octets(info))),
    set(signerInfo),
  );
  return sequence(sequence(integer(0)), sequence(oid('1.2.840.113549.1.7.2'), context(0, signedData)));
}
