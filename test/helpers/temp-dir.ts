import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory that is gone after the test. */
export async function tempDir(): Promise<string> {
  const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  onTestFinished(() => fs.rm(dir, { recursive: true, force: true }));
  return dir;
}
