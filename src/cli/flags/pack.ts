import {
  buildOptions,
  collect,
  examples,
  hopOption,
  jsonOption,
  type OptionsOf,
  packerOption,
  storeOption,
  verb,
  wholeNumber,
} from '../options.ts';

export function packFlags() {
  return buildOptions(
    verb('pack', 'build the image and pack it, unless the store has a verified sidecar for it').argument(
      '[docker-build-args...]',
      'after --: further arguments for docker build',
    ),
  )
    .option('--secret <spec>', 'build secret as docker build takes it, may be repeated', collect, [])
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--no-build', 'pack the image as it is on the Docker engine')
    .addOption(packerOption())
    .addOption(hopOption())
    .option('--registry-image <image>', 'image for --hop container (default: registry:2.8.3 by digest)')
    .addOption(storeOption())
    .option('--out <file>', 'also write the sidecar to this file')
    .option('--cpus <n>', 'CPUs of the machine', wholeNumber(1, 255))
    .option('--mem <MiB>', 'memory of the machine', wholeNumber(64, 1024 * 1024))
    .option('--timeout <minutes>', 'limit for smolvm pack create', wholeNumber(1, 24 * 60), 60)
    .option(
      '--smoke-test <command>',
      'start a machine from the sidecar and run this in it; store the sidecar only if it succeeds',
    )
    .option('--smoke-test-output <text>', 'what that command must print')
    .option('--force', 'pack also when the store has a verified sidecar')
    .option('--no-kvm-check', 'do not check /dev/kvm first')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle pack', 'build, pack, store'],
        ['claude-bottle pack --packer direct', 'without smolvm and KVM, the same bytes everywhere'],
        ['claude-bottle pack --out agent.smolmachine -- --pull', 'with a fresh base image, and to a file'],
        ['claude-bottle pack --smoke-test "claude --version"', 'only if that command succeeds in a machine'],
      ),
    );
}

export type PackOptions = OptionsOf<typeof packFlags>;
