import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as toolCache from '@actions/tool-cache';
import { BottleError, fileError, hasErrno } from '../errors.ts';
import { findSmolvm } from '../pack/smolvm.ts';
import type { OnProgress } from '../progress.ts';
import { requireLinuxRunner } from './kvm.ts';

const RELEASES = 'https://github.com/smol-machines/smolvm/releases';

export const DEFAULT_SMOLVM_VERSION = '1.9.3';
/** From `checksums.sha256` of the release; upstream signs nothing, so these lines are the trust. */
const DEFAULT_SHA256: Readonly<Record<string, string>> = {
  'linux-x86_64': '072e49e41b9bc4d6d3c0806e051ddf94e2af7e4d21915b040fe7e3f185fe0104',
  'linux-arm64': '2d32c1dbe1e9cf88395ea2c099ec04de0828f76e1f28ceb69ae20cce8c62a83e',
};

export interface SmolvmRelease {
  /** X.Y.Z */
  readonly version: string;
  /** Of the release's tarball for this platform, in lower case; only the default version has a known one. */
  readonly sha256?: string | undefined;
}

/**
 * The path of `smolvm`, from the runner's tool cache or from its release, whose hash is checked before anything of
 * it is unpacked or run.
 * @throws BottleError `usage`, `smolvm-untrusted`, `smolvm-unsupported`, `not-found`, `network-failed`
 */
export async function installSmolvm(release: SmolvmRelease, onProgress: OnProgress): Promise<string> {
  requireLinuxRunner();
  const { version } = release;
  const platform = releasePlatform();
  const name = releaseName(version);
  const sha256 = releaseSha256(release);
  // A build with another hash is another tool, whatever its version.
  const build = `${platform}-${sha256}`;
  onProgress({ type: 'start', stage: 'smolvm', detail: version });
  const found = toolCache.find('smolvm', version, build);
  const dir = found === '' ? await addToToolCache(version, name, build, sha256) : found;
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

async function addToToolCache(version: string, name: string, build: string, sha256: string): Promise<string> {
  const url = `${RELEASES}/download/v${version}/${name}.tar.gz`;
  const tarball = await download(url);
  const unpacked = `${tarball}.d`;
  try {
    await requireSha256(tarball, sha256, url);
    await toolCache.extractTar(tarball, unpacked);
    return await toolCache.cacheDir(join(unpacked, name), 'smolvm', version, build);
  } catch (error) {
    throw error instanceof BottleError ? error : fileError(`cannot unpack ${url}`, error);
  } finally {
    await fs.rm(tarball, { force: true });
    await fs.rm(unpacked, { recursive: true, force: true });
  }
}

function releasePlatform(): string {
  return process.arch === 'arm64' ? 'linux-arm64' : 'linux-x86_64';
}

function releaseName(version: string): string {
  return `smolvm-${version}-${releasePlatform()}`;
}

/** @throws BottleError `usage` when it is neither known nor given */
export function releaseSha256({ version, sha256 }: SmolvmRelease): string {
  const known = version === DEFAULT_SMOLVM_VERSION ? DEFAULT_SHA256[releasePlatform()] : undefined;
  const expected = sha256 ?? known;
  if (expected === undefined) {
    throw new BottleError('usage', `the SHA-256 of smolvm ${version} is not known here`, {
      hint: `set the input smolvm-sha256 to the line of ${releaseName(version)}.tar.gz in ${RELEASES}/download/v${version}/checksums.sha256`,
    });
  }
  return expected;
}

/** Into RUNNER_TEMP, with the retries of the toolkit and without a token: the release is public. */
async function download(url: string): Promise<string> {
  try {
    return await toolCache.downloadTool(url);
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
