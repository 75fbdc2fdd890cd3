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
    verb(
      'bind',
      'build the image as claude-bottle does, and give the stored sidecar the name of its ID',
    ).argument('[docker-build-args...]', 'after --: further arguments for docker build'),
  )
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--prove', 'only if layers and runtime config are those of the image that was packed')
    .option('--replace', 'take the name away from a good sidecar of another origin')
    .option('--adopt', 'accept a stored sidecar whose origin is unknown, from a store of version 0.1')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle bind', 'after fetch --no-bind, or another docker build']));
}

export type BindOptions = OptionsOf<typeof bindFlags>;
