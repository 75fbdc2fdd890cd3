import {
  collect,
  contextOptions,
  examples,
  jsonOption,
  type OptionsOf,
  sourceOptions,
  storeOption,
  trustOptions,
  verb,
} from '../options.ts';

export function lockFlags() {
  return trustOptions(
    sourceOptions(
      contextOptions(
        verb('lock', 'write claude-bottle.lock: which sidecar this checkout has, and where it is'),
      ),
    ),
  )
    .addOption(storeOption())
    .option(
      '--platform <platform>',
      'guest platform, may be repeated (default: those that are published)',
      collect,
      [],
    )
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle lock', 'then commit claude-bottle.lock']));
}

export type LockCommandOptions = OptionsOf<typeof lockFlags>;
