import type { Command, Option, OptionValues } from '@commander-js/extra-typings';
import { Command as Commander, Option as CommanderOption, InvalidArgumentError } from 'commander';

/** What the parsed line gives to a verb: `OptionsOf<typeof fetchFlags>`. */
export type OptionsOf<Flags extends () => { opts(): OptionValues }> = ReturnType<ReturnType<Flags>['opts']>;

/** A verb of the command line; its options' types are inferred from their declarations. */
export function verb(name: string, description: string): Command {
  return new Commander(name).description(description) as unknown as Command;
}

function option<Flags extends string>(flags: Flags, description: string): Option<Flags> {
  return new CommanderOption(flags, description) as unknown as Option<Flags>;
}

/** What goes into `docker build`. */
export function contextOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .option('--context <dir>', 'build context', '.')
    .option('--file <file>', 'Dockerfile (default: Dockerfile in the context)')
    .option('--target <stage>', 'build stage')
    .option('--build-arg <key=value>', 'build argument, may be repeated', collect, []);
}

/** What goes into `docker build`, and for which machines. */
export function buildOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return contextOptions(command).option(
    '--platform <platform>',
    "guest platform: linux/amd64 or linux/arm64 (default: this machine's)",
  );
}

/** Where to look, and with which login. */
export function sourceOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .option('--from <source>', 'only from oci:REFERENCE, release:TAG, run:ID, file:PATH or https://…')
    .addOption(repoOption())
    .addOption(githubUrlOption())
    .option('--token <token>', 'GitHub token; better in GH_TOKEN, where no other user sees it')
    .option(
      '--allow-token-host <host>',
      'host besides the registry that may be told its login, may be repeated',
      collect,
      [],
    );
}

/** Whose signature a sidecar must have. */
export function signerOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .addOption(
      option(
        '--provenance <mode>',
        'auto: verify a signature where there is one, and require it from a repository that has signed before',
      )
        .choices(['auto', 'required', 'off'] as const)
        .default('auto' as const),
    )
    .option('--branch <name>', 'also accept what was packed for this branch, may be repeated', collect, [])
    .option('--signer-workflow <path>', 'only what OWNER/NAME/.github/workflows/FILE.yml[@REF] has signed')
    .option('--allow-self-hosted', "also what was packed on a runner that is not GitHub's own")
    .option('--trusted-root <file>', 'Sigstore trust roots, instead of those that are built in');
}

/** Whether a sidecar from elsewhere can be trusted. */
export function trustOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return signerOptions(command).option(
    '--allow-older',
    'also accept an older run than one that was seen before for the same inputs',
  );
}

/** What `fetch` and `exec` share. */
export function fetchOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
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

export function packerOption() {
  return option('--packer <kind>', 'what writes the sidecar: smolvm, which needs KVM, or direct')
    .choices(['smolvm', 'direct'] as const)
    .default('smolvm' as const);
}

export function repoOption() {
  return option(
    '--repo <owner/name>',
    "repository whose sidecars are wanted (default: the checkout's remote)",
  );
}

export function githubUrlOption() {
  return option('--github-url <url>', "GitHub server (default: the remote's, or https://github.com)");
}

export function hopOption() {
  return option('--hop <kind>', 'registry for packer smolvm')
    .choices(['embedded', 'container'] as const)
    .default('embedded' as const);
}

export function storeOption() {
  return option(
    '--store <dir>',
    'directory of the sidecars (default: ~/.cache/claude-bottle/smolmachines)',
  ).env('CLAUDE_BOTTLE_STORE');
}

export function jsonOption() {
  return option('--json', 'print the result as JSON');
}

export function examples(...lines: ReadonlyArray<readonly [command: string, meaning: string]>): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, meaning]) => `  $ ${command.padEnd(width)}  # ${meaning}`).join('\n')}`;
}

export function collect(value: string, previous: string[]): string[] {
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
