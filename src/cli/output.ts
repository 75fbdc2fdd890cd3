import { styleText } from 'node:util';
import { type BottleError, hasErrno, stackOf } from '../errors.ts';
import { shown, shownJson } from '../identity/shown-text.ts';
import type { OnProgress } from '../progress.ts';
import { createProgress } from './progress.ts';

/**
 * Results go to standard output, everything else to standard error. Names, addresses and messages come from others: each
 * line is made harmless here and in progress.ts, on its way out, and nowhere before.
 */
export interface Output {
  readonly onProgress: OnProgress;
  /** Prints `lines`, or with --json `value`. */
  result(value: unknown, lines: readonly string[], paint?: (line: string) => string): void;
  note(message: string): void;
  error(error: BottleError): void;
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
}

/** @param flags becomes what the line says once it is parsed */
export function terminalOutput(flags: OutputOptions): Output {
  const progress = createProgress(process.stderr, flags);
  outliveReaders();
  return {
    onProgress: progress.handle,
    result(value, lines, paint = (line) => line) {
      progress.clear();
      process.stdout.write(
        flags.json ? `${shownJson(value)}\n` : lines.map((line) => `${paint(shown(line))}\n`).join(''),
      );
    },
    note(message) {
      if (flags.quiet) {
        return;
      }
      progress.clear();
      process.stderr.write(`claude-bottle: ${shown(message)}\n`);
    },
    error(error) {
      progress.clear();
      const { code, exitCode, message, hint, details } = error;
      if (flags.json) {
        const failure = { code, exit: exitCode, message, hint, ...(details.length > 0 && { details }) };
        process.stdout.write(`${shownJson(failure)}\n`);
      }
      const lines = [
        `${styleText('red', 'claude-bottle: error:', { stream: process.stderr })} ${shown(message)}`,
        ...details.map((line) => `  | ${shown(line)}`),
        ...(hint === undefined ? [] : [`  hint: ${shown(hint)}`]),
        ...(flags.debug
          ? stackOf(error)
              .split('\n')
              .map((line) => `  ${shown(line)}`)
          : []),
      ];
      process.stderr.write(`${lines.join('\n')}\n`);
    },
  };
}

/** Whoever reads our output may leave, a terminal even with a SIGHUP: the clean-up must go on all the same. */
function outliveReaders(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error) => {
    if (!hasErrno(error, 'EPIPE', 'EIO')) {
      process.stderr.write(`claude-bottle: error: cannot write the result: ${shown(error.message)}\n`);
      process.exitCode = 74;
    }
  });
}
