import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { p as id16 } from "./verify.mjs";
import { _ as HERE, a as readIndex, b as isSameOrigin, i as listHits, r as knowsSigner, s as bundlePath, u as objectPath, x as originId, y as describeOrigin } from "./by-key.mjs";
import { g as statFile, h as readContent, l as fileKey, m as readCatalog, p as listStore, u as givenName } from "./store.mjs";
import * as fs from "node:fs/promises";
// src/store/read.ts
/** The sidecars for a build that its checkout may use, the best first (`listHits`). They are not verified. */
async function findHits(store, build, allowed) {
	try {
		const hits = [];
		for (const { sha256, origin } of await listHits(store.layout, build, allowed)) hits.push(...await findInstallations(store, build, sha256, origin));
		return hits;
	} catch (error) {
		throw fileError(`cannot read the store ${store.dir}`, error);
	}
}
/** The sidecars for a build whose origin is not known, with the bundle that may prove it. */
async function findUnknown(store, build) {
	const entries = (await readIndex(store.layout, build)).filter(({ origin }) => origin === "unknown");
	return (await Promise.all(entries.map(({ sha256 }) => findInstallations(store, build, sha256, "unknown")))).flat();
}
/** The sidecars that an origin has brought without saying from which inputs they were packed, the newest first. */
async function findWithoutInputs({ layout }, { platform }, origin) {
	return (await readCatalog(layout)).flatMap((content) => content.installations.filter((each) => isSameOrigin(each.origin, origin) && each.record.platform === platform).filter(({ record }) => record.inputs === void 0).map((installation) => ({
		content,
		installation
	}))).sort((one, other) => newestFirst(one.installation, other.installation)).map(({ content, installation }) => storedSidecar(layout, content, installation));
}
async function findInstallations({ layout }, { key, platform }, sha256, origin) {
	const content = await readContent(layout, sha256);
	const stat = await statFile(objectPath(layout, sha256));
	if (content === void 0 || stat?.size !== content.sizeBytes) return [];
	return content.installations.filter(({ record }) => record.inputs?.key === key && record.platform === platform).filter((installation) => originId(installation.origin) === origin).map((installation) => storedSidecar(layout, content, installation));
}
function storedSidecar(layout, { sha256, sizeBytes }, { record, origin, signer }) {
	return {
		path: objectPath(layout, sha256),
		sha256,
		sizeBytes,
		record,
		origin,
		signer
	};
}
/** Whether the store has these bytes, from any origin, because they are good for everyone who knows their hash. */
async function hasBytes(store, sha256, options) {
	return await verifyObject(store, objectPath(store.layout, sha256), sha256, options) !== void 0;
}
/** Verifies a sidecar of the store; when it is damaged it goes to quarantine and is undefined. */
async function verifyStored(store, { path, sha256 }, options) {
	return await verifyObject(store, path, sha256, options);
}
/**
* Only the hash is compared: what a record claims beyond it must not send good bytes to quarantine. The names are the
* same file, so they go with it.
*/
async function verifyObject(store, path, sha256, options) {
	const before = await statFile(path);
	const report = await store.orQuarantine(path, () => store.verify(path, { sha256 }, options));
	if (report === void 0 && before !== void 0 && before.nlink > 1) for (const id of await store.list()) {
		const name = store.pathFor(id);
		const stat = await statFile(name);
		if (stat !== void 0 && fileKey(stat) === fileKey(before)) await store.quarantineIfThere(name, void 0);
	}
	return report;
}
/**
* Verifies what is under a name.
* @throws BottleError `sidecar-damaged`, or `not-trusted` for a sidecar that this name was never given to
*/
async function verifyNamed(store, id, { platform, ...options }) {
	const path = store.pathFor(id);
	const report = await store.verify(path, platform === void 0 ? {} : { platform }, options);
	const content = await readContent(store.layout, report.sha256);
	const given = content && givenName(content, id);
	if (content !== void 0 && given === void 0) throw new BottleError("not-trusted", `${path} is a sidecar that was never bound to this name: ${report.sha256}`, { hint: "claude-bottle bind  # binds it again" });
	return {
		path,
		report,
		content,
		given
	};
}
/** The sidecars that have no name. */
async function unnamedContents({ layout }) {
	return (await listStore(layout)).filter(({ object, names }) => object !== void 0 && names.length === 0).flatMap(({ content }) => content ? [content] : []).map(({ sha256 }) => ({
		path: objectPath(layout, sha256),
		sha256
	}));
}
async function verifyUnnamed(store, path, sha256, options) {
	return {
		path,
		report: await store.verify(path, { sha256 }, options),
		content: await readContent(store.layout, sha256),
		given: void 0
	};
}
/**
* What claude-bottle finds for an image, verified, if the checkout may use it: packed from this very image here, or
* bound to it for the checkout's own origin. A damaged file goes to quarantine and is undefined.
*/
async function findForImage(store, imageId, allowed, options) {
	const id = id16(imageId);
	const found = await store.orQuarantine(store.pathFor(id), async () => {
		try {
			return await verifyNamed(store, id, options);
		} catch (error) {
			if (error instanceof BottleError && error.code === "not-trusted") return;
			throw error;
		}
	});
	if (found === void 0 || found.content === void 0) return found !== void 0 && (await statFile(found.path))?.nlink === 1 ? {
		...found,
		record: void 0
	} : void 0;
	const { given, content } = found;
	if (given?.imageId !== imageId) return;
	const installation = await usableInstallation(store, content, given.origin, allowed);
	return installation && {
		...found,
		record: installation.record
	};
}
/** The installation by this origin, if a checkout may use it. */
async function usableInstallation({ layout }, { installations }, origin, { origin: checkout, unsigned = false }) {
	if (origin.kind !== "here" && !isSameOrigin(origin, checkout)) return;
	const needsSignature = origin.kind !== "here" && !unsigned && await knowsSigner(layout, origin);
	return installations.filter((each) => isSameOrigin(each.origin, origin) && (each.signer !== void 0 || !needsSignature)).sort(newestFirst)[0];
}
/** The sidecars of an origin, or packed here, for one platform; what was installed last comes first. */
async function contentsOf(store, origin, platform) {
	const isWanted = ({ origin: from, record }) => record.platform === platform && (isSameOrigin(from, origin) || isSameOrigin(from, HERE));
	return (await readCatalog(store.layout)).flatMap((content) => {
		const installation = content.installations.filter(isWanted).sort(newestFirst)[0];
		return installation === void 0 ? [] : [{
			content,
			installation
		}];
	}).sort((one, other) => newestFirst(one.installation, other.installation)).map(({ content, installation }) => storedSidecar(store.layout, content, installation));
}
function newestFirst(one, other) {
	return Date.parse(other.installedAt) - Date.parse(one.installedAt);
}
/** The Sigstore bundle that came with a sidecar from this origin and was verified. */
async function readBundle(store, sha256, origin) {
	const path = bundlePath(store.layout, sha256, origin);
	try {
		return await fs.readFile(path);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return;
		throw fileError(`cannot read ${path}`, error);
	}
}
/** Everything that is known without hashing, for people and machines to read; the last installed first. */
async function listSidecars(store) {
	try {
		return (await listStore(store.layout)).filter(({ object, names }) => object !== void 0 || names.length > 0).map(describe).sort((a, b) => a.installedAt > b.installedAt ? -1 : 1);
	} catch (error) {
		throw fileError(`cannot read the store ${store.dir}`, error);
	}
}
function describe({ content, names, object }) {
	const installedAt = content?.installations.map((each) => each.installedAt).sort().at(-1);
	const stat = names[0]?.stat ?? object;
	return {
		...content && { sha256: content.sha256 },
		sizeBytes: content?.sizeBytes ?? stat?.size ?? 0,
		origins: (content?.installations ?? []).map(({ origin, record, signer, address, installedAt }) => ({
			origin: describeOrigin(origin),
			...record.inputs && { key: record.inputs.key },
			platform: record.platform,
			...signer !== void 0 && { signer },
			...record.source && { commit: record.source.commit },
			...address !== void 0 && { address },
			packedAt: record.packedAt,
			installedAt
		})),
		installedAt: installedAt ?? stat?.ctime.toISOString() ?? "",
		usedAt: content?.usedAt ?? installedAt ?? stat?.atime.toISOString() ?? "",
		names: names.map(({ id16, path, given }) => ({
			id16,
			path,
			...given && {
				imageId: given.imageId,
				origin: describeOrigin(given.origin),
				proof: given.proof,
				namedAt: given.namedAt
			}
		}))
	};
}
export { findWithoutInputs as a, readBundle as c, usableInstallation as d, verifyNamed as f, findUnknown as i, storedSidecar as l, verifyUnnamed as m, findForImage as n, hasBytes as o, verifyStored as p, findHits as r, listSidecars as s, contentsOf as t, unnamedContents as u };
