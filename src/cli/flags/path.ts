import {
  buildOptions,
  examples,
  githubUrlOption,
  jsonOption,
  type OptionsOf,
  repoOption,
  storeOption,
  verb,
} from '../options.ts';

export function pathFlags() {
  return buildOptions(verb('path', "print the path of this checkout's sidecar (no network)"))
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .optionsGroup('Result:')
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(examples(['ls -l "$(claude-bottle path)"', 'in a script']));
}

export type PathCommandOptions = OptionsOf<typeof pathFlags>;
