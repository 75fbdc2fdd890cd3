import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from './directory.ts';
import { writeWhole } from './files.ts';
import type { StoreLayout } from './location.ts';

/** Remembers that a sidecar was used now; a store that cannot be written is as good as one that can. */
export async function touchUsed(layout: StoreLayout, sha256: string): Promise<void> {
  try {
    await fs.access(join(layout.records, `${sha256}.json`));
    await makeDirectory(layout.used);
    const text = `${JSON.stringify({ usedAt: new Date().toISOString() })}\n`;
    await writeWhole(layout.tmp, join(layout.used, `${sha256}.json`), text);
  } catch {
    // no record, or not writable
  }
}

/** Undefined when there is no note of it, and not a number when there is one that says nothing. */
export async function readUsedMs({ used }: StoreLayout, sha256: string): Promise<number | undefined> {
  const text = await fs.readFile(join(used, `${sha256}.json`), 'utf8').catch(() => undefined);
  try {
    // By hand, like the lookup: whoever touches has no use for zod.
    const usedAt: unknown = text && JSON.parse(text).usedAt;
    return text === undefined ? undefined : typeof usedAt === 'string' ? Date.parse(usedAt) : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
