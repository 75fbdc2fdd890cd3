import { o as hasErrno, r as InterruptedError, t as BottleError } from "./errors.mjs";
import { t as counted } from "./shown-text.mjs";
import { t as parseJson$1 } from "./json.mjs";
import { s as readChild } from "./child.mjs";
import { i as redacted, n as checkedUrl, r as isLoopback, t as serverOf } from "./server-url.mjs";
import { t as version } from "./package.mjs";
import { BlockList, isIP } from "node:net";
import * as http from "node:http";
import { createSecureContext, getCACertificates } from "node:tls";
import { pipeline } from "node:stream/promises";
import { setTimeout as setTimeout$1 } from "node:timers/promises";
import * as https from "node:https";
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
/** Plain http is for this machine only. */
const PLAIN_HINT = "check what listens at that port; registries on this machine are asked without TLS, unless they are named by its host name";
const LOGIN_LIMIT_HINT = "a user who is logged in has a higher limit (GitHub: GH_TOKEN, a registry: docker login)";
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
	/** The same error, by someone who knows more about the case. */
	explained(addition, { hint }) {
		return new HttpError(this.#answer, {
			addition,
			hint
		});
	}
};
function meaningOf({ status, headers, body, isRedirected }) {
	if (isRateLimit(status, headers) || status === 429) return {
		code: "network-failed",
		hint: `wait a little; ${LOGIN_LIMIT_HINT}`
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
	if (status === 400 && /HTTP request (was sent )?to (an )?HTTPS/i.test(body)) return {
		code: "network-failed",
		hint: PLAIN_HINT
	};
	return {
		code: "network-failed",
		hint: status < 500 ? "ask the operator of the server, because the same request will get the same answer" : "try again later"
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
	const hint = lastingFailureHint(cause) ?? (url.startsWith("http:") ? PLAIN_HINT : proxy === void 0 ? "check the network; sidecars in the store need none" : "check the network and the proxy (HTTPS_PROXY, NO_PROXY); sidecars in the store need neither");
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
	return error instanceof ConnectionError && lastingFailureHint(error.cause) === void 0;
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
		throw new BottleError("try-later", `${error.message}: come back in ${counted(minutes, "minute")}`, {
			hint: `try again then; ${LOGIN_LIMIT_HINT}`,
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
const UNKNOWN_ISSUER = [
	"DEPTH_ZERO_SELF_SIGNED_CERT",
	"SELF_SIGNED_CERT_IN_CHAIN",
	"UNABLE_TO_GET_ISSUER_CERT",
	"UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
	"UNABLE_TO_VERIFY_LEAF_SIGNATURE"
];
function isUnknownIssuer(error) {
	return error instanceof ConnectionError && hasErrno(error.cause, ...UNKNOWN_ISSUER);
}
const WRONG_CLOCK = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];
/**
* What to do about a connection that fails in the same way when it is tried again; undefined for other failures.
* https://nodejs.org/api/tls.html#x509-certificate-error-codes
*/
function lastingFailureHint(error) {
	if (!(error instanceof Error && "code" in error)) return;
	const code = String(error.code);
	if (WRONG_CLOCK.includes(code)) return `check the clock of this machine, which says ${(/* @__PURE__ */ new Date()).toISOString()}; if it is right, tell the operator of the server`;
	if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "check the name of the server: its certificate is for other names";
	if (/ALERT_CERTIFICATE_REQUIRED/.test(code)) return "use a server that does not ask for a certificate of its clients";
	if (/CERT|LEAF_SIGNATURE/.test(code)) return "if a proxy of yours signs it, name its certificate in NODE_EXTRA_CA_CERTS";
	if (code === "EPROTO" || code.startsWith("ERR_SSL_")) return "check the port: no TLS is spoken there that is understood here, and plain http is for this machine only";
	if (code.startsWith("HPE_")) return "check the port: the program that answers there does not speak HTTP";
	const [, refusal] = /HTTP\/\S+ (4\d\d)\b/.exec(code === "ERR_PROXY_TUNNEL" ? error.message : "") ?? [];
	if (refusal === "407") return "check the login for the proxy in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the server in NO_PROXY";
	return refusal && "ask the operator of the proxy, or name the server in NO_PROXY to reach it directly";
}
/** For several addresses that were tried, Node reports an AggregateError without a message. */
function reasonOf(error) {
	const first = error instanceof AggregateError ? error.errors[0] : error;
	if (hasErrno(first, "ECONNRESET") || /aborted/.test(first.message)) return "the connection broke off";
	if (hasErrno(first, "ENOTFOUND", "EAI_AGAIN")) return "its name cannot be resolved";
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
* environment, which it would print for any host, only where it is found on PATH, and not in the checkout, of which it
* may ask git.
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
			cwd: "/",
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
	if (trimmed !== void 0 && !/^[\x21-\x7e]*$/.test(trimmed)) throw new BottleError("authentication", "the GitHub token has characters that no token has", { hint: "export GH_TOKEN=$(gh auth token)" });
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
/** Encoding leaves dots alone, and a URL drops the segment before `..`. Half a character cannot be encoded at all. */
function pathSegment(text) {
	if (text === "." || text === ".." || !text.isWellFormed()) throw new BottleError("usage", `not a name on GitHub: ${JSON.stringify(text)}`, { hint: "check the name" });
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
	const { answer, bytes } = await http.readOnce(request, MAX_ANSWER_BYTES).catch((error) => {
		throw loginError(error, site) ?? error;
	});
	return parseAnswer(parseJson(bytes.toString("utf8")), redacted(answer.url), schema);
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
		throw new BottleError("network-failed", `unexpected response from ${url}: ${field} is not valid`, { hint: "check the address of the GitHub server" });
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
// src/remote/agent.ts
/** Certificates are always checked: NODE_TLS_REJECT_UNAUTHORIZED is not read. */
function newAgent(url, proxy, trust) {
	if (url.protocol === "http:") return new http.Agent({ keepAlive: true });
	return new TunnelAgent({
		keepAlive: true,
		rejectUnauthorized: true,
		...trust && { secureContext: trust },
		...proxy && { proxyEnv: { HTTPS_PROXY: proxy.href } }
	});
}
/** The authorities that Node trusts, and those that this machine trusts. */
function systemTrust() {
	return createSecureContext({ ca: [...getCACertificates("default"), ...getCACertificates("system")] });
}
/** When a proxy refuses the tunnel, Node leaves its connection open, and with it this process. Seen with Node 24.21. */
var TunnelAgent = class extends https.Agent {
	createConnection(options, done) {
		return super.createConnection(options, (error, socket) => {
			if (error !== null) socket?.destroy();
			done?.(error, socket);
		});
	}
};
// src/remote/http.ts
const IDLE_TIMEOUT_MS = 3e4;
/** For the whole of a short text, and for the head of every answer. */
const SHORT_TIMEOUT_MS = 12e4;
/** What git and curl users know as a lowest rate: fewer bytes than this over half a minute are a broken connection. */
const LOWEST_BYTES_PER_SECOND = 1e3;
const RATE_WINDOW_MS = 3e4;
const MAX_REDIRECTS = 5;
const RETRIES = 5;
/** Without a network, the user shall soon know. */
const UNREACHED_RETRIES = 1;
const SLOW_RETRIES = 2;
const EXPIRED_RETRIES = 1;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 6e4;
const MAX_ERROR_BODY_BYTES = 65536;
const REDIRECTS = [
	301,
	302,
	303,
	307,
	308
];
/**
* Requests with everything that a source needs: proxies from the environment, redirects that drop credentials, limits
* of time and of slowness, and retries of failures that may pass. `close` ends the connections that are kept open.
*/
var HttpClient = class {
	#options;
	#signal;
	/** Any server: then there is a network. */
	#hasAnswered = false;
	/** By protocol, proxy and trust. Those in use stay when the trust grows. */
	#agents = /* @__PURE__ */ new Map();
	/** Undefined for the authorities of Node alone. */
	#trust;
	constructor(options) {
		this.#options = {
			onRetry: () => {},
			idleTimeoutMs: IDLE_TIMEOUT_MS,
			shortTimeoutMs: SHORT_TIMEOUT_MS,
			rateWindowMs: RATE_WINDOW_MS,
			firstRetryMs: FIRST_RETRY_MS,
			...options
		};
		this.#signal = options.signal;
	}
	close() {
		for (const agent of this.#agents.values()) agent.destroy();
	}
	/**
	* One request, with the redirects that follow from it and without retries.
	* @throws HttpError for a status that is not expected, BottleError `network-failed` when there is no answer
	*/
	async send(request) {
		const asked = checkedUrl(request.url);
		let url = asked;
		for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
			const answer = await this.#sendTrusting(url, request);
			const { status, headers } = answer;
			const { expected = [200] } = request;
			if (expected.includes(status)) return answer;
			if (!(REDIRECTS.includes(status) && ["GET", "HEAD"].includes(request.method ?? "GET")) || headers.location === void 0) {
				const body = await this.#textOf(answer);
				throw new HttpError({
					url: url.href,
					status,
					headers,
					body,
					isRedirected: url.origin !== asked.origin
				});
			}
			answer.body.destroy();
			url = redirectTarget(headers.location, url);
		}
		throw refusedRedirect(`${redacted(request.url)} redirects more than ${MAX_REDIRECTS} times`);
	}
	/** The whole body, with retries. */
	async read(request, maxBytes) {
		return await this.retry(() => this.readOnce(request, maxBytes));
	}
	/** The whole body, without retries. */
	async readOnce(request, maxBytes) {
		const { body, ...answer } = await this.send(request);
		return {
			answer,
			bytes: await this.#bytesOf({
				body,
				...answer
			}, maxBytes)
		};
	}
	/** The whole body as JSON, with retries. It is `unknown` until a schema has accepted it. */
	async readJson(request, maxBytes) {
		const { answer, bytes } = await this.read(request, maxBytes);
		try {
			return parseJson$1(bytes.toString("utf8"));
		} catch (error) {
			throw new BottleError("network-failed", `${redacted(answer.url)} did not answer with JSON`, {
				hint: "check that the address is right and that no proxy answers in its place",
				cause: error
			});
		}
	}
	/**
	* Runs `attempt` again after failures that may pass: no connection or a broken one, 408, 425, 429, 5xx, and 403
	* for a rate limit. Waits as long as the server asks for, up to a minute.
	* @param hasProgressed tells whether the attempt that failed got further than those before: then the count of
	*   retries starts again
	* @throws BottleError `try-later` when the server asks for a longer wait
	*/
	async retry(attempt, hasProgressed = () => false) {
		for (let failures = 0;;) {
			this.#signal.throwIfAborted();
			try {
				return await attempt();
			} catch (error) {
				this.#signal.throwIfAborted();
				failures = hasProgressed() && !(error instanceof SlownessError) ? 1 : failures + 1;
				if (!mayPass(error) || failures > this.#retriesFor(error)) throw error;
				const waitMs = Math.max(askedWaitMs(error), this.#backoffMs(failures));
				this.#options.onRetry(error.message);
				await setTimeout$1(waitMs, void 0, { signal: this.#signal }).catch(() => {});
			}
		}
	}
	#retriesFor(error) {
		if (isExpiredRedirect(error)) return EXPIRED_RETRIES;
		if (error instanceof SlownessError) return SLOW_RETRIES;
		return isUnreachable(error) && !this.#hasAnswered ? UNREACHED_RETRIES : RETRIES;
	}
	/** Random, so that many clients that a server has lost at once do not come back at once. */
	#backoffMs(failures) {
		return Math.min(this.#options.firstRetryMs * 2 ** (failures - 1), MAX_RETRY_MS) * (.5 + Math.random() / 2);
	}
	/** A company puts the authorities of its own where git and docker look, and Node does not: it is slow to read. */
	async #sendTrusting(url, request) {
		try {
			return await this.#sendOnce(url, request);
		} catch (error) {
			if (this.#trust !== void 0 || !isUnknownIssuer(error)) throw error;
			this.#trust = systemTrust();
			return await this.#sendOnce(url, request);
		}
	}
	async #sendOnce(url, request) {
		this.#signal.throwIfAborted();
		const { method = "GET", credential, body } = request;
		const headers = {
			"user-agent": `claude-bottle-pack/${version}`,
			"accept-encoding": "identity",
			...request.headers,
			...body && { "content-length": String("open" in body ? body.sizeBytes : body.length) },
			...credential?.origin === url.origin && { authorization: credential.authorization }
		};
		const proxy = proxyFor(url, process.env);
		const { idleTimeoutMs, shortTimeoutMs } = this.#options;
		return await new Promise((resolve, reject) => {
			const sent = (url.protocol === "https:" ? https : http).request(url, {
				method,
				headers,
				agent: this.#agentFor(url, proxy),
				timeout: idleTimeoutMs
			});
			let answer;
			const breakOff = (reason) => (answer ?? sent).destroy(reason);
			const abort = () => breakOff(this.#signal.reason);
			const reasonOf = (error) => this.#signal.aborted ? this.#signal.reason : error instanceof BottleError ? error : networkError(url.href, error, proxy);
			let headTimer;
			this.#signal.addEventListener("abort", abort);
			sent.once("close", () => {
				clearTimeout(headTimer);
				this.#signal.removeEventListener("abort", abort);
			});
			sent.once("timeout", () => breakOff(reasonOf(new SilenceError(`no byte in ${idleTimeoutMs / 1e3} s`))));
			sent.once("error", (error) => reject(reasonOf(error)));
			const awaitHead = () => {
				clearTimeout(headTimer);
				const slowness = `no whole answer in ${shortTimeoutMs / 1e3} s`;
				headTimer = setTimeout(() => breakOff(new SlownessError(url.href, proxy, slowness)), shortTimeoutMs);
			};
			const isStreamed = body !== void 0 && "open" in body;
			if (!isStreamed) awaitHead();
			sent.once("finish", () => {
				if (answer === void 0) awaitHead();
			});
			sent.once("response", (received) => {
				clearTimeout(headTimer);
				this.#hasAnswered = true;
				answer = received.on("error", () => {});
				this.#requireRate(received, (what) => breakOff(new SlownessError(url.href, proxy, what)));
				const { statusCode: status = 0, headers: receivedHeaders } = received;
				resolve({
					status,
					headers: receivedHeaders,
					url: url.href,
					body: received
				});
			});
			if (isStreamed) pipeline(body.open(), sent).catch((error) => reject(reasonOf(error)));
			else sent.end(body);
		});
	}
	#agentFor(url, proxy) {
		const key = [
			url.protocol,
			proxy?.href,
			this.#trust && "system"
		].join(" ");
		const agent = this.#agents.get(key) ?? newAgent(url, proxy, this.#trust);
		this.#agents.set(key, agent);
		return agent;
	}
	/** A reader that takes its time is not the server's fault: then bytes wait in the body. */
	#requireRate(body, breakOff) {
		const { rateWindowMs } = this.#options;
		const { socket } = body;
		const leastBytes = LOWEST_BYTES_PER_SECOND * rateWindowMs / 1e3;
		let bytesBefore = socket.bytesRead;
		const timer = setInterval(() => {
			const bytes = socket.bytesRead - bytesBefore;
			bytesBefore = socket.bytesRead;
			if (bytes < leastBytes && body.readableLength === 0 && !body.complete) breakOff(`${counted(bytes, "byte")} in ${rateWindowMs / 1e3} s`);
		}, rateWindowMs).unref();
		body.once("close", () => clearInterval(timer));
	}
	async #textOf(answer) {
		return await this.#bytesOf(answer, MAX_ERROR_BODY_BYTES).then((bytes) => bytes.toString("utf8"), () => "");
	}
	/** @throws BottleError `sidecar-damaged` for a body that is too long, SlownessError for one that takes too long */
	async #bytesOf({ body, url }, maxBytes) {
		const { shortTimeoutMs } = this.#options;
		const chunks = [];
		let sizeBytes = 0;
		const timer = setTimeout(() => body.destroy(new SlownessError(url, void 0, `no whole answer in ${shortTimeoutMs / 1e3} s`)), shortTimeoutMs);
		try {
			for await (const chunk of body) {
				sizeBytes += chunk.length;
				if (sizeBytes > maxBytes) {
					const message = `${redacted(url)} answered with more than ${maxBytes} bytes`;
					throw new BottleError("sidecar-damaged", message, { hint: "check the address: a short text is expected there" });
				}
				chunks.push(chunk);
			}
		} catch (error) {
			throw bodyError(error, url);
		} finally {
			clearTimeout(timer);
		}
		return Buffer.concat(chunks);
	}
};
/** https://datatracker.ietf.org/doc/html/rfc9110#field.if-range */
function rangeHeaders({ start, end, etag }) {
	return {
		range: `bytes=${start}-${end - 1}`,
		...etag !== void 0 && { "if-range": etag }
	};
}
/** @throws BottleError `network-failed` for a target that is not followed */
function redirectTarget(location, from) {
	const target = URL.parse(location, from.href);
	const isAllowed = target?.protocol === "https:" || target?.protocol === "http:" && from.protocol === "http:" && isLoopback(target.hostname);
	if (target === null || !isAllowed) {
		const where = target === null ? "nowhere" : redacted(target.href);
		throw refusedRedirect(`${redacted(from.href)} redirects to ${where}: refused`);
	}
	return target;
}
function refusedRedirect(message) {
	return new BottleError("network-failed", message, { hint: "only https is followed; check the address" });
}
export { githubSite as a, sendApi as c, bodyError as d, unlessMissing as f, assetRequest as i, uploadRequest as l, rangeHeaders as n, readApi as o, apiRequest as r, repositoryPath as s, HttpClient as t, HttpError as u };
