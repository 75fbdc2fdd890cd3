import { styleText } from 'node:util';
import { type BottleError, hasErrno, stackOf } from '../errors.ts';
import { shown, shownJson } from '../identity/shown-text.ts';
import type { OnProgress } from '../progress.ts';
import { createProgress } from './progress.ts';
import { paintSign, SIGNS, shortHashes, tilde } from './style.ts';

/**
 * Results go to standard output, everything else to standard error. Names, addresses and messages come from others: each
 * line is made harmless here and in progress.ts, on its way out, and nowhere before.
 */
export interface Output {
  readonly onProgress: OnProgress;
  /** Prints `lines`, or with --json `value`. */
  result(value: unknown, lines: readonly string[], options?: ResultOptions): void;
  /** Digests in a text as people compare them, by their first 12 digits; in full with --verbose. */
  readonly digest: (text: string) => string;
  note(message: string): void;
  error(error: BottleError): void;
  /** From now on the work is being stopped. */
  interrupt(): void;
  /** The work has been stopped by this signal. */
  interrupted(signal: NodeJS.Signals): void;
}

export interface ResultOptions {
  /** For scripts: paths in full, also on a terminal. */
  readonly isExact?: boolean;
}

/** What a verb works with once its line is understood. */
export interface CommandContext {
  readonly output: Output;
  readonly signal: AbortSignal;
  /** From now on signals do what they do by default: for a command that hands over to another program. */
  readonly releaseSignals: () => void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly debug: boolean;
  /** Nothing but results, warnings and errors. */
  readonly quiet: boolean;
  /** Every stage, and whole digests. */
  readonly verbose: boolean;
}

/** @param flags becomes what the line says once it is parsed */
export function terminalOutput(flags: OutputOptions): Output {
  const progress = createProgress(process.stderr, flags);
  let keptBytes: string | undefined;
  outliveReaders();
  const say = (text: string) => {
    progress.clear();
    process.stderr.write(`${tilde(text, process.stderr)}\n`);
  };
  return {
    onProgress: progress.handle,
    result(value, lines, { isExact = false } = {}) {
      progress.end();
      if (flags.json) {
        process.stdout.write(`${shownJson(value)}\n`);
        return;
      }
      const text = lines.map((line) => `${paintSign(shown(line), process.stdout)}\n`).join('');
      if (progress.hasPrinted && process.stderr.isTTY && process.stdout.isTTY) {
        process.stderr.write('\n');
      }
      process.stdout.write(isExact ? text : tilde(text, process.stdout));
    },
    digest: (text) => (flags.verbose ? text : shortHashes(text)),
    note(message) {
      if (!flags.quiet) {
        say(`claude-bottle: ${shown(message)}`);
      }
    },
    error(error) {
      progress.end();
      if (flags.json) {
        const { code, exitCode, message, hints, details } = error;
        const failure = {
          code,
          exit: exitCode,
          message,
          try: hints,
          ...(details.length > 0 && { details }),
        };
        process.stdout.write(`${shownJson(failure)}\n`);
      }
      say(errorLines(error, flags.debug).join('\n'));
    },
    interrupt() {
      keptBytes = progress.interrupt();
    },
    interrupted(signal) {
      const stopped = signal === 'SIGINT' ? 'Interrupted' : `Stopped by ${signal}`;
      const kept = keptBytes === undefined ? '' : ` ${keptBytes} are kept; run it again to resume.`;
      say(paintSign(`${SIGNS.warn} ${stopped}.${kept}`, process.stderr));
    },
  };
}

function errorLines(error: BottleError, withStack: boolean): string[] {
  const { message, details, hints } = error;
  const color = (style: 'red' | 'cyan', text: string) => styleText(style, text, { stream: process.stderr });
  return [
    `${color('red', 'claude-bottle: error:')} ${shown(message)}`,
    ...details.map((line) => `  | ${shown(line)}`),
    ...tryLines(hints).map(
      (line, index) => `  ${index === 0 ? color('cyan', 'try:') : '    '} ${shown(line)}`,
    ),
    ...(withStack
      ? stackOf(error)
          .split('\n')
          .map((line) => `  ${shown(line)}`)
      : []),
  ];
}

/** With the comments of several commands in one column. */
export function tryLines(hints: readonly string[]): string[] {
  const lines = hints.map((line) => line.split(/ {2}(?=# )/));
  const width = Math.max(0, ...lines.map(([command = '', comment]) => (comment ? command.length : 0)));
  return lines.map(([command = '', comment]) => (comment ? `${command.padEnd(width)}  ${comment}` : command));
}

/** The reader of our output may leave, a terminal even with a SIGHUP; the clean-up must go on anyway. */
function outliveReaders(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error) => {
    if (!hasErrno(error, 'EPIPE', 'EIO')) {
      process.stderr.write(`claude-bottle: error: cannot write the result: ${shown(error.message)}\n`);
      process.exitCode = 74;
    }
  });
}
