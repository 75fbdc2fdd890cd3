import { type FetchCommandOptions, runFetch } from './fetch-command.ts';
import type { Output } from './output.ts';

export type ImportCommandOptions = Omit<FetchCommandOptions, 'from' | 'offline' | 'locked' | 'token'>;

/** `claude-bottle import`: what fetch does, from a file that export has written. */
export async function runImport(
  file: string,
  options: ImportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  return await runFetch({ ...options, from: `layout:${file}` }, output, signal);
}
