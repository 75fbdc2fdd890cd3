import { spawnSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { prepareTestBed } from './test-bed.ts';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Full titles of those that failed, or what else went wrong. */
  failures: string[];
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: Array<{
    name: string;
    message: string;
    assertionResults: Array<{ status: string; fullName: string; failureMessages: string[] }>;
  }>;
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
    const report: Report = JSON.parse(await readFile(REPORT, 'utf8'));
    const failures = failuresOf(report);
    if (failures.length === 0 && status !== 0) {
      failures.push(`${config}: vitest ended with ${status}, and no test has failed`);
    }
    return {
      passed: report.numPassedTests,
      failed: Math.max(report.numFailedTests, failures.length),
      skipped: report.numPendingTests + report.numTodoTests,
      failures,
    };
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${config}: no report: ${error}`] };
  } finally {
    await rm(REPORT, { force: true });
  }
}

function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = relative('.', name);
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    const titles = failed.map(
      ({ fullName, failureMessages }) => `${file}: ${fullName}\n${failureMessages.join('\n')}`,
    );
    // A file that could not be loaded has no tests, and a message.
    return titles.length === 0 && message !== '' ? [`${file}: ${message}`] : titles;
  });
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
  const isRequired = Boolean(process.env.REQUIRE_DOCKER_TESTS);
  suites.push({ passed: 0, failed: isRequired ? 1 : 0, skipped: 0, failures: [] });
}
for (const failure of suites.flatMap(({ failures }) => failures)) {
  console.log(`failed: ${failure}`);
}
const sum = (key: Exclude<keyof Counts, 'failures'>) =>
  suites.reduce((total, counts) => total + counts[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
