import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { DOUBLE_DIR } from '../helpers/cli.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const NOBODY = 65_534;
const VERBS = [
  ['pack', '--packer', 'direct'],
  ['pack', '--packer', 'direct'],
  ['pack', '--packer', 'direct', '--force'],
  ['bind'],
  ['path'],
  ['ls'],
  ['verify', '--all', '--deep'],
  ['export', 'exported'],
  ['prune', '--older-than', '1h', '--keep', '0'],
];

/** Root may write to files that are read-only, so only another user finds out where that is needed. */
test.skipIf(process.getuid?.() !== 0)('an ordinary user can use every verb of a store', async () => {
  const home = await tempDir();
  await fs.cp(join(ROOT, 'scripts/demo/agent'), home, { recursive: true });
  await fs.writeFile(join(home, 'runtime'), 'runtime');
  const state = join(home, 'docker');
  await fs.mkdir(state);
  for (const path of ['', 'docker', 'Dockerfile', 'agent.py', 'runtime']) {
    await fs.chown(join(home, path), NOBODY, NOBODY);
  }
  const claudeBottle = async (args: readonly string[]) => {
    const child = spawn(process.execPath, [join(ROOT, 'dist/cli.mjs'), ...args], {
      cwd: home,
      uid: NOBODY,
      gid: NOBODY,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        HOME: home,
        TMPDIR: home,
        DEMO_DOCKER_STATE: state,
        PATH: [
          join(ROOT, 'scripts/demo/double'),
          DOUBLE_DIR,
          join(ROOT, 'node_modules/.bin'),
          process.env.PATH,
        ].join(delimiter),
      },
    });
    const [stderr, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    return { args, exitCode, stderr: exitCode === 0 ? '' : stderr };
  };
  for (const args of VERBS) {
    expect(await claudeBottle(args)).toEqual({ args, exitCode: 0, stderr: '' });
  }
});
