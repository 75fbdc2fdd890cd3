import { X509Certificate } from 'node:crypto';
import { type Bundle, bundleFromJSON } from '@sigstore/bundle';
import { toSignedEntity, Verifier } from '@sigstore/verify';
import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { parseJson } from '../identity/json.ts';
import { counted } from '../identity/shown-text.ts';
import { type Extension, readIdentity } from './certificate.ts';
import { type Identity, type Policy, requireEqual, requireIdentity } from './policy.ts';
import type { TrustRoot } from './roots.ts';

const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** https://slsa.dev/spec/v1.0/provenance, with https://actions.github.io/buildtypes/workflow/v1 as @actions/attest writes it. */
const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
const BUILD_TYPE = 'https://actions.github.io/buildtypes/workflow/v1';
/** As many as GitHub accepts. */
const MAX_SUBJECTS = 1024;
const MAX_REASON_CHARS = 200;

const UPDATE_HINT =
  'update claude-bottle, or pass --trusted-root FILE (made with gh attestation trusted-root > FILE)';
const DAMAGE_HINT = 'fetch it again; if that does not help, do not use it';

export interface VerifyProvenanceOptions {
  /** Each 64 hex digits; a subject of the statement must have it. */
  readonly fileSha256: string;
  readonly recordSha256: string;
  readonly policy: Policy;
  readonly roots: readonly TrustRoot[];
}

/** Who packed a sidecar, proved. */
export interface Provenance extends Identity {
  /** Name of the trust root that vouches for it. */
  readonly root: string;
  /** When the certificate was issued, a moment before the signature (ISO 8601); by Sigstore's clock. */
  readonly issuedAt: string;
}

/**
 * Checks a Sigstore bundle from end to end, without the network and without this machine's clock.
 * @throws BottleError `not-trusted`, naming the check, with expected and got
 */
export function verifyProvenance(
  bytes: Buffer,
  { fileSha256, recordSha256, policy, roots }: VerifyProvenanceOptions,
): Provenance {
  const bundle = parseBundle(bytes);
  const certificate = certificateOf(bundle);
  const { root, extensions } = verifySignature(bundle, certificate, roots);
  const identity = readIdentity(extensions, certificate.subjectAltName);
  requireIdentity(identity, policy);
  const subjects = subjectsOf(bundle);
  requireSubject('sidecar', fileSha256, subjects);
  requireSubject('pack record', recordSha256, subjects);
  return { ...identity, root, issuedAt: certificate.validFromDate.toISOString() };
}

type SignedBundle = Bundle & { readonly content: { readonly $case: 'dsseEnvelope' } };

function parseBundle(bytes: Buffer): SignedBundle {
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw distrust(
      `the bundle has ${counted(bytes.length, 'byte')}, at most ${MAX_BUNDLE_BYTES} are read`,
      DAMAGE_HINT,
    );
  }
  let bundle: Bundle;
  try {
    // It also wants exactly one signature.
    bundle = bundleFromJSON(parseJson(bytes.toString('utf8')));
  } catch (cause) {
    throw distrust('the file beside it is not a Sigstore bundle', DAMAGE_HINT, cause);
  }
  const { content } = bundle;
  requireField('content', 'dsseEnvelope', content.$case);
  const signed = bundle as SignedBundle;
  requireField('payload type', PAYLOAD_TYPE, signed.content.dsseEnvelope.payloadType);
  return signed;
}

function certificateOf({ verificationMaterial: { content } }: Bundle): X509Certificate {
  requireField('key', 'certificate', content.$case);
  try {
    return new X509Certificate((content as { certificate: { rawBytes: Buffer } }).certificate.rawBytes);
  } catch (cause) {
    throw distrust('its certificate is not valid', DAMAGE_HINT, cause);
  }
}

/** Each root on its own: a log entry of one instance says nothing about a certificate of another. */
function verifySignature(
  bundle: Bundle,
  certificate: X509Certificate,
  roots: readonly TrustRoot[],
): Signature {
  const issuers = roots.filter((root) => hasIssued(root, certificate));
  let failure: unknown;
  for (const root of issuers) {
    try {
      return verifyWith(root, bundle);
    } catch (error) {
      failure ??= error;
    }
  }
  if (issuers.length > 0) {
    throw failure;
  }
  const known = roots.map(({ name }) => name).join(' and ');
  const issuer = JSON.stringify(certificate.issuer.replace(/\n/g, ', '));
  throw distrust(`its certificate is from ${issuer}, which no trust root (${known}) covers`, UPDATE_HINT);
}

interface Signature {
  readonly root: string;
  readonly extensions: readonly Extension[];
}

function verifyWith(root: TrustRoot, bundle: Bundle): Signature {
  try {
    const verifier = new Verifier(root.material, thresholds(root));
    const { identity } = verifier.verify(toSignedEntity(bundle));
    const extensions = (identity?.oids ?? []).map(({ oid, value }) => ({
      oid: oid?.id.join('.') ?? '',
      value,
    }));
    return { root: root.name, extensions };
  } catch (cause) {
    const message = printable(cause instanceof Error ? cause.message : String(cause));
    // These two are also what an authority that was replaced since looks like.
    const isAge = /certificate chain|timestamp could not be verified/.test(message);
    throw distrust(
      `it does not verify with the trust root ${root.name}: ${message}`,
      isAge ? UPDATE_HINT : DAMAGE_HINT,
      cause,
    );
  }
}

/** The library quotes what it reads. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_REASON_CHARS);
}

function hasIssued({ authorities }: TrustRoot, certificate: X509Certificate): boolean {
  return authorities.some(
    (authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
  );
}

/** As gh asks: a log entry, a certificate log and a time from the log; where there is no log, the time of an authority. */
function thresholds({ material: { tlogs } }: TrustRoot) {
  const log = tlogs.length > 0 ? 1 : 0;
  return { tlogThreshold: log, ctlogThreshold: log, timestampThreshold: 1 };
}

const statementSchema = z.object({
  _type: z.string(),
  predicateType: z.string(),
  subject: z
    .array(z.object({ digest: z.object({ sha256: z.optional(z.string()) }) }))
    .check(z.maxLength(MAX_SUBJECTS)),
  predicate: z.optional(z.object({ buildDefinition: z.optional(z.object({ buildType: z.string() })) })),
});

/** The SHA-256 of everything that the statement is about; a release can be signed as a whole. */
function subjectsOf({ content: { dsseEnvelope } }: SignedBundle): string[] {
  let json: unknown;
  try {
    json = parseJson(dsseEnvelope.payload.toString('utf8'));
  } catch (cause) {
    throw distrust('its statement is not JSON', DAMAGE_HINT, cause);
  }
  const { data: statement } = statementSchema.safeParse(json);
  if (statement === undefined) {
    throw distrust('its statement is not an in-toto statement', DAMAGE_HINT);
  }
  requireField('statement type', STATEMENT_TYPE, statement._type);
  requireField('predicate type', PREDICATE_TYPE, statement.predicateType);
  requireField('build type', BUILD_TYPE, statement.predicate?.buildDefinition?.buildType ?? 'none');
  return statement.subject.map(({ digest }) => digest.sha256 ?? '').filter((sha256) => sha256 !== '');
}

function requireSubject(what: string, sha256: string, subjects: readonly string[]): void {
  if (!subjects.includes(sha256)) {
    requireEqual(`SHA-256 of the ${what}`, sha256, subjects.slice(0, 3).join(', '));
  }
}

function requireField(field: string, expected: string, found: string): void {
  if (found !== expected) {
    throw distrust(
      `its ${field} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`,
      DAMAGE_HINT,
    );
  }
}

function distrust(problem: string, hint: string, cause?: unknown): BottleError {
  return new BottleError('not-trusted', `provenance not accepted: ${problem}`, { hint, cause });
}
