import { o as hasErrno, s as isDamage, t as BottleError } from "./errors.mjs";
import { i as withPrivateDir } from "./private-dir.mjs";
import { t as syncDirectory } from "./sync.mjs";
import { i as verifySidecar, p as id16 } from "./verify.mjs";
import { _ as HERE, b as isSameOrigin, u as objectPath, v as UNKNOWN } from "./by-key.mjs";
import { h as readContent, l as fileKey, p as listStore, u as givenName, v as withName, y as writeContent } from "./store.mjs";
import { r as tryLink, t as copyReadOnly } from "./files.mjs";
import { p as verifyStored } from "./read.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/store/name.ts
/** How often others may change a name while it is being bound. */
const MAX_TRIES = 5;
/**
* Gives a sidecar of the store the name of an image that was built or inspected on this machine.
*
* The file that has the name now is examined without the lock, because hashing it takes seconds; under the lock it
* must still be that file, or everything starts again.
*
* | The name has                             | Outcome                                      |
* | ---------------------------------------- | -------------------------------------------- |
* | nothing                                  | bound                                        |
* | these bytes                              | already bound, and written down              |
* | a damaged file, a link, a directory      | moved to quarantine, then bound              |
* | a good sidecar of the same origin        | replaced; readers keep the old file          |
* | a good sidecar of another origin         | kept, unless the user wants it to be replaced |
* @throws BottleError `not-found` when the store has no good copy of the sidecar
*/
async function bindName(store, imageId, stored, options) {
	await store.prepare();
	const path = store.pathFor(id16(imageId));
	for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
		await requireGood(store, stored, options);
		const there = await examine(store, path, stored, options);
		const result = await store.changing(`cannot bind ${path}`, () => bindNow(store, imageId, stored, there, options), options.signal);
		if (result !== void 0) return {
			path,
			...result
		};
	}
	throw new BottleError("try-later", `another program keeps changing ${path}`, { hint: "let that program end, then try again" });
}
async function requireGood(store, stored, options) {
	if (await verifyStored(store, stored, options) === void 0) throw new BottleError("not-found", `the store has no good copy of ${stored.sha256}`, { hint: "claude-bottle fetch  # fetches it again" });
}
async function examine(store, path, { path: object, sha256 }, options) {
	const stat = await fs.lstat(path).catch(() => void 0);
	if (stat === void 0) return {
		is: "free",
		key: void 0
	};
	const key = fileKey(stat);
	if (!stat.isFile()) return {
		is: "bad",
		key,
		reason: `${path} is not a regular file`
	};
	const objectStat = await fs.lstat(object).catch(() => void 0);
	if (objectStat !== void 0 && key === fileKey(objectStat)) return {
		is: "same",
		key
	};
	try {
		const report = await store.verify(path, {}, options);
		return report.sha256 === sha256 ? {
			is: "same",
			key
		} : {
			is: "good",
			key,
			sha256: report.sha256
		};
	} catch (error) {
		if (error instanceof BottleError && error.code === "not-found") return {
			is: "free",
			key: void 0
		};
		if (!isDamage(error)) throw error;
		return {
			is: "bad",
			key,
			reason: error.message
		};
	}
}
/** Undefined when the name is not as it was examined. */
async function bindNow(store, imageId, { sha256, origin }, there, { proof, replace = false }) {
	const id = id16(imageId);
	const path = store.pathFor(id);
	const stat = await fs.lstat(path).catch(() => void 0);
	const content = await readContent(store.layout, sha256);
	if ((stat && fileKey(stat)) !== there.key || content === void 0) return;
	if (there.is === "same") {
		const given = givenName(content, id);
		if (given?.imageId !== imageId || !(given.proof === "packed" || isSameOrigin(given.origin, origin))) await writeContent(store.layout, withName(content, newName(imageId, origin, proof)));
		return { outcome: "already-bound" };
	}
	if (there.is === "good" && !replace) {
		const owner = originOfName(await readContent(store.layout, there.sha256), stat, id, origin);
		if (!isSameOrigin(owner, origin)) return {
			outcome: "kept",
			keptOrigin: owner
		};
	}
	if (there.is === "bad") await store.quarantineIfThere(path, there.reason);
	await giveName(store, content, {
		imageId,
		origin,
		proof
	});
	return { outcome: "bound" };
}
/**
* Whose sidecar a good file under a name is. A file that the catalog does not know was packed by claude-bottle itself,
* unless it has a second link, as only files of ours have.
*/
function originOfName(content, stat, id, ours) {
	if (content === void 0) return stat?.nlink === 1 ? HERE : UNKNOWN;
	const { origin = UNKNOWN } = givenName(content, id) ?? {};
	const isOurs = content.installations.some((installation) => isSameOrigin(installation.origin, ours));
	return origin.kind === "unknown" && isOurs ? ours : origin;
}
/** The names that sidecars of other origins have, and whose they are; no file is read. */
async function otherOwners({ layout }, ours) {
	const owners = (await listStore(layout)).flatMap(({ content, names }) => names.map(({ id16: id, stat }) => [id, originOfName(content, stat, id, ours)]));
	return new Map(owners.filter(([, owner]) => owner.kind !== "here" && !isSameOrigin(owner, ours)));
}
/**
* Puts the sidecar under the name of the image, in the place of whatever has it. Only to be called in a change of the
* store. The file appears first: a name that is not written down is bound again, but a sidecar all of whose
* written names are gone is taken for one that the user has removed.
* @returns the path of the name
*/
async function giveName(store, content, { imageId, origin, proof }) {
	const path = store.pathFor(id16(imageId));
	const object = objectPath(store.layout, content.sha256);
	const stat = await fs.lstat(path).catch(() => void 0);
	if (stat?.isDirectory()) await store.quarantineIfThere(path, void 0);
	const { nlink, ...objectStat } = await fs.lstat(object);
	if (stat === void 0 || fileKey(stat) !== fileKey(objectStat)) await withPrivateDir(store.dir, async (dir) => {
		const temp = join(dir, "sidecar");
		if (nlink > 1 || !await tryLink(object, temp)) {
			await copyReadOnly(object, temp);
			await verifySidecar(temp, { sha256: content.sha256 });
		}
		await fs.rename(temp, path);
	});
	await writeContent(store.layout, withName(content, newName(imageId, origin, proof)));
	await syncDirectory(store.dir);
	return path;
}
function newName(imageId, origin, proof) {
	return {
		imageId,
		origin,
		proof,
		namedAt: (/* @__PURE__ */ new Date()).toISOString()
	};
}
/** Takes a name away from a sidecar, which stays in the store. */
async function removeName(store, id, signal) {
	const path = store.pathFor(id);
	await store.changing(`cannot remove ${path}`, async () => {
		await fs.rm(path).catch((error) => {
			if (!hasErrno(error, "ENOENT")) throw error;
		});
		await syncDirectory(store.dir);
	}, signal);
}
export { removeName as i, giveName as n, otherOwners as r, bindName as t };
