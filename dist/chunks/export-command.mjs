import { a as fileError, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { m as storeDir, y as describeOrigin } from "./by-key.mjs";
import { r as parseGuestPlatform, t as GUEST_PLATFORMS } from "./platform.mjs";
import { o as copySidecar, x as publishedNameOf } from "./file.mjs";
import { c as readBundle, d as usableInstallation, f as verifyNamed, l as storedSidecar, r as findHits } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { r as readInputs } from "./build-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
import { t as findId } from "./stored-id.mjs";
import { t as SIGNS } from "./style.mjs";
import * as fs from "node:fs/promises";
import { join, resolve } from "node:path";
// src/cli/export-command.ts
/** `claude-bottle export`: copies sidecars of the store with their records and bundles, for a machine without a network. */
async function runExport(dir, id, options, output, signal) {
	const store = await Store.open(storeDir(options.store), output.onProgress);
	const origin = await checkoutOrigin(options);
	const found = id === void 0 ? await findForCheckout(store, origin, options, output, signal) : [await findById(store, id, origin, signal)];
	const exported = [];
	for (const { path, record, sha256, origin: from } of found) {
		const bundle = await readBundle(store, sha256, from);
		const target = join(resolve(dir), publishedNameOf(record));
		await copyTo(target, {
			path,
			record,
			bundle
		}, output, signal);
		exported.push({
			platform: record.platform,
			imageId: record.image.id,
			key: record.inputs?.key ?? null,
			sha256: record.sidecar.sha256,
			sizeBytes: record.sidecar.sizeBytes,
			path: target,
			hasProvenance: bundle !== void 0
		});
	}
	const [first] = exported;
	output.result({ sidecars: exported }, [...exported.map(({ platform, path, sizeBytes, hasProvenance }) => `${SIGNS.ok} ${platform}, ${formatBytes(sizeBytes)}, ${hasProvenance ? "" : "not "}signed: ${path}`), `To use it in another checkout of the same commit: claude-bottle fetch --from file:${first?.path}`]);
	return 0;
}
async function copyTo(target, sidecar, { onProgress }, signal) {
	const totalBytes = sidecar.record.sidecar.sizeBytes;
	onProgress({
		type: "start",
		stage: "export",
		detail: target
	});
	await fs.mkdir(join(target, ".."), { recursive: true }).catch((error) => {
		throw fileError(`cannot make the directory of ${target}`, error);
	});
	await copySidecar(sidecar, target, {
		signal,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "export",
			doneBytes,
			totalBytes
		})
	});
	onProgress({
		type: "done",
		stage: "export",
		sizeBytes: totalBytes
	});
}
/** The sidecars of all platforms that the store has, or of the one that was named. */
async function findForCheckout(store, origin, options, output, signal) {
	const platforms = options.platform === void 0 ? GUEST_PLATFORMS : [parseGuestPlatform(options.platform)];
	const found = [];
	for (const platform of platforms) {
		const { record } = await readInputs(options, platform, output, signal);
		const [best] = await findHits(store, {
			key: record.key,
			platform
		}, { origin });
		if (best !== void 0) found.push(best);
	}
	if (found.length === 0) throw new BottleError("not-found", `the store has no sidecar of this checkout for ${platforms.join(" or ")}`, { hint: `claude-bottle fetch --no-bind --platform ${platforms[0]}` });
	return found;
}
async function findById(store, text, origin, signal) {
	const id = await findId(store, text);
	if (id === void 0) throw new BottleError("usage", `not an image ID: ${JSON.stringify(text)}`, { hint: "claude-bottle ls  # lists the image IDs" });
	const { path, content, given } = await verifyNamed(store, id, { signal });
	if (content === void 0 || given === void 0) throw new BottleError("not-found", `${path} has no pack record: something else has put it there`, { hint: "claude-bottle pack  # packs it with a record" });
	const installation = await usableInstallation(store, content, given.origin, { origin });
	if (installation === void 0) throw new BottleError("not-trusted", `${path} is a sidecar of another origin (${describeOrigin(given.origin)}), not of ${describeOrigin(origin)}`, { hint: "export it in a checkout of that repository, or with --repo OWNER/NAME" });
	return storedSidecar(store.layout, content, installation);
}
export { runExport };
