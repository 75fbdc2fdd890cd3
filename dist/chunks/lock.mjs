import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { i as thisOwner, r as pidOf, t as isAlive } from "./owner.mjs";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { tmpdir } from "node:os";
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
// src/host/lock.ts
const POLL_MS = 250;
const REPORT_MS = 1e4;
const HEARTBEAT_MS = 5e3;
/** A holder of whom nothing is known is given up when it has not touched its lock for so long. */
const SILENCE_MS = 6e4;
/** As long as two processes that see the same dead lock may be apart between looking and renaming. */
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
/** Undefined when somebody has it, or may have it. */
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
export { scratchParent as a, withLock as i, sweepLocks as n, sweepPrivateDirs as o, tryLock as r, withPrivateDir as s, isLocked as t };
