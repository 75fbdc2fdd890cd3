import { c as stackOf, o as hasErrno } from "./errors.mjs";
import { a as shownJson, i as shown } from "./shown-text.mjs";
import { t as formatBytes } from "./disk.mjs";
import { a as shortHashes, i as paintSign, n as formatClock, o as tilde, r as formatDuration, t as SIGNS } from "./style.mjs";
import { stripVTControlCharacters, styleText } from "node:util";
// src/cli/progress.ts
const REDRAW_INTERVAL_MS = 100;
/** Without a terminal, a stage says no more often than this that it is at work. */
const PLAIN_INTERVAL_MS = 1e4;
const RATE_WINDOW_MS = 5e3;
/** Over a shorter time, a rate says more about buffers than about the way the bytes come. */
const RATE_MINIMUM_MS = 1e3;
/** A stage that took less is not worth a line. */
const SHOWN_MS = 500;
/** A stage that takes longer has a clock. */
const CLOCK_MS = 1e3;
const STAGE_COLUMNS = 11;
const USUAL_COLUMNS = 80;
const ERASE_LINE = "\r\x1B[2K";
const SPINNER = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
/** What a stage is called at work and afterwards. */
const WORDS = {
	inputs: ["Reading", "Read"],
	read: ["Reading", "Read"],
	find: ["Looking", "Found"],
	sign: ["Checking", "Signed"],
	store: ["Checking", "Checked"],
	reuse: ["Reusing", "Reused"],
	download: ["Downloading", "Downloaded"],
	copy: ["Copying", "Copied"],
	install: ["Storing", "Stored"],
	build: ["Building", "Built"],
	link: ["Linking", "Linked"],
	flatten: ["Flattening", "Flattened"],
	push: ["Pushing", "Pushed"],
	pack: ["Packing", "Packed"],
	verify: ["Verifying", "Verified"],
	"smoke test": ["Testing", "Tested"],
	export: ["Exporting", "Exported"]
};
/** The stages that make up the answer: they have a line however short they were. */
const ANSWERS = [
	"store",
	"find",
	"sign",
	"reuse",
	"download",
	"copy",
	"link",
	"pack"
];
/**
* One line for each stage that is done and was worth it. For the stage at work there is a moving line on a terminal,
* and elsewhere a line every now and then.
* @param options read whenever something happens: the command line may still be unread
*/
function createProgress(stream, options = {}) {
	const { now = performance.now.bind(performance) } = options;
	const isTerminal = stream.isTTY === true && process.env.TERM !== "dumb" && !process.env.CI;
	const stages = /* @__PURE__ */ new Map();
	let ticker;
	let drawnAt = Number.NEGATIVE_INFINITY;
	let drawn;
	let hasPrinted = false;
	let isInterrupted = false;
	const enter = (name) => {
		const stage = {
			name,
			startedAt: now(),
			rate: new Rate(),
			plainAt: now() + PLAIN_INTERVAL_MS,
			detail: "",
			bytes: void 0,
			firstBytes: 0
		};
		stages.delete(name);
		stages.set(name, stage);
		ticker ??= setInterval(tick, isTerminal ? REDRAW_INTERVAL_MS : 1e3).unref();
		return stage;
	};
	/** Beside a download, a build is not what the user waits for. */
	const current = () => {
		const running = [...stages.values()];
		return running.findLast(({ bytes }) => bytes !== void 0) ?? running.at(-1);
	};
	const clear = () => {
		if (isTerminal && drawn !== void 0) {
			stream.write(ERASE_LINE);
			drawn = void 0;
			drawnAt = Number.NEGATIVE_INFINITY;
		}
	};
	const end = () => {
		clear();
		stages.clear();
		clearInterval(ticker);
		ticker = void 0;
	};
	const draw = (line) => {
		const spinner = SPINNER[Math.floor(now() / REDRAW_INTERVAL_MS) % SPINNER.length] ?? "";
		stream.write(`${ERASE_LINE}${styleText("cyan", spinner, { stream })} ${line}`);
		drawnAt = now();
		drawn = line;
	};
	const print = (line) => {
		clear();
		stream.write(`${line}\n`);
	};
	const show = (stage, isTick = false) => {
		if (isTerminal) {
			const line = fitted(stage, now(), (stream.columns || USUAL_COLUMNS) - 3);
			if (now() - drawnAt >= REDRAW_INTERVAL_MS && (isTick || line !== drawn)) draw(line);
		} else if (now() >= stage.plainAt) {
			stage.plainAt = now() + PLAIN_INTERVAL_MS;
			print(fitted(stage, now(), Number.POSITIVE_INFINITY));
		}
	};
	/** Turns the spinner and the clock, also while nothing is to be said. */
	const tick = () => {
		const stage = current();
		if (stage !== void 0 && !options.quiet) show(stage, true);
	};
	const handleStage = (event) => {
		const stage = event.type !== "start" && stages.get(event.stage) || enter(event.stage);
		switch (event.type) {
			case "start":
				stage.detail = event.detail ?? "";
				break;
			case "bytes":
				stage.firstBytes = stage.bytes === void 0 ? event.doneBytes : stage.firstBytes;
				stage.bytes = event;
				stage.rate.add(event.doneBytes, now());
				break;
			case "output":
				stage.detail = event.line;
				break;
			case "done": {
				stages.delete(event.stage);
				const elapsedMs = now() - stage.startedAt;
				const isWorthIt = !event.isSilent && (ANSWERS.includes(event.stage) || elapsedMs >= SHOWN_MS);
				if (options.verbose || isWorthIt) {
					const line = doneLine(stage, event, elapsedMs);
					const text = options.verbose ? line : shortHashes(line);
					print(paintSign(`${SIGNS.ok} ${tilde(shown(text), stream)}`, stream));
					hasPrinted = true;
				}
				return;
			}
		}
		if (stage === current() && !(event.type === "output" && !isTerminal)) show(stage);
	};
	return {
		clear,
		end,
		get hasPrinted() {
			return hasPrinted;
		},
		interrupt() {
			isInterrupted = true;
			const { bytes } = stages.get("download") ?? {};
			end();
			if (isTerminal && !options.quiet) draw(styleText("dim", "Stopping. Press Ctrl-C again to quit at once.", { stream }));
			return bytes?.isKept && bytes.totalBytes !== void 0 && bytes.doneBytes > 0 ? `${formatBytes(bytes.doneBytes)} of ${formatBytes(bytes.totalBytes)}` : void 0;
		},
		handle(event) {
			if (event.type === "warning") {
				const message = tilde(shown(event.message), stream);
				print(`${styleText("yellow", "claude-bottle: warning:", { stream })} ${message}`);
			} else if (options.quiet || isInterrupted) return;
			else if (event.type === "note") print(styleText("dim", `  ${tilde(shown(event.message), stream)}`, { stream }));
			else handleStage(event);
		}
	};
}
function wordsOf(stage) {
	const name = `${stage.slice(0, 1).toUpperCase()}${stage.slice(1)}`;
	return WORDS[stage] ?? [name, name];
}
/** `Downloaded  502 MB in 11 s (45 MB/s)`, `Built  claude-bottle:latest in 3.2 s` */
function doneLine({ name, bytes, firstBytes }, { detail, sizeBytes }, elapsedMs) {
	const seconds = elapsedMs / 1e3;
	const size = sizeBytes === void 0 ? [] : [formatBytes(sizeBytes)];
	const received = bytes === void 0 ? 0 : bytes.doneBytes - firstBytes;
	const rate = received > 0 && elapsedMs >= RATE_MINIMUM_MS ? ` (${formatBytes(received / seconds)}/s)` : "";
	const time = elapsedMs < SHOWN_MS ? "" : ` in ${formatDuration(seconds)}${rate}`;
	const details = detail === void 0 ? [] : [detail];
	const parts = bytes === void 0 ? [...details, ...size] : [...size, ...details];
	const [first = "", ...others] = parts;
	const text = bytes === void 0 ? `${parts.join(", ")}${time}` : [`${first}${time}`, ...others].join(", ");
	return `${wordsOf(name)[1].padEnd(STAGE_COLUMNS)} ${text.replace(/^ in /, "")}`.trimEnd();
}
/** How fast bytes came over the last seconds, from the first number on: what was there before did not come now. */
var Rate = class {
	#samples = [];
	add(doneBytes, at) {
		const last = this.#samples.at(-1);
		if (last !== void 0 && doneBytes < last.doneBytes) this.#samples = [];
		const previous = this.#samples.at(-2);
		if (previous !== void 0 && at - previous.at < REDRAW_INTERVAL_MS) this.#samples.pop();
		this.#samples.push({
			doneBytes,
			at
		});
		const behind = this.#samples.findLastIndex((sample) => at - sample.at >= RATE_WINDOW_MS);
		this.#samples.splice(0, behind);
	}
	bytesPerSecond() {
		const [first, last] = [this.#samples[0], this.#samples.at(-1)];
		if (first === void 0 || last === void 0 || last.at - first.at < RATE_MINIMUM_MS) return;
		return (last.doneBytes - first.doneBytes) / ((last.at - first.at) / 1e3);
	}
};
/** The most important ones first. */
function partsOf({ detail, bytes, rate, startedAt }, now) {
	const seconds = (now - startedAt) / 1e3;
	const clock = seconds * 1e3 >= CLOCK_MS ? [formatClock(seconds)] : [];
	if (bytes === void 0) return [...clock, ...detail === "" ? [] : [detail]];
	const { doneBytes, totalBytes, isEstimate } = bytes;
	const bytesPerSecond = rate.bytesPerSecond();
	const speed = bytesPerSecond === void 0 ? [] : [`${formatBytes(bytesPerSecond)}/s`];
	if (totalBytes === void 0 || isEstimate && doneBytes >= totalBytes) return [
		formatBytes(doneBytes),
		...speed,
		...clock
	];
	if (isEstimate) return [
		`${formatBytes(doneBytes)} of about ${formatBytes(totalBytes)}`,
		...speed,
		...clock
	];
	const leftBytes = totalBytes - doneBytes;
	const percent = leftBytes > 0 ? Math.floor(doneBytes / totalBytes * 100) : 100;
	const left = bytesPerSecond && leftBytes > 0 ? [`${formatTime(leftBytes / bytesPerSecond)} left`] : [];
	return [
		`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
		`${percent} %`,
		...speed,
		...left,
		...clock
	];
}
function formatTime(seconds) {
	if (seconds <= 90) return `${Math.ceil(seconds)} s`;
	const minutes = Math.ceil(seconds / 60);
	return minutes <= 90 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
/** Drops what has no room, the stage's name first: half a number is a wrong one. Only what a tool says is cut. */
function fitted(stage, now, columns) {
	const [first = "", ...others] = partsOf(stage, now).map((part) => shortHashes(shown(withoutSpinner(stripVTControlCharacters(part).replaceAll("	", " ")))));
	const whole = `${wordsOf(stage.name)[0].padEnd(STAGE_COLUMNS)} ${first}`.trimEnd();
	let line = cutTo(stage.bytes !== void 0 && whole.length > columns ? first : whole, columns);
	for (const part of others) {
		const room = columns - line.length - 2;
		const text = stage.bytes === void 0 ? cutTo(part, room) : part;
		if (text === "" || text.length > room) break;
		line += `  ${text}`;
	}
	return line;
}
/** A tool's own spinner stands still beside ours. */
function withoutSpinner(text) {
	return text.replace(/^[\u2800-\u28ff] +/, "");
}
/** A character that is not ASCII counts as two columns, the most that it can take. */
function cutTo(text, columns) {
	let width = 0;
	let end = 0;
	for (const char of text) {
		width += char > "~" ? 2 : 1;
		if (width > columns) break;
		end += char.length;
	}
	return text.slice(0, end);
}
// src/cli/output.ts
/** @param flags becomes what the line says once it is parsed */
function terminalOutput(flags) {
	const progress = createProgress(process.stderr, flags);
	let keptBytes;
	outliveReaders();
	const say = (text) => {
		progress.clear();
		process.stderr.write(`${tilde(text, process.stderr)}\n`);
	};
	return {
		onProgress: progress.handle,
		result(value, lines, { isExact = false } = {}) {
			progress.end();
			if (flags.json) {
				process.stdout.write(`${shownJson(value)}\n`);
				return;
			}
			const text = lines.map((line) => `${paintSign(shown(line), process.stdout)}\n`).join("");
			if (progress.hasPrinted && process.stderr.isTTY && process.stdout.isTTY) process.stderr.write("\n");
			process.stdout.write(isExact ? text : tilde(text, process.stdout));
		},
		digest: (text) => flags.verbose ? text : shortHashes(text),
		note(message) {
			if (!flags.quiet) say(`claude-bottle: ${shown(message)}`);
		},
		error(error) {
			progress.end();
			if (flags.json) {
				const { code, exitCode, message, hints, details } = error;
				const failure = {
					code,
					exit: exitCode,
					message,
					try: hints,
					...details.length > 0 && { details }
				};
				process.stdout.write(`${shownJson(failure)}\n`);
			}
			say(errorLines(error, flags.debug).join("\n"));
		},
		interrupt() {
			keptBytes = progress.interrupt();
		},
		interrupted(signal) {
			const stopped = signal === "SIGINT" ? "Interrupted" : `Stopped by ${signal}`;
			const kept = keptBytes === void 0 ? "" : ` ${keptBytes} are kept; run it again to resume.`;
			say(paintSign(`${SIGNS.warn} ${stopped}.${kept}`, process.stderr));
		}
	};
}
function errorLines(error, withStack) {
	const { message, details, hints } = error;
	const color = (style, text) => styleText(style, text, { stream: process.stderr });
	return [
		`${color("red", "claude-bottle: error:")} ${shown(message)}`,
		...details.map((line) => `  | ${shown(line)}`),
		...tryLines(hints).map((line, index) => `  ${index === 0 ? color("cyan", "try:") : "    "} ${shown(line)}`),
		...withStack ? stackOf(error).split("\n").map((line) => `  ${shown(line)}`) : []
	];
}
/** With the comments of several commands in one column. */
function tryLines(hints) {
	const lines = hints.map((line) => line.split(/ {2}(?=# )/));
	const width = Math.max(0, ...lines.map(([command = "", comment]) => comment ? command.length : 0));
	return lines.map(([command = "", comment]) => comment ? `${command.padEnd(width)}  ${comment}` : command);
}
/** The reader of our output may leave, a terminal even with a SIGHUP; the clean-up must go on anyway. */
function outliveReaders() {
	process.stderr.on("error", () => {});
	process.stdout.on("error", (error) => {
		if (!hasErrno(error, "EPIPE", "EIO")) {
			process.stderr.write(`claude-bottle: error: cannot write the result: ${shown(error.message)}\n`);
			process.exitCode = 74;
		}
	});
}
export { tryLines as n, terminalOutput as t };
