import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { bits, boolean, context, der, integer, octets, oid, sequence, set, utcTime, utf8 } from './der.ts';

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const FULCIO = '1.3.6.1.4.1.57264.1';
/** The extensions before it hold their text without a DER tag. */
const FIRST_TAGGED_CLAIM = 8;

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface Authority {
  readonly keys: KeyPair;
  readonly name: Buffer;
  readonly certificate: Buffer;
}

/** What a token of GitHub's OIDC service says, in the words of Fulcio's extensions. */
export type Claims = Readonly<Record<number, string>>;

export function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

export function distinguishedName(organization: string, commonName: string): Buffer {
  return sequence(
    set(sequence(oid('2.5.4.10'), utf8(organization))),
    set(sequence(oid('2.5.4.3'), utf8(commonName))),
  );
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spki(key)).digest();
}

export function extension(id: string, value: Buffer, critical = false): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value));
}

export interface CertificateOptions {
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly issuer: { readonly name: Buffer; readonly keys: KeyPair };
  readonly from: Date;
  readonly to: Date;
  readonly extensions: readonly Buffer[];
}

export function tbsCertificate({
  subject,
  publicKey,
  issuer,
  from,
  to,
  extensions,
  serial,
}: CertificateOptions & { readonly serial: Buffer }): Buffer {
  return sequence(
    context(0, integer(2)),
    integer(serial),
    ECDSA_SHA256,
    issuer.name,
    sequence(utcTime(from), utcTime(to)),
    subject,
    spki(publicKey),
    context(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', octets(keyId(publicKey))),
        extension('2.5.29.35', sequence(der(0x80, keyId(issuer.keys.publicKey)))),
      ),
    ),
  );
}

export function newSerial(): Buffer {
  return Buffer.concat([Buffer.from([0x11]), randomBytes(15)]);
}

function signed(tbs: Buffer, { privateKey }: KeyPair): Buffer {
  return sequence(tbs, ECDSA_SHA256, bits(sign('sha256', tbs, privateKey)));
}

export function authorityCertificate(options: Omit<CertificateOptions, 'extensions'>): Buffer {
  const extensions = [
    extension('2.5.29.19', sequence(boolean(true)), true),
    extension('2.5.29.15', der(0x03, Buffer.from([1, 0x06])), true),
  ];
  return signed(tbsCertificate({ ...options, extensions, serial: newSerial() }), options.issuer.keys);
}

export function stampCertificate(options: Omit<CertificateOptions, 'extensions'>, serial: Buffer): Buffer {
  const extensions = [extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.8')), true)];
  return signed(tbsCertificate({ ...options, extensions, serial }), options.issuer.keys);
}

/** For a TLS server. */
export function serverCertificate(
  options: Omit<CertificateOptions, 'extensions' | 'subject'>,
  hosts: readonly string[],
): Buffer {
  const names = sequence(...hosts.map((host) => der(0x82, Buffer.from(host))));
  const extensions = [extension('2.5.29.17', names, true)];
  const tbs = tbsCertificate({ ...options, subject: sequence(), extensions, serial: newSerial() });
  return signed(tbs, options.issuer.keys);
}

export interface LeafOptions {
  readonly publicKey: KeyObject;
  readonly issuer: Authority;
  readonly from: Date;
  readonly to: Date;
  /** Names of the kind URI. */
  readonly names: readonly string[];
  readonly claims: Claims;
  /** The certificate log's key; without it there is no SCT. */
  readonly ctKeys: KeyPair | undefined;
  readonly extra?: readonly Buffer[];
}

/** As Fulcio issues it: ten minutes, no subject, the workflow as a name, the claims, and the log's promise. */
export function leafCertificate({ names, claims, ctKeys, extra = [], ...rest }: LeafOptions): Buffer {
  const extensions = [
    extension('2.5.29.15', der(0x03, Buffer.from([7, 0x80])), true),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.3'))),
    extension('2.5.29.17', sequence(...names.map((name) => der(0x86, Buffer.from(name)))), true),
    ...Object.entries(claims).map(([number, text]) =>
      extension(`${FULCIO}.${number}`, Number(number) < FIRST_TAGGED_CLAIM ? Buffer.from(text) : utf8(text)),
    ),
    ...extra,
  ];
  const options = { ...rest, subject: sequence(), serial: newSerial() };
  const tbs = tbsCertificate({ ...options, extensions });
  if (ctKeys === undefined) {
    return signed(tbs, rest.issuer.keys);
  }
  const promise = extension(SCT_LIST, octets(sctList(tbs, rest.issuer, ctKeys, rest.from)));
  // Behind all others, or the log would not see the same certificate without it.
  return signed(tbsWith(promise, tbs), rest.issuer.keys);
}

/** Adds an extension at the end of the list, which is at the end of the certificate. */
function tbsWith(added: Buffer, tbs: Buffer): Buffer {
  const parts = elementsOf(tbs);
  const list = elementsOf(elementsOf(parts.at(-1) as Buffer)[0] as Buffer);
  return sequence(...parts.slice(0, -1), context(3, sequence(...list, added)));
}

function elementsOf(outer: Buffer): Buffer[] {
  const elements: Buffer[] = [];
  for (let at = outer.length - contentLength(outer, 0).length; at < outer.length; ) {
    const { start, length } = contentLength(outer, at);
    elements.push(outer.subarray(at, start + length));
    at = start + length;
  }
  return elements;
}

function contentLength(bytes: Buffer, at: number): { start: number; length: number } {
  const first = bytes.readUInt8(at + 1);
  return first < 0x80
    ? { start: at + 2, length: first }
    : { start: at + 2 + first - 0x80, length: bytes.readUIntBE(at + 2, first - 0x80) };
}

/** https://www.rfc-editor.org/rfc/rfc6962#section-3.2 */
function sctList(tbs: Buffer, issuer: Authority, ctKeys: KeyPair, time: Date): Buffer {
  const timestamp = Buffer.alloc(8);
  timestamp.writeBigUInt64BE(BigInt(time.getTime()));
  const tbsLength = Buffer.alloc(3);
  tbsLength.writeUIntBE(tbs.length, 0, 3);
  const signature = sign(
    'sha256',
    Buffer.concat([
      Buffer.from([0, 0]),
      timestamp,
      Buffer.from([0, 1]),
      sha256(spki(issuer.keys.publicKey)),
      tbsLength,
      tbs,
      Buffer.from([0, 0]),
    ]),
    ctKeys.privateKey,
  );
  const sct = Buffer.concat([
    Buffer.from([0]),
    sha256(spki(ctKeys.publicKey)),
    timestamp,
    Buffer.from([0, 0, 4, 3]),
    prefixed(signature),
  ]);
  return prefixed(prefixed(sct));
}

function prefixed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export function sha256(...parts: Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}
