/** A line that the runner takes as an order. */
export interface WorkflowCommand {
  /** In lower case. */
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

/** The runner takes no others; a line with another name is plain text. */
export const COMMAND_NAMES = [
  'add-mask',
  'add-matcher',
  'add-path',
  'debug',
  'echo',
  'endgroup',
  'error',
  'group',
  'notice',
  'remove-matcher',
  'save-state',
  'set-env',
  'set-output',
  'stop-commands',
  'warning',
];

/** `%25` comes last, so that `%250A` stays `%0A`. */
const MESSAGE_ESCAPES: readonly (readonly [string, string])[] = [
  ['%0D', '\r'],
  ['%0A', '\n'],
  ['%25', '%'],
];
const PROPERTY_ESCAPES: typeof MESSAGE_ESCAPES = [['%3A', ':'], ['%2C', ','], ...MESSAGE_ESCAPES];
const OLD_ESCAPES: typeof MESSAGE_ESCAPES = [['%3B', ';'], ['%5D', ']'], ...MESSAGE_ESCAPES];

/**
 * `::name key=value,key=value::message` after nothing but white space, else `##[name key=value;]message` anywhere in
 * the line.
 * @param names in lower case
 */
export function parseCommand(line: string, names: ReadonlySet<string>): WorkflowCommand | undefined {
  return parseNew(line, names) ?? parseOld(line, names);
}

function parseNew(line: string, names: ReadonlySet<string>): WorkflowCommand | undefined {
  const text = line.trimStart();
  const end = text.indexOf('::', 2);
  if (!text.startsWith('::') || end < 0) {
    return undefined;
  }
  return command(
    text.slice(2, end),
    ',',
    PROPERTY_ESCAPES,
    unescaped(text.slice(end + 2), MESSAGE_ESCAPES),
    names,
  );
}

function parseOld(line: string, names: ReadonlySet<string>): WorkflowCommand | undefined {
  const start = line.indexOf('##[');
  const end = line.indexOf(']', start);
  if (start < 0 || end < 0) {
    return undefined;
  }
  return command(
    line.slice(start + 3, end),
    ';',
    OLD_ESCAPES,
    unescaped(line.slice(end + 1), OLD_ESCAPES),
    names,
  );
}

function command(
  text: string,
  separator: string,
  escapes: typeof MESSAGE_ESCAPES,
  message: string,
  names: ReadonlySet<string>,
): WorkflowCommand | undefined {
  const [first = '', ...rest] = text.split(' ');
  const name = first.toLowerCase();
  if (!names.has(name)) {
    return undefined;
  }
  const properties: Record<string, string> = {};
  for (const pair of rest.join(' ').split(separator)) {
    const equals = pair.indexOf('=');
    if (equals > 0 && equals < pair.length - 1) {
      properties[pair.slice(0, equals).trim().toLowerCase()] = unescaped(pair.slice(equals + 1), escapes);
    }
  }
  return { name, properties, message };
}

function unescaped(text: string, escapes: typeof MESSAGE_ESCAPES): string {
  return escapes.reduce((result, [escaped, plain]) => result.replaceAll(escaped, plain), text);
}
