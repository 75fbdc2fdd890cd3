import { a as hasErrno, i as fileError, t as BottleError } from "./errors.mjs";
import { a as readChild, i as noteChild, n as endProcess, o as runChild, r as endProcessesIn, t as endNotedChild } from "./child.mjs";
import { t as isOlder } from "./version.mjs";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { delimiter, join } from "node:path";
// src/pack/smolvm.ts
const PROBE_TIMEOUT_MS = 3e4;
const MINIMUM_VERSION = "1.1.3";
const RECOMMENDED_VERSION = "1.8.3";
/** These releases were built against a newer glibc than the rest (smolvm issue 636). */
const NEEDS_GLIBC_2_39 = [
	"1.2.0",
	"1.6.0",
	"1.6.1"
];
/** What 1.8.3 and later allow anyway; before, from 1.6.0 on, 4 GiB without this variable. */
const EXPORT_CAP = "64GiB";
/** Finds smolvm on PATH (or takes `path`) and asks for its version and options. */
async function findSmolvm(path) {
	const executable = path ?? await findOnPath("smolvm");
	if (executable === void 0) throw new BottleError("smolvm-missing", "smolvm is not on PATH", { hint: `install smolvm ${RECOMMENDED_VERSION} or later (https://github.com/smol-machines/smolvm/releases)` });
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
		const result = await readChild(executable, args, { timeoutMs: PROBE_TIMEOUT_MS });
		if (result.exitCode === 0) return result.stdout;
		throw new BottleError("smolvm-unsupported", `${executable} ${args.join(" ")} failed`, {
			hint: "run it by hand; smolvm may be too old, or its libraries missing",
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
	for (const dir of (process.env.PATH ?? "").split(delimiter)) {
		const candidate = join(dir, name);
		const isExecutable = await fs.access(candidate, constants.X_OK).then(() => true, () => false);
		if (dir !== "" && isExecutable) return candidate;
	}
}
/**
* What is known of a smolvm version.
* @param glibc the machine's glibc, undefined where there is none (macOS, musl)
*/
function judgeVersion(version, glibc) {
	if (isOlder(version, MINIMUM_VERSION)) return { refusal: `smolvm ${version} is older than ${MINIMUM_VERSION}: it loses deletions and file owners of image layers` };
	if (NEEDS_GLIBC_2_39.includes(version) && glibc !== void 0 && isOlder(glibc, "2.39")) return { refusal: `smolvm ${version} needs glibc 2.39, this machine has ${glibc}` };
	if (isOlder(version, RECOMMENDED_VERSION)) return { warning: `smolvm ${version} is older than ${RECOMMENDED_VERSION}: images over 4 GiB may fail to pack, and its packs may lose file owners` };
	return {};
}
function glibcVersion() {
	return (process.report?.getReport())?.header?.glibcVersionRuntime;
}
/** @throws BottleError `smolvm-unsupported` for a version that cannot pack correctly on this machine */
function requireSupported(smolvm, onWarning) {
	const { refusal, warning } = judgeVersion(smolvm.version, glibcVersion());
	if (refusal !== void 0) throw new BottleError("smolvm-unsupported", refusal, { hint: `install smolvm ${RECOMMENDED_VERSION} or later` });
	if (warning !== void 0) onWarning(warning);
}
const KVM_DEVICE = "/dev/kvm";
const KVM_RULE = "KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0666\", OPTIONS+=\"static_node=kvm\"";
const KVM_RULE_FILE = "/etc/udev/rules.d/99-kvm4all.rules";
const UDEV_LINE = `echo '${KVM_RULE}' | sudo tee ${KVM_RULE_FILE} && sudo udevadm control --reload-rules && sudo udevadm trigger --name-match=kvm`;
/**
* smolvm starts a builder VM: on Linux through /dev/kvm, on macOS through the Hypervisor framework.
* @throws BottleError `kvm-unavailable`
*/
async function requireVirtualization(kvmDevice = KVM_DEVICE) {
	if (process.platform === "darwin") {
		if ((await readChild("sysctl", ["-n", "kern.hv_support"], { timeoutMs: PROBE_TIMEOUT_MS })).stdout.trim() !== "1") throw new BottleError("kvm-unavailable", "this Mac offers no Hypervisor framework (kern.hv_support)", { hint: "pack on a Mac that is not itself a virtual machine, and bring the file here" });
		return;
	}
	try {
		await (await fs.open(kvmDevice, constants.O_RDWR)).close();
	} catch (error) {
		if (hasErrno(error, "EACCES", "EPERM")) throw new BottleError("kvm-unavailable", `this user may not open ${kvmDevice}`, {
			hint: `allow it: ${UDEV_LINE}`,
			cause: error
		});
		throw new BottleError("kvm-unavailable", `this machine has no usable ${kvmDevice}`, {
			hint: "pack on a machine with KVM (GitHub: ubuntu-latest x64), and bring the file here",
			cause: error
		});
	}
}
function packCreateArgs(smolvm, options) {
	const whereKnown = (flag, value) => smolvm.flags.has(flag) ? [flag, value] : [];
	const { cpus, memMib } = options;
	return [
		...[
			"pack",
			"create",
			"--image",
			options.reference,
			"--output",
			options.output
		],
		...whereKnown("--oci-platform", options.platform),
		...whereKnown("--staging-dir", join(options.scratch, "staging")),
		...cpus === void 0 ? [] : ["--cpus", String(cpus)],
		...memMib === void 0 ? [] : ["--mem", String(memMib)]
	];
}
/** smolvm's environment: all it writes stays in `scratch`, and its guest reaches the loopback of this host. */
function packCreateEnv(env, scratch) {
	const { SMOLVM_PUBLISH_ADDR: _publish, SMOLVM_GUEST_HOST_SERVICE: _service, SMOLVM_DATA_DIR: _data, SMOLVM_PACK_STAGING: _staging, ...rest } = env;
	return {
		SMOLVM_FILE_TRANSFER_MAX_BYTES: EXPORT_CAP,
		...rest,
		TMPDIR: join(scratch, "tmp"),
		XDG_CACHE_HOME: scratch
	};
}
/**
* Runs `smolvm pack create` and returns the sidecar. Its exit code says that it wrote one, not that the file is
* good: verify it.
*/
async function packCreate(smolvm, options) {
	const { scratch } = options;
	const cwd = join(scratch, "cwd");
	try {
		for (const dir of [
			cwd,
			join(scratch, "tmp"),
			join(scratch, "staging")
		]) await fs.mkdir(dir, { mode: 448 });
	} catch (error) {
		throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
	}
	try {
		const result = await runChild(smolvm.path, packCreateArgs(smolvm, options), {
			cwd,
			env: packCreateEnv(process.env, scratch),
			signal: options.signal,
			timeoutMs: options.timeoutMs,
			...options.onLine === void 0 ? {} : { onLine: options.onLine },
			timeoutHint: "give it more time (timeout), or look for what it waits for",
			onSpawn: noteChild(scratch)
		});
		if (result.exitCode !== 0) {
			const ending = result.exitCode === void 0 ? `ended by ${result.signal}` : `exit code ${result.exitCode}`;
			throw new BottleError("pack-failed", `smolvm pack create failed (${ending})`, {
				hint: packHint(result.tail),
				details: result.tail
			});
		}
	} finally {
		await reapPackCreate(scratch);
	}
	const path = `${options.output}.smolmachine`;
	const sizeBytes = (await fs.stat(path).catch(() => void 0))?.size;
	if (!sizeBytes) throw new BottleError("pack-failed", `smolvm pack create ended with exit code 0, but ${sizeBytes === 0 ? "its sidecar is empty" : "it has written no sidecar"}: ${path}`, { hint: `try smolvm ${RECOMMENDED_VERSION} or later` });
	await fs.rm(options.output, { force: true });
	return {
		path,
		sizeBytes
	};
}
function packHint(lines) {
	const text = lines.join("\n");
	if (/no space left|disk full|ENOSPC/i.test(text)) return "free some disk space, or name a larger disk with TMPDIR";
	if (/kvm permission denied/i.test(text)) return `allow this user to open ${KVM_DEVICE}: ${UDEV_LINE}`;
	if (/kvm not available/i.test(text)) return "pack on a machine with KVM, and bring the file here";
	if (/exceeding the \d+ byte cap/.test(text)) return `install smolvm ${RECOMMENDED_VERSION} or later, which packs images over 4 GiB`;
	return "see what smolvm says above; `claude-bottle doctor` checks the machine";
}
/**
* Ends what a `smolvm pack create` in `scratch` has left running: smolvm has no signal handlers, so its builder VM,
* a child with a session of its own, outlives it. A process is known by `scratch` in its arguments or environment:
* its pid alone may by now be another's.
*/
async function reapPackCreate(scratch) {
	await endNotedChild(scratch);
	const vms = join(scratch, "smolvm", "vms");
	const names = await fs.readdir(vms).catch((error) => {
		if (hasErrno(error, "ENOENT")) return [];
		throw fileError(`cannot read ${vms}`, error);
	});
	for (const name of names) {
		const pid = Number((await readIfThere(join(vms, name, "agent.pid")))?.split("\n")[0]);
		if (Number.isInteger(pid) && pid > 1 && (await describeProcess(pid)).includes(scratch)) await endProcess(pid);
	}
	if (process.platform === "linux") await endProcessesIn(scratch);
}
async function readIfThere(path) {
	return await fs.readFile(path, "utf8").catch(() => void 0);
}
async function describeProcess(pid) {
	if (process.platform === "linux") {
		const [args, env] = await Promise.all(["cmdline", "environ"].map((name) => readIfThere(`/proc/${pid}/${name}`)));
		return `${args}${env}`;
	}
	return (await readChild("ps", [
		"eww",
		"-o",
		"command=",
		"-p",
		String(pid)
	])).stdout;
}
export { glibcVersion as a, reapPackCreate as c, findSmolvm as i, requireSupported as l, KVM_RULE as n, judgeVersion as o, KVM_RULE_FILE as r, packCreate as s, KVM_DEVICE as t, requireVirtualization as u };
