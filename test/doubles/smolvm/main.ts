import { packCreateHelp, parsePackCreate } from './arguments.ts';
import { describeError, Panic, UsageError } from './failures.ts';
import { VERSION } from './knobs.ts';
import { machine } from './machine.ts';
import { packCreate } from './pack-create.ts';

const HELP = 'Run microVMs\n\nUsage: smolvm <COMMAND>\n\nCommands:\n  pack  Package images: `pack create`\n';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  process.stderr.write('smolvm-double: this is a test double, not smolvm; no VM is started\n');
  if (VERSION === '1.7.0') {
    process.stderr.write("note: no packed assets found for 'smolvm-bin'\n");
  }
  try {
    return await runCommand(argv);
  } catch (error) {
    return reportError(error);
  }
}

async function runCommand([command, subcommand, ...rest]: readonly string[]): Promise<number> {
  if (command === '--version' || command === '-V') {
    process.stdout.write(`smolvm ${VERSION}\n`);
  } else if (command === '--help' || command === '-h') {
    process.stdout.write(HELP);
  } else if (command === 'pack' && subcommand === 'create') {
    const args = parsePackCreate(rest);
    await (args === 'help' ? process.stdout.write(packCreateHelp()) : packCreate(args));
  } else if (command === 'machine' && subcommand !== undefined) {
    return await machine([subcommand, ...rest]);
  } else {
    const words = [command, subcommand].filter(Boolean).join(' ');
    throw new UsageError(`error: unrecognized subcommand '${words}'\n\nFor more information, try '--help'.`);
  }
  return 0;
}

function reportError(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  if (error instanceof Panic) {
    process.stderr.write(`\nthread 'main' panicked at src/cli/pack.rs:\n${error.message}\n`);
    return 101;
  }
  process.stderr.write(`Error: ${describeError(error)}\n`);
  return 1;
}
