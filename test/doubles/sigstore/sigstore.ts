import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  type Authority,
  authorityCertificate,
  type Claims,
  distinguishedName,
  type KeyPair,
  leafCertificate,
  newSerial,
  serverCertificate,
  sha256,
  spki,
  stampCertificate,
} from './certificates.ts';
import { dsseBody, type LogEntry, TransparencyLog } from './log.ts';
import { type StampSigner, timeStamp } from './time-stamp.ts';

const MINUTE_MS = 60_000;
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS;
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** When everything here happens, unless a test says otherwise; the past, so that certificates have run out. */
export const SIGNED_AT = new Date('2026-03-04T05:06:07Z');

export function newKeys(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** What a workflow run is certified to be. */
export function workflowClaims(changes: Claims = {}): Claims {
  const repository = 'https://github.com/acme/agents';
  return {
    8: 'https://token.actions.githubusercontent.com',
    9: `${repository}/.github/workflows/pack.yml@refs/heads/main`,
    11: 'github-hosted',
    12: repository,
    13: 'a'.repeat(40),
    14: 'refs/heads/main',
    15: '4711',
    16: 'https://github.com/acme',
    17: '42',
    18: `${repository}/.github/workflows/pack.yml@refs/heads/main`,
    20: 'push',
    21: `${repository}/actions/runs/1000/attempts/1`,
    ...changes,
  };
}

export interface SignOptions {
  readonly claims?: Claims;
  /** By default the signer's address. */
  readonly names?: readonly string[];
  /** When the certificate is issued. */
  readonly issuedAt?: Date;
  /** When the log or the time stamp authority has seen the signature; by default five seconds later. */
  readonly seenAt?: Date;
  readonly hasSct?: boolean;
  readonly witnesses?: ReadonlyArray<'log' | 'stamp'>;
  readonly payloadType?: string;
  readonly extra?: readonly Buffer[];
}

/** One instance of the double of Sigstore: authority, certificate log, transparency log, time stamps. */
export class SigstoreDouble {
  readonly #root: Authority;
  readonly #intermediate: Authority;
  readonly #ct = newKeys();
  readonly #rekor = newKeys();
  readonly log = new TransparencyLog(this.#rekor);
  readonly #stamps: StampSigner & { readonly certificate: Buffer };

  /** @param organization that runs it: by the name in its certificates, gh decides what a signature needs */
  constructor(organization = 'double') {
    const from = new Date(SIGNED_AT.getTime() - YEAR_MS);
    const to = new Date(SIGNED_AT.getTime() + 9 * YEAR_MS);
    const rootKeys = newKeys();
    const rootName = distinguishedName(organization, 'double-root');
    const self = { name: rootName, keys: rootKeys };
    this.#root = {
      ...self,
      certificate: authorityCertificate({
        subject: rootName,
        publicKey: rootKeys.publicKey,
        issuer: self,
        from,
        to,
      }),
    };
    const keys = newKeys();
    const name = distinguishedName(organization, 'double-intermediate');
    this.#intermediate = {
      name,
      keys,
      certificate: authorityCertificate({
        subject: name,
        publicKey: keys.publicKey,
        issuer: this.#root,
        from,
        to,
      }),
    };
    const stampKeys = newKeys();
    const serial = newSerial();
    this.#stamps = {
      keys: stampKeys,
      issuerName: rootName,
      serial,
      certificate: stampCertificate(
        {
          subject: distinguishedName(organization, 'double-tsa'),
          publicKey: stampKeys.publicKey,
          issuer: this.#root,
          from,
          to,
        },
        serial,
      ),
    };
  }

  /** For `--trusted-root`: with logs like the public instance, or without any like GitHub's own. */
  trustedRoot({ logs = true, retiredAt }: { logs?: boolean; retiredAt?: Date } = {}): unknown {
    const validFor = {
      start: '2020-01-01T00:00:00Z',
      ...(retiredAt && { end: retiredAt.toISOString() }),
    };
    const log = (baseUrl: string, { publicKey }: KeyPair) => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spki(publicKey).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start: '2020-01-01T00:00:00Z' },
      },
      logId: { keyId: sha256(spki(publicKey)).toString('base64') },
    });
    const authority = (uri: string, ...certificates: Buffer[]) => ({
      subject: { organization: 'double', commonName: 'double' },
      uri,
      certChain: { certificates: certificates.map((bytes) => ({ rawBytes: bytes.toString('base64') })) },
      validFor,
    });
    return {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: logs ? [log('https://rekor.sigstore.dev', this.#rekor)] : [],
      ctlogs: logs ? [log('https://ctfe.sigstore.dev/2022', this.#ct)] : [],
      certificateAuthorities: [
        authority('fulcio.double', this.#intermediate.certificate, this.#root.certificate),
      ],
      timestampAuthorities: [authority('tsa.double', this.#stamps.certificate, this.#root.certificate)],
    };
  }

  /** The leaf, then its authorities, in DER. */
  issue(
    publicKey: KeyObject,
    { claims = workflowClaims(), names, issuedAt = SIGNED_AT, hasSct = true, extra = [] }: SignOptions = {},
  ): Buffer[] {
    const leaf = leafCertificate({
      publicKey,
      issuer: this.#intermediate,
      from: issuedAt,
      to: new Date(issuedAt.getTime() + 10 * MINUTE_MS),
      names: names ?? [claims[9] ?? ''],
      claims,
      ctKeys: hasSct ? this.#ct : undefined,
      extra,
    });
    return [leaf, this.#intermediate.certificate, this.#root.certificate];
  }

  /** A certificate for TLS servers on this machine, and the authority that a client has to know. */
  tlsCertificate(
    hosts: readonly string[],
    from = new Date(Date.now() - 60 * MINUTE_MS),
    to = new Date(Date.now() + 60 * MINUTE_MS),
  ): { key: string; cert: string; ca: string } {
    const { publicKey, privateKey } = newKeys();
    const certificate = serverCertificate({ publicKey, issuer: this.#root, from, to }, hosts);
    return {
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      cert: pem(certificate),
      ca: pem(this.#root.certificate),
    };
  }

  stamp(hash: Buffer, time: Date): Buffer {
    return timeStamp(hash, time, this.#stamps);
  }

  /** A bundle, as @actions/attest makes it. */
  sign(payload: Buffer, options: SignOptions = {}): SigstoreBundle {
    const { issuedAt = SIGNED_AT, witnesses = ['log'], payloadType = PAYLOAD_TYPE } = options;
    const { seenAt = new Date(issuedAt.getTime() + 5000) } = options;
    const { publicKey, privateKey } = newKeys();
    const [certificate = Buffer.alloc(0)] = this.issue(publicKey, options);
    const signature = sign('sha256', preAuthentication(payloadType, payload), privateKey);
    const envelope = {
      payload: payload.toString('base64'),
      payloadType,
      signatures: [{ sig: signature.toString('base64') }],
    };
    const body = dsseBody({
      json: JSON.stringify(envelope),
      payload,
      signature: signature.toString('base64'),
      verifier: Buffer.from(pem(certificate)).toString('base64'),
    });
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {
        tlogEntries: witnesses.includes('log') ? [bundledEntry(this.log.add(body, seenAt))] : [],
        timestampVerificationData: witnesses.includes('stamp')
          ? {
              rfc3161Timestamps: [
                { signedTimestamp: this.stamp(sha256(signature), seenAt).toString('base64') },
              ],
            }
          : {},
        certificate: { rawBytes: certificate.toString('base64') },
      },
      dsseEnvelope: envelope,
    };
  }
}

/** https://github.com/secure-systems-lab/dsse/blob/master/protocol.md */
export function preAuthentication(type: string, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `),
    payload,
  ]);
}

export function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function bundledEntry(entry: LogEntry) {
  const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
  const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: base64(entry.logID) },
    kindVersion: { kind: 'dsse', version: '0.0.1' },
    integratedTime: String(entry.integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(proof.logIndex),
      rootHash: base64(proof.rootHash),
      treeSize: String(proof.treeSize),
      hashes: proof.hashes.map(base64),
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: entry.body,
  };
}

export interface SigstoreBundle {
  mediaType: string;
  verificationMaterial: {
    tlogEntries: ReturnType<typeof bundledEntry>[];
    timestampVerificationData: { rfc3161Timestamps?: { signedTimestamp: string }[] };
    certificate: { rawBytes: string };
  };
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] };
}
