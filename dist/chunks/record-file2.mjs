import { r as readableRecord } from "./pack-record.mjs";
import * as fs from "node:fs/promises";
// src/store/record-file.ts
const MAX_RECORD_BYTES = 1048576;
/** Undefined when there is none that can be read. */
async function readRecord(path) {
	try {
		const { size } = await fs.stat(path);
		return size <= MAX_RECORD_BYTES ? readableRecord(await fs.readFile(path, "utf8")) : void 0;
	} catch {
		return;
	}
}
function formatRecord(record) {
	return `${JSON.stringify(record, void 0, 2)}\n`;
}
export { readRecord as n, formatRecord as t };
