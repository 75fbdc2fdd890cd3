import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { isLocked, type LockPlace, sweepLocks, tryLock, withLock } from '../../src/host/lock.ts';
import { ownerOf, thisOwner } from '../../src/host/owner.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const [HOST, BOOT, , START] = thisOwner().split('-');

async function place(): Promise<LockPlace & { dir: string; moved: string[] }> {
  const dir = await tempDir();
  const moved: string[] = [];
  const quarantine = async (path: string) => {
    moved.push(path);
    await fs.rename(path, `${path}.moved`);
  };
  return { dir, path: join(dir, 'lock'), quarantine, moved };
}

async function endedOwner(): Promise<string> {
  const child = spawn('sleep', ['300']);
  const owner = ownerOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return owner;
}

test('a lock that is held is not given to another task, and is free afterwards, also after a failure', async () => {
  const lock = await place();
  const failed = withLock(lock, { purpose: 'a test' }, async () => {
    expect(await fs.readlink(lock.path)).toContain(thisOwner());
    expect(await tryLock(lock)).toBeUndefined();
    expect(await isLocked(lock.path)).toBe(true);
    throw new Error('of the work');
  });
  await expect(failed).rejects.toThrow('of the work');
  expect(await isLocked(lock.path)).toBe(false);
  expect(await fs.readdir(lock.dir)).toEqual([]);
});

test.each([
  ['of a process that has ended', endedOwner],
  ['of another process with the same pid', async () => `${HOST}-${BOOT}-${process.pid}-${Number(START) + 1}`],
  ['from before a restart', async () => `${HOST}-00000000-${process.pid}-${START}`],
])('a lock %s is taken over at once', async (_, owner) => {
  const lock = await place();
  await fs.symlink(await owner(), lock.path);
  const waits: string[] = [];
  await withLock(lock, { purpose: 'a test', onWait: (message) => waits.push(message) }, async () => {
    expect(await fs.readlink(lock.path)).toContain(thisOwner());
  });
  expect(waits).toEqual([]);
  expect(await fs.readdir(lock.dir)).toEqual([]);
});

test.each([
  ['an empty file', ''],
  ['a file of garbage', 'garbage\n'],
  ['a file that names a living process', thisOwner()],
])('%s in place of a lock is replaced at once', async (_, content) => {
  const lock = await place();
  await fs.writeFile(lock.path, content);
  const held = await tryLock(lock);
  expect(await fs.readlink(lock.path)).toContain(thisOwner());
  await held?.release();
  expect(await fs.readdir(lock.dir)).toEqual([]);
});

test('a directory in place of a lock is moved away, with what is in it', async () => {
  const lock = await place();
  await fs.mkdir(lock.path);
  await fs.writeFile(join(lock.path, 'precious'), '');
  await (await tryLock(lock))?.release();
  expect(lock.moved).toEqual([lock.path]);
  expect(await fs.readdir(`${lock.path}.moved`)).toEqual(['precious']);
});

test.each([
  ['on another machine', `00000000-${BOOT}-1-1`],
  ['of a text that says nothing', 'garbage'],
])('a holder %s is waited for while it touches its lock, and given up when it is silent', async (_, text) => {
  const lock = await place();
  await fs.symlink(text, lock.path);
  expect(await tryLock(lock)).toBeUndefined();

  const waits: string[] = [];
  let touches = 0;
  const alive = setInterval(async () => {
    touches += 1;
    await fs.lutimes(lock.path, touches, touches).catch(() => {});
  }, 200);
  const options = { purpose: 'a test', onWait: (message: string) => waits.push(message) };
  const error = await failureOf(
    withLock(lock, { ...options, silenceMs: 1_000, limitMs: 2_000 }, async () => {}),
  ).finally(() => clearInterval(alive));
  expect(error).toMatchObject({ code: 'try-later', exitCode: 75 });
  expect(error.message).toContain('a process on another machine');
  expect(waits).toEqual(['waiting for a process on another machine, which is busy with a test']);

  await withLock(lock, { purpose: 'a test', silenceMs: 300 }, async () => {
    expect(await fs.readlink(lock.path)).toContain(thisOwner());
  });
});

test('a stopped process of this machine keeps its lock, however silent', async () => {
  const lock = await place();
  await fs.symlink(thisOwner(), lock.path);
  const waiting = withLock(lock, { purpose: 'a test', silenceMs: 0, limitMs: 600 }, async () => {});
  expect((await failureOf(waiting)).message).toContain(`process ${process.pid} is busy with a test`);
});

test('an aborted signal ends the wait at once, with its reason', async () => {
  const lock = await place();
  await fs.symlink(thisOwner(), lock.path);
  const interruption = new AbortController();
  const waiting = withLock(lock, { purpose: 'a test', signal: interruption.signal }, async () => 'done');
  setTimeout(() => interruption.abort(new Error('stopped by the user')), 50);
  await expect(waiting).rejects.toThrow('stopped by the user');
});

test('a lock that was lost is not released, since it is another’s now', async () => {
  const lock = await place();
  await withLock(lock, { purpose: 'a test' }, async () => {
    await fs.rm(lock.path);
    await fs.symlink('another', lock.path);
  });
  expect(await fs.readlink(lock.path)).toBe('another');
});

test('of ten that find a dead lock, one has it at a time', async () => {
  const lock = await place();
  await fs.symlink(await endedOwner(), lock.path);
  let inside = 0;
  let most = 0;
  const each = async () =>
    await withLock(lock, { purpose: 'a test' }, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(5);
      inside -= 1;
    });
  await Promise.all(Array.from({ length: 10 }, each));
  expect(most).toBe(1);
});

test('a sweep removes locks of ended processes and what they left while taking over, nothing else', async () => {
  const { dir, quarantine } = await place();
  const ended = await endedOwner();
  await fs.symlink(ended, join(dir, 'dead'));
  await fs.symlink(ended, join(dir, 'dead.12345678.take'));
  await fs.symlink(thisOwner(), join(dir, 'alive'));
  await fs.symlink('garbage', join(dir, 'elsewhere'));
  await fs.writeFile(join(dir, 'file'), '');
  await sweepLocks(dir, quarantine);
  expect((await fs.readdir(dir)).sort()).toEqual(['alive', 'elsewhere', 'file']);
});

test('a directory that cannot be written is named', async () => {
  const error = await failureOf(tryLock({ path: '/proc/nothing/lock', quarantine: async () => {} }));
  expect(error.message).toContain('/proc/nothing/lock');
});
