import { o as hasErrno, t as BottleError } from "./errors.mjs";
import { s as readChild } from "./child.mjs";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { totalmem } from "node:os";
// src/pack/virtualization.ts
const PROBE_TIMEOUT_MS = 3e4;
const KVM_DEVICE = "/dev/kvm";
const KVM_RULE = "KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0666\", OPTIONS+=\"static_node=kvm\"";
const KVM_RULE_FILE = "/etc/udev/rules.d/99-kvm4all.rules";
/** A command line that opens the KVM device to everyone, now and after a restart. */
const OPEN_KVM = `echo '${KVM_RULE}' | sudo tee ${KVM_RULE_FILE} && sudo udevadm control --reload-rules && sudo udevadm trigger --name-match=kvm`;
/** smolvm, run as root, gives each VM a user ID of its own, from this one up. */
const FIRST_VM_UID = 2e6;
const OTHERS_READ_WRITE = 6;
/** smolvm gives the machine in which it packs this much; no option changes that. */
const BUILDER_MEMORY_GIB = 8;
const GIB = 1024 ** 3;
async function kvmState(device = KVM_DEVICE) {
	try {
		const file = await fs.open(device, constants.O_RDWR);
		try {
			const { mode } = await file.stat();
			return process.getuid?.() === 0 && process.env.SMOLVM_VM_UID_DROP !== "off" && (mode & OTHERS_READ_WRITE) !== OTHERS_READ_WRITE ? "closed-to-vm" : "open";
		} finally {
			await file.close();
		}
	} catch (error) {
		return hasErrno(error, "EACCES", "EPERM") ? "closed" : "missing";
	}
}
/**
* smolvm packs in a virtual machine: on Linux through /dev/kvm, on macOS through the Hypervisor framework.
* @throws BottleError `kvm-unavailable`
*/
async function requireVirtualization(kvmDevice = KVM_DEVICE) {
	if (process.platform === "darwin") {
		if ((await readChild("sysctl", ["-n", "kern.hv_support"], { timeoutMs: PROBE_TIMEOUT_MS })).stdout.trim() !== "1") throw new BottleError("kvm-unavailable", "this Mac offers no Hypervisor framework (kern.hv_support)", { hint: "pack without a virtual machine (--packer direct), or on a Mac that is not itself one" });
		return;
	}
	const state = await kvmState(kvmDevice);
	if (state !== "open") throw kvmError(state, kvmDevice);
}
function kvmError(state, device) {
	switch (state) {
		case "closed": return new BottleError("kvm-unavailable", `this user may not open ${device}`, { hint: OPEN_KVM });
		case "closed-to-vm": return new BottleError("kvm-unavailable", `${device} is open to root only, and smolvm, run as root, starts its VM as uid ${FIRST_VM_UID} or above`, { hint: `chmod o+rw ${device}` });
		case "missing": return new BottleError("kvm-unavailable", `this machine has no usable ${device}`, { hint: "pack without a virtual machine (packer: direct), or on a machine with KVM (GitHub: ubuntu-latest x64)" });
	}
}
/** What this process may use: the machine's memory, or the limit of its container. */
function memoryBytes() {
	return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
/** A sentence when there is less memory than smolvm's builder machine may take; it often works anyway. */
function memoryWarning(bytes = memoryBytes()) {
	return bytes < BUILDER_MEMORY_GIB * GIB ? `smolvm packs in a virtual machine of ${BUILDER_MEMORY_GIB} GiB, and ${(bytes / GIB).toFixed(1)} GiB of memory are here: a pack can end with "agent did not become ready"` : void 0;
}
export { OPEN_KVM as a, memoryBytes as c, KVM_RULE_FILE as i, memoryWarning as l, KVM_DEVICE as n, kvmError as o, KVM_RULE as r, kvmState as s, FIRST_VM_UID as t, requireVirtualization as u };
