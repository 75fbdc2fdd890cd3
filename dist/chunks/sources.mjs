import { a as hasErrno, i as fileError, o as isDamage, t as BottleError } from "./errors.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { n as isDigest } from "./image-id.mjs";
import { C as _nonnegative, T as _regex, _ as string, a as boolean, d as number, f as object, h as record, i as array, m as partialRecord, n as _enum, o as int, p as optional, s as literal, u as nullish, y as unknown } from "./schemas.mjs";
import { r as packRecordSchema } from "./record-file.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { t as warningsTo } from "./progress.mjs";
import { r as printable } from "./footer.mjs";
import { r as verifySidecar, t as SidecarHash } from "./verify.mjs";
import { i as readTar, n as TarError } from "./tar.mjs";
import { i as checkedUrl, n as HttpError, o as redacted, r as bodyError, t as HttpClient } from "./http.mjs";
import { i as formatName, o as parseOciReference, t as OciRepository } from "./oci.mjs";
import { n as expectedOf } from "./store.mjs";
import { _ as commitTag, a as isIndex, h as SIDECAR_MEDIA_TYPE, o as manifestSchema, p as PACK_RECORD_ANNOTATION, r as MANIFEST_TYPES, v as isBundleType, x as registryRepository, y as keyTag } from "./oci-manifest.mjs";
import { n as publishedName, t as BUNDLE_SUFFIX } from "./published-name.mjs";
import { i as repositoryPath, n as githubSite, o as shownText, r as readApi, s as unlessMissing, t as apiRequest } from "./github.mjs";
import { a as tagsAtHead, i as originOf, r as historyOf } from "./git.mjs";
import { n as readMemory, r as remember, t as decideProvenance } from "./decide.mjs";
import { unescape } from "node:querystring";
import { EventEmitter, once } from "node:events";
import { createHash } from "node:crypto";
import { constants as constants$1, createWriteStream, readSync, writevSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
// src/fetch/connections.ts
const MAX_CONNECTIONS = 8;
/** What is done sooner is not worth the opening of connections. */
const WORTH_MS = 2e3;
const WINDOW_MS = 500;
const POLL_MS = 50;
/** By how much the last connections must have raised the rate for more of them. */
const GOOD_GROWTH = 1.25;
/** Of a range that is halved: each half is more than a connection ever holds in memory. */
const MIN_SPLIT_BYTES = 2097152;
/** A connection that got so much is opened anew at once when it breaks. */
const GOOD_RUN_BYTES = 262144;
/** That have come and are not written yet, in all connections: a kill loses them. */
const HELD_BYTES = 262144;
const MIN_BATCH_BYTES = 32768;
/** The server has answered to a range with something else. The whole file may be fine. */
var UnusableRangeError = class extends Error {};
/**
* Receives what is missing of a file over one connection, and over more of them as long as each doubling makes the
* whole a good part faster. What one connection fails to get is left to the others; when all have failed, the rest
* is missing and the last failure is thrown.
*/
var Connections = class {
	#options;
	#part;
	#sizeBytes;
	#running = /* @__PURE__ */ new Set();
	#segments = /* @__PURE__ */ new Set();
	#stop = new AbortController();
	#failure;
	#mayGrow;
	/** Has said so, or has shown it. */
	#hasRanges = false;
	constructor(options) {
		this.#options = options;
		this.#part = options.part;
		this.#sizeBytes = options.part.sizeBytes;
		this.#mayGrow = options.mayUseRanges;
	}
	async receiveMissing() {
		this.#connect();
		const growing = this.#grow();
		while (this.#running.size > 0) await Promise.all(this.#running);
		this.#stop.abort();
		await growing;
		if (!(this.#part.doneBytes === this.#sizeBytes) || this.#failure !== void 0 && !isOfOneConnection(this.#failure)) throw this.#failure ?? this.#stop.signal.reason;
	}
	stop() {
		this.#stop.abort();
	}
	#connect() {
		const connection = this.#receiveSegments().catch((error) => this.#fail(error)).finally(() => this.#running.delete(connection));
		this.#running.add(connection);
	}
	#fail(error) {
		if (!this.#stop.signal.aborted) {
			this.#failure = error;
			this.#mayGrow = false;
		}
		if (!isOfOneConnection(error)) this.#stop.abort();
	}
	async #receiveSegments() {
		for (let segment = this.#take(); segment !== void 0; segment = this.#take()) {
			const { position } = segment;
			try {
				await this.#receive(segment);
			} catch (error) {
				if (segment.position - position < GOOD_RUN_BYTES || !isOfOneConnection(error)) throw error;
				this.#failure = error;
			} finally {
				this.#giveBack(segment);
			}
		}
	}
	/** What nobody is at work on, or else the second half of the most that somebody still has to do. */
	#take() {
		const [missing] = this.#missing();
		if (missing !== void 0) return this.#canAsk(missing) ? this.#assign(missing) : void 0;
		const [longest] = [...this.#segments].sort((a, b) => lengthOf(b) - lengthOf(a));
		if (longest === void 0 || lengthOf(longest) < MIN_SPLIT_BYTES || !this.#canSplit) return;
		const { position, end } = longest;
		longest.end = position + Math.ceil((end - position) / 2);
		return this.#assign({
			start: longest.end,
			end
		});
	}
	#assign({ start, end }) {
		const segment = {
			position: start,
			end,
			isFlowing: false
		};
		this.#segments.add(segment);
		return segment;
	}
	/** The connection before it, if it still runs, goes on through it: its answer goes to the end of the file. */
	#giveBack(segment) {
		this.#segments.delete(segment);
		const before = [...this.#segments].find(({ end }) => end === segment.position);
		if (before !== void 0) before.end = segment.end;
	}
	#missing() {
		const taken = [...this.#part.ranges, ...[...this.#segments].map(({ position, end }) => ({
			start: position,
			end
		}))].sort((a, b) => a.start - b.start);
		const missing = [];
		let position = 0;
		for (const { start, end } of [...taken, {
			start: this.#sizeBytes,
			end: this.#sizeBytes
		}]) {
			if (start > position) missing.push({
				start: position,
				end: start
			});
			position = Math.max(position, end);
		}
		return missing;
	}
	get #canSplit() {
		return this.#mayGrow && this.#hasRanges && this.#part.etag !== void 0;
	}
	#canAsk(range) {
		return this.#isWhole(range) || this.#options.mayUseRanges && this.#part.etag !== void 0;
	}
	#isWhole({ start, end }) {
		return start === 0 && end === this.#sizeBytes && this.#part.doneBytes === 0;
	}
	async #receive(segment) {
		const { position: start, end: askedEnd } = segment;
		const { body, url } = await this.#ask({
			start,
			end: askedEnd
		});
		const destroy = () => body.destroy();
		this.#stop.signal.addEventListener("abort", destroy);
		let batch = [];
		let batchBytes = 0;
		const flush = () => {
			this.#part.write(batch, segment.position);
			segment.position += batchBytes;
			segment.isFlowing = true;
			batch = [];
			batchBytes = 0;
			this.#options.onBytes(this.#part.doneBytes);
		};
		try {
			for await (const chunk of body) {
				const wanted = chunk.subarray(0, segment.end - segment.position - batchBytes);
				const isCut = wanted.length < chunk.length;
				if (isCut && segment.end === askedEnd) throw damaged(`${redacted(url)} sends more than the ${askedEnd - start} bytes that it has to`);
				batch.push(wanted);
				batchBytes += wanted.length;
				const isEnd = segment.position + batchBytes === segment.end;
				if (isEnd || batchBytes >= this.#batchBytes) flush();
				if (isCut || isEnd && segment.end < askedEnd) return;
			}
		} catch (error) {
			throw bodyError(error, url);
		} finally {
			this.#stop.signal.removeEventListener("abort", destroy);
			if (batchBytes > 0) flush();
		}
		if (segment.position < askedEnd) throw bodyError(/* @__PURE__ */ new Error(`it ended at byte ${segment.position} of ${askedEnd}`), url);
	}
	get #batchBytes() {
		return Math.max(HELD_BYTES / this.#running.size, MIN_BATCH_BYTES);
	}
	/** An answer that is not what was asked for goes no further. */
	async #ask(range) {
		const { open, part } = this.#options;
		if (this.#isWhole(range)) {
			const answer = await open();
			const { headers } = answer;
			try {
				requireWhole(answer, this.#sizeBytes);
				await part.begin(strongEtag(headers));
			} catch (error) {
				answer.body.destroy();
				throw error;
			}
			this.#hasRanges = headers["accept-ranges"] === "bytes";
			return answer;
		}
		const { start, end } = range;
		const etag = part.etag ?? "";
		const answer = await open({
			start,
			etag,
			...end < this.#sizeBytes && { end }
		}).catch((error) => {
			throw error instanceof HttpError && error.status === 416 ? new UnusableRangeError(error.message) : error;
		});
		const problem = rangeProblem(answer, {
			...range,
			etag,
			sizeBytes: this.#sizeBytes
		});
		if (problem !== void 0) {
			answer.body.destroy();
			throw new UnusableRangeError(`${redacted(answer.url)}: ${problem}`);
		}
		this.#hasRanges = true;
		return answer;
	}
	async #grow() {
		let rateBefore = 0;
		while (!this.#stop.signal.aborted && this.#running.size < MAX_CONNECTIONS) {
			const bytesPerMs = await this.#measureRate();
			const missingBytes = this.#sizeBytes - this.#part.doneBytes;
			if (bytesPerMs === 0 || missingBytes / bytesPerMs < WORTH_MS || !this.#canSplit) continue;
			if (bytesPerMs < rateBefore * GOOD_GROWTH) return;
			rateBefore = bytesPerMs;
			for (let more = this.#running.size; more > 0; more -= 1) this.#connect();
		}
	}
	/** Once all connections deliver. */
	async #measureRate() {
		while ([...this.#segments].some(({ isFlowing }) => !isFlowing)) await this.#sleep(POLL_MS);
		const [doneBefore, before] = [this.#part.doneBytes, performance.now()];
		await this.#sleep(WINDOW_MS);
		return (this.#part.doneBytes - doneBefore) / (performance.now() - before);
	}
	async #sleep(ms) {
		await setTimeout(ms, void 0, { signal: this.#stop.signal }).catch(() => {});
	}
};
function lengthOf({ position, end }) {
	return end - position;
}
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
function rangeProblem({ status, headers }, { start, end, etag, sizeBytes }) {
	const expected = `bytes ${start}-${end - 1}/${sizeBytes}`;
	const { "content-range": range, "content-encoding": encoding = "identity", etag: found = etag } = headers;
	if (status !== 206) return `the answer to a range is ${status}`;
	if (range !== expected || encoding !== "identity") return `the range is "${range}" (${encoding}), expected "${expected}"`;
	return found === etag ? void 0 : `the ETag is ${found}, expected ${etag}`;
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
// src/fetch/part-file.ts
const DATA = "data";
const JOURNAL = "journal";
const READ_CHUNK_BYTES$2 = 1048576;
const OPEN_FLAGS = constants$1.O_RDWR | constants$1.O_CREAT | constants$1.O_NOFOLLOW;
const headerSchema = object({
	sizeBytes: number(),
	sha256: string(),
	etag: string()
});
/**
* A file of a known size on its way to being complete: `data`, and beside it `journal`, which says what of it is
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
	#etag;
	/** Takes up what an earlier process has left in `dir`, if it is of the same content and can be resumed. */
	static async open(dir, wanted) {
		const path = join(dir, DATA);
		return await explained(path, async () => {
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
	/** Of the file that the ranges are from; undefined when it has none that is strong. */
	get etag() {
		return this.#etag;
	}
	get doneBytes() {
		return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0);
	}
	/** Forgets everything. */
	async clear() {
		this.#ranges = [];
		this.#etag = void 0;
		await explained(this.path, async () => {
			await this.#journal.truncate(0);
			await this.#data.truncate(0);
		});
	}
	/** What is written from now on is from the file with this ETag. Without one, nothing outlives this process. */
	async begin(etag) {
		this.#etag = etag;
		if (etag !== void 0) await explained(this.path, async () => this.#append(JSON.stringify({
			...this.#wanted,
			etag
		})));
	}
	/**
	* Without the thread pool: into the page cache it takes a fraction of the time that the way there and back does, and
	* while the disk is slower than the network, the connections have to wait anyway.
	*/
	write(chunks, position) {
		try {
			const length = writeAll(this.#data.fd, chunks, position);
			if (this.#etag !== void 0) this.#append(`${position} ${length}`);
			this.#ranges = withRange(this.#ranges, {
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
		const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES$2);
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
			this.#ranges = withRange(this.#ranges, range);
			keptBytes += line.length + 1;
		}
		this.#etag = found.etag;
		await this.#journal.truncate(keptBytes);
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
function withRange(ranges, added) {
	const isApart = ({ start, end }) => end < added.start || start > added.end;
	const joined = [added, ...ranges.filter((range) => !isApart(range))];
	const start = Math.min(...joined.map((range) => range.start));
	const end = Math.max(...joined.map((range) => range.end));
	return [...ranges.filter(isApart), {
		start,
		end
	}].sort((a, b) => a.start - b.start);
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
async function explained(path, work) {
	try {
		return await work();
	} catch (error) {
		throw writeError(path, error);
	}
}
function writeError(path, error) {
	return fileError(`cannot write ${path}`, error);
}
// src/fetch/download.ts
/** At 1 GB from loopback 126 MB resident instead of 179. */
const COLLECT_BYTES = 16777216;
/**
* Gets a file whose size and SHA-256 are known. What is there stays in `dir` after an interruption, and the next
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
/**
* What a socket has read is garbage a moment later, and V8 lets a hundred megabytes of it pile up: the buffers are not in
* its heap. A collection of new objects takes about a millisecond.
*/
function minorCollector() {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc");
	let collectedAt = 0;
	return (doneBytes) => {
		if (doneBytes - collectedAt >= COLLECT_BYTES) {
			collectedAt = doneBytes;
			collect({ type: "minor" });
		}
	};
}
var Transfer = class {
	#file;
	#part;
	#options;
	/** Some of what is there is from an earlier run. */
	#isResumed;
	#usedRanges = false;
	#trustsRanges = true;
	constructor(file, part, options) {
		this.#file = file;
		this.#part = part;
		this.#options = options;
		this.#isResumed = part.doneBytes > 0;
	}
	async run() {
		const { sha256: expected } = this.#file;
		let hashed = await this.#receive();
		if (hashed.sha256 !== expected && (this.#isResumed || this.#usedRanges)) {
			this.#options.onWarning("the parts that were downloaded do not make up the file; starting over");
			this.#trustsRanges = false;
			hashed = await this.#receive();
		}
		if (hashed.sha256 !== expected) throw damaged(`its SHA-256 is ${hashed.sha256}, expected ${expected}`);
		return hashed;
	}
	async #receive() {
		let mostBytes = this.#part.doneBytes;
		const hasProgressed = () => {
			const { doneBytes } = this.#part;
			const progressed = doneBytes > mostBytes;
			mostBytes = Math.max(mostBytes, doneBytes);
			return progressed;
		};
		return await this.#options.http.retry(() => this.#attempt(), hasProgressed);
	}
	async #attempt() {
		if (!this.#trustsRanges || this.#part.etag === void 0) await this.#startOver();
		try {
			return await this.#receiveAndHash();
		} catch (error) {
			if (!(error instanceof UnusableRangeError)) throw error;
			this.#options.onWarning(`cannot go on with what is there, ${error.message}; starting over`);
			this.#trustsRanges = this.#isResumed;
			await this.#startOver();
			return await this.#attempt();
		}
	}
	async #startOver() {
		await this.#part.clear();
		this.#isResumed = false;
	}
	async #receiveAndHash() {
		const stop = new AbortController();
		const hashing = this.#hash(AbortSignal.any([stop.signal, this.#options.signal]));
		const collect = minorCollector();
		const connections = new Connections({
			part: this.#part,
			open: (range) => this.#open(range),
			mayUseRanges: this.#trustsRanges,
			onBytes: (doneBytes) => {
				collect(doneBytes);
				this.#options.onBytes(doneBytes);
			}
		});
		const work = [hashing, connections.receiveMissing()];
		try {
			await Promise.all(work);
			return await hashing;
		} finally {
			stop.abort();
			connections.stop();
			await Promise.allSettled(work);
		}
	}
	/** Reads back what was written: one way for what comes in its order, in parallel, and from an earlier run. */
	async #hash(signal) {
		const hash = new SidecarHash(this.#file.sizeBytes);
		for await (const bytes of this.#part.follow(signal)) hash.update(bytes);
		return hash.digest();
	}
	async #open(range) {
		this.#usedRanges ||= range !== void 0;
		return await this.#file.open(range);
	}
};
// src/fetch/file-span.ts
const READ_CHUNK_BYTES$1 = 1048576;
/** Less than the span where the file ends before. */
async function readSpan(file, { offset, sizeBytes }) {
	const bytes = Buffer.alloc(sizeBytes);
	let readBytes = 0;
	while (readBytes < sizeBytes) {
		const { bytesRead } = await file.read(bytes, readBytes, sizeBytes - readBytes, offset + readBytes);
		if (bytesRead === 0) break;
		readBytes += bytesRead;
	}
	return bytes.subarray(0, readBytes);
}
/** @returns the checksums of what has been written, as those of a sidecar */
async function copySpan(path, { offset, sizeBytes }, target, { signal, onBytes }) {
	const hash = new SidecarHash(sizeBytes);
	async function* hashedChunks(file) {
		while (hash.doneBytes < sizeBytes) {
			const nextBytes = Math.min(READ_CHUNK_BYTES$1, sizeBytes - hash.doneBytes);
			const chunk = await readSpan(file, {
				offset: offset + hash.doneBytes,
				sizeBytes: nextBytes
			});
			if (chunk.length === 0) return;
			hash.update(chunk);
			yield chunk;
			onBytes(hash.doneBytes);
		}
	}
	try {
		const file = await fs.open(path, "r");
		try {
			const copy = createWriteStream(target, {
				flags: "wx",
				mode: 384
			});
			await pipeline(hashedChunks(file), copy, { signal });
		} finally {
			await file.close();
		}
	} catch (error) {
		signal.throwIfAborted();
		throw fileError(`cannot copy from ${path}`, error);
	}
	return hash.digest();
}
// src/fetch/policy.ts
/**
* Decides on the record alone, before any byte of the sidecar is asked for.
* @throws BottleError `not-found` for another platform or other inputs, `not-trusted` for what is not what it must be
*/
function requireWanted({ record, address }, wanted, demands) {
	const { inputs, source } = record;
	if (record.platform !== wanted.platform) throw new BottleError("not-found", `${address} is for ${record.platform}, not for ${wanted.platform}`, { hint: `ask for it with --platform ${record.platform}, or pack your own: claude-bottle pack` });
	if (demands.sameInputs && inputs?.key !== wanted.key) throw new BottleError("not-found", `${address} was packed from other inputs: key ${inputs?.key ?? "unknown"}, this checkout has ${wanted.key}`, { hint: "check out the commit that it was packed from, or store it as it is with --no-bind" });
	requireEqual(address, "SHA-256", demands.sha256, record.sidecar.sha256);
	requireEqual(address, "size", demands.sizeBytes, record.sidecar.sizeBytes);
	requireEqual(address, "commit", demands.commit, source?.commit);
	if (wanted.repository !== void 0 && source !== void 0) requireEqual(address, "repository", wanted.repository.toLowerCase(), source.repository.toLowerCase());
}
function requireEqual(address, what, expected, found) {
	if (expected !== void 0 && found !== expected) throw new BottleError("not-trusted", `${address}: the ${what} is ${found ?? "not known"}, expected ${expected}`, { hint: "do not use it before you know why; its pack record says where it comes from" });
}
// src/fetch/fetch.ts
/** Failures of one source that leave the next one its chance. */
const PASSABLE = [
	"not-found",
	"authentication",
	"network-failed",
	"try-later"
];
/** Store, else the first source that has it: record, policy, room, bytes, verification, installation. */
async function fetchSidecar(options) {
	const hit = await findInStore(options);
	if (hit !== void 0) {
		const none = {
			address: void 0,
			skipped: [],
			provenance: void 0
		};
		return {
			status: "hit",
			...hit,
			source: "the store",
			...none
		};
	}
	if (options.offline) throw new BottleError("not-found", `the store has no sidecar for the inputs key ${options.wanted.key}`, { hint: "leave out --offline to ask the sources, or pack your own: claude-bottle pack" });
	const { offer, source, skipped } = await findOffer$2(options);
	await options.requireUsable(offer.record);
	const judged = await options.judge(offer);
	const found = {
		record: offer.record,
		source: source.name,
		address: offer.address,
		skipped,
		provenance: judged.verified?.provenance
	};
	if (options.dryRun) return {
		status: "available",
		path: void 0,
		...found
	};
	const obtained = await obtain(offer, judged.verified?.bundle, options);
	await judged.remember();
	return {
		...found,
		...obtained
	};
}
/**
* Reads it from end to end: that a file is there says nothing. What is damaged gives way to the next one. A dry run only
* looks: what it found damaged would have to be moved.
*/
async function findInStore(options) {
	const { store, wanted, demands, signal, onProgress } = options;
	const { key, platform } = wanted;
	for (;;) {
		const kept = await store.findByKey(key, platform);
		if (kept === void 0 || !satisfies(kept.record, demands)) return;
		const { record, path, sha256, sizeBytes } = kept;
		if (options.dryRun) return {
			record,
			path
		};
		onProgress({
			type: "start",
			stage: "store"
		});
		const found = await store.verifyKept(kept, {
			platform,
			signal,
			onBytes: (doneBytes) => onProgress({
				type: "bytes",
				stage: "store",
				doneBytes,
				totalBytes: sizeBytes
			}),
			onQuarantine: (reason, movedTo) => warningsTo(onProgress)(`${reason}; moved to ${movedTo}`)
		});
		if (found !== void 0) {
			await store.touch(sha256);
			onProgress({
				type: "done",
				stage: "store",
				sizeBytes,
				detail: "verified, nothing to download"
			});
			return {
				record,
				path: found.path
			};
		}
	}
}
function satisfies({ sidecar, source }, { sha256, commit }) {
	return (sha256 === void 0 || sha256 === sidecar.sha256) && (commit === void 0 || commit === source?.commit);
}
/** @throws BottleError that says why each source has nothing, and what differs from the nearest published record */
async function findOffer$2(options) {
	const { wanted, demands, sources, onProgress } = options;
	const skipped = [];
	const failures = [];
	for (const source of sources) {
		onProgress({
			type: "start",
			stage: "find",
			detail: source.name
		});
		try {
			const found = await source.find(wanted);
			if (!("skipped" in found)) {
				requireWanted(found, wanted, demands);
				const { sizeBytes } = found.record.sidecar;
				onProgress({
					type: "done",
					stage: "find",
					sizeBytes,
					detail: source.name
				});
				return {
					offer: found,
					source,
					skipped
				};
			}
			skipped.push({
				source: source.name,
				reason: found.skipped
			});
		} catch (error) {
			if (!(error instanceof BottleError) || !PASSABLE.includes(error.code)) throw error;
			failures.push(error);
			skipped.push({
				source: source.name,
				reason: error.message
			});
		}
	}
	throw missError(wanted, skipped, failures, await options.explainMiss(await nearestRecord$1(options)));
}
async function nearestRecord$1({ sources, wanted, signal }) {
	for (const source of sources) {
		const record = await source.nearest?.(wanted).catch(() => void 0);
		signal.throwIfAborted();
		if (record !== void 0) return record;
	}
}
/** A source that could not be asked may have it, so its failure decides the exit code. */
function missError({ platform, key }, skipped, failures, explanation) {
	const failure = [
		"try-later",
		"network-failed",
		"authentication"
	].map((code) => failures.find((each) => each.code === code)).find((each) => each !== void 0);
	return new BottleError(failure?.code ?? "not-found", `no sidecar for ${platform} and the inputs key ${key}`, {
		hint: failure?.hint ?? "wait for CI to publish this commit, or pack your own: claude-bottle pack",
		details: [...skipped.map(({ source, reason }) => `${source}: ${reason}`), ...explanation],
		cause: failure
	});
}
/** One process downloads; whoever waited for it finds what it has installed. */
async function obtain({ record, content }, bundle, options) {
	const { store, signal, onProgress } = options;
	const { sha256, sizeBytes } = record.sidecar;
	return await store.withDownload(sha256, {
		signal,
		onWait: warningsTo(onProgress)
	}, async (dir) => {
		const arrived = await findInStore(options);
		if (arrived !== void 0) return {
			status: "hit",
			...arrived
		};
		const path = await receive(content, record, dir, options);
		signal.throwIfAborted();
		onProgress({
			type: "start",
			stage: "install"
		});
		const installed = await store.install(record.image.id, path, record, bundle);
		await store.touch(sha256);
		onProgress({
			type: "done",
			stage: "install",
			sizeBytes,
			detail: `verified, sha256 ${sha256}`
		});
		return {
			status: "fetched",
			record,
			path: installed
		};
	});
}
/** Brings the bytes into `dir` and checks all of them, as far as that is not done while they come. */
async function receive(content, record, dir, options) {
	const { signal } = options;
	const expected = expectedOf(record);
	const unpacked = join(dir, "sidecar");
	await fs.rm(unpacked, { force: true });
	if (content.kind === "local") {
		await requireFreeBytes(dir, record.sidecar.sizeBytes, "the sidecar");
		if (content.span !== void 0) {
			const hashed = await receiveSpan(content.path, content.span, unpacked, options);
			await verifySidecar(unpacked, expected, { hashed });
			return unpacked;
		}
		await copy(content.path, unpacked);
		await verifySidecar(unpacked, expected, { signal });
		return unpacked;
	}
	const { path, hashed } = await receiveFrom(content, record, dir, options);
	if (!content.isZip) {
		await verifySidecar(path, expected, { hashed });
		return path;
	}
	const { extractOnly } = await import("./unzip.mjs");
	await extractOnly(path, unpacked, {
		sizeBytes: record.sidecar.sizeBytes,
		signal
	});
	await verifySidecar(unpacked, expected, { signal });
	return unpacked;
}
async function receiveSpan(path, span, target, { signal, onProgress }) {
	const { sizeBytes: totalBytes } = span;
	onProgress({
		type: "start",
		stage: "copy"
	});
	const hashed = await copySpan(path, span, target, {
		signal,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "copy",
			doneBytes,
			totalBytes
		})
	});
	onProgress({
		type: "done",
		stage: "copy",
		sizeBytes: totalBytes
	});
	return hashed;
}
async function receiveFrom(file, { sidecar }, dir, { http, signal, onProgress }) {
	const { sizeBytes: totalBytes, isZip } = file;
	const neededBytes = totalBytes + (isZip ? sidecar.sizeBytes : 0) - await bytesIn(dir);
	await requireFreeBytes(dir, Math.max(0, neededBytes), "the sidecar");
	onProgress({
		type: "start",
		stage: "download"
	});
	const received = await download(file, {
		dir,
		signal,
		http,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "download",
			doneBytes,
			totalBytes
		}),
		onWarning: warningsTo(onProgress)
	});
	onProgress({
		type: "done",
		stage: "download",
		sizeBytes: totalBytes
	});
	return received;
}
/** What a stopped run has left. Its file has holes, so that its size says nothing. */
async function bytesIn(dir) {
	const names = await fs.readdir(dir);
	return (await Promise.all(names.map((name) => fs.stat(join(dir, name))))).reduce((sum, { blocks }) => sum + blocks * 512, 0);
}
async function copy(source, target) {
	try {
		await fs.copyFile(source, target, fs.constants.COPYFILE_FICLONE);
	} catch (error) {
		throw fileError(`cannot copy ${source}`, error);
	}
}
// src/fetch/lock-file.ts
/** Beside the Dockerfile, in the build context. */
const LOCK_FILE = "claude-bottle.lock";
const MAX_LOCK_FILE_BYTES = 65536;
const LOCK_FILE_VERSION = 1;
const hex64 = string().check(_regex(/^[0-9a-f]{64}$/));
const lockedSchema = object({
	/** That the sidecar was packed from. */
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
/** @throws BottleError `not-found` when there is none, `sidecar-damaged` when it is none */
async function readLockFile(path) {
	let text;
	try {
		text = await fs.readFile(path, "utf8");
	} catch (error) {
		if (hasErrno(error, "ENOENT")) throw new BottleError("not-found", `there is no lock file ${path}`, { hint: "write one: claude-bottle lock" });
		throw fileError(`cannot read ${path}`, error);
	}
	const parsed = lockFileSchema.safeParse(parseJson$2(text));
	if (text.length > MAX_LOCK_FILE_BYTES || !parsed.success) {
		const problem = parsed.error?.issues[0];
		throw new BottleError("sidecar-damaged", `${path} is no lock file of version ${LOCK_FILE_VERSION}: ${problem?.path.join(".") || "the whole"} is not as it must be`, { hint: "write it again: claude-bottle lock" });
	}
	return parsed.data;
}
/** @throws BottleError `not-trusted` when this checkout is not what was locked */
function requireLocked(lockFile, platform, key) {
	const locked = lockFile.platforms[platform];
	if (locked === void 0) {
		const known = Object.keys(lockFile.platforms).join(", ");
		throw new BottleError("not-found", `${LOCK_FILE} has nothing for ${platform}, only for ${known || "none"}`, { hint: "write it again once that platform is published: claude-bottle lock" });
	}
	if (locked.key !== key) throw new BottleError("not-trusted", `this checkout has the inputs key ${key}, and ${LOCK_FILE} was written for ${locked.key}`, { hint: "undo the local changes to what the Dockerfile can see, or write it again: claude-bottle lock" });
	return locked;
}
async function writeLockFile(path, platforms) {
	const lockFile = {
		version: LOCK_FILE_VERSION,
		platforms: Object.fromEntries(platforms)
	};
	const temp = `${path}.${process.pid}.tmp`;
	try {
		await fs.writeFile(temp, `${JSON.stringify(lockFile, void 0, 2)}\n`);
		await fs.rename(temp, path);
	} catch (error) {
		throw fileError(`cannot write ${path}`, error);
	} finally {
		await fs.rm(temp, { force: true });
	}
}
function parseJson$2(text) {
	try {
		return JSON.parse(text);
	} catch {
		return;
	}
}
// src/fetch/source.ts
function parseSourceAddress(text) {
	const [, scheme = "", rest = ""] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
	switch (scheme) {
		case "oci": return {
			kind: "oci",
			reference: rest
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
		case "layout": return {
			kind: "layout",
			path: rest
		};
		case "https":
		case "http": return {
			kind: "https",
			url: text
		};
	}
	throw new BottleError("usage", `not a source: ${JSON.stringify(text)}`, { hint: "use oci:REFERENCE, release:TAG, run:ID, file:PATH, layout:FILE or https://…" });
}
const MAX_BUNDLE_BYTES$1 = 4194304;
// src/provenance/snappy.ts
/**
* Raw snappy, as GitHub stores attestations; never more than `maxBytes`.
* https://github.com/google/snappy/blob/main/format_description.txt
* @throws BottleError `not-trusted` for what is none
*/
function decodeSnappy(input, maxBytes) {
	try {
		return decode(input, maxBytes);
	} catch (cause) {
		throw new BottleError("not-trusted", "no provenance: the attestation cannot be unpacked", {
			hint: "try again; if that does not help, do not use the sidecar",
			cause
		});
	}
}
function decode(input, maxBytes) {
	const { value: length, end } = readVarint(input);
	if (length > maxBytes) throw new RangeError(`${length} bytes, at most ${maxBytes} are read`);
	const output = Buffer.alloc(length);
	let from = end;
	let to = 0;
	while (from < input.length) {
		const element = readElement(input, from);
		from = element.end;
		if (element.offset === void 0) {
			if (from + element.length > input.length) throw new RangeError("it ends within a literal");
			input.copy(output, to, from, from + element.length);
			from += element.length;
		} else {
			if (element.offset === 0) throw new RangeError("a copy of itself");
			for (let i = 0; i < element.length; i += 1) output.writeUInt8(output.readUInt8(to + i - element.offset), to + i);
		}
		to += element.length;
	}
	if (to !== length) throw new RangeError("more or less than it says");
	return output;
}
function readVarint(input) {
	let value = 0;
	for (let i = 0; i < 5; i += 1) {
		const byte = input.readUInt8(i);
		value += (byte & 127) * 2 ** (7 * i);
		if (byte < 128) return {
			value,
			end: i + 1
		};
	}
	throw new RangeError("a length of more than 32 bits");
}
function readElement(input, at) {
	const tag = input.readUInt8(at);
	switch (tag & 3) {
		case 0: {
			const lengthBytes = Math.max(0, (tag >> 2) - 59);
			return {
				length: (lengthBytes === 0 ? tag >> 2 : input.readUIntLE(at + 1, lengthBytes)) + 1,
				end: at + 1 + lengthBytes
			};
		}
		case 1: return {
			length: (tag >> 2 & 7) + 4,
			offset: (tag >> 5 << 8) + input.readUInt8(at + 1),
			end: at + 2
		};
		case 2: return {
			length: (tag >> 2) + 1,
			offset: input.readUInt16LE(at + 1),
			end: at + 3
		};
		default: return {
			length: (tag >> 2) + 1,
			offset: input.readUInt32LE(at + 1),
			end: at + 5
		};
	}
}
// src/provenance/attestations.ts
const MAX_BUNDLE_BYTES = 4194304;
const answerSchema = object({ attestations: array(object({
	bundle: nullish(record(string(), unknown())),
	/** Good for a short while, for whoever has it. */
	bundle_url: nullish(string()),
	initiator: nullish(string())
})) });
/**
* The bundles that GitHub keeps for a file; none is an empty list. Public repositories need no token.
* https://docs.github.com/rest/repos/repos#list-attestations
*/
async function attestationBundles({ http, site, repository, sha256 }) {
	const path = `repos/${repositoryPath(repository, "attestations", `sha256:${sha256}`)}?per_page=100`;
	const answer = await unlessMissing(readApi(http, site, path, answerSchema));
	const bundles = [];
	for (const { bundle, bundle_url: url, initiator } of answer?.attestations ?? []) {
		if (initiator === "github") continue;
		if (bundle) bundles.push(Buffer.from(JSON.stringify(bundle)));
		else if (url) bundles.push(await readBundle$1(http, url));
	}
	return bundles;
}
/** Without the token: the address is of a storage, and grants access by itself. */
async function readBundle$1(http, url) {
	try {
		const { bytes } = await http.read({ url }, MAX_BUNDLE_BYTES);
		return decodeSnappy(bytes, MAX_BUNDLE_BYTES);
	} catch (error) {
		if (error instanceof HttpError && error.code === "network-failed") throw error;
		if (error instanceof HttpError || error instanceof BottleError && error.exitCode === 65) throw new BottleError("not-trusted", `no provenance: the attestation cannot be read (${error.message})`, {
			hint: "try again in a minute",
			cause: error
		});
		throw error;
	}
}
// src/fetch/trust.ts
/**
* Who packed what is offered, before any byte of it is asked for.
* @throws BottleError `not-trusted`
*/
async function judgeOffer(offer, { repository }, trust, { store, tools, onWarning }) {
	if (trust.provenance === "off") return {
		verified: void 0,
		remember: async () => {}
	};
	const published = await offer.bundles();
	if (repository === void 0) return requireNothing(trust, published);
	const { serverUrl } = tools.github;
	const place = {
		...store.trustPlace,
		serverUrl,
		repository
	};
	const memory = await readMemory(place, onWarning);
	const { record } = offer;
	const isNeeded = trust.provenance === "required" || memory !== void 0;
	const bundles = published.length === 0 && isNeeded ? await attestationBundles({
		http: tools.http,
		site: tools.github,
		repository,
		sha256: record.sidecar.sha256
	}) : published;
	const verified = await decideProvenance({
		mode: trust.provenance,
		bundles,
		record,
		policy: {
			serverUrl,
			repository,
			...trust
		},
		memory,
		allowOlder: trust.allowOlder,
		trustedRootPath: trust.trustedRoot
	});
	return {
		verified,
		remember: async () => {
			if (verified !== void 0) await remember(place, verified.provenance, record.inputs?.key);
		}
	};
}
/** A signature says whose it is; whose it must be has to be known. */
function requireNothing(trust, published) {
	if (published.length > 0 || trust.provenance === "required") throw new BottleError("not-trusted", "it is not known whose sidecar this must be: there is no repository", { hint: "name it: --repo OWNER/NAME" });
	return {
		verified: void 0,
		remember: async () => {}
	};
}
// src/fetch/record.ts
const MAX_RECORD_BYTES = 1048576;
/**
* A pack record as some source has it; `where` is that place, for the message.
* @throws BottleError `sidecar-damaged`
*/
function parseRecord(content, where) {
	const json = parseJson$1(content.toString(), where);
	const { data, error } = packRecordSchema.safeParse(json);
	if (data !== void 0) return data;
	const version = versionOf(json);
	if (typeof version === "number" && version > 1) throw damagedRecord(`${where} is a pack record of version ${version}, and this claude-bottle knows 1`, "update claude-bottle");
	const [issue] = error.issues;
	throw damagedRecord(`${where} is no pack record: ${issue?.path.join(".") || "it"} is not as it has to be`);
}
function parseJson$1(text, where) {
	try {
		return JSON.parse(text);
	} catch (error) {
		throw damagedRecord(`${where} is no pack record: it is not JSON`, void 0, error);
	}
}
function versionOf(json) {
	return typeof json === "object" && json !== null && "version" in json ? json.version : void 0;
}
function damagedRecord(message, hint = "publish the sidecar again, or pack your own: claude-bottle pack", cause) {
	return new BottleError("sidecar-damaged", message, {
		hint,
		cause
	});
}
// src/fetch/remote-file.ts
/** A file that one and the same request asks for, from its beginning or from anywhere in it. */
function remoteFile(http, request, facts) {
	return {
		kind: "remote",
		...facts,
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
/** https://datatracker.ietf.org/doc/html/rfc9110#field.if-range */
function rangeHeaders({ start, end, etag }) {
	return {
		range: `bytes=${start}-${end === void 0 ? "" : end - 1}`,
		"if-range": etag
	};
}
// src/fetch/github-release.ts
/** A commit has one or two. */
const MAX_TAGS = 5;
const assetSchema = object({
	id: int(),
	name: string(),
	/** Not `uploaded` while it is being uploaded, and for ever when the upload broke off. */
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
			if (repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
			const name = publishedName(wanted.platform, wanted.key);
			const tried = [];
			for await (const each of tag === void 0 ? likelyTags(repository, wanted, tools) : [tag]) {
				tried.push(each);
				const offer = await offerOfPages(repository, each, name, tools) ?? (github.credential && await offerOfApi(repository, each, name, tools));
				if (offer !== void 0) return offer;
			}
			const missing = tried.length === 0 ? `${repository} has no release` : `${repository} has no ${name} in ${tried.length === 1 ? "release" : "releases"} ${tried.join(", ")}`;
			return { skipped: github.credential ? missing : `${missing}; for a private repository set GH_TOKEN` };
		},
		nearest: async ({ repository, platform }) => repository === void 0 ? void 0 : await nearestRecord(repository, tag, namePrefix(platform), tools)
	};
}
async function* likelyTags(repository, wanted, tools) {
	const tags = (await wanted.tags()).slice(0, MAX_TAGS);
	yield* tags;
	const latest = await latestTag(repository, tools);
	if (latest !== void 0 && !tags.includes(latest)) yield latest;
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
			sizeBytes,
			isZip: false
		}),
		address: `release:${tag}`,
		bundles: async () => {
			const bundle = await unlessMissing(http.read({ url: url + BUNDLE_SUFFIX }, MAX_BUNDLE_BYTES$1));
			return bundle === void 0 ? [] : [bundle.bytes];
		}
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
		content: remoteFile(tools.http, assetRequest(repository, asset, tools), {
			sha256,
			sizeBytes,
			isZip: false
		}),
		address: `release:${tag}`,
		bundles: async () => {
			const bundle = release?.assets.find((each) => each.name === name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : [(await tools.http.read(assetRequest(repository, bundle, tools), MAX_BUNDLE_BYTES$1)).bytes];
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
	const { bytes, answer } = await tools.http.read(assetRequest(repository, asset, tools), MAX_RECORD_BYTES);
	return parseRecord(bytes, redacted(answer.url));
}
/** https://docs.github.com/rest/releases/assets#get-a-release-asset */
function assetRequest(repository, { id }, { github }) {
	const request = apiRequest(github, `repos/${repositoryPath(repository, "releases", "assets", String(id))}`);
	return {
		...request,
		headers: {
			...request.headers,
			accept: "application/octet-stream"
		}
	};
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
// src/fetch/sidecar-image.ts
/** @throws BottleError `sidecar-damaged` when the record is none, or another sidecar's */
function readSidecarImage(image, address) {
	const layer = sidecarLayer$1(image);
	if (layer === void 0) return { skipped: `${address} holds no sidecar` };
	const text = image.annotations?.[PACK_RECORD_ANNOTATION];
	if (text === void 0) return { skipped: `${address} has no pack record` };
	const record = readRecord$1(text, address);
	const { sha256, sizeBytes } = record.sidecar;
	if (layer.digest !== `sha256:${sha256}` || layer.sizeBytes !== sizeBytes) throw damagedRecord(`${address} is ${`${layer.digest} of ${layer.sizeBytes} bytes`}, and its pack record says sha256:${sha256} of ${sizeBytes}`);
	return {
		layer,
		record
	};
}
/** Before 1.6.4 smolvm wrote no artifact type. */
function sidecarLayer$1({ artifactType = SIDECAR_MEDIA_TYPE, layers }) {
	const layer = layers.find(({ mediaType }) => mediaType === SIDECAR_MEDIA_TYPE);
	return layer !== void 0 && artifactType === "application/vnd.smolmachines.smolmachine.v1" && isDigest(layer.digest) ? {
		digest: layer.digest,
		sizeBytes: layer.size
	} : void 0;
}
function readRecord$1(text, address) {
	const where = `the annotation ${PACK_RECORD_ANNOTATION} of ${address}`;
	if (Buffer.byteLength(text) > 1048576) throw damagedRecord(`${where} has more than ${MAX_RECORD_BYTES} bytes`);
	return parseRecord(text, where);
}
// src/fetch/oci-layout.ts
/** As for registries. */
const MAX_MANIFEST_BYTES = 4194304;
const MAX_BUNDLES$1 = 10;
/** A whole repository with all its tags has thousands. */
const MAX_MANIFESTS = 1e4;
const MAX_ENTRIES = 1e5;
const READ_CHUNK_BYTES = 65536;
const SKIPPED_BYTES = 16777216;
/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const layoutSchema = object({ imageLayoutVersion: literal("1.0.0") });
const LAYOUT_PATH = /^(oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;
/**
* An OCI image layout in one tar, as `claude-bottle export` and other tools write it. Nothing of it is unpacked but the
* sidecar.
*/
function layoutSource(file, tools) {
	const path = resolve(file);
	const find = (wanted) => withLayout(path, tools.signal, (layout) => findOffer$1(layout, wanted));
	return {
		name: `layout ${path}`,
		find,
		nearest: async (wanted) => {
			const found = await find(wanted);
			return "skipped" in found ? void 0 : found.record;
		}
	};
}
/** The sidecar for these inputs, or else the first for this platform. */
async function findOffer$1(layout, wanted) {
	const platforms = /* @__PURE__ */ new Set();
	const bundles = [];
	let found;
	for await (const { digest, image } of imagesIn(layout)) {
		const bundle = bundleIn(image);
		const sidecar = readSidecarImage(image, `${layout.path}@${digest}`);
		if (bundle !== void 0) bundles.push(bundle);
		else if (!("skipped" in sidecar)) {
			const { platform, inputs } = sidecar.record;
			platforms.add(platform);
			const isExact = inputs?.key === wanted.key && found?.record.inputs?.key !== wanted.key;
			if (platform === wanted.platform && (found === void 0 || isExact)) found = {
				...sidecar,
				digest
			};
		}
	}
	if (found === void 0) {
		const others = platforms.size === 0 ? "and none for others" : `only for ${[...platforms].join(", ")}`;
		return { skipped: `${layout.path} has no sidecar for ${wanted.platform}, ${others}` };
	}
	const { layer, record, digest } = found;
	const attached = [];
	for (const { blob } of bundles.filter(({ subject }) => subject === digest).slice(0, MAX_BUNDLES$1)) attached.push(await layout.read(blob, MAX_BUNDLE_BYTES$1));
	return {
		record,
		content: {
			kind: "local",
			path: layout.path,
			span: layout.find(layer.digest, layer.sizeBytes)
		},
		address: `layout:${layout.path}`,
		bundles: async () => attached
	};
}
/** As cosign and gh attach it. */
function bundleIn({ subject, artifactType = "", layers }) {
	const blob = layers.find(({ mediaType }) => isBundleType(mediaType));
	return subject !== void 0 && isDigest(subject.digest) && isBundleType(artifactType) && isBlob(blob) ? {
		subject: subject.digest,
		blob: {
			digest: blob.digest,
			size: blob.size
		}
	} : void 0;
}
function isBlob(descriptor) {
	return descriptor !== void 0 && isDigest(descriptor.digest);
}
/** All that index.json leads to, by way of further indexes or directly. */
async function* imagesIn(layout) {
	const pending = [];
	const seen = /* @__PURE__ */ new Set();
	const add = (listed) => {
		for (const descriptor of listed) if (isBlob(descriptor) && MANIFEST_TYPES.includes(descriptor.mediaType) && !seen.has(descriptor.digest)) {
			seen.add(descriptor.digest);
			pending.push({
				digest: descriptor.digest,
				size: descriptor.size
			});
		}
		if (seen.size > MAX_MANIFESTS) throw damagedLayout(`${layout.path} lists more than ${MAX_MANIFESTS} manifests`);
	};
	add(await layout.readIndex());
	for (let next = pending.shift(); next !== void 0; next = pending.shift()) {
		const bytes = await layout.read(next, MAX_MANIFEST_BYTES);
		const content = parseJson(manifestSchema, bytes, `${layout.path}@${next.digest}`);
		if (isIndex(content)) add(content.manifests);
		else yield {
			digest: next.digest,
			image: content
		};
	}
}
async function withLayout(path, signal, use) {
	const file = await openFile(path);
	try {
		return await use(await Layout.open(file, path, signal));
	} catch (error) {
		if (error instanceof TarError) throw damagedLayout(`${path} is no OCI image layout in a tar: ${printable(error.message)}`, error);
		throw error instanceof Error && "syscall" in error ? fileError(`cannot read ${path}`, error) : error;
	} finally {
		await file.close();
	}
}
/** Does not wait for a pipe. */
async function openFile(path) {
	try {
		return await fs.open(path, constants$1.O_RDONLY | constants$1.O_NONBLOCK);
	} catch (error) {
		throw hasErrno(error, "ENOENT", "ENOTDIR") ? new BottleError("not-found", `there is no file ${path}`, { cause: error }) : fileError(`cannot read ${path}`, error);
	}
}
var Layout = class Layout {
	path;
	#file;
	#spans;
	constructor(path, file, spans) {
		this.path = path;
		this.#file = file;
		this.#spans = spans;
	}
	/** @throws BottleError `sidecar-damaged`, TarError */
	static async open(file, path, signal) {
		const stat = await file.stat();
		if (!stat.isFile()) throw new BottleError("usage", `${path} is not a file`, { hint: "of a directory with an OCI image layout, make one: tar -C DIR -cf FILE ." });
		const layout = new Layout(path, file, await findSpans(file, {
			path,
			sizeBytes: stat.size,
			signal
		}));
		parseJson(layoutSchema, await layout.#readFile("oci-layout"), `oci-layout in ${path}`);
		return layout;
	}
	async readIndex() {
		const where = `index.json in ${this.path}`;
		const content = parseJson(manifestSchema, await this.#readFile("index.json"), where);
		if (!isIndex(content)) throw damagedLayout(`${where} is no index`);
		return content.manifests;
	}
	/** Where a blob is, whose content is not verified. */
	find(digest, sizeBytes) {
		const span = this.#spans.get(`blobs/sha256/${digest.slice(7)}`);
		if (span === void 0) throw damagedLayout(`${this.path} lacks the blob ${digest}`);
		if (span.sizeBytes !== sizeBytes) throw damagedLayout(`the blob ${digest} in ${this.path} has ${span.sizeBytes} bytes, expected ${sizeBytes}`);
		return span;
	}
	/** A blob with the hash that it has to have. */
	async read({ digest, size }, maxBytes) {
		const bytes = await this.#readSpan(this.find(digest, size), maxBytes, `the blob ${digest}`);
		const found = createHash("sha256").update(bytes).digest("hex");
		if (digest !== `sha256:${found}`) throw damagedLayout(`the blob ${digest} in ${this.path} has the SHA-256 ${found}`);
		return bytes;
	}
	async #readFile(name) {
		const span = this.#spans.get(name);
		if (span === void 0) throw damagedLayout(`${this.path} has no ${name} at its top, so it is no OCI image layout`);
		return await this.#readSpan(span, MAX_MANIFEST_BYTES, name);
	}
	async #readSpan(span, maxBytes, what) {
		if (span.sizeBytes > maxBytes) throw damagedLayout(`${what} in ${this.path} has ${span.sizeBytes} bytes, more than ${maxBytes} bytes`);
		return await readSpan(this.#file, span);
	}
};
/** Reads the headers and steps over what is between them. */
async function findSpans(file, archive) {
	const spans = /* @__PURE__ */ new Map();
	const skipped = { toByte: 0 };
	let offset = 0;
	let entries = 0;
	for await (const part of readTar(headerChunks(file, archive, skipped))) {
		if (part.kind === "body") {
			offset += part.chunk.length;
			continue;
		}
		const { entry, raw } = part;
		offset += raw.length;
		skipped.toByte = offset + entry.sizeBytes;
		entries += 1;
		requirePlain(entry, archive.path);
		if (entries > MAX_ENTRIES) throw damagedLayout(`${archive.path} has more than ${MAX_ENTRIES} entries`);
		if (entry.type === "file" && LAYOUT_PATH.test(entry.path)) {
			if (spans.has(entry.path)) throw damagedLayout(`${archive.path} holds ${entry.path} twice`);
			spans.set(entry.path, {
				offset,
				sizeBytes: entry.sizeBytes
			});
		}
	}
	return spans;
}
/** The file, with zeros for what is before `skipped.toByte`: the reader of the headers passes that on unseen. */
async function* headerChunks(file, { sizeBytes, signal }, skipped) {
	const zeros = Buffer.alloc(SKIPPED_BYTES);
	for (let position = 0; position < sizeBytes;) {
		signal.throwIfAborted();
		const leftBytes = sizeBytes - position;
		const chunk = Math.min(skipped.toByte - position, leftBytes) >= zeros.length ? zeros : await readSpan(file, {
			offset: position,
			sizeBytes: Math.min(READ_CHUNK_BYTES, leftBytes)
		});
		if (chunk.length === 0) return;
		position += chunk.length;
		yield chunk;
	}
}
/** Other tools would unpack it. */
function requirePlain({ path, type }, archivePath) {
	const fault = type !== "file" && type !== "directory" ? `a ${type}` : path.startsWith("/") || path.split("/").includes("..") ? "a path that leads out of it" : void 0;
	if (fault !== void 0) throw damagedLayout(`${archivePath} holds ${printable(JSON.stringify(path))}, ${fault}`);
}
function parseJson(schema, bytes, where) {
	let json;
	try {
		json = JSON.parse(bytes.toString("utf8"));
	} catch (error) {
		throw damagedLayout(`${where} is not JSON`, error);
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) throw damagedLayout(`${where} is not what the OCI asks for`, parsed.error);
	return parsed.data;
}
function damagedLayout(message, cause) {
	return new BottleError("sidecar-damaged", message, {
		hint: "copy the file again, or export it again: claude-bottle export",
		cause
	});
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
			const offer = findOffer(open(place), tagOrDigest, wanted.platform);
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
function defaultPlace(registryHost, { repository }) {
	if (repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
	const name = `${registryHost}/${registryRepository(repository)}`;
	try {
		return parseOciReference(name);
	} catch {
		return { skipped: `${name} is no name that a registry takes` };
	}
}
async function findOffer(repository, tagOrDigest, platform) {
	try {
		const found = await readImage(repository, tagOrDigest, platform);
		return "skipped" in found ? found : offerOf(found, repository);
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
	const image = isIndex(content) ? void 0 : content;
	const layer = image && sidecarLayer(image);
	if (layer === void 0) return { skipped: `${address} holds no sidecar` };
	const text = image?.annotations?.[PACK_RECORD_ANNOTATION];
	if (text === void 0) return { skipped: `${address} has no pack record` };
	const record = readRecord(text, address);
	if (record.platform !== platform) return { skipped: `${address} is for ${record.platform}, not ${platform}` };
	return {
		digest,
		layer,
		record
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
/** @throws BottleError `sidecar-damaged` when the record is another sidecar's */
function offerOf({ digest, layer, record }, repository) {
	const address = addressOf(repository.name, digest);
	const { sha256, sizeBytes } = record.sidecar;
	if (layer.digest !== `sha256:${sha256}` || layer.sizeBytes !== sizeBytes) throw damagedRecord(`${address} is ${`${layer.digest} of ${layer.sizeBytes} bytes`}, and its pack record says sha256:${sha256} of ${sizeBytes}`);
	return {
		record,
		content: {
			kind: "remote",
			sizeBytes,
			sha256,
			isZip: false,
			open: async (range) => await repository.openBlob(layer.digest, range)
		},
		address: `oci:${address}`,
		bundles: async () => await readBundles(repository, digest)
	};
}
/** Of the platform's manifest, as cosign and gh attach them. */
async function readBundles(repository, subject) {
	const referrers = (await repository.listReferrers(subject)).filter(({ artifactType = "" }) => isBundleType(artifactType));
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
		return await repository.readBlob(layer.digest, MAX_BUNDLE_BYTES$1);
	} catch (error) {
		if (error instanceof BottleError && ["not-found", "sidecar-damaged"].includes(error.code)) throw new BottleError("not-trusted", `no provenance: ${address} cannot be read (${error.message})`, {
			hint: "publish the sidecar again",
			cause: error
		});
		throw error;
	}
}
function addressOf(name, tagOrDigest) {
	return `${formatName(name)}${isDigest(tagOrDigest) ? "@" : ":"}${tagOrDigest}`;
}
// src/fetch/plain-file.ts
/** A sidecar on any server, with its pack record beside it: `<path>.json`, with the same query. */
function urlSource(address, { http }) {
	const { href: url, username, password } = checkedUrl(address);
	if (username !== "" || password !== "") throw new BottleError("usage", `an address with a login: ${redacted(url)}`, { hint: "download the sidecar and its record with another tool, and use file:PATH" });
	return {
		name: redacted(url),
		find: async () => {
			const recordUrl = new URL(url);
			recordUrl.pathname += ".json";
			const { bytes } = await http.read({ url: recordUrl.href }, MAX_RECORD_BYTES);
			const record = parseRecord(bytes, redacted(recordUrl.href));
			const { sha256, sizeBytes } = record.sidecar;
			const bundleUrl = new URL(url);
			bundleUrl.pathname += BUNDLE_SUFFIX;
			return {
				record,
				content: remoteFile(http, { url }, {
					sha256,
					sizeBytes,
					isZip: false
				}),
				address,
				bundles: async () => {
					const bundle = await unlessMissing(http.read({ url: bundleUrl.href }, MAX_BUNDLE_BYTES$1));
					return bundle === void 0 ? [] : [bundle.bytes];
				}
			};
		}
	};
}
/** A sidecar on this machine, with its pack record beside it: `<path>.json`. */
function fileSource(file) {
	const path = resolve(file);
	return {
		name: `file ${path}`,
		find: async () => {
			const record = parseRecord(await readSmallFile(`${path}.json`, MAX_RECORD_BYTES), `${path}.json`);
			await requireFile(path);
			return {
				record,
				content: {
					kind: "local",
					path
				},
				address: `file:${path}`,
				bundles: async () => {
					const bundlePath = path + BUNDLE_SUFFIX;
					return await fs.stat(bundlePath).then(() => true, () => false) ? [await readSmallFile(bundlePath, MAX_BUNDLE_BYTES$1)] : [];
				}
			};
		}
	};
}
/** Does not wait for a pipe. */
async function readSmallFile(path, maxBytes) {
	const file = await fs.open(path, constants$1.O_RDONLY | constants$1.O_NONBLOCK).catch((error) => {
		throw readError(path, error);
	});
	try {
		const stat = await file.stat();
		if (!stat.isFile() || stat.size > maxBytes) throw damagedRecord(`${path} is no file of at most ${maxBytes} bytes`);
		return await file.readFile();
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot read ${path}`, error);
	} finally {
		await file.close();
	}
}
async function requireFile(path) {
	await fs.stat(path).catch((error) => {
		throw readError(path, error);
	});
}
function readError(path, error) {
	return hasErrno(error, "ENOENT", "ENOTDIR") ? new BottleError("not-found", `there is no file ${path}`, {
		hint: "a sidecar and its pack record (<sidecar>.json) belong side by side",
		cause: error
	}) : fileError(`cannot read ${path}`, error);
}
// src/fetch/workflow-artifact.ts
/** What people without write access cannot start. */
const TRUSTED_EVENTS = [
	"push",
	"release",
	"workflow_dispatch",
	"schedule"
];
/** Each costs one question. */
const MAX_RUNS = 10;
const PAGE_SIZE = 100;
const MAX_PAGES = 5;
const MAX_REASONS = 3;
const ZIP_MAGIC = Buffer.from("PK", "latin1");
const artifactSchema = object({
	id: int(),
	name: shownText,
	size_in_bytes: int(),
	expired: boolean(),
	expires_at: nullish(shownText),
	/** Of what is stored: the file itself, or the zip around it. None on old artifacts. */
	digest: nullish(string().check(_regex(/^sha256:[0-9a-f]{64}$/))),
	workflow_run: nullish(object({
		id: int(),
		repository_id: nullish(int()),
		head_repository_id: nullish(int())
	}))
});
const artifactsSchema = object({ artifacts: array(artifactSchema) });
const runSchema = object({
	id: int(),
	event: shownText,
	status: nullish(shownText),
	conclusion: nullish(shownText),
	head_branch: nullish(shownText),
	/** None when the fork has been deleted. */
	head_repository: nullish(object({
		id: int(),
		full_name: shownText
	}))
});
const repositorySchema = object({
	id: int(),
	default_branch: shownText
});
/**
* Artifacts of workflow runs, which GitHub gives to nobody without a token. Its listing mixes the runs of everybody's
* pull requests with the repository's own, so each run is looked at before anything of it is downloaded.
*/
function artifactSource(runId, tools) {
	return {
		name: runId === void 0 ? "workflow artifact" : `workflow run ${runId}`,
		find: async (wanted) => {
			if (wanted.repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
			if (tools.github.credential === void 0) return { skipped: "it needs a token (GH_TOKEN), also for a public repository" };
			const search = new Search(await findRepository(wanted.repository, tools), wanted, tools);
			return runId === void 0 ? await search.byName() : await search.inRun(runId);
		}
	};
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
		const artifacts = await this.#listArtifacts(["actions", "artifacts"], {
			name,
			maxPages: 1
		});
		const reasons = [];
		let runs = 0;
		for (const artifact of newestFirst(artifacts)) {
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
			const offer = await this.#distrust(run) ?? await this.#offer(run, artifact);
			if (typeof offer !== "string") return offer;
			reasons.push(offer);
		}
		return { skipped: notFound(name, reasons) };
	}
	/** @throws BottleError `not-trusted` */
	async inRun(runId) {
		const run = await this.#findRun(runId);
		const distrust = await this.#distrust(run);
		if (distrust !== void 0) throw new BottleError("not-trusted", `refused the artifacts of workflow run ${runId}: ${distrust}`, { hint: "use a successful run of this repository on its default branch or on a tag" });
		const { platform, key } = this.#wanted;
		const stem = `-${platform.replace("/", "-")}-${key.slice(0, 16)}`;
		const matching = (await this.#listArtifacts([
			"actions",
			"runs",
			runId,
			"artifacts"
		])).filter(({ name }) => name.includes(stem) && name.endsWith(".smolmachine")).toSorted((a, b) => a.name.length - b.name.length || b.id - a.id);
		const reasons = [];
		for (const artifact of matching) {
			const offer = listedExpiry(artifact) ?? await this.#offer(run, artifact);
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
		return event === "release" || branch === defaultBranch || event === "push" && await this.#isTag(branch) ? void 0 : `run ${id} is of ${branch}, neither ${defaultBranch} nor a tag that was pushed`;
	}
	/** A run names the branch or the tag that it ran for, and does not say which of them it is. */
	async #isTag(name) {
		const ref = name && await unlessMissing(this.#read([
			"git",
			"ref",
			"tags",
			name
		], object({ ref: string() })));
		return Boolean(ref);
	}
	/** Or why there is none. */
	async #offer(run, artifact) {
		const name = `${artifact.name}.json`;
		const recordArtifact = await this.#beside(run, name);
		if (recordArtifact === void 0) return `run ${run.id} has no ${name} beside it`;
		const record = parseRecord(await this.#readText(recordArtifact, MAX_RECORD_BYTES), `the artifact ${name}`);
		this.#requireSource(record, run);
		const content = await this.#content(artifact, record);
		if (content === void 0) return `the one of run ${run.id} is a zip without a digest`;
		const bundles = async () => {
			const bundle = await this.#beside(run, artifact.name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : [await this.#readText(bundle, MAX_BUNDLE_BYTES$1)];
		};
		return {
			record,
			content,
			address: `run:${run.id}`,
			bundles
		};
	}
	async #beside(run, name) {
		const path = [
			"actions",
			"runs",
			String(run.id),
			"artifacts"
		];
		return newestFirst(await this.#listArtifacts(path, {
			name,
			maxPages: 1
		})).find(({ expired }) => !expired);
	}
	async #readText(artifact, maxBytes) {
		const { bytes } = await this.#tools.http.read(this.#downloadRequest(artifact), maxBytes);
		const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
		if (artifact.digest && artifact.digest !== digest) throw damagedRecord(`the artifact ${artifact.name} arrived as ${digest}, expected ${artifact.digest}`);
		return bytes.subarray(0, ZIP_MAGIC.length).equals(ZIP_MAGIC) ? await (await import("./unzip.mjs")).unzipOnly(bytes, maxBytes) : bytes;
	}
	/** The action writes its run into the record, also when the sidecar came from the runner cache. */
	#requireSource({ source }, run) {
		const repositoryId = String(this.#repository.id);
		const fault = source?.runId !== String(run.id) ? `of run ${source?.runId ?? "none"}` : source.repositoryId !== void 0 && source.repositoryId !== repositoryId ? `of repository ${source.repositoryId}, not ${repositoryId}` : void 0;
		if (fault !== void 0) throw new BottleError("not-trusted", `the pack record in workflow run ${run.id} says it is ${fault}`, { hint: "do not use it; run the workflow again, or pack your own: claude-bottle pack" });
	}
	/** Undefined when there is nothing to check the transfer with. */
	async #content(artifact, { sidecar }) {
		const { name, digest, size_in_bytes: sizeBytes } = artifact;
		const request = this.#downloadRequest(artifact);
		const isZip = digest !== `sha256:${sidecar.sha256}` && await this.#startsAsZip(request);
		if (isZip) {
			const sha256 = digest?.replace("sha256:", "");
			return sha256 === void 0 ? void 0 : remoteFile(this.#tools.http, request, {
				sizeBytes,
				sha256,
				isZip
			});
		}
		if (digest && digest !== `sha256:${sidecar.sha256}` || sizeBytes !== sidecar.sizeBytes) throw damagedRecord(`the artifact ${name} is ${digest} (${sizeBytes} bytes), and its pack record says sha256:${sidecar.sha256} (${sidecar.sizeBytes} bytes)`);
		return remoteFile(this.#tools.http, request, {
			sizeBytes,
			sha256: sidecar.sha256,
			isZip
		});
	}
	async #startsAsZip(request) {
		const { http } = this.#tools;
		return await http.retry(async () => {
			const { body, url } = await http.send({
				...request,
				headers: {
					...request.headers,
					range: `bytes=0-${ZIP_MAGIC.length - 1}`
				},
				expected: [200, 206]
			});
			let start = Buffer.alloc(0);
			try {
				for await (const chunk of body) {
					start = Buffer.concat([start, chunk]);
					if (start.length >= ZIP_MAGIC.length) break;
				}
			} catch (error) {
				throw bodyError(error, url);
			}
			return start.subarray(0, ZIP_MAGIC.length).equals(ZIP_MAGIC);
		});
	}
	/** https://docs.github.com/rest/actions/artifacts#download-an-artifact: the way to what is no zip, too. */
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
	async #listArtifacts(segments, { name, maxPages = MAX_PAGES } = {}) {
		const artifacts = [];
		for (let page = 1; page <= maxPages; page += 1) {
			const query = new URLSearchParams({
				per_page: String(PAGE_SIZE),
				page: String(page),
				...name && { name }
			});
			const answer = await this.#read(segments, artifactsSchema, `?${query}`);
			artifacts.push(...answer.artifacts);
			if (answer.artifacts.length < PAGE_SIZE) break;
		}
		return artifacts;
	}
	async #read(segments, schema, query = "") {
		const { http, github } = this.#tools;
		return await readApi(http, github, `repos/${repositoryPath(this.#repository.name, ...segments)}${query}`, schema);
	}
};
/** What the listing itself says against an artifact: a question less. */
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
/** The sources that a checkout has, or the one that `from` names. */
async function openSources(context, { repo, githubUrl, token }, from, { onProgress }, signal) {
	if (repo !== void 0 && !/^[\w.-]+\/[\w.-]+$/.test(repo)) throw new BottleError("usage", `not a repository: ${JSON.stringify(repo)}`, { hint: "use OWNER/NAME" });
	const origin = await originOf(context);
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
		onWarning
	};
	return {
		tools,
		sources: from === void 0 ? [
			ociSource(void 0, tools),
			releaseSource(void 0, tools),
			artifactSource(void 0, tools)
		] : [sourceAt(from, tools)],
		forBuild: (build) => ({
			...build,
			repository: repo ?? origin?.repository,
			history: () => historyOf(context),
			tags: () => tagsAtHead(context)
		})
	};
}
function sourceAt(address, tools) {
	switch (address.kind) {
		case "oci": return ociSource(address.reference, tools);
		case "release": return releaseSource(address.tag, tools);
		case "run": return artifactSource(address.runId, tools);
		case "https": return urlSource(address.url, tools);
		case "file": return fileSource(address.path);
		case "layout": return layoutSource(address.path, tools);
	}
}
export { lockedOf as a, writeLockFile as c, LOCK_FILE as i, fetchSidecar as l, judgeOffer as n, readLockFile as o, parseSourceAddress as r, requireLocked as s, openSources as t, findOffer$2 as u };
