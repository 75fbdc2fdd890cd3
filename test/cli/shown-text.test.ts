import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRunnerLog } from '../../src/action/log.ts';
import { failureSummary } from '../../src/action/summary.ts';
import { BottleError } from '../../src/errors.ts';
import { shown, shownJson } from '../../src/identity/shown-text.ts';
import { sampleCheckout } from '../helpers/checkout.ts';
import { runCli } from '../helpers/cli.ts';
import { startServer } from '../helpers/loopback-server.ts';
import { tempDir } from '../helpers/temp-dir.ts';

/** All that could steer a terminal, but for the line feed between our own lines. */
const STEERING = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

const HOSTILE = [
  ['an escape sequence', '\x1b[2J\x1b]0;title\x07'],
  ['a C1 control', '\x9b31m'],
  ['a forged line', 'x\nclaude-bottle: fetched'],
  ['a carriage return', 'x\rclaude-bottle: fetched'],
  ['a line separator', 'x\u2028claude-bottle: fetched'],
  ['text that is turned around', '\u202egnp.exe\u2066'],
  ['half a character', 'x\ud800'],
  ['tags that nobody sees', 'x\u{e0041}'],
] as const;

describe('the command line', () => {
  test('shows file names, results and errors as text', async () => {
    const hostile = HOSTILE.map(([, text]) => text.replaceAll('/', '').toWellFormed()).join(' ');
    const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
    await fs.writeFile(join(checkout.dir, `a${hostile}`), 'x');
    const home = { HOME: await tempDir() };
    const explained = await runCli(['key', '--context', checkout.dir, '--explain'], home);
    const args = ['fetch', '--context', checkout.dir, '--no-bind', '--from', `file:/nowhere/${hostile}`];
    const failed = await runCli(args, home);
    const json = await runCli([...args, '--json', '--debug'], home);
    expect(explained.stdout).toContain('\\u001b[2J');
    for (const { stdout, stderr } of [explained, failed, json]) {
      expect(`${stdout}${stderr}`).not.toMatch(STEERING);
      expect(`${stdout}${stderr}`).not.toMatch(/^claude-bottle: fetched/m);
    }
    expect(failed.exitCode, failed.stderr).toBe(66);
    expect(JSON.parse(json.stdout).message).toContain(hostile);
  });

  test('shows what a server says as text', async () => {
    const { host } = await startServer((_request, response) => {
      const body = JSON.stringify(HOSTILE.map(([, text]) => text)).replace(/\\u001b/g, '\x1b');
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\x9b\u202e`);
    });
    const { dir } = await sampleCheckout();
    const args = ['fetch', '--context', dir, '--no-bind', '--from', `oci:${host}/owner/agent`];
    const { stderr, exitCode } = await runCli(args, { HOME: await tempDir() });
    expect(exitCode).toBe(69);
    expect(stderr).toContain('answered 400');
    expect(stderr).not.toMatch(STEERING);
  });
});

describe('the action', () => {
  test.each(HOSTILE)('shows %s as text in log, annotation and summary', (_, hostile) => {
    let written = '';
    const log = createRunnerLog((text) => {
      written += text;
    });
    log.text(hostile);
    log.onProgress({ type: 'start', stage: 'build', detail: hostile });
    log.onProgress({ type: 'output', stage: 'build', line: hostile });
    log.onProgress({ type: 'done', stage: 'build', detail: hostile });
    const summary = failureSummary(new BottleError('io', hostile, { hint: hostile }));
    expect(written).not.toMatch(STEERING);
    expect(summary).not.toMatch(STEERING);
    expect(written).not.toMatch(/^claude-bottle: fetched/m);
    expect(summary).not.toContain('&#8238;');
  });
});

test('what is shown of any text steers nothing, and JSON of it stays the same JSON', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...HOSTILE.map(([, each]) => each)));
  void fc.assert(
    fc.property(text, (value) => {
      expect(shown(value)).not.toMatch(STEERING);
      expect(shown(value)).not.toContain('\n');
      expect(shownJson({ value })).not.toMatch(STEERING);
      expect(JSON.parse(shownJson({ value }))).toEqual({ value });
    }),
  );
  expect(shown('a\tb é 漢 👍')).toBe('a\tb é 漢 👍');
});
