import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as toolCache from '@actions/tool-cache';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import type { ChildOptions } from '../host/child.ts';
import { withPrivateDir } from '../host/private-dir.ts';
import { findSmolvm, NEWEST_TESTED_VERSION } from '../pack/smolvm.ts';
import type { OnProgress } from '../progress.ts';
import { requireLinuxRunner } from './kvm.ts';
import { makeTemplates, unpackWheel } from './smolvm-wheel.ts';

const RELEASES = 'https://github.com/smol-machines/smolvm/releases';

export const DEFAULT_SMOLVM_VERSION = NEWEST_TESTED_VERSION;
/** The hashes of the default version's wheels. Upstream signs nothing, so trust rests on these lines. */
const WHEEL_SHA256: Readonly<Record<string, string>> = {
  'linux-x86_64': '81b104e2622aa0b187b6b7054397c391151b83db2638a16d0e54c517684f0dc2',
  'linux-arm64': '5cdd53c71369f149639f00197ce9deaafd204d2bda03b323b1ae3ee35ba4cf8b',
  'darwin-arm64': 'af690651bd2d2e329f3ab15d35acd7037a3a94581b3f79c08d1df867e8ef54f9',
};

export interface SmolvmRelease {
  /** X.Y.Z */
  readonly version: string;
  /** The hash of the release's tarball for this platform, in lower case. The default version needs none, because it comes as a wheel. */
  readonly sha256?: string | undefined;
}

/**
 * The path of `smolvm`, from the runner's tool cache, from the wheel of the default version, or from the release of
 * another. The hash is checked before anything of it is unpacked or run.
 * @throws BottleError `usage`, `smolvm-untrusted`, `smolvm-unsupported`, `smolvm-missing`, `not-found`, `network-failed`
 */
export async function installSmolvm(
  release: SmolvmRelease,
  { onProgress, signal }: { readonly onProgress: OnProgress; readonly signal?: AbortSignal },
): Promise<string> {
  requireLinuxRunner();
  const { version } = release;
  const sha256 = releaseSha256(release);
  // A build with another hash is another tool, whatever its version.
  const build = `${releasePlatform()}-${sha256}`;
  onProgress({ type: 'start', stage: 'smolvm', detail: version });
  const found = toolCache.find('smolvm', version, build);
  const isWheel = release.sha256 === undefined;
  const add = isWheel ? addWheel : addRelease;
  const addToToolCache = async () =>
    // The post step finds such a directory when the runner has killed this one.
    await withPrivateDir(
      process.env.RUNNER_TEMP ?? tmpdir(),
      async (workDir) => await add({ version, build, sha256 }, workDir, { signal }),
    );
  const dir = found === '' ? await addToToolCache() : found;
  if (isWheel) {
    await makeTemplates(dir, { signal });
  }
  const smolvm = await findSmolvm(join(dir, 'smolvm'));
  if (smolvm.version !== version) {
    throw new BottleError(
      'smolvm-unsupported',
      `smolvm-version is ${version}, but the release with this SHA-256 says that it is ${smolvm.version}: ${sha256}`,
      { hint: 'give smolvm-version and smolvm-sha256 of one release' },
    );
  }
  onProgress({ type: 'done', stage: 'smolvm', detail: found === '' ? 'downloaded' : 'from the tool cache' });
  return smolvm.path;
}

type AddToToolCache = (
  release: { readonly version: string; readonly build: string; readonly sha256: string },
  workDir: string,
  options: Pick<ChildOptions, 'signal'>,
) => Promise<string>;

const addWheel: AddToToolCache = async ({ version, build, sha256 }, workDir, options) => {
  await unpackWheel({ version, sha256 }, workDir, options);
  return await toolCache.cacheDir(workDir, 'smolvm', version, build);
};

const addRelease: AddToToolCache = async ({ version, build, sha256 }, workDir) => {
  const name = releaseName(version);
  const url = `${RELEASES}/download/v${version}/${name}.tar.gz`;
  const tarball = join(workDir, 'release.tar.gz');
  await download(url, tarball);
  await requireSha256(tarball, sha256, url);
  try {
    const unpacked = await toolCache.extractTar(tarball, join(workDir, 'release'));
    return await toolCache.cacheDir(join(unpacked, name), 'smolvm', version, build);
  } catch (error) {
    throw fileError(`cannot unpack ${url}`, error);
  }
};

function releasePlatform(): string {
  return `${process.platform}-${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`;
}

function releaseName(version: string): string {
  return `smolvm-${version}-${releasePlatform()}`;
}

/** @throws BottleError `usage` when it is neither known nor given */
export function releaseSha256({ version, sha256 }: SmolvmRelease): string {
  const known = version === DEFAULT_SMOLVM_VERSION ? WHEEL_SHA256[releasePlatform()] : undefined;
  const expected = sha256 ?? known;
  if (expected === undefined) {
    throw new BottleError('usage', `the SHA-256 of smolvm ${version} is not known here`, {
      hint: `set the input smolvm-sha256 to the line of ${releaseName(version)}.tar.gz in ${RELEASES}/download/v${version}/checksums.sha256`,
    });
  }
  return expected;
}

/** With the retries of the toolkit and without a token: the release is public. */
async function download(url: string, path: string): Promise<void> {
  try {
    await toolCache.downloadTool(url, path);
  } catch (error) {
    if (error instanceof toolCache.HTTPError && error.httpStatusCode === 404) {
      throw new BottleError('not-found', `smolvm has no such release: ${url} (404)`, {
        hint: `take a version of ${RELEASES}`,
        cause: error,
      });
    }
    if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
      throw fileError(`cannot download ${url}`, error);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new BottleError('network-failed', `cannot download ${url}: ${reason}`, {
      hint: 'run the job again; a runner without github.com needs smolvm installed and smolvm-path set',
      cause: error,
    });
  }
}

async function requireSha256(path: string, expected: string, url: string): Promise<void> {
  const found = await fileSha256(path);
  if (found !== expected) {
    throw new BottleError('smolvm-untrusted', `${url} has the SHA-256 ${found}, expected ${expected}`, {
      hint: 'do not use that file; compare both with the checksums.sha256 of the release',
    });
  }
}

/** 64 hex digits. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
