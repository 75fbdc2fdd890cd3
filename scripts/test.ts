import { type Counts, reportCounts, runSuite } from './suite.ts';
import { prepareTestBed } from './test-bed.ts';

const bed = await prepareTestBed();
const suites: Counts[] = [];
try {
  const env = { ...process.env, ...bed.env };
  suites.push(await runSuite('vitest.config.ts', env));
  suites.push(await runSuite('vitest.real.config.ts', env));
  if (bed.docker) {
    suites.push(await runSuite('vitest.docker.config.ts', env));
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
