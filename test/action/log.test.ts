import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const LOG = join(import.meta.dirname, '../../src/action/log.ts');

/** Prints with the log in a process of its own, since @actions/core writes to standard output. */
async function printed(script: string): Promise<string> {
  const program = `
    import { createRunnerLog } from ${JSON.stringify(LOG)};
    const log = createRunnerLog((text) => process.stdout.write(text));
    ${script}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return stdout;
}

/** The lines in which the runner looks for commands. */
function obeyed(output: string): string[] {
  const lines: string[] = [];
  let token: string | undefined;
  for (const line of output.split('\n')) {
    if (token !== undefined) {
      token = line === `::${token}::` ? undefined : token;
    } else if (line.startsWith('::stop-commands::')) {
      token = line.slice('::stop-commands::'.length);
    } else if (line !== '') {
      lines.push(line);
    }
  }
  return lines;
}

describe("the runner's log", () => {
  test('obeys nothing that a child prints', async () => {
    const output = await printed(`
      log.onProgress({ type: 'start', stage: 'build', detail: '::set-env name=PATH::/evil' });
      for (const line of ['::set-output name=id::1', '#7 0.2 ##[save-state name=path;]/evil', '::add-mask::a', '::stop-commands::x', '::x::', '::error::no']) {
        log.onProgress({ type: 'output', stage: 'build', line });
      }
      log.onProgress({ type: 'done', stage: 'build', detail: '##[add-path]/evil' });
      log.text('::warning::no');
      log.error('Title', 'what failed');`);
    expect(obeyed(output)).toEqual(['::group::Build', '::endgroup::', '::error title=Title::what failed']);
    expect(output).toContain('##[save-state name=path;]/evil');
  });

  test('leaves lines alone that cannot be a command', async () => {
    const output = await printed(`log.text('Step 1/3 : FROM scratch'); log.text('done');`);
    expect(output).toBe('Step 1/3 : FROM scratch\ndone\n');
  });

  test('stops with another token each time', async () => {
    const output = await printed(
      `log.text('::a'); log.notice('t', 'b'); log.text('::c'); log.notice('t', 'd');`,
    );
    const tokens = [...output.matchAll(/^::stop-commands::(\w{32})$/gm)].map(([, token]) => token);
    expect(new Set(tokens).size).toBe(2);
  });

  test('has an annotation in one line, whatever is in it', async () => {
    const output = await printed(`log.warning('a,b:c', 'one\\n::error::two\\r%0A');`);
    expect(output.trim().split('\n')).toEqual([
      '::warning title=a%2Cb%3Ac::one\\u000a::error::two\\u000d%250A',
    ]);
  });

  test('ends the group of a stage that failed', async () => {
    const output = await printed(
      `log.onProgress({ type: 'start', stage: 'pack' }); log.text('::a'); log.closeGroup(); log.closeGroup();`,
    );
    expect(obeyed(output)).toEqual(['::group::Pack', '::endgroup::']);
  });

  test('has no group for a stage that has nothing to say, but its time', async () => {
    const output = await printed(`
      log.onProgress({ type: 'start', stage: 'verify' });
      log.onProgress({ type: 'done', stage: 'verify', sizeBytes: 2_000_000 });`);
    expect(output).toMatch(/^verify +\d+\.\d s +2\.0 MB\n$/);
  });
});
