import { a as findWorkTree, c as linesOf, o as git, r as remoteName } from "./remote.mjs";
// src/git/history.ts
const HISTORY_COMMITS = 200;
/** As of the last clone or `git remote set-head`; undefined where the clone does not know it. */
async function defaultBranchOf(dir) {
	const tree = await findWorkTree(dir);
	const remote = tree && await remoteName(tree);
	if (tree === void 0 || remote === void 0) return;
	const head = `refs/remotes/${remote}/HEAD`;
	const ref = (await git(tree, [
		"symbolic-ref",
		"--quiet",
		head
	], { answers: [1] }))?.trim();
	const prefix = `refs/remotes/${remote}/`;
	return ref?.startsWith(prefix) ? ref.slice(prefix.length) : void 0;
}
/** Full hashes of the checked-out commit and of those before it, the newest first. */
async function historyOf(dir) {
	const tree = await findWorkTree(dir);
	const head = tree && await headOf(tree);
	return tree === void 0 || head === void 0 ? [] : linesOf(await git(tree, [
		"rev-list",
		`--max-count=${HISTORY_COMMITS}`,
		head,
		"--"
	]));
}
/** Undefined before the first commit. */
async function headOf(tree) {
	return (await git(tree, [
		"rev-parse",
		"--verify",
		"--quiet",
		"HEAD^{commit}"
	], { answers: [1] }))?.trim();
}
/**
* Whether another clone can have the checked-out commit: a branch of a remote or a tag has it. Undefined where there is
* no commit, and in a clone that knows no branch of a remote.
*/
async function isPushed(dir) {
	const tree = await findWorkTree(dir);
	const head = tree && await headOf(tree);
	if (tree === void 0 || head === void 0) return;
	const refs = async (...args) => linesOf(await git(tree, [
		"for-each-ref",
		"--count=1",
		"--format=%(refname)",
		...args
	]));
	if ((await refs("refs/remotes")).length === 0) return;
	return (await refs(`--contains=${head}`, "refs/remotes", "refs/tags")).length > 0;
}
/** The tags of the checked-out commit, the newest first. */
async function tagsAtHead(dir) {
	const tree = await findWorkTree(dir);
	const head = tree && await headOf(tree);
	if (tree === void 0 || head === void 0) return [];
	return linesOf(await git(tree, [
		"for-each-ref",
		`--points-at=${head}`,
		...[
			"--sort=-version:refname",
			"--sort=-creatordate",
			"--format=%(refname:strip=2)"
		],
		"refs/tags"
	]));
}
export { tagsAtHead as a, isPushed as i, headOf as n, historyOf as r, defaultBranchOf as t };
