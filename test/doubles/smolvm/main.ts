import { packCreateHelp, parsePackCreate } from './arguments.ts';
import { describeError, Panic, SmolvmError, UsageError } from './failures.ts';
import { isSince, VERSION } from './knobs.ts';
import { machine } from './machine.ts';
import { packCreate } from './pack-create.ts';

const HELP = 'Run microVMs\n\nUsage: smolvm <COMMAND>\n\nCommands:\n  pack  Package images: `pack create`\n';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  process.stderr.write('smolvm-double: this is a test double, not smolvm; no VM is started\n');
  try {
    return await runCommand(argv);
  } catch (error) {
    return reportError(error, argv.join(' ').includes('--error-format json'));
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
    const options = isSince('1.28.0') ? '[OPTIONS] ' : '';
    throw new UsageError(
      `error: unrecognized subcommand '${words}'\n\nUsage: smolvm ${options}<COMMAND>\n\nFor more information, try '--help'.`,
    );
  }
  return 0;
}

function reportError(error: unknown, asJson: boolean): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  if (error instanceof Panic) {
    process.stderr.write(`\nthread 'main' panicked at src/cli/pack.rs:\n${error.message}\n`);
    return 101;
  }
  const message = describeError(error);
  const code = error instanceof SmolvmError ? error.code : 'SMOLVM_ERROR';
  process.stderr.write(asJson ? `${JSON.stringify({ error: { code, message } })}\n` : `Error: ${message}\n`);
  return 1;
}
