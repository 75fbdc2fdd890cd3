import { l as streamChild, s as readChild } from "./child.mjs";
import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { r as shellWord } from "./shown-text.mjs";
import { lstat, realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { text } from "node:stream/consumers";
// src/git/command.ts
const TIMEOUT_MS = 6e4;
/** Of GIT_CONFIG_COUNT. */
const MAX_SETTINGS = 1e3;
/** What git and ssh need to find themselves and the settings of their user, who is not the author of a checkout. */
const PASSED_VARIABLES = [
	"PATH",
	"HOME",
	"USER",
	"LOGNAME",
	"XDG_CONFIG_HOME",
	"GIT_CONFIG_GLOBAL",
	"GIT_CONFIG_SYSTEM",
	"GIT_CONFIG_NOSYSTEM",
	"SUDO_UID",
	"DEVELOPER_DIR"
];
/**
* No program that a checkout names may run, whatever its `.git` says. Commands that run filters, text converters or
* signature programs by themselves (diff, status, show, log) are not used at all; this is for the rest.
*/
const SAFE_SETTINGS = [
	"safe.bareRepository=explicit",
	"core.fsmonitor=false",
	"core.untrackedCache=false",
	"core.hooksPath=/dev/null",
	"core.pager=cat",
	"log.showSignature=false",
	"protocol.allow=never",
	"credential.helper="
].flatMap((setting) => ["-c", setting]);
/**
* The checkout that a directory is in. Git would also take a directory with the right files in it for a repository, and
* those files can be tracked ones: only a `.git` counts, which no repository can track.
*/
async function findWorkTree(dir, signal) {
	const start = await realpath(dir).catch(() => void 0);
	for (let top = start; top !== void 0; top = top === dirname(top) ? void 0 : dirname(top)) if (await lstat(join(top, ".git")).then(() => true, () => false)) {
		const path = relative(top, start ?? top);
		return {
			top,
			prefix: path === "" ? "" : `${path.split(sep).join("/")}/`,
			signal
		};
	}
}
/**
* Asks git something about a checkout and returns its standard output; undefined when it answers with another exit code
* than 0.
* @throws BottleError `git-failed` when there is no git, or it refuses
*/
async function git({ top, signal }, args, { answers = [], input, hasMagicPaths = false } = {}) {
	const literal = hasMagicPaths ? [] : ["--literal-pathspecs"];
	const command = [
		...SAFE_SETTINGS,
		"--no-pager",
		"--no-optional-locks",
		...literal,
		...args
	];
	let stdout = "";
	let result;
	try {
		result = await streamChild("git", [`--work-tree=${top}`, ...command], async (stream) => {
			stdout = await text(stream);
		}, {
			cwd: top,
			env: gitEnvironment(top),
			signal,
			...input !== void 0 && { input },
			timeoutMs: TIMEOUT_MS
		});
	} catch (error) {
		if (hasErrno(error, "ENOENT", "EACCES")) throw new BottleError("git-failed", "this is a git checkout, and the git command is not on PATH", {
			hint: "install git, or put it on PATH",
			cause: error
		});
		if (error instanceof BottleError && error.code === "timed-out") throw new BottleError("git-failed", `git gave no answer about the checkout ${top} in ${TIMEOUT_MS / 1e3} s`, {
			hint: "look for a slow disk, and for patterns with many stars in .gitattributes and .gitignore",
			cause: error
		});
		throw error;
	}
	if (result.exitCode === 0) return stdout;
	if (result.exitCode !== void 0 && answers.includes(result.exitCode)) return;
	throw refusal(top, result);
}
/** Made of named variables alone: what a hook exports (GIT_DIR and its kin) is of another repository, and tokens are not git's. */
function childEnvironment() {
	const passed = PASSED_VARIABLES.flatMap((name) => {
		const value = process.env[name];
		return value === void 0 ? [] : [[name, value]];
	});
	return {
		...Object.fromEntries(passed),
		LC_ALL: "C"
	};
}
function gitEnvironment(top) {
	return {
		...childEnvironment(),
		...trustedDirectories(process.env),
		GIT_CEILING_DIRECTORIES: dirname(top),
		GIT_NO_LAZY_FETCH: "1",
		GIT_ALLOW_PROTOCOL: "none",
		GIT_NO_REPLACE_OBJECTS: "1",
		GIT_TERMINAL_PROMPT: "0"
	};
}
/**
* The directories that the environment declares safe, as images of containers do. Other settings of the environment are
* left out: a hook exports those of its own repository.
*/
function trustedDirectories(env) {
	const count = Math.min(Number(env.GIT_CONFIG_COUNT) || 0, MAX_SETTINGS);
	const directories = Array.from({ length: count }, (_, index) => env[`GIT_CONFIG_KEY_${index}`]?.toLowerCase() === "safe.directory" ? env[`GIT_CONFIG_VALUE_${index}`] : void 0).filter((directory) => directory !== void 0);
	return Object.fromEntries([["GIT_CONFIG_COUNT", String(directories.length)], ...directories.flatMap((directory, index) => [[`GIT_CONFIG_KEY_${index}`, "safe.directory"], [`GIT_CONFIG_VALUE_${index}`, directory]])]);
}
function refusal(top, { tail, exitCode, signal }) {
	const [words, next = ""] = tail.slice(tail.findIndex((line) => /^(?:fatal|error): /.test(line)));
	const reason = words?.replace(/^(?:fatal|error): /, "").replace(/:$/, `: ${next.trim()}`);
	return new BottleError("git-failed", `git refuses the checkout ${top}: ${reason ?? `it ended with ${exitCode ?? signal}`}`, { hint: remedyFor(reason ?? "", top) });
}
function remedyFor(reason, top) {
	if (/dubious ownership|unsafe repository/.test(reason)) return `git config --global --add safe.directory ${shellWord(top)}  # if you trust its owner`;
	if (/unknown repository extension|[Ee]xpected git repo version/.test(reason)) return "update git: a newer one made this checkout";
	if (/^xcrun: /.test(reason)) return "xcode-select --install";
	return "repair the checkout, or clone it again; git rev-parse HEAD in it shows the same";
}
function linesOf(text) {
	return (text ?? "").split("\n").filter((line) => line !== "");
}
/** The items of a list that git prints with `-z`. */
function itemsOf(text) {
	return (text ?? "").split("\0").filter((item) => item !== "");
}
// src/git/remote.ts
const SSH_TIMEOUT_MS = 1e4;
const MAX_NAMED = 5;
/**
* The remote of the checkout that `dir` is in; undefined when no remote has an owner and a name.
* @throws BottleError `git-failed` when git refuses the checkout
*/
async function originOf(dir) {
	const tree = await findWorkTree(dir);
	const urls = tree === void 0 ? void 0 : await remoteUrls(tree);
	const url = urls?.get(chosenRemote([...urls.keys()]) ?? "");
	const remote = url === void 0 ? void 0 : parseRemote(url);
	return remote === void 0 || /^(https?|git):/.test(url ?? "") ? remote : await withoutAlias(remote);
}
/** Why a directory has no `originOf`. */
async function whyNoOrigin(dir) {
	const tree = await findWorkTree(dir);
	if (tree === void 0) return "this is not a git checkout";
	const names = await remoteNames(tree);
	const name = chosenRemote(names);
	if (names.length === 0) return "this checkout has no remote";
	if (name === void 0) return `this checkout has ${names.length} remotes (${names.slice(0, MAX_NAMED).join(", ")}), and none is called origin`;
	return `the remote ${name} of this checkout (${withoutLogin((await remoteUrls(tree)).get(name) ?? "")}) is not a repository on a GitHub server`;
}
/** The repositories of the remotes that are not the chosen one, as a clone of a fork has one for what it was forked from. */
async function otherRemotes(dir) {
	const tree = await findWorkTree(dir);
	const urls = tree === void 0 ? /* @__PURE__ */ new Map() : await remoteUrls(tree);
	const chosen = chosenRemote([...urls.keys()]);
	return [...urls].flatMap(([name, url]) => {
		const repository = name === chosen ? void 0 : parseRemote(url)?.repository;
		return repository === void 0 ? [] : [{
			name,
			repository
		}];
	});
}
/** `origin`, or the only one; undefined when it cannot be told which is meant. */
async function remoteName(tree) {
	return chosenRemote(await remoteNames(tree));
}
async function remoteNames(tree) {
	return linesOf(await git(tree, ["remote"]));
}
function chosenRemote(names) {
	return names.includes("origin") ? "origin" : names.length === 1 ? names[0] : void 0;
}
/**
* Unlike what the settings say, with what `url.<base>.insteadOf` makes of it. One run of git tells the names and the
* addresses: `path` is on a start-up budget.
*/
async function remoteUrls(tree) {
	const urls = /* @__PURE__ */ new Map();
	for (const line of linesOf(await git(tree, ["remote", "--verbose"]))) {
		const [, name = "", url = ""] = /^([^\t]+)\t(.*) \(fetch\)(?: \[.*\])?$/.exec(line) ?? [];
		if (!urls.has(name)) urls.set(name, url);
	}
	urls.delete("");
	return urls;
}
function withoutLogin(address) {
	return address.replace(/^([a-z+]+:\/\/)?[^/]*@/, "$1").replace(/\?.*/s, "");
}
/** `Host work` in ~/.ssh/config gives a server a second name, most often github.com for a second login. */
async function withoutAlias(remote) {
	if (remote.host === "github.com" || !/^\w[\w.-]*$/.test(remote.host)) return remote;
	const options = {
		env: childEnvironment(),
		timeoutMs: SSH_TIMEOUT_MS
	};
	const config = await readChild("ssh", [
		"-G",
		"--",
		remote.host
	], options).catch(() => void 0);
	const [, host] = /^hostname (\S+)$/m.exec(config?.exitCode === 0 ? config.stdout : "") ?? [];
	return host === void 0 ? remote : {
		...remote,
		host: serverName(host)
	};
}
const URL_SCHEMES = [
	"https",
	"http",
	"ssh",
	"git+ssh",
	"ssh+git",
	"git"
];
/**
* What git makes of an address: a URL, or host:path as scp takes it.
* https://git-scm.com/docs/git-clone#_git_urls
*/
function parseRemote(address) {
	const [, scheme, rest = ""] = /^([a-z+]+):\/\/(.*)$/s.exec(address) ?? [];
	if (scheme !== void 0) {
		const slash = rest.indexOf("/");
		return URL_SCHEMES.includes(scheme) && slash !== -1 ? remoteAt(rest.slice(0, slash), percentDecoded(rest.slice(slash))) : void 0;
	}
	const [, inBrackets, path = ""] = /^\[([^\]/]*)\]:(?!:)(.*)$/s.exec(address) ?? [];
	if (inBrackets !== void 0) return remoteAt(inBrackets, path);
	const colon = address.indexOf(":");
	return colon > 0 && !address.slice(0, colon).includes("/") && address[colon + 1] !== ":" ? remoteAt(address.slice(0, colon), address.slice(colon + 1)) : void 0;
}
/** `authority` is [user[:password]@]host[:port]. */
function remoteAt(authority, path) {
	const host = authority.slice(authority.lastIndexOf("@") + 1).replace(/:\d*$/, "");
	const names = path.split("/").filter((name) => name !== "");
	const [owner = "", last = ""] = names;
	const name = last.replace(/\.git$/, "");
	const isName = (text) => /^[\w.-]+$/.test(text) && text !== "." && text !== "..";
	return names.length === 2 && host !== "" && !/[\s[\]:]/.test(host) && isName(owner) && isName(name) ? {
		host: serverName(host),
		repository: `${owner}/${name}`
	} : void 0;
}
function percentDecoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}
/** GitHub takes ssh on port 443, and browsers, under names of their own. */
function serverName(host) {
	return host.toLowerCase().replace(/\.$/, "").replace(/^(?:ssh|www)\.github\.com$/, "github.com");
}
export { findWorkTree as a, linesOf as c, whyNoOrigin as i, otherRemotes as n, git as o, remoteName as r, itemsOf as s, originOf as t };
