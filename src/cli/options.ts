import type { Command, Option, OptionValues } from '@commander-js/extra-typings';
import { Command as Commander, Option as CommanderOption, InvalidArgumentError } from 'commander';

/** What the parsed line gives to a verb: `OptionsOf<typeof fetchFlags>`. */
export type OptionsOf<Flags extends () => { opts(): OptionValues }> = ReturnType<ReturnType<Flags>['opts']>;

/** A verb of the command line; its options' types are inferred from their declarations. */
export function verb(name: string, summary: string): Command {
  return new Commander(name).summary(summary) as unknown as Command;
}

function repeated<Flags extends string>(flags: Flags, description: string) {
  return option(flags, `${description} (repeatable)`)
    .argParser(collect)
    .default([] as string[]);
}

function option<Flags extends string>(flags: Flags, description: string): Option<Flags> {
  return new CommanderOption(flags, description) as unknown as Option<Flags>;
}

/** Accepted and documented, and not in the help, because few people need it. */
function rare<Flags extends string>(flags: Flags, description: string): Option<Flags> {
  return option(flags, description).hideHelp();
}

/** What goes into `docker build`. */
export function contextOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup('Build inputs:')
    .option('--context <dir>', 'build context', '.')
    .option('-f, --file <file>', 'Dockerfile (default: Dockerfile in the context)')
    .option('--target <stage>', 'build stage')
    .addOption(repeated('--build-arg <key=value>', 'build argument'));
}

/** What goes into `docker build`, and for which machines. */
export function buildOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return contextOptions(command).option(
    '--platform <platform>',
    "linux/amd64 or linux/arm64 (default: this machine's)",
  );
}

/** Where to look, and with which login. */
export function sourceOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup('Source:')
    .option('--from <source>', 'only oci:REFERENCE, release:TAG, run:ID, file:PATH or https://…')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .addOption(rare('--token <token>', 'prefer GH_TOKEN; command lines are visible to other users'))
    .addOption(
      rare('--allow-token-host <host>', 'a host besides the registry that may get its login (repeatable)')
        .argParser(collect)
        .default([] as string[]),
    );
}

/** Whose signature a sidecar must have. */
export function signerOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup('Trust:')
    .addOption(
      option('--provenance <mode>', 'check signatures: auto, required or off')
        .choices(['auto', 'required', 'off'] as const)
        .default('auto' as const),
    )
    .addOption(repeated('--branch <name>', 'also accept sidecars packed on this branch'))
    .addOption(
      rare(
        '--signer-workflow <path>',
        'accept only signatures of OWNER/NAME/.github/workflows/FILE.yml[@REF]',
      ),
    )
    .addOption(rare('--allow-self-hosted', 'accept sidecars from self-hosted runners'))
    .addOption(rare('--trusted-root <file>', 'Sigstore trust roots in place of the built-in ones'));
}

/** Whether a sidecar from elsewhere can be trusted. */
export function trustOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return signerOptions(command).addOption(
    rare('--allow-older', 'accept a run older than the newest one seen'),
  );
}

/** What `fetch` and `exec` share. */
export function fetchOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  const located = sourceOptions(command)
    .option('--locked', 'exactly what claude-bottle.lock says')
    .option('--offline', 'only the local store');
  const built = buildOptions(located).option(
    '--image <name>',
    'image that claude-bottle builds (default: $CLAUDE_BOTTLE_IMAGE or claude-bottle:latest)',
  );
  return trustOptions(built)
    .option('--commit <hash>', 'only a sidecar packed from this commit')
    .option('--sha256 <hex>', 'only the sidecar with this SHA-256')
    .option('--prove', 'require identical layers and config, not just inputs');
}

export function packerOption() {
  return option('--packer <kind>', 'what writes the sidecar: smolvm, which needs KVM, or direct')
    .choices(['smolvm', 'direct'] as const)
    .default('smolvm' as const);
}

/** The original decides all other settings. */
export function reproduceOption() {
  return option(
    '--reproduce <file>',
    'pack as this sidecar or pack record was, and compare; keeps only the same bytes',
  ).conflicts(['platform', 'packer', 'cpus', 'mem', 'out', 'smokeTest', 'smokeTestOutput', 'force']);
}

export function repoOption() {
  return option('-R, --repo <owner/name>', "repository (default: the checkout's remote)");
}

export function githubUrlOption() {
  return rare('--github-url <url>', "GitHub server (default: the remote's, or https://github.com)");
}

export function hopOption() {
  return rare('--hop <kind>', 'registry that smolvm pulls from')
    .choices(['embedded', 'container'] as const)
    .default('embedded' as const);
}

export function storeOption() {
  return option('--store <dir>', 'local store (default: ~/.cache/claude-bottle/smolmachines)').env(
    'CLAUDE_BOTTLE_STORE',
  );
}

export function jsonOption() {
  return option('--json', 'print the result as JSON');
}

/** For a verb's description: each command below what it does. */
export function examples(...lines: ReadonlyArray<readonly [command: string, meaning: string]>): string {
  return `Examples:\n${lines.map(([command, meaning]) => `  # ${meaning}\n  ${command}`).join('\n')}`;
}

export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
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

/** In milliseconds. */
export function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
  if (unit === undefined) {
    throw new InvalidArgumentError('Use a number of hours, days or weeks: 12h, 30d, 8w.');
  }
  return Number(count) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
}

const SIZE_UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };

/** In bytes. */
export function size(text: string): number {
  const [, count, unit] = /^(\d{1,6})(MB|GB|TB)$/i.exec(text) ?? [];
  if (unit === undefined) {
    throw new InvalidArgumentError('Use a number of MB, GB or TB: 500MB, 20GB.');
  }
  return Number(count) * SIZE_UNITS[unit.toUpperCase() as keyof typeof SIZE_UNITS];
}
