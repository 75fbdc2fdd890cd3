import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CHAPTERS, faultsPage } from './faults/page.ts';
import { hasTest, ROOT } from './titles.ts';

const rows = CHAPTERS.flatMap((chapter) => chapter.rows);

describe('docs/faults.md', () => {
  test('is as npm run docs writes it', async () => {
    expect(await readFile(join(ROOT, 'docs/faults.md'), 'utf8')).toBe(faultsPage());
  });

  test('names tests that exist', () => {
    const named = rows.flatMap((row) => ('tests' in row ? Object.entries(row.tests) : []));
    const missing = named.flatMap(([file, titles]) =>
      titles.flatMap((title) => (hasTest(`test/${file}`, title) ? [] : `${file}: ${title}`)),
    );
    expect(missing).toEqual([]);
    expect(named.filter(([, titles]) => titles.length === 0)).toEqual([]);
  });

  test('has every row once, and a reason where there is no test', () => {
    const situations = rows.map(({ situation }) => situation);
    expect(situations.filter((each, index) => situations.indexOf(each) !== index)).toEqual([]);
    const reasons = rows.flatMap((row) => ('untested' in row ? row.untested : []));
    expect(reasons.filter((reason) => !/^[A-Z].{30,}\.$/s.test(reason))).toEqual([]);
  });
});

test('a title is found by its suites, with a text of the file in the place of a placeholder', () => {
  const file = 'test/docs/faults.test.ts';
  expect(hasTest(file, 'docs/faults.md > is as npm run docs writes it')).toBe(true);
  expect(hasTest(file, 'is as npm run docs writes it')).toBe(false);
  const login = 'test/remote/registry-login.test.ts';
  expect(hasTest(login, "podman's logins > are found by %s")).toBe(true);
  expect(hasTest(login, "podman's logins > are found by XDG_RUNTIME_DIR")).toBe(true);
  expect(hasTest(login, "podman's logins > are found by a variable that is not there")).toBe(false);
});
