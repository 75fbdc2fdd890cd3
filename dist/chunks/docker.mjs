import { a as hasErrno, t as BottleError } from "./errors.mjs";
import { a as readChild, i as noteChild, o as runChild, s as streamChild } from "./child.mjs";
import { a as scratchParent, s as withPrivateDir } from "./lock.mjs";
import { i as parseImageId, n as isDigest } from "./image-id.mjs";
import { _ as string, f as object, g as refine, h as record, i as array, l as nullable, p as optional, y as unknown } from "./schemas.mjs";
import { r as parseGuestPlatform } from "./platform.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
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
				...!options.keepsAttestations && { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" }
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
/** The lines that made an image, the newest first, with build arguments and all. */
async function imageHistory(id, signal) {
	return (await docker([
		"image",
		"history",
		"--no-trunc",
		"--format",
		"{{json .CreatedBy}}",
		id
	], { signal })).split("\n").filter((line) => line !== "").map((line) => String(parseJson(line) ?? line));
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
export { removeNetwork as _, engineFacts as a, imageHistory as c, listOwned as d, loadImage as f, removeImage as g, removeContainer as h, docker as i, inspectIfThere as l, pushImage as m, buildImage as n, exportContainer as o, pullImage as p, createContainer as r, guestPlatformOf as s, OWNER_LABEL as t, inspectImage as u, tagImage as v };
