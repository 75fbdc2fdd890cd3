import { o as isDamage, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { T as parseId16 } from "./verify.mjs";
import { a as verifyFile, o as storeDir, t as Store } from "./store.mjs";
// src/cli/verify-command.ts
/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; 65 when one is not good. */
async function runVerify(fileOrId, { all, deep, store: dir }, output, signal) {
	if (fileOrId === void 0 === (all === void 0)) throw new BottleError("usage", "verify takes either a file, an image ID, or --all", { hint: "claude-bottle verify --all checks the whole store" });
	const options = {
		deep,
		signal,
		onBytes: (doneBytes) => output.onProgress({
			type: "bytes",
			stage: "verify",
			doneBytes
		})
	};
	const id = fileOrId === void 0 ? void 0 : parseId16(fileOrId);
	if (fileOrId !== void 0 && id === void 0) {
		const stored = await verifyFile(fileOrId, options);
		report(output, verdictOf(stored), [verdictOf(stored)]);
		return 0;
	}
	const store = await Store.open(storeDir(dir));
	const verdicts = [];
	for (const entry of id === void 0 ? await store.list() : [id]) verdicts.push(await verifyStored(store, store.pathFor(entry), options));
	report(output, all ? verdicts : verdicts[0], verdicts);
	return verdicts.find(({ exit }) => exit !== 0)?.exit ?? 0;
}
async function verifyStored(store, path, options) {
	try {
		return verdictOf(await store.verify(path, options));
	} catch (error) {
		if (isDamage(error)) return {
			path,
			exit: 65,
			error: error.message,
			quarantinedAs: await store.quarantine(path)
		};
		if (error instanceof BottleError) return {
			path,
			exit: error.exitCode,
			error: error.message
		};
		throw error;
	}
}
function verdictOf({ path, report: { sha256, sizeBytes, members }, record }) {
	return {
		path,
		exit: 0,
		sha256,
		sizeBytes,
		...record && { imageId: record.image.id },
		...members && { members }
	};
}
function report(output, value, verdicts) {
	output.result(value, verdicts.length === 0 ? ["the store has no sidecars"] : verdicts.map(({ path, exit, sha256, sizeBytes, error, quarantinedAs }) => {
		if (exit === 0) return `ok       ${path}  ${formatBytes(sizeBytes ?? 0)}  sha256:${sha256}`;
		return quarantinedAs === void 0 ? `failed   ${path}  ${error}` : `damaged  ${path}  ${error}; moved to ${quarantinedAs}`;
	}));
}
export { runVerify };
