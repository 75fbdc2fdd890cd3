import { c as setOutput, i as getInput, l as setSecret } from "./chunks/core.mjs";
import { n as EXIT_CODES, r as InterruptedError, t as BottleError } from "./chunks/errors.mjs";
import { s as readChild } from "./chunks/child.mjs";
import { _ as nonEmptyLines, n as report, t as BUG_HINT } from "./chunks/report.mjs";
import { n as createRunnerLog, t as takeVariables } from "./chunks/variables.mjs";
import { join } from "node:path";
// src/action/fetch-step.ts
/** Built from the same sources, beside this step's bundle. */
const CLI = join(import.meta.dirname, "cli.mjs");
/** The inputs of fetch/action.yml that are options of `claude-bottle fetch`. */
const OPTIONS = [
	"context",
	"file",
	"target",
	"image",
	"from",
	"provenance",
	"store"
];
/** `uses: org/claude-bottle-pack/fetch@v1`: runs `claude-bottle fetch`, and hands on what it has fetched. */
async function runFetchStep() {
	const log = createRunnerLog(process.stdout.write.bind(process.stdout));
	const stop = new AbortController();
	for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop.abort(new InterruptedError(signal)));
	try {
		const args = fetchArgs(getInput);
		const token = getInput("github-token");
		if (token !== "") setSecret(token);
		takeVariables(/^(INPUT|ACTIONS)_/);
		const { stdout, exitCode, tail } = await readChild(process.execPath, [CLI, ...args], {
			cwd: process.env.GITHUB_WORKSPACE || ".",
			env: {
				...process.env,
				...token !== "" && { GH_TOKEN: token }
			},
			signal: stop.signal,
			onLine: (line) => log.text(line)
		});
		if (exitCode !== 0) throw failureOf(stdout, tail);
		const { path, sha256, source, bound } = JSON.parse(stdout);
		const outputs = {
			path: path ?? "",
			id: bound?.id16 ?? "",
			sha256,
			source
		};
		for (const [name, value] of Object.entries(outputs)) setOutput(name, value);
		return 0;
	} catch (error) {
		return await report(error, log, stop.signal);
	}
}
/** In one word each, so that no value is taken for an option. */
function fetchArgs(get) {
	const options = OPTIONS.filter((name) => get(name) !== "").map((name) => `--${name}=${get(name)}`);
	const buildArgs = nonEmptyLines(get("build-args"));
	return [
		"fetch",
		"--json",
		...options,
		...buildArgs.map((pair) => `--build-arg=${pair}`)
	];
}
/** With --json the command line prints its error as JSON, too. */
function failureOf(stdout, tail) {
	try {
		const { code, message, try: lines = [], details = [] } = JSON.parse(stdout);
		if (Object.hasOwn(EXIT_CODES, code)) return new BottleError(code, String(message), {
			hint: lines.map(String),
			details
		});
	} catch {}
	return new BottleError("internal", "claude-bottle fetch ended without a result", {
		hint: BUG_HINT,
		details: tail
	});
}
// src/action/fetch.ts
process.exit(await runFetchStep());
export {};
