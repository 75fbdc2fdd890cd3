import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../helpers/temp-dir.ts';
import { FaultServer } from '../servers/fault-server.ts';

const CHILD = join(import.meta.dirname, 'download-child.ts');
const CONTENT = randomBytes(3_000_000);
/** What a kill may cost: 1 % of 100 MB. */
const LOST_BYTES = 1_000_000;
/** What a connection may hold outside of the process. */
const KERNEL_BYTES = 128 * 1024;

test.each([1, 70_000, 1_500_000, 2_999_999])(
  'a download that is killed at byte %i is resumed there',
  async (killAtBytes) => {
    const server = await FaultServer.start(CONTENT);
    const dir = await tempDir();
    const killed = startChild(server, CONTENT, dir, killAtBytes);
    expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' });
    const keptBytes = (await killed.ended).doneBytes;
    expect(keptBytes).toBeLessThan(killAtBytes + LOST_BYTES);
    server.requests.length = 0;
    expect(await startChild(server, CONTENT, dir).ended).toMatchObject({ exitCode: 0 });
    expect(server.bytesSent).toBe(CONTENT.length - keptBytes);
    expect(CONTENT.equals(await fs.readFile(join(dir, 'data')))).toBe(true);
  },
);

test('a kill at any moment, with several connections, loses less than 1 % of 100 MB', async () => {
  const content = randomBytes(48_000_000);
  // Slow, so that little waits in the kernel, where it counts as sent.
  const server = await FaultServer.start(content, { limits: { eachBytesPerSecond: 4_000_000 } });
  const dir = await tempDir();
  const { child, ended } = startChild(server, content, dir);
  while (server.bytesSent < content.length / 2 && child.exitCode === null) {
    await sleep(20);
  }
  child.kill('SIGKILL');
  await ended;
  expect(server.mostAtOnce).toBeGreaterThanOrEqual(4);
  expect(await startChild(server, content, dir).ended).toMatchObject({ exitCode: 0 });
  expect(content.equals(await fs.readFile(join(dir, 'data')))).toBe(true);
  expect(server.bytesSent - content.length).toBeLessThan(LOST_BYTES + server.mostAtOnce * KERNEL_BYTES);
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends a download, and what is there stays', async (name) => {
  const server = await FaultServer.start(CONTENT, { plan: () => ({ kind: 'stall', afterBytes: 2_000_000 }) });
  const dir = await tempDir();
  const { child, ended, doneBytes } = startChild(server, CONTENT, dir);
  while (doneBytes() < 1_600_000 && child.exitCode === null) {
    await sleep(20);
  }
  child.kill(name);
  expect(await ended).toMatchObject({ exitCode: 77, signal: null });
  server.plan = () => undefined;
  server.requests.length = 0;
  expect(await startChild(server, CONTENT, dir).ended).toMatchObject({ exitCode: 0 });
  expect(server.bytesSent).toBeLessThan(1_400_000);
});

interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** As it was told last. */
  readonly doneBytes: number;
}

function startChild(
  server: FaultServer,
  content: Buffer,
  dir: string,
  killAtBytes?: number,
): { readonly child: ChildProcess; readonly ended: Promise<Ended>; readonly doneBytes: () => number } {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const args = [server.url, dir, content.length, sha256, ...(killAtBytes === undefined ? [] : [killAtBytes])];
  const child = spawn(process.execPath, [CHILD, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const doneBytes = () => Number(output.trimEnd().split('\n').at(-1));
  const ended = once(child, 'close').then(([exitCode, signal]) => ({
    exitCode,
    signal,
    doneBytes: doneBytes(),
  }));
  return { child, ended, doneBytes };
}
