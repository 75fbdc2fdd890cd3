import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { thisOwner } from '../../src/host/owner.ts';
import { sweepPrivateDirs } from '../../src/host/private-dir.ts';
import { runCli } from '../helpers/cli.ts';
import { callInChild } from '../helpers/module-child.ts';
import { run } from '../helpers/small-image.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const CLI = join(import.meta.dirname, '../../src/cli/main.ts');
const isRoot = process.getuid?.() === 0;

describe('a machine without the usual things', () => {
  test('has a store on another disk, behind a link of its user', async () => {
    const dir = await tempDir();
    await fs.mkdir(join(dir, 'disk'), { mode: 0o700 });
    await fs.symlink(join(dir, 'disk'), join(dir, 'store'));
    expect(await runCli(['ls', '--store', join(dir, 'store')])).toMatchObject({ exitCode: 0 });
    await fs.chmod(join(dir, 'disk'), 0o777);
    expect(await runCli(['ls', '--store', join(dir, 'store')])).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('is writable for others (mode 777)'),
    });
  });

  test('has a file in the place of the home directory', async () => {
    const home = join(await tempDir(), 'home');
    await fs.writeFile(home, '');
    const { exitCode, stderr } = await runCli(['ls'], { HOME: home });
    expect(exitCode, stderr).toBe(73);
    expect(stderr).toMatch(/a part of its path is not a directory[\s\S]*try: check the path/);
  });

  test('has a store that a variable names below the home directory', async () => {
    const home = await tempDir();
    const { stdout } = await runCli(['ls'], { HOME: home, CLAUDE_BOTTLE_STORE: '~/sidecars' });
    expect(stdout).toContain(join(home, 'sidecars'));
  });

  test('has lost its working directory', async () => {
    const dir = await tempDir();
    const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$1" ls';
    const work = run('sh', ['-c', script, process.execPath, CLI], { cwd: dir });
    await expect(work).rejects.toMatchObject({
      code: 66,
      stderr: expect.stringMatching(/the working directory has been deleted\n {2}try: change to/),
    });
  });

  test.skipIf(!isRoot)('has a user without a name and without a home', async () => {
    const call = (args: string) => `main(${args})`;
    const options = { uid: 54_321, env: {} };
    expect(await callInChild('src/cli/program.ts', call('["node", "cli", "ls"]'), options)).toEqual({
      value: 78,
    });
    const named = call('["node", "cli", "ls", "--store", "/nonexistent/store"]');
    expect(await callInChild('src/cli/program.ts', named, options)).toEqual({ value: 0 });
  });
});

test.skipIf(!isRoot)(
  "another user's directory in the place of ours loses our link, and decides nothing",
  async () => {
    const parent = await tempDir();
    const dir = join(parent, 'cbp-00000000');
    // A process of this machine that has ended; those of others count as alive.
    await fs.symlink(thisOwner().replace(/-\d+-\w+$/, '-999999999-1'), `${dir}.owner`);
    await fs.mkdir(dir, { mode: 0o700 });
    await fs.chown(dir, 54_321, 54_321);
    const asked: string[] = [];
    const beforeRemove = async (found: string) => void asked.push(found);
    await sweepPrivateDirs(parent, { beforeRemove, onWarning: (message) => asked.push(message) });
    expect(asked).toEqual([]);
    expect(await fs.readdir(parent)).toEqual(['cbp-00000000']);
  },
);
