import * as fs from 'node:fs/promises';
import { BottleError, fileError } from '../errors.ts';
import { parseRecord } from '../fetch/record.ts';
import { readSmallFile } from '../host/small-file.ts';
import type { Id16 } from '../identity/image-id.ts';
import { isSameOrigin } from '../identity/origin.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { expectedOf, MAX_RECORD_BYTES, verifyFile } from '../sidecar/file.ts';
import type { SidecarReport, VerifyOptions } from '../sidecar/report.ts';
import { verifySidecar } from '../sidecar/verify.ts';
import { statFile } from '../store/catalog.ts';
import { objectPath } from '../store/location.ts';
import { verifyNamed } from '../store/read.ts';
import type { Store } from '../store/store.ts';
import { findId } from './stored-id.ts';

const RECORD_SUFFIX = '.json';

/** A sidecar that the command line names. */
export interface NamedSidecar {
  /** Undefined where something else than this project wrote the sidecar. */
  readonly record: PackRecord | undefined;
  /** Undefined where there is only a pack record. */
  readonly report: SidecarReport | undefined;
}

/**
 * Finds and verifies the sidecar that a file, its pack record, or the image ID of a sidecar in the store names.
 * @throws BottleError `not-found`, `sidecar-damaged`, `sidecar-refused`
 */
export async function readNamed(text: string, store: Store, options: VerifyOptions): Promise<NamedSidecar> {
  const isThere = await fs.lstat(text).then(
    () => true,
    () => false,
  );
  const id = isThere ? undefined : await findId(store, text);
  if (id !== undefined) {
    return await readById(id, text, store, options);
  }
  if (!isThere) {
    throw new BottleError('not-found', `there is no file ${text}, and it is not an image ID`, {
      hint: 'name a sidecar, its pack record, or an ID that claude-bottle ls shows',
    });
  }
  return text.endsWith(RECORD_SUFFIX)
    ? await readByRecord(text, store, options)
    : await verifyFile(text, options);
}

async function readById(id: Id16, text: string, store: Store, options: VerifyOptions): Promise<NamedSidecar> {
  if ((await statFile(store.pathFor(id))) === undefined) {
    throw new BottleError('not-found', `the store has no sidecar for the image ${text}`, {
      hint: 'claude-bottle ls  # shows what the store has',
    });
  }
  const { report, content, given } = await verifyNamed(store, id, options);
  const installation =
    given && content?.installations.find(({ origin }) => isSameOrigin(origin, given.origin));
  return { report, record: installation?.record };
}

/** The sidecar is beside its record, or in the store. */
async function readByRecord(path: string, store: Store, options: VerifyOptions): Promise<NamedSidecar> {
  const json = await readSmallFile(path, MAX_RECORD_BYTES).catch((error: unknown) => {
    throw fileError(`cannot read ${path}`, error);
  });
  const record = parseRecord(json, path);
  const places = [path.slice(0, -RECORD_SUFFIX.length), objectPath(store.layout, record.sidecar.sha256)];
  for (const place of places) {
    if ((await statFile(place)) !== undefined) {
      return { record, report: await verifySidecar(place, expectedOf(record), options) };
    }
  }
  return { record, report: undefined };
}
