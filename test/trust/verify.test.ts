import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BottleError } from '../../src/errors.ts';
import type { Policy } from '../../src/trust/policy.ts';
import { recordSha256 } from '../../src/trust/record-digest.ts';
import type { TrustRoot } from '../../src/trust/roots.ts';
import { type Provenance, verifyProvenance } from '../../src/trust/verify.ts';
import { type Claims, extension } from '../doubles/sigstore/certificates.ts';
import { octets, utf8 } from '../doubles/sigstore/der.ts';
import {
  SIGNED_AT,
  type SignOptions,
  type SigstoreBundle,
  SigstoreDouble,
  workflowClaims,
} from '../doubles/sigstore/sigstore.ts';
import { bytesOf, POLICY, RECORD, rootOf, statement } from './signed.ts';

const DOUBLE = new SigstoreDouble();
const ROOT = rootOf(DOUBLE);
const GOOD = DOUBLE.sign(statement());

function verify(
  bundle: SigstoreBundle | Buffer,
  {
    policy,
    roots = [ROOT],
    fileSha256 = RECORD.sidecar.sha256,
    record = RECORD,
  }: { policy?: Partial<Policy>; roots?: TrustRoot[]; fileSha256?: string; record?: typeof RECORD } = {},
): Provenance {
  return verifyProvenance(Buffer.isBuffer(bundle) ? bundle : bytesOf(bundle), {
    fileSha256,
    recordSha256: recordSha256(record),
    policy: { ...POLICY, ...policy },
    roots,
  });
}

function refusalOf(...args: Parameters<typeof verify>): BottleError {
  try {
    verify(...args);
  } catch (error) {
    if (error instanceof BottleError) {
      expect(error.exitCode).toBe(76);
      expect(error.hint).toBeTruthy();
      return error;
    }
    throw error;
  }
  throw new Error('it was accepted');
}

/** A copy of the good bundle with something else in it. */
function changed(change: (bundle: SigstoreBundle) => void, bundle = GOOD): SigstoreBundle {
  const copy = structuredClone(bundle);
  change(copy);
  return copy;
}

function entryOf(bundle: SigstoreBundle) {
  const [entry] = bundle.verificationMaterial.tlogEntries;
  if (entry === undefined) {
    throw new Error('no log entry');
  }
  return entry;
}

describe('a bundle of the workflow that is expected', () => {
  it('tells who packed the sidecar', () => {
    expect(verify(GOOD)).toEqual({
      issuer: 'https://token.actions.githubusercontent.com',
      subject: 'https://github.com/acme/agents/.github/workflows/pack.yml@refs/heads/main',
      signer: 'https://github.com/acme/agents/.github/workflows/pack.yml@refs/heads/main',
      runnerEnvironment: 'github-hosted',
      repository: 'https://github.com/acme/agents',
      commit: 'a'.repeat(40),
      ref: 'refs/heads/main',
      repositoryId: '4711',
      ownerId: '42',
      trigger: 'push',
      runUri: 'https://github.com/acme/agents/actions/runs/1000/attempts/1',
      root: 'double',
      issuedAt: '2026-03-04T05:06:07.000Z',
    });
  });

  it('is accepted from an instance without logs, for the time stamp of its authority', () => {
    const bundle = DOUBLE.sign(statement(), { witnesses: ['stamp'], hasSct: false });
    expect(verify(bundle, { roots: [rootOf(DOUBLE, { logs: false })] }).root).toBe('double');
  });

  it('is accepted by the one of several roots that it is from', () => {
    const other = { ...rootOf(new SigstoreDouble()), name: 'other' };
    expect(verify(GOOD, { roots: [other, ROOT] }).root).toBe('double');
    expect(verify(GOOD, { roots: [rootOf(DOUBLE, { logs: false }), ROOT] }).root).toBe('double');
  });

  it.each([-1, 1])('is accepted when the clock of this machine is %i year off', (years) => {
    vi.useFakeTimers({ toFake: ['Date'], now: SIGNED_AT.getTime() + years * 365 * 86_400_000 });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    expect(verify(GOOD).commit).toBe('a'.repeat(40));
  });

  it.each<[string, Claims, Partial<Policy>]>([
    ['a tag', { 14: 'refs/tags/v1.2.3' }, {}],
    ['a branch that was asked for', { 14: 'refs/heads/next' }, { branches: ['main', 'next'] }],
    ['a repository that is written otherwise', { 12: 'https://github.com/Acme/Agents' }, {}],
    ['ids that are pinned', {}, { repositoryId: '4711', ownerId: '42' }],
    ['a runner of someone’s own, where that is allowed', { 11: 'self-hosted' }, { allowSelfHosted: true }],
    ['a schedule', { 20: 'schedule' }, {}],
    ['a release', { 20: 'release' }, {}],
    [
      'the reusable workflow of this project',
      { 9: 'https://github.com/org/claude-bottle-pack/.github/workflows/pack.yml@refs/tags/v1' },
      {},
    ],
    [
      'a tag with an @ in it',
      {
        9: 'https://github.com/acme/agents/.github/workflows/pack.yml@refs/tags/@acme/agent@1.2.0',
        14: 'refs/tags/@acme/agent@1.2.0',
      },
      {},
    ],
    [
      'a workflow that was named',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml@0123456789' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml' },
    ],
    [
      'a workflow that was named with its ref',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml@refs/tags/v1' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml@refs/tags/v1' },
    ],
  ])('is accepted for %s', (_, claims, policy) => {
    expect(verify(DOUBLE.sign(statement(), { claims: workflowClaims(claims) }), { policy })).toBeTruthy();
  });
});

describe('a signature', () => {
  const TAMPERED: Array<[string, SigstoreBundle, RegExp]> = [
    [
      'by another authority with the same claims',
      new SigstoreDouble().sign(statement()),
      /double-intermediate.* no trust root \(double\) covers/,
    ],
    [
      'of another statement',
      changed((bundle) => {
        bundle.dsseEnvelope.payload = statement({ predicate: {} }).toString('base64');
      }),
      /payload hash mismatch/,
    ],
    [
      'of another statement that is in the log',
      changed((bundle) => {
        const other = DOUBLE.sign(statement({ predicate: {} }));
        bundle.dsseEnvelope.payload = other.dsseEnvelope.payload;
        bundle.verificationMaterial.tlogEntries = other.verificationMaterial.tlogEntries;
      }),
      /signature mismatch/,
    ],
    [
      'whose bits were changed',
      changed((bundle) => {
        for (const signature of bundle.dsseEnvelope.signatures) {
          const bytes = Buffer.from(signature.sig, 'base64');
          bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
          signature.sig = bytes.toString('base64');
        }
      }),
      /signature/,
    ],
    [
      'that is there twice',
      changed(({ dsseEnvelope }) => {
        dsseEnvelope.signatures.push(...dsseEnvelope.signatures);
      }),
      /not a Sigstore bundle/,
    ],
    [
      'of another type of payload',
      DOUBLE.sign(statement(), { payloadType: 'application/json' }),
      /payload type is "application\/json", expected "application\/vnd.in-toto\+json"/,
    ],
    [
      'whose type of payload was changed afterwards',
      changed(({ dsseEnvelope }) => {
        dsseEnvelope.payloadType = 'application/vnd.in-toto+JSON';
      }),
      /payload type/,
    ],
    [
      'with the certificate of another one',
      changed(({ verificationMaterial }) => {
        verificationMaterial.certificate = DOUBLE.sign(statement()).verificationMaterial.certificate;
      }),
      /signature/,
    ],
    [
      'by a key without a certificate',
      changed(({ verificationMaterial }) => {
        const { certificate: _, ...rest } = verificationMaterial;
        Object.assign(verificationMaterial, rest, { certificate: undefined, publicKey: { hint: 'me' } });
      }),
      /key is "publicKey", expected "certificate"/,
    ],
  ];

  it.each(TAMPERED)('%s is refused', (_, bundle, reason) => {
    expect(refusalOf(bundle).message).toMatch(reason);
  });
});

describe('the time of a signature', () => {
  const HOUR_LATER = new Date(SIGNED_AT.getTime() + 3_600_000);
  const CASES: Array<[string, SigstoreBundle, RegExp]> = [
    [
      'that was changed in the log entry',
      changed((bundle) => {
        entryOf(bundle).integratedTime = String(SIGNED_AT.getTime() / 1000 + 7);
      }),
      /inclusion promise could not be verified/,
    ],
    [
      'without the promise of the log',
      changed((bundle) => {
        Object.assign(entryOf(bundle), { inclusionPromise: undefined });
      }),
      /expected 1 timestamps, got 0/,
    ],
    [
      'without a log entry',
      changed(({ verificationMaterial }) => {
        verificationMaterial.tlogEntries = [];
      }),
      /expected 1 timestamps, got 0/,
    ],
    [
      'after the certificate has run out',
      DOUBLE.sign(statement(), { seenAt: HOUR_LATER }),
      /certificate chain/,
    ],
    [
      'by an authority alone, where there is a log',
      DOUBLE.sign(statement(), { witnesses: ['stamp'] }),
      /expected 1 tlog entries, got 0/,
    ],
    ['with a certificate in no log', DOUBLE.sign(statement(), { hasSct: false }), /expected 1 SCTs, got 0/],
    [
      'in a log that someone else keeps',
      changed((bundle) => {
        const other = new SigstoreDouble().sign(statement());
        bundle.verificationMaterial.tlogEntries = other.verificationMaterial.tlogEntries;
      }),
      /inclusion promise could not be verified/,
    ],
    [
      'with a proof for another tree',
      changed((bundle) => {
        const [first = '', ...rest] = entryOf(bundle).inclusionProof.hashes;
        entryOf(bundle).inclusionProof.hashes = [...rest, first];
      }),
      /calculated root hash|hash count/,
    ],
  ];

  it.each(CASES)('%s is refused', (_, bundle, reason) => {
    expect(refusalOf(bundle).message).toMatch(reason);
  });

  it('is refused from an authority of a root without logs that has not stamped this signature', () => {
    const options: SignOptions = { witnesses: ['stamp'], hasSct: false };
    const roots = [rootOf(DOUBLE, { logs: false })];
    const bundle = changed(
      (copy) => {
        const { verificationMaterial: other } = DOUBLE.sign(statement(), options);
        copy.verificationMaterial.timestampVerificationData = other.timestampVerificationData;
      },
      DOUBLE.sign(statement(), options),
    );
    expect(refusalOf(bundle, { roots }).message).toContain('timestamp could not be verified');
  });

  it('says what to do when the authority was retired before', () => {
    const retired = rootOf(DOUBLE, { retiredAt: new Date(SIGNED_AT.getTime() - 86_400_000) });
    expect(refusalOf(GOOD, { roots: [retired] }).hint).toMatch(/update claude-bottle.*--trusted-root FILE/);
  });

  it('says what to do when no root knows the authority', () => {
    const unknown = rootOf(new SigstoreDouble());
    expect(refusalOf(GOOD, { roots: [unknown] }).hint).toMatch(/update claude-bottle.*--trusted-root FILE/);
  });
});

describe('an identity', () => {
  const evil = 'https://github.com/evil/ci/.github/workflows/pack.yml@refs/heads/main';
  const REFUSED: Array<[string, Claims, Partial<Policy>, string]> = [
    [
      'issuer of an enterprise',
      { 8: 'https://token.actions.githubusercontent.com/acme' },
      {},
      'issuer is "https://token.actions.githubusercontent.com/acme", expected https://token.actions.githubusercontent.com',
    ],
    [
      'repository whose name only begins alike',
      { 12: 'https://github.com/acme/agents-evil' },
      {},
      'repository is "https://github.com/acme/agents-evil", expected https://github.com/acme/agents',
    ],
    ['owner of another name', { 12: 'https://github.com/evil/agents' }, {}, 'repository is'],
    ['server of another name', { 12: 'https://github.co/acme/agents' }, {}, 'repository is'],
    [
      'repository created again under the name',
      { 15: '4712' },
      { repositoryId: '4711' },
      'repository ID is "4712", expected 4711',
    ],
    ['owner created again under the name', { 17: '43' }, { ownerId: '42' }, 'owner ID is "43", expected 42'],
    ['workflow of another repository', { 9: evil }, {}, `workflow is "${evil}", expected one of acme/agents`],
    [
      'workflow of a repository whose name begins alike',
      { 9: 'https://github.com/acme/agents-evil/.github/workflows/pack.yml@refs/heads/main' },
      {},
      'workflow is',
    ],
    [
      'workflow outside of the directory of workflows',
      { 9: 'https://github.com/acme/agents/.github/workflows/../../evil.yml@refs/heads/main' },
      {},
      'workflow is',
    ],
    [
      'workflow without a ref',
      { 9: 'https://github.com/acme/agents/.github/workflows/pack.yml' },
      {},
      'workflow is',
    ],
    [
      'workflow whose name goes on after the expected one',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml.evil.yml@v1' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml' },
      'workflow is "https://github.com/tools/ci/.github/workflows/pack.yml.evil.yml@v1", expected tools/ci/.github/workflows/pack.yml',
    ],
    [
      'workflow of the repository itself, where another one was named',
      {},
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml' },
      'workflow is',
    ],
    [
      'pull request',
      { 14: 'refs/pull/7/merge' },
      { branches: ['main', 'pull/7/merge'] },
      'ref is "refs/pull/7/merge", expected a tag or refs/heads/main',
    ],
    ['branch that nobody asked for', { 14: 'refs/heads/evil' }, {}, 'ref is "refs/heads/evil"'],
    [
      'workflow of another ref than the one that was named',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml@refs/heads/evil' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml@refs/tags/v1' },
      'workflow is "https://github.com/tools/ci/.github/workflows/pack.yml@refs/heads/evil", expected tools/ci/.github/workflows/pack.yml@refs/tags/v1',
    ],
    [
      'workflow of a ref that only begins like the one that was named',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml@refs/tags/v10' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml@refs/tags/v1' },
      'workflow is',
    ],
    [
      'workflow whose file name goes on behind an @',
      { 9: 'https://github.com/tools/ci/.github/workflows/pack.yml@evil.yml@refs/tags/v1' },
      { signerWorkflow: 'tools/ci/.github/workflows/pack.yml' },
      'workflow is',
    ],
    ['runner of someone’s own', { 11: 'self-hosted' }, {}, 'runner is "self-hosted", expected github-hosted'],
    ['trigger from outside', { 20: 'pull_request_target' }, {}, 'trigger is "pull_request_target"'],
    ['trigger by another workflow', { 20: 'workflow_run' }, {}, 'trigger is "workflow_run"'],
  ];

  it.each(REFUSED)('with the %s is refused', (_, claims, policy, reason) => {
    const bundle = DOUBLE.sign(statement(), { claims: workflowClaims(claims) });
    expect(refusalOf(bundle, { policy }).message).toContain(reason);
  });

  it('whose certificate is in another name, or in two, is refused', () => {
    const signer = workflowClaims()[9] ?? '';
    for (const names of [[evil], [signer, evil], [evil, signer], []]) {
      const message = refusalOf(DOUBLE.sign(statement(), { names })).message;
      expect(message).toContain('certificate subject is');
      expect(message).toContain(`expected ${signer}`);
    }
  });

  it('without one of its extensions, or with one twice, is refused', () => {
    const { 12: _, ...claims } = workflowClaims();
    expect(refusalOf(DOUBLE.sign(statement(), { claims })).message).toContain(
      'has 0 extensions for the repository',
    );
    const twice = [extension('1.3.6.1.4.1.57264.1.12', utf8('https://github.com/evil/agents'))];
    expect(refusalOf(DOUBLE.sign(statement(), { extra: twice })).message).toContain(
      'has 2 extensions for the repository',
    );
  });

  it.each([
    ['without a DER tag', Buffer.from('https://github.com/acme/agents')],
    ['of another type', octets(Buffer.from('https://github.com/acme/agents'))],
    ['with bytes behind it', Buffer.concat([utf8('https://github.com/acme/agents'), Buffer.from('!')])],
    ['with a line break', utf8('https://github.com/acme/agents\n')],
    ['that is not UTF-8', Buffer.from([0x0c, 2, 0xc3, 0x28])],
    ['of indefinite length', Buffer.concat([Buffer.from([0x0c, 0x80]), Buffer.alloc(0x80, 'v')])],
    ['that is empty', utf8('')],
    ['of one byte', Buffer.from([0x0c])],
  ])('whose extension has text %s is refused', (_, value) => {
    const { 12: _repository, ...claims } = workflowClaims();
    const extra = [extension('1.3.6.1.4.1.57264.1.12', value)];
    expect(refusalOf(DOUBLE.sign(statement(), { claims, extra })).message).toContain(
      'has no text for the repository',
    );
  });

  it('with a text of more than 127 and of more than 255 bytes is read', () => {
    for (const length of [127, 128, 255, 256, 1000]) {
      const ref = `refs/tags/${'v'.repeat(length - 10)}`;
      expect(verify(DOUBLE.sign(statement(), { claims: workflowClaims({ 14: ref }) })).ref).toBe(ref);
    }
  });
});

describe('a statement', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'of another version',
      { _type: 'https://in-toto.io/Statement/v0.1' },
      /statement type is .*Statement\/v0.1/,
    ],
    [
      'that is not provenance',
      { predicateType: 'https://in-toto.io/attestation/release/v0.2' },
      /predicate type is .*release\/v0.2", expected "https:\/\/slsa.dev\/provenance\/v1"/,
    ],
    [
      'of another build type',
      { predicate: { buildDefinition: { buildType: 'https://example.com/me' } } },
      /build type is "https:\/\/example.com\/me"/,
    ],
    ['without a build type', { predicate: {} }, /build type is "none"/],
    ['without subjects', { subject: [] }, /SHA-256 of the sidecar is .*, expected 6666/],
    ['with an invalid subject', { subject: [7] }, /not an in-toto statement/],
    [
      'with more subjects than GitHub takes',
      { subject: Array.from({ length: 1025 }, () => ({ digest: {} })) },
      /not an in-toto statement/,
    ],
  ])('%s is refused', (_, changes, reason) => {
    expect(refusalOf(DOUBLE.sign(statement(changes))).message).toMatch(reason);
  });

  it('that is not JSON is refused', () => {
    expect(refusalOf(DOUBLE.sign(Buffer.from('{'))).message).toContain('statement is not JSON');
  });

  it('about another sidecar is refused', () => {
    const message = refusalOf(GOOD, { fileSha256: 'f'.repeat(64) }).message;
    expect(message).toMatch(/SHA-256 of the sidecar is ".*", expected f{64}/);
  });

  it('about another pack record is refused, or an old sidecar could pass for new inputs', () => {
    const inputs = { ...RECORD.inputs, key: 'e'.repeat(64) } as NonNullable<typeof RECORD.inputs>;
    expect(refusalOf(GOOD, { record: { ...RECORD, inputs } }).message).toContain(
      'SHA-256 of the pack record',
    );
  });
});

describe('what should be a bundle', () => {
  it.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['no JSON', '{"mediaType":'],
    ['no object', '[]'],
    ['null', 'null'],
    ['an empty object', '{}'],
    [
      'an unknown version',
      JSON.stringify({ ...GOOD, mediaType: 'application/vnd.dev.sigstore.bundle.v9+json' }),
    ],
    ['deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['not UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
    ['HTML', '<!doctype html><title>Sign in</title>'],
    ['with prototypes', '{"__proto__":{"mediaType":"x"},"constructor":{"prototype":{}}}'],
  ])('but is %s is refused', (_, content) => {
    expect(refusalOf(Buffer.from(content)).message).toContain('not a Sigstore bundle');
  });

  it('but has a signature of a file instead of a statement is refused', () => {
    const { dsseEnvelope: _, ...rest } = GOOD;
    const messageSignature = { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' };
    const message = refusalOf(Buffer.from(JSON.stringify({ ...rest, messageSignature }))).message;
    expect(message).toContain('content is "messageSignature", expected "dsseEnvelope"');
  });

  it('but has an invalid certificate is refused', () => {
    const bundle = changed(({ verificationMaterial }) => {
      verificationMaterial.certificate.rawBytes = 'AAAA';
    });
    expect(refusalOf(bundle).message).toContain('certificate is not valid');
  });

  it('but is larger than 4 MiB is refused unread', () => {
    const padding = Buffer.alloc(4 * 1024 * 1024, ' ');
    expect(refusalOf(Buffer.concat([bytesOf(GOOD), padding])).message).toMatch(
      /has \d+ bytes, at most 4194304/,
    );
  });
});

describe('damage', () => {
  const BYTES = bytesOf(GOOD);
  const EXPECTED = verify(GOOD);

  /** What a reader of JSON and base64 does not see may change; what was signed may not. */
  function judge(bytes: Buffer, record = RECORD, fileSha256 = RECORD.sidecar.sha256): Provenance | 'refused' {
    try {
      return verify(bytes, { record, fileSha256 });
    } catch (error) {
      if (error instanceof BottleError && error.exitCode === 76) {
        return 'refused';
      }
      throw error;
    }
  }

  it('of any byte of the bundle is found, or says the same', () => {
    fc.assert(
      fc.property(fc.nat(BYTES.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(BYTES);
        damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at);
        const outcome = judge(damaged);
        expect(outcome === 'refused' ? EXPECTED : outcome).toEqual(EXPECTED);
      }),
      { numRuns: 500 },
    );
  });

  it('of any byte that was signed is found', () => {
    const parts: ReadonlyArray<(bundle: SigstoreBundle, change: (text: string) => string) => void> = [
      ({ dsseEnvelope }, change) => {
        dsseEnvelope.payload = change(dsseEnvelope.payload);
      },
      ({ dsseEnvelope: { signatures } }, change) => {
        for (const signature of signatures) {
          signature.sig = change(signature.sig);
        }
      },
      ({ verificationMaterial: { certificate } }, change) => {
        certificate.rawBytes = change(certificate.rawBytes);
      },
      (bundle, change) => {
        const entry = entryOf(bundle);
        entry.canonicalizedBody = change(entry.canonicalizedBody);
      },
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...parts),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (part, position, flip) => {
          const damaged = changed((bundle) =>
            part(bundle, (text) => {
              const bytes = Buffer.from(text, 'base64');
              const at = position % bytes.length;
              bytes.writeUInt8(bytes.readUInt8(at) ^ flip, at);
              return bytes.toString('base64');
            }),
          );
          expect(judge(bytesOf(damaged))).toBe('refused');
        },
      ),
      { numRuns: 400 },
    );
  });

  it('of any value in the pack record, or of the file, is found', () => {
    const text = JSON.stringify(RECORD);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'0123456789abcdefx'), (at, letter) => {
        const damaged = text.slice(0, at) + letter + text.slice(at + 1);
        const record = parsed(damaged);
        if (record !== undefined && damaged !== text) {
          expect(judge(BYTES, record)).toBe('refused');
        }
      }),
      { numRuns: 200 },
    );
    expect(judge(BYTES, RECORD, 'f'.repeat(64))).toBe('refused');
  });

  it('of whatever kind never ends in anything but a refusal', () => {
    const tree = JSON.parse(BYTES.toString()) as unknown;
    const paths = pathsOf(tree);
    const garbage = fc.oneof(
      fc.constantFrom(null, true, -1, 1e308, '', '__proto__', [], {}, 'AAAA', '-1', '99999999999999999999'),
      fc.string(),
      fc.base64String({ maxLength: 200 }),
      fc.json().map((json) => JSON.parse(json) as unknown),
    );
    const swapped = fc
      .tuple(fc.constantFrom(...paths), garbage)
      .map(([path, value]) => Buffer.from(JSON.stringify(withValue(tree, path, value))));
    const cut = fc
      .tuple(fc.nat(BYTES.length), fc.nat(BYTES.length))
      .map(([from, to]) => Buffer.concat([BYTES.subarray(0, from), BYTES.subarray(to)]));
    const derDamage = fc
      .tuple(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean())
      .map(([position, flip, isCut]) =>
        bytesOf(
          changed(({ verificationMaterial: { certificate } }) => {
            const bytes = Buffer.from(certificate.rawBytes, 'base64');
            const at = position % bytes.length;
            bytes.writeUInt8(bytes.readUInt8(at) ^ flip, at);
            certificate.rawBytes = (isCut ? bytes.subarray(0, at) : bytes).toString('base64');
          }),
        ),
      );
    fc.assert(
      fc.property(fc.oneof(swapped, cut, derDamage), (bytes) => {
        const outcome = judge(bytes);
        expect(outcome === 'refused' ? EXPECTED : outcome).toEqual(EXPECTED);
      }),
      // Each run verifies a signature, which takes long where the machine is busy.
      { numRuns: 2000, interruptAfterTimeLimit: 20_000 },
    );
  });

  it('of a time stamp never ends in anything but a refusal', () => {
    const roots = [rootOf(DOUBLE, { logs: false })];
    const stamped = DOUBLE.sign(statement(), { witnesses: ['stamp'], hasSct: false });
    const [{ signedTimestamp } = { signedTimestamp: '' }] =
      stamped.verificationMaterial.timestampVerificationData.rfc3161Timestamps ?? [];
    const stamp = Buffer.from(signedTimestamp, 'base64');
    const expected = verify(stamped, { roots });
    fc.assert(
      fc.property(fc.nat(stamp.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(stamp);
        damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at);
        const bundle = changed(({ verificationMaterial }) => {
          verificationMaterial.timestampVerificationData = {
            rfc3161Timestamps: [{ signedTimestamp: damaged.toString('base64') }],
          };
        }, stamped);
        try {
          expect(verify(bundle, { roots })).toEqual(expected);
        } catch (error) {
          expect(error).toMatchObject({ code: 'not-trusted' });
        }
      }),
      { numRuns: 300 },
    );
  });
});

function parsed(text: string): typeof RECORD | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  const here = path.length === 0 ? [] : [path];
  return typeof value === 'object' && value !== null
    ? [...here, ...Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...path, key]))]
    : here;
}

function withValue(tree: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) {
    return value;
  }
  const copy = (Array.isArray(tree) ? [...tree] : { ...(tree as object) }) as Record<string, unknown>;
  copy[key] = withValue(copy[key], rest, value);
  return copy;
}
