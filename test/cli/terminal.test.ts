import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { isOnPath } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CLI = join(import.meta.dirname, '../../dist/cli.mjs');
const run = promisify(execFile);

/** What a fetch writes to a terminal of its own, by the `script` of util-linux. */
async function onTerminal(env: NodeJS.ProcessEnv): Promise<string> {
  const home = await tempDir();
  const checkout = await sampleCheckout();
  const { path } = await publishFile(checkout);
  const words = [
    ...[process.execPath, CLI, 'fetch', '--context', checkout.dir, '--platform', 'linux/amd64'],
    ...['--from', `file:${path}`, '--no-bind'],
  ];
  const command = words.map((word) => `'${word}'`).join(' ');
  const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, GITHUB_ACTIONS: ____, ...rest } = process.env;
  const { stdout } = await run('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { ...rest, HOME: home, GH_TOKEN: '', GITHUB_TOKEN: '', ...env },
  });
  return stdout;
}

const isHere = process.platform === 'linux' && isOnPath('script');

test
  .runIf(isHere)
  .each([
    [{ TERM: 'dumb' }],
    [{ TERM: 'xterm-256color', CI: 'true' }],
    [{ TERM: 'xterm-256color', NO_COLOR: '1', CI: '1' }],
  ])('a terminal with %o gets plain lines', async (env) => {
  const text = await onTerminal(env);
  expect(text).toMatch(/Copied|Fetched|In the store/);
  expect(text).not.toContain('\u001b');
});

test.runIf(isHere)('a terminal that can gets colors', async () => {
  expect(await onTerminal({ TERM: 'xterm-256color' })).toContain('\u001b[');
});
