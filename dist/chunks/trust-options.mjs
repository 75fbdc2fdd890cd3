import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { D as _regex, E as _positive, g as record, i as array, l as never, m as optional, o as int, p as object, s as literal, v as string } from "./schemas.mjs";
import { i as withPrivateDir } from "./private-dir.mjs";
import { t as defaultBranchOf } from "./history.mjs";
import { t as recordSha256 } from "./record-digest.mjs";
import { x as originId, y as describeOrigin } from "./by-key.mjs";
import { s as withLock } from "./store.mjs";
import { r as unlessNamed } from "./checkout-origin.mjs";
import { t as requireEqual } from "./policy.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/trust/trust-memory.ts
const MAX_MEMORY_BYTES = 1048576;
/** Changing it takes a moment. */
const CHANGE_LIMIT_MS = 12e4;
const digits = string().check(_regex(/^\d{1,20}$/));
const runSchema = object({
	id: digits,
	attempt: int().check(_positive())
});
const memorySchema = object({
	version: literal(2),
	repository: string(),
	repositoryId: digits,
	/** Absent where only sidecars from before a transfer were seen. */
	ownerId: optional(digits),
	/** The newest run seen, by inputs key: over all refs, or an old tag would pass for a new branch. */
	runs: record(string(), runSchema),
	/** The branches that a sidecar was accepted from. */
	branches: array(string())
});
/** As version 0.1 wrote it: each run had its ref behind the key. */
const oldMemorySchema = object({
	...memorySchema.shape,
	version: literal(1),
	branches: optional(never())
});
/**
* Undefined when nothing is known.
* @throws BottleError `not-trusted` when it cannot be read: otherwise the repository would count as one that has
* never signed
*/
async function readMemory(place) {
	const path = memoryPath(place);
	try {
		const { size } = await fs.stat(path);
		const json = size <= MAX_MEMORY_BYTES ? JSON.parse(await fs.readFile(path, "utf8")) : void 0;
		const old = oldMemorySchema.safeParse(json).data;
		return old === void 0 ? memorySchema.parse(json) : renewed(old);
	} catch (cause) {
		if (hasErrno(cause, "ENOENT")) return;
		const name = describeOrigin(place.origin);
		throw new BottleError("not-trusted", `cannot read what is known of the signer of ${name}: ${path}`, {
			hint: `delete that file, and ${name} counts as a repository that has never signed`,
			cause
		});
	}
}
function renewed({ runs: old, ...memory }) {
	const runs = {};
	const branches = /* @__PURE__ */ new Set();
	for (const [keyAndRef, run] of Object.entries(old)) {
		const [key = "", ref = ""] = keyAndRef.split(" ", 2);
		const seen = runs[key];
		runs[key] = seen === void 0 || isOlder(seen, run) ? run : seen;
		branches.add(branchOf(ref) ?? "");
	}
	branches.delete("");
	return {
		...memory,
		version: 2,
		runs,
		branches: [...branches]
	};
}
/**
* To be called when a sidecar has passed all checks.
* @param isFormerOwner it was signed under another name of the repository, which may have had another owner then
* @throws BottleError `not-trusted` when another repository was pinned under the name in between
*/
async function remember(place, identity, key, { isFormerOwner = false } = {}) {
	const path = memoryPath(place);
	const { trust, tmp, locks } = place.layout;
	try {
		for (const dir of [
			trust,
			tmp,
			locks
		]) await fs.mkdir(dir, {
			recursive: true,
			mode: 448
		});
		await withLock({
			path: join(locks, `trust-${originId(place.origin)}`),
			quarantine: fs.rmdir
		}, {
			purpose: path,
			limitMs: CHANGE_LIMIT_MS
		}, async () => await writeMemory(path, tmp, extended(place, await readMemory(place), identity, key, isFormerOwner)));
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot write ${path}`, error);
	}
}
function extended({ origin: { repository } }, known, identity, key, isFormerOwner) {
	const { repositoryId, ref } = identity;
	const ownerId = known?.ownerId ?? (isFormerOwner ? void 0 : identity.ownerId);
	requireEqual("repository ID", known?.repositoryId ?? repositoryId, repositoryId);
	const run = runOf(identity);
	const { [runKey(key)]: seen, ...others } = known?.runs ?? {};
	const newest = seen !== void 0 && isOlder(run, seen) ? seen : run;
	const runs = Object.fromEntries([...Object.entries(others), [runKey(key), newest]].slice(-1e3));
	const branch = branchOf(ref);
	const branches = [.../* @__PURE__ */ new Set([...known?.branches ?? [], ...branch === void 0 ? [] : [branch]])];
	return {
		version: 2,
		repository,
		repositoryId,
		...ownerId !== void 0 && { ownerId },
		runs,
		branches: branches.slice(-100)
	};
}
async function writeMemory(path, tmp, memory) {
	await withPrivateDir(tmp, async (dir) => {
		const temp = join(dir, "memory.json");
		await fs.writeFile(temp, `${JSON.stringify(memory, void 0, 2)}\n`, {
			mode: 384,
			flush: true
		});
		await fs.rename(temp, path);
	});
}
/**
* A rollback is an older run for the same inputs key than one seen before, of whatever ref. A commit that is checked
* out on purpose has another key.
*/
function requireNotOlder(memory, identity, key, { allowOlder }) {
	const seen = memory?.runs[runKey(key)];
	const run = runOf(identity);
	if (seen !== void 0 && isOlder(run, seen) && !allowOlder) throw new BottleError("not-trusted", `rollback: it is from run ${run.id}, attempt ${run.attempt}; run ${seen.id}, attempt ${seen.attempt}, was seen before for the same inputs`, { hint: "if you want the older one, use --allow-older" });
}
function isOlder(run, than) {
	return run.id === than.id ? run.attempt < than.attempt : BigInt(run.id) < BigInt(than.id);
}
/** GitHub counts runs up, over all repositories. */
function runOf({ runUri }) {
	const [, id, attempt] = /\/actions\/runs\/(\d{1,20})\/attempts\/(\d{1,9})$/.exec(runUri) ?? [];
	if (id === void 0 || Number(attempt) < 1) throw new BottleError("not-trusted", `provenance without a workflow run: ${JSON.stringify(runUri)}`, { hint: "do not use the sidecar" });
	return {
		id,
		attempt: Number(attempt)
	};
}
function branchOf(ref) {
	return /^refs\/heads\/(.+)$/.exec(ref)?.[1];
}
function runKey(key) {
	return key ?? "no-key";
}
function memoryPath({ layout: { trust }, origin }) {
	return join(trust, `${originId(origin)}.json`);
}
// src/trust/judge.ts
/**
* Decides on the record and the SHA-256 in it, before any byte of the sidecar is asked for. Every command that asks
* whether a sidecar is an origin's own asks here.
* @returns who has signed it, and the bundle that proves it; undefined where nobody has and nobody needs to
* @throws BottleError `not-trusted`
*/
async function judge(evidence, origin, trust, layout) {
	if (trust.provenance === "off") return;
	const bundles = await evidence.bundles();
	if (origin.kind !== "repository") return requireUnsigned(trust, bundles);
	const memory = await readMemory({
		layout,
		origin
	});
	if (bundles.length === 0) {
		if (trust.provenance === "auto" && memory === void 0) return;
		throw noProvenance(origin, memory);
	}
	const { record } = evidence;
	if (record === void 0) throw new BottleError("not-trusted", "cannot verify the signature: the pack record is missing", { hint: "put the record beside the file: FILE.json" });
	return await verifyAny(bundles, record, policyFor(origin, memory, evidence.otherName, trust), {
		memory,
		trust
	});
}
/** Call this when the sidecar itself has passed all checks. From then on its repository has to sign. */
async function rememberSigner(layout, origin, { record, otherName }, { provenance }) {
	if (origin.kind === "repository") {
		const key = record?.inputs?.key;
		await remember({
			layout,
			origin
		}, provenance, key, { isFormerOwner: otherName !== void 0 });
	}
}
/** A signature names the repository that made it, so the repository that must have signed has to be known, too. */
function requireUnsigned({ provenance }, bundles) {
	if (bundles.length > 0 || provenance === "required") {
		const problem = bundles.length > 0 ? "cannot verify the signature" : "no provenance, and one is required";
		throw new BottleError("not-trusted", `${problem}: the repository that must have signed is unknown`, { hint: "name the repository: --repo OWNER/NAME" });
	}
}
/** The IDs of the first signature stay valid, because a name can be given up and taken by someone else. */
function policyFor({ serverUrl, repository }, memory, otherName, { signerWorkflow, allowSelfHosted, branches }) {
	const pinned = memory && { repositoryId: memory.repositoryId };
	const owner = memory && otherName === void 0 && { ownerId: memory.ownerId };
	return {
		serverUrl,
		repository,
		signerWorkflow,
		allowSelfHosted,
		branches,
		...otherName,
		...pinned,
		...owner
	};
}
async function verifyAny(bundles, record, policy, { memory, trust }) {
	const { verifyProvenance } = await import("./verify2.mjs");
	const { builtInRoots, readRoots } = await import("./roots.mjs");
	const { trustedRoot, allowOlder } = trust;
	const roots = trustedRoot === void 0 ? builtInRoots() : await readRoots(trustedRoot);
	const hashes = {
		fileSha256: record.sidecar.sha256,
		recordSha256: recordSha256(record)
	};
	const failures = [];
	for (const bundle of bundles) try {
		const provenance = verifyProvenance(bundle, {
			...hashes,
			policy,
			roots
		});
		requireEqual("commit of the pack record", provenance.commit, record.source?.commit);
		requireNotOlder(memory, provenance, record.inputs?.key, { allowOlder });
		return {
			provenance,
			bundle
		};
	} catch (error) {
		failures.push(error);
	}
	throw failures[0];
}
function noProvenance({ repository }, memory) {
	const reason = memory === void 0 ? "one is required" : `${repository} has published with provenance before`;
	return new BottleError("not-trusted", `no provenance, and ${reason}`, { hint: "ask the publisher to sign it; --provenance off accepts it without a signature" });
}
// src/cli/trust-options.ts
/** Where a clone does not say what its remote's default branch is. */
const USUAL_DEFAULT_BRANCH = "main";
async function trustOf(options) {
	const { provenance, allowOlder = false, allowSelfHosted = false, signerWorkflow, trustedRoot } = options;
	if (signerWorkflow !== void 0 && !/^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[\w.-]+\.ya?ml(@\S+)?$/.test(signerWorkflow)) throw new BottleError("usage", `not a workflow: ${JSON.stringify(signerWorkflow)}`, { hint: "use OWNER/NAME/.github/workflows/FILE.yml, or that with @refs/tags/TAG behind it" });
	return {
		provenance,
		allowOlder,
		allowSelfHosted,
		signerWorkflow,
		trustedRoot,
		branches: [await unlessNamed(options.repo, defaultBranchOf(options.context)) ?? USUAL_DEFAULT_BRANCH, ...options.branch]
	};
}
export { readMemory as i, judge as n, rememberSigner as r, trustOf as t };
