import { t as BottleError } from "./errors.mjs";
import { i as shown, t as counted } from "./shown-text.mjs";
import { Readable } from "node:stream";
import * as zlib from "node:zlib";
const MAX_MANIFEST_BYTES = 16777216;
const MAGIC = "SMOLPACK";
const VERSION = 1;
const MAX_PROBLEM_CHARS = 300;
function hasFooterMagic(footer) {
	return footer.toString("latin1", 0, 8) === MAGIC;
}
/** Stricter than smolvm, which accepts gaps and ignores most fields; every smolvm writes them like this. */
function decodeFooter(footer, fileBytes) {
	if (!hasFooterMagic(footer)) throw damaged("footer", `magic is ${footer.toString("hex", 0, 8)}, not "${MAGIC}", because the file was cut off or is not a sidecar`);
	requireField("version", VERSION, footer.readUInt32LE(8));
	requireField("stub_size", 0, u64(footer, 12));
	requireField("assets_offset", 0, u64(footer, 20));
	const assetsBytes = u64(footer, 28);
	requireField("manifest_offset", assetsBytes, u64(footer, 36));
	const manifestBytes = u64(footer, 44);
	if (manifestBytes > 16777216) throw damaged("footer", `manifest_size is ${manifestBytes}, the most is ${MAX_MANIFEST_BYTES}`);
	requireField("reserved", 0, u64(footer, 56));
	const total = assetsBytes + manifestBytes + 64;
	if (total !== fileBytes) throw damaged("footer", `it describes a file of ${counted(total, "byte")}, this one has ${fileBytes}`);
	return {
		assetsBytes,
		manifestBytes,
		crc32: footer.readUInt32LE(52)
	};
}
function encodeFooter({ assetsBytes, manifestBytes, crc32 }) {
	const footer = Buffer.alloc(64);
	footer.write(MAGIC, "latin1");
	footer.writeUInt32LE(VERSION, 8);
	footer.writeBigUInt64LE(BigInt(assetsBytes), 28);
	footer.writeBigUInt64LE(BigInt(assetsBytes), 36);
	footer.writeBigUInt64LE(BigInt(manifestBytes), 44);
	footer.writeUInt32LE(crc32, 52);
	return footer;
}
/** @param check the part of the sidecar that is not as it must be */
function damaged(check, problem, cause) {
	return new BottleError("sidecar-damaged", `damaged sidecar, ${check}: ${shortened(problem)}`, {
		hint: "fetch or pack it again",
		cause
	});
}
/** Text that quotes a sidecar, no longer than a message should be. */
function shortened(text) {
	return shown(text).slice(0, MAX_PROBLEM_CHARS);
}
function requireField(field, expected, found) {
	if (found !== expected) throw damaged("footer", `${field} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}
/** Sizes beyond 2^53 lose their last digits here and then fail the comparison with the file's size. */
function u64(footer, offset) {
	return Number(footer.readBigUInt64LE(offset));
}
// src/sidecar/frame-reader.ts
/** https://datatracker.ietf.org/doc/html/rfc8878#section-3.1 */
const ZSTD_MAGIC = 4247762216;
const SKIPPABLE_MAGIC = 407710288;
const SKIPPABLE_MASK = 4294967280;
const DICTIONARY_ID_BYTES = [
	0,
	1,
	2,
	4
];
const CONTENT_SIZE_BYTES = [
	0,
	2,
	4,
	8
];
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;
const CHUNK_BYTES = 262144;
/** smolvm writes with level 3, whose window is 2 MiB; a frame that asks for more memory is not its own. */
const MAX_WINDOW_LOG = 24;
/** Whether these four bytes can begin a sidecar's assets. */
function isFrameMagic(bytes) {
	const magic = bytes.readUInt32LE();
	return magic === ZSTD_MAGIC || isSkippable(magic);
}
function isSkippable(magic) {
	return (magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC;
}
/**
* The content of all zstd frames in `source`, one after the other, as smolvm's own reader gives it; skippable frames
* have none. Node's decoder ends with the first frame, so that each one has a decoder of its own.
* @throws BottleError `sidecar-damaged` for a frame that cannot be decoded, and when something else follows one
*/
async function* frameContents(source, signal) {
	const bytes = new ByteReader(source);
	for (;;) {
		signal?.throwIfAborted();
		const magic = await bytes.takeOrEnd(4);
		if (magic === void 0) return;
		const number = magic.readUInt32LE();
		if (isSkippable(number)) for await (const _ of bytes.pass((await bytes.take(4)).readUInt32LE()));
		else if (number === ZSTD_MAGIC) yield* decoded(frameBytes(magic, bytes));
		else throw damaged("assets", `the bytes at ${bytes.position - 4} do not begin a zstd frame`);
	}
}
async function* decoded(frame) {
	const decoder = zlib.createZstdDecompress({
		chunkSize: CHUNK_BYTES,
		params: { [zlib.constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG }
	});
	const input = Readable.from(frame);
	input.on("error", (error) => decoder.destroy(error));
	input.pipe(decoder);
	try {
		yield* decoder;
	} catch (error) {
		throw error instanceof Error && "code" in error && /^(ZSTD|ERR_ZSTD|Z_)/.test(String(error.code)) ? damaged("assets", `not a whole zstd stream (${error.message})`, error) : error;
	} finally {
		input.destroy();
		decoder.destroy();
	}
}
/** The bytes of one frame, whose end only its blocks tell. */
async function* frameBytes(magic, bytes) {
	yield magic;
	const descriptor = await bytes.take(1);
	yield descriptor;
	const flags = descriptor[0] ?? 0;
	const isSingleSegment = (flags & 32) !== 0;
	const contentSizeBytes = CONTENT_SIZE_BYTES[flags >> 6] || (isSingleSegment ? 1 : 0);
	const dictionaryIdBytes = DICTIONARY_ID_BYTES[flags & 3];
	yield await bytes.take((isSingleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes);
	for (let isLast = false; !isLast;) {
		const header = await bytes.take(3);
		yield header;
		const block = header.readUIntLE(0, 3);
		isLast = (block & 1) === 1;
		const type = block >> 1 & 3;
		if (type === RESERVED_BLOCK) throw damaged("assets", `a zstd block of a reserved type at byte ${bytes.position - 3}`);
		yield* bytes.pass(type === RLE_BLOCK ? 1 : block >> 3);
	}
	yield await bytes.take((flags & 4) === 0 ? 0 : CHECKSUM_BYTES);
}
var ByteReader = class {
	position = 0;
	#chunks;
	#buffered = Buffer.alloc(0);
	constructor(source) {
		this.#chunks = source[Symbol.asyncIterator]();
	}
	async takeOrEnd(length) {
		return await this.#fill() ? await this.take(length) : void 0;
	}
	async take(length) {
		const chunks = [];
		for await (const chunk of this.pass(length)) chunks.push(chunk);
		return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
	}
	async *pass(length) {
		for (let left = length; left > 0;) {
			if (!await this.#fill()) throw damaged("assets", `not a whole zstd stream (it ends at byte ${this.position})`);
			const chunk = this.#buffered.subarray(0, left);
			this.#buffered = this.#buffered.subarray(chunk.length);
			this.position += chunk.length;
			left -= chunk.length;
			yield chunk;
		}
	}
	async #fill() {
		while (this.#buffered.length === 0) {
			const next = await this.#chunks.next();
			if (next.done) return false;
			this.#buffered = next.value;
		}
		return true;
	}
};
export { decodeFooter as a, shortened as c, damaged as i, isFrameMagic as n, encodeFooter as o, MAX_MANIFEST_BYTES as r, hasFooterMagic as s, frameContents as t };
