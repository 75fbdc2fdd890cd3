import { D as _regex, T as _nonnegative, _ as refine, i as array, m as optional, n as _enum, o as int, p as object, s as literal, v as string, x as url, y as union } from "./schemas.mjs";
import { l as id16, u as isDigest } from "./verify.mjs";
import { d as namesIn, g as originId, h as isSameOrigin, i as objectPath, n as id16OfName, u as makeDirectory } from "./location.mjs";
import { r as packRecordSchema, s as datetime } from "./pack-record.mjs";
import { o as removeFromIndex, t as addToIndex } from "./by-key.mjs";
import { l as writeWhole } from "./store.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/store/catalog.ts
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
const time = datetime();
const originSchema = union([object({ kind: _enum([
	"here",
	"none",
	"unknown"
]) }), object({
	kind: literal("repository"),
	serverUrl: url(),
	repository: string(),
	repositoryId: optional(string())
})]);
const installationSchema = object({
	origin: originSchema,
	record: packRecordSchema,
	/** The workflow that has signed it; absent where nobody has. */
	signer: optional(string()),
	/** Where it was fetched from. */
	address: optional(string()),
	installedAt: time
});
const nameSchema = object({
	/** The image that was built or packed here: the name has only its first 16 digits. */
	imageId: string().check(refine(isDigest)),
	/** Whose sidecar the name was given to; the same bytes may have several origins. */
	origin: originSchema,
	/** How the image is known to be the right one: it was packed, or its inputs or also its content are equal. */
	proof: _enum([
		"packed",
		"inputs",
		"content"
	]),
	namedAt: time
});
const contentSchema = object({
	version: literal(1),
	sha256,
	sizeBytes: int().check(_nonnegative()),
	/** Everybody who has brought these bytes, with their own record of them. */
	installations: array(installationSchema),
	names: array(nameSchema),
	usedAt: optional(time)
});
/** Undefined when the catalog has no such sidecar, or nothing that can be read. */
async function readContent(layout, sha256) {
	try {
		const { data } = contentSchema.safeParse(JSON.parse(await fs.readFile(contentPath(layout, sha256), "utf8")));
		return data?.sha256 === sha256 ? data : void 0;
	} catch {
		return;
	}
}
async function readCatalog(layout) {
	const contents = [];
	for (const name of (await namesIn(layout.catalog)).sort()) {
		const content = await readContent(layout, name.replace(/\.json$/, ""));
		if (content !== void 0) contents.push(content);
	}
	return contents;
}
/** Writes it down and indexes it. Only to be called in a change of the store. */
async function writeContent(layout, content) {
	await makeDirectory(layout.catalog);
	const text = `${JSON.stringify(content, void 0, 2)}\n`;
	await writeWhole(layout.tmp, contentPath(layout, content.sha256), text);
	await indexContent(layout, content);
}
/** Makes the index say what the catalog says of a sidecar. */
async function indexContent(layout, content) {
	for (const { build, entry } of indexEntriesOf(content)) {
		const isOlder = (each) => each.sha256 === entry.sha256 && each.origin === entry.origin;
		await removeFromIndex(layout, build, (each) => isOlder(each) && !isEqual(each, entry));
		await addToIndex(layout, build, entry);
	}
}
function isEqual(one, other) {
	return JSON.stringify(one) === JSON.stringify(other);
}
/** What `path` and the lookup by key read. */
function indexEntriesOf({ sha256, sizeBytes, installations }) {
	return installations.flatMap(({ record, origin, signer, installedAt }) => {
		const entry = {
			origin: originId(origin),
			isSigned: signer !== void 0,
			installedMs: Date.parse(installedAt),
			sizeBytes,
			sha256
		};
		return record.inputs === void 0 ? [] : [{
			build: {
				key: record.inputs.key,
				platform: record.platform
			},
			entry
		}];
	});
}
function contentPath({ catalog }, sha256) {
	return join(catalog, `${sha256}.json`);
}
/**
* With the installation in the place of an earlier one of the same origin and inputs, or of one whose inputs were not
* known. What was signed does not become unsigned again: the bytes are the same.
*/
function withInstallation(content, installation) {
	const isSame = ({ origin, record }) => isSameOrigin(origin, installation.origin) && [void 0, installation.record.inputs?.key].includes(record.inputs?.key);
	if (content.installations.find(isSame)?.signer !== void 0 && installation.signer === void 0) return content;
	const others = content.installations.filter((each) => !isSame(each));
	return {
		...content,
		installations: [...others, installation]
	};
}
function withName(content, name) {
	const id = id16(name.imageId);
	const others = content.names.filter(({ imageId }) => id16(imageId) !== id);
	return {
		...content,
		names: [...others, name]
	};
}
function givenName(content, id) {
	return content.names.find(({ imageId }) => id16(imageId) === id);
}
/** Everything in the store. Files are told apart by their inodes and sizes; nothing is hashed. */
async function listStore(layout) {
	const known = [];
	for (const content of await readCatalog(layout)) known.push({
		content,
		object: await statFile(objectPath(layout, content.sha256)),
		names: []
	});
	const foreign = /* @__PURE__ */ new Map();
	for (const { id, path, stat } of await readNames(layout)) {
		const isCopy = ({ content }) => stat.nlink === 1 && content.sizeBytes === stat.size && givenName(content, id) !== void 0;
		const owner = known.find(({ object }) => object !== void 0 && fileKey(object) === fileKey(stat)) ?? known.filter(isCopy).sort((a, b) => namedMs(b.content, id) - namedMs(a.content, id))[0];
		if (owner !== void 0) owner.names.push({
			id16: id,
			path,
			given: givenName(owner.content, id),
			stat
		});
		else {
			const found = foreign.get(fileKey(stat)) ?? {
				content: void 0,
				object: void 0,
				names: []
			};
			found.names.push({
				id16: id,
				path,
				given: void 0,
				stat
			});
			foreign.set(fileKey(stat), found);
		}
	}
	return [...known, ...foreign.values()];
}
function namedMs(content, id) {
	return Date.parse(givenName(content, id)?.namedAt ?? "") || 0;
}
/** Names one file on this machine. */
function fileKey({ dev, ino }) {
	return `${dev}:${ino}`;
}
async function readNames({ dir }) {
	const names = [];
	for (const name of (await namesIn(dir)).sort()) {
		const id = id16OfName(name);
		const path = join(dir, name);
		const stat = id && await statFile(path);
		if (id !== void 0 && stat !== void 0) names.push({
			id,
			path,
			stat
		});
	}
	return names;
}
/** Undefined for everything that is not a regular file. */
async function statFile(path) {
	const stat = await fs.lstat(path).catch(() => void 0);
	return stat?.isFile() ? stat : void 0;
}
export { indexEntriesOf as a, readContent as c, withName as d, writeContent as f, indexContent as i, statFile as l, fileKey as n, listStore as o, givenName as r, readCatalog as s, contentPath as t, withInstallation as u };
