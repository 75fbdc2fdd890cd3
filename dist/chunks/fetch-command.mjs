import { t as BottleError } from "./errors.mjs";
import { n as bindSidecar, r as buildForBinding, t as REPLACE_HINT } from "./bind.mjs";
import { n as explainMiss, t as differencesFrom } from "./explain-miss2.mjs";
import { c as parseSourceAddress, i as readLockFile, o as requireLocked, t as openSources, u as fetchSidecar } from "./sources.mjs";
import { t as formatBytes } from "./disk.mjs";
import { S as originOfCheckout, l as isDefaultStore, m as storeDir } from "./by-key.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { t as isOlder } from "./version.mjs";
import { n as findSmolvm, r as requireSupported } from "./smolvm.mjs";
import { t as warningsTo } from "./progress.mjs";
import { t as Store } from "./store.mjs";
import { r as sweepStore } from "./sweep.mjs";
import { s as engineFacts } from "./command.mjs";
import { i as requireImageOfKey, n as platformOf, r as readInputs, t as imageName } from "./build-options.mjs";
import { t as trustOf } from "./trust-options.mjs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
// src/cli/build-beside.ts
/** The build that says which name the sidecar gets. It runs beside the download, if there is one. */
var BuildBeside = class {
	#build;
	#stop = new AbortController();
	#failure;
	#image;
	/** Asks for Docker at once, because nobody wants to hear after a long download that it is not running. */
	constructor(build) {
		this.#build = {
			...build,
			signal: AbortSignal.any([build.signal, this.#stop.signal])
		};
		this.#failure = whyNoDocker(this.#build.signal);
		this.#failure.then(this.#warn, () => {});
	}
	start() {
		this.#image = this.#failure.then((failure) => failure === void 0 ? buildForBinding(this.#build) : void 0);
		this.#image.catch(() => {});
	}
	/** Undefined where it was not started, or without Docker, which may be running by now. */
	get image() {
		return this.#image;
	}
	async end() {
		this.#stop.abort();
		await this.#image?.catch(() => {});
	}
	#warn = (failure) => {
		if (failure !== void 0) {
			const message = `${failure.message}; the sidecar can be downloaded, but not linked before Docker runs`;
			warningsTo(this.#build.onProgress)(message);
		}
	};
};
async function whyNoDocker(signal) {
	try {
		await engineFacts(signal);
		return;
	} catch (error) {
		if (error instanceof BottleError) return error;
		throw error;
	}
}
/** Without Docker nothing is lost: the sidecar stays in the store. */
function explainUnlinked(error) {
	if (error instanceof BottleError && [
		"docker-unreachable",
		"docker-missing",
		"docker-not-permitted"
	].includes(error.code)) {
		const { code, message, details, hint } = error;
		throw new BottleError(code, `downloaded and verified, but not linked: ${message}`, {
			hint: code === "docker-unreachable" ? "start Docker, then run claude-bottle bind" : `${hint}; then run claude-bottle bind`,
			details,
			cause: error
		});
	}
	throw error;
}
// src/cli/fetch-command.ts
/** `claude-bottle fetch`: the prebuilt sidecar of this checkout, verified, where claude-bottle looks for it. */
async function runFetch(options, output, signal) {
	const { platform, key, result, bound } = await fetchAndBind(options, output, signal);
	await sayUnread(options.from, result, output);
	const { status, record, source, address, skipped, provenance } = result;
	const path = bound === void 0 || bound.outcome === "kept" ? result.stored?.path : bound.path;
	const isFound = bound !== void 0 && await isFile(bound.path);
	if (bound !== void 0 && !isFound) throw new BottleError("io", `${bound.path} was written, but has disappeared`, { hint: "look for what cleans up that directory, and fetch again" });
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
	}, options.printPath ? [path ?? ""] : answerOf(result, bound, {
		isSeen,
		isDry: options.dryRun ?? false
	}), { isExact: options.printPath ?? false });
	return 0;
}
/**
* What it means for the user; the steps that led there are on standard error.
* @param isSeen whether claude-bottle looks into this store
*/
function answerOf(result, bound, { isSeen, isDry }) {
	const { status, record, source, stored } = result;
	const size = formatBytes(record.sidecar.sizeBytes);
	if (status === "available") return [`Not downloaded yet: ${size} from ${source}.`];
	const path = bound === void 0 || bound.outcome === "kept" ? stored?.path : bound.path;
	const paths = path === void 0 ? [] : [path];
	if (isDry) return [`Already in the store (${size}), nothing to download.`, ...paths];
	if (bound === void 0) return [`In the store (${size}), but not linked to an image: claude-bottle bind does that.`, ...paths];
	if (bound.outcome === "kept") return [
		`In the store, but not linked: your image ${bound.id16} keeps its sidecar of ${bound.keptOrigin}.`,
		`try: ${REPLACE_HINT}`,
		...paths
	];
	return isSeen ? ["Ready: the next claude-bottle start uses this sidecar and packs nothing.", ...paths] : ["Linked, but claude-bottle does not look here, only in ~/.cache/claude-bottle/smolmachines.", ...paths];
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
	requireImageOfKey(options.extraArgs);
	const demands = parseDemands(options);
	const inputs = await readInputs(options, platform, output, signal);
	const { key } = inputs.record;
	const locked = options.locked && requireLocked(await readLockFile(join(context, "claude-bottle.lock")), platform, key);
	const from = locked?.address ?? options.from;
	const store = await Store.open(storeDir(options.store), onProgress);
	if (!dryRun) await sweepStore(store);
	const { tools, sources, aboutRemotes, isSearch, forBuild } = await openSources(context, options, {
		address: from,
		isLocked: locked !== void 0
	}, output, signal);
	const wanted = forBuild({
		key,
		platform
	});
	const trust = await trustOf(options);
	const build = {
		build: {
			...options,
			image,
			buildArgs: options.buildArg
		},
		platform,
		signal,
		onProgress
	};
	const beside = options.bind && !dryRun && isForThisMachine(platform, output) ? new BuildBeside(build) : void 0;
	try {
		const result = await fetchSidecar({
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
			onDownload: () => beside?.start(),
			explainMiss: (nearest) => explainMiss(nearest, inputs, {
				platform,
				context,
				isSearch,
				aboutRemotes
			}),
			signal,
			onProgress
		});
		const { stored } = result;
		await warnOfOtherInputs(result.record, inputs, {
			platform,
			context
		}, onWarning);
		if (beside === void 0 || stored === void 0) return {
			platform,
			key,
			result,
			bound: void 0
		};
		const origin = originOfCheckout(wanted.serverUrl, wanted.repository);
		return {
			platform,
			key,
			result,
			bound: await bindSidecar({
				...build,
				store,
				stored,
				inputs: inputs.record,
				origin,
				required: trust.provenance === "required",
				isStarted: options.isStarted,
				prove: options.prove ?? false,
				image: beside.image
			}).catch(explainUnlinked)
		};
	} finally {
		tools.http.close();
		await beside?.end();
	}
}
/** A file that the user has named is not passed over without a word. */
async function sayUnread(from, { source }, output) {
	const address = from === void 0 ? void 0 : parseSourceAddress(from);
	if (address?.kind !== "file" || source !== "the store") return;
	if (!await isFile(address.path)) throw new BottleError("not-found", `there is no file ${address.path}`, { hint: "check the path" });
	output.note(`already in the store, so ${from} was not read`);
}
/** A sidecar that is only stored may be one of other inputs. */
async function warnOfOtherInputs(record, inputs, checkout, onWarning) {
	if (record.inputs !== void 0 && record.inputs.key !== inputs.record.key) {
		const [first = "another key", ...others] = await differencesFrom(record, inputs, checkout);
		onWarning(`packed from other inputs than this checkout has: ${first}${others.length === 0 ? "" : ` (and ${others.length} more)`}`);
	}
}
/** @throws BottleError `usage` */
function parseDemands({ sha256, commit, bind, prove, locked, from }) {
	requireHex("--sha256", sha256, /^[0-9a-f]{64}$/, "the 64 hex digits of the sidecar");
	requireHex("--commit", commit, /^([0-9a-f]{40}|[0-9a-f]{64})$/, "the full hash: git rev-parse HEAD");
	if (from !== void 0) parseSourceAddress(from);
	const conflict = locked && (from ?? sha256 ?? commit) !== void 0 ? "--locked takes source, hash and commit from the lock file" : prove && !bind ? "--prove has no meaning with --no-bind" : void 0;
	if (conflict !== void 0) throw new BottleError("usage", conflict, { hint: "leave out one of the two" });
	return {
		sha256,
		commit,
		sameInputs: bind,
		knownSource: (from ?? locked) === void 0,
		takesWithoutRecord: from !== void 0
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
