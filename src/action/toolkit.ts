import * as core from '@actions/core';
import type { RunnerLog } from './log.ts';
import { takeVariables } from './variables.ts';

/** The job's own tokens and addresses: for the toolkit, not for docker and smolvm, which inherit our environment. */
const RUNTIME_VARIABLE = /^ACTIONS_/;

export interface ToolkitAnswer<T> {
  readonly value: T;
  /** What the toolkit would have put on the log as warnings and errors. */
  readonly complaints: readonly string[];
}

/** Calls of @actions/cache and @actions/artifact, which read the environment, print, and cannot be cancelled. */
export interface Toolkit {
  /**
   * Rejects with the signal's reason as soon as it is aborted; the call itself goes on until the process exits.
   * @param env laid over the environment during the call
   */
  call<T>(
    run: () => Promise<T>,
    options: { signal: AbortSignal; env?: Record<string, string> },
  ): Promise<ToolkitAnswer<T>>;
}

/** Takes the job's tokens out of `process.env`; the toolkit gets them back for each call. */
export function takeToolkit(log: RunnerLog): Toolkit {
  const runtime = takeVariables(RUNTIME_VARIABLE);
  return {
    async call(run, { signal, env = {} }) {
      signal.throwIfAborted();
      const restoreEnvironment = overlayEnvironment({ ...runtime, ...env });
      const output = captureOutput(log);
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const value = await Promise.race([run(), aborted.promise]);
        return { value, complaints: output.complaints };
      } finally {
        signal.removeEventListener('abort', onAbort);
        output.release();
        restoreEnvironment();
      }
    },
  };
}

function overlayEnvironment(env: Record<string, string>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) {
        delete process.env[name];
      } else {
        process.env[name] = value;
      }
    }
  };
}

/**
 * The toolkit reports what it survives as warnings and errors of its own, straight to standard output: a cache that
 * may not be written to would end up as a red annotation. There is no other way to it than the stream.
 */
function captureOutput(log: RunnerLog): { readonly complaints: string[]; release(): void } {
  const complaints: string[] = [];
  const { stdout } = process;
  const original = stdout.write;
  stdout.write = (chunk: string | Uint8Array): boolean => {
    const text = String(chunk);
    const complaint = /^::(?:warning|error)(?: [^:]*)?::(?<message>[^\r\n]*)/.exec(text)?.groups?.message;
    if (complaint !== undefined) {
      complaints.push(unescapeData(complaint));
    } else if (text.startsWith('::add-mask::') || (core.isDebug() && text.startsWith('::debug::'))) {
      log.command(text);
    } else if (!text.startsWith('::debug::')) {
      log.text(text.trimEnd());
    }
    return true;
  };
  return {
    complaints,
    release() {
      stdout.write = original;
    },
  };
}

/** https://github.com/actions/toolkit: packages/core, escapeData. */
function unescapeData(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
}
