import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTagName } from '../../src/identity/ref-name.ts';

const PIECES = [
  'a',
  '1',
  '.',
  '/',
  '@',
  '{',
  '-',
  '#',
  '%',
  '~',
  '^',
  ':',
  '?',
  '*',
  '[',
  '\\',
  ' ',
  '\t',
  '.lock',
  'é',
  ',',
  '!',
];

test('a name is a tag for us when it is one for git', () => {
  const name = fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(name, (text) => {
      const { status } = spawnSync('git', ['check-ref-format', `refs/tags/${text}`]);
      // As `git tag` refuses it, because it would be read as an option.
      expect(isTagName(text)).toBe(status === 0 && !text.startsWith('-'));
    }),
    { numRuns: 300 },
  );
});
