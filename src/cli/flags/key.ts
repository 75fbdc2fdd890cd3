import { buildOptions, examples, jsonOption, type OptionsOf, verb } from '../options.ts';

export function keyFlags() {
  return buildOptions(
    verb('key', 'print the inputs key: the same wherever the same inputs go into docker build'),
  )
    .option('--explain', 'also list what the key is made of')
    .option('--against <record>', 'also say what differs from this pack record (a JSON file)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle key', 'the key of this checkout'],
        ['claude-bottle key --explain --platform linux/arm64', 'and what goes into it'],
        [
          'claude-bottle key --against agent.smolmachine.json',
          'why a published sidecar is not for this checkout',
        ],
      ),
    );
}

export type KeyCommandOptions = OptionsOf<typeof keyFlags>;
