import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isAlive, ownerOf, pidOf, thisOwner } from '../../src/host/owner.ts';
import { sweepPrivateDirs, withPrivateDir } from '../../src/host/private-dir.ts';
import { failureOf } from '../helpers/failure.ts';
import { tempDir } from '../helpers/temp-dir.ts';

function unexpected(message: string): never {
  throw new Error(message);
}

test('an owner is alive as long as its process, not as long as its pid', async () => {
  expect(isAlive(thisOwner())).toBe(true);
  const child = spawn('sleep', ['300']);
  const owner = ownerOf(child.pid ?? 0);
  expect([isAlive(owner), pidOf(owner)]).toEqual([true, child.pid]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(owner)).toBe(false);

  const [host, boot, pid, start] = thisOwner().split('-');
  expect(isAlive(`${host}-${boot}-${pid}-${Number(start) + 1}`), 'another process with our pid').toBe(false);
  expect(isAlive(`${host}-00000000-${pid}-${start}`), 'before a restart').toBe(false);
  expect(isAlive(`00000000-${boot}-1-1`), 'on another host, of which nothing is known').toBe(true);
});

test('a private directory is private, and gone afterwards also on failure', async () => {
  const parent = await tempDir();
  const cleaned: string[] = [];
  const failed = withPrivateDir(
    parent,
    async (dir) => {
      expect((await fs.stat(dir)).mode & 0o777).toBe(0o700);
      await fs.mkdir(join(dir, 'deep'));
      await fs.writeFile(join(dir, 'deep', 'file'), 'x');
      // As smolvm does it for the user of its virtual machine.
      await fs.chmod(dir, 0o701);
      await sweepPrivateDirs(parent, { onWarning: unexpected });
      expect((await fs.readdir(parent)).length, 'its owner is alive').toBe(2);
      throw new Error('of the work');
    },
    async (dir) => {
      cleaned.push(dir);
    },
  );
  await expect(failed).rejects.toThrow('of the work');
  expect(cleaned).toHaveLength(1);
  expect(await fs.readdir(parent)).toEqual([]);
});

test('what a killed process has left is swept, and nothing else', async () => {
  const parent = await tempDir();
  const script = `
    import { withPrivateDir } from ${JSON.stringify(new URL('../../src/host/private-dir.ts', import.meta.url).href)};
    await withPrivateDir(${JSON.stringify(parent)}, async (dir) => {
      process.stdout.write(dir);
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  const [output] = await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const left = String(output);
  await fs.writeFile(join(left, 'half a sidecar'), 'x');
  await fs.mkdir(join(parent, 'cbp-foreign'));
  await fs.writeFile(join(parent, 'cbp-file.owner'), ownerOf(child.pid ?? 0));
  await fs.symlink('00000000-11111111-1-1', join(parent, 'cbp-elsewhere.owner'));

  const reaped: string[] = [];
  await sweepPrivateDirs(parent, {
    beforeRemove: async (dir) => {
      reaped.push(dir);
    },
    onWarning: unexpected,
  });
  expect(reaped).toEqual([left]);
  expect((await fs.readdir(parent)).sort()).toEqual(['cbp-elsewhere.owner', 'cbp-file.owner', 'cbp-foreign']);
});

test('a parent that cannot be written is named', async () => {
  const error = await failureOf(withPrivateDir('/proc/nothing', async () => {}));
  expect(error.message).toContain('/proc/nothing');
});
