import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { BottleError, fileError } from '../errors.ts';
import { type ChildOptions, noteChild, readChild } from '../host/child.ts';
import { scratchParent, withPrivateDir } from '../host/private-dir.ts';
import { type GuestPlatform, hostGuestPlatform } from '../identity/platform.ts';
import type { OnProgress } from '../progress.ts';
import { packCreateEnv, reapPackCreate } from './pack-create.ts';
import { hintFor } from './pack-failure.ts';
import type { Smolvm } from './smolvm.ts';

/** A command that must succeed in a machine made from the sidecar. */
export interface SmokeTest {
  /** For `sh -c` in the machine. */
  readonly command: string;
  /** A text that the command must print on its standard output. */
  readonly output?: string | undefined;
}

export interface SmokeTestOptions {
  readonly smolvm: Smolvm;
  /** For each run of smolvm. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

const STAGE = 'smoke-test';
const MACHINE = 'smoke-test';
const SHOWN_LINES = 20;
const SHOWN_CHARS = 200;

/** @throws BottleError `usage` for a sidecar that no machine of this host can be made from */
export function requireOwnPlatform(platform: GuestPlatform): void {
  const own = hostGuestPlatform();
  if (platform !== own) {
    throw new BottleError('usage', `a smoke test cannot start a machine for ${platform} on ${own}`, {
      hint: `pack ${platform} on such a machine, or without a smoke test`,
    });
  }
}

/**
 * Makes a machine from the sidecar, starts it and runs the test's command in it. The machine ends and all of it is
 * removed, whatever happens: its state is in a private directory, which the next run sweeps if this one is killed.
 * @throws BottleError `smoke-test-failed`
 */
export async function runSmokeTest(
  sidecar: string,
  test: SmokeTest,
  { onProgress, ...options }: SmokeTestOptions,
): Promise<void> {
  onProgress({ type: 'start', stage: STAGE });
  await withPrivateDir(
    scratchParent(),
    async (scratch) => {
      const smolvm = await machineCommand(scratch, {
        ...options,
        onLine: (line) => onProgress({ type: 'output', stage: STAGE, line }),
      });
      await requireSuccess(smolvm, 'create', ['--from', sidecar]);
      await requireSuccess(smolvm, 'start', []);
      judge(test, await smolvm('exec', ['--', 'sh', '-c', test.command]));
    },
    reapPackCreate,
  );
  onProgress({ type: 'done', stage: STAGE });
}

type MachineCommand = (verb: string, args: readonly string[]) => ReturnType<typeof readChild>;

/** Runs `smolvm machine`, with all that it writes in `scratch`. */
async function machineCommand(
  scratch: string,
  { smolvm, ...options }: Omit<SmokeTestOptions, 'onProgress'> & Pick<ChildOptions, 'onLine'>,
): Promise<MachineCommand> {
  const cwd = join(scratch, 'cwd');
  try {
    for (const dir of [cwd, join(scratch, 'tmp')]) {
      await fs.mkdir(dir, { mode: 0o700 });
    }
  } catch (error) {
    throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
  }
  const env = { ...packCreateEnv(process.env, scratch), HOME: scratch };
  return async (verb, args) =>
    await readChild(smolvm.path, ['machine', verb, '--name', MACHINE, ...args], {
      ...options,
      cwd,
      env,
      timeoutHint: 'give it more time (timeout), or look for what the command waits for',
      onSpawn: noteChild(scratch),
    });
}

async function requireSuccess(smolvm: MachineCommand, verb: string, args: readonly string[]): Promise<void> {
  const result = await smolvm(verb, args);
  if (result.exitCode !== 0) {
    const details = lastLines(result);
    throw new BottleError('smoke-test-failed', `smolvm machine ${verb} failed (${endingOf(result)})`, {
      hint: hintFor(details),
      details,
    });
  }
}

function judge({ command, output }: SmokeTest, result: Awaited<ReturnType<typeof readChild>>): void {
  const failure = (what: string, hint: string) =>
    new BottleError('smoke-test-failed', `the smoke test ${quoted(command)} ${what}`, {
      hint,
      details: lastLines(result),
    });
  if (result.exitCode !== 0) {
    throw failure(
      `failed (${endingOf(result)})`,
      'run the same command with docker run to see whether the image is at fault',
    );
  }
  if (output !== undefined && !result.stdout.includes(output)) {
    throw failure(`did not print ${quoted(output)}`, 'correct the image or the expected output');
  }
}

function endingOf({ exitCode, signal }: Awaited<ReturnType<typeof readChild>>): string {
  return exitCode === undefined ? `ended by ${signal}` : `exit code ${exitCode}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}

function lastLines({ stdout, tail }: Awaited<ReturnType<typeof readChild>>): string[] {
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  return [...lines.slice(-SHOWN_LINES), ...tail];
}
