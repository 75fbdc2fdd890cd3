import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as homeDir } from "./home.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { lstat, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
// src/identity/origin.ts
const HERE = { kind: "here" };
const UNKNOWN = { kind: "unknown" };
/** The origin of what is fetched for a checkout. */
function originOfCheckout(serverUrl, repository) {
	return repository === void 0 ? { kind: "none" } : {
		kind: "repository",
		serverUrl,
		repository
	};
}
/** Names an origin in file names. GitHub's names are case-insensitive. */
function originId(origin) {
	return origin.kind === "repository" ? createHash("sha256").update(nameOf(origin).toLowerCase()).digest("hex") : origin.kind;
}
function isSameOrigin(one, other) {
	return originId(one) === originId(other);
}
/** For people: "github.com/owner/name". */
function describeOrigin(origin) {
	switch (origin.kind) {
		case "here": return "packed here";
		case "repository": return nameOf(origin);
		case "none": return "no repository";
		case "unknown": return "unknown";
	}
}
function nameOf({ serverUrl, repository }) {
	return `${new URL(serverUrl).host}/${repository}`;
}
// src/store/directory.ts
/** Node's own way, `recursive`, answers ENOENT where the file system is read-only. */
async function makeDirectory(path) {
	if (!await makeInParent(path)) {
		await makeDirectory(dirname(path));
		await fs.mkdir(path, { mode: 448 }).catch(ignoreExisting);
	}
}
/** False when there is nothing to make it in. */
async function makeInParent(path) {
	try {
		await fs.mkdir(path, { mode: 448 }).catch(ignoreExisting);
		return true;
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return false;
		throw error;
	}
}
function ignoreExisting(error) {
	if (!hasErrno(error, "EEXIST")) throw error;
}
/** Of a directory that need not be there. */
async function namesIn(dir) {
	try {
		return await fs.readdir(dir);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return [];
		throw error;
	}
}
// src/store/location.ts
const SIDECAR_SUFFIX = ".smolmachine.smolmachine";
/** Where claude-bottle looks: fixed below the home directory, it knows no XDG_CACHE_HOME. */
function defaultStoreDir() {
	const home = homeDir();
	return home === void 0 ? void 0 : join(home, ".cache", "claude-bottle", "smolmachines");
}
/** @throws BottleError `store-unsafe` without a home directory, unless the user names a store */
function storeDir(option) {
	const dir = option || defaultStoreDir();
	if (dir === void 0) throw new BottleError("store-unsafe", "this user has no home directory, so there is no default store", { hint: "set HOME, or name a directory with --store" });
	return resolve(dir);
}
/** Whether claude-bottle looks there. */
function isDefaultStore(dir) {
	return dir === defaultStoreDir();
}
/** `smolvm pack create -o <id16>.smolmachine` once wrote this name, and claude-bottle still looks for it. */
function sidecarName(id) {
	return id + SIDECAR_SUFFIX;
}
function id16OfName(name) {
	const id = name.slice(0, 16);
	return /^[0-9a-f]{16}$/.test(id) && name === sidecarName(id) ? id : void 0;
}
function layoutOf(dir) {
	const ours = join(dir, ".pack");
	return {
		dir,
		ours,
		objects: join(ours, "objects", "sha256"),
		catalog: join(ours, "catalog"),
		byKey: join(ours, "by-key"),
		bundles: join(ours, "bundles"),
		trust: join(ours, "trust"),
		parts: join(ours, "parts"),
		locks: join(ours, "locks"),
		tmp: join(ours, "tmp"),
		quarantine: join(ours, "quarantine")
	};
}
function objectPath({ objects }, sha256) {
	return join(objects, sha256);
}
function bundlePath({ bundles }, sha256, origin) {
	return join(bundles, `${sha256}.${originId(origin)}.sigstore.json`);
}
/**
* Looks at the directory and makes nothing: it need not exist.
* @throws BottleError `store-unsafe` when others could change what is in it
*/
async function openStoreDir(name) {
	const dir = await withoutOwnLink(name);
	try {
		await requirePrivate(dir);
	} catch (error) {
		if (error instanceof BottleError) throw error;
		if (!hasErrno(error, "ENOENT")) throw fileError(`cannot open the store ${dir}`, error);
	}
	return layoutOf(dir);
}
/** The user's own link, to a larger disk, is followed; its target is judged as the store itself would be. */
async function withoutOwnLink(name) {
	const stat = await lstat(name).catch(() => void 0);
	return stat?.isSymbolicLink() === true && stat.uid === process.getuid?.() ? await realpath(name).catch(() => name) : name;
}
/** The store decides what a VM runs, so nobody else may write to it; another user's link is another user's decision. */
async function requirePrivate(dir) {
	const stat = await lstat(dir);
	const uid = process.getuid?.() ?? stat.uid;
	const fault = !stat.isDirectory() ? "is not a directory" : stat.uid !== uid ? `belongs to uid ${stat.uid}, not ${uid}` : (stat.mode & 18) !== 0 ? `is writable for others (mode ${(stat.mode & 511).toString(8)})` : void 0;
	if (fault !== void 0) throw new BottleError("store-unsafe", `the store ${dir} ${fault}`, { hint: `make it a directory of your own (chmod 700 ${dir}), or name another one with --store` });
}
export { originOfCheckout as _, openStoreDir as a, storeDir as c, namesIn as d, HERE as f, originId as g, isSameOrigin as h, objectPath as i, ignoreExisting as l, describeOrigin as m, id16OfName as n, requirePrivate as o, UNKNOWN as p, isDefaultStore as r, sidecarName as s, bundlePath as t, makeDirectory as u };
