import { t as BottleError } from "./errors.mjs";
import { t as id16 } from "./image-id.mjs";
import { t as parseImageReference } from "./image-reference.mjs";
import { n as hostGuestPlatform, r as parseGuestPlatform } from "./platform.mjs";
import { n as buildImage, s as guestPlatformOf, u as inspectImage } from "./docker.mjs";
import { n as sweepKilledRuns, t as packImage } from "./pack.mjs";
import { i as findSmolvm, l as requireSupported, u as requireVirtualization } from "./smolvm.mjs";
import { n as warningsTo } from "./progress.mjs";
import { c as storeDir } from "./kept.mjs";
import { r as exportSidecar, t as Store } from "./store.mjs";
import { r as readInputs, t as imageName } from "./build-options.mjs";
import { lstat, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
// src/cli/pack-command.ts
/** The whole of `claude-bottle pack`: build, look into the store, pack, install. */
async function runPack(options, output, signal) {
	const { onProgress } = output;
	const { name, wanted, hop } = await parseOptions(options);
	const store = await Store.open(storeDir(options.store));
	await store.sweep(warningsTo(onProgress));
	await sweepKilledRuns(signal, onProgress);
	const inputs = await describeInputs(options, wanted ?? hostGuestPlatform(), output, signal);
	const image = options.build ? await build(name, options, output, signal) : await inspectImage(name, signal);
	const platform = guestPlatformOf(image, wanted, options.build);
	const hit = options.force ? void 0 : await findInStore(store, image, platform, options, output, signal);
	const stored = hit ?? await packIntoStore(store, {
		...options,
		image,
		platform,
		hop,
		inputs
	}, output, signal);
	if (options.out !== void 0) await exportSidecar(stored, resolve(options.out));
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
	if (options.extraArgs.some((argument) => /^--iidfile(=|$)/.test(argument))) throw new BottleError("usage", "--iidfile is ours: it says what was built", { hint: "leave it out; --json gives the image ID" });
	if (options.build) await requireDirectory("build context", options.context);
	if (options.out !== void 0) {
		await requireDirectory("directory of --out", dirname(resolve(options.out)));
		if ((await lstat(options.out).catch(() => void 0))?.isDirectory()) throw new BottleError("usage", `--out ${JSON.stringify(options.out)} is a directory`, { hint: "name a file in it" });
	}
	const hop = options.hop === "embedded" ? { kind: "embedded" } : {
		kind: "container",
		registryImage: parseImageReference(options.registryImage ?? "registry:2.8.3@sha256:a3d8aaa63ed8681a604f1dea0aa03f100d5895b6a58ace528858a7b332415373")
	};
	return {
		name: imageName(options.image),
		wanted: options.platform === void 0 ? void 0 : parseGuestPlatform(options.platform),
		hop
	};
}
/** For the pack record, by which `path` and `fetch` find the sidecar; what the key cannot see has none. */
async function describeInputs(options, platform, output, signal) {
	if (!options.build || options.extraArgs.length > 0) return;
	try {
		return (await readInputs(options, platform, output, signal)).record;
	} catch (error) {
		if (!(error instanceof BottleError)) throw error;
		warningsTo(output.onProgress)(`packing without an inputs key: ${error.message}`);
		return;
	}
}
async function requireDirectory(what, dir) {
	if (!(await stat(dir).catch(() => void 0))?.isDirectory()) throw new BottleError("usage", `the ${what} ${JSON.stringify(dir)} is not a directory`, { hint: "name one that is there" });
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
		detail: `${image} ${id16(built.id)}`
	});
	return built;
}
async function findInStore(store, image, platform, { cpus, mem }, { onProgress }, signal) {
	onProgress({
		type: "start",
		stage: "store"
	});
	const found = await store.find(image.id, {
		platform,
		signal,
		onBytes: (doneBytes) => onProgress({
			type: "bytes",
			stage: "store",
			doneBytes
		}),
		onQuarantine: (reason, movedTo) => onProgress({
			type: "warning",
			message: `${reason}; moved to ${movedTo}, packing again`
		})
	});
	if (found !== void 0) {
		const { manifest } = found.report;
		if ((cpus ?? manifest.cpus) !== manifest.cpus || (mem ?? manifest.mem) !== manifest.mem) {
			onProgress({
				type: "warning",
				message: `the sidecar in the store is for ${manifest.cpus} CPUs and ${manifest.mem} MiB; packing again`
			});
			return;
		}
		onProgress({
			type: "done",
			stage: "store",
			sizeBytes: found.report.sizeBytes,
			detail: "verified, nothing to pack"
		});
	}
	return found;
}
async function packIntoStore(store, { image, platform, hop, inputs, cpus, mem, timeout, kvmCheck }, { onProgress }, signal) {
	const onWarning = warningsTo(onProgress);
	const smolvm = await preflight(kvmCheck, onWarning);
	if (platform !== hostGuestPlatform()) onWarning(`packing for ${platform}: the sidecar starts on such hosts only, not on this one`);
	return await store.withTemp(async (outDir) => {
		const { report, record: packed } = await packImage({
			image,
			platform,
			hop,
			smolvm,
			cpus,
			memMib: mem,
			timeoutMs: timeout * 6e4,
			outDir,
			signal,
			onProgress
		});
		const record = {
			...packed,
			...inputs && { inputs }
		};
		signal.throwIfAborted();
		onProgress({
			type: "start",
			stage: "store"
		});
		const { path } = await store.install(image.id, report.path, record, { signal });
		const { sizeBytes, sha256 } = record.sidecar;
		onProgress({
			type: "done",
			stage: "store",
			sizeBytes,
			detail: `sha256 ${sha256}`
		});
		return {
			path,
			report,
			record
		};
	});
}
async function preflight(kvmCheck, onWarning) {
	const smolvm = await findSmolvm();
	requireSupported(smolvm, onWarning);
	if (kvmCheck) await requireVirtualization();
	else onWarning("--no-kvm-check: not looking whether smolvm can start a virtual machine here");
	return smolvm;
}
export { runPack };
