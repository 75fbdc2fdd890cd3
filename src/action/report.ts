import * as core from '@actions/core';
import { asBottleError, InterruptedError, stackOf } from '../errors.ts';
import type { RunnerLog } from './log.ts';
import { failureSummary } from './summary.ts';

export const BUG_HINT = 'report this bug with the log of a run with debug logging';
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Tells the user why a step has failed or was stopped, and returns its exit code. */
export async function report(error: unknown, log: RunnerLog, signal: AbortSignal): Promise<number> {
  log.closeGroup();
  if (signal.reason instanceof InterruptedError) {
    log.notice('Cancelled', signal.reason.message);
    core.setOutput('error-code', 'cancelled');
    return EXIT_CODES[signal.reason.signal as keyof typeof EXIT_CODES];
  }
  const known = asBottleError(signal.aborted ? signal.reason : error, BUG_HINT);
  core.debug(stackOf(known));
  for (const line of known.details) {
    log.text(`  | ${line}`);
  }
  log.error(`claude-bottle-pack: ${known.code}`, known.message, known.hints);
  core.setOutput('error-code', known.code);
  await writeSummary(failureSummary(known));
  return 1;
}

/** A runner without summaries is not a reason to fail. */
export async function writeSummary(markdown: string): Promise<void> {
  if (markdown !== '' && process.env.GITHUB_STEP_SUMMARY) {
    await core.summary.addRaw(markdown).write();
  }
}
