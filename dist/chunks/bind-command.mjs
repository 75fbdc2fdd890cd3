import { t as bindSidecar } from "./bind.mjs";
import { t as BottleError } from "./errors.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { c as storeDir } from "./kept.mjs";
import { t as Store } from "./store.mjs";
import { r as readInputs, t as imageName } from "./build-options.mjs";
// src/cli/bind-command.ts
/** `claude-bottle bind`: what fetch does after the download, for a sidecar that is in the store already. */
async function runBind(options, output, signal) {
	const platform = hostGuestPlatform();
	const image = imageName(options.image);
	const { record: inputs } = await readInputs(options, platform, output, signal);
	const store = await Store.open(storeDir(options.store));
	const kept = await store.findByKey(inputs.key, platform);
	if (kept === void 0) throw new BottleError("not-found", `the store has no sidecar for ${platform} and the inputs key ${inputs.key}`, { hint: "claude-bottle fetch gets it and binds it" });
	const bound = await bindSidecar({
		store,
		record: kept.record,
		build: {
			...options,
			image,
			buildArgs: options.buildArg
		},
		platform,
		prove: options.prove ?? false,
		signal,
		onProgress: output.onProgress
	});
	output.result({
		key: inputs.key,
		platform,
		...bound
	}, [bound.path]);
	return 0;
}
export { runBind };
