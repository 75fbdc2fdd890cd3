import { o as isDamage, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { a as id16, s as parseId16 } from "./verify.mjs";
import { c as storeDir, d as HERE, m as isSameOrigin, p as describeOrigin } from "./location.mjs";
import { d as readBundle, m as verifyFile } from "./file.mjs";
import { r as knowsSigner } from "./by-key.mjs";
import { i as removeName } from "./name.mjs";
import { d as verifyNamed, l as unnamedContents, p as verifyUnnamed, s as readBundle$1 } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { i as readMemory, n as judge, t as trustOf } from "./trust-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
// src/cli/verify-command.ts
/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; ends as the first that is not good. */
async function runVerify(fileOrId, options, output, signal) {
	const { all, deep, store: dir } = options;
	if (fileOrId !== void 0 && all !== void 0) throw new BottleError("usage", `verify takes ${fileOrId} or --all, not both`, { hint: "leave out --all to check one sidecar" });
	const checks = {
		deep,
		signal,
		onBytes: (doneBytes) => output.onProgress({
			type: "bytes",
			stage: "verify",
			doneBytes
		})
	};
	const trust = {
		...await trustOf(options),
		allowOlder: true
	};
	const store = await Store.open(storeDir(dir), output.onProgress);
	const id = fileOrId === void 0 ? void 0 : parseId16(fileOrId);
	if (fileOrId !== void 0 && id === void 0) {
		const verdict = await verifyOutside(fileOrId, await checkoutOrigin(options), checks, {
			store,
			trust
		});
		report(output, verdict, [verdict]);
		return 0;
	}
	const demanded = options.repo === void 0 ? void 0 : await checkoutOrigin(options);
	const verdicts = [];
	for (const entry of id === void 0 ? await store.list() : [id]) {
		const verify = () => verifyNamed(store, entry, checks);
		verdicts.push(await verifyInStore(store.pathFor(entry), verify, demanded, {
			store,
			trust
		}));
	}
	for (const { path, sha256 } of all ? await unnamedContents(store) : []) {
		const verify = () => verifyUnnamed(store, path, sha256, checks);
		verdicts.push(await verifyInStore(path, verify, demanded, {
			store,
			trust
		}));
	}
	report(output, all ? verdicts : verdicts[0], verdicts);
	return verdicts.find(({ exit }) => exit !== 0)?.exit ?? 0;
}
/** A file counts as one of the checkout's repository, or of `--repo`: if that one signs, so must the file be signed. */
async function verifyOutside(file, origin, checks, { store, trust }) {
	const { path, report, record } = await verifyFile(file, checks);
	const bundle = await readBundle(file);
	const bundles = async () => bundle === void 0 ? [] : [bundle];
	const verified = await judge({
		record,
		bundles
	}, origin, trust, store.layout);
	return {
		...verdictOf(path, report, record),
		provenance: verified?.provenance ?? null
	};
}
/** A sidecar of the store is judged by the origin that it was installed with, or by `--repo`. */
async function verifyInStore(path, verify, demanded, judging) {
	const { store } = judging;
	try {
		return await judgeStored(await verify(), demanded, judging);
	} catch (error) {
		if (isDamage(error)) {
			const quarantinedAs = await store.quarantine(path).catch(() => void 0);
			return {
				path,
				exit: 65,
				error: error.message,
				...quarantinedAs && { quarantinedAs }
			};
		}
		if (error instanceof BottleError) return {
			path,
			exit: error.exitCode,
			error: error.message
		};
		throw error;
	}
}
async function judgeStored({ path, report, content, given }, demanded, { store, trust }) {
	const { layout } = store;
	const own = given?.origin ?? content?.installations[0]?.origin ?? HERE;
	const origin = demanded ?? own;
	const installation = content?.installations.find(({ origin: each }) => isSameOrigin(each, own));
	const verdict = {
		...verdictOf(path, report, installation?.record),
		...given && { imageId: given.imageId },
		origin: content === void 0 ? "packed by claude-bottle" : describeOrigin(own)
	};
	if (trust.provenance === "auto" && origin.kind !== "repository") return {
		...verdict,
		provenance: null
	};
	const bundle = await readBundle$1(store, report.sha256, own);
	const evidence = {
		record: installation?.record,
		bundles: async () => bundle === void 0 ? [] : [bundle]
	};
	try {
		const known = trust.provenance !== "off" && origin.kind === "repository" ? await readMemory({
			layout,
			origin
		}) : void 0;
		const branches = [...trust.branches, ...known?.branches ?? []];
		const verified = await judge(evidence, origin, {
			...trust,
			branches
		}, layout);
		return {
			...verdict,
			provenance: verified?.provenance ?? null
		};
	} catch (error) {
		if (!(error instanceof BottleError)) throw error;
		const nameRemoved = bundle === void 0 && demanded === void 0 && await knowsSigner(layout, origin) && given !== void 0 && await tryRemoveName(store, id16(given.imageId));
		return {
			...verdict,
			exit: error.exitCode,
			error: error.message,
			...nameRemoved && { nameRemoved }
		};
	}
}
/** Where nothing can be changed, the verdict stands all the same. */
async function tryRemoveName(store, id) {
	try {
		await removeName(store, id);
		return true;
	} catch (error) {
		if (error instanceof BottleError) return;
		throw error;
	}
}
function verdictOf(path, { sha256, sizeBytes, members }, record) {
	return {
		path,
		exit: 0,
		sha256,
		sizeBytes,
		...record && { imageId: record.image.id },
		...members && { members }
	};
}
function report(output, value, verdicts) {
	output.result(value, verdicts.length === 0 ? ["the store has no sidecars"] : verdicts.map(lineOf));
}
function lineOf(verdict) {
	const { path, exit, sha256, sizeBytes = 0, origin, provenance, error } = verdict;
	if (exit === 0) {
		const from = origin === void 0 ? "" : `  from ${origin}`;
		const signer = provenance ? `  signed by ${provenance.signer}` : "";
		return `ok       ${path}  ${formatBytes(sizeBytes)}  sha256:${sha256}${from}${signer}`;
	}
	if (verdict.quarantinedAs !== void 0) return `damaged  ${path}  ${error}; moved to ${verdict.quarantinedAs}`;
	return `failed   ${path}  ${error}${verdict.nameRemoved ? "; it has no name any more" : ""}`;
}
export { runVerify };
