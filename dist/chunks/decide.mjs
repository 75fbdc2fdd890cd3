import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { t as requireEqual } from "./policy.mjs";
import { T as _regex, _ as string, f as object, h as record, o as int, s as literal, w as _positive } from "./schemas.mjs";
import { t as recordSha256 } from "./record-digest.mjs";
import { r as withPrivateDir } from "./private-dir.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/provenance/trust-memory.ts
const MAX_MEMORY_BYTES = 1048576;
const digits = string().check(_regex(/^\d{1,20}$/));
const runSchema = object({
	id: digits,
	attempt: int().check(_positive())
});
const memorySchema = object({
	version: literal(1),
	repository: string(),
	repositoryId: digits,
	ownerId: digits,
	/** The newest run seen, by inputs key and ref. */
	runs: record(string(), runSchema)
});
/** Undefined when nothing is known, or nothing that can be read. */
async function readMemory(place, onWarning) {
	const path = memoryPath(place);
	try {
		const { size } = await fs.stat(path);
		const json = size <= MAX_MEMORY_BYTES ? JSON.parse(await fs.readFile(path, "utf8")) : void 0;
		return memorySchema.parse(json);
	} catch (error) {
		if (!hasErrno(error, "ENOENT", "ENOTDIR")) onWarning(`${path} cannot be read: ${place.repository} is treated as one that is new here`);
		return;
	}
}
/** To be called when a sidecar has passed all checks. */
async function remember(place, identity, key) {
	const path = memoryPath(place);
	const { runs = {} } = await readMemory(place, () => {}) ?? {};
	const { repositoryId, ownerId, ref } = identity;
	const run = runOf(identity);
	const seen = runs[runKey(key, ref)];
	const newest = seen !== void 0 && isOlder(run, seen) ? seen : run;
	const { [runKey(key, ref)]: _, ...others } = runs;
	const memory = {
		version: 1,
		repository: place.repository,
		repositoryId,
		ownerId,
		runs: Object.fromEntries([...Object.entries(others), [runKey(key, ref), newest]].slice(-1e3))
	};
	try {
		await fs.mkdir(place.dir, {
			recursive: true,
			mode: 448
		});
		await fs.mkdir(place.tmp, {
			recursive: true,
			mode: 448
		});
		await withPrivateDir(place.tmp, async (dir) => {
			const temp = join(dir, "memory.json");
			await fs.writeFile(temp, `${JSON.stringify(memory, void 0, 2)}\n`, {
				mode: 384,
				flush: true
			});
			await fs.rename(temp, path);
		});
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot write ${path}`, error);
	}
}
/**
* A rollback is an older run for the same inputs key and ref than one seen before. Another commit that is checked out
* on purpose has another key, and whoever names a commit or has a lock file has said what he wants.
*/
function requireNotOlder(memory, identity, key, { allowOlder }) {
	const seen = memory?.runs[runKey(key, identity.ref)];
	const run = runOf(identity);
	if (seen !== void 0 && isOlder(run, seen) && !allowOlder) throw new BottleError("not-trusted", `rollback: it is from run ${run.id}, attempt ${run.attempt}; run ${seen.id}, attempt ${seen.attempt}, was seen before for the same inputs and ${identity.ref}`, { hint: "if you want the older one, use --allow-older" });
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
function runKey(key, ref) {
	return `${key ?? "no-key"} ${ref}`;
}
/** GitHub's names differ in case only on paper. */
function memoryPath({ dir, serverUrl, repository }) {
	const { host } = new URL(serverUrl);
	const hash = createHash("sha256").update(`${host}/${repository}`.toLowerCase()).digest("hex");
	return join(dir, `${hash}.json`);
}
// src/provenance/decide.ts
/**
* Decides on the record and the SHA-256 in it, before any byte of the sidecar is asked for.
* @returns who signed it, and the bundle that proves it; undefined where nobody need have
* @throws BottleError `not-trusted`
*/
async function decideProvenance(options) {
	const { mode, bundles, memory, policy } = options;
	if (mode === "off") return;
	if (bundles.length === 0) {
		if (mode === "auto" && memory === void 0) return;
		throw noProvenance(policy.repository, memory);
	}
	const { verifyProvenance } = await import("./verify2.mjs");
	const { builtInRoots, readRoots } = await import("./roots.mjs");
	const { trustedRootPath } = options;
	const roots = trustedRootPath === void 0 ? builtInRoots() : await readRoots(trustedRootPath);
	const failures = [];
	for (const bundle of bundles) try {
		return {
			provenance: judge(options, (pinned) => verifyProvenance(bundle, {
				fileSha256: options.record.sidecar.sha256,
				recordSha256: recordSha256(options.record),
				policy: pinned,
				roots
			})),
			bundle
		};
	} catch (error) {
		failures.push(error);
	}
	throw failures[0];
}
function judge({ record, policy, memory, allowOlder }, verify) {
	const provenance = verify({
		...policy,
		...memory && {
			repositoryId: memory.repositoryId,
			ownerId: memory.ownerId
		}
	});
	requireEqual("commit of the pack record", provenance.commit, record.source?.commit);
	requireNotOlder(memory, provenance, record.inputs?.key, { allowOlder });
	return provenance;
}
function noProvenance(repository, memory) {
	const reason = memory === void 0 ? "one is required" : `${repository} has published with provenance before`;
	return new BottleError("not-trusted", `no provenance, and ${reason}`, { hint: "ask whoever publishes it; --provenance off takes it without" });
}
export { readMemory as n, remember as r, decideProvenance as t };
