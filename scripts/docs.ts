import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { faultsPage } from '../test/docs/faults/page.ts';
import { actionReference, cliReference } from '../test/docs/reference.ts';

/** Writes the pages of the documentation that are made from tables and declarations. */
const pages = {
  'faults.md': faultsPage(),
  'reference-cli.md': cliReference(),
  'reference-action.md': await actionReference(),
};
for (const [name, text] of Object.entries(pages)) {
  await writeFile(join(import.meta.dirname, '../docs', name), text);
}
