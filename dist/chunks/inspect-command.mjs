import { t as formatBytes } from "./disk.mjs";
import { t as counted } from "./shown-text.mjs";
import { n as describeSigner } from "./signer.mjs";
import { m as recordPathOf, p as readRecord } from "./file.mjs";
import { o as unknownKeys, r as readSidecar } from "./verify.mjs";
import { m as storeDir } from "./by-key.mjs";
import { s as listSidecars } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { t as findId } from "./stored-id.mjs";
// src/cli/inspect-command.ts
/** `claude-bottle inspect`: what the footer and the manifest say, without reading the rest, and who it came from. */
async function runInspect(fileOrId, options, output) {
	const store = await Store.open(storeDir(options.store), output.onProgress);
	const id = await findId(store, fileOrId);
	const file = id === void 0 ? fileOrId : store.pathFor(id);
	const { sizeBytes, footer, manifest } = await readSidecar(file);
	const stored = id === void 0 ? void 0 : (await listSidecars(store)).find(({ names }) => names.some((name) => name.id16 === id));
	const rows = [
		["file", file],
		["size", `${formatBytes(sizeBytes)}, not verified now (claude-bottle verify)`],
		...stored === void 0 ? await claimsOf(file, output) : rowsOfStored(stored, output),
		...rowsOf(manifest, output)
	];
	output.result({
		file,
		sizeBytes,
		footer,
		manifest,
		...stored && { stored }
	}, rows.flatMap(([name, value]) => value === void 0 ? [] : [`${name.padEnd(11)} ${value}`]));
	return 0;
}
/** What the store wrote down when it verified and installed the sidecar. */
function rowsOfStored({ origins, sha256 }, { digest }) {
	return [["sha256", sha256 && digest(sha256)], ...origins.flatMap(({ origin, commit, key, signer, packedAt }) => [
		["origin", `${origin}${commit === void 0 ? "" : `, commit ${digest(commit)}`}, packed ${packedAt}`],
		["signed by", signer === void 0 ? "nobody" : describeSigner(signer)],
		["inputs key", key && digest(key)]
	])];
}
/** What the record beside a file says, which anyone can write. */
async function claimsOf(file, { digest }) {
	const record = await readRecord(recordPathOf(file));
	const source = record?.source;
	const origin = source && `${source.repository}, commit ${digest(source.commit)}`;
	return [["origin", origin && `${origin}, by its record (claude-bottle verify checks the signature)`], ["inputs key", record?.inputs && digest(record.inputs.key)]];
}
function rowsOf(manifest, { digest }) {
	const { assets } = manifest;
	const unknown = unknownKeys(manifest);
	return [
		["platform", manifest.platform],
		["packed by", `smolvm ${manifest.smolvm_version ?? "(unknown)"} on ${manifest.host_platform ?? "(unknown)"}`],
		["created", manifest.created],
		["image", digest(manifest.image)],
		["config", manifest.digest === void 0 ? void 0 : digest(manifest.digest)],
		["machine", `${counted(manifest.cpus, "CPU")}, ${manifest.mem} MiB`],
		["entrypoint", manifest.entrypoint && JSON.stringify(manifest.entrypoint)],
		["cmd", manifest.cmd && JSON.stringify(manifest.cmd)],
		["workdir", manifest.workdir ?? void 0],
		["user", manifest.user ?? void 0],
		["env", manifest.env?.join(" ")],
		...assets.layers.map((layer) => ["layer", `${digest(layer.digest)}, ${formatBytes(layer.size)}`]),
		["agent", formatBytes(assets.agent_rootfs.size)],
		["storage", assets.storage_template ? formatBytes(assets.storage_template.size) : void 0],
		["unknown", unknown.length === 0 ? void 0 : `manifest keys ${unknown.join(", ")}`]
	];
}
export { runInspect };
