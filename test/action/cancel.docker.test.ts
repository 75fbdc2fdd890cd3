import * as fs from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ServiceRequest } from '../doubles/results-service/service.ts';
import type { CancelTimings, StepOptions } from '../doubles/runner/runner.ts';
import { type ActionJob, type ActionJobOptions, actionJob } from '../helpers/action-job.ts';
import { processesWith, waitUntil } from '../helpers/leftovers.ts';
import { buildRegistryImage } from '../helpers/registry-image.ts';

let registryImage: string;

beforeAll(async () => {
  registryImage = await buildRegistryImage();
});

interface Stage {
  readonly agent?: ActionJobOptions;
  /** What makes the step stay in the stage for a while, and tells when it is there. */
  hold(job: ActionJob): Promise<Partial<StepOptions>>;
}

const STAGES: Record<string, Stage> = {
  build: {
    agent: {
      dockerfile: 'FROM scratch\nCOPY bin /bin\nARG NOW\nRUN ["/bin/busybox", "sleep", "60"]\n',
    },
    hold: async ({ dir }) => ({
      inputs: { 'build-args': `NOW=${dir}` },
      cancelWhen: (line) => /sleep/.test(line),
    }),
  },
  'embedded hop': {
    agent: {
      dockerfile:
        'FROM scratch\nCOPY bin /bin\nRUN ["/bin/busybox", "dd", "if=/dev/urandom", "of=/data", "bs=1M", "count=300"]\n',
    },
    hold: async () => ({ cancelWhen: (line) => line === '::group::Flatten' }),
  },
  'container hop': { hold: async (job) => ({ ...hangingPack(job), inputs: throughContainer() }) },
  pack: { hold: async (job) => hangingPack(job) },
  'archive for the cache': {
    hold: async (job) => ({
      env: { PATH: await withSleepingTar(job) },
      cancelWhen: (line) => /tar --posix -cf/.test(line),
    }),
  },
  'save to the cache': {
    hold: slowUpload(({ service, subject }) => service === 'blob' && isCacheKey(subject)),
  },
  'download of smolvm': {
    hold: async () => {
      const proxy = createServer(() => {});
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void proxy.close());
      const { port } = proxy.address() as AddressInfo;
      return {
        inputs: { 'smolvm-path': '' },
        env: { HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '127.0.0.1' },
        cancelWhen: new Promise((resolve) => proxy.once('connection', () => resolve())),
      };
    },
  },
  upload: { hold: slowUpload(({ service, subject }) => service === 'blob' && !isCacheKey(subject)) },
};

/** The pull from the registry has begun, and takes a minute. */
function hangingPack({ dir }: ActionJob): Partial<StepOptions> {
  const hasBuilderVm = async () =>
    (await processesWith(`TMPDIR=${dir}`)).some((line) => line.includes('_boot-vm'));
  return {
    env: { SMOLVM_DOUBLE_STAGE_DELAY_MS: '60000' },
    cancelWhen: waitUntil(hasBuilderVm, 'a builder VM'),
  };
}

function throughContainer(): Record<string, string> {
  return { hop: 'container', 'registry-image': registryImage };
}

function isCacheKey(subject = ''): boolean {
  return subject.startsWith('claude-bottle-pack-');
}

/** The service takes one byte a second of the uploads that match. */
function slowUpload(matches: (request: ServiceRequest) => boolean): Stage['hold'] {
  return async ({ results }) => {
    let isThere = false;
    results.fault = (request) => {
      if (request.method !== 'PUT' || !matches(request)) {
        return undefined;
      }
      isThere = true;
      return { kind: 'slow', bytesPerSecond: 1000 };
    };
    return { cancelWhen: waitUntil(async () => isThere, 'an upload', 60_000) };
  };
}

async function withSleepingTar({ dir }: ActionJob): Promise<string> {
  const bin = join(dir, 'bin');
  await fs.mkdir(bin);
  const script = '#!/bin/sh\ncase "$*" in --posix*) sleep 60 ;; *) exec /bin/tar "$@" ;; esac\n';
  await fs.writeFile(join(bin, 'tar'), script, { mode: 0o755 });
  const node = join(import.meta.dirname, '../../node_modules/.bin');
  return [bin, node, process.env.PATH].join(delimiter);
}

const TIMINGS: Record<string, CancelTimings> = {
  SIGINT: { sigintMs: 7_500, sigtermMs: 2_500 },
  SIGTERM: { sigintMs: 0, sigtermMs: 2_500 },
  SIGKILL: { sigintMs: 0, sigtermMs: 0 },
};

describe.each(Object.entries(STAGES))('a job cancelled during the %s', (_, stage) => {
  test.each(Object.entries(TIMINGS))('by %s leaves nothing behind', async (signal, cancelTimings) => {
    const job = await actionJob(stage.agent);
    const result = await job.run({ ...(await stage.hold(job)), cancelTimings });
    expect(result.outcome, result.log).toBe('cancelled');
    expect(result.main.killedBy).toBe(signal);
    expect(result.post?.exitCode).toBe(0);
    await waitUntil(
      async () => (await job.left()).every(isWhole),
      `only whole files left, but ${await job.left()}`,
    );
    for (const name of await resultsOf(job)) {
      expect(await fs.readdir(join(job.temp, name))).not.toEqual([]);
    }
    if (signal !== 'SIGKILL') {
      expect(result.outputs).toEqual({ 'error-code': 'cancelled' });
      expect(result.annotations).toContainEqual(
        expect.objectContaining({ level: 'notice', title: 'Cancelled' }),
      );
    }
  });
});

async function resultsOf({ temp }: ActionJob): Promise<string[]> {
  return (await fs.readdir(temp)).filter((name) => name.startsWith('claude-bottle-pack-'));
}

/** The directory of results holds what was complete before. */
function isWhole(line: string): boolean {
  return line.startsWith('temp claude-bottle-pack-');
}
