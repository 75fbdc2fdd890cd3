import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readBuildInputs } from '../../src/context/build-inputs.ts';
import type { InputsRecord } from '../../src/identity/inputs-key.ts';
import type { PackRecord } from '../../src/identity/pack-record.ts';
import type { GuestPlatform } from '../../src/identity/platform.ts';
import { formatRecord } from '../../src/sidecar/file.ts';
import { verifySidecar } from '../../src/sidecar/verify.ts';
import { type FramedSidecar, framedSidecar } from './framed-sidecar.ts';
import { sampleSidecar } from './oci-publish.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** Nothing of this machine's git settings, and no signing. */
const GIT_ENV = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};

export interface Checkout {
  readonly dir: string;
  git(...args: string[]): Promise<string>;
  /** Commits all there is and returns the hash. */
  commit(): Promise<string>;
  inputs(platform?: GuestPlatform): Promise<InputsRecord>;
}

/** A git checkout whose origin is acme/tools, with a Dockerfile and two files, one of which it copies. */
export async function sampleCheckout(dockerfile = 'FROM scratch\nCOPY agent.txt /\n'): Promise<Checkout> {
  const dir = join(await tempDir(), 'checkout');
  await fs.mkdir(dir);
  const git = async (...args: string[]) => {
    const { stdout } = await run('git', ['-C', dir, ...args], { env: { ...process.env, ...GIT_ENV } });
    return stdout.trim();
  };
  const checkout: Checkout = {
    dir,
    git,
    commit: async () => {
      await git('add', '--all');
      await git('commit', '--quiet', '--message', 'a change');
      return await git('rev-parse', 'HEAD');
    },
    inputs: async (platform = 'linux/amd64') =>
      (await readBuildInputs({ context: dir, buildArgs: [], platform })).record,
  };
  await fs.writeFile(join(dir, 'Dockerfile'), dockerfile);
  await fs.writeFile(join(dir, 'agent.txt'), 'agent\n');
  await fs.writeFile(join(dir, 'README.md'), 'not in the image\n');
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('remote', 'add', 'origin', 'git@github.com:acme/tools.git');
  await checkout.commit();
  return checkout;
}

export interface PublishedFile {
  /** The sidecar; its record is beside it. */
  readonly path: string;
  readonly record: PackRecord;
}

/** A sidecar with a record for the inputs of a checkout, as two files. */
export async function publishFile(
  checkout: Checkout,
  platform: GuestPlatform = 'linux/amd64',
  change: Partial<PackRecord> = {},
): Promise<PublishedFile> {
  const inputs = await checkout.inputs(platform);
  const { path, record: sample } = await sampleSidecar(platform, inputs.key);
  const record: PackRecord = {
    ...sample,
    inputs,
    source: {
      repository: 'acme/tools',
      commit: await checkout.git('rev-parse', 'HEAD'),
      ref: 'refs/heads/main',
      event: 'push',
      runId: '1',
      runAttempt: 1,
    },
    ...change,
  };
  await fs.writeFile(`${path}.json`, formatRecord(record));
  return { path, record };
}

/** The same of a sidecar in frames. */
export async function publishFrames(
  checkout: Checkout,
  contents: readonly Buffer[],
  change: Partial<PackRecord> = {},
): Promise<PublishedFile & FramedSidecar> {
  const sidecar = await framedSidecar(contents);
  const { bytes, index } = sidecar;
  const { path, record: sample } = await publishFile(checkout);
  await fs.writeFile(path, bytes);
  const { sha256, sizeBytes, crc32 } = await verifySidecar(path);
  const record: PackRecord = {
    ...sample,
    sidecar: { sha256, sizeBytes, crc32 },
    frames: { sha256: createHash('sha256').update(index).digest('hex'), sizeBytes: index.length },
    ...change,
  };
  await fs.writeFile(`${path}.json`, formatRecord(record));
  return { ...sidecar, path, record };
}
