import { t as formatBytes } from "./disk.mjs";
import { c as storeDir } from "./location.mjs";
import { o as listSidecars } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { t as formatAge } from "./age.mjs";
// src/cli/ls-command.ts
const COLUMNS = [
	"NAME",
	"KEY",
	"PLATFORM",
	"SIZE",
	"INSTALLED",
	"ORIGIN"
];
/** `claude-bottle ls`: a line for each sidecar of the store. */
async function runLs(options, output) {
	const store = await Store.open(storeDir(options.store));
	const sidecars = await listSidecars(store);
	const now = Date.now();
	output.result(sidecars, sidecars.length === 0 ? [`no sidecars in ${store.dir}`] : table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]));
	return 0;
}
/** A line for each origin that has brought the sidecar, and for each name that it has. */
function rowsOf({ sizeBytes, installedAt, names, origins }, now) {
	return Array.from({ length: Math.max(origins.length, names.length, 1) }).map((_, index) => {
		const { key, platform, origin, signer } = origins[index] ?? {};
		const isFirst = index === 0;
		const brought = origin ?? (isFirst ? "packed by claude-bottle" : void 0);
		return [
			names[index]?.id16 ?? "-",
			key?.slice(0, 16) ?? "-",
			platform ?? "-",
			isFirst ? formatBytes(sizeBytes) : "",
			isFirst ? formatAge(now - Date.parse(installedAt)) : "",
			brought === void 0 ? "" : signer === void 0 ? brought : `${brought}, signed`
		];
	});
}
function table(rows) {
	const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
export { runLs };
