import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
/** From the top down: a file imports from its own room and from lines below it. */
const ROOMS = [
  ['action', 'cli'],
  ['publish', 'fetch'],
  ['trust'],
  ['store'],
  ['pack'],
  ['docker'],
  ['git'],
  ['remote'],
  ['sidecar'],
  ['context'],
  ['tar'],
  ['identity'],
  ['host'],
  ['errors.ts', 'progress.ts'],
];
const IMPORT = /\b(?:from|import)\s*\(?\s*'([^']+)'/g;

interface Import {
  readonly file: string;
  readonly room: string;
  readonly specifier: string;
  /** The room that it leads to; undefined outside of src. */
  readonly target: string | undefined;
}

function importsOfSrc(): Import[] {
  const src = join(ROOT, 'src');
  return globSync('**/*.ts', { cwd: src }).flatMap((file) =>
    [...readFileSync(join(src, file), 'utf8').matchAll(IMPORT)].map(([, specifier = '']) => ({
      file,
      room: roomOf(file),
      specifier,
      target: specifier.startsWith('.') ? roomIn(normalize(join(dirname(file), specifier))) : undefined,
    })),
  );
}

function roomOf(file: string): string {
  return file.split(sep)[0] ?? '';
}

function roomIn(path: string): string | undefined {
  return path.startsWith('..') ? undefined : roomOf(path);
}

const lineOf = (room: string) => ROOMS.findIndex((line) => line.includes(room));

test('imports point down the list of rooms only', () => {
  const imports = importsOfSrc();
  expect(imports.length).toBeGreaterThan(500);
  const upward = imports.filter(
    ({ room, target }) => target !== undefined && target !== room && !(lineOf(target) > lineOf(room)),
  );
  expect(upward).toEqual([]);
});

test('every file of src is in a room of the list', () => {
  const rooms = new Set(importsOfSrc().map(({ room }) => room));
  expect([...rooms].filter((room) => lineOf(room) < 0)).toEqual([]);
});

test('the command line uses neither the Actions toolkit nor publish/', () => {
  const wrong = importsOfSrc().filter(
    ({ room, specifier, target }) =>
      (specifier.startsWith('@actions/') && !['action', 'publish'].includes(room)) ||
      (room === 'cli' && target === 'publish'),
  );
  expect(wrong).toEqual([]);
});

test('AGENTS.md shows the same list', () => {
  const rows = readFileSync(join(ROOT, 'AGENTS.md'), 'utf8').matchAll(/^\| (`[^|]*`) +\|/gm);
  const shown = [...rows].map(([, rooms = '']) =>
    [...rooms.matchAll(/`([\w.]+)\/?`/g)].map(([, room]) => room),
  );
  expect(shown).toEqual(ROOMS);
});

test('neither the start of the command line nor `path` loads zod', () => {
  const src = join(ROOT, 'src');
  const seen = new Set<string>();
  const left = ['cli/program.ts', 'cli/path-command.ts'];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (!seen.has(file)) {
      seen.add(file);
      const source = readFileSync(join(src, file), 'utf8');
      const loaded = [...source.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)];
      const specifiers = loaded.map(([, specifier = '']) => specifier);
      expect(
        specifiers.filter((each) => each.startsWith('zod')),
        file,
      ).toEqual([]);
      left.push(
        ...specifiers
          .filter((each) => each.startsWith('.') && each.endsWith('.ts'))
          .map((each) => normalize(join(dirname(file ?? ''), each))),
      );
    }
  }
  expect(seen.size).toBeGreaterThan(20);
});
