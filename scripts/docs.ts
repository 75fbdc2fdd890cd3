import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { faultsPage } from '../test/docs/faults/page.ts';

/** Writes the pages of the documentation that are made from tables. */
await writeFile(join(import.meta.dirname, '../docs/faults.md'), faultsPage());
