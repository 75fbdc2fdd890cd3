import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { D as _regex, T as _nonnegative, _ as refine, a as boolean, b as unknown, c as looseObject, g as record, i as array, m as optional$1, o as int, s as literal, u as nullable, v as string, y as union } from "./schemas.mjs";
import { t as parseJson } from "./json.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { a as decodeFooter, i as damaged, n as isFrameMagic, s as shortened } from "./frame-reader.mjs";
import * as zlib from "node:zlib";
import { createHash } from "node:crypto";
import { constants as constants$1 } from "node:fs";
import * as fs from "node:fs/promises";
// src/identity/image-id.ts
const DIGEST = /^sha256:[0-9a-f]{64}$/;
function isDigest(text) {
	return DIGEST.test(text);
}
function parseImageId(text) {
	if (!isDigest(text)) throw new BottleError("docker-failed", `not an image ID: ${JSON.stringify(text)}`, { hint: "the engine names images sha256:<64 hex digits>; check that `docker image inspect` does" });
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
// src/host/sync.ts
async function syncFile(path) {
	const file = await fs.open(path, "r");
	try {
		await file.sync();
	} finally {
		await file.close();
	}
}
/** Some file systems cannot sync a directory; then the rename is as durable as they make it. */
async function syncDirectory(path) {
	const dir = await fs.open(path, "r");
	try {
		await dir.sync();
	} catch (error) {
		if (!hasErrno(error, "EINVAL", "ENOTSUP", "EPERM", "EISDIR")) throw error;
	} finally {
		await dir.close();
	}
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
	/** Of the guest, `os/architecture`. */
	platform: string(),
	cpus: int(),
	/** MiB */
	mem: int(),
	entrypoint: optional(array(string())),
	cmd: optional(array(string())),
	env: optional(array(string())),
	workdir: optional(nullable(string())),
	/** Of the image, since 1.16. */
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
	/** Of the machine that packed. */
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
		if (hasErrno(error, "ENOENT", "ENOTDIR")) throw new BottleError("not-found", `there is no file ${path}`, { cause: error });
		if (hasErrno(error, "ENXIO", "EISDIR")) throw damaged("file", `${path} is not a regular file`, error);
		throw fileError(`cannot read ${path}`, error);
	}
}
async function readContents(file, path) {
	const stat = await file.stat();
	if (!stat.isFile()) throw damaged("file", `${path} is not a regular file`);
	if (stat.size < 64) throw damaged("file", `${path} has ${stat.size} bytes, the footer alone has 64`);
	const footer = decodeFooter(await readAt(file, stat.size - 64, 64), stat.size);
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
export { parseManifest as a, syncFile as c, parseId16 as d, parseImageId as f, verifySidecar as i, id16 as l, openSidecar as n, unknownKeys as o, readSidecar as r, syncDirectory as s, SidecarHash as t, isDigest as u };
