import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { homeDir } from '../host/home.ts';

/** The signs at the beginning of a line that says how something ended. */
export const SIGNS = { ok: '✓', warn: '!', fail: '✗' } as const;
const COLORS = { '✓': 'green', '!': 'yellow', '✗': 'red' } as const;

/** Colors the sign or the `try:` that a line begins with, where the stream shows colors (NO_COLOR, FORCE_COLOR and TERM decide that). */
export function paintSign(line: string, stream: WriteStream): string {
  return line
    .replace(/^[✓!✗](?= )/, (sign) => styleText(COLORS[sign as keyof typeof COLORS], sign, { stream }))
    .replace(/^ *try:(?= )/, (word) => styleText('cyan', word, { stream }));
}

/** Digests with their first 12 hex digits, which is what people compare. */
export function shortHashes(text: string): string {
  return text.replace(/\b([0-9a-f]{12})(?:[0-9a-f]{4}|[0-9a-f]{28}|[0-9a-f]{52})\b/g, '$1');
}

/** `~` for the home directory, on a terminal only: elsewhere a program may read the path. */
export function tilde(text: string, stream: WriteStream): string {
  const home = homeDir() ?? '';
  if (stream.isTTY !== true || home.length < 2) {
    return text;
  }
  const parts = text.split(`${home}/`);
  return parts.reduce((before, after) => `${before}${/(^|[\s(:,])$/.test(before) ? '~' : home}/${after}`);
}

/** 1:12, or 1:02:03. */
export function formatClock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const digits = (count: number) => String(count).padStart(2, '0');
  return hours > 0 ? `${hours}:${digits(minutes)}:${digits(whole % 60)}` : `${minutes}:${digits(whole % 60)}`;
}

export function formatDuration(seconds: number): string {
  if (seconds < 9.95) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
