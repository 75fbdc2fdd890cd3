import { t as BottleError } from "./errors.mjs";
import { t as parseJson } from "./json.mjs";
import { t as counted } from "./shown-text.mjs";
import { i as damaged } from "./frame-reader.mjs";
import { createHash } from "node:crypto";
/** The most content of one frame, and the most bytes that zstd makes of it (ZSTD_compressBound). */
const MAX_FRAME_CONTENT_BYTES = 4194304;
const MAX_FRAME_BYTES = 4210688;
/** Enough for a sidecar of 128 GiB, the most that smolvm unpacks. */
const MAX_FRAME_INDEX_BYTES = 33554432;
const READ_CHUNK_BYTES = 1048576;
/** One line of JSON: `{"version":1,"frames":[[sizeBytes,contentBytes,"sha256"],…]}`. */
function formatFrameIndex({ frames }) {
	const rows = frames.map(({ sizeBytes, contentBytes, sha256 }) => [
		sizeBytes,
		contentBytes,
		sha256
	]);
	return Buffer.from(`${JSON.stringify({
		version: 1,
		frames: rows
	})}\n`);
}
/**
* Reads what `formatFrameIndex` writes, to the byte.
* @throws BottleError `sidecar-damaged`
*/
function parseFrameIndex(bytes) {
	if (bytes.length > 33554432) throw damagedIndex(`it has ${counted(bytes.length, "byte")}, and at most ${MAX_FRAME_INDEX_BYTES} are allowed`);
	let json;
	try {
		json = parseJson(bytes.toString("utf8"));
	} catch (error) {
		throw damagedIndex("it is not JSON", error);
	}
	const { version, frames: rows } = Object(json);
	if (version !== 1 || !Array.isArray(rows)) throw damagedIndex(`it is not a frame index of version 1`);
	const index = indexOf(rows.map(parseRow));
	if (!formatFrameIndex(index).equals(bytes)) throw damagedIndex("it is not in its canonical form");
	return index;
}
function parseRow(row, position) {
	const [sizeBytes, contentBytes, sha256] = Array.isArray(row) ? row : [];
	const isSize = (size, max) => Number.isInteger(size) && size >= 1 && size <= max;
	if (!isSize(sizeBytes, 4210688) || !isSize(contentBytes, 4194304) || !/^[0-9a-f]{64}$/.test(String(sha256))) throw damagedIndex(`frame ${position} is not valid`);
	return {
		sizeBytes,
		contentBytes,
		sha256
	};
}
/** Puts frames one after the other. */
function indexOf(parts) {
	let offset = 0;
	return {
		frames: parts.map((part) => {
			const frame = {
				offset,
				...part
			};
			offset += part.sizeBytes;
			return frame;
		}),
		framesBytes: offset
	};
}
function damagedIndex(problem, cause) {
	return new BottleError("sidecar-damaged", `damaged frame index: ${problem}`, {
		hint: "fetch the sidecar again, or pack the image again",
		cause
	});
}
/**
* The seek table of the zstd seekable format, a skippable frame that every zstd decoder passes over:
* https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
*/
const SKIPPABLE_MAGIC = 407710302;
const SEEKABLE_MAGIC = 2408770225;
const SKIPPABLE_HEADER_BYTES = 8;
const SEEK_TABLE_FOOTER_BYTES = 9;
const SEEK_ENTRY_BYTES = 8;
function seekTable({ frames }) {
	const tableBytes = frames.length * SEEK_ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES;
	const table = Buffer.alloc(SKIPPABLE_HEADER_BYTES + tableBytes);
	table.writeUInt32LE(SKIPPABLE_MAGIC, 0);
	table.writeUInt32LE(tableBytes, 4);
	for (const [position, { sizeBytes, contentBytes }] of frames.entries()) {
		const at = SKIPPABLE_HEADER_BYTES + position * SEEK_ENTRY_BYTES;
		table.writeUInt32LE(sizeBytes, at);
		table.writeUInt32LE(contentBytes, at + 4);
	}
	const footer = table.length - SEEK_TABLE_FOOTER_BYTES;
	table.writeUInt32LE(frames.length, footer);
	table.writeUInt32LE(SEEKABLE_MAGIC, footer + 5);
	return table;
}
/**
* Makes the frame index of a sidecar from its seek table and its bytes, or returns undefined where the sidecar was
* not written in frames. Nobody's word is taken for a digest.
*/
async function readFrameIndex(file, assetsBytes, signal) {
	const sizes = await readSeekTable(file, assetsBytes);
	if (sizes === void 0) return;
	const frames = [];
	const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
	let position = 0;
	for (const { sizeBytes, contentBytes } of sizes) {
		signal?.throwIfAborted();
		const hash = createHash("sha256");
		for (let left = sizeBytes; left > 0;) {
			const { bytesRead } = await file.read(chunk, 0, Math.min(left, chunk.length), position);
			if (bytesRead === 0) throw damaged("file", `it ended while it was read, at byte ${position}`);
			hash.update(chunk.subarray(0, bytesRead));
			position += bytesRead;
			left -= bytesRead;
		}
		frames.push({
			sizeBytes,
			contentBytes,
			sha256: hash.digest("hex")
		});
	}
	return indexOf(frames);
}
/** The sizes of a sidecar's frames as its seek table lists them, unverified; undefined without such a table. */
async function readSeekTable(file, assetsBytes) {
	const footer = await readBefore(file, assetsBytes, SEEK_TABLE_FOOTER_BYTES);
	if (footer?.readUInt32LE(5) !== 2408770225 || footer[4] !== 0) return;
	const count = footer.readUInt32LE(0);
	const tableBytes = count * SEEK_ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES;
	if (tableBytes > 33554432) return;
	const table = await readBefore(file, assetsBytes, SKIPPABLE_HEADER_BYTES + tableBytes);
	if (table?.readUInt32LE(0) !== SKIPPABLE_MAGIC || table.readUInt32LE(4) !== tableBytes) return;
	const sizes = Array.from({ length: count }, (_, position) => {
		const at = SKIPPABLE_HEADER_BYTES + position * SEEK_ENTRY_BYTES;
		return {
			sizeBytes: table.readUInt32LE(at),
			contentBytes: table.readUInt32LE(at + 4)
		};
	});
	const framesBytes = sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	return sizes.every(({ sizeBytes, contentBytes }) => sizeBytes >= 1 && sizeBytes <= 4210688 && contentBytes >= 1 && contentBytes <= 4194304) && framesBytes + table.length === assetsBytes ? sizes : void 0;
}
async function readBefore(file, end, length) {
	if (end < length) return;
	const bytes = Buffer.alloc(length);
	const { bytesRead } = await file.read(bytes, 0, length, end - length);
	return bytesRead === length ? bytes : void 0;
}
export { damagedIndex as a, parseFrameIndex as c, seekTable as d, SEEKABLE_MAGIC as i, readFrameIndex as l, MAX_FRAME_CONTENT_BYTES as n, formatFrameIndex as o, MAX_FRAME_INDEX_BYTES as r, indexOf as s, MAX_FRAME_BYTES as t, readSeekTable as u };
