import { a as hasErrno, t as BottleError } from "./errors.mjs";
import { a as readChild } from "./child.mjs";
// src/docker/command.ts
/** Short commands on the engine end within seconds or not at all. */
const SHORT_TIMEOUT_MS = 6e4;
const CLEAN_UP_TIMEOUT_MS = 5e3;
/**
* Runs a short docker command and returns its standard output. A `signal` is only for commands that look: what one
* makes on the engine would otherwise appear after we have cleaned up.
*/
async function docker(args, { signal } = {}) {
	const result = await spawnDocker(() => readChild("docker", args, {
		timeoutMs: SHORT_TIMEOUT_MS,
		signal
	}));
	assertSuccess(args, result);
	return result.stdout;
}
async function cleanUp(args) {
	try {
		const result = await readChild("docker", args, { timeoutMs: CLEAN_UP_TIMEOUT_MS });
		const isGone = result.tail.some((line) => /no such|not found|already in progress/i.test(line));
		return result.exitCode === 0 || isGone ? void 0 : `docker ${args.join(" ")}: ${lastLine(result)}`;
	} catch (error) {
		return `docker ${args.join(" ")}: ${error instanceof Error ? error.message : error}`;
	}
}
async function spawnDocker(spawn) {
	try {
		return await spawn();
	} catch (error) {
		if (hasErrno(error, "ENOENT")) throw new BottleError("docker-missing", "the docker command is not on PATH", {
			hint: "install Docker (https://docs.docker.com/engine/install/) or put it on PATH",
			cause: error
		});
		throw error;
	}
}
function assertSuccess(args, result) {
	if (result.exitCode === 0) return;
	const missing = /.*no such image: (?<image>\S+)/is.exec(result.tail.join("\n"))?.groups?.image;
	if (missing !== void 0) throw new BottleError("not-found", `the Docker engine has no image ${missing}`, { hint: "build or pull it first, and check the name" });
	throw connectionError(result.tail) ?? new BottleError("docker-failed", `docker ${args.slice(0, 2).join(" ")} failed (${ending(result)})`, {
		hint: noSpace(result.tail) ? "free disk space on the Docker engine" : "see what docker says above",
		details: result.tail
	});
}
function connectionError(lines) {
	for (const line of lines) {
		if (/permission denied.*(docker daemon|docker API)|docker\.sock.*permission denied/i.test(line)) return new BottleError("docker-not-permitted", `this user may not use the Docker daemon: ${line}`, { hint: "add the user to the docker group (sudo usermod -aG docker \"$USER\") and log in again" });
		if (/cannot connect to the docker daemon|failed to connect to the docker API/i.test(line)) return new BottleError("docker-unreachable", `cannot reach the Docker daemon: ${line}`, { hint: "start Docker, or point DOCKER_HOST at a running one" });
	}
}
function noSpace(lines) {
	return lines.some((line) => /no space left on device/i.test(line));
}
function ending({ exitCode, signal }) {
	return exitCode === void 0 ? `ended by ${signal}` : `exit code ${exitCode}`;
}
function lastLine(result) {
	return result.tail.at(-1) ?? ending(result);
}
async function engineFacts(signal) {
	const answer = await docker([
		"info",
		"--format",
		"{{.ServerVersion}} {{json .DriverStatus}}"
	], { signal });
	const [version = ""] = answer.split(" ", 1);
	return {
		version,
		store: answer.includes("io.containerd.snapshotter") ? "containerd" : "classic"
	};
}
export { ending as a, noSpace as c, docker as i, spawnDocker as l, cleanUp as n, engineFacts as o, connectionError as r, lastLine as s, assertSuccess as t };
