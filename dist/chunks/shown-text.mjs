// src/identity/shown-text.ts
const MAX_QUOTED_CHARS = 200;
/** A refused value in a message: in quotation marks, and not at length. */
function quoted(text) {
	return JSON.stringify(text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text);
}
/** `1 file`, `2 files` */
function counted(count, noun, digits = String(count)) {
	return `${digits} ${noun}${count === 1 ? "" : "s"}`;
}
/** What moves a cursor, hides text, turns it around, or is only half a character; a tab does none of that. */
const UNSHOWN = /(?!\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** One line of text from anywhere, for a terminal or a log: characters that would do something are spelled out. */
function shown(text) {
	return text.replace(UNSHOWN, spelledOut);
}
/** JSON that a terminal can show. Its own line breaks stay; in its strings the characters are escaped as JSON does it. */
function shownJson(value) {
	return JSON.stringify(value, void 0, 2).replace(UNSHOWN, (character) => character === "\n" ? character : spelledOut(character));
}
function spelledOut(character) {
	return character.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0")).map((unit) => `\\u${unit}`).join("");
}
/** So that a shell takes it as it is. */
function shellWord(text) {
	return /^[\w/.,:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
export { shownJson as a, shown as i, quoted as n, shellWord as r, counted as t };
