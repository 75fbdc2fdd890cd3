import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { i as withLock, s as withPrivateDir } from "./lock.mjs";
import { T as _regex, _ as string, f as object, h as record, o as int, s as literal, w as _positive } from "./schemas.mjs";
import { t as requireEqual } from "./policy.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { basename, join } from "node:path";
// src/provenance/trust-memory.ts
const MAX_MEMORY_BYTES = 1048576;
/** Changing it takes a moment. */
const CHANGE_LIMIT_MS = 12e4;
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
/**
* Undefined when nothing is known.
* @throws BottleError `not-trusted` when it cannot be read: as one that is new, the repository need not have signed
*/
async function readMemory(place) {
	const path = memoryPath(place);
	try {
		const { size } = await fs.stat(path);
		const json = size <= MAX_MEMORY_BYTES ? JSON.parse(await fs.readFile(path, "utf8")) : void 0;
		return memorySchema.parse(json);
	} catch (cause) {
		if (hasErrno(cause, "ENOENT")) return;
		throw new BottleError("not-trusted", `what is remembered of ${place.repository} and who signs for it cannot be read: ${path}`, {
			hint: `delete it and ${place.repository} is new here again`,
			cause
		});
	}
}
/**
* To be called when a sidecar has passed all checks.
* @throws BottleError `not-trusted` when another repository was pinned under the name meanwhile
*/
async function remember(place, identity, key) {
	const path = memoryPath(place);
	try {
		for (const dir of [
			place.dir,
			place.tmp,
			place.locks
		]) await fs.mkdir(dir, {
			recursive: true,
			mode: 448
		});
		await withLock({
			path: join(place.locks, `trust-${basename(path)}`),
			quarantine: fs.rmdir
		}, {
			purpose: path,
			limitMs: CHANGE_LIMIT_MS
		}, async () => await writeMemory(path, place.tmp, extended(place, await readMemory(place), identity, key)));
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot write ${path}`, error);
	}
}
function extended({ repository }, known, identity, key) {
	const { repositoryId, ownerId, ref } = identity;
	requireEqual("repository ID", known?.repositoryId ?? repositoryId, repositoryId);
	requireEqual("owner ID", known?.ownerId ?? ownerId, ownerId);
	const run = runOf(identity);
	const { [runKey(key, ref)]: seen, ...others } = known?.runs ?? {};
	const newest = seen !== void 0 && isOlder(run, seen) ? seen : run;
	return {
		version: 1,
		repository,
		repositoryId,
		ownerId,
		runs: Object.fromEntries([...Object.entries(others), [runKey(key, ref), newest]].slice(-1e3))
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
/** Those of which something has passed all checks before. */
function acceptedBranches(memory) {
	return Object.keys(memory?.runs ?? {}).flatMap((key) => / refs\/heads\/(.+)$/.exec(key)?.[1] ?? []);
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
export { requireNotOlder as i, readMemory as n, remember as r, acceptedBranches as t };
