import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { i as thisOwner, t as isAlive } from "./owner.mjs";
import { t as readSmallFile } from "./small-file.mjs";
import { t as syncDirectory } from "./sync.mjs";
import { i as readableRecord, r as packRecordSchema } from "./pack-record.mjs";
import { t as parseJson } from "./json.mjs";
import { r as damaged } from "./frame-reader.mjs";
import { n as readSidecar, r as verifySidecar } from "./verify.mjs";
import { Readable } from "node:stream";
import { createHash, hash } from "node:crypto";
import { constants as constants$1, createWriteStream } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
// src/identity/published-name.ts
/** A Sigstore bundle is published beside its sidecar under the name with this behind it. */
const BUNDLE_SUFFIX = ".sigstore.json";
/** And so is its frame index. */
const FRAMES_SUFFIX = ".frames";
/** Names of published sidecars: those of the action's workflow artifacts, and of a release's assets. */
function publishedName(platform, key) {
	return sidecarName(platform, key);
}
/** The same for any sidecar: one that was packed without its inputs has the image's ID in its name. */
function publishedNameOf({ platform, inputs, image }) {
	return sidecarName(platform, inputs?.key ?? image.id.replace("sha256:", ""));
}
function sidecarName(platform, hex) {
	return `smolmachine-${platform.replace("/", "-")}-${hex.slice(0, 16)}.smolmachine`;
}
/** A sidecar of that name, its bundle, frame index or record: the sidecar's name, and what is behind it. */
const PUBLISHED_FILE = /^(smolmachine-linux-(?:amd64|arm64)-[0-9a-f]{16}\.smolmachine)(\.sigstore\.json|\.frames|\.json)?$/;
/** The most content of one frame, and the most bytes that zstd makes of it (ZSTD_compressBound). */
const MAX_FRAME_CONTENT_BYTES = 4194304;
/** Enough for a sidecar of 128 GiB, the most that smolvm unpacks. */
const MAX_FRAME_INDEX_BYTES = 33554432;
const READ_CHUNK_BYTES$1 = 1048576;
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
	if (bytes.length > 33554432) throw damagedIndex(`it has ${bytes.length} bytes, and at most ${MAX_FRAME_INDEX_BYTES} are allowed`);
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
	const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES$1);
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
	if (footer?.readUInt32LE(5) !== SEEKABLE_MAGIC || footer[4] !== 0) return;
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
// src/sidecar/file.ts
/** The most that is read of a pack record, and of a bundle. */
const MAX_RECORD_BYTES = 1048576;
const MAX_BUNDLE_BYTES = 4194304;
const READ_CHUNK_BYTES = 262144;
/** Read into by turns: more than are on their way at once. New ones would be garbage that is not collected before 64 MB. */
const READ_BUFFERS = 32;
/** Where the pack record of a sidecar is, beside it. */
function recordPathOf(path) {
	return `${path}.json`;
}
/** Where the Sigstore bundle of a sidecar is, beside it. */
function bundlePathOf(path) {
	return path + BUNDLE_SUFFIX;
}
/** Where the frame index of a sidecar is, beside it. */
function framesPathOf(path) {
	return path + FRAMES_SUFFIX;
}
/** Undefined when there is no record that can be read. */
async function readRecord(path) {
	const json = await readSmallFile(path, MAX_RECORD_BYTES).catch(() => void 0);
	return json && readableRecord(json.toString());
}
/** The same text for equal records, wherever they come from: its SHA-256 tells whether a record is published already. */
function formatRecord(record) {
	return `${JSON.stringify(packRecordSchema.parse(record), void 0, 2)}\n`;
}
/** The Sigstore bundle beside a sidecar; undefined when the sidecar has no bundle. */
async function readBundle(path) {
	try {
		return await readSmallFile(bundlePathOf(path), MAX_BUNDLE_BYTES);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return;
		throw fileError(`cannot read ${bundlePathOf(path)}`, error);
	}
}
/**
* Makes the frame index of a sidecar from its bytes.
* @returns undefined for a sidecar whose record names none
* @throws BottleError `sidecar-damaged` when it is not the one that the record names
*/
async function makeFrameIndex({ path, record }) {
	if (record.frames === void 0) return;
	const { footer } = await readSidecar(path);
	const file = await fs.open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK);
	try {
		const index = await readFrameIndex(file, footer.assetsBytes);
		const bytes = index && formatFrameIndex(index);
		if (bytes === void 0 || hash("sha256", bytes) !== record.frames.sha256) throw changedSidecar(path, "other frames");
		return bytes;
	} finally {
		await file.close();
	}
}
/** Verifies a file, against the pack record beside it where there is one. */
async function verifyFile(path, options) {
	const record = await readRecord(recordPathOf(path));
	return {
		path,
		report: await verifySidecar(path, record === void 0 ? {} : expectedOf(record), options),
		record
	};
}
/** What a pack record promises of its sidecar. */
function expectedOf(record) {
	return {
		platform: record.platform,
		configDigest: record.flattened.configDigest,
		sha256: record.sidecar.sha256
	};
}
/**
* The bytes of a file that was verified before. The last of them come only when all of them have the hash.
* @throws BottleError `sidecar-damaged` when the file is not the one that was verified
*/
async function* checkedStream(path, { sha256, sizeBytes }, onBytes = () => {}) {
	const hash = createHash("sha256");
	const buffers = Array.from({ length: READ_BUFFERS }, () => Buffer.allocUnsafeSlow(READ_CHUNK_BYTES));
	const file = await fs.open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK).catch((error) => {
		throw fileError(`cannot read ${path}`, error);
	});
	try {
		for (let doneBytes = 0, turn = 0; doneBytes < sizeBytes; turn = (turn + 1) % READ_BUFFERS) {
			const length = Math.min(READ_CHUNK_BYTES, sizeBytes - doneBytes);
			const { bytesRead, buffer } = await file.read(buffers[turn], 0, length);
			const chunk = buffer.subarray(0, bytesRead);
			hash.update(chunk);
			doneBytes += bytesRead;
			const found = doneBytes === sizeBytes || bytesRead === 0 ? hash.digest("hex") : sha256;
			if (found !== sha256) throw changedSidecar(path, `the SHA-256 ${found}, not ${sha256}`);
			yield chunk;
			onBytes(doneBytes);
		}
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot read ${path}`, error);
	} finally {
		await file.close();
	}
}
/** @param difference what the file has now, and what it had */
function changedSidecar(path, difference) {
	return new BottleError("sidecar-damaged", `${path} has changed since it was verified: it has ${difference}`, { hint: "pack or fetch it again; something else writes to that file" });
}
/**
* Copies a sidecar with its record, frame index and bundle to `target` and beside it. Everything is on disk before a name appears, and
* the record's name comes last, so that it is never beside another sidecar.
*/
async function copySidecar({ path, record, report, bundle }, target, { signal, onBytes }) {
	const dir = dirname(target);
	const content = report ?? record.sidecar;
	const files = [[target, Readable.from(checkedStream(path, content, onBytes))]];
	const frames = record && await makeFrameIndex({
		path,
		record
	});
	if (frames !== void 0) files.push([framesPathOf(target), Readable.from([frames])]);
	if (bundle !== void 0) files.push([bundlePathOf(target), Readable.from([bundle])]);
	if (record !== void 0) files.push([recordPathOf(target), Readable.from([Buffer.from(formatRecord(record))])]);
	try {
		await requireFreeBytes(dir, content.sizeBytes, "the sidecar");
		for (const [name, source] of files) {
			await removeAbandoned(dir, tempPrefixOf(name));
			await pipeline(source, createWriteStream(tempOf(name), {
				flags: "wx",
				flush: true
			}), { signal });
		}
		await fs.rm(recordPathOf(target), { force: true });
		await fs.rm(bundlePathOf(target), { force: true });
		await fs.rm(framesPathOf(target), { force: true });
		for (const [name] of files) await fs.rename(tempOf(name), name);
		await syncDirectory(dir);
	} catch (error) {
		signal.throwIfAborted();
		throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
	} finally {
		for (const [name] of files) await fs.rm(tempOf(name), { force: true });
	}
}
function tempPrefixOf(path) {
	return `.${basename(path)}.`;
}
function tempOf(path) {
	return join(dirname(path), `${tempPrefixOf(path)}${thisOwner()}.part`);
}
/** Removes what a killed process has left. A private directory would need links, which a USB stick lacks. */
async function removeAbandoned(dir, prefix) {
	for (const name of await fs.readdir(dir)) {
		const owner = name.startsWith(prefix) && /^([0-9a-z-]+)\.part$/.exec(name.slice(prefix.length))?.[1];
		if (owner && !isAlive(owner)) await fs.rm(join(dir, name), { force: true });
	}
}
export { FRAMES_SUFFIX as C, publishedNameOf as E, BUNDLE_SUFFIX as S, publishedName as T, formatFrameIndex as _, checkedStream as a, readSeekTable as b, formatRecord as c, readBundle as d, readRecord as f, MAX_FRAME_INDEX_BYTES as g, MAX_FRAME_CONTENT_BYTES as h, changedSidecar as i, framesPathOf as l, verifyFile as m, MAX_RECORD_BYTES as n, copySidecar as o, recordPathOf as p, bundlePathOf as r, expectedOf as s, MAX_BUNDLE_BYTES as t, makeFrameIndex as u, indexOf as v, PUBLISHED_FILE as w, seekTable as x, parseFrameIndex as y };
