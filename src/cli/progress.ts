import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters, styleText } from 'node:util';
import { formatBytes } from '../host/disk.ts';
import { shown } from '../identity/shown-text.ts';
import type { OnProgress, ProgressEvent } from '../progress.ts';
import { formatClock, formatDuration, paintSign, SIGNS, shortHashes, tilde } from './style.ts';

const REDRAW_INTERVAL_MS = 100;
/** Without a terminal, a stage says no more often than this that it is at work. */
const PLAIN_INTERVAL_MS = 10_000;
const RATE_WINDOW_MS = 5000;
/** Over a shorter time, a rate says more about buffers than about the way the bytes come. */
const RATE_MINIMUM_MS = 1000;
/** A stage that took less is not worth a line. */
const SHOWN_MS = 500;
/** A stage that takes longer has a clock. */
const CLOCK_MS = 1000;
const STAGE_COLUMNS = 11;
const USUAL_COLUMNS = 80;
const ERASE_LINE = '\r\x1b[2K';
const SPINNER = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];

/** What a stage is called at work and afterwards. */
const WORDS: Readonly<Record<string, readonly [atWork: string, done: string]>> = {
  inputs: ['Reading', 'Read'],
  read: ['Reading', 'Read'],
  find: ['Looking', 'Found'],
  sign: ['Checking', 'Signed'],
  store: ['Checking', 'Checked'],
  reuse: ['Reusing', 'Reused'],
  download: ['Downloading', 'Downloaded'],
  copy: ['Copying', 'Copied'],
  install: ['Storing', 'Stored'],
  build: ['Building', 'Built'],
  link: ['Linking', 'Linked'],
  flatten: ['Flattening', 'Flattened'],
  push: ['Pushing', 'Pushed'],
  pack: ['Packing', 'Packed'],
  verify: ['Verifying', 'Verified'],
  'smoke test': ['Testing', 'Tested'],
  export: ['Exporting', 'Exported'],
};

/** The stages that make up the answer: they have a line however short they were. */
const ANSWERS = ['store', 'find', 'sign', 'reuse', 'download', 'copy', 'link', 'pack'];

export interface Progress {
  readonly handle: OnProgress;
  /** Takes the moving line away, so that something else can be printed. */
  clear(): void;
  /** Nothing is at work any more. */
  end(): void;
  /**
   * From now on only warnings are shown, and on a terminal that the work is being stopped.
   * @returns what the next run need not download again
   */
  interrupt(): string | undefined;
  /** Whether a line about a stage stands above. */
  readonly hasPrinted: boolean;
}

export interface ProgressOptions {
  /** Prints warnings only. */
  readonly quiet?: boolean;
  /** Prints every stage, and whole digests. */
  readonly verbose?: boolean;
  readonly now?: () => number;
}

type BytesEvent = Extract<ProgressEvent, { type: 'bytes' }>;

interface Stage {
  readonly name: string;
  readonly startedAt: number;
  readonly rate: Rate;
  plainAt: number;
  /** The current work of a stage without bytes. */
  detail: string;
  bytes: BytesEvent | undefined;
  /** The bytes that were there when it began. */
  firstBytes: number;
}

/**
 * One line for each stage that is done and was worth it. For the stage at work there is a moving line on a terminal,
 * and elsewhere a line every now and then.
 * @param options read whenever something happens: the command line may still be unread
 */
export function createProgress(stream: WriteStream, options: ProgressOptions = {}): Progress {
  const { now = performance.now.bind(performance) } = options;
  // A line that moves is nothing for a terminal that cannot, nor for a log that a CI service makes of one.
  const isTerminal = stream.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
  const stages = new Map<string, Stage>();
  let ticker: NodeJS.Timeout | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn: string | undefined;
  let hasPrinted = false;
  let isInterrupted = false;

  const enter = (name: string): Stage => {
    const stage: Stage = {
      name,
      startedAt: now(),
      rate: new Rate(),
      plainAt: now() + PLAIN_INTERVAL_MS,
      detail: '',
      bytes: undefined,
      firstBytes: 0,
    };
    stages.delete(name);
    stages.set(name, stage);
    ticker ??= setInterval(tick, isTerminal ? REDRAW_INTERVAL_MS : 1000).unref();
    return stage;
  };
  /** Beside a download, a build is not what the user waits for. */
  const current = () => {
    const running = [...stages.values()];
    return running.findLast(({ bytes }) => bytes !== undefined) ?? running.at(-1);
  };
  const clear = () => {
    if (isTerminal && drawn !== undefined) {
      stream.write(ERASE_LINE);
      drawn = undefined;
      drawnAt = Number.NEGATIVE_INFINITY;
    }
  };
  const end = () => {
    clear();
    stages.clear();
    clearInterval(ticker);
    ticker = undefined;
  };
  const draw = (line: string) => {
    const spinner = SPINNER[Math.floor(now() / REDRAW_INTERVAL_MS) % SPINNER.length] ?? '';
    stream.write(`${ERASE_LINE}${styleText('cyan', spinner, { stream })} ${line}`);
    drawnAt = now();
    drawn = line;
  };
  const print = (line: string) => {
    clear();
    stream.write(`${line}\n`);
  };
  const show = (stage: Stage, isTick = false) => {
    if (isTerminal) {
      const line = fitted(stage, now(), (stream.columns || USUAL_COLUMNS) - 3);
      if (now() - drawnAt >= REDRAW_INTERVAL_MS && (isTick || line !== drawn)) {
        draw(line);
      }
    } else if (now() >= stage.plainAt) {
      stage.plainAt = now() + PLAIN_INTERVAL_MS;
      print(fitted(stage, now(), Number.POSITIVE_INFINITY));
    }
  };
  /** Turns the spinner and the clock, also while nothing is to be said. */
  const tick = () => {
    const stage = current();
    if (stage !== undefined && !options.quiet) {
      show(stage, true);
    }
  };
  const handleStage = (event: Extract<ProgressEvent, { stage: string }>) => {
    const stage = (event.type !== 'start' && stages.get(event.stage)) || enter(event.stage);
    switch (event.type) {
      case 'start':
        stage.detail = event.detail ?? '';
        break;
      case 'bytes':
        stage.firstBytes = stage.bytes === undefined ? event.doneBytes : stage.firstBytes;
        stage.bytes = event;
        stage.rate.add(event.doneBytes, now());
        break;
      case 'output':
        // A tool's output is not kept, because the last lines are shown where something is wrong.
        stage.detail = event.line;
        break;
      case 'done': {
        stages.delete(event.stage);
        const elapsedMs = now() - stage.startedAt;
        const isWorthIt = !event.isSilent && (ANSWERS.includes(event.stage) || elapsedMs >= SHOWN_MS);
        if (options.verbose || isWorthIt) {
          const line = doneLine(stage, event, elapsedMs);
          const text = options.verbose ? line : shortHashes(line);
          print(paintSign(`${SIGNS.ok} ${tilde(shown(text), stream)}`, stream));
          hasPrinted = true;
        }
        return;
      }
    }
    if (stage === current() && !(event.type === 'output' && !isTerminal)) {
      show(stage);
    }
  };

  return {
    clear,
    end,
    get hasPrinted() {
      return hasPrinted;
    },
    interrupt() {
      isInterrupted = true;
      const { bytes } = stages.get('download') ?? {};
      end();
      if (isTerminal && !options.quiet) {
        draw(styleText('dim', 'Stopping. Press Ctrl-C again to quit at once.', { stream }));
      }
      return bytes?.isKept && bytes.totalBytes !== undefined && bytes.doneBytes > 0
        ? `${formatBytes(bytes.doneBytes)} of ${formatBytes(bytes.totalBytes)}`
        : undefined;
    },
    handle(event) {
      if (event.type === 'warning') {
        const message = tilde(shown(event.message), stream);
        print(`${styleText('yellow', 'claude-bottle: warning:', { stream })} ${message}`);
      } else if (options.quiet || isInterrupted) {
        return;
      } else if (event.type === 'note') {
        print(styleText('dim', `  ${tilde(shown(event.message), stream)}`, { stream }));
      } else {
        handleStage(event);
      }
    },
  };
}

function wordsOf(stage: string): readonly [atWork: string, done: string] {
  const name = `${stage.slice(0, 1).toUpperCase()}${stage.slice(1)}`;
  return WORDS[stage] ?? [name, name];
}

/** `Downloaded  502 MB in 11 s (45 MB/s)`, `Built  claude-bottle:latest in 3.2 s` */
function doneLine(
  { name, bytes, firstBytes }: Stage,
  { detail, sizeBytes }: Extract<ProgressEvent, { type: 'done' }>,
  elapsedMs: number,
): string {
  const seconds = elapsedMs / 1000;
  const size = sizeBytes === undefined ? [] : [formatBytes(sizeBytes)];
  const received = bytes === undefined ? 0 : bytes.doneBytes - firstBytes;
  const rate = received > 0 && elapsedMs >= RATE_MINIMUM_MS ? ` (${formatBytes(received / seconds)}/s)` : '';
  const time = elapsedMs < SHOWN_MS ? '' : ` in ${formatDuration(seconds)}${rate}`;
  const details = detail === undefined ? [] : [detail];
  const parts = bytes === undefined ? [...details, ...size] : [...size, ...details];
  // The time belongs to the size where bytes were moved, and to all of it elsewhere.
  const [first = '', ...others] = parts;
  const text = bytes === undefined ? `${parts.join(', ')}${time}` : [`${first}${time}`, ...others].join(', ');
  return `${wordsOf(name)[1].padEnd(STAGE_COLUMNS)} ${text.replace(/^ in /, '')}`.trimEnd();
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
function partsOf({ detail, bytes, rate, startedAt }: Stage, now: number): string[] {
  const seconds = (now - startedAt) / 1000;
  const clock = seconds * 1000 >= CLOCK_MS ? [formatClock(seconds)] : [];
  if (bytes === undefined) {
    return [...clock, ...(detail === '' ? [] : [detail])];
  }
  const { doneBytes, totalBytes, isEstimate } = bytes;
  const bytesPerSecond = rate.bytesPerSecond();
  const speed = bytesPerSecond === undefined ? [] : [`${formatBytes(bytesPerSecond)}/s`];
  if (totalBytes === undefined || (isEstimate && doneBytes >= totalBytes)) {
    return [formatBytes(doneBytes), ...speed, ...clock];
  }
  if (isEstimate) {
    return [`${formatBytes(doneBytes)} of about ${formatBytes(totalBytes)}`, ...speed, ...clock];
  }
  const leftBytes = totalBytes - doneBytes;
  const percent = leftBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100;
  const left = bytesPerSecond && leftBytes > 0 ? [`${formatTime(leftBytes / bytesPerSecond)} left`] : [];
  return [
    `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
    `${percent} %`,
    ...speed,
    ...left,
    ...clock,
  ];
}

function formatTime(seconds: number): string {
  if (seconds <= 90) {
    return `${Math.ceil(seconds)} s`;
  }
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

/** Drops what has no room, the stage's name first: half a number is a wrong one. Only what a tool says is cut. */
function fitted(stage: Stage, now: number, columns: number): string {
  const [first = '', ...others] = partsOf(stage, now).map((part) =>
    shortHashes(shown(withoutSpinner(stripVTControlCharacters(part).replaceAll('\t', ' ')))),
  );
  const whole = `${wordsOf(stage.name)[0].padEnd(STAGE_COLUMNS)} ${first}`.trimEnd();
  let line = cutTo(stage.bytes !== undefined && whole.length > columns ? first : whole, columns);
  for (const part of others) {
    const room = columns - line.length - 2;
    const text = stage.bytes === undefined ? cutTo(part, room) : part;
    if (text === '' || text.length > room) {
      break;
    }
    line += `  ${text}`;
  }
  return line;
}

/** A tool's own spinner stands still beside ours. */
function withoutSpinner(text: string): string {
  return text.replace(/^[\u2800-\u28ff] +/, '');
}

/** A character that is not ASCII counts as two columns, the most that it can take. */
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
