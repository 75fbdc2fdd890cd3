import { t as formatBytes } from "./disk.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { n as describeSigner } from "./signer.mjs";
import { c as storeDir } from "./location.mjs";
import { s as listSidecars } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { t as formatAge } from "./age.mjs";
import { a as shortHashes } from "./style.mjs";
// src/cli/ls-command.ts
const COLUMNS = [
	"IMAGE",
	"COMMIT",
	"SIZE",
	"USED",
	"SIGNED BY",
	"ORIGIN"
];
/** `claude-bottle ls`: a line for each sidecar of the store. */
async function runLs(options, output) {
	const store = await Store.open(storeDir(options.store));
	const sidecars = await listSidecars(store);
	const now = Date.now();
	const total = sidecars.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	const count = `${sidecars.length} sidecar${sidecars.length === 1 ? "" : "s"}`;
	output.result(sidecars, sidecars.length === 0 ? [`no sidecars in ${store.dir}`] : [...table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]), `${count}, ${formatBytes(total)} in ${store.dir}`]);
	return 0;
}
/** A line for each name that a sidecar has; without one, for each origin that has brought it. */
function rowsOf({ sizeBytes, usedAt, names, origins }, now) {
	const named = names.map(({ id16, origin }) => ({
		id: shortHashes(id16),
		installed: origins.find((each) => each.origin === origin)
	}));
	const unnamed = origins.map((installed) => ({
		id: "-",
		installed
	}));
	return (named.length > 0 ? named : unnamed).map(({ id, installed }, index) => {
		const isFirst = index === 0;
		return [
			id,
			installed?.commit?.slice(0, 12) ?? "-",
			isFirst ? formatBytes(sizeBytes) : "",
			isFirst ? formatAge(now - Date.parse(usedAt)) : "",
			installed?.signer === void 0 ? "-" : describeSigner(installed.signer),
			originOf(installed)
		];
	});
}
/** Says for which machines, where they are not of this one's kind. */
function originOf(installed) {
	if (installed === void 0) return "packed by claude-bottle";
	const { origin, platform } = installed;
	const where = origin.replace(/^github\.com\//, "");
	return platform === hostGuestPlatform() ? where : `${where}, ${platform}`;
}
function table(rows) {
	const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
export { runLs };
