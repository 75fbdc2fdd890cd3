import { describe, expect, test } from 'vitest';
import { Dockerignore } from '../../src/context/dockerignore.ts';

/** Asks for each directory on the way, as a walk does. */
function isIgnored(text: string, path: string): boolean {
  const ignore = new Dockerignore(text);
  let found: ReturnType<Dockerignore['match']> | undefined;
  const names = path.split('/');
  for (let length = 1; length <= names.length; length += 1) {
    found = ignore.match(names.slice(0, length).join('/'), found?.matches);
  }
  return found?.isIgnored === true;
}

test.each<[string, string, boolean]>([
  ['foo', 'foo', true],
  ['foo', 'foo/bar/baz', true],
  ['foo', 'bar/foo', false],
  ['/foo', 'foo', true],
  ['./foo/', 'foo/a', true],
  ['foo/../bar', 'bar', true],
  ['../foo', 'foo', false],
  ['*', 'a/b', true],
  ['*.md', 'README.md', true],
  ['*.md', 'docs/README.md', false],
  ['**/*.md', 'README.md', true],
  ['**/*.md', 'docs/a/README.md', true],
  ['**.md', 'README.md', true],
  ['**/foo', 'foo', true],
  ['**/foo', 'a/b/foo', true],
  ['**/foo', 'a/b/xfoo', false],
  ['foo/**', 'foo', false],
  ['foo/**', 'foo/a/b', true],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['**', 'a', true],
  ['a?c', 'abc', true],
  ['a?c', 'a/c', false],
  ['[a-c]x', 'bx', true],
  ['[^a-c]x', 'bx', false],
  ['a.c', 'abc', false],
  ['a+(b)*', 'a+(b)c', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['# foo', 'foo', false],
  ['  foo  ', 'foo', true],
  ['\uFEFFfoo\r\nbar', 'foo', true],
  ['*.md\n!README.md', 'README.md', false],
  ['!README.md\n*.md', 'README.md', true],
  ['foo\n! foo/keep', 'foo/keep', false],
  ['foo\n!foo/keep', 'foo/other', true],
  ['foo\n!foo/*.txt\nfoo/b.txt', 'foo/b.txt', true],
  ['*\n!**/*.ts', 'src/deep/a.ts', false],
  ['*\n!src', 'src/a/b', false],
  ['**/foo\n!foo/bar/keep', 'foo/bar/other', true],
  ['**/foo\n!foo/bar/keep', 'foo/bar/keep', false],
  ['*\n!*/README.md', 'docs/README.md', false],
])('with %j, %s is ignored: %j', (text, path, expected) => {
  expect(isIgnored(text, path)).toBe(expected);
});

describe('mayKeepInside', () => {
  test.each<[string, string, boolean]>([
    ['foo', 'foo', false],
    ['foo\n!foo/bar/keep', 'foo', true],
    ['foo\n!foo/bar/keep', 'foo/bar', true],
    ['foo\n!bar/keep', 'foo', false],
    ['foo\n!**/keep', 'foo', true],
    ['foo\n!foo/b*/keep', 'foo/x', true],
  ])('with %j, %s: %j', (text, directory, expected) => {
    expect(new Dockerignore(text).mayKeepInside(directory)).toBe(expected);
  });
});

test('a malformed pattern is a usage error that names the file and the pattern', () => {
  expect(() => new Dockerignore('a\n[b', 'x.dockerignore')).toThrow(/x\.dockerignore.*"\[b"/);
});
