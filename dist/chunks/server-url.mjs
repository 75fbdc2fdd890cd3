import { t as BottleError } from "./errors.mjs";
// src/remote/url.ts
/** Without the parts of an address that grant access to anyone who has it. */
function redacted(url) {
	const parsed = URL.parse(url);
	if (parsed === null || parsed.origin === "null") return "something that is not an address";
	parsed.username = "";
	parsed.password = "";
	return `${parsed.origin}${parsed.pathname}${parsed.search === "" ? "" : "?…"}`;
}
/** @throws BottleError `usage` for an address that is neither https, nor http on this machine */
function checkedUrl(text) {
	const url = URL.parse(text);
	if (url?.protocol === "https:" || url?.protocol === "http:" && isLoopback(url.hostname)) return url;
	throw new BottleError("usage", `not an address to download from: ${url === null ? text : redacted(text)}`, { hint: "use https://; http:// is for this machine (localhost) only" });
}
/** @param hostname as a URL has it: an IPv6 address in brackets */
function isLoopback(hostname) {
	return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname) || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(hostname);
}
// src/remote/server-url.ts
const DEFAULT_HOST = "github.com";
/** Which GitHub server a checkout belongs to, and whether the user has chosen it or it is github.com. */
function serverOf({ serverUrl, remoteHost, env }) {
	const chosen = serverUrl || env.GITHUB_SERVER_URL;
	const ghHost = env.GH_HOST?.replace(/^https:\/\/|\/+$/g, "").toLowerCase();
	const server = checkedUrl(chosen || `https://${remoteHost || ghHost || DEFAULT_HOST}`);
	return {
		server,
		isChosen: Boolean(chosen) || [DEFAULT_HOST, ghHost].includes(server.host)
	};
}
export { redacted as i, checkedUrl as n, isLoopback as r, serverOf as t };
