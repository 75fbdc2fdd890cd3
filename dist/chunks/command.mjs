import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { s as readChild } from "./child.mjs";
// src/docker/command.ts
/** Short commands on the engine end within seconds or not at all. */
const SHORT_TIMEOUT_MS = 6e4;
const CLEAN_UP_TIMEOUT_MS = 5e3;
/** The first one decides what comes out, and the platform is always named; the others have buildx ask git, too. */
const NOT_FOR_DOCKER = /^(DOCKER_DEFAULT_PLATFORM|BUILDX_GIT_\w+)$/;
/**
* The environment of every docker command. Builds take values from it (`--build-arg NAME`, `--secret env=NAME`), so it is
* ours. The output is read by us, and buildx does not ask git about the build context: the settings of a hostile checkout
* would start programs then.
* https://docs.docker.com/build/building/variables/#buildx_git_info
*/
function dockerEnvironment(more = {}) {
	return {
		...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_FOR_DOCKER.test(name))),
		BUILDX_GIT_INFO: "false",
		BUILDKIT_PROGRESS: "plain",
		DOCKER_CLI_HINTS: "false",
		...more
	};
}
/**
* Runs a short docker command and returns its standard output. A `signal` is only for commands that look: what one
* makes on the engine would otherwise appear after we have cleaned up.
*/
async function docker(args, { signal } = {}) {
	const options = {
		timeoutMs: SHORT_TIMEOUT_MS,
		signal,
		env: dockerEnvironment()
	};
	const result = await spawnDocker(() => readChild("docker", args, options));
	await assertSuccess(args, result);
	return result.stdout;
}
async function cleanUp(args) {
	try {
		const options = {
			timeoutMs: CLEAN_UP_TIMEOUT_MS,
			env: dockerEnvironment()
		};
		const result = await readChild("docker", args, options);
		const isGone = result.tail.some((line) => /no such|not found|is already in progress/i.test(line));
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
async function assertSuccess(args, result) {
	if (result.exitCode === 0) return;
	const missing = /no such image: (?<image>\S+)/i.exec(result.tail.join("\n"))?.groups?.image;
	if (missing !== void 0) throw new BottleError("not-found", `the Docker engine has no image ${missing}`, { hint: "build or pull it first, and check the name" });
	throw await engineError(result.tail) ?? new BottleError("docker-failed", `docker ${commandName(args)} failed (${ending(result)})`, {
		hint: hintFor(result.tail, args),
		details: result.tail
	});
}
/** `image inspect`, `info` */
function commandName(args) {
	return /^\S+(?: [a-z]+)?/.exec(args.join(" "))?.[0] ?? "";
}
function hintFor(lines, args) {
	if (noSpace(lines)) return "free disk space on the Docker engine";
	if (lines.some((line) => /context not found/i.test(line))) return "choose a context that docker context ls lists, or unset DOCKER_CONTEXT";
	if (lines.some((line) => /unable to resolve docker endpoint: .*\.pem/i.test(line))) return "name the directory of the certificates for the engine with DOCKER_CERT_PATH, or unset DOCKER_TLS_VERIFY";
	return lines.length === 0 ? `docker ${args.join(" ")}  # shows what is wrong` : "see what docker says above";
}
/** A failure that is about the engine, and not about what it was asked for. */
async function engineError(lines) {
	const details = lines.length > 1 ? lines : [];
	for (const line of lines) {
		if (/permission denied.*(docker daemon|docker API)|docker\.sock.*permission denied/i.test(line)) return new BottleError("docker-not-permitted", `this user may not use the Docker daemon: ${line}`, { hint: "sudo usermod -aG docker \"$USER\"  # adds you to the docker group; then log in again" });
		if (/cannot connect to the docker daemon|failed to connect to the docker API|error during connect/i.test(line)) return new BottleError("docker-unreachable", `cannot reach the Docker daemon: ${line}`, {
			hint: "start Docker, or point DOCKER_HOST at a running one",
			details
		});
		if (/client version \S+ is too (old|new)/i.test(line)) return new BottleError("docker-missing", `the docker command does not fit the engine: ${line}`, {
			hint: process.env.DOCKER_API_VERSION ? "unset DOCKER_API_VERSION" : "update the older of the two; docker version shows both",
			details
		});
	}
	return await podmanError();
}
/** Podman calls itself docker on some systems, and answers differently. Undefined for docker itself. */
async function podmanError() {
	const options = {
		timeoutMs: CLEAN_UP_TIMEOUT_MS,
		env: dockerEnvironment()
	};
	const { stdout } = await readChild("docker", ["--version"], options).catch(() => ({ stdout: "" }));
	return /podman/i.test(stdout) ? new BottleError("docker-missing", `the docker command is podman (${stdout.trim()})`, { hint: "install Docker, and put its docker command before the one of podman on PATH" }) : void 0;
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
export { ending as a, lastLine as c, spawnDocker as d, dockerEnvironment as i, noSpace as l, cleanUp as n, engineError as o, docker as r, engineFacts as s, assertSuccess as t, podmanError as u };
