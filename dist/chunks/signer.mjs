// src/identity/signer.ts
/** "acme/agent pack.yml", from the address of the workflow that a certificate names. */
function describeSigner(signer) {
	const [, repository, file] = /^https?:\/\/[^/]+\/([^/]+\/[^/]+)\/\.github\/workflows\/([^@]+)@/.exec(signer) ?? [];
	return repository === void 0 ? signer : `${repository} ${file}`;
}
/** "main" or "v1.2.0" */
function describeRef(ref) {
	return ref.replace(/^refs\/(heads|tags)\//, "");
}
export { describeSigner as n, describeRef as t };
