import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

export interface Test {
  readonly status: string;
  readonly title: string;
  readonly ancestorTitles: readonly string[];
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Full titles of those that failed, or what else went wrong. */
  readonly failures: readonly string[];
  readonly tests: readonly Test[];
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: Array<{ name: string; message: string; assertionResults: Test[] }>;
}

/**
 * Runs one suite and counts from its report; a run that breaks off counts as a failure.
 * @param args choose some of its files
 */
export async function runSuite(
  config: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<Counts> {
  const reportPath = join(tmpdir(), `claude-bottle-vitest-${randomUUID()}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  const vitest = spawn('vitest', ['run', '--config', config, ...reporters, ...args], {
    stdio: 'inherit',
    env,
  });
  try {
    const [status] = await once(vitest, 'close');
    const report: Report = JSON.parse(await readFile(reportPath, 'utf8'));
    const failures = failuresOf(report);
    if (failures.length === 0 && status !== 0) {
      failures.push(`${config}: vitest ended with ${status}, and no test has failed`);
    }
    return {
      passed: report.numPassedTests,
      failed: Math.max(report.numFailedTests, failures.length),
      skipped: report.numPendingTests + report.numTodoTests,
      failures,
      tests: report.testResults.flatMap(({ assertionResults }) => assertionResults),
    };
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${config}: no report: ${error}`], tests: [] };
  } finally {
    await rm(reportPath, { force: true });
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

/** Prints the failures and, as the last line, the sums; sets the exit code of this process. */
export function reportCounts(suites: readonly Counts[]): void {
  for (const failure of suites.flatMap(({ failures }) => failures)) {
    console.log(`failed: ${failure}`);
  }
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    suites.reduce((total, counts) => total + counts[key], 0);
  console.log(`${sum('skipped')} skipped`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
}
