import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createProgress, type ProgressOptions } from '../../src/cli/progress.ts';
import type { ProgressEvent } from '../../src/progress.ts';

const ERASE_LINE = '\r\x1b[2K';
const SPINNER = /^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] /;

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
        .map((line) => stripVTControlCharacters(line.split(ERASE_LINE).at(-1) ?? ''))
        .map((line) => line.replace(SPINNER, '')),
    at(seconds: number, event: ProgressEvent) {
      clockMs = seconds * 1000;
      progress.handle(event);
    },
    /** With fake timers only. */
    wait(seconds: number) {
      for (let step = 0; step < seconds * 10; step += 1) {
        clockMs += 100;
        vi.advanceTimersByTime(100);
      }
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
    expect(screen()).toEqual(['Downloading 512 MB of 1.5 GB  34 %  51.2 MB/s  20 s left  0:10']);
  });

  test('a download that goes on where an earlier one ended counts from there', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, START);
    at(0, bytes(1.4e9, 1.5e9));
    at(2, bytes(1.41e9, 1.5e9));
    expect(screen()).toEqual(['Downloading 1.4 GB of 1.5 GB  94 %  5.0 MB/s  18 s left  0:02']);
  });

  test('a download that begins again at the first byte has no rate below zero', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(0, 1e9));
    at(2, bytes(500e6, 1e9));
    at(3, bytes(0, 1e9));
    expect(screen()).toEqual(['Downloading 0 B of 1.0 GB  0 %  0:03']);
    at(5, bytes(20e6, 1e9));
    expect(screen()).toEqual(['Downloading 20.0 MB of 1.0 GB  2 %  10.0 MB/s  2 min left  0:05']);
  });

  test('the rate follows the last seconds, not the whole stage', () => {
    const { at, screen } = start({ columns: 80 });
    for (let second = 0; second <= 60; second += 1) {
      at(second, bytes(Math.min(second, 30) * 100e6 + Math.max(second - 30, 0) * 1e6, 10e9));
    }
    expect(screen()).toEqual(['Downloading 3.0 GB of 10.0 GB  30 %  1.0 MB/s  2 h left  1:00']);
  });

  test('there is no rate before a second has passed, and no time left when nothing comes', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(0, 1e9));
    at(0.5, bytes(900e6, 1e9));
    expect(screen()).toEqual(['Downloading 900 MB of 1.0 GB  90 %']);
    at(10, bytes(900e6, 1e9));
    at(20, bytes(900e6, 1e9));
    expect(screen()).toEqual(['Downloading 900 MB of 1.0 GB  90 %  0 B/s  0:20']);
  });

  test('100 % is all of it', () => {
    const { at, screen } = start({ columns: 80 });
    at(0, bytes(999_999_999, 1e9));
    expect(screen()).toEqual(['Downloading 1.0 GB of 1.0 GB  99 %']);
    at(2, bytes(1e9, 1e9));
    expect(screen()).toEqual(['Downloading 1.0 GB of 1.0 GB  100 %  1 B/s  0:02']);
    at(3, bytes(0, 0));
    expect(screen()).toEqual(['Downloading 0 B of 0 B  100 %  0:03']);
  });

  test('of a total that is a guess, nothing is foretold, and once it is passed it is gone', () => {
    const { at, screen } = start({ columns: 80 });
    const flatten = { type: 'bytes', stage: 'flatten', totalBytes: 1e9, isEstimate: true } as const;
    at(0, { ...flatten, doneBytes: 0 });
    at(2, { ...flatten, doneBytes: 0.8e9 });
    expect(screen()).toEqual(['Flattening  800 MB of about 1.0 GB  400 MB/s  0:02']);
    at(3, { ...flatten, doneBytes: 1.2e9 });
    expect(screen()).toEqual(['Flattening  1.2 GB  400 MB/s  0:03']);
  });

  test.each([10, 24, 30, 40, 50, 80])(
    'of %i columns no line is too long, and no number is cut',
    (columns) => {
      const { at, screen } = start({ columns });
      at(0, bytes(0, 1.5e9));
      at(10, bytes(512e6, 1.5e9));
      const line = screen().at(-1) ?? '';
      expect(line.length).toBeLessThan(columns);
      expect('Downloading 512 MB of 1.5 GB  34 %  51.2 MB/s  20 s left  0:10').toContain(line);
      expect(columns < 24 || /( GB| %|B\/s|left|:10)$/.test(line)).toBe(true);
    },
  );

  test('what others print moves no cursor, and its wide letters do not break the line', () => {
    const { at, screen, writes } = start({ columns: 20 });
    at(0, { type: 'output', stage: 'build', line: '\x1b[31m#1\t\x1b[2J漢字漢字漢字\r\b' });
    expect(screen()).toEqual(['Building    #1 漢']);
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
    expect(screen().at(-1)).toBe('Downloading 10.0 MB of 1.0 GB  1 %  9.9 MB/s  2 min left  0:02');
    at(3, { type: 'done', stage: 'download', sizeBytes: 1e9, detail: 'verified' });
    expect(screen()).toEqual([
      'claude-bottle: warning: slow',
      '✓ Downloaded  1.0 GB in 3.0 s (3.3 MB/s), verified',
      '',
    ]);
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
    expect(writes.join('')).toBe('✓ Downloaded  1.0 GB in 10 s (1.0 MB/s)\n');
  });

  test('a longer one tells every ten seconds how far it is, in whole lines and without control characters', () => {
    const { at, writes } = start();
    at(100, START);
    for (let second = 0; second <= 35; second += 0.5) {
      at(100 + second, bytes(second * 10e6, 1e9));
    }
    at(136, { type: 'done', stage: 'download', sizeBytes: 1e9 });
    expect(writes).toEqual([
      'Downloading 100 MB of 1.0 GB  10 %  10.0 MB/s  90 s left  0:10\n',
      'Downloading 200 MB of 1.0 GB  20 %  10.0 MB/s  80 s left  0:20\n',
      'Downloading 300 MB of 1.0 GB  30 %  10.0 MB/s  70 s left  0:30\n',
      '✓ Downloaded  1.0 GB in 36 s (9.7 MB/s)\n',
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
    expect(writes).toEqual(['✓ Downloaded  9.0 s\n']);
  });
});

describe('while nothing is heard of a stage', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
  });

  test('a terminal shows a spinner, a clock and what the tool has said last', () => {
    const { at, screen, writes, wait } = start({ columns: 60 });
    at(0, { type: 'start', stage: 'pack', detail: 'smolvm 1.32.2' });
    at(2, { type: 'output', stage: 'pack', line: `Pulling image localhost:1/x@sha256:${'ab'.repeat(32)}` });
    wait(70);
    expect(screen()).toEqual(['Packing     1:12  Pulling image localhost:1/x@sha256:abab']);
    const spinners = writes.map((text) => stripVTControlCharacters(text).trim().slice(0, 1));
    expect(new Set(spinners).size).toBe(10);
  });

  test('a pipe gets a line every ten seconds', () => {
    const { at, writes, wait } = start();
    at(0, { type: 'start', stage: 'pack', detail: 'smolvm 1.32.2' });
    wait(35);
    expect(writes).toEqual([
      'Packing     0:10  smolvm 1.32.2\n',
      'Packing     0:20  smolvm 1.32.2\n',
      'Packing     0:30  smolvm 1.32.2\n',
    ]);
    at(40, { type: 'done', stage: 'pack', sizeBytes: 229e6 });
    wait(60);
    expect(writes.slice(3)).toEqual(['✓ Packed      229 MB in 40 s\n']);
  });

  test('a build beside a download does not take its line', () => {
    const { at, screen, wait } = start({ columns: 80 });
    at(0, START);
    at(1, bytes(0, 1e9));
    at(1, { type: 'start', stage: 'build', detail: 'claude-bottle:latest' });
    at(2, { type: 'output', stage: 'build', line: 'STEP 1' });
    wait(1);
    expect(screen()).toEqual(['Downloading 0 B of 1.0 GB  0 %  0:03']);
    at(4, { type: 'done', stage: 'download', sizeBytes: 1e9 });
    wait(1);
    expect(screen().at(-1)).toBe('Building    0:04  STEP 1');
  });
});

describe('what stays', () => {
  test('a stage of less than half a second has no line, unless it is part of the answer', () => {
    const { at, writes } = start();
    for (const stage of ['inputs', 'find', 'install', 'link']) {
      at(0, { type: 'start', stage });
      at(0.4, { type: 'done', stage, detail: `sha256 ${'ab'.repeat(32)}` });
    }
    expect(writes).toEqual(['✓ Found       sha256 abababababab\n', '✓ Linked      sha256 abababababab\n']);
  });

  test('with verbose every stage has one, with whole digests', () => {
    const { at, writes } = start({ verbose: true });
    at(0, { type: 'start', stage: 'install' });
    at(0.4, { type: 'done', stage: 'install', detail: `sha256 ${'ab'.repeat(32)}` });
    expect(writes).toEqual([`✓ Stored      sha256 ${'ab'.repeat(32)}\n`]);
  });
});

describe('an interruption', () => {
  test('leaves no moving line, and says what the next run need not download', () => {
    const { at, progress, screen } = start({ columns: 80 });
    at(0, START);
    at(2, { ...bytes(113e6, 502e6), isKept: true } as ProgressEvent);
    expect(progress.interrupt()).toBe('113 MB of 502 MB');
    at(3, bytes(120e6, 502e6));
    expect(screen()).toEqual(['Stopping. Press Ctrl-C again to quit at once.']);
    progress.clear();
    expect(screen()).toEqual(['']);
  });

  test('of a download that the server cannot go on with keeps nothing', () => {
    const { at, progress } = start();
    at(0, START);
    at(2, bytes(113e6, 502e6));
    expect(progress.interrupt()).toBeUndefined();
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
  expect(writes.map(stripVTControlCharacters)).toEqual(['✓ Downloaded  1.0 GB in 10 s\n']);
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
