import { t as formatBytes } from "./disk.mjs";
import { c as storeDir } from "./kept.mjs";
import { t as Store } from "./store.mjs";
import { t as formatAge } from "./age.mjs";
// src/cli/ls-command.ts
const COLUMNS = [
	"ID16",
	"KEY",
	"PLATFORM",
	"SIZE",
	"INSTALLED",
	"BOUND TO"
];
/** `claude-bottle ls`: a line for each sidecar of the store. */
async function runLs(options, output) {
	const store = await Store.open(storeDir(options.store));
	const sidecars = await store.listSidecars();
	const now = Date.now();
	output.result(sidecars, sidecars.length === 0 ? [`no sidecars in ${store.dir}`] : table([COLUMNS, ...sidecars.map((sidecar) => rowOf(sidecar, now))]));
	return 0;
}
function rowOf({ id16, key, platform, sizeBytes, installedAt, names }, now) {
	const bound = names.filter(({ kind }) => kind === "bound").map((name) => `${name.id16} (${name.proof})`);
	return [
		id16,
		key?.slice(0, 16) ?? "-",
		platform ?? "-",
		formatBytes(sizeBytes),
		formatAge(now - Date.parse(installedAt)),
		bound.join(", ") || "-"
	];
}
function table(rows) {
	const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
export { runLs };
