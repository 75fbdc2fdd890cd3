import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as counted } from "./shown-text.mjs";
import { i as verifySidecar, p as id16 } from "./verify.mjs";
import { n as hostGuestPlatform } from "./platform.mjs";
import { a as noteChild, s as readChild } from "./child.mjs";
import { _ as paddingAfter, a as sidecarImageName, b as hintFor, d as exportImage, g as tarEntryHeader, h as sparseHeader, i as packRecord, l as createdTime, n as layerWarnings, p as SidecarWriter, t as filesIn, u as describeImage, v as packCreateEnv, y as reapPackCreate } from "./pack.mjs";
import { l as runtimeConfig } from "./image.mjs";
import { i as withPrivateDir, n as scratchParent } from "./private-dir.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { t as warningsTo } from "./progress.mjs";
import { i as TarError } from "./links.mjs";
import { createZstdDecompress } from "node:zlib";
import { createReadStream } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
// src/pack/smoke-test.ts
const STAGE = "smoke-test";
const MACHINE = "smoke-test";
const SHOWN_CHARS = 200;
/** @throws BottleError `usage` for a sidecar that no machine of this host can be made from */
function requireOwnPlatform(platform) {
	const own = hostGuestPlatform();
	if (platform !== own) throw new BottleError("usage", `a smoke test cannot start a machine for ${platform} on ${own}`, { hint: `pack ${platform} on such a machine, or without a smoke test` });
}
/**
* Makes a machine from the sidecar, starts it and runs the test's command in it. The machine ends and all of it is
* removed, whatever happens: its state is in a private directory, which the next run sweeps if this one is killed.
* @throws BottleError `smoke-test-failed`
*/
async function runSmokeTest(sidecar, test, { onProgress, ...options }) {
	onProgress({
		type: "start",
		stage: STAGE
	});
	await withPrivateDir(scratchParent(), async (scratch) => {
		const smolvm = await machineCommand(scratch, {
			...options,
			onLine: (line) => onProgress({
				type: "output",
				stage: STAGE,
				line
			})
		});
		await requireSuccess(smolvm, "create", ["--from", sidecar]);
		await requireSuccess(smolvm, "start", []);
		judge(test, await smolvm("exec", [
			"--",
			"sh",
			"-c",
			test.command
		]));
	}, reapPackCreate);
	onProgress({
		type: "done",
		stage: STAGE
	});
}
/** Runs `smolvm machine`, with all that it writes in `scratch`. */
async function machineCommand(scratch, { smolvm, ...options }) {
	const cwd = join(scratch, "cwd");
	try {
		for (const dir of [cwd, join(scratch, "tmp")]) await fs.mkdir(dir, { mode: 448 });
	} catch (error) {
		throw fileError(`cannot make the directories for smolvm in ${scratch}`, error);
	}
	const env = {
		...packCreateEnv(process.env, scratch),
		HOME: scratch
	};
	return async (verb, args) => await readChild(smolvm.path, [
		"machine",
		verb,
		"--name",
		MACHINE,
		...args
	], {
		...options,
		cwd,
		env,
		timeoutHint: "give it more time (timeout), or look for what the command waits for",
		onSpawn: noteChild(scratch)
	});
}
async function requireSuccess(smolvm, verb, args) {
	const result = await smolvm(verb, args);
	if (result.exitCode !== 0) {
		const details = lastLines(result);
		throw new BottleError("smoke-test-failed", `smolvm machine ${verb} failed (${endingOf(result)})`, {
			hint: hintFor(details),
			details
		});
	}
}
function judge({ command, output }, result) {
	const failure = (what, hint) => new BottleError("smoke-test-failed", `the smoke test ${quoted(command)} ${what}`, {
		hint,
		details: lastLines(result)
	});
	if (result.exitCode !== 0) throw failure(`failed (${endingOf(result)})`, "run the same command with docker run to see whether the image is at fault");
	if (output !== void 0 && !result.stdout.includes(output)) throw failure(`did not print ${quoted(output)}`, "correct the image or the expected output");
}
function endingOf({ exitCode, signal }) {
	return exitCode === void 0 ? `ended by ${signal}` : `exit code ${exitCode}`;
}
function quoted(text) {
	return JSON.stringify(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}
function lastLines({ stdout, tail }) {
	return [...stdout.split("\n").filter((line) => line.trim() !== "").slice(-20), ...tail];
}
// src/pack/smolvm-parts.ts
/** What smolvm leaves in its agent's root file system when it has used it. */
const USED_MARK = /^\.smolvm-ready/;
const STORAGE_MEMBER = "storage.ext4";
const AGENT_MEMBER = "agent-rootfs.tar";
const READ_CHUNK_BYTES = 1048576;
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(READ_CHUNK_BYTES);
/** A fresh ext4 holds some megabytes that are not zero, whatever its size. */
const MAX_TEMPLATE_DATA_BYTES = 67108864;
/** Finds the parts beside the executable, as a release lays them out; undefined without an agent. */
async function findSmolvmParts({ path, version }) {
	const dir = dirname(await fs.realpath(path));
	const agentRootfs = join(dir, "agent-rootfs");
	const template = join(dir, "storage-template.ext4.zst");
	if (!await isThere(agentRootfs)) return;
	return {
		version,
		agentRootfs,
		storageTemplate: await isThere(template) ? template : void 0
	};
}
async function isThere(path) {
	return await fs.access(path).then(() => true, () => false);
}
/** The directory as a tar in which nothing depends on who installed smolvm, and when. */
async function addAgentRootfs(writer, { agentRootfs }) {
	try {
		return await writer.addTar(directoryEntries(agentRootfs, ""), () => AGENT_MEMBER);
	} catch (error) {
		throw readError(agentRootfs, error);
	}
}
async function* directoryEntries(root, path) {
	const names = (await fs.readdir(join(root, path))).filter((name) => !USED_MARK.test(name));
	names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
	for (const name of names) {
		const inner = path === "" ? name : `${path}/${name}`;
		const full = join(root, inner);
		const stat = await fs.lstat(full);
		const header = {
			pathBytes: Buffer.from(inner),
			mode: modeOf(stat),
			sizeBytes: 0
		};
		if (stat.isDirectory()) {
			yield headerPart({
				...header,
				type: "directory"
			});
			yield* directoryEntries(root, inner);
		} else if (stat.isSymbolicLink()) {
			const linkPathBytes = await fs.readlink(full, "buffer");
			yield headerPart({
				...header,
				type: "symlink",
				mode: 511,
				linkPathBytes
			});
		} else if (stat.isFile()) {
			const content = await fs.readFile(full);
			yield headerPart({
				...header,
				type: "file",
				sizeBytes: content.length
			});
			yield {
				kind: "body",
				chunk: content
			};
			yield {
				kind: "body",
				chunk: paddingAfter(content.length)
			};
		}
	}
}
/** Others may what the owner may, but for writing: what the umask has left of it differs between machines. */
function modeOf({ mode }) {
	return mode & 448 | (mode & 320) >> 3 | (mode & 320) >> 6;
}
function headerPart(header) {
	return {
		kind: "header",
		entry: header,
		raw: tarEntryHeader(header)
	};
}
/** The template as a sparse file. */
async function addStorageTemplate(writer, storageTemplate) {
	const { extents, sizeBytes, data } = await readSparse(storageTemplate);
	const header = sparseHeader(STORAGE_MEMBER, extents, sizeBytes);
	await writer.addFile(STORAGE_MEMBER, header, data);
	return {
		path: STORAGE_MEMBER,
		sizeBytes
	};
}
async function readSparse(path) {
	const extents = [];
	const data = [];
	let [sizeBytes, dataBytes] = [0, 0];
	try {
		for await (const block of blocksOf(openTemplate(path))) {
			if (!ZEROS.subarray(0, block.length).equals(block)) {
				const last = extents.at(-1);
				if (last !== void 0 && last.offset + last.sizeBytes === sizeBytes) last.sizeBytes += block.length;
				else extents.push({
					offset: sizeBytes,
					sizeBytes: block.length
				});
				data.push(Buffer.from(block));
				dataBytes += block.length;
			}
			sizeBytes += block.length;
			if (dataBytes > MAX_TEMPLATE_DATA_BYTES) throw new BottleError("smolvm-unsupported", `${path} is not an empty disk`, { hint: "install smolvm again" });
		}
	} catch (error) {
		throw readError(path, error);
	}
	return {
		extents,
		sizeBytes,
		data
	};
}
function openTemplate(path) {
	const file = createReadStream(path, { highWaterMark: READ_CHUNK_BYTES });
	const decoder = createZstdDecompress({ chunkSize: READ_CHUNK_BYTES });
	file.on("error", (error) => decoder.destroy(error));
	return file.pipe(decoder);
}
/** Pieces that are whole blocks; a long run of zeros is one piece. */
async function* blocksOf(source) {
	let rest = Buffer.alloc(0);
	for await (const chunk of source) {
		const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
		const end = bytes.length - bytes.length % BLOCK_BYTES;
		rest = bytes.subarray(end);
		const whole = bytes.subarray(0, end);
		if (whole.length <= ZEROS.length && ZEROS.subarray(0, whole.length).equals(whole)) {
			yield whole;
			continue;
		}
		for (let at = 0; at < end; at += BLOCK_BYTES) yield bytes.subarray(at, at + BLOCK_BYTES);
	}
	if (rest.length > 0) yield rest;
}
function readError(path, error) {
	return error instanceof BottleError || hasErrno(error, "ABORT_ERR") ? error : fileError(`cannot read ${path}, a part of the installed smolvm`, error);
}
// src/pack/walk-order.ts
const SLASH = 47;
/**
* The order of a canonical layer: depth first, with the names in each directory in the order of their bytes. Every
* known engine exports in it, so that no layer has to be sorted.
*/
var WalkOrder = class {
	#previous = Buffer.alloc(0);
	#isKept = true;
	/** False once, for the first path that breaks the order. */
	follows(path) {
		if (!this.#isKept) return true;
		this.#isKept = compareWalked(this.#previous, path) <= 0;
		this.#previous = path;
		return this.#isKept;
	}
};
/** As if the slash were the first of all bytes. */
function compareWalked(one, other) {
	const length = Math.min(one.length, other.length);
	for (let index = 0; index < length; index += 1) {
		const [left, right] = [one[index], other[index]];
		if (left !== right) return left === SLASH ? -1 : right === SLASH ? 1 : left - right;
	}
	return one.length - other.length;
}
// src/pack/direct.ts
/**
* What the manifest names as the smolvm that packed. From 1.16.2 on, a host unpacks the layer itself, with all owners;
* this is the newest version whose reader has been tested.
*/
const DIRECT_SMOLVM_VERSION = "1.32.2";
/** What smolvm takes where nothing is said. */
const DEFAULT_CPUS = 4;
const DEFAULT_MEM_MIB = 8192;
/** Image -> one layer -> frames, in one stream: without smolvm, a virtual machine or a registry. */
async function packDirect(options) {
	const { image, platform, parts, signal, onProgress } = options;
	const path = join(options.outDir, `${id16(image.id)}.smolmachine`);
	onProgress({
		type: "start",
		stage: "pack",
		detail: `${counted(image.layers.length, "layer")}${image.layers.length === 1 ? "" : " into one"}`
	});
	const writers = [];
	try {
		const exported = await exportImage({
			...options,
			onWarning: warningsTo(onProgress)
		}, async (layerParts, totalBytes) => {
			await writers.pop()?.close();
			await fs.rm(path, { force: true });
			await requireFreeBytes(options.outDir, totalBytes, "the sidecar");
			const writer = await SidecarWriter.create(path);
			writers.push(writer);
			return {
				writer,
				agent: parts && await addAgentRootfs(writer, parts),
				layer: await writer.addTar(canonicalParts(layerParts, options), layerName, (doneBytes) => onProgress({
					type: "bytes",
					stage: "pack",
					doneBytes,
					totalBytes,
					isEstimate: true
				}))
			};
		});
		const { writer, agent, layer } = exported.value;
		const template = parts?.storageTemplate;
		const storage = template === void 0 ? void 0 : await addStorageTemplate(writer, template);
		const flat = describeImage(options, layer);
		const written = await writer.finish(directManifest(options, flat, {
			agent,
			layer,
			storage
		}));
		onProgress({
			type: "done",
			stage: "pack",
			sizeBytes: written.sizeBytes,
			detail: filesIn(exported)
		});
		const expected = {
			platform,
			configDigest: flat.configDigest,
			layerDigest: layer.digest
		};
		const { frames, hashed } = written;
		for (const message of layerWarnings(exported.findings, "direct")) onProgress({
			type: "warning",
			message
		});
		const report = await verifySidecar(path, expected, {
			signal,
			hashed
		});
		const packed = {
			report,
			frames,
			smolvmVersion: DIRECT_SMOLVM_VERSION,
			parts: parts?.version
		};
		return {
			report,
			record: {
				...packRecord(options, flat, packed),
				packer: "direct"
			},
			frames
		};
	} finally {
		await writers.pop()?.close();
	}
}
function layerName(digest) {
	return `layers/${digest.replace("sha256:", "")}.tar`;
}
/** With headers that depend on nothing but what an entry is. */
async function* canonicalParts(parts, { latestSeconds = Number.POSITIVE_INFINITY, onProgress }) {
	const order = new WalkOrder();
	for await (const part of parts) {
		if (part.kind === "body") {
			yield part;
			continue;
		}
		const { entry } = part;
		if (entry.type === "sparse") throw new TarError(`the engine exports ${entry.path} as a sparse file`);
		if (!order.follows(entry.pathBytes)) warningsTo(onProgress)(`the engine does not export ${entry.path} in order, so the same image may give other bytes`);
		const mtimeSeconds = Math.min(entry.mtimeSeconds, latestSeconds);
		yield {
			kind: "header",
			entry,
			raw: tarEntryHeader({
				...entry,
				type: entry.type,
				mtimeSeconds
			})
		};
	}
}
/** The keys that every smolvm from 1.9 on asks for, in its order. */
function directManifest(options, flat, { agent, layer, storage }) {
	const { image, platform, cpus = DEFAULT_CPUS, memMib = DEFAULT_MEM_MIB } = options;
	const { Entrypoint, Cmd, Env, WorkingDir, User } = runtimeConfig(image);
	const asset = ({ path, sizeBytes }) => ({
		path,
		size: sizeBytes
	});
	return {
		mode: "container",
		image: sidecarImageName(flat.manifestDigest),
		digest: flat.configDigest,
		platform,
		...Entrypoint !== void 0 && { entrypoint: Entrypoint },
		...Cmd !== void 0 && { cmd: Cmd },
		...Env !== void 0 && { env: Env },
		...WorkingDir !== void 0 && { workdir: WorkingDir },
		...User !== void 0 && { user: User },
		cpus,
		mem: memMib,
		image_size: layer.sizeBytes,
		network: false,
		gpu: false,
		cuda: false,
		host_platform: platform,
		created: createdTime(options),
		smolvm_version: DIRECT_SMOLVM_VERSION,
		assets: {
			libraries: [],
			agent_rootfs: asset(agent ?? {
				path: "agent-rootfs.tar",
				sizeBytes: 0
			}),
			layers: [{
				digest: layer.digest,
				...asset(layer)
			}],
			...storage && { storage_template: asset(storage) }
		}
	};
}
export { runSmokeTest as a, requireOwnPlatform as i, packDirect as n, findSmolvmParts as r, DIRECT_SMOLVM_VERSION as t };
