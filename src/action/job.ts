import { readFileSync } from 'node:fs';
import { BottleError } from '../errors.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { RunContext } from './trust.ts';

/** What the runner tells of the job that we are in. */
export interface Job extends RunContext {
  readonly workspace: string;
  readonly tempDir: string;
  readonly runId: string;
  readonly runAttempt: number;
  readonly repository: string;
  readonly serverUrl: string;
  readonly apiUrl: string;
  /** For the pack record. */
  readonly source: NonNullable<PackRecord['source']>;
}

/**
 * https://docs.github.com/actions/reference/workflows-and-actions/variables
 * @throws BottleError `usage` outside of a workflow
 */
export function readJob(env: NodeJS.ProcessEnv): Job {
  const required = (name: string) => {
    const value = env[name];
    if (!value) {
      throw new BottleError('usage', `${name} is not set: this is not a step of a workflow`, {
        hint: 'on your own machine use `claude-bottle pack`',
      });
    }
    return value;
  };
  const event = required('GITHUB_EVENT_NAME');
  const ref = required('GITHUB_REF');
  const repository = required('GITHUB_REPOSITORY');
  const runId = required('GITHUB_RUN_ID');
  const runAttempt = Number(required('GITHUB_RUN_ATTEMPT'));
  return {
    event,
    ref,
    repository,
    runId,
    runAttempt,
    payload: readPayload(env.GITHUB_EVENT_PATH),
    hasIdToken: Boolean(env.ACTIONS_ID_TOKEN_REQUEST_URL),
    workspace: required('GITHUB_WORKSPACE'),
    tempDir: required('RUNNER_TEMP'),
    serverUrl: required('GITHUB_SERVER_URL'),
    apiUrl: required('GITHUB_API_URL'),
    source: {
      server: required('GITHUB_SERVER_URL'),
      repository,
      // Not everything that runs workflows sets it: act does not.
      ...(env.GITHUB_REPOSITORY_ID && { repositoryId: env.GITHUB_REPOSITORY_ID }),
      commit: required('GITHUB_SHA'),
      ref,
      event,
      runId,
      runAttempt,
    },
  };
}

/** A payload that cannot be read says nothing, and what it does not say counts against the run. */
function readPayload(path: string | undefined): Record<string, unknown> {
  try {
    const payload: unknown = JSON.parse(readFileSync(path ?? '', 'utf8'));
    return typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
