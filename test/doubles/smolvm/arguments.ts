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
  { name: 'oci-platform', value: 'OS/ARCH', about: 'Platform of the image' },
  { name: 'cpus', value: 'N', maximum: 0xff, about: 'Default number of vCPUs' },
  { name: 'mem', value: 'MiB', maximum: 0xffff_ffff, about: 'Default memory' },
  { name: 'staging-dir', value: 'DIR', about: 'Where to collect the assets' },
  { name: 'entrypoint', value: 'CMD', about: 'Override the entrypoint of the image' },
  { name: 'no-sign', about: 'Do not sign the executable (macOS)' },
  { name: 'single-file', about: 'Put everything into one file' },
  { name: 'smolfile', short: 's', value: 'PATH', about: 'Read the settings from a Smolfile' },
  { name: 'gpu', about: 'Enable GPU by default' },
  { name: 'from-vm', value: 'VM_NAME', about: 'Pack a stopped machine' },
  { name: 'rebase-from-image', about: 'With --from-vm: onto its image' },
  { name: 'proxy', value: 'URL', about: 'Proxy for the pull' },
  { name: 'no-proxy', value: 'LIST', about: 'Hosts to reach without the proxy' },
  { name: 'include-workspace', since: '1.16.1', about: 'With --from-vm: its workspace, too' },
  { name: 'storage', value: 'GiB', since: '1.20.0', about: 'Disk of the temporary machine' },
  { name: 'error-format', value: 'ERROR_FORMAT', since: '1.28.0', about: 'How a failure is reported' },
  { name: 'dns', value: 'IP', since: '1.28.0', about: 'Resolver of the temporary machine' },
  { name: 'state-dir', value: 'PATH', since: '1.31.0', about: 'Keep all state below this directory' },
  { name: 'stub', value: 'PATH', hidden: true },
  { name: 'lib-dir', value: 'DIR', hidden: true },
  { name: 'rootfs-dir', value: 'DIR', hidden: true },
];

/** These are accepted as smolvm accepts them, but the double cannot do what they ask for. */
const NOT_DOUBLED = [
  ...['single-file', 'smolfile', 'from-vm', 'gpu', 'rebase-from-image', 'include-workspace'],
  ...['proxy', 'no-proxy', 'dns'],
];

const USAGE = 'Usage: smolvm pack create [OPTIONS] --output <PATH>';

export interface PackCreateArguments {
  readonly image: string;
  readonly output: string;
  readonly ociPlatform: string | undefined;
  readonly cpus: number;
  readonly memMib: number;
  readonly stagingDir: string | undefined;
  readonly entrypoint: string | undefined;
  /** Without it, the manifest is asked for on the host before the machine starts. */
  readonly storageGib: string | undefined;
  readonly stateDir: string | undefined;
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
      throw usage(`the argument '${show(flag)}' cannot be used multiple times`, USAGE);
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
    throw wrongValue(`a value is required for '${show(flag)}' but none was supplied`);
  }
  const { maximum } = flag;
  if (maximum !== undefined && !(/^\d+$/.test(next) && Number(next) <= maximum)) {
    throw wrongValue(`invalid value '${next}' for '${show(flag)}': ${next} is not in 0..=${maximum}`);
  }
  return next;
}

function checked(values: ReadonlyMap<string, string>): PackCreateArguments {
  if (values.has('image') && values.has('from-vm')) {
    throw usage("the argument '--image <IMAGE>' cannot be used with '--from-vm <VM_NAME>'");
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
    storageGib: values.get('storage'),
    stateDir: values.get('state-dir'),
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

/** clap's usage in most errors names the options that were given and those that are required. */
function usage(
  problem: string,
  words = 'Usage: smolvm pack create --output <PATH> --image <IMAGE>',
): UsageError {
  return new UsageError(`error: ${problem}\n\n${words}\n\nFor more information, try '--help'.`);
}

function wrongValue(problem: string): UsageError {
  return new UsageError(`error: ${problem}\n\nFor more information, try '--help'.`);
}
