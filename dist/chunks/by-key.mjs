import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as homeDir } from "./home.mjs";
import { r as shellWord } from "./shown-text.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { lstat, realpath, stat } from "node:fs/promises";
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
	return origin.kind === "repository" ? createHash("sha256").update(nameOf$1(origin).toLowerCase()).digest("hex") : origin.kind;
}
function isSameOrigin(one, other) {
	return originId(one) === originId(other);
}
/** For people: "github.com/owner/name". */
function describeOrigin(origin) {
	switch (origin.kind) {
		case "here": return "packed here";
		case "repository": return nameOf$1(origin);
		case "none": return "no repository";
		case "unknown": return "unknown";
	}
}
function nameOf$1({ serverUrl, repository }) {
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
/** The names in a directory that may be missing. */
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
	const dir = option?.replace(/^~(?=\/|$)/, () => homeDir() ?? "~") || defaultStoreDir();
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
	await requireGuarded(dir);
	return layoutOf(dir);
}
/** Where everybody may rename what is there, everybody can put another directory in the place of the store. */
async function requireGuarded(dir) {
	const parent = await realpath(dirname(dir)).catch(() => void 0);
	if (parent === void 0) return dir === dirname(dir) ? void 0 : await requireGuarded(dirname(dir));
	const parents = parent.split("/").map((_, index, names) => names.slice(0, index + 1).join("/") || "/");
	const modes = await Promise.all(parents.map(modeOf));
	const open = parents.find((_, index) => ((modes[index] ?? 0) & 514) === 2);
	if (open !== void 0) throw new BottleError("store-unsafe", `the store ${dir} is below ${open}, where everybody may rename it`, { hint: `let others not write there (chmod o-w ${open}), or name another store with --store` });
}
async function modeOf(path) {
	return await stat(path).then(({ mode }) => mode, () => 0);
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
	const unsafe = (fault, hint) => new BottleError("store-unsafe", `the store ${dir} ${fault}`, { hint });
	if (!stat.isDirectory()) throw unsafe("is not a directory", "name a directory with --store");
	if (stat.uid !== uid) throw unsafe(`belongs to uid ${stat.uid}, not ${uid}`, "name a directory of your own with --store");
	if ((stat.mode & 18) !== 0) throw unsafe(`is writable for others (mode ${(stat.mode & 511).toString(8)})`, `chmod 700 ${shellWord(dir)}`);
}
// src/store/by-key.ts
const ENTRY = /^(?<origin>[0-9a-f]{64}|[a-z]+)\.(?<signed>[su])\.(?<installedMs>\d{1,15})\.(?<sizeBytes>\d{1,15})\.(?<sha256>[0-9a-f]{64})$/;
/**
* The sidecars for a build that its checkout may use, the best first: signed, packed on this machine, the rest; among
* equals the one that was installed last.
*/
async function listHits(layout, build, { origin, unsigned = false }) {
	const own = originId(origin);
	const needsSignature = !unsigned && await knowsSigner(layout, origin);
	return (await readIndex(layout, build)).filter((entry) => entry.origin === "here" || entry.origin === own && (entry.isSigned || !needsSignature)).sort((a, b) => rankOf(a) - rankOf(b) || b.installedMs - a.installedMs);
}
/** The path of the best sidecar that is there with the size that it must have; its bytes are not verified. */
async function findPath(layout, build, allowed) {
	for (const entry of await listHits(layout, build, allowed)) {
		const path = objectPath(layout, entry.sha256);
		const stat = await fs.lstat(path).catch(() => void 0);
		if (stat?.isFile() && stat.size === entry.sizeBytes) return {
			...entry,
			path
		};
	}
}
/** Whether this origin has signed before: it is remembered in a file of its name. */
async function knowsSigner({ trust }, origin) {
	return await fs.lstat(join(trust, `${originId(origin)}.json`)).catch(() => void 0) !== void 0;
}
async function readIndex(layout, build) {
	return (await namesIn(directoryOf(layout, build))).map(parseEntry).filter((entry) => entry !== void 0);
}
async function addToIndex(layout, build, entry) {
	const dir = directoryOf(layout, build);
	await makeDirectory(dir);
	try {
		const file = await fs.open(join(dir, nameOf(entry)), "wx", 292);
		await file.chmod(292).finally(() => file.close());
	} catch (error) {
		ignoreExisting(error);
	}
}
async function removeFromIndex(layout, build, isRemoved) {
	const dir = directoryOf(layout, build);
	for (const name of await namesIn(dir)) {
		const entry = parseEntry(name);
		if (entry !== void 0 && isRemoved(entry)) await fs.rm(join(dir, name), { force: true });
	}
}
function directoryOf({ byKey }, { key, platform }) {
	return join(byKey, `${key}.${platform.replace("linux/", "")}`);
}
function nameOf({ origin, isSigned, installedMs, sizeBytes, sha256 }) {
	return [
		origin,
		isSigned ? "s" : "u",
		installedMs,
		sizeBytes,
		sha256
	].join(".");
}
function parseEntry(name) {
	const { origin, signed, installedMs, sizeBytes, sha256 } = ENTRY.exec(name)?.groups ?? {};
	return origin === void 0 || sha256 === void 0 ? void 0 : {
		origin,
		isSigned: signed === "s",
		installedMs: Number(installedMs),
		sizeBytes: Number(sizeBytes),
		sha256
	};
}
function rankOf({ isSigned, origin }) {
	return isSigned ? 0 : origin === "here" ? 1 : 2;
}
export { originOfCheckout as S, HERE as _, readIndex as a, isSameOrigin as b, id16OfName as c, openStoreDir as d, requirePrivate as f, namesIn as g, makeDirectory as h, listHits as i, isDefaultStore as l, storeDir as m, findPath as n, removeFromIndex as o, sidecarName as p, knowsSigner as r, bundlePath as s, addToIndex as t, objectPath as u, UNKNOWN as v, originId as x, describeOrigin as y };
