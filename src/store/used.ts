import * as fs from 'node:fs/promises';
import { tryLock } from '../host/lock.ts';
import { contentPath, readContent } from './catalog.ts';
import { writeWhole } from './files.ts';
import type { Store } from './store.ts';

/** Remembers that a sidecar was used now, unless the store is busy or cannot be written. */
export async function touchUsed(store: Store, sha256: string): Promise<void> {
  const { layout } = store;
  try {
    await fs.access(contentPath(layout, sha256));
    const lock = await tryLock(store.lockPlace('names'));
    try {
      const content = lock && (await readContent(layout, sha256));
      if (content !== undefined) {
        const text = `${JSON.stringify({ ...content, usedAt: new Date().toISOString() }, undefined, 2)}\n`;
        await writeWhole(layout.tmp, contentPath(layout, sha256), text);
      }
    } finally {
      await lock?.release();
    }
  } catch {
    // Prune then goes by an earlier time.
  }
}
