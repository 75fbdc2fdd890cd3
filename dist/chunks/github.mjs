import { a as __toESM } from "./rolldown-runtime.mjs";
import { t as BottleError } from "./errors.mjs";
import { _ as string, f as object, h as record, l as nullable, p as optional, y as unknown } from "./schemas.mjs";
import { i as checkedUrl, n as HttpError, r as bodyError, s as redacted } from "./http.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { homedir } from "node:os";
import { text } from "node:stream/consumers";
// src/remote/github.ts
/** https://docs.github.com/rest/about-the-rest-api/api-versions */
const API_VERSION = "2022-11-28";
/** A release of a thousand assets has about 2 MB. */
const MAX_ANSWER_BYTES = 8388608;
const MAX_HOSTS_FILE_BYTES = 1048576;
const DEFAULT_SERVER = "https://github.com";
const API_HEADERS = {
	accept: "application/vnd.github+json",
	"x-github-api-version": API_VERSION
};
async function githubSite({ serverUrl, remoteHost, token: givenToken, env }) {
	const chosen = serverUrl || env.GITHUB_SERVER_URL;
	const server = checkedUrl(chosen || (remoteHost ? `https://${remoteHost}` : DEFAULT_SERVER));
	const isGuess = !chosen && !isGitHubsOwn(server);
	if (givenToken && isGuess) throw new BottleError("usage", `--token for ${server.host}, which only the checkout's remote names`, { hint: `if it is for that server, name it: --github-url ${server.origin}` });
	const apiUrl = apiUrlOf(server, env);
	const token = requireHeaderText(givenToken || tokenOfEnvironment(server, Boolean(chosen), env) || await tokenOfHostsFile(server.host, env));
	return {
		serverUrl: server.origin,
		apiUrl,
		registryHost: server.hostname === "github.com" ? "ghcr.io" : `containers.${server.hostname}`,
		credential: token === void 0 ? void 0 : credentialFor(new URL(apiUrl).origin, token),
		token,
		isGuess
	};
}
function credentialFor(origin, token) {
	return {
		origin,
		authorization: `Bearer ${token}`
	};
}
function apiUrlOf(server, env) {
	const serverOfEnvironment = env.GITHUB_SERVER_URL || DEFAULT_SERVER;
	if (env.GITHUB_API_URL && checkedUrl(serverOfEnvironment).origin === server.origin) return checkedUrl(env.GITHUB_API_URL).href.replace(/\/+$/, "");
	return isGitHubsOwn(server) ? `https://api.${server.host}` : `${server.origin}/api/v3`;
}
/** Run by GitHub: github.com, or a subdomain of ghe.com (data residency). */
function isGitHubsOwn({ hostname }) {
	return hostname === "github.com" || hostname.endsWith(".ghe.com");
}
/**
* As gh reads them: GH_TOKEN is for GitHub's own hosts, GH_ENTERPRISE_TOKEN for a server of one's own. On a runner of
* such a server GITHUB_TOKEN is its token. None of them is for a host that only the checkout names: whoever made the
* checkout would choose who gets the token.
*/
function tokenOfEnvironment(server, isChosen, env) {
	const tokens = [env.GH_TOKEN, env.GITHUB_TOKEN];
	if (!isGitHubsOwn(server)) {
		if (!isChosen) return;
		tokens.unshift(env.GH_ENTERPRISE_TOKEN, env.GITHUB_ENTERPRISE_TOKEN);
	}
	return tokens.find(Boolean);
}
const hostSchema = object({
	oauth_token: optional(string()),
	user: optional(string()),
	users: optional(record(string(), nullable(object({ oauth_token: optional(string()) }))))
});
/** Where gh keeps its logins, unless it keeps the tokens in the system's keyring. */
async function tokenOfHostsFile(host, env) {
	const configHome = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config");
	const text = await readSmallFile(join(env.GH_CONFIG_DIR || join(configHome, "gh"), "hosts.yml"));
	if (text === void 0) return;
	const { parse } = await import("./dist.mjs").then((m) => /* @__PURE__ */ __toESM(m.default, 1));
	let hosts;
	try {
		hosts = parse(text, { logLevel: "error" });
	} catch {
		return;
	}
	const entry = record(string(), unknown()).safeParse(hosts).data?.[host];
	const { oauth_token: token, user = "", users } = hostSchema.safeParse(entry).data ?? {};
	return token || users?.[user]?.oauth_token;
}
async function readSmallFile(path) {
	try {
		const { size } = await fs.stat(path);
		return size > MAX_HOSTS_FILE_BYTES ? void 0 : await fs.readFile(path, "utf8");
	} catch {
		return;
	}
}
/** A token with a line break would be another header; its value is in no message. */
function requireHeaderText(token) {
	const trimmed = token?.trim();
	if (trimmed !== void 0 && !/^[\x21-\x7e]*$/.test(trimmed)) throw new BottleError("authentication", "the GitHub token has characters that no token has", { hint: "set GH_TOKEN to the token alone: GH_TOKEN=$(gh auth token)" });
	return trimmed || void 0;
}
/**
* The path of `owner/name` in URLs of the site, with what follows it.
* @throws BottleError `usage`
*/
function repositoryPath(repository, ...segments) {
	if (!/^[^/]+\/[^/]+$/.test(repository)) throw new BottleError("usage", `not a repository: ${JSON.stringify(repository)}`, { hint: "use owner/name" });
	return [...repository.split("/"), ...segments].map(pathSegment).join("/");
}
/** Encoding leaves dots alone, and a URL drops the segment before `..`. */
function pathSegment(text) {
	if (text === "." || text === "..") throw new BottleError("usage", `not a name on GitHub: ${JSON.stringify(text)}`, { hint: "check the name" });
	return encodeURIComponent(text);
}
function apiRequest({ apiUrl, credential }, path) {
	return {
		url: `${apiUrl}/${path}`,
		headers: API_HEADERS,
		credential
	};
}
/**
* An asset for a release, without its body. The address comes with the release, and is no secret's destination unless
* it is this GitHub's own.
* https://docs.github.com/rest/releases/assets#upload-a-release-asset
*/
function uploadRequest({ serverUrl, token }, uploadUrl, name) {
	const origin = uploadOrigin(new URL(serverUrl));
	const url = URL.parse(uploadUrl.replace(/\{.*$/, ""));
	if (url?.origin !== origin) {
		const where = url === null ? "nowhere" : redacted(url.href);
		throw new BottleError("not-trusted", `the release takes its files at ${where}, not at ${origin}`, { hint: "check GITHUB_SERVER_URL and GITHUB_API_URL" });
	}
	url.search = new URLSearchParams({ name }).toString();
	return {
		url: url.href,
		method: "POST",
		headers: {
			...API_HEADERS,
			"content-type": "application/octet-stream"
		},
		credential: token === void 0 ? void 0 : credentialFor(origin, token),
		expected: [201]
	};
}
/** An Enterprise Server takes uploads below /api/uploads. */
function uploadOrigin(server) {
	return isGitHubsOwn(server) ? `https://uploads.${server.host}` : server.origin;
}
/** One question to the REST API, with retries. */
async function readApi(http, site, path, schema) {
	return parseAnswer(await http.readJson(apiRequest(site, path), MAX_ANSWER_BYTES).catch((error) => {
		throw signOnError(error, site) ?? error;
	}), `${site.apiUrl}/${path}`, schema);
}
/**
* One request to the REST API, without retries: for what must not be done twice unseen.
* @param schema of the JSON in the answer; of undefined where there is none
*/
async function sendApi(http, site, request, schema) {
	const { body, url } = await http.send(request).catch((error) => {
		throw signOnError(error, site) ?? error;
	});
	return parseAnswer(parseJson(await text(body).catch((error) => {
		throw bodyError(error, url);
	})), redacted(url), schema);
}
function parseJson(text) {
	try {
		return text === "" ? void 0 : JSON.parse(text);
	} catch {
		return text;
	}
}
function parseAnswer(answer, url, schema) {
	const { success, data, error } = schema.safeParse(answer);
	if (!success) {
		const field = error.issues[0]?.path.join(".") || "it";
		throw new BottleError("network-failed", `${url} is not what GitHub answers: ${field}`, { hint: "check the address of the GitHub server" });
	}
	return data;
}
/** An organisation with single sign-on wants each token authorised once, on the page that the header names. */
function signOnError(error, { serverUrl }) {
	const header = error instanceof HttpError && error.status === 403 ? error.headers["x-github-sso"] : void 0;
	if (typeof header !== "string") return;
	const page = URL.parse(/\burl=(\S+)/.exec(header)?.[1] ?? "");
	const where = page?.origin === serverUrl ? page.href : `${serverUrl}/settings/tokens (Configure SSO)`;
	return new BottleError("authentication", "the organisation wants the token authorised for single sign-on", {
		hint: `authorise it at ${where}`,
		cause: error
	});
}
export { sendApi as a, repositoryPath as i, githubSite as n, uploadRequest as o, readApi as r, apiRequest as t };
