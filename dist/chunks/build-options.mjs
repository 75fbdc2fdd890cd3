import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as parseImageReference } from "./image-reference.mjs";
import { n as hostGuestPlatform, r as parseGuestPlatform } from "./platform.mjs";
import { t as warningsTo } from "./progress.mjs";
// src/cli/build-options.ts
function platformOf({ platform }) {
	return platform === void 0 ? hostGuestPlatform() : parseGuestPlatform(platform);
}
/** The name under which claude-bottle builds its image. */
function imageName(option) {
	return parseImageReference(option ?? (process.env.CLAUDE_BOTTLE_IMAGE || "claude-bottle:latest"));
}
async function readInputs({ context, file, target, buildArg }, platform, { onProgress }, signal) {
	onProgress({
		type: "start",
		stage: "inputs"
	});
	const inputs = await readBuildInputs({
		context,
		file,
		target,
		buildArgs: buildArg,
		platform,
		signal
	});
	const { key, narrowed } = inputs.record;
	const scope = narrowed ? "" : ", the whole context (claude-bottle key --explain says why)";
	onProgress({
		type: "done",
		stage: "inputs",
		detail: `${platform} ${key.slice(0, 16)}${scope}`
	});
	return inputs;
}
/** Says what is in the build that no other clone has, so that its key is found nowhere else. */
async function warnAboutOnlyHere(context, inputs, { onProgress }) {
	const { onlyHereLines } = await import("./causes2.mjs");
	for (const line of await onlyHereLines({
		context,
		...inputs
	})) warningsTo(onProgress)(`only in this clone: ${line}`);
}
export { warnAboutOnlyHere as i, platformOf as n, readInputs as r, imageName as t };
