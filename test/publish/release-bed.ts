import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { InputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import type { ProgressEvent } from '../../src/progress.ts';
import {
  publishRelease,
  type ReleaseOptions,
  type ReleaseResult,
  type ReleaseSidecar,
} from '../../src/publish/github-release.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import type { UploadFault } from '../doubles/github/changes.ts';
import type { GitHub, GitHubRequest } from '../doubles/github/github.ts';
import type { Release, Repository } from '../doubles/github/repository.ts';
import { KEY, recordOf, startBed } from '../fetch/published.ts';
import { tempDir } from '../helpers/temp-dir.ts';

export const COMMIT = 'c'.repeat(40);
export const REPOSITORY = 'acme/tools';
export const TAG = 'v1.2.0';

export interface SidecarProperties {
  readonly bundle?: boolean;
  readonly commit?: string;
  readonly key?: InputsKey;
}

export interface ReleaseBed {
  readonly github: GitHub;
  readonly repository: Repository;
  /** May write releases. */
  readonly token: string;
  readonly retries: readonly string[];
  readonly progress: readonly ProgressEvent[];
  /** A sidecar in a file of its own, with new content each time. */
  addSidecar(platform?: GuestPlatform, properties?: SidecarProperties): Promise<ReleaseSidecar>;
  publish(
    sidecars: readonly ReleaseSidecar[],
    options?: Partial<ReleaseOptions> & { token?: string },
  ): Promise<ReleaseResult>;
  /** Of the requests so far: those that change something, as "POST uploads …". */
  changes(): string[];
  /** The faults of uploads in their order; those after them go well. */
  failUploads(...faults: ReadonlyArray<UploadFault | undefined>): void;
  /** Answers each request that `is` picks, as long as it is asked. */
  fail(
    is: (request: GitHubRequest) => boolean,
    answer: ReturnType<NonNullable<GitHub['fault']>>,
    times?: number,
  ): void;
}

export async function startReleaseBed(): Promise<ReleaseBed> {
  const { github, retries, tools } = await startBed();
  const dir = await tempDir();
  const repository = github.addRepository(REPOSITORY);
  repository.moveTag(TAG, COMMIT);
  const writeToken = github.addToken({ writes: [repository] });
  const progress: ProgressEvent[] = [];
  return {
    github,
    repository,
    token: writeToken,
    retries,
    progress,
    addSidecar: (platform = 'linux/amd64', properties = {}) => addSidecar(dir, platform, properties),
    publish: async (sidecars, { token = writeToken, ...options } = {}) =>
      await publishRelease({
        ...(await tools(token)),
        repository: REPOSITORY,
        tag: TAG,
        commit: COMMIT,
        sidecars,
        publish: true,
        expectedPlatforms: [],
        onProgress: (event) => progress.push(event),
        ...options,
      }),
    changes: () =>
      github.requests
        .filter(({ method }) => method !== 'GET')
        .map(({ method, server, url }) => `${method} ${server} ${shortened(url)}`),
    failUploads: (...faults) => {
      const left = [...faults];
      github.uploadFault = () => left.shift();
    },
    fail: (is, answer, times = Infinity) => {
      let left = times;
      github.fault = (request) => {
        if (left > 0 && is(request)) {
          left -= 1;
          return answer;
        }
        return undefined;
      };
    },
  };
}

/** The name of what is uploaded, or the kind of what is changed. */
function shortened(url: string): string {
  const { pathname, searchParams } = new URL(url, 'http://double');
  return searchParams.get('name') ?? pathname.replace(/^\/repos\/[^/]+\/[^/]+\//, '').replaceAll(/\d+/g, 'N');
}

async function addSidecar(
  dir: string,
  platform: GuestPlatform,
  { bundle = false, commit = COMMIT, key = KEY }: SidecarProperties,
): Promise<ReleaseSidecar> {
  const content = randomBytes(50_000);
  const path = join(dir, randomBytes(8).toString('hex'));
  const { inputs, source, ...rest } = recordOf(content, { runId: 1 });
  const record: PackRecord = {
    ...rest,
    platform,
    ...(inputs && { inputs: { ...inputs, key } }),
    ...(source && { source: { ...source, commit } }),
  };
  await fs.writeFile(path, content);
  await fs.writeFile(`${path}.json`, formatRecord(record));
  return {
    path,
    name: publishedName(platform, key),
    record,
    ...(bundle && { bundle: Buffer.from('{}') }),
  };
}

/** What the release has, by name. */
export function contentsOf(release: Release | undefined): Record<string, string> {
  return Object.fromEntries(
    (release?.assets ?? []).map(({ name, content, state }) => [
      name,
      state === 'uploaded' ? createHash('sha256').update(content).digest('hex') : state,
    ]),
  );
}
