import { examples, jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function lsFlags() {
  return verb('ls', 'list the sidecars in the local store')
    .alias('list')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(examples(['claude-bottle ls', 'what the store has']));
}

export type LsCommandOptions = OptionsOf<typeof lsFlags>;
