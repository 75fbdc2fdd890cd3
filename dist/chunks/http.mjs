import { t as version } from "./package.mjs";
import { a as hasErrno, n as InterruptedError, t as BottleError } from "./errors.mjs";
import * as http from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import * as https from "node:https";
// src/remote/http.ts
const IDLE_TIMEOUT_MS = 3e4;
const MAX_REDIRECTS = 5;
const RETRIES = 5;
/** Without a network, whoever waits shall soon know. */
const UNREACHED_RETRIES = 1;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 6e4;
/** A server that asks for more is not waited for. */
const MAX_RETRY_AFTER_MS = 6e4;
const MAX_ERROR_BODY_BYTES = 65536;
const MAX_QUOTED_CHARS = 200;
const REDIRECTS = [
	301,
	302,
	303,
	307,
	308
];
/** A server answered, and not with what was asked for. */
var HttpError = class extends BottleError {
	status;
	headers;
	/** Its beginning; it can quote anything. */
	body;
	constructor(url, status, headers, body) {
		const { code, hint } = meaningOf(status, headers);
		super(code, `${redacted(url)} answered ${status}${quotation(headers, body)}`, { hint });
		this.status = status;
		this.headers = headers;
		this.body = body;
	}
};
/**
* Requests with what every source needs: proxies from the environment, redirects that drop credentials, time limits
* for silence, and retries of what may pass. `close` ends the connections that are kept open.
*/
var HttpClient = class {
	#signal;
	#onRetry;
	#idleTimeoutMs;
	#firstRetryMs;
	/** Any server: then there is a network. */
	#hasAnswered = false;
	#agents = {
		"http:": new http.Agent({
			keepAlive: true,
			proxyEnv: process.env
		}),
		"https:": new TunnelAgent({
			keepAlive: true,
			proxyEnv: process.env
		})
	};
	constructor({ signal, onRetry = () => {}, idleTimeoutMs = IDLE_TIMEOUT_MS, firstRetryMs = FIRST_RETRY_MS }) {
		this.#signal = signal;
		this.#onRetry = onRetry;
		this.#idleTimeoutMs = idleTimeoutMs;
		this.#firstRetryMs = firstRetryMs;
	}
	close() {
		this.#agents["http:"].destroy();
		this.#agents["https:"].destroy();
	}
	/**
	* One request, with the redirects that follow from it and without retries.
	* @throws HttpError for a status that is not expected, BottleError `network-failed` when there is no answer
	*/
	async send(request) {
		let url = checkedUrl(request.url);
		for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
			const answer = await this.#sendOnce(url, request);
			const { location } = answer.headers;
			const { expected = [200] } = request;
			if (expected.includes(answer.status)) return answer;
			if (!(REDIRECTS.includes(answer.status) && ["GET", "HEAD"].includes(request.method ?? "GET")) || location === void 0) {
				const body = await textOf(answer.body);
				throw new HttpError(url.href, answer.status, answer.headers, body);
			}
			answer.body.destroy();
			url = redirectTarget(location, url);
		}
		throw refusedRedirect(`${redacted(request.url)} redirects more than ${MAX_REDIRECTS} times`);
	}
	/** The whole body, with retries. */
	async read(request, maxBytes) {
		return await this.retry(async () => {
			const { body, ...answer } = await this.send(request);
			return {
				answer,
				bytes: await bytesOf(body, maxBytes, answer.url)
			};
		});
	}
	/** The whole body as JSON, with retries. It is `unknown` until a schema has accepted it. */
	async readJson(request, maxBytes) {
		const { answer, bytes } = await this.read(request, maxBytes);
		try {
			return JSON.parse(bytes.toString("utf8"));
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
	*   retries begins anew
	* @throws BottleError `try-later` when the server asks for a longer wait
	*/
	async retry(attempt, hasProgressed = () => false) {
		for (let failures = 0;;) {
			this.#signal.throwIfAborted();
			try {
				return await attempt();
			} catch (error) {
				this.#signal.throwIfAborted();
				failures = hasProgressed() ? 1 : failures + 1;
				const retries = isUnreachable(error) && !this.#hasAnswered ? UNREACHED_RETRIES : RETRIES;
				if (!mayPass(error) || failures > retries) throw error;
				const waitMs = Math.max(askedWaitMs(error), this.#backoffMs(failures));
				this.#onRetry(error.message);
				await setTimeout(waitMs, void 0, { signal: this.#signal }).catch(() => {});
			}
		}
	}
	/** Random, so that many clients that a server has lost at once do not come back at once. */
	#backoffMs(failures) {
		return Math.min(this.#firstRetryMs * 2 ** (failures - 1), MAX_RETRY_MS) * (.5 + Math.random() / 2);
	}
	async #sendOnce(url, request) {
		this.#signal.throwIfAborted();
		const { method = "GET", credential, body } = request;
		const protocol = url.protocol;
		const headers = {
			"user-agent": `claude-bottle-pack/${version}`,
			"accept-encoding": "identity",
			...request.headers,
			...body && { "content-length": String("open" in body ? body.sizeBytes : body.length) },
			...credential?.origin === url.origin && { authorization: credential.authorization }
		};
		const module = protocol === "https:" ? https : http;
		return await new Promise((resolve, reject) => {
			const sent = module.request(url, {
				method,
				headers,
				agent: this.#agents[protocol],
				timeout: this.#idleTimeoutMs
			});
			let answer;
			const breakOff = (reason) => (answer ?? sent).destroy(reason);
			const abort = () => breakOff(this.#signal.reason);
			this.#signal.addEventListener("abort", abort);
			sent.once("close", () => this.#signal.removeEventListener("abort", abort));
			sent.once("timeout", () => breakOff(networkError(url.href, new SilenceError(`no byte in ${this.#idleTimeoutMs / 1e3} s`))));
			sent.once("error", (error) => reject(this.#reason(error, url)));
			sent.once("response", (received) => {
				this.#hasAnswered = true;
				answer = received.on("error", () => {});
				const { statusCode: status = 0, headers: receivedHeaders } = received;
				resolve({
					status,
					headers: receivedHeaders,
					url: url.href,
					body: received
				});
			});
			if (body !== void 0 && "open" in body) pipeline(body.open(), sent).catch((error) => reject(this.#reason(error, url)));
			else sent.end(body);
		});
	}
	/** What a request or a body broke off for. */
	#reason(error, url) {
		if (this.#signal.aborted) return this.#signal.reason;
		return error instanceof BottleError ? error : networkError(url.href, error);
	}
};
/** When a proxy refuses the tunnel, Node leaves its connection open, and with it this process. Seen with Node 24.21. */
var TunnelAgent = class extends https.Agent {
	createConnection(options, done) {
		return super.createConnection(options, (error, socket) => {
			if (error !== null) socket?.destroy();
			done?.(error, socket);
		});
	}
};
/** https://datatracker.ietf.org/doc/html/rfc9110#field.if-range */
function rangeHeaders({ start, end, etag }) {
	return {
		range: `bytes=${start}-${end === void 0 ? "" : end - 1}`,
		"if-range": etag
	};
}
/** Undefined for what is not there, or not there for us: GitHub makes no difference. */
async function unlessMissing(answer) {
	try {
		return await answer;
	} catch (error) {
		if (error instanceof HttpError && error.status === 404) return;
		throw error;
	}
}
/** Turns what a body breaks off with into what the user is told. */
function bodyError(error, url) {
	return error instanceof BottleError || error instanceof InterruptedError ? error : networkError(url, error);
}
/** Without the parts of an address that grant access to whoever has it. */
function redacted(url) {
	const parsed = URL.parse(url);
	if (parsed === null || parsed.origin === "null") return "an address that is none";
	parsed.username = "";
	parsed.password = "";
	return `${parsed.origin}${parsed.pathname}${parsed.search === "" ? "" : "?…"}`;
}
/** @throws BottleError `usage` for what is neither https, nor http on this machine */
function checkedUrl(text) {
	const url = URL.parse(text);
	if (url?.protocol === "https:" || url?.protocol === "http:" && isLoopback(url.hostname)) return url;
	throw new BottleError("usage", `not an address to download from: ${url === null ? text : redacted(text)}`, { hint: "use https://; http:// is for this machine (localhost) only" });
}
function isLoopback(hostname) {
	return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
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
		].includes(status) || isRateLimit(status, headers);
	}
	return error instanceof ConnectionError && !isCertificateError(error.cause);
}
function isUnreachable(error) {
	const cause = error instanceof ConnectionError ? error.cause : void 0;
	const first = cause instanceof AggregateError ? cause.errors[0] : cause;
	return first instanceof SilenceError || hasErrno(first, "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT");
}
/** How long the server wants to be left alone. */
function askedWaitMs(error) {
	const waitMs = error instanceof HttpError ? retryAfterMs(error.headers) : 0;
	if (waitMs > MAX_RETRY_AFTER_MS) {
		const minutes = Math.ceil(waitMs / 6e4);
		throw new BottleError("try-later", `${error.message}: come back in ${minutes} minutes`, {
			hint: "try again then; a token (GH_TOKEN) has a rate limit of its own",
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
function meaningOf(status, headers) {
	if (isRateLimit(status, headers) || status === 429) return {
		code: "network-failed",
		hint: "wait a little; a token (GH_TOKEN) has a rate limit of its own"
	};
	if (status === 401 || status === 403) return {
		code: "authentication",
		hint: "set GH_TOKEN to a token that may read it, or log in to the registry with docker login"
	};
	if (status === 404 || status === 410) return {
		code: "not-found",
		hint: "check the address; what is private looks like missing without a token"
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
function networkError(url, cause) {
	const { origin } = new URL(url);
	const reason = cause instanceof Error ? reasonOf(cause) : String(cause);
	const hint = isCertificateError(cause) ? "if a proxy of yours signs it, name its certificate in NODE_EXTRA_CA_CERTS" : "check the network and the proxy (HTTPS_PROXY); what is in the store works offline";
	return new ConnectionError("network-failed", `no answer from ${origin}: ${reason}`, {
		hint,
		cause
	});
}
/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function isCertificateError(error) {
	return error instanceof Error && "code" in error && /CERT|LEAF_SIGNATURE/.test(String(error.code));
}
/** Of several addresses that were tried, Node reports an AggregateError without a message. */
function reasonOf(error) {
	const first = error instanceof AggregateError ? error.errors[0] : error;
	if (hasErrno(first, "ECONNRESET") || /aborted/.test(first.message)) return "the connection broke off";
	return first.message || String("code" in first ? first.code : first.name);
}
function quotation(headers, body) {
	if (!/json|text\/plain/.test(headers["content-type"] ?? "")) return "";
	const text = body.replace(/\p{Cc}+/gu, " ").trim();
	return text === "" ? "" : `: ${text.slice(0, MAX_QUOTED_CHARS)}`;
}
async function textOf(body) {
	return await bytesOf(body, MAX_ERROR_BODY_BYTES, "").then((bytes) => bytes.toString("utf8"), () => "");
}
async function bytesOf(body, maxBytes, url) {
	const chunks = [];
	let sizeBytes = 0;
	try {
		for await (const chunk of body) {
			sizeBytes += chunk.length;
			if (sizeBytes > maxBytes) throw new BottleError("sidecar-damaged", `${redacted(url)} answered with more than ${maxBytes} bytes`, { hint: "check the address; what is expected there is a short text" });
			chunks.push(chunk);
		}
	} catch (error) {
		throw bodyError(error, url);
	}
	return Buffer.concat(chunks);
}
export { isLoopback as a, unlessMissing as c, checkedUrl as i, HttpError as n, rangeHeaders as o, bodyError as r, redacted as s, HttpClient as t };
