import { spawn, spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { startResultsService } from '../../test/doubles/results-service/service.ts';
import { runStep } from '../../test/doubles/runner/runner.ts';
import { prepareEngine } from '../test-bed.ts';

const ROOT = join(import.meta.dirname, '../..');
export const CLI = join(ROOT, 'dist/cli.mjs');
const REPOSITORY = 'acme/agent';
export const IMAGE = 'claude-bottle-demo:latest';
/** Of what stands for the agent's runtime, data that cannot be compressed. */
const RUNTIME_BYTES = 48_000_000;

/** A checkout with an agent, a registry, and a CI that packs and publishes it. */
export interface Stage {
  readonly dir: string;
  readonly checkout: string;
  readonly registry: Registry;
  readonly ci: Ci;
  /** What each part is, real or a double. */
  readonly docker: string;
  readonly smolvm: string;
  /** Where smolvm is a double. */
  readonly packFlags: readonly string[];
}

/** Sets the stage with what this machine has, and removes it afterwards. */
export async function withStage(play: (stage: Stage) => Promise<void>): Promise<void> {
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
    const ci = await startCi(dir, checkout, registry);
    try {
      await play({
        dir,
        checkout,
        registry,
        ci,
        docker: bed.docker ? 'real Docker' : 'DOUBLE of Docker',
        smolvm: isReal ? 'real smolvm' : 'DOUBLE of smolvm, which boots no VM',
        packFlags: isReal ? [] : ['--no-kvm-check'],
      });
    } finally {
      await ci.stop();
      await registry.stop();
    }
  } finally {
    if (bed.docker) {
      forgetImage();
    }
    await bed.stop();
    await fs.rm(dir, { recursive: true, force: true });
  }
}

/** A checkout like a developer's, with a runtime of some size and a program of a few lines. */
async function makeCheckout(dir: string): Promise<void> {
  await fs.cp(join(ROOT, 'scripts/demo/agent'), dir, { recursive: true });
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  await fs.writeFile(join(dir, 'runtime'), noise.update(Buffer.alloc(RUNTIME_BYTES)));
  const author = ['-c', 'user.name=agent', '-c', 'user.email=agent@example.com'];
  for (const args of [
    ['init', '--quiet'],
    ['remote', 'add', 'origin', `https://github.com/${REPOSITORY}.git`],
    ['add', '.'],
    [...author, 'commit', '--quiet', '--message', 'Add an agent'],
  ]) {
    const { status, error, stderr } = spawnSync('git', args, { cwd: dir, encoding: 'utf8' });
    if (status !== 0) {
      throw new Error(`git ${args.join(' ')} failed: ${error?.message ?? stderr}`);
    }
  }
}

/** How a developer fetches from the registry of the stage. */
export function fetchCommand({ host }: Registry): string[] {
  return ['fetch', '--from', `oci:${host}/${REPOSITORY}/smolmachine`, '--image', IMAGE];
}

/** As another machine, whose engine gives the same build another image ID. */
export function forgetImage(): void {
  spawnSync('docker', ['image', 'rm', '--force', IMAGE], { stdio: 'ignore' });
}

export interface Ci {
  /** How long the step took, and the summary that it wrote; `fails` for a step that must fail. */
  run(options?: { fails: boolean }): Promise<{ readonly seconds: number; readonly summary: string }>;
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
    run: async ({ fails } = { fails: false }) => {
      const { outcome, summary, main, log } = await runStepOnce();
      if ((outcome === 'success') === fails) {
        throw new Error(`the action ended with ${outcome}:\n${log}`);
      }
      return { seconds: main.durationMs / 1000, summary };
    },
    stop: async () => await results.close(),
  };
}

function inherited(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

export interface Registry {
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
