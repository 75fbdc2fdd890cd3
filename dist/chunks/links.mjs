import { t as counted } from "./shown-text.mjs";
import { setImmediate } from "node:timers/promises";
// src/tar/read.ts
/**
* A tar stream cut into entries, each with its raw header bytes, so that a caller can pass entries through
* byte for byte, drop them or only look. Formats: POSIX ustar and pax, and what GNU tar and Go's archive/tar
* add to them: long names ('L', 'K'), base-256 numbers, sparse entries ('S'). Where readers are known to disagree
* on what an archive holds, it is refused: content of an entry that has none, data behind the end marker.
* All of one format is in this one file: its headers, extensions and sparse maps refer to each other.
* https://www.gnu.org/software/tar/manual/html_node/Standard.html
*/
const BLOCK_BYTES = 512;
const MAX_EXTENSION_BYTES = 1048576;
const MAX_EXTENSIONS = 8;
const ZEROS = Buffer.alloc(262144);
/** https://www.gnu.org/software/tar/manual/html_node/Old-GNU-Format.html */
const SPARSE = {
	offset: 386,
	count: 4,
	isExtended: 482,
	realSize: 483
};
const SPARSE_EXTENSION = {
	offset: 0,
	count: 21,
	isExtended: 504
};
const NEWLINE = 10;
const TYPES = {
	"\0": "file",
	"0": "file",
	"7": "file",
	"1": "hardlink",
	"2": "symlink",
	"3": "character-device",
	"4": "block-device",
	"5": "directory",
	"6": "fifo",
	S: "sparse"
};
var TarError = class extends Error {
	name = "TarError";
};
/**
* Yields the parts of a tar stream in constant memory. Ends after the end-of-archive marker, having read the
* source to its end.
* @throws TarError when the stream is not a tar or stops in the middle of an entry
*/
async function* readTar(source) {
	const blocks = new BlockReader(source);
	let extensions = new Extensions();
	let position = 0;
	for (;;) {
		position = blocks.position;
		const header = await blocks.take(BLOCK_BYTES);
		if (header === void 0) throw new TarError(`the tar stream ends at byte ${position} without an end marker`);
		if (isZero(header)) {
			if (extensions.raw.length > 0) throw new TarError(`tar extension header without an entry before byte ${position}`);
			break;
		}
		checkHeader(header, position);
		const typeFlag = String.fromCharCode(header[156] ?? 0);
		const sizeBytes = number(header, 124, 12, position);
		if ("xgLK".includes(typeFlag)) {
			if (sizeBytes < 0 || sizeBytes > MAX_EXTENSION_BYTES) throw new TarError(`tar extension header of ${counted(sizeBytes, "byte")} at byte ${position}`);
			const body = await blocks.takeAll(padded(sizeBytes), position);
			extensions.add(typeFlag, header, body, sizeBytes);
			continue;
		}
		const sparse = typeFlag === "S" ? await takeSparseHeaders(blocks, header, position) : void 0;
		const entry = decodeEntry({
			header,
			extensions,
			sparse,
			position
		});
		yield {
			kind: "header",
			entry,
			raw: Buffer.concat([
				...extensions.raw,
				header,
				...sparse?.blocks ?? []
			])
		};
		extensions = new Extensions();
		let left = padded(entry.sizeBytes);
		while (left > 0) {
			const chunk = await blocks.takeSome(left);
			if (chunk === void 0) throw new TarError(`the tar stream ends ${counted(left, "byte")} before the end of ${entry.path}`);
			left -= chunk.length;
			yield {
				kind: "body",
				chunk
			};
		}
	}
	await blocks.drainZeros();
}
/**
* The content of the entry at whose header `parts` stands, holes of a sparse file filled with zeros. Takes all of
* the entry from `parts` if it is read to its end.
*/
async function* contentOf({ sizeBytes, realSizeBytes, extents }, parts) {
	const body = new BlockReader(bodyOf(sizeBytes, parts));
	const runs = extents.length === 0 ? [{
		offset: 0,
		sizeBytes
	}] : extents;
	let position = 0;
	for (const run of runs) {
		yield* zeros(run.offset - position);
		for (let left = run.sizeBytes; left > 0;) {
			const chunk = await body.takeSome(left);
			if (chunk === void 0) return;
			left -= chunk.length;
			yield chunk;
		}
		position = run.offset + run.sizeBytes;
	}
	yield* zeros(realSizeBytes - position);
}
/** Without the padding. */
async function* bodyOf(sizeBytes, parts) {
	let left = sizeBytes;
	while (left > 0) {
		const { value, done } = await parts.next();
		if (done || value.kind !== "body") return;
		yield value.chunk.subarray(0, left);
		left -= value.chunk.length;
	}
}
async function* zeros(sizeBytes) {
	for (let left = sizeBytes; left > 0; left -= ZEROS.length) {
		await setImmediate();
		yield ZEROS.subarray(0, left);
	}
}
var BlockReader = class {
	position = 0;
	#iterator;
	#buffered = Buffer.alloc(0);
	constructor(source) {
		this.#iterator = source[Symbol.asyncIterator]();
	}
	/** Up to `limit` bytes, whatever is at hand; undefined at the end of the source. */
	async takeSome(limit) {
		while (this.#buffered.length === 0) {
			const next = await this.#iterator.next();
			if (next.done) return;
			this.#buffered = next.value;
		}
		const chunk = this.#buffered.subarray(0, limit);
		this.#buffered = this.#buffered.subarray(chunk.length);
		this.position += chunk.length;
		return chunk;
	}
	/** Exactly `length` bytes; undefined when the source has ended. */
	async take(length) {
		const first = await this.takeSome(length);
		if (first === void 0 || first.length === length) return first;
		return Buffer.concat([first, await this.takeAll(length - first.length, this.position)]);
	}
	async takeAll(length, position) {
		const chunks = [];
		let left = length;
		while (left > 0) {
			const chunk = await this.takeSome(left);
			if (chunk === void 0) throw new TarError(`the tar stream ends inside the header at byte ${position}`);
			chunks.push(chunk);
			left -= chunk.length;
		}
		return Buffer.concat(chunks);
	}
	/** What follows the end marker is padding; other readers go on reading there. */
	async drainZeros() {
		for (;;) {
			const position = this.position;
			const chunk = await this.takeSome(ZEROS.length);
			if (chunk === void 0) return;
			if (!chunk.equals(ZEROS.subarray(0, chunk.length))) throw new TarError(`data behind the end marker of the tar, at byte ${position} or after it`);
		}
	}
};
/** The pax and GNU headers in front of an entry. */
var Extensions = class {
	raw = [];
	pax = /* @__PURE__ */ new Map();
	/** A path from a pax header goes before one from a GNU header. */
	paths = {};
	add(typeFlag, header, body, sizeBytes) {
		this.raw.push(header, body);
		if (this.raw.length > 16) throw new TarError(`more than ${MAX_EXTENSIONS} extension headers for one tar entry`);
		const content = body.subarray(0, sizeBytes);
		if (typeFlag === "L") this.paths.gnuPath = textBytes(content);
		else if (typeFlag === "K") this.paths.gnuLink = textBytes(content);
		else if (typeFlag === "x") for (const [key, value] of paxRecords(content)) {
			this.pax.set(key, value.toString("utf8"));
			if (key === "path") this.paths.paxPath = value;
			else if (key === "linkpath") this.paths.paxLink = value;
		}
	}
};
function* paxRecords(content) {
	let offset = 0;
	while (offset < content.length) {
		const space = content.indexOf(32, offset);
		const length = Number(content.toString("latin1", offset, space));
		const equals = content.indexOf(61, space);
		const end = offset + length;
		const isWhole = Number.isSafeInteger(length) && length >= 5 && content[end - 1] === NEWLINE;
		if (space < 0 || equals < 0 || equals >= end || !isWhole) throw new TarError("damaged pax header");
		yield [content.toString("utf8", space + 1, equals), content.subarray(equals + 1, end - 1)];
		offset = end;
	}
}
function decodeEntry({ header, extensions, sparse, position }) {
	const { pax, paths } = extensions;
	const typeFlag = String.fromCharCode(header[156] ?? 0);
	const type = TYPES[typeFlag];
	if (type === void 0) throw new TarError(`unknown tar entry type ${JSON.stringify(typeFlag)} at byte ${position}`);
	const hasPrefix = header.toString("latin1", 257, 263) === "ustar\0";
	const pathBytes = trimmedPath(paths.paxPath ?? paths.gnuPath ?? joined(hasPrefix ? textBytes(header.subarray(345, 500)) : EMPTY, textBytes(header.subarray(0, 100))));
	const path = pathBytes.toString("utf8");
	const linkPathBytes = paths.paxLink ?? paths.gnuLink ?? textBytes(header.subarray(157, 257));
	const isDevice = type === "character-device" || type === "block-device";
	const sizeBytes = decimal(pax.get("size")) ?? number(header, 124, 12, position);
	const realSizeBytes = sparse?.realSizeBytes ?? sizeBytes;
	if (![sizeBytes, realSizeBytes].every((size) => Number.isSafeInteger(size) && size >= 0)) throw new TarError(`tar entry ${path} has the size ${sizeBytes}, in full ${realSizeBytes}`);
	if (type !== "file" && type !== "sparse" && sizeBytes !== 0) throw new TarError(`tar entry ${path}, a ${type}, has ${counted(sizeBytes, "byte")} of content`);
	const extents = sparse?.extents ?? [];
	if (sparse && !fits(sparse, sizeBytes)) throw new TarError(`the sparse map of tar entry ${path} does not fit its content`);
	return {
		path,
		pathBytes,
		type,
		linkPath: linkPathBytes.toString("utf8"),
		linkPathBytes,
		mode: number(header, 100, 8, position),
		uid: Number(pax.get("uid") ?? number(header, 108, 8, position)),
		gid: Number(pax.get("gid") ?? number(header, 116, 8, position)),
		mtimeSeconds: Number(pax.get("mtime") ?? number(header, 136, 12, position)),
		deviceMajor: isDevice ? number(header, 329, 8, position) : 0,
		deviceMinor: isDevice ? number(header, 337, 8, position) : 0,
		sizeBytes,
		realSizeBytes,
		extents,
		pax
	};
}
/** The map begins in the header and goes on in blocks of its own while a flag says so. */
async function takeSparseHeaders(blocks, header, position) {
	const extra = [];
	const extents = [...extentsIn(header, SPARSE, position)];
	let isExtended = header[SPARSE.isExtended] === 1;
	while (isExtended) {
		const block = await blocks.takeAll(BLOCK_BYTES, position);
		extra.push(block);
		extents.push(...extentsIn(block, SPARSE_EXTENSION, position));
		isExtended = block[SPARSE_EXTENSION.isExtended] === 1;
		if (extra.length * BLOCK_BYTES > MAX_EXTENSION_BYTES) throw new TarError(`sparse map of more than ${MAX_EXTENSION_BYTES} bytes at byte ${position}`);
	}
	return {
		blocks: extra,
		extents,
		realSizeBytes: number(header, SPARSE.realSize, 12, position)
	};
}
function* extentsIn(block, { offset, count }, position) {
	for (let at = offset; at < offset + count * 24 && block[at] !== 0; at += 24) yield {
		offset: number(block, at, 12, position),
		sizeBytes: number(block, at + 12, 12, position)
	};
}
function fits({ extents, realSizeBytes }, sizeBytes) {
	let end = 0;
	let stored = 0;
	for (const extent of extents) {
		if (extent.offset < end || extent.sizeBytes < 0) return false;
		end = extent.offset + extent.sizeBytes;
		stored += extent.sizeBytes;
	}
	return end <= realSizeBytes && stored === sizeBytes;
}
function checkHeader(header, position) {
	let sum = 256;
	for (let index = 0; index < BLOCK_BYTES; index += 1) if (index < 148 || index >= 156) sum += header[index] ?? 0;
	if (sum !== number(header, 148, 8, position)) throw new TarError(`no tar header at byte ${position} (wrong checksum)`);
}
/** Octal digits, or base 256 big endian when the top bit is set (negative numbers only occur as times). */
function number(header, offset, length, position) {
	const field = header.subarray(offset, offset + length);
	if (((field[0] ?? 0) & 128) !== 0) {
		let value = BigInt((field[0] ?? 0) & 127);
		for (const byte of field.subarray(1)) value = value << 8n | BigInt(byte);
		return Number(BigInt.asIntN(8 * length - 1, value));
	}
	const digits = text(field).trim();
	if (!/^[0-7]*$/.test(digits)) throw new TarError(`damaged number in the tar header at byte ${position}`);
	return digits === "" ? 0 : Number.parseInt(digits, 8);
}
/** NaN, which no entry may have, for what other readers cannot read: they take the size in the header instead. */
function decimal(digits) {
	if (digits === void 0) return;
	return /^\d+$/.test(digits) ? Number(digits) : NaN;
}
function text(field) {
	return textBytes(field).toString("utf8");
}
/** A copy: what it is taken from may be a large chunk. */
function textBytes(field) {
	const end = field.indexOf(0);
	return Buffer.from(field.subarray(0, end < 0 ? field.length : end));
}
const EMPTY = Buffer.alloc(0);
const SLASH = 47;
const DOT = 46;
function joined(prefix, name) {
	return prefix.length === 0 ? name : Buffer.concat([
		prefix,
		Buffer.of(SLASH),
		name
	]);
}
/** Without each `./` in front and without the slashes at the end. */
function trimmedPath(path) {
	let [start, end] = [0, path.length];
	while (path[start] === DOT && path[start + 1] === SLASH) start += 2;
	while (end > start && path[end - 1] === SLASH) end -= 1;
	return path.subarray(start, end);
}
function padded(sizeBytes) {
	return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}
function isZero(block) {
	return block.every((byte) => byte === 0);
}
// src/sidecar/links.ts
/**
* What a link is to say so that smolvm accepts it; undefined when it may stay. A machine is not made from a sidecar in
* which the text of one link climbs above the root, or is an absolute path to the root itself, though both mean
* something to every kernel: above the root is the root.
* @param path of the link, from the root
*/
function linkInsideRoot(path, target) {
	const isAbsolute = target.startsWith("/");
	const directory = namesIn(path).slice(0, -1);
	const kept = [];
	let depth = isAbsolute ? 0 : directory.length;
	for (const name of namesIn(target)) if (name !== "..") {
		depth += 1;
		kept.push(name);
	} else if (depth > 0) {
		depth -= 1;
		kept.push(name);
	}
	if (isAbsolute && depth === 0) return "../".repeat(directory.length).slice(0, -1) || ".";
	if (kept.length === namesIn(target).length) return;
	return isAbsolute ? `/${kept.join("/")}` : kept.join("/") || ".";
}
function namesIn(path) {
	return path.split("/").filter((name) => name !== "" && name !== ".");
}
export { contentOf as a, TarError as i, SPARSE as n, readTar as o, SPARSE_EXTENSION as r, linkInsideRoot as t };
