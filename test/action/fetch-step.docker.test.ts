import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hostGuestPlatform } from '../../src/identity/platform.ts';
import { runStep, type StepResult } from '../doubles/runner/runner.ts';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOKEN = 'ghs_a-token-of-this-job';

/** A job of another workflow, in a checkout of the repository whose sidecar is published. */
async function job() {
  const dir = await tempDir();
  const checkout = await sampleCheckout();
  const image = `claude-bottle-test-fetch-step:${process.pid}-${Date.now()}`;
  onTestFinished(async () => {
    await run('docker', ['image', 'rm', '--force', image]).catch(() => {});
  });
  const fetch = async (inputs: Record<string, string>): Promise<StepResult> =>
    await runStep({
      actionDir: join(ROOT, 'fetch'),
      workspace: checkout.dir,
      temp: join(dir, 'temp'),
      toolCache: join(dir, 'tools'),
      githubToken: TOKEN,
      inputs: { image, ...inputs },
      env: { BUILDX_NO_DEFAULT_ATTESTATIONS: '1' },
    });
  return { checkout, image, fetch, home: join(dir, 'home') };
}

test('brings the sidecar of the checkout to where claude-bottle looks, and says which it is', async () => {
  const { checkout, image, fetch, home } = await job();
  const { path, record } = await publishFile(checkout, hostGuestPlatform());
  const { outcome, outputs, log } = await fetch({ from: `file:${path}` });
  expect(outcome, log).toBe('success');
  const { stdout } = await run('docker', ['image', 'inspect', '--format', '{{.Id}}', image]);
  const id = stdout.trim().slice('sha256:'.length, 'sha256:'.length + 16);
  expect(outputs).toEqual({
    path: join(home, '.cache/claude-bottle/smolmachines', `${id}.smolmachine.smolmachine`),
    id,
    sha256: record.sidecar.sha256,
    source: `file ${path}`,
  });
  expect(await fs.readFile(outputs.path ?? '')).toEqual(await fs.readFile(path));
  expect(log).toContain(`✓ Linked      to your image ${image}`);

  const again = await fetch({});
  expect(again.outputs, again.log).toEqual({ ...outputs, source: 'the store' });
});

test('fails with the reason of the command line where nothing is published for these inputs', async () => {
  const { checkout, fetch } = await job();
  const { path } = await publishFile(checkout, hostGuestPlatform());
  await fs.writeFile(join(checkout.dir, 'agent.txt'), 'another agent\n');
  const { outcome, outputs, annotations, summary } = await fetch({ from: `file:${path}` });
  expect(outcome).toBe('failure');
  expect(outputs).toEqual({ 'error-code': 'not-found' });
  expect(annotations).toMatchObject([{ level: 'error', title: 'claude-bottle-pack: not-found' }]);
  expect(summary).toContain('not-found');
});

test('refuses an input that the command line refuses, and hands nobody the token', async () => {
  const { fetch } = await job();
  const { outputs, log, rawLog, masks } = await fetch({ provenance: 'always' });
  expect(outputs).toEqual({ 'error-code': 'usage' });
  expect(log).toContain("argument 'always' is invalid");
  expect(masks).toContain(TOKEN);
  expect(rawLog.replaceAll(`::add-mask::${TOKEN}`, '')).not.toContain(TOKEN);
});
