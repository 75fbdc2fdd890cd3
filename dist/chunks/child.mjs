import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { n as ownerOf, r as pidOf, t as isAlive } from "./owner.mjs";
import { stripVTControlCharacters } from "node:util";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { execFileSync, spawn } from "node:child_process";
import { pipeline } from "node:stream/promises";
import { setTimeout as setTimeout$1 } from "node:timers/promises";
// src/host/child.ts
const TAIL_LINES = 20;
const MAX_LINE_CHARS = 4096;
const MAX_STDOUT_BYTES = 33554432;
const TERM_GRACE_MS = 2e3;
const END_POLL_MS = 50;
const CHILD_FILE = "child.owner";
/**
* Runs a command (never a shell) in a process group of its own, so that all of it can be ended. An aborted
* `signal` ends the group, SIGTERM first, and rejects with the signal's reason once the child is gone.
* @throws ENOENT and the like as they come from the system; the caller knows which tool is missing
* @throws BottleError `timed-out`
*/
async function runChild(command, args, options = {}) {
	const child = start(command, args, options);
	child.lines.read(child.stdout);
	return await child.ended;
}
/** Like `runChild`, with the standard output as text. */
async function readChild(command, args, options = {}) {
	const child = start(command, args, options);
	const chunks = [];
	let sizeBytes = 0;
	child.stdout.on("data", (chunk) => {
		sizeBytes += chunk.length;
		if (sizeBytes <= MAX_STDOUT_BYTES) chunks.push(chunk);
	});
	return {
		...await child.ended,
		stdout: Buffer.concat(chunks).toString("utf8")
	};
}
/** Like `runChild`, with the standard output handed to `consume` while the child runs. */
async function streamChild(command, args, consume, options = {}) {
	const child = start(command, args, options);
	try {
		await consume(child.stdout);
	} catch (error) {
		const hasEnded = child.stdout.readableEnded;
		child.end();
		const result = await child.ended;
		if (hasEnded && result.exitCode !== void 0 && result.exitCode !== 0) return result;
		throw error;
	}
	return await child.ended;
}
/** For `onSpawn`: notes the child in a private directory, so that it can be ended when this process is killed. */
function noteChild(dir) {
	return (pid) => {
		notedDirs.add(dir);
		try {
			writeFileSync(join(dir, CHILD_FILE), ownerOf(pid));
		} catch (error) {
			throw fileError(`cannot note a process in ${dir}`, error);
		}
	};
}
/** Ends the process group of the child that was noted in `dir`, if it still runs. */
async function endNotedChild(dir) {
	const owner = await readFile(join(dir, CHILD_FILE), "utf8").catch(() => void 0);
	if (owner !== void 0 && isAlive(owner)) await endProcess(-pidOf(owner));
}
/** Ends every process on this Linux machine that was started with `dir` in its environment. */
async function endProcessesIn(dir) {
	const pids = (await readdir("/proc")).map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
	const found = await Promise.all(pids.map(async (pid) => {
		return (await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")).includes(dir) ? [pid] : [];
	}));
	await Promise.all(found.flat().map(endProcess));
}
/** Process groups of children that run. */
const runningGroups = /* @__PURE__ */ new Set();
/** Directories of children that may leave processes of their own behind. */
const notedDirs = /* @__PURE__ */ new Set();
/**
* Ends at once whatever a child of ours is or has started, for a process that cannot wait any longer. Files stay for
* the next run to remove.
*/
function killChildrenNow() {
	for (const pid of runningGroups) killGroup(pid, "SIGKILL");
	for (const pid of notedDirs.size === 0 ? [] : pidsNow()) {
		const environment = environmentNow(pid);
		if ([...notedDirs].some((dir) => environment.includes(dir))) kill(pid, "SIGKILL");
	}
}
function pidsNow() {
	return (process.platform === "linux" ? readdirSync("/proc") : execFileSync("/bin/ps", ["-axo", "pid="], { encoding: "utf8" }).split("\n")).map(Number).filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid);
}
function environmentNow(pid) {
	try {
		return process.platform === "linux" ? readFileSync(`/proc/${pid}/environ`, "utf8") : execFileSync("/bin/ps", [
			"eww",
			"-o",
			"command=",
			"-p",
			String(pid)
		], { encoding: "utf8" });
	} catch {
		return "";
	}
}
/** SIGTERM, and SIGKILL two seconds later. A negative pid means the process group, as for kill(2). */
async function endProcess(pid) {
	const owner = ownerOf(Math.abs(pid));
	for (const signal of ["SIGTERM", "SIGKILL"]) {
		const deadline = Date.now() + TERM_GRACE_MS;
		kill(pid, signal);
		while (isAlive(owner) && Date.now() < deadline) await setTimeout$1(END_POLL_MS);
	}
}
function start(command, args, options) {
	const { signal, timeoutMs } = options;
	signal?.throwIfAborted();
	const child = spawn(command, args, {
		cwd: options.cwd,
		env: searchedEnvironment(options.env ?? process.env),
		stdio: [
			"pipe",
			"pipe",
			"pipe"
		],
		detached: true
	});
	if (child.pid !== void 0) {
		runningGroups.add(child.pid);
		try {
			options.onSpawn?.(child.pid);
		} catch (error) {
			killGroup(child.pid, "SIGKILL");
			throw error;
		}
	}
	pipeline(options.input ?? [], child.stdin).catch((error) => {
		if (!hasErrno(error, "EPIPE", "ERR_STREAM_PREMATURE_CLOSE")) killGroup(child.pid, "SIGTERM");
	});
	const lines = new LineReader(options.onLine);
	lines.read(child.stderr);
	let killTimer;
	const end = () => {
		killGroup(child.pid, "SIGTERM");
		killTimer ??= setTimeout(() => killGroup(child.pid, "SIGKILL"), TERM_GRACE_MS);
		child.once("exit", () => {
			child.stdout.destroy();
			child.stderr.destroy();
		});
	};
	let timedOut = false;
	const timeout = timeoutMs && setTimeout(() => {
		timedOut = true;
		end();
	}, timeoutMs);
	signal?.addEventListener("abort", end, { once: true });
	const ended = new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code, childSignal) => {
			if (signal?.aborted) reject(signal.reason);
			else if (timedOut) {
				const what = `${command} ${args[0] ?? ""} took longer than ${(timeoutMs ?? 0) / 1e3} s`;
				const hint = options.timeoutHint ?? "look for what it waits for, and try again";
				reject(new BottleError("timed-out", what, {
					hint,
					details: lines.finish()
				}));
			} else resolve({
				exitCode: code ?? void 0,
				signal: childSignal ?? void 0,
				tail: lines.finish()
			});
		});
	}).finally(() => {
		runningGroups.delete(child.pid ?? 0);
		clearTimeout(timeout);
		if (killTimer !== void 0) {
			clearTimeout(killTimer);
			killGroup(child.pid, "SIGKILL");
		}
		signal?.removeEventListener("abort", end);
	});
	ended.catch(() => {});
	return {
		stdout: child.stdout,
		lines,
		ended,
		end
	};
}
/** The directories that programs are looked for in: a relative one, or an empty one, would be one of the checkout. */
function programDirs({ PATH = "" }) {
	return PATH.split(delimiter).filter(isAbsolute);
}
/** An empty PATH means the working directory, and without one the system has a PATH of its own. */
function searchedEnvironment({ PATH, ...env }) {
	const dirs = programDirs({ PATH });
	return dirs.length === 0 ? env : {
		...env,
		PATH: dirs.join(delimiter)
	};
}
function killGroup(pid, signal) {
	if (pid !== void 0) kill(-pid, signal);
}
function kill(pid, signal) {
	try {
		process.kill(pid, signal);
	} catch {}
}
/**
* Cuts output into lines. Text that more text follows behind a carriage return is progress, soon overwritten: passed on, not
* kept. A carriage return before a line feed or at the very end overwrites nothing.
*/
var LineReader = class {
	#onLine;
	#partial = /* @__PURE__ */ new Map();
	tail = [];
	constructor(onLine) {
		this.#onLine = onLine;
	}
	read(stream) {
		stream.setEncoding("utf8");
		stream.on("data", (text) => {
			const segments = ((this.#partial.get(stream) ?? "") + text).split(/(?<=\n)|(?<=\r)(?=[^\r\n])/);
			const last = segments.at(-1) ?? "";
			const isPartial = !last.endsWith("\n") && last.length <= MAX_LINE_CHARS;
			this.#partial.set(stream, isPartial ? last : "");
			for (const segment of isPartial ? segments.slice(0, -1) : segments) this.#add(segment, { isOverwritten: segment.endsWith("\r") });
		});
	}
	finish() {
		for (const rest of this.#partial.values()) this.#add(rest, { isOverwritten: false });
		this.#partial.clear();
		return this.tail;
	}
	#add(segment, { isOverwritten }) {
		const line = printable(segment).slice(0, MAX_LINE_CHARS).trimEnd();
		if (line === "") return;
		if (!isOverwritten) {
			this.tail.push(line);
			if (this.tail.length > TAIL_LINES) this.tail.shift();
		}
		this.#onLine?.(line);
	}
};
/** Without escape sequences and control characters: a child's output must not steer our user's terminal. */
function printable(text) {
	return stripVTControlCharacters(text).replace(/[^\P{Cc}\t]/gu, "");
}
export { noteChild as a, runChild as c, killChildrenNow as i, streamChild as l, endProcess as n, programDirs as o, endProcessesIn as r, readChild as s, endNotedChild as t };
