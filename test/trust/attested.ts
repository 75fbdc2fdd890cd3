import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { AttestMode } from '../../src/publish/attest.ts';
import { recordSha256 } from '../../src/trust/record-digest.ts';
import { startServices } from '../doubles/sigstore/services.ts';
import { SigstoreDouble } from '../doubles/sigstore/sigstore.ts';
import { callInChild } from '../helpers/module-child.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { RECORD, writeRoot } from './signed.ts';

/** What the token of GitHub's OIDC service says of a workflow run. */
export const RUN = {
  sub: 'repo:acme/agents:ref:refs/heads/main',
  ref: 'refs/heads/main',
  sha: 'a'.repeat(40),
  repository: 'acme/agents',
  event_name: 'push',
  job_workflow_ref: 'acme/agents/.github/workflows/pack.yml@refs/heads/main',
  workflow_ref: 'acme/agents/.github/workflows/pack.yml@refs/heads/main',
  repository_id: '4711',
  repository_owner_id: '42',
  runner_environment: 'github-hosted',
  run_id: '1000',
  run_attempt: '1',
  workflow: 'Pack',
  workflow_sha: 'a'.repeat(40),
  job_workflow_sha: 'a'.repeat(40),
  repository_visibility: 'public',
};

function subjectsOf(record: PackRecord) {
  return [
    { name: 'agents.smolmachine', sha256: record.sidecar.sha256 },
    { name: 'agents.smolmachine.json', sha256: recordSha256(record) },
  ];
}

interface Attested {
  readonly bundle: string;
  readonly id?: string;
}

/** Runs the real @actions/attest in a process of its own, whose internet is the double. */
export async function attest(
  mode: AttestMode,
  {
    isPublicRepository,
    run = RUN,
    env = {},
    refusal,
    record = RECORD,
    double = new SigstoreDouble(),
  }: {
    isPublicRepository: boolean;
    run?: Record<string, string>;
    env?: Record<string, string>;
    refusal?: { status: number; message: string };
    record?: PackRecord;
    double?: SigstoreDouble;
  },
) {
  const dir = await tempDir();
  const services = await startServices(double, run);
  onTestFinished(() => services.close());
  services.refusal = refusal;
  const event = join(dir, 'event.json');
  const ca = join(dir, 'ca.pem');
  // As of a schedule: it says nothing of the repository.
  await fs.writeFile(event, '{}');
  await fs.writeFile(ca, services.ca);
  const options = { subjects: subjectsOf(record), token: 'job-token', mode, isPublicRepository };
  const call = `attestSidecar(${JSON.stringify(options)})`;
  const result = await callInChild('src/publish/attest.ts', call, {
    env: { ...services.env, GITHUB_EVENT_PATH: event, NODE_EXTRA_CA_CERTS: ca, ...env },
  });
  return {
    ...result,
    value: result.value as Attested,
    services,
    trustedRootPath: await writeRoot(dir, double),
  };
}
