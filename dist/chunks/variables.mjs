import { n as error, s as notice, u as warning } from "./core.mjs";
import { i as shown } from "./shown-text.mjs";
import { t as formatBytes } from "./disk.mjs";
import { randomBytes } from "node:crypto";
// src/action/log.ts
const STAGE_COLUMNS = 8;
/** A line break could begin one with the text behind it. */
const MAYBE_COMMAND = /::|##\[|[\r\n\u0085\u2028\u2029]/;
/**
* The runner's log: a group for each stage. The runner looks for commands in every line that we print, also in the
* middle of one (`##[set-output …]`), so a line that could be one is printed between `::stop-commands::<token>` and
* `::<token>::`, with a token that nobody can know beforehand.
*/
function createRunnerLog(write) {
	let token;
	/** The stage at work; its group is opened with the first line in it. */
	let stage;
	let inGroup = false;
	const startedAt = /* @__PURE__ */ new Map();
	let times = [];
	const obeyCommands = () => {
		if (token !== void 0) {
			write(`::${token}::\n`);
			token = void 0;
		}
	};
	const openGroup = () => {
		if (stage !== void 0 && !inGroup) {
			write(`::group::${stage.slice(0, 1).toUpperCase()}${stage.slice(1)}\n`);
			inGroup = true;
		}
	};
	const closeGroup = () => {
		obeyCommands();
		if (inGroup) write("::endgroup::\n");
		stage = void 0;
		inGroup = false;
	};
	/** Spares the two lines around what could not be a command. */
	const text = (line) => {
		openGroup();
		if (MAYBE_COMMAND.test(line) && token === void 0) {
			token = randomBytes(16).toString("hex");
			write(`::stop-commands::${token}\n`);
		}
		write(`${shown(line)}\n`);
	};
	const annotate = (command) => (title, message, hints = []) => {
		obeyCommands();
		command([message, ...hints.map((hint) => `try: ${hint}`)].map(shown).join("\n"), { title: shown(title) });
	};
	const warning$1 = annotate(warning);
	return {
		text,
		command(line) {
			obeyCommands();
			write(line);
		},
		closeGroup,
		notice: annotate(notice),
		warning: warning$1,
		error: annotate(error),
		takeTimes() {
			const taken = times;
			times = [];
			return taken;
		},
		onProgress(event) {
			switch (event.type) {
				case "start":
					closeGroup();
					startedAt.set(event.stage, performance.now());
					stage = event.stage;
					if (event.detail !== void 0) text(event.detail);
					break;
				case "output":
					text(event.line);
					break;
				case "done": {
					closeGroup();
					const seconds = (performance.now() - (startedAt.get(event.stage) ?? performance.now())) / 1e3;
					times.push({
						stage: event.stage,
						seconds,
						sizeBytes: event.sizeBytes
					});
					const size = event.sizeBytes === void 0 ? "" : formatBytes(event.sizeBytes);
					const columns = [
						event.stage.padEnd(STAGE_COLUMNS),
						`${seconds.toFixed(1)} s`.padStart(8),
						size.padStart(8)
					];
					text([...columns, event.detail ?? ""].join("  ").trimEnd());
					obeyCommands();
					break;
				}
				case "note":
					text(event.message);
					break;
				case "warning": warning$1("claude-bottle-pack", event.message);
			}
		}
	};
}
// src/action/variables.ts
/** Takes variables out of the environment that docker and smolvm inherit, and returns them. */
function takeVariables(names) {
	const taken = {};
	for (const [name, value] of Object.entries(process.env)) if (names.test(name) && value !== void 0) {
		taken[name] = value;
		delete process.env[name];
	}
	return taken;
}
export { createRunnerLog as n, takeVariables as t };
