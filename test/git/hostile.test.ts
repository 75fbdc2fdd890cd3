import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { type HostileCheckout, hostileCheckout, nestedBareCheckout } from '../helpers/hostile-checkout.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** Every verb that is about a checkout. What they end with is not the question here, but none may end with a bug. */
async function runEveryVerb({ dir }: Pick<HostileCheckout, 'dir'>, sidecar: string): Promise<string[]> {
  const home = await tempDir();
  const env = {
    HOME: home,
    GH_TOKEN: 'ghp_secret',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    DOCKER_HOST: 'tcp://127.0.0.1:1',
  };
  const context = ['--context', dir];
  const against = ['--against', `${sidecar}.json`];
  const from = ['--from', `file:${sidecar}`];
  const commands = [
    ['key', ...context],
    ['key', ...context, '--explain', ...against],
    ['fetch', ...context, ...from, '--no-bind'],
    ['fetch', ...context, '--from', 'release:v1', '--no-bind'],
    ['fetch', ...context, '--no-bind', '--dry-run'],
    ['lock', ...context, ...from],
    ['pack', ...context, '--no-kvm-check'],
    ['bind', ...context],
    ['path', ...context],
    ['verify', ...context, sidecar],
    ['export', ...context, '--out', join(home, 'out')],
    ['doctor'],
  ];
  const results = await Promise.all(commands.map((command) => runCli(command, env)));
  return results.flatMap(({ exitCode, stderr }, index) =>
    exitCode === 70 ? `${commands[index]?.[0]}: ${stderr}` : [],
  );
}

test('no verb has a program run that the checkout chose', { timeout: 300_000 }, async () => {
  const other = await publishFile(await sampleCheckout());
  const record = JSON.parse(await fs.readFile(`${other.path}.json`, 'utf8'));
  for (const hostile of [await hostileCheckout(), await nestedBareCheckout()]) {
    record.source.commit = await hostile.git('-c', 'core.fsmonitor=false', 'rev-parse', 'HEAD');
    await fs.writeFile(`${other.path}.json`, JSON.stringify(record));
    expect(await hostile.ran()).toEqual([]);
    expect(await runEveryVerb(hostile, other.path)).toEqual([]);
    expect(await hostile.ran()).toEqual([]);
  }
});

test('the same checkouts do run their programs when git is asked as usual', async () => {
  const plain = (dir: string, ...args: string[]) => spawnSync('git', ['-C', dir, ...args]);
  const { dir, ran } = await hostileCheckout();
  plain(dir, 'status');
  plain(dir, 'log', '-1');
  plain(dir, 'diff', 'HEAD');
  plain(dir, 'cat-file', '-p', 'HEAD:README.md');
  plain(dir, 'ls-remote', 'ssh://nowhere.invalid/x');
  const marks = await ran();
  const needed = ['fsmonitor', 'ext', 'process', 'sshCommand', '--keyid-format=long'];
  expect(needed.filter((name) => !marks.some((mark) => mark.endsWith(name)))).toEqual([]);
  const nested = await nestedBareCheckout();
  plain(nested.dir, 'log', '-p');
  expect(await nested.ran()).not.toEqual([]);
});

test('no other part of the product starts git', async () => {
  const root = join(import.meta.dirname, '../../src');
  const files = await fs.readdir(root, { recursive: true });
  const starters: string[] = [];
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const text = await fs.readFile(join(root, file), 'utf8');
    if (
      /['"`](?:\/usr\/bin\/)?git['"`]\s*,\s*\[/.test(text) ||
      /\b(?:exec|spawn)\w*\(\s*['"`]git\b/.test(text)
    ) {
      starters.push(file);
    }
  }
  expect(starters).toEqual(['git/command.ts']);
});
