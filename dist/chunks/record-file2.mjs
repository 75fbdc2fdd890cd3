import { t as packRecordSchema } from "./pack-record.mjs";
import * as fs from "node:fs/promises";
// src/store/record-file.ts
const MAX_RECORD_BYTES = 1048576;
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
function formatRecord(record) {
	return `${JSON.stringify(record, void 0, 2)}\n`;
}
export { readRecord as n, formatRecord as t };
