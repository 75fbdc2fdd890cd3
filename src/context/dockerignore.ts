import { posix } from 'node:path';
import { BottleError } from '../errors.ts';
import { isGlob, parseGlob } from './glob.ts';

interface Pattern {
  readonly isException: boolean;
  readonly matches: (path: string) => boolean;
  /** The directories before the first wildcard, or the whole pattern if it has none. */
  readonly literalSegments: readonly string[];
}

/** Which patterns matched a directory: they hold for all that is in it. */
export type IgnoreMatches = readonly boolean[];

/**
 * The rules of a .dockerignore as the Docker engine reads it (moby/patternmatcher, BuildKit 0.11 and newer): the
 * last pattern that matches decides, a pattern that matches a directory holds for what is in it, and an exception
 * brings back what is in an ignored directory. Older engines do not look for `!**` exceptions in there; they see
 * less than we keep.
 * https://docs.docker.com/build/concepts/context/#dockerignore-files
 */
export class Dockerignore {
  readonly #patterns: readonly Pattern[];

  /** @throws BottleError `usage` when a pattern is malformed; `name` is the file's */
  constructor(text: string, name = '.dockerignore') {
    this.#patterns = text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .flatMap((line) => parsePattern(line, name) ?? []);
  }

  /** `parent` is what was found for the directory that `path` is in. */
  match(path: string, parent?: IgnoreMatches): { isIgnored: boolean; matches: IgnoreMatches } {
    let isIgnored = false;
    const matches = this.#patterns.map((pattern, index) => {
      // The engine does not look at patterns that would change nothing, and they do not count for what is inside.
      const matched =
        parent?.[index] === true || (pattern.isException === isIgnored && pattern.matches(path));
      if (matched) {
        isIgnored = !pattern.isException;
      }
      return matched;
    });
    return { isIgnored, matches };
  }

  /** Whether an exception may bring back something that is in an ignored directory. */
  mayKeepInside(directory: string): boolean {
    const segments = directory.split('/');
    return this.#patterns.some(
      ({ isException, literalSegments }) =>
        isException &&
        literalSegments.every((literal, index) => index >= segments.length || literal === segments[index]),
    );
  }
}

function parsePattern(line: string, name: string): Pattern | undefined {
  if (line.startsWith('#')) {
    return undefined;
  }
  const isException = line.trim().startsWith('!');
  const text = line.trim().replace(/^!/, '').trim();
  if (text === '') {
    return undefined;
  }
  const pattern = cleaned(text);
  const wildcard = pattern.split('/').findIndex(isGlob);
  const segments = pattern.split('/');
  return {
    isException,
    matches: matcher(pattern, name),
    literalSegments: wildcard === -1 ? segments : segments.slice(0, wildcard),
  };
}

function cleaned(pattern: string): string {
  const path = posix.normalize(pattern).replace(/(?<=.)\/$/, '');
  return path === '/' ? path : path.replace(/^\//, '');
}

/** The engine compares plain text where the only wildcard is a `**` at one end, and so `**.md` matches a.md. */
function matcher(pattern: string, name: string): (path: string) => boolean {
  if (!isGlob(pattern)) {
    return (path) => path === pattern;
  }
  if (pattern.startsWith('**') && !isGlob(pattern.slice(2))) {
    const suffix = pattern.slice(2);
    return (path) => path.endsWith(suffix) || `/${path}` === suffix;
  }
  if (pattern.endsWith('**') && !isGlob(pattern.slice(0, -2))) {
    const prefix = pattern.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  const glob = parseGlob(pattern);
  if (glob === undefined) {
    throw new BottleError('usage', `${name} has an invalid pattern: ${JSON.stringify(pattern)}`, {
      hint: 'correct that line; docker build refuses it too',
    });
  }
  return (path) => glob.matches(path);
}
