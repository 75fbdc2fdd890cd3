import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { i as thisOwner, t as isAlive } from "./owner.mjs";
import { t as readSmallFile } from "./small-file.mjs";
import { t as syncDirectory } from "./sync.mjs";
import { i as verifySidecar, l as packRecordSchema, n as openSidecar, r as readSidecar, u as readableRecord } from "./verify.mjs";
import { t as counted } from "./shown-text.mjs";
import { i as damaged } from "./frame-reader.mjs";
import { a as damagedIndex, c as parseFrameIndex, l as readFrameIndex, o as formatFrameIndex, r as MAX_FRAME_INDEX_BYTES, s as indexOf, u as readSeekTable } from "./frame-index.mjs";
import { Readable } from "node:stream";
import { zstdDecompressSync } from "node:zlib";
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
// src/sidecar/check-frames.ts
/**
* Unpacks each frame by itself and compares what is there with the seek table, with the frame index, and with the digest
* in the pack record.
* @throws BottleError `sidecar-damaged` that names the first difference
*/
async function checkFrames({ path, footer: { assetsBytes } }, { record, index }, signal) {
	const file = await openSidecar(path);
	try {
		const sizes = await readSeekTable(file, assetsBytes);
		if (sizes === void 0) {
			const end = Buffer.alloc(4);
			await file.read(end, 0, end.length, Math.max(0, assetsBytes - end.length));
			if (end.readUInt32LE() === 2408770225) throw damaged("seek table", "its sizes do not add up to those of the assets");
			if (record?.frames !== void 0 || index !== void 0) throw damagedIndex("the sidecar has a frame index and no seek table");
			return;
		}
		const found = indexOf(await readFrames(file, sizes, signal));
		const made = formatFrameIndex(found);
		if (index !== void 0 && !made.equals(index)) throw damagedIndex(`the one beside the sidecar is wrong: ${difference(found.frames, index)}`);
		const sha256 = createHash("sha256").update(made).digest("hex");
		if (record?.frames !== void 0 && record.frames.sha256 !== sha256) throw damagedIndex(`that of the sidecar has the SHA-256 ${sha256}, and its pack record says ${record.frames.sha256}`);
	} finally {
		await file.close();
	}
}
async function readFrames(file, sizes, signal) {
	const frames = [];
	let offset = 0;
	for (const { sizeBytes, contentBytes } of sizes) {
		signal?.throwIfAborted();
		const bytes = Buffer.allocUnsafe(sizeBytes);
		await file.read(bytes, 0, sizeBytes, offset);
		const foundBytes = unpackedBytes(bytes, contentBytes);
		if (foundBytes !== contentBytes) {
			const found = foundBytes === void 0 ? "there is no such frame" : `it has ${foundBytes}`;
			throw damaged("seek table", `frame ${frames.length} at byte ${offset} should have ${counted(contentBytes, "byte")} of content, and ${found}`);
		}
		frames.push({
			sizeBytes,
			contentBytes,
			sha256: createHash("sha256").update(bytes).digest("hex")
		});
		offset += sizeBytes;
	}
	return frames;
}
/** Undefined for what is not a frame, or has more content than it should have. */
function unpackedBytes(frame, contentBytes) {
	try {
		return zstdDecompressSync(frame, { maxOutputLength: contentBytes }).length;
	} catch {
		return;
	}
}
/** The first one between the frames that are there and an index. */
function difference(found, index) {
	const { frames: said } = parseFrameIndex(index);
	const position = found.findIndex((frame, at) => {
		const other = said[at];
		return other?.sizeBytes !== frame.sizeBytes || other.contentBytes !== frame.contentBytes || other.sha256 !== frame.sha256;
	});
	if (position < 0 || said[position] === void 0) return `it lists ${counted(said.length, "frame")}, and the sidecar has ${found.length}`;
	return `frame ${position} is ${describe(found[position])}, and the index says ${describe(said[position])}`;
}
function describe(frame) {
	return `${counted(frame?.sizeBytes ?? 0, "byte")} with the SHA-256 ${frame?.sha256}`;
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
		throw hasErrno(error, "EINVAL", "EFBIG") ? new BottleError("sidecar-damaged", `${bundlePathOf(path)} is not a regular file of at most ${MAX_BUNDLE_BYTES} bytes`, { hint: "remove it, and the sidecar counts as one that is not signed" }) : fileError(`cannot read ${bundlePathOf(path)}`, error);
	}
}
/**
* Makes the frame index of a sidecar from its bytes.
* @returns undefined for a sidecar whose record names none
* @throws BottleError `sidecar-damaged` when it is not the one that the record names
*/
async function makeFrameIndex({ path, record }) {
	if (record.frames === void 0) return;
	const index = await frameIndexOf(await readSidecar(path));
	const bytes = index && formatFrameIndex(index);
	if (bytes === void 0 || hash("sha256", bytes) !== record.frames.sha256) throw changedSidecar(path, "other frames");
	return bytes;
}
/** Undefined for a sidecar that was not written in frames. */
async function frameIndexOf({ path, footer }, signal) {
	const file = await openSidecar(path);
	try {
		return await readFrameIndex(file, footer.assetsBytes, signal);
	} finally {
		await file.close();
	}
}
/** Verifies a file, against the pack record and, with `deep`, the frame index beside it where there is one. */
async function verifyFile(path, options) {
	const record = await readRecord(recordPathOf(path));
	const report = await verifySidecar(path, record === void 0 ? {} : expectedOf(record), options);
	if (options.deep) await checkFrames(report, {
		record,
		index: await readIndexBeside(path)
	}, options.signal);
	return {
		path,
		report,
		record
	};
}
async function readIndexBeside(path) {
	try {
		return await readSmallFile(framesPathOf(path), MAX_FRAME_INDEX_BYTES);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return;
		throw fileError(`cannot read ${framesPathOf(path)}`, error);
	}
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
export { BUNDLE_SUFFIX as _, checkedStream as a, publishedName as b, formatRecord as c, makeFrameIndex as d, readBundle as f, checkFrames as g, verifyFile as h, changedSidecar as i, frameIndexOf as l, recordPathOf as m, MAX_RECORD_BYTES as n, copySidecar as o, readRecord as p, bundlePathOf as r, expectedOf as s, MAX_BUNDLE_BYTES as t, framesPathOf as u, FRAMES_SUFFIX as v, publishedNameOf as x, PUBLISHED_FILE as y };
