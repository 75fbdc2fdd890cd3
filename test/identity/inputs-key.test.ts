import { describe, expect, test } from 'vitest';
import {
  type ContextEntry,
  entriesSha256,
  inputsKey,
  type KeyParts,
  parseInputsKey,
} from '../../src/identity/inputs-key.ts';

const FILE = { type: 'file', path: 'a.txt', executable: false, sha256: 'a'.repeat(64) } as const;
const ENTRIES: readonly ContextEntry[] = [
  FILE,
  { type: 'directory', path: 'b' },
  { type: 'symlink', path: 'c', linkTarget: 'a.txt' },
];
const PARTS: KeyParts = {
  platform: 'linux/arm64',
  dockerfileSha256: 'd'.repeat(64),
  buildArgs: new Map([
    ['A', '1'],
    ['B', '2'],
  ]),
  entriesSha256: entriesSha256(ENTRIES),
};

describe('inputsKey', () => {
  test('is a fixed function: a change of it needs another schema number', () => {
    expect(entriesSha256(ENTRIES)).toMatchInlineSnapshot(
      `"bcfc708258b1dc1149daf17c73a041ebd2769d6e1017c03d32e361c2946ffd8e"`,
    );
    expect(inputsKey(PARTS)).toMatchInlineSnapshot(
      `"3ed94f032241970e280e80da67e792d5af90559a41463da7cd28341fd9e04a29"`,
    );
  });

  test('does not depend on the order of build args', () => {
    const buildArgs = new Map([...PARTS.buildArgs].reverse());
    expect(inputsKey({ ...PARTS, buildArgs })).toBe(inputsKey(PARTS));
  });

  test.each<[string, Partial<KeyParts>]>([
    ['the platform', { platform: 'linux/amd64' }],
    ['the Dockerfile', { dockerfileSha256: 'e'.repeat(64) }],
    ['the target', { target: 'build' }],
    ['a build arg', { buildArgs: new Map([...PARTS.buildArgs, ['B', '3']]) }],
    ['one build arg less', { buildArgs: new Map([['A', '1']]) }],
    ['the entries', { entriesSha256: entriesSha256([]) }],
  ])('is another for another value of %s', (_what, change) => {
    expect(inputsKey({ ...PARTS, ...change })).not.toBe(inputsKey(PARTS));
  });
});

describe('entriesSha256', () => {
  test('does not depend on the order of entries', () => {
    expect(entriesSha256([...ENTRIES].reverse())).toBe(entriesSha256(ENTRIES));
  });

  test.each<[string, ContextEntry]>([
    ['path', { ...FILE, path: 'A.txt' }],
    ['execute bit', { ...FILE, executable: true }],
    ['special bit', { ...FILE, specialBits: ['setuid'] }],
    ['content', { ...FILE, sha256: 'b'.repeat(64) }],
    ['type', { type: 'symlink', path: FILE.path, linkTarget: 'b' }],
  ])('is another for another %s', (_what, entry) => {
    expect(entriesSha256([entry, ...ENTRIES.slice(1)])).not.toBe(entriesSha256(ENTRIES));
  });
});

test.each(['', 'abc', 'A'.repeat(64), `sha256:${'a'.repeat(64)}`])('%j is not a valid inputs key', (text) => {
  expect(() => parseInputsKey(text)).toThrow(/not an inputs key/);
});
