import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChild } from '../src/host/child.ts';

const TIMEOUT_MS = 10 * 60_000;
const SOURCE_PARTS = '/etc/apt/sources.list.d';

/** Runs a command and returns its output; a failure carries the last lines. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string } = {},
): Promise<string> {
  const { exitCode, stdout, tail } = await readChild(command, args, {
    ...options,
    timeoutMs: TIMEOUT_MS,
    // Without a run level the maintainer scripts start no services.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
  if (exitCode !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with exit code ${exitCode}:\n${stdout.slice(-2000)}\n${tail.join('\n')}`,
    );
  }
  return stdout;
}

/** Installs a package from the backports of this machine's suite, unless it is there in that version or a later one. */
export async function installBackport(name: string, major: number): Promise<void> {
  if ((await installedMajor(name)) >= major) {
    return;
  }
  const work = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-apt-'));
  try {
    // apt reads copies of the machine's sources and one more, so that nothing of this machine's set-up changes.
    await fs.cp(SOURCE_PARTS, work, { recursive: true, force: true });
    const suite = await codename();
    await fs.writeFile(
      join(work, 'backports.list'),
      `deb ${await mirrorOf(suite)} ${suite}-backports main\n`,
    );
    const sources = ['-q', '-o', `Dir::Etc::SourceParts=${work}`];
    await run('apt-get', [...sources, 'update']);
    const options = ['--yes', '--no-install-recommends', '--target-release', `${suite}-backports`];
    await run('apt-get', [...sources, 'install', ...options, name]);
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

async function installedMajor(name: string): Promise<number> {
  const policy = await run('apt-cache', ['policy', name]);
  return Number(/Installed: (?:\d+:)?(\d+)/.exec(policy)?.[1] ?? 0);
}

async function codename(): Promise<string> {
  const release = await fs.readFile('/etc/os-release', 'utf8');
  return /^VERSION_CODENAME=(\S+)/m.exec(release)?.[1] ?? '';
}

/** The mirror that this machine's apt takes the suite from. */
async function mirrorOf(suite: string): Promise<string> {
  await run('apt-get', ['-q', 'update']);
  const filter = ['Created-By: Packages', 'Origin: Debian', `Codename: ${suite}`];
  const targets = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...filter]);
  const [mirror = ''] = targets.split('\n');
  return mirror;
}
