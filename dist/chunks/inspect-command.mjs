import { t as formatBytes } from "./disk.mjs";
import { i as unknownKeys, n as readSidecar } from "./verify.mjs";
// src/cli/inspect-command.ts
/** `claude-bottle inspect`: what the footer and the manifest say, without reading the rest. */
async function runInspect(file, output) {
	const { sizeBytes, footer, manifest } = await readSidecar(file);
	const { assets } = manifest;
	const unknown = unknownKeys(manifest);
	const rows = [
		["file", `${file}, ${formatBytes(sizeBytes)}, not verified (claude-bottle verify)`],
		["platform", manifest.platform],
		["packed by", `smolvm ${manifest.smolvm_version ?? "(unknown)"} on ${manifest.host_platform ?? "(unknown)"}`],
		["created", manifest.created],
		["image", manifest.image],
		["config", manifest.digest],
		["machine", `${manifest.cpus} CPUs, ${manifest.mem} MiB`],
		["entrypoint", manifest.entrypoint && JSON.stringify(manifest.entrypoint)],
		["cmd", manifest.cmd && JSON.stringify(manifest.cmd)],
		["workdir", manifest.workdir ?? void 0],
		["user", manifest.user ?? void 0],
		["env", manifest.env?.join(" ")],
		...assets.layers.map((layer) => ["layer", `${layer.digest}, ${formatBytes(layer.size)}`]),
		["agent", formatBytes(assets.agent_rootfs.size)],
		["storage", assets.storage_template ? formatBytes(assets.storage_template.size) : void 0],
		["unknown", unknown.length === 0 ? void 0 : `manifest keys ${unknown.join(", ")}`]
	];
	output.result({
		file,
		sizeBytes,
		footer,
		manifest
	}, rows.flatMap(([name, value]) => value === void 0 ? [] : [`${name.padEnd(11)} ${value}`]));
	return 0;
}
export { runInspect };
