import { o as hasErrno } from "./errors.mjs";
import { _ as datetime, m as isDigest, p as id16, u as readableRecord } from "./verify.mjs";
import { _ as refine, n as _enum, p as object, v as string } from "./schemas.mjs";
import { g as namesIn, s as bundlePath, u as objectPath, v as UNKNOWN } from "./by-key.mjs";
import { t as counted } from "./shown-text.mjs";
import { g as statFile, h as readContent, l as fileKey, y as writeContent } from "./store.mjs";
import { r as tryLink, t as copyReadOnly } from "./files.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/store/old-store.ts
const bindingSchema = object({
	imageId: string().check(refine(isDigest)),
	sha256: string(),
	proof: _enum(["inputs", "content"]),
	boundAt: datetime()
});
const usedSchema = object({ usedAt: datetime() });
/** Below `.pack/` of a store of version 0.1. */
const OLD = {
	records: "records",
	bindings: "bindings",
	used: "used"
};
/**
* Takes over a store of version 0.1, which believed what pack records say of where a sidecar came from. Every file
* stays where it is, but its origin is unknown from now on: `fetch` has to verify it, or the user has to adopt it.
*/
async function takeOverOldStore(store) {
	const old = oldPaths(store);
	if (await fs.lstat(old.records).catch(() => void 0) === void 0) return;
	await store.prepare();
	const count = await store.changing(`cannot take over the store ${store.dir}`, async () => {
		const contents = await readOldContents(store);
		for (const content of contents) await writeContent(store.layout, content);
		for (const dir of [
			old.used,
			old.bindings,
			old.records
		]) await fs.rm(dir, {
			recursive: true,
			force: true
		});
		return contents.length;
	});
	if (count > 0) store.warn(`${store.dir} is from version 0.1, so the origin of its ${counted(count, "sidecar")} is unknown: claude-bottle fetch verifies the one of a checkout, claude-bottle bind --adopt takes it as it is`);
}
function oldPaths({ layout: { ours } }) {
	return {
		records: join(ours, OLD.records),
		bindings: join(ours, OLD.bindings),
		used: join(ours, OLD.used)
	};
}
async function readOldContents(store) {
	const { layout } = store;
	const old = oldPaths(store);
	const bindings = await readAll(old.bindings, bindingSchema);
	const contents = [];
	for (const file of await namesIn(old.records)) {
		const sha256 = file.replace(/\.json$/, "");
		const path = join(old.records, file);
		const record = readableRecord(await fs.readFile(path, "utf8").catch(() => ""));
		if (record === void 0 || record.sidecar.sha256 !== sha256 || await readContent(layout, sha256)) continue;
		const { sizeBytes } = record.sidecar;
		const names = await liveNames(store, sha256, sizeBytes, [{
			imageId: record.image.id,
			origin: UNKNOWN,
			proof: "inputs",
			namedAt: record.packedAt
		}, ...bindings.filter((binding) => binding.sha256 === sha256).map(({ imageId, proof, boundAt }) => ({
			imageId,
			origin: UNKNOWN,
			proof,
			namedAt: boundAt
		}))]);
		const [name] = names;
		if (name !== void 0 && await ensureObject(store, sha256, name)) {
			const used = (await readAll(old.used, usedSchema, `${sha256}.json`))[0];
			await moveIfThere(join(layout.bundles, `${sha256}.sigstore.json`), bundlePath(layout, sha256, UNKNOWN));
			contents.push({
				version: 1,
				sha256,
				sizeBytes,
				installations: [{
					origin: UNKNOWN,
					record,
					installedAt: (await fs.lstat(path)).ctime.toISOString()
				}],
				names,
				...used
			});
		}
	}
	return contents;
}
/** Those of the names that are this very file, or, without hard links, one of its size. */
async function liveNames(store, sha256, sizeBytes, wanted) {
	const object = await statFile(objectPath(store.layout, sha256));
	const live = [];
	for (const name of wanted) {
		const stat = await statFile(store.pathFor(id16(name.imageId)));
		if (stat && object && fileKey(stat) === fileKey(object) || stat?.nlink === 1 && stat.size === sizeBytes) live.push(name);
	}
	return live;
}
/** Where there are no hard links, version 0.1 kept a sidecar under its names alone. */
async function ensureObject(store, sha256, { imageId }) {
	const object = objectPath(store.layout, sha256);
	const name = store.pathFor(id16(imageId));
	if (await statFile(object) === void 0 && !await tryLink(name, object)) await copyReadOnly(name, object);
	return await statFile(object) !== void 0;
}
/** The files of a directory that can be read. */
async function readAll(dir, schema, only) {
	const values = [];
	for (const name of only === void 0 ? await namesIn(dir) : [only]) try {
		values.push(schema.parse(JSON.parse(await fs.readFile(join(dir, name), "utf8"))));
	} catch {}
	return values;
}
async function moveIfThere(from, to) {
	await fs.rename(from, to).catch((error) => {
		if (!hasErrno(error, "ENOENT")) throw error;
	});
}
export { takeOverOldStore as t };
