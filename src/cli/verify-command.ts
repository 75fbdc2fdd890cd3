import { BottleError, isDamage } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { parseId16 } from '../identity/image-id.ts';
import type { VerifyOptions } from '../sidecar/verify.ts';
import { storeDir } from '../store/location.ts';
import { Store, type StoredSidecar, verifyFile } from '../store/store.ts';
import type { Output } from './output.ts';

export interface VerifyCommandOptions {
  readonly all?: true;
  readonly deep?: true;
  readonly store?: string;
}

interface Verdict {
  readonly path: string;
  /** The exit code for this file alone. */
  readonly exit: number;
  readonly sha256?: string;
  readonly sizeBytes?: number;
  readonly imageId?: string;
  readonly members?: unknown;
  readonly error?: string;
  readonly quarantinedAs?: string;
}

/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; 65 when one is not good. */
export async function runVerify(
  fileOrId: string | undefined,
  { all, deep, store: dir }: VerifyCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  if ((fileOrId === undefined) === (all === undefined)) {
    throw new BottleError('usage', 'verify takes either a file, an image ID, or --all', {
      hint: 'claude-bottle verify --all checks the whole store',
    });
  }
  const options: VerifyOptions = {
    deep,
    signal,
    onBytes: (doneBytes) => output.onProgress({ type: 'bytes', stage: 'verify', doneBytes }),
  };
  const id = fileOrId === undefined ? undefined : parseId16(fileOrId);
  if (fileOrId !== undefined && id === undefined) {
    const stored = await verifyFile(fileOrId, options);
    report(output, verdictOf(stored), [verdictOf(stored)]);
    return 0;
  }
  const store = await Store.open(storeDir(dir));
  const verdicts: Verdict[] = [];
  for (const entry of id === undefined ? await store.list() : [id]) {
    verdicts.push(await verifyStored(store, store.pathFor(entry), options));
  }
  report(output, all ? verdicts : verdicts[0], verdicts);
  return verdicts.find(({ exit }) => exit !== 0)?.exit ?? 0;
}

async function verifyStored(store: Store, path: string, options: VerifyOptions): Promise<Verdict> {
  try {
    return verdictOf(await store.verify(path, options));
  } catch (error) {
    if (isDamage(error)) {
      return { path, exit: 65, error: error.message, quarantinedAs: await store.quarantine(path) };
    }
    if (error instanceof BottleError) {
      return { path, exit: error.exitCode, error: error.message };
    }
    throw error;
  }
}

function verdictOf({ path, report: { sha256, sizeBytes, members }, record }: StoredSidecar): Verdict {
  return {
    path,
    exit: 0,
    sha256,
    sizeBytes,
    ...(record && { imageId: record.image.id }),
    ...(members && { members }),
  };
}

function report(output: Output, value: unknown, verdicts: readonly Verdict[]): void {
  output.result(
    value,
    verdicts.length === 0
      ? ['the store has no sidecars']
      : verdicts.map(({ path, exit, sha256, sizeBytes, error, quarantinedAs }) => {
          if (exit === 0) {
            return `ok       ${path}  ${formatBytes(sizeBytes ?? 0)}  sha256:${sha256}`;
          }
          return quarantinedAs === undefined
            ? `failed   ${path}  ${error}`
            : `damaged  ${path}  ${error}; moved to ${quarantinedAs}`;
        }),
  );
}
