import type { Command } from 'commander';
import { bindFlags } from './flags/bind.ts';
import { diffFlags } from './flags/diff.ts';
import { doctorFlags } from './flags/doctor.ts';
import { execFlags } from './flags/exec.ts';
import { exportFlags } from './flags/export.ts';
import { fetchFlags } from './flags/fetch.ts';
import { inspectFlags } from './flags/inspect.ts';
import { keyFlags } from './flags/key.ts';
import { lockFlags } from './flags/lock.ts';
import { lsFlags } from './flags/ls.ts';
import { packFlags } from './flags/pack.ts';
import { pathFlags } from './flags/path.ts';
import { pruneFlags } from './flags/prune.ts';
import { verifyFlags } from './flags/verify.ts';
import type { CommandContext } from './output.ts';

/** Runs a verb once its line is understood, and keeps its exit code. */
export type Start = (run: (context: CommandContext) => Promise<number>) => Promise<void>;

/**
 * The verbs in the groups and the order of the help. The module that does the work is loaded only when its verb is asked
 * for.
 */
export function verbs(start: Start): Array<readonly [heading: string, commands: Command[]]> {
  const typed = {
    'Everyday:': [
      fetchFlags().action((extraArgs, options) =>
        start(async ({ output, signal }) => {
          const { runFetch } = await import('./fetch-command.ts');
          return await runFetch({ ...options, extraArgs }, output, signal);
        }),
      ),
      execFlags().action((command, options) =>
        start(async (context) => {
          const { runExec } = await import('./exec-command.ts');
          return await runExec(command, { ...options, bind: true }, context);
        }),
      ),
      packFlags().action((extraArgs, options) =>
        start(async (context) => {
          if (options.reproduce !== undefined) {
            const { runReproduce } = await import('./reproduce-command.ts');
            return await runReproduce(options.reproduce, { ...options, extraArgs }, context);
          }
          const { runPack } = await import('./pack-command.ts');
          return await runPack({ ...options, extraArgs }, context.output, context.signal);
        }),
      ),
      doctorFlags().action((options) =>
        start(async ({ output, signal }) => {
          const { runDoctor } = await import('./doctor-command.ts');
          return await runDoctor(options, output, signal);
        }),
      ),
    ],
    'Local store:': [
      lsFlags().action((options) =>
        start(async ({ output }) => {
          const { runLs } = await import('./ls-command.ts');
          return await runLs(options, output);
        }),
      ),
      inspectFlags().action((fileOrId, options) =>
        start(async ({ output }) => {
          const { runInspect } = await import('./inspect-command.ts');
          return await runInspect(fileOrId, options, output);
        }),
      ),
      diffFlags().action((from, to, options) =>
        start(async (context) => {
          const { runDiff } = await import('./diff-command.ts');
          return await runDiff({ from, to }, options, context);
        }),
      ),
      verifyFlags().action((fileOrId, options) =>
        start(async ({ output, signal }) => {
          const { runVerify } = await import('./verify-command.ts');
          return await runVerify(fileOrId, options, output, signal);
        }),
      ),
      pruneFlags().action((options) =>
        start(async ({ output }) => {
          const { runPrune } = await import('./prune-command.ts');
          return await runPrune(options, output);
        }),
      ),
      exportFlags().action((dir, id, options) =>
        start(async ({ output, signal }) => {
          const { runExport } = await import('./export-command.ts');
          return await runExport(dir, id, options, output, signal);
        }),
      ),
    ],
    'Scripting and troubleshooting:': [
      keyFlags().action((options) =>
        start(async ({ output, signal }) => {
          const { runKey } = await import('./key-command.ts');
          return await runKey(options, output, signal);
        }),
      ),
      lockFlags().action((options) =>
        start(async ({ output, signal }) => {
          const { runLock } = await import('./lock-command.ts');
          return await runLock(options, output, signal);
        }),
      ),
      pathFlags().action((options) =>
        start(async ({ output, signal }) => {
          const { runPath } = await import('./path-command.ts');
          return await runPath(options, output, signal);
        }),
      ),
      bindFlags().action((extraArgs, options) =>
        start(async ({ output, signal }) => {
          const { runBind } = await import('./bind-command.ts');
          return await runBind({ ...options, extraArgs }, output, signal);
        }),
      ),
    ],
  };
  return Object.entries(typed as unknown as Record<string, Command[]>);
}
