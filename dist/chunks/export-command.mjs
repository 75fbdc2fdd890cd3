import { i as fileError, t as BottleError } from "./errors.mjs";
import { r as requireFreeBytes, t as formatBytes } from "./disk.mjs";
import { r as parseId16, t as id16 } from "./image-id.mjs";
import { i as parseInputsKey } from "./inputs-key.mjs";
import { C as sharedTags, S as registryRepository, b as keyTag } from "./oci-manifest.mjs";
import { r as parseGuestPlatform, t as GUEST_PLATFORMS } from "./platform.mjs";
import { r as publishedName } from "./published-name.mjs";
import { n as github_default, t as public_good_default } from "./public-good.mjs";
import { a as sidecarManifest, i as referrer, n as indexOf, t as bundleManifest } from "./sidecar-manifests.mjs";
import { n as readSidecar } from "./verify.mjs";
import { c as storeDir } from "./kept.mjs";
import { i as thisOwner, t as isAlive } from "./owner.mjs";
import { t as END_OF_ARCHIVE } from "./tar.mjs";
import { o as syncDirectory, t as Store } from "./store.mjs";
import { r as readInputs } from "./build-options.mjs";
import { createHash } from "node:crypto";
import { constants as constants$1, createWriteStream } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
// src/store/oci-layout.ts
const BLOCK_BYTES = 512;
const READ_CHUNK_BYTES = 1048576;
/** What eleven octal digits hold. */
const MAX_OCTAL_BYTES = 8 ** 11 - 1;
/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const OCI_LAYOUT = Buffer.from("{\"imageLayoutVersion\":\"1.0.0\"}");
/**
* Writes an OCI image layout as one tar, the same bytes for the same content. The files are checked while they are
* copied, and the target appears whole or not at all.
* @returns its size
* @throws BottleError `sidecar-damaged` when a file is not what it should be
*/
async function writeLayout(target, content, { signal, onBytes }) {
	const dir = dirname(target);
	const prefix = `.${basename(target)}.`;
	const temp = join(dir, `${prefix}${thisOwner()}.part`);
	const totalBytes = content.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	try {
		await removeAbandoned(dir, prefix);
		await requireFreeBytes(dir, totalBytes, "the archive");
		let doneBytes = 0;
		const source = countBytes(tarOf(content), (count) => {
			doneBytes += count;
			onBytes(doneBytes);
		});
		await pipeline(source, createWriteStream(temp, {
			flags: "wx",
			flush: true
		}), { signal });
		await fs.rename(temp, target);
		await syncDirectory(dir);
		return doneBytes;
	} catch (error) {
		signal.throwIfAborted();
		throw error instanceof BottleError ? error : fileError(`cannot write ${target}`, error);
	} finally {
		await fs.rm(temp, { force: true });
	}
}
/** What a killed run has left. No private directory: on a USB stick there are no links. */
async function removeAbandoned(dir, prefix) {
	for (const name of await fs.readdir(dir)) {
		const owner = name.startsWith(prefix) && /^([0-9a-z-]+)\.part$/.exec(name.slice(prefix.length))?.[1];
		if (owner && !isAlive(owner)) await fs.rm(join(dir, name), { force: true });
	}
}
async function* countBytes(chunks, onCount) {
	for await (const chunk of chunks) {
		yield chunk;
		onCount(chunk.length);
	}
}
async function* tarOf({ index, blobs, files }) {
	yield* entryOf("oci-layout", OCI_LAYOUT);
	yield* entryOf("index.json", index);
	const bySha256 = new Map(blobs.map((blob) => [createHash("sha256").update(blob).digest("hex"), blob]));
	for (const [sha256, blob] of bySha256) yield* entryOf(`blobs/sha256/${sha256}`, blob);
	for (const [sha256, file] of new Map(files.map((each) => [each.sha256, each]))) {
		yield tarHeader(`blobs/sha256/${sha256}`, file.sizeBytes);
		yield* checkedContent(file);
		yield paddingAfter(file.sizeBytes);
	}
	yield END_OF_ARCHIVE;
}
function* entryOf(path, bytes) {
	yield Buffer.concat([
		tarHeader(path, bytes.length),
		bytes,
		paddingAfter(bytes.length)
	]);
}
async function* checkedContent({ path, sha256, sizeBytes }) {
	const hash = createHash("sha256");
	let readBytes = 0;
	const chunks = (await fs.open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW)).createReadStream({
		end: sizeBytes - 1,
		highWaterMark: READ_CHUNK_BYTES
	});
	for await (const chunk of chunks) {
		hash.update(chunk);
		readBytes += chunk.length;
		yield chunk;
	}
	const found = hash.digest("hex");
	if (found !== sha256 || readBytes !== sizeBytes) throw new BottleError("sidecar-damaged", `${path} has ${readBytes} bytes with the SHA-256 ${found}, expected ${sizeBytes} with ${sha256}`, { hint: "claude-bottle verify --all moves it away; then fetch it again" });
}
/** POSIX ustar, and for large files the size as GNU tar and Go write it: https://www.gnu.org/software/tar/manual/html_node/Standard.html */
function tarHeader(path, sizeBytes) {
	const block = Buffer.alloc(BLOCK_BYTES);
	const fields = [
		[0, path],
		[100, "0000644"],
		[108, "0000000"],
		[116, "0000000"],
		[124, sizeBytes.toString(8).padStart(11, "0")],
		[136, "00000000000"],
		[148, " ".repeat(8)],
		[156, "0"],
		[257, "ustar\x0000"]
	];
	for (const [offset, text] of fields) block.write(text, offset, "latin1");
	if (sizeBytes > MAX_OCTAL_BYTES) {
		block.fill(0, 124, 136);
		block[124] = 128;
		block.writeBigUInt64BE(BigInt(sizeBytes), 128);
	}
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
	return block;
}
function paddingAfter(sizeBytes) {
	return Buffer.alloc(-sizeBytes & 511);
}
// src/cli/export-command.ts
/** How a layout names what is in it: https://github.com/opencontainers/image-spec/blob/main/annotations.md */
const REF_NAME_ANNOTATION = "org.opencontainers.image.ref.name";
/** What --trusted-root takes: a root of Sigstore on each line. */
const ROOTS_TYPE = "application/vnd.dev.claude-bottle.trusted-roots.v1+jsonl";
const ROOTS_TAG = "trusted-roots";
/** Of an image that was packed as it was found. */
const NAMELESS = {
	repository: "claude-bottle",
	tag: "latest"
};
/** `claude-bottle export`: sidecars of the store in one file, for a machine without a network. */
async function runExport(id, options, output, signal) {
	const { onProgress } = output;
	const store = await Store.open(storeDir(options.store));
	const found = id === void 0 ? await findForCheckout(store, options, output, signal) : [await findById(store, id, signal)];
	const [first] = found;
	const sidecars = await Promise.all(found.map(async (each) => ({
		...each,
		bundle: await store.readBundle(each.record.sidecar.sha256)
	})));
	const target = resolve(options.out ?? `smolmachine-${shortName(first.record)}.oci.tar`);
	const { tags, index, published, images } = await describe(sidecars);
	const totalBytes = sidecars.reduce((sum, { record }) => sum + record.sidecar.sizeBytes, 0);
	onProgress({
		type: "start",
		stage: "export",
		detail: target
	});
	const sizeBytes = await writeLayout(target, {
		index,
		blobs: published.flatMap(({ manifest, blobs }) => [manifest, ...blobs]),
		files: sidecars.map(({ path, record: { sidecar } }) => ({
			path,
			...sidecar
		}))
	}, {
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
		sizeBytes,
		detail: target
	});
	const exported = sidecars.map(({ record, bundle }, position) => ({
		platform: record.platform,
		imageId: record.image.id,
		key: record.inputs?.key ?? null,
		sha256: record.sidecar.sha256,
		sizeBytes: record.sidecar.sizeBytes,
		manifestDigest: images[position]?.descriptor.digest,
		hasProvenance: bundle !== void 0
	}));
	output.result({
		path: target,
		sizeBytes,
		tags,
		sidecars: exported
	}, [
		`exported      ${formatBytes(sizeBytes)} to ${target}`,
		...exported.map(({ platform, sha256, hasProvenance }) => `${platform}   sha256 ${sha256}, ${hasProvenance ? "with" : "without"} provenance`),
		`import with   claude-bottle import FILE, in a checkout of the same commit`
	]);
	return 0;
}
/** All platforms that the store has, or the one that was named. */
async function findForCheckout(store, options, output, signal) {
	const platforms = options.platform === void 0 ? GUEST_PLATFORMS : [parseGuestPlatform(options.platform)];
	const found = [];
	for (const platform of platforms) {
		const { record } = await readInputs(options, platform, output, signal);
		const kept = await store.findByKey(record.key, platform);
		if (kept !== void 0) found.push(kept);
	}
	if (found.length === 0) throw new BottleError("not-found", `the store has no sidecar of this checkout for ${platforms.join(" or ")}`, { hint: "get it first: claude-bottle fetch --no-bind --platform PLATFORM" });
	return found;
}
async function findById(store, text, signal) {
	const id = parseId16(text);
	if (id === void 0) throw new BottleError("usage", `not an image ID: ${JSON.stringify(text)}`, { hint: "use an image ID or its first 16 hex digits; claude-bottle ls lists them" });
	const { path, record } = await store.verify(store.pathFor(id), { signal });
	if (record === void 0) throw new BottleError("not-found", `${path} has no pack record: something else has put it there`, { hint: "pack the image with claude-bottle pack" });
	return {
		path,
		record
	};
}
/** What we push to a registry, and with it the trust roots: where there is no network they become old unnoticed. */
async function describe(sidecars) {
	const images = [];
	const bundles = [];
	for (const { path, record, bundle } of sidecars) {
		const image = await describeSidecar(path, record);
		images.push(image);
		if (bundle !== void 0) bundles.push(bundleManifest(image.descriptor, bundle));
	}
	const platforms = indexOf(images.map(({ descriptor }) => descriptor));
	const roots = referrer(platforms.descriptor, ROOTS_TYPE, {
		bytes: Buffer.from([public_good_default, github_default].map((root) => `${JSON.stringify(root)}\n`).join("")),
		fileName: "trusted-root.jsonl"
	});
	const tags = [...new Set(sidecars.flatMap(({ record }) => tagsOf(record)))];
	const named = (descriptor, tag) => ({
		...descriptor,
		annotations: { [REF_NAME_ANNOTATION]: tag }
	});
	const { manifest: index } = indexOf([
		...tags.map((tag) => named(platforms.descriptor, tag)),
		...bundles.map(({ descriptor }) => descriptor),
		named(roots.descriptor, ROOTS_TAG)
	]);
	return {
		tags,
		index,
		images,
		published: [
			platforms,
			...images,
			...bundles,
			roots
		]
	};
}
async function describeSidecar(path, record) {
	const { manifest } = await readSidecar(path);
	const repository = registryRepository(record.source?.repository ?? NAMELESS.repository);
	return sidecarManifest({
		record,
		config: manifest,
		mode: manifest.mode ?? "container",
		fileName: publishedName(record.platform, shortName(record)),
		title: `${repository}:${tagsOf(record)[0]}`
	});
}
/** Those that a registry has: `claude-bottle fetch` finds it there under the first, once it is copied to one. */
function tagsOf({ inputs, source }) {
	const tags = [...inputs === void 0 ? [] : [keyTag(parseInputsKey(inputs.key))], ...source === void 0 ? [] : sharedTags(source)];
	return tags.length > 0 ? tags : [NAMELESS.tag];
}
function shortName({ inputs, image }) {
	return inputs?.key.slice(0, 16) ?? id16(image.id);
}
export { runExport };
