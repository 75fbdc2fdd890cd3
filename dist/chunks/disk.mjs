import { a as fileError, t as BottleError } from "./errors.mjs";
import { statfs } from "node:fs/promises";
// src/host/disk.ts
const SPARE_BYTES = 67108864;
async function freeBytes(dir) {
	const { bavail, bsize } = await statFileSystem(dir);
	return bavail * bsize;
}
/**
* Asks for some spare room on top of `bytes`, and for room for one more file.
* @param purpose completes "… needed in DIR for"
*/
async function requireFreeBytes(dir, bytes, purpose) {
	const neededBytes = bytes + SPARE_BYTES;
	const { bavail, bsize, files, ffree } = await statFileSystem(dir);
	const free = bavail * bsize;
	if (free < neededBytes) throw new BottleError("cannot-write", `${formatBytes(neededBytes)} needed in ${dir} for ${purpose}, ${formatBytes(free)} free`, { hint: `free some disk space in ${dir}, or use a directory on another disk` });
	if (files > 0 && ffree === 0) throw new BottleError("cannot-write", `no inodes left in ${dir} for ${purpose}, though ${formatBytes(free)} are free`, { hint: `remove some files there, however small, or use a directory on another disk` });
}
async function statFileSystem(dir) {
	try {
		return await statfs(dir);
	} catch (error) {
		throw fileError(`cannot look at ${dir}`, error);
	}
}
/** Decimal units, as disks and registries count. */
function formatBytes(bytes) {
	const units = [
		"B",
		"kB",
		"MB",
		"GB",
		"TB"
	];
	let value = bytes;
	let unit = 0;
	while (value >= 999.5 && unit < units.length - 1) {
		value /= 1e3;
		unit += 1;
	}
	return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
export { freeBytes as n, requireFreeBytes as r, formatBytes as t };
