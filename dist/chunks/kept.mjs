import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { n as isDigest, t as id16 } from "./image-id.mjs";
import * as fs from "node:fs/promises";
import { lstat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { homedir } from "node:os";
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
	if (home === "" || home === "/nonexistent") throw new BottleError("store-unsafe", `no home directory (${JSON.stringify(home)}), so no default store`, { hint: "set HOME, or name a directory with --store" });
	return join(home, ".cache", "claude-bottle", "smolmachines");
}
/** A user without an entry in the password database and without HOME has none. */
function homeDir() {
	try {
		return homedir();
	} catch {
		return "";
	}
}
function storeDir(option) {
	return resolve(option || defaultStoreDir());
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
		records: join(ours, "records"),
		bundles: join(ours, "bundles"),
		trust: join(ours, "trust"),
		bindings: join(ours, "bindings"),
		used: join(ours, "used"),
		parts: join(ours, "parts"),
		locks: join(ours, "locks"),
		tmp: join(ours, "tmp"),
		quarantine: join(ours, "quarantine")
	};
}
/**
* Looks at the directory and makes nothing: it need not exist.
* @throws BottleError `store-unsafe` when others could change what is in it
*/
async function openStoreDir(dir) {
	try {
		await requirePrivate(dir);
	} catch (error) {
		if (error instanceof BottleError) throw error;
		if (!hasErrno(error, "ENOENT")) throw fileError(`cannot open the store ${dir}`, error);
	}
	return layoutOf(dir);
}
/** The store decides what a VM runs, so nobody else may write to it; a symbolic link is somebody else's decision. */
async function requirePrivate(dir) {
	const stat = await lstat(dir);
	const uid = process.getuid?.() ?? stat.uid;
	const fault = !stat.isDirectory() ? "is not a directory" : stat.uid !== uid ? `belongs to uid ${stat.uid}, not ${uid}` : (stat.mode & 18) !== 0 ? `is writable for others (mode ${(stat.mode & 511).toString(8)})` : void 0;
	if (fault !== void 0) throw new BottleError("store-unsafe", `the store ${dir} ${fault}`, { hint: `make it a directory of your own (chmod 700 ${dir}), or name another one with --store` });
}
// src/store/kept.ts
/** Those that are there with the size that their records say, the newest first. */
async function listKept(layout, key, platform) {
	try {
		const found = [];
		for (const summary of await summariesOf(layout, key, platform)) {
			const names = await namesOf(layout, summary);
			const [first] = names;
			if (first !== void 0) found.push({
				path: first.path,
				names,
				...summary
			});
		}
		return found.sort((a, b) => Date.parse(b.packedAt) - Date.parse(a.packedAt));
	} catch (error) {
		throw fileError(`cannot read the store ${layout.dir}`, error);
	}
}
/** For `claude-bottle path`, which has no need of the record. */
async function findKept(layout, key, platform) {
	const [newest] = await listKept(layout, key, platform);
	return newest;
}
async function summariesOf(layout, key, platform) {
	const found = [];
	for (const name of await namesIn(layout.records)) {
		const recordPath = join(layout.records, name);
		const record = await readIfNames(recordPath, key);
		const { image, sidecar, packedAt } = record ?? {};
		if (record?.inputs?.key === key && record.platform === platform && typeof image?.id === "string" && isDigest(image.id) && typeof sidecar?.sha256 === "string" && name === `${sidecar.sha256}.json` && typeof sidecar.sizeBytes === "number" && typeof packedAt === "string") {
			const { sha256, sizeBytes } = sidecar;
			found.push({
				sha256,
				sizeBytes,
				imageId: image.id,
				packedAt,
				recordPath
			});
		}
	}
	return found;
}
/** Undefined unless the JSON mentions `text`: most need not be parsed. */
async function readIfNames(path, text) {
	try {
		const json = await fs.readFile(path, "utf8");
		return json.includes(text) ? JSON.parse(json) ?? void 0 : void 0;
	} catch {
		return;
	}
}
async function namesOf(layout, { sha256, sizeBytes, imageId }) {
	const object = await fs.lstat(join(layout.objects, sha256)).catch(() => void 0);
	const ids = /* @__PURE__ */ new Set([id16(imageId)]);
	for (const name of await namesIn(layout.bindings)) {
		const binding = await readIfNames(join(layout.bindings, name), sha256);
		if (binding?.sha256 === sha256 && typeof binding.imageId === "string" && isDigest(binding.imageId)) ids.add(id16(binding.imageId));
	}
	const names = [];
	for (const id of ids) {
		const path = join(layout.dir, sidecarName(id));
		const stat = await fs.lstat(path).catch(() => void 0);
		const isAnother = object !== void 0 && stat?.ino !== object.ino && stat?.nlink !== 1;
		if (stat?.isFile() && stat.size === sizeBytes && !isAnother) names.push({
			id16: id,
			path
		});
	}
	return names;
}
export { openStoreDir as a, storeDir as c, isDefaultStore as i, makeDirectory as l, listKept as n, requirePrivate as o, id16OfName as r, sidecarName as s, findKept as t, namesIn as u };
