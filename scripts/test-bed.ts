import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { readChild, runChild } from '../src/host/child.ts';
import { startPrivateEngine } from './private-engine.ts';

const AZURITE_PACKAGE = 'azurite@3.37.0';
const CACHE_DIR = join(import.meta.dirname, '../node_modules/.cache/claude-bottle-pack');
const CACHE_BIN = join(CACHE_DIR, 'bin');
/** Commands that the tests call, each with the Go package that is its source. */
const GO_TOOLS = {
  act: 'github.com/nektos/act@v0.2.89',
  crane: 'github.com/google/go-containerregistry/cmd/crane@v0.19.0',
  oras: 'oras.land/oras/cmd/oras@v1.3.0',
};
/** Commands that the tests call, each with the directory of its Go sources. */
const GO_PROGRAMS = { 'oci-registry': join(import.meta.dirname, '../test/servers/oci-registry') };
/** Commands that the tests call, each with the Debian package that holds it. */
const TOOL_PACKAGES = {
  busybox: 'busybox-static',
  cpio: 'cpio',
  'docker-registry': 'docker-registry',
  'lowntfs-3g': 'ntfs-3g',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.exfat': 'exfatprogs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mount.exfat-fuse': 'exfat-fuse',
  mmdebstrap: 'mmdebstrap',
  openssl: 'openssl',
  pip3: 'python3-pip',
  python3: 'python3',
  skopeo: 'skopeo',
};
const ENGINE_PACKAGES = { dockerd: 'docker.io', iptables: 'iptables', ip: 'iproute2', umount: 'mount' };

const ENGINE_PROBE_TIMEOUT_MS = 20_000;
const INSTALL_TIMEOUT_MS = 30 * 60_000;
/** Keeps the maintainer scripts from starting dockerd and docker-registry as services of the machine. */
const INSTALL_ENV = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };

export interface TestBed {
  docker: boolean;
  /** Why the Docker tests cannot run; only when `docker` is false. */
  reason?: string;
  /** To be laid over the environment of the test runner. */
  env: Record<string, string>;
  /** Starts one more engine of our own, and returns what to lay over `env`; only where the first is our own. */
  secondEngine?: () => Promise<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Provides a Docker engine and the tools that the Docker tests call. Root on a Debian machine gets what is missing:
 * the packages, and a dockerd of our own where no engine answers. `stop` ends and removes that dockerd.
 */
export async function prepareTestBed(): Promise<TestBed> {
  process.env.PATH = [CACHE_BIN, process.env.PATH].join(delimiter);
  const bed = await prepareEngine(TOOL_PACKAGES, 'the Docker tests need them');
  await installGoTools(GO_TOOLS, 'the Docker tests need it');
  await buildGoPrograms();
  await ensureAzurite();
  reportMissingTools();
  return bed.reason === undefined ? bed : { ...bed, reason: `Docker tests are skipped: ${bed.reason}` };
}

export interface GoProgram {
  /** With its version. */
  readonly module: string;
  /** Of the command, in the module. */
  readonly directory: string;
}

/** The tools of the tests that need no engine, and these commands. */
export async function prepareTools(programs: Record<string, GoProgram>, why: string): Promise<void> {
  process.env.PATH = [CACHE_BIN, process.env.PATH].join(delimiter);
  if (canInstall()) {
    await installPackages(missingPackages(TOOL_PACKAGES), why);
  }
  await installGoTools(GO_TOOLS, why);
  await buildGoPrograms();
  await mkdir(CACHE_BIN, { recursive: true });
  for (const [command, program] of Object.entries(programs)) {
    if (!isInstalled(command) && isInstalled('go')) {
      console.error(`Building ${command} into ${CACHE_BIN} from ${program.module}: ${why}.`);
      await buildGoModule(command, program);
    }
  }
}

/** With the dependencies that its own authors have pinned. */
async function buildGoModule(command: string, { module, directory }: GoProgram): Promise<void> {
  const { exitCode, stdout, tail } = await readChild('go', ['mod', 'download', '-json', module], {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: process.env,
  });
  if (exitCode !== 0) {
    console.error([stdout, ...tail].join('\n'));
    return;
  }
  const sources: { Dir: string } = JSON.parse(stdout);
  await runLoudOnFailure('go', ['build', '-C', sources.Dir, '-o', join(CACHE_BIN, command), directory], {});
}

/** A Docker engine and these commands, each with the Debian package that holds it, without the other tools. */
export async function prepareEngine(packages: Record<string, string>, why: string): Promise<TestBed> {
  // A plain user's PATH may lack sbin, where Debian keeps dockerd, iptables and ip.
  process.env.PATH = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter);
  const env = { PATH: process.env.PATH };
  const engineAnswers = await answers();
  const missing = missingPackages({ ...packages, ...(engineAnswers ? {} : ENGINE_PACKAGES) });
  const failure = canInstall() ? await installPackages(missing, why) : undefined;

  const withoutEngine = (reason: string): TestBed => ({ docker: false, reason, env, stop: async () => {} });
  // Asked again: under systemd the packages' scripts may have started one.
  if (engineAnswers || (await answers())) {
    return { docker: true, env, stop: async () => {} };
  }
  if (!canInstall()) {
    return withoutEngine('no Docker engine answers, and only root on Debian can install one');
  }
  if (failure !== undefined) {
    return withoutEngine(failure);
  }
  try {
    console.error('No Docker engine answers.');
    const engines = [await startPrivateEngine(answers)];
    return {
      docker: true,
      env: { ...env, DOCKER_HOST: engines[0]?.host ?? '' },
      secondEngine: async () => {
        const engine = await startPrivateEngine(answers);
        engines.push(engine);
        return { DOCKER_HOST: engine.host };
      },
      stop: async () => {
        for (const engine of engines) {
          engine.stop();
        }
      },
    };
  } catch (error) {
    return withoutEngine(error instanceof Error ? error.message : String(error));
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && isInstalled('apt-get');
}

/** True when the engine at `host`, or at the default place, answers. */
async function answers(host?: string): Promise<boolean> {
  if (!isInstalled('docker')) {
    return false;
  }
  const { exitCode } = await runChild('docker', ['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: ENGINE_PROBE_TIMEOUT_MS,
    env: { ...process.env, ...(host === undefined ? {} : { DOCKER_HOST: host }) },
  });
  return exitCode === 0;
}

/** @returns why it failed, when it did */
async function installPackages(packages: string[], why: string): Promise<string | undefined> {
  if (packages.length === 0) {
    return undefined;
  }
  console.error(`Installing ${packages.join(' ')} with apt-get: ${why}.`);
  const failure = (await runLoudOnFailure('apt-get', ['-q', 'update'])) ?? (await aptInstall(packages));
  if (failure === undefined && packages.includes('docker.io') && !isInstalled('docker')) {
    // From Debian 13 on the client is a package of its own, which docker.io only recommends.
    return await aptInstall(['docker-cli']);
  }
  return failure;
}

async function aptInstall(packages: string[]): Promise<string | undefined> {
  return await runLoudOnFailure('apt-get', ['-q', '-y', 'install', '--no-install-recommends', ...packages]);
}

async function installGoTools(packages: Record<string, string>, why: string): Promise<void> {
  const missing = missingPackages(packages);
  if (missing.length === 0 || !isInstalled('go')) {
    return;
  }
  await mkdir(CACHE_BIN, { recursive: true });
  for (const name of missing) {
    console.error(`Installing ${name} into ${CACHE_BIN} with go install: ${why}.`);
    await runLoudOnFailure('go', ['install', name], { GOBIN: CACHE_BIN });
  }
}

async function buildGoPrograms(): Promise<void> {
  for (const [command, dir] of Object.entries(GO_PROGRAMS)) {
    if (!isInstalled(command) && isInstalled('go')) {
      console.error(`Building ${command} into ${CACHE_BIN} with go build: the Docker tests need it.`);
      await runLoudOnFailure('go', ['build', '-C', dir, '-o', join(CACHE_BIN, command), '.'], {});
    }
  }
}

/** Not a devDependency: 380 packages, 240 MB, for one suite that also runs without. */
async function ensureAzurite(): Promise<void> {
  const dir = join(CACHE_DIR, 'azurite');
  if (existsSync(join(dir, 'node_modules/.bin/azurite-blob'))) {
    return;
  }
  console.error(`Installing ${AZURITE_PACKAGE} into ${dir} with npm: the results service's tests use it.`);
  await mkdir(dir, { recursive: true });
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  if (
    (await runLoudOnFailure('npm', ['install', '--prefix', dir, ...options, AZURITE_PACKAGE])) !== undefined
  ) {
    console.error('azurite is not installed: the tests that need it are skipped.');
  }
}

function reportMissingTools(): void {
  for (const command of Object.keys({ ...GO_TOOLS, ...GO_PROGRAMS, ...TOOL_PACKAGES })) {
    if (!isInstalled(command)) {
      console.error(`${command} is not installed: the tests that need it are skipped.`);
    }
  }
}

async function runLoudOnFailure(
  command: string,
  args: string[],
  env: Record<string, string> = INSTALL_ENV,
): Promise<string | undefined> {
  const { exitCode, tail } = await runChild(command, args, {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: { ...process.env, ...env },
  });
  if (exitCode === 0) {
    return undefined;
  }
  console.error(tail.join('\n'));
  return `${command} ${args.join(' ')} ended with exit code ${exitCode}`;
}

function missingPackages(packages: Record<string, string>): string[] {
  return Object.entries(packages).flatMap(([command, name]) => (isInstalled(command) ? [] : [name]));
}

function isInstalled(command: string): boolean {
  const directories = process.env.PATH?.split(delimiter) ?? [];
  return directories.some((directory) => existsSync(join(directory, command)));
}
