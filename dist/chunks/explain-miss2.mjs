import { t as BottleError } from "./errors.mjs";
import { a as differencesSince, i as archivedEntries, n as reasonLine, o as otherLineEndings, r as reasonOf, s as readWorkingFile } from "./causes.mjs";
import { i as isPushed, r as historyOf } from "./history.mjs";
import { n as entriesSha256, t as buildArgsSha256 } from "./inputs-key.mjs";
import { t as counted } from "./shown-text.mjs";
import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
// src/fetch/explain-miss.ts
const MAX_LISTED_FILES = 10;
/** For a user who got nothing: what differs here from the nearest sidecar that is published, or from the commit. */
async function explainMiss(nearest, inputs, { aboutRemotes, isSearch, ...checkout }) {
	const reasons = nearest !== void 0 ? await reasonsFrom(nearest, inputs, checkout) : isSearch ? await reasonsOfFiles("", inputs, checkout.context, void 0) : [];
	const [first, ...others] = reasons.filter(({ isCommitted }) => !isCommitted);
	return {
		cause: first !== void 0 ? {
			message: localCause(first, others.length),
			hint: first.remedy,
			isLocal: true
		} : nearest !== void 0 || isSearch ? await causeInCi(checkout.context) : void 0,
		details: [...nearestLines(nearest, reasons.length > 1 ? reasons.map((reason) => `- ${reasonLine(reason)}`) : []), ...await aboutRemotes()]
	};
}
function localCause({ what }, others) {
	return `${what}${others === 0 ? "" : ` (and ${others} more)`}, so nothing is published for this checkout`;
}
/** The cause of a miss in a checkout without local changes. */
async function causeInCi(context) {
	const [commit] = await historyOf(context).catch(unlessGitRefuses);
	if (commit === void 0) return;
	const shortCommit = commit.slice(0, 12);
	return await isPushed(context) === false ? {
		message: `commit ${shortCommit} is not pushed, so CI cannot have packed it`,
		hint: "git push",
		isLocal: true
	} : {
		message: `nothing is published for commit ${shortCommit} yet`,
		hint: "gh run list  # is CI still packing it?",
		isLocal: false
	};
}
function unlessGitRefuses(error) {
	if (error instanceof BottleError && error.code === "git-failed") return [];
	throw error;
}
function nearestLines(nearest, differences) {
	if (nearest === void 0) return differences.length === 0 ? [] : ["this checkout differs from its commit in:", ...differences];
	const { source, platform } = nearest;
	return [`the nearest published sidecar is for ${platform}${source === void 0 ? "" : `, of commit ${source.commit.slice(0, 12)}`}${differences.length === 0 ? "" : "; here it differs in:"}`, ...differences];
}
/** What makes the key of a checkout another one than a record's; nothing when they are equal. */
async function differencesFrom(record, inputs, checkout) {
	return (await reasonsFrom(record, inputs, checkout)).map(reasonLine);
}
async function reasonsFrom({ inputs: there, platform, source }, inputs, checkout) {
	if (there === void 0) return [{ what: "the sidecar was packed from an image, not from inputs" }];
	const { record: here } = inputs;
	const [hasArgs, hadArgs] = [here, there].map(({ buildArgsSha256: sha256 }) => sha256 !== buildArgsSha256(/* @__PURE__ */ new Map()));
	return [
		...platform === checkout.platform ? [] : [{ what: `the platform is ${checkout.platform} here, and ${platform} where it was packed` }],
		...there.dockerfileSha256 === here.dockerfileSha256 ? [] : [await reasonOfDockerfile(there.dockerfileSha256, inputs, source?.commit)],
		...there.target === here.target ? [] : [{ what: `the target is ${here.target ?? "not set"} here, and ${there.target ?? "not set"} where it was packed` }],
		...there.buildArgsSha256 === here.buildArgsSha256 ? [] : [{ what: `the build arguments are ${hasArgs ? "set" : "not set"} here, and ${hadArgs ? hasArgs ? "others" : "set" : "not set"} where it was packed` }],
		...there.entriesSha256 === here.entriesSha256 ? [] : await reasonsOfFiles(there.entriesSha256, inputs, checkout.context, source?.commit)
	];
}
/** A miss is not explained away by a git that refuses; its reason is one more line. */
async function whereGitAnswers(what, ask) {
	try {
		return await ask();
	} catch (error) {
		if (error instanceof BottleError && error.code === "git-failed") return [{
			what: `${what}; ${error.message}`,
			...error.hint && { remedy: error.hint }
		}];
		throw error;
	}
}
async function reasonOfDockerfile(sha256There, { files }, commit) {
	const name = basename(files.dockerfile);
	const file = await readWorkingFile(files.dockerfile, "sha1");
	if ((file === void 0 ? [] : otherLineEndings(file)).some((bytes) => createHash("sha256").update(bytes).digest("hex") === sha256There)) return reasonOf({
		path: name,
		cause: "line-endings",
		count: 1
	});
	return (await whereGitAnswers(`${name} differs`, () => reasonsOfFile(files.dockerfile, commit)))[0] ?? { what: `${name} is not the one that was built there (--file)` };
}
/** The differences of a file that decides about the build without being part of it. */
async function reasonsOfFile(path, commit) {
	const name = basename(path);
	return ((await differencesSince(commit, {
		context: dirname(path),
		entries: [{
			type: "file",
			path: name,
			executable: false,
			sha256: ""
		}],
		covers: (each) => each === name
	}))?.differences ?? []).filter(({ cause }) => cause !== "execute-bit").map(reasonOf);
}
async function reasonsOfFiles(entriesThere, inputs, context, commit) {
	return await whereGitAnswers("files in the build context differ", () => differingFiles(entriesThere, inputs, context, commit));
}
/**
* The record has one hash for all files; git knows what a clone of its commit has.
* @param entriesThere '' where there is no record: only what is not as in the checked-out commit is told
*/
async function differingFiles(entriesThere, { entries, covers, files }, context, commit) {
	const compared = await differencesSince(commit, {
		context,
		entries,
		covers
	});
	const isCompared = entriesThere !== "";
	if (compared === void 0) return isCompared ? [{ what: "files in the build context differ; without a git checkout it is not known which ones" }] : [];
	const { differences, knowsCommit, lfsPointers } = compared;
	const isIgnoreFileListed = entries.some(({ path }) => path === files.ignore);
	const rules = files.ignore === void 0 || isIgnoreFileListed ? [] : await reasonsOfFile(files.ignore, commit);
	const reasons = [...new Map([...rules, ...differences.map(reasonOf)].map((each) => [reasonLine(each), each])).values()];
	const rest = reasons.length - MAX_LISTED_FILES;
	return [
		...reasons.slice(0, MAX_LISTED_FILES),
		...rest > 0 ? [{ what: `there are ${counted(rest, "more difference")}` }] : [],
		...knowsCommit || commit === void 0 ? [] : [{
			what: `this clone does not have commit ${commit.slice(0, 12)}, so only what is not committed here is known`,
			remedy: "git fetch origin  # or git fetch --unshallow",
			isCommitted: true
		}],
		...isCompared && reasons.length === 0 && (knowsCommit || commit === void 0) ? [await whyNothingDiffers(entriesThere, {
			context,
			entries,
			covers
		}, lfsPointers)] : []
	];
}
/** Here all files are those of the commit, and so they were not there. */
async function whyNothingDiffers(entriesThere, inputs, lfsPointers) {
	const { entries } = inputs;
	const archived = await archivedEntries(inputs);
	if (archived.length < entries.length && entriesSha256(archived) === entriesThere) {
		const kept = new Set(archived.map(({ path }) => path));
		return {
			what: `${entries.filter(({ type, path }) => type !== "directory" && !kept.has(path))[0]?.path} and all that .gitattributes marks with export-ignore was not there`,
			remedy: "install git on the runner before actions/checkout, which otherwise unpacks an archive of the repository"
		};
	}
	const asPointers = entries.map((entry) => {
		const sha256 = entry.type === "file" ? lfsPointers.get(entry.path) : void 0;
		return sha256 === void 0 ? entry : {
			...entry,
			sha256
		};
	});
	return lfsPointers.size > 0 && entriesSha256(asPointers) === entriesThere ? {
		what: `${[...lfsPointers.keys()][0]} and all that Git LFS keeps were pointers where it was packed`,
		remedy: "set lfs: true for actions/checkout"
	} : {
		what: "the files here are those of the commit, and the build of the sidecar had others, such as what an earlier step had made",
		remedy: "list such files in .dockerignore"
	};
}
export { explainMiss as n, differencesFrom as t };
