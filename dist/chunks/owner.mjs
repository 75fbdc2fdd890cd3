import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { hostname } from "node:os";
// src/host/owner.ts
function ownerOf(pid) {
	return `${HOST.id}-${HOST.boot()}-${pid}-${startTime(pid) ?? "gone"}`;
}
function thisOwner() {
	return ownerOf(process.pid);
}
/** False only when the process is known to have ended; owners on other hosts count as alive. */
function isAlive(owner) {
	const [host, boot, pid, start] = owner.split("-");
	if (host !== HOST.id || pid === void 0 || start === void 0) return true;
	return boot === HOST.boot() && startTime(Number(pid)) === start;
}
function pidOf(owner) {
	return Number(owner.split("-")[2]);
}
const HOST = {
	id: shortHash(hostname() + pidNamespace()),
	bootHash: void 0,
	boot() {
		this.bootHash ??= shortHash(bootId());
		return this.bootHash;
	}
};
function shortHash(text) {
	return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
/** Containers with the host's name have pids of their own; what they own counts as another host's. */
function pidNamespace() {
	return process.platform === "linux" ? readlinkSync("/proc/self/ns/pid") : "";
}
function bootId() {
	return process.platform === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8") : outputOf("/usr/sbin/sysctl", ["-n", "kern.boottime"]) ?? "";
}
/** An opaque text that differs between processes that had the same pid; undefined when there is none now. */
function startTime(pid) {
	if (process.platform !== "linux") {
		const started = outputOf("/bin/ps", [
			"-o",
			"lstart=",
			"-p",
			String(pid)
		])?.trim();
		return started ? shortHash(started) : void 0;
	}
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return fields[0] === "Z" || fields[0] === "X" ? void 0 : fields[19];
	} catch {
		return;
	}
}
function outputOf(command, args) {
	try {
		return execFileSync(command, args, {
			encoding: "utf8",
			stdio: [
				"ignore",
				"pipe",
				"ignore"
			]
		});
	} catch {
		return;
	}
}
export { thisOwner as i, ownerOf as n, pidOf as r, isAlive as t };
