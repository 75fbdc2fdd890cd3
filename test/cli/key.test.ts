import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

async function sampleContext(dockerfile: string): Promise<string> {
  const dir = await tempDir();
  await fs.writeFile(join(dir, 'Dockerfile'), dockerfile);
  await fs.writeFile(join(dir, 'a.txt'), 'a');
  await fs.writeFile(join(dir, 'b.txt'), 'b');
  return dir;
}

test('key prints the key alone, and --explain what it is made of', async () => {
  const context = await sampleContext('FROM scratch\nCOPY a.txt /\n');
  const key = await runCli(['key', '--context', context]);
  expect(key).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
  const explained = await runCli(['key', '--context', context, '--explain', '--platform', 'linux/arm64']);
  expect(explained.stdout).toMatch(
    /^key +[0-9a-f]{64}\nplatform +linux\/arm64\ndockerfile +[0-9a-f]{16}\ntarget +none\nbuild args +none\ncovers +what .*\nfile +a\.txt ca978112ca1bbdca\n$/,
  );
});

test('key --explain says why the key covers the whole context', async () => {
  const context = await sampleContext('FROM scratch\nCOPY $SRC /\n');
  const args = ['key', '--context', context, '--explain'];
  const { stdout } = await runCli(args);
  expect(stdout).toMatch(/covers +the whole context\nbecause +COPY \$SRC \/: .*SRC/);
  const json = JSON.parse((await runCli([...args, '--build-arg', 'SRC=x', '--json'])).stdout);
  expect(json).toMatchObject({ narrowed: false, reasons: [expect.stringMatching(/SRC/)] });
  expect(json.entries).toHaveLength(3);
});

test('key without a Dockerfile ends with 66', async () => {
  expect(await runCli(['key', '--context', await tempDir()])).toMatchObject({
    exitCode: 66,
    stderr: expect.stringMatching(/no Dockerfile: .*\n {2}try: run this in the repository of your agent/),
  });
});

test('key with a Dockerfile that is named as the context has it says how docker names it', async () => {
  const context = await sampleContext('FROM scratch\n');
  await fs.rename(join(context, 'Dockerfile'), join(context, 'agent.Dockerfile'));
  const { exitCode, stderr } = await runCli(['key', '--context', context, '--file', 'agent.Dockerfile']);
  expect(exitCode, stderr).toBe(66);
  expect(stderr).toContain(`not in the context: --file ${join(context, 'agent.Dockerfile')}`);
});

test.each([
  ['fetch', '--target', 'put it before the --'],
  ['fetch', '--build-arg=A=1', 'put it before the --'],
  ['bind', '-fother.Dockerfile', 'put it before the --'],
  ['bind', '--build-context=base=..', 'leave it out, or pack your own'],
])('an argument for another image is refused by %s behind --: %s', async (verb, argument, hint) => {
  const context = await sampleContext('FROM scratch\nCOPY a.txt /\n');
  const { exitCode, stderr } = await runCli([verb, '--context', context, '--', argument, 'x']);
  expect(exitCode, stderr).toBe(64);
  expect(stderr).toContain(`${argument} behind -- would build another image than the inputs key is for`);
  expect(stderr).toContain(`try: ${hint}`);
});
