import { a as hasErrno, i as fileError, o as isDamage, t as BottleError } from "./errors.mjs";
import { C as id16, S as $constructor, _ as _isoDateTime, a as _enum, b as _regex, c as int, d as object, f as optional, h as string, i as ZodMiniStringFormat, l as literal, m as refine, n as verifySidecar, o as array, s as boolean, w as isDigest, x as $ZodISODateTime, y as _nonnegative } from "./verify.mjs";
import { t as canonicalize } from "./canonicalize.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { createHash, randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { constants, readFileSync, readlinkSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { homedir, hostname, tmpdir } from "node:os";
// src/host/owner.ts
function ownerOf(pid) {
	return `${HOST.id}-${HOST.boot()}-${pid}-${startTime(pid) ?? "gone"}`;
}
function thisOwner() {
	return ownerOf(process.pid);
}
/** False only when the process is known to have ended; owners on other hosts count as alive. */
function isAlive(owner) {
	const [host, boot, pid, start] = owner.split("-");
	if (host !== HOST.id || pid === void 0 || start === void 0) return true;
	return boot === HOST.boot() && startTime(Number(pid)) === start;
}
function pidOf(owner) {
	return Number(owner.split("-")[2]);
}
const HOST = {
	id: shortHash(hostname() + pidNamespace()),
	bootHash: void 0,
	boot() {
		this.bootHash ??= shortHash(bootId());
		return this.bootHash;
	}
};
function shortHash(text) {
	return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
/** Containers with the host's name have pids of their own; what they own counts as another host's. */
function pidNamespace() {
	return process.platform === "linux" ? readlinkSync("/proc/self/ns/pid") : "";
}
function bootId() {
	return process.platform === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8") : outputOf("sysctl", ["-n", "kern.boottime"]) ?? "";
}
/** An opaque text that differs between processes that had the same pid; undefined when there is none now. */
function startTime(pid) {
	if (process.platform !== "linux") {
		const started = outputOf("ps", [
			"-o",
			"lstart=",
			"-p",
			String(pid)
		])?.trim();
		return started ? shortHash(started) : void 0;
	}
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return fields[0] === "Z" || fields[0] === "X" ? void 0 : fields[19];
	} catch {
		return;
	}
}
function outputOf(command, args) {
	try {
		return execFileSync(command, args, {
			encoding: "utf8",
			stdio: [
				"ignore",
				"pipe",
				"ignore"
			]
		});
	} catch {
		return;
	}
}
// src/host/private-dir.ts
const PREFIX = "cbp-";
const OWNER_SUFFIX = ".owner";
/** Sizes are those of whole images, and /tmp is often a RAM disk: /var/tmp is where the FHS puts large files. */
function scratchParent() {
	return resolve(process.env.TMPDIR || (process.platform === "linux" ? "/var/tmp" : tmpdir()));
}
/**
* Runs `use` with a new directory of mode 0700 in `parent` and removes it afterwards, whatever happens. When the
* process is killed, a later `sweepPrivateDirs` removes it: the owner stands in a symbolic link beside the
* directory, made before it, because a link appears together with its text.
*/
async function withPrivateDir(parent, use, beforeRemove) {
	const dir = join(parent, PREFIX + randomBytes(4).toString("hex"));
	try {
		await fs.symlink(thisOwner(), dir + OWNER_SUFFIX);
		await fs.mkdir(dir, { mode: 448 });
	} catch (error) {
		await fs.rm(dir + OWNER_SUFFIX, { force: true });
		throw fileError(`cannot make a working directory in ${parent}`, error);
	}
	try {
		return await use(dir);
	} finally {
		await removeOwned(dir, beforeRemove).catch(() => {});
	}
}
/** Removes the private directories in `parent` whose owner has ended. */
async function sweepPrivateDirs(parent, { beforeRemove, onWarning }) {
	for (const name of await namesIn(parent)) {
		if (!name.startsWith(PREFIX) || !name.endsWith(OWNER_SUFFIX)) continue;
		const link = join(parent, name);
		const owner = await ownOwner(link);
		if (owner !== void 0 && !isAlive(owner)) {
			const dir = link.slice(0, -6);
			await removeOwned(dir, beforeRemove).catch((error) => onWarning(`cannot remove ${dir}, which a stopped run has left: ${error.message}`));
		}
	}
}
async function namesIn(parent) {
	try {
		return await fs.readdir(parent);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return [];
		throw fileError(`cannot read ${parent}`, error);
	}
}
/** The parent may be shared by users, like /var/tmp: what is not ours is not touched. */
async function ownOwner(link) {
	try {
		const stat = await fs.lstat(link);
		return stat.isSymbolicLink() && stat.uid === process.getuid?.() ? await fs.readlink(link) : void 0;
	} catch {
		return;
	}
}
async function removeOwned(dir, beforeRemove) {
	if (beforeRemove !== void 0) await beforeRemove(dir);
	await fs.rm(dir, {
		recursive: true,
		force: true,
		maxRetries: 3
	});
	await fs.rm(dir + OWNER_SUFFIX, { force: true });
}
// node_modules/zod/v4/mini/iso.js
const ZodMiniISODateTime = /*@__PURE__*/ $constructor("ZodMiniISODateTime", (inst, def) => {
	$ZodISODateTime.init(inst, def);
	ZodMiniStringFormat.init(inst, def);
});
// @__NO_SIDE_EFFECTS__
function datetime(params) {
	return _isoDateTime(ZodMiniISODateTime, params);
}
const digest = string().check(refine(isDigest));
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
const sizeBytes = int().check(_nonnegative());
/** The pack record: what is known of one sidecar and of the image that it was packed from. */
const packRecordSchema = object({
	version: literal(1),
	platform: _enum(GUEST_PLATFORMS),
	image: object({
		id: digest,
		/** Absent where the engine does not tell: the containerd image store. */
		configDigest: optional(digest),
		/** Absent where the image has none: the classic image store. */
		manifestDigest: optional(digest),
		layers: array(digest),
		/** `runtimeConfigSha256` of the image's environment, command, user and so on. */
		runtimeConfigSha256: sha256
	}),
	/** The one-layer image that smolvm pulled; a sidecar's manifest names its config. */
	flattened: object({
		configDigest: digest,
		layerDigest: digest,
		layerSizeBytes: sizeBytes
	}),
	sidecar: object({
		sha256,
		sizeBytes,
		crc32: string().check(_regex(/^[0-9a-f]{8}$/))
	}),
	smolvm: object({
		version: string(),
		cpus: optional(int()),
		memMib: optional(int())
	}),
	hop: _enum(["embedded", "container"]),
	packedAt: /* @__PURE__ */ datetime(),
	/** What went into `docker build`; absent where an image was packed as it was found. */
	inputs: optional(object({
		key: sha256,
		entriesSha256: sha256,
		/** Whether the key covers only what the Dockerfile can see, or the whole context. */
		narrowed: boolean()
	})),
	/** The workflow run that published it. */
	source: optional(object({
		repository: string(),
		repositoryId: optional(string()),
		commit: string().check(_regex(/^[0-9a-f]{40,64}$/)),
		ref: string(),
		event: string(),
		runId: string(),
		runAttempt: int()
	}))
});
/** Equal for equal runtime configs, whatever the order of their keys (RFC 8785). */
function runtimeConfigSha256(config) {
	return createHash("sha256").update(canonicalize(config) ?? "").digest("hex");
}
// src/store/location.ts
const SIDECAR_SUFFIX = ".smolmachine.smolmachine";
/** Where claude-bottle looks: fixed below the home directory, it knows no XDG_CACHE_HOME. */
function defaultStoreDir() {
	const home = homedir();
	if (home === "" || home === "/nonexistent") throw new BottleError("store-unsafe", `no home directory (${JSON.stringify(home)}), so no default store`, { hint: "set HOME, or name a directory with --store" });
	return join(home, ".cache", "claude-bottle", "smolmachines");
}
function storeDir(option) {
	return resolve(option || defaultStoreDir());
}
/** `smolvm pack create -o <id16>.smolmachine` once wrote this name, and claude-bottle still looks for it. */
function sidecarName(id) {
	return id + SIDECAR_SUFFIX;
}
function id16OfName(name) {
	const id = name.slice(0, 16);
	return /^[0-9a-f]{16}$/.test(id) && name === sidecarName(id) ? id : void 0;
}
// src/store/store.ts
/** https://bford.info/cachedir/ */
const CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Sidecars made by claude-bottle pack; they can be made again.\n";
const MAX_RECORD_BYTES = 1048576;
/**
* The local directory of sidecars. Its top level has the names that claude-bottle looks for and nothing else;
* what is ours is in `.pack/`: `objects/sha256/<hex>` with a hard link to each sidecar, `records/<hex>.json`,
* `tmp/`, `quarantine/`.
*/
var Store = class Store {
	dir;
	constructor(dir) {
		this.dir = dir;
	}
	/**
	* Looks at the directory and makes nothing: it need not exist.
	* @throws BottleError `store-unsafe` when others could change what is in it
	*/
	static async open(dir) {
		try {
			await requirePrivate(dir);
		} catch (error) {
			if (error instanceof BottleError) throw error;
			if (!hasErrno(error, "ENOENT")) throw fileError(`cannot open the store ${dir}`, error);
		}
		return new Store(dir);
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
	/**
	* The sidecar for an image, verified; a file that is damaged or not for this image goes to quarantine and
	* counts as none. `onQuarantine` hears why.
	*/
	async find(imageId, { platform, onQuarantine, ...options }) {
		const path = this.pathFor(id16(imageId));
		try {
			const found = await this.verify(path, {
				...options,
				platform
			});
			const actual = found.record?.image.id;
			if (actual !== void 0 && actual !== imageId) throw otherImage(path, actual);
			return found;
		} catch (error) {
			if (error instanceof BottleError && error.code === "not-found") return;
			if (!isDamage(error)) throw error;
			onQuarantine(error.message, await this.quarantine(path));
			return;
		}
	}
	/** Verifies one file of the store and finds its pack record. */
	async verify(path, options = {}) {
		const { platform, ...rest } = options;
		const report = await verifySidecar(path, platform === void 0 ? {} : { platform }, rest);
		const record = await readRecord(join(this.#records, `${report.sha256}.json`));
		const packedFrom = record?.image.id;
		if (packedFrom !== void 0 && this.pathFor(id16(packedFrom)) !== path) throw otherImage(path, packedFrom);
		return {
			path,
			report,
			record
		};
	}
	/** Removes what killed runs have left half-made, and what no name refers to any more. */
	async sweep(onWarning) {
		await sweepPrivateDirs(this.#tmp, { onWarning });
		const objects = await fs.readdir(this.#objects).catch(() => []);
		for (const sha256 of objects) {
			const object = join(this.#objects, sha256);
			if ((await fs.lstat(object).catch(() => void 0))?.nlink === 1) {
				await fs.rm(object, { force: true });
				await fs.rm(join(this.#records, `${sha256}.json`), { force: true });
			}
		}
	}
	/** Runs `use` with a private directory on the store's file system, in which a sidecar can be made. */
	async withTemp(use) {
		await this.#prepare();
		return await withPrivateDir(this.#tmp, use);
	}
	/**
	* Moves a verified file into the store, under its own SHA-256 and then, by a hard link, under the name for the
	* image. Everything is on disk before a name appears; a file already under the name keeps its bytes for whoever
	* has it open. The object never has fewer than two links, or a sweep would take it for unused.
	*/
	async install(imageId, temp, record) {
		const { sha256 } = record.sidecar;
		const object = join(this.#objects, sha256);
		const path = this.pathFor(id16(imageId));
		try {
			await fs.chmod(temp, 292);
			await syncFile(temp);
			const recordTemp = `${temp}.json`;
			await fs.writeFile(recordTemp, formatRecord(record), { mode: 292 });
			await syncFile(recordTemp);
			await fs.rename(recordTemp, join(this.#records, `${sha256}.json`));
			await fs.rm(object, { force: true });
			await fs.link(temp, object);
			await this.#makeWay(path);
			await fs.rename(temp, path);
			for (const dir of [
				this.#records,
				this.#objects,
				this.dir
			]) await syncDirectory(dir);
		} catch (error) {
			throw fileError(`cannot install ${path}`, error);
		}
		return path;
	}
	async quarantine(path) {
		const name = path.slice(this.dir.length + 1);
		const target = join(this.#quarantine, `${name}.${randomBytes(4).toString("hex")}`);
		try {
			await fs.mkdir(this.#quarantine, {
				recursive: true,
				mode: 448
			});
			await fs.rename(path, target);
		} catch (error) {
			throw fileError(`cannot move ${path} to quarantine`, error);
		}
		return target;
	}
	async #prepare() {
		try {
			for (const dir of [
				this.dir,
				this.#ours(),
				this.#objects,
				this.#records,
				this.#tmp
			]) await fs.mkdir(dir, {
				recursive: true,
				mode: 448
			});
			const tag = this.#ours("CACHEDIR.TAG");
			await fs.writeFile(tag, CACHEDIR_TAG, { flag: "wx" }).catch((error) => {
				if (!hasErrno(error, "EEXIST")) throw error;
			});
		} catch (error) {
			throw fileError(`cannot make the store ${this.dir}`, error);
		}
		await requirePrivate(this.dir);
	}
	/** A rename replaces a file or a link, but not a directory. */
	async #makeWay(path) {
		if ((await fs.lstat(path).catch(() => void 0))?.isDirectory()) await this.quarantine(path);
	}
	#ours(...names) {
		return join(this.dir, ".pack", ...names);
	}
	get #objects() {
		return this.#ours("objects", "sha256");
	}
	get #records() {
		return this.#ours("records");
	}
	get #tmp() {
		return this.#ours("tmp");
	}
	get #quarantine() {
		return this.#ours("quarantine");
	}
};
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
/** Undefined when there is none that can be read. */
async function readRecord(path) {
	try {
		const { size } = await fs.stat(path);
		const record = size <= MAX_RECORD_BYTES ? JSON.parse(await fs.readFile(path, "utf8")) : void 0;
		return packRecordSchema.safeParse(record).data;
	} catch {
		return;
	}
}
/** Copies a sidecar of the store, with its pack record beside it as `<file>.json`. */
async function exportSidecar(stored, target) {
	const temp = join(dirname(target), `.${randomBytes(8).toString("hex")}.tmp`);
	try {
		await fs.copyFile(stored.path, temp, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
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
function formatRecord(record) {
	return `${JSON.stringify(record, void 0, 2)}\n`;
}
/** The store decides what a VM runs, so nobody else may write to it; a symbolic link is somebody else's decision. */
async function requirePrivate(dir) {
	const stat = await fs.lstat(dir);
	const uid = process.getuid?.() ?? stat.uid;
	const fault = !stat.isDirectory() ? "is not a directory" : stat.uid !== uid ? `belongs to uid ${stat.uid}, not ${uid}` : (stat.mode & 18) !== 0 ? `is writable for others (mode ${(stat.mode & 511).toString(8)})` : void 0;
	if (fault !== void 0) throw new BottleError("store-unsafe", `the store ${dir} ${fault}`, { hint: `make it a directory of your own (chmod 700 ${dir}), or name another one with --store` });
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
export { verifyFile as a, datetime as c, withPrivateDir as d, isAlive as f, thisOwner as h, readRecord as i, scratchParent as l, pidOf as m, exportSidecar as n, storeDir as o, ownerOf as p, formatRecord as r, runtimeConfigSha256 as s, Store as t, sweepPrivateDirs as u };
