import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as BottleError } from "./errors.mjs";
import { t as buildArgsSha256 } from "./inputs-key.mjs";
import { a as warnAboutOnlyHere, n as platformOf } from "./build-options.mjs";
// src/cli/key-command.ts
/** `claude-bottle key`: prints the inputs key; with --explain, what it is made of. */
async function runKey(options, output, signal) {
	const { context, file, target, buildArg, explain = false, against } = options;
	const platform = platformOf(options);
	const inputs = await readBuildInputs({
		context,
		file,
		target,
		buildArgs: buildArg,
		platform,
		signal
	});
	await warnAboutOnlyHere(context, inputs, output, signal);
	const { record, entries, reasons } = inputs;
	const { key, narrowed } = record;
	const differences = against === void 0 ? void 0 : await compare(against, inputs, platform, context);
	const summary = {
		...record,
		platform,
		reasons,
		...differences && { differences }
	};
	if (!explain) {
		output.result(summary, [key, ...differences ?? []]);
		return 0;
	}
	const hasBuildArgs = record.buildArgsSha256 !== buildArgsSha256(/* @__PURE__ */ new Map());
	const scope = narrowed ? "what the Dockerfile can see of the context" : "the whole context";
	output.result({
		...summary,
		entries
	}, [
		`key         ${key}`,
		`platform    ${platform}`,
		`dockerfile  ${record.dockerfileSha256.slice(0, 16)}`,
		`target      ${record.target ?? "none"}`,
		`build args  ${hasBuildArgs ? record.buildArgsSha256.slice(0, 16) : "none"}`,
		`covers      ${scope}`,
		...reasons.map((reason) => `because     ${reason}`),
		...(differences ?? []).map((line) => `differs     ${line}`),
		...entries.map(entryLine)
	]);
	return 0;
}
async function compare(path, inputs, platform, context) {
	const [{ differencesFrom }, { readRecord }] = await Promise.all([import("./explain-miss.mjs"), import("./file2.mjs")]);
	const record = await readRecord(path);
	if (record === void 0) throw new BottleError("not-found", `there is no pack record in ${path}`, { hint: "name the .json file beside a sidecar" });
	return await differencesFrom(record, inputs, {
		platform,
		context
	});
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
