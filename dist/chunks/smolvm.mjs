import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { o as programDirs, s as readChild } from "./child.mjs";
import { t as isOlder } from "./version.mjs";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
// src/pack/smolvm.ts
const PROBE_TIMEOUT_MS = 3e4;
/** Every test of `npm run test:real` runs on each of these, the oldest first. */
const TESTED_VERSIONS = [
	"1.9.1",
	"1.13.1",
	"1.17.0",
	"1.22.2",
	"1.28.1",
	"1.32.2"
];
/** The first of the oldest tested line of releases. */
const MINIMUM_VERSION = "1.9.0";
const NEWEST_TESTED_VERSION = "1.32.2";
/** Finds smolvm on PATH (or takes `path`) and asks for its version and options. */
async function findSmolvm(path) {
	const executable = path ?? await findOnPath("smolvm");
	if (executable === void 0) throw new BottleError("smolvm-missing", "smolvm is not on PATH", { hint: `install smolvm ${NEWEST_TESTED_VERSION} (https://github.com/smol-machines/smolvm/releases)` });
	const versionText = await probe(executable, ["--version"]);
	const version = /^smolvm (\d+\.\d+\.\d+)/m.exec(versionText)?.[1];
	if (version === void 0) throw new BottleError("smolvm-unsupported", `${executable} --version answered ${JSON.stringify(versionText.slice(0, 200))}, not "smolvm X.Y.Z"`, { hint: "put the real smolvm first on PATH" });
	const help = await probe(executable, [
		"pack",
		"create",
		"--help"
	]);
	return {
		path: executable,
		version,
		flags: new Set(help.match(/--[a-z][a-z-]+/g))
	};
}
async function probe(executable, args) {
	try {
		const env = smolvmEnv(process.env);
		const result = await readChild(executable, args, {
			timeoutMs: PROBE_TIMEOUT_MS,
			env
		});
		if (result.exitCode === 0) return result.stdout;
		const needsGlibc = /version `(GLIBC_[\d.]+)' not found/.exec(result.tail.join("\n"))?.[1];
		throw new BottleError("smolvm-unsupported", `${executable} ${args.join(" ")} failed`, {
			hint: needsGlibc ? `this smolvm needs ${needsGlibc}: use a newer distribution, or smolvm ${NEWEST_TESTED_VERSION}` : "run it by hand; smolvm may be damaged, or its libraries missing",
			details: result.tail
		});
	} catch (error) {
		if (hasErrno(error, "ENOENT", "EACCES")) throw new BottleError("smolvm-missing", `cannot run ${executable}`, {
			hint: "install smolvm, or make that file executable",
			cause: error
		});
		throw error;
	}
}
async function findOnPath(name) {
	for (const dir of programDirs(process.env)) {
		const candidate = join(dir, name);
		if (await fs.access(candidate, constants.X_OK).then(() => true, () => false)) return candidate;
	}
}
const PASSED_VARIABLES = /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|RUST_\w+|LD_LIBRARY_PATH|DYLD_\w+|SMOLVM_\w+)$/;
/**
* The first four decide which network the guest reaches, and each of them takes this host's loopback from it. The
* others move smolvm's files out of our private directories, or change what it prints.
*/
const DROPPED_VARIABLES = /* @__PURE__ */ new Set([
	"SMOLVM_EGRESS_FLOOR",
	"SMOLVM_EGRESS_ALLOW_PRIVATE",
	"SMOLVM_PUBLISH_ADDR",
	"SMOLVM_GUEST_HOST_SERVICE",
	"SMOLVM_DATA_DIR",
	"SMOLVM_PACK_STAGING",
	"SMOLVM_LOG_FORMAT"
]);
/**
* The part of our environment that smolvm gets: neither proxies, since it would ask them for our registry on loopback,
* nor secrets, nor variables that undo our options.
*/
function smolvmEnv(env) {
	return Object.fromEntries(Object.entries(env).filter(([name]) => PASSED_VARIABLES.test(name) && !DROPPED_VARIABLES.has(name)));
}
/** Why this version cannot be used, if it cannot. */
function versionRefusal(version) {
	return isOlder(version, MINIMUM_VERSION) ? `smolvm ${version} is older than ${MINIMUM_VERSION}, the oldest version that is supported` : void 0;
}
/** How close a version is to one that was tested. */
function versionNote(version) {
	if (TESTED_VERSIONS.includes(version)) return "tested";
	return isOlder("1.32.2", version) ? `newer than ${NEWEST_TESTED_VERSION}, the newest tested version` : `between tested versions (${TESTED_VERSIONS.join(", ")})`;
}
/** @throws BottleError `smolvm-unsupported` for a version that is too old */
function requireSupported({ version }) {
	const refusal = versionRefusal(version);
	if (refusal !== void 0) throw new BottleError("smolvm-unsupported", refusal, { hint: `install smolvm ${NEWEST_TESTED_VERSION}` });
}
export { versionNote as a, smolvmEnv as i, findSmolvm as n, versionRefusal as o, requireSupported as r, NEWEST_TESTED_VERSION as t };
