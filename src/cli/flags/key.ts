import { buildOptions, examples, jsonOption, type OptionsOf, verb } from '../options.ts';

export function keyFlags() {
  return buildOptions(verb('key', 'print the hash of everything docker build reads'))
    .optionsGroup('Result:')
    .option('--explain', 'also list what the key is made of')
    .option('--against <record>', 'also show what differs from this pack record')
    .addOption(jsonOption())
    .description(
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
