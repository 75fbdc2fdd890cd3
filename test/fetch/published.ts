import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { RemoteFile, SourceTools, Wanted } from '../../src/fetch/source.ts';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import { publishedName } from '../../src/identity/published-name.ts';
import { githubSite } from '../../src/remote/github.ts';
import { HttpClient } from '../../src/remote/http.ts';
import { type GitHub, startGitHub } from '../doubles/github/github.ts';

export const KEY = parseInputsKey('a1b2c3d4'.repeat(8));
export const NAME = publishedName('linux/amd64', KEY);
export const REPOSITORY = 'acme/tools';
export const SIDECAR = randomBytes(50_000);

export const WANTED: Wanted = {
  key: KEY,
  platform: 'linux/amd64',
  repository: REPOSITORY,
  serverUrl: 'https://github.com',
  history: async () => [],
  tags: async () => [],
};

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function recordOf(sidecar: Buffer, source?: { runId: number; repositoryId?: number }): PackRecord {
  const digest = `sha256:${'d'.repeat(64)}` as const;
  return {
    version: 1,
    platform: 'linux/amd64',
    image: { id: digest, layers: [digest], runtimeConfigSha256: 'e'.repeat(64) },
    flattened: { configDigest: digest, layerDigest: digest, layerSizeBytes: 10_240 },
    sidecar: { sha256: sha256(sidecar), sizeBytes: sidecar.length, crc32: '0badcafe' },
    smolvm: { version: '1.9.3' },
    hop: 'embedded',
    packedAt: '2026-11-23T11:11:16Z',
    inputs: {
      key: KEY,
      dockerfileSha256: '1'.repeat(64),
      buildArgsSha256: '2'.repeat(64),
      entriesSha256: 'f'.repeat(64),
      narrowed: true,
    },
    ...(source && {
      source: {
        repository: REPOSITORY,
        ...(source.repositoryId !== undefined && { repositoryId: String(source.repositoryId) }),
        commit: 'c'.repeat(40),
        ref: 'refs/heads/main',
        event: 'push',
        runId: String(source.runId),
        runAttempt: 1,
      },
    }),
  };
}

export function recordText(...of: Parameters<typeof recordOf>): string {
  return JSON.stringify(recordOf(...of));
}

export interface Bed {
  readonly github: GitHub;
  readonly retries: string[];
  tools(token?: string): Promise<SourceTools>;
}

/** The double of GitHub, and what a source needs to talk to it. */
export async function startBed(): Promise<Bed> {
  const github = await startGitHub();
  const retries: string[] = [];
  const http = new HttpClient({
    signal: new AbortController().signal,
    onRetry: (message) => retries.push(message),
    firstRetryMs: 1,
  });
  onTestFinished(async () => {
    http.close();
    await github.close();
  });
  return {
    github,
    retries,
    tools: async (token) => ({
      http,
      github: await githubSite({ token, env: { ...github.env, GH_CONFIG_DIR: '/nonexistent' } }),
    }),
  };
}

export async function bytesOf(content: RemoteFile, range?: { start: number; end: number; etag: string }) {
  const { status, headers, body } = await content.open(range);
  return { status, etag: headers.etag ?? '', bytes: await buffer(body) };
}
