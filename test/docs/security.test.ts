import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, testsIn } from './titles.ts';

/** Every test in these is an attack, so every one of them must stand behind a promise. */
const ATTACKS = ['test/cli/attacks.test.ts', 'test/git/hostile.test.ts'];

const page = await readFile(join(ROOT, 'SECURITY.md'), 'utf8');
const promises = page
  .slice(page.indexOf('## Promises'), page.indexOf('## What is not promised'))
  .split(/^- /m)
  .slice(1)
  .map((text) => ({
    promise: text.split('\n', 1).join(),
    proofs: [...text.matchAll(/^ {2}`(?<file>[^`]+)`: (?<title>.+)$/gm)].map(({ groups }) => ({
      file: groups?.file ?? '',
      title: groups?.title ?? '',
    })),
  }));

function titlesIn(file: string): string[] {
  return testsIn(file).map(({ title }) => title);
}

describe('SECURITY.md', () => {
  test.each(promises)('proves: $promise', ({ proofs }) => {
    expect(proofs).not.toEqual([]);
    for (const { file, title } of proofs) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      if (title !== '*') {
        expect(titlesIn(file), file).toContain(title);
      }
    }
  });

  test.each(ATTACKS)('lists every attack in %s', (file) => {
    const listed = promises.flatMap(({ proofs }) => proofs).filter((proof) => proof.file === file);
    expect(listed.map(({ title }) => title).toSorted()).toEqual(titlesIn(file).toSorted());
  });
});
