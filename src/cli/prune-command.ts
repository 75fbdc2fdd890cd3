import { basename } from 'node:path';
import { BottleError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { id16OfName, storeDir } from '../store/location.ts';
import { type KeepReason, type PrunedSidecar, pruneStore, type RemoveReason } from '../store/prune.ts';
import { Store } from '../store/store.ts';
import { sweepStore } from '../store/sweep.ts';
import { formatAge } from './age.ts';
import type { PruneCommandOptions } from './flags/prune.ts';
import type { Output } from './output.ts';
import { shortHashes } from './style.ts';

const VERDICT_COLUMNS = 'would go'.length;

const REASONS: Record<RemoveReason | KeepReason, string> = {
  old: 'not used for longer',
  'over-limit': 'over the size',
  'within-limits': 'within the limits',
  newest: 'among the last used',
  machine: 'a machine of smolvm was made from it',
  busy: 'another run works on it',
};

/** `claude-bottle prune`: says of each sidecar whether it goes, and why. */
export async function runPrune(
  { olderThan, maxSize, keep, dryRun, store: dir }: PruneCommandOptions,
  output: Output,
): Promise<number> {
  if (olderThan === undefined && maxSize === undefined) {
    throw new BottleError('usage', 'prune needs a limit', {
      hint: 'claude-bottle prune --older-than 30d  # or --max-size 20GB',
    });
  }
  const store = await Store.open(storeDir(dir), output.onProgress);
  if (!dryRun) {
    await sweepStore(store);
  }
  const result = await pruneStore(store, { olderThanMs: olderThan, maxBytes: maxSize, keep, dryRun });
  const now = Date.now();
  const { removed, kept, freedBytes, quarantineRemoved } = result;
  const verdict = dryRun ? 'would go' : 'removed';
  output.result({ dryRun: dryRun ?? false, ...result }, [
    ...removed.map((sidecar) => lineOf(verdict, sidecar, now)),
    ...kept.map((sidecar) => lineOf('kept', sidecar, now)),
    ...quarantineRemoved.map((path) => `${verdict.padEnd(VERDICT_COLUMNS)}  ${path}`),
    `${formatBytes(freedBytes)} ${dryRun ? 'would be freed' : 'freed'}`,
  ]);
  return 0;
}

function lineOf(
  verdict: string,
  { paths, sha256, sizeBytes, lastUsedAt, reason }: PrunedSidecar<RemoveReason | KeepReason>,
  now: number,
): string {
  const id = paths.map((path) => id16OfName(basename(path)) ?? sha256 ?? path)[0] ?? '';
  return [
    verdict.padEnd(VERDICT_COLUMNS),
    shortHashes(id),
    formatBytes(sizeBytes).padStart(7),
    `used ${formatAge(now - Date.parse(lastUsedAt))}`.padEnd(11),
    REASONS[reason],
  ].join('  ');
}
