import { firstWord, isBlank, splitWords, UnclearError } from './dockerfile-words.ts';

export interface Instruction {
  /** Counted from 1. */
  readonly line: number;
  /** In capitals. */
  readonly name: string;
  /** The `--name=value` words in front, without quotes. */
  readonly flags: readonly string[];
  /** What is behind the flags, without heredoc bodies. */
  readonly text: string;
}

export interface DockerfileLines {
  /** The value of the `# syntax=` directive. */
  readonly syntax: string | undefined;
  readonly escapeChar: string;
  readonly instructions: readonly Instruction[];
}

const HEREDOC = /^\d*<<(-?)([^<]+)$/;
const WITH_HEREDOC = /^(?:onbuild\s+)?(?:add|copy|run)\s/i;

/**
 * Puts the lines of a Dockerfile together to instructions, as BuildKit does.
 * https://docs.docker.com/reference/dockerfile/#format
 * @throws UnclearError for a heredoc without an end
 */
export function readLines(text: string): DockerfileLines {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''));
  const { syntax, escapeChar } = readDirectives(lines);
  const continued = escapeChar === '`' ? /(?<!`)`[ \t]*$/ : /(?<!\\)\\[ \t]*$/;
  const instructions: Instruction[] = [];
  let index = 0;
  while (index < lines.length) {
    const first = index + 1;
    let joined = '';
    let isContinued = true;
    while (isContinued && index < lines.length) {
      const line = lines[index] ?? '';
      index += 1;
      if (isCommentOrBlank(line)) {
        isContinued = joined !== '';
        continue;
      }
      isContinued = continued.test(line);
      joined += (joined === '' ? line.trimStart() : line).replace(continued, '');
    }
    if (joined.trim() === '') {
      continue;
    }
    instructions.push(parseInstruction(joined, first));
    for (const heredoc of heredocsOf(joined)) {
      index = behindHeredoc(lines, index, heredoc);
    }
  }
  return { syntax, escapeChar, instructions };
}

/** The instruction in a line, or behind ONBUILD. */
export function parseInstruction(text: string, line: number): Instruction {
  const [, name = '', rest = ''] = text.trim().match(/^(\S+)\s*([\s\S]*)$/) ?? [];
  const { flags, behind } = readFlags(rest);
  return { line, name: name.toUpperCase(), flags, text: behind };
}

/** The strings of the JSON form, undefined if this is not it. */
export function parseJsonForm(text: string): readonly string[] | undefined {
  if (!text.trimStart().startsWith('[')) {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isHeredoc(word: string): boolean {
  return HEREDOC.test(word);
}

function readDirectives(lines: readonly string[]): { syntax: string | undefined; escapeChar: string } {
  // Only the frontend is looked for behind a shebang.
  const behindShebang = lines[0]?.startsWith('#!') ? lines.slice(1) : lines;
  const syntax = directivesOf(behindShebang).get('syntax')?.split(' ')[0];
  return { syntax, escapeChar: directivesOf(lines).get('escape') === '`' ? '`' : '\\' };
}

function directivesOf(lines: readonly string[]): Map<string, string> {
  const seen = new Map<string, string>();
  for (const line of lines) {
    const equals = line.indexOf('=');
    const start = line.slice(0, Math.max(0, equals)).trim();
    const name = start.startsWith('#') ? start.slice(1).trim().toLowerCase() : '';
    const value = line.slice(equals + 1).trim();
    if (!['syntax', 'escape', 'check'].includes(name) || value === '') {
      break;
    }
    seen.set(name, value);
  }
  return seen;
}

function isCommentOrBlank(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

interface Heredoc {
  readonly name: string;
  readonly stripsTabs: boolean;
}

function heredocsOf(text: string): Heredoc[] {
  if (!WITH_HEREDOC.test(text) || parseJsonForm(parseInstruction(text, 0).text) !== undefined) {
    return [];
  }
  // Heredocs are read with the backslash, whatever the escape directive says.
  return splitWords(text, '\\').flatMap((word) => {
    const [, dash = '', name = ''] = word.match(HEREDOC) ?? [];
    return name === '' ? [] : { name: name.replaceAll(/["'\\]/g, ''), stripsTabs: dash !== '' };
  });
}

function behindHeredoc(lines: readonly string[], start: number, { name, stripsTabs }: Heredoc): number {
  for (let index = start; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if ((stripsTabs ? line.replace(/^\t+/, '') : line) === name) {
      return index + 1;
    }
  }
  throw new UnclearError(`the heredoc ${name} has no end`);
}

function readFlags(text: string): { flags: string[]; behind: string } {
  const flags: string[] = [];
  let start = 0;
  for (;;) {
    while (isBlank(text.charAt(start))) {
      start += 1;
    }
    if (!text.startsWith('--', start)) {
      return { flags, behind: text.slice(start).trim() };
    }
    // Quotes in flags are read with the backslash, whatever the escape directive says.
    const word = firstWord(text, start);
    start += word.length;
    if (word === '--') {
      return { flags, behind: text.slice(start).trim() };
    }
    flags.push(withoutQuotes(word));
  }
}

function withoutQuotes(word: string): string {
  return word.replaceAll(/\\([\s\S])|["']/g, '$1');
}
