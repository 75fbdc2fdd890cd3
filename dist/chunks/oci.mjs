import { a as hasErrno, t as BottleError } from "./errors.mjs";
import { n as isDigest } from "./image-id.mjs";
import { a as isLoopback, c as unlessMissing, n as HttpError, o as rangeHeaders, s as redacted } from "./http.mjs";
import { T as _regex, _ as string, f as object, h as record, i as array, l as nullable, p as optional } from "./schemas.mjs";
import { a as readChild } from "./child.mjs";
import { a as isIndex, i as digestOf, l as referrersSchema, n as INDEX_TYPE, o as manifestSchema, r as MANIFEST_TYPES, s as parseAnswer, u as unexpectedAnswer } from "./oci-manifest.mjs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { homedir } from "node:os";
// src/remote/oci-reference.ts
/** https://github.com/distribution/distribution/blob/main/docs/content/spec/api.md, and host and port before it. */
const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(`^(?<registry>(?:[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])(?::\\d{1,5})?)/(?<repository>${COMPONENT}(?:/${COMPONENT})*)(?::(?<tag>\\w[\\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?\$`);
const MAX_REFERENCE_CHARS = 512;
/** `host[:port]/repository[:tag][@digest]`; the host is never left out. */
function parseOciReference(text) {
	const { registry = "", repository = "", tag, digest } = (text.length <= MAX_REFERENCE_CHARS ? REFERENCE.exec(text)?.groups : void 0) ?? {};
	if (!/[.:]|^localhost$/.test(registry) || URL.parse(`https://${registry}`) === null) throw new BottleError("usage", `not a reference to an OCI registry: ${JSON.stringify(text)}`, { hint: "use HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:…, the name in lower case" });
	return {
		registry,
		repository,
		tag,
		digest
	};
}
function formatName({ registry, repository }) {
	return `${registry}/${repository}`;
}
function originOf(registry) {
	const { hostname } = new URL(`https://${registry}`);
	const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
	return new URL(`${isLoopback(hostname) ? "http" : "https"}://${host}`).origin;
}
// src/remote/docker-config.ts
/** A keychain may have to ask its owner first. */
const HELPER_TIMEOUT_MS = 3e4;
/** The key of docker.io, in the file and for the helpers. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
/** https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go */
const NOT_FOUND = "credentials not found in native keychain";
/** As user name: the secret is an identity token. */
const TOKEN_USERNAME = "<token>";
/** https://github.com/docker/cli/blob/master/cli/config/configfile/file.go */
const configSchema = object({
	auths: optional(record(string(), object({
		auth: optional(string()),
		username: optional(string()),
		password: optional(string()),
		identitytoken: optional(string())
	}))),
	credHelpers: optional(record(string(), string())),
	credsStore: optional(string())
});
const helperAnswerSchema = object({
	Username: string(),
	Secret: string()
});
/**
* What `docker login` has kept for exactly this registry (`ghcr.io`, `127.0.0.1:5000`). A file or a credential helper
* that fails is a warning: what is public needs neither.
*/
async function findDockerLogin(registry, { signal, onWarning, helperTimeoutMs = HELPER_TIMEOUT_MS }) {
	const path = join(process.env.DOCKER_CONFIG || join(homedir(), ".docker"), "config.json");
	try {
		const config = await readConfig(path);
		const server = registry === "docker.io" ? DOCKER_HUB_KEY : registry;
		const helper = config.credHelpers?.[server] || config.credsStore;
		return helper ? await askHelper(helper, server, {
			signal,
			timeoutMs: helperTimeoutMs
		}) : loginOfFile(config, server);
	} catch (error) {
		signal.throwIfAborted();
		onWarning(`no login for ${registry} from ${path}: ${error instanceof Error ? error.message : error}`);
		return;
	}
}
async function readConfig(path) {
	const text = await fs.readFile(path, "utf8").catch((error) => {
		if (hasErrno(error, "ENOENT", "ENOTDIR")) return "{}";
		throw error;
	});
	const { data } = configSchema.safeParse(parseJson(text));
	if (data === void 0) throw new Error("it is not what Docker writes");
	return data;
}
/** Docker once wrote addresses (https://host/v1/) where it now writes hosts. */
function loginOfFile({ auths = {} }, server) {
	const key = [server, ...Object.keys(auths)].find((name) => Object.hasOwn(auths, name) && (name === server || URL.parse(name)?.host === server));
	const { auth, username, password, identitytoken } = (key === void 0 ? void 0 : auths[key]) ?? {};
	if (identitytoken) return { identityToken: identitytoken };
	const [, user, secret] = /^([^:]+):(.+)$/s.exec(Buffer.from(auth ?? "", "base64").toString("utf8")) ?? [];
	const login = {
		username: user ?? username,
		password: secret ?? password
	};
	return login.username && login.password ? {
		username: login.username,
		password: login.password
	} : void 0;
}
/** https://github.com/docker/docker-credential-helpers#development: the server on standard input, JSON as answer. */
async function askHelper(name, server, options) {
	const command = `docker-credential-${name}`;
	const { exitCode, signal, stdout } = await readChild(command, ["get"], {
		...options,
		input: server
	}).catch((error) => {
		throw hasErrno(error, "ENOENT") ? /* @__PURE__ */ new Error(`${command} is not installed`) : error;
	});
	if (exitCode !== 0) {
		if (stdout.trim() === NOT_FOUND) return;
		throw new Error(`${command} get ended with ${signal ?? `exit code ${exitCode}`}`);
	}
	const { data } = helperAnswerSchema.safeParse(parseJson(stdout));
	if (data === void 0) throw new Error(`${command} get did not answer with a user name and a secret`);
	const { Username: username, Secret: password } = data;
	return username === TOKEN_USERNAME ? { identityToken: password } : {
		username,
		password
	};
}
function parseJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return;
	}
}
// src/remote/oci-auth.ts
const MAX_TOKEN_BYTES = 262144;
/** With a refresh token, a token server wants to know which program asks. */
const CLIENT_ID = "claude-bottle-pack";
/** Whose tokens another host gives out; the login is told to that one and to the registry itself. */
const TOKEN_HOSTS = {
	"docker.io": "auth.docker.io",
	"registry.gitlab.com": "gitlab.com"
};
/** What a token is asked for. https://distribution.github.io/distribution/spec/auth/scope/ */
const ACTIONS = {
	anonymous: "pull",
	pull: "pull",
	push: "pull,push",
	delete: "pull,delete"
};
/** Asks a registry without a credential first, and with one when it challenges. */
var RegistryAuth = class {
	#name;
	#origin;
	#access;
	#tools;
	/** Those that have not been refused, the next one to try first; undefined is nobody. */
	#logins;
	#credential;
	#challenge = { scheme: "unknown" };
	constructor(name, access, tools) {
		this.#name = name;
		this.#origin = originOf(name.registry);
		this.#access = access;
		this.#tools = tools;
	}
	/**
	* Runs `attempt` with the credential that worked last; when it is refused (a token expires) or there is none yet,
	* with a new one for each login in turn. Who may read may be forbidden to write, and then it is the next one's turn.
	*/
	async authorized(attempt) {
		let refusal;
		try {
			return await attempt(this.#credential);
		} catch (error) {
			if (!isRefusal(error)) throw error;
			refusal = error;
		}
		if (refusal.status === 401) {
			this.#challenge = parseChallenge(refusal.headers["www-authenticate"] ?? "");
			this.#logins ??= await this.#findLogins();
		} else this.#logins = this.#logins?.slice(1);
		for (const [index, login] of (this.#logins ?? []).entries()) try {
			const credential = await this.#answer(this.#challenge, login);
			if (credential === void 0) continue;
			const result = await attempt(credential);
			this.#credential = credential;
			this.#logins = this.#logins?.slice(index);
			return result;
		} catch (error) {
			if (!isRefusal(error)) throw error;
			refusal = error;
		}
		throw refusal;
	}
	/**
	* To read, a login that somebody has made for this registry comes before nobody, and the GitHub token is the last
	* resort. To write, nobody comes last: a token that is good for reading only would be given to everybody.
	*/
	async #findLogins() {
		if (this.#access === "anonymous") return [void 0];
		const { registry } = this.#name;
		const { github, signal, onWarning } = this.#tools;
		const docker = await findDockerLogin(registry, {
			signal,
			onWarning
		});
		const own = github.token !== void 0 && registry === github.registryHost ? [{
			username: "token",
			password: github.token
		}] : [];
		return [...docker === void 0 ? [] : [docker], ...this.#access === "pull" ? [void 0, ...own] : [...own, void 0]];
	}
	/** Undefined when there is nothing to answer with. */
	async #answer(challenge, login) {
		if (challenge.scheme === "bearer") {
			const token = await this.#requestToken(challenge, login);
			return token === void 0 ? void 0 : {
				origin: this.#origin,
				authorization: `Bearer ${token}`
			};
		}
		return challenge.scheme === "basic" && login !== void 0 && "password" in login ? {
			origin: this.#origin,
			authorization: basic(login)
		} : void 0;
	}
	async #requestToken({ realm, service }, login) {
		const url = this.#tokenUrl(realm);
		if (login !== void 0 && !this.#mayKnowLogin(url)) {
			const { registry } = this.#name;
			this.#tools.onWarning(`the login for ${registry} is not told to ${url.host}, where ${registry} sends for a token`);
			return;
		}
		const question = {
			...service !== void 0 && { service },
			scope: `repository:${this.#name.repository}:${ACTIONS[this.#access]}`
		};
		const { bytes } = await this.#tools.http.read(tokenRequest(url, question, login), MAX_TOKEN_BYTES);
		const { token, access_token: accessToken } = parseAnswer(tokenSchema, bytes, url.href);
		const found = token ?? accessToken;
		if (found === void 0) throw unexpectedAnswer(url.href);
		return found;
	}
	#tokenUrl(realm) {
		const url = URL.parse(realm);
		const isPlainAllowed = this.#origin.startsWith("http:") && isLoopback(url?.hostname ?? "");
		if (url === null || url.protocol !== "https:" && !(url.protocol === "http:" && isPlainAllowed)) throw new BottleError("authentication", `${this.#origin} sends for a token to ${redacted(realm)}: refused`, { hint: "tokens come over https; check the address of the registry" });
		return url;
	}
	#mayKnowLogin(url) {
		return url.hostname === new URL(this.#origin).hostname || url.host === TOKEN_HOSTS[this.#name.registry];
	}
};
/** 401 and 403, unless 403 is a rate limit. */
function isRefusal(error) {
	return error instanceof HttpError && error.code === "authentication";
}
/**
* https://distribution.github.io/distribution/spec/auth/token/, and for a refresh token
* https://distribution.github.io/distribution/spec/auth/oauth/
*/
function tokenRequest(url, question, login) {
	if (login !== void 0 && "identityToken" in login) {
		const form = new URLSearchParams({
			grant_type: "refresh_token",
			refresh_token: login.identityToken,
			client_id: CLIENT_ID,
			...question
		});
		return {
			url: url.href,
			method: "POST",
			headers: { "content-type": "application/x-www-form-urlencoded" },
			body: Buffer.from(form.toString())
		};
	}
	const asked = new URL(url);
	for (const [name, value] of Object.entries(question)) asked.searchParams.set(name, value);
	return {
		url: asked.href,
		credential: login && {
			origin: url.origin,
			authorization: basic(login)
		}
	};
}
function basic({ username, password }) {
	return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
/** https://datatracker.ietf.org/doc/html/rfc9110#section-11.6.1; of several challenges the Bearer one. */
function parseChallenge(header) {
	const [, parameters = ""] = /(?:^|,\s*)bearer\s+(.*)$/is.exec(header) ?? [];
	const [realm, service] = ["realm", "service"].map((name) => new RegExp(`(?:^|[,\\s])${name}="([^"]*)"`, "i").exec(parameters)?.[1]);
	if (realm !== void 0) return {
		scheme: "bearer",
		realm,
		service
	};
	return { scheme: /(?:^|,\s*)basic\b/i.test(header) ? "basic" : "unknown" };
}
const token = string().check(_regex(/^[\x21-\x7e]+$/));
const tokenSchema = object({
	token: optional(token),
	access_token: optional(token)
});
// src/remote/oci.ts
const MAX_MANIFEST_BYTES = 4194304;
const MAX_TAGS_PAGE_BYTES = 1048576;
const TAGS_PER_PAGE = 1e3;
const MAX_TAGS_PAGES = 20;
const MAX_REFERRERS_PAGES = 5;
/** What a registry answers that does not know the question; 303 leads to a page for people. */
const NO_REFERRERS = [
	303,
	400,
	404,
	405,
	406,
	501
];
/** One repository of an OCI registry (https://github.com/opencontainers/distribution-spec/blob/main/spec.md). */
var OciRepository = class {
	name;
	#origin;
	#tools;
	#auth;
	constructor(name, tools, access = "pull") {
		this.name = name;
		this.#origin = originOf(name.registry);
		this.#tools = tools;
		this.#auth = new RegistryAuth(name, access, tools);
	}
	/**
	* An index or an image manifest, by tag or digest.
	* @throws BottleError `sidecar-damaged` for bytes that are not the digest's, or no manifest
	*/
	async getManifest(tagOrDigest) {
		const url = this.#url(`manifests/${tagOrDigest}`);
		const { answer, bytes } = await this.#read({
			url,
			headers: acceptManifests()
		}, MAX_MANIFEST_BYTES);
		const digest = digestOf(bytes);
		requireDigest(digest, [tagOrDigest, answer.headers["docker-content-digest"]], answer.url);
		return {
			digest,
			sizeBytes: bytes.length,
			content: parseAnswer(manifestSchema, bytes, answer.url)
		};
	}
	/** Undefined when there is none. */
	async findManifest(tagOrDigest) {
		return await unlessMissing(this.getManifest(tagOrDigest));
	}
	/** What a tag points at, or whether there is such a digest; undefined when there is nothing. */
	async findDigest(tagOrDigest) {
		const request = {
			url: this.#url(`manifests/${tagOrDigest}`),
			method: "HEAD",
			headers: acceptManifests(),
			expected: [200, 404]
		};
		const { answer } = await this.#read(request, 0);
		if (answer.status === 404) return;
		const digest = String(answer.headers["docker-content-digest"]);
		return isDigest(digest) ? digest : (await this.findManifest(tagOrDigest))?.digest;
	}
	/** One try, as far as the connection goes; with `range` for a part: 206, or 200 with the whole. */
	async openBlob(digest, range) {
		const headers = range && rangeHeaders(range);
		const expected = range === void 0 ? [200] : [200, 206];
		return await this.#send({
			url: this.#url(`blobs/${digest}`),
			...headers && { headers },
			expected
		});
	}
	/** @throws BottleError `sidecar-damaged` for bytes that are not the digest's, or too many */
	async readBlob(digest, maxBytes) {
		const { answer, bytes } = await this.#read({ url: this.#url(`blobs/${digest}`) }, maxBytes);
		requireDigest(digestOf(bytes), [digest], answer.url);
		return bytes;
	}
	/** In the registry's order; `isComplete` is false when they went on after the 20th page. */
	async listTags() {
		let tags = [];
		let next = this.#url(`tags/list?n=${TAGS_PER_PAGE}`);
		for (let page = 0; page < MAX_TAGS_PAGES && next !== void 0; page += 1) {
			const url = next;
			const { answer, bytes } = await this.#read({ url }, MAX_TAGS_PAGE_BYTES);
			tags = tags.concat(parseAnswer(tagsSchema, bytes, url).tags ?? []);
			next = this.#nextPage(answer.headers.link, url);
		}
		return {
			tags,
			isComplete: next === void 0
		};
	}
	/** Manifests whose subject is this one: by the referrers API, or under the tag that stands in for it. */
	async listReferrers(subject) {
		const listed = await this.#askForReferrers(subject);
		if (listed !== void 0) return listed;
		const index = (await this.findManifest(referrersTag(subject)))?.content;
		return index !== void 0 && isIndex(index) ? index.manifests : [];
	}
	/** Undefined from a registry without the API. */
	async #askForReferrers(subject) {
		let referrers = [];
		let next = this.#url(`referrers/${subject}`);
		for (let page = 0; page < MAX_REFERRERS_PAGES && next !== void 0; page += 1) {
			const url = next;
			const request = {
				url,
				headers: { accept: INDEX_TYPE },
				expected: [200, ...NO_REFERRERS]
			};
			const { answer, bytes } = await this.#read(request, MAX_MANIFEST_BYTES);
			if (answer.status !== 200 || !answer.headers["content-type"]?.startsWith("application/vnd.oci.image.index.v1+json")) return;
			referrers = referrers.concat(parseAnswer(referrersSchema, bytes, answer.url).manifests ?? []);
			next = this.#nextPage(answer.headers.link, url);
		}
		return referrers;
	}
	/**
	* Uploads what is not there yet, in one request; a failure that may pass is tried again with a new upload.
	* @returns whether anything was sent
	*/
	async pushBlob(digest, body) {
		return await this.#tools.http.retry(async () => {
			const url = this.#url(`blobs/${digest}`);
			const { status } = await this.#finish({
				url,
				method: "HEAD",
				expected: [200, 404]
			});
			if (status === 404) await this.#upload(await this.#startUpload(), digest, body);
			return status === 404;
		});
	}
	/** @returns where to: an address that may hold its own permission */
	async #startUpload() {
		const url = this.#url("blobs/uploads/");
		const { headers } = await this.#finish({
			url,
			method: "POST",
			expected: [202]
		});
		const place = URL.parse(headers.location ?? "", url);
		if (headers.location === void 0 || place === null) throw new BottleError("upload-failed", `${url} answered 202 and did not say where to upload (Location)`, { hint: "check that no proxy drops the header, or tell whoever runs the registry" });
		if (place.origin !== this.#origin) throw new BottleError("upload-failed", `${url} wants the upload at ${redacted(place.href)}: refused, since the registry is ${this.#origin}`, { hint: "whoever runs the registry must set its public address (http.host), with its scheme" });
		return place;
	}
	async #upload(place, digest, body) {
		place.search += `${place.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
		let opened;
		const open = (streamed) => () => {
			opened?.destroy();
			opened = streamed.open();
			return opened;
		};
		try {
			await this.#finish({
				url: place.href,
				method: "PUT",
				headers: { "content-type": "application/octet-stream" },
				body: "open" in body ? {
					sizeBytes: body.sizeBytes,
					open: open(body)
				} : body,
				expected: [201]
			});
		} catch (error) {
			throw tooLargeError(error, "open" in body ? body.sizeBytes : body.length) ?? error;
		} finally {
			opened?.destroy();
		}
	}
	/** Under its digest, or under a tag, which then points at it. */
	async putManifest(tagOrDigest, bytes, mediaType) {
		const { headers } = await this.#tools.http.retry(() => this.#finish({
			url: this.#url(`manifests/${tagOrDigest}`),
			method: "PUT",
			headers: { "content-type": mediaType },
			body: bytes,
			expected: [201]
		}));
		return {
			digest: digestOf(bytes),
			hasReferrersApi: headers["oci-subject"] !== void 0
		};
	}
	/**
	* By its digest, with the tags that point at it: some registries leave those behind, and others, which do not, have no
	* way to remove one.
	*/
	async deleteManifest(digest, tags) {
		await this.#delete(digest, [
			200,
			202,
			404
		]).catch((error) => {
			throw error instanceof HttpError && error.status === 405 ? undeletableError(this.name, error) : error;
		});
		for (const tag of tags) await this.#delete(tag, [
			200,
			202,
			400,
			404,
			405
		]);
	}
	async #delete(tagOrDigest, expected) {
		const url = this.#url(`manifests/${tagOrDigest}`);
		await this.#tools.http.retry(() => this.#finish({
			url,
			method: "DELETE",
			expected
		}));
	}
	#url(path) {
		return `${this.#origin}/v2/${this.name.repository}/${path}`;
	}
	async #read(request, maxBytes) {
		return await this.#auth.authorized((credential) => this.#tools.http.read({
			...request,
			credential
		}, maxBytes));
	}
	async #send(request) {
		return await this.#auth.authorized((credential) => this.#tools.http.send({
			...request,
			credential
		}));
	}
	/** For an answer of which only the head matters. */
	async #finish(request) {
		const answer = await this.#send(request);
		answer.body.resume();
		return answer;
	}
	/** https://datatracker.ietf.org/doc/html/rfc8288 */
	#nextPage(link, from) {
		const [, target] = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(String(link ?? "")) ?? [];
		const url = target === void 0 ? null : URL.parse(target, from);
		return url?.origin === this.#origin ? url.href : void 0;
	}
};
/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema */
function referrersTag(subject) {
	return subject.replace(":", "-");
}
function acceptManifests() {
	return { accept: MANIFEST_TYPES.join(", ") };
}
function requireDigest(found, promises, url) {
	for (const promised of promises) if (typeof promised === "string" && isDigest(promised) && promised !== found) throw new BottleError("sidecar-damaged", `${redacted(url)} has the digest ${found}, not ${promised}`, { hint: "try again; if it stays so, tell whoever runs the registry" });
}
function undeletableError(name, cause) {
	return new BottleError("registry-failed", `${formatName(name)} lets nobody remove anything: ${cause.message}`, {
		hint: "allow it in its configuration (docker-registry: storage.delete.enabled)",
		cause
	});
}
function tooLargeError(error, sizeBytes) {
	return error instanceof HttpError && error.status === 413 ? new BottleError("upload-failed", `${error.message}: it does not take ${sizeBytes} bytes at once`, {
		hint: "raise the limit of the registry, or of the proxy before it (nginx: client_max_body_size)",
		cause: error
	}) : void 0;
}
/** Some registries say null for none. */
const tagsSchema = object({ tags: nullable(array(string())) });
export { originOf as a, formatName as i, referrersTag as n, parseOciReference as o, RegistryAuth as r, OciRepository as t };
