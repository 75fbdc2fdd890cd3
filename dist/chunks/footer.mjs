import { t as BottleError } from "./errors.mjs";
const MAX_MANIFEST_BYTES = 16777216;
const MAGIC = "SMOLPACK";
const VERSION = 1;
const MAX_PROBLEM_CHARS = 300;
/** Stricter than smolvm, which accepts gaps and ignores most fields; every smolvm writes them like this. */
function decodeFooter(footer, fileBytes) {
	if (footer.toString("latin1", 0, 8) !== MAGIC) throw damaged("footer", `magic is ${footer.toString("hex", 0, 8)}, not "${MAGIC}": cut off, or no sidecar`);
	requireField("version", VERSION, footer.readUInt32LE(8));
	requireField("stub_size", 0, u64(footer, 12));
	requireField("assets_offset", 0, u64(footer, 20));
	const assetsBytes = u64(footer, 28);
	requireField("manifest_offset", assetsBytes, u64(footer, 36));
	const manifestBytes = u64(footer, 44);
	if (manifestBytes > MAX_MANIFEST_BYTES) throw damaged("footer", `manifest_size is ${manifestBytes}, the most is ${MAX_MANIFEST_BYTES}`);
	requireField("reserved", 0, u64(footer, 56));
	const total = assetsBytes + manifestBytes + 64;
	if (total !== fileBytes) throw damaged("footer", `it describes a file of ${total} bytes, this one has ${fileBytes}`);
	return {
		assetsBytes,
		manifestBytes,
		crc32: footer.readUInt32LE(52)
	};
}
/** @param check the part of the sidecar that is not as it must be */
function damaged(check, problem, cause) {
	return new BottleError("sidecar-damaged", `damaged sidecar, ${check}: ${printable(problem)}`, {
		hint: "remove the file, and pack the image again",
		cause
	});
}
/** For text that quotes a sidecar: whoever made it chose the words, and any escape sequences in them. */
function visible(text) {
	return text.replace(/\p{Cc}/gu, "?");
}
/** `visible`, and no longer than a message should be. */
function printable(text) {
	return visible(text).slice(0, MAX_PROBLEM_CHARS);
}
function requireField(field, expected, found) {
	if (found !== expected) throw damaged("footer", `${field} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}
/** Sizes beyond 2^53 lose their last digits here and then fail the comparison with the file's size. */
function u64(footer, offset) {
	return Number(footer.readBigUInt64LE(offset));
}
export { visible as i, decodeFooter as n, printable as r, damaged as t };
