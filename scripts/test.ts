import { spawnSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareTestBed } from './test-bed.ts';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const REPORT = join(tmpdir(), `claude-bottle-vitest-${process.pid}.json`);

/** Runs one suite and counts from its report; a run that breaks off counts as a failure. */
async function runSuite(config: string, env: NodeJS.ProcessEnv): Promise<Counts> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const { status } = spawnSync('vitest', ['run', '--config', config, ...reporters], {
    stdio: 'inherit',
    env,
  });
  try {
    const report = JSON.parse(await readFile(REPORT, 'utf8'));
    const failed = report.numFailedTests as number;
    return {
      passed: report.numPassedTests,
      failed: failed === 0 && status !== 0 ? 1 : failed,
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    await rm(REPORT, { force: true });
  }
}

const bed = await prepareTestBed();
const suites: Counts[] = [];
try {
  const env = { ...process.env, ...bed.env };
  suites.push(await runSuite('vitest.config.ts', env));
  if (bed.docker) {
    suites.push(await runSuite('vitest.docker.config.ts', env));
  }
} finally {
  await bed.stop();
}
if (bed.reason !== undefined) {
  console.error(bed.reason);
  // Set by .ci/run where a Docker engine can be had: there a run without these tests is no pass.
  suites.push({ passed: 0, failed: process.env.REQUIRE_DOCKER_TESTS ? 1 : 0, skipped: 0 });
}
const sum = (key: keyof Counts) => suites.reduce((total, counts) => total + counts[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
