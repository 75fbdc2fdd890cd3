import { examples, fetchOptions, storeOption, verb } from '../options.ts';

export function execFlags() {
  return fetchOptions(
    verb('exec', 'fetch, then run a command (such as claude-bottle itself)').argument(
      '<command...>',
      'after --: the command and its arguments',
    ),
  )
    .optionsGroup('Result:')
    .addOption(storeOption())
    .description(examples(['claude-bottle exec -- ./cli.py start', 'fetch if needed, then start']));
}
