import { t as readBuildInputs } from "./build-inputs.mjs";
import { n as hostGuestPlatform, r as parseGuestPlatform } from "./platform.mjs";
import { i as visible } from "./footer.mjs";
// src/cli/key-command.ts
/** `claude-bottle key`: prints the inputs key; with --explain, what it is made of. */
async function runKey({ context, file, target, buildArg, platform: wanted, explain = false }, output, signal) {
	const platform = wanted === void 0 ? hostGuestPlatform() : parseGuestPlatform(wanted);
	const { key, entriesSha256, entries, narrowed, reasons } = await readBuildInputs({
		context,
		file,
		target,
		buildArgs: buildArg,
		platform,
		signal
	});
	const summary = {
		key,
		platform,
		entriesSha256,
		narrowed,
		reasons
	};
	if (!explain) {
		output.result(summary, [key]);
		return 0;
	}
	const scope = narrowed ? "what the Dockerfile can see of the context" : "the whole context";
	output.result({
		...summary,
		entries
	}, [
		`key         ${key}`,
		`platform    ${platform}`,
		`covers      ${scope}`,
		...reasons.map((reason) => `because     ${visible(reason)}`),
		...entries.map((entry) => visible(entryLine(entry)))
	]);
	return 0;
}
function entryLine(entry) {
	switch (entry.type) {
		case "directory": return `directory   ${entry.path}/`;
		case "symlink": return `symlink     ${entry.path} -> ${entry.linkTarget}`;
		case "file": return [
			entry.executable ? "executable " : "file       ",
			entry.path,
			entry.sha256.slice(0, 16),
			...entry.specialBits ?? []
		].join(" ");
	}
}
export { runKey };
