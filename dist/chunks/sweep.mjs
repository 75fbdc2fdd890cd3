import { a as sweepLocks, c as contentPath, d as indexContent, f as indexEntriesOf, g as statFile, l as fileKey, n as startedDownloads, o as tryLock, p as listStore, r as sweepParts } from "./store.mjs";
import { r as sweepPrivateDirs } from "./private-dir.mjs";
import { g as namesIn, h as makeDirectory, o as removeFromIndex, u as objectPath } from "./by-key.mjs";
import { t as takeOverOldStore } from "./old-store.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/store/sweep.ts
/**
* Removes what killed runs have left half-made, and sidecars whose names the user has removed; takes over a store of
* an older version. Does nothing where the store cannot be written, or is busy.
*/
async function sweepStore(store) {
	const { ours, dir, tmp, locks } = store.layout;
	try {
		await fs.access(ours, fs.constants.W_OK);
		await makeDirectory(locks);
	} catch {
		return;
	}
	await sweepPrivateDirs(dir, { onWarning: store.warn });
	await sweepPrivateDirs(tmp, { onWarning: store.warn });
	await sweepParts(store.layout, store.warn);
	try {
		await sweepLocks(locks, (path) => store.quarantineIfThere(path, void 0));
		await takeOverOldStore(store);
		const lock = await tryLock(store.lockPlace("names"));
		if (lock !== void 0) await removeAbandoned(store).finally(() => lock.release());
	} catch (error) {
		store.warn(`cannot sweep the store ${dir}: ${error instanceof Error ? error.message : error}`);
	}
}
/**
* Removes sidecars all of whose names are gone, files without an entry in the catalog, and wrong entries of the index.
* Only to be called in a change of the store. A sidecar that was fetched and never had a name stays: it waits to be bound.
*/
async function removeAbandoned(store) {
	const { layout } = store;
	const kept = /* @__PURE__ */ new Set();
	for (const listed of await listStore(layout)) {
		const { content, object, names } = listed;
		const isAbandoned = names.length === 0 && (object === void 0 || isToHaveName(content));
		if (content !== void 0 && isAbandoned && (object?.nlink ?? 1) === 1) await removeContent(store, listed);
		else if (content !== void 0) {
			kept.add(content.sha256);
			await indexContent(layout, content);
		}
	}
	const started = await startedDownloads(layout);
	for (const sha256 of await namesIn(layout.objects)) {
		const stat = await statFile(objectPath(layout, sha256));
		if (!kept.has(sha256) && !started.has(sha256) && stat?.nlink === 1) await fs.rm(objectPath(layout, sha256), { force: true });
	}
	await removeUnindexed(store, kept);
	for (const name of await namesIn(layout.bundles)) if (!kept.has(name.slice(0, 64))) await fs.rm(join(layout.bundles, name), { force: true });
}
/** Whether it had a name, or was packed here, which gives it one: then its names are gone, or it was cut short. */
function isToHaveName(content) {
	return content !== void 0 && (content.names.length > 0 || content.installations.every(({ origin }) => origin.kind === "here"));
}
/** An index entry that is left of a sidecar that is gone. */
async function removeUnindexed({ layout: { byKey } }, kept) {
	for (const dir of await namesIn(byKey)) {
		const names = await namesIn(join(byKey, dir));
		const left = names.filter((name) => kept.has(name.slice(-64)));
		for (const name of names.filter((each) => !left.includes(each))) await fs.rm(join(byKey, dir, name), { force: true });
		if (left.length === 0) await fs.rmdir(join(byKey, dir)).catch(() => {});
	}
}
/** Names first: what is left when it is cut short still has its entry in the catalog, and goes the next time. */
async function removeContent({ layout }, { content, names }) {
	for (const { path, stat } of names) {
		const found = await fs.lstat(path).catch(() => void 0);
		if (found !== void 0 && fileKey(found) === fileKey(stat)) await fs.rm(path, { force: true });
	}
	if (content === void 0) return;
	const { sha256 } = content;
	await fs.rm(objectPath(layout, sha256), { force: true });
	for (const name of (await namesIn(layout.bundles)).filter((each) => each.startsWith(sha256))) await fs.rm(join(layout.bundles, name), { force: true });
	await fs.rm(contentPath(layout, sha256), { force: true });
	for (const { build } of indexEntriesOf(content)) await removeFromIndex(layout, build, (entry) => entry.sha256 === sha256);
}
export { removeContent as n, sweepStore as r, removeAbandoned as t };
