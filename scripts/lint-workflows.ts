import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readChild, runChild } from '../src/host/child.ts';

const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, 'node_modules/.cache/claude-bottle-pack');
const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** How the examples name this action and its workflow. Read as `./…`, actionlint knows their inputs and outputs. */
const PUBLISHED_NAME = /org\/claude-bottle-pack(\/[\w./-]+)?@v1/g;

interface Linter {
  readonly name: string;
  /** In the directory that it is installed into. */
  readonly executable: string;
  readonly install: (dir: string) => readonly [command: string, ...args: string[]];
}

const ACTIONLINT: Linter = {
  name: 'actionlint-1.7.12',
  executable: 'actionlint',
  install: () => ['go', 'install', 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'],
};
const ZIZMOR: Linter = {
  name: 'zizmor-1.32.0',
  executable: 'bin/zizmor',
  install: (dir) => [
    ...(['python3', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'] as const),
    ...['--no-deps', '--only-binary', ':all:', '--target', dir, 'zizmor==1.32.0'],
  ],
};

/** The path of a linter; undefined, and not in silence, where it cannot be installed. */
async function ensure({ name, executable, install }: Linter): Promise<string | undefined> {
  const dir = join(CACHE, name);
  const path = join(dir, executable);
  if (existsSync(path)) {
    return path;
  }
  const [command, ...args] = install(dir);
  console.error(`Installing ${name}: ${command} ${args.join(' ')}`);
  const failure = await runChild(command, args, {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: { ...process.env, GOBIN: dir },
  }).then(
    ({ exitCode, tail }) => (exitCode === 0 ? undefined : tail.join('\n')),
    (error: unknown) => String(error),
  );
  if (failure === undefined) {
    return path;
  }
  await rm(dir, { recursive: true, force: true });
  console.error(`SKIPPED: ${name} could not be installed, nothing was checked with it.\n${failure}`);
  return undefined;
}

/** Whether the linter has found nothing; what it has found is printed. */
async function passes(linter: string, args: readonly string[], input = ''): Promise<boolean> {
  const { exitCode, stdout, tail } = await readChild(linter, args, { cwd: ROOT, input });
  if (exitCode !== 0) {
    console.error([stdout.trimEnd(), ...tail].join('\n'));
  }
  return exitCode === 0;
}

async function filesIn(dir: string): Promise<string[]> {
  return (await readdir(join(ROOT, dir))).map((name) => `${dir}/${name}`);
}

const workflows = await filesIn('.github/workflows');
const examples = await filesIn('examples');
const passed: boolean[] = [];

const actionlint = await ensure(ACTIONLINT);
if (actionlint !== undefined) {
  passed.push(await passes(actionlint, workflows));
  for (const example of examples) {
    const text = (await readFile(join(ROOT, example), 'utf8')).replaceAll(
      PUBLISHED_NAME,
      (_, path) => `.${path ?? '/'}`,
    );
    passed.push(await passes(actionlint, ['-stdin-filename', example, '-'], text));
  }
}
const zizmor = await ensure(ZIZMOR);
if (zizmor !== undefined) {
  const args = [
    '--offline',
    '--pedantic',
    '--strict-collection',
    '--no-progress',
    '--quiet',
    '--color',
    'never',
  ];
  passed.push(await passes(zizmor, [...args, '.github', 'action.yml', 'fetch/action.yml', ...examples]));
}
process.exitCode = passed.every(Boolean) ? 0 : 1;
