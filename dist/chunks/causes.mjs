import { t as BottleError } from "./errors.mjs";
import { r as shellWord, t as counted } from "./shown-text.mjs";
import { a as findWorkTree, o as git, s as itemsOf } from "./remote.mjs";
import { n as headOf } from "./history.mjs";
import { createHash } from "node:crypto";
import { constants as constants$1 } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
// src/git/ignore-files.ts
/**
* For each of these paths, which are relative to the build context, the file whose rule ignores it: one of the checkout, of
* this clone alone, or of its user.
*/
async function ignoreFiles(tree, paths) {
	const files = /* @__PURE__ */ new Map();
	if (paths.length === 0) return files;
	const above = `./${tree.prefix}`;
	const input = paths.map((path) => `${above}${path === "." ? "" : path}\0`).join("");
	const fields = (await git(tree, [
		"check-ignore",
		"-z",
		"--verbose",
		"--stdin"
	], {
		input,
		answers: [1],
		hasMagicPaths: true
	}) ?? "").split("\0");
	for (let index = 0; index + 3 < fields.length; index += 4) {
		const [file = "", , , path = ""] = fields.slice(index, index + 4);
		files.set(path === above ? "." : path.slice(above.length), shownName(file));
	}
	return files;
}
function shownName(file) {
	if (/(^|\/)info\/exclude$/.test(file)) return ".git/info/exclude";
	return isAbsolute(file) ? "core.excludesFile" : file;
}
// src/git/working-file.ts
/** A larger file is only hashed, and not tried in other forms. */
const MAX_KEPT_BYTES = 67108864;
const POINTER_START = "version https://git-lfs.github.com/spec/v1\n";
const MAX_POINTER_BYTES = 1024;
/** Undefined when it is not a regular file, or cannot be read. */
async function readWorkingFile(path, algorithm) {
	let file;
	try {
		file = await open(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK);
		const stats = await file.stat();
		return stats.isFile() ? await hashFile(file, stats.size, algorithm) : void 0;
	} catch {
		return;
	} finally {
		await file?.close();
	}
}
async function hashFile(file, sizeBytes, algorithm) {
	const blob = createHash(algorithm).update(`blob ${sizeBytes}\0`);
	const sha256 = createHash("sha256");
	const chunks = [];
	for await (const chunk of file.createReadStream({ autoClose: false })) {
		blob.update(chunk);
		sha256.update(chunk);
		if (sizeBytes <= MAX_KEPT_BYTES) chunks.push(chunk);
	}
	return {
		blob: blob.digest("hex"),
		bytes: sizeBytes <= MAX_KEPT_BYTES ? Buffer.concat(chunks) : void 0,
		sizeBytes,
		sha256: sha256.digest("hex")
	};
}
function blobOf(bytes, algorithm) {
	return createHash(algorithm).update(`blob ${Buffer.byteLength(bytes)}\0`).update(bytes).digest("hex");
}
function isLfsPointer({ bytes, sizeBytes }) {
	return sizeBytes <= MAX_POINTER_BYTES && bytes?.toString("latin1", 0, 43) === POINTER_START;
}
/** What Git LFS commits in a file's place. */
function lfsPointerOf({ sha256, sizeBytes }) {
	return `${POINTER_START}oid sha256:${sha256}\nsize ${sizeBytes}\n`;
}
/** The same text with the other kinds of line endings; none for what is not text. */
function otherLineEndings({ bytes }) {
	if (bytes === void 0 || bytes.includes(0)) return [];
	const text = bytes.toString("latin1");
	const unix = text.replaceAll("\r\n", "\n");
	return [unix, unix.replaceAll("\n", "\r\n")].filter((form) => form !== text).map((form) => Buffer.from(form, "latin1"));
}
/** The content that git commits for a file that it converts in the same way in every clone: `ident`, and encodings. */
function reconverted({ bytes }, attributes) {
	if (bytes === void 0) return [];
	if (attributes.get("ident") === "set") {
		const text = bytes.toString("latin1");
		return [Buffer.from(text.replaceAll(/\$Id: [^$\n]*\$/g, "$Id$"), "latin1")];
	}
	const encoding = attributes.get("working-tree-encoding") ?? "";
	try {
		const label = /^utf-16$/i.test(encoding) && bytes[0] === 254 ? "utf-16be" : encoding.replace(/-BOM$/i, "");
		const text = new TextDecoder(label, { fatal: true }).decode(bytes);
		return [text, text.replaceAll("\r\n", "\n")].map((form) => Buffer.from(form));
	} catch {
		return [];
	}
}
// src/git/comparison.ts
/** Undefined when the clone does not have the commit. */
async function readTree(tree, commit) {
	if ((await git(tree, ["cat-file", "--batch-check=%(objecttype)"], {
		answers: [128],
		input: `${commit}^{commit}\n`
	}))?.trim() !== "commit") return;
	const pathspec = tree.prefix === "" ? [] : [tree.prefix];
	const listing = await git(tree, [
		"ls-tree",
		"-r",
		"-z",
		"--full-tree",
		commit,
		"--",
		...pathspec
	], { answers: [128] });
	if (listing === void 0) return;
	return new Map(itemsOf(listing).map((item) => {
		const tab = item.indexOf("	");
		const [mode = "", , hash = ""] = item.slice(0, tab).split(" ");
		const path = item.slice(tab + 1 + tree.prefix.length);
		return [path.normalize("NFC"), {
			mode,
			hash,
			path
		}];
	}));
}
/** A working tree beside the commit that is checked out in it. */
var Comparison = class Comparison {
	#tree;
	#inputs;
	#head;
	/** What `git ls-files -v` says of each name of the index: H, S for skip-worktree, small letters for assume-unchanged. */
	#index;
	#untracked;
	#ignored;
	constructor(tree, inputs, found) {
		this.#tree = tree;
		this.#inputs = inputs;
		this.#head = found.head;
		this.#index = found.index;
		this.#untracked = found.untracked;
		this.#ignored = found.ignored;
	}
	static async open(tree, inputs) {
		const pathspec = ["--", ...tree.prefix === "" ? [] : [tree.prefix]];
		const names = async (...args) => itemsOf(await git(tree, [
			"ls-files",
			"-z",
			...args,
			...pathspec
		]));
		const relative = (path) => path.slice(tree.prefix.length).normalize("NFC");
		const others = [
			"--others",
			"--directory",
			"--exclude-standard"
		];
		const [commit, index, untracked, ignored] = await Promise.all([
			headOf(tree),
			names("-v"),
			names(...others),
			names(...others, "--ignored")
		]);
		return new Comparison(tree, inputs, {
			head: (commit === void 0 ? void 0 : await readTree(tree, commit)) ?? /* @__PURE__ */ new Map(),
			index: new Map(index.map((line) => [relative(line.slice(2)), line.charAt(0)])),
			untracked: new Set(untracked.map(relative)),
			ignored: new Set(ignored.map(relative))
		});
	}
	/** Entries of the build that git does not have, by the directory that it does not have. */
	async strangers() {
		const found = /* @__PURE__ */ new Map();
		const inUse = new Set(this.#inputs.entries.flatMap(({ type, path }) => type === "directory" ? [] : ancestorsOf(path)));
		for (const { type, path } of this.#inputs.entries) {
			const root = this.#strangeRoot(path);
			if (root === void 0) continue;
			const isEmpty = type === "directory" && root.path === path && !inUse.has(path);
			const cause = isEmpty && root.cause === "untracked" ? "empty-directory" : root.cause;
			const earlier = found.get(root.path);
			const count = (earlier?.count ?? 0) + (type === "directory" && !isEmpty ? 0 : 1);
			found.set(root.path, {
				cause: earlier?.cause ?? cause,
				count
			});
		}
		const rules = await ignoreFiles(this.#tree, [...found].flatMap(([path, { cause }]) => cause === "ignored" ? path : []));
		return [...found].map(([path, { cause, count }]) => ({
			path,
			cause,
			count: Math.max(count, 1),
			detail: rules.get(path)
		}));
	}
	#strangeRoot(path) {
		if (this.#untracked.has("") || this.#ignored.has("")) return {
			path: ".",
			cause: this.#ignored.has("") ? "ignored" : "untracked"
		};
		const names = path.split("/");
		for (let length = 1; length <= names.length; length += 1) {
			const root = names.slice(0, length).join("/");
			if (names[length - 1] === ".git") return {
				path: root,
				cause: "git-directory"
			};
			for (const listed of [root, `${root}/`]) {
				if (this.#ignored.has(listed)) return {
					path: root,
					cause: "ignored"
				};
				if (this.#untracked.has(listed)) return {
					path: root,
					cause: "untracked"
				};
			}
		}
	}
	/** Pointers in the place of what Git LFS keeps. */
	async pointers() {
		const listed = itemsOf(await git(this.#tree, [
			"ls-files",
			"-z",
			"--",
			":(attr:filter=lfs)"
		], { hasMagicPaths: true }));
		const { prefix, top } = this.#tree;
		const files = new Set(this.#inputs.entries.flatMap(({ type, path }) => type === "file" ? path : []));
		const pointers = [];
		for (const name of listed) {
			const path = name.slice(prefix.length).normalize("NFC");
			const size = name.startsWith(prefix) && files.has(path) ? (await lstat(join(top, name)).catch(() => void 0))?.size : void 0;
			const file = size !== void 0 && size <= 1024 ? await readWorkingFile(join(top, name), "sha1") : void 0;
			if (file !== void 0 && isLfsPointer(file)) pointers.push({
				path,
				cause: "lfs-pointer",
				count: 1
			});
		}
		return pointers;
	}
	/** Those that the build takes something of. */
	submodules() {
		const inUse = new Set(this.#inputs.entries.flatMap(({ path }) => ancestorsOf(path)));
		return [...this.#head].flatMap(([path, entry]) => entry.mode === GITLINK && inUse.has(path) ? {
			...entry,
			path
		} : []);
	}
	/** Files of the commit that a build here would take, and that are not here. */
	leftOut() {
		const { entries, covers } = this.#inputs;
		const here = new Set(entries.flatMap(({ path, type }) => type === "directory" ? ancestorsOf(path) : path));
		for (const { path } of entries) for (const above of ancestorsOf(path)) here.add(above);
		const gone = [];
		for (const [path, { mode }] of this.#head) {
			if (here.has(path) || this.#strangeRoot(path) !== void 0 || !covers(path)) continue;
			const cause = mode === GITLINK ? "submodule" : this.#index.get(path)?.toUpperCase() === "S" ? "sparse" : "deleted";
			gone.push({
				path,
				cause,
				count: 1
			});
		}
		return gone;
	}
	/** Entries that are not what the checked-out commit has. What Git LFS has put in their place is noted. */
	async contents(lfsPointers) {
		const differences = [];
		for (const entry of this.#inputs.entries) {
			if (entry.type === "directory" || this.#strangeRoot(entry.path) !== void 0) continue;
			const difference = await this.#compare(entry, lfsPointers);
			if (difference !== void 0) differences.push({
				count: 1,
				path: entry.path,
				...difference
			});
		}
		return differences;
	}
	async #compare(entry, lfsPointers) {
		const committed = this.#head.get(entry.path);
		if (committed === void 0) return ancestorsOf(entry.path).some((path) => this.#head.get(path)?.mode === GITLINK) ? void 0 : { cause: "added" };
		const algorithm = algorithmOf(committed.hash);
		if (entry.type === "symlink") {
			const target = await readlink(this.#absolute(committed)).catch(() => entry.linkTarget);
			return committed.mode === SYMLINK && blobOf(target, algorithm) === committed.hash ? void 0 : { cause: this.#changeOf(entry.path) };
		}
		const different = await this.#compareFile(entry, committed, lfsPointers);
		if (different !== void 0) return different;
		if (entry.specialBits !== void 0) return {
			cause: "special-bits",
			detail: entry.specialBits.join(", ")
		};
		if (entry.executable === (committed.mode === EXECUTABLE)) return;
		const ignores = await this.#setting("core.fileMode") === "false" ? ", and git does not look because of core.fileMode=false" : "";
		return {
			cause: "execute-bit",
			detail: (entry.executable ? "set here" : "not set here") + ignores
		};
	}
	async #compareFile(entry, committed, lfsPointers) {
		const algorithm = algorithmOf(committed.hash);
		const file = await readWorkingFile(this.#absolute(committed), algorithm);
		if (file === void 0) return { cause: "changed" };
		if (file.blob === committed.hash) return committed.mode === SYMLINK ? { cause: "symlink-as-file" } : isLfsPointer(file) ? { cause: "lfs-pointer" } : void 0;
		const attributes = await this.#attributes(committed);
		if (attributes.get("filter") === "lfs" && blobOf(lfsPointerOf(file), algorithm) === committed.hash) {
			lfsPointers.set(entry.path, createHash("sha256").update(lfsPointerOf(file)).digest("hex"));
			return;
		}
		if (otherLineEndings(file).some((bytes) => blobOf(bytes, algorithm) === committed.hash)) return await this.#lineEndings(attributes);
		if (reconverted(file, attributes).some((bytes) => blobOf(bytes, algorithm) === committed.hash)) return;
		const converter = [
			"filter",
			"ident",
			"working-tree-encoding"
		].find((name) => isOn(attributes.get(name)));
		return converter !== void 0 && attributes.get("filter") !== "lfs" ? {
			cause: "converted",
			detail: `${converter}=${attributes.get(converter)}`
		} : { cause: this.#changeOf(entry.path) };
	}
	/** Line endings that .gitattributes asks for are the same in every clone. */
	async #lineEndings(attributes) {
		if (attributes.get("eol") === "crlf") return;
		for (const name of ["core.autocrlf", "core.eol"]) {
			const value = await this.#setting(name);
			if (value !== void 0 && value !== "false") return {
				cause: "line-endings",
				detail: `${name}=${value}`
			};
		}
		return { cause: "line-endings" };
	}
	async #setting(name) {
		return (await git(this.#tree, [
			"config",
			"--get",
			name
		], { answers: [1] }))?.trim();
	}
	async #attributes({ path }) {
		const names = [
			"filter",
			"ident",
			"working-tree-encoding",
			"eol"
		];
		const args = [
			"check-attr",
			"-z",
			...names,
			"--",
			this.#tree.prefix + path
		];
		const fields = (await git(this.#tree, args))?.split("\0") ?? [];
		return new Map(names.map((name, index) => [name, fields[index * 3 + 2] ?? "unspecified"]));
	}
	/** A change that git itself would not show. */
	#changeOf(path) {
		const flag = this.#index.get(path);
		return flag !== void 0 && (flag === "S" || flag !== flag.toUpperCase()) ? "hidden-change" : "changed";
	}
	/** Files that the checked-out commit has in another form than `there`. */
	committedSince(there) {
		return [.../* @__PURE__ */ new Set([...this.#head.keys(), ...there.keys()])].filter((path) => {
			const [here, earlier] = [this.#head.get(path), there.get(path)];
			return (here?.hash !== earlier?.hash || here?.mode !== earlier?.mode) && this.#inputs.covers(path);
		}).map((path) => ({
			path,
			cause: "committed-since",
			count: 1
		}));
	}
	#absolute({ path }) {
		return join(this.#tree.top, this.#tree.prefix, path);
	}
};
const GITLINK = "160000";
const SYMLINK = "120000";
const EXECUTABLE = "100755";
function algorithmOf(hash) {
	return hash.length === 64 ? "sha256" : "sha1";
}
function isOn(attribute) {
	return attribute !== void 0 && !["unspecified", "unset"].includes(attribute);
}
/** The directories above a path. */
function ancestorsOf(path) {
	const names = path.split("/");
	return names.slice(1).map((_, index) => names.slice(0, index + 1).join("/"));
}
// src/git/differences.ts
/**
* The part of a build context that only this clone has, without a look at the contents of tracked files: ignored and untracked
* names, `.git`, pointers of Git LFS, and what a sparse checkout leaves out. Undefined outside of a checkout.
* @throws BottleError `git-failed`
*/
async function onlyHere(inputs) {
	const tree = await findWorkTree(inputs.context, inputs.signal);
	if (tree === void 0) return;
	return await withSubmodules(tree, inputs, async (comparison) => [
		...await comparison.strangers(),
		...await comparison.pointers(),
		...comparison.leftOut()
	]);
}
/**
* What makes a build context another one than a clone of `commit` has. Undefined outside of a checkout; without a
* `commit`, or when this clone does not have it, the checked-out commit takes its place.
* @throws BottleError `git-failed`
*/
async function differencesSince(commit, inputs) {
	const tree = await findWorkTree(inputs.context, inputs.signal);
	if (tree === void 0) return;
	const there = commit === void 0 ? void 0 : await readTree(tree, commit);
	const lfsPointers = /* @__PURE__ */ new Map();
	return {
		differences: await withSubmodules(tree, inputs, async (comparison, isTop) => [
			...await comparison.strangers(),
			...await comparison.contents(isTop ? lfsPointers : /* @__PURE__ */ new Map()),
			...comparison.leftOut(),
			...isTop && there !== void 0 ? comparison.committedSince(there) : []
		]),
		knowsCommit: there !== void 0,
		lfsPointers
	};
}
/** The entries that an archive of the repository has: a checkout on a runner without git is one. */
async function archivedEntries({ context, entries, signal }) {
	const tree = await findWorkTree(context, signal);
	if (tree === void 0) return [...entries];
	const input = entries.map(({ path }) => `${tree.prefix}${path}\0`).join("");
	const fields = (await git(tree, [
		"check-attr",
		"-z",
		"--stdin",
		"export-ignore"
	], { input }))?.split("\0");
	const ignored = new Set(entries.flatMap(({ path }, index) => isOn(fields?.[index * 3 + 2]) ? path : []));
	const left = entries.filter(({ path }) => ![path, ...ancestorsOf(path)].some((each) => ignored.has(each)));
	const inUse = new Set(left.flatMap(({ type, path }) => type === "directory" ? [] : ancestorsOf(path)));
	return left.filter(({ type, path }) => type !== "directory" || inUse.has(path));
}
/** Looks at a checkout and at the submodules that are in it, at any depth. */
async function withSubmodules(tree, inputs, look, isTop = true) {
	const comparison = await Comparison.open(tree, inputs);
	const differences = await look(comparison, isTop);
	for (const { path, hash } of comparison.submodules()) {
		const context = join(inputs.context, path);
		const inside = await findWorkTree(context, tree.signal);
		if (inside === void 0 || inside.top === tree.top) continue;
		if (await headOf(inside) !== hash) differences.push({
			path,
			cause: "submodule",
			count: 1
		});
		const entries = inputs.entries.filter((entry) => entry.path.startsWith(`${path}/`)).map((entry) => ({
			...entry,
			path: entry.path.slice(path.length + 1)
		}));
		const covers = (name) => inputs.covers(`${path}/${name}`);
		const found = await withSubmodules(inside, {
			context,
			entries,
			covers
		}, look, false);
		differences.push(...found.map((each) => ({
			...each,
			path: `${path}/${each.path}`
		})));
	}
	return differences;
}
// src/git/causes.ts
const WORDS = {
	"git-directory": ({ path }) => ["is part of the build, and different in every clone", `add ${ignoreLine(path)} to .dockerignore`],
	ignored: ({ path, detail = ".gitignore" }) => [`is ignored by git (${detail}), and part of the build`, `add ${ignoreLine(path)} to .dockerignore`],
	untracked: ({ path }) => ["is not tracked by git, and part of the build", `commit it, or add ${ignoreLine(path)} to .dockerignore`],
	"empty-directory": ({ path }) => ["is an empty directory, which git cannot hold, and part of the build", `remove it, or add ${ignoreLine(path)} to .dockerignore`],
	"lfs-pointer": ({ path }) => ["is a pointer of Git LFS, and not the file itself", `git lfs pull --include ${shellWord(path)}`],
	"line-endings": ({ path, detail = "core.autocrlf or .gitattributes" }) => [`has other line endings than in the commit (${detail})`, `git config core.autocrlf false && rm -- ${shellWord(path)} && git checkout -- ${shellWord(path)}`],
	"execute-bit": ({ path, detail = "" }) => [`has another execute bit than in the commit (${detail})`, `${detail.startsWith("not set") ? "chmod +x" : "chmod -x"} ${shellWord(path)}`],
	"special-bits": ({ path, detail }) => [`has mode bits that git cannot hold (${detail})`, `chmod ug-s,-t ${shellWord(path)}`],
	"symlink-as-file": ({ path }) => ["is a file here, and a symbolic link in the commit (core.symlinks)", `git config core.symlinks true && rm -- ${shellWord(path)} && git checkout -- ${shellWord(path)}`],
	converted: ({ detail }) => [`is converted when it is checked out (${detail} in .gitattributes)`, "set up that conversion here as in CI"],
	"hidden-change": ({ path }) => ["has changed, and git was told not to look (assume-unchanged or skip-worktree)", `git update-index --no-assume-unchanged --no-skip-worktree -- ${shellWord(path)}`],
	changed: () => ["has changed and is not committed", "git stash  # or commit it"],
	added: () => ["is new and not committed", "git stash  # or commit it"],
	deleted: ({ path }) => ["is deleted here", `git checkout -- ${shellWord(path)}`],
	sparse: () => ["is left out by the sparse checkout or skip-worktree", "git sparse-checkout disable  # or git sparse-checkout add"],
	submodule: ({ path }) => ["is a submodule that is not checked out as the commit says", `git submodule update --init -- ${shellWord(path)}`],
	"committed-since": () => ["has changed in a later commit", "wait for CI to publish the checked-out commit"]
};
/** The name, why it is not the same elsewhere, and what to do. */
function reasonOf(difference) {
	const [what, remedy] = WORDS[difference.cause](difference);
	const count = difference.count > 1 ? ` (${difference.count} files)` : "";
	return {
		what: `${difference.path}${count} ${what}`,
		remedy,
		isCommitted: difference.cause === "committed-since"
	};
}
function reasonLine({ what, remedy }) {
	return remedy === void 0 ? what : `${what}: ${remedy}`;
}
const MAX_WARNINGS = 5;
/**
* For a build context that no other clone can have: what is in it that only this one has. What git refuses to say is one
* of the lines.
*/
async function onlyHereLines(inputs) {
	try {
		const differences = (await onlyHere(inputs) ?? []).filter(({ cause }) => cause !== "deleted");
		const rest = differences.length - MAX_WARNINGS;
		return [...differences.slice(0, MAX_WARNINGS).map((each) => reasonLine(reasonOf(each))), ...rest > 0 ? [`${counted(rest, "more name")} ${rest === 1 ? "is" : "are"} only in this clone: claude-bottle key --explain`] : []];
	} catch (error) {
		if (error instanceof BottleError && error.code === "git-failed") return [`it is not known which files only this clone has, because ${error.message}; ${error.hint ?? ""}`];
		throw error;
	}
}
/** As a pattern that means this name alone. */
function ignoreLine(path) {
	return path.replaceAll(/[*?[\\]/g, String.raw`\$&`);
}
export { differencesSince as a, archivedEntries as i, reasonLine as n, otherLineEndings as o, reasonOf as r, readWorkingFile as s, onlyHereLines as t };
