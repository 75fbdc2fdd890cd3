import { setTimeout } from 'node:timers/promises';
import { getSystemErrorMessage } from 'node:util';

/** Nothing of the double lives longer, also when nobody ends it. */
const MAX_LIFE_MS = 10 * 60 * 1000;

/** Wrong usage, as clap reports it: exit code 2. */
export class UsageError extends Error {}

/** A failure of smolvm itself: `Error: <message>` and exit code 1. */
export class SmolvmError extends Error {
  /** As `--error-format json` gives it. */
  readonly code: string;

  constructor(message: string, code = 'SMOLVM_ERROR') {
    super(message);
    this.code = code;
  }
}

/** A panic: exit code 101. */
export class Panic extends Error {}

/** An error of the system the way Rust words it, such as `No space left on device (os error 28)`. */
export function describeError(error: unknown): string {
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') {
    const text = getSystemErrorMessage(error.errno);
    return `${text.charAt(0).toUpperCase()}${text.slice(1)} (os error ${-error.errno})`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Runs one step and words its failure `<class> operation failed: <step>: <reason>`. */
export async function attempt<T>(operation: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Panic) {
      throw error;
    }
    throw new SmolvmError(`agent operation failed: ${operation}: ${describeError(error)}`);
  }
}

/** Ends this process by a signal: nothing is cleaned up. */
export async function die(signal: NodeJS.Signals): Promise<void> {
  process.kill(process.pid, signal);
  await wait();
}

export async function wait(): Promise<void> {
  await setTimeout(MAX_LIFE_MS);
}
