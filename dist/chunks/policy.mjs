import { t as BottleError } from "./errors.mjs";
// src/trust/policy.ts
/** GitHub's own; an enterprise can have tokens issued under an address of its own, which is another issuer. */
const ISSUER = "https://token.actions.githubusercontent.com";
/** This project's reusable workflow, which packs in a job that its caller cannot change. */
const PACK_WORKFLOW = "org/claude-bottle-pack/.github/workflows/pack.yml";
/** What someone with write access has started; pull requests and what follows from them are not among it. */
const TRIGGERS = [
	"push",
	"release",
	"workflow_dispatch",
	"schedule"
];
/** @throws BottleError `not-trusted`, naming what differs, with expected and got */
function requireIdentity(identity, policy) {
	const { serverUrl, repository, branches } = policy;
	const uri = `${serverUrl}/${repository}`;
	requireEqual("issuer", ISSUER, identity.issuer);
	requireEqual("repository", uri.toLowerCase(), identity.repository.toLowerCase());
	requireEqual("repository ID", policy.repositoryId ?? identity.repositoryId, identity.repositoryId);
	requireEqual("owner ID", policy.ownerId ?? identity.ownerId, identity.ownerId);
	requireEqual("certificate subject", identity.signer, identity.subject);
	requireRule("workflow", policy.signerWorkflow ?? `one of ${repository}, or ${PACK_WORKFLOW}`, identity.signer, isSigner(identity.signer, policy), "if that workflow is meant to sign, name it with --signer-workflow");
	requireRule("ref", ["a tag", ...branches.map((branch) => `refs/heads/${branch}`)].join(" or "), identity.ref, identity.ref.startsWith("refs/tags/") || branches.some((each) => identity.ref === `refs/heads/${each}`));
	requireRule("runner", "github-hosted", identity.runnerEnvironment, policy.allowSelfHosted || identity.runnerEnvironment === "github-hosted", "if you trust the machine that it ran on, use --allow-self-hosted");
	requireRule("trigger", TRIGGERS.join(", "), identity.trigger, TRIGGERS.includes(identity.trigger));
}
/**
* Without a ref the file counts, in whatever version: everyone who can push a branch or a tag to the workflow's repository
* can change what is there under its name.
*/
function isSigner(signer, { serverUrl, repository, signerWorkflow }) {
	const at = signer.includes("@refs/") ? signer.indexOf("@refs/") : signer.lastIndexOf("@");
	const workflow = signer.slice(0, Math.max(0, at));
	if (signerWorkflow !== void 0) return (signerWorkflow.includes("@") ? signer : workflow) === `${serverUrl}/${signerWorkflow}`;
	const directory = `${serverUrl}/${repository}/.github/workflows/`.toLowerCase();
	const lowerCase = workflow.toLowerCase();
	return lowerCase.startsWith(directory) && /^[^/@]+\.ya?ml$/.test(lowerCase.slice(directory.length)) || workflow === `${serverUrl}/${PACK_WORKFLOW}`;
}
function requireEqual(field, expected, got) {
	requireRule(field, expected, got, got === expected);
}
function requireRule(field, expected, got, ok, hint = "do not use it before you know why; it may be made to look like another one") {
	if (!ok) {
		const message = `provenance of something else: the ${field} is ${got === void 0 ? "none" : JSON.stringify(got)}, expected ${expected}`;
		throw new BottleError("not-trusted", message, { hint });
	}
}
export { requireIdentity as n, requireEqual as t };
