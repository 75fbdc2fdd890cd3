import { s as isDamage, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { p as id16 } from "./verify.mjs";
import { _ as HERE, b as isSameOrigin, m as storeDir, r as knowsSigner, y as describeOrigin } from "./by-key.mjs";
import { n as describeSigner } from "./signer.mjs";
import { f as readBundle, g as checkFrames, h as verifyFile } from "./file.mjs";
import { i as removeName } from "./name.mjs";
import { c as readBundle$1, f as verifyNamed, m as verifyUnnamed, u as unnamedContents } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { i as readMemory, n as judge, t as trustOf } from "./trust-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
import { t as findId } from "./stored-id.mjs";
import { a as shortHashes, t as SIGNS } from "./style.mjs";
import { stat } from "node:fs/promises";
// src/cli/verify-command.ts
/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; ends as the first that is not good. */
async function runVerify(fileOrId, options, output, signal) {
	const { all, deep, store: dir } = options;
	if (fileOrId !== void 0 && all !== void 0) throw new BottleError("usage", `verify takes ${fileOrId} or --all, not both`, { hint: "leave out --all to check one sidecar" });
	const checksOf = (path) => checksWithProgress(path, {
		deep,
		signal
	}, output);
	const trust = {
		...await trustOf(options),
		allowOlder: true
	};
	const store = await Store.open(storeDir(dir), output.onProgress);
	const judging = {
		store,
		trust,
		checks: {
			deep,
			signal
		}
	};
	const id = fileOrId === void 0 ? void 0 : await findId(store, fileOrId);
	if (fileOrId !== void 0 && id === void 0) {
		const checks = await checksOf(fileOrId);
		const verdict = await verifyOutside(fileOrId, await checkoutOrigin(options), checks, judging);
		report(output, verdict, [[fileOrId, verdict]]);
		return 0;
	}
	const demanded = options.repo === void 0 ? void 0 : await checkoutOrigin(options);
	const verdicts = [];
	for (const entry of id === void 0 ? await store.list() : [id]) {
		const path = store.pathFor(entry);
		const checks = await checksOf(path);
		const verify = () => verifyNamed(store, entry, checks);
		verdicts.push([shortHashes(entry), await verifyInStore(path, verify, demanded, judging)]);
	}
	for (const { path, sha256 } of id === void 0 ? await unnamedContents(store) : []) {
		const checks = await checksOf(path);
		const verify = () => verifyUnnamed(store, path, sha256, checks);
		verdicts.push([shortHashes(sha256), await verifyInStore(path, verify, demanded, judging)]);
	}
	const values = verdicts.map(([, verdict]) => verdict);
	report(output, id === void 0 ? values : values[0], verdicts);
	return values.find(({ exit }) => exit !== 0)?.exit ?? 0;
}
async function checksWithProgress(path, options, { onProgress }) {
	const totalBytes = (await stat(path).catch(() => void 0))?.size;
	const total = totalBytes === void 0 ? {} : { totalBytes };
	onProgress({
		type: "start",
		stage: "verify"
	});
	const onBytes = (doneBytes) => onProgress({
		type: "bytes",
		stage: "verify",
		doneBytes,
		...total
	});
	return {
		...options,
		onBytes
	};
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
async function judgeStored({ path, report, content, given }, demanded, { store, trust, checks }) {
	const { layout } = store;
	const own = given?.origin ?? content?.installations[0]?.origin ?? HERE;
	const origin = demanded ?? own;
	const installation = content?.installations.find(({ origin: each }) => isSameOrigin(each, own));
	const verdict = {
		...verdictOf(path, report, installation?.record),
		...given && { imageId: given.imageId },
		origin: content === void 0 ? "packed by claude-bottle" : describeOrigin(own)
	};
	if (checks.deep) {
		const problem = await problemOfFrames(report, installation?.record, checks.signal);
		if (problem !== void 0) return {
			...verdict,
			exit: problem.exitCode,
			error: problem.message
		};
	}
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
/** The sidecar is what its SHA-256 says, so that it stays where it is. */
async function problemOfFrames(sidecar, record, signal) {
	try {
		await checkFrames(sidecar, { record }, signal);
		return;
	} catch (error) {
		if (isDamage(error)) return error;
		throw error;
	}
}
/** The verdict stands even where nothing can be changed. */
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
	const bad = verdicts.filter(([, { exit }]) => exit !== 0).length;
	const sum = bad === 0 ? "All are good." : `${bad} of ${verdicts.length} are not good.`;
	output.result(value, [...verdicts.map((each) => lineOf(each, output)), ...verdicts.length === 0 ? ["the store has no sidecars"] : verdicts.length === 1 ? [] : [sum]]);
}
function lineOf([name, verdict], { digest }) {
	const { exit, sha256 = "", sizeBytes = 0, origin, provenance, error, quarantinedAs, nameRemoved } = verdict;
	if (exit === 0) {
		const signer = provenance ? `signed by ${describeSigner(provenance.signer)}` : "not signed";
		const hash = `sha256 ${digest(sha256)}`;
		return [
			`${SIGNS.ok} ${name}`,
			formatBytes(sizeBytes),
			hash,
			signer,
			origin ?? []
		].flat().join("  ");
	}
	const consequence = quarantinedAs !== void 0 ? `; moved to ${quarantinedAs}` : nameRemoved ? "; it has no name any more" : "";
	return `${SIGNS.fail} ${name}  ${error}${consequence}`;
}
export { runVerify };
