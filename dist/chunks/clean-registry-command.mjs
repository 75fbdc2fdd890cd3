import { t as BottleError } from "./errors.mjs";
import { t as openSources } from "./sources.mjs";
import { _ as string, f as object, i as array, o as int } from "./schemas.mjs";
import { o as datetime } from "./pack-record.mjs";
import { a as isShallow, i as historyOf, r as fileAt, s as remoteBranches } from "./git.mjs";
import { S as registryRepository, _ as commitTag, a as isIndex, b as keyTag, w as withoutPlatform, x as platformTag, y as isGeneratedTag } from "./oci-manifest.mjs";
import { n as isDigest } from "./image-id.mjs";
import { r as readApi, t as apiRequest } from "./github.mjs";
import { i as formatName, o as parseOciReference, t as OciRepository } from "./oci.mjs";
import { i as parseInputsKey } from "./inputs-key.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { r as recordOf } from "./sidecar-manifests.mjs";
// src/remote/github-packages.ts
const PER_PAGE = 100;
const MAX_PAGES = 200;
const ownerSchema = object({ type: string() });
const versionsSchema = array(object({
	id: int(),
	name: string(),
	created_at: datetime(),
	updated_at: datetime(),
	metadata: object({ container: object({ tags: array(string()) }) })
}));
/**
* What is on ghcr.io, which lists and removes it in this way only: a package's version is a manifest, and its name the
* digest. The token needs `packages: read`, to remove `packages: write`, and the package must grant this repository the role
* Admin.
* https://docs.github.com/rest/packages/packages#delete-a-package-version-for-an-organization
* @param name as in ghcr.io/<name>: the owner, and the package's name behind it
*/
async function readPackageVersions(name, { http, github }) {
	const [owner = "", ...rest] = name.split("/");
	const { type } = await readApi(http, github, `users/${encodeURIComponent(owner)}`, ownerSchema);
	const path = `${type === "Organization" ? "orgs" : "users"}/${encodeURIComponent(owner)}/packages/container/${encodeURIComponent(rest.join("/"))}/versions`;
	const ids = /* @__PURE__ */ new Map();
	const untagged = [];
	for (let page = 1;; page += 1) {
		if (page > MAX_PAGES) throw new BottleError("sidecar-damaged", `${name} has more than ${ids.size} versions: nothing is removed`, { hint: "remove old versions by hand first" });
		const query = `?per_page=${PER_PAGE}&page=${page}`;
		const versions = await readApi(http, github, path + query, versionsSchema);
		for (const { id, name: digest, created_at: created, updated_at: updated, metadata } of versions) {
			ids.set(digest, id);
			if (isDigest(digest) && metadata.container.tags.length === 0) untagged.push({
				digest,
				changedAt: new Date(Math.max(Date.parse(created), Date.parse(updated)))
			});
		}
		if (versions.length < PER_PAGE) break;
	}
	const remove = async ({ digest }) => {
		const id = ids.get(digest);
		if (id === void 0) throw new BottleError("not-found", `${name} has no version ${digest} among its ${ids.size}`, { hint: "something else changes the package; run it again" });
		const request = {
			...apiRequest(github, `${path}/${id}`),
			method: "DELETE",
			expected: [204, 404]
		};
		const { body } = await http.retry(() => http.send(request));
		body.resume();
	};
	return {
		untagged,
		remove
	};
}
// src/remote/oci-cleaner.ts
/** The fallback for referrers, and with an ending what older versions of cosign attach: `.sig`, `.att`. */
const ATTACHED_TAG = /^sha256-([0-9a-f]{64})(\.\w+)?$/;
/**
* Removes what only old tags lead to: those of keys and commits that nobody needs. What a kept tag leads to is kept, with
* its attestations and with the tag of its inputs key. No publication may run meanwhile: it could set a tag on what is being
* removed.
* @throws BottleError `sidecar-damaged` when something cannot be read: then nothing has been removed
*/
async function cleanRepository(repository, { histories, keepCommits, keepDigests = [], keepSince, untagged = [], remove }) {
	const found = await readGraph(repository, keepDigests);
	const lost = untagged.filter(({ digest, changedAt }) => !found.manifests.has(digest) && changedAt < keepSince).map(({ digest }) => digest);
	const hiddenSubjects = new Set([...found.hiddenSubjects].filter((digest) => !lost.includes(digest)));
	const graph = {
		...found,
		hiddenSubjects
	};
	const wanted = new Set(histories.flatMap((history) => neededTags(history, keepCommits, graph)));
	const kept = /* @__PURE__ */ new Set();
	for (const digest of keepDigests) keep(digest, graph, kept);
	for (const [tag, digest] of graph.tags) if (!isOld(tag, digest, graph, wanted, keepSince)) keep(digest, graph, kept);
	const removed = [...inOrderOfRemoval(graph).filter(({ digest }) => !kept.has(digest)), ...lost.map((digest) => ({
		digest,
		tags: []
	}))];
	for (const manifest of remove === void 0 ? [] : removed) await remove?.(manifest);
	return {
		removed,
		keptTags: [...graph.tags].filter(([, digest]) => kept.has(digest)).map(([tag]) => tag)
	};
}
/** Removes by the registry's own API. ghcr.io does not have that part of it. */
function removeByRegistry(repository) {
	return async ({ digest, tags }) => await repository.deleteManifest(digest, tags);
}
/** All of the repository that has a tag or is pinned, or that something of that kind leads to. */
async function readGraph(repository, pinned) {
	const { tags: names, isComplete } = await repository.listTags();
	if (!isComplete) {
		const place = formatName(repository.name);
		throw new BottleError("sidecar-damaged", `${place} has more tags than can be read: nothing is removed`, { hint: "remove old versions by hand first" });
	}
	const manifests = /* @__PURE__ */ new Map();
	const read = async (tagOrDigest) => {
		const found = isDigest(tagOrDigest) && manifests.has(tagOrDigest) ? void 0 : await repository.findManifest(tagOrDigest);
		if (found === void 0 || manifests.has(found.digest)) return found?.digest;
		const { digest, content } = found;
		const children = isIndex(content) ? content.manifests.map((child) => child.digest).filter(isDigest) : [];
		const referrers = (await repository.listReferrers(digest)).map((referrer) => referrer.digest).filter(isDigest);
		manifests.set(digest, {
			isIndex: isIndex(content),
			children,
			referrers,
			record: recordOf(content)
		});
		for (const each of [...children, ...referrers]) await read(each);
		return digest;
	};
	const tags = /* @__PURE__ */ new Map();
	for (const name of names) {
		const digest = await read(name);
		if (digest !== void 0) tags.set(name, digest);
	}
	for (const digest of pinned) await read(digest);
	const hiddenSubjects = /* @__PURE__ */ new Set();
	for (const tag of tags.keys()) {
		const subject = subjectOf(tag);
		if (subject !== void 0 && !manifests.has(subject) && await repository.findDigest(subject) !== void 0) hiddenSubjects.add(subject);
	}
	return {
		tags,
		manifests,
		hiddenSubjects
	};
}
function subjectOf(tag) {
	const hex = ATTACHED_TAG.exec(tag)?.[1];
	return hex === void 0 ? void 0 : `sha256:${hex}`;
}
/**
* A commit that was not published by itself, since its inputs were those of an earlier one, is served by what the newest
* commit before it has published, for each platform: so may be the oldest one that is to be kept.
*/
function neededTags(history, keepCommits, { tags }) {
	const fromOldest = keepCommits === 0 ? [] : history.slice(keepCommits - 1);
	const serving = ["", ...GUEST_PLATFORMS.map((platform) => platformTag("", platform))].map((suffix) => fromOldest.find((commit) => tags.has(commitTag(commit) + suffix)));
	return [...history.slice(0, keepCommits), ...serving.filter((commit) => commit !== void 0)].map(commitTag);
}
/** Whether a tag alone is no reason to keep what it leads to. */
function isOld(tag, digest, graph, wanted, keepSince) {
	const subject = subjectOf(tag);
	if (subject !== void 0) return !graph.hiddenSubjects.has(subject);
	if (!isGeneratedTag(tag) || wanted.has(withoutPlatform(tag))) return false;
	const node = graph.manifests.get(digest);
	return (node?.isIndex ? node.children : [digest]).flatMap((each) => graph.manifests.get(each) ?? []).every(({ record }) => record !== void 0 && new Date(record.packedAt) < keepSince);
}
function keep(digest, graph, kept) {
	if (kept.has(digest)) return;
	kept.add(digest);
	const { children = [], referrers = [], record } = graph.manifests.get(digest) ?? {};
	const key = record?.inputs && keyTag(parseInputsKey(record.inputs.key));
	const tagged = [...graph.tags].filter(([tag]) => tag === key || subjectOf(tag) === digest);
	for (const each of [
		...children,
		...referrers,
		...tagged.map(([, target]) => target)
	]) keep(each, graph, kept);
}
/** Indexes first: as long as one is there, so is all that is in it. */
function inOrderOfRemoval({ tags, manifests }) {
	const tagsOf = Map.groupBy(tags.keys(), (tag) => tags.get(tag));
	return [...manifests].toSorted(([, a], [, b]) => Number(b.isIndex) - Number(a.isIndex)).map(([digest]) => ({
		digest,
		tags: tagsOf.get(digest) ?? []
	}));
}
// src/cli/clean-registry-command.ts
/** 41 bytes each. */
const MAX_COMMITS = 5e5;
/** `claude-bottle clean-registry`: removes published sidecars that only old commits and keys lead to. */
async function runCleanRegistry(reference, options, output, signal) {
	const { context, keepCommits, olderThan } = options;
	const { tools, repositoryName } = await openSources(context, options, void 0, output, signal);
	try {
		const { registry, repository } = parseOciReference(reference ?? defaultReference(tools.github.registryHost, repositoryName));
		await requireWholeHistory(context);
		const histories = [];
		const keepDigests = [];
		for (const tip of ["HEAD", ...await remoteBranches(context)]) {
			histories.push(await historyOf(context, MAX_COMMITS, tip));
			keepDigests.push(...await lockedDigests(context, tip));
		}
		const place = new OciRepository({
			registry,
			repository
		}, tools, options.delete ? "delete" : "pull");
		const isGitHubs = registry === tools.github.registryHost;
		if (isGitHubs && tools.github.token === void 0) tools.onWarning("without a token (GH_TOKEN) manifests that have no tag are not seen");
		const { untagged, remove } = isGitHubs && tools.github.token !== void 0 ? await readPackageVersions(repository, tools) : {
			untagged: [],
			remove: removeByRegistry(place)
		};
		const { removed, keptTags } = await cleanRepository(place, {
			histories,
			keepCommits,
			keepDigests,
			keepSince: new Date(Date.now() - olderThan),
			untagged,
			remove: options.delete && remove
		});
		const verb = options.delete ? "removed" : "would go";
		output.result({
			repository: formatName(place.name),
			dryRun: !options.delete,
			removed,
			keptTags
		}, [...removed.map(({ digest, tags }) => `${verb.padEnd(9)} ${digest}  ${tags.join(", ")}`.trimEnd()), `${removed.length} manifests ${options.delete ? "removed" : "would be removed (--delete does it)"}, ${keptTags.length} tags kept`]);
		return 0;
	} finally {
		tools.http.close();
	}
}
/** The lock file of a branch pins a manifest by its digest: whoever has that lock can use no other. */
async function lockedDigests(context, tip) {
	return [...(await fileAt(context, tip, "claude-bottle.lock") ?? "").matchAll(/@(sha256:[0-9a-f]{64})"/g)].map(([, digest]) => digest);
}
async function requireWholeHistory(context) {
	const { length } = await historyOf(context);
	if (length === 0) throw new BottleError("usage", `${context} is no checkout, so its commits are not known`, { hint: "run it in a checkout with its whole history (fetch-depth: 0)" });
	if (await isShallow(context)) throw new BottleError("usage", `${context} is a shallow clone of ${length} commits: what the others need would be removed`, { hint: "get its whole history: git fetch --unshallow, or fetch-depth: 0 of actions/checkout" });
}
function defaultReference(registryHost, repository) {
	if (repository === void 0) throw new BottleError("usage", "it is not known which repository this is a checkout of", { hint: "name the place: claude-bottle clean-registry HOST/NAME" });
	return `${registryHost}/${registryRepository(repository)}`;
}
export { runCleanRegistry };
