import { t as canonicalize } from "./canonicalize.mjs";
import { t as BottleError } from "./errors.mjs";
import { createHash } from "node:crypto";
// src/identity/inputs-key.ts
/** Goes up whenever equal inputs would give another key. */
const INPUTS_KEY_SCHEMA = 1;
function parseInputsKey(text) {
	if (!/^[0-9a-f]{64}$/.test(text)) throw new BottleError("usage", `not an inputs key: ${JSON.stringify(text)}`, { hint: "use the 64 hex digits that `claude-bottle key` prints" });
	return text;
}
function inputsKey({ platform, dockerfileSha256, target, buildArgs, entriesSha256 }) {
	return canonicalSha256({
		schema: INPUTS_KEY_SCHEMA,
		platform,
		dockerfile: dockerfileSha256,
		target: target ?? null,
		buildArgs: Object.fromEntries(buildArgs),
		entries: entriesSha256
	});
}
function buildArgsSha256(buildArgs) {
	return canonicalSha256(Object.fromEntries(buildArgs));
}
/** Equal for equal entries, in whatever order they come. */
function entriesSha256(entries) {
	return canonicalSha256(entries.toSorted((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
function canonicalSha256(value) {
	return createHash("sha256").update(canonicalize(value) ?? "").digest("hex");
}
export { parseInputsKey as i, entriesSha256 as n, inputsKey as r, buildArgsSha256 as t };
