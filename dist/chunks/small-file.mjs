import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { buffer } from "node:stream/consumers";
// src/host/small-file.ts
/**
* The content of a regular file. A pipe, a device or a file that is too large is not read.
* @throws Error with the code of the system, EINVAL for what is not a regular file, and EFBIG for more than `maxBytes`
*/
async function readSmallFile(path, maxBytes) {
	const file = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
	try {
		if (!(await file.stat()).isFile()) throw systemError("EINVAL", `not a regular file: ${path}`);
		const bytes = await buffer(file.createReadStream({
			end: maxBytes,
			autoClose: false
		}));
		if (bytes.length > maxBytes) throw systemError("EFBIG", `more than ${maxBytes} bytes: ${path}`);
		return bytes;
	} finally {
		await file.close();
	}
}
function systemError(code, message) {
	return Object.assign(/* @__PURE__ */ new Error(`${code}: ${message}`), { code });
}
export { readSmallFile as t };
