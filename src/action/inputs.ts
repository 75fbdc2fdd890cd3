import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { BottleError, hasErrno } from '../errors.ts';
import { parseImageReference } from '../identity/image-reference.ts';
import { PACKERS, type Packer } from '../identity/pack-record.ts';
import { type GuestPlatform, parseGuestPlatform } from '../identity/platform.ts';
import { quoted } from '../identity/shown-text.ts';
import type { Hop } from '../pack/pack.ts';
import { REGISTRY_IMAGE } from '../pack/registry-container.ts';
import { requireOwnPlatform, type SmokeTest } from '../pack/smoke-test.ts';
import { ATTEST_MODES, type AttestMode } from '../publish/attest.ts';
import { formatName, type OciRepositoryName, parseOciReference } from '../remote/oci-reference.ts';
import {
  ARTIFACT_NAME,
  BUILD_ARG,
  HOST,
  type InputReader,
  inputReader,
  invalid,
  naming,
  PATH,
  type Secret,
  SHA256,
  SMOKE_TEST,
  STAGE,
  TAG,
  VERSION,
} from './input-reader.ts';
import { DEFAULT_SMOLVM_VERSION } from './smolvm-release.ts';

export type CacheInput = 'auto' | 'true' | 'false';

export interface BuildSource {
  /** Absolute, inside the workspace, without symbolic links; so is `file`. */
  readonly context: string;
  readonly file: string | undefined;
  readonly target: string | undefined;
  readonly buildArgs: readonly string[];
  readonly secrets: readonly Secret[];
}

export type SmolvmInputs =
  | { readonly path: string }
  | { readonly version: string; readonly sha256: string | undefined };

const CHANNELS = ['oci', 'release'] as const;
export type PublishChannel = (typeof CHANNELS)[number];

const SECRET_SCANS = ['fail', 'warn'] as const;

/** Has no meaning where nothing is published, so that a workflow can leave `publish` empty in some of its runs. */
export interface PublishInputs {
  readonly channels: readonly PublishChannel[];
  /** Without it, the package that belongs to the repository. */
  readonly ociRef: OciRepositoryName | undefined;
  /** Hosts besides the registry that may get its login. */
  readonly tokenHosts: readonly string[];
  /** Without it, the tag that the workflow runs for. */
  readonly releaseTag: string | undefined;
  readonly releaseDraft: boolean;
  /** Those that the release is published with, whichever job brings them. */
  readonly releasePlatforms: readonly GuestPlatform[];
  readonly attest: AttestMode;
  readonly secretScan: (typeof SECRET_SCANS)[number];
}

/** What action.yml declares, read once. */
export interface ActionInputs {
  /** What to build, or the name of an image that is there. */
  readonly source: BuildSource | { readonly image: string };
  readonly platforms: readonly GuestPlatform[];
  readonly packer: Packer;
  readonly hop: Hop;
  readonly smolvm: SmolvmInputs;
  readonly kvmCheck: boolean;
  readonly smokeTest: SmokeTest | undefined;
  readonly cache: CacheInput;
  /** Whether the file of a sidecar in the runner cache is wanted on this runner. */
  readonly restore: boolean;
  readonly upload: boolean;
  readonly artifactName: string;
  readonly retentionDays: number | undefined;
  readonly publish: PublishInputs;
  readonly githubToken: string | undefined;
  readonly cpus: number | undefined;
  readonly memMib: number | undefined;
  readonly timeoutMs: number;
}

/** The default of action.yml: an input with its default counts as not given. */
const DEFAULT_CONTEXT = '.';

/**
 * Reads every input, before any work.
 * @param get the text of an input, trimmed, '' where there is none
 * @param workspace GITHUB_WORKSPACE; what is built must be in it
 * @throws BottleError `usage` that names the input and what it may be
 */
export async function readInputs(get: (name: string) => string, workspace: string): Promise<ActionInputs> {
  const read = inputReader(get);
  const source = await readSource(read, workspace);
  const platforms = readPlatforms(read, 'platforms');
  return {
    source,
    platforms,
    packer: readPacker(read),
    hop: readHop(read),
    smolvm: await readSmolvm(read),
    kvmCheck: read.choice('kvm-check', ['true', 'false']) === 'true',
    smokeTest: readSmokeTest(read, platforms),
    cache: read.choice('cache', ['auto', 'true', 'false']),
    restore: read.choice('restore', ['false', 'true']) === 'true',
    upload: read.choice('upload', ['true', 'false']) === 'true',
    artifactName: read.required('artifact-name', ARTIFACT_NAME),
    retentionDays: read.wholeNumber('retention-days', 1, 400),
    publish: readPublish(read, source, platforms),
    githubToken: read.token('github-token'),
    cpus: read.wholeNumber('cpus', 1, 255),
    memMib: read.wholeNumber('mem', 64, 1024 * 1024),
    timeoutMs: (read.wholeNumber('timeout-minutes', 1, 24 * 60) ?? 60) * 60_000,
  };
}

function readSmokeTest(read: InputReader, platforms: readonly GuestPlatform[]): SmokeTest | undefined {
  const command = read.text('smoke-test', SMOKE_TEST);
  const output = read.text('smoke-test-output', SMOKE_TEST);
  if (command === undefined) {
    if (output !== undefined) {
      throw new BottleError('usage', 'the input smoke-test-output has no meaning without smoke-test', {
        hint: 'add smoke-test with the command that prints it',
      });
    }
    return undefined;
  }
  for (const platform of platforms) {
    requireOwnPlatform(platform);
  }
  return { command, output };
}

async function readSource(read: InputReader, workspace: string): Promise<ActionInputs['source']> {
  const image = read.text('image', { pattern: /./s, hint: '' });
  const context = read.required('context', PATH);
  const file = read.text('file', PATH);
  const target = read.text('target', STAGE);
  const buildArgs = read.lines('build-args', BUILD_ARG);
  const secrets = read.secrets('secrets');
  if (image === undefined) {
    return {
      context: await inWorkspace('context', context, workspace, 'directory'),
      file: file && (await inWorkspace('file', file, workspace, 'file', context)),
      target,
      buildArgs,
      secrets,
    };
  }
  const given = ['file', 'target', 'build-args', 'secrets'].filter(read.isGiven);
  const [excluded] = context === DEFAULT_CONTEXT ? given : ['context'];
  if (excluded !== undefined) {
    throw new BottleError('usage', `use the input image or ${excluded}, not both`, {
      hint: 'leave out image to build one, or the other to pack the image as it is',
    });
  }
  return { image: naming('image', () => parseImageReference(image)) };
}

/** The target of a link must be in the workspace, too, because a pull request can add links. */
async function inWorkspace(
  name: string,
  path: string,
  workspace: string,
  kind: 'directory' | 'file',
  context = '',
): Promise<string> {
  const root = await fs.realpath(workspace);
  let real: string;
  try {
    real = await fs.realpath(resolve(root, path));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) {
      const isInContext = await fs.access(resolve(root, context, path)).then(
        () => true,
        () => false,
      );
      const hint = isInContext
        ? `name it as it is in the workspace: ${join(context, path)}`
        : 'check the name, and that actions/checkout has run before';
      throw new BottleError('usage', `the input ${name} names ${path}, which does not exist`, { hint });
    }
    if (hasErrno(error, 'ENAMETOOLONG')) {
      throw new BottleError('usage', `the input ${name} is longer than a path can be: ${quoted(path)}`, {
        hint: 'use names of at most 255 bytes',
      });
    }
    throw error;
  }
  const fromRoot = relative(root, real);
  if (fromRoot === '..' || fromRoot.startsWith(`..${sep}`) || isAbsolute(fromRoot)) {
    throw new BottleError('usage', `the input ${name} leads out of the workspace: ${path} is ${real}`, {
      hint: `name a ${kind} inside ${root}`,
    });
  }
  const stat = await fs.stat(real);
  if (kind === 'directory' ? !stat.isDirectory() : !stat.isFile()) {
    throw new BottleError('usage', `the input ${name} is not a ${kind}: ${path}`, { hint: `name a ${kind}` });
  }
  return real;
}

function readPlatforms(read: InputReader, input: string): GuestPlatform[] {
  const platforms = readList(read, input, 'use linux/amd64, linux/arm64').map((name) =>
    naming(input, () => parseGuestPlatform(name)),
  );
  if (platforms.length === 0) {
    throw new BottleError('usage', `the input ${input} is empty`, { hint: 'use linux/amd64, linux/arm64' });
  }
  return platforms;
}

/** Words between commas or white space, each once. */
function readList(read: InputReader, input: string, hint: string): string[] {
  const text = read.text(input, { pattern: /^[a-z0-9/,\s]{1,200}$/, hint }) ?? '';
  return [...new Set(text.split(/[\s,]+/).filter((word) => word !== ''))];
}

function readPublish(
  read: InputReader,
  source: ActionInputs['source'],
  platforms: readonly GuestPlatform[],
): PublishInputs {
  const hint = `use ${CHANNELS.join(', ')}, or both`;
  const channels = readList(read, 'publish', hint).map((word) => {
    const channel = CHANNELS.find((each) => each === word);
    if (channel === undefined) {
      throw invalid('publish', word, hint);
    }
    return channel;
  });
  if (channels.length > 0 && 'image' in source) {
    throw new BottleError('usage', 'use the input publish or image, not both', {
      hint: 'leave out image, so that it is built here: a published sidecar is found by the inputs of its build',
    });
  }
  const releasePlatforms = read.isGiven('release-platforms')
    ? readPlatforms(read, 'release-platforms')
    : platforms;
  const forgotten = platforms.filter((platform) => !releasePlatforms.includes(platform));
  if (forgotten.length > 0) {
    throw new BottleError('usage', `the input release-platforms lacks ${forgotten.join(', ')} of platforms`, {
      hint: 'name all platforms of the release, those of this job too',
    });
  }
  return {
    channels,
    ociRef: readOciRef(read),
    tokenHosts: read.lines('allow-token-host', HOST),
    // As github.ref has it.
    releaseTag: read.text('release-tag', TAG)?.replace(/^refs\/tags\//, ''),
    releaseDraft: read.choice('release-draft', ['true', 'false']) === 'true',
    releasePlatforms,
    attest: read.choice('attest', ATTEST_MODES),
    secretScan: read.choice('secret-scan', SECRET_SCANS),
  };
}

function readOciRef(read: InputReader): OciRepositoryName | undefined {
  const text = read.text('oci-ref', { pattern: /./s, hint: '' });
  if (text === undefined) {
    return undefined;
  }
  const { tag, digest, ...name } = naming('oci-ref', () => parseOciReference(text));
  if (tag !== undefined || digest !== undefined) {
    throw invalid('oci-ref', text, `use ${formatName(name)}: a sidecar gets tags of its own`);
  }
  return name;
}

function readPacker(read: InputReader): Packer {
  const packer = read.choice('packer', PACKERS);
  if (packer === 'direct' && read.isGiven('smoke-test')) {
    throw new BottleError('usage', 'use the input packer: direct or smoke-test, not both', {
      hint: 'leave out smoke-test, which needs smolvm and KVM',
    });
  }
  return packer;
}

function readHop(read: InputReader): Hop {
  const kind = read.choice('hop', ['embedded', 'container']);
  const registryImage = read.text('registry-image', { pattern: /./s, hint: '' });
  if (kind === 'container') {
    return {
      kind,
      registryImage: naming('registry-image', () => parseImageReference(registryImage ?? REGISTRY_IMAGE)),
    };
  }
  if (registryImage !== undefined) {
    throw new BottleError('usage', 'the input registry-image has no meaning with hop embedded', {
      hint: 'leave it out, or set hop to container',
    });
  }
  return { kind };
}

async function readSmolvm(read: InputReader): Promise<SmolvmInputs> {
  const path = read.text('smolvm-path', PATH);
  const version = read.text('smolvm-version', VERSION);
  const sha256 = read.text('smolvm-sha256', SHA256);
  if (path === undefined) {
    return { version: version ?? DEFAULT_SMOLVM_VERSION, sha256 };
  }
  if (version !== undefined || sha256 !== undefined) {
    const other = version === undefined ? 'smolvm-sha256' : 'smolvm-version';
    throw new BottleError('usage', `use smolvm-path or ${other}, not both`, {
      hint: 'leave out smolvm-path to have that version set up',
    });
  }
  const isExecutable = await fs.access(path, constants.X_OK).then(
    () => isAbsolute(path),
    () => false,
  );
  if (!isExecutable) {
    throw invalid('smolvm-path', path, 'name an executable file by its absolute path');
  }
  return { path };
}
