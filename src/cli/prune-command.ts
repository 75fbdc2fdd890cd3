import { BottleError } from '../errors.ts';
import { formatBytes } from '../host/disk.ts';
import { storeDir } from '../store/location.ts';
import { type KeepReason, type PrunedSidecar, pruneStore, type RemoveReason } from '../store/prune.ts';
import { Store } from '../store/store.ts';
import { sweepStore } from '../store/sweep.ts';
import { formatAge } from './age.ts';
import type { PruneCommandOptions } from './flags/prune.ts';
import type { Output } from './output.ts';

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
      hint: 'use --older-than 30d, or --max-size 20GB',
    });
  }
  const store = await Store.open(storeDir(dir), output.onProgress);
  if (!dryRun) {
    await sweepStore(store);
  }
  const result = await pruneStore(store, { olderThanMs: olderThan, maxBytes: maxSize, keep, dryRun });
  const now = Date.now();
  const { removed, kept, freedBytes, quarantineRemoved } = result;
  output.result({ dryRun: dryRun ?? false, ...result }, [
    ...removed.map((sidecar) => lineOf(dryRun ? 'would go' : 'removed', sidecar, now)),
    ...kept.map((sidecar) => lineOf('kept', sidecar, now)),
    ...quarantineRemoved.map((path) => `${(dryRun ? 'would go' : 'removed').padEnd(9)} ${path}`),
    `${formatBytes(freedBytes)} ${dryRun ? 'would be freed' : 'freed'}`,
  ]);
  return 0;
}

function lineOf(
  verdict: string,
  { paths, sizeBytes, lastUsedAt, reason }: PrunedSidecar<RemoveReason | KeepReason>,
  now: number,
): string {
  const used = `used ${formatAge(now - Date.parse(lastUsedAt))}`;
  return `${verdict.padEnd(9)} ${paths[0]}  ${formatBytes(sizeBytes)}, ${used}: ${REASONS[reason]}`;
}
