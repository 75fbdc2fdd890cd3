const MAX_QUOTED_CHARS = 200;

/** A refused value in a message: in quotation marks, and not at length. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text);
}

/** `1 file`, `2 files` */
export function counted(count: number, noun: string, digits = String(count)): string {
  return `${digits} ${noun}${count === 1 ? '' : 's'}`;
}

/** What moves a cursor, hides text, turns it around, or is only half a character; a tab does none of that. */
const UNSHOWN = /(?!\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** One line of text from anywhere, for a terminal or a log: characters that would do something are spelled out. */
export function shown(text: string): string {
  return text.replace(UNSHOWN, spelledOut);
}

/** JSON that a terminal can show. Its own line breaks stay; in its strings the characters are escaped as JSON does it. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(UNSHOWN, (character) =>
    character === '\n' ? character : spelledOut(character),
  );
}

function spelledOut(character: string): string {
  const units = character.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'));
  return units.map((unit) => `\\u${unit}`).join('');
}

/** So that a shell takes it as it is. */
export function shellWord(text: string): string {
  return /^[\w/.,:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
