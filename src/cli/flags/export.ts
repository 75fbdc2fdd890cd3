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
    verb('export', "copy this checkout's sidecars into a directory, for a machine without a network")
      .argument('<dir>', 'where to: a sidecar, its pack record and its signature are three files')
      .argument('[id]', "an image ID, or its first 16 hex digits, in place of this checkout's"),
  )
    .option('--platform <platform>', 'only this guest platform (default: those that the store has)')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(['claude-bottle export /media/stick', 'what the store has for this checkout']),
    );
}

export type ExportCommandOptions = OptionsOf<typeof exportFlags>;
