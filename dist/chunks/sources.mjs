import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { n as isDigest } from "./image-id.mjs";
import { C as _nonnegative, T as _regex, _ as string, a as boolean, f as object, i as array, m as partialRecord, n as _enum, o as int, p as optional, s as literal, u as nullish } from "./schemas.mjs";
import { a as shownText, n as packRecordSchema } from "./pack-record.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { n as warningsTo } from "./progress.mjs";
import { r as printable } from "./footer.mjs";
import { t as SidecarHash } from "./verify.mjs";
import { i as readTar, n as TarError } from "./tar.mjs";
import { c as unlessMissing, i as checkedUrl, n as HttpError, o as rangeHeaders, r as bodyError, s as redacted, t as HttpClient } from "./http.mjs";
import { i as formatName, o as parseOciReference, t as OciRepository } from "./oci.mjs";
import { S as registryRepository, _ as commitTag, a as isIndex, b as keyTag, h as SIDECAR_MEDIA_TYPE, o as manifestSchema, p as PACK_RECORD_ANNOTATION, r as MANIFEST_TYPES, v as isBundleType } from "./oci-manifest.mjs";
import { r as publishedName, t as BUNDLE_SUFFIX } from "./published-name.mjs";
import { i as repositoryPath, n as githubSite, r as readApi, t as apiRequest } from "./github.mjs";
import { c as tagsAtHead, i as historyOf, o as originOf } from "./git.mjs";
import { unescape } from "node:querystring";
import { createHash } from "node:crypto";
import { constants as constants$1, createWriteStream } from "node:fs";
import * as fs from "node:fs/promises";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
// src/fetch/lock-file.ts
/** Beside the Dockerfile, in the build context. */
const LOCK_FILE = "claude-bottle.lock";
const MAX_LOCK_FILE_BYTES = 65536;
const LOCK_FILE_VERSION = 1;
const hex64 = string().check(_regex(/^[0-9a-f]{64}$/));
const lockedSchema = object({
	/** That the sidecar was packed from. */
	commit: optional(string().check(_regex(/^[0-9a-f]{40,64}$/))),
	key: hex64,
	sha256: hex64,
	sizeBytes: int().check(_nonnegative()),
	/** What `fetch --from` takes. */
	address: string()
});
const lockFileSchema = object({
	version: literal(LOCK_FILE_VERSION),
	platforms: partialRecord(_enum(GUEST_PLATFORMS), lockedSchema)
});
function lockedOf({ record, address }, key) {
	const { sha256, sizeBytes } = record.sidecar;
	const commit = record.source?.commit;
	return {
		...commit !== void 0 && { commit },
		key,
		sha256,
		sizeBytes,
		address
	};
}
/** @throws BottleError `not-found` when there is none, `sidecar-damaged` when it is none */
async function readLockFile(path) {
	let text;
	try {
		text = await fs.readFile(path, "utf8");
	} catch (error) {
		if (hasErrno(error, "ENOENT")) throw new BottleError("not-found", `there is no lock file ${path}`, { hint: "write one: claude-bottle lock" });
		throw fileError(`cannot read ${path}`, error);
	}
	const parsed = lockFileSchema.safeParse(parseJson$2(text));
	if (text.length > MAX_LOCK_FILE_BYTES || !parsed.success) {
		const problem = parsed.error?.issues[0];
		throw new BottleError("sidecar-damaged", `${path} is no lock file of version ${LOCK_FILE_VERSION}: ${problem?.path.join(".") || "the whole"} is not as it must be`, { hint: "write it again: claude-bottle lock" });
	}
	return parsed.data;
}
/** @throws BottleError `not-trusted` when this checkout is not what was locked */
function requireLocked(lockFile, platform, key) {
	const locked = lockFile.platforms[platform];
	if (locked === void 0) {
		const known = Object.keys(lockFile.platforms).join(", ");
		throw new BottleError("not-found", `${LOCK_FILE} has nothing for ${platform}, only for ${known || "none"}`, { hint: "write it again once that platform is published: claude-bottle lock" });
	}
	if (locked.key !== key) throw new BottleError("not-trusted", `this checkout has the inputs key ${key}, and ${LOCK_FILE} was written for ${locked.key}`, { hint: "undo the local changes to what the Dockerfile can see, or write it again: claude-bottle lock" });
	return locked;
}
async function writeLockFile(path, platforms) {
	const lockFile = {
		version: LOCK_FILE_VERSION,
		platforms: Object.fromEntries(platforms)
	};
	const temp = `${path}.${process.pid}.tmp`;
	try {
		await fs.writeFile(temp, `${JSON.stringify(lockFile, void 0, 2)}\n`);
		await fs.rename(temp, path);
	} catch (error) {
		throw fileError(`cannot write ${path}`, error);
	} finally {
		await fs.rm(temp, { force: true });
	}
}
function parseJson$2(text) {
	try {
		return JSON.parse(text);
	} catch {
		return;
	}
}
// src/fetch/source.ts
function parseSourceAddress(text) {
	const [, scheme = "", rest = ""] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
	switch (scheme) {
		case "oci": return {
			kind: "oci",
			reference: rest
		};
		case "release": return {
			kind: "release",
			tag: rest
		};
		case "run":
			if (/^\d{1,20}$/.test(rest)) return {
				kind: "run",
				runId: rest
			};
			break;
		case "file": return {
			kind: "file",
			path: rest
		};
		case "layout": return {
			kind: "layout",
			path: rest
		};
		case "https":
		case "http": return {
			kind: "https",
			url: text
		};
	}
	throw new BottleError("usage", `not a source: ${JSON.stringify(text)}`, { hint: "use oci:REFERENCE, release:TAG, run:ID, file:PATH, layout:FILE or https://…" });
}
const MAX_BUNDLE_BYTES = 4194304;
// src/fetch/bundle.ts
/** The Sigstore bundle that is published beside a sidecar, if there is one. */
async function readBundles$1(http, request) {
	const found = await unlessMissing(http.read(request, MAX_BUNDLE_BYTES)).catch((error) => {
		throw refusedBundle(error);
	});
	return found === void 0 ? [] : [found.bytes];
}
/** Whoever may read the record and not its signature cannot tell what is not signed from what is kept from him. */
function refusedBundle(error) {
	return error instanceof HttpError && error.code === "authentication" ? new BottleError("authentication", `the signature of the sidecar cannot be read: ${error.message}`, {
		hint: "have it published for all who may read the sidecar; storages also answer so for what is not there, and --provenance off does without",
		cause: error
	}) : error;
}
// src/fetch/record.ts
const MAX_RECORD_BYTES = 1048576;
/**
* A pack record as some source has it; `where` is that place, for the message.
* @throws BottleError `sidecar-damaged`
*/
function parseRecord(content, where) {
	const json = parseJson$1(content.toString(), where);
	const { data, error } = packRecordSchema.safeParse(json);
	if (data !== void 0) return data;
	const version = versionOf(json);
	if (typeof version === "number" && version > 1) throw damagedRecord(`${where} is a pack record of version ${version}, and this claude-bottle knows 1`, "update claude-bottle");
	const [issue] = error.issues;
	throw damagedRecord(`${where} is no pack record: ${issue?.path.join(".") || "it"} is not as it has to be`);
}
function parseJson$1(text, where) {
	try {
		return JSON.parse(text);
	} catch (error) {
		throw damagedRecord(`${where} is no pack record: it is not JSON`, void 0, error);
	}
}
function versionOf(json) {
	return typeof json === "object" && json !== null && "version" in json ? json.version : void 0;
}
function damagedRecord(message, hint = "publish the sidecar again, or pack your own: claude-bottle pack", cause) {
	return new BottleError("sidecar-damaged", message, {
		hint,
		cause
	});
}
// src/fetch/remote-file.ts
/** A file that one and the same request asks for, from its beginning or from anywhere in it. */
function remoteFile(http, request, facts) {
	return {
		kind: "remote",
		...facts,
		open: async (range) => await http.send({
			...request,
			headers: {
				...request.headers,
				...range && rangeHeaders(range)
			},
			expected: range === void 0 ? [200] : [200, 206]
		})
	};
}
// src/fetch/github-release.ts
/** A commit has one or two. */
const MAX_TAGS = 5;
const assetSchema = object({
	id: int(),
	name: string(),
	/** Not `uploaded` while it is being uploaded, and for ever when the upload broke off. */
	state: string(),
	size: int(),
	/** None on assets from before June 2025. */
	digest: nullish(string())
});
const releaseSchema = object({
	tag_name: shownText,
	assets: array(assetSchema)
});
/**
* Assets of the release of `tag`; without one, of the releases of the checked-out commit's tags and of the latest.
* Whatever is public is read from the release's pages, without the API and its rate limit; with a token, what is
* missing there is looked for in the API.
*/
function releaseSource(tag, tools) {
	const { github } = tools;
	return {
		name: tag === void 0 ? "GitHub release" : `GitHub release ${tag}`,
		find: async (wanted) => {
			const { repository } = wanted;
			if (repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
			const name = publishedName(wanted.platform, wanted.key);
			const tried = [];
			for await (const each of tag === void 0 ? likelyTags(repository, wanted, tools) : [tag]) {
				tried.push(each);
				const offer = await offerOfPages(repository, each, name, tools) ?? (github.credential && await offerOfApi(repository, each, name, tools));
				if (offer !== void 0) return offer;
			}
			const missing = tried.length === 0 ? `${repository} has no release` : `${repository} has no ${name} in ${tried.length === 1 ? "release" : "releases"} ${tried.join(", ")}`;
			return { skipped: github.credential ? missing : `${missing}; for a private repository set GH_TOKEN` };
		},
		nearest: async ({ repository, platform }) => repository === void 0 ? void 0 : await nearestRecord(repository, tag, namePrefix(platform), tools)
	};
}
async function* likelyTags(repository, wanted, tools) {
	const tags = (await wanted.tags()).slice(0, MAX_TAGS);
	yield* tags;
	const latest = await latestTag(repository, tools);
	if (latest !== void 0 && !tags.includes(latest)) yield latest;
}
/** The page of the latest release is a redirect to that of its tag. */
async function latestTag(repository, { http, github }) {
	const url = `${github.serverUrl}/${repositoryPath(repository, "releases", "latest")}`;
	const answer = await unlessMissing(http.retry(() => http.send({
		url,
		expected: [200, 302]
	})));
	answer?.body.destroy();
	const tag = /\/releases\/tag\/([^?#]+)$/.exec(answer?.headers.location ?? "")?.[1];
	if (tag !== void 0) return unescape(tag);
	return (github.credential && await findRelease(repository, void 0, {
		http,
		github
	}))?.tag_name;
}
async function offerOfPages(repository, tag, name, { http, github }) {
	const url = `${`${github.serverUrl}/${repositoryPath(repository, "releases", "download", tag)}`}/${name}`;
	const page = await unlessMissing(http.read({ url: `${url}.json` }, MAX_RECORD_BYTES));
	if (page === void 0 || page.answer.headers["content-type"]?.startsWith("text/html")) return;
	const record = parseRecord(page.bytes, `${url}.json`);
	const { sha256, sizeBytes } = record.sidecar;
	return {
		record,
		content: remoteFile(http, { url }, {
			sha256,
			sizeBytes,
			isZip: false
		}),
		address: `release:${tag}`,
		bundles: () => readBundles$1(http, { url: url + BUNDLE_SUFFIX })
	};
}
async function offerOfApi(repository, tag, name, tools) {
	const release = await findRelease(repository, tag, tools);
	const recordAsset = release?.assets.find((asset) => asset.name === `${name}.json`);
	const asset = release?.assets.find((each) => each.name === name);
	if (recordAsset === void 0 || asset === void 0) return;
	const record = await readRecordAsset(repository, recordAsset, tools);
	const { sha256, sizeBytes } = record.sidecar;
	requireSame(`the size of ${name} in release ${tag}`, asset.size, sizeBytes);
	requireSame(`the digest of ${name} in release ${tag}`, asset.digest ?? `sha256:${sha256}`, `sha256:${sha256}`);
	return {
		record,
		content: remoteFile(tools.http, assetRequest(repository, asset, tools), {
			sha256,
			sizeBytes,
			isZip: false
		}),
		address: `release:${tag}`,
		bundles: async () => {
			const bundle = release?.assets.find((each) => each.name === name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : await readBundles$1(tools.http, assetRequest(repository, bundle, tools));
		}
	};
}
/** With the assets that are whole. */
async function findRelease(repository, tag, { http, github }) {
	const path = repositoryPath(repository, "releases", ...tag === void 0 ? ["latest"] : ["tags", tag]);
	const release = await unlessMissing(readApi(http, github, `repos/${path}`, releaseSchema));
	return release && {
		...release,
		assets: release.assets.filter(({ state }) => state === "uploaded")
	};
}
async function readRecordAsset(repository, asset, tools) {
	const { bytes, answer } = await tools.http.read(assetRequest(repository, asset, tools), MAX_RECORD_BYTES);
	return parseRecord(bytes, redacted(answer.url));
}
/** https://docs.github.com/rest/releases/assets#get-a-release-asset */
function assetRequest(repository, { id }, { github }) {
	const request = apiRequest(github, `repos/${repositoryPath(repository, "releases", "assets", String(id))}`);
	return {
		...request,
		headers: {
			...request.headers,
			accept: "application/octet-stream"
		}
	};
}
function requireSame(what, found, expected) {
	if (found !== expected) throw damagedRecord(`${what} is ${found}, and its pack record says ${expected}`);
}
async function nearestRecord(repository, tag, prefix, tools) {
	const asset = (await findRelease(repository, tag, tools))?.assets.find(({ name }) => name.startsWith(prefix) && name.endsWith(".smolmachine.json"));
	return asset && await readRecordAsset(repository, asset, tools);
}
function namePrefix(platform) {
	return `smolmachine-${platform.replace("/", "-")}-`;
}
// src/fetch/file-span.ts
const READ_CHUNK_BYTES$1 = 1048576;
/** Less than the span where the file ends before. */
async function readSpan(file, { offset, sizeBytes }) {
	const bytes = Buffer.allocUnsafe(sizeBytes);
	let readBytes = 0;
	while (readBytes < sizeBytes) {
		const { bytesRead } = await file.read(bytes, readBytes, sizeBytes - readBytes, offset + readBytes);
		if (bytesRead === 0) break;
		readBytes += bytesRead;
	}
	return bytes.subarray(0, readBytes);
}
/**
* Into a new file; nothing is left of it when that fails or is stopped.
* @returns the checksums of what has been written, as those of a sidecar
*/
async function copySpan(path, { offset, sizeBytes }, target, { signal, onBytes }) {
	const hash = new SidecarHash(sizeBytes);
	async function* hashedChunks(file) {
		while (hash.doneBytes < sizeBytes) {
			const nextBytes = Math.min(READ_CHUNK_BYTES$1, sizeBytes - hash.doneBytes);
			const chunk = await readSpan(file, {
				offset: offset + hash.doneBytes,
				sizeBytes: nextBytes
			});
			if (chunk.length === 0) return;
			hash.update(chunk);
			yield chunk;
			onBytes(hash.doneBytes);
		}
	}
	try {
		const file = await fs.open(path, "r");
		try {
			const copy = createWriteStream(target, {
				flags: "wx",
				mode: 384
			});
			await pipeline(hashedChunks(file), copy, { signal });
		} finally {
			await file.close();
		}
	} catch (error) {
		if (!hasErrno(error, "EEXIST")) await fs.rm(target, { force: true });
		signal.throwIfAborted();
		throw fileError(`cannot copy from ${path}`, error);
	}
	return hash.digest();
}
// src/fetch/sidecar-image.ts
/** @throws BottleError `sidecar-damaged` when the record is none, or another sidecar's */
function readSidecarImage(image, address) {
	const layer = sidecarLayer(image);
	if (layer === void 0) return { skipped: `${address} holds no sidecar` };
	const text = image.annotations?.[PACK_RECORD_ANNOTATION];
	if (text === void 0) return { skipped: `${address} has no pack record` };
	const record = readRecord(text, address);
	const { sha256, sizeBytes } = record.sidecar;
	if (layer.digest !== `sha256:${sha256}` || layer.sizeBytes !== sizeBytes) throw damagedRecord(`${address} is ${`${layer.digest} of ${layer.sizeBytes} bytes`}, and its pack record says sha256:${sha256} of ${sizeBytes}`);
	return {
		layer,
		record
	};
}
/** Before 1.6.4 smolvm wrote no artifact type. */
function sidecarLayer({ artifactType = SIDECAR_MEDIA_TYPE, layers }) {
	const layer = layers.find(({ mediaType }) => mediaType === SIDECAR_MEDIA_TYPE);
	return layer !== void 0 && artifactType === "application/vnd.smolmachines.smolmachine.v1" && isDigest(layer.digest) ? {
		digest: layer.digest,
		sizeBytes: layer.size
	} : void 0;
}
function readRecord(text, address) {
	const where = `the annotation ${PACK_RECORD_ANNOTATION} of ${address}`;
	if (Buffer.byteLength(text) > 1048576) throw damagedRecord(`${where} has more than ${MAX_RECORD_BYTES} bytes`);
	return parseRecord(text, where);
}
// src/fetch/oci-layout.ts
/** As for registries. */
const MAX_MANIFEST_BYTES = 4194304;
const MAX_BUNDLES$1 = 10;
/** A whole repository with all its tags has thousands. */
const MAX_MANIFESTS = 1e4;
const MAX_ENTRIES = 1e5;
const READ_CHUNK_BYTES = 65536;
const SKIPPED_BYTES = 16777216;
/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const layoutSchema = object({ imageLayoutVersion: literal("1.0.0") });
const LAYOUT_PATH = /^(oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;
/**
* An OCI image layout in one tar, as `claude-bottle export` and other tools write it. Nothing of it is unpacked but the
* sidecar.
*/
function layoutSource(file, tools) {
	const path = resolve(file);
	const find = (wanted) => withLayout(path, tools.signal, (layout) => findOffer$1(layout, wanted));
	return {
		name: `layout ${path}`,
		find,
		nearest: async (wanted) => {
			const found = await find(wanted);
			return "skipped" in found ? void 0 : found.record;
		}
	};
}
/** The sidecar for these inputs, or else the first for this platform. */
async function findOffer$1(layout, wanted) {
	const platforms = /* @__PURE__ */ new Set();
	const bundles = [];
	let found;
	for await (const { digest, image } of imagesIn(layout)) {
		const bundle = bundleIn(image);
		const sidecar = readSidecarImage(image, `${layout.path}@${digest}`);
		if (bundle !== void 0) bundles.push(bundle);
		else if (!("skipped" in sidecar)) {
			const { platform, inputs } = sidecar.record;
			platforms.add(platform);
			const isExact = inputs?.key === wanted.key && found?.record.inputs?.key !== wanted.key;
			if (platform === wanted.platform && (found === void 0 || isExact)) found = {
				...sidecar,
				digest
			};
		}
	}
	if (found === void 0) {
		const others = platforms.size === 0 ? "and none for others" : `only for ${[...platforms].join(", ")}`;
		return { skipped: `${layout.path} has no sidecar for ${wanted.platform}, ${others}` };
	}
	const { layer, record, digest } = found;
	const attached = [];
	for (const { blob } of bundles.filter(({ subject }) => subject === digest).slice(0, MAX_BUNDLES$1)) attached.push(await layout.read(blob, MAX_BUNDLE_BYTES));
	return {
		record,
		content: {
			kind: "local",
			path: layout.path,
			span: layout.find(layer.digest, layer.sizeBytes)
		},
		address: `layout:${layout.path}`,
		bundles: async () => attached,
		isOffline: true
	};
}
/** As cosign and gh attach it. */
function bundleIn({ subject, artifactType = "", layers }) {
	const blob = layers.find(({ mediaType }) => isBundleType(mediaType));
	return subject !== void 0 && isDigest(subject.digest) && isBundleType(artifactType) && isBlob(blob) ? {
		subject: subject.digest,
		blob: {
			digest: blob.digest,
			size: blob.size
		}
	} : void 0;
}
function isBlob(descriptor) {
	return descriptor !== void 0 && isDigest(descriptor.digest);
}
/** All that index.json leads to, by way of further indexes or directly. */
async function* imagesIn(layout) {
	const pending = [];
	const seen = /* @__PURE__ */ new Set();
	const add = (listed) => {
		for (const descriptor of listed) if (isBlob(descriptor) && MANIFEST_TYPES.includes(descriptor.mediaType) && !seen.has(descriptor.digest)) {
			seen.add(descriptor.digest);
			pending.push({
				digest: descriptor.digest,
				size: descriptor.size
			});
		}
		if (seen.size > MAX_MANIFESTS) throw damagedLayout(`${layout.path} lists more than ${MAX_MANIFESTS} manifests`);
	};
	add(await layout.readIndex());
	for (let next = pending.shift(); next !== void 0; next = pending.shift()) {
		const bytes = await layout.read(next, MAX_MANIFEST_BYTES);
		const content = parseJson(manifestSchema, bytes, `${layout.path}@${next.digest}`);
		if (isIndex(content)) add(content.manifests);
		else yield {
			digest: next.digest,
			image: content
		};
	}
}
async function withLayout(path, signal, use) {
	const file = await openFile(path);
	try {
		return await use(await Layout.open(file, path, signal));
	} catch (error) {
		if (error instanceof TarError) throw damagedLayout(`${path} is no OCI image layout in a tar: ${printable(error.message)}`, error);
		throw error instanceof Error && "syscall" in error ? fileError(`cannot read ${path}`, error) : error;
	} finally {
		await file.close();
	}
}
/** Does not wait for a pipe. */
async function openFile(path) {
	try {
		return await fs.open(path, constants$1.O_RDONLY | constants$1.O_NONBLOCK);
	} catch (error) {
		throw hasErrno(error, "ENOENT", "ENOTDIR") ? new BottleError("not-found", `there is no file ${path}`, { cause: error }) : fileError(`cannot read ${path}`, error);
	}
}
var Layout = class Layout {
	path;
	#file;
	#spans;
	constructor(path, file, spans) {
		this.path = path;
		this.#file = file;
		this.#spans = spans;
	}
	/** @throws BottleError `sidecar-damaged`, TarError */
	static async open(file, path, signal) {
		const stat = await file.stat();
		if (!stat.isFile()) throw new BottleError("usage", `${path} is not a file`, { hint: "of a directory with an OCI image layout, make one: tar -C DIR -cf FILE ." });
		const layout = new Layout(path, file, await findSpans(file, {
			path,
			sizeBytes: stat.size,
			signal
		}));
		parseJson(layoutSchema, await layout.#readFile("oci-layout"), `oci-layout in ${path}`);
		return layout;
	}
	async readIndex() {
		const where = `index.json in ${this.path}`;
		const content = parseJson(manifestSchema, await this.#readFile("index.json"), where);
		if (!isIndex(content)) throw damagedLayout(`${where} is no index`);
		return content.manifests;
	}
	/** Where a blob is, whose content is not verified. */
	find(digest, sizeBytes) {
		const span = this.#spans.get(`blobs/sha256/${digest.slice(7)}`);
		if (span === void 0) throw damagedLayout(`${this.path} lacks the blob ${digest}`);
		if (span.sizeBytes !== sizeBytes) throw damagedLayout(`the blob ${digest} in ${this.path} has ${span.sizeBytes} bytes, expected ${sizeBytes}`);
		return span;
	}
	/** A blob with the hash that it has to have. */
	async read({ digest, size }, maxBytes) {
		const bytes = await this.#readSpan(this.find(digest, size), maxBytes, `the blob ${digest}`);
		const found = createHash("sha256").update(bytes).digest("hex");
		if (digest !== `sha256:${found}`) throw damagedLayout(`the blob ${digest} in ${this.path} has the SHA-256 ${found}`);
		return bytes;
	}
	async #readFile(name) {
		const span = this.#spans.get(name);
		if (span === void 0) throw damagedLayout(`${this.path} has no ${name} at its top, so it is no OCI image layout`);
		return await this.#readSpan(span, MAX_MANIFEST_BYTES, name);
	}
	async #readSpan(span, maxBytes, what) {
		if (span.sizeBytes > maxBytes) throw damagedLayout(`${what} in ${this.path} has ${span.sizeBytes} bytes, more than ${maxBytes} bytes`);
		return await readSpan(this.#file, span);
	}
};
/** Reads the headers and steps over what is between them. */
async function findSpans(file, archive) {
	const spans = /* @__PURE__ */ new Map();
	const skipped = { toByte: 0 };
	let offset = 0;
	let entries = 0;
	for await (const part of readTar(headerChunks(file, archive, skipped))) {
		if (part.kind === "body") {
			offset += part.chunk.length;
			continue;
		}
		const { entry, raw } = part;
		offset += raw.length;
		skipped.toByte = offset + entry.sizeBytes;
		entries += 1;
		requirePlain(entry, archive.path);
		if (entries > MAX_ENTRIES) throw damagedLayout(`${archive.path} has more than ${MAX_ENTRIES} entries`);
		if (entry.type === "file" && LAYOUT_PATH.test(entry.path)) {
			if (spans.has(entry.path)) throw damagedLayout(`${archive.path} holds ${entry.path} twice`);
			spans.set(entry.path, {
				offset,
				sizeBytes: entry.sizeBytes
			});
		}
	}
	return spans;
}
/** The file, with zeros for what is before `skipped.toByte`: the reader of the headers passes that on unseen. */
async function* headerChunks(file, { sizeBytes, signal }, skipped) {
	const zeros = Buffer.alloc(SKIPPED_BYTES);
	for (let position = 0; position < sizeBytes;) {
		signal.throwIfAborted();
		const leftBytes = sizeBytes - position;
		const chunk = Math.min(skipped.toByte - position, leftBytes) >= zeros.length ? zeros : await readSpan(file, {
			offset: position,
			sizeBytes: Math.min(READ_CHUNK_BYTES, leftBytes)
		});
		if (chunk.length === 0) return;
		position += chunk.length;
		yield chunk;
	}
}
/** Other tools would unpack it. */
function requirePlain({ path, type }, archivePath) {
	const fault = type !== "file" && type !== "directory" ? `a ${type}` : path.startsWith("/") || path.split("/").includes("..") ? "a path that leads out of it" : void 0;
	if (fault !== void 0) throw damagedLayout(`${archivePath} holds ${printable(JSON.stringify(path))}, ${fault}`);
}
function parseJson(schema, bytes, where) {
	let json;
	try {
		json = JSON.parse(bytes.toString("utf8"));
	} catch (error) {
		throw damagedLayout(`${where} is not JSON`, error);
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) throw damagedLayout(`${where} is not what the OCI asks for`, parsed.error);
	return parsed.data;
}
function damagedLayout(message, cause) {
	return new BottleError("sidecar-damaged", message, {
		hint: "copy the file again, or export it again: claude-bottle export",
		cause
	});
}
// src/fetch/oci-registry.ts
const MAX_SHOWN_PLATFORMS = 8;
const MAX_BUNDLES = 10;
/**
* Sidecars in an OCI registry, in the layout of `smolvm pack push`. Without a reference they are in the package that
* belongs to this repository; without a tag or digest it is the tag for the inputs key.
*/
function ociSource(reference, tools) {
	const { registryHost } = tools.github;
	const given = reference === void 0 ? void 0 : parseOciReference(reference);
	const opened = /* @__PURE__ */ new Map();
	const open = (place) => {
		const name = formatName(place);
		const repository = opened.get(name) ?? new OciRepository(place, tools);
		opened.set(name, repository);
		return repository;
	};
	return {
		name: `OCI registry ${reference ?? registryHost}`,
		find: async (wanted) => {
			const place = given ?? defaultPlace(registryHost, wanted);
			if ("skipped" in place) return place;
			const tagOrDigest = place.digest ?? place.tag ?? keyTag(wanted.key);
			const offer = findOffer(open(place), tagOrDigest, wanted.platform);
			return given === void 0 ? await offer.catch(orUnpublished) : await offer;
		},
		nearest: async (wanted) => {
			const place = given ?? defaultPlace(registryHost, wanted);
			return "skipped" in place ? void 0 : await findNearest(open(place), wanted);
		}
	};
}
/** To those who may not know, ghcr.io refuses what is not there as it refuses what is private. */
function orUnpublished(error) {
	if (error instanceof HttpError && error.code === "authentication") return { skipped: `nothing is published there, or it is private (${error.message}): ${error.hint}` };
	throw error;
}
function defaultPlace(registryHost, { repository }) {
	if (repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
	const name = `${registryHost}/${registryRepository(repository)}`;
	try {
		return parseOciReference(name);
	} catch {
		return { skipped: `${name} is no name that a registry takes` };
	}
}
async function findOffer(repository, tagOrDigest, platform) {
	try {
		const found = await readImage(repository, tagOrDigest, platform);
		return "skipped" in found ? found : offerOf(found, repository);
	} catch (error) {
		if (error instanceof BottleError && error.code === "not-found") return { skipped: `there is no ${addressOf(repository.name, tagOrDigest)}` };
		throw error;
	}
}
/** An explanation is not worth a failure; an interruption is. */
async function findNearest(repository, { history, platform }) {
	try {
		const { tags } = await repository.listTags();
		const published = new Set(tags);
		const tag = (await history()).map(commitTag).find((name) => published.has(name));
		const found = tag === void 0 ? void 0 : await readImage(repository, tag, platform);
		return found === void 0 || "skipped" in found ? void 0 : found.record;
	} catch (error) {
		if (error instanceof BottleError) return;
		throw error;
	}
}
/** By way of the index, where there is one; what stands alone is judged by its record. */
async function readImage(repository, tagOrDigest, platform) {
	const address = addressOf(repository.name, tagOrDigest);
	let manifest = await repository.getManifest(tagOrDigest);
	if (isIndex(manifest.content)) {
		const entry = entryFor(manifest.content, platform);
		if (entry === void 0) return { skipped: `${address} has no ${platform}, ${othersIn(manifest.content)}` };
		manifest = await repository.getManifest(entry.digest);
	}
	const { digest, content } = manifest;
	if (isIndex(content)) return { skipped: `${address} holds no sidecar` };
	const image = readSidecarImage(content, address);
	if ("skipped" in image) return image;
	const { record } = image;
	if (record.platform !== platform) return { skipped: `${address} is for ${record.platform}, not ${platform}` };
	return {
		digest,
		...image
	};
}
/** The first one for the platform, like smolvm; attestations and signatures stand in an index as artifacts of their own. */
function entryFor(index, platform) {
	return sidecarEntries(index).find((entry) => platformOf(entry) === platform);
}
/** The end of the sentence "<address> has no <platform>, …". */
function othersIn(index) {
	const platforms = sidecarEntries(index).map(platformOf).filter((platform) => /^[a-z0-9]+\/[a-z0-9]+$/.test(platform) && platform !== "unknown/unknown");
	const shown = [...new Set(platforms)].slice(0, MAX_SHOWN_PLATFORMS);
	return shown.length === 0 ? "and nothing else" : `only ${shown.join(", ")}`;
}
function sidecarEntries({ manifests }) {
	return manifests.filter(({ artifactType = SIDECAR_MEDIA_TYPE, digest }) => artifactType === "application/vnd.smolmachines.smolmachine.v1" && isDigest(digest));
}
function platformOf({ platform }) {
	return platform === void 0 ? "" : `${platform.os}/${platform.architecture}`;
}
function offerOf({ digest, layer, record }, repository) {
	const address = addressOf(repository.name, digest);
	const { sha256, sizeBytes } = record.sidecar;
	return {
		record,
		content: {
			kind: "remote",
			sizeBytes,
			sha256,
			isZip: false,
			open: async (range) => await repository.openBlob(layer.digest, range)
		},
		address: `oci:${address}`,
		bundles: async () => await readBundles(repository, digest)
	};
}
/** Of the platform's manifest, as cosign and gh attach them. */
async function readBundles(repository, subject) {
	const referrers = (await repository.listReferrers(subject).catch((error) => {
		throw refusedBundle(error);
	})).filter(({ artifactType = "" }) => isBundleType(artifactType));
	const bundles = [];
	for (const { digest } of referrers.slice(0, MAX_BUNDLES)) bundles.push(await readBundle(repository, digest));
	return bundles;
}
async function readBundle(repository, digest) {
	const address = `${formatName(repository.name)}@${digest}`;
	try {
		const { content } = await repository.getManifest(digest);
		const layer = isIndex(content) ? void 0 : content.layers.find(({ mediaType }) => isBundleType(mediaType));
		if (layer === void 0 || !isDigest(layer.digest)) throw damagedRecord(`${address} holds no bundle`);
		return await repository.readBlob(layer.digest, MAX_BUNDLE_BYTES);
	} catch (error) {
		if (error instanceof BottleError && ["not-found", "sidecar-damaged"].includes(error.code)) throw new BottleError("not-trusted", `no provenance: ${address} cannot be read (${error.message})`, {
			hint: "publish the sidecar again",
			cause: error
		});
		throw refusedBundle(error);
	}
}
function addressOf(name, tagOrDigest) {
	return `${formatName(name)}${isDigest(tagOrDigest) ? "@" : ":"}${tagOrDigest}`;
}
// src/fetch/plain-file.ts
/** A sidecar on any server, with its pack record beside it: `<path>.json`, with the same query. */
function urlSource(address, { http }) {
	const { href: url, username, password } = checkedUrl(address);
	if (username !== "" || password !== "") throw new BottleError("usage", `an address with a login: ${redacted(url)}`, { hint: "download the sidecar and its record with another tool, and use file:PATH" });
	return {
		name: redacted(url),
		find: async () => {
			const recordUrl = new URL(url);
			recordUrl.pathname += ".json";
			const { bytes } = await http.read({ url: recordUrl.href }, MAX_RECORD_BYTES);
			const record = parseRecord(bytes, redacted(recordUrl.href));
			const { sha256, sizeBytes } = record.sidecar;
			const bundleUrl = new URL(url);
			bundleUrl.pathname += BUNDLE_SUFFIX;
			return {
				record,
				content: remoteFile(http, { url }, {
					sha256,
					sizeBytes,
					isZip: false
				}),
				address,
				bundles: () => readBundles$1(http, { url: bundleUrl.href })
			};
		}
	};
}
/** A sidecar on this machine, with its pack record beside it: `<path>.json`. */
function fileSource(file) {
	const path = resolve(file);
	return {
		name: `file ${path}`,
		find: async () => {
			const record = parseRecord(await readSmallFile(`${path}.json`, MAX_RECORD_BYTES), `${path}.json`);
			const sizeBytes = await sizeOfFile(path);
			return {
				record,
				content: {
					kind: "local",
					path,
					span: {
						offset: 0,
						sizeBytes
					}
				},
				address: `file:${path}`,
				bundles: async () => {
					const bundlePath = path + BUNDLE_SUFFIX;
					return await fs.stat(bundlePath).then(() => true, () => false) ? [await readSmallFile(bundlePath, MAX_BUNDLE_BYTES)] : [];
				}
			};
		}
	};
}
/** Does not wait for a pipe. */
async function readSmallFile(path, maxBytes) {
	const file = await fs.open(path, constants$1.O_RDONLY | constants$1.O_NONBLOCK).catch((error) => {
		throw readError(path, error);
	});
	try {
		const stat = await file.stat();
		if (!stat.isFile() || stat.size > maxBytes) throw damagedRecord(`${path} is no file of at most ${maxBytes} bytes`);
		return await file.readFile();
	} catch (error) {
		throw error instanceof BottleError ? error : fileError(`cannot read ${path}`, error);
	} finally {
		await file.close();
	}
}
async function sizeOfFile(path) {
	const stat = await fs.stat(path).catch((error) => {
		throw readError(path, error);
	});
	if (!stat.isFile()) throw damagedRecord(`${path} is no plain file`);
	return stat.size;
}
function readError(path, error) {
	return hasErrno(error, "ENOENT", "ENOTDIR") ? new BottleError("not-found", `there is no file ${path}`, {
		hint: "a sidecar and its pack record (<sidecar>.json) belong side by side",
		cause: error
	}) : fileError(`cannot read ${path}`, error);
}
// src/fetch/workflow-artifact.ts
/** What people without write access cannot start. */
const TRUSTED_EVENTS = [
	"push",
	"release",
	"workflow_dispatch",
	"schedule"
];
/** Each costs one question. */
const MAX_RUNS = 10;
const PAGE_SIZE = 100;
const MAX_PAGES = 5;
const MAX_REASONS = 3;
const ZIP_MAGIC = Buffer.from("PK", "latin1");
const artifactSchema = object({
	id: int(),
	name: shownText,
	size_in_bytes: int(),
	expired: boolean(),
	expires_at: nullish(shownText),
	/** Of what is stored: the file itself, or the zip around it. None on old artifacts. */
	digest: nullish(string().check(_regex(/^sha256:[0-9a-f]{64}$/))),
	workflow_run: nullish(object({
		id: int(),
		repository_id: nullish(int()),
		head_repository_id: nullish(int())
	}))
});
const artifactsSchema = object({ artifacts: array(artifactSchema) });
const runSchema = object({
	id: int(),
	event: shownText,
	status: nullish(shownText),
	conclusion: nullish(shownText),
	head_branch: nullish(shownText),
	/** None when the fork has been deleted. */
	head_repository: nullish(object({
		id: int(),
		full_name: shownText
	}))
});
const repositorySchema = object({
	id: int(),
	default_branch: shownText
});
/**
* Artifacts of workflow runs, which GitHub gives to nobody without a token. Its listing mixes the runs of everybody's
* pull requests with the repository's own, so each run is looked at before anything of it is downloaded.
*/
function artifactSource(runId, tools) {
	return {
		name: runId === void 0 ? "workflow artifact" : `workflow run ${runId}`,
		find: async (wanted) => {
			if (wanted.repository === void 0) return { skipped: "this checkout has no remote on GitHub" };
			if (tools.github.credential === void 0) return { skipped: "it needs a token (GH_TOKEN), also for a public repository" };
			const search = new Search(await findRepository(wanted.repository, tools), wanted, tools);
			return runId === void 0 ? await search.byName() : await search.inRun(runId);
		}
	};
}
async function findRepository(name, { http, github }) {
	const path = `repos/${repositoryPath(name)}`;
	const found = await unlessMissing(readApi(http, github, path, repositorySchema));
	if (found === void 0) throw new BottleError("not-found", `there is no repository ${name}, or the token may not read it`, { hint: "set GH_TOKEN to a token with access to it" });
	return {
		...found,
		name
	};
}
var Search = class {
	#repository;
	#wanted;
	#tools;
	constructor(repository, wanted, tools) {
		this.#repository = repository;
		this.#wanted = wanted;
		this.#tools = tools;
	}
	/** The newest artifact of the name that may be trusted. */
	async byName() {
		const { platform, key } = this.#wanted;
		const name = publishedName(platform, key);
		const artifacts = await this.#listArtifacts(["actions", "artifacts"], {
			name,
			maxPages: 1
		});
		const reasons = [];
		let runs = 0;
		for (const artifact of newestFirst(artifacts)) {
			const fault = listedFault(artifact);
			if (fault !== void 0) {
				reasons.push(fault);
				continue;
			}
			if (runs === MAX_RUNS) {
				reasons.push("older ones were not looked at");
				break;
			}
			runs += 1;
			const run = await this.#findRun(String(artifact.workflow_run?.id));
			const offer = await this.#distrust(run) ?? await this.#offer(run, artifact);
			if (typeof offer !== "string") return offer;
			reasons.push(offer);
		}
		return { skipped: notFound(name, reasons) };
	}
	/** @throws BottleError `not-trusted` */
	async inRun(runId) {
		const run = await this.#findRun(runId);
		const distrust = await this.#distrust(run);
		if (distrust !== void 0) throw new BottleError("not-trusted", `refused the artifacts of workflow run ${runId}: ${distrust}`, { hint: "use a successful run of this repository on its default branch or on a tag" });
		const { platform, key } = this.#wanted;
		const stem = `-${platform.replace("/", "-")}-${key.slice(0, 16)}`;
		const matching = (await this.#listArtifacts([
			"actions",
			"runs",
			runId,
			"artifacts"
		])).filter(({ name }) => name.includes(stem) && name.endsWith(".smolmachine")).toSorted((a, b) => a.name.length - b.name.length || b.id - a.id);
		const reasons = [];
		for (const artifact of matching) {
			const offer = listedExpiry(artifact) ?? await this.#offer(run, artifact);
			if (typeof offer !== "string") return offer;
			reasons.push(offer);
		}
		return { skipped: notFound(`*${stem}*.smolmachine`, reasons) };
	}
	/** Why nothing of this run is to be used. */
	async #distrust(run) {
		const { id, event, status, conclusion, head_branch: branch, head_repository: head } = run;
		const { id: repositoryId, default_branch: defaultBranch } = this.#repository;
		if (head?.id !== repositoryId) return `run ${id} is of a fork (${head?.full_name ?? "deleted"})`;
		if (!TRUSTED_EVENTS.includes(event)) return `run ${id} was started by ${event}`;
		if (status !== "completed") return `run ${id} has not ended (${status})`;
		if (conclusion !== "success") return `run ${id} ended with ${conclusion}`;
		return event === "release" || branch === defaultBranch || event === "push" && await this.#isTag(branch) ? void 0 : `run ${id} is of ${branch}, neither ${defaultBranch} nor a tag that was pushed`;
	}
	/** A run names the branch or the tag that it ran for, and does not say which of them it is. */
	async #isTag(name) {
		const ref = name && await unlessMissing(this.#read([
			"git",
			"ref",
			"tags",
			name
		], object({ ref: string() })));
		return Boolean(ref);
	}
	/** Or why there is none. */
	async #offer(run, artifact) {
		const name = `${artifact.name}.json`;
		const recordArtifact = await this.#beside(run, name);
		if (recordArtifact === void 0) return `run ${run.id} has no ${name} beside it`;
		const record = parseRecord(await this.#readText(recordArtifact, MAX_RECORD_BYTES), `the artifact ${name}`);
		this.#requireSource(record, run);
		const content = await this.#content(artifact, record);
		if (content === void 0) return `the one of run ${run.id} is a zip without a digest`;
		const bundles = async () => {
			const bundle = await this.#beside(run, artifact.name + BUNDLE_SUFFIX);
			return bundle === void 0 ? [] : [await this.#readText(bundle, MAX_BUNDLE_BYTES)];
		};
		return {
			record,
			content,
			address: `run:${run.id}`,
			bundles
		};
	}
	async #beside(run, name) {
		const path = [
			"actions",
			"runs",
			String(run.id),
			"artifacts"
		];
		return newestFirst(await this.#listArtifacts(path, {
			name,
			maxPages: 1
		})).find(({ expired }) => !expired);
	}
	async #readText(artifact, maxBytes) {
		const { bytes } = await this.#tools.http.read(this.#downloadRequest(artifact), maxBytes);
		const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
		if (artifact.digest && artifact.digest !== digest) throw damagedRecord(`the artifact ${artifact.name} arrived as ${digest}, expected ${artifact.digest}`);
		return bytes.subarray(0, ZIP_MAGIC.length).equals(ZIP_MAGIC) ? await (await import("./unzip.mjs")).unzipOnly(bytes, maxBytes) : bytes;
	}
	/** The action writes its run into the record, also when the sidecar came from the runner cache. */
	#requireSource({ source }, run) {
		const repositoryId = String(this.#repository.id);
		const fault = source?.runId !== String(run.id) ? `of run ${source?.runId ?? "none"}` : source.repositoryId !== void 0 && source.repositoryId !== repositoryId ? `of repository ${source.repositoryId}, not ${repositoryId}` : void 0;
		if (fault !== void 0) throw new BottleError("not-trusted", `the pack record in workflow run ${run.id} says it is ${fault}`, { hint: "do not use it; run the workflow again, or pack your own: claude-bottle pack" });
	}
	/** Undefined when there is nothing to check the transfer with. */
	async #content(artifact, { sidecar }) {
		const { name, digest, size_in_bytes: sizeBytes } = artifact;
		const request = this.#downloadRequest(artifact);
		const isZip = digest !== `sha256:${sidecar.sha256}` && await this.#startsAsZip(request);
		if (isZip) {
			const sha256 = digest?.replace("sha256:", "");
			return sha256 === void 0 ? void 0 : remoteFile(this.#tools.http, request, {
				sizeBytes,
				sha256,
				isZip
			});
		}
		if (digest && digest !== `sha256:${sidecar.sha256}` || sizeBytes !== sidecar.sizeBytes) throw damagedRecord(`the artifact ${name} is ${digest} (${sizeBytes} bytes), and its pack record says sha256:${sidecar.sha256} (${sidecar.sizeBytes} bytes)`);
		return remoteFile(this.#tools.http, request, {
			sizeBytes,
			sha256: sidecar.sha256,
			isZip
		});
	}
	async #startsAsZip(request) {
		const { http } = this.#tools;
		return await http.retry(async () => {
			const { body, url } = await http.send({
				...request,
				headers: {
					...request.headers,
					range: `bytes=0-${ZIP_MAGIC.length - 1}`
				},
				expected: [200, 206]
			});
			let start = Buffer.alloc(0);
			try {
				for await (const chunk of body) {
					start = Buffer.concat([start, chunk]);
					if (start.length >= ZIP_MAGIC.length) break;
				}
			} catch (error) {
				throw bodyError(error, url);
			}
			return start.subarray(0, ZIP_MAGIC.length).equals(ZIP_MAGIC);
		});
	}
	/** https://docs.github.com/rest/actions/artifacts#download-an-artifact: the way to what is no zip, too. */
	#downloadRequest({ id }) {
		const path = repositoryPath(this.#repository.name, "actions", "artifacts", String(id), "zip");
		return apiRequest(this.#tools.github, `repos/${path}`);
	}
	async #findRun(runId) {
		return await this.#read([
			"actions",
			"runs",
			runId
		], runSchema);
	}
	async #listArtifacts(segments, { name, maxPages = MAX_PAGES } = {}) {
		const artifacts = [];
		for (let page = 1; page <= maxPages; page += 1) {
			const query = new URLSearchParams({
				per_page: String(PAGE_SIZE),
				page: String(page),
				...name && { name }
			});
			const answer = await this.#read(segments, artifactsSchema, `?${query}`);
			artifacts.push(...answer.artifacts);
			if (answer.artifacts.length < PAGE_SIZE) break;
		}
		return artifacts;
	}
	async #read(segments, schema, query = "") {
		const { http, github } = this.#tools;
		return await readApi(http, github, `repos/${repositoryPath(this.#repository.name, ...segments)}${query}`, schema);
	}
};
/** What the listing itself says against an artifact: a question less. */
function listedFault(artifact) {
	const { workflow_run: run } = artifact;
	if (run === void 0 || run === null) return "one has no workflow run";
	return run.head_repository_id !== run.repository_id ? `run ${run.id} is of a fork` : listedExpiry(artifact);
}
function listedExpiry({ expired, expires_at: expiry, workflow_run: run }) {
	return expired ? `the one of run ${run?.id} expired on ${expiry?.slice(0, 10)}` : void 0;
}
/** Numbers go up. */
function newestFirst(artifacts) {
	return artifacts.toSorted((a, b) => b.id - a.id);
}
function notFound(name, reasons) {
	if (reasons.length === 0) return `there is no artifact ${name}`;
	const more = reasons.length - MAX_REASONS;
	return `no artifact ${name} can be used: ${reasons.slice(0, MAX_REASONS).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
// src/cli/sources.ts
/** The sources that a checkout has, or the one that `from` names. */
async function openSources(context, { repo, githubUrl, token }, from, { onProgress }, signal) {
	if (repo !== void 0 && !/^[\w.-]+\/[\w.-]+$/.test(repo)) throw new BottleError("usage", `not a repository: ${JSON.stringify(repo)}`, { hint: "use OWNER/NAME" });
	const origin = await originOf(context);
	const github = await githubSite({
		serverUrl: githubUrl,
		remoteHost: origin?.host,
		token,
		env: process.env
	});
	const onWarning = warningsTo(onProgress);
	const tools = {
		http: new HttpClient({
			signal,
			onRetry: (message) => onWarning(`${message}; trying again`)
		}),
		github,
		signal,
		onWarning
	};
	const repositoryName = repo ?? origin?.repository;
	return {
		tools,
		repositoryName,
		sources: from === void 0 ? [
			ociSource(void 0, tools),
			releaseSource(void 0, tools),
			artifactSource(void 0, tools)
		] : [sourceAt(from, tools)],
		aboutServer: from === void 0 && github.isGuess ? [`the checkout's remote names ${github.serverUrl}; if another one is meant: --github-url URL`] : [],
		forBuild: (build) => ({
			...build,
			repository: repositoryName,
			history: () => historyOf(context),
			tags: () => tagsAtHead(context)
		})
	};
}
function sourceAt(address, tools) {
	switch (address.kind) {
		case "oci": return ociSource(address.reference, tools);
		case "release": return releaseSource(address.tag, tools);
		case "run": return artifactSource(address.runId, tools);
		case "https": return urlSource(address.url, tools);
		case "file": return fileSource(address.path);
		case "layout": return layoutSource(address.path, tools);
	}
}
export { LOCK_FILE as a, requireLocked as c, parseSourceAddress as i, writeLockFile as l, copySpan as n, lockedOf as o, damagedRecord as r, readLockFile as s, openSources as t };
