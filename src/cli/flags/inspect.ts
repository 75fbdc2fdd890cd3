import { examples, jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function inspectFlags() {
  return verb('inspect', 'show what is in a sidecar and who it came from')
    .argument('<file-or-id>', 'a file, or an image ID or its first digits, as ls shows them')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(
      examples(
        ['claude-bottle inspect agent.smolmachine', 'image, machine, layers'],
        ['claude-bottle inspect c21df6b3f234', 'also origin and signature, from the store'],
      ),
    );
}

export type InspectCommandOptions = OptionsOf<typeof inspectFlags>;
