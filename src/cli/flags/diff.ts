import { examples, jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function diffFlags() {
  return verb('diff', 'show which files differ between two sidecars')
    .argument('<from>', 'a sidecar, its pack record, or the image ID of a sidecar in the store')
    .argument('<to>', 'the same, of the newer one')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(
      examples(
        ['claude-bottle diff old.smolmachine agent.smolmachine', 'what is new, and what the update fetches'],
        ['claude-bottle diff --json old.smolmachine agent.smolmachine', 'every difference, also of times'],
      ),
    );
}

export type DiffOptions = OptionsOf<typeof diffFlags>;
