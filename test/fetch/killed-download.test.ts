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

test('a kill at any moment, with several connections, loses nothing that was written', async () => {
  const content = randomBytes(40_000_000);
  const server = await FaultServer.start(content, { limits: { eachBytesPerSecond: 20_000_000 } });
  const dir = await tempDir();
  const { child, ended } = startChild(server, content, dir);
  while (server.bytesSent < content.length / 2 && child.exitCode === null) {
    await sleep(20);
  }
  child.kill('SIGKILL');
  const keptBytes = (await ended).doneBytes;
  expect(server.mostAtOnce).toBeGreaterThan(1);
  const second = await startChild(server, content, dir).ended;
  expect(second).toMatchObject({ exitCode: 0, doneBytes: content.length });
  expect(second.firstBytes).toBeGreaterThanOrEqual(keptBytes);
  expect(content.equals(await fs.readFile(join(dir, 'data')))).toBe(true);
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
  /** As it was told first and last. */
  readonly firstBytes: number;
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
    firstBytes: Number(output.split('\n')[0]),
    doneBytes: doneBytes(),
  }));
  return { child, ended, doneBytes };
}
