import * as fs from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startAzurite } from '../doubles/results-service/azurite.ts';
import { type ResultsService, startResultsService } from '../doubles/results-service/service.ts';
import { runStep, type StepOptions, type StepResult } from '../doubles/runner/runner.ts';
import { DOUBLE_DIR } from './cli.ts';
import { leftovers } from './leftovers.ts';
import { busyboxContext } from './small-image.ts';
import { tempDir } from './temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface ActionJob {
  readonly dir: string;
  readonly workspace: string;
  readonly temp: string;
  readonly results: ResultsService;
  /** Runs the committed action in this workspace, with the double of smolvm. */
  run(options?: Partial<StepOptions>): Promise<StepResult>;
  /** What there is now of containers, files, processes and so on that was not there before. */
  left(): Promise<string[]>;
}

export interface ActionJobOptions {
  /** A results service from an earlier job: the cache is its. */
  readonly results?: ResultsService;
  /** Where the service that is started for this job keeps the blobs; without it, in files. */
  readonly blobStore?: 'fs' | 'azurite';
  /** Of the agent, which can use what is in a busybox. */
  readonly dockerfile?: string;
}

/** A job on a fresh runner with a small agent in its workspace, and the services that it talks to. */
export async function actionJob({
  results,
  blobStore,
  dockerfile,
}: ActionJobOptions = {}): Promise<ActionJob> {
  const dir = await tempDir();
  const [workspace, temp, tmp] = ['workspace', 'temp', 'tmp'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await fs.mkdir(tmp, { recursive: true });
  await busyboxContext(workspace, dockerfile ?? SMALL_AGENT);
  const service = results ?? (await startService(dir, blobStore));
  const before = await leftovers({ tmp, store: dir });
  return {
    dir,
    workspace,
    temp,
    results: service,
    run: async (options = {}) =>
      await runStep({
        actionDir: ROOT,
        workspace,
        temp,
        toolCache: join(dir, 'tools'),
        results: service,
        ...options,
        inputs: {
          context: 'context',
          'smolvm-path': join(DOUBLE_DIR, 'smolvm'),
          'kvm-check': 'false',
          'github-token': '',
          ...options.inputs,
        },
        env: {
          PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
          TMPDIR: tmp,
          ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
          ...options.env,
        },
      }),
    left: async () => {
      const now = (await leftovers({ tmp, store: dir })).filter((line) => !before.includes(line));
      const files = await fs.readdir(temp).catch(() => []);
      return [...now, ...files.map((name) => `temp ${name}`)];
    },
  };
}

/** Unlike others, so that its image ID is its own. */
const SMALL_AGENT = `FROM scratch
COPY bin /bin
LABEL org.example.test=action
ENTRYPOINT ["/bin/sh"]
`;

async function startService(dir: string, blobStore?: 'fs' | 'azurite'): Promise<ResultsService> {
  const blobs = join(dir, 'blobs');
  await fs.mkdir(blobs);
  const azurite = blobStore === 'azurite' ? await startAzurite(blobs) : undefined;
  const service = await startResultsService({ dir: blobs, blobStore: azurite ?? 'fs' });
  onTestFinished(async () => {
    await service.close();
    await azurite?.close();
  });
  return service;
}
