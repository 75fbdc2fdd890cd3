import { a as __toESM } from "./rolldown-runtime.mjs";
import { _ as summary, a as info, c as setOutput, d as exec, f as getExecOutput, h as rmRF, m as mkdirP, o as isDebug, p as cp, t as debug, y as HttpClient } from "./core.mjs";
import { a as fileError, c as stackOf, i as asBottleError, o as hasErrno, r as InterruptedError, t as BottleError } from "./errors.mjs";
import { i as shown, n as quoted } from "./shown-text.mjs";
import { s as readChild } from "./child.mjs";
import { i as withPrivateDir } from "./private-dir.mjs";
import { n as findSmolvm, t as NEWEST_TESTED_VERSION } from "./smolvm.mjs";
import { i as KVM_RULE_FILE, n as KVM_DEVICE, o as kvmError, r as KVM_RULE, s as kvmState } from "./virtualization.mjs";
import { t as isTagName } from "./ref-name.mjs";
import { t as require_semver } from "./semver.mjs";
import { t as formatBytes } from "./disk.mjs";
import * as os from "os";
import * as crypto from "crypto";
import * as fs$1 from "fs";
import * as path from "path";
import { ok } from "assert";
import * as util from "util";
import { createZstdDecompress } from "node:zlib";
import { createHash } from "node:crypto";
import { createReadStream, existsSync as existsSync$1 } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as setTimeout$1 } from "node:timers/promises";
import { tmpdir } from "node:os";
import * as stream from "stream";
// node_modules/@actions/tool-cache/lib/manifest.js
var import_semver = /* @__PURE__ */ __toESM(require_semver(), 1);
// node_modules/@actions/tool-cache/lib/retry-helper.js
var __awaiter$1 = function(thisArg, _arguments, P, generator) {
	function adopt(value) {
		return value instanceof P ? value : new P(function(resolve) {
			resolve(value);
		});
	}
	return new (P || (P = Promise))(function(resolve, reject) {
		function fulfilled(value) {
			try {
				step(generator.next(value));
			} catch (e) {
				reject(e);
			}
		}
		function rejected(value) {
			try {
				step(generator["throw"](value));
			} catch (e) {
				reject(e);
			}
		}
		function step(result) {
			result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected);
		}
		step((generator = generator.apply(thisArg, _arguments || [])).next());
	});
};
/**
* Internal class for retries
*/
var RetryHelper = class {
	constructor(maxAttempts, minSeconds, maxSeconds) {
		if (maxAttempts < 1) throw new Error("max attempts should be greater than or equal to 1");
		this.maxAttempts = maxAttempts;
		this.minSeconds = Math.floor(minSeconds);
		this.maxSeconds = Math.floor(maxSeconds);
		if (this.minSeconds > this.maxSeconds) throw new Error("min seconds should be less than or equal to max seconds");
	}
	execute(action, isRetryable) {
		return __awaiter$1(this, void 0, void 0, function* () {
			let attempt = 1;
			while (attempt < this.maxAttempts) {
				try {
					return yield action();
				} catch (err) {
					if (isRetryable && !isRetryable(err)) throw err;
					info(err.message);
				}
				const seconds = this.getSleepAmount();
				info(`Waiting ${seconds} seconds before trying again`);
				yield this.sleep(seconds);
				attempt++;
			}
			return yield action();
		});
	}
	getSleepAmount() {
		return Math.floor(Math.random() * (this.maxSeconds - this.minSeconds + 1)) + this.minSeconds;
	}
	sleep(seconds) {
		return __awaiter$1(this, void 0, void 0, function* () {
			return new Promise((resolve) => setTimeout(resolve, seconds * 1e3));
		});
	}
};
// node_modules/@actions/tool-cache/lib/tool-cache.js
var __awaiter = function(thisArg, _arguments, P, generator) {
	function adopt(value) {
		return value instanceof P ? value : new P(function(resolve) {
			resolve(value);
		});
	}
	return new (P || (P = Promise))(function(resolve, reject) {
		function fulfilled(value) {
			try {
				step(generator.next(value));
			} catch (e) {
				reject(e);
			}
		}
		function rejected(value) {
			try {
				step(generator["throw"](value));
			} catch (e) {
				reject(e);
			}
		}
		function step(result) {
			result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected);
		}
		step((generator = generator.apply(thisArg, _arguments || [])).next());
	});
};
var HTTPError = class extends Error {
	constructor(httpStatusCode) {
		super(`Unexpected HTTP response: ${httpStatusCode}`);
		this.httpStatusCode = httpStatusCode;
		Object.setPrototypeOf(this, new.target.prototype);
	}
};
const IS_WINDOWS = process.platform === "win32";
process.platform;
const userAgent = "actions/tool-cache";
/**
* Download a tool from an url and stream it into a file
*
* @param url       url of tool to download
* @param dest      path to download tool
* @param auth      authorization header
* @param headers   other headers
* @returns         path to downloaded tool
*/
function downloadTool(url, dest, auth, headers) {
	return __awaiter(this, void 0, void 0, function* () {
		dest = dest || path.join(_getTempDirectory(), crypto.randomUUID());
		yield mkdirP(path.dirname(dest));
		debug(`Downloading ${url}`);
		debug(`Destination ${dest}`);
		return yield new RetryHelper(3, _getGlobal("TEST_DOWNLOAD_TOOL_RETRY_MIN_SECONDS", 10), _getGlobal("TEST_DOWNLOAD_TOOL_RETRY_MAX_SECONDS", 20)).execute(() => __awaiter(this, void 0, void 0, function* () {
			return yield downloadToolAttempt(url, dest || "", auth, headers);
		}), (err) => {
			if (err instanceof HTTPError && err.httpStatusCode) {
				if (err.httpStatusCode < 500 && err.httpStatusCode !== 408 && err.httpStatusCode !== 429) return false;
			}
			return true;
		});
	});
}
function downloadToolAttempt(url, dest, auth, headers) {
	return __awaiter(this, void 0, void 0, function* () {
		if (fs$1.existsSync(dest)) throw new Error(`Destination file path ${dest} already exists`);
		const http = new HttpClient(userAgent, [], { allowRetries: false });
		if (auth) {
			debug("set auth");
			if (headers === void 0) headers = {};
			headers.authorization = auth;
		}
		const response = yield http.get(url, headers);
		if (response.message.statusCode !== 200) {
			const err = new HTTPError(response.message.statusCode);
			debug(`Failed to download from "${url}". Code(${response.message.statusCode}) Message(${response.message.statusMessage})`);
			throw err;
		}
		const pipeline = util.promisify(stream.pipeline);
		const readStream = _getGlobal("TEST_DOWNLOAD_TOOL_RESPONSE_MESSAGE_FACTORY", () => response.message)();
		let succeeded = false;
		try {
			yield pipeline(readStream, fs$1.createWriteStream(dest));
			debug("download complete");
			succeeded = true;
			return dest;
		} finally {
			if (!succeeded) {
				debug("download failed");
				try {
					yield rmRF(dest);
				} catch (err) {
					debug(`Failed to delete '${dest}'. ${err.message}`);
				}
			}
		}
	});
}
/**
* Extract a compressed tar archive
*
* @param file     path to the tar
* @param dest     destination directory. Optional.
* @param flags    flags for the tar command to use for extraction. Defaults to 'xz' (extracting gzipped tars). Optional.
* @returns        path to the destination directory
*/
function extractTar(file_1, dest_1) {
	return __awaiter(this, arguments, void 0, function* (file, dest, flags = "xz") {
		if (!file) throw new Error("parameter 'file' is required");
		dest = yield _createExtractFolder(dest);
		debug("Checking tar --version");
		let versionOutput = "";
		yield exec("tar --version", [], {
			ignoreReturnCode: true,
			silent: true,
			listeners: {
				stdout: (data) => versionOutput += data.toString(),
				stderr: (data) => versionOutput += data.toString()
			}
		});
		debug(versionOutput.trim());
		const isGnuTar = versionOutput.toUpperCase().includes("GNU TAR");
		let args;
		if (flags instanceof Array) args = flags;
		else args = [flags];
		if (isDebug() && !flags.includes("v")) args.push("-v");
		let destArg = dest;
		let fileArg = file;
		if (IS_WINDOWS && isGnuTar) {
			args.push("--force-local");
			destArg = dest.replace(/\\/g, "/");
			fileArg = file.replace(/\\/g, "/");
		}
		if (isGnuTar) {
			args.push("--warning=no-unknown-keyword");
			args.push("--overwrite");
		}
		args.push("-C", destArg, "-f", fileArg);
		yield exec(`tar`, args);
		return dest;
	});
}
/**
* Caches a directory and installs it into the tool cacheDir
*
* @param sourceDir    the directory to cache into tools
* @param tool          tool name
* @param version       version of the tool.  semver format
* @param arch          architecture of the tool.  Optional.  Defaults to machine architecture
*/
function cacheDir(sourceDir, tool, version, arch) {
	return __awaiter(this, void 0, void 0, function* () {
		version = import_semver.clean(version) || version;
		arch = arch || os.arch();
		debug(`Caching tool ${tool} ${version} ${arch}`);
		debug(`source dir: ${sourceDir}`);
		if (!fs$1.statSync(sourceDir).isDirectory()) throw new Error("sourceDir is not a directory");
		const destPath = yield _createToolPath(tool, version, arch);
		for (const itemName of fs$1.readdirSync(sourceDir)) {
			const s = path.join(sourceDir, itemName);
			yield cp(s, destPath, { recursive: true });
		}
		_completeToolPath(tool, version, arch);
		return destPath;
	});
}
/**
* Finds the path to a tool version in the local installed tool cache
*
* @param toolName      name of the tool
* @param versionSpec   version of the tool
* @param arch          optional arch.  defaults to arch of computer
*/
function find(toolName, versionSpec, arch) {
	if (!toolName) throw new Error("toolName parameter is required");
	if (!versionSpec) throw new Error("versionSpec parameter is required");
	arch = arch || os.arch();
	if (!isExplicitVersion(versionSpec)) versionSpec = evaluateVersions(findAllVersions(toolName, arch), versionSpec);
	let toolPath = "";
	if (versionSpec) {
		versionSpec = import_semver.clean(versionSpec) || "";
		const cachePath = path.join(_getCacheDirectory(), toolName, versionSpec, arch);
		debug(`checking cache: ${cachePath}`);
		if (fs$1.existsSync(cachePath) && fs$1.existsSync(`${cachePath}.complete`)) {
			debug(`Found tool in cache ${toolName} ${versionSpec} ${arch}`);
			toolPath = cachePath;
		} else debug("not found");
	}
	return toolPath;
}
/**
* Finds the paths to all versions of a tool that are installed in the local tool cache
*
* @param toolName  name of the tool
* @param arch      optional arch.  defaults to arch of computer
*/
function findAllVersions(toolName, arch) {
	const versions = [];
	arch = arch || os.arch();
	const toolPath = path.join(_getCacheDirectory(), toolName);
	if (fs$1.existsSync(toolPath)) {
		const children = fs$1.readdirSync(toolPath);
		for (const child of children) if (isExplicitVersion(child)) {
			const fullPath = path.join(toolPath, child, arch || "");
			if (fs$1.existsSync(fullPath) && fs$1.existsSync(`${fullPath}.complete`)) versions.push(child);
		}
	}
	return versions;
}
function _createExtractFolder(dest) {
	return __awaiter(this, void 0, void 0, function* () {
		if (!dest) dest = path.join(_getTempDirectory(), crypto.randomUUID());
		yield mkdirP(dest);
		return dest;
	});
}
function _createToolPath(tool, version, arch) {
	return __awaiter(this, void 0, void 0, function* () {
		const folderPath = path.join(_getCacheDirectory(), tool, import_semver.clean(version) || version, arch || "");
		debug(`destination ${folderPath}`);
		const markerPath = `${folderPath}.complete`;
		yield rmRF(folderPath);
		yield rmRF(markerPath);
		yield mkdirP(folderPath);
		return folderPath;
	});
}
function _completeToolPath(tool, version, arch) {
	const markerPath = `${path.join(_getCacheDirectory(), tool, import_semver.clean(version) || version, arch || "")}.complete`;
	fs$1.writeFileSync(markerPath, "");
	debug("finished caching tool");
}
/**
* Check if version string is explicit
*
* @param versionSpec      version string to check
*/
function isExplicitVersion(versionSpec) {
	const c = import_semver.clean(versionSpec) || "";
	debug(`isExplicit: ${c}`);
	const valid = import_semver.valid(c) != null;
	debug(`explicit? ${valid}`);
	return valid;
}
/**
* Get the highest satisfiying semantic version in `versions` which satisfies `versionSpec`
*
* @param versions        array of versions to evaluate
* @param versionSpec     semantic version spec to satisfy
*/
function evaluateVersions(versions, versionSpec) {
	let version = "";
	debug(`evaluating ${versions.length} versions`);
	versions = versions.sort((a, b) => {
		if (import_semver.gt(a, b)) return 1;
		return -1;
	});
	for (let i = versions.length - 1; i >= 0; i--) {
		const potential = versions[i];
		if (import_semver.satisfies(potential, versionSpec)) {
			version = potential;
			break;
		}
	}
	if (version) debug(`matched: ${version}`);
	else debug("match not found");
	return version;
}
/**
* Gets RUNNER_TOOL_CACHE
*/
function _getCacheDirectory() {
	const cacheDirectory = process.env["RUNNER_TOOL_CACHE"] || "";
	ok(cacheDirectory, "Expected RUNNER_TOOL_CACHE to be defined");
	return cacheDirectory;
}
/**
* Gets RUNNER_TEMP
*/
function _getTempDirectory() {
	const tempDirectory = process.env["RUNNER_TEMP"] || "";
	ok(tempDirectory, "Expected RUNNER_TEMP to be defined");
	return tempDirectory;
}
/**
* Gets a global variable
*/
function _getGlobal(key, defaultValue) {
	const value = global[key];
	return value !== void 0 ? value : defaultValue;
}
// src/action/kvm.ts
/** udev works through its events after `udevadm trigger` has returned. */
const UDEV_TIMEOUT_MS = 5e3;
const UDEV_POLL_MS = 100;
const WHERE_KVM_IS = "run the job on ubuntu-latest (x64) without `container:`; `platforms: linux/arm64` is packed there too";
/** @throws BottleError `kvm-unavailable` on macOS and Windows */
function requireLinuxRunner() {
	const os = process.env.RUNNER_OS ?? process.platform;
	if (os.toLowerCase() !== "linux") throw new BottleError("kvm-unavailable", `this action packs on Linux runners, this one is ${os}`, { hint: WHERE_KVM_IS });
}
/**
* Makes sure that smolvm may open the KVM device. GitHub's own x64 Linux runners have it, but only for its group: a
* udev rule opens it for all. Such a machine is gone after the job; others are their owner's to change.
* @throws BottleError `kvm-unavailable`
*/
async function prepareKvm(device = KVM_DEVICE) {
	requireLinuxRunner();
	const state = await kvmState(device);
	if (state === "open") return;
	if (state === "missing") throw new BottleError("kvm-unavailable", kvmError(state, device).message, { hint: WHERE_KVM_IS });
	const isHosted = process.env.RUNNER_ENVIRONMENT === "github-hosted";
	if (isHosted && state === "closed-to-vm") {
		await fs.chmod(device, 438);
		return;
	}
	if (!isHosted || !await canSudo()) throw kvmError(state, device);
	await sudo(["tee", KVM_RULE_FILE], `${KVM_RULE}\n`);
	await sudo([
		"udevadm",
		"control",
		"--reload-rules"
	]);
	await sudo([
		"udevadm",
		"trigger",
		"--name-match=kvm"
	]);
	const deadline = Date.now() + UDEV_TIMEOUT_MS;
	while (await kvmState(device) !== "open") {
		if (Date.now() > deadline) throw new BottleError("kvm-unavailable", `this user may not open ${device}, not even ${UDEV_TIMEOUT_MS / 1e3} s after the udev rule was set`, { hint: WHERE_KVM_IS });
		await setTimeout$1(UDEV_POLL_MS);
	}
}
/** Whether sudo is there and asks for no password. */
async function canSudo() {
	return await getExecOutput("sudo", ["-n", "true"], {
		silent: true,
		ignoreReturnCode: true
	}).then(({ exitCode }) => exitCode === 0, () => false);
}
async function sudo(args, input = "") {
	const result = await getExecOutput("sudo", ["-n", ...args], {
		input: Buffer.from(input),
		silent: true,
		ignoreReturnCode: true
	});
	if (result.exitCode !== 0) throw new BottleError("kvm-unavailable", `cannot open KVM for this user: sudo ${args.join(" ")} failed`, {
		hint: WHERE_KVM_IS,
		details: result.stderr.trim().split("\n")
	});
}
// src/action/smolvm-wheel.ts
const PIP_TIMEOUT_MS = 6e5;
const UNPACK_TIMEOUT_MS = 3e5;
const TEMPLATES = ["storage-template.ext4", "overlay-template.ext4"];
/** smolvm grows it to the size that a machine asks for. */
const TEMPLATE_BYTES = 536870912;
/** pip needs nothing else of ours, and the rest holds secrets of the job. */
const PIP_ENV = /^(PATH|HOME|LANG|LC_\w+|PIP_\w+|PYENV\w*|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|XDG_\w+|LD_LIBRARY_PATH)$/i;
/** As the wrapper of a release does it: the files beside it are used, wherever the directory is. */
const WRAPPER = `#!/bin/sh
dir=$(dirname "$(readlink -f "$0")")
export SMOLVM_AGENT_ROOTFS="\${SMOLVM_AGENT_ROOTFS:-$dir/agent-rootfs}" SMOLVM_LIB_DIR="\${SMOLVM_LIB_DIR:-$dir/lib}"
export LD_LIBRARY_PATH="$dir/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$dir/smolvm-bin" "$@"
`;
/**
* Turns smolvm's wheel of the Python package index into a directory like an unpacked release: `smolvm`, `smolvm-bin`,
* `lib/`, `agent-rootfs/`, and in newer ones compressed disk templates. pip downloads it and checks its hash before anything is unpacked.
* @param dir an empty directory
* @throws BottleError `smolvm-missing`, `smolvm-untrusted`, `smolvm-unsupported`, `network-failed`
*/
async function unpackWheel(wheel, dir, options = {}) {
	const work = join(dir, "wheel");
	try {
		await python([
			"-m",
			"zipfile",
			"-e",
			await downloadWheel(wheel, work, options),
			work
		], {
			...options,
			cwd: dir,
			timeoutMs: UNPACK_TIMEOUT_MS
		});
		await layOut(join(work, "smol"), dir, options);
	} catch (error) {
		throw error instanceof Error && "syscall" in error ? fileError(`cannot unpack the wheel of smolvm ${wheel.version}`, error) : error;
	} finally {
		await fs.rm(work, {
			recursive: true,
			force: true
		});
	}
}
async function downloadWheel({ version, sha256 }, work, options) {
	await fs.mkdir(work);
	const requirements = join(work, "requirements.txt");
	await fs.writeFile(requirements, `smolmachines==${version} --hash=sha256:${sha256}\n`);
	const result = await readPython([...[
		"-m",
		"pip",
		"download",
		"--no-deps",
		"--only-binary",
		":all:",
		"--require-hashes"
	], ...[
		"--no-input",
		"--progress-bar",
		"off",
		"--dest",
		work,
		"--requirement",
		requirements
	]], {
		...options,
		cwd: work,
		timeoutMs: PIP_TIMEOUT_MS
	});
	const name = (await fs.readdir(work)).find((file) => file.endsWith(".whl"));
	if (result.exitCode !== 0 || name === void 0) throw pipError({
		version,
		sha256
	}, result);
	return join(work, name);
}
function pipError({ version, sha256 }, { tail }) {
	const text = tail.join("\n");
	const what = `cannot download smolvm ${version} with pip`;
	const reason = tail.findLast((line) => line.startsWith("ERROR: "))?.slice(7);
	const details = tail;
	if (/No module named pip/.test(text)) return new BottleError("smolvm-missing", `${what}: python3 has no pip`, { hint: "install pip (Debian: apt-get install python3-pip), or set smolvm-path" });
	if (/DO NOT MATCH THE HASHES/.test(text)) {
		const found = /Got +([0-9a-f]{64})/.exec(text)?.[1] ?? "another hash";
		return new BottleError("smolvm-untrusted", `the package index serves smolvm ${version} with the SHA-256 ${found}, expected ${sha256}`, { hint: "do not use that file; look at which index pip is configured for" });
	}
	if (/Retrying|ConnectionError|ReadTimeout|ConnectTimeout/.test(text)) return new BottleError("network-failed", `${what}: the package index is not reachable`, {
		hint: "run the job again; a runner without a package index needs smolvm installed and smolvm-path set",
		details
	});
	if (/No matching distribution/.test(text)) return new BottleError("smolvm-unsupported", `${what}: the package index has none for this machine`, {
		hint: "it needs Python 3.9 or later and glibc 2.28 or later; otherwise install smolvm and set smolvm-path",
		details
	});
	return new BottleError("network-failed", `${what}: ${reason ?? "pip failed"}`, {
		hint: "run the job again, or install smolvm and set smolvm-path",
		details
	});
}
async function layOut(wheel, dir, options) {
	await fs.writeFile(join(dir, "smolvm"), WRAPPER, { mode: 493 });
	await fs.rename(join(wheel, "smol-vmm"), join(dir, "smolvm-bin"));
	await fs.chmod(join(dir, "smolvm-bin"), 493);
	await fs.mkdir(join(dir, "lib"));
	const names = await fs.readdir(wheel);
	for (const name of names.filter((file) => /^lib\w+\.(so|dylib)/.test(file))) await fs.rename(join(wheel, name), join(dir, "lib", name));
	for (const name of TEMPLATES.map((file) => `${file}.zst`).filter((file) => names.includes(file))) await fs.rename(join(wheel, name), join(dir, name));
	await unpackAgent(wheel, names, join(dir, "agent-rootfs"), options);
}
/** A zstd stream in newer wheels, a plain tar in older ones. */
async function unpackAgent(wheel, names, dir, options) {
	await fs.mkdir(dir);
	const isCompressed = names.includes("agent-rootfs.tar.zst");
	const archive = createReadStream(join(wheel, isCompressed ? "agent-rootfs.tar.zst" : "agent-rootfs.tar"));
	requireSuccess("tar", await readChild("tar", [
		"-x",
		"-p",
		"-C",
		dir
	], {
		...options,
		timeoutMs: UNPACK_TIMEOUT_MS,
		input: isCompressed ? archive.pipe(createZstdDecompress()) : archive
	}));
}
/**
* Puts disk templates of 512 MiB beside smolvm, where there are none: it would expand its compressed ones of 20 and
* 10 GiB first, which takes half a minute on a fresh runner. Without mkfs.ext4 it has to.
*/
async function makeTemplates(dir, options = {}) {
	for (const name of TEMPLATES) {
		const path = join(dir, name);
		if (existsSync$1(path)) continue;
		const unfinished = `${path}.${process.pid}`;
		try {
			await fs.writeFile(unfinished, "");
			await fs.truncate(unfinished, TEMPLATE_BYTES);
			requireSuccess("mkfs.ext4", await readChild("mkfs.ext4", [
				"-q",
				"-F",
				"-m",
				"0",
				"-L",
				"smolvm",
				unfinished
			], {
				...options,
				env: withSbin()
			}));
			await fs.rename(unfinished, path);
		} catch (error) {
			if (!hasErrno(error, "ENOENT") || !existsSync$1(`${path}.zst`)) throw error;
		} finally {
			await fs.rm(unfinished, { force: true });
		}
	}
}
/** Where Debian keeps mkfs.ext4, and an ordinary user's PATH may not lead. */
function withSbin() {
	return { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
}
async function python(args, options) {
	requireSuccess("python3", await readPython(args, options));
}
async function readPython(args, options) {
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => PIP_ENV.test(name)));
	try {
		return await readChild("python3", args, {
			...options,
			env
		});
	} catch (error) {
		if (hasErrno(error, "ENOENT")) throw new BottleError("smolvm-missing", "cannot install smolvm: python3 is not on PATH", {
			hint: "install Python 3 with pip, or set smolvm-path",
			cause: error
		});
		throw error;
	}
}
function requireSuccess(command, { exitCode, signal, tail }) {
	if (exitCode !== 0) throw new BottleError("io", `${command} failed (${exitCode ?? signal})`, {
		hint: "look for a full disk, or install smolvm and set smolvm-path",
		details: tail
	});
}
// src/action/smolvm-release.ts
const RELEASES = "https://github.com/smol-machines/smolvm/releases";
const DEFAULT_SMOLVM_VERSION = NEWEST_TESTED_VERSION;
/** The hashes of the default version's wheels. Upstream signs nothing, so trust rests on these lines. */
const WHEEL_SHA256 = {
	"linux-x86_64": "81b104e2622aa0b187b6b7054397c391151b83db2638a16d0e54c517684f0dc2",
	"linux-arm64": "5cdd53c71369f149639f00197ce9deaafd204d2bda03b323b1ae3ee35ba4cf8b",
	"darwin-arm64": "af690651bd2d2e329f3ab15d35acd7037a3a94581b3f79c08d1df867e8ef54f9"
};
/**
* The path of `smolvm`, from the runner's tool cache, from the wheel of the default version, or from the release of
* another. The hash is checked before anything of it is unpacked or run.
* @throws BottleError `usage`, `smolvm-untrusted`, `smolvm-unsupported`, `smolvm-missing`, `not-found`, `network-failed`
*/
async function installSmolvm(release, { onProgress, signal }) {
	requireLinuxRunner();
	const { version } = release;
	const sha256 = releaseSha256(release);
	const build = `${releasePlatform()}-${sha256}`;
	onProgress({
		type: "start",
		stage: "smolvm",
		detail: version
	});
	const found = find("smolvm", version, build);
	const isWheel = release.sha256 === void 0;
	const add = isWheel ? addWheel : addRelease;
	const addToToolCache = async () => await withPrivateDir(process.env.RUNNER_TEMP ?? tmpdir(), async (workDir) => await add({
		version,
		build,
		sha256
	}, workDir, { signal }));
	const dir = found === "" ? await addToToolCache() : found;
	if (isWheel) await makeTemplates(dir, { signal });
	const smolvm = await findSmolvm(join(dir, "smolvm"));
	if (smolvm.version !== version) throw new BottleError("smolvm-unsupported", `smolvm-version is ${version}, but the release with this SHA-256 says that it is ${smolvm.version}: ${sha256}`, { hint: "give smolvm-version and smolvm-sha256 of one release" });
	onProgress({
		type: "done",
		stage: "smolvm",
		detail: found === "" ? "downloaded" : "from the tool cache"
	});
	return smolvm.path;
}
const addWheel = async ({ version, build, sha256 }, workDir, options) => {
	await unpackWheel({
		version,
		sha256
	}, workDir, options);
	return await cacheDir(workDir, "smolvm", version, build);
};
const addRelease = async ({ version, build, sha256 }, workDir) => {
	const name = releaseName(version);
	const url = `${RELEASES}/download/v${version}/${name}.tar.gz`;
	const tarball = join(workDir, "release.tar.gz");
	await download(url, tarball);
	await requireSha256(tarball, sha256, url);
	try {
		const unpacked = await extractTar(tarball, join(workDir, "release"));
		return await cacheDir(join(unpacked, name), "smolvm", version, build);
	} catch (error) {
		throw fileError(`cannot unpack ${url}`, error);
	}
};
function releasePlatform() {
	return `${process.platform}-${process.arch === "arm64" ? "arm64" : "x86_64"}`;
}
function releaseName(version) {
	return `smolvm-${version}-${releasePlatform()}`;
}
/** @throws BottleError `usage` when it is neither known nor given */
function releaseSha256({ version, sha256 }) {
	const known = version === DEFAULT_SMOLVM_VERSION ? WHEEL_SHA256[releasePlatform()] : void 0;
	const expected = sha256 ?? known;
	if (expected === void 0) throw new BottleError("usage", `the SHA-256 of smolvm ${version} is not known here`, { hint: `set the input smolvm-sha256 to the line of ${releaseName(version)}.tar.gz in ${RELEASES}/download/v${version}/checksums.sha256` });
	return expected;
}
/** With the retries of the toolkit and without a token: the release is public. */
async function download(url, path) {
	try {
		await downloadTool(url, path);
	} catch (error) {
		if (error instanceof HTTPError && error.httpStatusCode === 404) throw new BottleError("not-found", `smolvm has no such release: ${url} (404)`, {
			hint: `take a version of ${RELEASES}`,
			cause: error
		});
		if (hasErrno(error, "ENOSPC", "EDQUOT")) throw fileError(`cannot download ${url}`, error);
		const reason = error instanceof Error ? error.message : String(error);
		throw new BottleError("network-failed", `cannot download ${url}: ${reason}`, {
			hint: "run the job again; a runner without github.com needs smolvm installed and smolvm-path set",
			cause: error
		});
	}
}
async function requireSha256(path, expected, url) {
	const found = await fileSha256(path);
	if (found !== expected) throw new BottleError("smolvm-untrusted", `${url} has the SHA-256 ${found}, expected ${expected}`, { hint: "do not use that file; compare both with the checksums.sha256 of the release" });
}
/** 64 hex digits. */
async function fileSha256(path) {
	const hash = createHash("sha256");
	await pipeline(createReadStream(path), hash);
	return hash.digest("hex");
}
// src/action/input-reader.ts
/** No control characters, and nothing that docker could take for an option. */
const PATH = {
	pattern: /^[^-\p{Cc}][^\p{Cc}]{0,1023}$/u,
	hint: "use a path that does not begin with - and has no control characters"
};
const STAGE = {
	pattern: /^[A-Za-z0-9][\w.-]{0,127}$/,
	hint: "use the name or number of a build stage: letters, digits, _ . -"
};
const BUILD_ARG = {
	pattern: /^[A-Za-z_]\w{0,127}=[^\p{Cc}]{0,4096}$/u,
	hint: "use one KEY=VALUE a line; KEY is letters, digits and _"
};
const SECRET = {
	pattern: /^[A-Za-z0-9][\w.-]{0,127}=[^\0]{1,65536}$/u,
	hint: "use one ID=VALUE a line; ID is letters, digits, _ . -"
};
const ARTIFACT_NAME = {
	pattern: /^[A-Za-z0-9][\w.-]{0,99}$/,
	hint: "use up to 100 letters, digits, _ . -"
};
const VERSION = {
	pattern: /^\d{1,4}\.\d{1,4}\.\d{1,4}$/,
	hint: `use a released version such as ${DEFAULT_SMOLVM_VERSION}`
};
const SHA256 = {
	pattern: /^[0-9a-f]{64}$/,
	hint: "use 64 hex digits in lower case"
};
const TAG = {
	pattern: { test: isTagName },
	hint: "use the name of a tag as git takes it, such as v1.2.0 or @acme/agent@1.2.0"
};
const HOST = {
	pattern: /^[A-Za-z0-9][\w.-]{0,252}(:\d{1,5})?$/,
	hint: "use one HOST or HOST:PORT a line"
};
const SMOKE_TEST = {
	pattern: /^[^\0]{1,4096}$/s,
	hint: "use up to 4096 characters, none of them NUL"
};
const TOKEN = {
	pattern: /^[\x21-\x7e]{1,4096}$/,
	hint: "give it github.token, or leave it out"
};
/** Reads the text of an input as what it must be; every refusal names the input and what it may be. */
function inputReader(get) {
	const text = (name, grammar) => {
		const value = get(name);
		if (value === "") return;
		if (!grammar.pattern.test(value)) throw invalid(name, value, grammar.hint);
		return value;
	};
	return {
		text,
		isGiven: (name) => get(name) !== "",
		required(name, grammar) {
			const value = text(name, grammar);
			if (value === void 0) throw new BottleError("usage", `the input ${name} is empty`, { hint: grammar.hint });
			return value;
		},
		lines(name, grammar) {
			const lines = nonEmptyLines(get(name));
			for (const line of lines) if (!grammar.pattern.test(line)) throw invalid(name, line, grammar.hint);
			return lines;
		},
		/** Here and below the value is never part of the error. */
		token(name) {
			const value = get(name);
			if (value !== "" && !TOKEN.pattern.test(value)) throw new BottleError("usage", `the input ${name} is not a token`, { hint: TOKEN.hint });
			return value === "" ? void 0 : value;
		},
		secrets(name) {
			return splitSecrets(get(name)).map((entry, index) => {
				if (!SECRET.pattern.test(entry)) throw new BottleError("usage", `entry ${index + 1} of the input ${name} is not ID=VALUE`, { hint: SECRET.hint });
				const equals = entry.indexOf("=");
				return {
					id: entry.slice(0, equals),
					value: entry.slice(equals + 1)
				};
			});
		},
		choice(name, choices) {
			const value = get(name);
			const chosen = choices.find((choice) => choice === value);
			if (chosen === void 0) throw invalid(name, value, `use one of ${choices.join(", ")}`);
			return chosen;
		},
		wholeNumber(name, minimum, maximum) {
			const value = get(name);
			if (value === "") return;
			const number = Number(value);
			if (!/^\d{1,9}$/.test(value) || number < minimum || number > maximum) throw invalid(name, value, `use a whole number from ${minimum} to ${maximum}`);
			return number;
		}
	};
}
function nonEmptyLines(text) {
	return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
function invalid(name, value, hint) {
	return new BottleError("usage", `the input ${name} cannot be ${quoted(value)}`, { hint });
}
/** Lines, but for entries in double quotes, which may hold newlines and "" for a quote. */
function splitSecrets(text) {
	return [...text.matchAll(/^[ \t]*(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^\n]*))[ \t]*$/gm)].map(({ groups }) => groups?.quoted?.replaceAll("\"\"", "\"") ?? groups?.plain?.trim() ?? "").filter((entry) => entry !== "");
}
/** Parsers of `identity/` do not know which input they read. */
function naming(name, parse) {
	try {
		return parse();
	} catch (error) {
		if (error instanceof BottleError && error.hint !== void 0) throw new BottleError("usage", `the input ${name}: ${error.message}`, { hint: error.hint });
		throw error;
	}
}
// src/action/summary.ts
const DOCS = "https://github.com/org/claude-bottle-pack/blob/main/docs";
/**
* The job summary, in GitHub's Markdown: what developers can do now, then what was made, and everything else in a part
* that is folded away. Empty when nothing was made.
*/
function summaryOf({ results, published }) {
	if (results.length === 0) return "";
	return [
		`## ${headline(results, published)}`,
		"",
		...table([
			"Platform",
			"Size",
			"Where",
			"Signed by"
		], results.map((result) => [
			result.platform,
			formatBytes(result.record.sidecar.sizeBytes),
			places(result, published).join(" · ") || "on this runner only",
			signer(result)
		])),
		"",
		...nextStep(results, published),
		howLong(results),
		"",
		"<details><summary>Image IDs, hashes and timings</summary>",
		"",
		...results.flatMap((result) => details(result, published)),
		"</details>",
		""
	].join("\n");
}
function headline(results, { registry, release }) {
	if (registry !== void 0 || release?.isDraft === false) return `Published: ${code("claude-bottle fetch")} gets it now`;
	if (release !== void 0) return "In a draft release";
	return results.every(({ cacheMatch }) => cacheMatch === "none") ? "Packed" : "Up to date: nothing was packed";
}
function places({ artifact, platform }, { registry, release }) {
	const isInRegistry = registry?.sidecars.some((sidecar) => sidecar.platform === platform);
	return [
		...registry !== void 0 && isInRegistry ? [code(registry.name)] : [],
		...release === void 0 ? [] : [releaseLink(release)],
		...artifact === void 0 ? [] : [`[artifact](${artifact.url})${artifact.expiresAt === void 0 ? "" : ` until ${artifact.expiresAt.slice(0, 10)}`}`]
	];
}
function releaseLink({ tag, url, isDraft, missingPlatforms }) {
	const link = `[release ${escaped(tag)}](${encodeURI(url)})`;
	const waits = missingPlatforms.length === 0 ? "" : ` that waits for ${missingPlatforms.join(", ")}`;
	return isDraft ? `${link}, a draft${waits}` : link;
}
/** `owner/repository` and the workflow's file, from the address of the workflow that signed. */
function signer({ signer: address }) {
	if (address === void 0) return "nobody";
	const [, repository, file] = /^https:\/\/[^/]+\/([^/]+\/[^/]+)\/.*?([^/@]+)@/.exec(address) ?? [];
	return repository === void 0 ? code(address) : `${code(repository)} ${escaped(file ?? "")}`;
}
function nextStep(results, published) {
	const command = fetchCommand(results, published);
	if (command === void 0) return [];
	const isPrivate = published.registry?.isPublic === false;
	return [
		`On your machine, in a checkout of this commit ([install](${DOCS}/getting-started.md)):`,
		"",
		"```sh",
		command,
		"```",
		"",
		...isPrivate ? [`The package is private: make it public once (**Package settings → Change visibility**), or run ${code("docker login")} on each machine.`, ""] : []
	];
}
function fetchCommand(results, { registry, release }) {
	const fetch = "npx claude-bottle-pack fetch";
	if (registry !== void 0) return registry.isDefault ? fetch : `${fetch} --from oci:${registry.name}`;
	if (release !== void 0) return release.isDraft ? void 0 : fetch;
	const uploaded = results.find(({ artifact }) => artifact !== void 0)?.artifact;
	return uploaded && `${fetch} --from run:${uploaded.runId}`;
}
function howLong(results) {
	const seconds = results.map(({ stages }) => stages.reduce((sum, stage) => sum + stage.seconds, 0));
	const each = results.length === 1 ? "" : ` (${results.map(({ platform }, index) => `${platform} ${duration(seconds[index] ?? 0)}`).join(", ")})`;
	const total = seconds.reduce((sum, one) => sum + one, 0);
	const notes = [...new Set(results.flatMap(({ cacheNotes }) => cacheNotes))].map(escaped).join("; ");
	return `Took **${duration(total)}**${each}. The runner cache: ${notes || "not used"} ([how it works](${DOCS}/action.md#the-runner-cache)).`;
}
function duration(seconds) {
	const whole = Math.round(seconds);
	return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
function details({ platform, record, stages }, { registry }) {
	const { image, inputs, sidecar, smolvm, packedAt } = record;
	const digest = registry?.sidecars.find((one) => one.platform === platform)?.digest;
	const facts = [
		["image ID", code(image.id)],
		...inputs === void 0 ? [] : [["inputs key", code(inputs.key) + (inputs.narrowed ? "" : " (of the whole context)")]],
		["sidecar", `SHA-256 ${code(sidecar.sha256)}`],
		...digest === void 0 ? [] : [["registry", code(`${registry?.name}@${digest}`)]],
		["packed", `${packedAt} with smolvm ${escaped(smolvm.version)}`]
	];
	return [
		`**${platform}**`,
		"",
		...table(["", ""], facts),
		"",
		...table([
			"Stage",
			"Time",
			"Size"
		], stages.map(({ stage, seconds, sizeBytes }) => [
			stage,
			`${seconds.toFixed(1)} s`,
			sizeBytes === void 0 ? "" : formatBytes(sizeBytes)
		])),
		""
	];
}
function table(head, rows) {
	const row = (cells) => `| ${cells.join(" | ")} |`;
	return [
		row(head),
		row(head.map(() => "---")),
		...rows.map(row)
	];
}
/** The failure as a headline, what to do, and where to read more. */
function failureSummary({ code: name, message, hints, permission, details: lines }) {
	const [first = "", ...rest] = message.split("\n");
	return [
		`## ${escaped(capitalized(first))}`,
		"",
		...rest.length === 0 ? [] : [escaped(rest.join(" ")), ""],
		...permission === void 0 ? [] : [
			`The job lacks ${code(permission)}. Add to it:`,
			"",
			"```yaml",
			"permissions:",
			...permission.startsWith("contents:") ? [] : ["  contents: read"],
			`  ${permission}`,
			"```",
			""
		],
		...lines.length === 0 ? [] : [
			"<pre>",
			...lines.slice(-15).map(escaped),
			"</pre>",
			""
		],
		...permission === void 0 ? hints.flatMap((hint) => [`**Try:** ${escaped(hint)}`, ""]) : hints.slice(1).flatMap((hint) => [escaped(capitalized(hint)), ""]),
		`[Troubleshooting](${DOCS}/troubleshooting.md#${name}) · ${code(name)}`,
		""
	].join("\n");
}
/** The name of a program stays as it is. */
function capitalized(text) {
	return /^(?:smolvm|docker|git|gh|claude-bottle|export)\b/.test(text) ? text : text.replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase());
}
function code(text) {
	return `<code>${escaped(text)}</code>`;
}
/** Text from anywhere, shown as it is: neither Markdown nor HTML. */
function escaped(text) {
	return shown(text).replaceAll(/[^A-Za-z0-9 ,.;:/()'"=+-]/gu, (character) => /[\p{L}\p{N}…’]/u.test(character) ? character : `&#${character.codePointAt(0)};`);
}
// src/action/report.ts
const BUG_HINT = "report this bug with the log of a run with debug logging";
const EXIT_CODES = {
	SIGINT: 130,
	SIGTERM: 143
};
/** Tells the user why a step has failed or was stopped, and returns its exit code. */
async function report(error, log, signal) {
	log.closeGroup();
	if (signal.reason instanceof InterruptedError) {
		log.notice("Cancelled", signal.reason.message);
		setOutput("error-code", "cancelled");
		return EXIT_CODES[signal.reason.signal];
	}
	const known = asBottleError(signal.aborted ? signal.reason : error, BUG_HINT);
	debug(stackOf(known));
	for (const line of known.details) log.text(`  | ${line}`);
	log.error(`claude-bottle-pack: ${known.code}`, known.message, known.hints);
	setOutput("error-code", known.code);
	await writeSummary(failureSummary(known));
	return 1;
}
/** A runner without summaries is not a reason to fail. */
async function writeSummary(markdown) {
	if (markdown !== "" && process.env.GITHUB_STEP_SUMMARY) await summary.addRaw(markdown).write();
}
export { requireLinuxRunner as C, prepareKvm as S, nonEmptyLines as _, ARTIFACT_NAME as a, installSmolvm as b, PATH as c, STAGE as d, TAG as f, naming as g, invalid as h, summaryOf as i, SHA256 as l, inputReader as m, report as n, BUILD_ARG as o, VERSION as p, writeSummary as r, HOST as s, BUG_HINT as t, SMOKE_TEST as u, DEFAULT_SMOLVM_VERSION as v, releaseSha256 as x, fileSha256 as y };
