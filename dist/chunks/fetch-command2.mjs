import { t as BottleError } from "./errors.mjs";
import { n as bindSidecar, t as REPLACE_HINT } from "./bind.mjs";
import { n as explainMiss } from "./explain-miss2.mjs";
import { c as fetchSidecar, i as readLockFile, o as requireLocked, t as openSources } from "./sources.mjs";
import { t as formatBytes } from "./disk.mjs";
import { c as storeDir, g as originOfCheckout, r as isDefaultStore } from "./location.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { t as isOlder } from "./version.mjs";
import { n as findSmolvm, r as requireSupported } from "./smolvm.mjs";
import { t as warningsTo } from "./progress.mjs";
import { t as Store } from "./store.mjs";
import { r as sweepStore } from "./sweep.mjs";
import { n as platformOf, r as readInputs, t as imageName } from "./build-options.mjs";
import { t as trustOf } from "./trust-options.mjs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
// src/cli/fetch-command.ts
/** `claude-bottle fetch`: the prebuilt sidecar of this checkout, verified, where claude-bottle looks for it. */
async function runFetch(options, output, signal) {
	const { platform, key, result, bound } = await fetchAndBind(options, output, signal);
	const { status, record, source, address, skipped, provenance } = result;
	const path = bound === void 0 || bound.outcome === "kept" ? result.stored?.path : bound.path;
	const isFound = bound !== void 0 && await isFile(bound.path);
	if (bound !== void 0 && !isFound) throw new BottleError("io", `${bound.path} was put there, and is gone again`, { hint: "look for what cleans up that directory, and fetch again" });
	const { sha256, sizeBytes } = record.sidecar;
	const isSeen = isDefaultStore(storeDir(options.store));
	output.result({
		status,
		platform,
		key,
		source,
		address: address ?? null,
		skipped,
		sha256,
		sizeBytes,
		path: path ?? null,
		bound: bound ?? null,
		nextStart: isFound && isSeen ? "hit" : "unknown",
		provenance: provenance ?? null,
		record
	}, options.printPath ? path === void 0 ? [] : [path] : summaryOf(result, bound, isSeen));
	return 0;
}
/** @param isSeen whether claude-bottle looks into this store */
function summaryOf(result, bound, isSeen) {
	const { status, record, source, stored, provenance } = result;
	const size = formatBytes(record.sidecar.sizeBytes);
	const commit = record.source === void 0 ? "" : `, packed from commit ${record.source.commit.slice(0, 12)}`;
	const first = {
		hit: `in the store  ${size}${commit}`,
		fetched: `fetched       ${size} from ${source}${commit}`,
		available: `would fetch   ${size} from ${source}${commit}`
	}[status];
	const origin = provenance === void 0 ? [] : [`provenance    ${provenance.signer}, for ${provenance.ref} of ${provenance.repository}`];
	if (bound === void 0) return [
		first,
		...origin,
		...stored === void 0 ? [] : [`not bound     ${stored.path}`]
	];
	const because = bound.proof === "content" ? "same layers and runtime config" : "same inputs";
	return [
		first,
		...origin,
		bound.outcome === "kept" ? `not bound     ${bound.id16} has a good sidecar of another origin (${bound.keptOrigin}); ${REPLACE_HINT}` : `bound         to the image ID ${bound.id16} that is built here: ${because}`,
		isSeen ? `next start    finds ${bound.path}` : `next start    does not look here, only into ~/.cache/claude-bottle/smolmachines: ${bound.path}`
	];
}
/** What claude-bottle checks before it packs. */
async function isFile(path) {
	return await stat(path).then((found) => found.isFile(), () => false);
}
/** Fetches the sidecar into the store and gives it the name that claude-bottle looks for. */
async function fetchAndBind(options, output, signal) {
	const { onProgress } = output;
	const { context, offline = false, dryRun = false } = options;
	const onWarning = warningsTo(onProgress);
	const platform = platformOf(options);
	const image = imageName(options.image);
	const demands = parseDemands(options);
	const inputs = await readInputs(options, platform, output, signal);
	const { key } = inputs.record;
	const locked = options.locked && requireLocked(await readLockFile(join(context, "claude-bottle.lock")), platform, key);
	const from = locked?.address ?? options.from;
	const store = await Store.open(storeDir(options.store), onProgress);
	if (!dryRun) await sweepStore(store);
	const { tools, sources, aboutServer, forBuild } = await openSources(context, options, {
		address: from,
		isLocked: locked !== void 0
	}, output, signal);
	const wanted = forBuild({
		key,
		platform
	});
	const trust = await trustOf(options);
	let result;
	try {
		result = await fetchSidecar({
			store,
			wanted,
			demands: {
				...demands,
				...locked
			},
			sources,
			offline,
			dryRun,
			tools,
			trust,
			requireUsable: (record) => requireUsable(record, onWarning),
			explainMiss: (nearest) => explainMiss(nearest, inputs, {
				platform,
				context
			}, aboutServer),
			signal,
			onProgress
		});
	} finally {
		tools.http.close();
	}
	const { stored } = result;
	const bound = options.bind && stored !== void 0 && !dryRun && isForThisMachine(platform, output) ? await bindSidecar({
		store,
		stored,
		origin: originOfCheckout(wanted.serverUrl, wanted.repository),
		required: trust.provenance === "required",
		build: {
			...options,
			image,
			buildArgs: options.buildArg
		},
		platform,
		prove: options.prove ?? false,
		signal,
		onProgress
	}) : void 0;
	return {
		platform,
		key,
		result,
		bound
	};
}
/** @throws BottleError `usage` */
function parseDemands({ sha256, commit, bind, prove, locked, from }) {
	requireHex("--sha256", sha256, /^[0-9a-f]{64}$/, "the 64 hex digits of the sidecar");
	requireHex("--commit", commit, /^([0-9a-f]{40}|[0-9a-f]{64})$/, "the full hash: git rev-parse HEAD");
	const conflict = locked && (from ?? sha256 ?? commit) !== void 0 ? "--locked takes source, hash and commit from the lock file" : prove && !bind ? "--prove has no meaning with --no-bind" : void 0;
	if (conflict !== void 0) throw new BottleError("usage", conflict, { hint: "leave out one of the two" });
	return {
		sha256,
		commit,
		sameInputs: bind,
		knownSource: (from ?? locked) === void 0
	};
}
function requireHex(option, value, pattern, hint) {
	if (value !== void 0 && !pattern.test(value)) throw new BottleError("usage", `not a value for ${option}: ${JSON.stringify(value)}`, { hint: `use ${hint}` });
}
function isForThisMachine(platform, output) {
	const isOurs = platform === hostGuestPlatform();
	if (!isOurs) output.note(`not bound: this machine builds and starts ${hostGuestPlatform()}, not ${platform}`);
	return isOurs;
}
/** smolvm need not be here to fetch; if it is, it must be able to use what comes. */
async function requireUsable(record, onWarning) {
	const smolvm = await findSmolvm().catch(() => void 0);
	if (smolvm === void 0) return;
	requireSupported(smolvm);
	if (isOlder(smolvm.version, record.smolvm.version)) onWarning(`packed with smolvm ${record.smolvm.version}, and ${smolvm.version} is installed: update it if a start fails`);
}
export { runFetch as n, fetchAndBind as t };
