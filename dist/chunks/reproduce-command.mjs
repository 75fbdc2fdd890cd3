import { i as inspectImage, t as guestPlatformOf } from "./image.mjs";
import { t as BottleError } from "./errors.mjs";
import { r as parseGuestPlatform } from "./platform.mjs";
import { n as packDirect } from "./direct.mjs";
import { f as imageSeconds, m as ZSTD_VERSION, r as packImage, s as sweepKilledRuns } from "./pack.mjs";
import { t as warningsTo } from "./progress.mjs";
import { i as verifySidecar } from "./verify.mjs";
import { t as installPacked } from "./install.mjs";
import { m as storeDir } from "./by-key.mjs";
import { t as Store } from "./store.mjs";
import { r as sweepStore } from "./sweep.mjs";
import { a as readGuest, i as differenceLines, n as compareSidecars, r as countsOf, t as readNamed } from "./named-sidecar.mjs";
import { a as parseOptions, i as limitOf, n as describeInputs, o as preflight, r as installedParts, t as build } from "./pack-command2.mjs";
import { t as SIGNS } from "./style.mjs";
// src/cli/reproduce-command.ts
/** Not 65, because nothing is damaged: this checkout, its engine or a tool is another one. */
const NOT_REPRODUCED = 78;
/** `claude-bottle pack --reproduce`: packs this checkout as a sidecar was packed, and says what differs. */
async function runReproduce(name, options, { output, signal }) {
	const { onProgress } = output;
	const parsed = await parseOptions(options);
	const store = await Store.open(storeDir(options.store), onProgress);
	const original = await readNamed(name, store, { signal });
	const recipe = recipeOf(name, original);
	warnOfOtherTools(original.record, recipe, warningsTo(onProgress));
	const pack = await preparePacker(recipe, parsed.hop, options, output);
	await sweepStore(store);
	await sweepKilledRuns(signal, onProgress);
	const { target = recipe.target } = options;
	const building = {
		...options,
		...target !== void 0 && { target },
		platform: recipe.platform
	};
	const inputs = await describeInputs(building, recipe.platform, output, signal);
	warnOfOtherInputs(inputs, recipe, warningsTo(onProgress));
	setSourceDateEpoch(recipe);
	const image = options.build ? await build(parsed.name, building, output, signal) : await inspectImage(parsed.name, signal);
	guestPlatformOf(image, recipe.platform, options.build);
	return await store.withTemp(async (outDir) => {
		const packed = await pack({
			...recipe,
			image,
			latestSeconds: latestSeconds(recipe, image),
			outDir,
			signal,
			onProgress
		});
		const { sha256, path } = packed.report;
		const result = {
			packer: recipe.packer,
			platform: recipe.platform,
			imageId: image.id,
			expectedSha256: recipe.sha256,
			sha256
		};
		if (sha256 === recipe.sha256) {
			const record = {
				...packed.record,
				...inputs && { inputs }
			};
			await installPacked(store, image.id, path, record, { signal });
			output.result({
				status: "same",
				...result
			}, [output.digest(`${SIGNS.ok} the same bytes: sha256 ${sha256}`)]);
			return 0;
		}
		const differences = original.report && await compare(name, store, path, signal);
		output.result({
			status: "different",
			...result,
			...differences && { differences }
		}, linesOf(recipe, packed, differences, output.digest));
		return NOT_REPRODUCED;
	});
}
function recipeOf(name, { record, report }) {
	const manifest = report?.manifest;
	const created = Date.parse(manifest?.created ?? "") / 1e3;
	const known = {
		name,
		createdSeconds: created >= 0 ? Math.floor(created) : void 0,
		sha256: report?.sha256 ?? record?.sidecar.sha256 ?? ""
	};
	if (record !== void 0) return {
		...known,
		packer: record.packer ?? "smolvm",
		platform: record.platform,
		target: record.inputs?.target,
		cpus: record.smolvm.cpus,
		memMib: record.smolvm.memMib,
		smolvmVersion: record.smolvm.version,
		parts: record.format?.parts,
		latestSeconds: record.format?.latestSeconds,
		inputs: record.inputs
	};
	return {
		...known,
		packer: manifest?.assets.libraries.length === 0 ? "direct" : "smolvm",
		platform: parseGuestPlatform(manifest?.platform ?? ""),
		target: void 0,
		cpus: manifest?.cpus,
		memMib: manifest?.mem,
		smolvmVersion: manifest?.smolvm_version,
		parts: manifest?.assets.agent_rootfs.size === 0 ? void 0 : "any",
		latestSeconds: void 0,
		inputs: void 0
	};
}
function warnOfOtherTools(record, { name }, onWarning) {
	const { version = 1, zstd = ZSTD_VERSION } = record?.format ?? {};
	if (version !== 1 || zstd !== ZSTD_VERSION) onWarning(`${name} has format ${version} by zstd ${zstd}, and this is format 1 by zstd ${ZSTD_VERSION}: the same files may give other bytes`);
}
function warnOfOtherInputs(inputs, { name, inputs: expected }, onWarning) {
	if (inputs === void 0 || expected === void 0 || inputs.key === expected.key) return;
	onWarning(`this checkout is not the one of ${name}: it has ${[
		...inputs.dockerfileSha256 === expected.dockerfileSha256 ? [] : ["another Dockerfile"],
		...inputs.target === expected.target ? [] : ["another target (--target)"],
		...inputs.buildArgsSha256 === expected.buildArgsSha256 ? [] : ["other build arguments, which the record does not name (--build-arg)"],
		...inputs.entriesSha256 === expected.entriesSha256 ? [] : ["other files"]
	].join(", ") || "another inputs key"}`);
}
async function preparePacker(recipe, hop, options, { onProgress }) {
	const { name, packer, parts: wanted, smolvmVersion } = recipe;
	if (packer === "direct") {
		const parts = wanted === void 0 ? void 0 : await installedParts();
		if (wanted !== void 0 && (parts === void 0 || ![parts.version, "any"].includes(wanted))) throw otherSmolvm(name, `the agent of smolvm ${wanted}`, parts?.version);
		return (subject) => packDirect({
			...subject,
			parts
		});
	}
	const smolvm = await preflight(options.kvmCheck, warningsTo(onProgress));
	if (smolvmVersion !== void 0 && smolvm.version !== smolvmVersion) throw otherSmolvm(name, `been packed by smolvm ${smolvmVersion}`, smolvm.version);
	return (subject) => packImage({
		...subject,
		hop,
		smolvm,
		timeoutMs: limitOf(options)
	});
}
function otherSmolvm(name, has, found) {
	return new BottleError("smolvm-unsupported", `${name} has ${has}, and here is ${found === void 0 ? "none with an agent" : `smolvm ${found}`}`, { hint: "put that version first on PATH" });
}
/** For the build and for us: as it was set for the original, or not at all. */
function setSourceDateEpoch({ latestSeconds }) {
	if (latestSeconds === void 0) delete process.env.SOURCE_DATE_EPOCH;
	else process.env.SOURCE_DATE_EPOCH = String(latestSeconds);
}
/** An image that was built again is dated as the original was. */
function latestSeconds({ latestSeconds, createdSeconds }, image) {
	const isNewer = createdSeconds !== void 0 && imageSeconds(image) > createdSeconds;
	return latestSeconds ?? (isNewer ? createdSeconds : void 0);
}
async function compare(name, store, path, signal) {
	const original = await readGuest({ signal }, (options) => readNamed(name, store, options));
	const verify = async (options) => ({ report: await verifySidecar(path, {}, options) });
	const packed = await readGuest({ signal }, verify, original.files);
	return original.report && compareSidecars({
		...original,
		report: original.report
	}, packed);
}
function linesOf({ name, packer, sha256 }, { report }, differences, digest) {
	const bytes = `sha256 ${digest(report.sha256)}, and ${name} has ${digest(sha256)}`;
	if (differences === void 0) return [`${SIGNS.fail} other bytes: ${bytes}`, "which files differ cannot be said without the sidecar: put it beside its record"];
	const counts = countsOf(differences);
	const isAlike = counts === void 0 && differences.settings.length === 0;
	return [
		`${SIGNS.fail} other bytes, ${counts ?? "the same files"}: ${bytes}`,
		...differenceLines(differences),
		...isAlike && packer === "direct" ? ["what differs is the rest: the agent of smolvm, the labels of the image, or the compression"] : [],
		...packer === "smolvm" ? ["packer smolvm: a virtual machine writes the layer, so its files can be compared, and not its bytes"] : []
	];
}
export { runReproduce };
