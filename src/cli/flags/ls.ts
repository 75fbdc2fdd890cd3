import { examples, jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function lsFlags() {
  return verb('ls', 'list the sidecars of the store, and the image IDs that they are bound to')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle ls', 'what there is']));
}

export type LsCommandOptions = OptionsOf<typeof lsFlags>;
