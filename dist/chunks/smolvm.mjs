import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { d as withPrivateDir, f as isAlive, l as scratchParent, m as pidOf, p as ownerOf } from "./store.mjs";
import { E as parseImageId, d as object, f as optional, g as unknown, h as string, m as refine, o as array, p as record, u as nullable, w as isDigest } from "./verify.mjs";
import { r as parseGuestPlatform } from "./platform.mjs";
import { t as isOlder } from "./version.mjs";
import { stripVTControlCharacters } from "node:util";
import { spawn } from "node:child_process";
import { constants, writeFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { readFile, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
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
	for (const name of await readdir("/proc")) {
		const pid = Number(name);
		if (Number.isInteger(pid) && pid !== process.pid && (await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")).includes(dir)) await endProcess(pid);
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
		env: options.env,
		stdio: [
			"pipe",
			"pipe",
			"pipe"
		],
		detached: true
	});
	if (child.pid !== void 0) try {
		options.onSpawn?.(child.pid);
	} catch (error) {
		killGroup(child.pid, "SIGKILL");
		throw error;
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
function killGroup(pid, signal) {
	if (pid !== void 0) kill(-pid, signal);
}
function kill(pid, signal) {
	try {
		process.kill(pid, signal);
	} catch {}
}
/** Cuts output into lines. What a carriage return ends is progress, soon overwritten: passed on, not kept. */
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
			const segments = ((this.#partial.get(stream) ?? "") + text).split(/(?<=\r\n|\r|\n)/);
			const last = segments.at(-1) ?? "";
			const isPartial = !/[\r\n]$/.test(last) && last.length <= MAX_LINE_CHARS;
			this.#partial.set(stream, isPartial ? last : "");
			for (const segment of isPartial ? segments.slice(0, -1) : segments) this.#add(segment);
		});
	}
	finish() {
		for (const rest of this.#partial.values()) this.#add(rest);
		this.#partial.clear();
		return this.tail;
	}
	#add(segment) {
		const line = printable(segment).slice(0, MAX_LINE_CHARS).trimEnd();
		if (line === "") return;
		if (!segment.endsWith("\r")) {
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
// src/pack/docker.ts
/** Our containers and networks carry their owner (host/owner.ts) under this label, so that a sweep finds them. */
const OWNER_LABEL = "dev.claude-bottle.pack.owner";
/** Short commands on the engine end within seconds or not at all. */
const SHORT_TIMEOUT_MS = 6e4;
const CLEAN_UP_TIMEOUT_MS = 5e3;
function dockerBuildArgs(options, iidFile) {
	const pairs = (flag, values = []) => values.flatMap((value) => [flag, value]);
	const optional = (flag, value) => value === void 0 ? [] : [flag, value];
	return [
		"build",
		"--force-rm",
		...["--tag", options.image],
		...["--iidfile", iidFile],
		...optional("--file", options.file),
		...optional("--target", options.target),
		...optional("--platform", options.platform),
		...pairs("--build-arg", options.buildArgs),
		...pairs("--secret", options.secrets),
		...options.extraArgs ?? [],
		"--",
		options.context
	];
}
/**
* Builds an image and returns what was built, never what another build has moved the tag to meanwhile.
* @throws BottleError `build-failed` with the step and the last 20 lines
*/
async function buildImage(options, { signal, onLine }) {
	return await withPrivateDir(scratchParent(), async (dir) => {
		const iidFile = join(dir, "image-id");
		const step = new BuildStep();
		const result = await spawnDocker(() => runChild("docker", dockerBuildArgs(options, iidFile), {
			signal,
			onSpawn: noteChild(dir),
			env: {
				...process.env,
				...options.env,
				BUILDX_NO_DEFAULT_ATTESTATIONS: "1"
			},
			onLine: (line) => {
				step.read(line);
				onLine?.(line);
			}
		}));
		if (result.exitCode !== 0) throw connectionError(result.tail) ?? buildError(result, step);
		return await inspectBuilt((await fs.readFile(iidFile, "utf8")).trim(), options.image);
	});
}
/**
* With the containerd image store and without attestations, buildx writes the digest of the config, and the engine
* finds no image by that (docker/buildx pull request 3952). Then the tag leads to the image, if it is still ours.
*/
async function inspectBuilt(writtenId, tag) {
	const built = await inspectIfThere(writtenId) ?? await inspectIfThere(tag);
	if (built === void 0) throw new BottleError("build-failed", `docker build made ${writtenId}, but the engine does not have it`, { hint: "this builder keeps what it builds: unset BUILDX_BUILDER, or have it load what it builds (--load)" });
	if (![built.id, built.configDigest].includes(writtenId)) throw new BottleError("build-failed", `docker build made ${writtenId}, but ${tag} is ${built.id}`, { hint: "run it again if another build moved the tag meanwhile; otherwise update Docker to 28 or newer" });
	return built;
}
/** Undefined when the engine has no such image. */
async function inspectIfThere(reference) {
	try {
		return await inspectImage(reference);
	} catch (error) {
		if (error instanceof BottleError && error.code === "not-found") return;
		throw error;
	}
}
/** Follows the build output of both builders: "Step 2/5 : RUN …" and "#7 [stage 2/5] RUN …". */
var BuildStep = class {
	#latest;
	read(line) {
		const match = /^Step (?<count>\d+\/\d+) : (?<instruction>.*)/.exec(line) ?? /^ > \[(?<count>[^\]]*\d+\/\d+)\] (?<instruction>.*):$/.exec(line);
		if (match?.groups !== void 0) this.#latest = `step ${match.groups.count}, ${match.groups.instruction}`;
	}
	toString() {
		return this.#latest === void 0 ? "" : ` at ${this.#latest}`;
	}
};
function buildError(result, step) {
	const needsBuildKit = result.tail.some((line) => /unknown flag: --secret|requires BuildKit|buildx component is missing/.test(line));
	const isForeign = result.tail.some((line) => /exec format error/i.test(line));
	return new BottleError("build-failed", `docker build failed${step} (${ending(result)})`, {
		hint: needsBuildKit ? "build secrets need BuildKit: install the buildx component of the Docker client" : isForeign ? "a program for another architecture was run: register QEMU first (docker/setup-qemu-action), or build on such a machine" : "mend the Dockerfile or its context; the last lines of the build are above",
		details: result.tail
	});
}
const digest = string().check(refine(isDigest));
const optionalText = optional(nullable(string()));
/** BuildKit notes the config's digest in the descriptor of an image that it exports, though not in an index's. */
const CONFIG_DIGEST_ANNOTATION = "config.digest";
/** The part of `docker image inspect` that we use; Descriptor is there with the containerd image store only. */
const inspectSchema = array(object({
	Id: string(),
	Os: string(),
	Architecture: string(),
	Variant: optionalText,
	Created: optionalText,
	Author: optionalText,
	Config: nullable(record(string(), unknown())),
	RootFS: object({ Layers: optional(nullable(array(digest))) }),
	Descriptor: optional(nullable(object({
		digest,
		annotations: optional(object({ [CONFIG_DIGEST_ANNOTATION]: optional(digest) }))
	})))
}));
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
/** @throws BottleError `not-found` when the engine has no such image */
async function inspectImage(reference, signal) {
	const stdout = await docker([
		"image",
		"inspect",
		"--",
		reference
	], { signal });
	const parsed = inspectSchema.safeParse(parseJson(stdout));
	const found = parsed.data?.[0];
	if (found === void 0) throw new BottleError("docker-failed", `docker image inspect ${reference} answered something unknown`, {
		hint: "run it by hand and compare; the engine may be too old or not Docker",
		cause: parsed.error
	});
	const id = parseImageId(found.Id);
	const hasContainerdStore = found.Descriptor?.digest === id;
	const annotated = found.Descriptor?.annotations?.[CONFIG_DIGEST_ANNOTATION];
	return {
		id,
		configDigest: hasContainerdStore ? annotated : id,
		manifestDigest: hasContainerdStore ? id : void 0,
		layers: found.RootFS.Layers ?? [],
		os: found.Os,
		architecture: found.Architecture,
		variant: found.Variant || void 0,
		created: found.Created || void 0,
		author: found.Author || void 0,
		config: found.Config ?? {}
	};
}
/** @throws BottleError `usage` when it is not the `wanted` one, or none that a microVM can have */
function guestPlatformOf(image, wanted, isBuilt) {
	const platform = parseGuestPlatform(`${image.os}/${image.architecture}`);
	if (wanted !== void 0 && wanted !== platform) throw new BottleError("usage", `the image ${image.id} is for ${platform}, not for ${wanted}`, { hint: isBuilt ? "the builder has ignored the platform: install the buildx component of the Docker client" : `build it for ${wanted}, or ask for ${platform}` });
	return platform;
}
function parseJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return;
	}
}
async function tagImage(source, target) {
	await docker([
		"image",
		"tag",
		source,
		target
	]);
}
/** Pushes a tag and returns the digest of the manifest that the registry accepted. */
async function pushImage(reference, options) {
	let pushed;
	const result = await spawnDocker(() => runChild("docker", [
		"image",
		"push",
		reference
	], {
		...options,
		onLine: (line) => {
			pushed = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(line)?.[1] ?? pushed;
			options.onLine?.(line);
		}
	}));
	if (result.exitCode !== 0 || pushed === void 0 || !isDigest(pushed)) throw new BottleError("registry-failed", `docker push ${reference} failed (${ending(result)})`, {
		hint: noSpace(result.tail) ? "free disk space on the Docker engine" : "look at the lines above; hop embedded needs no push",
		details: result.tail.filter((line) => !/: Retrying in \d+ seconds?$/.test(line))
	});
	return pushed;
}
/** Hands an image archive (`docker save`'s format) to the engine. */
async function loadImage(archive, options) {
	const args = [
		"image",
		"load",
		"--quiet"
	];
	assertSuccess(args, await spawnDocker(() => runChild("docker", args, {
		...options,
		input: archive
	})));
}
async function pullImage(reference, options) {
	const result = await spawnDocker(() => runChild("docker", [
		"image",
		"pull",
		reference
	], options));
	if (result.exitCode !== 0) throw connectionError(result.tail) ?? new BottleError("registry-failed", `cannot pull ${reference}: ${lastLine(result)}`, { hint: "check the network, or name an image that the engine has with registry-image" });
}
/** A container that never runs, only to be exported. */
async function createContainer(image, { name, owner, platform }) {
	await docker([
		...[
			"container",
			"create",
			"--pull",
			"never",
			"--name",
			name,
			"--label",
			`${OWNER_LABEL}=${owner}`
		],
		...[
			"--network",
			"none",
			"--platform",
			platform,
			image
		],
		"never-run"
	]);
	const [created = "", size = ""] = (await docker([
		"container",
		"inspect",
		"--size",
		"--format",
		"{{.Created}} {{.SizeRootFs}}",
		name
	])).trim().split(" ");
	return {
		createdSeconds: Math.floor(Date.parse(created) / 1e3),
		sizeBytes: Number(size)
	};
}
/** Streams the file system of a container as a tar. */
async function exportContainer(container, consume, options) {
	const args = [
		"container",
		"export",
		container
	];
	assertSuccess(args, await spawnDocker(() => streamChild("docker", args, consume, options)));
}
/**
* Removes what is there of the named containers, their anonymous volumes included. Cleaning up must neither
* hang nor hide the error that led to it: it is bounded, and it returns what went wrong as a sentence.
*/
async function removeContainer(name) {
	return await cleanUp([
		"container",
		"rm",
		"--force",
		"--volumes",
		name
	]);
}
async function removeNetwork(name) {
	return await cleanUp([
		"network",
		"rm",
		name
	]);
}
async function removeImage(reference) {
	return await cleanUp([
		"image",
		"rm",
		"--force",
		reference
	]);
}
async function cleanUp(args) {
	try {
		const result = await readChild("docker", args, { timeoutMs: CLEAN_UP_TIMEOUT_MS });
		const isGone = result.tail.some((line) => /no such|not found/i.test(line));
		return result.exitCode === 0 || isGone ? void 0 : `docker ${args.join(" ")}: ${lastLine(result)}`;
	} catch (error) {
		return `docker ${args.join(" ")}: ${error instanceof Error ? error.message : error}`;
	}
}
/** The names of our containers or networks, with their owners. */
async function listOwned(kind, signal) {
	const all = kind === "container" ? ["--all"] : [];
	const format = `{{.ID}} {{.Label "${OWNER_LABEL}"}}`;
	return (await docker([
		kind,
		"ls",
		...all,
		"--filter",
		`label=${OWNER_LABEL}`,
		"--format",
		format
	], { signal })).split("\n").filter((line) => line !== "").map((line) => {
		const [id = "", owner = ""] = line.split(" ");
		return {
			id,
			owner
		};
	});
}
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
// src/pack/smolvm.ts
const PROBE_TIMEOUT_MS = 3e4;
const MINIMUM_VERSION = "1.1.3";
const RECOMMENDED_VERSION = "1.8.3";
/** These releases were built against a newer glibc than the rest (smolvm issue 636). */
const NEEDS_GLIBC_2_39 = [
	"1.2.0",
	"1.6.0",
	"1.6.1"
];
/** What 1.8.3 and later allow anyway; before, from 1.6.0 on, 4 GiB without this variable. */
const EXPORT_CAP = "64GiB";
/** Finds smolvm on PATH (or takes `path`) and asks for its version and options. */
async function findSmolvm(path) {
	const executable = path ?? await findOnPath("smolvm");
	if (executable === void 0) throw new BottleError("smolvm-missing", "smolvm is not on PATH", { hint: `install smolvm ${RECOMMENDED_VERSION} or later (https://github.com/smol-machines/smolvm/releases)` });
	const versionText = await probe(executable, ["--version"]);
	const version = /^smolvm (\d+\.\d+\.\d+)/m.exec(versionText)?.[1];
	if (version === void 0) throw new BottleError("smolvm-unsupported", `${executable} --version answered ${JSON.stringify(versionText.slice(0, 200))}, not "smolvm X.Y.Z"`, { hint: "put the real smolvm first on PATH" });
	const help = await probe(executable, [
		"pack",
		"create",
		"--help"
	]);
	return {
		path: executable,
		version,
		flags: new Set(help.match(/--[a-z][a-z-]+/g))
	};
}
async function probe(executable, args) {
	try {
		const result = await readChild(executable, args, { timeoutMs: PROBE_TIMEOUT_MS });
		if (result.exitCode === 0) return result.stdout;
		throw new BottleError("smolvm-unsupported", `${executable} ${args.join(" ")} failed`, {
			hint: "run it by hand; smolvm may be too old, or its libraries missing",
			details: result.tail
		});
	} catch (error) {
		if (hasErrno(error, "ENOENT", "EACCES")) throw new BottleError("smolvm-missing", `cannot run ${executable}`, {
			hint: "install smolvm, or make that file executable",
			cause: error
		});
		throw error;
	}
}
async function findOnPath(name) {
	for (const dir of (process.env.PATH ?? "").split(delimiter)) {
		const candidate = join(dir, name);
		const isExecutable = await fs.access(candidate, constants.X_OK).then(() => true, () => false);
		if (dir !== "" && isExecutable) return candidate;
	}
}
/**
* What is known of a smolvm version.
* @param glibc the machine's glibc, undefined where there is none (macOS, musl)
*/
function judgeVersion(version, glibc) {
	if (isOlder(version, MINIMUM_VERSION)) return { refusal: `smolvm ${version} is older than ${MINIMUM_VERSION}: it loses deletions and file owners of image layers` };
	if (NEEDS_GLIBC_2_39.includes(version) && glibc !== void 0 && isOlder(glibc, "2.39")) return { refusal: `smolvm ${version} needs glibc 2.39, this machine has ${glibc}` };
	if (isOlder(version, RECOMMENDED_VERSION)) return { warning: `smolvm ${version} is older than ${RECOMMENDED_VERSION}: images over 4 GiB may fail to pack, and its packs may lose file owners` };
	return {};
}
function glibcVersion() {
	return (process.report?.getReport())?.header?.glibcVersionRuntime;
}
/** @throws BottleError `smolvm-unsupported` for a version that cannot pack correctly on this machine */
function requireSupported(smolvm, onWarning) {
	const { refusal, warning } = judgeVersion(smolvm.version, glibcVersion());
	if (refusal !== void 0) throw new BottleError("smolvm-unsupported", refusal, { hint: `install smolvm ${RECOMMENDED_VERSION} or later` });
	if (warning !== void 0) onWarning(warning);
}
const KVM_DEVICE = "/dev/kvm";
const KVM_RULE = "KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0666\", OPTIONS+=\"static_node=kvm\"";
const KVM_RULE_FILE = "/etc/udev/rules.d/99-kvm4all.rules";
const UDEV_LINE = `echo '${KVM_RULE}' | sudo tee ${KVM_RULE_FILE} && sudo udevadm control --reload-rules && sudo udevadm trigger --name-match=kvm`;
/**
* smolvm starts a builder VM: on Linux through /dev/kvm, on macOS through the Hypervisor framework.
* @throws BottleError `kvm-unavailable`
*/
async function requireVirtualization(kvmDevice = KVM_DEVICE) {
	if (process.platform === "darwin") {
		if ((await readChild("sysctl", ["-n", "kern.hv_support"], { timeoutMs: PROBE_TIMEOUT_MS })).stdout.trim() !== "1") throw new BottleError("kvm-unavailable", "this Mac offers no Hypervisor framework (kern.hv_support)", { hint: "pack on a Mac that is not itself a virtual machine, and bring the file here" });
		return;
	}
	try {
		await (await fs.open(kvmDevice, constants.O_RDWR)).close();
	} catch (error) {
		if (hasErrno(error, "EACCES", "EPERM")) throw new BottleError("kvm-unavailable", `this user may not open ${kvmDevice}`, {
			hint: `allow it: ${UDEV_LINE}`,
			cause: error
		});
		throw new BottleError("kvm-unavailable", `this machine has no usable ${kvmDevice}`, {
			hint: "pack on a machine with KVM (GitHub: ubuntu-latest x64), and bring the file here",
			cause: error
		});
	}
}
function packCreateArgs(smolvm, options) {
	const whereKnown = (flag, value) => smolvm.flags.has(flag) ? [flag, value] : [];
	const { cpus, memMib } = options;
	return [
		...[
			"pack",
			"create",
			"--image",
			options.reference,
			"--output",
			options.output
		],
		...whereKnown("--oci-platform", options.platform),
		...whereKnown("--staging-dir", join(options.scratch, "staging")),
		...cpus === void 0 ? [] : ["--cpus", String(cpus)],
		...memMib === void 0 ? [] : ["--mem", String(memMib)]
	];
}
/** smolvm's environment: all it writes stays in `scratch`, and its guest reaches the loopback of this host. */
function packCreateEnv(env, scratch) {
	const { SMOLVM_PUBLISH_ADDR: _publish, SMOLVM_GUEST_HOST_SERVICE: _service, SMOLVM_DATA_DIR: _data, SMOLVM_PACK_STAGING: _staging, ...rest } = env;
	return {
		SMOLVM_FILE_TRANSFER_MAX_BYTES: EXPORT_CAP,
		...rest,
		TMPDIR: join(scratch, "tmp"),
		XDG_CACHE_HOME: scratch
	};
}
/**
* Runs `smolvm pack create` and returns the sidecar. Its exit code says that it wrote one, not that the file is
* good: verify it.
*/
async function packCreate(smolvm, options) {
	const { scratch } = options;
	const cwd = join(scratch, "cwd");
	try {
		for (const dir of [
			cwd,
			join(scratch, "tmp"),
			join(scratch, "staging")
		]) await fs.mkdir(dir, { mode: 448 });
	} catch (error) {
		throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
	}
	try {
		const result = await runChild(smolvm.path, packCreateArgs(smolvm, options), {
			cwd,
			env: packCreateEnv(process.env, scratch),
			signal: options.signal,
			timeoutMs: options.timeoutMs,
			...options.onLine === void 0 ? {} : { onLine: options.onLine },
			timeoutHint: "give it more time (timeout), or look for what it waits for",
			onSpawn: noteChild(scratch)
		});
		if (result.exitCode !== 0) {
			const ending = result.exitCode === void 0 ? `ended by ${result.signal}` : `exit code ${result.exitCode}`;
			throw new BottleError("pack-failed", `smolvm pack create failed (${ending})`, {
				hint: packHint(result.tail),
				details: result.tail
			});
		}
	} finally {
		await reapPackCreate(scratch);
	}
	const path = `${options.output}.smolmachine`;
	const sizeBytes = (await fs.stat(path).catch(() => void 0))?.size;
	if (!sizeBytes) throw new BottleError("pack-failed", `smolvm pack create ended with exit code 0, but ${sizeBytes === 0 ? "its sidecar is empty" : "it has written no sidecar"}: ${path}`, { hint: `try smolvm ${RECOMMENDED_VERSION} or later` });
	await fs.rm(options.output, { force: true });
	return {
		path,
		sizeBytes
	};
}
function packHint(lines) {
	const text = lines.join("\n");
	if (/no space left|disk full|ENOSPC/i.test(text)) return "free some disk space, or name a larger disk with TMPDIR";
	if (/kvm permission denied/i.test(text)) return `allow this user to open ${KVM_DEVICE}: ${UDEV_LINE}`;
	if (/kvm not available/i.test(text)) return "pack on a machine with KVM, and bring the file here";
	if (/exceeding the \d+ byte cap/.test(text)) return `install smolvm ${RECOMMENDED_VERSION} or later, which packs images over 4 GiB`;
	return "see what smolvm says above; `claude-bottle doctor` checks the machine";
}
/**
* Ends what a `smolvm pack create` in `scratch` has left running: smolvm has no signal handlers, so its builder VM,
* a child with a session of its own, outlives it. A process is known by `scratch` in its arguments or environment:
* its pid alone may by now be another's.
*/
async function reapPackCreate(scratch) {
	await endNotedChild(scratch);
	const vms = join(scratch, "smolvm", "vms");
	const names = await fs.readdir(vms).catch((error) => {
		if (hasErrno(error, "ENOENT")) return [];
		throw fileError(`cannot read ${vms}`, error);
	});
	for (const name of names) {
		const pid = Number((await readIfThere(join(vms, name, "agent.pid")))?.split("\n")[0]);
		if (Number.isInteger(pid) && pid > 1 && (await describeProcess(pid)).includes(scratch)) await endProcess(pid);
	}
}
async function readIfThere(path) {
	return await fs.readFile(path, "utf8").catch(() => void 0);
}
async function describeProcess(pid) {
	if (process.platform === "linux") {
		const [args, env] = await Promise.all(["cmdline", "environ"].map((name) => readIfThere(`/proc/${pid}/${name}`)));
		return `${args}${env}`;
	}
	return (await readChild("ps", [
		"eww",
		"-o",
		"command=",
		"-p",
		String(pid)
	])).stdout;
}
export { pushImage as C, tagImage as D, removeNetwork as E, endProcessesIn as O, pullImage as S, removeImage as T, guestPlatformOf as _, glibcVersion as a, listOwned as b, reapPackCreate as c, OWNER_LABEL as d, buildImage as f, exportContainer as g, engineFacts as h, findSmolvm as i, readChild as k, requireSupported as l, docker as m, KVM_RULE as n, judgeVersion as o, createContainer as p, KVM_RULE_FILE as r, packCreate as s, KVM_DEVICE as t, requireVirtualization as u, inspectIfThere as v, removeContainer as w, loadImage as x, inspectImage as y };
