import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { endProcessesIn } from '../host/child.ts';
import { hasAbandonedDirs, scratchParent, sweepPrivateDirs } from '../host/private-dir.ts';
import { sweepKilledRuns } from '../pack/pack.ts';
import { warningsTo } from '../progress.ts';
import { createRunnerLog } from './log.ts';
import { RESULTS_PREFIX } from './results.ts';
import { takeVariables } from './variables.ts';

const POST_TIMEOUT_MS = 60_000;

/**
 * Removes what the main step has left behind when it was killed; never fails the job. It finds those things by their
 * owner, not by names in the step's state, which the output of a build could forge. A main step that ended by itself has
 * cleaned up, so nothing is asked of Docker then.
 */
export async function runPostStep(): Promise<number> {
  const log = createRunnerLog(process.stdout.write.bind(process.stdout));
  takeVariables(/^(INPUT|ACTIONS)_/);
  const onWarning = warningsTo(log.onProgress);
  const tempDir = process.env.RUNNER_TEMP ?? '';
  const sweeps = [
    async () => {
      if ((await hasAbandonedDirs(tempDir)) || (await hasAbandonedDirs(scratchParent()))) {
        await sweepKilledRuns(AbortSignal.timeout(POST_TIMEOUT_MS), log.onProgress);
      }
    },
    async () => await sweepPrivateDirs(tempDir, { beforeRemove: endProcessesIn, onWarning }),
    async () => await removeEmptyResults(tempDir),
  ];
  for (const sweep of sweeps) {
    await sweep().catch((error: Error) =>
      onWarning(`left behind, the next run tries again: ${error.message}`),
    );
  }
  return 0;
}

async function removeEmptyResults(tempDir: string): Promise<void> {
  for (const name of await fs.readdir(tempDir)) {
    if (name.startsWith(RESULTS_PREFIX)) {
      await fs.rmdir(join(tempDir, name)).catch(() => {});
    }
  }
}
