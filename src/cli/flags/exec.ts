import { examples, fetchOptions, verb } from '../options.ts';

export function execFlags() {
  return fetchOptions(
    verb('exec', 'fetch, then run a command with what claude-bottle needs to find the sidecar').argument(
      '<command...>',
      'after --: the command and its arguments',
    ),
  ).addHelpText(
    'after',
    examples(['claude-bottle exec -- true', 'in place of true: what starts claude-bottle']),
  );
}
