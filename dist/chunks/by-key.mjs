import { d as namesIn, g as originId, i as objectPath, l as ignoreExisting, u as makeDirectory } from "./location.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
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
export { readIndex as a, listHits as i, findPath as n, removeFromIndex as o, knowsSigner as r, addToIndex as t };
