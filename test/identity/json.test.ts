import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../src/identity/json.ts';

test('JSON is read as ever', () => {
  void fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      expect(parseJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  expect(parseJson('"[[[\\"[[\\\\"')).toBe('[[["[[\\');
});

test.each(['[', '{"a":'])('JSON of 100,000 levels of %s is refused', (level) => {
  expect(() => parseJson(level.repeat(100_000))).toThrow('nested more than 64 levels');
});

test('brackets in strings are text', () => {
  expect(parseJson(JSON.stringify('['.repeat(1000)))).toBe('['.repeat(1000));
});
