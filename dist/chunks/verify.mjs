import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as counted } from "./shown-text.mjs";
import { t as canonicalize } from "./canonicalize.mjs";
import { D as _regex, O as $ZodISODateTime, S as _isoDateTime, T as _nonnegative, _ as refine, a as boolean, b as unknown, c as looseObject, g as record, i as array, k as $constructor, m as optional$1, n as _enum, o as int, s as literal, t as ZodMiniStringFormat, u as nullable, v as string, y as union } from "./schemas.mjs";
import { t as parseJson } from "./json.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { a as decodeFooter, c as shortened, i as damaged, n as isFrameMagic, s as hasFooterMagic } from "./frame-reader.mjs";
import * as zlib from "node:zlib";
import { createHash } from "node:crypto";
import { constants as constants$1 } from "node:fs";
import * as fs from "node:fs/promises";
// node_modules/zod/v4/mini/iso.js
const ZodMiniISODateTime = /*@__PURE__*/ $constructor("ZodMiniISODateTime", (inst, def) => {
	$ZodISODateTime.init(inst, def);
	ZodMiniStringFormat.init(inst, def);
});
// @__NO_SIDE_EFFECTS__
function datetime(params) {
	return _isoDateTime(ZodMiniISODateTime, params);
}
// src/identity/image-id.ts
const DIGEST = /^sha256:[0-9a-f]{64}$/;
function isDigest(text) {
	return DIGEST.test(text);
}
function parseImageId(text) {
	if (!isDigest(text)) throw new BottleError("docker-failed", `not an image ID: ${JSON.stringify(text)}`, { hint: "check that docker image inspect prints an Id of sha256: and 64 hex digits" });
	return text;
}
function id16(digest) {
	return digest.slice(7, 23);
}
/** Accepts an image ID, its 64 hex digits, or an id16. */
function parseId16(text) {
	const hex = text.replace(/^sha256:/, "");
	return /^([0-9a-f]{16}|[0-9a-f]{64})$/.test(hex) ? hex.slice(0, 16) : void 0;
}
// src/identity/shown-schema.ts
/** Text from someone else that is shown to the user: it cannot move the cursor of a terminal. */
const shownText = string().check(_regex(/^\P{Cc}{0,500}$/u));
/** What can write a sidecar. */
const PACKERS = ["smolvm", "direct"];
const digest$1 = string().check(refine(isDigest));
const sha256 = string().check(_regex(/^[0-9a-f]{64}$/));
const sizeBytes$1 = int().check(_nonnegative());
const packRecordSchema = looseObject({
	version: literal(1),
	platform: _enum(GUEST_PLATFORMS),
	image: looseObject({
		id: digest$1,
		/** Absent where the engine does not tell: the containerd image store. */
		configDigest: optional$1(digest$1),
		/** Absent where the image has none: the classic image store. */
		manifestDigest: optional$1(digest$1),
		layers: array(digest$1),
		/** `runtimeConfigSha256` of the image's environment, command, user and so on. */
		runtimeConfigSha256: sha256
	}),
	/** The one-layer image that smolvm pulled; a sidecar's manifest names its config. */
	flattened: looseObject({
		configDigest: digest$1,
		layerDigest: digest$1,
		layerSizeBytes: sizeBytes$1
	}),
	sidecar: looseObject({
		sha256,
		sizeBytes: sizeBytes$1,
		crc32: string().check(_regex(/^[0-9a-f]{8}$/))
	}),
	smolvm: looseObject({
		version: shownText,
		cpus: optional$1(int()),
		memMib: optional$1(int())
	}),
	/** What wrote the sidecar; `smolvm` where it is absent. */
	packer: optional$1(_enum(PACKERS)),
	/** How packer smolvm got the image. */
	hop: optional$1(_enum(["embedded", "container"])),
	/** The canonical form of the sidecar (docs/sidecar-format.md). */
	format: optional$1(looseObject({
		version: int(),
		/** The version of the zstd library: another one may compress the same content to other bytes. */
		zstd: shownText,
		/** SOURCE_DATE_EPOCH: no time in the layer is later. */
		latestSeconds: optional$1(sizeBytes$1),
		/** The smolvm whose agent and disk template are in a sidecar of packer direct. */
		parts: optional$1(shownText)
	})),
	/** The frame index, by which only what has changed is fetched. */
	frames: optional$1(looseObject({
		sha256,
		sizeBytes: sizeBytes$1
	})),
	packedAt: /* @__PURE__ */ datetime(),
	/** What went into `docker build`; absent where an image was packed as it was found. */
	inputs: optional$1(looseObject({
		key: sha256,
		dockerfileSha256: sha256,
		target: optional$1(shownText),
		buildArgsSha256: sha256,
		entriesSha256: sha256,
		/** Whether the key covers only what the Dockerfile can see, or the whole context. */
		narrowed: boolean()
	})),
	/** The workflow run that published it. */
	source: optional$1(looseObject({
		/** Absent in records of version 0.1. */
		server: optional$1(shownText),
		repository: shownText,
		repositoryId: optional$1(shownText),
		commit: string().check(_regex(/^[0-9a-f]{40,64}$/)),
		ref: shownText,
		event: shownText,
		runId: string().check(_regex(/^\d{1,20}$/)),
		runAttempt: int()
	}))
}).check(refine(hasCanonicalForm));
/** Whether it can be signed: half a character, and a number too large for any computer, have no form in RFC 8785. */
function hasCanonicalForm(record) {
	try {
		canonicalize(record);
		return true;
	} catch {
		return false;
	}
}
/** For where one that cannot be read counts as none; `fetch` says what is wrong with it (`parseRecord`). */
function readableRecord(json) {
	try {
		return packRecordSchema.safeParse(parseJson(json)).data;
	} catch {
		return;
	}
}
/** `owner/name`, case-insensitive as GitHub's names are. */
function isSameRepository(one, other) {
	return one.toLowerCase() === other.toLowerCase();
}
/** Equal for equal runtime configs, whatever the order of their keys (RFC 8785). */
function runtimeConfigSha256(config) {
	return createHash("sha256").update(canonicalize(config) ?? "").digest("hex");
}
// src/sidecar/manifest.ts
const MAX_PROBLEMS = 3;
const sizeBytes = int().check(_nonnegative());
const optional = optional$1;
const digest = string().check(refine(isDigest, "not sha256:<64 hex digits>"));
/** Inside the directory that a sidecar is unpacked into, whatever the system. */
const memberPath = string().check(_regex(/^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/));
const asset = looseObject({
	path: memberPath,
	size: sizeBytes
});
/**
* smolvm's manifest, required fields and those that later versions added (smolvm, crates/smolvm-pack/src/format.rs).
* Keys that are not listed are kept: a newer smolvm may have added them.
*/
const manifestSchema = looseObject({
	image: string(),
	/** The digest of the image config, or `packed` when smolvm packed an archive. */
	digest: union([digest, literal("packed")]),
	/** The guest's platform, `os/architecture`. */
	platform: string(),
	cpus: int(),
	/** MiB */
	mem: int(),
	entrypoint: optional(array(string())),
	cmd: optional(array(string())),
	env: optional(array(string())),
	workdir: optional(nullable(string())),
	/** The user of the image, since 1.16. */
	user: optional(nullable(string())),
	assets: looseObject({
		libraries: array(asset),
		agent_rootfs: asset,
		layers: array(looseObject({
			digest,
			path: memberPath,
			size: sizeBytes
		})),
		storage_template: optional(nullable(asset)),
		overlay_template: optional(nullable(asset)),
		/** Files of the machine that was packed. */
		workspace_seed: optional(nullable(asset))
	}),
	mode: optional(string()),
	/** The platform of the machine that packed. */
	host_platform: optional(string()),
	created: optional(string()),
	smolvm_version: optional(string()),
	image_size: optional(nullable(sizeBytes)),
	network: optional(boolean()),
	gpu: optional(boolean()),
	cuda: optional(boolean()),
	overlay_logical_size: optional(nullable(sizeBytes)),
	storage_logical_size: optional(nullable(sizeBytes)),
	/** The memory of a running machine, with host directories, ports and keys to attach again. */
	checkpoint: optional(unknown()),
	secret_refs: optional(union([array(unknown()), record(string(), unknown())]))
});
function parseManifest(bytes) {
	let json;
	try {
		json = parseJson(new TextDecoder("utf-8", {
			fatal: true,
			ignoreBOM: true
		}).decode(bytes));
	} catch (error) {
		throw damaged("manifest", "not JSON", error);
	}
	const parsed = manifestSchema.safeParse(json);
	if (!parsed.success) {
		const problems = parsed.error.issues.slice(0, MAX_PROBLEMS).map((issue) => `${issue.path.join(".") || "the whole"}: ${issue.message}`);
		throw damaged("manifest", problems.join("; "), parsed.error);
	}
	return parsed.data;
}
/** Keys that this version does not know, for a reader who wants to see them. */
function unknownKeys(manifest) {
	const { shape } = manifestSchema;
	const isUnknown = (known) => (key) => !Object.hasOwn(known, key);
	return [...Object.keys(manifest).filter(isUnknown(shape)), ...Object.keys(manifest.assets).filter(isUnknown(shape.assets.shape)).map((key) => `assets.${key}`)];
}
// src/sidecar/verify.ts
const READ_CHUNK_BYTES = 1048576;
const MAX_CPUS = 255;
const MAX_MEM_MIB = 1048576;
const MAGIC_BYTES = 4;
/**
* Checks a sidecar from end to end through one open file. smolvm itself checks next to nothing of this when it makes
* a machine from the file, so what passes here is what gets booted.
* @throws BottleError `sidecar-damaged` or `sidecar-refused`, naming the check, with expected and found
*/
async function verifySidecar(path, expected = {}, options = {}) {
	return await withSidecar(path, async (file) => {
		const contents = await readContents(file, path);
		requirePolicy(contents.manifest, expected.platform);
		const { sha256, crc32 } = options.hashed ?? await hashFile(file, contents, options);
		requireCrc(contents.footer.crc32, crc32);
		requireEqual("SHA-256", expected.sha256, sha256);
		requireIdentity(contents.manifest, expected);
		const members = options.deep ? await (await import("./assets.mjs")).checkAssets(file, contents, options) : void 0;
		return {
			...contents,
			sha256,
			crc32: hex32(crc32),
			members
		};
	});
}
/** Reads footer and manifest only. */
async function readSidecar(path) {
	return await withSidecar(path, (file) => readContents(file, path));
}
async function withSidecar(path, use) {
	const file = await openSidecar(path);
	try {
		return await use(file);
	} catch (error) {
		throw error instanceof Error && "syscall" in error ? fileError(`cannot read ${path}`, error) : error;
	} finally {
		await file.close();
	}
}
/** Follows no link and waits for no pipe. */
async function openSidecar(path) {
	try {
		return await fs.open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK);
	} catch (error) {
		if (hasErrno(error, "ELOOP", "EMLINK")) throw damaged("file", `${path} is a symbolic link`, error);
		if (hasErrno(error, "ENOENT", "ENOTDIR")) throw new BottleError("not-found", `there is no file ${path}`, {
			hint: "check the path, or name an image ID that claude-bottle ls shows",
			cause: error
		});
		if (hasErrno(error, "ENXIO", "EISDIR")) throw damaged("file", `${path} is not a regular file`, error);
		throw fileError(`cannot read ${path}`, error);
	}
}
async function readContents(file, path) {
	const stat = await file.stat();
	if (!stat.isFile()) throw damaged("file", `${path} is not a regular file`);
	const isZstd = stat.size >= MAGIC_BYTES && isFrameMagic(await readAt(file, 0, MAGIC_BYTES));
	const end = await readAt(file, Math.max(0, stat.size - 64), Math.min(stat.size, 64));
	if (!isZstd && !hasFooterMagic(end)) throw new BottleError("sidecar-damaged", `${path} is not a .smolmachine file`, { hint: "check the path" });
	if (stat.size < 64) throw damaged("file", `${path} has ${counted(stat.size, "byte")}, the footer alone has 64`);
	const footer = decodeFooter(end, stat.size);
	await requireZstd(file);
	const manifest = parseManifest(await readAt(file, footer.assetsBytes, footer.manifestBytes));
	return {
		path,
		sizeBytes: stat.size,
		footer,
		manifest
	};
}
async function readAt(file, position, length) {
	const bytes = Buffer.alloc(length);
	const { bytesRead } = await file.read(bytes, 0, length, position);
	if (bytesRead !== length) throw damaged("file", `it ended while it was read, at byte ${position + bytesRead}`);
	return bytes;
}
async function requireZstd(file) {
	const magic = await readAt(file, 0, MAGIC_BYTES);
	if (!isFrameMagic(magic)) throw damaged("assets", `they begin with ${magic.toString("hex")}, a zstd frame with 28b52ffd`);
}
/** What a packed manifest may ask of the machine it starts: smolvm would grant more than claude-bottle means to. */
function requirePolicy(manifest, expectedPlatform) {
	const { cpus, mem, mode = "container", network, gpu, cuda, secret_refs: secretRefs = [] } = manifest;
	const { checkpoint = null } = manifest;
	const { workspace_seed: seed = null, overlay_template: overlay = null } = manifest.assets;
	const layers = manifest.assets.layers.length;
	const platforms = expectedPlatform ? [expectedPlatform] : GUEST_PLATFORMS;
	const rules = [
		[
			"mode",
			mode,
			mode === "container",
			"\"container\""
		],
		[
			"digest",
			manifest.digest,
			isDigest(manifest.digest),
			"sha256:<64 hex digits>, of an image config"
		],
		[
			"checkpoint",
			checkpoint,
			checkpoint === null,
			"none"
		],
		[
			"assets.workspace_seed",
			seed,
			seed === null,
			"none"
		],
		[
			"assets.overlay_template",
			overlay,
			overlay === null,
			"none"
		],
		[
			"secret_refs",
			secretRefs,
			Object.keys(secretRefs).length === 0,
			"none"
		],
		[
			"network",
			network,
			network !== true,
			"false"
		],
		[
			"gpu",
			gpu,
			gpu !== true,
			"false"
		],
		[
			"cuda",
			cuda,
			cuda !== true,
			"false"
		],
		[
			"platform",
			manifest.platform,
			platforms.includes(manifest.platform),
			platforms.join(" or ")
		],
		[
			"the number of assets.layers",
			layers,
			layers === 1,
			"1"
		],
		[
			"cpus",
			cpus,
			cpus >= 1 && cpus <= MAX_CPUS,
			`1 to ${MAX_CPUS}`
		],
		[
			"mem",
			mem,
			mem >= 1 && mem <= MAX_MEM_MIB,
			`1 to ${MAX_MEM_MIB} MiB`
		]
	];
	for (const [field, found, ok, expected] of rules) if (!ok) throw new BottleError("sidecar-refused", `refused sidecar, policy: ${field} is ${shortened(JSON.stringify(found))}, expected ${expected}`, { hint: "do not start it; pack your own image" });
}
/** The two checksums of a sidecar whose size is known, from its bytes in their order. */
var SidecarHash = class {
	#sha256 = createHash("sha256");
	#footerStart;
	#crc32 = 0;
	#doneBytes = 0;
	constructor(sizeBytes) {
		this.#footerStart = sizeBytes - 64;
	}
	get doneBytes() {
		return this.#doneBytes;
	}
	update(bytes) {
		this.#sha256.update(bytes);
		if (this.#doneBytes < this.#footerStart) this.#crc32 = zlib.crc32(bytes.subarray(0, this.#footerStart - this.#doneBytes), this.#crc32);
		this.#doneBytes += bytes.length;
	}
	digest() {
		return {
			sha256: this.#sha256.digest("hex"),
			crc32: this.#crc32
		};
	}
};
async function hashFile(file, { sizeBytes }, { signal, onBytes }) {
	const hash = new SidecarHash(sizeBytes);
	const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
	while (hash.doneBytes < sizeBytes) {
		signal?.throwIfAborted();
		const length = Math.min(chunk.length, sizeBytes - hash.doneBytes);
		const { bytesRead } = await file.read(chunk, 0, length, hash.doneBytes);
		if (bytesRead === 0) throw damaged("file", `it ended while it was read, at byte ${hash.doneBytes}`);
		hash.update(chunk.subarray(0, bytesRead));
		onBytes?.(hash.doneBytes);
	}
	return hash.digest();
}
function requireCrc(expected, found) {
	if (found !== expected) throw damaged("CRC-32", `the content has ${hex32(found)}, the footer says ${hex32(expected)}`);
}
function requireIdentity({ digest, assets }, expected) {
	requireEqual("digest of the image config", expected.configDigest, digest);
	requireEqual("digest of the layer", expected.layerDigest, assets.layers[0]?.digest ?? "none");
}
function requireEqual(what, expected, found) {
	if (expected !== void 0 && found !== expected) throw damaged("identity", `the ${what} is ${found}, expected ${expected}`);
}
function hex32(value) {
	return value.toString(16).padStart(8, "0");
}
export { datetime as _, parseManifest as a, isSameRepository as c, runtimeConfigSha256 as d, shownText as f, parseImageId as g, parseId16 as h, verifySidecar as i, packRecordSchema as l, isDigest as m, openSidecar as n, unknownKeys as o, id16 as p, readSidecar as r, PACKERS as s, SidecarHash as t, readableRecord as u };
