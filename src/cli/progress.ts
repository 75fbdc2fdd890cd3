import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters, styleText } from 'node:util';
import { formatBytes } from '../host/disk.ts';
import { shown } from '../identity/shown-text.ts';
import type { OnProgress, ProgressEvent } from '../progress.ts';

const REDRAW_INTERVAL_MS = 100;
/** Without a terminal, a stage says no more often than this that it is at work. */
const PLAIN_INTERVAL_MS = 10_000;
const RATE_WINDOW_MS = 5000;
/** Of a shorter time, a rate says more about buffers than about the way the bytes come. */
const RATE_MINIMUM_MS = 1000;
const STAGE_COLUMNS = 8;
const USUAL_COLUMNS = 80;
const ERASE_LINE = '\r\x1b[2K';

export interface Progress {
  readonly handle: OnProgress;
  /** Takes the moving line away, so that something else can be printed. */
  clear(): void;
}

export interface ProgressOptions {
  /** Prints warnings only. */
  readonly quiet?: boolean;
  readonly now?: () => number;
}

type BytesEvent = Extract<ProgressEvent, { type: 'bytes' }>;

interface Stage {
  readonly startedAt: number;
  readonly rate: Rate;
  plainAt: number;
}

/**
 * One line for each stage that is done. For the stage at work there is a moving line on a terminal, and elsewhere a
 * line every now and then.
 */
export function createProgress(stream: WriteStream, options: ProgressOptions = {}): Progress {
  const { now = performance.now.bind(performance) } = options;
  // A line that moves is nothing for a terminal that cannot, nor for a log that a CI service makes of one.
  const isTerminal = stream.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
  const stages = new Map<string, Stage>();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn: string | undefined;

  const enter = (name: string): Stage => {
    const stage = { startedAt: now(), rate: new Rate(), plainAt: now() + PLAIN_INTERVAL_MS };
    stages.set(name, stage);
    return stage;
  };
  const clear = () => {
    if (isTerminal && drawn !== undefined) {
      stream.write(ERASE_LINE);
      drawn = undefined;
      drawnAt = Number.NEGATIVE_INFINITY;
    }
  };
  const draw = (name: string, parts: readonly string[]) => {
    if (now() - drawnAt < REDRAW_INTERVAL_MS) {
      return;
    }
    const line = fitted(name, parts, (stream.columns || USUAL_COLUMNS) - 1);
    drawnAt = now();
    if (line !== drawn) {
      stream.write(ERASE_LINE + styleText('dim', line, { stream }));
      drawn = line;
    }
  };
  const print = (line: string) => {
    clear();
    stream.write(`${line}\n`);
  };
  const show = (name: string, stage: Stage, parts: readonly string[]) => {
    if (isTerminal) {
      draw(name, parts);
    } else if (now() >= stage.plainAt) {
      stage.plainAt = now() + PLAIN_INTERVAL_MS;
      const line = fitted(name, parts, Number.POSITIVE_INFINITY);
      if (line !== drawn) {
        print(line);
        drawn = line;
      }
    }
  };

  return {
    clear,
    handle(event) {
      if (event.type === 'warning') {
        print(`${styleText('yellow', 'claude-bottle: warning:', { stream })} ${shown(event.message)}`);
        return;
      }
      if (options.quiet) {
        return;
      }
      const stage = (event.type !== 'start' && stages.get(event.stage)) || enter(event.stage);
      switch (event.type) {
        case 'start':
          show(event.stage, stage, [event.detail ?? '']);
          break;
        case 'bytes':
          stage.rate.add(event.doneBytes, now());
          show(event.stage, stage, partsOf(event, stage.rate.bytesPerSecond()));
          break;
        case 'output':
          // What a tool says in passing is nothing to keep: where something is wrong, its last lines are shown.
          if (isTerminal) {
            draw(event.stage, [event.line]);
          }
          break;
        case 'done': {
          const seconds = (now() - stage.startedAt) / 1000;
          const size = event.sizeBytes === undefined ? '' : formatBytes(event.sizeBytes);
          const columns = [
            event.stage.padEnd(STAGE_COLUMNS),
            `${seconds.toFixed(1)} s`.padStart(8),
            size.padStart(8),
          ];
          print(shown([...columns, event.detail ?? ''].join('  ').trimEnd()));
          stages.delete(event.stage);
          break;
        }
      }
    },
  };
}

/** How fast bytes came over the last seconds, from the first number on: what was there before did not come now. */
class Rate {
  #samples: { readonly doneBytes: number; readonly at: number }[] = [];

  add(doneBytes: number, at: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && doneBytes < last.doneBytes) {
      this.#samples = [];
    }
    const previous = this.#samples.at(-2);
    if (previous !== undefined && at - previous.at < REDRAW_INTERVAL_MS) {
      this.#samples.pop();
    }
    this.#samples.push({ doneBytes, at });
    const behind = this.#samples.findLastIndex((sample) => at - sample.at >= RATE_WINDOW_MS);
    this.#samples.splice(0, behind);
  }

  bytesPerSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < RATE_MINIMUM_MS) {
      return undefined;
    }
    return (last.doneBytes - first.doneBytes) / ((last.at - first.at) / 1000);
  }
}

/** The most important ones first. */
function partsOf({ doneBytes, totalBytes, isEstimate }: BytesEvent, bytesPerSecond?: number): string[] {
  const rate = bytesPerSecond === undefined ? [] : [`${formatBytes(bytesPerSecond)}/s`];
  if (totalBytes === undefined) {
    return [formatBytes(doneBytes), ...rate];
  }
  if (isEstimate) {
    return [`${formatBytes(doneBytes)} of about ${formatBytes(totalBytes)}`, ...rate];
  }
  const leftBytes = totalBytes - doneBytes;
  const percent = leftBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100;
  const left = bytesPerSecond && leftBytes > 0 ? [`${formatTime(leftBytes / bytesPerSecond)} left`] : [];
  return [`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, `${percent} %`, ...rate, ...left];
}

function formatTime(seconds: number): string {
  if (seconds <= 90) {
    return `${Math.ceil(seconds)} s`;
  }
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

/** Drops parts that have no room: half a number is a wrong one. Only the first is cut. */
function fitted(name: string, parts: readonly string[], columns: number): string {
  const [first = '', ...others] = parts.map((part) =>
    shown(stripVTControlCharacters(part).replaceAll('\t', ' ')),
  );
  let line = cutTo(`${name.padEnd(STAGE_COLUMNS)} ${first}`.trimEnd(), columns);
  for (const part of others) {
    if (line.length + 2 + part.length > columns) {
      break;
    }
    line += `  ${part}`;
  }
  return line;
}

/** What is not ASCII counts as two columns: that is the most it takes. */
function cutTo(text: string, columns: number): string {
  let width = 0;
  let end = 0;
  for (const char of text) {
    width += char > '~' ? 2 : 1;
    if (width > columns) {
      break;
    }
    end += char.length;
  }
  return text.slice(0, end);
}
