import { BottleError } from '../errors.ts';
import { parseJson } from '../identity/json.ts';
import { PACK_RECORD_VERSION, type PackRecord, packRecordSchema } from '../identity/pack-record.ts';

/**
 * A pack record as some source has it; `where` is that place, for the message.
 * @throws BottleError `sidecar-damaged`
 */
export function parseRecord(content: Buffer | string, where: string): PackRecord {
  const json = recordJson(content.toString(), where);
  const { data, error } = packRecordSchema.safeParse(json);
  if (data !== undefined) {
    return data;
  }
  const version = versionOf(json);
  if (typeof version === 'number' && version > PACK_RECORD_VERSION) {
    throw damagedRecord(
      `${where} is a pack record of version ${version}, and this claude-bottle knows ${PACK_RECORD_VERSION}`,
      'update claude-bottle',
    );
  }
  const [issue] = error.issues;
  throw damagedRecord(
    `${where} is not a valid pack record: field ${issue?.path.join('.') || '(all)'} is invalid`,
  );
}

function recordJson(text: string, where: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    const reason =
      error instanceof Error && error.message.includes('nested') ? error.message : 'it is not JSON';
    throw damagedRecord(`${where} is not a valid pack record: ${reason}`, undefined, error);
  }
}

function versionOf(json: unknown): unknown {
  return typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
}

export function damagedRecord(
  message: string,
  hint = 'publish the sidecar again, or pack your own: claude-bottle pack',
  cause?: unknown,
): BottleError {
  return new BottleError('sidecar-damaged', message, { hint, cause });
}
