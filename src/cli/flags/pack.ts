import {
  buildOptions,
  collect,
  examples,
  hopOption,
  jsonOption,
  type OptionsOf,
  packerOption,
  reproduceOption,
  storeOption,
  verb,
  wholeNumber,
} from '../options.ts';

export function packFlags() {
  return buildOptions(
    verb('pack', 'build the image and pack it on this machine').argument(
      '[docker-build-args...]',
      'after --: more arguments for docker build',
    ),
  )
    .option('--secret <spec>', 'build secret, as docker build takes it (repeatable)', collect, [])
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--no-build', 'pack the image that is on the Docker engine')
    .optionsGroup('Packing:')
    .addOption(packerOption())
    .addOption(hopOption())
    .option('--registry-image <image>', 'image for --hop container (default: registry:2.8.3 by digest)')
    .addOption(storeOption())
    .option('-o, --out <file>', 'also write the sidecar to this file')
    .option('--cpus <n>', 'CPUs of the machine', wholeNumber(1, 255))
    .option('--mem <MiB>', 'memory of the machine', wholeNumber(64, 1024 * 1024))
    .option('--timeout <minutes>', 'limit for smolvm pack create', wholeNumber(1, 24 * 60), 60)
    .option('--smoke-test <command>', 'run this in a machine made from the sidecar before keeping it')
    .option('--smoke-test-output <text>', 'what that command must print')
    .option('--force', 'pack even if the store has a sidecar for this image')
    .option('--no-kvm-check', 'do not check /dev/kvm first')
    .addOption(reproduceOption())
    .addOption(jsonOption())
    .description(
      examples(
        ['claude-bottle pack', 'build, pack, store'],
        ['claude-bottle pack --packer direct', 'without smolvm and KVM, the same bytes everywhere'],
        ['claude-bottle pack --out agent.smolmachine -- --pull', 'with a fresh base image, and to a file'],
        ['claude-bottle pack --smoke-test "claude --version"', 'only if that command succeeds in a machine'],
        ['claude-bottle pack --reproduce agent.smolmachine', 'whether this checkout gives the same bytes'],
      ),
    );
}

export type PackOptions = OptionsOf<typeof packFlags>;
