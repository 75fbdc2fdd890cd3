import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ResultsService, ServiceRequest } from '../doubles/results-service/service.ts';
import type { StepResult } from '../doubles/runner/runner.ts';
import { type ActionJob, actionJob } from '../helpers/action-job.ts';

/** With it the action may ask which artifacts GitHub still has. */
const WITH_TOKEN = { 'github-token': 'job-token' };

async function coldRun(
  inputs: Record<string, string> = WITH_TOKEN,
): Promise<{ readonly cold: ActionJob; readonly first: StepResult }> {
  const cold = await actionJob();
  const first = await cold.run({ inputs });
  expect(first.outcome, first.log).toBe('success');
  expect(first.outputs['cache-match']).toBe('none');
  cold.results.startRun();
  return { cold, first };
}

/** Requests that carry the content of artifacts or cache entries, as `GET smolmachine-linux-amd64-….smolmachine`. */
function transfers(results: ResultsService, since: number): string[] {
  return results.requests
    .slice(since)
    .filter(({ service, method }: ServiceRequest) => service === 'blob' && method !== 'HEAD')
    .map(({ method, subject = '' }) => `${method} ${subject}`);
}

function recordOf({ outputs }: StepResult): Promise<{ source: { runId: string }; inputs: { key: string } }> {
  return fs.readFile(outputs['record-path'] ?? '', 'utf8').then(JSON.parse);
}

describe('a run with unchanged inputs', () => {
  test('moves no sidecar, and names the artifact of the run that packed it', async () => {
    const { cold, first } = await coldRun();
    const since = cold.results.requests.length;
    const warm = await actionJob({ results: cold.results });
    const result = await warm.run({ inputs: WITH_TOKEN });
    expect(result.outputs).toMatchObject({
      'cache-hit': 'true',
      'cache-match': 'inputs',
      'sidecar-path': '',
    });
    for (const name of [
      'sidecar-sha256',
      'sidecar-size',
      'image-id',
      'artifact-id',
      'artifact-url',
      'artifact-digest',
    ]) {
      expect([name, result.outputs[name]]).toEqual([name, first.outputs[name]]);
    }
    expect(transfers(cold.results, since)).toEqual([
      expect.stringMatching(/^GET claude-bottle-pack-v\d+-inputs-/),
    ]);
    expect((await recordOf(result)).source.runId).toBe((await recordOf(first)).source.runId);
    expect(result.log).toMatch(/^confirm .* uploaded by workflow run \d+, until \d{4}-\d\d-\d\d$/m);
    expect(result.annotations).toEqual([]);
  });

  test('brings the file when a later step wants it', async () => {
    const { cold, first } = await coldRun();
    const warm = await actionJob({ results: cold.results });
    const result = await warm.run({ inputs: { ...WITH_TOKEN, restore: 'true' } });
    expect(result.outputs['cache-match']).toBe('inputs');
    expect(existsSync(result.outputs['sidecar-path'] ?? '')).toBe(true);
    expect(result.outputs['artifact-id']).toBe(first.outputs['artifact-id']);
  });

  test('is warm with artifacts that are kept for one day', async () => {
    const inputs = { ...WITH_TOKEN, 'retention-days': '1' };
    const { cold, first } = await coldRun(inputs);
    const result = await (await actionJob({ results: cold.results })).run({ inputs });
    expect(result.outputs).toMatchObject({
      'cache-match': 'inputs',
      'artifact-id': first.outputs['artifact-id'],
    });
  });

  test('packs again once when the artifact of the earlier run is gone, and is warm from then on', async () => {
    const { cold, first } = await coldRun();
    const isLeft = ({ id }: { id: number }) => String(id) !== first.outputs['artifact-id'];
    cold.results.fault = ({ service, url }) =>
      service === 'api' && /artifacts(\?|$)/.test(url)
        ? {
            kind: 'transform',
            answer: ({ artifacts }) => ({ artifacts: (artifacts as { id: number }[]).filter(isLeft) }),
          }
        : undefined;
    const warm = await actionJob({ results: cold.results });
    const result = await warm.run({ inputs: WITH_TOKEN });
    expect(result.outputs['cache-match']).toBe('none');
    expect(result.summary).toContain('no longer offers it as an artifact');
    const { source } = await recordOf(result);
    expect(source.runId).not.toBe((await recordOf(first)).source.runId);
    expect(cold.results.artifacts().filter(({ name }) => name.endsWith('.smolmachine'))).toHaveLength(2);

    cold.results.startRun();
    const since = cold.results.requests.length;
    const third = await (await actionJob({ results: cold.results })).run({ inputs: WITH_TOKEN });
    expect(third.outputs, third.log).toMatchObject({
      'cache-match': 'inputs',
      'artifact-id': result.outputs['artifact-id'],
      'sidecar-sha256': result.outputs['sidecar-sha256'],
    });
    expect(transfers(cold.results, since)).toHaveLength(1);
    expect((await recordOf(third)).source.runId).toBe(source.runId);
  });

  test('uploads nothing when it may not ask for the artifact, and says which permission is missing', async () => {
    const { cold } = await coldRun();
    const uploaded = cold.results.artifacts().length;
    cold.results.fault = ({ service }) =>
      service === 'api'
        ? { kind: 'status', status: 403, body: { message: 'Resource not accessible by integration' } }
        : undefined;
    const warm = await actionJob({ results: cold.results });
    const result = await warm.run({ inputs: WITH_TOKEN });
    expect(result.outputs).toMatchObject({ 'cache-match': 'inputs', 'artifact-id': '' });
    expect(cold.results.artifacts()).toHaveLength(uploaded);
    expect(result.annotations.map(({ message }) => message)).toEqual([
      expect.stringContaining('Add permissions: actions: read'),
    ]);
  });
});

test('an image that other inputs have made as well is offered by its pack record, as the work of the run that packed it', async () => {
  const { cold, first } = await coldRun();
  const warm = await actionJob({ results: cold.results });
  await fs.appendFile(join(warm.workspace, 'context/Dockerfile'), '# a comment\n');
  const uploaded = cold.results.artifacts().length;
  const result = await warm.run({ inputs: WITH_TOKEN });
  expect(result.outputs, result.log).toMatchObject({ 'cache-match': 'image' });
  expect(result.outputs['inputs-key']).not.toBe(first.outputs['inputs-key']);
  expect(
    cold.results
      .artifacts()
      .slice(uploaded)
      .map(({ name }) => name),
  ).toEqual([`smolmachine-linux-amd64-${result.outputs['inputs-key']?.slice(0, 16)}.smolmachine.json`]);
  expect(await recordOf(result)).toMatchObject({
    source: { runId: (await recordOf(first)).source.runId },
    inputs: { key: result.outputs['inputs-key'] },
  });

  // And the next run with these inputs moves nothing at all.
  cold.results.startRun();
  const same = await actionJob({ results: cold.results });
  await fs.appendFile(join(same.workspace, 'context/Dockerfile'), '# a comment\n');
  const since = cold.results.requests.length;
  const third = await same.run({ inputs: WITH_TOKEN });
  expect(third.outputs['cache-match']).toBe('inputs');
  expect(transfers(cold.results, since)).toHaveLength(1);
  expect(third.outputs['artifact-id']).toBe(first.outputs['artifact-id']);

  const withFile = await same.run({ inputs: { ...WITH_TOKEN, restore: 'true' } });
  expect(withFile.outputs).toMatchObject({
    'cache-match': 'inputs',
    'inputs-key': result.outputs['inputs-key'],
  });
});
