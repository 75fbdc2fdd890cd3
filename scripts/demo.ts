/** `npm run demo`: an agent's start without this project and with it, in four scenes, on this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import { formatBytes } from '../src/host/disk.ts';
import { startResultsService } from '../test/doubles/results-service/service.ts';
import { runStep } from '../test/doubles/runner/runner.ts';
import { realSmolvm } from './real-smolvm.ts';
import { prepareEngine } from './test-bed.ts';

const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist/cli.mjs');
const CLAUDE_BOTTLE = join(ROOT, 'test/doubles/claude-bottle/ensure_smolmachine.py');
const REPOSITORY = 'acme/agent';
const IMAGE = 'claude-bottle-demo:latest';
const READER = '1.32.2';
/** Of what stands for the agent's runtime, data that cannot be compressed. */
const RUNTIME_BYTES = 48_000_000;

interface Stage {
  readonly dir: string;
  readonly checkout: string;
  readonly registry: Registry;
  /** What each part is, real or a double. */
  readonly docker: string;
  readonly smolvm: string;
  /** Where smolvm is a double. */
  readonly packFlags: readonly string[];
}

async function play({ dir, checkout, registry, docker, smolvm, packFlags }: Stage): Promise<void> {
  const seconds: Record<string, number> = {};
  const bytes: Record<string, number> = {};
  const ci = await startCi(dir, checkout, registry);
  try {
    scene(1, 'Without: a laptop finds nothing and packs', [docker, smolvm, 'DOUBLE of claude-bottle']);
    const alone = { HOME: join(dir, 'laptop-without') };
    claudeBottle(checkout, alone, { finds: false });
    seconds.pack = await run(['pack', '--image', IMAGE, ...packFlags], checkout, alone);
    claudeBottle(checkout, alone, { finds: true });

    scene(2, 'CI packs once and publishes', ['real action', docker, registry.what, 'DOUBLE of the runner']);
    seconds.ci = await ci.run();

    scene(3, 'With: another laptop fetches', ['real claude-bottle fetch', docker, registry.what]);
    // Every machine has an engine of its own, which gives the same build another image ID.
    forgetImage();
    const laptop = { HOME: join(dir, 'laptop-with') };
    const fetchArgs = [
      'fetch',
      '--repo',
      REPOSITORY,
      '--from',
      `oci:${registry.host}/${REPOSITORY}/smolmachine`,
      '--image',
      IMAGE,
    ];
    claudeBottle(checkout, laptop, { finds: false });
    await registry.takeSentBytes();
    seconds.fetch = await run(fetchArgs, checkout, laptop);
    bytes.fetch = await registry.takeSentBytes();
    claudeBottle(checkout, laptop, { finds: true });
    await readByRealSmolvm(dir, join(laptop.HOME, '.cache/claude-bottle/smolmachines'));

    scene(4, 'One line of the agent changes', ['the same as before']);
    await fs.appendFile(join(checkout, 'agent.py'), 'print("This line is new.")\n');
    seconds.ciUpdate = await ci.run();
    await registry.takeSentBytes();
    seconds.update = await run(fetchArgs, checkout, laptop);
    bytes.update = await registry.takeSentBytes();
    claudeBottle(checkout, laptop, { finds: true });
  } finally {
    await ci.stop();
  }
  const time = (name: string) => `${(seconds[name] ?? 0).toFixed(1)} s`;
  const packing = smolvm.startsWith('real') ? time('pack') : `${time('pack')} and the VM's minutes`;
  const row = (what: string, without: string, withUs: string) =>
    console.log(`${what.padEnd(26)}  ${without.padEnd(28)}  ${withUs}`);
  console.log();
  row('on each machine', 'without', 'with');
  row('first start', packing, `${time('fetch')}, ${formatBytes(bytes.fetch ?? 0)} downloaded`);
  row(
    'after a change of one line',
    'the same again',
    `${time('update')}, ${formatBytes(bytes.update ?? 0)} downloaded`,
  );
  row('needs', 'smolvm, KVM, 8 GiB of memory', 'a network');
  row('in CI, once for everybody', '-', `${time('ci')}, then ${time('ciUpdate')}`);
}

function scene(number: number, title: string, parts: readonly string[]): void {
  console.log(`\n${styleText('bold', `${number}  ${title}`)}`);
  console.log(styleText('dim', `   ${parts.join(' · ')}`));
}

/** A checkout like a developer's, with a runtime of some size and a program of a few lines. */
async function makeCheckout(dir: string): Promise<void> {
  await fs.cp(join(ROOT, 'scripts/demo/agent'), dir, { recursive: true });
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  await fs.writeFile(join(dir, 'runtime'), noise.update(Buffer.alloc(RUNTIME_BYTES)));
}

/** Runs the command as a user would type it. @returns how many seconds it took */
async function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  console.log(`   $ claude-bottle ${args.join(' ')}`);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const [exitCode] = await once(child, 'exit');
  if (exitCode !== 0) {
    throw new Error(`claude-bottle ${args[0]} ended with exit code ${exitCode}`);
  }
  return (performance.now() - startedAt) / 1000;
}

/** What claude-bottle does before a start, by its double: build the image, and look for the sidecar of its ID. */
function claudeBottle(checkout: string, env: NodeJS.ProcessEnv, { finds }: { finds: boolean }): void {
  const { status, error, stderr } = spawnSync('python3', [CLAUDE_BOTTLE, checkout], {
    encoding: 'utf8',
    env: { ...process.env, ...env, CLAUDE_BOTTLE_IMAGE: IMAGE },
  });
  if (error !== undefined) {
    console.log(`   claude-bottle starts: not shown, because python3 cannot be run (${error.message})`);
  } else if (status !== (finds ? 0 : 1)) {
    throw new Error(`the double of claude-bottle ended with exit code ${status}: ${stderr}`);
  } else {
    console.log(
      `   claude-bottle starts: ${finds ? 'the sidecar is there, so nothing is packed' : 'there is no sidecar, so it would pack'}`,
    );
  }
}

/** Has the real smolvm make a machine from the sidecar, which needs no KVM as long as the machine is not started. */
async function readByRealSmolvm(dir: string, store: string): Promise<void> {
  const [name = ''] = (await fs.readdir(store)).filter((file) => file.endsWith('.smolmachine'));
  try {
    const smolvm = join(await realSmolvm(READER), 'smolvm');
    const home = join(dir, 'reader');
    await fs.mkdir(home);
    const { status, stderr } = spawnSync(
      smolvm,
      ['machine', 'create', '--name', 'demo', '--from', join(store, name)],
      { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: home, TMPDIR: dir } },
    );
    console.log(
      status === 0
        ? `   real smolvm ${READER} makes a machine from it`
        : `   real smolvm ${READER} refuses it: ${stderr}`,
    );
  } catch (error) {
    console.log(
      `   there is no real smolvm here to read it: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function forgetImage(): void {
  spawnSync('docker', ['image', 'rm', '--force', IMAGE], { stdio: 'ignore' });
}

interface Ci {
  /** @returns how many seconds the step took */
  run(): Promise<number>;
  stop(): Promise<void>;
}

/** The action as a workflow runs it, on doubles of the runner and of GitHub's services. */
async function startCi(dir: string, checkout: string, registry: Registry): Promise<Ci> {
  const blobs = join(dir, 'blobs');
  await fs.mkdir(blobs);
  const results = await startResultsService({ dir: blobs, blobStore: 'fs' });
  const runStepOnce = async () =>
    await runStep({
      actionDir: ROOT,
      workspace: checkout,
      temp: join(dir, 'runner/temp'),
      toolCache: join(dir, 'runner/tools'),
      repository: REPOSITORY,
      results,
      inputs: {
        packer: 'direct',
        publish: 'oci',
        'oci-ref': `${registry.host}/${REPOSITORY}/smolmachine`,
        'github-token': '',
      },
      env: inherited(['PATH', 'DOCKER_HOST', 'DEMO_DOCKER_STATE', 'TMPDIR']),
    });
  return {
    run: async () => {
      const { outcome, summary, main, log } = await runStepOnce();
      if (outcome !== 'success') {
        throw new Error(`the action failed:\n${log}`);
      }
      const [headline = ''] = summary.split('\n').filter((line) => line.startsWith('#'));
      console.log(`   job summary: ${headline.replaceAll(/^#+ |<\/?code>/g, '')}`);
      return main.durationMs / 1000;
    },
    stop: async () => await results.close(),
  };
}

function inherited(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

interface Registry {
  readonly host: string;
  readonly what: string;
  /** What it has sent since the last call, by its own log. */
  takeSentBytes(): Promise<number>;
  stop(): Promise<void>;
}

async function startRegistry(dir: string): Promise<Registry> {
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(dir, 'registry') } },
    http: { addr: '127.0.0.1:0' },
  };
  const path = join(dir, 'registry.yml');
  // JSON is YAML too.
  await fs.writeFile(path, JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child, 'spawn').catch((error: Error) => {
    throw new Error(
      `cannot start docker-registry (on Debian: apt-get install docker-registry): ${error.message}`,
    );
  });
  const ended = once(child, 'exit');
  let sentBytes = 0;
  const log = createInterface(child.stdout).on('line', (line) => {
    sentBytes += Number(/" 20[06] (\d+) "/.exec(line)?.[1] ?? 0);
  });
  const host = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr)
      .on('line', (line) => {
        const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (address !== undefined) {
          resolve(address);
        }
      })
      .on('close', () => reject(new Error('docker-registry ended before it listened')));
  });
  return {
    host,
    what: 'real registry',
    takeSentBytes: async () => {
      // All lines before the one of this request have been read then.
      const mark = `/v2/?mark=${performance.now()}`;
      const isRead = new Promise<void>((resolve) =>
        log.on('line', (line) => line.includes(mark) && resolve()),
      );
      await fetch(`http://${host}${mark}`);
      await isRead;
      const sent = sentBytes;
      sentBytes = 0;
      return sent;
    },
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

async function canUseSmolvm(): Promise<boolean> {
  const { status } = spawnSync('smolvm', ['--version'], { stdio: 'ignore' });
  return (
    status === 0 &&
    (await fs.access('/dev/kvm', fs.constants.R_OK | fs.constants.W_OK).then(
      () => true,
      () => false,
    ))
  );
}

const dir = await fs.mkdtemp(join(tmpdir(), 'claude-bottle-demo-'));
const bed = await prepareEngine({ 'docker-registry': 'docker-registry' }, 'the demo needs them');
try {
  Object.assign(process.env, bed.env, { BUILDX_NO_DEFAULT_ATTESTATIONS: '1' });
  if (!bed.docker) {
    const state = join(dir, 'docker');
    await fs.mkdir(state);
    process.env.PATH = [join(ROOT, 'scripts/demo/double'), process.env.PATH].join(delimiter);
    process.env.DEMO_DOCKER_STATE = state;
    console.log(`A double stands in for Docker: ${bed.reason}`);
  }
  const isReal = await canUseSmolvm();
  if (!isReal) {
    process.env.PATH = [join(ROOT, 'test/doubles/smolvm'), process.env.PATH].join(delimiter);
  }
  const checkout = join(dir, 'agent');
  await makeCheckout(checkout);
  const registry = await startRegistry(dir);
  try {
    await play({
      dir,
      checkout,
      registry,
      docker: bed.docker ? 'real Docker' : 'DOUBLE of Docker',
      smolvm: isReal ? 'real smolvm' : 'DOUBLE of smolvm, which boots no VM',
      packFlags: isReal ? [] : ['--no-kvm-check'],
    });
  } finally {
    await registry.stop();
  }
} finally {
  if (bed.docker) {
    forgetImage();
  }
  await bed.stop();
  await fs.rm(dir, { recursive: true, force: true });
}
