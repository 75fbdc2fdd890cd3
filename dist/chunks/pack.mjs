import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { a as noteChild, c as runChild, l as streamChild, n as endProcess, r as endProcessesIn, s as readChild, t as endNotedChild } from "./child.mjs";
import { C as _length, _ as refine, i as array, p as object, v as string } from "./schemas.mjs";
import { t as counted } from "./shown-text.mjs";
import { i as smolvmEnv, t as NEWEST_TESTED_VERSION } from "./smolvm.mjs";
import { a as OPEN_KVM, n as KVM_DEVICE } from "./virtualization.mjs";
import { a as loadImage, c as removeImage, d as tagImage, l as runtimeConfig, o as pullImage, r as inspectIfThere, s as pushImage, u as saveImage } from "./image.mjs";
import { r as requireFreeBytes } from "./disk.mjs";
import { i as withPrivateDir, n as scratchParent, r as sweepPrivateDirs } from "./private-dir.mjs";
import { d as runtimeConfigSha256, i as verifySidecar, m as isDigest, p as id16 } from "./verify.mjs";
import { t as warningsTo } from "./progress.mjs";
import { d as seekTable, n as MAX_FRAME_CONTENT_BYTES, o as formatFrameIndex, s as indexOf } from "./frame-index.mjs";
import { a as contentOf, i as TarError, n as SPARSE, o as readTar, r as SPARSE_EXTENSION, t as linkInsideRoot } from "./links.mjs";
import { i as damaged, o as encodeFooter, t as frameContents } from "./frame-reader.mjs";
import { d as spawnDocker, i as dockerEnvironment, n as cleanUp, r as docker, t as assertSuccess } from "./command.mjs";
import { i as thisOwner, t as isAlive } from "./owner.mjs";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { once } from "node:events";
import * as zlib from "node:zlib";
import { crc32, createGunzip, createZstdDecompress } from "node:zlib";
import { createHash, hash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import * as fs from "node:fs/promises";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as setTimeout$1 } from "node:timers/promises";
import { availableParallelism } from "node:os";
import { buffer } from "node:stream/consumers";
// src/docker/container.ts
/** Our containers and networks carry their owner (host/owner.ts) under this label, so that a sweep finds them. */
const OWNER_LABEL = "dev.claude-bottle.pack.owner";
/** A container that never runs, only to be exported. */
async function createContainer(image, { name, owner, platform }) {
	await docker([
		...[
			"container",
			"create",
			"--pull",
			"never",
			"--name",
			name,
			"--label",
			`${OWNER_LABEL}=${owner}`
		],
		...[
			"--network",
			"none",
			"--platform",
			platform,
			image
		],
		"never-run"
	]);
	const [created = "", size = ""] = (await docker([
		"container",
		"inspect",
		"--size",
		"--format",
		"{{.Created}} {{.SizeRootFs}}",
		name
	])).trim().split(" ");
	return {
		createdSeconds: Math.floor(Date.parse(created) / 1e3),
		sizeBytes: Number(size)
	};
}
/** Streams the file system of a container as a tar. */
async function exportContainer(container, consume, options) {
	const args = [
		"container",
		"export",
		container
	];
	const result = await spawnDocker(() => streamChild("docker", args, consume, {
		...options,
		env: dockerEnvironment()
	}));
	await assertSuccess(args, result);
}
/**
* Removes what is there of the named containers, their anonymous volumes included. Cleaning up must neither
* hang nor hide the error that led to it: it is bounded, and it returns what went wrong as a sentence.
*/
async function removeContainer(name) {
	return await cleanUp([
		"container",
		"rm",
		"--force",
		"--volumes",
		name
	]);
}
async function removeNetwork(name) {
	return await cleanUp([
		"network",
		"rm",
		name
	]);
}
/** The names of our containers or networks, with their owners. */
async function listOwned(kind, signal) {
	const all = kind === "container" ? ["--all"] : [];
	const format = `{{.ID}} {{.Label "${OWNER_LABEL}"}}`;
	return (await docker([
		kind,
		"ls",
		...all,
		"--filter",
		`label=${OWNER_LABEL}`,
		"--format",
		format
	], { signal })).split("\n").filter((line) => line !== "").map((line) => {
		const [id = "", owner = ""] = line.split(" ");
		return {
			id,
			owner
		};
	});
}
// src/pack/registry-container.ts
/** registry:2.8.3, the one that claude-bottle uses. */
const REGISTRY_IMAGE = "registry:2.8.3@sha256:a3d8aaa63ed8681a604f1dea0aa03f100d5895b6a58ace528858a7b332415373";
const REGISTRY_PORT = 5e3;
const READY_TIMEOUT_MS = 3e4;
const PROBE_TIMEOUT_MS = 2e3;
const PROBE_INTERVAL_MS = 100;
const LOGS_TIMEOUT_MS = 5e3;
const LOG_LINES = 10;
/**
* Runs `use` with the host's port of a fresh registry container: published on 127.0.0.1 only, on a network of its
* own, so that no other container reaches it. Container, volume and network are removed whatever happens.
*/
async function withRegistryContainer(options, use) {
	const name = `cbp-registry-${randomBytes(8).toString("hex")}`;
	await ensureImage(options);
	const label = `${OWNER_LABEL}=${thisOwner()}`;
	try {
		await docker([
			"network",
			"create",
			"--driver",
			"bridge",
			"--label",
			label,
			name
		]);
		await docker([...[
			"container",
			"run",
			"--detach",
			"--pull",
			"never",
			"--name",
			name,
			"--label",
			label
		], ...[
			"--network",
			name,
			"--publish",
			`127.0.0.1::${REGISTRY_PORT}`,
			options.image
		]]);
		const port = await publishedPort(name);
		await waitUntilReady(name, port, options.signal);
		return await use(port);
	} catch (error) {
		throw error instanceof BottleError && error.code === "registry-failed" ? await explained(error, name) : error;
	} finally {
		for (const failure of [await removeContainer(name), await removeNetwork(name)]) if (failure !== void 0) options.onWarning(`left behind, the next run tries again: ${failure}`);
	}
}
/** Pulling is apart from running, since it takes long and may be stopped half-way. */
async function ensureImage({ image, signal }) {
	if (await inspectIfThere(image) === void 0) await pullImage(image, { signal });
}
/** Engines before 28 could publish more widely than they were told to (moby issue 45610). */
async function publishedPort(name) {
	const answer = await docker([
		"container",
		"inspect",
		"--format",
		`{{json (index .NetworkSettings.Ports "${REGISTRY_PORT}/tcp")}}`,
		name
	]);
	const bindings = JSON.parse(answer);
	if (bindings === null) throw notReady("ended at once");
	const [binding] = bindings;
	if (bindings.length !== 1 || binding?.HostIp !== "127.0.0.1" || !binding.HostPort) throw new BottleError("registry-failed", `the registry is published as ${answer.trim()}, not on 127.0.0.1`, { hint: "use hop embedded, or an engine that publishes on 127.0.0.1 only" });
	return Number(binding.HostPort);
}
async function waitUntilReady(name, port, signal) {
	const deadline = Date.now() + READY_TIMEOUT_MS;
	while (Date.now() < deadline) {
		signal.throwIfAborted();
		const answer = await probe(port);
		if (answer === "ready") return;
		if (answer === "other") throw notReady(`does not answer as a registry on port ${port}`);
		if ((await docker([
			"container",
			"inspect",
			"--format",
			"{{.State.Running}}",
			name
		])).trim() !== "true") throw notReady("ended at once");
		await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
	}
	throw notReady(`did not answer on port ${port} within ${READY_TIMEOUT_MS / 1e3} s`);
}
async function probe(port) {
	try {
		const response = await fetch(`http://127.0.0.1:${port}/v2/`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
		await response.body?.cancel();
		const isRegistry = response.headers.get("docker-distribution-api-version") === "registry/2.0";
		return response.status === 200 && isRegistry ? "ready" : "other";
	} catch {
		return "silent";
	}
}
function notReady(what) {
	return new BottleError("registry-failed", `the registry container ${what}`, { hint: "use hop embedded, which needs no container, or another registry-image" });
}
/** Adds what the registry itself says, such as that its disk is full: its clients only hear "500". */
async function explained(error, name) {
	const { stdout, tail } = await readChild("docker", [
		"container",
		"logs",
		"--tail",
		String(LOG_LINES),
		name
	], {
		timeoutMs: LOGS_TIMEOUT_MS,
		env: dockerEnvironment()
	});
	const logs = [...stdout.split("\n"), ...tail].filter((line) => line !== "");
	const isFull = logs.some((line) => line.includes("no space left"));
	return new BottleError(error.code, error.message, {
		...error.hint && { hint: isFull ? "free disk space on the Docker engine" : error.hint },
		details: [...error.details, ...logs],
		cause: error.cause
	});
}
/** Removes containers and networks that a run has left: ours by label, and only of owners that have ended. */
async function sweepContainers(signal, onWarning) {
	for (const [kind, remove] of [["container", removeContainer], ["network", removeNetwork]]) for (const { id, owner } of await listOwned(kind, signal)) if (owner !== "" && !isAlive(owner)) onWarning(await remove(id) ?? `removed the ${kind} ${id} that an earlier run had left`);
}
// src/pack/pack-failure.ts
/** The first that fits is taken. */
const CAUSES = [
	{
		text: /dial tcp \S+: connect: permission denied/,
		reason: "it keeps its guest from the loopback of this host, where the image is served",
		hint: `use smolvm ${NEWEST_TESTED_VERSION}: this one does so whatever SMOLVM_ALLOW_HOST_LOOPBACK says`
	},
	{
		text: /no boot progress|agent did not become ready/,
		reason: "its virtual machine did not start in time",
		hint: "try again when the machine is idle; it wants 8 GiB of memory and a KVM that is not itself emulated"
	},
	{
		text: /KvmOpen\(Error\(13\)\)|KVM inaccessible to the VM process/,
		reason: `the user that it starts its virtual machine as may not open ${KVM_DEVICE}`,
		hint: `chmod o+rw ${KVM_DEVICE}`
	},
	{
		text: /KvmApiVersion/,
		reason: `the device ${KVM_DEVICE} is not KVM`,
		hint: "pack without a virtual machine (--packer direct), or on a machine with KVM"
	},
	{
		text: /kvm permission denied/i,
		reason: `this user may not open ${KVM_DEVICE}`,
		hint: OPEN_KVM
	},
	{
		text: /kvm not available/i,
		reason: "KVM is not available here",
		hint: "pack without a virtual machine (--packer direct), or on a machine with KVM"
	},
	{
		text: /pull image: .*no space left|merge failed.*disk full|guest.*no space left/is,
		reason: "the disk of its builder VM is full, by bytes or by the number of files",
		hint: `make the image smaller, or use smolvm ${NEWEST_TESTED_VERSION}, whose disk grows with the image`
	},
	{
		text: /no space left|disk full|ENOSPC/i,
		reason: "no space is left on this machine",
		hint: "free some disk space, or name a larger disk with TMPDIR"
	},
	{
		text: /exceeding the \d+ byte cap/,
		reason: "the image is larger than it lets through",
		hint: "raise the cap (SMOLVM_FILE_TRANSFER_MAX_BYTES=128GiB), or make the image smaller"
	},
	{
		text: /unexpected argument '/,
		reason: "it has other options than its help says",
		hint: `use smolvm ${NEWEST_TESTED_VERSION}`
	}
];
const DEFAULT_HINT = "see what smolvm says above; `claude-bottle doctor` checks the machine";
/** @param startLines what the VM's own process has written about its start */
function packFailure({ exitCode, signal, tail }, startLines) {
	const lines = tail.map(plainLine);
	const details = [...lines, ...startLines.filter((line) => !lines.some((other) => other.includes(line)))];
	const cause = causeOf(details);
	const lastWords = lines.findLast((line) => line.startsWith(REASON_PREFIX))?.slice(REASON_PREFIX.length);
	const reason = cause?.reason ?? lastWords;
	const ending = exitCode === void 0 ? `ended by ${signal}` : `exit code ${exitCode}`;
	return new BottleError("pack-failed", `smolvm pack create failed (${ending})${reason === void 0 ? "" : `: ${reason}`}`, {
		hint: cause?.hint ?? DEFAULT_HINT,
		details
	});
}
/** What helps against what smolvm says. */
function hintFor(lines) {
	return causeOf(lines)?.hint ?? DEFAULT_HINT;
}
function causeOf(lines) {
	const said = lines.join("\n");
	return CAUSES.find(({ text }) => text.test(said));
}
const REASON_PREFIX = "Error: ";
/** A failure that smolvm reports as JSON, in the words that it uses without that option. */
function plainLine(line) {
	if (!line.startsWith("{\"error\":")) return line;
	try {
		return `${REASON_PREFIX}${JSON.parse(line).error.message}`;
	} catch {
		return line;
	}
}
// src/pack/pack-create.ts
const GIB = 1024 ** 3;
/** The layer as it comes, unpacked, and some room for the guest itself. */
const STORAGE_FACTOR = 3;
/** A smolvm disk is made from an ext4 of 512 MiB with 32,768 inodes, which the guest grows with resize2fs. */
const INODES_PER_GIB = 65536;
const MAX_START_LOG_BYTES = 16384;
function packCreateArgs(smolvm, options) {
	const whereKnown = (flag, value) => smolvm.flags.has(flag) ? [flag, value] : [];
	const { cpus, memMib, scratch } = options;
	return [
		...[
			"pack",
			"create",
			"--image",
			options.reference,
			"--output",
			options.output
		],
		...[
			"--oci-platform",
			options.platform,
			"--staging-dir",
			join(scratch, "staging")
		],
		...whereKnown("--state-dir", scratch),
		...whereKnown("--error-format", "json"),
		...whereKnown("--storage", String(storageGib(options.layer))),
		...cpus === void 0 ? [] : ["--cpus", String(cpus)],
		...memMib === void 0 ? [] : ["--mem", String(memMib)]
	];
}
/** The size of the builder VM's disk that a layer needs. */
function storageGib({ sizeBytes, inodes }) {
	const forBytes = Math.ceil(STORAGE_FACTOR * sizeBytes / GIB) + 1;
	return Math.max(20, forBytes, gibForInodes(inodes));
}
/** With some room for the guest itself. */
function gibForInodes(inodes) {
	return Math.ceil(inodes / INODES_PER_GIB) + 1;
}
/** A sentence when the disk of this smolvm's builder VM may be too small for the layer. */
function storageWarning(smolvm, layer) {
	if (smolvm.flags.has("--storage") || storageGib(layer) <= 20) return;
	const inodes = 20 * INODES_PER_GIB;
	return `the image has ${counted(layer.inodes, "file", layer.inodes.toLocaleString("en"))} in ${(layer.sizeBytes / GIB).toFixed(1)} GiB; the builder VM of smolvm ${smolvm.version} has ${inodes.toLocaleString("en")} inodes and 20 GiB, and only newer versions have more`;
}
/**
* smolvm's environment: all it writes stays in `scratch`, where `--state-dir` keeps it too, and its guest reaches the
* loopback of this host, which versions from 1.13.0 on deny otherwise.
*/
function packCreateEnv(env, scratch) {
	return {
		...smolvmEnv(env),
		SMOLVM_ALLOW_HOST_LOOPBACK: "1",
		TMPDIR: join(scratch, "tmp"),
		XDG_CACHE_HOME: join(scratch, ".cache"),
		XDG_DATA_HOME: join(scratch, ".local/share")
	};
}
/**
* Runs `smolvm pack create` and returns the sidecar. Its exit code says that it wrote one, not that the file is
* good: verify it.
*/
async function packCreate(smolvm, options) {
	const { scratch, onLine } = options;
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
			...onLine && { onLine: (line) => onLine(plainLine(line)) },
			timeoutHint: "give it more time (timeout), or look for what it waits for",
			onSpawn: noteChild(scratch)
		});
		if (result.exitCode !== 0) throw packFailure(result, await startErrors(scratch));
	} finally {
		await reapPackCreate(scratch);
	}
	const path = `${options.output}.smolmachine`;
	const sizeBytes = (await fs.stat(path).catch(() => void 0))?.size;
	if (!sizeBytes) throw new BottleError("pack-failed", `smolvm pack create ended with exit code 0, but ${sizeBytes === 0 ? "its sidecar is empty" : "it has written no sidecar"}: ${path}`, { hint: `try smolvm ${NEWEST_TESTED_VERSION}` });
	await fs.rm(options.output, { force: true });
	return {
		path,
		sizeBytes
	};
}
function vmsDir(scratch) {
	return join(scratch, ".cache/smolvm/vms");
}
/** What a VM's own process says of a start that failed: smolvm passes on only the end of it. */
async function startErrors(scratch) {
	const logs = (await fs.readdir(vmsDir(scratch)).catch(() => [])).map((name) => readIfThere(join(vmsDir(scratch), name, "agent-startup-error.log")));
	return (await Promise.all(logs)).flatMap((text = "") => stripVTControlCharacters(text.slice(0, MAX_START_LOG_BYTES)).split("\n").map((line) => line.trim()).filter((line) => line !== ""));
}
/**
* Ends what a `smolvm pack create` in `scratch` has left running: smolvm has no signal handlers, so its builder VM,
* a child with a process group of its own, outlives it. A process is known by `scratch` in its arguments or
* environment: its pid alone may by now be another's.
*/
async function reapPackCreate(scratch) {
	await endNotedChild(scratch);
	const vms = vmsDir(scratch);
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
// src/tar/write.ts
const BLOCK_BYTES$1 = 512;
const NAME_BYTES$1 = 100;
/** The name of a pax header, which readers never use as a file's. */
const PAX_HEADER_NAME = "PaxHeaders";
/** The largest number that eleven octal digits hold. */
const MAX_OCTAL_BYTES = 8 ** 11 - 1;
/** Two zero blocks, the end of an archive. */
const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES$1);
/**
* The header of a plain file, owned by root and dated 1970, so that the same content gives the same bytes. It is POSIX
* ustar, with the size of large files as GNU tar and Go write it:
* https://www.gnu.org/software/tar/manual/html_node/Standard.html
*/
function tarHeader(path, sizeBytes) {
	const block = Buffer.alloc(BLOCK_BYTES$1);
	const fields = [
		[0, path],
		[100, "0000644"],
		[108, "0000000"],
		[116, "0000000"],
		[124, sizeBytes.toString(8).padStart(11, "0")],
		[136, "00000000000"],
		[156, "0"],
		[257, "ustar\x0000"]
	];
	for (const [offset, text] of fields) block.write(text, offset, "latin1");
	if (sizeBytes > MAX_OCTAL_BYTES) {
		block.fill(0, 124, 136);
		block[124] = 128;
		block.writeBigUInt64BE(BigInt(sizeBytes), 128);
	}
	return sealed(block);
}
/**
* The header of an entry without content, such as a link or a directory, with another target or time: what `raw` says
* otherwise stays, long names and extended attributes included.
*/
function changedHeader(entry, raw, { linkPath = entry.linkPath, mtimeSeconds }) {
	const records = new Map(entry.pax);
	const block = Buffer.from(raw.subarray(-512));
	if (mtimeSeconds !== void 0) {
		records.delete("mtime");
		block.write(`${mtimeSeconds.toString(8).padStart(11, "0")}\0`, 136, "latin1");
	}
	if (Buffer.byteLength(entry.path) >= NAME_BYTES$1) records.set("path", entry.path);
	records.delete("linkpath");
	if (Buffer.byteLength(linkPath) > NAME_BYTES$1) records.set("linkpath", linkPath);
	block.fill(0, 157, 257).set(Buffer.from(linkPath).subarray(0, NAME_BYTES$1), 157);
	return Buffer.concat([paxHeader(records), sealed(block)]);
}
function paxHeader(records) {
	if (records.size === 0) return Buffer.alloc(0);
	const content = Buffer.concat([...records].map(([key, value]) => paxRecord(key, value)));
	const header = tarHeader(PAX_HEADER_NAME, content.length);
	header.write("x", 156, "latin1");
	return Buffer.concat([
		sealed(header),
		content,
		paddingAfter(content.length)
	]);
}
/** The length at the beginning counts itself. */
function paxRecord(key, value) {
	const rest = Buffer.from(` ${key}=${value}\n`);
	let length = rest.length + 1;
	while (String(length).length + rest.length !== length) length += 1;
	return Buffer.concat([Buffer.from(String(length)), rest]);
}
/** Writes the checksum, which counts its own field as spaces. */
function sealed(block) {
	block.fill(" ", 148, 156);
	let sum = 0;
	for (const byte of block) sum += byte;
	block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
	return block;
}
/** The zeros that fill the last block of a file. */
function paddingAfter(sizeBytes) {
	return Buffer.alloc(-sizeBytes & 511);
}
// src/tar/gnu.ts
const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
const TYPE_FLAGS = {
	file: "0",
	hardlink: "1",
	symlink: "2",
	"character-device": "3",
	"block-device": "4",
	directory: "5",
	fifo: "6"
};
/** The header of a plain file that is root's. */
function fileHeader(path, sizeBytes) {
	return tarEntryHeader({
		type: "file",
		pathBytes: Buffer.from(path),
		sizeBytes
	});
}
/**
* The header blocks of an entry as GNU tar writes them, with entries of their own for long names and base 256 for
* large numbers: https://www.gnu.org/software/tar/manual/html_node/Standard.html. The same entry always gives the
* same bytes. There is no pax header,
* because guests before smolvm 1.16 ignore owners in one.
*/
function tarEntryHeader(entry) {
	const { type, pathBytes, linkPathBytes = Buffer.alloc(0) } = entry;
	const name = type === "directory" ? Buffer.concat([pathBytes, Buffer.from("/")]) : pathBytes;
	const block = headerBlock({
		...entry,
		name,
		link: linkPathBytes,
		typeFlag: TYPE_FLAGS[type]
	});
	const long = [...longName("K", linkPathBytes), ...longName("L", name)];
	return long.length === 0 ? block : Buffer.concat([...long, block]);
}
/**
* The header blocks of a sparse file of GNU tar's old format, to be followed by the bytes of its extents. A hole at
* the end is an empty extent: https://www.gnu.org/software/tar/manual/html_node/Old-GNU-Format.html
*/
function sparseHeader(path, extents, realSizeBytes) {
	const storedBytes = extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	const last = extents.at(-1);
	const map = [...extents];
	if (last === void 0 || last.offset + last.sizeBytes < realSizeBytes) map.push({
		offset: realSizeBytes,
		sizeBytes: 0
	});
	const block = headerBlock({
		name: Buffer.from(path),
		link: Buffer.alloc(0),
		typeFlag: "S",
		sizeBytes: storedBytes
	});
	writeExtents(block, SPARSE.offset, map.splice(0, SPARSE.count));
	writeNumber(block, SPARSE.realSize, 12, realSizeBytes);
	block[SPARSE.isExtended] = map.length > 0 ? 1 : 0;
	sealed(block);
	const blocks = [block];
	while (map.length > 0) {
		const more = Buffer.alloc(BLOCK_BYTES);
		writeExtents(more, SPARSE_EXTENSION.offset, map.splice(0, SPARSE_EXTENSION.count));
		more[SPARSE_EXTENSION.isExtended] = map.length > 0 ? 1 : 0;
		blocks.push(more);
	}
	return Buffer.concat(blocks);
}
function writeExtents(block, offset, extents) {
	for (const [index, extent] of extents.entries()) {
		writeNumber(block, offset + index * 24, 12, extent.offset);
		writeNumber(block, offset + index * 24 + 12, 12, extent.sizeBytes);
	}
}
/** A name that does not fit into its field with a zero behind it goes before the header. */
function longName(typeFlag, name) {
	if (name.length < NAME_BYTES) return [];
	const sizeBytes = name.length + 1;
	return [
		headerBlock({
			name: Buffer.from("././@LongLink"),
			link: Buffer.alloc(0),
			typeFlag,
			sizeBytes
		}),
		name,
		Buffer.alloc(1),
		paddingAfter(sizeBytes)
	];
}
function headerBlock({ name, link, typeFlag, sizeBytes, ...fields }) {
	const { mode = 420, uid = 0, gid = 0, mtimeSeconds = 0, deviceMajor = 0, deviceMinor = 0 } = fields;
	const block = Buffer.alloc(BLOCK_BYTES);
	name.copy(block, 0, 0, NAME_BYTES);
	writeNumber(block, 100, 8, mode & 4095);
	writeNumber(block, 108, 8, uid);
	writeNumber(block, 116, 8, gid);
	writeNumber(block, 124, 12, sizeBytes);
	writeNumber(block, 136, 12, Math.max(0, Math.floor(mtimeSeconds)));
	block.write(typeFlag, 156, "latin1");
	link.copy(block, 157, 0, NAME_BYTES);
	block.write("ustar  \0", 257, "latin1");
	if (typeFlag === TYPE_FLAGS["character-device"] || typeFlag === TYPE_FLAGS["block-device"]) {
		writeNumber(block, 329, 8, deviceMajor);
		writeNumber(block, 337, 8, deviceMinor);
	}
	return sealed(block);
}
/** Octal digits and a zero; what has too many digits is written big endian, with the top bit set. */
function writeNumber(block, offset, width, value) {
	const digits = value.toString(8);
	if (digits.length < width) {
		block.write(`${digits.padStart(width - 1, "0")}\0`, offset, "latin1");
		return;
	}
	block[offset] = 128;
	block.writeUIntBE(value, offset + width - 6, 6);
}
// src/sidecar/frame-compressor.ts
/** Part of the canonical form (docs/sidecar-format.md), as in frames.ts. */
const ZSTD_LEVEL = 3;
const OUTPUT_BUFFER_BYTES = 8388608;
/**
* Compresses one frame after the other, each with the size of its content and without a checksum: the bytes that
* ZSTD_compress2 gives for the whole content. Its memory serves many frames, because memory that is allocated
* for each frame is garbage that has to be collected.
*/
var FrameCompressor = class {
	/** The caller fills it with the content of the next frame. */
	content = Buffer.allocUnsafeSlow(MAX_FRAME_CONTENT_BYTES);
	#stream;
	/** What is left of the stream's buffer for output. */
	#roomBytes = 0;
	async compress(contentBytes) {
		const stream = this.#streamWithRoom();
		const compressed = once(stream, "data");
		stream.write(this.content.subarray(0, contentBytes));
		const [frame] = await compressed;
		this.#roomBytes -= frame.length;
		return frame;
	}
	close() {
		this.#stream?.destroy();
	}
	/** There must be room for all of a frame, because zstd gives other bytes for a frame that it gives in pieces. */
	#streamWithRoom() {
		if (this.#stream !== void 0 && this.#roomBytes > 4210688) return this.#stream;
		this.close();
		this.#roomBytes = OUTPUT_BUFFER_BYTES;
		this.#stream = zlib.createZstdCompress({
			chunkSize: OUTPUT_BUFFER_BYTES,
			flush: zlib.constants.ZSTD_e_end,
			params: {
				[zlib.constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
				[zlib.constants.ZSTD_c_checksumFlag]: 0,
				[zlib.constants.ZSTD_c_contentSizeFlag]: 1
			}
		});
		return this.#stream;
	}
};
// src/sidecar/frames.ts
const MIN_FRAME_CONTENT_BYTES = 786432;
const CUT_DISTANCE_BYTES = 2 ** 19;
/** For each byte value, the number that the rolling hash adds: the first four bytes of the value's SHA-256. */
const GEAR = Uint32Array.from({ length: 256 }, (_, value) => createHash("sha256").update(Uint8Array.of(value)).digest().readUInt32LE(0));
/** The version of the library that compresses: another one may give other bytes of the same content. */
const ZSTD_VERSION = process.versions.zstd ?? "unknown";
/** Enough for both cores of a small machine to be busy while frames wait to be written, in their order. */
const MAX_FRAMES_IN_FLIGHT = 4;
/** More would take the caches of the processor from each other. */
const MAX_FRAMES_AT_ONCE = Math.min(availableParallelism(), MAX_FRAMES_IN_FLIGHT);
/**
* Compresses a stream into frames that end where the content says, so that a change in one place changes few frames,
* and writes them one after the other. Several are compressed at once, on the thread pool.
*/
var FrameWriter = class {
	/** Gets the content of each frame, before it is compressed. */
	onContent;
	#file;
	#path;
	#frames = [];
	#inFlight = [];
	#idle = [];
	/** For each of those that are compressed at once, the end of the last one that was begun or waits. */
	#turns = [];
	/** Gathers the content of the next frame. */
	#compressor = new FrameCompressor();
	#filledBytes = 0;
	#isRolling = false;
	#hash = 0;
	#position = 0;
	constructor(file, path) {
		this.#file = file;
		this.#path = path;
	}
	/** Compressed bytes that are written. */
	get writtenBytes() {
		return this.#position;
	}
	/**
	* Says that an entry of a tar follows, of `sizeBytes` with its headers. The frame ends here for about one entry
	* in every CUT_DISTANCE_BYTES, chosen by the entry's path: large entries always, small ones in proportion to their
	* size. A large entry may also be cut inside.
	*/
	async beginEntry(path, sizeBytes) {
		this.#isRolling = sizeBytes >= CUT_DISTANCE_BYTES;
		this.#hash = 0;
		if (this.#filledBytes >= MIN_FRAME_CONTENT_BYTES && isChosen(path, sizeBytes)) await this.endFrame();
	}
	async write(bytes) {
		for (let start = 0; start < bytes.length;) {
			const { content } = this.#compressor;
			const room = Math.min(bytes.length - start, content.length - this.#filledBytes);
			const end = this.#isRolling ? this.#findCut(bytes, start, start + room) : start + room;
			const isCut = this.#isRolling && end < 0;
			const stop = isCut ? -end : end;
			bytes.copy(content, this.#filledBytes, start, stop);
			this.#filledBytes += stop - start;
			start = stop;
			if (isCut || this.#filledBytes === content.length) await this.endFrame();
		}
	}
	/** Where the next bytes must begin a frame of their own. */
	async endFrame() {
		if (this.#filledBytes === 0) return;
		const [compressor, contentBytes] = [this.#compressor, this.#filledBytes];
		const compressed = this.#inTurn(() => compressor.compress(contentBytes));
		this.onContent?.(compressor.content.subarray(0, contentBytes));
		compressed.catch(() => {});
		this.#inFlight.push({
			compressor,
			contentBytes,
			compressed
		});
		if (this.#inFlight.length >= MAX_FRAMES_IN_FLIGHT) await this.#writeOldest();
		this.#compressor = this.#idle.pop() ?? new FrameCompressor();
		this.#filledBytes = 0;
		this.#hash = 0;
	}
	/**
	* Leaves room for a frame of `contentBytes` that holds them as they are, to be filled in when they are known.
	* @returns where it is, and its position among the frames
	*/
	async reserve(contentBytes) {
		await this.flush();
		const position = this.#frames.length;
		const sizeBytes = STORED_OVERHEAD_BYTES + contentBytes;
		this.#frames.push({
			sizeBytes,
			contentBytes,
			sha256: ""
		});
		this.#position += sizeBytes;
		return position;
	}
	async fillIn(position, content) {
		const frame = storedFrame(content);
		const offset = this.#frames.slice(0, position).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		await this.#writeAt(frame, offset);
		this.#frames[position] = frameOf(frame, content.length);
	}
	/** Ends the last frame and waits until all are written. */
	async flush() {
		await this.endFrame();
		while (this.#inFlight.length > 0) await this.#writeOldest();
		return this.#frames;
	}
	/** Waits until nothing more is compressed or written, so that the file can be closed. */
	async abandon() {
		await Promise.allSettled(this.#inFlight.map(({ compressed }) => compressed));
		for (const compressor of [...this.#inFlight.map((frame) => frame.compressor), ...this.#idle]) compressor.close();
	}
	/** Begins as soon as one of those before it, of which not more than a few may run, has ended. */
	async #inTurn(compress) {
		const turn = (this.#frames.length + this.#inFlight.length) % MAX_FRAMES_AT_ONCE;
		const before = this.#turns[turn];
		const compressed = before === void 0 ? compress() : before.then(compress);
		this.#turns[turn] = compressed;
		return await compressed;
	}
	/** Returns the end of what belongs into this frame; negative where the content says so. */
	#findCut(bytes, start, end) {
		const skipped = MIN_FRAME_CONTENT_BYTES - this.#filledBytes;
		let hash = this.#hash;
		for (let at = skipped > 0 ? start + skipped : start; at < end; at += 1) {
			hash = (hash << 1) + GEAR[bytes[at]] | 0;
			if (hash >>> 13 === 0) return -(at + 1);
		}
		this.#hash = hash;
		return end;
	}
	async #writeOldest() {
		const oldest = this.#inFlight.shift();
		if (oldest === void 0) return;
		const frame = await oldest.compressed;
		this.#idle.push(oldest.compressor);
		this.#frames.push(frameOf(frame, oldest.contentBytes));
		await this.#writeAt(frame, this.#position);
		this.#position += frame.length;
	}
	async #writeAt(bytes, position) {
		try {
			for (let done = 0; done < bytes.length;) {
				const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
				done += bytesWritten;
			}
		} catch (error) {
			throw fileError(`cannot write the sidecar to ${this.#path}`, error);
		}
	}
};
/** FNV-1a of the path, its bits well mixed, against the entry's share of CUT_DISTANCE_BYTES. */
function isChosen(path, sizeBytes) {
	let hash = 2166136261;
	for (const byte of path) hash = Math.imul(hash ^ byte, 16777619);
	hash = Math.imul(hash ^ hash >>> 16, 2246822507);
	hash = Math.imul(hash ^ hash >>> 13, 3266489909);
	return (hash ^ hash >>> 16) >>> 0 < sizeBytes * 8192;
}
/** Magic number, frame header, block header: https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1 */
const STORED_OVERHEAD_BYTES = 10;
/** A frame whose size is known before its content: one raw block of 256 to 65791 bytes. */
function storedFrame(content) {
	const frame = Buffer.alloc(STORED_OVERHEAD_BYTES + content.length);
	frame.writeUInt32LE(4247762216, 0);
	frame[4] = 96;
	frame.writeUInt16LE(content.length - 256, 5);
	frame.writeUIntLE(content.length << 3 | 1, 7, 3);
	frame.set(content, STORED_OVERHEAD_BYTES);
	return frame;
}
function frameOf(frame, contentBytes) {
	return {
		sizeBytes: frame.length,
		contentBytes,
		sha256: createHash("sha256").update(frame).digest("hex")
	};
}
// src/sidecar/write.ts
const READ_CHUNK_BYTES$2 = 1048576;
/**
* Writes a sidecar in its canonical form (docs/sidecar-format.md): members first, in the order of their names, then
* `finish`. `close` always.
*/
var SidecarWriter = class SidecarWriter {
	#file;
	#path;
	#frames;
	constructor(file, path) {
		this.#file = file;
		this.#path = path;
		this.#frames = new FrameWriter(file, path);
	}
	static async create(path) {
		try {
			return new SidecarWriter(await fs.open(path, "w+", 384), path);
		} catch (error) {
			throw fileError(`cannot write the sidecar to ${path}`, error);
		}
	}
	/** Bytes of the file so far. */
	get writtenBytes() {
		return this.#frames.writtenBytes;
	}
	/**
	* Adds a tar, with an end marker, under a name that its digest may be part of. Its size and digest are known last
	* but stand before it, so that its header has a frame of its own whose size is known first.
	*/
	async addTar(entries, nameOf, onBytes) {
		const frames = this.#frames;
		const headerFrame = await frames.reserve(fileHeader("", 0).length);
		const hash = createHash("sha256");
		let sizeBytes = 0;
		frames.onContent = (content) => {
			hash.update(content);
			sizeBytes += content.length;
			onBytes?.(sizeBytes);
		};
		for await (const part of entries) if (part.kind === "header") {
			const { pathBytes, sizeBytes: bodyBytes } = part.entry;
			await frames.beginEntry(pathBytes, part.raw.length + bodyBytes);
			await frames.write(part.raw);
		} else await frames.write(part.chunk);
		await frames.write(END_OF_ARCHIVE);
		await frames.flush();
		frames.onContent = void 0;
		const digest = `sha256:${hash.digest("hex")}`;
		const path = nameOf(digest);
		await frames.fillIn(headerFrame, fileHeader(path, sizeBytes));
		return {
			path,
			sizeBytes,
			digest
		};
	}
	/** Adds a file as it is, behind a header that describes it. */
	async addFile(path, header, content) {
		const frames = this.#frames;
		await frames.endFrame();
		await frames.beginEntry(Buffer.from(path), Number.MAX_SAFE_INTEGER);
		await frames.write(header);
		let sizeBytes = 0;
		for await (const chunk of content) {
			await frames.write(chunk);
			sizeBytes += chunk.length;
		}
		await frames.write(paddingAfter(sizeBytes));
	}
	/** Ends the assets and writes the manifest and the footer. The checksums are of what is in the file. */
	async finish(manifest) {
		await this.#frames.write(END_OF_ARCHIVE);
		const frames = indexOf(await this.#frames.flush());
		const table = seekTable(frames);
		const json = Buffer.from(JSON.stringify(manifest, null, 2));
		const assetsBytes = frames.framesBytes + table.length;
		await this.#append(Buffer.concat([table, json]), frames.framesBytes);
		const contentBytes = assetsBytes + json.length;
		const { hash, crc } = await this.#hashContent(contentBytes);
		const footer = encodeFooter({
			assetsBytes,
			manifestBytes: json.length,
			crc32: crc
		});
		await this.#append(footer, contentBytes);
		const sha256 = hash.update(footer).digest("hex");
		return {
			sizeBytes: contentBytes + footer.length,
			hashed: {
				sha256,
				crc32: crc
			},
			frames
		};
	}
	async close() {
		await this.#frames.abandon();
		await this.#file.close();
	}
	async #append(bytes, position) {
		try {
			await this.#file.write(bytes, 0, bytes.length, position);
		} catch (error) {
			throw fileError(`cannot write the sidecar to ${this.#path}`, error);
		}
	}
	async #hashContent(sizeBytes) {
		const hash = createHash("sha256");
		let crc = 0;
		const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES$2);
		for (let position = 0; position < sizeBytes;) {
			const length = Math.min(chunk.length, sizeBytes - position);
			const { bytesRead } = await this.#file.read(chunk, 0, length, position);
			if (bytesRead === 0) throw fileError(`cannot read ${this.#path}`, /* @__PURE__ */ new Error(`it ends at byte ${position}`));
			const bytes = chunk.subarray(0, bytesRead);
			hash.update(bytes);
			crc = crc32(bytes, crc);
			position += bytesRead;
		}
		return {
			hash,
			crc
		};
	}
};
// src/pack/own-paths.ts
/**
* What `docker create` puts into every container (moby, daemon/initlayer): it replaces files by these, so that neither
* `docker run` nor `docker export` shows what the image has there, and makes directories where the image has none.
*/
const STUB_FILES = [
	".dockerenv",
	"dev/console",
	"etc/hostname",
	"etc/hosts",
	"etc/resolv.conf"
];
const STUB_LINK = {
	path: "etc/mtab",
	linkPath: "/proc/mounts"
};
const STUB_DIRECTORIES = [
	"dev/pts",
	"dev/shm",
	"proc",
	"sys"
];
/** The engine changes their times, and puts directories in the place of links. */
const PARENTS = ["dev", "etc"];
/** Files of an image that no container shows. */
const HIDDEN_FILES = [...STUB_FILES, STUB_LINK.path].filter((path) => path.startsWith("etc/"));
const TRACKED = /* @__PURE__ */ new Set([
	...STUB_FILES,
	STUB_LINK.path,
	...STUB_DIRECTORIES,
	...PARENTS
]);
const MAX_OWN_BYTES = 1048576;
function isTracked(path) {
	return TRACKED.has(path);
}
/** Tells what the engine has made in a container from what is the image's, by names and times. */
var EngineTraces = class {
	/** Directories that the engine has made or touched, and that hold nothing of the image's. */
	#suspects = /* @__PURE__ */ new Set();
	#container;
	#imageSeconds;
	constructor(container, image) {
		this.#container = container;
		this.#imageSeconds = imageSeconds(image);
	}
	/** Paths where the image may have something else than a directory, or nothing at all. */
	get suspects() {
		return [...this.#suspects];
	}
	isStub(entry) {
		const { path, type } = entry;
		if (type === "file" && STUB_FILES.includes(path)) return entry.sizeBytes === 0;
		if (type === "symlink" && path === STUB_LINK.path) return entry.linkPath === STUB_LINK.linkPath;
		const [top = ""] = path.split("/", 1);
		if (path === top && type === "directory" && (PARENTS.includes(top) || STUB_DIRECTORIES.includes(top)) && this.isNew(entry)) this.#suspects.add(top);
		if (type === "directory" && STUB_DIRECTORIES.includes(path)) return this.isNew(entry);
		if (path !== top) this.#suspects.delete(top);
		return false;
	}
	/** Times in a tar are whole seconds. */
	isNew({ mtimeSeconds }) {
		return mtimeSeconds >= this.#container.createdSeconds && mtimeSeconds > this.#imageSeconds;
	}
};
/** Older engines say that an image without a time was made in the year 1. */
function imageSeconds(image) {
	return Math.max(0, Math.floor(Date.parse(image.created ?? "") / 1e3) || 0);
}
/** Reads what an image itself has at the tracked paths, from all its layers. */
async function readOwnPaths(image, signal) {
	if (image.layers.length === 0) return /* @__PURE__ */ new Map();
	const archive = new ImageArchive();
	await saveImage(image.id, async (tar) => await archive.read(tar), { signal });
	return archive.merged();
}
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** `docker save`'s format: layers as tars, compressed or not, and manifest.json, which orders them. */
var ImageArchive = class {
	#layers = /* @__PURE__ */ new Map();
	/** An older engine writes a layer that it has already written as a link. */
	#links = /* @__PURE__ */ new Map();
	#order = [];
	async read(archive) {
		const parts = readTar(archive);
		for await (const part of parts) {
			if (part.kind !== "header") continue;
			const { path, type, linkPath } = part.entry;
			if (path === "manifest.json") {
				const bytes = await buffer(contentOf(part.entry, parts));
				this.#order = JSON.parse(bytes.toString())[0]?.Layers ?? [];
			} else if (type === "symlink") this.#links.set(path, linkPath.replace(/^\.\.\//, ""));
			else if (type === "file") {
				const tar = await layerTar(contentOf(part.entry, parts));
				if (tar !== void 0) this.#layers.set(path, await readLayer(tar));
			}
		}
	}
	merged() {
		const merged = /* @__PURE__ */ new Map();
		const removeBelow = (dir) => {
			for (const path of [...merged.keys()].filter((key) => dir === "" || key.startsWith(`${dir}/`))) merged.delete(path);
		};
		for (const name of this.#order) {
			const layer = this.#layers.get(this.#links.get(name) ?? name);
			for (const dir of layer?.opaque ?? []) removeBelow(dir);
			for (const path of layer?.deleted ?? []) {
				merged.delete(path);
				removeBelow(path);
			}
			for (const [path, own] of layer?.entries ?? []) {
				if (own.entry.type !== "directory") removeBelow(path);
				merged.set(path, own);
			}
		}
		return merged;
	}
};
async function readLayer(tar) {
	const traces = {
		entries: /* @__PURE__ */ new Map(),
		deleted: /* @__PURE__ */ new Set(),
		opaque: /* @__PURE__ */ new Set()
	};
	const parts = readTar(tar);
	for await (const part of parts) {
		if (part.kind !== "header") continue;
		const { path } = part.entry;
		const slash = path.lastIndexOf("/");
		const [dir, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
		if (name === OPAQUE) traces.opaque.add(dir);
		else if (name.startsWith(WHITEOUT)) {
			const deleted = name.slice(4);
			traces.deleted.add(dir === "" ? deleted : `${dir}/${deleted}`);
		} else if (isTracked(path) && part.entry.sizeBytes <= MAX_OWN_BYTES) traces.entries.set(path, {
			entry: part.entry,
			raw: part.raw,
			content: await bodyOf(part.entry, parts)
		});
	}
	return traces;
}
async function bodyOf({ sizeBytes }, parts) {
	const chunks = [];
	const wanted = Math.ceil(sizeBytes / 512) * 512;
	for (let left = wanted; left > 0;) {
		const { value, done } = await parts.next();
		if (done || value.kind !== "body") break;
		chunks.push(value.chunk);
		left -= value.chunk.length;
	}
	return Buffer.concat(chunks);
}
/** The tar in a file of an image archive; undefined for the files that are JSON or text. */
async function layerTar(content) {
	const { value: first } = await content.next();
	const magic = first?.toString("hex", 0, 4) ?? "";
	const whole = async function* () {
		yield first;
		yield* content;
	};
	if (magic.startsWith("1f8b")) return decoded(whole(), createGunzip());
	if (magic === "28b52ffd") return decoded(whole(), createZstdDecompress());
	return first !== void 0 && (first.toString("latin1", 257, 262) === "ustar" || isEmptyTar(first)) ? whole() : void 0;
}
function isEmptyTar(first) {
	return first.length >= 512 && first.subarray(0, 512).every((byte) => byte === 0);
}
function decoded(source, decoder) {
	const readable = Readable.from(source);
	readable.on("error", (error) => decoder.destroy(error));
	return readable.pipe(decoder);
}
// src/pack/layer.ts
const CAPABILITY_KEY = "SCHILY.xattr.security.capability";
/** How GNU tar, BSD tar and Go write extended attributes and access control lists. */
const ATTRIBUTE_KEY = /^(?:SCHILY\.(?:xattr|acl)|LIBARCHIVE\.xattr)\.(?<name>.+)$/;
const MAX_EXAMPLES = 5;
/**
* Turns the tar of a container into the layer of its image, in constant memory and one pass: entries pass through byte
* for byte, but for what the engine has added to the container, and for links that smolvm refuses.
*/
var LayerFilter = class {
	findings = {
		inodes: 0,
		capabilities: found(),
		attributes: found(),
		specialFiles: found(),
		changedLinks: found()
	};
	#traces;
	#own;
	#imageSeconds;
	/** Own entries that follow at the end: the target of a hard link comes first. */
	#deferred = [];
	/** @param own what the image has where the engine puts something else; without it, that is told by names and times */
	constructor(traces, imageSeconds, own) {
		this.#traces = traces;
		this.#imageSeconds = imageSeconds;
		this.#own = own;
	}
	/** Without the end marker. */
	async *apply(container) {
		let isDropped = false;
		for await (const part of readTar(container)) {
			if (part.kind === "body") {
				if (!isDropped) yield part;
				continue;
			}
			const { entry, raw } = part;
			const isReplaced = this.#own !== void 0 && isTracked(entry.path);
			isDropped = isReplaced || this.#traces.isStub(entry);
			if (isReplaced) yield* this.#ownEntry(entry.path);
			else if (!isDropped) yield this.#passed(entry, raw);
		}
		for (const { entry, raw } of this.#deferred) yield this.#passed(entry, raw);
	}
	*#ownEntry(path) {
		const own = this.#own?.get(path);
		if (own?.entry.type === "hardlink") this.#deferred.push(own);
		else if (own !== void 0) {
			yield this.#passed(own.entry, own.raw);
			yield {
				kind: "body",
				chunk: own.content
			};
		}
	}
	/** The entry as it goes into the layer. */
	#passed(entry, raw) {
		const { path, type, linkPath } = entry;
		if (type !== "hardlink") this.findings.inodes += 1;
		this.#noteAttributes(entry);
		if ([
			"fifo",
			"character-device",
			"block-device"
		].includes(type)) add(this.findings.specialFiles, path);
		if (type === "symlink") {
			const inside = linkInsideRoot(path, linkPath);
			if (inside !== void 0) {
				add(this.findings.changedLinks, `${path} -> ${inside}`);
				return {
					kind: "header",
					entry: {
						...entry,
						linkPath: inside,
						linkPathBytes: Buffer.from(inside)
					},
					raw: changedHeader(entry, raw, { linkPath: inside })
				};
			}
		}
		if (type === "directory" && entry.mtimeSeconds > this.#imageSeconds) {
			const mtimeSeconds = this.#imageSeconds;
			return {
				kind: "header",
				entry: {
					...entry,
					mtimeSeconds
				},
				raw: changedHeader(entry, raw, { mtimeSeconds })
			};
		}
		return {
			kind: "header",
			entry,
			raw
		};
	}
	#noteAttributes({ path, pax }) {
		for (const key of pax.keys()) {
			const name = ATTRIBUTE_KEY.exec(key)?.groups?.name;
			if (key === CAPABILITY_KEY) add(this.findings.capabilities, path);
			else if (name !== void 0) add(this.findings.attributes, `${path} (${name})`);
		}
	}
};
function found() {
	return {
		count: 0,
		examples: []
	};
}
function add(kind, path) {
	kind.count += 1;
	if (kind.examples.length < MAX_EXAMPLES) kind.examples.push(path);
}
// src/pack/flatten.ts
/** https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
const MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_MEDIA_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar";
const SPOOL_CHUNK_BYTES = 1048576;
/** Turns an image into one with a single layer, the file system that a container of it starts with. */
async function flattenImage(options) {
	const { layerPath: path, onBytes } = options;
	const { value, ...found } = await exportImage(options, async (parts, sizeBytes) => {
		await fs.rm(path, { force: true });
		await requireFreeBytes(dirname(path), sizeBytes, "the flattened image");
		const spool = await LayerSpool.create(path, (doneBytes) => onBytes(doneBytes, sizeBytes));
		try {
			for await (const part of parts) await spool.write(part.kind === "header" ? part.raw : part.chunk);
			await spool.write(END_OF_ARCHIVE);
			return await spool.finish();
		} finally {
			await spool.close();
		}
	});
	return {
		flat: describeImage(options, {
			path,
			...value
		}),
		...found
	};
}
/**
* Gives the file system that a container of an image starts with to `consume`, as parts of a tar.
* @param consume is called once more where the engine hides what the image has; what it did before is void. It also
*   gets about how many bytes there will be.
*/
async function exportImage({ image, platform, signal, onWarning }, consume) {
	const name = `cbp-flatten-${randomBytes(8).toString("hex")}`;
	try {
		await secondAfter(image);
		const container = await createContainer(image.id, {
			name,
			owner: thisOwner(),
			platform
		});
		const traces = new EngineTraces(container, image);
		const pass = async (own) => {
			const filter = new LayerFilter(traces, imageSeconds(image), own);
			const values = [];
			await exportContainer(name, async (tar) => {
				values.push(await consume(filter.apply(tar), container.sizeBytes));
			}, { signal });
			return {
				value: values[0],
				findings: filter.findings
			};
		};
		const first = await pass();
		if (traces.suspects.length === 0) return {
			...first,
			leftOut: HIDDEN_FILES
		};
		return {
			...await pass(await readOwnPaths(image, signal)),
			leftOut: []
		};
	} finally {
		const failure = await removeContainer(name);
		if (failure !== void 0) onWarning(failure);
	}
}
/** Times in a tar are whole seconds: what the container gets must not be as old as what the image has. */
async function secondAfter(image) {
	const waitMs = (imageSeconds(image) + 1) * 1e3 - Date.now();
	if (waitMs > 0 && waitMs <= 1e3) await setTimeout$1(waitMs);
}
/** When the image was made, in whole seconds, which every engine gives alike. */
function createdTime({ image, latestSeconds = Number.POSITIVE_INFINITY }) {
	return (/* @__PURE__ */ new Date(Math.min(imageSeconds(image), latestSeconds) * 1e3)).toISOString();
}
/**
* Says nothing that differs between engines which have the same image.
* https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
*/
function describeImage(options, layer) {
	const { image } = options;
	const created = createdTime(options);
	const config = Buffer.from(JSON.stringify({
		created,
		author: image.author,
		architecture: image.architecture,
		variant: image.variant,
		os: image.os,
		config: runtimeConfig(image),
		rootfs: {
			type: "layers",
			diff_ids: [layer.digest]
		},
		history: [{
			created,
			created_by: "claude-bottle pack",
			comment: "flattened"
		}]
	}));
	const manifest = Buffer.from(JSON.stringify({
		schemaVersion: 2,
		mediaType: MANIFEST_MEDIA_TYPE,
		config: {
			mediaType: CONFIG_MEDIA_TYPE,
			digest: sha256(config),
			size: config.length
		},
		layers: [{
			mediaType: LAYER_MEDIA_TYPE,
			digest: layer.digest,
			size: layer.sizeBytes
		}]
	}));
	return {
		manifest,
		manifestDigest: sha256(manifest),
		config,
		configDigest: sha256(config),
		layer
	};
}
function sha256(bytes) {
	return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
function writeError(path, error) {
	return fileError(`cannot write the image's layer to ${path}`, error);
}
/** Gathers small writes into big ones and hashes on the way. */
var LayerSpool = class LayerSpool {
	#file;
	#path;
	#onBytes;
	#hash = createHash("sha256");
	#chunk = Buffer.allocUnsafe(SPOOL_CHUNK_BYTES);
	#filled = 0;
	#sizeBytes = 0;
	constructor(file, path, onBytes) {
		this.#file = file;
		this.#path = path;
		this.#onBytes = onBytes;
	}
	static async create(path, onBytes) {
		try {
			return new LayerSpool(await fs.open(path, "w", 384), path, onBytes);
		} catch (error) {
			throw writeError(path, error);
		}
	}
	async write(bytes) {
		let offset = 0;
		while (offset < bytes.length) {
			const copied = bytes.copy(this.#chunk, this.#filled, offset);
			this.#filled += copied;
			offset += copied;
			if (this.#filled === this.#chunk.length) await this.#flush();
		}
	}
	async finish() {
		await this.#flush();
		return {
			digest: `sha256:${this.#hash.digest("hex")}`,
			sizeBytes: this.#sizeBytes
		};
	}
	async close() {
		await this.#file.close();
	}
	async #flush() {
		const bytes = this.#chunk.subarray(0, this.#filled);
		this.#hash.update(bytes);
		try {
			await this.#file.writeFile(bytes);
		} catch (error) {
			throw writeError(this.#path, error);
		}
		this.#sizeBytes += bytes.length;
		this.#filled = 0;
		this.#onBytes(this.#sizeBytes);
	}
};
// src/sidecar/reframe.ts
const READ_CHUNK_BYTES$1 = 1048576;
/**
* Writes a sidecar once more, in frames and in the canonical form. The tars in it keep their entries byte for byte.
* @param from has been verified
* @param changes go into the manifest
*/
async function reframeSidecar({ path: from, footer, manifest }, to, { changes, signal, onBytes }) {
	const source = (await fs.open(from).catch((error) => {
		throw fileError(`cannot read ${from}`, error);
	})).createReadStream({
		end: footer.assetsBytes - 1,
		highWaterMark: READ_CHUNK_BYTES$1
	});
	const writer = await SidecarWriter.create(to);
	try {
		const sizes = /* @__PURE__ */ new Map();
		const members = readTar(frameContents(source, signal));
		for await (const part of members) {
			signal.throwIfAborted();
			if (part.kind === "header" && part.entry.type !== "directory") sizes.set(part.entry.path, await addMember(writer, part.entry, members, onBytes));
		}
		const { agent_rootfs: agent, layers, storage_template: storage } = manifest.assets;
		const resized = (asset) => ({
			...asset,
			size: sizes.get(asset.path) ?? asset.size
		});
		return await writer.finish({
			...manifest,
			...changes,
			assets: {
				...manifest.assets,
				agent_rootfs: resized(agent),
				layers: layers.map(resized),
				...storage && { storage_template: resized(storage) }
			}
		});
	} catch (error) {
		throw error instanceof TarError ? damaged("assets", error.message, error) : error;
	} finally {
		source.destroy();
		await writer.close();
	}
}
/** @returns the size of the member as it is now */
async function addMember(writer, entry, members, onBytes) {
	const { path, extents, sizeBytes, realSizeBytes } = entry;
	if (path.endsWith(".tar")) return (await writer.addTar(readTar(contentOf(entry, members)), () => path, onBytes)).sizeBytes;
	const header = entry.type === "sparse" ? sparseHeader(path, extents, realSizeBytes) : fileHeader(path, sizeBytes);
	const stored = contentOf({
		...entry,
		extents: [],
		realSizeBytes: sizeBytes
	}, members);
	await writer.addFile(path, header, stored);
	return realSizeBytes;
}
// src/pack/container-hop.ts
const DOCKER_MANIFEST_MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const TAGS_FILE = "docker-tags";
const MANIFEST_TIMEOUT_MS = 3e4;
/** The hop as claude-bottle has it: the image is pushed to a registry container that lives while `use` runs. */
async function withContainerHop(image, options, use) {
	const { scratch, signal, onLine } = options;
	const loaded = `cbp-flat:${randomBytes(8).toString("hex")}`;
	try {
		await noteTag(scratch, loaded);
		await loadImage(imageArchive(image, loaded), {
			signal,
			onLine
		});
		return await withRegistryContainer({
			...options,
			image: options.registryImage
		}, async (port) => {
			const repository = `localhost:${port}/claude-bottle`;
			const tag = `${repository}:${id16(image.configDigest)}`;
			await noteTag(scratch, tag);
			await tagImage(loaded, tag);
			const digest = await pushImage(tag, {
				signal,
				onLine
			});
			const layerDigest = await pushedLayer(port, digest, image, signal);
			return await use({
				reference: `${repository}@${digest}`,
				layerDigest
			});
		});
	} finally {
		await removeNotedTags(scratch, options.onWarning);
	}
}
/** The format of `docker save`, which every engine loads: manifest.json names the config and the layers. */
async function* imageArchive({ layer, config }, tag) {
	const manifest = JSON.stringify([{
		Config: "config.json",
		RepoTags: [tag],
		Layers: ["layer.tar"]
	}]);
	yield smallEntry("manifest.json", Buffer.from(manifest));
	yield smallEntry("config.json", config);
	yield tarHeader("layer.tar", layer.sizeBytes);
	yield* createReadStream(layer.path);
	yield paddingAfter(layer.sizeBytes);
	yield END_OF_ARCHIVE;
}
function smallEntry(path, bytes) {
	return Buffer.concat([
		tarHeader(path, bytes.length),
		bytes,
		paddingAfter(bytes.length)
	]);
}
const pushedManifest = object({
	config: object({ digest: string() }),
	layers: array(object({ digest: string().check(refine(isDigest)) })).check(_length(1))
});
/** Reads the manifest back by its digest: any local user could have pushed to that registry. */
async function pushedLayer(port, digest, image, signal) {
	const body = await fetchManifest(`http://127.0.0.1:${port}/v2/claude-bottle/manifests/${digest}`, signal);
	const actual = `sha256:${createHash("sha256").update(body).digest("hex")}`;
	const manifest = actual === digest ? pushedManifest.safeParse(JSON.parse(body.toString())).data : void 0;
	const layer = manifest?.layers[0];
	if (layer === void 0 || manifest?.config.digest !== image.configDigest) throw new BottleError("registry-failed", `the registry serves another image than was pushed: expected the config ${image.configDigest}, got ${manifest?.config.digest ?? `a manifest with the digest ${actual}`}`, { hint: "use hop embedded; something else writes to this registry" });
	return layer.digest;
}
async function fetchManifest(url, signal) {
	try {
		const response = await fetch(url, {
			headers: { accept: `${MANIFEST_MEDIA_TYPE}, ${DOCKER_MANIFEST_MEDIA_TYPE}` },
			signal: AbortSignal.any([signal, AbortSignal.timeout(MANIFEST_TIMEOUT_MS)])
		});
		return Buffer.from(await response.arrayBuffer());
	} catch (error) {
		signal.throwIfAborted();
		throw new BottleError("registry-failed", `the registry stopped answering: ${url}`, {
			hint: "try again, or use hop embedded, which needs no container",
			cause: error
		});
	}
}
async function noteTag(scratch, tag) {
	await fs.appendFile(join(scratch, TAGS_FILE), `${tag}\n`);
}
/** Removes the image tags that a hop in `scratch` has made, also one that was killed. */
async function removeNotedTags(scratch, onWarning) {
	const path = join(scratch, TAGS_FILE);
	const noted = await fs.readFile(path, "utf8").catch(() => "");
	for (const tag of noted.split("\n").filter((line) => line !== "")) {
		const failure = await removeImage(tag);
		if (failure !== void 0) onWarning(failure);
	}
	await fs.rm(path, { force: true });
}
// src/pack/peer.ts
/**
* Whether the process at the other end of a loopback connection belongs to our user, or to one that smolvm, run as
* root, starts a VM as. Only Linux says who owns a connection (proc_pid_net(5), tcp); elsewhere everyone passes.
*/
async function isOwnPeer(socket) {
	if (process.platform !== "linux") return true;
	const uid = await peerUid(socket);
	const ours = process.getuid?.();
	return uid !== void 0 && (uid === ours || ours === 0 && uid >= 2e6);
}
/** The owner of the connection whose local end is our remote end. */
async function peerUid(socket) {
	const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = socket;
	const local = endpoint(remoteAddress, remotePort);
	const remote = endpoint(localAddress, localPort);
	const table = await readFile(remoteAddress.includes(":") ? "/proc/net/tcp6" : "/proc/net/tcp", "latin1");
	for (const line of table.split("\n")) {
		const fields = line.trim().split(/\s+/);
		if (fields[1] === local && fields[2] === remote) return Number(fields[7]);
	}
}
const LOOPBACK_V6 = `${"0".repeat(24)}01000000`;
/** As the kernel prints it: each 32 bits of the address in the byte order of the machine, the port in hexadecimal. */
function endpoint(address, port) {
	return `${address === "::1" ? LOOPBACK_V6 : v4Hex(address)}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}
function v4Hex(address) {
	return address.split(".").map((part) => Number(part).toString(16).toUpperCase().padStart(2, "0")).reverse().join("");
}
// src/pack/hop.ts
const REPOSITORY = "claude-bottle";
const BLOB_MEDIA_TYPE = "application/octet-stream";
const READ_CHUNK_BYTES = 1048576;
const MAX_HEADER_BYTES = 16384;
const MAX_CONNECTIONS = 64;
/** For a request to arrive. Its answer may take as long as the client needs. */
const REQUEST_TIMEOUT_MS = 3e4;
/**
* Serves one image from inside this process while `use` runs: a read-only OCI registry on a random port of 127.0.0.1
* and ::1, closed with all its connections afterwards. It answers only processes of our own user and, where we are
* root, of the users that smolvm starts its VMs as. It has no lists, and its one tag is the id16 of the served image: a
* web page that rebinds its name to 127.0.0.1 knows neither that nor a digest.
* https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints (end-1 to end-3)
*/
async function withEmbeddedHop(image, use) {
	const { servers, port } = await listen(forOwnPeers(oneByOne(registry(image))));
	try {
		return await use(`localhost:${port}/${REPOSITORY}@${image.manifestDigest}`);
	} finally {
		await Promise.all(servers.map(close));
	}
}
/** `localhost` is ::1 first, where another user could otherwise take our port; many containers have no ::1. */
async function listen(handle) {
	for (;;) {
		const v4 = newServer(handle);
		await listenOn(v4, "127.0.0.1", 0);
		const { port } = v4.address();
		const v6 = newServer(handle);
		try {
			await listenOn(v6, "::1", port);
			return {
				servers: [v4, v6],
				port
			};
		} catch (error) {
			if (hasErrno(error, "EADDRNOTAVAIL", "EAFNOSUPPORT")) return {
				servers: [v4],
				port
			};
			await close(v4);
			if (!hasErrno(error, "EADDRINUSE")) throw error;
		}
	}
}
function newServer(handle) {
	const server = createServer({
		maxHeaderSize: MAX_HEADER_BYTES,
		requestTimeout: REQUEST_TIMEOUT_MS
	}, handle);
	server.maxConnections = MAX_CONNECTIONS;
	return server;
}
async function listenOn(server, host, port) {
	server.listen({
		host,
		port
	});
	await once(server, "listening");
}
async function close(server) {
	const closed = once(server, "close");
	server.close();
	server.closeAllConnections();
	await closed;
}
/** A connection is judged once, and one of a stranger ends without an answer. */
function forOwnPeers(handle) {
	const verdicts = /* @__PURE__ */ new WeakMap();
	return async (request, response) => {
		const { socket } = request;
		const verdict = verdicts.get(socket) ?? isOwnPeer(socket);
		verdicts.set(socket, verdict);
		if (await verdict) handle(request, response);
		else socket.destroy();
	};
}
/**
* Node hands over pipelined requests at once and holds what is written ahead of their turn in memory; answers
* still waiting when the client leaves are never told, and would keep their files open.
*/
function oneByOne(handle) {
	const lastAnswer = /* @__PURE__ */ new WeakMap();
	return async (request, response) => {
		const { socket } = request;
		const turn = lastAnswer.get(socket);
		lastAnswer.set(socket, new Promise((resolve) => response.once("close", resolve)));
		await turn;
		if (!socket.destroyed) handle(request, response);
	};
}
function registry(image) {
	const { manifest, manifestDigest, config, configDigest, layer } = image;
	const onlyManifest = inMemory(MANIFEST_MEDIA_TYPE, manifestDigest, manifest);
	const manifests = /* @__PURE__ */ new Map([[manifestDigest, onlyManifest], [id16(image.configDigest), onlyManifest]]);
	const blobs = /* @__PURE__ */ new Map([[configDigest, inMemory(BLOB_MEDIA_TYPE, configDigest, config)], [layer.digest, {
		mediaType: BLOB_MEDIA_TYPE,
		digest: layer.digest,
		sizeBytes: layer.sizeBytes,
		open: (start, end) => createReadStream(layer.path, {
			start,
			end,
			highWaterMark: READ_CHUNK_BYTES
		})
	}]]);
	return (request, response) => {
		response.setHeader("docker-distribution-api-version", "registry/2.0");
		if (request.method !== "GET" && request.method !== "HEAD") {
			response.setHeader("allow", "GET, HEAD");
			response.setHeader("connection", "close");
			refuse(response, 405, "UNSUPPORTED", "this registry is read-only");
			return;
		}
		const [path = ""] = (request.url ?? "").split("?");
		if (path === "/v2/" || path === "/v2") {
			response.setHeader("content-type", "application/json");
			response.end("{}");
			return;
		}
		const [, name, kind, reference = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
		const isBlob = kind === "blobs";
		const content = (isBlob ? blobs : manifests).get(reference);
		if (kind === void 0) refuse(response, 404, "UNSUPPORTED", "this registry serves manifests and blobs only");
		else if (name !== REPOSITORY) refuse(response, 404, "NAME_UNKNOWN", `the only repository here is ${REPOSITORY}`);
		else if (content !== void 0) serve(request, response, content);
		else if (!isDigest(reference) && (isBlob || reference.includes(":"))) refuse(response, 400, "DIGEST_INVALID", "a digest is sha256: and 64 hex digits");
		else refuse(response, 404, isBlob ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN", "not a part of the image served here");
	};
}
function inMemory(mediaType, digest, bytes) {
	const open = (start, end) => Readable.from([bytes.subarray(start, end + 1)]);
	return {
		mediaType,
		digest,
		sizeBytes: bytes.length,
		open
	};
}
function serve(request, response, content) {
	const { digest, sizeBytes } = content;
	const etag = `"${digest}"`;
	const { range: wanted, "if-range": ifRange = etag } = request.headers;
	const range = request.method === "GET" && ifRange === etag ? parseRange(wanted, sizeBytes) : void 0;
	if (range === "unsatisfiable") {
		response.setHeader("content-range", `bytes */${sizeBytes}`);
		refuse(response, 416, "RANGE_INVALID", `the content has ${counted(sizeBytes, "byte")}`);
		return;
	}
	const [start, end] = range ?? [0, sizeBytes - 1];
	if (range !== void 0) response.setHeader("content-range", `bytes ${start}-${end}/${sizeBytes}`);
	response.writeHead(range === void 0 ? 200 : 206, {
		"content-type": content.mediaType,
		"content-length": end - start + 1,
		"docker-content-digest": digest,
		etag,
		"accept-ranges": "bytes"
	});
	if (request.method === "HEAD") {
		response.end();
		return;
	}
	pipeline(content.open(start, end), response).catch(() => void 0);
}
/** One range of bytes (RFC 9110, 14.1.2); whatever else is asked for is answered with the whole. */
function parseRange(header, sizeBytes) {
	const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/i.exec(header ?? "") ?? [];
	if (first === "" && last === "") return;
	if (first === "") return Number(last) === 0 ? "unsatisfiable" : [Math.max(0, sizeBytes - Number(last)), sizeBytes - 1];
	if (last !== "" && Number(last) < Number(first)) return;
	const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
	return Number(first) >= sizeBytes ? "unsatisfiable" : [Number(first), end];
}
/** https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes */
function refuse(response, status, code, message) {
	response.statusCode = status;
	response.setHeader("content-type", "application/json");
	response.end(JSON.stringify({ errors: [{
		code,
		message
	}] }));
}
// src/pack/pack.ts
/**
* What smolvm writes while it packs a one-layer image, in sizes of that layer: the layer and its export on the
* builder VM's disk, the staged copy, the compressed assets twice.
*/
const PACK_SPACE_FACTOR = 3;
/** More than a disk of 2 GiB has. */
const MANY_INODES = 2 * INODES_PER_GIB;
/** Image -> one layer -> registry on loopback -> `smolvm pack create` -> verified sidecar in `outDir`. */
async function packImage(options) {
	const { onProgress } = options;
	return await withPrivateDir(scratchParent(), async (scratch) => {
		const { flat, findings } = await flatten(options, scratch);
		const layer = {
			sizeBytes: flat.layer.sizeBytes,
			inodes: findings.inodes
		};
		warnOfLimits(options, layer);
		const packSpace = PACK_SPACE_FACTOR * flat.layer.sizeBytes;
		await requireFreeBytes(scratch, packSpace, "smolvm pack create");
		await requireFreeBytes(options.outDir, flat.layer.sizeBytes, "the sidecar");
		return await finishSidecar(await withHop(flat, options, scratch, async (served) => ({
			path: await pack(served.reference, layer, options, scratch),
			layerDigest: served.layerDigest
		})), flat, options);
	}, (scratch) => clearScratch(scratch, onProgress));
}
/** Verifies what smolvm has written, and writes it in frames. */
async function finishSidecar(packed, flat, options) {
	const { platform, signal, onProgress } = options;
	const { configDigest, manifestDigest } = flat;
	const expected = {
		platform,
		configDigest,
		layerDigest: packed.layerDigest
	};
	const { size: totalBytes } = await fs.stat(packed.path);
	const onBytes = (doneBytes) => onProgress({
		type: "bytes",
		stage: "verify",
		doneBytes,
		totalBytes
	});
	onProgress({
		type: "start",
		stage: "verify"
	});
	const original = await verifySidecar(packed.path, expected, {
		signal,
		onBytes
	});
	const path = join(options.outDir, `${id16(options.image.id)}.smolmachine`);
	const { hashed, frames } = await reframeSidecar(original, path, {
		changes: {
			image: sidecarImageName(manifestDigest),
			created: createdTime(options)
		},
		signal,
		onBytes
	});
	await fs.rm(packed.path);
	const report = await verifySidecar(path, expected, {
		signal,
		hashed
	});
	onProgress({
		type: "done",
		stage: "verify",
		sizeBytes: report.sizeBytes
	});
	return {
		report,
		frames,
		record: {
			...packRecord(options, flat, {
				report,
				frames,
				smolvmVersion: options.smolvm.version
			}),
			packer: "smolvm",
			hop: options.hop.kind
		}
	};
}
/** The value of SOURCE_DATE_EPOCH: https://reproducible-builds.org/specs/source-date-epoch/ */
function sourceDateEpoch({ SOURCE_DATE_EPOCH: value }) {
	if (value === void 0 || value === "") return;
	if (!/^\d{1,11}$/.test(value)) throw new BottleError("usage", `SOURCE_DATE_EPOCH is ${JSON.stringify(value)}, not a number of seconds`, { hint: "set it to seconds since 1970, or unset it" });
	return Number(value);
}
/** The image's name in a manifest: without the port of a registry that is gone. */
function sidecarImageName(manifestDigest) {
	return `localhost/claude-bottle@${manifestDigest}`;
}
/** Removes what killed runs have left, on the Docker engine and on disk, and ends what they have left running. */
async function sweepKilledRuns(signal, onProgress) {
	await sweepContainers(signal, warningsTo(onProgress));
	await sweepScratch(onProgress);
}
/** Removes the working directories of killed runs, and ends what still works in them. */
async function sweepScratch(onProgress) {
	await sweepPrivateDirs(scratchParent(), {
		beforeRemove: (scratch) => clearScratch(scratch, onProgress),
		onWarning: warningsTo(onProgress)
	});
}
async function clearScratch(scratch, onProgress) {
	await reapPackCreate(scratch);
	await removeNotedTags(scratch, warningsTo(onProgress));
}
async function flatten(options, scratch) {
	const { image, onProgress } = options;
	onProgress({
		type: "start",
		stage: "flatten",
		detail: `${counted(image.layers.length, "layer")}${image.layers.length === 1 ? "" : " into one"}`
	});
	const flattened = await flattenImage({
		image,
		platform: options.platform,
		latestSeconds: options.latestSeconds,
		layerPath: join(scratch, "layer.tar"),
		signal: options.signal,
		onBytes: (doneBytes, totalBytes) => onProgress({
			type: "bytes",
			stage: "flatten",
			doneBytes,
			totalBytes,
			isEstimate: true
		}),
		onWarning: warningsTo(onProgress)
	});
	const { flat, findings } = flattened;
	onProgress({
		type: "done",
		stage: "flatten",
		sizeBytes: flat.layer.sizeBytes,
		detail: filesIn(flattened)
	});
	for (const message of layerWarnings(findings, "smolvm")) onProgress({
		type: "warning",
		message
	});
	return flattened;
}
/** How many files a layer has, and which it lacks. */
function filesIn({ findings, leftOut }) {
	const without = leftOut.length === 0 ? "" : `, without ${leftOut.join(", ")}, which Docker hides`;
	return `${counted(findings.inodes, "file", findings.inodes.toLocaleString("en"))}${without}`;
}
/** What `smolvm pack create` does not keep, or what no machine gets, in every tested version, and what a machine needs. */
function layerWarnings({ inodes, capabilities, attributes, specialFiles, changedLinks }, packer) {
	const listed = ({ count, examples }) => `${examples.join(", ")}${count > examples.length ? ` and ${count - examples.length} more` : ""}`;
	return [
		...inodeWarning(inodes),
		...attributes.count > 0 ? [`a sidecar has no extended attributes and no access control lists: ${listed(attributes)} will be missing`] : [],
		...capabilities.count > 0 ? [`smolvm does not keep file capabilities: ${listed(capabilities)}`] : [],
		...specialFiles.count > 0 && packer === "smolvm" ? [`smolvm turns devices and FIFOs into empty files: ${listed(specialFiles)}`] : [],
		...changedLinks.count > 0 ? [`smolvm refuses links that lead above the root or are the root: changed to the same place inside it: ${listed(changedLinks)}`] : []
	];
}
/** A disk that has room for the bytes of an image may have too few inodes for its files. */
function inodeWarning(inodes) {
	if (inodes <= MANY_INODES) return [];
	const [files, perGib, usual] = [
		inodes,
		INODES_PER_GIB,
		20 * INODES_PER_GIB
	].map((count) => count.toLocaleString("en"));
	return [`the image has ${files} files: a guest that unpacks them needs a disk of ${gibForInodes(inodes)} GiB or more, because smolvm's disks have ${perGib} inodes for each GiB (${usual} with the default of 20 GiB)`];
}
function warnOfLimits({ smolvm, onProgress }, layer) {
	const message = storageWarning(smolvm, layer);
	if (message !== void 0) onProgress({
		type: "warning",
		message
	});
}
async function withHop(flat, options, scratch, use) {
	const { hop, signal, onProgress } = options;
	if (hop.kind === "embedded") return await withEmbeddedHop(flat, (reference) => use({
		reference,
		layerDigest: flat.layer.digest
	}));
	onProgress({
		type: "start",
		stage: "push",
		detail: "into a registry container"
	});
	return await withContainerHop(flat, {
		registryImage: hop.registryImage,
		scratch,
		signal,
		onLine: (line) => onProgress({
			type: "output",
			stage: "push",
			line
		}),
		onWarning: warningsTo(onProgress)
	}, async (served) => {
		onProgress({
			type: "done",
			stage: "push"
		});
		return await use(served);
	});
}
async function pack(reference, layer, options, scratch) {
	const { smolvm, onProgress } = options;
	onProgress({
		type: "start",
		stage: "pack",
		detail: `smolvm ${smolvm.version}`
	});
	const { path, sizeBytes } = await packCreate(smolvm, {
		reference,
		output: join(options.outDir, `smolvm-${id16(options.image.id)}`),
		platform: options.platform,
		layer,
		cpus: options.cpus,
		memMib: options.memMib,
		scratch,
		signal: options.signal,
		timeoutMs: options.timeoutMs,
		onLine: (line) => onProgress({
			type: "output",
			stage: "pack",
			line
		})
	});
	onProgress({
		type: "done",
		stage: "pack",
		sizeBytes
	});
	return path;
}
function packRecord({ image, platform, cpus, memMib, latestSeconds }, flat, { report, frames, smolvmVersion, parts }) {
	const index = formatFrameIndex(frames);
	return {
		version: 1,
		platform,
		image: {
			id: image.id,
			...image.configDigest && { configDigest: image.configDigest },
			...image.manifestDigest && { manifestDigest: image.manifestDigest },
			layers: [...image.layers],
			runtimeConfigSha256: runtimeConfigSha256(runtimeConfig(image))
		},
		flattened: {
			configDigest: flat.configDigest,
			layerDigest: flat.layer.digest,
			layerSizeBytes: flat.layer.sizeBytes
		},
		sidecar: {
			sha256: report.sha256,
			sizeBytes: report.sizeBytes,
			crc32: report.crc32
		},
		smolvm: {
			version: smolvmVersion,
			...cpus !== void 0 && { cpus },
			...memMib !== void 0 && { memMib }
		},
		format: {
			version: 1,
			zstd: ZSTD_VERSION,
			...latestSeconds !== void 0 && { latestSeconds },
			...parts !== void 0 && { parts }
		},
		frames: {
			sha256: hash("sha256", index),
			sizeBytes: index.length
		},
		packedAt: (/* @__PURE__ */ new Date()).toISOString()
	};
}
export { paddingAfter as _, sidecarImageName as a, hintFor as b, sweepScratch as c, exportImage as d, imageSeconds as f, tarEntryHeader as g, sparseHeader as h, packRecord as i, createdTime as l, ZSTD_VERSION as m, layerWarnings as n, sourceDateEpoch as o, SidecarWriter as p, packImage as r, sweepKilledRuns as s, filesIn as t, describeImage as u, packCreateEnv as v, REGISTRY_IMAGE as x, reapPackCreate as y };
