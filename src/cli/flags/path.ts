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
  return buildOptions(verb('path', 'print the path of the stored sidecar of this checkout; asks no source'))
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['ls -l "$(claude-bottle path)"', 'in a script']));
}

export type PathCommandOptions = OptionsOf<typeof pathFlags>;
