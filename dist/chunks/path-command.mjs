import { t as readBuildInputs } from "./build-inputs.mjs";
import { t as BottleError } from "./errors.mjs";
import { d as openStoreDir, m as storeDir, n as findPath } from "./by-key.mjs";
import { n as platformOf } from "./build-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
// src/cli/path-command.ts
/** `claude-bottle path`: for scripts; it looks, and neither asks a source nor reads the sidecar from end to end. */
async function runPath(options, output, signal) {
	const platform = platformOf(options);
	const { context, file, target, buildArg: buildArgs } = options;
	const [{ record }, origin, layout] = await Promise.all([
		readBuildInputs({
			context,
			file,
			target,
			buildArgs,
			platform,
			signal
		}),
		checkoutOrigin(options),
		openStoreDir(storeDir(options.store))
	]);
	const { key } = record;
	const found = await findPath(layout, {
		key,
		platform
	}, { origin });
	if (found === void 0) throw new BottleError("not-found", `the store has no sidecar for this checkout (${platform})`, {
		hint: "claude-bottle fetch",
		details: [`inputs key ${key}`]
	});
	const { path, sha256, sizeBytes } = found;
	output.result({
		key,
		platform,
		path,
		sha256,
		sizeBytes
	}, [path], { isExact: true });
	return 0;
}
export { runPath };
