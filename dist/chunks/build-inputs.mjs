import { a as fileError, o as hasErrno, t as BottleError } from "./errors.mjs";
import { t as readSmallFile } from "./small-file.mjs";
import { n as entriesSha256, r as inputsKey, t as buildArgsSha256 } from "./inputs-key.mjs";
import { createHash, hash } from "node:crypto";
import { closeSync, constants as constants$1, fstatSync, openSync, readSync, readdirSync, readlinkSync } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
// src/context/dockerfile-words.ts
/** Something in a Dockerfile that we cannot tell the meaning of; the message says what. */
var UnclearError = class extends Error {
	name = "UnclearError";
};
/** The variables of a stage, with those of the stage that it begins from behind them: no copy for each stage. */
var StageVariables = class {
	#own = /* @__PURE__ */ new Map();
	#base;
	constructor(base) {
		this.#base = base;
	}
	has(name) {
		return this.#holder(name) !== void 0;
	}
	get(name) {
		const holder = this.#holder(name);
		return holder === void 0 ? void 0 : holder.#own.get(name);
	}
	set(name, value) {
		this.#own.set(name, value);
	}
	#holder(name) {
		let scope = this;
		while (scope !== void 0 && !scope.#own.has(name)) scope = scope.#base;
		return scope;
	}
};
/** Cuts at whitespace outside of quotes; quotes and escapes stay in the words. */
function splitWords(text, escapeChar) {
	const words = [];
	let index = 0;
	while (index < text.length) if (isBlank(text.charAt(index))) index += 1;
	else {
		const word = text.slice(index, endOfWord(text, index, escapeChar));
		words.push(word);
		index += word.length;
	}
	return words;
}
/** The word that begins at `start`, read with the backslash. */
function firstWord(text, start) {
	return text.slice(start, endOfWord(text, start, "\\"));
}
function endOfWord(text, start, escapeChar) {
	let quote;
	for (let index = start; index < text.length; index += 1) {
		const char = text.charAt(index);
		if (char === escapeChar && quote !== "'") index += 1;
		else if (quote === void 0 && isBlank(char)) return index;
		else if (quote === void 0 && (char === "\"" || char === "'")) quote = char;
		else if (char === quote) quote = void 0;
	}
	return text.length;
}
function isBlank(char) {
	return /\s/.test(char);
}
/**
* Takes quotes and escapes away and puts variables in, as BuildKit does in a word.
* https://docs.docker.com/reference/dockerfile/#environment-replacement
* @throws UnclearError when a variable has no value, or a form of `${}` is not known here
*/
function expandWord(text, variables, escapeChar) {
	return new Expansion(text, variables, escapeChar).readUntil(void 0);
}
const NAME = /[A-Za-z_]\w*/y;
/** No Dockerfile that someone wrote comes near it, and each costs a frame of the stack. */
const MAX_DEPTH = 100;
/** A path has a fraction of it; variables that hold each other twice would soon be longer than memory. */
const MAX_EXPANDED_CHARS = 65536;
var Expansion = class {
	#text;
	#variables;
	#escape;
	#index = 0;
	#depth = 0;
	#expandedChars = 0;
	#isUnused = false;
	constructor(text, variables, escapeChar) {
		this.#text = text;
		this.#variables = variables;
		this.#escape = escapeChar;
	}
	/** Stops before `end`, outside of quotes. */
	readUntil(end) {
		let result = "";
		while (this.#index < this.#text.length && this.#peek() !== end) {
			const char = this.#next();
			if (char === "'") result += this.#readSingleQuoted();
			else if (char === "\"") result += this.#readDoubleQuoted();
			else if (char === this.#escape) result += this.#next();
			else result += char === "$" ? this.#readVariable() : char;
		}
		if (end !== void 0 && this.#next() !== end) throw new UnclearError(`\${ has no end in ${this.#text}`);
		return result;
	}
	#readSingleQuoted() {
		const end = this.#text.indexOf("'", this.#index);
		if (end === -1) throw new UnclearError(`a quote has no end in ${this.#text}`);
		const quoted = this.#text.slice(this.#index, end);
		this.#index = end + 1;
		return quoted;
	}
	#readDoubleQuoted() {
		let result = "";
		for (;;) {
			const char = this.#next();
			if (char === "") throw new UnclearError(`a quote has no end in ${this.#text}`);
			if (char === "\"") return result;
			if (char === "$") result += this.#readVariable();
			else if (char === this.#escape && [
				"\"",
				"$",
				this.#escape
			].includes(this.#peek())) result += this.#next();
			else result += char;
		}
	}
	#readVariable() {
		if (this.#peek() !== "{") {
			const name = this.#readName();
			if (name === "" && /[\d@*#!?$-]/.test(this.#peek())) throw new UnclearError(`$${this.#peek()} is not known here: ${this.#text}`);
			return name === "" ? "$" : this.#valueOf(name);
		}
		this.#next();
		const name = this.#readName();
		if (name !== "" && this.#peek() === "}") {
			this.#next();
			return this.#valueOf(name);
		}
		const operator = /^:?[-+]/.exec(this.#text.slice(this.#index, this.#index + 2))?.[0];
		if (name === "" || operator === void 0) throw new UnclearError(`this form of \${} is not known here: ${this.#text}`);
		this.#index += operator.length;
		const value = this.#isUnused ? "" : this.#declared(name);
		const isSet = value !== null && !(operator.startsWith(":") && value === "");
		const usesReplacement = isSet === operator.endsWith("+");
		const replacement = this.#readReplacement(usesReplacement);
		return usesReplacement ? replacement : isSet && operator.endsWith("-") ? this.#counted(value) : "";
	}
	/** Variables in a replacement that is not used need no value. */
	#readReplacement(isUsed) {
		const isUnused = this.#isUnused;
		this.#isUnused = isUnused || !isUsed;
		this.#depth += 1;
		if (this.#depth > MAX_DEPTH) throw new UnclearError("variables stand in one another too deeply");
		const replacement = this.readUntil("}");
		this.#depth -= 1;
		this.#isUnused = isUnused;
		return replacement;
	}
	#readName() {
		NAME.lastIndex = this.#index;
		const name = NAME.exec(this.#text)?.[0] ?? "";
		this.#index += name.length;
		return name;
	}
	#valueOf(name) {
		if (this.#isUnused) return "";
		const value = this.#declared(name);
		if (value === null) throw new UnclearError(`the variable ${name} has no value`);
		return this.#counted(value);
	}
	#counted(value) {
		this.#expandedChars += value.length;
		if (this.#expandedChars > MAX_EXPANDED_CHARS) throw new UnclearError(`variables make a word of more than ${MAX_EXPANDED_CHARS} characters`);
		return value;
	}
	#declared(name) {
		const value = this.#variables.get(name);
		if (value === void 0) throw new UnclearError(`the value of the variable ${name} is not known here`);
		return value;
	}
	#peek() {
		return this.#text.charAt(this.#index);
	}
	#next() {
		const char = this.#peek();
		this.#index += 1;
		return char;
	}
};
// src/context/dockerfile-lines.ts
const HEREDOC = /^\d*<<(-?)([^<]+)$/;
const WITH_HEREDOC = /^(?:onbuild\s+)?(?:add|copy|run)\s/i;
/**
* Puts the lines of a Dockerfile together to instructions, as BuildKit does.
* https://docs.docker.com/reference/dockerfile/#format
* @throws UnclearError for a heredoc without an end
*/
function readLines(text) {
	const lines = text.replace(/^\uFEFF/, "").split("\n").map((line) => line.replace(/\r$/, ""));
	const { syntax, escapeChar } = readDirectives(lines);
	const continued = escapeChar === "`" ? /(?<!`)`[ \t]*$/ : /(?<!\\)\\[ \t]*$/;
	const instructions = [];
	let index = 0;
	while (index < lines.length) {
		const first = index + 1;
		let joined = "";
		let isContinued = true;
		while (isContinued && index < lines.length) {
			const line = lines[index] ?? "";
			index += 1;
			if (isCommentOrBlank(line)) {
				isContinued = joined !== "";
				continue;
			}
			isContinued = continued.test(line);
			joined += (joined === "" ? line.trimStart() : line).replace(continued, "");
		}
		if (joined.trim() === "") continue;
		instructions.push(parseInstruction(joined, first));
		for (const heredoc of heredocsOf(joined)) index = behindHeredoc(lines, index, heredoc);
	}
	return {
		syntax,
		escapeChar,
		instructions
	};
}
/** The instruction in a line, or behind ONBUILD. */
function parseInstruction(text, line) {
	const [, name = "", rest = ""] = text.trim().match(/^(\S+)\s*([\s\S]*)$/) ?? [];
	const { flags, behind } = readFlags(rest);
	return {
		line,
		name: name.toUpperCase(),
		flags,
		text: behind
	};
}
/** The strings of the JSON form, undefined if this is not it. */
function parseJsonForm(text) {
	if (!text.trimStart().startsWith("[")) return;
	try {
		const value = JSON.parse(text);
		return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : void 0;
	} catch {
		return;
	}
}
function isHeredoc(word) {
	return HEREDOC.test(word);
}
function readDirectives(lines) {
	return {
		syntax: directivesOf(lines[0]?.startsWith("#!") ? lines.slice(1) : lines).get("syntax")?.split(" ")[0],
		escapeChar: directivesOf(lines).get("escape") === "`" ? "`" : "\\"
	};
}
function directivesOf(lines) {
	const seen = /* @__PURE__ */ new Map();
	for (const line of lines) {
		const equals = line.indexOf("=");
		const start = line.slice(0, Math.max(0, equals)).trim();
		const name = start.startsWith("#") ? start.slice(1).trim().toLowerCase() : "";
		const value = line.slice(equals + 1).trim();
		if (![
			"syntax",
			"escape",
			"check"
		].includes(name) || value === "") break;
		seen.set(name, value);
	}
	return seen;
}
function isCommentOrBlank(line) {
	return /^\s*(?:#|$)/.test(line);
}
function heredocsOf(text) {
	if (!WITH_HEREDOC.test(text) || parseJsonForm(parseInstruction(text, 0).text) !== void 0) return [];
	return splitWords(text, "\\").flatMap((word) => {
		const [, dash = "", name = ""] = word.match(HEREDOC) ?? [];
		return name === "" ? [] : {
			name: name.replaceAll(/["'\\]/g, ""),
			stripsTabs: dash !== ""
		};
	});
}
function behindHeredoc(lines, start, { name, stripsTabs }) {
	for (let index = start; index < lines.length; index += 1) {
		const line = lines[index] ?? "";
		if ((stripsTabs ? line.replace(/^\t+/, "") : line) === name) return index + 1;
	}
	throw new UnclearError(`the heredoc ${name} has no end`);
}
function readFlags(text) {
	const flags = [];
	let start = 0;
	for (;;) {
		while (isBlank(text.charAt(start))) start += 1;
		if (!text.startsWith("--", start)) return {
			flags,
			behind: text.slice(start).trim()
		};
		const word = firstWord(text, start);
		start += word.length;
		if (word === "--") return {
			flags,
			behind: text.slice(start).trim()
		};
		flags.push(withoutQuotes(word));
	}
}
function withoutQuotes(word) {
	return word.replaceAll(/\\([\s\S])|["']/g, "$1");
}
// src/context/glob.ts
/** Undefined where Go finds the pattern malformed. */
function parseGlob(pattern) {
	const chars = [...pattern];
	const parts = [];
	for (let index = 0; index < chars.length; index += 1) {
		const char = chars[index] ?? "";
		if (char === "*" && chars[index + 1] === "*") {
			index += chars[index + 2] === "/" ? 2 : 1;
			parts.push({ kind: index === chars.length - 1 ? "all" : "across" });
		} else if (char === "*") parts.push({ kind: "names" });
		else if (char === "?") parts.push({
			kind: "one",
			accepts: (each) => each !== "/"
		});
		else if (char === "[") {
			const end = classEnd(chars, index);
			const accepts = end && classOf(chars.slice(index, end));
			if (end === void 0 || !accepts) return;
			parts.push({
				kind: "one",
				accepts
			});
			index = end - 1;
		} else {
			index += char === "\\" ? 1 : 0;
			const literal = chars[index];
			if (literal === void 0) return;
			parts.push({
				kind: "one",
				accepts: (each) => each === literal
			});
		}
	}
	return new PartsGlob(parts);
}
function isGlob(text) {
	return /[*?[\\]/.test(text);
}
/**
* Follows all ways through the pattern at once, one character of the path after the other, so that no pattern takes more
* steps than its length times the path's.
*/
var PartsGlob = class {
	#parts;
	#minLength;
	constructor(parts) {
		this.#parts = parts;
		this.#minLength = parts.filter(({ kind }) => kind === "one").length;
	}
	matches(path) {
		if (path.length < this.#minLength) return false;
		let places = new Places(this.#parts.length);
		this.#enter(places, 0);
		for (const char of path) {
			const next = new Places(this.#parts.length);
			for (const place of places.list) this.#step(place, char, next);
			if (next.list.length === 0) return false;
			places = next;
		}
		return places.has(this.#parts.length);
	}
	/** A part of the pattern that may match nothing is passed at once. */
	#enter(places, first) {
		for (let place = first; places.add(place); place += 1) {
			const kind = this.#parts[place]?.kind;
			if (kind === void 0 || kind === "one") return;
		}
	}
	#step(place, char, next) {
		const part = this.#parts[place];
		if (part === void 0) return;
		if (part.kind === "one") {
			if (part.accepts(char)) this.#enter(next, place + 1);
		} else if (part.kind === "names") {
			if (char !== "/") this.#enter(next, place);
		} else if (part.kind === "all") {
			next.add(place);
			next.add(place + 1);
		} else {
			next.stay(place);
			if (char === "/") this.#enter(next, place + 1);
		}
	}
};
/** Places in a pattern, each once; one that was only stayed at can still be entered. */
var Places = class {
	list = [];
	#entered;
	#listed;
	constructor(length) {
		this.#entered = new Uint8Array(length + 1);
		this.#listed = new Uint8Array(length + 1);
	}
	/** False when it was entered before. */
	add(place) {
		if (this.#entered[place] !== 0) return false;
		this.#entered[place] = 1;
		this.stay(place);
		return true;
	}
	stay(place) {
		if (this.#listed[place] === 0) {
			this.#listed[place] = 1;
			this.list.push(place);
		}
	}
	has(place) {
		return this.#entered[place] === 1;
	}
};
/** The index behind the `]` that ends the class; a `]` can be its member only behind a backslash. */
function classEnd(chars, start) {
	for (let index = start + 1; index < chars.length; index += 1) if (chars[index] === "\\") index += 1;
	else if (chars[index] === "]") return index + 1;
}
/** One character is compared at a time, so that the expression cannot take long. */
function classOf(chars) {
	const source = chars.map((char, index) => char === "[" && index > 0 ? String.raw`\[` : char).join("");
	try {
		const regExp = new RegExp(`^${source}$`, "su");
		return (char) => regExp.test(char);
	} catch {
		return;
	}
}
// src/context/dockerfile.ts
const OFFICIAL_SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]|$)/;
/** What BuildKit surely takes for an address; everything else is a name in the context for ADD, too. */
const IS_REMOTE = /^(?:(?:https?|git|ssh):\/\/|[\w-]+@[A-Za-z0-9.-]+:)/;
/** Instructions that name nothing in the context and set no variable. */
const INDIFFERENT = new Set("CMD ENTRYPOINT EXPOSE HEALTHCHECK LABEL MAINTAINER SHELL STOPSIGNAL USER VOLUME WORKDIR".split(" "));
/** No Dockerfile that is meant to be built has more. */
const MAX_STAGES = 1e3;
const COPY_FLAGS = "from chown chmod link parents exclude checksum keep-git-dir unpack".split(" ");
const RUN_FLAGS = [
	"mount",
	"network",
	"security",
	"device"
];
const MOUNT_TYPES_WITHOUT_CONTEXT = [
	"cache",
	"tmpfs",
	"secret",
	"ssh"
];
/**
* What a Dockerfile can see of the build context: the sources of COPY, ADD and bind mounts, in the stages that the
* target needs. Paths keep no more than they must: with --parents a pattern counts as the directory in front of it,
* and --exclude is not looked at. What ONBUILD holds counts as if it ran. Variables are those of BuildKit.
*/
function readDockerfile(text, options) {
	try {
		const { syntax, escapeChar, instructions } = readLines(text);
		const frontend = options.buildArgs.get("BUILDKIT_SYNTAX") ?? syntax;
		if (frontend !== void 0 && !OFFICIAL_SYNTAX.test(frontend)) return {
			sources: [],
			reasons: [`the Dockerfile is read by another frontend: ${frontend}`]
		};
		const reader = new StageReader(options, escapeChar);
		for (const instruction of instructions) reader.read(instruction);
		return reader.view();
	} catch (error) {
		if (error instanceof UnclearError) return {
			sources: [],
			reasons: [error.message]
		};
		throw error;
	}
}
var StageReader = class {
	#options;
	#escape;
	#globals;
	#stages = [];
	/** The last of each name. */
	#named = /* @__PURE__ */ new Map();
	constructor(options, escapeChar) {
		this.#options = options;
		this.#escape = escapeChar;
		this.#globals = platformArgs(options);
	}
	/** An unclear instruction becomes a reason of its stage. */
	read(instruction) {
		const stage = this.#stages.at(-1);
		try {
			this.#dispatch(instruction, stage);
		} catch (error) {
			if (!(error instanceof UnclearError) || stage === void 0) throw error;
			stage.reasons.push(`${shown(instruction)}: ${error.message}`);
		}
	}
	view() {
		const stages = this.#neededStages();
		return {
			sources: stages.flatMap(({ sources }) => sources),
			reasons: stages.flatMap(({ reasons }) => reasons)
		};
	}
	#dispatch(instruction, stage) {
		if (instruction.name === "FROM") {
			const started = this.#startStage(instruction);
			this.#stages.push(started);
			if (started.name !== void 0) this.#named.set(started.name, started);
		} else if (instruction.name === "ARG") this.#declareArgs(instruction, stage);
		else if (stage === void 0) throw new UnclearError(`line ${instruction.line}: ${instruction.name} before the first FROM`);
		else if (instruction.name === "ENV") this.#setEnv(instruction, stage);
		else if (instruction.name === "COPY" || instruction.name === "ADD") this.#readCopy(instruction, stage);
		else if (instruction.name === "RUN") this.#readRun(instruction, stage);
		else if (instruction.name === "ONBUILD") this.#readTrigger(instruction, stage);
		else if (!INDIFFERENT.has(instruction.name)) throw new UnclearError(`line ${instruction.line}: this instruction is not known here`);
	}
	#startStage({ text, line }) {
		const [image = "", as, name] = splitWords(text, this.#escape);
		if (image === "" || as !== void 0 && (as.toUpperCase() !== "AS" || name === void 0)) throw new UnclearError(`line ${line}: FROM is not understood`);
		const base = this.#expandReference(image, this.#globals);
		if (this.#stages.length === MAX_STAGES) throw new UnclearError(`there are more than ${MAX_STAGES} stages`);
		const parent = base === void 0 ? void 0 : this.#named.get(base);
		return {
			name: name?.toLowerCase(),
			isFromScratch: parent?.isFromScratch ?? base === "scratch",
			variables: new StageVariables(parent?.variables),
			needs: base === void 0 ? [void 0] : parent === void 0 ? [] : [parent],
			sources: [],
			reasons: []
		};
	}
	#declareArgs({ text }, stage) {
		const variables = stage?.variables ?? this.#globals;
		const values = splitWords(text, this.#escape).map((word) => {
			const [name = "", fallback] = cut(word, "=");
			const given = this.#options.buildArgs.get(name);
			if (given !== void 0 || fallback === void 0) return [name, given ?? this.#globalOf(name)];
			return [name, this.#expandIfClear(fallback, variables)];
		});
		const inherited = stage === void 0 || stage.isFromScratch ? null : void 0;
		for (const [name, value] of values) {
			if (value === null) {
				variables.set(name, variables.has(name) ? variables.get(name) : inherited);
				continue;
			}
			const earlier = variables.has(name) ? variables.get(name) : null;
			variables.set(name, earlier === null || earlier === value ? value : void 0);
		}
	}
	#globalOf(name) {
		return this.#globals.has(name) ? this.#globals.get(name) : null;
	}
	#setEnv({ text }, { variables }) {
		const words = splitWords(text, this.#escape);
		const values = (words[0]?.includes("=") ? words.map((word) => cut(word, "=")) : [[words[0] ?? "", text.replace(/^\S+\s*/, "")]]).map(([name, value]) => [name, this.#expandIfClear(value ?? "", variables)]);
		for (const [name, value] of values) variables.set(name, value);
	}
	#readCopy(instruction, stage) {
		const flags = parseFlags(instruction, COPY_FLAGS);
		const from = flags.find(([name]) => name === "from")?.[1] ?? "";
		if (from !== "") {
			stage.needs.push(this.#expandReference(from, stage.variables));
			return;
		}
		const words = parseJsonForm(instruction.text) ?? instruction.text.split(/\s+/).filter((word) => !isHeredoc(word));
		const hasParents = flags.some(([name, value]) => name === "parents" && value !== "false");
		const instructionText = shown(instruction);
		const isRemote = (text) => instruction.name === "ADD" && IS_REMOTE.test(text);
		for (const word of words.slice(0, -1)) {
			if (isRemote(word)) continue;
			const path = expandWord(word, stage.variables, this.#escape);
			if (!isRemote(path)) stage.sources.push(copySource(path, hasParents, instructionText));
		}
	}
	#readRun(instruction, stage) {
		const instructionText = shown(instruction);
		for (const [name, value] of parseFlags(instruction, RUN_FLAGS)) if (name === "mount") this.#readMount(value, stage, instructionText);
	}
	#readMount(mount, stage, instruction) {
		if (mount.includes("\"")) throw new UnclearError("quotes in --mount are not understood here");
		const fields = new Map(mount.split(",").map((field) => {
			const [key = "", value = ""] = cut(field, "=");
			return [key.trim().toLowerCase(), value];
		}));
		const type = expandWord(fields.get("type") ?? "bind", stage.variables, this.#escape).toLowerCase();
		const from = fields.get("from") ?? "";
		if (from !== "") stage.needs.push(this.#expandReference(from, stage.variables));
		else if (type === "bind") {
			const path = expandWord(fields.get("source") ?? fields.get("src") ?? "", stage.variables, this.#escape);
			stage.sources.push({
				instruction,
				path: contextPath(path),
				isGlob: false
			});
		} else if (!MOUNT_TYPES_WITHOUT_CONTEXT.includes(type)) throw new UnclearError(`the mount type ${type} is not known here`);
	}
	#readTrigger({ text, line }, stage) {
		const trigger = parseInstruction(text, line);
		if (trigger.name === "ONBUILD") throw new UnclearError("no builder takes ONBUILD in ONBUILD");
		if (trigger.name === "ARG" || trigger.name === "ENV" || text.includes("$")) throw new UnclearError("variables of later builds are not followed here");
		this.#dispatch(trigger, stage);
	}
	/** Undefined when it depends on something that we do not know. */
	#expandIfClear(text, variables) {
		try {
			return expandWord(text, variables, this.#escape);
		} catch (error) {
			if (error instanceof UnclearError) return;
			throw error;
		}
	}
	#expandReference(text, variables) {
		return this.#expandIfClear(text, variables)?.toLowerCase();
	}
	#neededStages() {
		const { target } = this.#options;
		const last = target === void 0 ? this.#stages.at(-1) : this.#find(target.toLowerCase());
		if (last === void 0) throw new UnclearError(target === void 0 ? "there is no FROM" : `there is no stage ${target}`);
		const needed = /* @__PURE__ */ new Set([last]);
		for (const stage of needed) for (const need of stage.needs) {
			if (need === void 0) return this.#stages;
			const found = typeof need === "string" ? this.#find(need) : need;
			if (found !== void 0) needed.add(found);
		}
		return this.#stages.filter((stage) => needed.has(stage));
	}
	#find(reference) {
		return this.#named.get(reference) ?? (/^\d+$/.test(reference) ? this.#stages[Number(reference)] : void 0);
	}
};
/**
* Those of the target; the builder's own platform is not known here.
* https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
*/
function platformArgs({ platform, target, buildArgs }) {
	const [os = "", arch = ""] = platform.split("/");
	return new Map(Object.entries({
		TARGETPLATFORM: platform,
		TARGETOS: os,
		TARGETARCH: arch,
		TARGETVARIANT: "",
		TARGETSTAGE: target ?? "default",
		BUILDPLATFORM: void 0,
		BUILDOS: void 0,
		BUILDARCH: void 0,
		BUILDVARIANT: void 0
	}).map(([name, value]) => [name, buildArgs.get(name) ?? value]));
}
function parseFlags({ flags }, known) {
	return flags.map((flag) => {
		const [name = "", value = ""] = cut(flag.slice(2), "=");
		if (!known.includes(name)) throw new UnclearError(`--${name} is not known here`);
		return [name, value];
	});
}
function copySource(text, hasParents, instruction) {
	const path = contextPath(text);
	if (path.includes("\\")) throw new UnclearError(`a backslash in a path is not understood here: ${text}`);
	if (path.split("/").some((segment) => parseGlob(segment) === void 0)) throw new UnclearError(`${text} is not a valid pattern`);
	if (!hasParents) return {
		instruction,
		path,
		isGlob: isGlob(path)
	};
	const segments = path.split("/");
	const wildcard = segments.findIndex(isGlob);
	return {
		instruction,
		path: wildcard === -1 ? path : segments.slice(0, wildcard).join("/"),
		isGlob: false
	};
}
/** `..` ends at the top of the context. */
function contextPath(path) {
	return posix.normalize(`/${path}`).replace(/^\/|\/$/g, "");
}
function cut(text, separator) {
	const index = text.indexOf(separator);
	return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}
function shown({ name, flags, text }) {
	return [
		name,
		...flags,
		text
	].join(" ").slice(0, 120);
}
// src/context/dockerignore.ts
/**
* The rules of a .dockerignore as the Docker engine reads it (moby/patternmatcher, BuildKit 0.11 and newer): the
* last pattern that matches decides, a pattern that matches a directory holds for what is in it, and an exception
* brings back what is in an ignored directory. Older engines do not look for `!**` exceptions in there; they see
* less than we keep.
* https://docs.docker.com/build/concepts/context/#dockerignore-files
*/
var Dockerignore = class {
	#patterns;
	/** @throws BottleError `usage` when a pattern is malformed; `name` is the file's */
	constructor(text, name = ".dockerignore") {
		this.#patterns = text.replace(/^\uFEFF/, "").split("\n").flatMap((line) => parsePattern(line, name) ?? []);
	}
	/** `parent` is what was found for the directory that `path` is in. */
	match(path, parent) {
		let isIgnored = false;
		const matches = this.#patterns.map((pattern, index) => {
			const matched = parent?.[index] === true || pattern.isException === isIgnored && pattern.matches(path);
			if (matched) isIgnored = !pattern.isException;
			return matched;
		});
		return {
			isIgnored,
			matches
		};
	}
	/** Whether an exception may bring back something that is in an ignored directory. */
	mayKeepInside(directory) {
		const segments = directory.split("/");
		return this.#patterns.some(({ isException, literalSegments }) => isException && literalSegments.every((literal, index) => index >= segments.length || literal === segments[index]));
	}
};
function parsePattern(line, name) {
	if (line.startsWith("#")) return;
	const isException = line.trim().startsWith("!");
	const text = line.trim().replace(/^!/, "").trim();
	if (text === "") return;
	const pattern = cleaned(text);
	const wildcard = pattern.split("/").findIndex(isGlob);
	const segments = pattern.split("/");
	return {
		isException,
		matches: matcher(pattern, name),
		literalSegments: wildcard === -1 ? segments : segments.slice(0, wildcard)
	};
}
function cleaned(pattern) {
	const path = posix.normalize(pattern).replace(/(?<=.)\/$/, "");
	return path === "/" ? path : path.replace(/^\//, "");
}
/** The engine compares plain text where the only wildcard is a `**` at one end, and so `**.md` matches a.md. */
function matcher(pattern, name) {
	if (!isGlob(pattern)) return (path) => path === pattern;
	if (pattern.startsWith("**") && !isGlob(pattern.slice(2))) {
		const suffix = pattern.slice(2);
		return (path) => path.endsWith(suffix) || `/${path}` === suffix;
	}
	if (pattern.endsWith("**") && !isGlob(pattern.slice(0, -2))) {
		const prefix = pattern.slice(0, -2);
		return (path) => path.startsWith(prefix);
	}
	const glob = parseGlob(pattern);
	if (glob === void 0) throw new BottleError("usage", `${name} has an invalid pattern: ${JSON.stringify(pattern)}`, { hint: "correct that line; docker build refuses it too" });
	return (path) => glob.matches(path);
}
// src/context/entries.ts
const CHUNK_BYTES = 262144;
const TURN_MS = 20;
const SPECIAL_BITS = [
	[2048, "setuid"],
	[1024, "setgid"],
	[512, "sticky"]
];
/**
* The entries of a build context that a build can see, in the order of their paths. Sockets, devices and FIFOs are
* left out. Where there are reasons against narrowing, there are no entries.
* @throws BottleError `io` for what cannot be read, and for entries that change during the reading
*/
async function readEntries(options) {
	const turns = new Turns(options.signal);
	const walk = new Walk(options, turns);
	await walk.directory("", false, void 0);
	if (walk.reasons.size > 0) return {
		entries: [],
		reasons: [...walk.reasons]
	};
	return {
		entries: await readAll(walk.found.toSorted((a, b) => a.path < b.path ? -1 : 1), options.context, turns),
		reasons: []
	};
}
/**
* Directories and files are read without the thread pool, which costs more than the reading itself where they are
* many and small; signals get their turn in between.
*/
var Turns = class {
	#signal;
	#endMs = 0;
	constructor(signal) {
		this.#signal = signal;
	}
	isOver() {
		return performance.now() > this.#endMs;
	}
	async next() {
		await setImmediate();
		this.throwIfAborted();
		this.#endMs = performance.now() + TURN_MS;
	}
	throwIfAborted() {
		this.#signal?.throwIfAborted();
	}
};
/** Whether a file of a path would be an entry if it were there: what the walk below finds out on its way. */
function coverage({ ignore, sources }) {
	const matchers = matchersOf(sources);
	return (path) => {
		const names = path.split("/");
		let isIgnored = false;
		let matches;
		for (let length = 1; length <= names.length; length += 1) ({isIgnored, matches} = ignore.match(names.slice(0, length).join("/"), matches));
		return !isIgnored && matchers.some((source) => source.covers(names));
	};
}
function matchersOf(sources) {
	return (sources ?? [{
		instruction: "",
		path: "",
		isGlob: false
	}]).map((source) => new SourceMatcher(source));
}
var Walk = class {
	found = [];
	reasons = /* @__PURE__ */ new Set();
	#context;
	#ignore;
	#sources;
	#turns;
	constructor({ context, ignore, sources }, turns) {
		this.#context = context;
		this.#ignore = ignore;
		this.#sources = matchersOf(sources);
		this.#turns = turns;
	}
	/** Whether the engine would get something of what is in there. */
	async directory(path, isCovered, ignored) {
		let isSent = false;
		for (const entry of readNames(join(this.#context, path), path)) {
			if (this.#turns.isOver()) await this.#turns.next();
			const type = typeOf(entry);
			if (type === void 0) continue;
			const seen = this.#look(path === "" ? entry.name : `${path}/${entry.name}`, type, isCovered, ignored);
			isSent = (type === "directory" ? await this.#visitDirectory(seen) : this.#visit(seen)) || isSent;
		}
		return isSent;
	}
	#look(path, type, isParentCovered, parentIgnored) {
		return {
			path,
			type,
			isCovered: isParentCovered || this.#sources.some((source) => source.covers(path.split("/"))),
			...this.#ignore.match(path, parentIgnored)
		};
	}
	#visit({ path, type, isCovered, isIgnored }) {
		if (isIgnored) return false;
		if (type === "symlink") {
			const names = path.split("/");
			for (const source of this.#sources) if (source.leadsThrough(names) && !source.covers(names.slice(0, -1))) this.reasons.add(`${source.instruction}: ${path} is a symlink`);
		}
		if (isCovered) this.found.push({
			path,
			type
		});
		return true;
	}
	/** The engine gets an ignored directory when something in it is excepted. */
	async #visitDirectory({ path, isCovered, isIgnored, matches }) {
		const isSent = (isCovered || this.#sources.some((source) => source.leadsThrough(path.split("/")))) && (!isIgnored || this.#ignore.mayKeepInside(path)) && await this.directory(path, isCovered, matches) || !isIgnored;
		if (isSent && isCovered) this.found.push({
			path,
			type: "directory"
		});
		return isSent;
	}
};
/** A source of COPY, ADD or a bind mount, compared directory by directory. */
var SourceMatcher = class {
	instruction;
	#segments;
	constructor({ instruction, path, isGlob }) {
		this.instruction = instruction;
		this.#segments = path === "" ? [] : path.split("/").map((segment) => segmentMatcher(segment, isGlob));
	}
	/** The path comes as its names; none are the context itself. */
	covers(names) {
		return names.length >= this.#segments.length && this.#agrees(names);
	}
	/** Whether the path is the source or on the way to it. */
	leadsThrough(names) {
		return names.length <= this.#segments.length && this.#agrees(names);
	}
	#agrees(names) {
		return this.#segments.every((matches, index) => {
			const name = names[index];
			return name === void 0 || matches(name);
		});
	}
};
function segmentMatcher(segment, isGlob) {
	const glob = isGlob ? parseGlob(segment.replaceAll(/\*+/g, "*")) : void 0;
	return glob === void 0 ? (name) => name === segment : (name) => glob.matches(name);
}
function typeOf(entry) {
	if (entry.isDirectory()) return "directory";
	return entry.isSymbolicLink() ? "symlink" : entry.isFile() ? "file" : void 0;
}
function readNames(directory, path) {
	try {
		return readdirSync(directory, { withFileTypes: true });
	} catch (error) {
		throw readError$1(path === "" ? directory : path, error);
	}
}
async function readAll(found, context, turns) {
	const entries = [];
	const reader = new FileReader(turns);
	const prefix = join(context, "_").slice(0, -1);
	for (const { path, type } of found) {
		if (turns.isOver()) await turns.next();
		const absolute = prefix + path;
		const name = path.normalize("NFC");
		try {
			if (type === "file") entries.push({
				type,
				path: name,
				...await reader.read(absolute)
			});
			else if (type === "symlink") entries.push({
				type,
				path: name,
				linkTarget: readlinkSync(absolute)
			});
			else entries.push({
				type,
				path: name
			});
		} catch (error) {
			turns.throwIfAborted();
			throw error instanceof BottleError ? error : readError$1(path, error);
		}
	}
	return entries;
}
var FileReader = class {
	#buffer = Buffer.allocUnsafe(CHUNK_BYTES);
	#turns;
	constructor(turns) {
		this.#turns = turns;
	}
	async read(path) {
		const file = openSync(path, constants$1.O_RDONLY | constants$1.O_NOFOLLOW | constants$1.O_NONBLOCK);
		try {
			const stats = fstatSync(file);
			if (!stats.isFile()) throw changedError(path);
			const executable = (stats.mode & 73) !== 0;
			const specialBits = SPECIAL_BITS.flatMap(([bit, name]) => (stats.mode & bit) === 0 ? [] : name);
			const bytesRead = readSync(file, this.#buffer);
			const sha256 = bytesRead === stats.size ? hash("sha256", this.#buffer.subarray(0, bytesRead)) : await this.#hashOn(file, bytesRead);
			return {
				executable,
				...specialBits.length > 0 && { specialBits },
				sha256
			};
		} finally {
			closeSync(file);
		}
	}
	/** The first bytes are in the buffer. */
	async #hashOn(file, firstBytes) {
		const sum = createHash("sha256");
		let bytesRead = firstBytes;
		while (bytesRead > 0) {
			sum.update(this.#buffer.subarray(0, bytesRead));
			if (this.#turns.isOver()) await this.#turns.next();
			bytesRead = readSync(file, this.#buffer);
		}
		return sum.digest("hex");
	}
};
function readError$1(path, error) {
	if (path.includes("�")) {
		const directory = posix.dirname(path);
		const isTop = directory === ".";
		const place = isTop ? "the build context" : `the directory ${directory}`;
		return new BottleError("io", `${place} holds a name that is not UTF-8: ${posix.basename(path)}`, {
			hint: isTop ? "rename it" : `rename it, or list ${directory} in .dockerignore`,
			cause: error
		});
	}
	if (hasErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "EISDIR")) return changedError(path, error);
	if (hasErrno(error, "ENAMETOOLONG")) return fileError("cannot read the build context", error);
	const reason = error instanceof Error ? error.message : String(error);
	return new BottleError("io", `cannot read ${path}: ${reason}`, {
		hint: "make it readable for this user, or list it in .dockerignore",
		cause: error
	});
}
function changedError(path, cause) {
	return new BottleError("io", `${path} changed while the build context was read`, {
		hint: "try again when nothing writes to the build context",
		cause
	});
}
// src/context/build-inputs.ts
/** BuildKit and the engine read both whole too, and no real one is near it. */
const MAX_FILE_BYTES = 1048576;
/** The limit for a name in a directory, on every file system that we know. */
const MAX_NAME_BYTES = 255;
/**
* Reads what goes into `docker build`. The same inputs have the same key on every machine.
*
* The key cannot see, so that another image can come of the same key:
* - base images: what a tag in FROM or `--from` stands for by now, and what the image does by ONBUILD
* - what RUN gets from the network, and what is behind the URLs of ADD
* - the values of secrets, SSH agents and cache mounts, and what `--build-context` puts in a stage's place
* - the builder: Dockerfiles are read as BuildKit reads them. In the legacy builder, ENV of a base image wins over
*   ARG and build args, and so COPY can take another path
* @throws BottleError `not-found` when there is no context or no Dockerfile, `usage` when the Dockerfile or an
* ignore file is not a plain file or leads out of the context, `io` when something cannot be read
*/
async function readBuildInputs(options) {
	const { context, target, platform, signal } = options;
	await assertDirectory(context);
	const dockerfile = await findDockerfile(options);
	const buildArgs = buildArgValues(options.buildArgs);
	const ignore = await readIgnore(context, dockerfile.path);
	const view = readDockerfile(dockerfile.bytes.toString(), {
		target,
		buildArgs,
		platform
	});
	const wanted = view.reasons.length === 0 ? view.sources : void 0;
	const narrow = {
		context,
		ignore: ignore.rules,
		sources: wanted,
		signal
	};
	const whole = {
		...narrow,
		sources: void 0
	};
	const seen = await readEntries(narrow);
	const reasons = [...view.reasons, ...seen.reasons];
	const { entries } = seen.reasons.length === 0 ? seen : await readEntries(whole);
	const parts = {
		dockerfileSha256: createHash("sha256").update(dockerfile.bytes).digest("hex"),
		...target !== void 0 && { target },
		entriesSha256: entriesSha256(entries)
	};
	return {
		record: {
			key: inputsKey({
				...parts,
				platform,
				buildArgs
			}),
			...parts,
			buildArgsSha256: buildArgsSha256(buildArgs),
			narrowed: reasons.length === 0
		},
		entries,
		reasons,
		files: {
			dockerfile: dockerfile.path,
			ignore: ignore.path
		},
		covers: coverage(reasons.length === 0 ? narrow : whole)
	};
}
async function assertDirectory(context) {
	if (!(await fs.stat(resolve(context)).catch((error) => {
		if (hasErrno(error, "ENOENT", "ENOTDIR")) return;
		throw readError(context, error);
	}))?.isDirectory()) throw new BottleError("not-found", `no build context: ${context} is not a directory`, { hint: "check --context (input: context)" });
}
async function findDockerfile({ context, file }) {
	const paths = file === void 0 ? [join(context, "Dockerfile"), join(context, "dockerfile")] : [resolve(file)];
	for (const path of paths) {
		const bytes = await readIfThere(path, file === void 0 ? [context] : void 0);
		if (bytes !== void 0) return {
			path,
			bytes
		};
	}
	const inContext = join(context, file ?? "");
	const isInContext = file !== void 0 && (await fs.stat(inContext).catch(() => void 0))?.isFile() === true;
	throw new BottleError("not-found", `no Dockerfile: ${paths[0]} does not exist`, { hint: isInContext ? `docker looks for it from the working directory, and not in the context: --file ${inContext}` : "run this in the repository of your agent, or name the Dockerfile with --file (input: file)" });
}
/** The ignore file beside the Dockerfile and named after it comes before the one of the context. */
async function readIgnore(context, dockerfilePath) {
	const own = `${dockerfilePath}.dockerignore`;
	const isPossible = Buffer.byteLength(basename(own)) <= MAX_NAME_BYTES;
	for (const path of [...isPossible ? [own] : [], join(context, ".dockerignore")]) {
		const bytes = await readIfThere(path, [context, dirname(dockerfilePath)]);
		if (bytes !== void 0) return {
			rules: new Dockerignore(bytes.toString(), basename(path)),
			path
		};
	}
	return {
		rules: new Dockerignore(""),
		path: void 0
	};
}
/** With `roots`, links must stay inside of one of them; docker refuses a Dockerfile that does not too. */
async function readIfThere(path, roots) {
	try {
		const target = await fs.realpath(path);
		if (roots !== void 0 && !await isInside(target, roots)) throw new BottleError("usage", `${path} is a symlink that leads out of the build context`, { hint: "put the file itself there" });
		return await readSmallFile(target, MAX_FILE_BYTES);
	} catch (error) {
		if (hasErrno(error, "ENOENT")) return;
		throw error instanceof BottleError ? error : readError(path, error);
	}
}
function readError(path, error) {
	if (hasErrno(error, "EINVAL", "EFBIG")) return new BottleError("usage", `${path} is not a regular file of at most ${MAX_FILE_BYTES} bytes`, {
		hint: "put the file itself there",
		cause: error
	});
	const reason = error instanceof Error ? error.message : String(error);
	return hasErrno(error, "ENAMETOOLONG") ? fileError(`cannot read ${path}`, error) : new BottleError("io", `cannot read ${path}: ${reason}`, {
		hint: "make it readable for this user",
		cause: error
	});
}
async function isInside(target, roots) {
	return (await Promise.all(roots.map((root) => fs.realpath(root)))).some((root) => target.startsWith(root.endsWith("/") ? root : `${root}/`));
}
/** As docker reads `--build-arg`: the last of a name wins, a name without a value in the environment is not set. */
function buildArgValues(buildArgs) {
	const values = /* @__PURE__ */ new Map();
	for (const buildArg of buildArgs) {
		const index = buildArg.indexOf("=");
		const name = index === -1 ? buildArg : buildArg.slice(0, index);
		const value = index === -1 ? process.env[name] : buildArg.slice(index + 1);
		if (value !== void 0) values.set(name, value);
	}
	return values;
}
export { readBuildInputs as t };
