import { i as fileError, o as isDamage, t as BottleError } from "./errors.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { _ as string, d as number, f as object, h as record, i as array, u as nullish, y as unknown } from "./schemas.mjs";
import { t as isSameRepository } from "./pack-record.mjs";
import { n as warningsTo, t as quarantinesTo } from "./progress.mjs";
import { r as verifySidecar, t as SidecarHash } from "./verify.mjs";
import { c as unlessMissing, n as HttpError, r as bodyError, s as redacted } from "./http.mjs";
import { a as stampOf, n as expectedOf } from "./store.mjs";
import { i as repositoryPath, r as readApi } from "./github.mjs";
import { n as copySpan, r as damagedRecord } from "./sources.mjs";
import { n as readMemory, r as remember } from "./trust-memory.mjs";
import { t as decideProvenance } from "./decide2.mjs";
import { EventEmitter, once } from "node:events";
import { constants, readSync, writevSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
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
const READ_CHUNK_BYTES = 1048576;
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
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
			const journal = await fs.open(join(dir, JOURNAL), OPEN_FLAGS | constants.O_APPEND, 384);
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
	if (source !== void 0) requireEqual(address, "repository", wanted.repository?.toLowerCase(), source.repository.toLowerCase());
	else if (demands.knownSource) throw new BottleError("not-trusted", `${address} does not say which repository it was packed for`, { hint: `if you know who has packed it, name it: --from ${address}` });
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
	if (hit !== void 0 && await options.acceptsStored(hit.record)) {
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
	const { offer, source, skipped } = await findOffer(options);
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
		verified: void 0,
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
		const kept = await store.findByKey(key, platform, (record) => satisfies(record, wanted, demands));
		if (kept === void 0) return;
		const { record, path, sha256, sizeBytes } = kept;
		if (options.dryRun) return {
			record,
			path,
			verified: void 0
		};
		onProgress({
			type: "start",
			stage: "store"
		});
		const verified = await stampOf(path);
		if (await store.verifyKept(kept, {
			platform,
			signal,
			onBytes: (doneBytes) => onProgress({
				type: "bytes",
				stage: "store",
				doneBytes,
				totalBytes: sizeBytes
			}),
			onQuarantine: quarantinesTo(onProgress)
		}) !== void 0) {
			await store.touch(sha256);
			onProgress({
				type: "done",
				stage: "store",
				sizeBytes,
				detail: "verified, nothing to download"
			});
			return {
				record,
				path,
				verified
			};
		}
	}
}
/** What of another repository has the same key was packed by somebody else. */
function satisfies({ sidecar, source }, { repository }, { sha256, commit }) {
	return (sha256 === void 0 || sha256 === sidecar.sha256) && (commit === void 0 || commit === source?.commit) && (repository === void 0 || source === void 0 || isSameRepository(source.repository, repository));
}
/** @throws BottleError that says why each source has nothing, and what differs from the nearest published record */
async function findOffer(options) {
	const { wanted, demands, sources, onProgress } = options;
	const skipped = [];
	const failures = [];
	const answered = [];
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
	throw missError(wanted, skipped, failures, await options.explainMiss(await nearestRecord({
		...options,
		sources: answered
	})));
}
async function nearestRecord({ sources, wanted, signal }) {
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
		const exactly = {
			...options.demands,
			sha256
		};
		const arrived = await findInStore({
			...options,
			demands: exactly
		});
		if (arrived !== void 0) {
			if (bundle !== void 0) await store.keepBundle(sha256, bundle, signal);
			return {
				status: "hit",
				...arrived
			};
		}
		const old = await store.requireReplaceable(record, {
			signal,
			onQuarantine: quarantinesTo(onProgress)
		});
		const received = await receive(content, record, dir, options);
		signal.throwIfAborted();
		onProgress({
			type: "start",
			stage: "install"
		});
		const imageId = record.image.id;
		const installed = await store.install(imageId, received, record, {
			bundle,
			signal
		});
		await store.touch(sha256);
		if (old !== void 0) warningsTo(onProgress)(`until now ${old.path} was another sidecar of the same image, with the SHA-256 ${old.report.sha256}`);
		onProgress({
			type: "done",
			stage: "install",
			sizeBytes,
			detail: `verified, sha256 ${sha256}`
		});
		return {
			status: "fetched",
			record,
			...installed
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
		const { path, span } = content;
		if (span.sizeBytes !== record.sidecar.sizeBytes) {
			const expectedBytes = record.sidecar.sizeBytes;
			throw damagedRecord(`${path} has ${span.sizeBytes} bytes, and its pack record says ${expectedBytes}`);
		}
		await requireFreeBytes(dir, span.sizeBytes, "the sidecar");
		const hashed = await receiveSpan(content, unpacked, options);
		await verifySidecar(unpacked, expected, { hashed });
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
async function receiveSpan({ path, span }, target, { signal, onProgress }) {
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
		else if (url) bundles.push(await readBundle(http, url));
	}
	return bundles;
}
/** Without the token: the address is of a storage, and grants access by itself. */
async function readBundle(http, url) {
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
async function judgeOffer(offer, { repository }, trust, { store, tools }) {
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
	const memory = await readMemory(place);
	const { record } = offer;
	const isNeeded = trust.provenance === "required" || memory !== void 0;
	const bundles = published.length === 0 && isNeeded && !offer.isOffline ? await attestationBundles({
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
/** Only `required` asks for a signature of what is in the store: it may have come before, or from here. */
async function acceptsStored(record, wanted, trust, places) {
	if (trust.provenance !== "required") return true;
	const bundle = await places.store.readBundle(record.sidecar.sha256);
	if (bundle === void 0) return false;
	await judgeOffer({
		record,
		bundles: async () => [bundle]
	}, wanted, {
		...trust,
		allowOlder: true
	}, places);
	return true;
}
/** A signature says whose it is; whose it must be has to be known. */
function requireNothing(trust, published) {
	if (published.length > 0 || trust.provenance === "required") throw new BottleError("not-trusted", "it is not known whose sidecar this must be: there is no repository", { hint: "name it: --repo OWNER/NAME" });
	return {
		verified: void 0,
		remember: async () => {}
	};
}
export { findOffer as i, judgeOffer as n, fetchSidecar as r, acceptsStored as t };
