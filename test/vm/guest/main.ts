import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftovers, processesWith, waitUntil } from '../../helpers/leftovers.ts';
import { LISTING_SCRIPT } from '../listing.ts';
import { type InterruptedReport, type Job, type MachineReport, type Report, STALLED } from '../report.ts';
import { type Ran, type RunOptions, run, succeed } from './commands.ts';

/**
 * Runs in the nested machine as root: starts a Docker engine, then does what the job says as an ordinary user, and
 * writes down how everything went. It judges nothing; the tests do.
 */
const SHARED = '/vm/shared';
const SCRATCH = '/vm/scratch';
const HOME = join(SCRATCH, 'u');
const TMP = join(HOME, 't');
const STORE = join(HOME, 's');
const SMOLVM_DIR = join(SCRATCH, 'smolvm');
const CLI = join(SHARED, 'dist/cli.mjs');
const UID = 1000;
const BOOT_TRIES = 4;
/** So that the signal comes while the guest boots or works. */
const BUILDER_BOOT_MS = 2000;
const PASSES = 'echo "mode $AGENT_MODE"';
const FAILS = 'echo last words; exit 3';

const job: Job = JSON.parse(await fs.readFile(join(SHARED, 'job.json'), 'utf8'));
const report: Report = { version: job.version };
const throughContainer = ['--hop', 'container', '--registry-image', job.registryImage];

process.env.DOCKER_HOST = `unix://${SCRATCH}/docker.sock`;
process.env.PATH = [SMOLVM_DIR, process.env.PATH].join(delimiter);
const userEnv = {
  PATH: process.env.PATH,
  DOCKER_HOST: process.env.DOCKER_HOST,
  HOME,
  TMPDIR: TMP,
};

async function note<Key extends keyof Report>(name: Key, value: Report[Key]): Promise<void> {
  report[name] = value;
  await fs.writeFile(join(SHARED, 'report.json'), JSON.stringify(report, null, 2));
}

async function asUser(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await run(command, args, { env: userEnv, uid: UID, cwd: HOME, ...options });
  console.log(`${ran.command}: ${ran.exitCode ?? ran.signal}, ${ran.seconds} s`);
  if (ran.exitCode !== 0) {
    console.log(ran.stderr);
  }
  return ran;
}

/** Without what the engine does not use; loading it would take half a minute here. */
const CONTAINERD_CONFIG = `version = 2
root = "${SCRATCH}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "/run/containerd/containerd.sock"
`;

/**
 * The engine has no network of its own: it loads images, exports containers and runs a registry on loopback.
 * containerd is started apart, because dockerd waits only 15 seconds for one of its own.
 */
async function startEngine(): Promise<void> {
  const log = openSync(join(SHARED, 'dockerd.log'), 'w');
  const stdio = ['ignore' as const, log, log];
  await fs.writeFile(join(SCRATCH, 'containerd.toml'), CONTAINERD_CONFIG);
  spawn('containerd', ['--config', join(SCRATCH, 'containerd.toml')], { stdio });
  await waitUntil(async () => existsSync('/run/containerd/containerd.sock'), 'containerd answers', 120_000);
  spawn(
    'dockerd',
    [
      ...['--host', `unix://${SCRATCH}/docker.sock`, '--containerd', '/run/containerd/containerd.sock'],
      ...['--data-root', join(SCRATCH, 'docker'), '--exec-root', join(SCRATCH, 'docker-run')],
      ...['--pidfile', join(SCRATCH, 'docker.pid')],
      ...['--iptables=false', '--bridge=none', '--storage-driver=overlay2'],
    ],
    { stdio },
  );
  await waitUntil(async () => existsSync(join(SCRATCH, 'docker.sock')), 'the Docker engine answers', 120_000);
  await fs.chmod(join(SCRATCH, 'docker.sock'), 0o666);
  console.log(await succeed('docker', ['load', '--input', join(SHARED, 'images.tar')]));
}

/** Runs a command whose virtual machine may stall on a busy host, and returns all tries. */
async function untilBooted(attempt: () => Promise<Ran>): Promise<Ran[]> {
  const tries: Ran[] = [];
  do {
    tries.push(await attempt());
  } while (STALLED.test(tries.at(-1)?.stderr ?? '') && tries.length < BOOT_TRIES);
  return tries;
}

async function pack(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const command = [CLI, 'pack', '--no-build', '--image', job.image, '--store', STORE, '--json', ...args];
  return await asUser(process.execPath, command, options);
}

/** Makes a machine from the sidecar, starts it and looks around in it. */
async function machine(name: string, sidecar: string): Promise<MachineReport> {
  const smolvm = async (verb: string, ...args: string[]) =>
    await asUser('smolvm', ['machine', verb, '--name', name, ...args]);
  const create = await smolvm('create', '--cpus', '1', '--mem', '1024', '--from', sidecar);
  const starts = create.exitCode === 0 ? await untilBooted(async () => await smolvm('start')) : [];
  if (starts.at(-1)?.exitCode !== 0) {
    return { create, starts };
  }
  const who = await smolvm('exec', '--', '/bin/sh', '-c', 'id -u; pwd; echo "$AGENT_MODE $AGENT_GREETING"');
  const asRoot = job.hasUserOption ? ['--user', 'root'] : [];
  const listing = await smolvm('exec', ...asRoot, '--', '/bin/sh', '-c', LISTING_SCRIPT);
  const stop = await smolvm('stop');
  const remove = await smolvm('delete', '--force');
  return { create, starts, who, listing, stop, remove };
}

async function packAndStart(name: 'embedded' | 'container' | 'direct', args: string[]): Promise<void> {
  const packs = await untilBooted(async () => await pack(args));
  await note(name, { packs });
  const packed = packs.at(-1);
  if (packed?.exitCode === 0) {
    await note(name, { packs, machine: await machine(name, JSON.parse(packed.stdout).path) });
  }
}

/** Ends a pack while its builder VM runs. */
async function interrupted(signal: NodeJS.Signals, args: readonly string[]): Promise<InterruptedReport> {
  const hasBuilder = async () =>
    (await processesWith(`TMPDIR=${TMP}`)).some((line) => line.includes('_boot-vm'));
  const ran = await pack(['--force', ...args], {
    onStart: async (pid) => {
      await waitUntil(async () => !isRunning(pid) || (await hasBuilder()), 'a builder VM', 300_000);
      await sleep(BUILDER_BOOT_MS);
      if (isRunning(pid)) {
        process.kill(pid, signal);
      }
    },
  });
  return { ran, left: await leftovers({ tmp: TMP, store: STORE }) };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  for (const dir of [HOME, TMP, SMOLVM_DIR]) {
    await fs.mkdir(dir);
    await fs.chown(dir, UID, UID);
  }
  await succeed('mount', ['--bind', job.smolvmDir, SMOLVM_DIR]);
  await startEngine();
  for (const stage of job.stages) {
    switch (stage) {
      case 'embedded':
        await packAndStart('embedded', []);
        break;
      case 'kill':
        await note('sigterm', await interrupted('SIGTERM', []));
        await note('sigkill', await interrupted('SIGKILL', throughContainer));
        break;
      case 'container':
        await packAndStart('container', ['--force', ...throughContainer]);
        await note('left', await leftovers({ tmp: TMP, store: STORE }));
        break;
      case 'smoke-test':
        await note('smokeTest', {
          passed: await untilBooted(
            async () => await pack(['--smoke-test', PASSES, '--smoke-test-output', 'mode test']),
          ),
          failed: await untilBooted(async () => await pack(['--smoke-test', FAILS])),
          left: await leftovers({ tmp: TMP, store: STORE }),
        });
        break;
      case 'direct':
        await packAndStart('direct', ['--force', '--packer', 'direct']);
        break;
    }
  }
}

await main();
process.exit(0);
