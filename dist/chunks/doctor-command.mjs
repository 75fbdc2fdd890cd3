import { o as isDamage, t as BottleError } from "./errors.mjs";
import { n as freeBytes, t as formatBytes } from "./disk.mjs";
import { l as scratchParent, o as storeDir, t as Store } from "./store.mjs";
import { a as glibcVersion, h as engineFacts, i as findSmolvm, o as judgeVersion, u as requireVirtualization } from "./smolvm.mjs";
import { t as readSidecar } from "./verify.mjs";
import { styleText } from "node:util";
import * as fs from "node:fs/promises";
// src/cli/doctor-command.ts
/** Room for an agent image of 2 GB, flattened and packed. */
const COMFORTABLE_BYTES = 8e9;
/** `claude-bottle doctor`: a line for each thing that packing needs; 78 when one of them is missing. */
async function runDoctor(options, output, signal) {
	const dir = storeDir(options.store);
	const checks = [
		["docker", () => checkDocker(signal)],
		["smolvm", checkSmolvm],
		["machine", checkVirtualization],
		["scratch", () => checkDisk(scratchParent(), "TMPDIR")],
		["store", () => checkStore(dir)]
	];
	const findings = await Promise.all(checks.map(async ([name, check]) => ({
		name,
		...await check().catch(failure)
	})));
	output.result({ findings }, findings.flatMap(({ name, state, detail, fix }) => [`${colored(state)}  ${name.padEnd(8)} ${detail}`, ...fix === void 0 ? [] : [`      fix: ${fix}`]]));
	return findings.some(({ state }) => state === "fail") ? 78 : 0;
}
function colored(state) {
	return styleText({
		ok: "green",
		warn: "yellow",
		fail: "red"
	}[state], state.padEnd(4), { stream: process.stdout });
}
function failure(error) {
	if (error instanceof BottleError) return {
		state: "fail",
		detail: error.message,
		fix: error.hint
	};
	throw error;
}
async function checkDocker(signal) {
	const { version, store } = await engineFacts(signal);
	return {
		state: "ok",
		detail: `engine ${version}, ${store} image store`
	};
}
async function checkSmolvm() {
	const smolvm = await findSmolvm();
	const { refusal, warning } = judgeVersion(smolvm.version, glibcVersion());
	return {
		state: refusal !== void 0 ? "fail" : warning !== void 0 ? "warn" : "ok",
		detail: refusal ?? warning ?? `${smolvm.version}, ${smolvm.path}`,
		fix: (refusal ?? warning) && "install a newer smolvm"
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
		fix: `free some space, or name a larger disk with ${variable}`
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
		fix: "claude-bottle verify --all moves them to quarantine"
	};
	return {
		state: "ok",
		detail: `${dir}, ${await fs.stat(dir).then(() => true, () => false) ? `${ids.length} sidecars` : "not there yet"}`
	};
}
export { runDoctor };
