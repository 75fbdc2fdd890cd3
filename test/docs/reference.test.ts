import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { actionReference, cliReference } from './reference.ts';

const DOCS = join(import.meta.dirname, '../../docs');

test('the reference of the command line is as npm run docs writes it', async () => {
  expect(await readFile(join(DOCS, 'reference-cli.md'), 'utf8')).toBe(cliReference());
});

test('the reference of the actions is as npm run docs writes it', async () => {
  expect(await readFile(join(DOCS, 'reference-action.md'), 'utf8')).toBe(await actionReference());
});
