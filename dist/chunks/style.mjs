import { t as homeDir } from "./home.mjs";
import { styleText } from "node:util";
// src/cli/style.ts
/** The signs at the beginning of a line that says how something ended. */
const SIGNS = {
	ok: "✓",
	warn: "!",
	fail: "✗"
};
const COLORS = {
	"✓": "green",
	"!": "yellow",
	"✗": "red"
};
/** Colors the sign or the `try:` that a line begins with, where the stream shows colors (NO_COLOR, FORCE_COLOR and TERM decide that). */
function paintSign(line, stream) {
	return line.replace(/^[✓!✗](?= )/, (sign) => styleText(COLORS[sign], sign, { stream })).replace(/^ *try:(?= )/, (word) => styleText("cyan", word, { stream }));
}
/** Digests with their first 12 hex digits, which is what people compare. */
function shortHashes(text) {
	return text.replace(/\b([0-9a-f]{12})(?:[0-9a-f]{4}|[0-9a-f]{28}|[0-9a-f]{52})\b/g, "$1");
}
/** `~` for the home directory, on a terminal only: elsewhere a program may read the path. */
function tilde(text, stream) {
	const home = homeDir() ?? "";
	if (stream.isTTY !== true || home.length < 2) return text;
	return text.split(`${home}/`).reduce((before, after) => `${before}${/(^|[\s(:,])$/.test(before) ? "~" : home}/${after}`);
}
/** 1:12, or 1:02:03. */
function formatClock(seconds) {
	const whole = Math.floor(seconds);
	const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
	const digits = (count) => String(count).padStart(2, "0");
	return hours > 0 ? `${hours}:${digits(minutes)}:${digits(whole % 60)}` : `${minutes}:${digits(whole % 60)}`;
}
function formatDuration(seconds) {
	if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
	const whole = Math.round(seconds);
	return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
export { shortHashes as a, paintSign as i, formatClock as n, tilde as o, formatDuration as r, SIGNS as t };
