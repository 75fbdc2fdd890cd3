import { t as BottleError } from "./errors.mjs";
import { l as frameIndexOf } from "./file.mjs";
import { o as formatFrameIndex } from "./frame-index.mjs";
import { t as cutSegments } from "./segments.mjs";
import { t as formatBytes } from "./disk.mjs";
import { m as storeDir } from "./by-key.mjs";
import { t as Store } from "./store.mjs";
import { a as readGuest, i as differenceLines, n as compareSidecars, r as countsOf, t as readNamed } from "./named-sidecar.mjs";
// src/fetch/update-cost.ts
/**
* How many bytes `fetch` asks for when the store has one sidecar and another one is wanted: the frames that the first
* one lacks, what stands behind the frames, the few bytes between two ranges that are asked for as one, and the frame index.
*/
async function updateCost(had, wanted, signal) {
	const [base, index] = [await frameIndexOf(had, signal), await frameIndexOf(wanted, signal)];
	if (base === void 0 || index === void 0) return wanted.sizeBytes;
	const known = new Set(base.frames.map(({ sha256 }) => sha256));
	const missing = [];
	const add = (start, end) => {
		const last = missing.at(-1);
		missing.push(last?.end === start ? {
			start: missing.pop().start,
			end
		} : {
			start,
			end
		});
	};
	for (const { offset, sizeBytes, sha256 } of index.frames) if (!known.has(sha256)) add(offset, offset + sizeBytes);
	add(index.framesBytes, wanted.sizeBytes);
	return cutSegments(missing).reduce((sum, { start, end }) => sum + end - start, formatFrameIndex(index).length);
}
// src/cli/diff-command.ts
/** `claude-bottle diff`: verifies two sidecars, and says what differs and what a fetch of the second one moves. */
async function runDiff(names, options, context) {
	const { output, signal } = context;
	const store = await Store.open(storeDir(options.store), output.onProgress);
	const from = await read(names.from, store, context);
	const to = await read(names.to, store, context, from.files);
	const isSame = from.report.sha256 === to.report.sha256;
	const differences = compareSidecars(from, to);
	const fetchBytes = isSame ? 0 : await updateCost(from.report, to.report, signal);
	output.result({
		from: summaryOf(from),
		to: summaryOf(to),
		isSame,
		fetchBytes,
		...differences
	}, isSame ? [output.digest(`the same bytes: sha256 ${to.report.sha256}`)] : linesOf(differences, fetchBytes, to));
	return 0;
}
async function read(name, store, { output: { onProgress }, signal }, base) {
	onProgress({
		type: "start",
		stage: "read",
		detail: name
	});
	const onBytes = (doneBytes) => onProgress({
		type: "bytes",
		stage: "read",
		doneBytes
	});
	const verify = (options) => readNamed(name, store, options);
	const { report, files } = await readGuest({
		signal,
		onBytes
	}, verify, base);
	if (report === void 0) throw new BottleError("not-found", `the sidecar of ${name} is neither beside it nor in the store`, { hint: "claude-bottle fetch --no-bind" });
	onProgress({
		type: "done",
		stage: "read",
		sizeBytes: report.sizeBytes,
		detail: name
	});
	return {
		report,
		files
	};
}
function summaryOf({ report: { path, sha256, sizeBytes }, files }) {
	return {
		path,
		sha256,
		sizeBytes,
		files: files.size
	};
}
function linesOf(all, fetchBytes, { report }) {
	const changed = all.changed.filter(({ aspects }) => aspects.some((aspect) => aspect !== "time"));
	const settings = all.settings.filter(({ name }) => name !== "created");
	const shown = {
		...all,
		settings,
		changed: changed.map((file) => ({
			...file,
			aspects: file.aspects.filter((aspect) => aspect !== "time")
		}))
	};
	const timesOnly = all.changed.length - changed.length;
	const percent = (100 * fetchBytes / report.sizeBytes).toFixed(1);
	return [
		`${countsOf(shown) ?? "the same files"}; the update fetches ${formatBytes(fetchBytes)} of ${formatBytes(report.sizeBytes)} (${percent} %)`,
		...differenceLines(shown),
		...timesOnly === 0 ? [] : [`${timesOnly.toLocaleString("en")} more with another time only`]
	];
}
export { runDiff };
