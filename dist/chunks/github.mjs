import { o as hasErrno, r as InterruptedError, t as BottleError } from "./errors.mjs";
import { o as readChild } from "./child.mjs";
import { t as parseJson$1 } from "./json.mjs";
import { i as redacted, n as checkedUrl, r as isLoopback, t as serverOf } from "./server-url.mjs";
import { BlockList, isIP } from "node:net";
import { text } from "node:stream/consumers";
// src/remote/proxy.ts
/**
* The proxy for an https address, by the rules that Go programs (docker, crane, gh) share: HTTPS_PROXY and NO_PROXY in
* either case, and this machine is always reached directly. Plain http is for this machine only, so it never has a proxy.
* https://pkg.go.dev/golang.org/x/net/http/httpproxy
*/
function proxyFor(url, env) {
	const setting = (env.HTTPS_PROXY || env.https_proxy)?.trim();
	if (url.protocol !== "https:" || !setting || isLoopback(url.hostname)) return;
	return isExempt(url, env.NO_PROXY || env.no_proxy || "") ? void 0 : parseProxy(setting);
}
function parseProxy(setting) {
	const proxy = URL.parse(/^[a-z\d+.-]+:\/\//i.test(setting) ? setting : `http://${setting}`);
	if (proxy !== null && ["http:", "https:"].includes(proxy.protocol)) return proxy;
	const scheme = proxy?.protocol.slice(0, -1) ?? "an address that cannot be read";
	throw new BottleError("usage", `HTTPS_PROXY names a proxy by ${scheme}; only http and https are supported`, { hint: "set HTTPS_PROXY to http://HOST:PORT, or name the server in NO_PROXY" });
}
function isExempt({ hostname, port }, noProxy) {
	const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
	return noProxy.toLowerCase().split(",").map((entry) => entry.trim()).some((entry) => entry === "*" || entry !== "" && matches(host, port || "443", entry));
}
/** An entry is a network (10.0.0.0/8), an address, or a domain with those below it, the last two with or without a port. */
function matches(host, port, entry) {
	const [network = "", prefix] = entry.split("/", 2);
	if (prefix !== void 0) return isInNetwork(host, network, Number(prefix));
	const [, entryHost = "", entryPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 0 ? entry : `[${entry}]`) ?? [];
	if (entryHost === "" || entryPort !== void 0 && entryPort !== port) return false;
	if (isIP(entryHost) !== 0) return isInNetwork(host, entryHost, isIP(entryHost) === 4 ? 32 : 128);
	const domain = entryHost.replace(/^\*?\./, "");
	return host.endsWith(`.${domain}`) || host === domain && domain === entryHost;
}
function isInNetwork(host, network, prefix) {
	const family = isIP(network);
	const hostFamily = isIP(host);
	if (family === 0 || hostFamily === 0 || !(prefix >= 0 && prefix <= (family === 4 ? 32 : 128))) return false;
	const networks = new BlockList();
	networks.addSubnet(network, prefix, family === 4 ? "ipv4" : "ipv6");
	return networks.check(host, hostFamily === 4 ? "ipv4" : "ipv6");
}
/** The end of the sentence "no answer from https://…": empty without a proxy. */
function byWayOf(proxy) {
	return proxy === void 0 ? "" : ` by way of the proxy ${redacted(proxy.href).replace(/\/$/, "")}`;
}
// src/remote/http-error.ts
/** A server that asks for a longer wait is not waited for. */
const MAX_RETRY_AFTER_MS = 6e4;
const MAX_QUOTED_CHARS = 200;
const TOKEN_LIMIT_HINT = "a token (GH_TOKEN) has a rate limit of its own";
/** A server answered, and not as it should. */
var HttpError = class HttpError extends BottleError {
	status;
	headers;
	body;
	isRedirected;
	#answer;
	constructor(answer, { addition = "", hint } = {}) {
		const { url, status, headers, body, isRedirected } = answer;
		const { code, hint: usualHint } = meaningOf(answer);
		const message = `${redacted(url)} answered ${status}${quotation(headers, body)}${addition}`;
		super(code, message, { hint: hint ?? usualHint });
		this.#answer = answer;
		this.status = status;
		this.headers = headers;
		this.body = body;
		this.isRedirected = isRedirected;
	}
	/** The same error, by somebody who knows more about the case. */
	explained(addition, { hint }) {
		return new HttpError(this.#answer, {
			addition,
			hint
		});
	}
};
function meaningOf({ status, headers, isRedirected }) {
	if (isRateLimit(status, headers) || status === 429) return {
		code: "network-failed",
		hint: `wait a little; ${TOKEN_LIMIT_HINT}`
	};
	if ([401, 403].includes(status)) return isRedirected ? {
		code: "network-failed",
		hint: "try again: the address that the server redirects to may have expired"
	} : {
		code: "authentication",
		hint: "set GH_TOKEN to a token that may read it"
	};
	if (status === 404 || status === 410) return {
		code: "not-found",
		hint: "check the address; without a token, a private repository looks like a missing one"
	};
	return {
		code: "network-failed",
		hint: "try again later"
	};
}
/** Packets that a firewall drops look like this. */
var SilenceError = class extends Error {};
/** There was no answer, or it broke off. */
var ConnectionError = class extends BottleError {};
/** Bytes come, and so few that waiting for the rest makes no sense. */
var SlownessError = class extends ConnectionError {
	constructor(url, proxy, what) {
		super("network-failed", `${new URL(url).origin} is too slow${byWayOf(proxy)}: ${what}`, { hint: "try again later; a download goes on where it stopped" });
	}
};
function networkError(url, cause, proxy) {
	const { origin } = new URL(url);
	const reason = cause instanceof Error ? reasonOf(cause) : String(cause);
	const hint = isCertificateError(cause) ? "if a proxy of yours signs it, name its certificate in NODE_EXTRA_CA_CERTS" : proxy === void 0 ? "check the network; sidecars in the store need none" : "check the network and the proxy (HTTPS_PROXY, NO_PROXY); sidecars in the store need neither";
	return new ConnectionError("network-failed", `no answer from ${origin}${byWayOf(proxy)}: ${reason}`, {
		hint,
		cause
	});
}
/** Turns the error that a body breaks off with into the one that the user is told. */
function bodyError(error, url) {
	return error instanceof BottleError || error instanceof InterruptedError ? error : networkError(url, error);
}
/** Undefined for a thing that is not there, or not there for us: GitHub makes no difference. */
async function unlessMissing(answer) {
	try {
		return await answer;
	} catch (error) {
		if (error instanceof HttpError && error.status === 404) return;
		throw error;
	}
}
/** Whether the same request may succeed a little later. */
function mayPass(error) {
	if (error instanceof HttpError) {
		const { status, headers } = error;
		return [
			408,
			425,
			429,
			500,
			502,
			503,
			504
		].includes(status) || isRateLimit(status, headers) || isExpiredRedirect(error);
	}
	return error instanceof ConnectionError && !isCertificateError(error.cause);
}
/** Asking the first server again gets a new address. */
function isExpiredRedirect(error) {
	return error instanceof HttpError && error.isRedirected && [401, 403].includes(error.status);
}
function isUnreachable(error) {
	const cause = error instanceof ConnectionError ? error.cause : void 0;
	const first = cause instanceof AggregateError ? cause.errors[0] : cause;
	return first instanceof SilenceError || hasErrno(first, "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT");
}
/**
* How long the server wants to be left alone.
* @throws BottleError `try-later` when that is longer than a minute
*/
function askedWaitMs(error) {
	const waitMs = error instanceof HttpError ? retryAfterMs(error.headers) : 0;
	if (waitMs > MAX_RETRY_AFTER_MS) {
		const minutes = Math.ceil(waitMs / 6e4);
		throw new BottleError("try-later", `${error.message}: come back in ${minutes} minutes`, {
			hint: `try again then; ${TOKEN_LIMIT_HINT}`,
			cause: error
		});
	}
	return waitMs;
}
function isRateLimit(status, headers) {
	return status === 403 && (headers["retry-after"] !== void 0 || headers["x-ratelimit-remaining"] === "0");
}
/** https://datatracker.ietf.org/doc/html/rfc9110#field.retry-after, and GitHub's x-ratelimit-reset (seconds since 1970). */
function retryAfterMs(headers) {
	const { "retry-after": after } = headers;
	const reset = headers["x-ratelimit-remaining"] === "0" ? headers["x-ratelimit-reset"] : void 0;
	const waitMs = after === void 0 ? Number(reset ?? 0) * 1e3 - (reset === void 0 ? 0 : Date.now()) : /^\d+$/.test(after) ? Number(after) * 1e3 : Date.parse(after) - Date.now();
	return Number.isFinite(waitMs) ? Math.max(0, waitMs) : 0;
}
/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function isCertificateError(error) {
	return error instanceof Error && "code" in error && /CERT|LEAF_SIGNATURE/.test(String(error.code));
}
/** Of several addresses that were tried, Node reports an AggregateError without a message. */
function reasonOf(error) {
	const first = error instanceof AggregateError ? error.errors[0] : error;
	if (hasErrno(first, "ECONNRESET") || /aborted/.test(first.message)) return "the connection broke off";
	return first.message.replace(/ via \S+/, "") || String("code" in first ? first.code : first.name);
}
function quotation(headers, body) {
	if (!/json|text\/plain/.test(headers["content-type"] ?? "")) return "";
	const text = body.replace(/[\s\p{Cc}]+/gu, " ").trim();
	return text === "" ? "" : `: ${text.slice(0, MAX_QUOTED_CHARS)}`;
}
// src/remote/github.ts
/** https://docs.github.com/rest/about-the-rest-api/api-versions */
const API_VERSION = "2022-11-28";
/** A release of a thousand assets has about 2 MB. */
const MAX_ANSWER_BYTES = 8388608;
const GH_TIMEOUT_MS = 5e3;
const DEFAULT_HOST = "github.com";
/** For other hosts than the one that is asked about, and what would change how gh answers. */
const NOT_FOR_GH = /^(GH|GITHUB)_((ENTERPRISE_)?TOKEN|HOST|DEBUG|FORCE_TTY)$/;
const API_HEADERS = {
	accept: "application/vnd.github+json",
	"x-github-api-version": API_VERSION
};
async function githubSite({ serverUrl, remoteHost, token: givenToken, env }) {
	const { server, isChosen } = serverOf({
		serverUrl,
		remoteHost,
		env
	});
	const isGuess = !isChosen;
	if (givenToken && isGuess) throw new BottleError("usage", `--token for ${server.host}, which only the checkout's remote names`, { hint: `if it is for that server, name it: --github-url ${server.origin}` });
	const apiUrl = apiUrlOf(server, env);
	const token = requireHeaderText(givenToken || (isGuess ? "" : tokenOfEnvironment(server, env)) || await tokenOfGh(server.host, env));
	return {
		serverUrl: server.origin,
		apiUrl,
		registryHost: server.hostname === DEFAULT_HOST ? "ghcr.io" : `containers.${server.hostname}`,
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
	const serverOfEnvironment = env.GITHUB_SERVER_URL || `https://${DEFAULT_HOST}`;
	if (env.GITHUB_API_URL && checkedUrl(serverOfEnvironment).origin === server.origin) return checkedUrl(env.GITHUB_API_URL).href.replace(/\/+$/, "");
	return isGitHubsOwn(server) ? `https://api.${server.host}` : `${server.origin}/api/v3`;
}
/** Run by GitHub: github.com, or a subdomain of ghe.com (data residency). */
function isGitHubsOwn({ hostname }) {
	return hostname === DEFAULT_HOST || hostname.endsWith(".ghe.com");
}
/**
* As gh reads them: GH_TOKEN is for GitHub's own hosts, GH_ENTERPRISE_TOKEN for other servers. On a runner of such a server
* GITHUB_TOKEN is its token. None of them is for a host that only the checkout names, *.ghe.com included: the person who
* made the checkout would choose who gets the token.
*/
function tokenOfEnvironment(server, env) {
	const tokens = [env.GH_TOKEN, env.GITHUB_TOKEN];
	const ofServer = [env.GH_ENTERPRISE_TOKEN, env.GITHUB_ENTERPRISE_TOKEN];
	if (isGitHubsOwn(server)) return tokens.find(Boolean);
	const isRunners = URL.parse(env.GITHUB_SERVER_URL ?? "")?.origin === server.origin;
	return [...ofServer, ...isRunners ? tokens : []].find(Boolean);
}
/**
* The login of gh for this host, which it keeps in the system's keyring or in a file. It is asked without the tokens of the
* environment, which it would print for any host, and only where it is found on PATH.
*/
async function tokenOfGh(host, env) {
	if (!env.PATH) return;
	const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_FOR_GH.test(name)));
	try {
		const asked = await readChild("gh", [
			"auth",
			"token",
			"--hostname",
			host
		], {
			env: {
				...rest,
				GH_PROMPT_DISABLED: "1",
				GH_NO_UPDATE_NOTIFIER: "1"
			},
			timeoutMs: GH_TIMEOUT_MS
		});
		return asked.exitCode === 0 ? asked.stdout : void 0;
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
* The content of an asset of a release.
* https://docs.github.com/rest/releases/assets#get-a-release-asset
*/
function assetRequest(site, repository, id) {
	const request = apiRequest(site, `repos/${repositoryPath(repository, "releases", "assets", String(id))}`);
	return {
		...request,
		headers: {
			...request.headers,
			accept: "application/octet-stream"
		}
	};
}
/**
* An asset for a release, without its body. The address comes with the release, and receives no token unless
* it is this GitHub's own.
* https://docs.github.com/rest/releases/assets#upload-a-release-asset
*/
function uploadRequest({ serverUrl, token }, uploadUrl, name) {
	const origin = uploadOrigin(new URL(serverUrl));
	const url = URL.parse(uploadUrl.split("{", 1)[0] ?? "");
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
		throw loginError(error, site) ?? error;
	}), `${site.apiUrl}/${path}`, schema);
}
/**
* One request to the REST API, without retries: for what must not be done twice unseen.
* @param schema of the JSON in the answer; of undefined where there is none
*/
async function sendApi(http, site, request, schema) {
	const { body, url } = await http.send(request).catch((error) => {
		throw loginError(error, site) ?? error;
	});
	return parseAnswer(parseJson(await text(body).catch((error) => {
		throw bodyError(error, url);
	})), redacted(url), schema);
}
function parseJson(text) {
	try {
		return text === "" ? void 0 : parseJson$1(text);
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
/** An organization with single sign-on wants each token authorized once, on the page that the header names. */
function loginError(error, { serverUrl, token }) {
	if (error instanceof HttpError && error.status === 401 && token !== void 0) return error.explained(": the token has expired, was revoked, or is not for this server", { hint: "make a new token (GH_TOKEN, or gh auth login); a public repository needs none: unset GH_TOKEN" });
	const header = error instanceof HttpError && error.status === 403 ? error.headers["x-github-sso"] : void 0;
	if (typeof header !== "string") return;
	const page = URL.parse(/\burl=(\S+)/.exec(header)?.[1] ?? "");
	const where = page?.origin === serverUrl ? page.href : `${serverUrl}/settings/tokens (Configure SSO)`;
	return new BottleError("authentication", "the organization wants the token authorized for single sign-on", {
		hint: `authorize it at ${where}`,
		cause: error
	});
}
export { unlessMissing as _, repositoryPath as a, HttpError as c, askedWaitMs as d, bodyError as f, networkError as g, mayPass as h, readApi as i, SilenceError as l, isUnreachable as m, assetRequest as n, sendApi as o, isExpiredRedirect as p, githubSite as r, uploadRequest as s, apiRequest as t, SlownessError as u, proxyFor as v };
