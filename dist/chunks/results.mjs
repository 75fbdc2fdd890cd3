import { a as fileError, o as hasErrno } from "./errors.mjs";
import { c as formatRecord, m as recordPathOf } from "./file.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/action/results.ts
/** The directories in RUNNER_TEMP that hold what the step has made, until the job ends, begin with this. */
const RESULTS_PREFIX = "claude-bottle-pack-";
/** Moves a whole, verified sidecar to where it stays until the job ends, with its pack record beside it. */
async function keepResult({ tempDir }, name, from, record) {
	try {
		const dir = await fs.mkdtemp(join(tempDir, RESULTS_PREFIX));
		const path = join(dir, name);
		const recordPath = recordPathOf(path);
		await fs.writeFile(recordPath, formatRecord(record));
		if (from !== void 0) await move(from, path);
		return {
			path: from === void 0 ? void 0 : path,
			recordPath
		};
	} catch (error) {
		throw fileError(`cannot keep ${name} in RUNNER_TEMP, ${tempDir}`, error);
	}
}
async function move(from, to) {
	try {
		await fs.rename(from, to);
	} catch (error) {
		if (!hasErrno(error, "EXDEV")) throw error;
		await fs.copyFile(from, to);
		await fs.rm(from);
	}
}
export { keepResult as n, RESULTS_PREFIX as t };
