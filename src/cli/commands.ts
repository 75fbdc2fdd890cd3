import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BindCommandOptions } from './bind-command.ts';
import type { DoctorOptions } from './doctor-command.ts';
import type { ExportCommandOptions } from './export-command.ts';
import type { FetchCommandOptions } from './fetch-command.ts';
import type { KeyCommandOptions } from './key-command.ts';
import type { LockCommandOptions } from './lock-command.ts';
import type { LsCommandOptions } from './ls-command.ts';
import type { Output } from './output.ts';
import type { PackCommandOptions } from './pack-command.ts';
import type { PathCommandOptions } from './path-command.ts';
import type { PruneCommandOptions } from './prune-command.ts';
import type { VerifyCommandOptions } from './verify-command.ts';

/** What a command does once its line is understood. Its module is loaded only then. */
export type CommandRun = (context: CommandContext) => Promise<number>;

export interface CommandContext {
  readonly output: Output;
  readonly signal: AbortSignal;
  /** From now on signals do what they do by default: for a command that hands over to another program. */
  readonly releaseSignals: () => void;
}

type Start = (command: CommandRun) => Promise<void>;

/** The commands, in the order of the help: first what everybody needs. */
export function addCommands(program: Command, start: Start): void {
  addFetch(program, start);
  addExec(program, start);
  addPack(program, start);
  addBind(program, start);
  addPath(program, start);
  addKey(program, start);
  addLock(program, start);
  addLs(program, start);
  addPrune(program, start);
  addExport(program, start);
  addInspect(program, start);
  addVerify(program, start);
  addDoctor(program, start);
}

function addFetch(program: Command, start: Start): void {
  fetchOptions(
    program
      .command('fetch')
      .description(
        'download the prebuilt sidecar of this checkout, verify it, put it where claude-bottle looks',
      )
      .argument('[docker-build-args...]', 'after --: further arguments for the docker build that binds it'),
  )
    .option('--dry-run', 'say what would be fetched, and from where')
    .option('--no-bind', 'only store it; claude-bottle bind does the rest')
    .option('--print-path', 'print nothing but the path of the sidecar')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle fetch', 'what CI has packed for this checkout'],
        ['claude-bottle fetch --dry-run', 'only look'],
        ['claude-bottle fetch --from oci:localhost:5000/owner/repo/smolmachine', 'from this registry'],
        ['claude-bottle fetch --locked', 'exactly what claude-bottle.lock says'],
      ),
    )
    .action((buildArgs: string[], options: FetchCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runFetch } = await import('./fetch-command.ts');
        return await runFetch({ ...options, extraArgs: buildArgs }, output, signal);
      }),
    );
}

function addExec(program: Command, start: Start): void {
  fetchOptions(
    program
      .command('exec')
      .description('fetch, then run a command with what claude-bottle needs to find the sidecar')
      .argument('<command...>', 'after --: the command and its arguments'),
  )
    .addHelpText(
      'after',
      examples(['claude-bottle exec -- true', 'in place of true: what starts claude-bottle']),
    )
    .action((command: string[], options: FetchCommandOptions) =>
      start(async (context) => {
        const { runExec } = await import('./exec-command.ts');
        return await runExec(command, { ...options, bind: true }, context);
      }),
    );
}

function addPack(program: Command, start: Start): void {
  buildOptions(
    program
      .command('pack')
      .description('build the image and pack it, unless the store has a verified sidecar for it')
      .argument('[docker-build-args...]', 'after --: further arguments for docker build'),
  )
    .option('--secret <spec>', 'build secret as docker build takes it, may be repeated', collect, [])
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--no-build', 'pack the image as it is on the Docker engine')
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
    .option(
      '--smoke-test <command>',
      'start a machine from the sidecar and run this in it; store the sidecar only if it succeeds',
    )
    .option('--smoke-test-output <text>', 'what that command must print')
    .option('--force', 'pack also when the store has a verified sidecar')
    .option('--no-kvm-check', 'start smolvm without a usable /dev/kvm: for the test double')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle pack', 'build, pack, store'],
        ['claude-bottle pack --out agent.smolmachine -- --pull', 'with a fresh base image, and to a file'],
        ['claude-bottle pack --smoke-test "claude --version"', 'only if that command succeeds in a machine'],
      ),
    )
    .action((buildArgs: string[], options: PackCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runPack } = await import('./pack-command.ts');
        return await runPack({ ...options, extraArgs: buildArgs }, output, signal);
      }),
    );
}

function addBind(program: Command, start: Start): void {
  buildOptions(
    program
      .command('bind')
      .description('build the image as claude-bottle does, and give the stored sidecar the name of its ID')
      .argument('[docker-build-args...]', 'after --: further arguments for docker build'),
    { hasPlatform: false },
  )
    .option('--image <name>', 'image to build (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)')
    .option('--prove', 'only if layers and runtime config are those of the image that was packed')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle bind', 'after fetch --no-bind, or another docker build']))
    .action((buildArgs: string[], options: BindCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runBind } = await import('./bind-command.ts');
        return await runBind({ ...options, extraArgs: buildArgs }, output, signal);
      }),
    );
}

function addPath(program: Command, start: Start): void {
  buildOptions(
    program
      .command('path')
      .description('print the path of the stored sidecar of this checkout; asks no source'),
  )
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['ls -l "$(claude-bottle path)"', 'in a script']))
    .action((options: PathCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runPath } = await import('./path-command.ts');
        return await runPath(options, output, signal);
      }),
    );
}

function addKey(program: Command, start: Start): void {
  buildOptions(
    program
      .command('key')
      .description('print the inputs key: the same wherever the same inputs go into docker build'),
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
    )
    .action((options: KeyCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runKey } = await import('./key-command.ts');
        return await runKey(options, output, signal);
      }),
    );
}

function addLock(program: Command, start: Start): void {
  trustOptions(
    sourceOptions(
      buildOptions(
        program
          .command('lock')
          .description('write claude-bottle.lock: which sidecar this checkout has, and where it is'),
        { hasPlatform: false },
      ),
    ),
  )
    .addOption(storeOption())
    .option(
      '--platform <platform>',
      'guest platform, may be repeated (default: those that are published)',
      collect,
      [],
    )
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle lock', 'then commit claude-bottle.lock']))
    .action((options: LockCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runLock } = await import('./lock-command.ts');
        return await runLock(options, output, signal);
      }),
    );
}

function addLs(program: Command, start: Start): void {
  program
    .command('ls')
    .description('list the sidecars of the store, and the image IDs that they are bound to')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle ls', 'what there is']))
    .action((options: LsCommandOptions) =>
      start(async ({ output }) => {
        const { runLs } = await import('./ls-command.ts');
        return await runLs(options, output);
      }),
    );
}

function addPrune(program: Command, start: Start): void {
  program
    .command('prune')
    .description('remove sidecars that nothing uses; never done by itself')
    .option('--older-than <duration>', 'those not used for so long: 12h, 30d, 8w', duration)
    .option('--max-size <size>', 'the longest unused, until the store is no larger: 500MB, 20GB', size)
    .option('--keep <n>', 'the so many used last stay in any case', wholeNumber(0, 1_000_000), 1)
    .option('--dry-run', 'say what would be removed')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle prune --older-than 30d --dry-run', 'first look']))
    .action((options: PruneCommandOptions) =>
      start(async ({ output }) => {
        const { runPrune } = await import('./prune-command.ts');
        return await runPrune(options, output);
      }),
    );
}

function addExport(program: Command, start: Start): void {
  buildOptions(
    program
      .command('export')
      .description("copy this checkout's sidecars into a directory, for a machine without a network")
      .argument('<dir>', 'where to: a sidecar, its pack record and its signature are three files')
      .argument('[id]', "an image ID, or its first 16 hex digits, in place of this checkout's"),
    { hasPlatform: false },
  )
    .option('--platform <platform>', 'only this guest platform (default: those that the store has)')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(['claude-bottle export /media/stick', 'what the store has for this checkout']),
    )
    .action((dir: string, id: string | undefined, options: ExportCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runExport } = await import('./export-command.ts');
        return await runExport(dir, id, options, output, signal);
      }),
    );
}

function addInspect(program: Command, start: Start): void {
  program
    .command('inspect')
    .description('show what is in a sidecar, without verifying it')
    .argument('<file>')
    .addOption(jsonOption())
    .addHelpText('after', examples(['claude-bottle inspect agent.smolmachine', 'image, machine, layers']))
    .action((file: string) =>
      start(async ({ output }) => {
        const { runInspect } = await import('./inspect-command.ts');
        return await runInspect(file, output);
      }),
    );
}

function addVerify(program: Command, start: Start): void {
  signerOptions(
    program
      .command('verify')
      .description('check sidecars; damaged ones of the store go to quarantine')
      .argument('[file-or-id]', 'a file, an image ID, or its first 16 hex digits'),
  )
    .option('--context <dir>', 'a checkout of the repository that has to have signed', '.')
    .option(
      '--repo <owner/name>',
      "repository that has to have signed (default: the checkout's origin; in the store, what each record names)",
    )
    .option('--github-url <url>', "GitHub server (default: the origin's, or https://github.com)")
    .option('--all', 'every sidecar in the store')
    .option('--deep', 'also unpack and check every entry')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        ['claude-bottle verify --deep agent.smolmachine', 'a file, down to each entry'],
        ['claude-bottle verify --all', 'the whole store'],
      ),
    )
    .action((fileOrId: string | undefined, options: VerifyCommandOptions) =>
      start(async ({ output, signal }) => {
        const { runVerify } = await import('./verify-command.ts');
        return await runVerify(fileOrId, options, output, signal);
      }),
    );
}

function addDoctor(program: Command, start: Start): void {
  program
    .command('doctor')
    .description('check what fetching and packing need on this machine')
    .addOption(storeOption())
    .addOption(jsonOption())
    .action((options: DoctorOptions) =>
      start(async ({ output, signal }) => {
        const { runDoctor } = await import('./doctor-command.ts');
        return await runDoctor(options, output, signal);
      }),
    );
}

/** What goes into `docker build`. */
function buildOptions(command: Command, { hasPlatform = true } = {}): Command {
  command
    .option('--context <dir>', 'build context', '.')
    .option('--file <file>', 'Dockerfile (default: Dockerfile in the context)')
    .option('--target <stage>', 'build stage')
    .option('--build-arg <key=value>', 'build argument, may be repeated', collect, []);
  return hasPlatform
    ? command.option(
        '--platform <platform>',
        "guest platform: linux/amd64 or linux/arm64 (default: this machine's)",
      )
    : command;
}

function sourceOptions(command: Command): Command {
  return command
    .option('--from <source>', 'only from oci:REFERENCE, release:TAG, run:ID, file:PATH or https://…')
    .option('--repo <owner/name>', "repository whose sidecars are wanted (default: the checkout's origin)")
    .option('--github-url <url>', "GitHub server (default: the origin's, or https://github.com)")
    .option('--token <token>', 'GitHub token; better in GH_TOKEN, where no other user sees it')
    .option(
      '--allow-token-host <host>',
      'host besides the registry that may be told its login, may be repeated',
      collect,
      [],
    );
}

/** Whether what comes can be trusted. */
function trustOptions(command: Command): Command {
  return signerOptions(command).option(
    '--allow-older',
    'also an older run than was seen before for the same inputs',
  );
}

/** Whose signature a sidecar must have. */
function signerOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--provenance <mode>',
        'auto: verified where there is a signature, required once there was one',
      )
        .choices(['auto', 'required', 'off'])
        .default('auto'),
    )
    .option('--branch <name>', 'also accept what was packed for this branch, may be repeated', collect, [])
    .option('--signer-workflow <path>', 'only what OWNER/NAME/.github/workflows/FILE.yml[@REF] has signed')
    .option('--allow-self-hosted', "also what was packed on a runner that is not GitHub's own")
    .option('--trusted-root <file>', 'Sigstore trust roots, instead of those that are built in');
}

function fetchOptions(command: Command): Command {
  return trustOptions(sourceOptions(buildOptions(command)))
    .option('--sha256 <hex>', 'accept only the sidecar with this SHA-256')
    .option('--commit <hash>', 'accept only what was packed from this commit')
    .option('--locked', 'accept only what claude-bottle.lock says')
    .option('--offline', 'ask no source, only the store')
    .option('--prove', 'bind only if layers and runtime config are those of the image that was packed')
    .option(
      '--image <name>',
      'image that claude-bottle builds (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)',
    )
    .addOption(storeOption());
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

function examples(...lines: ReadonlyArray<readonly [command: string, meaning: string]>): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, meaning]) => `  $ ${command.padEnd(width)}  # ${meaning}`).join('\n')}`;
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

const HOUR_MS = 60 * 60 * 1000;
const DURATION_UNITS = { h: HOUR_MS, d: 24 * HOUR_MS, w: 7 * 24 * HOUR_MS };

function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
  if (unit === undefined) {
    throw new InvalidArgumentError('Use a number of hours, days or weeks: 12h, 30d, 8w.');
  }
  return Number(count) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
}

const SIZE_UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };

function size(text: string): number {
  const [, count, unit] = /^(\d{1,6})(MB|GB|TB)$/i.exec(text) ?? [];
  if (unit === undefined) {
    throw new InvalidArgumentError('Use a number of MB, GB or TB: 500MB, 20GB.');
  }
  return Number(count) * SIZE_UNITS[unit.toUpperCase() as keyof typeof SIZE_UNITS];
}
