import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { Policy } from '../../src/trust/policy.ts';
import { recordSha256 } from '../../src/trust/record-digest.ts';
import { parseRoot, type TrustRoot } from '../../src/trust/roots.ts';
import type { SigstoreBundle, SigstoreDouble } from '../doubles/sigstore/sigstore.ts';

const sha256 = (digit: string) => digit.repeat(64);

export const RECORD: PackRecord = {
  version: 1,
  platform: 'linux/arm64',
  image: { id: `sha256:${sha256('1')}`, layers: [`sha256:${sha256('2')}`], runtimeConfigSha256: sha256('3') },
  flattened: {
    configDigest: `sha256:${sha256('4')}`,
    layerDigest: `sha256:${sha256('5')}`,
    layerSizeBytes: 1000,
  },
  sidecar: { sha256: sha256('6'), sizeBytes: 2000, crc32: '01234567' },
  smolvm: { version: '1.9.3' },
  hop: 'embedded',
  packedAt: '2026-03-04T05:06:00.000Z',
  inputs: {
    key: sha256('7'),
    dockerfileSha256: sha256('8'),
    buildArgsSha256: sha256('9'),
    entriesSha256: sha256('a'),
    narrowed: true,
  },
  source: {
    repository: 'acme/agents',
    repositoryId: '4711',
    commit: 'a'.repeat(40),
    ref: 'refs/heads/main',
    event: 'push',
    runId: '1000',
    runAttempt: 1,
  },
};

export const POLICY: Policy = {
  serverUrl: 'https://github.com',
  repository: 'acme/agents',
  branches: ['main'],
  allowSelfHosted: false,
};

/** Any object, laid over a good statement. */
export type StatementChanges = Readonly<Record<string, unknown>>;

/** The statement that the action signs, about the sidecar and its record, and nineteen other files. */
export function statement(changes: StatementChanges = {}, record = RECORD): Buffer {
  const others = Array.from({ length: 19 }, (_, i) => ({
    name: `other-${i}`,
    digest: { sha256: i.toString(16).padStart(64, '0') },
  }));
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [
        ...others,
        { name: 'agents.smolmachine', digest: { sha256: record.sidecar.sha256 } },
        { name: 'agents.smolmachine.json', digest: { sha256: recordSha256(record) } },
      ],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: { buildType: 'https://actions.github.io/buildtypes/workflow/v1' },
        runDetails: {},
      },
      ...changes,
    }),
  );
}

export function bytesOf(bundle: SigstoreBundle): Buffer {
  return Buffer.from(JSON.stringify(bundle));
}

export function rootOf(
  double: SigstoreDouble,
  options?: Parameters<SigstoreDouble['trustedRoot']>[0],
): TrustRoot {
  return parseRoot('double', double.trustedRoot(options));
}

export async function writeRoot(dir: string, double: SigstoreDouble): Promise<string> {
  const path = join(dir, 'trusted-root.jsonl');
  await fs.writeFile(
    path,
    [true, false].map((logs) => `${JSON.stringify(double.trustedRoot({ logs }))}\n`).join(''),
  );
  return path;
}
