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
    sourceOptions(contextOptions(verb('lock', "pin this checkout's sidecar in claude-bottle.lock"))),
  )
    .optionsGroup('Result:')
    .addOption(storeOption())
    .option('--platform <platform>', 'platform (repeatable; default: all that are published)', collect, [])
    .addOption(jsonOption())
    .description(examples(['claude-bottle lock', 'then commit claude-bottle.lock']));
}

export type LockCommandOptions = OptionsOf<typeof lockFlags>;
