import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { sampleCheckout } from '../helpers/checkout.ts';
import { tempDir } from '../helpers/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let dir: string;
/** The package as the registry would hand it out. */
let tarball: string;

beforeAll(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-test-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(stdout);
  tarball = join(dir, filename);
  const top = files.map(({ path }: { path: string }) => path.split('/')[0]);
  expect([...new Set(top)].sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
});

afterAll(async () => {
  await fs.rm(dir, { recursive: true, force: true });
});

/** The directory of a Node of this line, by npm; a sentence when it cannot be had, such as without a network. */
async function nodeOf(major: number): Promise<{ dir: string } | { reason: string }> {
  if (process.versions.node.startsWith(`${major}.`)) {
    return { dir: dirname(process.execPath) };
  }
  const prefix = await tempDir();
  const name = `node-${process.platform}-${process.arch}`;
  try {
    await run('npm', ['install', '--prefix', prefix, '--no-save', '--ignore-scripts', `${name}@${major}`]);
    return { dir: join(prefix, 'node_modules', name, 'bin') };
  } catch (error) {
    return { reason: `npm cannot get Node ${major}: ${(error as Error).message.split('\n')[0]}` };
  }
}

/** As a user types it, in a directory and a home without anything of ours. */
async function npx(node: string, cwd: string, ...args: string[]): Promise<Ended> {
  const home = await tempDir();
  const env = {
    PATH: [node, process.env.PATH].join(delimiter),
    HOME: home,
    npm_config_cache: join(home, 'npm'),
    npm_config_update_notifier: 'false',
  };
  const line = ['--yes', '--offline', `--package=${tarball}`, 'claude-bottle', ...args];
  return await run('npx', line, { cwd, env }).then(
    (ended) => ({ code: 0, ...ended }),
    (ended: Ended) => ended,
  );
}

test.for([22, 24])('on Node %i npx runs the command line from the package alone', async (major, { skip }) => {
  const node = await nodeOf(major);
  if ('reason' in node) {
    return skip(node.reason);
  }
  const empty = await tempDir();
  expect(await npx(node.dir, empty, '--version')).toMatchObject({
    code: 0,
    stdout: `${packageJson.version}\n`,
  });
  const help = await npx(node.dir, empty, 'fetch', '--help');
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: claude-bottle fetch') });
  const checkout = await sampleCheckout();
  const { key } = await checkout.inputs();
  expect(await npx(node.dir, checkout.dir, 'key', '--platform', 'linux/amd64')).toMatchObject({
    code: 0,
    stdout: `${key}\n`,
  });
});

test('on Node 20 it says in one line which Node it needs', async ({ skip }) => {
  const node = await nodeOf(20);
  if ('reason' in node) {
    return skip(node.reason);
  }
  const { code, stdout, stderr } = await npx(node.dir, await tempDir(), 'fetch');
  expect(code).toBe(78);
  expect(stdout).toBe('');
  const ours = stderr.split('\n').filter((line) => !line.startsWith('npm ') && line !== '');
  expect(ours).toEqual([
    expect.stringMatching(/^claude-bottle needs Node 22\.22\.2 or later; this is v20\./),
  ]);
});
