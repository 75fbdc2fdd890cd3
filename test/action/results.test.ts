import { expect, test } from 'vitest';
import type { Job } from '../../src/action/job.ts';
import { keepResult } from '../../src/action/results.ts';
import { recordOf, SIDECAR } from '../fetch/published.ts';
import { failureOf } from '../helpers/failure.ts';

test.runIf(process.platform === 'linux')(
  'a RUNNER_TEMP that takes no files is named in the hint',
  async () => {
    const job = { tempDir: '/sys' } as Job;
    expect(await failureOf(keepResult(job, 'a.smolmachine', undefined, recordOf(SIDECAR)))).toMatchObject({
      code: 'cannot-write',
      message: expect.stringContaining('cannot keep a.smolmachine in RUNNER_TEMP, /sys'),
      hint: 'make the directory writable for this user, or use another one for RUNNER_TEMP',
    });
  },
);
