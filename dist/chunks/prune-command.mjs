import { t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { n as warningsTo } from "./progress.mjs";
import { c as storeDir } from "./kept.mjs";
import { t as Store } from "./store.mjs";
import { t as formatAge } from "./age.mjs";
// src/cli/prune-command.ts
const REASONS = {
	old: "not used for longer",
	"over-limit": "over the size",
	"within-limits": "within the limits",
	newest: "among the last used",
	open: "open in a process",
	machine: "a machine of smolvm was made from it",
	busy: "another run works on it"
};
/** `claude-bottle prune`: says of each sidecar whether it goes, and why. */
async function runPrune({ olderThan, maxSize, keep, dryRun = false, store: dir }, output) {
	if (olderThan === void 0 && maxSize === void 0) throw new BottleError("usage", "prune needs a limit", { hint: "use --older-than 30d, or --max-size 20GB" });
	const store = await Store.open(storeDir(dir));
	if (!dryRun) await store.sweep(warningsTo(output.onProgress));
	const result = await store.prune({
		olderThanMs: olderThan,
		maxBytes: maxSize,
		keep,
		dryRun
	});
	const now = Date.now();
	const { removed, kept, freedBytes, quarantineRemoved } = result;
	output.result({
		dryRun,
		...result
	}, [
		...removed.map((sidecar) => lineOf(dryRun ? "would go" : "removed", sidecar, now)),
		...kept.map((sidecar) => lineOf("kept", sidecar, now)),
		...quarantineRemoved.map((path) => `${(dryRun ? "would go" : "removed").padEnd(9)} ${path}`),
		`${formatBytes(freedBytes)} ${dryRun ? "would be freed" : "freed"}`
	]);
	return 0;
}
function lineOf(verdict, { paths, sizeBytes, lastUsedAt, reason }, now) {
	const used = `used ${formatAge(now - Date.parse(lastUsedAt))}`;
	return `${verdict.padEnd(9)} ${paths[0]}  ${formatBytes(sizeBytes)}, ${used}: ${REASONS[reason]}`;
}
export { runPrune };
