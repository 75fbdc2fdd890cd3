import { t as BottleError } from "./errors.mjs";
import { t as requireEqual } from "./policy.mjs";
import { t as recordSha256 } from "./record-digest.mjs";
import { i as requireNotOlder } from "./trust-memory.mjs";
// src/provenance/decide.ts
/**
* Decides on the record and the SHA-256 in it, before any byte of the sidecar is asked for.
* @returns who signed it, and the bundle that proves it; undefined where nobody need have
* @throws BottleError `not-trusted`
*/
async function decideProvenance(options) {
	const { mode, bundles, memory, policy } = options;
	if (mode === "off") return;
	if (bundles.length === 0) {
		if (mode === "auto" && memory === void 0) return;
		throw noProvenance(policy.repository, memory);
	}
	const { verifyProvenance } = await import("./verify2.mjs");
	const { builtInRoots, readRoots } = await import("./roots.mjs");
	const { trustedRootPath } = options;
	const roots = trustedRootPath === void 0 ? builtInRoots() : await readRoots(trustedRootPath);
	const failures = [];
	for (const bundle of bundles) try {
		return {
			provenance: judge(options, (pinned) => verifyProvenance(bundle, {
				fileSha256: options.record.sidecar.sha256,
				recordSha256: recordSha256(options.record),
				policy: pinned,
				roots
			})),
			bundle
		};
	} catch (error) {
		failures.push(error);
	}
	throw failures[0];
}
function judge({ record, policy, memory, allowOlder }, verify) {
	const provenance = verify({
		...policy,
		...memory && {
			repositoryId: memory.repositoryId,
			ownerId: memory.ownerId
		}
	});
	requireEqual("commit of the pack record", provenance.commit, record.source?.commit);
	requireNotOlder(memory, provenance, record.inputs?.key, { allowOlder });
	return provenance;
}
function noProvenance(repository, memory) {
	const reason = memory === void 0 ? "one is required" : `${repository} has published with provenance before`;
	return new BottleError("not-trusted", `no provenance, and ${reason}`, { hint: "ask whoever publishes it; --provenance off takes it without" });
}
export { decideProvenance as t };
