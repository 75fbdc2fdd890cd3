import { _ as summary, c as setOutput, t as debug } from "./core.mjs";
import { c as stackOf, i as asBottleError, r as InterruptedError } from "./errors.mjs";
import { t as formatBytes } from "./disk.mjs";
import { n as shown } from "./shown-text.mjs";
// src/action/summary.ts
const DOCS = "https://github.com/org/claude-bottle-pack/blob/main/docs";
/**
* The job summary, in GitHub's Markdown: what developers can do now, then what was made, and everything else in a part
* that is folded away. Empty when nothing was made.
*/
function summaryOf({ results, published }) {
	if (results.length === 0) return "";
	return [
		`## ${headline(results, published)}`,
		"",
		...table([
			"Platform",
			"Size",
			"Where",
			"Signed by"
		], results.map((result) => [
			result.platform,
			formatBytes(result.record.sidecar.sizeBytes),
			places(result, published).join(" · ") || "on this runner only",
			signer(result)
		])),
		"",
		...nextStep(results, published),
		howLong(results),
		"",
		"<details><summary>Image IDs, hashes and timings</summary>",
		"",
		...results.flatMap((result) => details(result, published)),
		"</details>",
		""
	].join("\n");
}
function headline(results, { registry, release }) {
	if (registry !== void 0 || release?.isDraft === false) return `Published: ${code("claude-bottle fetch")} gets it now`;
	if (release !== void 0) return "In a draft release";
	return results.every(({ cacheMatch }) => cacheMatch === "none") ? "Packed" : "Up to date: nothing was packed";
}
function places({ artifact, platform }, { registry, release }) {
	const isInRegistry = registry?.sidecars.some((sidecar) => sidecar.platform === platform);
	return [
		...registry !== void 0 && isInRegistry ? [code(registry.name)] : [],
		...release === void 0 ? [] : [releaseLink(release)],
		...artifact === void 0 ? [] : [`[artifact](${artifact.url})${artifact.expiresAt === void 0 ? "" : ` until ${artifact.expiresAt.slice(0, 10)}`}`]
	];
}
function releaseLink({ tag, url, isDraft, missingPlatforms }) {
	const link = `[release ${escaped(tag)}](${encodeURI(url)})`;
	const waits = missingPlatforms.length === 0 ? "" : ` that waits for ${missingPlatforms.join(", ")}`;
	return isDraft ? `${link}, a draft${waits}` : link;
}
/** `owner/repository` and the workflow's file, from the address of the workflow that signed. */
function signer({ signer: address }) {
	if (address === void 0) return "nobody";
	const [, repository, file] = /^https:\/\/[^/]+\/([^/]+\/[^/]+)\/.*?([^/@]+)@/.exec(address) ?? [];
	return repository === void 0 ? code(address) : `${code(repository)} ${escaped(file ?? "")}`;
}
function nextStep(results, published) {
	const command = fetchCommand(results, published);
	if (command === void 0) return [];
	const isPrivate = published.registry?.isPublic === false;
	return [
		`On your machine, in a checkout of this commit ([install](${DOCS}/getting-started.md)):`,
		"",
		"```sh",
		command,
		"```",
		"",
		...isPrivate ? [`The package is private: make it public once (**Package settings → Change visibility**), or run ${code("docker login")} on each machine.`, ""] : []
	];
}
function fetchCommand(results, { registry, release }) {
	const fetch = "npx claude-bottle-pack fetch";
	if (registry !== void 0) return registry.isDefault ? fetch : `${fetch} --from oci:${registry.name}`;
	if (release !== void 0) return release.isDraft ? void 0 : fetch;
	const uploaded = results.find(({ artifact }) => artifact !== void 0)?.artifact;
	return uploaded && `${fetch} --from run:${uploaded.runId}`;
}
function howLong(results) {
	const seconds = results.map(({ stages }) => stages.reduce((sum, stage) => sum + stage.seconds, 0));
	const each = results.length === 1 ? "" : ` (${results.map(({ platform }, index) => `${platform} ${duration(seconds[index] ?? 0)}`).join(", ")})`;
	const total = seconds.reduce((sum, one) => sum + one, 0);
	const notes = [...new Set(results.flatMap(({ cacheNotes }) => cacheNotes))].map(escaped).join("; ");
	return `Took **${duration(total)}**${each}. Runner cache: ${notes || "not used"} ([why](${DOCS}/action.md#the-runner-cache)).`;
}
function duration(seconds) {
	const whole = Math.round(seconds);
	return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
function details({ platform, record, stages }, { registry }) {
	const { image, inputs, sidecar, smolvm, packedAt } = record;
	const digest = registry?.sidecars.find((one) => one.platform === platform)?.digest;
	const facts = [
		["image ID", code(image.id)],
		...inputs === void 0 ? [] : [["inputs key", code(inputs.key) + (inputs.narrowed ? "" : " (of the whole context)")]],
		["sidecar", `SHA-256 ${code(sidecar.sha256)}`],
		...digest === void 0 ? [] : [["registry", code(`${registry?.name}@${digest}`)]],
		["packed", `${packedAt} with smolvm ${smolvm.version}`]
	];
	return [
		`**${platform}**`,
		"",
		...table(["", ""], facts),
		"",
		...table([
			"Stage",
			"Time",
			"Size"
		], stages.map(({ stage, seconds, sizeBytes }) => [
			stage,
			`${seconds.toFixed(1)} s`,
			sizeBytes === void 0 ? "" : formatBytes(sizeBytes)
		])),
		""
	];
}
function table(head, rows) {
	const row = (cells) => `| ${cells.join(" | ")} |`;
	return [
		row(head),
		row(head.map(() => "---")),
		...rows.map(row)
	];
}
/** The failure as a headline, what to do, and where to read more. */
function failureSummary({ code: name, message, hint, permission, details: lines }) {
	const [first = "", ...rest] = message.split("\n");
	return [
		`## ${escaped(first)}`,
		"",
		...rest.length === 0 ? [] : [escaped(rest.join(" ")), ""],
		...permission === void 0 ? [] : [
			"Add to the job:",
			"",
			"```yaml",
			"permissions:",
			...permission.startsWith("contents:") ? [] : ["  contents: read"],
			`  ${permission}`,
			"```",
			""
		],
		...hint === void 0 ? [] : [`**Try:** ${escaped(hint)}`, ""],
		...lines.length === 0 ? [] : [
			"<pre>",
			...lines.slice(-15).map(escaped),
			"</pre>",
			""
		],
		`[Troubleshooting](${DOCS}/troubleshooting.md#${name}) · ${code(name)}`,
		""
	].join("\n");
}
function code(text) {
	return `<code>${escaped(text)}</code>`;
}
/** Text from anywhere, shown as it is: neither Markdown nor HTML. */
function escaped(text) {
	return shown(text).replaceAll(/[^A-Za-z0-9 ,.;:/()'"=+-]/gu, (character) => /[\p{L}\p{N}…’]/u.test(character) ? character : `&#${character.codePointAt(0)};`);
}
// src/action/report.ts
const BUG_HINT = "this is a bug: report it with the log of a run with debug logging";
const EXIT_CODES = {
	SIGINT: 130,
	SIGTERM: 143
};
/** Tells the user why a step has failed or was stopped, and returns its exit code. */
async function report(error, log, signal) {
	log.closeGroup();
	if (signal.reason instanceof InterruptedError) {
		log.notice("Cancelled", signal.reason.message);
		setOutput("error-code", "cancelled");
		return EXIT_CODES[signal.reason.signal];
	}
	const known = asBottleError(signal.aborted ? signal.reason : error, BUG_HINT);
	debug(stackOf(known));
	for (const line of known.details) log.text(`  | ${line}`);
	log.error(`claude-bottle-pack: ${known.code}`, known.message, known.hint);
	setOutput("error-code", known.code);
	await writeSummary(failureSummary(known));
	return 1;
}
/** A runner without summaries is not a reason to fail. */
async function writeSummary(markdown) {
	if (markdown !== "" && process.env.GITHUB_STEP_SUMMARY) await summary.addRaw(markdown).write();
}
export { writeSummary as n, summaryOf as r, report as t };
