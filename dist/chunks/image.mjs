import { t as BottleError } from "./errors.mjs";
import { _ as refine, b as unknown, g as record, i as array, m as optional, p as object, u as nullable, v as string } from "./schemas.mjs";
import { c as runChild, l as streamChild } from "./child.mjs";
import { g as parseImageId, m as isDigest } from "./verify.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { a as ending, c as lastLine, d as spawnDocker, i as dockerEnvironment, l as noSpace, n as cleanUp, o as engineError, r as docker, t as assertSuccess, u as podmanError } from "./command.mjs";
// src/docker/image.ts
/** What an image config's `config` may hold, by the OCI image specification and Docker's additions to it. */
const RUNTIME_KEYS = [...[
	"User",
	"ExposedPorts",
	"Env",
	"Entrypoint",
	"Cmd",
	"Volumes",
	"WorkingDir",
	"Labels",
	"StopSignal"
], ...[
	"ArgsEscaped",
	"Healthcheck",
	"OnBuild",
	"Shell"
]];
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
	if (found === void 0 || !isDigest(found.Id)) {
		const podman = await podmanError();
		if (podman !== void 0) throw podman;
		throw new BottleError("docker-failed", `docker image inspect ${reference} gave an unexpected answer`, {
			hint: "run it by hand and compare; the engine may be too old or not Docker",
			cause: parsed.error
		});
	}
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
/** Undefined when the engine has no such image. */
async function inspectIfThere(reference) {
	try {
		return await inspectImage(reference);
	} catch (error) {
		if (error instanceof BottleError && error.code === "not-found") return;
		throw error;
	}
}
function parseJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return;
	}
}
/** @throws BottleError `usage` when it is not the `wanted` one, or none that a microVM can have */
function guestPlatformOf(image, wanted, isBuilt) {
	const found = [
		image.os,
		image.architecture,
		image.variant
	].filter(Boolean).join("/");
	const platform = GUEST_PLATFORMS.find((known) => known === `${image.os}/${image.architecture}`);
	if (platform === void 0) throw new BottleError("usage", `the image ${image.id} is for ${found}, which no microVM runs`, { hint: `build it for ${GUEST_PLATFORMS.join(" or ")}` });
	if (wanted !== void 0 && wanted !== platform) throw new BottleError("usage", `the image ${image.id} is for ${platform}, not for ${wanted}`, { hint: isBuilt ? "the builder has ignored the platform: install the buildx component of the Docker client" : `build it for ${wanted}, or ask for ${platform}` });
	return platform;
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
/** The part of the engine's answer that belongs into an image config, without what is empty. */
function runtimeConfig(image) {
	const isEmpty = (value) => value === void 0 || value === null || value === "" || value === false || Object.keys(value).length === 0;
	return Object.fromEntries(RUNTIME_KEYS.map((key) => [key, image.config[key]]).filter(([, value]) => !isEmpty(value)));
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
		env: dockerEnvironment({ DOCKER_CONTENT_TRUST: "0" }),
		onLine: (line) => {
			pushed = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(line)?.[1] ?? pushed;
			options.onLine?.(line);
		}
	}));
	if (result.exitCode !== 0 || pushed === void 0 || !isDigest(pushed)) throw new BottleError("registry-failed", `docker push ${reference} failed (${ending(result)})`, {
		hint: noSpace(result.tail) ? "free disk space on the Docker engine" : "see what docker says above, or use hop embedded, which needs no push",
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
	const env = dockerEnvironment();
	const result = await spawnDocker(() => runChild("docker", args, {
		...options,
		env,
		input: archive
	}));
	await assertSuccess(args, result);
}
/** Streams an image, all its layers included, as an image archive. */
async function saveImage(id, consume, options) {
	const args = [
		"image",
		"save",
		id
	];
	const env = dockerEnvironment();
	const result = await spawnDocker(() => streamChild("docker", args, consume, {
		...options,
		env
	}));
	await assertSuccess(args, result);
}
async function pullImage(reference, options) {
	const result = await spawnDocker(() => runChild("docker", [
		"image",
		"pull",
		reference
	], {
		...options,
		env: dockerEnvironment()
	}));
	if (result.exitCode !== 0) throw await engineError(result.tail) ?? new BottleError("registry-failed", `cannot pull ${reference}: ${lastLine(result)}`, { hint: "check the network, or name an image that the engine has with registry-image" });
}
async function removeImage(reference) {
	return await cleanUp([
		"image",
		"rm",
		"--force",
		reference
	]);
}
export { loadImage as a, removeImage as c, tagImage as d, inspectImage as i, runtimeConfig as l, imageHistory as n, pullImage as o, inspectIfThere as r, pushImage as s, guestPlatformOf as t, saveImage as u };
