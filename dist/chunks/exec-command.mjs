import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { i as requireNotAnothers } from "./bind.mjs";
import { m as storeDir } from "./by-key.mjs";
import { t as Store } from "./store.mjs";
import { n as platformOf, t as imageName } from "./build-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
import { t as fetchAndBind } from "./fetch-command.mjs";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { constants } from "node:os";
// src/cli/exec-command.ts
/** Misses that claude-bottle makes up for: it packs for itself, as it does without us. */
const GOES_ON = [
	66,
	69,
	75
];
/**
* `claude-bottle exec`: fetches, binds, and runs a command in an environment in which a fully cached build keeps its
* image ID. Ends as the command ends.
*/
async function runExec(command, options, { output, signal, releaseSignals }) {
	const [program, ...args] = command;
	if (program === void 0) throw new BottleError("usage", "exec has no command to run", { hint: "claude-bottle exec -- COMMAND [ARGUMENT…]" });
	process.env.BUILDX_NO_DEFAULT_ATTESTATIONS = "1";
	process.env.DOCKER_DEFAULT_PLATFORM = platformOf(options);
	if (options.image !== void 0) process.env.CLAUDE_BOTTLE_IMAGE = options.image;
	try {
		await fetchAndBind({
			...options,
			isStarted: true
		}, silentOnHit(output), signal);
	} catch (error) {
		if (!(error instanceof BottleError) || !GOES_ON.includes(error.exitCode)) throw error;
		output.error(error);
		await requireOwnName(options, output, signal);
		output.note(`going on without a prebuilt sidecar: ${program}`);
	}
	signal.throwIfAborted();
	releaseSignals();
	return await runInForeground(program, args);
}
/** Stages before the first question to a source are not worth a line, because a hit has no others. */
function silentOnHit(output) {
	let isAsking = false;
	return {
		...output,
		onProgress: (event) => {
			isAsking ||= event.type === "start" && event.stage === "find";
			output.onProgress(event.type === "done" && !isAsking ? {
				...event,
				isSilent: true
			} : event);
		}
	};
}
/** claude-bottle starts the file that it finds, no matter who installed it. */
async function requireOwnName(options, output, signal) {
	const { onProgress } = output;
	await requireNotAnothers({
		store: await Store.open(storeDir(options.store), onProgress),
		origin: await checkoutOrigin(options),
		build: {
			...options,
			image: imageName(options.image),
			buildArgs: options.buildArg
		},
		platform: platformOf(options),
		signal,
		onProgress
	});
}
/**
* The command shares our terminal, and gets from it what is typed there (SIGINT, SIGQUIT): that is its business alone.
* A signal that is sent to us alone is passed on.
*/
async function runInForeground(program, args) {
	const child = spawn(program, args, { stdio: "inherit" });
	const ignore = () => {};
	const passOn = (signal) => child.kill(signal);
	const handlers = {
		SIGINT: ignore,
		SIGQUIT: ignore,
		SIGTERM: passOn,
		SIGHUP: passOn
	};
	for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
	try {
		const [exitCode, endedBy] = await once(child, "exit");
		return exitCode ?? 128 + (endedBy === null ? 0 : constants.signals[endedBy]);
	} catch (error) {
		if (hasErrno(error, "ENOENT", "EACCES")) throw new BottleError("not-found", `cannot run ${JSON.stringify(program)}: ${error.message}`, {
			hint: "check the name, and that it is on PATH",
			cause: error
		});
		throw error;
	} finally {
		for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
	}
}
export { runExec };
