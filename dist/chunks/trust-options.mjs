import { t as BottleError } from "./errors.mjs";
import { n as defaultBranchOf } from "./git.mjs";
// src/cli/trust-options.ts
/** Where a clone does not say what its remote's default branch is. */
const USUAL_DEFAULT_BRANCH = "main";
async function trustOf(options) {
	const { provenance, allowOlder = false, allowSelfHosted = false, signerWorkflow, trustedRoot } = options;
	if (signerWorkflow !== void 0 && !/^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[\w.-]+\.ya?ml(@\S+)?$/.test(signerWorkflow)) throw new BottleError("usage", `not a workflow: ${JSON.stringify(signerWorkflow)}`, { hint: "use OWNER/NAME/.github/workflows/FILE.yml, or that with @refs/tags/TAG behind it" });
	return {
		provenance,
		allowOlder,
		allowSelfHosted,
		signerWorkflow,
		trustedRoot,
		branches: [await defaultBranchOf(options.context) ?? USUAL_DEFAULT_BRANCH, ...options.branch]
	};
}
export { trustOf as t };
