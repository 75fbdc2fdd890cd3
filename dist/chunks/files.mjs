import { o as hasErrno } from "./errors.mjs";
import { i as withPrivateDir } from "./private-dir.mjs";
import { n as syncFile } from "./sync.mjs";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
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
	await fs.copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
	await fs.chmod(target, 292);
	await syncFile(target);
}
export { writeWhole as a, writeReadOnly as i, stampOf as n, tryLink as r, copyReadOnly as t };
