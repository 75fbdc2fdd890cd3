import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, hasErrno } from '../errors.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { formatRecord, recordPathOf } from '../sidecar/file.ts';
import type { Job } from './job.ts';

/** The directories in RUNNER_TEMP that hold what the step has made, until the job ends, begin with this. */
export const RESULTS_PREFIX = 'claude-bottle-pack-';

/** Moves a whole, verified sidecar to where it stays until the job ends, with its pack record beside it. */
export async function keepResult<T extends string | undefined>(
  { tempDir }: Job,
  name: string,
  from: T,
  record: PackRecord,
): Promise<{ readonly path: T; readonly recordPath: string }> {
  try {
    const dir = await fs.mkdtemp(join(tempDir, RESULTS_PREFIX));
    const path = join(dir, name);
    const recordPath = recordPathOf(path);
    await fs.writeFile(recordPath, formatRecord(record));
    if (from !== undefined) {
      await move(from, path);
    }
    return { path: (from === undefined ? undefined : path) as T, recordPath };
  } catch (error) {
    throw fileError(`cannot keep ${name} in RUNNER_TEMP, ${tempDir}`, error);
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await fs.rename(from, to);
  } catch (error) {
    if (!hasErrno(error, 'EXDEV')) {
      throw error;
    }
    await fs.copyFile(from, to);
    await fs.rm(from);
  }
}
