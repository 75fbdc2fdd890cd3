import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createProgress, type ProgressOptions } from '../../src/cli/progress.ts';
import type { ProgressEvent } from '../../src/progress.ts';

const ERASE_LINE = '\r\x1b[2K';

/** What stands on standard error, and a clock that only the test moves. */
function start({ columns, ...options }: ProgressOptions & { columns?: number } = {}) {
  let clockMs = 0;
  const writes: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      writes.push(chunk);
      done();
    },
  });
  const tty = Object.assign(stream, { isTTY: columns !== undefined, columns, hasColors: () => false });
  const progress = createProgress(tty as unknown as WriteStream, { ...options, now: () => clockMs });
  return {
    progress,
    writes,
    /** What a terminal shows; the last line is the moving one, or empty. */
    screen: () =>
      writes
        .join('')
        .split('\n')
        .map((line) => stripVTControlCharacters(line.split(ERASE_LINE).at(-1) ?? '')),
    at(seconds: number, event: ProgressEvent) {
      clockMs = seconds * 1000;
      progress.handle(event);
    },
  };
}

function bytes(doneBytes: number, totalBytes?: number): ProgressEvent {
  return { type: 'bytes', stage: 'download', doneBytes, ...(totalBytes !== undefined && { totalBytes }) };
}

beforeEach(() => {
  vi.stubEnv('CI', '');
  vi.stubEnv('TERM', 'xterm-256color');
});

const START = { type: 'start', stage: 'download' } as const;

describe('on a terminal', () => {
  test('a download shows bytes, percent, rate and the time left', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, START);
    for (let second = 0; second <= 10; second += 0.25) {
      at(second, bytes(51.2e6 * second, 1.5e9));
    }
    expect(screen()).toEqual(['download 512 MB of 1.5 GB  34 %  51.2 MB/s  20 s left']);
  });

  test('a download that goes on where an earlier one ended counts from there', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, START);
    at(0, bytes(1.4e9, 1.5e9));
    at(2, bytes(1.41e9, 1.5e9));
    expect(screen()).toEqual(['download 1.4 GB of 1.5 GB  94 %  5.0 MB/s  18 s left']);
  });

  test('a download that begins again at the first byte has no rate below zero', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(0, 1e9));
    at(2, bytes(500e6, 1e9));
    at(3, bytes(0, 1e9));
    expect(screen()).toEqual(['download 0 B of 1.0 GB  0 %']);
    at(5, bytes(20e6, 1e9));
    expect(screen()).toEqual(['download 20.0 MB of 1.0 GB  2 %  10.0 MB/s  2 min left']);
  });

  test('the rate follows the last seconds, not the whole stage', () => {
    const { at, screen } = start({ columns: 80 });
    for (let second = 0; second <= 60; second += 1) {
      at(second, bytes(Math.min(second, 30) * 100e6 + Math.max(second - 30, 0) * 1e6, 10e9));
    }
    expect(screen()).toEqual(['download 3.0 GB of 10.0 GB  30 %  1.0 MB/s  2 h left']);
  });

  test('there is no rate before a second has passed, and no time left when nothing comes', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(0, 1e9));
    at(0.5, bytes(900e6, 1e9));
    expect(screen()).toEqual(['download 900 MB of 1.0 GB  90 %']);
    at(10, bytes(900e6, 1e9));
    at(20, bytes(900e6, 1e9));
    expect(screen()).toEqual(['download 900 MB of 1.0 GB  90 %  0 B/s']);
  });

  test('100 % is all of it', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(999_999_999, 1e9));
    expect(screen()).toEqual(['download 1.0 GB of 1.0 GB  99 %']);
    at(2, bytes(1e9, 1e9));
    expect(screen()).toEqual(['download 1.0 GB of 1.0 GB  100 %  1 B/s']);
    at(3, bytes(0, 0));
    expect(screen()).toEqual(['download 0 B of 0 B  100 %']);
  });

  test('of a total that is a guess, nothing is foretold', () => {
    const { at, screen } = start({ columns: 80 });
    const flatten = { type: 'bytes', stage: 'flatten', totalBytes: 1e9, isEstimate: true } as const;
    at(0, { ...flatten, doneBytes: 0 });
    at(2, { ...flatten, doneBytes: 1.2e9 });
    expect(screen()).toEqual(['flatten  1.2 GB of about 1.0 GB  600 MB/s']);
  });

  test.each([10, 24, 30, 40, 50, 80])(
    'of %i columns no line is too long, and no number is cut',
    (columns) => {
      const { at, screen } = start({ columns });
      at(0, bytes(0, 1.5e9));
      at(10, bytes(512e6, 1.5e9));
      const line = screen().at(-1) ?? '';
      expect(line.length).toBeLessThan(columns);
      expect('download 512 MB of 1.5 GB  34 %  51.2 MB/s  20 s left').toContain(line);
      expect(columns < 30 || /( GB| %|B\/s|left)$/.test(line)).toBe(true);
    },
  );

  test('what others print moves no cursor, and its wide letters do not break the line', () => {
    const { at, screen, writes } = start({ columns: 20 });
    at(0, { type: 'output', stage: 'build', line: '\x1b[31m#1\t\x1b[2J漢字漢字漢字\r\b' });
    expect(screen()).toEqual(['build    #1 漢字漢']);
    for (const control of ['\t', '\b', '\x1b[2J', '漢\r']) {
      expect(writes.join('')).not.toContain(control);
    }
  });

  test('a line that would be the same is not drawn again', () => {
    const { at, writes } = start({ columns: 80 });
    at(0, bytes(1000));
    at(0.5, bytes(1001));
    expect(writes).toHaveLength(1);
  });

  test('the moving line makes room for a line that stays, and comes back', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, START);
    at(1, bytes(0, 1e9));
    at(2, { type: 'warning', message: 'slow' });
    expect(screen()).toEqual(['claude-bottle: warning: slow', '']);
    at(2.01, bytes(10e6, 1e9));
    expect(screen().at(-1)).toBe('download 10.0 MB of 1.0 GB  1 %  9.9 MB/s  2 min left');
    at(3, { type: 'done', stage: 'download', sizeBytes: 1e9, detail: 'sha256 ab' });
    expect(screen()).toEqual(['claude-bottle: warning: slow', 'download     3.0 s    1.0 GB  sha256 ab', '']);
  });
});

describe('without a terminal', () => {
  test('a stage of less than ten seconds is one line', () => {
    const { at, writes } = start();
    at(0, START);
    for (let second = 0; second < 10; second += 0.1) {
      at(second, bytes(second * 1e6, 1e9));
    }
    at(10, { type: 'done', stage: 'download', sizeBytes: 1e9 });
    expect(writes.join('')).toBe('download    10.0 s    1.0 GB\n');
  });

  test('a longer one tells every ten seconds how far it is, in whole lines and without control characters', () => {
    const { at, writes } = start();
    at(100, START);
    for (let second = 0; second <= 35; second += 0.5) {
      at(100 + second, bytes(second * 10e6, 1e9));
    }
    at(136, { type: 'done', stage: 'download', sizeBytes: 1e9 });
    expect(writes).toEqual([
      'download 100 MB of 1.0 GB  10 %  10.0 MB/s  90 s left\n',
      'download 200 MB of 1.0 GB  20 %  10.0 MB/s  80 s left\n',
      'download 300 MB of 1.0 GB  30 %  10.0 MB/s  70 s left\n',
      'download    36.0 s    1.0 GB\n',
    ]);
  });

  test('what a tool says in passing is not kept', () => {
    const { at, writes } = start();
    at(0, { type: 'start', stage: 'build', detail: 'claude-bottle:latest' });
    at(11, { type: 'output', stage: 'build', line: 'STEP 1' });
    expect(writes).toEqual([]);
  });

  test('a stage that comes again has its ten seconds again', () => {
    const { at, writes } = start();
    at(0, START);
    at(9, { type: 'done', stage: 'download' });
    at(9, START);
    at(18, bytes(1e6));
    expect(writes).toEqual(['download     9.0 s\n']);
  });
});

test.each([
  ['TERM', 'dumb'],
  ['CI', 'true'],
])('a terminal with %s=%s gets the lines of none', (variable, value) => {
  vi.stubEnv(variable, value);
  const { at, writes } = start({ columns: 80 });
  at(0, START);
  at(5, bytes(1e6, 1e9));
  at(10, { type: 'done', stage: 'download', sizeBytes: 1e9 });
  expect(writes).toEqual(['download    10.0 s    1.0 GB\n']);
});

test.each([undefined, 80])('quiet leaves nothing but warnings, with %s columns', (columns) => {
  const { at, progress, writes } = start({ quiet: true, ...(columns !== undefined && { columns }) });
  at(0, START);
  at(20, bytes(1e6, 1e9));
  at(40, { type: 'output', stage: 'build', line: 'STEP 1' });
  at(40, { type: 'warning', message: 'the disk is slow' });
  at(60, { type: 'done', stage: 'download', sizeBytes: 1e9 });
  progress.clear();
  expect(stripVTControlCharacters(writes.join(''))).toBe('claude-bottle: warning: the disk is slow\n');
});
