import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { LACKS_REGISTRY } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { type PublishBed, type PublishJob, REPOSITORY, startPublishBed, TAG } from './publish-bed.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The last step of the job `check` in pack.yml, with its expressions as that job would have them. */
async function runCheck(
  bed: PublishBed,
  { workspace }: PublishJob,
  outputs: Readonly<Record<string, string>>,
): Promise<{ exitCode: number; stderr: string }> {
  const workflow = parse(await fs.readFile(join(ROOT, '.github/workflows/pack.yml'), 'utf8'));
  const { run, env } = workflow.jobs.check.steps.at(-1);
  const dir = await tempDir();
  await fs.symlink(ROOT, join(dir, 'action'));
  await fs.symlink(workspace, join(dir, 'caller'));
  // The double's signatures have other roots than those that are built in.
  const bin = join(dir, 'bin');
  await fs.mkdir(bin);
  const node = join(ROOT, 'node_modules/.bin/node');
  await fs.writeFile(
    join(bin, 'node'),
    `#!/bin/sh\nexec '${node}' "$@" --trusted-root '${bed.trustedRoot}'\n`,
    { mode: 0o755 },
  );
  const values: Record<string, string> = {
    CONTEXT: 'context',
    OCI_DIGEST: outputs['oci-digest'] ?? '',
    RELEASE_URL: outputs['release-url'] ?? '',
    RESULTS: outputs.results ?? '',
    BRANCH: 'main',
    IS_DRAFT: 'false',
    TAG,
  };
  const given = Object.fromEntries(Object.keys(env).map((name) => [name, values[name] ?? '']));
  const environment = {
    ...(await bed.developer()),
    ...given,
    PATH: [bin, process.env.PATH].join(delimiter),
    GITHUB_REPOSITORY: REPOSITORY,
  };
  return await new Promise((resolve) => {
    execFile('bash', ['-e', '-c', run], { cwd: dir, env: environment }, (error, _, stderr) =>
      resolve({ exitCode: Number(error?.code ?? 0), stderr }),
    );
  });
}

describe.skipIf(LACKS_REGISTRY)('the check of the reusable workflow', () => {
  test('gets what was published from the registry and from the release', async () => {
    const bed = await startPublishBed();
    const job = await bed.job();
    const { outcome, outputs, log } = await job.publish();
    expect(outcome, log).toBe('success');
    const { exitCode, stderr } = await runCheck(bed, job, outputs);
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain('Found       ghcr.io/acme/tools/smolmachine');
    expect(stderr).toContain(`GitHub release ${TAG}`);
  });

  test('fails for a package that nobody but the publisher can read', async () => {
    const bed = await startPublishBed({ isPublic: false });
    const job = await bed.job();
    const { outcome, outputs, log } = await job.publish({ inputs: { publish: 'oci' } });
    expect(outcome, log).toBe('success');
    const { exitCode, stderr } = await runCheck(bed, job, outputs);
    expect(exitCode).toBe(77);
    expect(stderr).toContain('ghcr.io');
  });
});
