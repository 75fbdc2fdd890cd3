import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { n as quoted, t as counted } from "./shown-text.mjs";
import { D as _regex, T as _nonnegative, a as boolean, b as unknown, c as looseObject, d as nullish, g as record, i as array, m as optional, o as int, p as object, r as _undefined, s as literal, u as nullable, v as string, y as union } from "./schemas.mjs";
import { f as shownText, m as isDigest } from "./verify.mjs";
import { n as readableJson, t as parseJson } from "./json.mjs";
import { t as GUEST_PLATFORMS } from "./platform.mjs";
import { s as readChild } from "./child.mjs";
import { i as redacted, r as isLoopback } from "./server-url.mjs";
import { f as unlessMissing, n as rangeHeaders, o as readApi, s as repositoryPath, u as HttpError } from "./http.mjs";
import { t as homeDir } from "./home.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/remote/oci-reference.ts
/** https://github.com/distribution/distribution/blob/main/docs/content/spec/api.md, and host and port before it. */
const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(`^(?<registry>(?:[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])(?::\\d{1,5})?)/(?<repository>${COMPONENT}(?:/${COMPONENT})*)(?::(?<tag>\\w[\\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?\$`);
const MAX_REFERENCE_CHARS = 512;
const DOCKER_HUB_NAMES = ["index.docker.io", "registry-1.docker.io"];
/** `host[:port]/repository[:tag][@digest]`; the host is never left out. */
function parseOciReference(text) {
	const { registry = "", repository = "", tag, digest } = (text.length <= MAX_REFERENCE_CHARS ? REFERENCE.exec(text)?.groups : void 0) ?? {};
	if (!/[.:]|^localhost$/.test(registry) || URL.parse(`https://${registry}`) === null) throw new BottleError("usage", `not a reference to an OCI registry: ${quoted(text)}`, { hint: "use HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:…, the name in lower case" });
	return {
		registry: canonicalRegistry(registry),
		repository,
		tag,
		digest
	};
}
/** Names are not told apart by capitals, and Docker's registry has three. */
function canonicalRegistry(registry) {
	const name = registry.toLowerCase();
	return DOCKER_HUB_NAMES.includes(name) ? "docker.io" : name;
}
function formatName({ registry, repository }) {
	return `${registry}/${repository}`;
}
function originOf(registry) {
	const { hostname } = new URL(`https://${registry}`);
	const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
	return new URL(`${isLoopback(hostname) ? "http" : "https"}://${host}`).origin;
}
// src/identity/oci-names.ts
/** The layout of `smolvm pack push`. Source: smolvm, crates/smolvm-registry/src/lib.rs and push.rs. */
const SIDECAR_MEDIA_TYPE = "application/vnd.smolmachines.smolmachine.v1";
const SIDECAR_CONFIG_MEDIA_TYPE = "application/vnd.smolmachines.machine.config.v1+json";
/** The type of the frame index, a layer behind the sidecar's, because smolvm takes the first layer of the sidecar's type. */
const FRAMES_MEDIA_TYPE = "application/vnd.claude-bottle.frames.v1+json";
const PACK_MODE_ANNOTATION = "com.smolmachines.pack.mode";
/** On the manifest name and tag; on the layer the file's name, without which `oras pull` leaves the layer out. */
const TITLE_ANNOTATION = "org.opencontainers.image.title";
/** The pack record as JSON, on a platform's manifest, which saves the request for a referrer. */
const PACK_RECORD_ANNOTATION = "dev.claude-bottle.pack-record";
/** https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md */
const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ANY_BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle[.+]/;
/** Shorter than a registry's 128, for the platform behind it. */
const VERSION_TAG = /^\w[\w.-]{0,111}$/;
/** Registries refuse capitals, which GitHub's names may have. */
function registryRepository(repository) {
	return `${repository.toLowerCase()}/smolmachine`;
}
function keyTag(key) {
	return `k-${key.slice(0, 32)}`;
}
function commitTag(commit) {
	return `sha-${commit}`;
}
/** The tag of one platform, made of the tag of all: `k-…-linux-arm64`. */
function platformTag(tag, platform) {
	return `${tag}-${platform.replace("/", "-")}`;
}
/** The tags that the platforms of one workflow run share: its commit, and the Git tag that it runs for. */
function sharedTags({ commit, ref }) {
	const version = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
	return [commitTag(commit), ...version !== void 0 && isVersionTag(version) ? [version] : []];
}
/** Whether a Git tag can be one of the registry that is not taken for something else. */
function isVersionTag(tag) {
	return VERSION_TAG.test(tag) && !/^(k-|sha-|sha256-)/.test(tag) && tag === withoutPlatform(tag);
}
function withoutPlatform(tag) {
	const suffix = GUEST_PLATFORMS.map((platform) => platformTag("", platform)).find((end) => tag.endsWith(end));
	return suffix === void 0 ? tag : tag.slice(0, -suffix.length);
}
function isBundleType(type) {
	return ANY_BUNDLE_TYPE.test(type);
}
// src/remote/challenge.ts
const SEPARATORS = /[\s,]*/y;
const TOKEN = /[!#$%&'*+.^_`|~\w-]+/y;
/** What `Negotiate` and the like have instead of parameters. It ends where the challenge ends. */
const TOKEN68 = /[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$))/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"?/sy;
/** More than RFC 9110 allows: servers leave out the quotation marks around addresses. */
const UNQUOTED = /[^\s,]*/y;
/**
* Reads a WWW-Authenticate header, or several that are joined by commas. A comma separates challenges as well as the
* parameters of one: a name with `=` behind it is a parameter, and a name without it begins a challenge.
*/
function parseChallenges(header) {
	const reader = new Reader(header);
	const challenges = [];
	for (;;) {
		reader.take(SEPARATORS);
		const name = reader.take(TOKEN)?.[0].toLowerCase();
		if (name === void 0) return challenges;
		const parameters = challenges.at(-1)?.parameters;
		if (reader.take(EQUALS) === void 0) {
			challenges.push({
				scheme: name,
				parameters: /* @__PURE__ */ new Map()
			});
			reader.take(TOKEN68);
		} else if (parameters !== void 0) {
			const value = reader.take(QUOTED)?.[1]?.replace(/\\(.)/gs, "$1") ?? reader.take(UNQUOTED)?.[0] ?? "";
			parameters.set(name, parameters.get(name) ?? value);
		}
	}
}
var Reader = class {
	#text;
	#position = 0;
	constructor(text) {
		this.#text = text;
	}
	/** What the pattern matches here, and goes behind it; undefined where it does not match. */
	take(pattern) {
		pattern.lastIndex = this.#position;
		const match = pattern.exec(this.#text) ?? void 0;
		this.#position += match?.[0].length ?? 0;
		return match;
	}
};
// src/remote/oci-manifest.ts
/** https://github.com/opencontainers/image-spec/blob/main/media-types.md */
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** The types of manifests, with the names that Docker gave them before. */
const MANIFEST_TYPES = [
	INDEX_TYPE,
	IMAGE_TYPE,
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json"
];
/**
* https://github.com/opencontainers/image-spec/blob/main/descriptor.md. Fields that are not listed are kept: who changes
* an index must not lose what others have put there.
*/
const descriptorSchema = looseObject({
	mediaType: string(),
	digest: string(),
	size: int().check(_nonnegative()),
	artifactType: optional(string()),
	annotations: optional(record(string(), string())),
	platform: optional(looseObject({
		os: string(),
		architecture: string()
	}))
});
const indexSchema = looseObject({
	schemaVersion: literal(2),
	mediaType: optional(string()),
	manifests: array(descriptorSchema),
	layers: optional(_undefined())
});
const imageSchema = looseObject({
	schemaVersion: literal(2),
	mediaType: optional(string()),
	artifactType: optional(string()),
	config: descriptorSchema,
	layers: array(descriptorSchema),
	subject: optional(descriptorSchema),
	annotations: optional(record(string(), string())),
	manifests: optional(_undefined())
});
/** A document that is an index for one reader and an image for another is refused. */
const manifestSchema = union([indexSchema, imageSchema]);
/** Some registries say null for none. */
const referrersSchema = object({ manifests: nullable(array(descriptorSchema)) });
function isIndex(content) {
	return content.manifests !== void 0;
}
function digestOf(bytes) {
	return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
/** As smolvm writes what it pushes. */
function prettyJson(value) {
	return Buffer.from(JSON.stringify(value, void 0, 2));
}
function parseAnswer(schema, bytes, url) {
	let json;
	try {
		json = parseJson(bytes.toString("utf8"));
	} catch (error) {
		throw unexpectedAnswer(url, error);
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) throw unexpectedAnswer(url, parsed.error);
	return parsed.data;
}
function unexpectedAnswer(url, cause) {
	return new BottleError("sidecar-damaged", `${redacted(url)} did not answer with a valid OCI document`, {
		hint: "check that the address is right and that no proxy answers in its place, or update claude-bottle",
		cause
	});
}
// src/remote/registry-login.ts
/** A keychain may have to ask its owner first. */
const HELPER_TIMEOUT_MS = 3e4;
/** The key of docker.io, in Docker's file and for the helpers. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
/** https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go */
const NOT_FOUND = "credentials not found in native keychain";
const MAX_QUOTED_CHARS = 200;
/** As user name: the secret is an identity token. */
const TOKEN_USERNAME = "<token>";
/** Those of the job and of this program. A helper may well need the rest: some read GITHUB_TOKEN, or a cloud's login. */
const NOT_FOR_HELPERS = /^(ACTIONS|CLAUDE_BOTTLE)_/;
const entrySchema = object({
	auth: nullish(string()),
	username: nullish(string()),
	password: nullish(string()),
	identitytoken: nullish(string()),
	registrytoken: nullish(string())
});
/**
* https://github.com/docker/cli/blob/master/cli/config/configfile/file.go, and the same without credsStore:
* https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
*/
const configSchema = object({
	auths: nullish(record(string(), unknown())),
	credHelpers: nullish(record(string(), string())),
	credsStore: nullish(string())
});
const helperAnswerSchema = object({
	Username: string(),
	Secret: string()
});
/**
* The logins for a repository that docker, podman and their kin have kept, the one to try first in front. A file or a
* credential helper that fails is a warning: nobody needs a login for a public repository.
*/
async function findLogins(name, options) {
	const { signal, onWarning } = options;
	const logins = [];
	for (const file of loginFiles(process.env)) try {
		const text = await file.read();
		const login = text === void 0 ? void 0 : await loginOf(parseConfig(text), name, file, options);
		if (login !== void 0 && !logins.some((known) => JSON.stringify(known) === JSON.stringify(login))) logins.push(login);
	} catch (error) {
		signal.throwIfAborted();
		onWarning(noLogin(name, file, error));
	}
	return logins;
}
/** Where docker looks, then where podman, skopeo and buildah look. */
function loginFiles(env) {
	const home = homeDir();
	const below = (dir, ...path) => dir ? join(dir, ...path) : void 0;
	const docker = below(env.DOCKER_CONFIG || below(home, ".docker"), "config.json");
	const named = env.REGISTRY_AUTH_FILE;
	const containers = named ? [{
		name: named,
		read: () => fs.readFile(named, "utf8"),
		ignoresPaths: false
	}] : [below(env.XDG_RUNTIME_DIR || runtimeDir(), "containers", "auth.json"), below(env.XDG_CONFIG_HOME || below(home, ".config"), "containers", "auth.json")].flatMap((path) => fileAt(path, false));
	return [
		{
			name: "DOCKER_AUTH_CONFIG",
			read: async () => env.DOCKER_AUTH_CONFIG || void 0,
			ignoresPaths: true
		},
		...[docker].flatMap((path) => fileAt(path, true)),
		...containers
	];
}
function fileAt(path, ignoresPaths) {
	return path === void 0 ? [] : [{
		name: path,
		read: () => readIfThere(path),
		ignoresPaths
	}];
}
/** Outside of a session of systemd. */
function runtimeDir() {
	return process.platform === "linux" ? `/run/containers/${process.getuid?.()}` : void 0;
}
async function readIfThere(path) {
	try {
		return await fs.readFile(path, "utf8");
	} catch (error) {
		if (hasErrno(error, "ENOENT", "ENOTDIR")) return;
		throw error;
	}
}
/** An empty file is what `touch` leaves, and what podman accepts. */
function parseConfig(text) {
	const { data } = configSchema.safeParse(text.trim() === "" ? {} : readableJson(text));
	if (data === void 0) throw new Error("it is not a file of logins as docker and podman write it");
	return data;
}
async function loginOf(config, name, file, { signal, onWarning, helperTimeoutMs: timeoutMs = HELPER_TIMEOUT_MS }) {
	const kept = bestEntry(config.auths ?? {}, name, file)?.map(loginOfEntry).find(Boolean);
	const helper = bestEntry(config.credHelpers ?? {}, name, file)?.[0] ?? config.credsStore;
	if (!helper) return kept;
	const server = name.registry === "docker.io" ? DOCKER_HUB_KEY : name.registry;
	try {
		return await askHelper(helper, server, {
			signal,
			timeoutMs
		}) ?? kept;
	} catch (error) {
		signal.throwIfAborted();
		if (kept === void 0) onWarning(noLogin(name, file, error));
		return kept;
	}
}
function noLogin({ registry }, file, error) {
	return `no login for ${registry} from ${file.name}: ${error instanceof Error ? error.message : error}`;
}
/**
* The values whose keys are for the repository, the longest path first. Keys are hosts, hosts with a path, and addresses
* (https://host/v1/), as docker has written them over the years.
*/
function bestEntry(entries, name, { ignoresPaths }) {
	const whole = `${formatName(name)}/`;
	const found = [...Object.entries(entries).filter(([key]) => key === name.registry), ...Object.entries(entries)].map(([key, value]) => ({
		place: placeOf(key),
		value
	})).filter(({ place }) => place.startsWith(`${name.registry}/`) && (ignoresPaths || whole.startsWith(place))).map(({ place, value }) => ({
		length: whole.startsWith(place) ? place.length : 0,
		value
	})).sort((one, other) => other.length - one.length);
	return found.length === 0 ? void 0 : found.map(({ value }) => value);
}
/** `host/` or `host/path/`. */
function placeOf(key) {
	const [, host = "", path = ""] = /^(?:https?:\/\/)?([^/]+)(?:\/(.*?))?\/*$/s.exec(key) ?? [];
	const registry = canonicalRegistry(host);
	return /^(v[12])?$/.test(path) ? `${registry}/` : `${registry}/${path}/`;
}
function loginOfEntry(entry) {
	const { auth, username, password, identitytoken, registrytoken } = entrySchema.safeParse(entry).data ?? {};
	if (identitytoken) return { identityToken: identitytoken };
	if (registrytoken) return { registryToken: registrytoken };
	const [, user, secret] = /^([^:]+):(.+)$/s.exec(Buffer.from(auth ?? "", "base64").toString("utf8")) ?? [];
	const login = {
		username: user ?? username,
		password: secret?.replace(/\0+$/, "") ?? password
	};
	return login.username && login.password ? {
		username: login.username,
		password: login.password
	} : void 0;
}
/** https://github.com/docker/docker-credential-helpers#development: the server on standard input, JSON as answer. */
async function askHelper(name, server, options) {
	const command = `docker-credential-${name}`;
	const env = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !NOT_FOR_HELPERS.test(variable)));
	const { exitCode, signal, stdout, tail } = await readChild(command, ["get"], {
		...options,
		cwd: "/",
		env,
		input: server
	}).catch((error) => {
		throw hasErrno(error, "ENOENT") ? /* @__PURE__ */ new Error(`${command} is not installed`) : error;
	});
	if (exitCode !== 0) {
		if (stdout.trim() === NOT_FOUND) return;
		const words = [stdout.trim().split("\n", 1)[0] ?? "", ...tail].find((line) => /^[^{}]+$/.test(line));
		const reason = words === void 0 ? "" : `: ${words.slice(0, MAX_QUOTED_CHARS)}`;
		throw new Error(`${command} get ended with ${signal ?? `exit code ${exitCode}`}${reason}`);
	}
	const { data } = helperAnswerSchema.safeParse(readableJson(stdout));
	if (data === void 0) throw new Error(`${command} get did not answer with a user name and a secret`);
	const { Username: username, Secret: password } = data;
	if (password === "") return;
	return username === TOKEN_USERNAME ? { identityToken: password } : {
		username,
		password
	};
}
// src/remote/oci-auth.ts
const MAX_TOKEN_BYTES = 262144;
/** With a refresh token, a token server wants to know which program asks. */
const CLIENT_ID = "claude-bottle-pack";
/** With 400 a token server refuses a refresh token (RFC 6749), and with 404 or 405 the way to send one. */
const REFUSED_LOGINS = [
	400,
	404,
	405
];
/** Registries whose tokens another host gives out. A login is told to it and to the registry itself. */
const TOKEN_HOSTS = {
	"docker.io": "auth.docker.io",
	"registry.gitlab.com": "gitlab.com"
};
/** What a token is asked for. https://distribution.github.io/distribution/spec/auth/scope/ */
const ACTIONS = {
	anonymous: "pull",
	pull: "pull",
	push: "pull,push"
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
	#challenges = [];
	#challengesOfRoot;
	/** Where the registry sends for a token, though nothing says that it may know the login. */
	#strangeHost;
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
			if (!isRefusal(error) && !(this.#credential === void 0 && isMissing(error))) throw error;
			refusal = error;
		}
		const logins = await this.#loginsAfter(refusal);
		for (const [index, login] of logins.entries()) for (const way of this.#ways()) {
			let credential;
			try {
				credential = await this.#answer(way, login);
				if (credential === void 0) continue;
				const result = await attempt(credential);
				this.#keep(credential, logins.slice(index));
				return result;
			} catch (error) {
				if (credential !== void 0 && isMissing(error)) this.#keep(credential, logins.slice(index));
				if (!isRefusal(error)) throw error;
				refusal = error;
			}
		}
		throw isMissing(refusal) ? refusal : this.#explained(refusal, logins);
	}
	#keep(credential, logins) {
		this.#credential = credential;
		this.#logins = logins;
	}
	/** Who is to be tried after a refusal. */
	async #loginsAfter(refusal) {
		if (this.#credential !== void 0 && refusal.status !== 401) {
			this.#logins = this.#logins?.slice(1);
			return this.#logins ?? [];
		}
		const challenges = parseChallenges(refusal.headers["www-authenticate"] ?? "");
		this.#challenges = challenges.length > 0 ? challenges : await this.#askRoot();
		if (this.#challenges.length === 0) return [];
		this.#logins ??= await this.#findLogins();
		return isMissing(refusal) ? this.#logins.filter((login) => login !== void 0) : this.#logins;
	}
	/**
	* Some registries refuse nobody with a bare 401, with 403, or with 404 as if there were nothing, and say at their root only
	* how to log in: docker asks there first.
	*/
	async #askRoot() {
		const { http } = this.#tools;
		const ask = async () => {
			const { body, headers } = await http.send({
				url: `${this.#origin}/v2/`,
				expected: [200, 401]
			});
			body.resume();
			return parseChallenges(headers["www-authenticate"] ?? "");
		};
		this.#challengesOfRoot ??= ask().catch((error) => {
			this.#tools.signal.throwIfAborted();
			if (error instanceof BottleError) return [];
			throw error;
		});
		return await this.#challengesOfRoot;
	}
	/**
	* To read, a login that someone has made for this registry comes before nobody, and the GitHub token is the last
	* resort. To write, nobody comes last: a token that is good for reading only would be given to everyone.
	*/
	async #findLogins() {
		if (this.#access === "anonymous") return [void 0];
		const { github } = this.#tools;
		const kept = await findLogins(this.#name, this.#tools);
		const own = github.token !== void 0 && this.#name.registry === github.registryHost ? [{
			username: "token",
			password: github.token
		}] : [];
		return [...kept, ...this.#access === "pull" ? [void 0, ...own] : [...own, void 0]];
	}
	/**
	* A token in place of the login itself comes first, unless it cannot be had and a login is taken too. It is asked for
	* what this repository needs, and then for what the registry asks for: a mirror may know it by another name.
	*/
	#ways() {
		const bearer = this.#challenges.filter(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
		const basic = this.#challenges.filter(({ scheme }) => scheme === "basic").slice(0, 1);
		const safe = bearer.filter(({ parameters }) => this.#tokenUrl(parameters) !== void 0);
		const own = `repository:${this.#name.repository}:`;
		return [...(basic.length > 0 ? safe : bearer).slice(0, 1).flatMap((challenge) => {
			const asked = challenge.parameters.get("scope");
			const isOther = asked?.startsWith("repository:") && !asked.startsWith(own) && !asked.includes("*");
			return [`${own}${ACTIONS[this.#access]}`, ...isOther ? [asked] : []].map((scope) => ({
				challenge,
				scope
			}));
		}), ...basic.map((challenge) => ({
			challenge,
			scope: void 0
		}))];
	}
	/** Undefined when there is nothing to answer with. */
	async #answer({ challenge: { parameters }, scope }, login) {
		const origin = this.#origin;
		if (login !== void 0 && "registryToken" in login) return {
			origin,
			authorization: `Bearer ${login.registryToken}`
		};
		if (scope !== void 0) {
			const token = await this.#requestToken(parameters, scope, login);
			return token === void 0 ? void 0 : {
				origin,
				authorization: `Bearer ${token}`
			};
		}
		return login !== void 0 && "password" in login ? {
			origin,
			authorization: basic(login)
		} : void 0;
	}
	/** Undefined when the token server may not know the login, or cannot do anything with it. */
	async #requestToken(parameters, scope, login) {
		const url = this.#tokenUrl(parameters);
		if (url === void 0) {
			const realm = redacted(parameters.get("realm") ?? "");
			throw new BottleError("authentication", `${this.#origin} sends for a token to ${realm}: refused`, { hint: "check the address of the registry; tokens are taken over https only" });
		}
		if (login !== void 0 && !this.#mayKnowLogin(url)) {
			this.#strangeHost = url.host;
			return;
		}
		const service = parameters.get("service");
		const request = tokenRequest(url, {
			...service && { service },
			scope
		}, login);
		const { http, onWarning } = this.#tools;
		try {
			const { bytes } = await http.read(request, MAX_TOKEN_BYTES);
			const { token, access_token: accessToken } = parseAnswer(tokenSchema, bytes, url.href);
			const found = token || accessToken;
			if (!found) throw unexpectedAnswer(url.href);
			return found;
		} catch (error) {
			if (login !== void 0 && error instanceof HttpError && REFUSED_LOGINS.includes(error.status)) {
				onWarning(`a login for ${this.#name.registry} is not used: ${error.message}`);
				return;
			}
			throw error;
		}
	}
	/** Undefined for an address that would send the login or the token in clear over a network. */
	#tokenUrl(parameters) {
		const url = URL.parse(parameters.get("realm") ?? "");
		const isPlainAllowed = this.#origin.startsWith("http:") && isLoopback(url?.hostname ?? "");
		return url?.protocol === "https:" || url?.protocol === "http:" && isPlainAllowed ? url : void 0;
	}
	#mayKnowLogin(url) {
		const { tokenHosts = [] } = this.#tools;
		return url.hostname === new URL(this.#origin).hostname || [TOKEN_HOSTS[this.#name.registry], ...tokenHosts].some((host) => host === url.host || host === url.hostname);
	}
	/** The refusal with the one thing to do about it. */
	#explained(refusal, logins) {
		const { registry } = this.#name;
		const offered = this.#challenges.map(({ scheme }) => scheme);
		if (refusal.status === 401 && this.#ways().length === 0 && offered.length > 0) return refusal.explained(`; it wants a login by ${offered.join(" or ")}, which is not supported`, { hint: "use a registry that takes a user name and a password (Basic) or a token (Bearer)" });
		if (this.#strangeHost !== void 0) {
			const place = `${this.#strangeHost}, where ${registry} sends for a token`;
			return refusal.explained(`; the login for ${registry} is not told to ${place}`, { hint: `if that is its token server, allow it: --allow-token-host ${this.#strangeHost} (in the action: allow-token-host)` });
		}
		const login = registry === "docker.io" ? "docker login" : `docker login ${registry}`;
		const isGitHub = registry === this.#tools.github.registryHost;
		const purpose = this.#access === "pull" ? "read" : "write to";
		const token = isGitHub ? `set GH_TOKEN to a token that may ${purpose} it, or ` : "";
		return logins.some((each) => each !== void 0) ? refusal.explained("; no login that is known here may do that", { hint: `${token}log in with an account that may ${purpose} it: ${login}` }) : refusal.explained("", { hint: isGitHub ? `${token}log in: ${login}` : login });
	}
};
function isMissing(error) {
	return error instanceof HttpError && error.status === 404;
}
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
const token = nullish(string().check(_regex(/^[\x21-\x7e]*$/)));
const tokenSchema = object({
	token,
	access_token: token
});
// src/remote/oci.ts
const MAX_MANIFEST_BYTES = 4194304;
const MAX_TAGS_PAGE_BYTES = 1048576;
const TAGS_PER_PAGE = 1e3;
const MAX_TAGS_PAGES = 20;
const MAX_REFERRERS_PAGES = 5;
/** These ask for a login, or for time. All other failures of HEAD say nothing about GET. */
const NOT_ABOUT_HEAD = [
	401,
	408,
	429
];
/** A link has one relation or several, and other parameters before them. */
const NEXT_PAGE = /;\s*rel\s*=\s*"?(?:[^",;]*\s)?next(?:[\s",;]|$)/i;
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
	/** The digest that a tag points at, or the digest itself if it is there; undefined when there is nothing. */
	async findDigest(tagOrDigest) {
		const url = this.#url(`manifests/${tagOrDigest}`);
		const { status, headers } = await this.#tools.http.retry(() => this.#look({
			url,
			headers: acceptManifests()
		}));
		const digest = String(headers["docker-content-digest"]);
		return status === 200 && isDigest(digest) ? digest : (await this.findManifest(tagOrDigest))?.digest;
	}
	/** HEAD is an optimization: a registry, or a proxy before it, that refuses it may well answer to GET. */
	async #look(request) {
		return await this.#finish({
			...request,
			method: "HEAD",
			expected: [200, 404]
		}).catch((error) => {
			if (!(error instanceof HttpError) || NOT_ABOUT_HEAD.includes(error.status)) throw error;
			return this.#open({
				...request,
				expected: [200, 404]
			});
		});
	}
	/** For an answer whose body is not of interest, and may be long. */
	async #open(request) {
		const answer = await this.#send(request);
		answer.body.destroy();
		return answer;
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
			const { status } = await this.#look({ url });
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
		if (headers.location === void 0 || place === null) throw new BottleError("upload-failed", `${url} answered 202 and did not say where to upload (Location)`, { hint: "check that no proxy drops the header, or tell the operator of the registry" });
		if (place.origin !== this.#origin) throw new BottleError("upload-failed", `${url} wants the upload at ${redacted(place.href)}: refused, since the registry is ${this.#origin}`, { hint: "ask the operator of the registry to set its public address (http.host), with its scheme" });
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
				expected: [
					200,
					201,
					202,
					204
				]
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
			expected: [
				200,
				201,
				202
			]
		}));
		return {
			digest: digestOf(bytes),
			hasReferrersApi: headers["oci-subject"] !== void 0
		};
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
	/** https://datatracker.ietf.org/doc/html/rfc8288. Behind a proxy, a registry may not know by which scheme it was asked. */
	#nextPage(link, from) {
		const [, target] = [...String(link ?? "").matchAll(/<([^<>]+)>([^<]*)/g)].find(([, , parameters = ""]) => NEXT_PAGE.test(parameters)) ?? [];
		const url = target === void 0 ? null : URL.parse(target, from);
		return url?.host === new URL(this.#origin).host ? `${this.#origin}${url.pathname}${url.search}` : void 0;
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
	for (const promised of promises) if (typeof promised === "string" && isDigest(promised) && promised !== found) throw new BottleError("sidecar-damaged", `${redacted(url)} has the digest ${found}, not ${promised}`, { hint: "try again; if it stays so, tell the operator of the registry" });
}
function tooLargeError(error, sizeBytes) {
	return error instanceof HttpError && error.status === 413 ? new BottleError("upload-failed", `${error.message}: it does not take ${counted(sizeBytes, "byte")} at once`, {
		hint: "raise the limit of the registry, or of the proxy before it (nginx: client_max_body_size)",
		cause: error
	}) : void 0;
}
/** Some registries say null for none. */
const tagsSchema = object({ tags: nullable(array(string())) });
// src/remote/github-artifacts.ts
const PAGE_SIZE = 100;
const MAX_PAGES = 5;
const artifactSchema = object({
	id: int(),
	name: shownText,
	size_in_bytes: int(),
	expired: boolean(),
	created_at: nullish(shownText),
	expires_at: nullish(shownText),
	/** The digest of what is stored. Artifacts from before 2025 have none. */
	digest: nullish(string().check(_regex(/^sha256:[0-9a-f]{64}$/))),
	workflow_run: nullish(object({
		id: int(),
		repository_id: nullish(int()),
		head_repository_id: nullish(int())
	}))
});
const artifactsSchema = object({ artifacts: array(artifactSchema) });
/**
* Lists workflow artifacts, in the API's order: the newest first.
* https://docs.github.com/rest/actions/artifacts
*/
async function listArtifacts({ http, github }, repository, { runId, name, maxPages = MAX_PAGES }) {
	const path = repositoryPath(repository, "actions", ...runId === void 0 ? ["artifacts"] : [
		"runs",
		runId,
		"artifacts"
	]);
	const artifacts = [];
	for (let page = 1; page <= maxPages; page += 1) {
		const query = new URLSearchParams({
			per_page: String(PAGE_SIZE),
			page: String(page),
			...name !== void 0 && { name }
		});
		const answer = await readApi(http, github, `repos/${path}?${query}`, artifactsSchema);
		artifacts.push(...answer.artifacts);
		if (answer.artifacts.length < PAGE_SIZE) break;
	}
	return artifacts;
}
export { formatName as C, sharedTags as S, parseOciReference as T, commitTag as _, IMAGE_TYPE as a, platformTag as b, isIndex as c, FRAMES_MEDIA_TYPE as d, PACK_MODE_ANNOTATION as f, TITLE_ANNOTATION as g, SIDECAR_MEDIA_TYPE as h, RegistryAuth as i, prettyJson as l, SIDECAR_CONFIG_MEDIA_TYPE as m, OciRepository as n, INDEX_TYPE as o, PACK_RECORD_ANNOTATION as p, referrersTag as r, digestOf as s, listArtifacts as t, BUNDLE_TYPE as u, isBundleType as v, originOf as w, registryRepository as x, keyTag as y };
