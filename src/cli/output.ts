import { styleText } from 'node:util';
import { type BottleError, hasErrno, stackOf } from '../errors.ts';
import type { OnProgress } from '../progress.ts';
import { createProgress } from './progress.ts';

/** Results go to standard output, everything else to standard error. */
export interface Output {
  readonly onProgress: OnProgress;
  /** Prints `lines`, or with --json `value`. */
  result(value: unknown, lines: readonly string[]): void;
  note(message: string): void;
  error(error: BottleError): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly debug: boolean;
  /** Nothing but results, warnings and errors. */
  readonly quiet: boolean;
}

export function terminalOutput({ json, debug, quiet }: OutputOptions): Output {
  const progress = createProgress(process.stderr, { quiet });
  outliveReaders();
  return {
    onProgress: progress.handle,
    result(value, lines) {
      progress.clear();
      process.stdout.write(
        json ? `${JSON.stringify(value, undefined, 2)}\n` : lines.map((line) => `${line}\n`).join(''),
      );
    },
    note(message) {
      if (quiet) {
        return;
      }
      progress.clear();
      process.stderr.write(`claude-bottle: ${message}\n`);
    },
    error(error) {
      progress.clear();
      const { code, exitCode, message, hint, details } = error;
      if (json) {
        const failure = { code, exit: exitCode, message, hint, ...(details.length > 0 && { details }) };
        process.stdout.write(`${JSON.stringify(failure, undefined, 2)}\n`);
      }
      const lines = [
        `${styleText('red', 'claude-bottle: error:', { stream: process.stderr })} ${message}`,
        ...details.map((line) => `  | ${line}`),
        ...(hint === undefined ? [] : [`  hint: ${hint}`]),
        ...(debug ? [stackOf(error)] : []),
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
      process.stderr.write(`claude-bottle: error: cannot write the result: ${error.message}\n`);
      process.exitCode = 74;
    }
  });
}
