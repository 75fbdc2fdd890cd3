import { t as formatBytes } from "./disk.mjs";
import { _ as HERE, m as storeDir, y as describeOrigin } from "./by-key.mjs";
import { t as counted } from "./shown-text.mjs";
import { n as describeSigner } from "./signer.mjs";
import { s as listSidecars } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { t as formatAge } from "./age.mjs";
import { a as shortHashes } from "./style.mjs";
// src/cli/ls-command.ts
const COLUMNS = [
	"IMAGE",
	"COMMIT",
	"PLATFORM",
	"SIZE",
	"USED",
	"SIGNED BY"
];
const LOCAL_PACK = "(local pack)";
/** `claude-bottle ls`: a line for each sidecar of the store. */
async function runLs(options, output) {
	const store = await Store.open(storeDir(options.store));
	const sidecars = await listSidecars(store);
	const now = Date.now();
	const total = sidecars.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	output.result(sidecars, sidecars.length === 0 ? [`no sidecars in ${store.dir}`] : [...table([COLUMNS, ...sidecars.flatMap((sidecar) => rowsOf(sidecar, now))]), `${counted(sidecars.length, "sidecar")}, ${formatBytes(total)} in ${store.dir}`]);
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
			isLocal(installed) ? LOCAL_PACK : installed?.commit?.slice(0, 12) ?? "-",
			installed?.platform ?? "-",
			isFirst ? formatBytes(sizeBytes) : "",
			isFirst ? formatAge(now - Date.parse(usedAt)) : "",
			installed === void 0 || isLocal(installed) ? "-" : signerOf(installed)
		];
	});
}
/** claude-bottle's own packing leaves no record. */
function isLocal(installed) {
	return installed === void 0 || installed.origin === describeOrigin(HERE);
}
/** With the repository that it was fetched for, unless the signer is of that one. */
function signerOf({ origin, signer }) {
	const repository = origin.replace(/^github\.com\//, "");
	const name = signer === void 0 ? "nobody" : describeSigner(signer);
	return name.startsWith(`${repository} `) ? name : `${name}, for ${repository}`;
}
function table(rows) {
	const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
export { runLs };
