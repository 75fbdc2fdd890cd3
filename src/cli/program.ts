import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { asBottleError, InterruptedError } from '../errors.ts';
import type { DoctorOptions } from './doctor-command.ts';
import type { KeyCommandOptions } from './key-command.ts';
import { type Output, terminalOutput } from './output.ts';
import type { PackCommandOptions } from './pack-command.ts';
import type { VerifyCommandOptions } from './verify-command.ts';

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

const EXIT_CODES_HELP = `
Exit codes:
  0    done, or already there            70   a bug of ours
  1    docker or smolvm failed           73   cannot write
  64   wrong usage                       74   input/output error
  65   damaged sidecar                   77   not permitted
  66   no such image or sidecar          78   configuration
  69   no Docker daemon                  129, 130, 143   stopped by a signal`;

/** Runs one command line and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const output = terminalOutput({ json: argv.includes('--json'), debug: argv.includes('--debug') });
  const interruption = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (interruption.signal.aborted) {
      process.exit(128 + SIGNALS[signal as keyof typeof SIGNALS]);
    }
    output.note(`${signal}: cleaning up, once more to stop at once`);
    interruption.abort(new InterruptedError(signal));
  };
  const signals = Object.keys(SIGNALS) as NodeJS.Signals[];
  for (const signal of signals) {
    process.on(signal, stop);
  }
  try {
    return await run(argv, output, interruption.signal);
  } finally {
    for (const signal of signals) {
      process.off(signal, stop);
    }
  }
}

async function run(argv: readonly string[], output: Output, signal: AbortSignal): Promise<number> {
  let exitCode = 0;
  const program = createProgram(async (command) => {
    exitCode = await command(output, signal);
  });
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (signal.reason instanceof InterruptedError) {
      return 128 + SIGNALS[signal.reason.signal as keyof typeof SIGNALS];
    }
    if (error instanceof CommanderError) {
      // commander has printed its message; help and version end with 0
      return error.exitCode === 0 ? 0 : 64;
    }
    const known = asBottleError(
      error,
      'this is a bug: report it with the output of the same command and --debug',
    );
    output.error(known);
    return known.exitCode;
  }
}

type CommandRun = (output: Output, signal: AbortSignal) => Promise<number>;

function createProgram(start: (command: CommandRun) => Promise<void>): Command {
  const program = new Command('claude-bottle')
    .description(
      'Pack agent images into verified .smolmachine sidecars, and keep them where claude-bottle looks.',
    )
    .version(packageJson.version)
    .option('--debug', 'show stack traces')
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(claude-bottle --help lists what there is)')
    .addHelpText('after', EXIT_CODES_HELP);

  program
    .command('pack')
    .description('build the image and pack it, unless the store has a verified sidecar for it')
    .argument('[docker-build-args...]', 'after --: further arguments for docker build')
    .option('--context <dir>', 'build context', '.')
    .option('--file <file>', 'Dockerfile (default: Dockerfile in the context)')
    .option('--target <stage>', 'build stage')
    .option('--build-arg <key=value>', 'build argument, may be repeated', collect, [])
    .option('--secret <spec>', 'build secret as docker build takes it, may be repeated', collect, [])
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--no-build', 'pack the image as it is on the Docker engine')
    .option('--platform <platform>', "guest platform: linux/amd64 or linux/arm64 (default: this machine's)")
    .addOption(
      new Option('--hop <kind>', 'registry for smolvm')
        .choices(['embedded', 'container'])
        .default('embedded'),
    )
    .option('--registry-image <image>', 'image for --hop container (default: registry:2.8.3 by digest)')
    .addOption(storeOption())
    .option('--out <file>', 'also write the sidecar to this file')
    .option('--cpus <n>', 'CPUs of the machine', wholeNumber(1, 255))
    .option('--mem <MiB>', 'memory of the machine', wholeNumber(64, 1024 * 1024))
    .option('--timeout <minutes>', 'limit for smolvm pack create', wholeNumber(1, 24 * 60), 60)
    .option('--force', 'pack also when the store has a verified sidecar')
    .option('--no-kvm-check', 'start smolvm without a usable /dev/kvm: for the test double')
    .addOption(jsonOption())
    .action((buildArgs: string[], options: PackCommandOptions) =>
      start(async (output, signal) => {
        const { runPack } = await import('./pack-command.ts');
        return await runPack({ ...options, extraArgs: buildArgs }, output, signal);
      }),
    );

  program
    .command('key')
    .description('print the inputs key: the same wherever the same inputs go into docker build')
    .option('--context <dir>', 'build context', '.')
    .option('--file <file>', 'Dockerfile (default: Dockerfile in the context)')
    .option('--target <stage>', 'build stage')
    .option('--build-arg <key=value>', 'build argument, may be repeated', collect, [])
    .option('--platform <platform>', "guest platform: linux/amd64 or linux/arm64 (default: this machine's)")
    .option('--explain', 'also list what the key is made of')
    .addOption(jsonOption())
    .action((options: KeyCommandOptions) =>
      start(async (output, signal) => {
        const { runKey } = await import('./key-command.ts');
        return await runKey(options, output, signal);
      }),
    );

  program
    .command('inspect')
    .description('show what is in a sidecar, without verifying it')
    .argument('<file>')
    .addOption(jsonOption())
    .action((file: string) =>
      start(async (output) => {
        const { runInspect } = await import('./inspect-command.ts');
        return await runInspect(file, output);
      }),
    );

  program
    .command('verify')
    .description('check sidecars; damaged ones of the store go to quarantine')
    .argument('[file-or-id]', 'a file, an image ID, or its first 16 hex digits')
    .option('--all', 'every sidecar in the store')
    .option('--deep', 'also unpack and check every entry')
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((fileOrId: string | undefined, options: VerifyCommandOptions) =>
      start(async (output, signal) => {
        const { runVerify } = await import('./verify-command.ts');
        return await runVerify(fileOrId, options, output, signal);
      }),
    );

  program
    .command('doctor')
    .description('check what packing needs on this machine')
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((options: DoctorOptions) =>
      start(async (output, signal) => {
        const { runDoctor } = await import('./doctor-command.ts');
        return await runDoctor(options, output, signal);
      }),
    );
  return program;
}

function storeOption(): Option {
  return new Option(
    '--store <dir>',
    'directory of the sidecars (default: ~/.cache/claude-bottle/smolmachines)',
  ).env('CLAUDE_BOTTLE_STORE');
}

function jsonOption(): Option {
  return new Option('--json', 'print the result as JSON');
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Use a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}
