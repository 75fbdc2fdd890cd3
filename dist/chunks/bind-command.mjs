import { t as BottleError } from "./errors.mjs";
import { n as bindSidecar, t as REPLACE_HINT } from "./bind.mjs";
import { m as storeDir, r as knowsSigner, y as describeOrigin } from "./by-key.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { n as installSidecar } from "./install.mjs";
import { t as takeOverOldStore } from "./old-store.mjs";
import { a as findWithoutInputs, i as findUnknown, o as hasBytes, r as findHits } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { i as requireImageOfKey, r as readInputs, t as imageName } from "./build-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
// src/cli/bind-command.ts
/** `claude-bottle bind`: what fetch does after the download, for a sidecar that is in the store already. */
async function runBind(options, output, signal) {
	const platform = hostGuestPlatform();
	const image = imageName(options.image);
	requireImageOfKey(options.extraArgs);
	const { record: inputs } = await readInputs(options, platform, output, signal);
	const store = await Store.open(storeDir(options.store), output.onProgress);
	await takeOverOldStore(store);
	const origin = await checkoutOrigin(options);
	const build = {
		key: inputs.key,
		platform
	};
	const [hit] = await findHits(store, build, { origin });
	const stored = hit ?? (options.adopt ? await adopt(store, build, {
		origin,
		inputs,
		signal
	}) : (await findWithoutInputs(store, build, origin))[0]);
	if (stored === void 0) throw await missing(store, build, origin);
	const bound = await bindSidecar({
		store,
		stored,
		inputs,
		origin,
		build: {
			...options,
			image,
			buildArgs: options.buildArg
		},
		platform,
		prove: options.prove ?? false,
		replace: options.replace,
		signal,
		onProgress: output.onProgress
	});
	if (bound.outcome === "kept") {
		output.note(`${bound.path} is a good sidecar of another origin (${bound.keptOrigin})`);
		output.note(`try: ${REPLACE_HINT}`);
	}
	output.result({
		key: inputs.key,
		platform,
		...bound
	}, [bound.outcome === "kept" ? stored.path : bound.path]);
	return 0;
}
/** Takes a sidecar of unknown origin or unknown inputs for one of the checkout, because the user says so. */
async function adopt(store, build, { origin, inputs, signal }) {
	if (await knowsSigner(store.layout, origin)) throw new BottleError("not-trusted", `${describeOrigin(origin)} has published with provenance before, so nothing is adopted for it`, { hint: "claude-bottle fetch  # verifies what is in the store" });
	const found = [...await findUnknown(store, build), ...await findWithoutInputs(store, build, origin)];
	for (const { record, sha256 } of found) if (await hasBytes(store, sha256, { signal })) {
		const adopted = {
			origin,
			record: {
				...record,
				inputs
			},
			address: "adopted"
		};
		return await installSidecar(store, void 0, adopted, { signal });
	}
}
async function missing(store, build, origin) {
	const unknown = await findUnknown(store, build);
	return new BottleError("not-found", `the store has no sidecar of ${describeOrigin(origin)} for this checkout (${build.platform})`, {
		hint: unknown.length === 0 ? "claude-bottle fetch" : ["claude-bottle fetch  # verifies the one of unknown origin that the store has", "claude-bottle bind --adopt  # takes it as it is"],
		details: [`inputs key ${build.key}`]
	});
}
export { runBind };
