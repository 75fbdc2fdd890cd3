import { s as engineFacts } from "./command.mjs";
import { s as isDamage, t as BottleError } from "./errors.mjs";
import { i as whyNoOrigin, t as originOf } from "./remote.mjs";
import { n as freeBytes, t as formatBytes } from "./disk.mjs";
import { n as scratchParent } from "./private-dir.mjs";
import { t as counted } from "./shown-text.mjs";
import { a as versionNote, n as findSmolvm, o as versionRefusal, t as NEWEST_TESTED_VERSION } from "./smolvm.mjs";
import { c as memoryBytes, l as memoryWarning, u as requireVirtualization } from "./virtualization.mjs";
import { a as githubSite, t as HttpClient, u as HttpError } from "./http.mjs";
import { i as redacted } from "./server-url.mjs";
import { r as readSidecar } from "./verify.mjs";
import { m as storeDir } from "./by-key.mjs";
import { t as Store } from "./store.mjs";
import { n as tryLines } from "./output.mjs";
import { t as SIGNS } from "./style.mjs";
import * as fs from "node:fs/promises";
// src/cli/doctor-command.ts
/** A place that does not answer in this time is not reachable for a person who waits. */
const REACH_TIMEOUT_MS = 3e3;
/** Room for an agent image of 2 GB, flattened and packed. */
const COMFORTABLE_BYTES = 8e9;
const VERBS = ["fetch", "pack"];
/** What a verb cannot do without, as the verdict names it. */
const NEEDS = {
	docker: {
		by: VERBS,
		noun: "Docker"
	},
	checkout: {
		by: ["fetch"],
		noun: "this checkout"
	},
	network: {
		by: ["fetch"],
		noun: "the network"
	},
	store: {
		by: VERBS,
		noun: "the store"
	},
	smolvm: {
		by: ["pack"],
		noun: "smolvm"
	},
	machine: {
		by: ["pack"],
		noun: "virtualization"
	}
};
/** `claude-bottle doctor`: a line for each thing that fetching and packing need; 78 when nothing can be fetched here. */
async function runDoctor(options, output, signal) {
	const engine = engineFacts(signal);
	const github = siteOfCheckout();
	const checks = [
		["docker", () => checkDocker(engine)],
		["image ID", () => checkImageId(engine)],
		["checkout", checkCheckout],
		["network", () => checkNetwork(github, signal)],
		["store", () => checkStore(storeDir(options.store))],
		["smolvm", checkSmolvm],
		["machine", checkVirtualization],
		["memory", checkMemory],
		["scratch", () => checkDisk(scratchParent(), "TMPDIR")],
		["umask", checkUmask],
		["token", () => checkToken(github)],
		["proxy", checkProxy]
	];
	const findings = (await Promise.all(checks.map(async ([name, check]) => ({
		name,
		finding: await check().catch(failure)
	})))).flatMap(({ name, finding }) => finding === void 0 ? [] : [{
		name,
		...finding
	}]);
	const obstacles = (verb) => findings.flatMap(({ name, state, detail, obstacle }) => {
		const { by = [], noun } = NEEDS[name] ?? {};
		const problem = /is not on PATH$/.test(detail) ? "is missing" : "is not usable";
		return state === "fail" && by.includes(verb) ? [obstacle ?? `${noun} ${problem}`] : [];
	});
	const ready = {
		fetch: obstacles("fetch").length === 0,
		pack: obstacles("pack").length === 0
	};
	output.result({
		findings,
		ready
	}, [
		...findings.flatMap(({ name, state, detail, lines = [], tries = [] }) => [
			`${SIGNS[state]} ${name.padEnd(8)}  ${detail}`,
			...lines.map((line) => `            | ${line}`),
			...tryLines(tries).map((line, index) => `            ${index === 0 ? "try:" : "    "} ${line}`)
		]),
		"",
		verdict(obstacles("fetch"), obstacles("pack"))
	]);
	return ready.fetch ? 0 : 78;
}
/** "Ready to fetch. Not ready to pack: smolvm is not on PATH." */
function verdict(forFetch, forPack) {
	const sentence = (verbs, reasons) => reasons.length === 0 ? `Ready to ${verbs}.` : `Not ready to ${verbs}: ${reasons.join(", ")}.`;
	return forFetch.join() === forPack.join() ? sentence(forFetch.length === 0 ? "fetch and to pack" : "fetch or to pack", forFetch) : `${sentence("fetch", forFetch)} ${sentence("pack", forPack)}`;
}
function failure(error) {
	if (error instanceof BottleError) {
		const { message, details, hints } = error;
		return {
			state: "fail",
			detail: message,
			...details.length > 0 && { lines: details },
			tries: hints
		};
	}
	throw error;
}
async function checkDocker(engine) {
	const { version, store } = await engine;
	return {
		state: "ok",
		detail: `engine ${version}, ${store} image store`
	};
}
/**
* Whether claude-bottle's next build gets the ID of the last one; `fetch` and `bind` try it out. Undefined without an engine,
* of which another line speaks.
*/
async function checkImageId(engine) {
	const { store } = await engine.catch(() => ({ store: void 0 }));
	if (store === void 0) return;
	if (store === "classic" || process.env.BUILDX_NO_DEFAULT_ATTESTATIONS) return {
		state: "ok",
		detail: "a cached build keeps its image ID"
	};
	return {
		state: "warn",
		detail: "containerd image store and BUILDX_NO_DEFAULT_ATTESTATIONS not set: BuildKit gives every build another image ID",
		tries: ["export BUILDX_NO_DEFAULT_ATTESTATIONS=1  # where claude-bottle runs"]
	};
}
/** Whose sidecars `fetch` would look for here. */
async function checkCheckout() {
	const origin = await originOf(".");
	const reason = origin === void 0 ? await whyNoOrigin(".") : void 0;
	return origin === void 0 ? {
		state: "warn",
		detail: reason ?? "it has no repository",
		tries: ["claude-bottle fetch --repo OWNER/NAME"]
	} : {
		state: "ok",
		detail: `fetch looks for sidecars of ${origin.host}/${origin.repository}`
	};
}
/** COPY takes file modes over: they are not part of the inputs key, but of the image. */
async function checkUmask() {
	const umask = process.umask();
	const octal = umask.toString(8).padStart(3, "0");
	return (umask & 18) === 18 ? {
		state: "ok",
		detail: octal
	} : {
		state: "warn",
		detail: `${octal}: files of new checkouts get other modes than in CI, so fetch --prove fails`,
		tries: ["umask 022  # before you clone"]
	};
}
/** What `fetch` would ask; another line tells why a checkout cannot be read. */
async function siteOfCheckout() {
	const origin = await originOf(".").catch(() => void 0);
	return await githubSite({
		remoteHost: origin?.host,
		env: process.env
	});
}
/** Whether the registry and the server that `fetch` asks answer at all; a refusal is an answer, too. */
async function checkNetwork(github, signal) {
	const site = await github.catch(() => void 0);
	if (site === void 0) return;
	const { registryHost, serverUrl } = site;
	const places = [`https://${registryHost}/v2/`, serverUrl].filter((url) => URL.canParse(url));
	const hosts = places.map((url) => new URL(url).host);
	const http = new HttpClient({
		signal,
		shortTimeoutMs: REACH_TIMEOUT_MS
	});
	const failures = await Promise.all(places.map((url) => whyUnreachable(http, url)));
	http.close();
	const failed = failures.filter((error) => error !== void 0);
	const [first] = failed;
	if (first === void 0) return {
		state: "ok",
		detail: `${hosts.join(" and ")} ${hosts.length === 1 ? "answers" : "answer"}`
	};
	const silent = hosts.filter((_, index) => failures[index] !== void 0).join(" and ");
	return {
		state: failed.length < hosts.length ? "warn" : "fail",
		detail: `${silent} cannot be reached`,
		lines: failed.map(({ message }) => message),
		tries: first.hints,
		obstacle: `${silent} cannot be reached`
	};
}
async function whyUnreachable(http, url) {
	try {
		const { body } = await http.send({ url });
		body.destroy();
		return;
	} catch (error) {
		if (error instanceof BottleError) return error instanceof HttpError ? void 0 : error;
		throw error;
	}
}
async function checkToken(github) {
	const { serverUrl, token } = await github;
	return {
		state: "ok",
		detail: token === void 0 ? "none (private repositories and workflow artifacts need one)" : `there is one for ${serverUrl}`
	};
}
async function checkProxy() {
	const set = [
		"HTTPS_PROXY",
		"HTTP_PROXY",
		"NO_PROXY",
		"NODE_EXTRA_CA_CERTS"
	].flatMap((name) => {
		const value = process.env[name] || process.env[name.toLowerCase()];
		return value ? [`${name} ${/^HTTPS?_PROXY$/.test(name) ? redacted(value) : value}`] : [];
	});
	return {
		state: "ok",
		detail: set.length === 0 ? "none" : set.join(", ")
	};
}
async function checkSmolvm() {
	const { version, path } = await findSmolvm().catch((error) => {
		throw error instanceof BottleError && error.code === "smolvm-missing" ? withoutSmolvm(error) : error;
	});
	const refusal = versionRefusal(version);
	const note = versionNote(version);
	if (refusal !== void 0) return {
		state: "fail",
		detail: refusal,
		tries: [`install smolvm ${NEWEST_TESTED_VERSION}`]
	};
	return {
		state: note.startsWith("newer") ? "warn" : "ok",
		detail: `${version}, ${note}; ${path}`
	};
}
function withoutSmolvm({ code, message, hints }) {
	return new BottleError(code, message, { hint: [...hints, "claude-bottle pack --packer direct  # packs without smolvm"] });
}
async function checkMemory() {
	const warning = memoryWarning();
	return warning === void 0 ? {
		state: "ok",
		detail: formatBytes(memoryBytes())
	} : {
		state: "warn",
		detail: warning,
		tries: ["pack on a larger machine if it ends like that"]
	};
}
async function checkVirtualization() {
	await requireVirtualization();
	return {
		state: "ok",
		detail: process.platform === "darwin" ? "Hypervisor framework" : "/dev/kvm can be opened"
	};
}
async function checkDisk(dir, variable) {
	const free = await freeBytes(dir);
	return free < COMFORTABLE_BYTES ? {
		state: "warn",
		detail: `${formatBytes(free)} free in ${dir}`,
		tries: [`free some space, or name a larger disk with ${variable}`]
	} : {
		state: "ok",
		detail: `${formatBytes(free)} free in ${dir}`
	};
}
/** Looks at footers and manifests only; `verify --all` reads everything. */
async function checkStore(dir) {
	const store = await Store.open(dir);
	const damaged = [];
	const ids = await store.list();
	for (const id of ids) await readSidecar(store.pathFor(id)).catch((error) => {
		if (!isDamage(error)) throw error;
		damaged.push(id);
	});
	if (damaged.length > 0) return {
		state: "fail",
		detail: `${damaged.length} of ${ids.length} sidecars in ${dir} are damaged: ${damaged.join(", ")}`,
		tries: ["claude-bottle verify  # moves them to quarantine"]
	};
	return {
		state: "ok",
		detail: `${dir}, ${await fs.stat(dir).then(() => true, () => false) ? counted(ids.length, "sidecar") : "not there yet"}`
	};
}
export { runDoctor };
