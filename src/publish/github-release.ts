import { hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BottleError, fileError } from '../errors.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import type { GuestPlatform } from '../identity/platform.ts';
import { counted } from '../identity/shown-text.ts';
import type { OnProgress } from '../progress.ts';
import { assetRequest, sendApi, uploadRequest } from '../remote/github.ts';
import type { HttpRequest } from '../remote/http.ts';
import { unlessMissing } from '../remote/http-error.ts';
import {
  bundlePathOf,
  changedSidecar,
  checkedStream,
  formatRecord,
  framesPathOf,
  makeFrameIndex,
  type PackedSidecar,
  recordPathOf,
} from '../sidecar/file.ts';
import {
  type Asset,
  askReleases,
  assetSchema,
  changeReleases,
  deleteAsset,
  deleteFromReleases,
  digestOfContent,
  listAssets,
  listReleases,
  type Release,
  type ReleasePlace,
  releaseError,
  releaseSchema,
  requireTagAt,
} from './release-api.ts';
import {
  findLeftovers,
  findMissingPlatforms,
  findStale,
  isText,
  type ReleaseContents,
  sumsName,
} from './release-contents.ts';

/** Each must be smaller than 2 GiB: https://docs.github.com/repositories/releasing-projects-on-github/about-releases */
const ASSET_LIMIT_BYTES = 2 ** 31;
/** Sums and records. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** A file that GitHub has not kept whole is sent once more. */
const MAX_ROUNDS = 2;

export interface ReleaseSidecar extends PackedSidecar {
  /** The asset's name (`publishedName`), where `fetch` looks for it. */
  readonly name: string;
}

export interface ReleaseOptions extends ReleasePlace {
  readonly sidecars: readonly ReleaseSidecar[];
  /** Without it a new release stays a draft, for someone else to publish. */
  readonly publish: boolean;
  /** A draft is published when it has whole sidecars of the commit for all of these, whichever job has brought them. */
  readonly expectedPlatforms: readonly GuestPlatform[];
  readonly onProgress: OnProgress;
}

export interface ReleaseResult {
  /** The release's page. */
  readonly url: string;
  readonly isDraft: boolean;
  /** The platforms that a draft still lacks, of the expected ones and of those whose upload has begun. */
  readonly missingPlatforms: readonly GuestPlatform[];
}

interface LocalAsset {
  readonly name: string;
  readonly sizeBytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
  readonly body: NonNullable<HttpRequest['body']>;
}

/**
 * Brings sidecars into the release of a tag: all files first, each compared with what GitHub has of it, and the
 * release published last, with sidecars of one commit and no others. A published file is never changed or
 * replaced; files are only added. Every step looks first and changes what is missing, so that it can be repeated, in this run
 * or in the next.
 * @throws BottleError `upload-failed`, `not-trusted` for a tag on another commit, `authentication`, `try-later`
 */
export async function publishRelease(options: ReleaseOptions): Promise<ReleaseResult> {
  const { http, repository, tag, onProgress } = options;
  const assets = await localAssets(options.sidecars);
  onProgress({ type: 'start', stage: 'publish', detail: `release ${tag} of ${repository}` });
  try {
    await requireTagAt(options);
    const opened = await http.retry(() => openRelease(options));
    await removeStale(opened, options);
    await bringAssets(opened, assets, options);
    const missingPlatforms = opened.draft ? await completeDraft(opened, options) : [];
    const release =
      options.publish && missingPlatforms.length === 0 ? await publishDraft(opened, options) : opened;
    const sizeBytes = assets.reduce((sum, asset) => sum + asset.sizeBytes, 0);
    const detail = `${release.html_url}${release.draft ? ', a draft' : ''}`;
    onProgress({ type: 'done', stage: 'publish', detail, sizeBytes });
    return { url: release.html_url, isDraft: release.draft, missingPlatforms };
  } catch (error) {
    throw releaseError(error, options);
  }
}

/** The consumers' way backwards: the record promises the sidecar, and the sums say that a platform is whole. */
async function localAssets(sidecars: readonly ReleaseSidecar[]): Promise<LocalAsset[]> {
  const assets: LocalAsset[] = [];
  for (const [platform, group] of Map.groupBy(sidecars, ({ record }) => record.platform)) {
    const files: LocalAsset[] = [];
    for (const sidecar of group) {
      const { path, name, record, bundle } = sidecar;
      const frames = await makeFrameIndex(sidecar);
      files.push(await largeFile(name, path, record));
      if (frames !== undefined) {
        files.push(assetOf(framesPathOf(name), frames));
      }
      if (bundle !== undefined) {
        files.push(assetOf(bundlePathOf(name), bundle));
      }
      files.push(assetOf(recordPathOf(name), Buffer.from(formatRecord(record))));
    }
    const sums = files.map(({ sha256, name }) => `${sha256}  ${name}\n`).sort();
    assets.push(...files, assetOf(sumsName(platform), Buffer.from(sums.join(''))));
  }
  return assets;
}

/** A sidecar: its hash is known from when it was verified. */
async function largeFile(name: string, path: string, { sidecar }: PackRecord): Promise<LocalAsset> {
  const { size } = await fs.stat(path).catch((error: unknown) => {
    throw fileError(`cannot read ${path}`, error);
  });
  if (size >= ASSET_LIMIT_BYTES) {
    throw new BottleError(
      'upload-failed',
      `${name} has ${counted(size, 'byte')}, and a release takes files below 2 GiB`,
      {
        hint: 'publish it to an OCI registry, which takes larger files, or make the image smaller',
      },
    );
  }
  if (size !== sidecar.sizeBytes) {
    throw changedSidecar(path, `${counted(size, 'byte')}, not ${sidecar.sizeBytes}`);
  }
  const open = () => Readable.from(checkedStream(path, sidecar), { objectMode: false });
  return { name, sizeBytes: size, sha256: sidecar.sha256, body: { sizeBytes: size, open } };
}

function assetOf(name: string, body: Buffer): LocalAsset {
  return { name, sizeBytes: body.length, sha256: hash('sha256', body), body };
}

/** The published release of the tag, or its draft: the one that is there, or a new one. */
async function openRelease(options: ReleaseOptions): Promise<Release> {
  const { tag, commit } = options;
  const there =
    (await unlessMissing(askReleases(options, ['tags', tag], releaseSchema))) ?? (await findDraft(options));
  if (there !== undefined) {
    return there;
  }
  const content = { tag_name: tag, target_commitish: commit, name: tag, draft: true };
  const created = await changeReleases(options, 'POST', [], content, releaseSchema);
  // Another job may have made one at the same moment. All take the oldest, so that it stays one.
  const oldest = (await findDraft(options)) ?? created;
  if (oldest.id < created.id) {
    await deleteFromReleases([String(created.id)], options);
    return oldest;
  }
  return created;
}

async function findDraft(options: ReleaseOptions): Promise<Release | undefined> {
  const releases = await listReleases(options);
  const drafts = releases.filter(({ draft, tag_name }) => draft && tag_name === options.tag);
  return drafts.sort((a, b) => a.id - b.id)[0];
}

/** Files that an earlier run left in a draft, packed from the commit that the tag was on then. */
async function removeStale(release: Release, options: ReleaseOptions): Promise<void> {
  const stale = findStale(await readContents(release, options), options);
  if (!(await deleteFromDraft(release, stale, 'it is of another commit', options))) {
    const names = stale.map(({ name }) => name).join(', ');
    throw new BottleError(
      'upload-failed',
      `the release is published, with files of another commit than ${options.commit}: ${names}`,
      { hint: 'publish this commit under a new tag; a published release stays as it is' },
    );
  }
}

/** False when it is not a draft, or not any more. Nothing of a published release is deleted. */
async function deleteFromDraft(
  release: Release,
  assets: readonly Asset[],
  reason: string,
  options: ReleaseOptions,
): Promise<boolean> {
  const { http, onProgress } = options;
  for (const asset of assets) {
    // To a run whose tag has moved on, the assets of the next one look stale.
    await requireTagAt(options);
    const isDraft = await http.retry(async () => {
      const isDraft = await isDraftStill(release, options);
      if (isDraft) {
        await deleteAsset(asset, options);
      }
      return isDraft;
    });
    if (!isDraft) {
      return false;
    }
    onProgress({ type: 'output', stage: 'publish', line: `${asset.name} is deleted: ${reason}` });
  }
  return true;
}

async function isDraftStill({ id }: Release, options: ReleaseOptions): Promise<boolean> {
  return (await askReleases(options, [String(id)], releaseSchema)).draft;
}

async function readContents(release: Release, options: ReleaseOptions): Promise<ReleaseContents> {
  const { http, github, repository } = options;
  const assets = await http.retry(() => listAssets(release, options));
  const texts = new Map<string, Buffer>();
  for (const { id, name, state, size } of assets) {
    if (isText(name) && state === 'uploaded' && size <= MAX_TEXT_BYTES) {
      // Another job can have replaced it since.
      const answer = await unlessMissing(http.read(assetRequest(github, repository, id), MAX_TEXT_BYTES));
      if (answer !== undefined) {
        texts.set(name, answer.bytes);
      }
    }
  }
  return { assets, texts };
}

/** Until GitHub has them all as they are here. */
async function bringAssets(
  release: Release,
  assets: readonly LocalAsset[],
  options: ReleaseOptions,
): Promise<void> {
  const { http, onProgress } = options;
  for (let round = 1; ; round += 1) {
    const missing = await http.retry(() => findMissing(release, assets, options));
    if (missing.length === 0) {
      return;
    }
    const names = missing.map(({ name }) => name).join(', ');
    if (release.immutable) {
      throw new BottleError(
        'upload-failed',
        `the release is published and immutable, but these files are missing: ${names}`,
        {
          hint: 'make a new tag, and upload all files before its release is published',
        },
      );
    }
    if (round > MAX_ROUNDS) {
      throw new BottleError(
        'upload-failed',
        `GitHub accepted these files twice, but does not list them: ${names}`,
        {
          hint: 'see on githubstatus.com whether releases work, and run the job again',
        },
      );
    }
    for (const asset of missing) {
      onProgress({
        type: 'output',
        stage: 'publish',
        line: `${asset.name}, ${counted(asset.sizeBytes, 'byte')}`,
      });
      // A run whose tag has moved on must not add to what the next one may have published by now.
      await requireTagAt(options);
      await http.retry(() => bringAsset(release, asset, options));
    }
  }
}

/** @throws BottleError `upload-failed` when a published release has something else under one of the names */
async function findMissing(
  release: Release,
  assets: readonly LocalAsset[],
  options: ReleaseOptions,
): Promise<LocalAsset[]> {
  const there = new Map((await listAssets(release, options)).map((asset) => [asset.name, asset]));
  const missing: LocalAsset[] = [];
  const conflicts: string[] = [];
  for (const asset of assets) {
    const found = there.get(asset.name);
    const isWhole = found?.state === 'uploaded';
    if (isWhole && (await isSame(found, asset, options))) {
      continue;
    }
    missing.push(asset);
    if (isWhole && !release.draft) {
      conflicts.push(
        `${asset.name} (there: ${found.digest ?? `${counted(found.size, 'byte')}`}, here: sha256:${asset.sha256})`,
      );
    }
  }
  if (conflicts.length > 0) {
    throw otherContent(conflicts);
  }
  return missing;
}

function otherContent(conflicts: readonly string[]): BottleError {
  return new BottleError(
    'upload-failed',
    `the published release has other content under the same name: ${conflicts.join(', ')}`,
    { hint: 'publish the other content under a new tag; a published release stays as it is' },
  );
}

/** Replaces what nobody has downloaded: a half made asset, or one of a draft. */
async function bringAsset(release: Release, asset: LocalAsset, options: ReleaseOptions): Promise<void> {
  const { http, github } = options;
  const there = (await listAssets(release, options)).find(({ name }) => name === asset.name);
  if (there !== undefined) {
    if (there.state === 'uploaded') {
      if (await isSame(there, asset, options)) {
        return;
      }
      // Another job may have published it since.
      if (!(await isDraftStill(release, options))) {
        throw otherContent([asset.name]);
      }
    }
    await deleteAsset(there, options);
  }
  const request = { ...uploadRequest(github, release.upload_url, asset.name), body: asset.body };
  const stored = await sendApi(http, github, request, assetSchema);
  if (stored.state === 'uploaded' && !(await isSame(stored, asset, options))) {
    await deleteAsset(stored, options);
    throw new BottleError(
      'upload-failed',
      `${asset.name} arrived as ${stored.digest ?? 'something else'}, not as sha256:${asset.sha256}; it was deleted`,
      { hint: 'run the job again; if it happens again, something changes the file after it was verified' },
    );
  }
}

async function isSame(
  there: Asset,
  { sizeBytes, sha256 }: LocalAsset,
  options: ReleaseOptions,
): Promise<boolean> {
  return (
    there.size === sizeBytes &&
    (there.digest ?? (await digestOfContent(there, options))) === `sha256:${sha256}`
  );
}

/** Takes away what nobody vouches for, once all platforms are there; before that, names those that are not. */
async function completeDraft(draft: Release, options: ReleaseOptions): Promise<GuestPlatform[]> {
  const contents = await readContents(draft, options);
  const missing = findMissingPlatforms(contents, options.expectedPlatforms, options);
  if (missing.length === 0) {
    await deleteFromDraft(draft, findLeftovers(contents), 'neither sums nor a record vouch for it', options);
  }
  return missing;
}

/** The last request of all: nothing in an immutable release can be repaired afterwards. */
async function publishDraft(draft: Release, options: ReleaseOptions): Promise<Release> {
  const { http, tag } = options;
  if (!draft.draft) {
    return draft;
  }
  await requireTagAt(options);
  return await http.retry(async () => {
    const release = await askReleases(options, [String(draft.id)], releaseSchema);
    // An earlier attempt or another job can have done it. `legacy` makes an older version's not the latest.
    const content = { tag_name: tag, draft: false, make_latest: 'legacy' };
    return release.draft
      ? await changeReleases(options, 'PATCH', [String(draft.id)], content, releaseSchema)
      : release;
  });
}
