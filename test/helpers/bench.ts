import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type CliResult, type StartedCli, startCli } from './cli.ts';
import { leftovers } from './leftovers.ts';
import { tempDir } from './temp-dir.ts';

export interface Bench {
  readonly dir: string;
  readonly tmp: string;
  readonly store: string;
  startPack(args: readonly string[], env?: NodeJS.ProcessEnv): StartedCli;
  pack(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<CliResult>;
  /** What there is now of containers, files, processes and so on that was not there before. */
  left(): Promise<string[]>;
}

/** Directories for one test, and `claude-bottle pack` in them. */
export async function bench(): Promise<Bench> {
  const dir = await tempDir();
  const places = { tmp: join(dir, 'tmp'), store: join(dir, 'store') };
  await fs.mkdir(places.tmp);
  const before = await leftovers(places);
  const startPack = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    startCli(['pack', '--store', places.store, '--no-kvm-check', ...args], { TMPDIR: places.tmp, ...env });
  return {
    dir,
    ...places,
    startPack,
    pack: async (args, env) => await startPack(args, env).ended,
    left: async () => (await leftovers(places)).filter((line) => !before.includes(line)),
  };
}
