import { t as counted } from "./shown-text.mjs";
import { a as contentOf, i as TarError, o as readTar, t as linkInsideRoot } from "./links.mjs";
import { i as damaged, t as frameContents } from "./frame-reader.mjs";
import { createHash } from "node:crypto";
// src/sidecar/assets.ts
const READ_CHUNK_BYTES = 262144;
/** smolvm measures the agent's root file system before it packs it, so that the member may be larger. */
const AGENT_ROOTFS_SLACK_BYTES = 268435456;
/** Headers and padding of the outer tar. */
const TAR_OVERHEAD_BYTES = 1048576;
/** smolvm unpacks no more (SMOLVM_PACK_MAX_ENTRIES, SMOLVM_PACK_MAX_EXTRACT_BYTES). */
const MAX_LAYER_ENTRIES = 2e6;
const MAX_DECLARED_BYTES = 128 * 1024 ** 3;
const MAX_REFUSED_LINKS = 5;
/**
* Unpacks the assets in constant memory and checks every entry: no member but those that the manifest names, each
* no larger than declared, the layer exactly as large, and no path in the layer that leads out of it.
*
* The manifest's digest of a layer is only compared, not demanded: smolvm's guest unpacks what it pulls and makes a tar
* of its own, whereas the digest is that of the blob it pulled. From 1.16.2 on, a layer that was merged or read from an
* archive has the digest of its tar.
*/
async function checkAssets(file, { footer, manifest }, options) {
	const declared = declaredMembers(manifest);
	const seen = /* @__PURE__ */ new Map();
	const source = file.createReadStream({
		start: 0,
		end: footer.assetsBytes - 1,
		autoClose: false,
		highWaterMark: READ_CHUNK_BYTES
	});
	try {
		const parts = readTar(limited(frameContents(source, options.signal), declared, options.signal));
		for await (const part of parts) if (part.kind === "header") {
			const { entry } = part;
			checkMember(entry, declared, seen);
			const { kind, digest } = declared.get(entry.path) ?? {};
			const layer = kind === "layer" ? await checkLayer(contentOf(entry, parts), digest, options) : void 0;
			seen.set(entry.path, {
				path: entry.path,
				sizeBytes: entry.realSizeBytes,
				...layer
			});
		}
	} catch (error) {
		if (error instanceof TarError) throw damaged("assets", error.message, error);
		throw error;
	} finally {
		source.destroy();
	}
	for (const [path, { kind }] of declared) if (!(kind === "directory" || kind === "agent" && manifest.assets.agent_rootfs.size === 0) && !seen.has(path)) throw damaged("assets", `the manifest names ${path}, which is not there`);
	return [...seen.values()];
}
function declaredMembers({ assets }) {
	const declared = /* @__PURE__ */ new Map();
	declared.set(assets.agent_rootfs.path, {
		kind: "agent",
		maxBytes: assets.agent_rootfs.size + AGENT_ROOTFS_SLACK_BYTES
	});
	for (const layer of assets.layers) {
		declared.set(layer.path.split("/").slice(0, -1).join("/"), {
			kind: "directory",
			maxBytes: 0
		});
		declared.set(layer.path, {
			kind: "layer",
			maxBytes: layer.size,
			digest: layer.digest
		});
	}
	if (assets.storage_template) declared.set(assets.storage_template.path, {
		kind: "template",
		maxBytes: assets.storage_template.size
	});
	return declared;
}
function checkMember(entry, declared, seen) {
	const { path, type, realSizeBytes } = entry;
	const expected = declared.get(path);
	if (expected === void 0) throw damaged("assets", `${JSON.stringify(path)} is not in the manifest`);
	if (seen.has(path)) throw damaged("assets", `${path} is there twice`);
	const types = expected.kind === "directory" ? ["directory"] : ["file", "sparse"];
	if (!types.includes(type)) throw damaged("assets", `${path} is a ${type}, expected a ${types[0]}`);
	const isExact = expected.kind === "agent" || realSizeBytes === expected.maxBytes;
	if (realSizeBytes > expected.maxBytes || entry.sizeBytes > expected.maxBytes || !isExact) throw damaged("assets", `${path} has ${realSizeBytes} bytes, the manifest says ${expected.maxBytes}`);
}
async function checkLayer(content, digest, { signal, onEntry }) {
	const hash = createHash("sha256");
	const hashed = async function* () {
		for await (const chunk of stoppable(content, signal)) {
			hash.update(chunk);
			yield chunk;
		}
	};
	let entries = 0;
	let contentBytes = 0;
	const refusedLinks = [];
	const parts = readTar(hashed());
	for await (const part of parts) if (part.kind === "header") {
		entries += 1;
		const { entry } = part;
		const paths = entry.type === "hardlink" ? [entry.path, entry.linkPath] : [entry.path];
		if (paths.some((path) => path.startsWith("/") || path.split("/").includes(".."))) throw damaged("layer", `the entry ${JSON.stringify(paths.join(" -> "))} leads out of the layer`);
		if (entry.type === "symlink" && linkInsideRoot(entry.path, entry.linkPath) !== void 0 && refusedLinks.length < MAX_REFUSED_LINKS) refusedLinks.push(`${entry.path} -> ${entry.linkPath}`);
		if (entries > MAX_LAYER_ENTRIES) throw damaged("layer", `more than ${MAX_LAYER_ENTRIES} entries`);
		contentBytes += entry.realSizeBytes;
		if (contentBytes > MAX_DECLARED_BYTES) throw damaged("layer", `its files have more than ${MAX_DECLARED_BYTES} bytes`);
		await onEntry?.(entry, stoppable(contentOf(entry, parts), signal));
	}
	const sha256 = hash.digest("hex");
	return {
		entries,
		sha256,
		hasDigest: digest === `sha256:${sha256}`,
		refusedLinks
	};
}
async function* stoppable(source, signal) {
	for await (const chunk of source) {
		signal?.throwIfAborted();
		yield chunk;
	}
}
/** Ends a stream that holds more than is declared, such as a small file of many zeros. */
async function* limited(source, declared, signal) {
	const maxBytes = [...declared.values()].reduce((sum, member) => sum + member.maxBytes, TAR_OVERHEAD_BYTES);
	if (maxBytes > MAX_DECLARED_BYTES) throw damaged("assets", `the manifest declares ${counted(maxBytes, "byte")}, the most is ${MAX_DECLARED_BYTES}`);
	let bytes = 0;
	for await (const chunk of stoppable(source, signal)) {
		bytes += chunk.length;
		if (bytes > maxBytes) throw damaged("assets", `they unpack to more than the ${counted(maxBytes, "byte")} that the manifest declares`);
		yield chunk;
	}
}
export { checkAssets };
