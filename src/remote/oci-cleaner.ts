import { BottleError } from '../errors.ts';
import { type Digest, isDigest } from '../identity/image-id.ts';
import { parseInputsKey } from '../identity/inputs-key.ts';
import { commitTag, isGeneratedTag, keyTag, platformTag, withoutPlatform } from '../identity/oci-names.ts';
import type { PackRecord } from '../identity/pack-record.ts';
import { GUEST_PLATFORMS } from '../identity/platform.ts';
import type { OciRepository } from './oci.ts';
import { isIndex } from './oci-manifest.ts';
import { formatName } from './oci-reference.ts';
import { recordOf } from './sidecar-manifests.ts';

/** The fallback for referrers, and with an ending what older versions of cosign attach: `.sig`, `.att`. */
const ATTACHED_TAG = /^sha256-([0-9a-f]{64})(\.\w+)?$/;

export interface CleanOptions {
  /** Of each branch the full hashes of its commits, the newest first, as far back as they are known. */
  readonly histories: ReadonlyArray<readonly string[]>;
  /** What these many of a branch's newest commits need is kept, with all that it leads to. Tags of other shapes always are. */
  readonly keepCommits: number;
  /** Manifests that are pinned, whether they have a tag or not. */
  readonly keepDigests?: readonly Digest[];
  /** What was packed since then is kept too. */
  readonly keepSince: Date;
  /** Manifests that have no tag, as far as the registry tells; the old ones that nothing leads to go too. */
  readonly untagged?: readonly UntaggedManifest[];
  /** Otherwise nothing is removed. */
  readonly remove?: RemoveManifest | undefined;
}

/** Removes a manifest and its tags. */
export type RemoveManifest = (manifest: RemovedManifest) => Promise<void>;

/** As a registry lists it: most cannot. */
export interface UntaggedManifest {
  readonly digest: Digest;
  /** The last time that anything was changed about it. */
  readonly changedAt: Date;
}

export interface RemovedManifest {
  readonly digest: Digest;
  readonly tags: readonly string[];
}

export interface CleanResult {
  /** Those that were removed, or would be, in the order of their removal. */
  readonly removed: readonly RemovedManifest[];
  readonly keptTags: readonly string[];
}

/**
 * Removes what only old tags lead to: those of keys and commits that nobody needs. What a kept tag leads to is kept, with
 * its attestations and with the tag of its inputs key. No publication may run meanwhile: it could set a tag on what is being
 * removed.
 * @throws BottleError `sidecar-damaged` when something cannot be read: then nothing has been removed
 */
export async function cleanRepository(
  repository: OciRepository,
  { histories, keepCommits, keepDigests = [], keepSince, untagged = [], remove }: CleanOptions,
): Promise<CleanResult> {
  const found = await readGraph(repository, keepDigests);
  const lost = untagged
    .filter(({ digest, changedAt }) => !found.manifests.has(digest) && changedAt < keepSince)
    .map(({ digest }) => digest);
  const hiddenSubjects = new Set([...found.hiddenSubjects].filter((digest) => !lost.includes(digest)));
  const graph = { ...found, hiddenSubjects };
  const wanted = new Set(histories.flatMap((history) => neededTags(history, keepCommits, graph)));
  const kept = new Set<Digest>();
  for (const digest of keepDigests) {
    keep(digest, graph, kept);
  }
  for (const [tag, digest] of graph.tags) {
    if (!isOld(tag, digest, graph, wanted, keepSince)) {
      keep(digest, graph, kept);
    }
  }
  const removed = [
    ...inOrderOfRemoval(graph).filter(({ digest }) => !kept.has(digest)),
    ...lost.map((digest) => ({ digest, tags: [] })),
  ];
  for (const manifest of remove === undefined ? [] : removed) {
    await remove?.(manifest);
  }
  const keptTags = [...graph.tags].filter(([, digest]) => kept.has(digest)).map(([tag]) => tag);
  return { removed, keptTags };
}

/** Removes by the registry's own API. ghcr.io does not have that part of it. */
export function removeByRegistry(repository: OciRepository): RemoveManifest {
  return async ({ digest, tags }) => await repository.deleteManifest(digest, tags);
}

interface Graph {
  readonly tags: ReadonlyMap<string, Digest>;
  readonly manifests: ReadonlyMap<Digest, ManifestNode>;
  /** No tag leads to them, and they are there all the same. */
  readonly hiddenSubjects: ReadonlySet<Digest>;
}

interface ManifestNode {
  readonly isIndex: boolean;
  readonly children: readonly Digest[];
  readonly referrers: readonly Digest[];
  readonly record: PackRecord | undefined;
}

/** All of the repository that has a tag or is pinned, or that something of that kind leads to. */
async function readGraph(repository: OciRepository, pinned: readonly Digest[]): Promise<Graph> {
  const { tags: names, isComplete } = await repository.listTags();
  if (!isComplete) {
    const place = formatName(repository.name);
    throw new BottleError('sidecar-damaged', `${place} has more tags than can be read: nothing is removed`, {
      hint: 'remove old versions by hand first',
    });
  }
  const manifests = new Map<Digest, ManifestNode>();
  const read = async (tagOrDigest: string): Promise<Digest | undefined> => {
    const known = isDigest(tagOrDigest) && manifests.has(tagOrDigest);
    const found = known ? undefined : await repository.findManifest(tagOrDigest);
    if (found === undefined || manifests.has(found.digest)) {
      return found?.digest;
    }
    const { digest, content } = found;
    const children = isIndex(content) ? content.manifests.map((child) => child.digest).filter(isDigest) : [];
    const listed = await repository.listReferrers(digest);
    const referrers = listed.map((referrer) => referrer.digest).filter(isDigest);
    manifests.set(digest, { isIndex: isIndex(content), children, referrers, record: recordOf(content) });
    for (const each of [...children, ...referrers]) {
      await read(each);
    }
    return digest;
  };
  const tags = new Map<string, Digest>();
  for (const name of names) {
    const digest = await read(name);
    if (digest !== undefined) {
      tags.set(name, digest);
    }
  }
  for (const digest of pinned) {
    await read(digest);
  }
  const hiddenSubjects = new Set<Digest>();
  for (const tag of tags.keys()) {
    const subject = subjectOf(tag);
    const isHidden = subject !== undefined && !manifests.has(subject);
    if (isHidden && (await repository.findDigest(subject)) !== undefined) {
      hiddenSubjects.add(subject);
    }
  }
  return { tags, manifests, hiddenSubjects };
}

function subjectOf(tag: string): Digest | undefined {
  const hex = ATTACHED_TAG.exec(tag)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/**
 * A commit that was not published by itself, since its inputs were those of an earlier one, is served by what the newest
 * commit before it has published, for each platform: so may be the oldest one that is to be kept.
 */
function neededTags(history: readonly string[], keepCommits: number, { tags }: Graph): string[] {
  const fromOldest = keepCommits === 0 ? [] : history.slice(keepCommits - 1);
  const suffixes = ['', ...GUEST_PLATFORMS.map((platform) => platformTag('', platform))];
  const serving = suffixes.map((suffix) => fromOldest.find((commit) => tags.has(commitTag(commit) + suffix)));
  const commits = [...history.slice(0, keepCommits), ...serving.filter((commit) => commit !== undefined)];
  return commits.map(commitTag);
}

/** Whether a tag alone is no reason to keep what it leads to. */
function isOld(
  tag: string,
  digest: Digest,
  graph: Graph,
  wanted: ReadonlySet<string>,
  keepSince: Date,
): boolean {
  const subject = subjectOf(tag);
  if (subject !== undefined) {
    return !graph.hiddenSubjects.has(subject);
  }
  if (!isGeneratedTag(tag) || wanted.has(withoutPlatform(tag))) {
    return false;
  }
  const node = graph.manifests.get(digest);
  const images = (node?.isIndex ? node.children : [digest]).flatMap(
    (each) => graph.manifests.get(each) ?? [],
  );
  // Of what has no record, the age is not known.
  return images.every(({ record }) => record !== undefined && new Date(record.packedAt) < keepSince);
}

function keep(digest: Digest, graph: Graph, kept: Set<Digest>): void {
  if (kept.has(digest)) {
    return;
  }
  kept.add(digest);
  const { children = [], referrers = [], record } = graph.manifests.get(digest) ?? {};
  const key = record?.inputs && keyTag(parseInputsKey(record.inputs.key));
  const tagged = [...graph.tags].filter(([tag]) => tag === key || subjectOf(tag) === digest);
  for (const each of [...children, ...referrers, ...tagged.map(([, target]) => target)]) {
    keep(each, graph, kept);
  }
}

/** Indexes first: as long as one is there, so is all that is in it. */
function inOrderOfRemoval({ tags, manifests }: Graph): RemovedManifest[] {
  const tagsOf = Map.groupBy(tags.keys(), (tag) => tags.get(tag));
  return [...manifests]
    .toSorted(([, a], [, b]) => Number(b.isIndex) - Number(a.isIndex))
    .map(([digest]) => ({ digest, tags: tagsOf.get(digest) ?? [] }));
}
