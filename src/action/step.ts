import * as core from '@actions/core';
import { BottleError, InterruptedError } from '../errors.ts';
import { takeUnsafeSettings } from '../host/unsafe-settings.ts';
import { counted } from '../identity/shown-text.ts';
import { type ActionInputs, readInputs } from './inputs.ts';
import { type Job, readJob } from './job.ts';
import { createRunnerLog } from './log.ts';
import { outputsOf, type PackedPlatform, type Published } from './outputs.ts';
import { report, writeSummary } from './report.ts';
import { run } from './run.ts';
import { summaryOf } from './summary.ts';
import { takeToolkit } from './toolkit.ts';
import { judgeRun } from './trust.ts';
import { takeVariables } from './variables.ts';

const MIN_MASKED_CHARS = 4;
/** The runner sends SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL, and to this process only. */
const CLEAN_UP_MS = { SIGINT: 6_000, SIGTERM: 1_500 } as const;

/** Returns the exit code; everything that can go wrong has been reported. */
export async function runMainStep(): Promise<number> {
  const log = createRunnerLog(process.stdout.write.bind(process.stdout));
  const stop = new AbortController();
  const outOfTime = Promise.withResolvers<never>();
  outOfTime.promise.catch(() => {});
  const end = (reason: Error, cleanUpMs: number) => {
    stop.abort(reason);
    // Not everything can be stopped, such as a download of the toolkit's.
    setTimeout(() => outOfTime.reject(stop.signal.reason), cleanUpMs);
  };
  process.on('SIGINT', () => end(new InterruptedError('SIGINT'), CLEAN_UP_MS.SIGINT));
  process.on('SIGTERM', () => end(new InterruptedError('SIGTERM'), CLEAN_UP_MS.SIGTERM));
  try {
    for (const warning of takeUnsafeSettings(process.env)) {
      log.warning('Certificates', warning);
    }
    const job = readJob(process.env);
    const toolkit = takeToolkit(log);
    const inputs = await takeInputs(job);
    const timeout = setTimeout(() => end(timedOut(inputs), CLEAN_UP_MS.SIGINT), inputs.timeoutMs);
    const trust = judgeRun(job, { cache: inputs.cache, publishes: inputs.publish.channels.length > 0 });
    const results: PackedPlatform[] = [];
    let published: Published = {};
    const onResult = async (result: PackedPlatform) => {
      results.push(result);
    };
    const onPublished = (part: Published) => {
      published = { ...published, ...part };
    };
    try {
      const work = run(inputs, { job, trust, log, toolkit, signal: stop.signal, onResult, onPublished });
      await Promise.race([work, outOfTime.promise]);
    } finally {
      setOutputs(outputsOf(results, published));
      await writeSummary(summaryOf({ results, published }));
    }
    clearTimeout(timeout);
    return 0;
  } catch (error) {
    return await report(error, log, stop.signal);
  }
}

function setOutputs(outputs: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(outputs)) {
    core.setOutput(name, value);
  }
}

/** Reads the inputs, and has their secrets masked. */
async function takeInputs(job: Job): Promise<ActionInputs> {
  const inputs = await readInputs(core.getInput, job.workspace);
  takeVariables(/^INPUT_/);
  const secrets = 'image' in inputs.source ? [] : inputs.source.secrets.map(({ value }) => value);
  for (const secret of inputs.githubToken === undefined ? secrets : [inputs.githubToken, ...secrets]) {
    for (const line of maskedLines(secret)) {
      core.setSecret(line);
    }
  }
  return inputs;
}

/** The runner masks line by line. A log without each "{" of a JSON secret nobody could read. */
function maskedLines(secret: string): string[] {
  const lines = secret.split('\n').filter((line) => line.trim().length >= MIN_MASKED_CHARS);
  return lines.length > 0 ? lines : [secret];
}

function timedOut({ timeoutMs }: ActionInputs): BottleError {
  return new BottleError('timed-out', `not done after ${counted(timeoutMs / 60_000, 'minute')}`, {
    hint: 'see on the log what it was waiting for, or raise timeout-minutes',
  });
}
