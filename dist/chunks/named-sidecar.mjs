import { a as fileError, t as BottleError } from "./errors.mjs";
import { t as counted } from "./shown-text.mjs";
import { i as verifySidecar } from "./verify.mjs";
import { t as formatBytes } from "./disk.mjs";
import { t as readSmallFile } from "./small-file.mjs";
import { h as verifyFile, n as MAX_RECORD_BYTES, s as expectedOf } from "./file.mjs";
import { i as damaged } from "./frame-reader.mjs";
import { b as isSameOrigin, u as objectPath } from "./by-key.mjs";
import { g as statFile } from "./store.mjs";
import { f as verifyNamed } from "./read.mjs";
import { n as parseRecord } from "./record.mjs";
import { t as findId } from "./stored-id.mjs";
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
// src/sidecar/guest-files.ts
/** The most for all names and link targets together. A million files have about a tenth of it. */
const MAX_NAME_BYTES = 536870912;
/**
* Collects what a guest has, for `verifySidecar` with `deep`. A file costs some hundred bytes, and next to nothing where
* `base`, which it is going to be compared with, has the same one.
*/
function collectGuestFiles(base = /* @__PURE__ */ new Map()) {
	const files = /* @__PURE__ */ new Map();
	let nameBytes = 0;
	return {
		files,
		async onEntry(entry, content) {
			nameBytes += entry.pathBytes.length + entry.linkPathBytes.length;
			if (nameBytes > MAX_NAME_BYTES) throw damaged("layer", `its names have more than ${MAX_NAME_BYTES} bytes, which is too much to compare`);
			const key = entry.pathBytes.toString("latin1");
			const path = key === "" || key === "." ? "/" : key === entry.path ? key : entry.path;
			const file = {
				...(entry.type === "hardlink" ? files.get(linkedPath(entry)) : void 0) ?? await describeEntry(path, entry, content),
				path
			};
			const same = base.get(key);
			files.set(key, same !== void 0 && differentAspects(same, file).length === 0 ? same : file);
		}
	};
}
function linkedPath({ linkPathBytes }) {
	return linkPathBytes.toString("latin1").replace(/^(\.\/)+/, "");
}
async function describeEntry(path, entry, content) {
	const { mode, uid, gid, mtimeSeconds, realSizeBytes, linkPath, deviceMajor, deviceMinor } = entry;
	const common = {
		path,
		mode: mode & 4095,
		uid,
		gid,
		mtimeSeconds,
		sizeBytes: realSizeBytes
	};
	switch (entry.type) {
		case "file":
		case "sparse": {
			const hash = createHash("sha256");
			for await (const chunk of content) hash.update(chunk);
			return {
				...common,
				type: "file",
				sha256: hash.digest("hex")
			};
		}
		case "hardlink": return {
			...common,
			type: "file",
			target: linkPath
		};
		case "symlink": return {
			...common,
			type: "symlink",
			target: linkPath
		};
		case "character-device":
		case "block-device": return {
			...common,
			type: entry.type,
			target: `${deviceMajor}:${deviceMinor}`
		};
		default: return {
			...common,
			type: entry.type
		};
	}
}
const ASPECTS = [
	"type",
	"mode",
	"owner",
	"size",
	"target",
	"content",
	"time"
];
/** Which files differ between two guests. */
function compareGuests(from, to) {
	const added = [];
	const changed = [];
	for (const [key, file] of to) {
		const before = from.get(key);
		const aspects = before === void 0 ? [] : differentAspects(before, file);
		if (before === void 0) added.push(file);
		else if (aspects.length > 0) changed.push({
			path: file.path,
			aspects,
			from: before,
			to: file
		});
	}
	const removed = [...from].filter(([key]) => !to.has(key)).map(([, file]) => file);
	return {
		added: added.sort(byPath),
		removed: removed.sort(byPath),
		changed: changed.sort(byPath)
	};
}
function differentAspects(from, to) {
	const isDifferent = {
		type: from.type !== to.type,
		mode: from.mode !== to.mode,
		owner: !Object.is(from.uid, to.uid) || !Object.is(from.gid, to.gid),
		size: from.sizeBytes !== to.sizeBytes,
		target: from.target !== to.target,
		content: from.sha256 !== to.sha256,
		time: !Object.is(from.mtimeSeconds, to.mtimeSeconds)
	};
	return ASPECTS.filter((aspect) => isDifferent[aspect]);
}
function byPath(a, b) {
	return a.path < b.path ? -1 : 1;
}
// src/cli/differences.ts
/** The most lines of each group that people are shown. */
const MAX_LISTED = 20;
/** What a machine made from the sidecar gets beside its files. */
const SETTINGS = [
	"platform",
	"entrypoint",
	"cmd",
	"env",
	"workdir",
	"user",
	"cpus",
	"mem",
	"smolvm_version",
	"created"
];
/**
* Reads all that is in a sidecar by a function that verifies it.
* @param base what it is going to be compared with
*/
async function readGuest(options, verify, base) {
	const { files, onEntry } = collectGuestFiles(base);
	return {
		...await verify({
			...options,
			deep: true,
			onEntry
		}),
		files
	};
}
function compareSidecars(from, to) {
	const [before, after] = [from.report.manifest, to.report.manifest];
	const settings = SETTINGS.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
	return {
		...compareGuests(from.files, to.files),
		settings: settings.map((name) => ({
			name,
			from: before[name] ?? null,
			to: after[name] ?? null
		}))
	};
}
/** "3 files added, 1 removed, 2 changed"; undefined where no file differs. */
function countsOf({ added, removed, changed }) {
	const [first, ...rest] = Object.entries({
		added: added.length,
		removed: removed.length,
		changed: changed.length
	}).filter(([, count]) => count > 0).map(([what, count]) => [count, what]).map(([count, what], index) => index === 0 ? `${counted(count, "file", count.toLocaleString("en"))} ${what}` : `${count.toLocaleString("en")} ${what}`);
	return first === void 0 ? void 0 : [first, ...rest].join(", ");
}
/** The files of each group, the largest first, and the settings. */
function differenceLines({ added, removed, changed, settings }) {
	const size = ({ sizeBytes }) => sizeBytes;
	return [
		...group("changed", changed, ({ from, to }) => Math.max(size(from), size(to)), changedLine),
		...group("added", added, size, fileLine),
		...group("removed", removed, size, fileLine),
		...group("settings", settings, () => 0, settingLine)
	];
}
function group(name, all, weight, line) {
	if (all.length === 0) return [];
	const listed = all.toSorted((a, b) => weight(b) - weight(a)).slice(0, MAX_LISTED);
	const more = all.length - listed.length;
	return [
		name,
		...listed.map((each) => `  ${line(each)}`),
		...more === 0 ? [] : [`  ... and ${more.toLocaleString("en")} more, --json lists all`]
	];
}
function fileLine(file) {
	const what = file.type === "file" ? formatBytes(file.sizeBytes) : file.type;
	return `${file.path}  ${what}${file.target === void 0 ? "" : ` -> ${file.target}`}`;
}
function changedLine({ path, aspects, from, to }) {
	return `${path}  ${aspects.map((aspect) => {
		switch (aspect) {
			case "type": return `${from.type} -> ${to.type}`;
			case "mode": return `mode ${octal(from.mode)} -> ${octal(to.mode)}`;
			case "owner": return `owner ${from.uid}:${from.gid} -> ${to.uid}:${to.gid}`;
			case "size": return `${formatBytes(from.sizeBytes)} -> ${formatBytes(to.sizeBytes)}`;
			case "target": return `target ${from.target ?? "none"} -> ${to.target ?? "none"}`;
			case "time": return `time ${time(from)} -> ${time(to)}`;
			case "content": return from.type === to.type ? "other content" : void 0;
			default: return aspect;
		}
	}).filter((text) => text !== void 0).join(", ")}`;
}
function settingLine({ name, from, to }) {
	const text = (value) => typeof value === "string" ? value : JSON.stringify(value);
	return `${name}  ${text(from)} -> ${text(to)}`;
}
function octal(mode) {
	return mode.toString(8).padStart(4, "0");
}
/** A tar has room for times that no calendar has. */
function time({ mtimeSeconds }) {
	const date = /* @__PURE__ */ new Date(mtimeSeconds * 1e3);
	return Number.isNaN(date.getTime()) ? `${mtimeSeconds} s` : date.toISOString().replace(".000Z", "Z");
}
// src/cli/named-sidecar.ts
const RECORD_SUFFIX = ".json";
/**
* Finds and verifies the sidecar that a file, its pack record, or the image ID of a sidecar in the store names.
* @throws BottleError `not-found`, `sidecar-damaged`, `sidecar-refused`
*/
async function readNamed(text, store, options) {
	const isThere = await fs.lstat(text).then(() => true, () => false);
	const id = isThere ? void 0 : await findId(store, text);
	if (id !== void 0) return await readById(id, text, store, options);
	if (!isThere) throw new BottleError("not-found", `there is no file ${text}, and it is not an image ID`, { hint: "name a sidecar, its pack record, or an ID that claude-bottle ls shows" });
	return text.endsWith(RECORD_SUFFIX) ? await readByRecord(text, store, options) : await verifyFile(text, options);
}
async function readById(id, text, store, options) {
	if (await statFile(store.pathFor(id)) === void 0) throw new BottleError("not-found", `the store has no sidecar for the image ${text}`, { hint: "claude-bottle ls  # shows what the store has" });
	const { report, content, given } = await verifyNamed(store, id, options);
	return {
		report,
		record: (given && content?.installations.find(({ origin }) => isSameOrigin(origin, given.origin)))?.record
	};
}
/** The sidecar is beside its record, or in the store. */
async function readByRecord(path, store, options) {
	const json = await readSmallFile(path, MAX_RECORD_BYTES).catch((error) => {
		throw fileError(`cannot read ${path}`, error);
	});
	const record = parseRecord(json, path);
	const places = [path.slice(0, -5), objectPath(store.layout, record.sidecar.sha256)];
	for (const place of places) if (await statFile(place) !== void 0) return {
		record,
		report: await verifySidecar(place, expectedOf(record), options)
	};
	return {
		record,
		report: void 0
	};
}
export { readGuest as a, differenceLines as i, compareSidecars as n, countsOf as r, readNamed as t };
