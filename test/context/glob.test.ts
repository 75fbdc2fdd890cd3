import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBuildInputs } from '../../src/context/build-inputs.ts';
import { readDockerfile } from '../../src/context/dockerfile.ts';
import { Dockerignore } from '../../src/context/dockerignore.ts';
import { parseGlob } from '../../src/context/glob.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** The way of moby/patternmatcher: a regular expression, as it stands for the pattern. */
function asRegExp(pattern: string): RegExp | undefined {
  let source = '';
  const chars = [...pattern];
  for (let index = 0; index < chars.length; index += 1) {
    const char = chars[index] ?? '';
    if (char === '*' && chars[index + 1] === '*') {
      index += chars[index + 2] === '/' ? 2 : 1;
      source += index === chars.length - 1 ? '.*' : '(?:.*/)?';
    } else if (char === '*' || char === '?') {
      source += char === '*' ? '[^/]*' : '[^/]';
    } else if (char === '[') {
      const rest = chars.slice(index + 1).join('');
      const body = /^(?:\\.|[^\]\\])*\]/su.exec(rest)?.[0];
      if (body === undefined) {
        return undefined;
      }
      source += `[${body.replaceAll('[', '\\[')}`;
      index += [...body].length;
    } else {
      index += char === '\\' ? 1 : 0;
      if (index === chars.length) {
        return undefined;
      }
      source += (chars[index] ?? '').replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    }
  }
  try {
    return new RegExp(`^${source}$`, 'su');
  } catch {
    return undefined;
  }
}

test('a pattern means what it means to the engine', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '/',
    '.',
    '*',
    '**',
    '**/',
    '?',
    '[ab]',
    '[^a]',
    '[a-b',
    ']',
    '\\',
    '^',
    'é',
    '😀',
  );
  const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const path = fc
    .array(fc.constantFrom('a', 'b', '/', '.', ']', '\n', 'é', '😀'), { maxLength: 8 })
    .map((chars) => chars.join(''));
  fc.assert(
    fc.property(pattern, path, (text, name) => {
      expect(parseGlob(text)?.matches(name)).toBe(asRegExp(text)?.test(name));
    }),
    { numRuns: 5_000 },
  );
});

/** A matcher that tries one way after the other would not end in a lifetime. */
const NAME = 'a'.repeat(250);
const STARS = `${'*a'.repeat(100)}*b`;
const HOSTILE = [
  STARS,
  `d/${STARS}`,
  `${'**/'.repeat(100)}b`,
  `${'**/*a'.repeat(60)}b`,
  `${'?*'.repeat(100)}b`,
  `${'[a-b]*'.repeat(100)}c`,
];

test.each(HOSTILE.map((pattern) => [pattern.slice(0, 12), pattern]))(
  'the pattern %s... ends',
  (_, pattern) => {
    const path = `d/${NAME}/${NAME}`;
    expect(parseGlob(pattern)?.matches(path)).toBe(false);
    expect(new Dockerignore(pattern).match(path).isIgnored).toBe(false);
  },
);

const LONG = 200_000;

test.each([
  ['a directive with blanks', `# syntax=${' '.repeat(LONG)}x${' '.repeat(LONG)}\u00a0y\nFROM scratch\n`],
  ['a directive without a value', `# syntax = ${'\t '.repeat(LONG)}`],
  ['many sources', `FROM scratch\nCOPY ${'a '.repeat(LONG)} /\n`],
  ['many flags', `FROM scratch\nCOPY ${'--link '.repeat(LONG / 2)} a /\n`],
  [
    'many stages',
    `${Array.from({ length: LONG / 10 }, (_, index) => `FROM scratch AS s${index}\n`).join('')}`,
  ],
  ['a chain of stages with variables', chain(2_000)],
  ['variables in variables', `FROM scratch\nENV A=${`\${A:-`.repeat(LONG)}\n`],
  [
    'a variable that is twice as long in each line',
    `FROM scratch\nENV A=0123456789\n${'ENV A=$A$A\n'.repeat(40)}COPY $A /\n`,
  ],
  [
    'a long variable in a word again and again',
    `FROM scratch\nENV A=${'a'.repeat(60_000)}\nCOPY ${'$A'.repeat(LONG)} /\n`,
  ],
  ['ONBUILD in ONBUILD', `FROM scratch\n${'ONBUILD '.repeat(LONG)}COPY a /\n`],
  ['many backslashes', `FROM scratch\nRUN ${'\\ '.repeat(LONG)}x\n`],
  ['many heredocs', `FROM scratch\nRUN ${'<<a '.repeat(LONG / 4)}\n`],
  ['a long mount', `FROM scratch\nRUN --mount=${'a=b,'.repeat(LONG)} x\n`],
])('a Dockerfile with %s is read to its end', (_, text) => {
  expect(() => readDockerfile(text, { buildArgs: new Map(), platform: 'linux/amd64' })).not.toThrow();
});

function chain(length: number): string {
  const stages = Array.from(
    { length },
    (_, index) => `FROM s${index} AS s${index + 1}\nENV V${index}=${index}\n`,
  );
  return `FROM scratch AS s0\n${stages.join('')}`;
}

test('signals are answered while a context is scanned', async () => {
  const dir = await tempDir();
  await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  // Some thousand slow patterns, on each of some thousand names.
  await fs.writeFile(join(dir, '.dockerignore'), `${'*a'.repeat(60)}*b\n`.repeat(4_000));
  await Promise.all(
    Array.from({ length: 3_000 }, (_, index) => fs.writeFile(join(dir, NAME.slice(4) + index), '')),
  );
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('stopped')), 50);
  const reading = readBuildInputs({
    context: dir,
    buildArgs: [],
    platform: 'linux/amd64',
    signal: stop.signal,
  });
  await expect(reading).rejects.toThrow('stopped');
});
