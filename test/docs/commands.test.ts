import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { publishFile, sampleCheckout } from '../helpers/checkout.ts';
import { fakeDocker } from '../helpers/fake-docker.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { ROOT } from './titles.ts';

/** These need neither Docker nor a network. */
const WORKS_ALONE = ['key', 'ls', 'verify', 'inspect', 'diff', 'prune', 'export', 'path', 'exec'];
const NEEDS_ARGUMENTS = ['exec', 'inspect', 'diff', 'prune', 'export'];
const AT_ONCE = 8;
/** Wrong usage, our bugs, and what the shell cannot find or start. */
const MISTAKES = [2, 64, 70, 126, 127];
const PLACEHOLDERS: ReadonlyArray<readonly [string | RegExp, string]> = [
  [/ \[[^\]]*…\]/, ''],
  [/(?<=--platform )\$\{[^}]*\}|PLATFORM/, 'linux/amd64'],
  [/(?<=--from )\$\{.*?\)\}/, 'file:agent.smolmachine'],
  [/(?<=--repo )\$\{[^}]*\}|OWNER\/NAME/, 'acme/tools'],
  [/HOST\/NAME/, 'ghcr.io/acme/tools'],
  [/\/media\/stick\/\S+/, 'agent.smolmachine'],
  ['/media/stick', 'stick'],
  ['COMMAND', 'true'],
  [/--reproduce$/, '--reproduce agent.smolmachine'],
  ['RECORD', 'agent.smolmachine.json'],
  [/\bTAG\b/, 'v1'],
];

interface Documented {
  readonly where: string;
  readonly command: string;
}

function filesLike(...patterns: string[]): string[] {
  return execFileSync('git', ['ls-files', ...patterns], { cwd: ROOT, encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((path) => !/reference-|faults\.md$|^test\//.test(path));
}

/** The lines of shell blocks, and the spans of code, without what a `console` block shows of the answer. */
function commandsOfPage(path: string): Documented[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const blocks = [...text.matchAll(/^```(sh|console)\n(.*?)^```/gms)].flatMap(([, kind, body = '']) =>
    body
      .replaceAll('\\\n', '')
      .split('\n')
      .filter((line) => kind === 'sh' || line.startsWith('$ '))
      .map((line) => line.replace(/^\$ /, '')),
  );
  const prose = text.replaceAll(/^```.*?^```/gms, '');
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans].map((command) => ({ where: path, command }));
}

/** What errors give to paste: a string that is a command as a whole, and not the beginning of a sentence. */
function commandsOfSource(path: string): Documented[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const command =
    /(['`])(claude-bottle [a-z]+(?: --?[\w-]+| \$\{.*?\)?\}| [^a-z\s]\S*| [a-z]+[:/]\S+)*(?: {2}# .*?)?)\1/g;
  return [...text.matchAll(command)].map(([, , found = '']) => ({ where: path, command: found }));
}

const documented = [
  ...filesLike('*.md').flatMap(commandsOfPage),
  ...filesLike('src/*.ts').flatMap(commandsOfSource),
];
const ours = new Map(
  documented
    .filter(({ command }) => /^(?:npx )?claude-bottle(?:-pack)? [a-z]/.test(command))
    .map(({ where, command }) => [command, `${where}: ${command}`] as const),
);

test('each command that the pages and the errors name is understood, and works where it needs nobody else', async () => {
  const { run } = await machine();
  const mistakes: string[] = [];
  const left = [...ours];
  const runNext = async (): Promise<void> => {
    const [command, shownCommand] = left.shift() ?? [];
    if (command === undefined) {
      return;
    }
    const line = PLACEHOLDERS.reduce((text, [from, to]) => text.replace(from, to), command);
    const [, verb = '', rest = ''] = /^(?:npx )?claude-bottle(?:-pack)? (\S+)(.*)/.exec(line) ?? [];
    // A span can name the command alone, which says nothing of its arguments.
    const isName = rest === '' && NEEDS_ARGUMENTS.includes(verb);
    const { exitCode, output } = await run(isName ? `claude-bottle ${verb} --help` : line);
    if (MISTAKES.includes(exitCode) || (WORKS_ALONE.includes(verb) && exitCode !== 0)) {
      mistakes.push(`${shownCommand} ended with ${exitCode}: ${output}`);
    }
    await runNext();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runNext));
  expect(ours.size).toBeGreaterThan(40);
  expect(mistakes).toEqual([]);
}, 300_000);

/** A checkout with a sidecar beside it and in the store, on a machine without Docker and without a network. */
async function machine() {
  const checkout = await sampleCheckout();
  const { path } = await publishFile(checkout);
  const cwd = checkout.dir;
  for (const name of ['agent', 'old']) {
    await fs.copyFile(path, join(cwd, `${name}.smolmachine`));
    await fs.copyFile(`${path}.json`, join(cwd, `${name}.smolmachine.json`));
  }
  await fs.mkdir(join(cwd, 'stick'));
  await fs.writeFile(join(cwd, 'cli.py'), '#!/bin/sh\n', { mode: 0o755 });
  const bin = await tempDir();
  const cli = `exec '${process.execPath}' '${join(ROOT, 'dist/cli.mjs')}'`;
  await fs.writeFile(join(bin, 'claude-bottle'), `#!/bin/sh\n${cli} "$@"\n`, { mode: 0o755 });
  await fs.writeFile(join(bin, 'npx'), `#!/bin/sh\nshift\n${cli} "$@"\n`, { mode: 0o755 });
  const docker = await fakeDocker(bin, '*', 'echo "Cannot connect to the Docker daemon" >&2; exit 1');
  const env = {
    PATH: [bin, docker.env.PATH].join(delimiter),
    HOME: await tempDir(),
    HTTPS_PROXY: 'http://127.0.0.1:9',
  };
  const run = async (command: string): Promise<{ exitCode: number; output: string }> =>
    await new Promise((resolve) =>
      execFile('sh', ['-c', command], { cwd, env }, (error, stdout, stderr) =>
        resolve({ exitCode: Number(error?.code ?? 0), output: stdout + stderr }),
      ),
    );
  const { exitCode, output } = await run('claude-bottle fetch --from file:agent.smolmachine --no-bind');
  expect(exitCode, output).toBe(0);
  return { run };
}

test('each npm script that the pages name is there', () => {
  const named = documented.flatMap(({ command }) =>
    [...command.matchAll(/npm run ([\w:]+)/g)].map(([, script = '']) => script),
  );
  expect(named).toContain('demo');
  expect(named.filter((script) => !Object.hasOwn(packageJson.scripts, script))).toEqual([]);
});
