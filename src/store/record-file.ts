import * as fs from 'node:fs/promises';
import { type PackRecord, readableRecord } from '../identity/pack-record.ts';

const MAX_RECORD_BYTES = 1024 * 1024;

/** Undefined when there is none that can be read. */
export async function readRecord(path: string): Promise<PackRecord | undefined> {
  try {
    const { size } = await fs.stat(path);
    return size <= MAX_RECORD_BYTES ? readableRecord(await fs.readFile(path, 'utf8')) : undefined;
  } catch {
    return undefined;
  }
}

export function formatRecord(record: PackRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}
