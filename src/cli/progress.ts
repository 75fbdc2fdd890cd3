import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters, styleText } from 'node:util';
import { formatBytes } from '../host/disk.ts';
import type { OnProgress } from '../progress.ts';

const REDRAW_INTERVAL_MS = 100;
const STAGE_COLUMNS = 8;
const ERASE_LINE = '\r\x1b[2K';

export interface Progress {
  readonly handle: OnProgress;
  /** Takes the moving line away, so that something else can be printed. */
  clear(): void;
}

/** One line for each stage that is done; on a terminal also a moving one for the stage at work. */
export function createProgress(
  stream: WriteStream,
  now: () => number = performance.now.bind(performance),
): Progress {
  const isTerminal = stream.isTTY === true;
  const startedAt = new Map<string, number>();
  let drawnAt = Number.NEGATIVE_INFINITY;

  const clear = () => {
    if (isTerminal && drawnAt !== Number.NEGATIVE_INFINITY) {
      stream.write(ERASE_LINE);
      drawnAt = Number.NEGATIVE_INFINITY;
    }
  };
  const draw = (stage: string, text: string) => {
    if (isTerminal && now() - drawnAt >= REDRAW_INTERVAL_MS) {
      const line = `${stage.padEnd(STAGE_COLUMNS)} ${stripVTControlCharacters(text)}`;
      stream.write(ERASE_LINE + styleText('dim', line.slice(0, stream.columns - 1), { stream }));
      drawnAt = now();
    }
  };
  const print = (line: string) => {
    clear();
    stream.write(`${line}\n`);
  };

  return {
    clear,
    handle(event) {
      switch (event.type) {
        case 'start':
          startedAt.set(event.stage, now());
          draw(event.stage, event.detail ?? '');
          break;
        case 'bytes': {
          const total = event.totalBytes === undefined ? '' : ` of about ${formatBytes(event.totalBytes)}`;
          draw(event.stage, formatBytes(event.doneBytes) + total);
          break;
        }
        case 'output':
          draw(event.stage, event.line);
          break;
        case 'done': {
          const seconds = (now() - (startedAt.get(event.stage) ?? now())) / 1000;
          const size = event.sizeBytes === undefined ? '' : formatBytes(event.sizeBytes);
          const columns = [
            event.stage.padEnd(STAGE_COLUMNS),
            `${seconds.toFixed(1)} s`.padStart(8),
            size.padStart(8),
          ];
          print([...columns, event.detail ?? ''].join('  ').trimEnd());
          break;
        }
        case 'warning':
          print(`${styleText('yellow', 'claude-bottle: warning:', { stream })} ${event.message}`);
          break;
      }
    },
  };
}
