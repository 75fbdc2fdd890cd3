import { a as hasErrno, i as fileError, o as isDamage, t as BottleError } from "./errors.mjs";
import { a as scratchParent, i as withLock, n as sweepLocks, o as sweepPrivateDirs, r as tryLock, s as withPrivateDir, t as isLocked } from "./lock.mjs";
import { n as isDigest, t as id16 } from "./image-id.mjs";
import { r as verifySidecar } from "./verify.mjs";
import { a as openStoreDir, l as makeDirectory, n as listKept, o as requirePrivate, r as id16OfName, s as sidecarName, u as namesIn } from "./kept.mjs";
import { T as _regex, _ as string, f as object, g as refine, n as _enum, p as optional } from "./schemas.mjs";
import { o as datetime } from "./pack-record.mjs";
import { n as readRecord, t as formatRecord } from "./record-file2.mjs";
import { i as thisOwner, t as isAlive } from "./owner.mjs";
import { a as readChild } from "./child.mjs";
import { randomBytes } from "node:crypto";
import { constants as constants$1 } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { homedir } from "node:os";
// src/store/files.ts
/** What link(2) says where there are no hard links, or no more of them. */
const NO_LINK = [
	"EPERM",
	"ENOTSUP",
	"EOPNOTSUPP",
	"ENOSYS",
	"EXDEV",
	"EMLINK"
];
/** The file appears whole or not at all, read-only whatever the umask. `tmp` is on its file system. */
async function writeWhole(tmp, path, text) {
	await withPrivateDir(tmp, async (dir) => {
		const temp = join(dir, "file");
		await writeReadOnly(temp, text);
		await fs.rename(temp, path);
	});
}
async function writeReadOnly(path, text) {
	const file = await fs.open(path, "wx", 292);
	try {
		await file.writeFile(text);
		await file.chmod(292);
		await file.sync();
	} finally {
		await file.close();
	}
}
/**
* Names one state of a file: writing, linking or replacing it gives another one, since nobody can set its ctime. Undefined
* when it is not there.
*/
async function stampOf(path) {
	const stat = await fs.lstat(path, { bigint: true }).catch(() => void 0);
	return stat && `${stat.dev}:${stat.ino} ${stat.size} ${stat.ctimeNs}`;
}
/** Whether it could be done; where the file system has no hard links it cannot. */
async function tryLink(existing, path) {
	try {
		await fs.link(existing, path);
		return true;
	} catch (error) {
		if (hasErrno(error, ...NO_LINK)) return false;
		throw error;
	}
}
async function copyReadOnly(source, target) {
	await fs.copyFile(source, target, constants$1.COPYFILE_EXCL | constants$1.COPYFILE_FICLONE);
	await fs.chmod(target, 292);
	await syncFile(target);
}
async function syncFile(path) {
	const file = await fs.open(path, "r");
	try {
		await file.sync();
	} finally {
		await file.close();
	}
}
/** Some file systems cannot sync a directory; then the rename is as durable as they make it. */
async function syncDirectory(path) {
	const dir = await fs.open(path, "r");
	try {
		await dir.sync();
	} catch (error) {
		if (!hasErrno(error, "EINVAL", "ENOTSUP", "EPERM", "EISDIR")) throw error;
	} finally {
		await dir.close();
	}
}
// src/store/ledger.ts
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
/** Why a sidecar stands under the name of an image that it was not packed from. */
const bindingSchema = object({
	imageId: string().check(refine(isDigest)),
	sha256,
	/** The inputs key that both images have. */
	key: optional(sha256),
	/** Equal inputs, or also equal layers and runtime config. */
	proof: _enum(["inputs", "content"]),
	boundAt: datetime(),
	/** What the name had before: it still has it when the replacement was cut short. */
	replacedSha256: optional(sha256)
});
async function readBinding({ bindings }, id) {
	try {
		const binding = bindingSchema.parse(JSON.parse(await fs.readFile(join(bindings, `${id}.json`), "utf8")));
		return id16(binding.imageId) === id ? binding : void 0;
	} catch {
		return;
	}
}
async function readBindings(layout) {
	const found = /* @__PURE__ */ new Map();
	for (const name of await namesIn(layout.bindings)) {
		const id = name.slice(0, -5);
		const binding = await readBinding(layout, id);
		if (binding !== void 0) found.set(id, binding);
	}
	return found;
}
async function writeBinding({ bindings, tmp }, binding) {
	await writeWhole(tmp, join(bindings, `${id16(binding.imageId)}.json`), `${JSON.stringify(binding, void 0, 2)}\n`);
}
async function removeBinding({ bindings }, id) {
	await fs.rm(join(bindings, `${id}.json`), { force: true });
}
/** Whether these bytes may stand under the name that was bound. */
function isBoundTo(binding, sha256) {
	return binding.sha256 === sha256 || binding.replacedSha256 === sha256;
}
// src/store/inventory.ts
/** Tells contents apart by their inodes and sizes; hashes nothing. */
async function listContents(layout) {
	const bindings = await readBindings(layout);
	const known = await readKnown(layout);
	const byFile = /* @__PURE__ */ new Map();
	for (const content of known.values()) if (content.object !== void 0) byFile.set(fileKey(content.object.stat), content);
	const foreign = /* @__PURE__ */ new Map();
	for (const { id, path, stat } of await readNames(layout)) {
		const binding = bindings.get(id);
		const fits = (content) => content?.record?.sidecar.sizeBytes === stat.size;
		const bound = binding && known.get(binding.sha256);
		const own = () => newest([...known.values()].filter((each) => ownId(each) === id && fits(each)));
		const content = byFile.get(fileKey(stat)) ?? (fits(bound) ? bound : void 0) ?? own() ?? emplace(foreign, fileKey(stat), () => newKnown(void 0));
		const isBound = binding !== void 0 && binding.sha256 === content.sha256;
		const kind = ownId(content) === id ? "own" : isBound ? "bound" : "other";
		content.names.push({
			id16: id,
			path,
			kind,
			binding: isBound ? binding : void 0,
			stat
		});
	}
	return [...known.values(), ...foreign.values()].map((content) => ({
		...content,
		names: content.names.sort((a, b) => RANK[a.kind] - RANK[b.kind] || (a.path < b.path ? -1 : 1)),
		sizeBytes: content.names[0]?.stat.size ?? content.object?.stat.size ?? 0
	}));
}
/** Names one file on this machine. */
function fileKey({ dev, ino }) {
	return `${dev}:${ino}`;
}
const RANK = {
	own: 0,
	bound: 1,
	other: 2
};
function newKnown(sha256) {
	return {
		sha256,
		record: void 0,
		names: [],
		object: void 0,
		installedAt: void 0
	};
}
/** Copying a store without its hard links leaves names that only their sizes tell apart. */
function newest(contents) {
	const time = ({ installedAt }) => installedAt?.getTime() ?? 0;
	return contents.toSorted((a, b) => time(b) - time(a))[0];
}
function ownId({ record }) {
	return record && id16(record.image.id);
}
async function readKnown({ objects, records }) {
	const known = /* @__PURE__ */ new Map();
	for (const sha256 of (await namesIn(objects)).filter(isSha256)) {
		const path = join(objects, sha256);
		const stat = await statFile(path);
		if (stat !== void 0) emplace(known, sha256, newKnown).object = {
			path,
			stat
		};
	}
	for (const name of await namesIn(records)) {
		const sha256 = name.slice(0, -5);
		const path = join(records, name);
		const record = isSha256(sha256) ? await readRecord(path) : void 0;
		if (record?.sidecar.sha256 === sha256) {
			const content = emplace(known, sha256, newKnown);
			content.record = record;
			content.installedAt = (await statFile(path))?.ctime;
		}
	}
	return known;
}
async function readNames({ dir }) {
	const names = [];
	for (const name of await namesIn(dir)) {
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
/** Undefined for whatever is not a regular file. */
async function statFile(path) {
	const stat = await fs.lstat(path).catch(() => void 0);
	return stat?.isFile() ? stat : void 0;
}
function isSha256(text) {
	return /^[0-9a-f]{64}$/.test(text);
}
function emplace(map, key, make) {
	const value = map.get(key) ?? make(key);
	map.set(key, value);
	return value;
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
* Removes the parts that nobody has taken for a week. Those of living owners stay, and those of other machines, of
* whose processes nothing is known; so does what is from the future: a clock has jumped.
*/
async function sweepParts(layout, onWarning) {
	for (const path of await abandoned(layout)) {
		const stat = await fs.lstat(path).catch(() => void 0);
		if (stat !== void 0 && Date.now() - stat.mtimeMs > MAX_AGE_MS) await removePart(layout, path).catch((error) => onWarning(`cannot remove ${path}, a download that nobody has gone on with: ${error.message}`));
	}
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
// src/store/in-use.ts
/** Which of these contents a process has open or mapped, as far as this user may see. */
async function findOpen(contents) {
	const wanted = /* @__PURE__ */ new Map();
	for (const content of contents) for (const { stat } of [...content.names, ...content.object ? [content.object] : []]) wanted.set(fileKey(stat), content);
	if (wanted.size === 0) return /* @__PURE__ */ new Set();
	return process.platform === "linux" ? await findOpenInProc(wanted) : await findOpenByLsof(contents);
}
async function findOpenInProc(wanted) {
	const found = /* @__PURE__ */ new Set();
	const note = (content) => content && found.add(content);
	const byInode = Map.groupBy(wanted, ([key]) => key.slice(key.indexOf(":") + 1));
	for (const pid of (await fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
		for (const fd of await fs.readdir(`/proc/${pid}/fd`).catch(() => [])) {
			const stat = await fs.stat(`/proc/${pid}/fd/${fd}`).catch(() => void 0);
			note(stat && wanted.get(fileKey(stat)));
		}
		for (const line of (await fs.readFile(`/proc/${pid}/maps`, "utf8").catch(() => "")).split("\n")) {
			const [, inode = "", path = ""] = /^\S+ \S+ \S+ \S+ (\d+) +(.*)$/.exec(line) ?? [];
			for (const [, content] of byInode.get(inode) ?? []) note(namedAs(content, path) ? content : void 0);
		}
	}
	return found;
}
function namedAs({ names, object }, path) {
	const basename = path.replace(/ \(deleted\)$/, "").replace(/^.*\//, "");
	return [...names, ...object ? [object] : []].some((name) => name.path.endsWith(`/${basename}`));
}
/** `lsof -t` prints the processes that have a file open or mapped, and fails when there are none. */
async function findOpenByLsof(contents, lsof = "/usr/sbin/lsof") {
	const found = /* @__PURE__ */ new Set();
	for (const content of contents) {
		const paths = content.names.map(({ path }) => path);
		if (paths.length > 0 && (await readChild(lsof, [
			"-t",
			"--",
			...paths
		])).stdout.trim() !== "") found.add(content);
	}
	return found;
}
/** smolvm's own names, below what Rust's `dirs::data_local_dir` gives. 1.0 and later write the first. */
const MACHINE_FILES = ["smolvm.db", "smolvm.redb"];
const SQLITE_MAGIC = "SQLite format 3\0";
const COPY_TRIES = 3;
/**
* Which of these names a machine of smolvm refers to. Its records are JSON (`source_smolmachine` is the canonical path
* of the sidecar) in `vms(name, data)` of a SQLite database in WAL mode, once a redb. Nothing of it is locked:
* most files do not mention a name at all, and then no machine refers to it. A file that does may mean a machine that
* was deleted, so a copy of a SQLite database is asked; where that fails, mentioning is enough.
*/
async function findReferred(ids) {
	const referred = /* @__PURE__ */ new Set();
	for (const path of MACHINE_FILES.map((name) => join(machineDir(), name))) {
		const mentioned = await readMentioned(path, ids);
		if (mentioned.length > 0) {
			const records = await readMachineRecords(path);
			for (const id of mentioned) if (records === void 0 || records.some((record) => record.includes(sidecarName(id)))) referred.add(id);
		}
	}
	return referred;
}
function machineDir() {
	const { XDG_DATA_HOME } = process.env;
	const dataDir = process.platform === "darwin" ? join(homedir(), "Library", "Application Support") : XDG_DATA_HOME?.startsWith("/") ? XDG_DATA_HOME : join(homedir(), ".local", "share");
	return join(dataDir, "smolvm", "server");
}
/** A long record is cut into pages, at most once within a name: one of its halves is whole. */
async function readMentioned(path, ids) {
	const files = await Promise.all([path, `${path}-wal`].map(readIfThere));
	return ids.filter((id) => [`/${id.slice(0, 8)}`, sidecarName(id).slice(8)].some((half) => files.some((bytes) => bytes.includes(half))));
}
async function readIfThere(path) {
	try {
		return await fs.readFile(path);
	} catch (error) {
		if (hasErrno(error, "ENOENT", "ENOTDIR")) return Buffer.alloc(0);
		throw error;
	}
}
/** Undefined when they cannot be read for certain. */
async function readMachineRecords(path) {
	try {
		return await withPrivateDir(scratchParent(), async (dir) => {
			const copy = join(dir, "smolvm.db");
			await copyUnchanged(path, copy);
			const { DatabaseSync } = await import("node:sqlite");
			const database = new DatabaseSync(copy);
			try {
				return database.prepare("SELECT data FROM vms").all().map(({ data }) => data instanceof Uint8Array ? Buffer.from(data).toString("utf8") : String(data));
			} finally {
				database.close();
			}
		});
	} catch {
		return;
	}
}
/** The database and its log belong together only if nobody has written to them meanwhile. */
async function copyUnchanged(path, copy) {
	for (let tries = 1; tries <= COPY_TRIES; tries += 1) {
		const before = await versionOf(path);
		const bytes = await fs.readFile(path);
		const log = await readIfThere(`${path}-wal`);
		if (await versionOf(path) === before && bytes.toString("latin1", 0, 16) === SQLITE_MAGIC) {
			await fs.writeFile(copy, bytes, { mode: 384 });
			await fs.writeFile(`${copy}-wal`, log, { mode: 384 });
			return;
		}
	}
	throw new Error(`${path} is no SQLite database, or one that changes all the time`);
}
async function versionOf(path) {
	const versions = [path, `${path}-wal`].map(async (file) => {
		const stat = await fs.stat(file, { bigint: true }).catch(() => void 0);
		return stat && `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
	});
	return (await Promise.all(versions)).join();
}
// src/store/used.ts
/** Remembers that a sidecar was used now; a store that cannot be written is as good as one that can. */
async function touchUsed(layout, sha256) {
	try {
		await fs.access(join(layout.records, `${sha256}.json`));
		await makeDirectory(layout.used);
		const text = `${JSON.stringify({ usedAt: (/* @__PURE__ */ new Date()).toISOString() })}\n`;
		await writeWhole(layout.tmp, join(layout.used, `${sha256}.json`), text);
	} catch {}
}
/** Undefined when there is no note of it, and not a number when there is one that says nothing. */
async function readUsedMs({ used }, sha256) {
	const text = await fs.readFile(join(used, `${sha256}.json`), "utf8").catch(() => void 0);
	try {
		const usedAt = text && JSON.parse(text).usedAt;
		return text === void 0 ? void 0 : typeof usedAt === "string" ? Date.parse(usedAt) : NaN;
	} catch {
		return NaN;
	}
}
// src/store/prune.ts
const QUARANTINE_MS = 6048e5;
const DEFAULT_KEEP = 1;
/** Without `dryRun`, the caller sees to it that nobody else changes names meanwhile. */
async function pruneStore(place, options) {
	const { layout } = place;
	try {
		const now = (options.now ?? /* @__PURE__ */ new Date()).getTime();
		const plan = await planPrune(place, options, now);
		const removed = [];
		const kept = [...plan.kept];
		for (const { content, ...sidecar } of plan.removed) if (options.dryRun || await removeContent(place, content)) removed.push(sidecar);
		else kept.push({
			...sidecar,
			reason: "busy"
		});
		const quarantineRemoved = await quarantinedBefore(layout, now - QUARANTINE_MS);
		if (!options.dryRun) {
			for (const path of quarantineRemoved) await fs.rm(path, {
				recursive: true,
				force: true
			});
			await removeUnnamed(layout);
		}
		return {
			removed,
			kept,
			freedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
			quarantineRemoved
		};
	} catch (error) {
		throw fileError(`cannot prune the store ${layout.dir}`, error);
	}
}
async function planPrune(place, options, now) {
	const { olderThanMs = 1e400, maxBytes = 1e400, keep = DEFAULT_KEEP } = options;
	const contents = (await listContents(place.layout)).filter(({ names }) => names.length > 0);
	const aged = await Promise.all(contents.map(async (content) => ({
		content,
		lastUse: await lastUse(place.layout, content, now)
	})));
	aged.sort((a, b) => b.lastUse - a.lastUse || ((a.content.sha256 ?? "") < (b.content.sha256 ?? "") ? -1 : 1));
	let totalBytes = aged.reduce((sum, { content }) => sum + bytesOf(content), 0);
	const inUse = await findUsers(place, contents, { isNeeded: olderThanMs < 1e400 || totalBytes > maxBytes });
	const removed = [];
	const kept = [];
	for (const [index, { content, lastUse }] of [...aged.entries()].reverse()) {
		const reason = now - lastUse > olderThanMs ? "old" : totalBytes > maxBytes ? "over-limit" : void 0;
		const obstacle = reason === void 0 ? "within-limits" : index < keep ? "newest" : inUse.get(content);
		const sidecar = {
			sha256: content.sha256,
			paths: content.names.map(({ path }) => path),
			sizeBytes: bytesOf(content),
			lastUsedAt: new Date(lastUse).toISOString()
		};
		if (reason !== void 0 && obstacle === void 0) {
			totalBytes -= sidecar.sizeBytes;
			removed.push({
				...sidecar,
				reason,
				content
			});
		} else kept.push({
			...sidecar,
			reason: obstacle ?? "within-limits"
		});
	}
	return {
		removed,
		kept
	};
}
/** Copies of one content each take their room. */
function bytesOf({ names }) {
	return [...new Map(names.map(({ stat }) => [fileKey(stat), stat.size])).values()].reduce((sum, size) => sum + size, 0);
}
/**
* When it was last used, by the text of a file of ours: the times of a file can be set by anybody, and copying does. Of
* what we did not install, it is when it was read or changed last (atime, ctime). A time in the future or one that
* cannot be read counts as now: a clock has jumped, and that is no reason to remove anything.
*/
async function lastUse(layout, content, now) {
	const { sha256, installedAt, names } = content;
	const usedMs = sha256 && await readUsedMs(layout, sha256);
	const times = typeof usedMs === "number" ? [usedMs] : installedAt !== void 0 ? [installedAt.getTime()] : names.flatMap(({ stat }) => [stat.ctimeMs, Math.min(stat.atimeMs, now)]);
	const last = Math.max(...times);
	return Number.isNaN(last) || last > now ? now : last;
}
async function findUsers({ lockPath }, contents, { isNeeded }) {
	const users = /* @__PURE__ */ new Map();
	if (!isNeeded) return users;
	const open = await findOpen(contents);
	const referred = await findReferred(contents.flatMap(({ names }) => names.map(({ id16 }) => id16)));
	for (const content of contents) if (content.names.some(({ id16 }) => referred.has(id16))) users.set(content, "machine");
	else if (open.has(content)) users.set(content, "open");
	else if (content.sha256 !== void 0 && await isLocked(lockPath(content.sha256))) users.set(content, "busy");
	return users;
}
/**
* Names first: killed half-way, what is left still has its record and goes the next time. False when a process has
* begun to download it meanwhile.
*/
async function removeContent(place, content) {
	const { layout, lockPath, quarantine } = place;
	const { sha256, names } = content;
	const lock = sha256 && await tryLock({
		path: lockPath(sha256),
		quarantine
	});
	if (sha256 !== void 0 && lock === void 0) return false;
	try {
		for (const { path, stat, id16 } of names) {
			const found = await fs.lstat(path).catch(() => void 0);
			if (found !== void 0 && fileKey(found) === fileKey(stat)) {
				await fs.rm(path, { force: true });
				await removeBinding(layout, id16);
			}
		}
		if (sha256 !== void 0) await removeOurs(layout, sha256);
		return true;
	} finally {
		if (lock) await lock.release();
	}
}
async function removeOurs({ objects, records, bundles, used }, sha256) {
	await fs.rm(join(objects, sha256), { force: true });
	await fs.rm(join(bundles, `${sha256}.sigstore.json`), { force: true });
	await fs.rm(join(records, `${sha256}.json`), { force: true });
	await fs.rm(join(used, `${sha256}.json`), { force: true });
}
/**
* Removes the objects, records and entries of the ledger that belong to no name any more. The caller sees to it that
* nobody installs meanwhile.
*/
async function removeUnnamed(layout) {
	const contents = await listContents(layout);
	for (const { sha256, names, object } of contents) if (sha256 !== void 0 && names.length === 0 && (object?.stat.nlink ?? 1) === 1) await removeOurs(layout, sha256);
	const known = new Set(contents.map(({ sha256 }) => `${sha256}.json`));
	for (const name of await namesIn(layout.used)) if (!known.has(name)) await fs.rm(join(layout.used, name), { force: true });
	const named = new Set((await namesIn(layout.dir)).map(id16OfName));
	for (const id of (await readBindings(layout)).keys()) if (!named.has(id)) await removeBinding(layout, id);
}
/** By ctime, which the move to quarantine has set. */
async function quarantinedBefore({ quarantine }, time) {
	const paths = [];
	for (const name of (await namesIn(quarantine)).sort()) {
		const path = join(quarantine, basename(name));
		const stat = await fs.lstat(path).catch(() => void 0);
		if (stat !== void 0 && stat.ctimeMs < time) paths.push(path);
	}
	return paths;
}
// src/store/store.ts
/** https://bford.info/cachedir/ */
const CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n";
/** How often others may change a name while it is being bound. */
const BIND_TRIES = 5;
/** A change takes moves and links; a copy at most, where there are no links. */
const CHANGE_LIMIT_MS = 12e4;
/**
* The local directory of sidecars (`StoreLayout` says what is where). Nothing in it is trusted because it is there:
* bytes are verified before they get a name, and names appear by link or rename. Names, objects, records and the
* ledger are changed under one lock, held for moments only, so that they agree.
*/
var Store = class Store {
	dir;
	#layout;
	constructor(layout) {
		this.dir = layout.dir;
		this.#layout = layout;
	}
	/**
	* Looks at the directory and makes nothing: it need not exist.
	* @throws BottleError `store-unsafe` when others could change what is in it
	*/
	static async open(dir) {
		return new Store(await openStoreDir(dir));
	}
	pathFor(id) {
		return join(this.dir, sidecarName(id));
	}
	async list() {
		return (await fs.readdir(this.dir).catch((error) => {
			if (hasErrno(error, "ENOENT")) return [];
			throw fileError(`cannot read the store ${this.dir}`, error);
		})).map(id16OfName).filter((id) => id !== void 0);
	}
	/** Everything that is known without hashing, for people and machines to read; the last installed first. */
	async listSidecars() {
		try {
			return (await listContents(this.#layout)).filter(({ names }) => names.length > 0).map(listed).sort((a, b) => a.installedAt > b.installedAt ? -1 : 1);
		} catch (error) {
			throw fileError(`cannot read the store ${this.dir}`, error);
		}
	}
	/**
	* The sidecar for an image, verified; a file that is damaged or not for this image goes to quarantine and
	* counts as none. `onQuarantine` hears why.
	*/
	async find(imageId, { platform, onQuarantine, ...options }) {
		const path = this.pathFor(id16(imageId));
		return await this.#orQuarantine(path, onQuarantine, async () => {
			const found = await this.verify(path, {
				...options,
				platform
			});
			const actual = found.binding?.imageId ?? found.record?.image.id;
			if (actual !== void 0 && actual !== imageId) throw otherImage(path, actual);
			return found;
		});
	}
	/**
	* The newest sidecar for an inputs key that `accepts` takes, not verified; `findKept` does it without loading all of
	* this.
	*/
	async findByKey(key, platform, accepts = () => true) {
		for (const kept of await listKept(this.#layout, key, platform)) {
			const record = await readRecord(kept.recordPath);
			if (record !== void 0 && accepts(record)) return {
				...kept,
				record
			};
		}
	}
	/** Verifies what `findByKey` has found; when it is damaged it goes to quarantine and counts as none. */
	async verifyKept({ path, sha256 }, { platform, onQuarantine, ...options }) {
		return await this.#orQuarantine(path, onQuarantine, async () => {
			const found = await this.verify(path, {
				...options,
				platform
			});
			if (found.report.sha256 !== sha256) throw otherContent(path, found.report.sha256, sha256);
			return found;
		});
	}
	async #orQuarantine(path, onQuarantine, find) {
		try {
			return await find();
		} catch (error) {
			if (isGone(error)) return;
			if (!isDamage(error)) throw error;
			await this.#quarantineIfThere(path, error.message, onQuarantine);
			return;
		}
	}
	/** Verifies one file of the store and finds its pack record. */
	async verify(path, options = {}) {
		const { platform, ...rest } = options;
		const report = await verifySidecar(path, platform === void 0 ? {} : { platform }, rest);
		const record = await readRecord(this.#recordPath(report.sha256));
		const packedFrom = record?.image.id;
		if (packedFrom !== void 0 && this.pathFor(id16(packedFrom)) === path) return {
			path,
			report,
			record
		};
		const id = id16OfName(basename(path));
		const binding = id && await readBinding(this.#layout, id);
		if (binding !== void 0 && !isBoundTo(binding, report.sha256)) throw otherContent(path, report.sha256, binding.sha256);
		if (packedFrom !== void 0 && binding === void 0) throw otherImage(path, packedFrom);
		return {
			path,
			report,
			record,
			...binding && { binding }
		};
	}
	/** For a sidecar that was there before its bundle. */
	async keepBundle(sha256, bundle, signal) {
		const write = () => this.#writeBundle(sha256, bundle);
		await this.#changing(`cannot keep the signature of ${sha256}`, write, signal);
	}
	async #writeBundle(sha256, bundle) {
		await makeDirectory(this.#layout.bundles);
		await writeWhole(this.#layout.tmp, this.#bundlePath(sha256), bundle.toString());
	}
	/** The Sigstore bundle that came with a sidecar and was verified. */
	async readBundle(sha256) {
		try {
			return await fs.readFile(this.#bundlePath(sha256));
		} catch (error) {
			if (hasErrno(error, "ENOENT")) return;
			throw fileError(`cannot read ${this.#bundlePath(sha256)}`, error);
		}
	}
	/** Where a memory of repositories that sign is kept, with a place for files in the making, and for locks. */
	get trustPlace() {
		const { trust: dir, tmp, locks } = this.#layout;
		return {
			dir,
			tmp,
			locks
		};
	}
	/** Notes that a sidecar is used now, where the store can be written. */
	async touch(sha256) {
		await touchUsed(this.#layout, sha256);
	}
	/**
	* Removes what killed runs have left half-made, and what no name refers to any more; nothing at all where the store
	* cannot be written, or is busy.
	*/
	async sweep(onWarning) {
		const { ours, dir, tmp, locks } = this.#layout;
		try {
			await fs.access(ours, fs.constants.W_OK);
			await makeDirectory(locks);
		} catch {
			return;
		}
		await sweepPrivateDirs(dir, { onWarning });
		await sweepPrivateDirs(tmp, { onWarning });
		await sweepParts(this.#layout, onWarning);
		try {
			await sweepLocks(locks, this.#moveAway);
			const lock = await tryLock(this.#lockPlace("names"));
			if (lock !== void 0) await removeUnnamed(this.#layout).finally(() => lock.release());
		} catch (error) {
			onWarning(`cannot sweep the store ${this.dir}: ${error instanceof Error ? error.message : error}`);
		}
	}
	/** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
	async withTemp(use) {
		await this.#prepare();
		return await withPrivateDir(this.#layout.tmp, use);
	}
	/**
	* Runs `use` with a directory for the download of one content. One process at a time works on a content; it finds
	* what an earlier one has left there when it was stopped. Whoever has waited looks into the store again first.
	* @throws BottleError `try-later` when another one takes longer than `limitMs`
	*/
	async withDownload(sha256, options, use) {
		await this.#prepare();
		const purpose = `the download of sha256:${sha256}`;
		return await withLock(this.#lockPlace(sha256), {
			...options,
			purpose
		}, async () => {
			options.signal?.throwIfAborted();
			return await withPart(this.#layout, sha256, use);
		});
	}
	/**
	* Moves a verified file into the store, under its own SHA-256 and then, by a hard link, under the name for the
	* image. Everything is on disk before a name appears; a file already under the name keeps its bytes for whoever
	* has it open. The object never has fewer than two links, or a sweep would take it for unused.
	*/
	async install(imageId, temp, record, { bundle, signal } = {}) {
		const { objects, records } = this.#layout;
		const { sha256 } = record.sidecar;
		const object = join(objects, sha256);
		const path = this.pathFor(id16(imageId));
		const change = async () => {
			await fs.chmod(temp, 292);
			await syncFile(temp);
			const recordTemp = `${temp}.json`;
			await fs.rm(recordTemp, { force: true });
			await writeReadOnly(recordTemp, formatRecord(record));
			await fs.rename(recordTemp, this.#recordPath(sha256));
			if (bundle !== void 0) await this.#writeBundle(sha256, bundle);
			await fs.rm(object, { force: true });
			await tryLink(temp, object);
			await this.#makeWay(path);
			await fs.rename(temp, path);
			await removeBinding(this.#layout, id16(imageId));
			for (const dir of [
				records,
				objects,
				this.dir
			]) await syncDirectory(dir);
			return {
				path,
				verified: await stampOf(path)
			};
		};
		return await this.#changing(`cannot install ${path}`, change, signal);
	}
	/**
	* To be asked before something from elsewhere is installed: which image it was packed from only its record says, and it
	* must not drive out what serves somebody else's image, or what was packed here.
	* @returns the good sidecar of the same origin that gives way to it
	* @throws BottleError `not-trusted` when a good sidecar of another origin stands under the name of the record's image
	*/
	async requireReplaceable(record, options) {
		const { onQuarantine, ...rest } = options;
		const path = this.pathFor(id16(record.image.id));
		const there = await this.#orQuarantine(path, onQuarantine, () => this.verify(path, rest));
		if (there !== void 0 && !mayGiveWay(there, record)) throw otherOrigin(path, there.record, record);
		const known = await readRecord(this.#recordPath(record.sidecar.sha256));
		const knownPath = known && this.pathFor(id16(known.image.id));
		if (knownPath !== void 0 && knownPath !== path && await stampOf(knownPath) !== void 0) throw otherOrigin(knownPath, known, record);
		return there?.report.sha256 === record.sidecar.sha256 ? void 0 : there;
	}
	/**
	* Gives a sidecar of the store a second name, for an image that is as good as the one that it was packed from. A good
	* sidecar that claude-bottle itself has packed for that image stays; so does the old file for whoever has it open.
	* @throws BottleError `not-found` when the store has no good copy of it
	*/
	async bind(imageId, record, options) {
		await this.#prepare();
		const path = this.pathFor(id16(imageId));
		for (let tries = 1; tries <= BIND_TRIES; tries += 1) {
			const source = await this.#verifiedCopy(record, options);
			const there = await this.#examine(path, source, record, options);
			const outcome = await this.#changing(`cannot bind ${path}`, () => this.#bindNow(imageId, record, source, there, options), options.signal);
			if (outcome !== void 0) return {
				path,
				outcome
			};
		}
		throw new BottleError("try-later", `${path} is changed by something else all the time`, { hint: "let the other run end, then try again" });
	}
	/** A path to the content of a record that has just passed all checks. */
	async #verifiedCopy(record, { onQuarantine, verified, ...options }) {
		const { sha256, sizeBytes } = record.sidecar;
		const ids = [id16(record.image.id)];
		for (const [id, binding] of await readBindings(this.#layout)) if (binding.sha256 === sha256) ids.push(id);
		let damage;
		for (const path of [...ids.map((id) => this.pathFor(id)), join(this.#layout.objects, sha256)]) {
			const stat = await fs.lstat(path).catch(() => void 0);
			if (stat?.isFile() && stat.size === sizeBytes) {
				if (verified !== void 0 && verified === await stampOf(path)) return path;
				try {
					const { sha256: found } = await verifySidecar(path, { platform: record.platform }, options);
					if (found === sha256) return path;
				} catch (error) {
					if (isDamage(error)) {
						damage = error;
						await this.#quarantineIfThere(path, error.message, onQuarantine);
					} else if (!isGone(error)) throw error;
				}
			}
		}
		throw damage ?? new BottleError("not-found", `no file in ${this.dir} has the SHA-256 ${sha256}`, { hint: "fetch it again" });
	}
	async #examine(path, source, record, { onQuarantine: _, ...options }) {
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
		const sourceStat = await fs.lstat(source).catch(() => void 0);
		if (sourceStat !== void 0 && key === fileKey(sourceStat)) return {
			is: "same",
			key
		};
		try {
			const { sha256 } = await verifySidecar(path, { platform: record.platform }, options);
			if (sha256 === record.sidecar.sha256) return {
				is: "same",
				key
			};
			const { binding } = await this.verify(path, {
				...options,
				platform: record.platform
			});
			return {
				is: binding === void 0 ? "good" : "replaceable",
				key,
				sha256
			};
		} catch (error) {
			if (isGone(error)) return {
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
	async #bindNow(imageId, record, source, there, { proof, onQuarantine }) {
		const layout = this.#layout;
		const { sha256 } = record.sidecar;
		const id = id16(imageId);
		const path = this.pathFor(id);
		const stat = await fs.lstat(path).catch(() => void 0);
		if ((stat && fileKey(stat)) !== there.key) return;
		if (there.is === "good") return "kept";
		if (await readRecord(this.#recordPath(sha256)) === void 0) await writeWhole(layout.tmp, this.#recordPath(sha256), formatRecord(record));
		if (there.is === "bad") await this.#quarantineIfThere(path, there.reason, onQuarantine);
		const old = await readBinding(layout, id);
		const isOwn = record.image.id === imageId;
		if (!isOwn && (old?.sha256 !== sha256 || old.imageId !== imageId)) await writeBinding(layout, {
			imageId,
			sha256,
			...record.inputs && { key: record.inputs.key },
			proof,
			boundAt: (/* @__PURE__ */ new Date()).toISOString(),
			...there.is === "replaceable" && { replacedSha256: there.sha256 }
		});
		if (there.is === "same") return "already-bound";
		if (!await this.#nameCopy(source, path, {
			replace: there.is === "replaceable",
			sha256
		})) return;
		if (isOwn) await removeBinding(layout, id);
		await syncDirectory(this.dir);
		return "bound";
	}
	/** False when the source is gone, or something has appeared under the name. */
	async #nameCopy(source, path, { replace, sha256 }) {
		try {
			if (!replace && await tryLink(source, path)) return true;
			await withPrivateDir(this.dir, async (dir) => {
				const temp = join(dir, "sidecar");
				if (!await tryLink(source, temp)) {
					await copyReadOnly(source, temp);
					await verifySidecar(temp, { sha256 });
				}
				await fs.rename(temp, path);
			});
			return true;
		} catch (error) {
			if (hasErrno(error, "EEXIST", "ENOENT")) return false;
			throw error;
		}
	}
	/** Removes sidecars that were not used for long, or more than fit, and old entries of the quarantine. */
	async prune(options) {
		const place = {
			layout: this.#layout,
			lockPath: (sha256) => this.#lockPlace(sha256).path,
			quarantine: this.#moveAway
		};
		if (options.dryRun || !await this.#exists()) return await pruneStore(place, {
			...options,
			dryRun: true
		});
		await this.#prepare();
		return await this.#changing(`cannot prune the store ${this.dir}`, () => pruneStore(place, options));
	}
	async quarantine(path) {
		const { quarantine } = this.#layout;
		const target = join(quarantine, `${basename(path)}.${randomBytes(4).toString("hex")}`);
		try {
			await makeDirectory(quarantine);
			await fs.rename(path, target);
		} catch (error) {
			throw fileError(`cannot move ${path} to quarantine`, error);
		}
		return target;
	}
	/** Several may find the same fault at once, and claude-bottle may be removing the file. */
	async #quarantineIfThere(path, reason, onQuarantine) {
		try {
			onQuarantine(reason, await this.quarantine(path));
		} catch (error) {
			if (!(error instanceof BottleError && hasErrno(error.cause, "ENOENT"))) throw error;
		}
	}
	#moveAway = (path) => this.#quarantineIfThere(path, "", () => {});
	/** Runs a change of names, objects, records and ledger, one process at a time. */
	async #changing(action, change, signal) {
		try {
			return await withLock(this.#lockPlace("names"), {
				purpose: `the store ${this.dir}`,
				limitMs: CHANGE_LIMIT_MS,
				signal
			}, change);
		} catch (error) {
			signal?.throwIfAborted();
			throw error instanceof BottleError ? error : fileError(action, error);
		}
	}
	async #exists() {
		return await fs.lstat(this.dir).catch(() => void 0) !== void 0;
	}
	async #prepare() {
		const { dir, ours, objects, records, bindings, used, parts, locks, tmp } = this.#layout;
		try {
			for (const each of [
				dir,
				ours,
				objects,
				records,
				bindings,
				used,
				parts,
				locks,
				tmp
			]) await makeDirectory(each);
			await writeReadOnly(join(ours, "CACHEDIR.TAG"), CACHEDIR_TAG).catch((error) => {
				if (!hasErrno(error, "EEXIST")) throw error;
			});
		} catch (error) {
			throw fileError(`cannot make the store ${this.dir}`, error);
		}
		await requirePrivate(dir);
		await requirePrivate(ours);
	}
	/** A rename replaces a file or a link, but not a directory. */
	async #makeWay(path) {
		if ((await fs.lstat(path).catch(() => void 0))?.isDirectory()) await this.quarantine(path);
	}
	#lockPlace(name) {
		return {
			path: join(this.#layout.locks, name),
			quarantine: this.#moveAway
		};
	}
	#bundlePath(sha256) {
		return join(this.#layout.bundles, `${sha256}.sigstore.json`);
	}
	#recordPath(sha256) {
		return join(this.#layout.records, `${sha256}.json`);
	}
};
/** To a sidecar of the same repository, or, since the bytes stay, to a record where there is none. */
function mayGiveWay(there, record) {
	const [theirs, ours] = [there.record, record].map((each) => each?.source?.repository.toLowerCase());
	return there.report.sha256 === record.sidecar.sha256 ? there.record === void 0 || theirs === ours : theirs !== void 0 && theirs === ours;
}
function otherOrigin(path, there, record) {
	const theirs = there?.source?.repository;
	const ours = record.source?.repository ?? "an unknown repository";
	return new BottleError("not-trusted", `${path} is a good sidecar ${theirs === void 0 ? "that was not published" : `of ${theirs}`}; one of ${ours} that names ${record.image.id} does not replace it`, { hint: `if it may go, delete it first: rm ${path}` });
}
function listed({ sha256, record, names, sizeBytes, installedAt }) {
	const [first] = names;
	return {
		id16: record === void 0 ? first.id16 : id16(record.image.id),
		...record && {
			imageId: record.image.id,
			...record.inputs && { key: record.inputs.key },
			platform: record.platform,
			packedAt: record.packedAt
		},
		...sha256 !== void 0 && { sha256 },
		sizeBytes,
		installedAt: (installedAt ?? first.stat.ctime).toISOString(),
		names: names.map(({ id16, path, kind, binding }) => ({
			id16,
			path,
			kind,
			...kind === "own" && record && { imageId: record.image.id },
			...binding && {
				imageId: binding.imageId,
				proof: binding.proof,
				boundAt: binding.boundAt
			}
		})),
		shared: new Set(names.map(({ stat }) => fileKey(stat))).size === 1
	};
}
function isGone(error) {
	return error instanceof BottleError && error.code === "not-found";
}
function otherContent(path, sha256, expected) {
	return new BottleError("sidecar-damaged", `damaged sidecar, identity: ${path} has the SHA-256 ${sha256}, ${expected} was bound to its name`, { hint: "bind it again" });
}
function otherImage(path, actual) {
	return new BottleError("sidecar-refused", `${path} is for another image, ${actual}`, { hint: "pack the image again" });
}
/** Verifies a file outside the store, against the pack record beside it (`<file>.json`) where there is one. */
async function verifyFile(path, options) {
	const record = await readRecord(`${path}.json`);
	return {
		path,
		report: await verifySidecar(path, record === void 0 ? {} : expectedOf(record), options),
		record
	};
}
function expectedOf(record) {
	return {
		platform: record.platform,
		configDigest: record.flattened.configDigest,
		sha256: record.sidecar.sha256
	};
}
/** Copies a sidecar of the store, with its pack record beside it as `<file>.json`. */
async function exportSidecar(stored, target) {
	const temp = join(dirname(target), `.${randomBytes(8).toString("hex")}.tmp`);
	try {
		await fs.copyFile(stored.path, temp, constants$1.COPYFILE_EXCL | constants$1.COPYFILE_FICLONE);
		const { sha256 } = await verifySidecar(temp, { sha256: stored.report.sha256 });
		await syncFile(temp);
		await fs.rm(`${target}.json`, { force: true });
		await fs.rename(temp, target);
		if (stored.record !== void 0 && stored.record.sidecar.sha256 === sha256) await fs.writeFile(`${target}.json`, formatRecord(stored.record));
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
	} finally {
		await fs.rm(temp, { force: true });
	}
}
export { stampOf as a, verifyFile as i, expectedOf as n, syncDirectory as o, exportSidecar as r, Store as t };
