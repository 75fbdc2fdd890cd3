import { a as fileError, o as hasErrno, s as isDamage, t as BottleError } from "./errors.mjs";
import { n as quoted, r as shellWord, t as counted } from "./shown-text.mjs";
import { D as _regex, T as _nonnegative, d as nullish, f as number, h as partialRecord, i as array, m as optional, n as _enum, o as int, p as object, s as literal, v as string } from "./schemas.mjs";
import { a as parseManifest, c as isSameRepository, f as shownText, i as verifySidecar, m as isDigest, r as readSidecar, t as SidecarHash } from "./verify.mjs";
import { n as readableJson } from "./json.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { i as redacted, n as checkedUrl } from "./server-url.mjs";
import { C as formatName, T as parseOciReference, _ as commitTag, c as isIndex, h as SIDECAR_MEDIA_TYPE, n as OciRepository, p as PACK_RECORD_ANNOTATION, t as listArtifacts, v as isBundleType, x as registryRepository, y as keyTag } from "./github-artifacts.mjs";
import { t as isTagName } from "./ref-name.mjs";
import { r as requireFreeBytes, t as formatBytes } from "./disk.mjs";
import { t as readSmallFile } from "./small-file.mjs";
import { _ as BUNDLE_SUFFIX, b as publishedName, f as readBundle$1, m as recordPathOf, n as MAX_RECORD_BYTES, s as expectedOf, t as MAX_BUNDLE_BYTES, u as framesPathOf, v as FRAMES_SUFFIX } from "./file.mjs";
import { a as decodeFooter, r as MAX_MANIFEST_BYTES } from "./frame-reader.mjs";
import { c as parseFrameIndex, t as MAX_FRAME_BYTES, u as readSeekTable } from "./frame-index.mjs";
import { t as warningsTo } from "./progress.mjs";
import { i as whyNoOrigin, n as otherRemotes, t as originOf$1 } from "./remote.mjs";
import { a as tagsAtHead, r as historyOf } from "./history.mjs";
import { a as githubSite, c as sendApi, d as bodyError, f as unlessMissing, i as assetRequest, n as rangeHeaders, o as readApi, r as apiRequest, s as repositoryPath, t as HttpClient, u as HttpError } from "./http.mjs";
import { t as recordSha256 } from "./record-digest.mjs";
import { a as writeWhole } from "./files.mjs";
import { S as originOfCheckout, u as objectPath, v as UNKNOWN } from "./by-key.mjs";
import { c as contentPath, h as readContent, o as tryLock } from "./store.mjs";
import { c as readBundle$2, i as findUnknown, o as hasBytes, p as verifyStored, r as findHits, t as contentsOf } from "./read.mjs";
import { n as installSidecar } from "./install.mjs";
import { n as requireRepository, r as unlessNamed } from "./checkout-origin.mjs";
import { t as cutSegments } from "./segments.mjs";
import { n as parseRecord, t as damagedRecord } from "./record.mjs";
import { n as describeSigner, t as describeRef } from "./signer.mjs";
import { n as judge, r as rememberSigner } from "./trust-options.mjs";
import { unescape } from "node:querystring";
import { EventEmitter, once } from "node:events";
import { createHash, hash, randomBytes } from "node:crypto";
import { constants as constants$1, readSync, writevSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
// src/store/used.ts
/** Remembers that a sidecar was used now, unless the store is busy or cannot be written. */
async function touchUsed(store, sha256) {
	const { layout } = store;
	try {
		await fs.access(contentPath(layout, sha256));
		const lock = await tryLock(store.lockPlace("names"));
		try {
			const content = lock && await readContent(layout, sha256);
			if (content !== void 0) {
				const text = `${JSON.stringify({
					...content,
					usedAt: (/* @__PURE__ */ new Date()).toISOString()
				}, void 0, 2)}\n`;
				await writeWhole(layout.tmp, contentPath(layout, sha256), text);
			}
		} finally {
			await lock?.release();
		}
	} catch {}
}
// src/fetch/miss.ts
/** What always helps. */
const PACK_HINT = "claude-bottle pack  # pack it here, takes minutes";
/** The detail that a script or a registry's list of tags can be compared with. */
function keyLine({ key, platform }) {
	return `inputs key ${key.slice(0, 16)}, ${platform}`;
}
/**
* Its headline is the cause, as far as that is known. A source that could not be asked may have the sidecar, so its failure
* comes first, and decides the exit code.
*/
function missError(wanted, misses, explanation) {
	const failure = [
		"try-later",
		"network-failed",
		"authentication"
	].map((code) => misses.find((miss) => miss.failure?.code === code)?.failure).find((each) => each !== void 0);
	const isSame = misses.every(({ reason }) => reason === misses[0]?.reason);
	const { message, hint } = (failure && {
		message: failure.message,
		hint: failure.hints[0]
	}) ?? (isSame && (wanted.repository === void 0 || explanation.cause === void 0) ? ofOne(misses[0]) : void 0) ?? explanation.cause ?? NOTHING;
	const others = misses.filter(({ reason }) => reason !== message);
	const width = Math.max(0, ...others.map(({ source }) => source.length));
	const first = (failure === void 0 && explanation.cause?.isLocal !== true ? others.find((miss) => miss.hint !== void 0)?.hint : void 0) ?? hint;
	return new BottleError(failure?.code ?? "not-found", message, {
		hint: first === void 0 ? PACK_HINT : [first, PACK_HINT],
		details: [
			...explanation.details,
			...others.map(({ source, reason }) => misses.length === 1 ? reason : `${source.padEnd(width)}  ${reason}`),
			keyLine(wanted)
		],
		cause: failure
	});
}
const NOTHING = {
	message: "nothing is published for this checkout",
	hint: void 0
};
function ofOne(miss) {
	return miss && {
		message: miss.reason,
		hint: miss.hint
	};
}
// src/fetch/other-name.ts
const repositorySchema$1 = object({ id: int() });
/**
* A repository that was renamed or transferred keeps its ID, and GitHub leads from its old name to it. Undefined when
* the record names the wanted repository, or another one, or GitHub cannot be asked.
*/
async function confirmOtherName({ source }, { repository }, tools) {
	if (source === void 0 || repository === void 0 || isSameRepository(source.repository, repository)) return;
	const ours = await repositoryId(repository, tools);
	const theirs = ours && await repositoryId(source.repository, tools);
	return ours !== void 0 && ours === theirs ? {
		repository: source.repository,
		repositoryId: ours
	} : void 0;
}
async function repositoryId(name, { http, github }) {
	try {
		const path = `repos/${repositoryPath(name)}`;
		const found = await unlessMissing(sendApi(http, github, apiRequest(github, path), repositorySchema$1));
		return found && String(found.id);
	} catch (error) {
		if (error instanceof BottleError) return;
		throw error;
	}
}
// src/fetch/policy.ts
/**
* Decides on the record alone, before any byte of the sidecar is asked for.
* @throws BottleError `not-found` for another platform or other inputs, `not-trusted` for what is not what it must be
*/
function requireWanted({ record, address, hasRecord = true }, wanted, demands, otherName) {
	const { inputs, source } = record;
	if (record.platform !== wanted.platform) throw new BottleError("not-found", `${address} is for ${record.platform}, not for ${wanted.platform}`, { hint: `claude-bottle fetch --platform ${record.platform}` });
	if (!hasRecord && demands.takesWithoutRecord !== true) throw new BottleError("not-found", `${address} has no pack record`, { hint: `claude-bottle fetch --from ${shellWord(address)}  # if you know who packed it` });
	if (hasRecord && demands.sameInputs && inputs?.key !== wanted.key) throw new BottleError("not-found", `${address} was packed from other inputs: key ${inputs?.key ?? "unknown"}, this checkout has ${wanted.key}`, { hint: "check out the commit that it was packed from, or store it as it is with --no-bind" });
	requireEqual(address, "SHA-256", demands.sha256, record.sidecar.sha256);
	requireEqual(address, "size", demands.sizeBytes, record.sidecar.sizeBytes);
	requireEqual(address, "commit", demands.commit, source?.commit);
	if (source !== void 0) {
		const expected = (otherName?.repository ?? wanted.repository)?.toLowerCase();
		const hint = renameHint(source.repository);
		requireEqual(address, "repository", expected, source.repository.toLowerCase(), hint);
		requireEqual(address, "server", source.server && wanted.serverUrl, source.server);
	} else if (demands.knownSource) throw new BottleError("not-trusted", `${address} does not say which repository it was packed for`, { hint: `claude-bottle fetch --from ${shellWord(address)}  # if you know who packed it` });
}
const HINT = "find out why before you use it; its pack record says where it comes from";
/** The name is from the record, and may be made to be pasted into a shell. */
function renameHint(repository) {
	return /^[\w.-]+\/[\w.-]+$/.test(repository) && !repository.startsWith("-") ? `claude-bottle fetch --repo ${repository}  # if this checkout's repository has that name now` : HINT;
}
function requireEqual(address, what, expected, found, hint = HINT) {
	if (expected !== void 0 && found !== expected) throw new BottleError("not-trusted", `${address}: the ${what} is ${found ?? "not known"}, expected ${expected}`, { hint });
}
// src/fetch/connections.ts
const MAX_CONNECTIONS = 4;
/** A smaller file comes in one piece: opening connections would take as long as it takes. */
const PARALLEL_BYTES = 33554432;
/** A connection that has brought this much is opened again at once when it breaks off. */
const GOOD_RUN_BYTES = 262144;
/** Received and not yet written, in all connections together: a kill loses these bytes. */
const HELD_BYTES = 262144;
/** The server has answered a request for a range with something else. The whole file may be fine. */
var UnusableRangeError = class extends Error {};
/**
* Receives what is missing of a file: a list of segments, and a few connections that take one after the other from it.
* A segment that one connection fails to get is left to the others; when all have failed, the last failure is thrown.
*/
var Connections = class {
	#options;
	#part;
	#stop = new AbortController();
	#queue = [];
	#failure;
	constructor(options) {
		this.#options = options;
		this.#part = options.part;
	}
	async receiveMissing() {
		const { missing, sizeBytes, doneBytes } = this.#part;
		if (missing.length === 0) return;
		if (!(!this.#options.mayUseRanges || doneBytes === 0 && sizeBytes < PARALLEL_BYTES)) this.#queue = cutSegments(missing).map(({ start, end }) => ({
			position: start,
			end
		}));
		const first = await this.#openFirst(this.#queue.shift());
		const others = this.#queue.slice(0, 3);
		await Promise.all([this.#work(first), ...others.map(() => this.#work())]);
		if (this.#part.doneBytes < sizeBytes) throw this.#failure ?? this.#stop.signal.reason;
	}
	stop() {
		this.#stop.abort();
	}
	async #work(opened) {
		let answer = opened?.answer;
		for (let segment = opened?.segment ?? this.#queue.shift(); segment; segment = this.#queue.shift()) {
			const { position } = segment;
			try {
				await this.#receive(segment, answer ?? await this.#openRange(segment));
			} catch (error) {
				if (!isOfOneConnection(error)) {
					this.#stop.abort(error);
					throw error;
				}
				if (this.#stop.signal.aborted) return;
				this.#failure = error;
				this.#queue.unshift(segment);
				if (segment.position - position < GOOD_RUN_BYTES || this.#part.etag === void 0) return;
			}
			answer = void 0;
		}
	}
	/** Without a segment, it asks for the whole file; and where nothing is there yet, the whole file is a fine answer. */
	async #openFirst(segment) {
		const { part } = this.#options;
		const answer = segment === void 0 ? await this.#options.open() : await this.#askForRange(segment, part.etag);
		try {
			if (segment !== void 0 && (answer.status !== 200 || part.doneBytes > 0)) {
				requireRange(answer, segment, part);
				if (part.etag === void 0) await part.begin(requireStrongEtag(answer));
				return {
					segment,
					answer
				};
			}
			requireWhole(answer, part.sizeBytes);
			await part.begin(strongEtag(answer.headers));
		} catch (error) {
			answer.body.destroy();
			throw error;
		}
		this.#queue = [];
		return {
			segment: {
				position: 0,
				end: part.sizeBytes
			},
			answer
		};
	}
	async #openRange(segment) {
		const answer = await this.#askForRange(segment, this.#part.etag);
		try {
			requireRange(answer, segment, this.#part);
		} catch (error) {
			answer.body.destroy();
			throw error;
		}
		return answer;
	}
	async #askForRange({ position, end }, etag) {
		return await this.#options.open({
			start: position,
			end,
			etag
		}).catch((error) => {
			throw error instanceof HttpError && error.status === 416 ? new UnusableRangeError(error.message) : error;
		});
	}
	async #receive(segment, { body, url }) {
		const { position: start, end } = segment;
		const destroy = () => body.destroy();
		this.#stop.signal.addEventListener("abort", destroy);
		let batch = [];
		let batchBytes = 0;
		const flush = () => {
			this.#part.write(batch, segment.position);
			segment.position += batchBytes;
			batch = [];
			batchBytes = 0;
			this.#options.onBytes(this.#part.doneBytes);
		};
		try {
			for await (const chunk of body) {
				if (segment.position + batchBytes + chunk.length > end) throw damaged(`${redacted(url)} sends more than the ${end - start} bytes that were asked for`);
				batch.push(chunk);
				batchBytes += chunk.length;
				if (batchBytes >= HELD_BYTES / MAX_CONNECTIONS) flush();
			}
		} catch (error) {
			throw bodyError(error, url);
		} finally {
			this.#stop.signal.removeEventListener("abort", destroy);
			if (batchBytes > 0) flush();
		}
		if (segment.position < end) throw bodyError(/* @__PURE__ */ new Error(`it ended at byte ${segment.position} of ${end}`), url);
	}
};
/** Another connection, or another way to the same file, may do better. */
function isOfOneConnection(error) {
	return error instanceof UnusableRangeError || error instanceof BottleError && [
		"network-failed",
		"authentication",
		"not-found",
		"try-later"
	].includes(error.code);
}
function requireWhole({ status, headers, url }, sizeBytes) {
	const encoding = headers["content-encoding"] ?? "identity";
	const type = headers["content-type"] ?? "";
	const length = headers["content-length"];
	if (status !== 200 || encoding !== "identity" || type.startsWith("text/html")) throw new BottleError("network-failed", `${redacted(url)} answered ${status} with ${type || "something"} (${encoding}), not with the file`, { hint: "check that no proxy answers in its place" });
	if (length !== void 0 && Number(length) !== sizeBytes) throw damaged(`${redacted(url)} has ${length} bytes, expected ${sizeBytes}`);
}
function requireRange({ status, headers, url }, { position, end }, { etag, sizeBytes }) {
	const expected = `bytes ${position}-${end - 1}/${sizeBytes}`;
	const { "content-range": range, "content-encoding": encoding = "identity" } = headers;
	const problem = status !== 206 ? `the answer to a range is ${status}` : range !== expected || encoding !== "identity" ? `the range is "${range}" (${encoding}), expected "${expected}"` : etag !== void 0 && (headers.etag ?? etag) !== etag ? `the ETag is ${headers.etag}, expected ${etag}` : void 0;
	if (problem !== void 0) throw new UnusableRangeError(`${redacted(url)}: ${problem}`);
}
function requireStrongEtag({ headers, url }) {
	const etag = strongEtag(headers);
	if (etag === void 0) throw new UnusableRangeError(`${redacted(url)}: it gives no strong ETag`);
	return etag;
}
/** https://datatracker.ietf.org/doc/html/rfc9110#field.etag: the bytes are the same as long as it is. */
function strongEtag({ etag }) {
	return etag !== void 0 && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : void 0;
}
function damaged(problem, cause) {
	return new BottleError("sidecar-damaged", `damaged download: ${problem}`, {
		hint: "try another source; if it happens again, the published file is damaged",
		cause
	});
}
// src/fetch/local-copy.ts
const READ_CHUNK_BYTES$1 = 1048576;
/** Copies what is missing of a file from another path on this machine. */
async function copyMissing(path, part, { signal, onBytes }) {
	const file = await fs.open(path, "r").catch((error) => {
		throw fileError(`cannot copy from ${path}`, error);
	});
	try {
		const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES$1);
		for (const { start, end } of part.missing) for (let position = start; position < end;) {
			signal.throwIfAborted();
			const length = Math.min(chunk.length, end - position);
			const { bytesRead } = await file.read(chunk, 0, length, position);
			if (bytesRead === 0) throw new BottleError("io", `${path} ended while it was copied, at byte ${position}`);
			part.write([chunk.subarray(0, bytesRead)], position);
			position += bytesRead;
			onBytes(part.doneBytes);
		}
	} catch (error) {
		throw error instanceof Error && "syscall" in error ? fileError(`cannot copy from ${path}`, error) : error;
	} finally {
		await file.close();
	}
}
// src/fetch/part-file.ts
const DATA = "data";
const JOURNAL = "journal";
const READ_CHUNK_BYTES = 1048576;
const OPEN_FLAGS = constants$1.O_RDWR | constants$1.O_CREAT | constants$1.O_NOFOLLOW;
const headerSchema = object({
	sizeBytes: number(),
	sha256: string(),
	etag: string()
});
/**
* A file of a known size on its way to being complete: `data`, and beside it `journal`, which says which parts are
* there. The journal has a header, and a line `start length` for each range, added when its bytes are written: a
* process can be killed at any moment. (When the machine goes down, a line may be there without its bytes. That is
* left to the SHA-256 to find.)
*/
var PartFile = class PartFile {
	path;
	#wanted;
	#data;
	#journal;
	#events = new EventEmitter();
	/** In their order, with gaps between them. */
	#ranges = [];
	/** Of all ranges together. */
	#doneBytes = 0;
	#etag;
	/** Something here is from a server. */
	#hasBegun = false;
	/** Takes up what an earlier process has left in `dir`, if it is of the same content and can be resumed. */
	static async open(dir, wanted) {
		const path = join(dir, DATA);
		return await explained$1(path, async () => {
			const data = await fs.open(path, OPEN_FLAGS, 384);
			const journal = await fs.open(join(dir, JOURNAL), OPEN_FLAGS | constants$1.O_APPEND, 384);
			const part = new PartFile(path, wanted, data, journal);
			await part.#readJournal();
			return part;
		});
	}
	constructor(path, wanted, data, journal) {
		this.path = path;
		this.#wanted = {
			sizeBytes: wanted.sizeBytes,
			sha256: wanted.sha256
		};
		this.#data = data;
		this.#journal = journal;
	}
	get sizeBytes() {
		return this.#wanted.sizeBytes;
	}
	get ranges() {
		return this.#ranges;
	}
	/** What lies between the ranges that are there. */
	get missing() {
		const missing = [];
		let position = 0;
		for (const { start, end } of [...this.#ranges, {
			start: this.sizeBytes,
			end: this.sizeBytes
		}]) {
			if (start > position) missing.push({
				start: position,
				end: start
			});
			position = end;
		}
		return missing;
	}
	/** The ETag of the file on the server; undefined before its first answer, and for a file without a strong one. */
	get etag() {
		return this.#etag;
	}
	get doneBytes() {
		return this.#doneBytes;
	}
	/** Whether what is there can be completed, or has to be received again. */
	get canResume() {
		return !this.#hasBegun || this.#etag !== void 0;
	}
	/** Forgets everything. */
	async clear() {
		this.#ranges.length = 0;
		this.#doneBytes = 0;
		this.#etag = void 0;
		this.#hasBegun = false;
		await explained$1(this.path, async () => {
			await this.#journal.truncate(0);
			await this.#data.truncate(0);
		});
	}
	/**
	* What a server sends from now on is from the file with this ETag, and goes with what is there already. Without an
	* ETag nothing outlives this process.
	*/
	async begin(etag) {
		this.#etag = etag;
		this.#hasBegun = true;
		if (etag !== void 0) {
			const lines = this.#ranges.map(({ start, end }) => `${start} ${end - start}`);
			const header = JSON.stringify({
				...this.#wanted,
				etag
			});
			await explained$1(this.path, async () => this.#append([header, ...lines].join("\n")));
		}
	}
	/**
	* Without the thread pool: into the page cache it takes a fraction of the time that the way there and back does, and
	* while the disk is slower than the network, the connections have to wait anyway.
	*/
	write(chunks, position) {
		try {
			const length = writeAll(this.#data.fd, chunks, position);
			if (this.#etag !== void 0) this.#append(`${position} ${length}`);
			this.#add({
				start: position,
				end: position + length
			});
		} catch (error) {
			throw writeError(this.path, error);
		}
		this.#events.emit("written");
	}
	/** The file's bytes from its beginning: those that are there, and then the others as they come. */
	async *follow(signal) {
		const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES);
		for (let position = 0; position < this.#wanted.sizeBytes;) {
			signal.throwIfAborted();
			const [first] = this.#ranges;
			const length = first?.start === 0 ? Math.min(first.end - position, buffer.length) : 0;
			if (length > 0) {
				const bytesRead = readSync(this.#data.fd, buffer, 0, length, position);
				if (bytesRead === 0) throw new BottleError("io", `${this.path} ended while it was read, at byte ${position}`);
				position += bytesRead;
				yield buffer.subarray(0, bytesRead);
			} else await once(this.#events, "written", { signal });
		}
	}
	async remove() {
		await this.clear();
		for (const path of [this.path, join(dirname(this.path), JOURNAL)]) await fs.rm(path, { force: true });
	}
	async close() {
		await this.#journal.close();
		await this.#data.close();
	}
	/** Keeps what stands before the first line that is not whole. */
	async #readJournal() {
		const [header = "", ...lines] = (await this.#journal.readFile("latin1")).split("\n").slice(0, -1);
		const { sizeBytes, sha256 } = this.#wanted;
		const found = parseHeader(header);
		if (found === void 0 || found.sizeBytes !== sizeBytes || found.sha256 !== sha256) {
			await this.clear();
			return;
		}
		const dataBytes = (await this.#data.stat()).size;
		let keptBytes = header.length + 1;
		for (const line of lines) {
			const range = parseLine(line);
			if (range === void 0 || range.end > Math.min(dataBytes, sizeBytes)) break;
			this.#add(range);
			keptBytes += line.length + 1;
		}
		this.#etag = found.etag;
		this.#hasBegun = true;
		await this.#journal.truncate(keptBytes);
	}
	/** Together with those that it meets. There can be hundreds of thousands, so that only its neighbors are looked at. */
	#add(added) {
		const ranges = this.#ranges;
		let first = 0;
		for (let end = ranges.length; first < end;) {
			const middle = first + end >> 1;
			if (ranges[middle].end < added.start) first = middle + 1;
			else end = middle;
		}
		let { start, end } = added;
		let last = first;
		for (let met = ranges[last]; met !== void 0 && met.start <= end; met = ranges[last]) {
			start = Math.min(start, met.start);
			end = Math.max(end, met.end);
			this.#doneBytes -= met.end - met.start;
			last += 1;
		}
		ranges.splice(first, last - first, {
			start,
			end
		});
		this.#doneBytes += end - start;
	}
	#append(line) {
		writeAll(this.#journal.fd, [Buffer.from(`${line}\n`)], void 0);
	}
};
function parseHeader(line) {
	try {
		return headerSchema.parse(JSON.parse(line));
	} catch {
		return;
	}
}
function parseLine(line) {
	const [, start, length] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
	return start === void 0 ? void 0 : {
		start: Number(start),
		end: Number(start) + Number(length)
	};
}
/** A disk that is nearly full takes a part of the bytes, and fails with the rest. */
function writeAll(file, chunks, position) {
	const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
	let rest = chunks;
	for (let written = 0; written < length;) {
		const bytesWritten = writevSync(file, rest, position === void 0 ? void 0 : position + written);
		written += bytesWritten;
		if (written < length) rest = [Buffer.concat(rest).subarray(bytesWritten)];
	}
	return length;
}
async function explained$1(path, work) {
	try {
		return await work();
	} catch (error) {
		throw writeError(path, error);
	}
}
function writeError(path, error) {
	return fileError(`cannot write ${path}`, error);
}
// src/fetch/reuse.ts
const { subtle } = globalThis.crypto;
/** Older sidecars have little that newer ones lack. */
const MAX_BASES = 8;
/**
* Copies the frames that other sidecars on this machine have into a file on its way. A frame counts by the SHA-256 of
* what was read, so that a base may have changed, may be damaged, or may disappear while it is read. The frame index
* is asked for only where there is a base with frames.
* @throws what reading the frame index throws
*/
async function reuseFrames(part, { bases, frames }, { signal, onBytes }) {
	const opened = await openBases(bases.slice(0, MAX_BASES));
	try {
		if (opened.length === 0) return;
		const wanted = Map.groupBy(await frames(), ({ sha256 }) => sha256);
		const sizes = new Set([...wanted.values()].map(([frame]) => frame?.sizeBytes ?? 0));
		for (const base of opened) for await (const bytes of framesOf(base, sizes)) {
			signal.throwIfAborted();
			const sha256 = Buffer.from(await subtle.digest("SHA-256", bytes)).toString("hex");
			for (const { offset } of wanted.get(sha256) ?? []) {
				part.write([bytes], offset);
				onBytes(part.doneBytes);
				await setImmediate();
				signal.throwIfAborted();
			}
			wanted.delete(sha256);
			if (wanted.size === 0) return;
		}
	} finally {
		await Promise.all(opened.map(({ file }) => file.close()));
	}
}
async function openBases(paths) {
	const bases = [];
	for (const path of paths) {
		const base = await openBase(path).catch(() => void 0);
		if (base !== void 0) bases.push(base);
	}
	return bases;
}
async function openBase(path) {
	const { footer } = await readSidecar(path);
	const file = await fs.open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK);
	const table = await readSeekTable(file, footer.assetsBytes).catch(() => void 0);
	if (table === void 0) {
		await file.close();
		return;
	}
	return {
		file,
		sizes: table.map(({ sizeBytes }) => sizeBytes)
	};
}
/**
* The readable frames with these sizes; a frame of another size cannot be one that is wanted. Each frame is valid until
* the next one is read, because all are read into the same memory.
*/
async function* framesOf({ file, sizes }, wantedSizes) {
	const memory = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES);
	let offset = 0;
	for (const sizeBytes of sizes) {
		if (wantedSizes.has(sizeBytes)) {
			const { bytesRead } = await file.read(memory, 0, sizeBytes, offset).catch(() => ({ bytesRead: 0 }));
			if (bytesRead === sizeBytes) yield memory.subarray(0, sizeBytes);
		}
		offset += sizeBytes;
	}
}
// src/fetch/download.ts
/** A server that breaks off again and again is asked again as long as a few attempts bring this much. */
const PROGRESS_BYTES = 65536;
/**
* Gets a file whose size and SHA-256 are known. The bytes that arrived stay in `dir` after an interruption, and the next
* run goes on from it where the server allows that; what is not the promised file is deleted.
* @throws BottleError `sidecar-damaged`, `cannot-write`, `network-failed` and what else a server answers
*/
async function download(file, options) {
	const part = await PartFile.open(options.dir, file);
	try {
		const hashed = await new Transfer(file, part, options).run();
		return {
			path: part.path,
			hashed
		};
	} catch (error) {
		if (isDamage(error)) await part.remove();
		throw error;
	} finally {
		await part.close();
	}
}
var Transfer = class {
	#file;
	#stage;
	#part;
	#options;
	#warn;
	/** Some of what is there is from an earlier run. */
	#isResumed;
	#usedRanges = false;
	#trustsRanges = true;
	/** From other sidecars. */
	#reusedBytes = 0;
	#hasBegun = false;
	constructor(file, part, options) {
		this.#file = file;
		this.#stage = file.kind === "local" ? "copy" : "download";
		this.#part = part;
		this.#options = options;
		this.#warn = warningsTo(options.onProgress);
		this.#isResumed = part.doneBytes > 0;
	}
	async run() {
		const { onProgress } = this.#options;
		const { sha256: expected, sizeBytes } = this.#file;
		let hashed = await this.#receive();
		if (hashed.sha256 !== expected && (this.#isResumed || this.#usedRanges || this.#reusedBytes > 0)) {
			this.#warn("the parts that are here do not make up the promised file; downloading the whole file");
			this.#trustsRanges = false;
			hashed = await this.#receive();
		}
		if (hashed.sha256 !== expected) throw damaged(`its SHA-256 is ${hashed.sha256}, expected ${expected}`);
		onProgress({
			type: "done",
			stage: this.#stage,
			sizeBytes: sizeBytes - this.#reusedBytes,
			detail: "SHA-256 verified"
		});
		return hashed;
	}
	/** Before the first byte is received; what is here already is hashed at the same time. */
	async #begin(signal) {
		const { onProgress } = this.#options;
		await this.#reuseFrames(signal);
		if (this.#isResumed) onProgress({
			type: "note",
			message: `Resuming at ${`${formatBytes(this.#part.doneBytes)} of ${formatBytes(this.#file.sizeBytes)}`}.`
		});
		onProgress({
			type: "start",
			stage: this.#stage
		});
	}
	/** The bytes that an earlier run left include those that it copied. */
	async #reuseFrames(signal) {
		const { reuse, onProgress } = this.#options;
		if (reuse === void 0 || this.#part.doneBytes > 0) return;
		const { sizeBytes: totalBytes } = this.#part;
		const frames = async () => {
			onProgress({
				type: "start",
				stage: "reuse"
			});
			return await reuse.frames().catch((error) => {
				signal.throwIfAborted();
				this.#warn(`the frame index cannot be used, ${error.message}; downloading the whole file`);
				return [];
			});
		};
		const onBytes = (doneBytes) => onProgress({
			type: "bytes",
			stage: "reuse",
			doneBytes,
			totalBytes
		});
		await reuseFrames(this.#part, {
			...reuse,
			frames
		}, {
			signal,
			onBytes
		});
		this.#reusedBytes = this.#part.doneBytes;
		if (this.#reusedBytes > 0) {
			const detail = `from other sidecars in the store, ${formatBytes(totalBytes - this.#reusedBytes)} to go`;
			onProgress({
				type: "done",
				stage: "reuse",
				sizeBytes: this.#reusedBytes,
				detail
			});
		}
	}
	async #receive() {
		let countedBytes = this.#part.doneBytes;
		const hasProgressed = () => {
			const { doneBytes } = this.#part;
			const progressed = doneBytes >= countedBytes + PROGRESS_BYTES;
			countedBytes = progressed ? doneBytes : countedBytes;
			return progressed;
		};
		return await this.#options.http.retry(() => this.#attempt(), hasProgressed);
	}
	async #attempt() {
		if (!this.#trustsRanges || !this.#part.canResume) await this.#startOver();
		try {
			return await this.#receiveAndHash();
		} catch (error) {
			if (!(error instanceof UnusableRangeError)) throw error;
			this.#warn(`cannot go on with the parts that are here, ${error.message}; starting over`);
			this.#trustsRanges = this.#isResumed;
			await this.#startOver();
			return await this.#attempt();
		}
	}
	async #startOver() {
		await this.#part.clear();
		this.#isResumed = false;
		this.#reusedBytes = 0;
	}
	async #receiveAndHash() {
		const stop = new AbortController();
		const signal = AbortSignal.any([stop.signal, this.#options.signal]);
		const hashing = this.#hash(signal);
		const filling = this.#fill(signal);
		try {
			await Promise.all([hashing, filling]);
			return await hashing;
		} finally {
			stop.abort();
			await Promise.allSettled([hashing, filling]);
		}
	}
	async #fill(signal) {
		if (!this.#hasBegun) {
			this.#hasBegun = true;
			await this.#begin(signal);
		}
		const part = this.#part;
		const file = this.#file;
		const onBytes = (doneBytes) => this.#report(doneBytes);
		if (file.kind === "local") {
			await copyMissing(file.path, part, {
				signal,
				onBytes
			});
			return;
		}
		const open = async (range) => {
			this.#usedRanges ||= range !== void 0;
			return await file.open(range);
		};
		const connections = new Connections({
			part,
			open,
			mayUseRanges: this.#trustsRanges,
			onBytes
		});
		signal.addEventListener("abort", () => connections.stop());
		await connections.receiveMissing();
	}
	#report(doneBytes) {
		this.#options.onProgress({
			type: "bytes",
			stage: this.#stage,
			doneBytes: doneBytes - this.#reusedBytes,
			totalBytes: this.#part.sizeBytes - this.#reusedBytes,
			isKept: this.#part.canResume
		});
	}
	/** Reads back what was written: one way for what comes in its order, in parallel, and from an earlier run. */
	async #hash(signal) {
		const hash = new SidecarHash(this.#file.sizeBytes);
		for await (const bytes of this.#part.follow(signal)) hash.update(bytes);
		return hash.digest();
	}
};
// src/fetch/offered-frames.ts
/**
* Reads the frame index of a sidecar that its pack record names.
* @throws BottleError
*/
async function readOfferedFrames({ record, frameIndex }) {
	const { frames, sidecar } = record;
	if (frames === void 0 || frames.sizeBytes > 33554432) throw damagedRecord("the pack record names no frame index");
	const bytes = await frameIndex(frames.sizeBytes);
	const found = hash("sha256", bytes);
	if (found !== frames.sha256) throw damagedRecord(`its SHA-256 is ${found}, and the pack record says ${frames.sha256}`);
	const index = parseFrameIndex(bytes);
	if (index.framesBytes > sidecar.sizeBytes) throw damagedRecord(`its frames have ${counted(index.framesBytes, "byte")}, and the file ${sidecar.sizeBytes}`);
	return index.frames;
}
// src/fetch/receive.ts
/**
* Brings a sidecar into `dir` and checks all of it.
* @returns its path
*/
async function receive(offer, { bases, ...options }) {
	const { content, record } = offer;
	const neededBytes = content.sizeBytes - await bytesIn(options.dir);
	await requireFreeBytes(options.dir, Math.max(0, neededBytes), "the sidecar");
	const reuse = record.frames && {
		bases,
		frames: () => readOfferedFrames(offer)
	};
	const { path, hashed } = await download(content, {
		...options,
		reuse
	});
	await verifySidecar(path, expectedOf(record), { hashed });
	return path;
}
/** The file that a stopped run left. It has holes, so its size says nothing. */
async function bytesIn(dir) {
	const names = await fs.readdir(dir);
	return (await Promise.all(names.map((name) => fs.stat(join(dir, name))))).reduce((sum, { blocks }) => sum + blocks * 512, 0);
}
// src/fetch/fetch.ts
/** Failures of one source that leave the next one its chance. */
const PASSABLE = [
	"not-found",
	"authentication",
	"network-failed",
	"try-later"
];
/** The source of what was there already. */
const STORE = "the store";
/**
* 1. The store has one of the checkout's own origin, or one that was packed here.
* 2. Else the first source that has one: its record is compared with what is wanted and can be used here.
* 3. Its origin is judged by its signature.
* 4. Its bytes are downloaded, as far as the store does not have them, and verified.
* 5. It is installed with its origin, and the store remembers that this origin signs.
* It has no name then; `bindSidecar` gives it one.
*/
async function fetchSidecar(options) {
	const { store, wanted } = options;
	const hit = await findInStore(options) ?? await adoptSigned(options);
	if (hit !== void 0) return {
		status: "hit",
		record: hit.record,
		stored: hit,
		source: STORE,
		address: void 0,
		skipped: [],
		provenance: void 0
	};
	if (options.offline) throw new BottleError("not-found", "the store has no sidecar for this checkout, and --offline asks nobody else", {
		hint: ["claude-bottle fetch  # without --offline", PACK_HINT],
		details: [keyLine(wanted)]
	});
	const { offer, source, evidence, skipped } = await findOffer$1(options);
	const { record, address } = offer;
	await options.requireUsable(record);
	const verified = await judge(evidence, originOf(wanted), options.trust, store.layout);
	if (offer.hasRecord === false) warningsTo(options.onProgress)(`${address} was pushed without a pack record and is not signed: only its own checksums are verified`);
	else saySigner(verified, options);
	const found = {
		record,
		source: source.name,
		address,
		skipped,
		provenance: verified?.provenance
	};
	if (options.dryRun) return {
		status: "available",
		stored: void 0,
		...found
	};
	const obtained = await obtain(offer, verified, options);
	if (verified !== void 0) await rememberSigner(store.layout, originOf(wanted), evidence, verified);
	return {
		...found,
		...obtained
	};
}
function saySigner(verified, { trust, onProgress }) {
	if (verified !== void 0) {
		const { signer, ref } = verified.provenance;
		onProgress({
			type: "done",
			stage: "sign",
			detail: `by ${describeSigner(signer)}, run for ${describeRef(ref)}`
		});
	} else if (trust.provenance === "auto") onProgress({
		type: "note",
		message: "Not signed: nothing proves which workflow packed it."
	});
}
function originOf({ serverUrl, repository }) {
	return originOfCheckout(serverUrl, repository);
}
/**
* Reads it from end to end: that a file is there says nothing. A damaged one is skipped for the next. A dry run only
* looks: what it found damaged would have to be moved.
*/
async function findInStore(options) {
	const { store, wanted, demands, trust } = options;
	const allowed = {
		origin: originOf(wanted),
		unsigned: trust.provenance === "off"
	};
	for (const stored of await findHits(store, wanted, allowed)) if (satisfies(stored, demands) && await isSignedAsAsked(stored, options)) {
		if (options.dryRun || await isGood(stored, options)) return stored;
	}
}
async function isGood(stored, { store, signal, onProgress }) {
	const { sha256, sizeBytes } = stored;
	onProgress({
		type: "start",
		stage: "store"
	});
	if (await verifyStored(store, stored, {
		signal,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "store",
			doneBytes,
			totalBytes: sizeBytes
		})
	}) === void 0) {
		onProgress({
			type: "done",
			stage: "store",
			isSilent: true
		});
		return false;
	}
	await touchUsed(store, sha256);
	onProgress({
		type: "done",
		stage: "store",
		sizeBytes,
		detail: "in the store, nothing to download"
	});
	return true;
}
/** Only `required` asks for a signature of what is in the store: it may have come before the repository signed. */
async function isSignedAsAsked(stored, options) {
	const { store, wanted, trust } = options;
	if (trust.provenance !== "required") return true;
	const bundle = stored.signer && await readBundle$2(store, stored.sha256, stored.origin);
	if (!bundle) return false;
	const evidence = {
		record: stored.record,
		bundles: async () => [bundle]
	};
	await judge(evidence, originOf(wanted), {
		...trust,
		allowOlder: true
	}, store.layout);
	return true;
}
/** A sidecar of unknown origin that is signed says itself whose it is. */
async function adoptSigned(options) {
	const { store, wanted, demands, trust, signal } = options;
	if (trust.provenance === "off" || options.dryRun) return;
	for (const stored of await findUnknown(store, wanted)) {
		const { record, sha256 } = stored;
		const bundle = await readBundle$2(store, sha256, UNKNOWN);
		if (satisfies(stored, demands) && bundle !== void 0) {
			const evidence = {
				record,
				bundles: async () => [bundle]
			};
			const verified = await judge(evidence, originOf(wanted), trust, store.layout).catch(orUndefined);
			if (verified !== void 0 && await isGood(stored, options)) {
				const origin = provenOrigin(originOf(wanted), verified);
				const signer = verified.provenance.signer;
				const adopted = await installSidecar(store, void 0, {
					origin,
					record,
					signer,
					bundle
				}, { signal });
				await rememberSigner(store.layout, origin, evidence, verified);
				return adopted;
			}
		}
	}
}
function orUndefined(error) {
	if (!(error instanceof BottleError)) throw error;
}
function provenOrigin(origin, verified) {
	return origin.kind === "repository" && verified !== void 0 ? {
		...origin,
		repositoryId: verified.provenance.repositoryId
	} : origin;
}
function satisfies({ record: { sidecar, source } }, { sha256, commit }) {
	return (sha256 === void 0 || sha256 === sidecar.sha256) && (commit === void 0 || commit === source?.commit);
}
/** @throws BottleError that says why each source has nothing, and what differs from the nearest published record */
async function findOffer$1(options) {
	const { wanted, demands, sources, tools, onProgress } = options;
	const misses = [];
	const answered = [];
	let refused;
	for (const source of sources) {
		onProgress({
			type: "start",
			stage: "find",
			detail: source.name
		});
		try {
			const found = await source.find(wanted);
			answered.push(source);
			if (!("skipped" in found)) {
				refused ??= found.record.platform === wanted.platform ? found.record : void 0;
				const otherName = await confirmOtherName(found.record, wanted, tools);
				requireWanted(found, wanted, demands, otherName);
				onProgress({
					type: "done",
					stage: "find",
					...describeOffer(found, source)
				});
				const { record, bundles } = found;
				const skipped = misses.map(({ source: name, reason }) => ({
					source: name,
					reason
				}));
				return {
					offer: found,
					source,
					evidence: {
						record,
						bundles,
						otherName
					},
					skipped
				};
			}
			misses.push({
				source: source.name,
				reason: found.skipped,
				hint: found.hint
			});
		} catch (error) {
			if (!(error instanceof BottleError) || !PASSABLE.includes(error.code)) throw error;
			misses.push({
				source: source.name,
				reason: error.message,
				hint: error.hints[0],
				failure: error
			});
		}
	}
	const nearest = refused ?? await nearestRecord$1({
		...options,
		sources: answered
	});
	throw missError(wanted, misses, await options.explainMiss(nearest));
}
function describeOffer({ address, record }, { name }) {
	const [, place = name] = /^oci:(.*?)(?:@sha256:|$)/.exec(address) ?? [];
	return {
		detail: `${place}${record.source === void 0 ? "" : `, commit ${record.source.commit}`}`,
		sizeBytes: record.sidecar.sizeBytes
	};
}
async function nearestRecord$1({ sources, wanted, signal }) {
	for (const source of sources) {
		const record = await source.nearest?.(wanted).catch(() => void 0);
		signal.throwIfAborted();
		if (record !== void 0) return record;
	}
}
/** One process downloads; another that waited for it finds the bytes in the store. */
async function obtain(offer, verified, options) {
	const { store, signal, onProgress } = options;
	const { record, address } = offer;
	const { sha256, sizeBytes } = record.sidecar;
	const installation = {
		origin: provenOrigin(originOf(options.wanted), verified),
		record,
		signer: verified?.provenance.signer,
		bundle: verified?.bundle,
		address
	};
	return await store.withDownload(sha256, {
		signal,
		onWait: warningsTo(onProgress)
	}, async (dir) => {
		const isThere = await hasBytes(store, sha256, { signal });
		if (isThere) await store.verify(objectPath(store.layout, sha256), expectedOf(record), { signal });
		if (!isThere) options.onDownload();
		const bases = isThere ? [] : await basesFor(store, installation);
		const { http } = options.tools;
		const received = isThere ? void 0 : await receive(offer, {
			signal,
			http,
			onProgress,
			dir,
			bases
		});
		signal.throwIfAborted();
		onProgress({
			type: "start",
			stage: "install"
		});
		const stored = await installSidecar(store, received, installation, { signal });
		await touchUsed(store, sha256);
		onProgress({
			type: "done",
			stage: "install",
			sizeBytes,
			detail: `sha256 ${sha256}`
		});
		return {
			status: isThere ? "hit" : "fetched",
			stored
		};
	});
}
/** What a download can copy frames from. */
async function basesFor(store, { origin, record }) {
	return (await contentsOf(store, origin, record.platform)).map(({ path }) => path);
}
// src/host/replace-file.ts
/**
* Writes a file in a directory that others may have filled: the new file has a name that nobody can guess, is created
* by us or not at all, and takes the place of whatever has the name, link or not.
*/
async function replaceFile(path, text) {
	const temp = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
	const file = await fs.open(temp, "wx", 420);
	try {
		try {
			await file.writeFile(text);
			await file.sync();
		} finally {
			await file.close();
		}
		await fs.rename(temp, path);
	} catch (error) {
		await fs.rm(temp, { force: true });
		throw error;
	}
}
// src/fetch/source.ts
function withoutRepository({ noRepository }) {
	return {
		skipped: noRepository ?? "it is not known which repository is meant",
		hint: "claude-bottle fetch --repo OWNER/NAME"
	};
}
function parseSourceAddress(text) {
	const [, scheme = "", rest = ""] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
	switch (scheme) {
		case "oci": return {
			kind: "oci",
			reference: rest.replace(/^\/\//, "")
		};
		case "release": return {
			kind: "release",
			tag: rest
		};
		case "run":
			if (/^\d{1,20}$/.test(rest)) return {
				kind: "run",
				runId: rest
			};
			break;
		case "file": return {
			kind: "file",
			path: rest
		};
		case "https":
		case "http": return {
			kind: "https",
			url: text
		};
	}
	const guess = guessedSource(text);
	const meant = guess === void 0 ? "" : ` (did you mean ${guess}?)`;
	throw new BottleError("usage", `unknown source ${quoted(text)}${meant}`, { hint: "use oci:REFERENCE, release:TAG, run:ID, file:PATH or https://…" });
}
/** The source that an address without a scheme most likely means. */
function guessedSource(text) {
	if (/\.smolmachine$|^[./~]/.test(text)) return `file:${text}`;
	if (/^\d{6,}$/.test(text)) return `run:${text}`;
	if (/^v?\d+(\.\d+)*$/.test(text)) return `release:${text}`;
	return /^[\w.-]+(:\d+)?(\/[\w.-]+)+(:[\w.-]+)?$/.test(text) ? `oci:${text}` : void 0;
}
// src/fetch/lock-file.ts
/** Beside the Dockerfile, in the build context. */
const LOCK_FILE = "claude-bottle.lock";
const MAX_LOCK_FILE_BYTES = 65536;
const LOCK_FILE_VERSION = 1;
const hex64 = string().check(_regex(/^[0-9a-f]{64}$/));
const lockedSchema = object({
	/** The commit that the sidecar was packed from. */
	commit: optional(string().check(_regex(/^[0-9a-f]{40,64}$/))),
	key: hex64,
	sha256: hex64,
	sizeBytes: int().check(_nonnegative()),
	/** What `fetch --from` takes. */
	address: string()
});
const lockFileSchema = object({
	version: literal(LOCK_FILE_VERSION),
	platforms: partialRecord(_enum(GUEST_PLATFORMS), lockedSchema)
});
function lockedOf({ record, address }, key) {
	const { sha256, sizeBytes } = record.sidecar;
	const commit = record.source?.commit;
	return {
		...commit !== void 0 && { commit },
		key,
		sha256,
		sizeBytes,
		address
	};
}
/** @throws BottleError `not-found` when the file does not exist, `sidecar-damaged` when it is not a lock file */
async function readLockFile(path) {
	let text;
	try {
		text = (await readSmallFile(path, MAX_LOCK_FILE_BYTES)).toString();
	} catch (error) {
		if (error instanceof BottleError) throw new BottleError("sidecar-damaged", error.message, { hint: "claude-bottle lock  # writes it again" });
		if (hasErrno(error, "ENOENT")) throw new BottleError("not-found", `there is no lock file ${path}`, { hint: "claude-bottle lock" });
		if (hasErrno(error, "EINVAL", "EFBIG")) throw damagedLockFile(path, `is not a regular file of at most ${MAX_LOCK_FILE_BYTES} bytes`);
		throw fileError(`cannot read ${path}`, error);
	}
	const parsed = lockFileSchema.safeParse(readableJson(text));
	if (!parsed.success) {
		const field = parsed.error.issues[0]?.path.join(".") || "the whole";
		throw damagedLockFile(path, `is not a lock file of version ${LOCK_FILE_VERSION}, because ${field} is not valid`);
	}
	return parsed.data;
}
function damagedLockFile(path, problem) {
	return new BottleError("sidecar-damaged", `${path} ${problem}`, { hint: "claude-bottle lock  # writes it again" });
}
/** @throws BottleError `not-trusted` when this checkout is not what was locked */
function requireLocked(lockFile, platform, key) {
	const locked = lockFile.platforms[platform];
	if (locked === void 0) {
		const known = Object.keys(lockFile.platforms).join(", ");
		throw new BottleError("not-found", `${LOCK_FILE} has nothing for ${platform}, only for ${known || "none"}`, { hint: "claude-bottle lock  # once that platform is published" });
	}
	if (locked.key !== key) throw new BottleError("not-trusted", `this checkout has the inputs key ${key}, and ${LOCK_FILE} was written for ${locked.key}`, { hint: "undo the local changes to what the Dockerfile can see, or write the lock file again: claude-bottle lock" });
	return locked;
}
/**
* A pull request can change a lock file, so an entry may lead only to what the repository itself has published: its
* package in the registry of its GitHub server, a release, or the address of a release file.
* @throws BottleError `not-trusted`
*/
function requireLockable(address, { repository, github }) {
	const source = addressOf$1(address);
	if (source === void 0 || repository === void 0 || !isOwn(source, repository, github)) {
		const place = repository === void 0 ? "a checkout without a repository" : repository;
		throw new BottleError("not-trusted", `${LOCK_FILE} cannot name ${JSON.stringify(address)} for ${place}`, { hint: "lock what the repository itself has published in its registry or a release; --from FILE is for one fetch" });
	}
	return source;
}
function addressOf$1(address) {
	try {
		return parseSourceAddress(address);
	} catch {
		return;
	}
}
function isOwn(source, repository, { serverUrl, registryHost }) {
	switch (source.kind) {
		case "release": return isTagName(source.tag);
		case "oci": return isOwnPackage(source.reference, `${registryHost}/${registryRepository(repository)}`);
		case "https": return isReleaseFile(URL.parse(source.url), serverUrl, repository);
		default: return false;
	}
}
function isOwnPackage(reference, name) {
	try {
		return formatName(parseOciReference(reference)) === formatName(parseOciReference(name));
	} catch {
		return false;
	}
}
function isReleaseFile(url, serverUrl, repository) {
	const [, owner, name, releases, download, tag, file, ...more] = url?.pathname.split("/") ?? [];
	return url?.protocol === "https:" && url.origin === serverUrl && `${url.username}${url.password}${url.search}${url.hash}` === "" && isSameRepository(`${owner}/${name}`, repository) && `${releases}/${download}` === "releases/download" && !/%2f|%5c/i.test(url.pathname) && Boolean(tag && file) && more.length === 0;
}
async function writeLockFile(path, platforms) {
	const lockFile = {
		version: LOCK_FILE_VERSION,
		platforms: Object.fromEntries(platforms)
	};
	try {
		await replaceFile(path, `${JSON.stringify(lockFile, void 0, 2)}\n`);
	} catch (error) {
		throw fileError(`cannot write ${path}`, error);
	}
}
// src/fetch/bundle.ts
/** The Sigstore bundle that is published beside a sidecar, if there is one. */
async function readBundles$1(http, request) {
	const found = await unlessMissing(http.read(request, MAX_BUNDLE_BYTES)).catch((error) => {
		throw refusedBundle(error);
	});
	return found === void 0 ? [] : [found.bytes];
}
/** A reader who may see the record and not its signature cannot tell an unsigned sidecar from a hidden signature. */
function refusedBundle(error) {
	return error instanceof HttpError && error.code === "authentication" ? new BottleError("authentication", `the signature of the sidecar cannot be read: ${error.message}`, {
		hint: "make the bundle readable for everyone who may read the sidecar (some servers answer 403 for a missing file), or skip the check with --provenance off",
		cause: error
	}) : error;
}
// src/fetch/remote-file.ts
/** A file that one and the same request asks for, from its beginning or from anywhere in it. */
function remoteFile(http, request, { sizeBytes, sha256 }) {
	return {
		kind: "remote",
		sizeBytes,
		sha256,
		open: async (range) => await http.send({
			...request,
			headers: {
				...request.headers,
				...range && rangeHeaders(range)
			},
			expected: range === void 0 ? [200] : [200, 206]
		})
	};
}
// src/fetch/github-release.ts
/** A commit of a repository with many packages has a tag for each; every one costs a question. */
const MAX_TAGS = 25;
const assetSchema = object({
	id: int(),
	name: string(),
	/** Not `uploaded` while it is being uploaded, and permanently when the upload broke off. */
	state: string(),
	size: int(),
	/** None on assets from before June 2025. */
	digest: nullish(string())
});
const releaseSchema = object({
	tag_name: shownText,
	assets: array(assetSchema)
});
/**
* Assets of the release of `tag`; without one, of the releases of the checked-out commit's tags and of the latest.
* Whatever is public is read from the release's pages, without the API and its rate limit; with a token, what is
* missing there is looked for in the API.
*/
function releaseSource(tag, tools) {
	const { github } = tools;
	return {
		name: tag === void 0 ? "GitHub release" : `GitHub release ${tag}`,
		find: async (wanted) => {
			const { repository } = wanted;
			if (repository === void 0) return withoutRepository(wanted);
			const name = publishedName(wanted.platform, wanted.key);
			const tried = [];
			let untried = 0;
			for await (const each of tag === void 0 ? likelyTags(repository, wanted, tools) : [tag]) {
				if (tried.length === MAX_TAGS) {
					untried += 1;
					continue;
				}
				tried.push(each);
				const offer = await offerOfPages(repository, each, name, tools) ?? (github.credential && await offerOfApi(repository, each, name, tools));
				if (offer !== void 0) return offer;
			}
			return { skipped: [
				tried.length === 0 ? `${repository} has no release` : `${repository} has no ${name} in ${tried.length === 1 ? "release" : "releases"} ${tried.join(", ")}`,
				...untried > 0 ? [`not asked for ${counted(untried, "more tag")} of this commit (--from release:TAG)`] : [],
				...github.credential ? [] : ["for a private repository set GH_TOKEN"]
			].join("; ") };
		},
		nearest: async ({ repository, platform }) => repository === void 0 ? void 0 : await nearestRecord(repository, tag, namePrefix(platform), tools)
	};
}
/** The tags of the checked-out commit, of several the one of the latest release first; and the latest release's. */
async function* likelyTags(repository, wanted, tools) {
	const tags = await wanted.tags();
	if (tags.length === 1) yield* tags;
	const latest = await latestTag(repository, tools);
	const others = tags.length === 1 ? [] : tags;
	if (latest === void 0 || !tags.includes(latest)) {
		yield* others.slice(0, 24);
		yield* latest === void 0 ? [] : [latest];
		yield* others.slice(24);
	} else if (tags.length > 1) {
		yield latest;
		yield* others.filter((tag) => tag !== latest);
	}
}
/** The page of the latest release is a redirect to that of its tag. */
async function latestTag(repository, { http, github }) {
	const url = `${github.serverUrl}/${repositoryPath(repository, "releases", "latest")}`;
	const answer = await unlessMissing(http.retry(() => http.send({
		url,
		expected: [200, 302]
	})));
	answer?.body.destroy();
	const tag = /\/releases\/tag\/([^?#]+)$/.exec(answer?.headers.location ?? "")?.[1];
	if (tag !== void 0) return unescape(tag);
	return (github.credential && await findRelease(repository, void 0, {
		http,
		github
	}))?.tag_name;
}
async function offerOfPages(repository, tag, name, { http, github }) {
	const url = `${`${github.serverUrl}/${repositoryPath(repository, "releases", "download", tag)}`}/${name}`;
	const page = await unlessMissing(http.read({ url: `${url}.json` }, MAX_RECORD_BYTES));
	if (page === void 0 || page.answer.headers["content-type"]?.startsWith("text/html")) return;
	const record = parseRecord(page.bytes, `${url}.json`);
	const { sha256, sizeBytes } = record.sidecar;
	return {
		record,
		content: remoteFile(http, { url }, {
			sha256,
			sizeBytes
		}),
		address: `release:${tag}`,
		bundles: () => readBundles$1(http, { url: url + BUNDLE_SUFFIX }),
		frameIndex: async (maxBytes) => (await http.read({ url: url + FRAMES_SUFFIX }, maxBytes)).bytes
	};
}
async function offerOfApi(repository, tag, name, tools) {
	const release = await findRelease(repository, tag, tools);
	const recordAsset = release?.assets.find((asset) => asset.name === `${name}.json`);
	const asset = release?.assets.find((each) => each.name === name);
	if (recordAsset === void 0 || asset === void 0) return;
	const record = await readRecordAsset(repository, recordAsset, tools);
	const { sha256, sizeBytes } = record.sidecar;
	requireSame(`the size of ${name} in release ${tag}`, asset.size, sizeBytes);
	requireSame(`the digest of ${name} in release ${tag}`, asset.digest ?? `sha256:${sha256}`, `sha256:${sha256}`);
	return {
		record,
		content: remoteFile(tools.http, assetRequest(tools.github, repository, asset.id), {
			sha256,
			sizeBytes
		}),
		address: `release:${tag}`,
		bundles: async () => {
			const bundle = release?.assets.find((each) => each.name === name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : await readBundles$1(tools.http, assetRequest(tools.github, repository, bundle.id));
		},
		frameIndex: async (maxBytes) => {
			const index = release?.assets.find((each) => each.name === name + FRAMES_SUFFIX);
			if (index === void 0) throw new BottleError("not-found", `release ${tag} has no ${name}${FRAMES_SUFFIX}`);
			return (await tools.http.read(assetRequest(tools.github, repository, index.id), maxBytes)).bytes;
		}
	};
}
/** With the assets that are whole. */
async function findRelease(repository, tag, { http, github }) {
	const path = repositoryPath(repository, "releases", ...tag === void 0 ? ["latest"] : ["tags", tag]);
	const release = await unlessMissing(readApi(http, github, `repos/${path}`, releaseSchema));
	return release && {
		...release,
		assets: release.assets.filter(({ state }) => state === "uploaded")
	};
}
async function readRecordAsset(repository, asset, tools) {
	const { bytes, answer } = await tools.http.read(assetRequest(tools.github, repository, asset.id), MAX_RECORD_BYTES);
	return parseRecord(bytes, redacted(answer.url));
}
function requireSame(what, found, expected) {
	if (found !== expected) throw damagedRecord(`${what} is ${found}, and its pack record says ${expected}`);
}
async function nearestRecord(repository, tag, prefix, tools) {
	const asset = (await findRelease(repository, tag, tools))?.assets.find(({ name }) => name.startsWith(prefix) && name.endsWith(".smolmachine.json"));
	return asset && await readRecordAsset(repository, asset, tools);
}
function namePrefix(platform) {
	return `smolmachine-${platform.replace("/", "-")}-`;
}
// src/fetch/pushed-sidecar.ts
/** No hash at all: nothing is known of the image that it was packed from but the digest of its config. */
const UNKNOWN_SHA256 = "0".repeat(64);
/**
* The record of a sidecar that someone has pushed with `smolvm pack push`, made of what the sidecar says of itself. That
* it does say so is verified when it has been downloaded.
* @throws BottleError `sidecar-damaged`, or `not-found` when it is for another platform
*/
async function describePushed(repository, { layer, configDigest: config }, platform, address) {
	const manifest = readManifest(await repository.readBlob(config, MAX_MANIFEST_BYTES), address);
	const { digest: configDigest, assets, created = "", smolvm_version: version = "0.0.0", cpus, mem } = manifest;
	const [packedLayer] = assets.layers;
	if (!isDigest(configDigest) || packedLayer === void 0) throw damagedRecord(`${address} does not say from which image it was packed`);
	if (manifest.platform !== platform) throw new BottleError("not-found", `${address} is for ${manifest.platform}, not ${platform}`, { hint: `claude-bottle fetch --platform ${shellWord(manifest.platform)}` });
	const { crc32 } = decodeFooter(await readEnd(repository, layer, address), layer.sizeBytes);
	const createdMs = Date.parse(created);
	return {
		version: 1,
		platform,
		image: {
			id: configDigest,
			configDigest,
			layers: [],
			runtimeConfigSha256: UNKNOWN_SHA256
		},
		flattened: {
			configDigest,
			layerDigest: packedLayer.digest,
			layerSizeBytes: packedLayer.size
		},
		sidecar: {
			sha256: layer.digest.replace("sha256:", ""),
			sizeBytes: layer.sizeBytes,
			crc32: crc32.toString(16).padStart(8, "0")
		},
		smolvm: {
			version,
			cpus,
			memMib: mem
		},
		packer: "smolvm",
		packedAt: new Date(Number.isNaN(createdMs) ? 0 : createdMs).toISOString()
	};
}
function readManifest(bytes, address) {
	try {
		return parseManifest(bytes);
	} catch (error) {
		const reason = error instanceof BottleError ? error.message : String(error);
		throw damagedRecord(`${address} has no pack record, and does not describe itself: ${reason}`, void 0, error);
	}
}
/** The footer. A registry that knows no ranges sends everything before it too. */
async function readEnd(repository, { digest, sizeBytes }, address) {
	const start = Math.max(0, sizeBytes - 64);
	const { status, body, url } = await repository.openBlob(digest, {
		start,
		end: sizeBytes,
		etag: void 0
	});
	let leftBytes = status === 206 ? sizeBytes - start : sizeBytes;
	let end = Buffer.alloc(0);
	try {
		for await (const chunk of body) {
			leftBytes -= chunk.length;
			if (leftBytes < 0) throw damagedRecord(`${address} has more bytes than its manifest says`);
			end = Buffer.concat([end, chunk]).subarray(-64);
		}
	} catch (error) {
		throw bodyError(error, url);
	}
	if (end.length < 64) throw damagedRecord(`${address} ends after ${counted(end.length, "byte")}, and is not a sidecar`);
	return end;
}
// src/fetch/sidecar-image.ts
/** @throws BottleError `sidecar-damaged` for an invalid record, and for the record of another sidecar */
function readSidecarImage(image, address) {
	const layer = sidecarLayer(image);
	const { digest: configDigest } = image.config;
	if (layer === void 0 || !isDigest(configDigest)) return { skipped: `${address} holds no sidecar` };
	const text = image.annotations?.[PACK_RECORD_ANNOTATION];
	if (text === void 0) return {
		layer,
		configDigest,
		record: void 0
	};
	const record = readRecord(text, address);
	const { sha256, sizeBytes } = record.sidecar;
	if (layer.digest !== `sha256:${sha256}` || layer.sizeBytes !== sizeBytes) {
		const found = `${layer.digest} of ${counted(layer.sizeBytes, "byte")}`;
		throw damagedRecord(`${address} is ${found}, and its pack record says sha256:${sha256} of ${sizeBytes}`);
	}
	return {
		layer,
		configDigest,
		record
	};
}
/** Before 1.6.4 smolvm wrote no artifact type. */
function sidecarLayer({ artifactType = SIDECAR_MEDIA_TYPE, layers }) {
	const layer = layers.find(({ mediaType }) => mediaType === SIDECAR_MEDIA_TYPE);
	return layer !== void 0 && artifactType === "application/vnd.smolmachines.smolmachine.v1" && isDigest(layer.digest) ? {
		digest: layer.digest,
		sizeBytes: layer.size
	} : void 0;
}
function readRecord(text, address) {
	const where = `the annotation ${PACK_RECORD_ANNOTATION} of ${address}`;
	if (Buffer.byteLength(text) > 1048576) throw damagedRecord(`${where} has more than ${MAX_RECORD_BYTES} bytes`);
	return parseRecord(text, where);
}
// src/fetch/oci-registry.ts
const MAX_SHOWN_PLATFORMS = 8;
const MAX_BUNDLES = 10;
/**
* Sidecars in an OCI registry, in the layout of `smolvm pack push`. Without a reference they are in the package that
* belongs to this repository; without a tag or digest it is the tag for the inputs key.
*/
function ociSource(reference, tools) {
	const { registryHost } = tools.github;
	const given = reference === void 0 ? void 0 : parseOciReference(reference);
	const opened = /* @__PURE__ */ new Map();
	const open = (place) => {
		const name = formatName(place);
		const repository = opened.get(name) ?? new OciRepository(place, tools);
		opened.set(name, repository);
		return repository;
	};
	return {
		name: `OCI registry ${reference ?? registryHost}`,
		find: async (wanted) => {
			const place = given ?? defaultPlace(registryHost, wanted);
			if ("skipped" in place) return place;
			const tagOrDigest = place.digest ?? place.tag ?? keyTag(wanted.key);
			const offer = findOffer(open(place), tagOrDigest, wanted.platform, given !== void 0);
			return given === void 0 ? await offer.catch(orUnpublished) : await offer;
		},
		nearest: async (wanted) => {
			const place = given ?? defaultPlace(registryHost, wanted);
			return "skipped" in place ? void 0 : await findNearest(open(place), wanted);
		}
	};
}
/** To those who may not know, ghcr.io refuses what is not there as it refuses what is private. */
function orUnpublished(error) {
	if (error instanceof HttpError && error.code === "authentication") return { skipped: `nothing is published there, or it is private (${error.message}): ${error.hint}` };
	throw error;
}
function defaultPlace(registryHost, wanted) {
	const { repository } = wanted;
	if (repository === void 0) return withoutRepository(wanted);
	const name = `${registryHost}/${registryRepository(repository)}`;
	try {
		return parseOciReference(name);
	} catch {
		return { skipped: `no registry takes the name ${name}; name another place with --from oci:HOST/NAME` };
	}
}
async function findOffer(repository, tagOrDigest, platform, isNamed) {
	try {
		const found = await readImage(repository, tagOrDigest, platform);
		if ("skipped" in found) return found;
		const address = addressOf(repository.name, found.digest);
		if (found.record === void 0 && !isNamed) return { skipped: `${addressOf(repository.name, tagOrDigest)} has no pack record` };
		const record = found.record ?? await describePushed(repository, found, platform, address);
		return offerOf({
			...found,
			record,
			hasRecord: found.record !== void 0
		}, repository);
	} catch (error) {
		if (error instanceof BottleError && error.code === "not-found") return { skipped: `there is no ${addressOf(repository.name, tagOrDigest)}` };
		throw error;
	}
}
/** An explanation is not worth a failure; an interruption is. */
async function findNearest(repository, { history, platform }) {
	try {
		const { tags } = await repository.listTags();
		const published = new Set(tags);
		const tag = (await history()).map(commitTag).find((name) => published.has(name));
		const found = tag === void 0 ? void 0 : await readImage(repository, tag, platform);
		return found === void 0 || "skipped" in found ? void 0 : found.record;
	} catch (error) {
		if (error instanceof BottleError) return;
		throw error;
	}
}
/** By way of the index, where there is one; what stands alone is judged by its record. */
async function readImage(repository, tagOrDigest, platform) {
	const address = addressOf(repository.name, tagOrDigest);
	let manifest = await repository.getManifest(tagOrDigest);
	if (isIndex(manifest.content)) {
		const entry = entryFor(manifest.content, platform);
		if (entry === void 0) return { skipped: `${address} has no ${platform}, ${othersIn(manifest.content)}` };
		manifest = await repository.getManifest(entry.digest);
	}
	const { digest, content } = manifest;
	if (isIndex(content)) return { skipped: `${address} holds no sidecar` };
	const image = readSidecarImage(content, address);
	if ("skipped" in image) return image;
	const { record } = image;
	if (record !== void 0 && record.platform !== platform) return { skipped: `${address} is for ${record.platform}, not ${platform}` };
	return {
		digest,
		...image
	};
}
/** The first one for the platform, like smolvm; attestations and signatures stand in an index as artifacts of their own. */
function entryFor(index, platform) {
	return sidecarEntries(index).find((entry) => platformOf(entry) === platform);
}
/** The end of the sentence "<address> has no <platform>, …". */
function othersIn(index) {
	const platforms = sidecarEntries(index).map(platformOf).filter((platform) => /^[a-z0-9]+\/[a-z0-9]+$/.test(platform) && platform !== "unknown/unknown");
	const shown = [...new Set(platforms)].slice(0, MAX_SHOWN_PLATFORMS);
	return shown.length === 0 ? "and nothing else" : `only ${shown.join(", ")}`;
}
function sidecarEntries({ manifests }) {
	return manifests.filter(({ artifactType = SIDECAR_MEDIA_TYPE, digest }) => artifactType === "application/vnd.smolmachines.smolmachine.v1" && isDigest(digest));
}
function platformOf({ platform }) {
	return platform === void 0 ? "" : `${platform.os}/${platform.architecture}`;
}
function offerOf({ digest, layer, record, hasRecord }, repository) {
	const address = addressOf(repository.name, digest);
	const { sha256, sizeBytes } = record.sidecar;
	return {
		record,
		hasRecord,
		content: {
			kind: "remote",
			sizeBytes,
			sha256,
			open: async (range) => await repository.openBlob(layer.digest, range)
		},
		address: `oci:${address}`,
		bundles: async () => await readBundles(repository, digest),
		frameIndex: async (maxBytes) => await repository.readBlob(`sha256:${record.frames?.sha256}`, maxBytes)
	};
}
/** The bundles of a platform's manifest, as cosign and gh attach them. */
async function readBundles(repository, subject) {
	const referrers = (await repository.listReferrers(subject).catch((error) => {
		throw refusedBundle(error);
	})).filter(({ artifactType = "" }) => isBundleType(artifactType));
	const bundles = [];
	for (const { digest } of referrers.slice(0, MAX_BUNDLES)) bundles.push(await readBundle(repository, digest));
	return bundles;
}
async function readBundle(repository, digest) {
	const address = `${formatName(repository.name)}@${digest}`;
	try {
		const { content } = await repository.getManifest(digest);
		const layer = isIndex(content) ? void 0 : content.layers.find(({ mediaType }) => isBundleType(mediaType));
		if (layer === void 0 || !isDigest(layer.digest)) throw damagedRecord(`${address} holds no bundle`);
		return await repository.readBlob(layer.digest, MAX_BUNDLE_BYTES);
	} catch (error) {
		if (error instanceof BottleError && ["not-found", "sidecar-damaged"].includes(error.code)) throw new BottleError("not-trusted", `no provenance: ${address} cannot be read (${error.message})`, {
			hint: "publish the sidecar again",
			cause: error
		});
		throw refusedBundle(error);
	}
}
function addressOf(name, tagOrDigest) {
	return `${formatName(name)}${isDigest(tagOrDigest) ? "@" : ":"}${tagOrDigest}`;
}
// src/fetch/plain-file.ts
const WITHOUT_LOGIN = "download the sidecar and its record with another tool, and use file:PATH";
/** A sidecar on any server, with its pack record beside it: `<path>.json`, with the same query. */
function urlSource(address, { http }) {
	const { href: url, username, password } = checkedUrl(address);
	if (username !== "" || password !== "") throw new BottleError("usage", `an address with a login: ${redacted(url)}`, { hint: WITHOUT_LOGIN });
	return {
		name: redacted(url),
		find: async () => {
			const recordUrl = new URL(url);
			recordUrl.pathname += ".json";
			const { bytes, answer } = await http.read({ url: recordUrl.href }, MAX_RECORD_BYTES).catch((error) => {
				throw explained(error);
			});
			if (answer.headers["content-type"]?.startsWith("text/html")) throw new BottleError("network-failed", `${redacted(answer.url)} is a web page, and not a pack record`, { hint: `check the address; where people have to log in, ${WITHOUT_LOGIN}` });
			const record = parseRecord(bytes, redacted(recordUrl.href));
			const beside = (suffix) => {
				const besideUrl = new URL(url);
				besideUrl.pathname += suffix;
				return { url: besideUrl.href };
			};
			return {
				record,
				content: remoteFile(http, { url }, record.sidecar),
				address,
				bundles: () => readBundles$1(http, beside(BUNDLE_SUFFIX)),
				frameIndex: async (maxBytes) => (await http.read(beside(FRAMES_SUFFIX), maxBytes)).bytes
			};
		}
	};
}
/** Nobody logs in at such an address. */
function explained(error) {
	if (!(error instanceof HttpError)) return error;
	switch (error.code) {
		case "authentication": return error.explained("", { hint: `${WITHOUT_LOGIN}; no login is sent there` });
		case "not-found": return error.explained("", { hint: "check the address: the pack record belongs beside the sidecar, with .json behind the sidecar's name" });
		default: return error;
	}
}
/** A sidecar on this machine, with its pack record beside it: `<path>.json`. */
function fileSource(file) {
	const path = resolve(file);
	return {
		name: `file ${path}`,
		find: async () => {
			const record = await readRecordBeside(path);
			const { sha256, sizeBytes } = record.sidecar;
			const foundBytes = await sizeOfFile(path);
			if (foundBytes !== sizeBytes) throw damagedRecord(`${path} has ${counted(foundBytes, "byte")}, and its pack record says ${sizeBytes}`);
			return {
				record,
				content: {
					kind: "local",
					path,
					sizeBytes,
					sha256
				},
				address: `file:${path}`,
				bundles: async () => {
					const bundle = await readBundle$1(path);
					return bundle === void 0 ? [] : [bundle];
				},
				frameIndex: (maxBytes) => readSmallFile(framesPathOf(path), maxBytes)
			};
		}
	};
}
async function readRecordBeside(path) {
	const recordPath = recordPathOf(path);
	const json = await readSmallFile(recordPath, MAX_RECORD_BYTES).catch((error) => {
		throw hasErrno(error, "EINVAL", "EFBIG") ? damagedRecord(`${recordPath} is not a regular file of at most ${MAX_RECORD_BYTES} bytes`) : readError(recordPath, error);
	});
	return parseRecord(json, recordPath);
}
async function sizeOfFile(path) {
	const stat = await fs.stat(path).catch((error) => {
		throw readError(path, error);
	});
	if (!stat.isFile()) throw damagedRecord(`${path} is not a regular file`);
	return stat.size;
}
function readError(path, error) {
	return hasErrno(error, "ENOENT", "ENOTDIR") ? new BottleError("not-found", `there is no file ${path}`, {
		hint: "check the path; a sidecar and its pack record (<sidecar>.json) belong side by side",
		cause: error
	}) : fileError(`cannot read ${path}`, error);
}
// src/fetch/workflow-artifact.ts
/** Events that people without write access cannot cause. */
const TRUSTED_EVENTS = [
	"push",
	"release",
	"workflow_dispatch",
	"schedule"
];
/** Each costs one question. */
const MAX_RUNS = 10;
const MAX_REASONS = 3;
const runSchema = object({
	id: int(),
	event: shownText,
	status: nullish(shownText),
	conclusion: nullish(shownText),
	head_branch: nullish(shownText),
	head_sha: nullish(string()),
	/** None when the fork has been deleted. */
	head_repository: nullish(object({
		id: int(),
		full_name: shownText
	}))
});
/** A tag leads to its commit, or, with a message of its own, to an object that does. */
const gitObjectSchema = object({ object: object({
	type: string(),
	sha: string()
}) });
const repositorySchema = object({
	id: int(),
	default_branch: shownText
});
/**
* Artifacts of workflow runs, which GitHub gives to nobody without a token. Its listing mixes the runs of everyone's
* pull requests with the repository's own, so each run is looked at before anything of it is downloaded.
*/
function artifactSource(runId, tools) {
	return {
		name: runId === void 0 ? "workflow artifact" : `workflow run ${runId}`,
		find: async (wanted) => {
			if (wanted.repository === void 0) return withoutRepository(wanted);
			if (tools.github.credential === void 0) return withoutToken(runId);
			const search = new Search(await findRepository(wanted.repository, tools), wanted, tools);
			return runId === void 0 ? await search.byName() : await search.inRun(runId);
		}
	};
}
/** @throws BottleError `authentication` for a run that the user has named */
function withoutToken(runId) {
	if (runId === void 0) return {
		skipped: "needs a GitHub token (GH_TOKEN), even in a public repository",
		hint: "gh auth login  # workflow artifacts may have it"
	};
	throw new BottleError("authentication", "workflow artifacts need a GitHub token, even in public repositories", { hint: "gh auth login  # or set GH_TOKEN" });
}
async function findRepository(name, { http, github }) {
	const path = `repos/${repositoryPath(name)}`;
	const found = await unlessMissing(readApi(http, github, path, repositorySchema));
	if (found === void 0) throw new BottleError("not-found", `there is no repository ${name}, or the token may not read it`, { hint: "set GH_TOKEN to a token with access to it" });
	return {
		...found,
		name
	};
}
var Search = class {
	#repository;
	#wanted;
	#tools;
	constructor(repository, wanted, tools) {
		this.#repository = repository;
		this.#wanted = wanted;
		this.#tools = tools;
	}
	/** The newest artifact of the name that may be trusted. */
	async byName() {
		const { platform, key } = this.#wanted;
		const name = publishedName(platform, key);
		const sidecars = newestFirst(await this.#list({
			name,
			maxPages: 1
		}));
		const found = await this.#newestOffer(sidecars, (run, artifact) => this.#offer(run, artifact));
		if (!Array.isArray(found)) return found;
		const seen = new Set(sidecars.map(({ workflow_run: run }) => run?.id));
		const alone = newestFirst(await this.#list({
			name: `${name}.json`,
			maxPages: 1
		})).filter(({ workflow_run: run }) => !seen.has(run?.id));
		const elsewhere = await this.#newestOffer(alone, (run, record) => this.#offerOf(run, record));
		return Array.isArray(elsewhere) ? { skipped: notFound(name, [...found, ...elsewhere]) } : elsewhere;
	}
	/** The first of these that may be trusted, or why none of them can be used. */
	async #newestOffer(artifacts, offerFrom) {
		const reasons = [];
		let runs = 0;
		for (const artifact of artifacts) {
			const fault = listedFault(artifact);
			if (fault !== void 0) {
				reasons.push(fault);
				continue;
			}
			if (runs === MAX_RUNS) {
				reasons.push("older ones were not looked at");
				break;
			}
			runs += 1;
			const run = await this.#findRun(String(artifact.workflow_run?.id));
			const offer = await this.#distrust(run) ?? await offerFrom(run, artifact);
			if (typeof offer !== "string") return offer;
			reasons.push(offer);
		}
		return reasons;
	}
	/** @throws BottleError `not-trusted` */
	async inRun(runId) {
		const run = await this.#findRun(runId);
		const distrust = await this.#distrust(run);
		if (distrust !== void 0) throw new BottleError("not-trusted", `refused the artifacts of workflow run ${runId}: ${distrust}`, { hint: "use a successful run of this repository on its default branch or on a tag" });
		const { platform, key } = this.#wanted;
		const stem = `-${platform.replace("/", "-")}-${key.slice(0, 16)}`;
		const matching = (await this.#list({ runId })).filter(({ name }) => name.includes(stem) && /\.smolmachine(\.json)?$/.test(name)).toSorted((a, b) => a.name.length - b.name.length || b.id - a.id);
		const reasons = [];
		for (const artifact of matching) {
			const isRecord = artifact.name.endsWith(".json");
			const offer = listedExpiry(artifact) ?? await (isRecord ? this.#offerOf(run, artifact) : this.#offer(run, artifact));
			if (typeof offer !== "string") return offer;
			reasons.push(offer);
		}
		return { skipped: notFound(`*${stem}*.smolmachine`, reasons) };
	}
	/** Why nothing of this run is to be used. */
	async #distrust(run) {
		const { id, event, status, conclusion, head_branch: branch, head_repository: head } = run;
		const { id: repositoryId, default_branch: defaultBranch } = this.#repository;
		if (head?.id !== repositoryId) return `run ${id} is of a fork (${head?.full_name ?? "deleted"})`;
		if (!TRUSTED_EVENTS.includes(event)) return `run ${id} was started by ${event}`;
		if (status !== "completed") return `run ${id} has not ended (${status})`;
		if (conclusion !== "success") return `run ${id} ended with ${conclusion}`;
		return event === "release" || branch === defaultBranch || event === "push" && await this.#isTagAt(branch, run.head_sha) ? void 0 : `run ${id} is of ${branch}, neither ${defaultBranch} nor a tag that was pushed`;
	}
	/**
	* A run names the branch or the tag that it ran for, and does not say which of them it is. A branch can have the name
	* of a tag, but what is pushed to it is another commit than the tag's.
	*/
	async #isTagAt(name, commit) {
		if (!name || !commit) return false;
		const ref = await unlessMissing(this.#read([
			"git",
			"ref",
			"tags",
			name
		], gitObjectSchema));
		const object = ref?.object.type === "tag" ? (await this.#read([
			"git",
			"tags",
			ref.object.sha
		], gitObjectSchema)).object : ref?.object;
		return object?.type === "commit" && object.sha === commit;
	}
	/** Or why there is none. */
	async #offer(run, artifact) {
		const name = `${artifact.name}.json`;
		const recordArtifact = await this.#beside(run, name);
		if (recordArtifact === void 0) return `run ${run.id} has no ${name} beside it`;
		const record = await this.#readRecord(recordArtifact);
		this.#requireSource(record, run);
		const content = this.#content(artifact, record);
		const bundles = async () => {
			const bundle = await this.#beside(run, artifact.name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : [await this.#readText(bundle, MAX_BUNDLE_BYTES)];
		};
		const frameIndex = async (maxBytes) => {
			const index = await this.#beside(run, artifact.name + FRAMES_SUFFIX);
			if (index === void 0) throw new BottleError("not-found", `run ${run.id} has no ${artifact.name}${FRAMES_SUFFIX}`);
			return await this.#readText(index, maxBytes);
		};
		return {
			record,
			content,
			address: `run:${run.id}`,
			bundles,
			frameIndex
		};
	}
	/**
	* A pack record without a sidecar beside it: its run has built an image that an earlier run had packed from other
	* inputs. Both runs must be trusted, and the earlier run must say the same of the sidecar.
	*/
	async #offerOf(run, recordArtifact) {
		const record = await this.#readRecord(recordArtifact);
		const packedIn = record.source?.runId;
		if (packedIn === void 0 || packedIn === String(run.id)) return `run ${run.id} has the pack record alone`;
		const packer = await unlessMissing(this.#findRun(packedIn));
		if (packer === void 0) return `run ${packedIn}, which packed it, has been deleted`;
		const distrust = await this.#distrust(packer);
		if (distrust !== void 0) return distrust;
		const isContent = ({ digest, expired }) => !expired && digest === `sha256:${record.sidecar.sha256}`;
		const artifact = (await this.#list({ runId: packedIn })).find(isContent);
		if (artifact === void 0) return `run ${packedIn}, which packed it, no longer offers it`;
		const packed = await this.#offer(packer, artifact);
		if (typeof packed === "string") return packed;
		const withoutInputs = (one) => recordSha256({
			...one,
			inputs: void 0
		});
		if (withoutInputs(packed.record) !== withoutInputs(record)) throw new BottleError("not-trusted", `the pack record in workflow run ${run.id} differs from that of run ${packedIn}, which packed the sidecar`, { hint: "do not use it; run the workflow again, or pack your own: claude-bottle pack" });
		return {
			...packed,
			record,
			bundles: async () => []
		};
	}
	async #readRecord(artifact) {
		const text = await this.#readText(artifact, MAX_RECORD_BYTES);
		return parseRecord(text, `the artifact ${artifact.name}`);
	}
	async #beside(run, name) {
		return newestFirst(await this.#list({
			runId: String(run.id),
			name,
			maxPages: 1
		})).find(({ expired }) => !expired);
	}
	async #readText(artifact, maxBytes) {
		const { bytes } = await this.#tools.http.read(this.#downloadRequest(artifact), maxBytes);
		const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
		if (artifact.digest && artifact.digest !== digest) throw damagedRecord(`the artifact ${artifact.name} arrived as ${digest}, expected ${artifact.digest}`);
		return bytes;
	}
	/** The action writes its run into the record of what it has packed. */
	#requireSource({ source }, run) {
		const repositoryId = String(this.#repository.id);
		const fault = source?.runId !== String(run.id) ? `of run ${source?.runId ?? "none"}` : source.repositoryId !== void 0 && source.repositoryId !== repositoryId ? `of repository ${source.repositoryId}, not ${repositoryId}` : void 0;
		if (fault !== void 0) throw new BottleError("not-trusted", `the pack record in workflow run ${run.id} says it is ${fault}`, { hint: "do not use it; run the workflow again, or pack your own: claude-bottle pack" });
	}
	#content(artifact, { sidecar }) {
		const { name, digest, size_in_bytes: sizeBytes } = artifact;
		if (digest && digest !== `sha256:${sidecar.sha256}` || sizeBytes !== sidecar.sizeBytes) throw damagedRecord(`the artifact ${name} is ${digest} (${counted(sizeBytes, "byte")}), and its pack record says sha256:${sidecar.sha256} (${counted(sidecar.sizeBytes, "byte")})`);
		return remoteFile(this.#tools.http, this.#downloadRequest(artifact), sidecar);
	}
	/** Serves a file that was uploaded as it is too: https://docs.github.com/rest/actions/artifacts#download-an-artifact */
	#downloadRequest({ id }) {
		const path = repositoryPath(this.#repository.name, "actions", "artifacts", String(id), "zip");
		return apiRequest(this.#tools.github, `repos/${path}`);
	}
	async #findRun(runId) {
		return await this.#read([
			"actions",
			"runs",
			runId
		], runSchema);
	}
	async #list(filter) {
		return await listArtifacts(this.#tools, this.#repository.name, filter);
	}
	async #read(segments, schema, query = "") {
		const { http, github } = this.#tools;
		return await readApi(http, github, `repos/${repositoryPath(this.#repository.name, ...segments)}${query}`, schema);
	}
};
/** The reasons against an artifact that the listing itself gives, which saves a question. */
function listedFault(artifact) {
	const { workflow_run: run } = artifact;
	if (run === void 0 || run === null) return "one has no workflow run";
	return run.head_repository_id !== run.repository_id ? `run ${run.id} is of a fork` : listedExpiry(artifact);
}
function listedExpiry({ expired, expires_at: expiry, workflow_run: run }) {
	return expired ? `the one of run ${run?.id} expired on ${expiry?.slice(0, 10)}` : void 0;
}
/** Numbers go up. */
function newestFirst(artifacts) {
	return artifacts.toSorted((a, b) => b.id - a.id);
}
function notFound(name, reasons) {
	if (reasons.length === 0) return `there is no artifact ${name}`;
	const more = reasons.length - MAX_REASONS;
	return `no artifact ${name} can be used: ${reasons.slice(0, MAX_REASONS).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
// src/cli/sources.ts
/** The sources that a checkout has, or the one that an address names. */
async function openSources(context, { repo, githubUrl, token, allowTokenHost = [] }, { address, isLocked = false }, { onProgress }, signal) {
	const given = requireRepository(repo);
	const origin = await unlessNamed(given, originOf$1(context));
	const github = await githubSite({
		serverUrl: githubUrl,
		remoteHost: origin?.host,
		token,
		env: process.env
	});
	const onWarning = warningsTo(onProgress);
	const tools = {
		http: new HttpClient({
			signal,
			onRetry: (message) => onWarning(`${message}; trying again`)
		}),
		github,
		signal,
		onWarning,
		tokenHosts: allowTokenHost
	};
	const repositoryName = given ?? origin?.repository;
	const noRepository = repositoryName === void 0 ? await whyNoOrigin(context) : void 0;
	const from = address === void 0 ? void 0 : isLocked ? requireLockable(address, {
		repository: repositoryName,
		github
	}) : parseSourceAddress(address);
	return {
		tools,
		repositoryName,
		sources: from === void 0 ? [
			ociSource(void 0, tools),
			releaseSource(void 0, tools),
			...isLocked ? [] : [artifactSource(void 0, tools)]
		] : [sourceAt(from, tools)],
		isSearch: from === void 0 || from.kind === "oci" && !namesOne(from.reference),
		aboutRemotes: async () => [...from === void 0 && github.isGuess ? [`the checkout's remote names ${github.serverUrl}; if another one is meant: --github-url URL`] : [], ...(from === void 0 && given === void 0 ? await otherRemotes(context) : []).map((other) => `the remote ${other.name} was not asked; if it is meant: --repo ${other.repository}`)],
		forBuild: (build) => ({
			...build,
			repository: repositoryName,
			...noRepository !== void 0 && { noRepository },
			serverUrl: github.serverUrl,
			history: async () => await unlessNamed(given, historyOf(context)) ?? [],
			tags: async () => await unlessNamed(given, tagsAtHead(context)) ?? []
		})
	};
}
function namesOne(reference) {
	const { tag, digest } = parseOciReference(reference);
	return (tag ?? digest) !== void 0;
}
function sourceAt(address, tools) {
	switch (address.kind) {
		case "oci": return ociSource(address.reference, tools);
		case "release": return releaseSource(address.tag, tools);
		case "run": return artifactSource(address.runId, tools);
		case "https": return urlSource(address.url, tools);
		case "file": return fileSource(address.path);
	}
}
export { requireLockable as a, parseSourceAddress as c, findOffer$1 as d, readLockFile as i, STORE as l, LOCK_FILE as n, requireLocked as o, lockedOf as r, writeLockFile as s, openSources as t, fetchSidecar as u };
