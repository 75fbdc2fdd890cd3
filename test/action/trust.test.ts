import { describe, expect, test } from 'vitest';
import { judgeRun, type RunContext } from '../../src/action/trust.ts';

function runOf(event: string, change: Partial<RunContext> = {}): RunContext {
  return { event, payload: {}, ref: 'refs/heads/main', hasIdToken: false, ...change };
}

function pullRequest(headRepository: unknown): RunContext {
  const payload = { pull_request: { head: { repo: headRepository }, base: { repo: { id: 1 } } } };
  return runOf('pull_request', { payload, ref: 'refs/pull/7/merge' });
}

/** restore, save, upload */
function may(run: RunContext, cache: 'auto' | 'true' | 'false' = 'auto'): boolean[] {
  const { restore, save, upload } = judgeRun(run, { cache, publishes: false });
  return [restore.allowed, save.allowed, upload.allowed];
}

describe('what a run may do', () => {
  test.each(['push', 'schedule', 'workflow_dispatch', 'merge_group', 'repository_dispatch', 'deployment'])(
    'a %s restores, saves and uploads',
    (event) => {
      expect(may(runOf(event))).toEqual([true, true, true]);
    },
  );

  test('a pull request of the repository itself restores and uploads, and saves nothing', () => {
    expect(may(pullRequest({ id: 1 }))).toEqual([true, false, true]);
  });

  test.each([
    ['another repository', { id: 2 }],
    ['a deleted repository', null],
    ['a repository without an ID', {}],
  ])('a pull request from %s neither saves nor uploads', (_, repository) => {
    expect(may(pullRequest(repository))).toEqual([true, false, false]);
    const trust = judgeRun(pullRequest(repository), { cache: 'auto', publishes: true });
    expect(trust.upload.reason).toMatch(/fork/);
    expect(trust.publish.reason).toMatch(/fork/);
  });

  test.each(['pull_request_target', 'workflow_run', 'issue_comment', 'issues', 'fork', 'no_such_event', ''])(
    'the event %j neither saves nor uploads, not even when asked to cache',
    (event) => {
      expect(may(runOf(event))).toEqual([true, false, false]);
      expect(may(runOf(event), 'true')).toEqual([true, false, false]);
    },
  );

  test.each([
    ['a job that can attest', runOf('push', { hasIdToken: true })],
    ['a run for a tag', runOf('push', { ref: 'refs/tags/v1' })],
    ['a release', runOf('release')],
  ])('%s takes nothing from the cache and puts nothing there, unless it is told to', (_, run) => {
    expect(may(run)).toEqual([false, false, true]);
    expect(may(run, 'true')).toEqual([true, true, true]);
  });

  test('cache: false leaves the cache alone', () => {
    expect(may(runOf('push'), 'false')).toEqual([false, false, true]);
  });

  test.each(['push', 'release', 'workflow_dispatch', 'schedule'])('a %s publishes', (event) => {
    expect(judgeRun(runOf(event), { cache: 'auto', publishes: true }).publish.allowed).toBe(true);
  });

  test.each([
    pullRequest({ id: 1 }),
    pullRequest({ id: 2 }),
    ...[
      ...['pull_request_target', 'workflow_run', 'issue_comment', 'merge_group', 'repository_dispatch'],
      ...['deployment', 'no_such_event', ''],
    ].map((event) => runOf(event)),
    // What else is trusted does not change it.
    runOf('merge_group', { hasIdToken: true, ref: 'refs/tags/v1' }),
  ])('$event publishes nothing, and says why', (run) => {
    const { publish } = judgeRun(run, { cache: 'true', publishes: true });
    expect(publish.allowed).toBe(false);
    expect(publish.reason).toBeTruthy();
  });

  test('a run that publishes takes nothing from the cache, whatever it is told', () => {
    const both = (cache: 'auto' | 'true', run: RunContext) => {
      const { restore, save } = judgeRun(run, { cache, publishes: true });
      return [restore.allowed, save.allowed];
    };
    expect(both('auto', runOf('push'))).toEqual([false, false]);
    expect(both('true', runOf('push'))).toEqual([false, true]);
    // It is not going to publish.
    expect(both('auto', pullRequest({ id: 1 }))).toEqual([true, false]);
  });
});
