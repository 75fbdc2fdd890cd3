import { t as BottleError } from "./errors.mjs";
import { i as noteChild, o as runChild } from "./child.mjs";
import { c as withPrivateDir, o as scratchParent } from "./lock.mjs";
import { a as ending, l as spawnDocker, r as connectionError } from "./command.mjs";
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
export { buildImage as t };
