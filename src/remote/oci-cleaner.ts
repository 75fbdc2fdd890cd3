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
  /** Full hashes, the newest first, as far back as they are known. */
  readonly history: readonly string[];
  /** What these many of the newest commits need is kept, with all that it leads to. Tags of other shapes always are. */
  readonly keepCommits: number;
  /** What was packed since then is kept too. */
  readonly keepSince: Date;
  /** Manifests that may have no tag, as far as the registry tells; the old ones that nothing leads to go too. */
  readonly versions?: readonly Version[];
  /** Otherwise nothing is removed. */
  readonly remove?: RemoveManifest | undefined;
}

/** Removes a manifest and its tags. */
export type RemoveManifest = (manifest: RemovedManifest) => Promise<void>;

/** A manifest as a registry lists it: most cannot. */
export interface Version {
  readonly digest: Digest;
  readonly createdAt: Date;
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
  { history, keepCommits, keepSince, versions = [], remove }: CleanOptions,
): Promise<CleanResult> {
  const graph = await readGraph(repository);
  const wanted = neededTags(history, keepCommits, graph);
  const kept = new Set<Digest>();
  for (const [tag, digest] of graph.tags) {
    if (!isOld(tag, digest, graph, wanted, keepSince)) {
      keep(digest, graph, kept);
    }
  }
  const removed = [
    ...inOrderOfRemoval(graph).filter(({ digest }) => !kept.has(digest)),
    ...versions
      .filter(({ digest, createdAt }) => !graph.manifests.has(digest) && createdAt < keepSince)
      .map(({ digest }) => ({ digest, tags: [] })),
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

/** All of the repository that has a tag, or that something with a tag leads to. */
async function readGraph(repository: OciRepository): Promise<Graph> {
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
 * commit before it has published, for each platform.
 */
function neededTags(history: readonly string[], keepCommits: number, { tags }: Graph): ReadonlySet<string> {
  const earlier = history.slice(keepCommits);
  const suffixes = ['', ...GUEST_PLATFORMS.map((platform) => platformTag('', platform))];
  const newestBefore = suffixes.map((suffix) =>
    earlier.find((commit) => tags.has(commitTag(commit) + suffix)),
  );
  const commits = [
    ...history.slice(0, keepCommits),
    ...newestBefore.filter((commit) => commit !== undefined),
  ];
  return new Set(commits.map(commitTag));
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
