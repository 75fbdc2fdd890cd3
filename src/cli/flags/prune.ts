import {
  duration,
  examples,
  jsonOption,
  type OptionsOf,
  size,
  storeOption,
  verb,
  wholeNumber,
} from '../options.ts';

export function pruneFlags() {
  return verb('prune', 'delete sidecars you no longer use (never automatic)')
    .option('--older-than <duration>', 'delete what was not used for this long (12h, 30d, 8w)', duration)
    .option('--max-size <size>', 'delete the least recently used until the store fits (20GB)', size)
    .option('--keep <n>', 'always keep the N most recently used', wholeNumber(0, 1_000_000), 1)
    .option('-n, --dry-run', 'show what would be deleted')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(examples(['claude-bottle prune --older-than 30d --dry-run', 'first look']));
}

export type PruneCommandOptions = OptionsOf<typeof pruneFlags>;
