import * as fs from 'node:fs/promises';
import { type PackRecord, packRecordSchema } from '../identity/pack-record.ts';

const MAX_RECORD_BYTES = 1024 * 1024;

/** Undefined when there is none that can be read. */
export async function readRecord(path: string): Promise<PackRecord | undefined> {
  try {
    const { size } = await fs.stat(path);
    const record: unknown =
      size <= MAX_RECORD_BYTES ? JSON.parse(await fs.readFile(path, 'utf8')) : undefined;
    return packRecordSchema.safeParse(record).data;
  } catch {
    return undefined;
  }
}

export function formatRecord(record: PackRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}
