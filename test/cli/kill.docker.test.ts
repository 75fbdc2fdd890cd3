import * as fs from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Bench, bench } from '../helpers/bench.ts';
import { ensureDebianImage } from '../helpers/debian-image.ts';
import { processesWith, waitUntil } from '../helpers/leftovers.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';
import { buildSmallImage, busyboxContext, run } from '../helpers/small-image.ts';

const SMALL = 'claude-bottle-test/small:1';
let debian: string;
let registryImage: string;

beforeAll(async () => {
  const dir = await fs.mkdtemp('/tmp/claude-bottle-test-');
  await buildSmallImage(dir, SMALL);
  await fs.rm(dir, { recursive: true });
  debian = await ensureDebianImage();
  registryImage = await buildRegistryImage();
});

interface Stage {
  /** The arguments of a pack that stays in the stage for a while. */
  args(room: Bench): Promise<string[]>;
  isThere(room: Bench): Promise<boolean>;
}

const containers = async (...filters: string[]) =>
  (await run('docker', ['container', 'ls', '--all', '--quiet', ...filters.flatMap((f) => ['--filter', f])]))
    .stdout;

const STAGES: Record<string, Stage> = {
  build: {
    args: async ({ dir }) => {
      const dockerfile = 'FROM scratch\nCOPY bin /bin\nARG NOW\nRUN ["/bin/busybox", "sleep", "60"]\n';
      const context = await busyboxContext(dir, dockerfile);
      return ['--context', context, '--image', 'claude-bottle-test/slow:1', '--build-arg', `NOW=${dir}`];
    },
    isThere: async ({ tmp }) =>
      (await processesWith(`TMPDIR=${tmp}`)).some((line) => line.includes('--iidfile')),
  },
  flatten: {
    args: async () => packOf(debian),
    isThere: async ({ tmp }) => (await scratchFileBytes(tmp, 'layer.tar')) > 10e6,
  },
  load: {
    args: async () => [...packOf(debian), ...throughContainer()],
    isThere: async ({ tmp }) => (await scratchFileBytes(tmp, 'docker-tags')) > 0,
  },
  push: {
    args: async () => [...packOf(debian), ...throughContainer()],
    isThere: async () => (await containers('name=cbp-registry-', 'status=running')) !== '',
  },
  pack: { args: async () => packOf(SMALL), isThere: hasBuilderVm },
  'smoke test': {
    args: async () => [...packOf(SMALL), '--force', '--smoke-test', 'sleep 61'],
    isThere: async ({ tmp }) =>
      (await processesWith(`TMPDIR=${tmp}`)).some((line) => /^process \d+ (sh -c )?sleep 61 $/.test(line)),
  },
  'pack through the container hop': {
    args: async () => [...packOf(SMALL), ...throughContainer()],
    isThere: hasBuilderVm,
  },
};

function packOf(image: string): string[] {
  return ['--no-build', '--image', image];
}

function throughContainer(): string[] {
  return ['--hop', 'container', '--registry-image', registryImage];
}

async function hasBuilderVm({ tmp }: Bench): Promise<boolean> {
  return (await processesWith(`TMPDIR=${tmp}`)).some((line) => line.includes('_boot-vm'));
}

async function scratchFileBytes(tmp: string, name: string): Promise<number> {
  for (const dir of await fs.readdir(tmp)) {
    const stat = await fs.stat(`${tmp}/${dir}/${name}`).catch(() => undefined);
    if (stat !== undefined) {
      return stat.size;
    }
  }
  return 0;
}

async function sidecarsIn(store: string): Promise<string[]> {
  const names = await fs.readdir(store).catch(() => []);
  return names.filter((name) => name !== '.pack').map((name) => `${store}/${name}`);
}

const SLOW = { SMOLVM_DOUBLE_STAGE_DELAY_MS: '3000' };
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

describe.each(Object.keys(STAGES))('stopped in the stage %s', (name) => {
  const stage = STAGES[name] as Stage;

  test.each(['SIGINT', 'SIGTERM'] as const)('by %s it leaves nothing', async (signal) => {
    const room = await bench();
    const started = room.startPack(await stage.args(room), SLOW);
    await waitUntil(() => stage.isThere(room), `the stage ${name}`, 120_000);
    started.process.kill(signal);
    const result = await started.ended;
    expect(result.exitCode, result.stderr).toBe(EXIT_CODES[signal]);
    // The engine removes the container of a cancelled build in its own time.
    await waitUntil(async () => (await room.left()).length === 0, 'nothing left').catch(async () => {
      expect(await room.left()).toEqual([]);
    });
    expect(await sidecarsIn(room.store)).toEqual([]);
  });
});

describe('signalled twice in the stage pack', () => {
  test('within a second by the same signal, it leaves nothing', async () => {
    const room = await bench();
    const started = room.startPack(packOf(SMALL), SLOW);
    await waitUntil(() => hasBuilderVm(room), 'the stage pack', 120_000);
    started.process.kill('SIGTERM');
    started.process.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 50));
    started.process.kill('SIGTERM');
    expect((await started.ended).exitCode).toBe(143);
    expect(await room.left()).toEqual([]);
  });

  test('by another signal, it ends at once, and the builder VM with it', async () => {
    const room = await bench();
    const started = room.startPack(packOf(SMALL), SLOW);
    await waitUntil(() => hasBuilderVm(room), 'the stage pack', 120_000);
    started.process.kill('SIGTERM');
    started.process.kill('SIGINT');
    expect([130, 143]).toContain((await started.ended).exitCode);
    await waitUntil(async () => !(await hasBuilderVm(room)), 'the end of the builder VM');
  });
});

test('a sweep leaves alone what belongs to someone else or to a run that is alive', async () => {
  const room = await bench();
  const foreign = ['container', 'create', '--pull', 'never', SMALL, 'x'];
  const { stdout: unlabelled } = await run('docker', foreign);
  const label = ['--label', 'dev.claude-bottle.pack.owner=00000000-11111111-1-1'];
  const { stdout: elsewhere } = await run('docker', [...foreign.slice(0, 2), ...label, ...foreign.slice(2)]);
  try {
    const alive = room.startPack(packOf(SMALL), SLOW);
    await waitUntil(() => hasBuilderVm(room), 'the stage pack');
    const killed = room.startPack([...packOf(SMALL), '--force'], SLOW);
    await waitUntil(async () => (await fs.readdir(room.tmp)).length >= 4, 'a second run');
    killed.process.kill('SIGKILL');
    await killed.ended;
    expect((await room.pack([...packOf(SMALL), '--force'])).exitCode).toBe(0);
    const result = await alive.ended;
    expect(result.exitCode, result.stderr).toBe(0);
    const all = await containers();
    expect(all).toContain(unlabelled.slice(0, 12));
    expect(all).toContain(elsewhere.slice(0, 12));
  } finally {
    await run('docker', ['container', 'rm', unlabelled.trim(), elsewhere.trim()]);
  }
});
