/** `npm run test:vm`: boots real smolvm in a nested virtual machine, and prints what holds for which version. */
import { prepareNestedVm } from './nested-vm.ts';
import { reportCounts, runSuite, type Test } from './suite.ts';
import { prepareTestBed } from './test-bed.ts';

const MARKS: Record<string, string> = { passed: 'yes', failed: 'NO', pending: '-', skipped: '-', todo: '-' };

function printTable(tests: readonly Test[]): void {
  const versionOf = ({ ancestorTitles }: Test) => ancestorTitles[0] ?? '';
  const checkOf = ({ ancestorTitles, title }: Test) => [...ancestorTitles.slice(1), title].join(': ');
  const versions = [...new Set(tests.map(versionOf))];
  const checks = [...new Set(tests.map(checkOf))];
  const width = Math.max(...checks.map(({ length }) => length));
  const row = (check: string, cells: readonly string[]) =>
    console.log([check.padEnd(width), ...cells.map((cell) => cell.padEnd(13))].join('  ').trimEnd());
  row('', versions);
  for (const check of checks) {
    const marks = versions.map((version) => {
      const test = tests.find(
        (candidate) => versionOf(candidate) === version && checkOf(candidate) === check,
      );
      return MARKS[test?.status ?? 'skipped'] ?? '?';
    });
    row(check, marks);
  }
  console.log('-: not checked for this version, or its machine did not boot in time');
}

const bed = await prepareTestBed();
try {
  if (!bed.docker) {
    throw new Error(`the images for the nested machine cannot be built: ${bed.reason}`);
  }
  await prepareNestedVm();
  const counts = await runSuite('vitest.vm.config.ts', { ...process.env, ...bed.env });
  if (counts.tests.length > 0) {
    printTable(counts.tests);
  }
  reportCounts([counts]);
} finally {
  await bed.stop();
}
