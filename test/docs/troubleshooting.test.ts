import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXIT_CODES } from '../../src/errors.ts';

const page = await readFile(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');

describe('docs/troubleshooting.md', () => {
  test('has a section for each error code, and for no other', () => {
    const sections = [...page.matchAll(/^### (.+)$/gm)].flatMap(([, codes = '']) => codes.split(', '));
    expect(sections.toSorted()).toEqual(Object.keys(EXIT_CODES).toSorted());
  });

  test('has a row for each exit code', () => {
    const rows = [...page.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
    expect(rows).toEqual(expect.arrayContaining(Object.values(EXIT_CODES)));
  });
});
