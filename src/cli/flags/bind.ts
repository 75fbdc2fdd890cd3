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

export function bindFlags() {
  return contextOptions(
    verb('bind', 'link the stored sidecar to the image you build here').argument(
      '[docker-build-args...]',
      'after --: more arguments for docker build',
    ),
  )
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .optionsGroup('Result:')
    .option('--prove', 'require identical layers and config, not just inputs')
    .option('--replace', 'take the name away from a sidecar of another origin')
    .option(
      '--adopt',
      'accept one of unknown origin or image: of a store of version 0.1, or without a pack record',
    )
    .addOption(storeOption())
    .addOption(jsonOption())
    .description(examples(['claude-bottle bind', 'after fetch --no-bind, or another docker build']));
}

export type BindOptions = OptionsOf<typeof bindFlags>;
