import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as parseImageReference } from "./image-reference.mjs";
import { n as hostGuestPlatform, r as parseGuestPlatform } from "./platform.mjs";
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
export { platformOf as n, readInputs as r, imageName as t };
