import { t as buildImage } from "./build.mjs";
import { i as inspectImage, t as guestPlatformOf } from "./image.mjs";
import { t as BottleError } from "./errors.mjs";
import { p as id16 } from "./verify.mjs";
import { t as parseImageReference } from "./image-reference.mjs";
import { _ as HERE, m as storeDir } from "./by-key.mjs";
import { n as hostGuestPlatform, r as parseGuestPlatform } from "./platform.mjs";
import { t as counted } from "./shown-text.mjs";
import { a as runSmokeTest, i as requireOwnPlatform, n as packDirect, r as findSmolvmParts } from "./direct.mjs";
import { o as sourceDateEpoch, r as packImage, s as sweepKilledRuns } from "./pack.mjs";
import { n as findSmolvm, r as requireSupported } from "./smolvm.mjs";
import { l as memoryWarning, u as requireVirtualization } from "./virtualization.mjs";
import { t as warningsTo } from "./progress.mjs";
import { o as copySidecar } from "./file.mjs";
import { t as installPacked } from "./install.mjs";
import { n as findForImage } from "./read.mjs";
import { t as Store } from "./store.mjs";
import { r as sweepStore } from "./sweep.mjs";
import { a as warnAboutOnlyHere, n as platformOf, r as readInputs, t as imageName } from "./build-options.mjs";
import { t as checkoutOrigin } from "./checkout-origin.mjs";
import { lstat, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
// src/cli/pack-command.ts
/** The whole of `claude-bottle pack`: build, look into the store, pack, install. */
async function runPack(options, output, signal) {
	const { onProgress } = output;
	const { name, wanted, hop, smokeTest } = await parseOptions(options);
	const store = await Store.open(storeDir(options.store), onProgress);
	await sweepStore(store);
	await sweepKilledRuns(signal, onProgress);
	const inputs = await describeInputs(options, wanted ?? hostGuestPlatform(), output, signal);
	const image = options.build ? await build(name, options, output, signal) : await inspectImage(name, signal);
	const platform = guestPlatformOf(image, wanted, options.build);
	if (smokeTest !== void 0) requireOwnPlatform(platform);
	const hit = options.force ? void 0 : await findInStore(store, image, platform, options, output, signal);
	if (hit !== void 0 && smokeTest !== void 0) {
		const smolvm = await preflight(options.kvmCheck, warningsTo(onProgress));
		await runSmokeTest(hit.path, smokeTest, {
			smolvm,
			timeoutMs: limitOf(options),
			signal,
			onProgress
		});
	}
	const stored = hit ?? await packIntoStore(store, {
		...options,
		image,
		platform,
		hop,
		inputs,
		smokeTest
	}, output, signal);
	if (options.out !== void 0) await copySidecar(stored, resolve(options.out), { signal });
	const { report, record } = stored;
	output.result({
		status: hit === void 0 ? "packed" : "hit",
		imageId: image.id,
		id16: id16(image.id),
		platform,
		path: stored.path,
		sizeBytes: report.sizeBytes,
		sha256: report.sha256,
		...options.out !== void 0 && { out: resolve(options.out) },
		record
	}, [options.out === void 0 ? stored.path : resolve(options.out)]);
	return 0;
}
/** Everything that can be wrong with the options is found before any work. */
async function parseOptions(options) {
	const buildOnly = {
		"--file": options.file,
		"--target": options.target,
		"--build-arg": options.buildArg[0],
		"--secret": options.secret[0],
		"docker build arguments": options.extraArgs[0]
	};
	const [ignored] = Object.entries(buildOnly).find(([, value]) => value !== void 0) ?? [];
	if (!options.build && ignored !== void 0) throw new BottleError("usage", `${ignored} has no meaning with --no-build`, { hint: "leave out one of the two" });
	if (options.extraArgs.some((argument) => /^--iidfile(=|$)/.test(argument))) throw new BottleError("usage", "--iidfile is set by claude-bottle pack", { hint: "leave it out; --json gives the image ID" });
	if (options.build) await requireDirectory("build context", options.context);
	if (options.out !== void 0) {
		await requireDirectory("directory of --out", dirname(resolve(options.out)));
		if ((await lstat(options.out).catch(() => void 0))?.isDirectory()) throw new BottleError("usage", `--out ${JSON.stringify(options.out)} is a directory`, { hint: "name a file in it" });
	}
	if (options.smokeTestOutput !== void 0 && options.smokeTest === void 0) throw new BottleError("usage", "--smoke-test-output has no meaning without --smoke-test", { hint: "add --smoke-test with the command that prints it" });
	const hop = options.hop === "embedded" ? { kind: "embedded" } : {
		kind: "container",
		registryImage: parseImageReference(options.registryImage ?? "registry:2.8.3@sha256:a3d8aaa63ed8681a604f1dea0aa03f100d5895b6a58ace528858a7b332415373")
	};
	return {
		name: imageName(options.image),
		wanted: options.platform === void 0 ? void 0 : parseGuestPlatform(options.platform),
		hop,
		smokeTest: options.smokeTest === void 0 ? void 0 : {
			command: options.smokeTest,
			output: options.smokeTestOutput
		}
	};
}
/** For the pack record, by which `path` and `fetch` find the sidecar; what the key cannot see has none. */
async function describeInputs(options, platform, output, signal) {
	if (!options.build || options.extraArgs.length > 0) return;
	try {
		const inputs = await readInputs(options, platform, output, signal);
		await warnAboutOnlyHere(options.context, inputs, output, signal);
		return inputs.record;
	} catch (error) {
		if (!(error instanceof BottleError)) throw error;
		warningsTo(output.onProgress)(`packing without an inputs key: ${error.message}`);
		return;
	}
}
async function requireDirectory(what, dir) {
	if (!(await stat(resolve(dir)).catch(() => void 0))?.isDirectory()) throw new BottleError("usage", `the ${what} ${JSON.stringify(dir)} is not a directory`, { hint: "check the path" });
}
async function build(image, options, { onProgress }, signal) {
	onProgress({
		type: "start",
		stage: "build",
		detail: image
	});
	const built = await buildImage({
		...options,
		image,
		platform: platformOf(options),
		buildArgs: options.buildArg,
		secrets: options.secret
	}, {
		signal,
		onLine: (line) => onProgress({
			type: "output",
			stage: "build",
			line
		})
	});
	onProgress({
		type: "done",
		stage: "build",
		detail: `${image} (${id16(built.id)})`
	});
	return built;
}
async function findInStore(store, image, platform, options, { onProgress }, signal) {
	const { packer, cpus, mem } = options;
	onProgress({
		type: "start",
		stage: "store"
	});
	const missed = () => {
		onProgress({
			type: "done",
			stage: "store",
			isSilent: true
		});
	};
	const found = await findForImage(store, image.id, { origin: await originIfKnown(options) }, {
		platform,
		signal,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "store",
			doneBytes
		})
	});
	if (found !== void 0) {
		const { manifest, sizeBytes } = found.report;
		if ((cpus ?? manifest.cpus) !== manifest.cpus || (mem ?? manifest.mem) !== manifest.mem) {
			onProgress({
				type: "warning",
				message: `the sidecar in the store is for ${counted(manifest.cpus, "CPU")} and ${manifest.mem} MiB; packing again`
			});
			return missed();
		}
		if (packer === "direct" && found.record?.packer !== "direct") {
			onProgress({
				type: "warning",
				message: "the sidecar in the store is of packer smolvm; packing again"
			});
			return missed();
		}
		onProgress({
			type: "done",
			stage: "store",
			sizeBytes,
			detail: "in the store, nothing to pack"
		});
	}
	return found ?? missed();
}
/** The limit for each run of smolvm. */
function limitOf({ timeout }) {
	return timeout * 6e4;
}
/** A directory that git refuses can be packed, too; then only a sidecar that was packed here is a hit. */
async function originIfKnown(options) {
	try {
		return await checkoutOrigin(options);
	} catch (error) {
		if (error instanceof BottleError) return HERE;
		throw error;
	}
}
async function packIntoStore(store, options, { onProgress }, signal) {
	const { image, platform, inputs, smokeTest, cpus, mem } = options;
	const onWarning = warningsTo(onProgress);
	const pack = await preparePacker(options, onWarning);
	if (platform !== hostGuestPlatform()) onWarning(`packing for ${platform}: the sidecar starts on such hosts only, not on this one`);
	return await store.withTemp(async (outDir) => {
		const subject = {
			image,
			platform,
			cpus,
			memMib: mem,
			latestSeconds: sourceDateEpoch(process.env),
			outDir,
			signal,
			onProgress
		};
		const { report, record: packed } = await pack(subject);
		if (smokeTest !== void 0) {
			const timeoutMs = limitOf(options);
			const smolvm = await preflight(options.kvmCheck, onWarning);
			await runSmokeTest(report.path, smokeTest, {
				smolvm,
				timeoutMs,
				signal,
				onProgress
			});
		}
		const record = {
			...packed,
			...inputs && { inputs }
		};
		signal.throwIfAborted();
		onProgress({
			type: "start",
			stage: "install"
		});
		const { name } = await installPacked(store, image.id, report.path, record, { signal });
		const { sizeBytes, sha256 } = record.sidecar;
		onProgress({
			type: "done",
			stage: "install",
			sizeBytes,
			detail: `sha256 ${sha256}`
		});
		return {
			path: name,
			report,
			record
		};
	});
}
/** Finds what the packer needs before anything is made. */
async function preparePacker({ packer, hop, kvmCheck, ...limits }, onWarning) {
	if (packer === "direct") {
		const parts = await installedParts();
		if (parts === void 0) onWarning("no smolvm with an agent is installed here, so the sidecar has none: `smolvm machine create` takes it, `smolvm pack run` does not");
		return (subject) => packDirect({
			...subject,
			parts
		});
	}
	const smolvm = await preflight(kvmCheck, onWarning);
	return (subject) => packImage({
		...subject,
		hop,
		smolvm,
		timeoutMs: limitOf(limits)
	});
}
async function installedParts() {
	try {
		return await findSmolvmParts(await findSmolvm());
	} catch (error) {
		if (error instanceof BottleError && error.code === "smolvm-missing") return;
		throw error;
	}
}
async function preflight(kvmCheck, onWarning) {
	const smolvm = await findSmolvm();
	requireSupported(smolvm);
	if (kvmCheck) {
		await requireVirtualization();
		const warning = memoryWarning();
		if (warning !== void 0) onWarning(warning);
	} else onWarning("--no-kvm-check: not looking whether smolvm can start a virtual machine here");
	return smolvm;
}
export { parseOptions as a, limitOf as i, describeInputs as n, preflight as o, installedParts as r, runPack as s, build as t };
