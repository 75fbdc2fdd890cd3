import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(import.meta.dirname, '../..');
export const DOUBLE_DIR = join(ROOT, 'test/doubles/smolvm');

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedCli {
  readonly process: ChildProcess;
  readonly ended: Promise<CliResult>;
}

/** Starts `claude-bottle` as it is built, with the smolvm double first on PATH. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): StartedCli {
  return startNode(join(ROOT, 'dist/cli.mjs'), args, env, cwd);
}

/** Starts a program of Node's in the same surroundings. */
export function startNode(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): StartedCli {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: {
      ...process.env,
      PATH: [DOUBLE_DIR, join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
      ...env,
    },
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
    ([stdout, stderr, [exitCode]]) => ({ stdout, stderr, exitCode }),
  );
  return { process: child, ended };
}

export async function runCli(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): Promise<CliResult> {
  return await startCli(args, env, cwd).ended;
}
