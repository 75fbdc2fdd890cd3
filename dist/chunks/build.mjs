import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { a as noteChild, c as runChild } from "./child.mjs";
import { i as withPrivateDir, n as scratchParent } from "./private-dir.mjs";
import { a as ending, d as spawnDocker, i as dockerEnvironment, o as engineError } from "./command.mjs";
import { r as inspectIfThere } from "./image.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/docker/build.ts
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
		...["--platform", options.platform],
		...pairs("--build-arg", options.buildArgs),
		...pairs("--secret", options.secrets),
		...options.extraArgs ?? [],
		"--",
		options.context
	];
}
/**
* Builds an image and returns what was built, never the image that another build has moved the tag to since.
* @throws BottleError `build-failed` with the step and the last 20 lines
*/
async function buildImage(options, { signal, onLine }) {
	return await withPrivateDir(scratchParent(), async (dir) => {
		const run = async (more) => {
			const iidFile = join(dir, "image-id");
			const extraArgs = [...options.extraArgs ?? [], ...more];
			const step = new BuildStep();
			const result = await spawnDocker(() => runChild("docker", dockerBuildArgs({
				...options,
				extraArgs
			}, iidFile), {
				signal,
				onSpawn: noteChild(dir),
				env: dockerEnvironment({
					...options.env,
					...!options.keepsAttestations && { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" }
				}),
				onLine: (line) => {
					step.read(line);
					onLine?.(line);
				}
			}));
			if (result.exitCode !== 0) throw await engineError(result.tail) ?? buildError(result, step);
			return await readImageId(iidFile);
		};
		const writtenId = await run([]);
		const built = await findBuilt(writtenId, options.image);
		if (built !== void 0) return built;
		return await requireLoaded(await run(["--load"]).catch((error) => {
			signal?.throwIfAborted();
			throw new BottleError("build-failed", `docker build made ${writtenId}, and the engine does not have it`, {
				hint: "run it again if another build moved the tag during this one; otherwise choose a builder of this engine: unset BUILDX_BUILDER, or docker buildx use default",
				cause: error
			});
		}), options.image);
	});
}
/** Docker from a snap has a /tmp of its own, and writes the file there. */
async function readImageId(iidFile) {
	try {
		return (await fs.readFile(iidFile, "utf8")).trim();
	} catch (error) {
		throw hasErrno(error, "ENOENT") ? new BottleError("build-failed", `docker build has succeeded, and did not write ${iidFile}`, {
			hint: "point TMPDIR to a directory that the docker command can write to; from a snap it cannot use /tmp",
			cause: error
		}) : error;
	}
}
/**
* With the containerd image store and without attestations, buildx writes the digest of the config, and the engine
* finds no image by that (docker/buildx pull request 3952). Then the tag leads to the image, if it is still ours.
*/
async function findBuilt(writtenId, tag) {
	const built = await inspectIfThere(writtenId) ?? await inspectIfThere(tag);
	return [built?.id, built?.configDigest].includes(writtenId) ? built : void 0;
}
/** The containerd image store gives an image that is handed over an ID of its own, and does not tell its config's. */
async function requireLoaded(writtenId, tag) {
	const built = await findBuilt(writtenId, tag);
	const loaded = built ?? await inspectIfThere(tag);
	if (loaded !== void 0 && (loaded === built || loaded.configDigest === void 0)) return loaded;
	const found = loaded === void 0 ? "the engine does not have it" : `${tag} is ${loaded.id}`;
	throw new BottleError("build-failed", `docker build --load made ${writtenId}, and ${found}`, { hint: "run it again if another build moved the tag during this one; otherwise unset BUILDX_BUILDER" });
}
/** Follows the build output of both builders: "Step 2/5 : RUN …" and "#7 [stage 2/5] RUN …". */
var BuildStep = class {
	#latest;
	read(line) {
		const match = /^Step (?<count>\d+\/\d+) : (?<instruction>.*)/.exec(line) ?? /^ > \[(?<count>[^\]]*\d\/\d+)\] (?<instruction>.*):$/.exec(line);
		if (match?.groups !== void 0) this.#latest = `step ${match.groups.count}, ${match.groups.instruction}`;
	}
	toString() {
		return this.#latest === void 0 ? "" : ` at ${this.#latest}`;
	}
};
function buildError(result, step) {
	const needsBuildKit = result.tail.some((line) => /unknown flag: --secret|requires BuildKit|buildx component is missing/.test(line));
	const isForeign = result.tail.some((line) => /exec format error/i.test(line));
	const isUnseen = result.tail.some((line) => /unable to prepare context: .*(not found|no such file)|failed to read dockerfile: .*no such file/i.test(line));
	return new BottleError("build-failed", `docker build failed${step} (${ending(result)})`, {
		hint: needsBuildKit ? "install the buildx component of the Docker client, because this build needs BuildKit" : isForeign ? "register QEMU first (docker/setup-qemu-action), or build on a machine of that architecture; the build ran a program for another one" : isUnseen ? "build in a directory that the docker command can read; from a snap it reads the home directory alone, and nothing hidden in it" : "fix the Dockerfile or the build context; the last lines of the build are shown above",
		details: result.tail
	});
}
export { buildImage as t };
