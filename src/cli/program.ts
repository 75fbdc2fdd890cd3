import { styleText } from 'node:util';
import { Command, CommanderError, Help, type Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { asBottleError, InterruptedError } from '../errors.ts';
import { killChildrenNow } from '../host/child.ts';
import { takeUnsafeSettings } from '../host/unsafe-settings.ts';
import { type CommandContext, type OutputOptions, terminalOutput } from './output.ts';
import { usageError } from './usage-error.ts';
import { type Start, verbs } from './verbs.ts';

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** Some senders signal a process and then its group: two equal signals within this time are one. */
const SAME_SIGNAL_MS = 1000;

const AFTER_HELP = `
Run claude-bottle <command> --help for details.
Exit codes and messages: docs/troubleshooting.md`;

/** Runs one command line and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const flags = flagsOf(argv);
  const output = terminalOutput(flags);
  for (const warning of takeUnsafeSettings(process.env)) {
    output.onProgress({ type: 'warning', message: warning });
  }
  const interruption = new AbortController();
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (first?.signal === signal && performance.now() - first.at < SAME_SIGNAL_MS) {
      return;
    }
    if (first !== undefined) {
      output.interrupted(signal);
      killChildrenNow();
      process.exit(128 + SIGNALS[signal as keyof typeof SIGNALS]);
    }
    first = { signal, at: performance.now() };
    output.interrupt();
    interruption.abort(new InterruptedError(signal));
  };
  const signals = Object.keys(SIGNALS) as NodeJS.Signals[];
  const releaseSignals = () => {
    for (const signal of signals) {
      process.off(signal, stop);
    }
  };
  for (const signal of signals) {
    process.on(signal, stop);
  }
  try {
    return await run(argv, { output, signal: interruption.signal, releaseSignals }, flags);
  } finally {
    releaseSignals();
  }
}

/** Also of a line that cannot be parsed, because its error is to be JSON too. */
function flagsOf(argv: readonly string[]): OutputOptions {
  const ours = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  return { json: ours.includes('--json'), debug: ours.includes('--debug'), quiet: false, verbose: false };
}

async function run(argv: readonly string[], context: CommandContext, flags: OutputOptions): Promise<number> {
  const { output, signal } = context;
  let exitCode = 0;
  const program = createProgram(async (command) => {
    exitCode = await command(context);
  });
  program.hook('preAction', (_, command) => {
    Object.assign(flags, command.optsWithGlobals());
  });
  try {
    // Throws when it has been deleted, before a command meets that as something else.
    process.cwd();
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (signal.reason instanceof InterruptedError) {
      output.interrupted(signal.reason.signal);
      return 128 + SIGNALS[signal.reason.signal as keyof typeof SIGNALS];
    }
    // Help and version have been printed; without a command the help is an error.
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) {
      return error.exitCode === 0 ? 0 : 64;
    }
    const known =
      error instanceof CommanderError
        ? usageError(error, program, argv.slice(2))
        : asBottleError(error, 'report this bug with the output of the same command and --debug');
    output.error(known);
    return known.exitCode;
  }
}

function createProgram(start: Start): Command {
  const program = new Command('claude-bottle')
    .usage('<command> [options]')
    .description("Get your agent's prebuilt sandbox from CI instead of packing it yourself.")
    .version(packageJson.version)
    .option('-q, --quiet', 'print only results, warnings and errors')
    .option('-v, --verbose', 'print every step, and digests in full')
    .option('--debug', 'show stack traces')
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      commandDescription,
      optionDescription,
      styleTitle: (text) => styled('bold', text),
      styleSubcommandText: (text) => styled('cyan', text),
      styleOptionText: (text) => styled('cyan', text),
    })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText('after', AFTER_HELP);
  for (const [heading, commands] of verbs(start)) {
    program.commandsGroup(heading);
    for (const command of commands) {
      program.addCommand(command.copyInheritedSettings(program));
    }
  }
  program.addHelpCommand(new Command('help').argument('[command]').summary('display help for a command'));
  return program;
}

/** commander takes the colors away again where they are not wanted. */
function styled(style: 'bold' | 'cyan', text: string): string {
  return styleText(style, text, { validateStream: false });
}

/** What a verb does, then its examples. */
function commandDescription(command: Command): string {
  const summary = command.summary();
  const sentence = summary === '' ? [] : [`${summary[0]?.toUpperCase()}${summary.slice(1)}.`];
  return [...sentence, command.description()].filter((text) => text !== '').join('\n\n');
}

/** Without the empty list that an option starts with when it may be repeated. */
function optionDescription(option: Option): string {
  return Array.isArray(option.defaultValue)
    ? option.description
    : Help.prototype.optionDescription.call(new Help(), option);
}
