import { examples, jsonOption, verb } from '../options.ts';

export function inspectFlags() {
  return verb('inspect', 'show what is in a sidecar, without verifying it')
    .argument('<file>')
    .addOption(jsonOption())
    .description(examples(['claude-bottle inspect agent.smolmachine', 'image, machine, layers']));
}
