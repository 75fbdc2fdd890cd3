import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { describe, expect, onTestFinished, test } from 'vitest';
import { completionScript, type Shell } from '../../src/cli/completion.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const HOSTILE = `it's [a] \\ "trap": $(touch pwned) \`touch pwned\` %n; touch pwned`;

function sampleProgram(): Command {
  const program = new Command('claude-bottle').version('1.2.3').option('--quiet', 'print less');
  program
    .command('pack')
    .description(HOSTILE)
    .argument('[docker-build-args...]')
    .option('--context <dir>', 'build context', '.')
    .option('--file <file>', `Dockerfile\n${HOSTILE}`)
    .option('--build-arg <key=value>', 'build argument', (value, all: string[]) => [...all, value], [])
    .option('--no-build', 'build nothing')
    .addOption(new Option('--hop <kind>', 'registry').choices(['embedded', 'container', HOSTILE]))
    .addOption(new Option('--secret-of-ours').hideHelp());
  program.command('path').description('print the path').option('--json', 'as JSON');
  program.command('inspect').description('show').argument('<file>').option('--json', 'as JSON');
  program
    .command('completion')
    .description('print a script')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']));
  return program;
}

/** A directory with a sidecar to find, and the script. */
async function writeScript(shell: Shell): Promise<{ dir: string; script: string }> {
  const dir = await tempDir();
  await fs.mkdir(join(dir, 'store'));
  await fs.writeFile(join(dir, 'sto sidecar'), '');
  const script = join(dir, '.completion');
  await fs.writeFile(script, completionScript(sampleProgram(), shell));
  onTestFinished(async () => expect(await fs.readdir(dir)).not.toContain('pwned'));
  return { dir, script };
}

function hasShell(shell: Shell): boolean {
  const isThere = spawnSync(shell, ['-c', 'exit 0']).status === 0;
  if (!isThere) {
    console.warn(`skipped: no ${shell} on this machine`);
  }
  return isThere;
}

describe.runIf(hasShell('bash'))('in bash', () => {
  const COMPLETE = `
    source .completion
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    function=$(complete -p claude-bottle | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    "$function" claude-bottle "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;

  async function complete(...words: string[]): Promise<string[]> {
    const { dir } = await writeScript('bash');
    const args = ['--norc', '--noprofile', '-c', COMPLETE, 'bash', 'claude-bottle', ...words];
    return execFileSync('bash', args, { cwd: dir, encoding: 'utf8' }).trim().split('\n');
  }

  test('the first word is a command or an option of the program', async () => {
    const first = ['pack', 'path', 'inspect', 'completion', 'help', '--version', '--quiet', '--help'];
    expect(await complete('')).toEqual(first);
    expect(await complete('pa')).toEqual(['pack', 'path']);
    expect(await complete('--q')).toEqual(['--quiet']);
  });

  test('behind a command come its options and those of the program, without the hidden ones', async () => {
    expect(await complete('pack', '--')).toEqual(
      '--context --file --build-arg --no-build --hop --help --quiet'.split(' '),
    );
    expect(await complete('--quiet', 'path', '')).toEqual(['--json', '--help', '--quiet']);
  });

  test('behind an option come its choices, quoted, also with an equals sign', async () => {
    expect(await complete('pack', '--hop', 'e')).toEqual(['embedded']);
    expect(await complete('pack', '--hop', '=')).toHaveLength(3);
    expect(await complete('pack', '--hop', '=', 'c')).toEqual(['container']);
    const [quoted = ''] = await complete('pack', '--hop', 'it');
    expect(execFileSync('bash', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' })).toBe(HOSTILE);
  });

  test('an argument has its choices', async () => {
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  test.each([
    ['inspect', 'sto'],
    ['pack', '--file', 'sto'],
    ['pack', '--', '--bu'],
    ['pack', '--', 'pack', '--hop', ''],
  ])('files are left to readline: %s %s', async (...words) => {
    expect(await complete(...words)).toEqual(['']);
    const { dir } = await writeScript('bash');
    const registered = execFileSync('bash', ['-c', 'source .completion; complete -p'], { cwd: dir });
    expect(registered.toString()).toContain('-o default');
  });
});

describe.runIf(hasShell('zsh'))('in zsh', () => {
  /** Types into an interactive shell on a pseudo terminal: only there does zsh complete. ^T tells the line, ^U takes it away. */
  const COMPLETE = `
    zmodload zsh/zpty zsh/zselect
    await() {
      repeat 1000; do
        [[ -e $1 ]] && return
        zpty -r -t shell screen
        zselect -t 1
      done
      print -u2 "no $1: $screen"; exit 1
    }
    zpty -b shell zsh -f -i
    zpty -w shell 'source ./.zshrc'
    await .ready
    for line in "$@"; do
      zpty -w -n shell "$line"$'\\t\\x14\\x15'
      await .line
      print -rN -- "$(<.line)"
      rm .line
    done
    zpty -d shell`;
  const SETUP = `
    autoload -Uz compinit && compinit -u -D
    source ./.completion
    tell() { print -r -- "$BUFFER" > .told; mv .told .line }
    zle -N tell
    bindkey -e '^I' complete-word '^T' tell
    setopt no_list_ambiguous no_beep
    zle-line-init() { : > .ready }
    zle -N zle-line-init`;

  async function complete(...lines: string[]): Promise<string[]> {
    const { dir } = await writeScript('zsh');
    await fs.writeFile(join(dir, '.zshrc'), SETUP);
    const found = execFileSync('zsh', ['-f', '-c', COMPLETE, 'zsh', ...lines], {
      cwd: dir,
      encoding: 'utf8',
    });
    return found.split('\0').slice(0, -1);
  }

  test('a line becomes what can only be meant', async () => {
    const lines = {
      'claude-bottle insp': 'claude-bottle inspect ',
      'claude-bottle --q': 'claude-bottle --quiet ',
      'claude-bottle pack --no': 'claude-bottle pack --no-build ',
      'claude-bottle --quiet pack --no': 'claude-bottle --quiet pack --no-build ',
      'claude-bottle pack --qui': 'claude-bottle pack --quiet ',
      'claude-bottle pack --hop em': 'claude-bottle pack --hop embedded ',
      'claude-bottle pack --hop=con': 'claude-bottle pack --hop=container ',
      'claude-bottle pack --build-arg A=1 --build-a': 'claude-bottle pack --build-arg A=1 --build-arg=',
      'claude-bottle pack --context st': 'claude-bottle pack --context store/',
      'claude-bottle pack --file sto\\ ': 'claude-bottle pack --file sto\\ sidecar ',
      'claude-bottle inspect sto\\ ': 'claude-bottle inspect sto\\ sidecar ',
      'claude-bottle completion f': 'claude-bottle completion fish ',
      'claude-bottle pack --secret': 'claude-bottle pack --secret',
    };
    expect(await complete(...Object.keys(lines))).toEqual(Object.values(lines));
  });

  test('a choice is quoted', async () => {
    const [line = ''] = await complete('claude-bottle pack --hop it');
    const word = line.slice('claude-bottle pack --hop '.length);
    expect(execFileSync('zsh', ['-f', '-c', `print -rn -- ${word}`], { encoding: 'utf8' })).toBe(HOSTILE);
  });
});

describe.runIf(hasShell('fish'))('in fish', () => {
  /** What would be inserted, without the descriptions. */
  async function complete(line: string): Promise<string[]> {
    const { dir } = await writeScript('fish');
    const args = ['--no-config', '-c', 'source .completion; complete --do-complete $argv[1]', line];
    const found = execFileSync('fish', args, {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, HOME: dir },
    });
    return found.split('\n').flatMap((candidate) => candidate.split('\t')[0] || []);
  }

  test.each([
    ['claude-bottle ', ['completion', 'help', 'inspect', 'pack', 'path']],
    ['claude-bottle pa', ['pack', 'path']],
    ['claude-bottle --q', ['--quiet']],
    [
      'claude-bottle pack --',
      ['--build-arg', '--context', '--file', '--help', '--hop', '--no-build', '--quiet'],
    ],
    ['claude-bottle pack --hop e', ['embedded']],
    ['claude-bottle pack --hop=c', ['--hop=container']],
    ['claude-bottle pack --hop it', [HOSTILE]],
    ['claude-bottle pack --context st', ['store/']],
    ['claude-bottle pack --file st', ['sto sidecar', 'store/']],
    ['claude-bottle inspect st', ['sto sidecar', 'store/']],
    ['claude-bottle path st', []],
    ['claude-bottle completion ', ['bash', 'fish', 'zsh']],
  ])('%s can become %j', async (typed, words) => {
    expect((await complete(typed)).toSorted()).toEqual(words.toSorted());
  });
});
