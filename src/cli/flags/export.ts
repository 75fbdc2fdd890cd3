import {
  contextOptions,
  examples,
  githubUrlOption,
  jsonOption,
  type OptionsOf,
  repoOption,
  storeOption,
  verb,
} from '../options.ts';

export function exportFlags() {
  return contextOptions(
    verb('export', "copy this checkout's sidecars to a directory")
      .argument('<dir>', 'where to: each sidecar with its record and signature')
      .argument('[id]', "an image ID, or its first 16 digits, in place of this checkout's"),
  )
    .option('--platform <platform>', 'only this platform (default: all in the store)')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .optionsGroup('Result:')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(examples(['claude-bottle export /media/stick', 'what the store has for this checkout']));
}

export type ExportCommandOptions = OptionsOf<typeof exportFlags>;
