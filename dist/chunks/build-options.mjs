import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as BottleError } from "./errors.mjs";
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
/** With a value of its own in the inputs key, or decided here. */
const HAS_OPTION = /^(--build-arg|--target|--file|--platform)(=|$)|^-f/;
const CHANGES_IMAGE = /^(--build-context|--iidfile|--output)(=|$)|^-o/;
/**
* A sidecar is found by its inputs key and named after an image, so the image must be the one of that key.
* @param extraArgs for docker build, from behind `--`
* @throws BottleError `usage`
*/
function requireImageOfKey(extraArgs = []) {
	for (const argument of extraArgs) {
		const hasOption = HAS_OPTION.test(argument);
		if (hasOption || CHANGES_IMAGE.test(argument)) throw new BottleError("usage", `${argument} behind -- would build another image than the inputs key is for`, { hint: hasOption ? "put it before the --" : "leave it out, or pack your own: claude-bottle pack" });
	}
}
/** Says what is in the build that no other clone has, so that its key is found nowhere else. */
async function warnAboutOnlyHere(context, inputs, { onProgress }, signal) {
	const { onlyHereLines } = await import("./causes2.mjs");
	for (const line of await onlyHereLines({
		context,
		...inputs,
		signal
	})) warningsTo(onProgress)(`only in this clone: ${line}`);
}
export { warnAboutOnlyHere as a, requireImageOfKey as i, platformOf as n, readInputs as r, imageName as t };
