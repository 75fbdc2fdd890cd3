import { i as fileError, t as BottleError } from "./errors.mjs";
import { a as readChild, i as noteChild } from "./child.mjs";
import { i as withPrivateDir, n as scratchParent } from "./private-dir.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { a as hintFor, i as reapPackCreate, r as packCreateEnv } from "./pack.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/pack/smoke-test.ts
const STAGE = "smoke-test";
const MACHINE = "smoke-test";
const SHOWN_CHARS = 200;
/** @throws BottleError `usage` for a sidecar that no machine of this host can be made from */
function requireOwnPlatform(platform) {
	const own = hostGuestPlatform();
	if (platform !== own) throw new BottleError("usage", `a smoke test cannot start a machine for ${platform} on ${own}`, { hint: `pack ${platform} on such a machine, or without a smoke test` });
}
/**
* Makes a machine from the sidecar, starts it and runs the test's command in it. The machine ends and all of it is
* removed, whatever happens: its state is in a private directory, which the next run sweeps if this one is killed.
* @throws BottleError `smoke-test-failed`
*/
async function runSmokeTest(sidecar, test, { onProgress, ...options }) {
	onProgress({
		type: "start",
		stage: STAGE
	});
	await withPrivateDir(scratchParent(), async (scratch) => {
		const smolvm = await machineCommand(scratch, {
			...options,
			onLine: (line) => onProgress({
				type: "output",
				stage: STAGE,
				line
			})
		});
		await requireSuccess(smolvm, "create", ["--from", sidecar]);
		await requireSuccess(smolvm, "start", []);
		judge(test, await smolvm("exec", [
			"--",
			"sh",
			"-c",
			test.command
		]));
	}, reapPackCreate);
	onProgress({
		type: "done",
		stage: STAGE
	});
}
/** Runs `smolvm machine`, with all that it writes in `scratch`. */
async function machineCommand(scratch, { smolvm, ...options }) {
	const cwd = join(scratch, "cwd");
	try {
		for (const dir of [cwd, join(scratch, "tmp")]) await fs.mkdir(dir, { mode: 448 });
	} catch (error) {
		throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
	}
	const env = {
		...packCreateEnv(process.env, scratch),
		HOME: scratch
	};
	return async (verb, args) => await readChild(smolvm.path, [
		"machine",
		verb,
		"--name",
		MACHINE,
		...args
	], {
		...options,
		cwd,
		env,
		timeoutHint: "give it more time (timeout), or look for what the command waits for",
		onSpawn: noteChild(scratch)
	});
}
async function requireSuccess(smolvm, verb, args) {
	const result = await smolvm(verb, args);
	if (result.exitCode !== 0) {
		const details = lastLines(result);
		throw new BottleError("smoke-test-failed", `smolvm machine ${verb} failed (${endingOf(result)})`, {
			hint: hintFor(details.join("\n")),
			details
		});
	}
}
function judge({ command, output }, result) {
	const failure = (what, hint) => new BottleError("smoke-test-failed", `the smoke test ${quoted(command)} ${what}`, {
		hint,
		details: lastLines(result)
	});
	if (result.exitCode !== 0) throw failure(`failed (${endingOf(result)})`, "run the same command with docker run to see whether the image is at fault");
	if (output !== void 0 && !result.stdout.includes(output)) throw failure(`did not print ${quoted(output)}`, "correct the image or the expected output");
}
function endingOf({ exitCode, signal }) {
	return exitCode === void 0 ? `ended by ${signal}` : `exit code ${exitCode}`;
}
function quoted(text) {
	return JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}
function lastLines({ stdout, tail }) {
	return [...stdout.split("\n").filter((line) => line.trim() !== "").slice(-20), ...tail];
}
export { runSmokeTest as n, requireOwnPlatform as t };
