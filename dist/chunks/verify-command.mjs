import { a as hasErrno, i as fileError, o as isDamage, t as BottleError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { o as originOf } from "./git.mjs";
import { r as parseId16 } from "./image-id.mjs";
import { t as BUNDLE_SUFFIX } from "./published-name.mjs";
import { n as readMemory, t as acceptedBranches } from "./trust-memory.mjs";
import { n as githubSite } from "./github.mjs";
import { c as storeDir } from "./kept.mjs";
import { i as verifyFile, t as Store } from "./store.mjs";
import { t as trustOf } from "./trust-options.mjs";
import { readFile } from "node:fs/promises";
// src/cli/verify-command.ts
/** `claude-bottle verify`: one file, one sidecar of the store, or all of them; ends as the first that is not good. */
async function runVerify(fileOrId, options, output, signal) {
	const { all, deep, store: dir } = options;
	if (fileOrId === void 0 === (all === void 0)) throw new BottleError("usage", "verify takes either a file, an image ID, or --all", { hint: "claude-bottle verify --all checks the whole store" });
	const checks = {
		deep,
		signal,
		onBytes: (doneBytes) => output.onProgress({
			type: "bytes",
			stage: "verify",
			doneBytes
		})
	};
	const standard = await readStandard(options);
	const id = fileOrId === void 0 ? void 0 : parseId16(fileOrId);
	if (fileOrId !== void 0 && id === void 0) {
		const verdict = await judged(await verifyFile(fileOrId, checks), {
			bundle: await readBundleBeside(fileOrId),
			repository: options.repo ?? standard.origin?.repository
		}, standard);
		report(output, verdict, [verdict]);
		return 0;
	}
	const store = await Store.open(storeDir(dir));
	const verdicts = [];
	for (const entry of id === void 0 ? await store.list() : [id]) verdicts.push(await verifyStored(store, store.pathFor(entry), checks, options.repo, standard));
	report(output, all ? verdicts : verdicts[0], verdicts);
	return verdicts.find(({ exit }) => exit !== 0)?.exit ?? 0;
}
async function readStandard(options) {
	const trust = await trustOf(options);
	const origin = await originOf(options.context);
	const { serverUrl } = await githubSite({
		serverUrl: options.githubUrl,
		remoteHost: origin?.host,
		env: process.env
	});
	return {
		trust,
		origin,
		serverUrl
	};
}
async function verifyStored(store, path, checks, repo, standard) {
	try {
		const stored = await store.verify(path, checks);
		return await judged(stored, {
			bundle: await store.readBundle(stored.report.sha256),
			repository: repo ?? stored.record?.source?.repository,
			trustPlace: store.trustPlace
		}, standard);
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
/** @throws BottleError `not-trusted` */
async function judged(stored, { bundle, repository, trustPlace }, { trust, serverUrl }) {
	const verdict = verdictOf(stored);
	const { provenance: mode, trustedRoot: trustedRootPath } = trust;
	if (mode === "off") return verdict;
	const memory = trustPlace && repository !== void 0 ? await readMemory({
		...trustPlace,
		serverUrl,
		repository
	}) : void 0;
	if (mode === "auto" && bundle === void 0 && memory === void 0) return verdict;
	const { path, record } = stored;
	if (record === void 0 || repository === void 0) throw new BottleError("not-trusted", `${path}: whose it must be, or its pack record, is not known`, { hint: "name the repository with --repo OWNER/NAME, and put the record beside the file" });
	const { decideProvenance } = await import("./decide.mjs");
	const verified = await decideProvenance({
		mode,
		bundles: bundle === void 0 ? [] : [bundle],
		record,
		policy: {
			...trust,
			serverUrl,
			repository,
			branches: [...trust.branches, ...acceptedBranches(memory)]
		},
		memory,
		allowOlder: true,
		trustedRootPath
	});
	return {
		...verdict,
		provenance: verified?.provenance ?? null
	};
}
async function readBundleBeside(file) {
	return await readFile(file + BUNDLE_SUFFIX).catch((error) => {
		if (hasErrno(error, "ENOENT")) return;
		throw fileError(`cannot read ${file}${BUNDLE_SUFFIX}`, error);
	});
}
function verdictOf({ path, report: { sha256, sizeBytes, members }, record }) {
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
	output.result(value, verdicts.length === 0 ? ["the store has no sidecars"] : verdicts.map(({ path, exit, sha256, sizeBytes, provenance, error, quarantinedAs }) => {
		if (exit === 0) {
			const signer = provenance ? `  signed by ${provenance.signer}` : "";
			return `ok       ${path}  ${formatBytes(sizeBytes ?? 0)}  sha256:${sha256}${signer}`;
		}
		return quarantinedAs === void 0 ? `failed   ${path}  ${error}` : `damaged  ${path}  ${error}; moved to ${quarantinedAs}`;
	}));
}
export { runVerify };
