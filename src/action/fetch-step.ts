import { join } from 'node:path';
import * as core from '@actions/core';
import { BottleError, type ErrorCode, EXIT_CODES, InterruptedError } from '../errors.ts';
import { readChild } from '../host/child.ts';
import { nonEmptyLines } from './input-reader.ts';
import { createRunnerLog } from './log.ts';
import { BUG_HINT, report } from './report.ts';
import { takeVariables } from './variables.ts';

/** Built from the same sources, beside this step's bundle. */
const CLI = join(import.meta.dirname, 'cli.mjs');

/** The inputs of fetch/action.yml that are options of `claude-bottle fetch`. */
const OPTIONS = ['context', 'file', 'target', 'image', 'from', 'provenance', 'store'] as const;

/** What `claude-bottle fetch --json` prints; the rest of it is for others. */
interface Fetched {
  readonly path: string | null;
  readonly sha256: string;
  readonly source: string;
  readonly bound: { readonly id16: string } | null;
}

/** `uses: org/claude-bottle-pack/fetch@v1`: runs `claude-bottle fetch`, and hands on what it has fetched. */
export async function runFetchStep(): Promise<number> {
  const log = createRunnerLog(process.stdout.write.bind(process.stdout));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => stop.abort(new InterruptedError(signal)));
  }
  try {
    const args = fetchArgs(core.getInput);
    const token = core.getInput('github-token');
    if (token !== '') {
      core.setSecret(token);
    }
    // What docker build inherits from us is neither the job's own tokens nor our inputs.
    takeVariables(/^(INPUT|ACTIONS)_/);
    const { stdout, exitCode, tail } = await readChild(process.execPath, [CLI, ...args], {
      cwd: process.env.GITHUB_WORKSPACE || '.',
      env: { ...process.env, ...(token !== '' && { GH_TOKEN: token }) },
      signal: stop.signal,
      onLine: (line) => log.text(line),
    });
    if (exitCode !== 0) {
      throw failureOf(stdout, tail);
    }
    const { path, sha256, source, bound }: Fetched = JSON.parse(stdout);
    const outputs = { path: path ?? '', id: bound?.id16 ?? '', sha256, source };
    for (const [name, value] of Object.entries(outputs)) {
      core.setOutput(name, value);
    }
    return 0;
  } catch (error) {
    return await report(error, log, stop.signal);
  }
}

/** In one word each, so that no value is taken for an option. */
function fetchArgs(get: (name: string) => string): string[] {
  const options = OPTIONS.filter((name) => get(name) !== '').map((name) => `--${name}=${get(name)}`);
  const buildArgs = nonEmptyLines(get('build-args'));
  return ['fetch', '--json', ...options, ...buildArgs.map((pair) => `--build-arg=${pair}`)];
}

/** With --json the command line prints its error as JSON, too. */
function failureOf(stdout: string, tail: readonly string[]): BottleError {
  try {
    const { code, message, try: lines = [], details = [] } = JSON.parse(stdout);
    if (Object.hasOwn(EXIT_CODES, code)) {
      return new BottleError(code as ErrorCode, String(message), {
        hint: lines.map(String),
        details,
      });
    }
  } catch {
    // It has ended before it could say why.
  }
  return new BottleError('internal', 'claude-bottle fetch ended without a result', {
    hint: BUG_HINT,
    details: tail,
  });
}
