import { expect, onTestFinished, test, vi } from 'vitest';
import type { Job } from '../../src/action/job.ts';
import { keepResult } from '../../src/action/results.ts';
import { fileError } from '../../src/errors.ts';
import { recordOf, SIDECAR } from '../fetch/published.ts';
import { failureOf } from '../helpers/failure.ts';

test.runIf(process.platform === 'linux')(
  'a RUNNER_TEMP that takes no files is named in the hint',
  async () => {
    stubRunnerTemp('/sys');
    const job = { tempDir: '/sys' } as Job;
    expect(await failureOf(keepResult(job, 'a.smolmachine', undefined, recordOf(SIDECAR)))).toMatchObject({
      code: 'cannot-write',
      message: expect.stringContaining('cannot keep a.smolmachine in RUNNER_TEMP, /sys'),
      hint: 'make the directory writable for this user, or use another one for RUNNER_TEMP',
    });
  },
);

test('a full RUNNER_TEMP is named in the hint wherever it was found, and TMPDIR only where it counts', () => {
  stubRunnerTemp('/runner/_temp');
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const hintOf = (path: string) => fileError(`cannot write ${path}`, full).hint;
  expect(hintOf('/runner/_temp/claude-bottle-pack-1/a.smolmachine')).toMatch(/another disk for RUNNER_TEMP$/);
  expect(hintOf('/var/tmp/claude-bottle-pack-1/layer.tar')).toMatch(/another disk for the store or TMPDIR$/);
});

function stubRunnerTemp(dir: string): void {
  vi.stubEnv('RUNNER_TEMP', dir);
  onTestFinished(() => void vi.unstubAllEnvs());
}
