import { a as fileError, o as hasErrno, s as isDamage, t as BottleError } from "./errors.mjs";
import { D as _regex, T as _nonnegative, _ as refine, i as array, m as optional, n as _enum, o as int, p as object, s as literal, v as string, x as url, y as union } from "./schemas.mjs";
import { i as thisOwner, r as pidOf, t as isAlive } from "./owner.mjs";
import { i as withPrivateDir } from "./private-dir.mjs";
import { t as warningsTo } from "./progress.mjs";
import { _ as datetime, i as verifySidecar, l as packRecordSchema, m as isDigest, p as id16 } from "./verify.mjs";
import { b as isSameOrigin, c as id16OfName, d as openStoreDir, f as requirePrivate, g as namesIn, h as makeDirectory, o as removeFromIndex, p as sidecarName, t as addToIndex, u as objectPath, x as originId } from "./by-key.mjs";
import { a as writeWhole, i as writeReadOnly, n as stampOf } from "./files.mjs";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
// src/store/catalog.ts
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
const time = datetime();
const originSchema = union([object({ kind: _enum([
	"here",
	"none",
	"unknown"
]) }), object({
	kind: literal("repository"),
	serverUrl: url(),
	repository: string(),
	repositoryId: optional(string())
})]);
const installationSchema = object({
	origin: originSchema,
	record: packRecordSchema,
	/** The workflow that has signed it; absent where nobody has. */
	signer: optional(string()),
	/** Where it was fetched from. */
	address: optional(string()),
	installedAt: time
});
const nameSchema = object({
	/** The image that was built or packed here: the name has only its first 16 digits. */
	imageId: string().check(refine(isDigest)),
	/** Whose sidecar the name was given to; the same bytes may have several origins. */
	origin: originSchema,
	/** How the image is known to be the right one: it was packed, or its inputs or also its content are equal. */
	proof: _enum([
		"packed",
		"inputs",
		"content"
	]),
	namedAt: time
});
const contentSchema = object({
	version: literal(1),
	sha256,
	sizeBytes: int().check(_nonnegative()),
	/** Everyone who has brought these bytes, with their own record of them. */
	installations: array(installationSchema),
	names: array(nameSchema),
	usedAt: optional(time)
});
/** Undefined when the catalog has no such sidecar, or nothing that can be read. */
async function readContent(layout, sha256) {
	try {
		const { data } = contentSchema.safeParse(JSON.parse(await fs.readFile(contentPath(layout, sha256), "utf8")));
		return data?.sha256 === sha256 ? data : void 0;
	} catch {
		return;
	}
}
async function readCatalog(layout) {
	const contents = [];
	for (const name of (await namesIn(layout.catalog)).sort()) {
		const content = await readContent(layout, name.replace(/\.json$/, ""));
		if (content !== void 0) contents.push(content);
	}
	return contents;
}
/** Writes it down and indexes it. Only to be called in a change of the store. */
async function writeContent(layout, content) {
	await makeDirectory(layout.catalog);
	const text = `${JSON.stringify(content, void 0, 2)}\n`;
	await writeWhole(layout.tmp, contentPath(layout, content.sha256), text);
	await indexContent(layout, content);
}
/** Makes the index say what the catalog says of a sidecar. */
async function indexContent(layout, content) {
	for (const { build, entry } of indexEntriesOf(content)) {
		const isOlder = (each) => each.sha256 === entry.sha256 && each.origin === entry.origin;
		await removeFromIndex(layout, build, (each) => isOlder(each) && !isEqual(each, entry));
		await addToIndex(layout, build, entry);
	}
}
function isEqual(one, other) {
	return JSON.stringify(one) === JSON.stringify(other);
}
/** What `path` and the lookup by key read. */
function indexEntriesOf({ sha256, sizeBytes, installations }) {
	return installations.flatMap(({ record, origin, signer, installedAt }) => {
		const entry = {
			origin: originId(origin),
			isSigned: signer !== void 0,
			installedMs: Date.parse(installedAt),
			sizeBytes,
			sha256
		};
		return record.inputs === void 0 ? [] : [{
			build: {
				key: record.inputs.key,
				platform: record.platform
			},
			entry
		}];
	});
}
function contentPath({ catalog }, sha256) {
	return join(catalog, `${sha256}.json`);
}
/**
* With the installation in the place of an earlier one of the same origin and inputs, or of one whose inputs were not
* known. A signed sidecar does not become unsigned again, because the bytes are the same.
*/
function withInstallation(content, installation) {
	const isSame = ({ origin, record }) => isSameOrigin(origin, installation.origin) && [void 0, installation.record.inputs?.key].includes(record.inputs?.key);
	if (content.installations.find(isSame)?.signer !== void 0 && installation.signer === void 0) return content;
	const others = content.installations.filter((each) => !isSame(each));
	return {
		...content,
		installations: [...others, installation]
	};
}
function withName(content, name) {
	const id = id16(name.imageId);
	const others = content.names.filter(({ imageId }) => id16(imageId) !== id);
	return {
		...content,
		names: [...others, name]
	};
}
function givenName(content, id) {
	return content.names.find(({ imageId }) => id16(imageId) === id);
}
/** Everything in the store. Files are told apart by their inodes and sizes; nothing is hashed. */
async function listStore(layout) {
	const known = [];
	for (const content of await readCatalog(layout)) known.push({
		content,
		object: await statFile(objectPath(layout, content.sha256)),
		names: []
	});
	const foreign = /* @__PURE__ */ new Map();
	for (const { id, path, stat } of await readNames(layout)) {
		const isCopy = ({ content }) => stat.nlink === 1 && content.sizeBytes === stat.size && givenName(content, id) !== void 0;
		const owner = known.find(({ object }) => object !== void 0 && fileKey(object) === fileKey(stat)) ?? known.filter(isCopy).sort((a, b) => namedMs(b.content, id) - namedMs(a.content, id))[0];
		if (owner !== void 0) owner.names.push({
			id16: id,
			path,
			given: givenName(owner.content, id),
			stat
		});
		else {
			const found = foreign.get(fileKey(stat)) ?? {
				content: void 0,
				object: void 0,
				names: []
			};
			found.names.push({
				id16: id,
				path,
				given: void 0,
				stat
			});
			foreign.set(fileKey(stat), found);
		}
	}
	return [...known, ...foreign.values()];
}
function namedMs(content, id) {
	return Date.parse(givenName(content, id)?.namedAt ?? "") || 0;
}
/** Names one file on this machine. */
function fileKey({ dev, ino }) {
	return `${dev}:${ino}`;
}
async function readNames({ dir }) {
	const names = [];
	for (const name of (await namesIn(dir)).sort()) {
		const id = id16OfName(name);
		const path = join(dir, name);
		const stat = id && await statFile(path);
		if (id !== void 0 && stat !== void 0) names.push({
			id,
			path,
			stat
		});
	}
	return names;
}
/** Undefined for everything that is not a regular file. */
async function statFile(path) {
	const stat = await fs.lstat(path).catch(() => void 0);
	return stat?.isFile() ? stat : void 0;
}
// src/host/lock.ts
const POLL_MS = 250;
const REPORT_MS = 1e4;
const HEARTBEAT_MS = 5e3;
/** A holder that cannot be examined counts as dead when it has not touched its lock for this time. */
const SILENCE_MS = 6e4;
/** How long to wait before a second look, so that two processes that found the same dead lock agree on who took it. */
const SETTLE_MS = 100;
const LIMIT_MS = 18e5;
const TAKEOVER_SUFFIX = ".take";
/**
* @throws BottleError `try-later` at the limit
* @throws the signal's reason
*/
async function withLock(place, options, use) {
	const lock = await waitForLock(place, options);
	try {
		return await use();
	} finally {
		await lock.release();
	}
}
/** Undefined when someone has it, or may have it. */
async function tryLock(place) {
	const found = await attempt(place, newHolder(), isGone);
	return "release" in found ? found : void 0;
}
/** Whether `tryLock` would find it taken; writes nothing. */
async function isLocked(path) {
	const seen = await look(path);
	return seen !== void 0 && !isGone(seen);
}
/** Removes what killed processes have left in a directory of locks. */
async function sweepLocks(dir, quarantine) {
	for (const name of await fs.readdir(dir)) {
		const path = `${dir}/${name}`;
		const seen = await look(path);
		if (seen?.kind === "link" && isGone(seen)) {
			if (name.endsWith(TAKEOVER_SUFFIX)) await fs.rm(path, { force: true });
			else await (await tryLock({
				path,
				quarantine
			}))?.release();
		}
	}
}
async function waitForLock(place, options) {
	const { purpose, signal, onWait, limitMs = LIMIT_MS, silenceMs = SILENCE_MS } = options;
	const holder = newHolder();
	const startMs = performance.now();
	const watch = {
		version: "",
		sinceMs: startMs
	};
	let reportMs = 0;
	for (;;) {
		signal?.throwIfAborted();
		const found = await attempt(place, holder, (seen) => isGone(seen) || isSilent(seen, watch, silenceMs));
		if ("release" in found) return found;
		const waitedMs = performance.now() - startMs;
		if (waitedMs >= limitMs) throw new BottleError("try-later", `${holderName(found.text)} is busy with ${purpose}; waited ${Math.round(waitedMs / 1e3)} s for it`, { hint: "wait until it has ended, or end it; then try again" });
		if (waitedMs >= reportMs) {
			onWait?.(`waiting for ${holderName(found.text)}, which is busy with ${purpose}`);
			reportMs += REPORT_MS;
		}
		await setTimeout(Math.min(POLL_MS, limitMs), void 0, signal && { signal }).catch(() => {});
	}
}
async function attempt(place, holder, isStale) {
	const { path, quarantine } = place;
	try {
		for (;;) {
			if (await makeLink(holder, path)) return hold(path, holder);
			const seen = await look(path);
			if (seen?.kind === "directory") await quarantine(path);
			else if (seen !== void 0) {
				if (!isStale(seen)) return seen;
				if (await takeOver(path, holder, seen)) return hold(path, holder);
			}
		}
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot lock ${path}`, error);
	}
}
async function makeLink(holder, path) {
	try {
		await fs.symlink(holder, path);
		return true;
	} catch (error) {
		if (hasErrno(error, "EEXIST")) return false;
		throw error;
	}
}
async function look(path) {
	try {
		const stat = await fs.lstat(path, { bigint: true });
		const kind = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "link" : "file";
		const text = kind === "link" ? await fs.readlink(path) : "";
		return {
			kind,
			text,
			version: `${stat.ino} ${stat.mtimeNs} ${text}`
		};
	} catch (error) {
		if (hasErrno(error, "ENOENT", "EINVAL")) return;
		throw error;
	}
}
/** The last of several that rename over a dead lock has it; the others see that after a moment. */
async function takeOver(path, holder, stale) {
	const fresh = `${path}.${randomBytes(4).toString("hex")}${TAKEOVER_SUFFIX}`;
	await fs.symlink(holder, fresh);
	try {
		if ((await look(path))?.version !== stale.version) return false;
		await fs.rename(fresh, path);
	} catch (error) {
		if (hasErrno(error, "EISDIR", "ENOTEMPTY", "EEXIST")) return false;
		throw error;
	} finally {
		await fs.rm(fresh, { force: true });
	}
	await setTimeout(SETTLE_MS);
	return (await look(path))?.text === holder;
}
function hold(path, holder) {
	const isOurs = async () => await fs.readlink(path).catch(() => void 0) === holder;
	const heartbeat = setInterval(async () => {
		if (await isOurs()) {
			const now = /* @__PURE__ */ new Date();
			await fs.lutimes(path, now, now).catch(() => {});
		}
	}, HEARTBEAT_MS).unref();
	return { async release() {
		clearInterval(heartbeat);
		if (await isOurs()) await fs.rm(path, { force: true }).catch(() => {});
	} };
}
/** Two tasks of one process are two holders. */
function newHolder() {
	return `${thisOwner()}-${randomBytes(4).toString("hex")}`;
}
function isGone({ kind, text }) {
	return kind === "file" || kind === "link" && !isAlive(text);
}
/** Measured with our own clock from when we first saw it, so that no clocks are compared. */
function isSilent(seen, watch, silenceMs) {
	const nowMs = performance.now();
	if (seen.version !== watch.version) Object.assign(watch, {
		version: seen.version,
		sinceMs: nowMs
	});
	return !isOnThisHost(seen.text) && nowMs - watch.sinceMs >= silenceMs;
}
function isOnThisHost(holder) {
	const [host] = thisOwner().split("-");
	return holder.startsWith(`${host}-`) && Number.isInteger(pidOf(holder));
}
function holderName(holder) {
	return isOnThisHost(holder) ? `process ${pidOf(holder)}` : "a process on another machine";
}
// src/store/parts.ts
const RELEASED = "released";
const MAX_AGE_MS = 6048e5;
/**
* Runs `use` in the directory of a download: the one that an earlier run has left, or a new one. A directory is taken by
* renaming it to a name of ours, which works for one process only. It is removed when `use` returns, and left for the
* next run when it throws.
*/
async function withPart(layout, sha256, use) {
	const dir = await takePart(layout, sha256);
	let result;
	try {
		result = await use(dir);
	} catch (error) {
		await touchDir(dir).catch(() => {});
		await fs.rename(dir, join(layout.parts, `${sha256}.${RELEASED}-${newNumber()}`)).catch(() => {});
		throw error;
	}
	for (const left of [dir, ...(await abandoned(layout)).filter((path) => isOf(path, layout, sha256))]) await removePart(layout, left).catch(() => {});
	return result;
}
/**
* Removes the parts of what is installed by now, and those that nobody has taken for a week. Those of living owners stay,
* and those of other machines, of whose processes nothing is known; so does what is from the future: a clock has jumped.
*/
async function sweepParts(layout, onWarning) {
	for (const path of await abandoned(layout)) {
		const stat = await fs.lstat(path).catch(() => void 0);
		if (stat !== void 0 && Date.now() - stat.mtimeMs > MAX_AGE_MS || await statFile(contentPath(layout, sha256OfPart(path))) !== void 0) await removePart(layout, path).catch((error) => onWarning(`cannot remove ${path}, a download that nobody has gone on with: ${error.message}`));
	}
}
/** What downloads have left that nobody has completed; some of it may be in its place already, and not yet listed. */
async function startedDownloads(layout) {
	return new Set((await abandoned(layout)).map(sha256OfPart));
}
function sha256OfPart(path) {
	return basename(path).slice(0, 64);
}
async function takePart(layout, sha256) {
	const dir = join(layout.parts, `${sha256}.${thisOwner()}-${newNumber()}`);
	for (const path of await abandoned(layout)) if (isOf(path, layout, sha256) && await renameIfThere(path, dir)) {
		await fs.chmod(dir, 448);
		await touchDir(dir);
		return dir;
	}
	await fs.mkdir(dir, { mode: 448 });
	return dir;
}
/** Directories of ours that no process works in; what else is there is not touched. */
async function abandoned({ parts }) {
	const found = [];
	for (const name of await namesIn(parts)) {
		const [, owner] = /^[0-9a-f]{64}\.(.+)$/.exec(name) ?? [];
		if (owner !== void 0 && (owner.startsWith(`${RELEASED}-`) || !isAlive(owner))) {
			const path = join(parts, name);
			const stat = await fs.lstat(path).catch(() => void 0);
			if (stat?.isDirectory() && stat.uid === (process.getuid?.() ?? stat.uid)) found.push(path);
		}
	}
	return found;
}
function isOf(path, { parts }, sha256) {
	return path.startsWith(join(parts, `${sha256}.`));
}
/** Taken before it is emptied, so that nobody resumes from half of it. */
async function removePart({ tmp }, path) {
	await withPrivateDir(tmp, async (dir) => {
		await renameIfThere(path, join(dir, "part"));
	});
}
async function renameIfThere(from, to) {
	try {
		await fs.rename(from, to);
		return true;
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return false;
		throw error;
	}
}
/** A directory's own time does not change when a file in it grows. */
async function touchDir(dir) {
	const now = /* @__PURE__ */ new Date();
	await fs.utimes(dir, now, now);
}
function newNumber() {
	return randomBytes(4).toString("hex");
}
// src/store/store.ts
/** https://bford.info/cachedir/ */
const CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n";
/** A change takes moves and links; where there are no hard links, it takes a copy. */
const CHANGE_LIMIT_MS = 12e4;
/**
* The local directory of sidecars (`StoreLayout` says what is where). Nothing in it is trusted because it is there:
* bytes are verified before they are used, and files appear by link or rename. Names, sidecars and the catalog are
* changed under one lock that is held for moments only, so that they agree.
*/
var Store = class Store {
	layout;
	warn;
	/** What was hashed in this process, and the state of the file at that time. */
	#hashes = /* @__PURE__ */ new Map();
	constructor(layout, onProgress) {
		this.layout = layout;
		this.warn = warningsTo(onProgress);
	}
	/**
	* Looks at the directory and makes nothing: it need not exist. `onProgress` hears what is moved to quarantine.
	* @throws BottleError `store-unsafe` when others could change what is in it
	*/
	static async open(dir, onProgress = () => {}) {
		return new Store(await openStoreDir(dir), onProgress);
	}
	get dir() {
		return this.layout.dir;
	}
	/** The name that claude-bottle looks for. */
	pathFor(id) {
		return join(this.dir, sidecarName(id));
	}
	async list() {
		try {
			return (await namesIn(this.dir)).map(id16OfName).filter((id) => id !== void 0);
		} catch (error) {
			throw fileError(`cannot read the store ${this.dir}`, error);
		}
	}
	/** Verifies a file of the store. This process hashes it once, unless the file changes. */
	async verify(path, expected, options) {
		const state = await stampOf(path);
		const known = this.#hashes.get(path);
		const isKnown = known !== void 0 && known.state === state;
		const report = await verifySidecar(path, expected, {
			...options,
			...isKnown && { hashed: known.hashed }
		});
		if (state !== void 0 && !isKnown && state === await stampOf(path)) {
			const { sha256, crc32 } = report;
			this.#hashes.set(path, {
				state,
				hashed: {
					sha256,
					crc32: Number.parseInt(crc32, 16)
				}
			});
		}
		return report;
	}
	/** Runs `find`; a file that is damaged goes to quarantine and counts as missing. */
	async orQuarantine(path, find) {
		try {
			return await find();
		} catch (error) {
			if (error instanceof BottleError && error.code === "not-found") return;
			if (!isDamage(error)) throw error;
			await this.quarantineIfThere(path, error.message);
			return;
		}
	}
	async quarantine(path) {
		const { quarantine } = this.layout;
		const target = join(quarantine, `${basename(path)}.${randomBytes(4).toString("hex")}`);
		try {
			await makeDirectory(quarantine);
			await fs.rename(path, target);
		} catch (error) {
			throw fileError(`cannot move ${path} to quarantine`, error);
		}
		return target;
	}
	/** Several processes may find the same fault at once, and claude-bottle may be removing the file. */
	async quarantineIfThere(path, reason) {
		try {
			const movedTo = await this.quarantine(path);
			if (reason !== void 0) this.warn(`${reason}; moved to ${movedTo}`);
		} catch (error) {
			if (!(error instanceof BottleError && hasErrno(error.cause, "ENOENT"))) throw error;
		}
	}
	/** Runs a change of names, sidecars and the catalog, one process at a time. */
	async changing(action, change, signal) {
		try {
			return await withLock(this.lockPlace("names"), {
				purpose: `the store ${this.dir}`,
				limitMs: CHANGE_LIMIT_MS,
				signal
			}, change);
		} catch (error) {
			signal?.throwIfAborted();
			throw error instanceof BottleError ? error : fileError(action, error);
		}
	}
	lockPlace(name) {
		return {
			path: join(this.layout.locks, name),
			quarantine: (path) => this.quarantineIfThere(path, void 0)
		};
	}
	/** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
	async withTemp(use) {
		await this.prepare();
		return await withPrivateDir(this.layout.tmp, use);
	}
	/**
	* Runs `use` with a directory for the download of one sidecar. One process at a time works on a sidecar; it finds
	* what an earlier one left there when it was stopped. A process that has waited looks into the store again first.
	* @throws BottleError `try-later` when another one takes longer than `limitMs`
	*/
	async withDownload(sha256, options, use) {
		await this.prepare();
		const purpose = `the download of sha256:${sha256}`;
		return await withLock(this.lockPlace(sha256), {
			...options,
			purpose
		}, async () => {
			options.signal?.throwIfAborted();
			return await withPart(this.layout, sha256, use);
		});
	}
	/** Makes the directories of the store. */
	async prepare() {
		const { dir, ours, objects, catalog, byKey, parts, locks, tmp } = this.layout;
		try {
			for (const each of [
				dir,
				ours,
				objects,
				catalog,
				byKey,
				parts,
				locks,
				tmp
			]) await makeDirectory(each);
			await writeReadOnly(join(ours, "CACHEDIR.TAG"), CACHEDIR_TAG).catch((error) => {
				if (!hasErrno(error, "EEXIST")) throw error;
			});
		} catch (error) {
			throw fileError(`cannot make the store ${dir}`, error);
		}
		await requirePrivate(dir);
		await requirePrivate(ours);
	}
};
export { withInstallation as _, sweepLocks as a, contentPath as c, indexContent as d, indexEntriesOf as f, statFile as g, readContent as h, isLocked as i, fileKey as l, readCatalog as m, startedDownloads as n, tryLock as o, listStore as p, sweepParts as r, withLock as s, Store as t, givenName as u, withName as v, writeContent as y };
