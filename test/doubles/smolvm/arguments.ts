import { UsageError } from './failures.ts';
import { isSince } from './knobs.ts';

interface Flag {
  readonly name: string;
  readonly short?: string;
  /** Without it the flag takes no value. */
  readonly value?: string;
  readonly since?: string;
  /** Hidden flags work, but the help does not show them. */
  readonly hidden?: boolean;
  readonly about?: string;
  readonly maximum?: number;
}

const FLAGS: readonly Flag[] = [
  { name: 'image', short: 'I', value: 'IMAGE', about: 'Container image to pack' },
  { name: 'output', short: 'o', value: 'PATH', about: 'Where to write the executable' },
  { name: 'oci-platform', value: 'OS/ARCH', since: '0.1.17', about: 'Platform of the image' },
  { name: 'cpus', value: 'N', maximum: 0xff, about: 'Default number of vCPUs' },
  { name: 'mem', value: 'MiB', maximum: 0xffff_ffff, about: 'Default memory' },
  { name: 'staging-dir', value: 'DIR', since: '1.2.0', about: 'Where to collect the assets' },
  { name: 'entrypoint', value: 'CMD', about: 'Override the entrypoint of the image' },
  { name: 'no-sign', about: 'Do not sign the executable (macOS)' },
  { name: 'single-file', about: 'Put everything into one file' },
  { name: 'smolfile', short: 's', value: 'PATH', since: '0.2.0', about: 'Read the settings from a Smolfile' },
  { name: 'gpu', since: '0.6.0', about: 'Enable GPU by default' },
  { name: 'from-vm', value: 'NAME', since: '0.1.16', about: 'Pack a stopped machine' },
  { name: 'rebase-from-image', since: '1.3.4', about: 'With --from-vm: onto its image' },
  { name: 'proxy', value: 'URL', since: '0.8.1', about: 'Proxy for the pull' },
  { name: 'no-proxy', value: 'HOSTS', since: '0.8.1', about: 'Hosts to reach without the proxy' },
  { name: 'stub', value: 'PATH', hidden: true },
  { name: 'lib-dir', value: 'DIR', hidden: true },
  { name: 'rootfs-dir', value: 'DIR', hidden: true },
];

/** These are accepted as smolvm accepts them, but the double cannot do what they ask for. */
const NOT_DOUBLED = ['single-file', 'smolfile', 'from-vm', 'gpu', 'rebase-from-image'];

const USAGE = 'Usage: smolvm pack create [OPTIONS] --output <PATH>';

export interface PackCreateArguments {
  readonly image: string;
  readonly output: string;
  readonly ociPlatform: string | undefined;
  readonly cpus: number;
  readonly memMib: number;
  readonly stagingDir: string | undefined;
  readonly entrypoint: string | undefined;
}

const DEFAULT_CPUS = 4;
const DEFAULT_MEM_MIB = 8192;

/** @throws UsageError in clap's words */
export function parsePackCreate(argv: readonly string[]): PackCreateArguments | 'help' {
  const values = new Map<string, string>();
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--help' || word === '-h') {
      return 'help';
    }
    const { flag, inline } = findFlag(word);
    if (values.has(flag.name)) {
      throw usage(`the argument '${show(flag)}' cannot be used multiple times`);
    }
    values.set(flag.name, flag.value === undefined ? noValue(flag, inline) : takeValue(flag, inline, rest));
  }
  return checked(values);
}

function findFlag(word: string): { flag: Flag; inline: string | undefined } {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(word);
  const short = /^-([A-Za-z])(?:=?(.+))?$/s.exec(word);
  const flag = known().find(({ name, short: letter }) =>
    long ? name === long[1] : short && letter === short[1],
  );
  if (flag === undefined) {
    throw usage(`unexpected argument '${long ? `--${long[1]}` : word}' found`);
  }
  return { flag, inline: (long ?? short)?.[2] };
}

function noValue(flag: Flag, inline: string | undefined): string {
  if (inline !== undefined) {
    throw usage(`unexpected value '${inline}' for '${show(flag)}' found; no more were expected`);
  }
  return '';
}

function takeValue(flag: Flag, inline: string | undefined, rest: string[]): string {
  const next = inline ?? (rest[0]?.startsWith('-') ? undefined : rest.shift());
  if (next === undefined || next === '') {
    throw usage(`a value is required for '${show(flag)}' but none was supplied`);
  }
  const { maximum } = flag;
  if (maximum !== undefined && !(/^\d+$/.test(next) && Number(next) <= maximum)) {
    throw usage(`invalid value '${next}' for '${show(flag)}': not a number in 0..=${maximum}`);
  }
  return next;
}

function checked(values: ReadonlyMap<string, string>): PackCreateArguments {
  if (values.has('image') && values.has('from-vm')) {
    throw usage("the argument '--image <IMAGE>' cannot be used with '--from-vm <NAME>'");
  }
  const image = values.get('image');
  const output = values.get('output');
  const otherSource = values.has('from-vm') || values.has('smolfile');
  if (output === undefined || (image === undefined && !otherSource)) {
    const missing = [...(output ? [] : ['  --output <PATH>']), ...(image ? [] : ['  --image <IMAGE>'])];
    throw usage(`the following required arguments were not provided:\n${missing.join('\n')}`);
  }
  const notDoubled = NOT_DOUBLED.find((name) => values.has(name));
  if (image === undefined || notDoubled !== undefined) {
    throw new Error(`smolvm-double: --${notDoubled} is not doubled`);
  }
  return {
    image,
    output,
    ociPlatform: values.get('oci-platform'),
    cpus: Number(values.get('cpus') ?? DEFAULT_CPUS),
    memMib: Number(values.get('mem') ?? DEFAULT_MEM_MIB),
    stagingDir: values.get('staging-dir'),
    entrypoint: values.get('entrypoint'),
  };
}

export function packCreateHelp(): string {
  const lines = known()
    .filter(({ hidden }) => !hidden)
    .map((flag) => `${flag.short ? `  -${flag.short}, ` : '      '}${show(flag).padEnd(28)} ${flag.about}\n`);
  const help = `  -h, ${'--help'.padEnd(28)} Print help\n`;
  return `Package an image as a self-contained executable\n\n${USAGE}\n\nOptions:\n${lines.join('')}${help}`;
}

function known(): Flag[] {
  return FLAGS.filter(({ since }) => since === undefined || isSince(since));
}

function show({ name, value }: Flag): string {
  return value === undefined ? `--${name}` : `--${name} <${value}>`;
}

function usage(problem: string): UsageError {
  return new UsageError(`error: ${problem}\n\n${USAGE}\n\nFor more information, try '--help'.`);
}
