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
  return verb('prune', 'remove sidecars that nothing uses; never done by itself')
    .option(
      '--older-than <duration>',
      'remove sidecars that were not used for this long (12h, 30d, 8w)',
      duration,
    )
    .option(
      '--max-size <size>',
      'remove the least recently used sidecars until the store is at most this size (500MB, 20GB)',
      size,
    )
    .option('--keep <n>', 'always keep the <n> most recently used', wholeNumber(0, 1_000_000), 1)
    .option('--dry-run', 'say what would be removed')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle prune --older-than 30d --dry-run', 'first look']));
}

export type PruneCommandOptions = OptionsOf<typeof pruneFlags>;
