import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as BottleError } from "./errors.mjs";
import { a as openStoreDir, c as storeDir, t as findKept } from "./kept.mjs";
import { n as platformOf } from "./build-options.mjs";
// src/cli/path-command.ts
/** `claude-bottle path`: for scripts; it looks, and neither asks a source nor reads the sidecar from end to end. */
async function runPath(options, output, signal) {
	const platform = platformOf(options);
	const { context, file, target, buildArg: buildArgs } = options;
	const { record } = await readBuildInputs({
		context,
		file,
		target,
		buildArgs,
		platform,
		signal
	});
	const kept = await findKept(await openStoreDir(storeDir(options.store)), record.key, platform);
	if (kept === void 0) throw new BottleError("not-found", `no sidecar in the store for ${platform} and the inputs key ${record.key}`, { hint: "get it with claude-bottle fetch, or pack it with claude-bottle pack" });
	const { path, sha256, sizeBytes } = kept;
	output.result({
		key: record.key,
		platform,
		path,
		sha256,
		sizeBytes
	}, [path]);
	return 0;
}
export { runPath };
