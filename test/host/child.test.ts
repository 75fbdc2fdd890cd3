import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { readChild, runChild, streamChild } from '../../src/host/child.ts';
import { isAlive, ownerOf } from '../../src/host/owner.ts';
import { failureOf } from '../helpers/failure.ts';

const sh = (script: string) => ['-c', script] as const;

/** A shell and its child, which says who it is before it waits. */
const SLEEPER = 'sleep 300 & echo "$!"; wait';

/** Not `kill -0`, which also finds what has ended and waits to be reaped. */
function isRunning(pid: number): boolean {
  return isAlive(ownerOf(pid));
}

test('standard output is collected whole, standard error line by line', async () => {
  const lines: string[] = [];
  const result = await readChild('sh', sh('printf "a\\nb"; echo one >&2; printf "two" >&2; exit 3'), {
    onLine: (line) => lines.push(line),
  });
  expect(result).toMatchObject({ stdout: 'a\nb', exitCode: 3, tail: ['one', 'two'] });
  expect(lines).toEqual(['one', 'two']);
});

test('only the last 20 lines are kept, without progress that was overwritten and without control sequences', async () => {
  const script = `printf 'Pulling 1%%\\rPulling 99%%\\r\\033[31mdone\\033[0m\\n\\033]0;title\\007next\\n'; seq 1 18`;
  const seen: string[] = [];
  const { tail } = await runChild('sh', sh(script), { onLine: (line) => seen.push(line) });
  expect(seen.slice(0, 4)).toEqual(['Pulling 1%', 'Pulling 99%', 'done', 'next']);
  expect(tail).toHaveLength(20);
  expect(tail.slice(0, 3)).toEqual(['done', 'next', '1']);
});

test.each([
  ['at once', `printf 'one\\r\\ntwo\\r\\nthree\\r\\n'`],
  ['in two halves', `printf 'one\\r'; sleep 0.2; printf '\\ntwo\\r'; sleep 0.2; printf '\\nthree\\r\\n'`],
  ['twice translated', `printf 'one\\r\\r\\ntwo\\r\\r\\nthree\\r\\r\\n'`],
  ['only half at the end', `printf 'one\\r\\ntwo\\r\\nthree\\r'`],
  ['with progress before', `printf 'one\\r\\ntwo\\r\\n1%%\\r2%%\\rthree\\r\\n'`],
])('lines that end in CR LF, %s, are kept', async (_, script) => {
  expect((await runChild('sh', sh(script))).tail).toEqual(['one', 'two', 'three']);
});

test('output without end does not fill the memory', async () => {
  const before = process.memoryUsage().rss;
  await runChild('sh', sh('head -c 200000000 /dev/zero | tr "\\0" x; seq 1 1000000'));
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
});

test('an abort ends the whole process group and rejects with its reason', async () => {
  const abort = new AbortController();
  let sleeper = 0;
  const running = runChild('sh', sh(SLEEPER), {
    signal: abort.signal,
    onLine: (line) => {
      sleeper = Number(line);
      abort.abort(new InterruptedError('SIGTERM'));
    },
  });
  await expect(running).rejects.toThrow('stopped by SIGTERM');
  await sleep(50);
  expect(isRunning(sleeper)).toBe(false);
});

test('a child that ignores SIGTERM, and whose grandchild holds its output, is ended anyway', async () => {
  const abort = new AbortController();
  const pids: number[] = [];
  const script = `trap '' TERM; setsid sleep 20 & echo "$!"; echo "$$"; while :; do sleep 1; done`;
  const running = runChild('sh', sh(script), {
    signal: abort.signal,
    onLine: (line) => {
      if (pids.push(Number(line)) === 2) {
        abort.abort(new InterruptedError('SIGINT'));
      }
    },
  });
  await expect(running).rejects.toThrow('stopped by SIGINT');
  const [grandchild = 0, child = 0] = pids;
  expect(isRunning(child)).toBe(false);
  process.kill(grandchild, 'SIGKILL');
});

test('a child that takes too long is ended and named', async () => {
  const error = await failureOf(runChild('sleep', ['300'], { timeoutMs: 100 }));
  expect(error).toMatchObject({ code: 'timed-out', message: 'sleep 300 took longer than 0.1 s' });
});

test('a consumer that fails ends the child, and a child that fails is the cause of a broken stream', async () => {
  const fails = () => Promise.reject(new Error('disk full'));
  await expect(streamChild('sh', sh('yes'), fails)).rejects.toThrow('disk full');
  const result = await streamChild('sh', sh('echo "no such container" >&2; exit 1'), async (stdout) => {
    for await (const _ of stdout) {
      // nothing comes
    }
    throw new Error('ends too early');
  });
  expect(result).toMatchObject({ exitCode: 1, tail: ['no such container'] });
});

test('input reaches the child, also when it does not read it', async () => {
  async function* input() {
    yield Buffer.from('hello ');
    yield Buffer.from('child');
  }
  expect((await readChild('cat', [], { input: input() })).stdout).toBe('hello child');
  const big = Buffer.alloc(10_000_000);
  expect(
    (
      await readChild('true', [], {
        input: (async function* () {
          yield big;
        })(),
      })
    ).exitCode,
  ).toBe(0);
});

test('a command that is not there is reported as the system does', async () => {
  await expect(runChild('/nonexistent/tool', [])).rejects.toThrow('ENOENT');
});
