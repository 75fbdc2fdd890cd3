import { t as BottleError } from "./errors.mjs";
import { n as syncFile, t as syncDirectory } from "./sync.mjs";
import { p as id16 } from "./verify.mjs";
import { _ as HERE, h as makeDirectory, s as bundlePath, u as objectPath, y as describeOrigin } from "./by-key.mjs";
import { _ as withInstallation, g as statFile, h as readContent, p as listStore, y as writeContent } from "./store.mjs";
import { a as writeWhole } from "./files.mjs";
import { n as giveName } from "./name.mjs";
import * as fs from "node:fs/promises";
// src/store/install.ts
/**
* Puts a sidecar into the store. It gets no name: only an image that was built or inspected on this machine gives one.
* @param file has passed all checks, and is on the store's file system; undefined when the store has the bytes already
*/
async function installSidecar(store, file, installation, { signal } = {}) {
	const { sha256 } = installation.record.sidecar;
	await store.prepare();
	const put = () => putSidecar(store, file, installation);
	return installedSidecar(store, await store.changing(`cannot install ${sha256}`, put, signal), installation);
}
/** Installs a sidecar that was packed here from `imageId`, under the name of that image. */
async function installPacked(store, imageId, file, record, { signal } = {}) {
	const installation = {
		origin: HERE,
		record
	};
	await store.prepare();
	const change = async () => {
		await warnOfOther(store, imageId);
		const content = await putSidecar(store, file, installation);
		const name = await giveName(store, content, {
			imageId,
			origin: HERE,
			proof: "packed"
		});
		return {
			...installedSidecar(store, content, installation),
			name
		};
	};
	return await store.changing(`cannot install the sidecar of ${imageId}`, change, signal);
}
/** Packing an image is the explicit word that lets its name change hands, but it is not done silently. */
async function warnOfOther(store, imageId) {
	const id = id16(imageId);
	const given = (await listStore(store.layout)).flatMap(({ names }) => names).find((name) => name.id16 === id)?.given;
	if (given !== void 0 && given.origin.kind !== "here") store.warn(`until now ${store.pathFor(id)} was a sidecar of another origin: ${describeOrigin(given.origin)}`);
}
function installedSidecar(store, { sha256, sizeBytes }, { origin, record, signer }) {
	return {
		path: objectPath(store.layout, sha256),
		sha256,
		sizeBytes,
		record,
		origin,
		signer
	};
}
/** The bytes first, then what is written down about them: what is cut short is not listed, and a sweep removes it. */
async function putSidecar(store, file, { origin, record, signer, bundle, address }) {
	const { layout } = store;
	const { sha256, sizeBytes } = record.sidecar;
	const object = objectPath(layout, sha256);
	if (file !== void 0 && !await isThere(store, object, sha256)) {
		await fs.chmod(file, 292);
		await syncFile(file);
		await fs.rename(file, object);
		await syncDirectory(layout.objects);
	} else if ((await statFile(object))?.size !== sizeBytes) throw new BottleError("try-later", `${object} has disappeared or changed since it was verified`, { hint: "try again" });
	if (bundle !== void 0) {
		await makeDirectory(layout.bundles);
		await writeWhole(layout.tmp, bundlePath(layout, sha256, origin), bundle.toString());
	}
	const known = await readContent(layout, sha256) ?? {
		version: 1,
		sha256,
		sizeBytes,
		installations: [],
		names: []
	};
	const content = withInstallation(known, {
		origin,
		record,
		...signer !== void 0 && { signer },
		...address !== void 0 && { address },
		installedAt: (/* @__PURE__ */ new Date()).toISOString()
	});
	await writeContent(layout, content);
	await syncDirectory(layout.catalog);
	return content;
}
/** A file whose names may be in use is not replaced by its own bytes. */
async function isThere(store, object, sha256) {
	return await store.verify(object, { sha256 }, {}).catch((error) => {
		if (!(error instanceof BottleError)) throw error;
	}) !== void 0;
}
export { installSidecar as n, installPacked as t };
