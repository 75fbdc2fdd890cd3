import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { c as id16OfName, g as namesIn, m as storeDir, x as originId } from "./by-key.mjs";
import { t as homeDir } from "./home.mjs";
import { i as isLocked, l as fileKey, o as tryLock, p as listStore, t as Store } from "./store.mjs";
import { n as removeContent, r as sweepStore, t as removeAbandoned } from "./sweep.mjs";
import { t as formatAge } from "./age.mjs";
import { a as shortHashes } from "./style.mjs";
import * as fs from "node:fs/promises";
import { basename, join } from "node:path";
// src/store/machines.ts
/** smolvm's own names, with the log of what is not in the database yet. Before 1.0 it was a redb. */
const MACHINE_FILES = [
	"smolvm.db",
	"smolvm.db-wal",
	"smolvm.redb"
];
/**
* The file names that smolvm's database of machines mentions. A machine's record has the path of the sidecar that it was made
* from. That of a machine that was deleted may still be there: then its sidecar stays for longer than it has to.
*/
async function findMentioned(names) {
	const files = await Promise.all(MACHINE_FILES.map((name) => readIfThere(join(machineDir(), name))));
	const isMentioned = (name) => [`/${name.slice(0, 8)}`, name.slice(8)].some((half) => files.some((bytes) => bytes.includes(half)));
	return new Set(names.filter(isMentioned));
}
/** Below what Rust's `dirs::data_local_dir` gives. */
function machineDir() {
	const { XDG_DATA_HOME } = process.env;
	const home = homeDir() ?? "/nonexistent";
	const dataDir = process.platform === "darwin" ? join(home, "Library", "Application Support") : XDG_DATA_HOME?.startsWith("/") ? XDG_DATA_HOME : join(home, ".local", "share");
	return join(dataDir, "smolvm", "server");
}
async function readIfThere(path) {
	try {
		return await fs.readFile(path);
	} catch (error) {
		if (hasErrno(error, "ENOENT", "ENOTDIR")) return Buffer.alloc(0);
		throw error;
	}
}
// src/store/prune.ts
const QUARANTINE_MS = 6048e5;
const DEFAULT_KEEP = 1;
/** Removes sidecars that were not used for long, or more than fit, and old entries of the quarantine. */
async function pruneStore(store, options) {
	const isThere = await fs.lstat(store.dir).catch(() => void 0) !== void 0;
	if (options.dryRun || !isThere) return await prune(store, {
		...options,
		dryRun: true
	});
	await store.prepare();
	return await store.changing(`cannot prune the store ${store.dir}`, () => prune(store, options));
}
/** Unless it is a dry run, only to be called in a change of the store. */
async function prune(store, options) {
	const { layout } = store;
	try {
		const now = (options.now ?? /* @__PURE__ */ new Date()).getTime();
		const plan = await planPrune(store, options, now);
		const removed = [];
		const kept = [...plan.kept];
		for (const { listed, ...sidecar } of plan.removed) if (options.dryRun || await removeUnlessBusy(store, listed)) removed.push(sidecar);
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
			await removeAbandoned(store);
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
async function planPrune(store, options, now) {
	const { olderThanMs = 1e400, maxBytes = 1e400, keep = DEFAULT_KEEP } = options;
	const sidecars = (await listStore(store.layout)).filter(({ object, names }) => object !== void 0 || names.length > 0);
	const aged = sidecars.map((listed) => ({
		listed,
		lastUse: lastUse(listed, now)
	}));
	aged.sort((a, b) => b.lastUse - a.lastUse || (shaOf(a.listed) < shaOf(b.listed) ? -1 : 1));
	const newest = newestOfEachOrigin(aged.map(({ listed }) => listed), keep);
	let totalBytes = aged.reduce((sum, { listed }) => sum + bytesOf(listed), 0);
	const users = await findUsers(store, sidecars);
	const removed = [];
	const kept = [];
	for (const { listed, lastUse } of aged.reverse()) {
		const reason = now - lastUse > olderThanMs ? "old" : totalBytes > maxBytes ? "over-limit" : void 0;
		const obstacle = reason === void 0 ? "within-limits" : newest.has(listed) ? "newest" : users.get(listed);
		const sidecar = {
			sha256: listed.content?.sha256,
			paths: pathsOf(store, listed),
			sizeBytes: bytesOf(listed),
			lastUsedAt: new Date(lastUse).toISOString()
		};
		if (reason !== void 0 && obstacle === void 0) {
			totalBytes -= sidecar.sizeBytes;
			removed.push({
				...sidecar,
				reason,
				listed
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
/** The names of a sidecar, or where it is kept when it has none. */
function pathsOf({ layout }, { content, names }) {
	return names.length > 0 || content === void 0 ? names.map(({ path }) => path) : [join(layout.objects, content.sha256)];
}
function shaOf({ content }) {
	return content?.sha256 ?? "";
}
/** One origin cannot push out the sidecars of another one. */
function newestOfEachOrigin(newestFirst, keep) {
	const counts = /* @__PURE__ */ new Map();
	const newest = /* @__PURE__ */ new Set();
	for (const listed of newestFirst) {
		const origins = new Set(listed.content?.installations.map(({ origin }) => originId(origin)) ?? ["here"]);
		for (const origin of origins) {
			const count = (counts.get(origin) ?? 0) + 1;
			counts.set(origin, count);
			if (count <= keep) newest.add(listed);
		}
	}
	return newest;
}
/** Copies of one sidecar each take their room. */
function bytesOf({ object, names }) {
	const stats = [...object ? [object] : [], ...names.map(({ stat }) => stat)];
	return [...new Map(stats.map((stat) => [fileKey(stat), stat.size])).values()].reduce((sum, size) => sum + size, 0);
}
/**
* When it was last used, as the catalog says: the times of a file can be set by anyone, and copying does. A sidecar
* that is not in the catalog was used when its file was read or changed last. A time in the future counts as now,
* because a clock has jumped, which is not a reason to remove anything.
*/
function lastUse({ content, names }, now) {
	const times = content === void 0 ? names.flatMap(({ stat }) => [stat.ctimeMs, Math.min(stat.atimeMs, now)]) : content.usedAt !== void 0 ? [Date.parse(content.usedAt)] : content.installations.map(({ installedAt }) => Date.parse(installedAt));
	const last = Math.max(...times);
	return Math.min(last, now);
}
async function findUsers(store, sidecars) {
	const users = /* @__PURE__ */ new Map();
	const fileNames = (listed) => [...pathsOf(store, listed).map((path) => basename(path)), ...listed.content ? [listed.content.sha256] : []];
	const mentioned = await findMentioned(sidecars.flatMap(fileNames));
	for (const listed of sidecars) if (fileNames(listed).some((name) => mentioned.has(name))) users.set(listed, "machine");
	else if (listed.content && await isLocked(store.lockPlace(listed.content.sha256).path)) users.set(listed, "busy");
	return users;
}
/** False when a process has begun to download it since. */
async function removeUnlessBusy(store, listed) {
	const lock = listed.content && await tryLock(store.lockPlace(listed.content.sha256));
	if (listed.content !== void 0 && lock === void 0) return false;
	try {
		await removeContent(store, listed);
		return true;
	} finally {
		await lock?.release();
	}
}
/** By ctime, which the move to quarantine has set. */
async function quarantinedBefore({ quarantine }, time) {
	const paths = [];
	for (const name of (await namesIn(quarantine)).sort()) {
		const path = join(quarantine, name);
		const stat = await fs.lstat(path).catch(() => void 0);
		if (stat !== void 0 && stat.ctimeMs < time) paths.push(path);
	}
	return paths;
}
// src/cli/prune-command.ts
const VERDICT_COLUMNS = 8;
const REASONS = {
	old: "not used for longer",
	"over-limit": "over the size",
	"within-limits": "within the limits",
	newest: "among the last used",
	machine: "a machine of smolvm was made from it",
	busy: "another run works on it"
};
/** `claude-bottle prune`: says of each sidecar whether it goes, and why. */
async function runPrune({ olderThan, maxSize, keep, dryRun, store: dir }, output) {
	if (olderThan === void 0 && maxSize === void 0) throw new BottleError("usage", "prune needs a limit", { hint: "claude-bottle prune --older-than 30d  # or --max-size 20GB" });
	const store = await Store.open(storeDir(dir), output.onProgress);
	if (!dryRun) await sweepStore(store);
	const result = await pruneStore(store, {
		olderThanMs: olderThan,
		maxBytes: maxSize,
		keep,
		dryRun
	});
	const now = Date.now();
	const { removed, kept, freedBytes, quarantineRemoved } = result;
	const verdict = dryRun ? "would go" : "removed";
	output.result({
		dryRun: dryRun ?? false,
		...result
	}, [
		...removed.map((sidecar) => lineOf(verdict, sidecar, now)),
		...kept.map((sidecar) => lineOf("kept", sidecar, now)),
		...quarantineRemoved.map((path) => `${verdict.padEnd(VERDICT_COLUMNS)}  ${path}`),
		`${formatBytes(freedBytes)} ${dryRun ? "would be freed" : "freed"}`
	]);
	return 0;
}
function lineOf(verdict, { paths, sha256, sizeBytes, lastUsedAt, reason }, now) {
	const id = paths.map((path) => id16OfName(basename(path)) ?? sha256 ?? path)[0] ?? "";
	return [
		verdict.padEnd(VERDICT_COLUMNS),
		shortHashes(id),
		formatBytes(sizeBytes).padStart(7),
		`used ${formatAge(now - Date.parse(lastUsedAt))}`.padEnd(11),
		REASONS[reason]
	].join("  ");
}
export { runPrune };
