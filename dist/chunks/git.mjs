import { a as hasErrno } from "./errors.mjs";
import { a as readChild } from "./child.mjs";
// src/host/git.ts
const TIMEOUT_MS = 1e4;
const HISTORY_COMMITS = 200;
/** The remote `origin` of the checkout that `dir` is in; undefined where there is none with an owner and a name. */
async function originOf(dir) {
	const url = (await git(dir, [
		"remote",
		"get-url",
		"origin"
	]))?.trim();
	const remote = url === void 0 ? void 0 : parseRemote(url);
	return remote === void 0 || /^(https?|git):/.test(url ?? "") ? remote : await withoutAlias(remote);
}
/** `Host work` in ~/.ssh/config gives a server a second name, most often github.com for a second login. */
async function withoutAlias(remote) {
	if (remote.host === "github.com" || !/^\w[\w.-]*$/.test(remote.host)) return remote;
	const config = await read("ssh", [
		"-G",
		"--",
		remote.host
	]).catch(() => void 0);
	const [, host] = /^hostname (\S+)$/m.exec(config ?? "") ?? [];
	return host === void 0 ? remote : {
		...remote,
		host: serverName(host)
	};
}
/** https://host/owner/name.git, ssh://git@host:port/owner/name.git or git@host:owner/name.git */
function parseRemote(url) {
	const { host, path = "" } = (/^(?:https?|ssh|git):\/\/(?:[^@/]*@)?(?<host>[^/:]+)(?::\d+)?\/(?<path>.+)$/.exec(url) ?? /^(?:[^@/:]+@)?(?<host>[^/:]+):(?!\/)(?<path>.+)$/.exec(url))?.groups ?? {};
	const repository = path.replace(/\/$/, "").replace(/\.git$/, "");
	return host !== void 0 && /^[\w.-]+\/[\w.-]+$/.test(repository) ? {
		host: serverName(host),
		repository
	} : void 0;
}
/** GitHub takes ssh on port 443 under a name of its own. */
function serverName(host) {
	return host.toLowerCase().replace(/^ssh\.github\.com$/, "github.com");
}
/** As of the last clone or `git remote set-head`; undefined where the clone does not know it. */
async function defaultBranchOf(dir) {
	return ((await git(dir, [
		"symbolic-ref",
		"--quiet",
		"refs/remotes/origin/HEAD"
	]))?.trim())?.replace(/^refs\/remotes\/origin\//, "");
}
/** Full hashes of a commit, that which is checked out unless told, and of those before it, the newest first. */
async function historyOf(dir, maxCommits = HISTORY_COMMITS, ref = "HEAD") {
	return linesOf(await git(dir, [
		"log",
		"--format=%H",
		`--max-count=${maxCommits}`,
		ref,
		"--"
	]));
}
/** Of the remote `origin`, as full refs. */
async function remoteBranches(dir) {
	return linesOf(await git(dir, [
		"for-each-ref",
		"--format=%(refname)",
		"refs/remotes/origin"
	]));
}
/** A file of a commit; undefined when it has none. `name` is relative to `dir`. */
async function fileAt(dir, ref, name) {
	return await git(dir, ["show", `${ref}:./${name}`]);
}
/** Whether a clone has only the newest part of the history (`--depth`). */
async function isShallow(dir) {
	return (await git(dir, ["rev-parse", "--is-shallow-repository"]))?.trim() === "true";
}
async function tagsAtHead(dir) {
	return linesOf(await git(dir, [
		"tag",
		"--points-at",
		"HEAD"
	]));
}
/** Files below `dir` that are not what they were in a commit; undefined when that commit is not known here. */
async function changedSince(dir, commit) {
	const diff = await git(dir, [
		"diff",
		"--name-status",
		"--no-renames",
		"--relative",
		"-z",
		commit,
		"--",
		"."
	]);
	if (diff === void 0) return;
	const untracked = await git(dir, [
		"ls-files",
		"--others",
		"--exclude-standard",
		"-z",
		"--",
		"."
	]);
	const changed = [...diff.matchAll(/(?<status>[A-Z])\0(?<path>[^\0]+)\0/g)].map(({ groups }) => ({
		path: groups?.path ?? "",
		isGone: groups?.status === "D"
	}));
	const added = (untracked ?? "").split("\0").filter((path) => path !== "");
	return [...changed, ...added.map((path) => ({
		path,
		isGone: false
	}))];
}
function linesOf(text) {
	return (text ?? "").split("\n").filter((line) => line !== "");
}
/** Undefined when git is not there, `dir` is in no repository, or git says no. */
async function git(dir, args) {
	return await read("git", [
		...[
			"-c",
			"core.fsmonitor=false",
			"--no-optional-locks"
		],
		"-C",
		dir,
		...args
	]);
}
/** Undefined when the command is not there, or fails. */
async function read(command, args) {
	try {
		const { exitCode, stdout } = await readChild(command, args, { timeoutMs: TIMEOUT_MS });
		return exitCode === 0 ? stdout : void 0;
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return;
		throw error;
	}
}
export { isShallow as a, tagsAtHead as c, historyOf as i, defaultBranchOf as n, originOf as o, fileAt as r, remoteBranches as s, changedSince as t };
