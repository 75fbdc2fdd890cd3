import { o as hasErrno } from "./errors.mjs";
import * as fs from "node:fs/promises";
// src/host/sync.ts
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
export { syncFile as n, syncDirectory as t };
