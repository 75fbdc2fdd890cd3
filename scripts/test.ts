import { type Counts, reportCounts, runSuite } from './suite.ts';
import { prepareTestBed } from './test-bed.ts';

/** The tests that are run apart from the others where there are two engines: about half of the time. */
const ACTION_TESTS = 'test/action/';

const bed = await prepareTestBed();
const suites: Counts[] = [];
try {
  const env = { ...process.env, ...bed.env };
  suites.push(await runSuite('vitest.config.ts', env));
  suites.push(await runSuite('vitest.real.config.ts', env));
  if (bed.docker) {
    suites.push(...(await runDockerSuites(env)));
  }
} finally {
  await bed.stop();
}
if (bed.reason !== undefined) {
  console.error(bed.reason);
  // Set by .ci/run where a Docker engine can be had: a run without these tests does not count there.
  const isRequired = Boolean(process.env.REQUIRE_DOCKER_TESTS);
  suites.push({ passed: 0, failed: isRequired ? 1 : 0, skipped: 0, failures: [], tests: [] });
}
reportCounts(suites);

/** Each test looks at what is left on its engine, so that two can run at once only on two engines. */
async function runDockerSuites(env: NodeJS.ProcessEnv): Promise<Counts[]> {
  const config = 'vitest.docker.config.ts';
  if (bed.secondEngine === undefined) {
    return [await runSuite(config, env)];
  }
  const otherEnv = { ...env, ...(await bed.secondEngine()) };
  return await Promise.all([
    runSuite(config, env, [ACTION_TESTS]),
    runSuite(config, otherEnv, ['--exclude', `${ACTION_TESTS}**`]),
  ]);
}
