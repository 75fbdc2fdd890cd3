import type { Command, CommanderError } from 'commander';
import { BottleError } from '../errors.ts';

/** What other tools call our commands. */
const COMMANDS: Readonly<Record<string, string>> = {
  ...words('fetch', 'get install update upgrade sync restore'),
  ...words('fetch --from file:PATH', 'import load'),
  ...words('pack', 'build create make'),
  ...words('exec -- COMMAND', 'run start'),
  ...words('doctor', 'status check-health health'),
  ...words('inspect', 'show info describe'),
  ...words('verify', 'check validate'),
  ...words('prune', 'rm remove delete clean gc clear'),
  ...words('export', 'save cp copy'),
  ...words('key', 'hash'),
  ...words('lock', 'pin freeze'),
  ...words('path', 'where which locate'),
  ...words('bind', 'link tag'),
  ...words('--version', 'version'),
};

/** And our options. */
const OPTIONS: Readonly<Record<string, string>> = {
  ...words('--out', '--output'),
  ...words('--image', '--tag -t'),
  ...words('--from', '--source --registry --url --ref'),
  ...words('--no-bind', '--no-link --no-build --download-only'),
  ...words('--context', '--dir --directory --path -C'),
  ...words('--platform', '--arch --os'),
  ...words('--repo', '--repository'),
  ...words('--provenance', '--signature --verify --attestation'),
  ...words('--prove', '--same-content'),
  ...words('--force', '--no-cache'),
  ...words('--debug', '--trace --log-level'),
};

const PUBLISH_HINT = 'set the input publish of the action, in the workflow that packs: publish: oci';

function words(ours: string, theirs: string): Record<string, string> {
  return Object.fromEntries(theirs.split(' ').map((word) => [word, ours]));
}

/** What commander found wrong with the line, in our own style. */
export function usageError({ code, message }: CommanderError, program: Command, argv: readonly string[]) {
  const name = argv.find((word) => !word.startsWith('-')) ?? '';
  const verb = program.commands.find((command) => [command.name(), ...command.aliases()].includes(name));
  const [, sentence = '', rest = '', guess = ''] =
    /^(?:error: )?(.*?)(?:\. (.*?))?\.?(?:\n\(Did you mean (.*)\?\))?$/s.exec(message) ?? [];
  const word = /'(.*?)'/s.exec(sentence)?.[1] ?? '';
  const help = `claude-bottle ${verb === undefined ? '' : `${verb.name()} `}--help`;
  const meant = meantBy(word, guess, code === 'commander.unknownCommand' ? undefined : verb);
  if (/^(--)?(push|publish|upload)$/.test(word)) {
    return new BottleError('usage', `${sentence}: CI publishes, not this command`, { hint: PUBLISH_HINT });
  }
  const more = meant !== undefined ? ` (did you mean ${meant}?)` : rest !== '' ? `. ${rest}` : '';
  return new BottleError('usage', `${sentence}${more}`, { hint: help });
}

/** @param verb where an option is missing */
function meantBy(word: string, guess: string, verb: Command | undefined): string | undefined {
  const known = verb === undefined ? COMMANDS[word] : OPTIONS[word];
  const isThere = verb?.options.some(({ long }) => long === known) ?? true;
  if (known !== undefined && isThere) {
    return known;
  }
  // Nobody mistypes the first letter: such a guess is another word.
  const first = (text: string) => text.replace(/^(?:one of )?-*/, '').slice(0, 1);
  return guess !== '' && first(guess) === first(word) ? guess : undefined;
}
