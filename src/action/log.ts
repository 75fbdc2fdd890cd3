import { randomBytes } from 'node:crypto';
import * as core from '@actions/core';
import { formatBytes } from '../host/disk.ts';
import { shown } from '../identity/shown-text.ts';
import type { OnProgress } from '../progress.ts';

const STAGE_COLUMNS = 8;
/** A line break could begin one with the text behind it. */
const MAYBE_COMMAND = /::|##\[|[\r\n\u0085\u2028\u2029]/;

export interface StageTime {
  readonly stage: string;
  readonly seconds: number;
  readonly sizeBytes: number | undefined;
}

export interface RunnerLog {
  readonly onProgress: OnProgress;
  /** Text from anywhere, printed so that the runner obeys no command in it. */
  text(line: string): void;
  /** A workflow command as it is, for the runner to obey. */
  command(line: string): void;
  notice(title: string, message: string): void;
  warning(title: string, message: string): void;
  error(title: string, message: string, hints?: readonly string[]): void;
  /** Ends the group of a stage that has not come to its end. */
  closeGroup(): void;
  /** The stages that are done, in order, since this was asked last. */
  takeTimes(): StageTime[];
}

/**
 * The runner's log: a group for each stage. The runner looks for commands in every line that we print, also in the
 * middle of one (`##[set-output …]`), so a line that could be one is printed between `::stop-commands::<token>` and
 * `::<token>::`, with a token that nobody can know beforehand.
 */
export function createRunnerLog(write: (text: string) => void): RunnerLog {
  let token: string | undefined;
  /** The stage at work; its group is opened with the first line in it. */
  let stage: string | undefined;
  let inGroup = false;
  const startedAt = new Map<string, number>();
  let times: StageTime[] = [];

  const obeyCommands = () => {
    if (token !== undefined) {
      write(`::${token}::\n`);
      token = undefined;
    }
  };
  const openGroup = () => {
    if (stage !== undefined && !inGroup) {
      // Not core.startGroup: it would come back here by the stream that the toolkit's output is taken from.
      write(`::group::${stage.slice(0, 1).toUpperCase()}${stage.slice(1)}\n`);
      inGroup = true;
    }
  };
  const closeGroup = () => {
    obeyCommands();
    if (inGroup) {
      write('::endgroup::\n');
    }
    stage = undefined;
    inGroup = false;
  };
  /** Spares the two lines around what could not be a command. */
  const text = (line: string) => {
    openGroup();
    if (MAYBE_COMMAND.test(line) && token === undefined) {
      token = randomBytes(16).toString('hex');
      write(`::stop-commands::${token}\n`);
    }
    write(`${shown(line)}\n`);
  };
  const annotate =
    (command: typeof core.notice) =>
    (title: string, message: string, hints: readonly string[] = []) => {
      obeyCommands();
      const lines = [message, ...hints.map((hint) => `try: ${hint}`)];
      command(lines.map(shown).join('\n'), { title: shown(title) });
    };
  const warning = annotate(core.warning);

  return {
    text,
    command(line) {
      obeyCommands();
      write(line);
    },
    closeGroup,
    notice: annotate(core.notice),
    warning,
    error: annotate(core.error),
    takeTimes() {
      const taken = times;
      times = [];
      return taken;
    },
    onProgress(event) {
      switch (event.type) {
        case 'start':
          closeGroup();
          startedAt.set(event.stage, performance.now());
          stage = event.stage;
          if (event.detail !== undefined) {
            text(event.detail);
          }
          break;
        case 'output':
          text(event.line);
          break;
        case 'done': {
          closeGroup();
          const seconds = (performance.now() - (startedAt.get(event.stage) ?? performance.now())) / 1000;
          times.push({ stage: event.stage, seconds, sizeBytes: event.sizeBytes });
          const size = event.sizeBytes === undefined ? '' : formatBytes(event.sizeBytes);
          const columns = [
            event.stage.padEnd(STAGE_COLUMNS),
            `${seconds.toFixed(1)} s`.padStart(8),
            size.padStart(8),
          ];
          text([...columns, event.detail ?? ''].join('  ').trimEnd());
          obeyCommands();
          break;
        }
        case 'note':
          text(event.message);
          break;
        case 'warning':
          warning('claude-bottle-pack', event.message);
          break;
        case 'bytes':
          break;
      }
    },
  };
}
